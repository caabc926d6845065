//! `notify-send-headless`: a desktop notification from where there is no desktop.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::error::ErrorKind as ClapError;
use clap::{Arg, ArgMatches, Command, FromArgMatches, value_parser};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Applet, Context, ManSection};
use crate::cli::desktop::{failure, find, not_started, refusal};
use crate::cli::exit_status::{ExitRow, Note, Status};
use crate::cli::notification::{self, Options, PROGRAM};
use crate::cli::usage;
use crate::cli::verbosity::Verbosity;
use crate::command::answer;
use crate::command::exec::{Environment, become_command, become_command_without_input};
use crate::control::child::{self, CommandResult};
use crate::control::{Filter, Interrupts, Launch};
use crate::deadlines;
use crate::desktop::notification::{End, ShownNotification};
use crate::desktop::{Address, Directory, Session, SessionSelector, SessionUser};
use crate::exit::{Exit, Refusal};
use crate::output::message::message;
use crate::output::{self, Colour, Output};
use crate::process::Proc;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "notify-send-headless",
    links: &["notify-send-headless"],
    about: "Show a desktop notification to who sits at the screen",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

/// Options that show no notification.
const QUESTIONS: [&str; 5] = ["--help", "--help-all", "-?", "--version", "-v"];

fn command() -> Command {
    Command::new("notify-send-headless")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(
            Arg::new("arguments")
                .value_name("ARGUMENT")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString))
                .help("As of notify-send, see notify-send --help"),
        )
        .long_about(
            "Shows a desktop notification to who sits at the screen, from cron, from a daemon, as \
             root or over ssh. The arguments are those of notify-send, --help among them, and are \
             passed on as they are. Who is reached, and that nobody can divert it, is as with \
             with-gui-environment(1).\n\n\
             Without a program notify-send it speaks to the message bus itself, with the same \
             options, which are those of its version 0.8.7 and of the one after it. It ends after \
             about a minute at the latest, whatever becomes of the message bus, but with --wait and \
             --action as late as whoever sits there does something. An interrupt from the keyboard \
             (Ctrl-C) closes what it waits for.",
        )
}

fn notes() -> String {
    format!("{VARIABLES}\n\n{SECURITY}\n\n{EXAMPLES}")
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "the notification was delivered"),
    Status(
        Exit::Nothing,
        "it was not: nobody is logged in graphically, it is not clear who is meant, or nobody \
        shows notifications there",
    ),
    Status(Exit::Usage, "wrong usage, without a program notify-send"),
    Status(Exit::Fatal, "fatal: output failed"),
    Status(Exit::NotRun, "something of our own failed, such as becoming the user"),
    Status(Exit::NotExecutable, "notify-send could not be executed"),
    Note("Otherwise that of notify-send."),
];

const VARIABLES: &str = "\
Environment:
  PROCTOOL_USER
                whose session it is to be, by name or number
  PROCTOOL_SESSION
                what logind calls the session, see with-gui-environment --list
  PROCTOOL_LOG  what to log on standard error, such as debug";

const SECURITY: &str = "\
Security:
  The text is for whoever sits at the screen, and for every program that this user runs. As root, \
notify-send is run with the user's rights, by with-gui-environment's rules, in the root directory \
and without our terminal and our standard streams; what waits for it keeps the rights of the \
superuser, and passes on what it prints.";

const EXAMPLES: &str = "\
Examples:
  notify-send-headless -u critical 'Backup failed' 'See the log'
  PROCTOOL_USER=alice notify-send-headless 'Your job is done'
  @daily root test -d /srv/www || /usr/local/bin/notify-send-headless gone

See also:
  proctool(1), notify-send(1), with-gui-environment(1)";

/// The advice where several sessions may be meant.
const ADVICE: &str = "choose with PROCTOOL_USER or PROCTOOL_SESSION in the environment";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    Verbosity::default().start()?;
    let arguments: Vec<OsString> =
        matches.get_many("arguments").unwrap_or_default().cloned().collect();
    let words: Vec<OsString> =
        std::iter::once(PROGRAM.into()).chain(arguments.iter().cloned()).collect();
    if let [question] = &arguments[..]
        && QUESTIONS.iter().any(|known| question == known)
    {
        return ask(question, &words);
    }
    let proc = Proc::open(Path::new("/proc")).map_err(|error| refusal(&error.into(), ADVICE))?;
    let selector = SessionSelector {
        user: variable("PROCTOOL_USER")?,
        session: variable("PROCTOOL_SESSION")?,
    };
    let (session, variables) = find(&proc, &selector, ADVICE)?;
    let Some(bus) = &variables.bus else {
        return Err(Refusal::nothing(format!("{session}: its message bus does not answer")).into());
    };
    let user =
        SessionUser::new(&session, &variables, Directory::Root).map_err(|error| failure(&error))?;
    let parsed = notification::command()
        .try_get_matches_from(&words)
        .and_then(|matches| Options::from_arg_matches(&matches));
    let sender = Sender { proc: &proc, name: &context.name, words, parsed, session, user };
    sender.check_descriptors()?;
    match sender.notify()? {
        Some(exit) => Ok(exit),
        None => sender.show(bus),
    }
}

/// All that is needed to send a notification.
struct Sender<'s> {
    proc: &'s Proc,
    name: &'s str,
    /// `notify-send` and its arguments.
    words: Vec<OsString>,
    /// Its options, as far as we know them.
    parsed: Result<Options, clap::Error>,
    session: Session,
    user: SessionUser,
}

impl Sender<'_> {
    /// Refuses options by which another user would get a descriptor of ours.
    fn check_descriptors(&self) -> Result<(), Refusal> {
        match self.parsed.as_ref().ok().and_then(Options::descriptor_option) {
            Some(option) if self.user.is_other() => Err(Refusal::usage(format!(
                "{option}: another user gets no descriptor of ours: read standard output, where the \
                 number (--print-id) and the choice are printed"
            ))),
            _ => Ok(()),
        }
    }

    /// Reports whether the options make notify-send wait for the user at the screen. One that we do
    /// not know may be a new way to wait.
    fn waits(&self) -> bool {
        self.parsed.as_ref().map_or(true, Options::waits)
    }

    /// Returns the time limit of something that takes this long, or none where it waits for the user
    /// at the screen.
    fn end(&self, limit: Duration) -> Option<Instant> {
        if self.waits() { None } else { Instant::now().checked_add(limit) }
    }

    /// Runs notify-send; returns `None` where it is not installed. It has a time limit, because it
    /// would wait for a hanging message bus without end. It never reads, and as another user it gets
    /// no stream of ours: that user could take it from there.
    fn notify(&self) -> anyhow::Result<Option<Exit>> {
        if self.waits() && !self.user.is_other() {
            let environment = self.user.enter().map_err(|error| failure(&error))?;
            return match become_command_without_input(&self.words, environment) {
                missing if missing.exit == Exit::NotFound => Ok(None),
                refusal => Err(refusal.into()),
            };
        }
        let environment = self.user.environment();
        let (program, arguments) = (OsStr::new(PROGRAM), &self.words[1..]);
        let interrupts = Interrupts::catch(self.proc)?;
        let end = self.end(deadlines::NOTIFY_SEND);
        let entry = self.user.entry(true);
        let run = |mut command: std::process::Command| match &entry {
            Some(entry) => {
                let launch = Launch { command, entry: Some(entry) };
                child::run_apart(self.proc, launch, &interrupts, end, filters())
            }
            None => {
                command.stdin(Stdio::null());
                child::run_and_pass(self.proc, command, &interrupts, end)
            }
        };
        let mut command = environment.command(program);
        command.args(arguments);
        let mut ran = run(command)?;
        if let CommandResult::NotStarted(error) = &ran
            && let Some(command) = environment.by_shell(program, arguments, error)
        {
            ran = run(command)?;
        }
        match ran {
            CommandResult::NotStarted(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            CommandResult::NotStarted(error) => Err(not_started(program, &error).into()),
            ran => exit_of(ran, PROGRAM).map(Some),
        }
    }

    /// Shows the notification over the message bus, in a child if we are another user.
    fn show(&self, bus: &Address) -> anyhow::Result<Exit> {
        let uid = self.session.account.uid;
        if !self.user.is_other() {
            return self.show_here(bus, uid);
        }
        let interrupts = Interrupts::catch(self.proc)?;
        let end = self.end(deadlines::NOTIFY_SEND);
        let ran = child::run_closure(self.proc, &interrupts, end, filters(), || {
            let shown = self.user.enter().map_err(|error| failure(&error).into());
            let shown = shown.and_then(|_| self.show_here(bus, uid));
            let exit = shown.unwrap_or_else(|error: anyhow::Error| {
                message(self.name, format_args!("{error:#}"));
                error.downcast_ref::<Refusal>().map_or(Exit::Fatal, |refusal| refusal.exit)
            });
            exit.status()
        })?;
        exit_of(ran, "the sender")
    }

    /// Shows the notification over the message bus with our rights, with the options, output and exit
    /// status of notify-send.
    fn show_here(&self, bus: &Address, uid: u32) -> anyhow::Result<Exit> {
        let options = match &self.parsed {
            Err(error) if error.kind() == ClapError::DisplayHelp => {
                return answer_ourselves("--help".as_ref());
            }
            parsed => parsed.as_ref().map_err(|error| usage::refusal(self.name, error))?,
        };
        if options.version {
            return answer_ourselves("--version".as_ref());
        }
        let notification = options.notification();
        let mut descriptors =
            Descriptors::hold(options).map_err(|error| Refusal::usage(format!("{error:#}")))?;
        // From the time at which it is shown, an interrupt closes it. Before, it ends us.
        let interrupts = if options.waits() { Some(Interrupts::catch(self.proc)?) } else { None };
        let show = || notification.show(bus, uid);
        let shown = match &interrupts {
            Some(interrupts) => interrupts.with_signals_unblocked(show),
            None => show(),
        };
        let shown = shown.map_err(|error| {
            Refusal::nothing(format!("the notification was not delivered: {error}"))
        })?;
        let mut output = Output::stdout(Colour::Never);
        if options.print_id {
            writeln!(output, "{}", shown.id)?;
            output.flush()?;
        }
        tell(descriptors.id.take(), &shown.id.to_string())?;
        if !notification.actions.is_empty() && !shown.has_actions {
            message(self.name, "the notification service here offers nothing to choose");
        }
        let exit = match interrupts {
            Some(interrupts) if options.wait || shown.has_actions => {
                wait(options, shown, &interrupts, descriptors, &mut output, self.name)?
            }
            _ => Exit::Done,
        };
        output.finish().context("what was chosen was not printed")?;
        Ok(exit)
    }
}

/// Returns the filters of what the sender writes to our streams.
fn filters() -> [Filter; 2] {
    [output::filter(false), output::filter(true)]
}

/// Waits for the end of the notification, and prints what was chosen.
fn wait(
    options: &Options,
    shown: ShownNotification,
    interrupts: &Interrupts,
    descriptors: Descriptors,
    output: &mut Output,
    name: &str,
) -> anyhow::Result<Exit> {
    let limit = u64::try_from(options.expire_time).ok().filter(|&limit| limit > 0);
    let end = shown.wait(interrupts, limit.map(Duration::from_millis)).map_err(|error| {
        let why = format!("the notification was shown, but not what became of it: {error}");
        Refusal::nothing(why)
    })?;
    match end {
        End::Closed => {}
        End::TimeOver => message(name, "the time to wait is over"),
        End::Cancelled => message(name, "interrupted: the notification was closed"),
        End::Interrupted(signal) => return Ok(Exit::Interrupted(signal.number() as u8)),
        End::Chosen { action, token } => {
            tell(descriptors.action, &action)?;
            tell(descriptors.token, &token.unwrap_or_default())?;
            let action = output::shown(action.as_bytes(), &output.terminal).into_owned();
            output.write_all(&[&action[..], b"\n"].concat())?;
        }
    }
    Ok(Exit::Done)
}

/// Descriptors of ours that options name.
struct Descriptors {
    id: Option<File>,
    action: Option<File>,
    token: Option<File>,
}

impl Descriptors {
    /// Holds them, before a connection of ours can get such a number.
    fn hold(options: &Options) -> anyhow::Result<Descriptors> {
        let held = |option: &str, number: Option<i32>| {
            number.map(|number| duplicate(number).with_context(|| format!("{option} {number}")))
        };
        Ok(Descriptors {
            id: held("--id-fd", options.id_fd).transpose()?,
            action: held("--selected-action-fd", options.selected_action_fd).transpose()?,
            token: held("--activation-token-fd", options.activation_token_fd).transpose()?,
        })
    }
}

/// Duplicates a descriptor of ours, by its number.
fn duplicate(number: i32) -> rustix::io::Result<File> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(own, number, PidfdGetfdFlags::empty()).map(File::from)
}

/// Writes a line to a descriptor.
fn tell(descriptor: Option<File>, line: &str) -> anyhow::Result<()> {
    let Some(mut file) = descriptor else { return Ok(()) };
    file.write_all(format!("{line}\n").as_bytes()).context("cannot write to a descriptor")
}

/// Returns the exit status of a program that has sent a notification.
fn exit_of(ran: CommandResult, what: &str) -> anyhow::Result<Exit> {
    match ran {
        CommandResult::Ended(status) => Ok(Exit::from_status(status)),
        CommandResult::Interrupted(signal) => Ok(Exit::Interrupted(signal.number() as u8)),
        CommandResult::TimedOut => {
            let why = format!("the message bus does not go on: {what} was terminated");
            Err(Refusal::nothing(why).into())
        }
        CommandResult::NotStarted(error) => Err(error).context("cannot start a process"),
    }
}

/// Returns the value of a variable of our environment; `None` where it is missing or empty.
fn variable(name: &str) -> Result<Option<String>, Refusal> {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    let text = value.map(OsString::into_string).transpose();
    text.map_err(|value| Refusal::usage(format!("{name} is not UTF-8: '{}'", value.display())))
}

/// Passes a question on to notify-send, and adds to its help what is our own.
fn ask(question: &OsStr, words: &[OsString]) -> anyhow::Result<Exit> {
    if !is_version(question) {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(&words[1..]);
        match answer::answer(command, deadlines::NOTIFY_SEND) {
            Ok((help, status)) if status.success() => {
                output::print(&format!("{}\n{VARIABLES}\n", String::from_utf8_lossy(&help)))?;
                return Ok(Exit::Done);
            }
            // It is run below, and its failure is its own.
            result => tracing::debug!("no help: {:?}", result.map(|(_, status)| status)),
        }
    }
    match become_command(words, &Environment::default()) {
        missing if missing.exit == Exit::NotFound => answer_ourselves(question),
        refusal => Err(refusal.into()),
    }
}

fn is_version(question: &OsStr) -> bool {
    question == "--version" || question == "-v"
}

/// Prints the version or the help, as notify-send would.
fn answer_ourselves(question: &OsStr) -> anyhow::Result<Exit> {
    let text = if is_version(question) {
        format!("proctool {}\n", env!("CARGO_PKG_VERSION"))
    } else {
        format!("{}\n{VARIABLES}\n", notification::command().render_help())
    };
    output::print(&text)?;
    Ok(Exit::Done)
}
