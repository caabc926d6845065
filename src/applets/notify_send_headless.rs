//! `notify-send-headless`: a desktop notification from where there is no desktop.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::error::ErrorKind as ClapError;
use clap::{Arg, ArgMatches, Command, FromArgMatches, value_parser};

use super::{Applet, Context, ManSection};
use crate::cli::desktop::{become_session_user, find, refusal};
use crate::cli::exit_status::{ExitRow, Note, Status};
use crate::cli::notification::{self, Options, PROGRAM};
use crate::cli::usage;
use crate::cli::verbosity::Verbosity;
use crate::command::exec::{Environment, become_command, not_run};
use crate::control::child::{self, CommandResult};
use crate::control::{Interrupts, Silent};
use crate::deadlines;
use crate::desktop::notification::End;
use crate::desktop::{Address, BusError, SessionSelector};
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
             options, but for hints of type variant. It ends after about a minute at the latest, \
             whatever becomes of the message bus, but with --wait and --action as late as whoever \
             sits there does something.",
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
notify-send is run with the user's rights, by with-gui-environment's rules.";

const EXAMPLES: &str = "\
Examples:
  notify-send-headless -u critical 'Backup failed' 'See the log'
  PROCTOOL_USER=alice notify-send-headless 'Your job is done'
  @hourly root mountpoint -q /srv || notify-send-headless '/srv is gone'

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
        return match become_command(&words, &Environment::default()) {
            missing if missing.exit == Exit::NotFound => answer(question),
            refusal => Err(refusal.into()),
        };
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
    let environment = become_session_user(&session, &variables)?;
    match notify(&proc, &words, &environment)? {
        Some(exit) => Ok(exit),
        None => show(&context.name, &words, bus, session.account.uid),
    }
}

/// Runs notify-send; returns `None` where it is not installed. It has a time limit, because it
/// would wait for a hanging message bus without end. It takes our place, without a limit, if its
/// options make it wait for the user at the screen.
fn notify(
    proc: &Proc,
    words: &[OsString],
    environment: &Environment,
) -> anyhow::Result<Option<Exit>> {
    let parsed = notification::command().try_get_matches_from(words);
    // An option that we do not know may be a new way to wait.
    let waits = parsed
        .and_then(|matches| Options::from_arg_matches(&matches))
        .map_or(true, |options| options.waits());
    if waits {
        return match become_command(words, environment) {
            missing if missing.exit == Exit::NotFound => Ok(None),
            refusal => Err(refusal.into()),
        };
    }
    let (program, arguments) = (OsStr::new(PROGRAM), &words[1..]);
    let mut command = environment.command(program);
    command.args(arguments);
    let interrupts = Interrupts::catch(proc)?;
    let run = |command| {
        child::run(
            proc,
            command,
            &interrupts,
            Instant::now().checked_add(deadlines::NOTIFY_SEND),
            &mut Silent,
        )
    };
    let mut ran = run(command)?;
    if let CommandResult::NotStarted(error) = &ran
        && let Some(command) = environment.by_shell(program, arguments, error)
    {
        ran = run(command)?;
    }
    match ran {
        CommandResult::Ended(status) => Ok(Some(Exit::from_status(status))),
        CommandResult::Interrupted(signal) => Ok(Some(Exit::Interrupted(signal.number() as u8))),
        CommandResult::TimedOut => {
            Err(Refusal::nothing("the message bus does not go on: notify-send was terminated")
                .into())
        }
        CommandResult::NotStarted(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        CommandResult::NotStarted(error) => Err(not_run(program, &error).into()),
    }
}

/// Returns the value of a variable of our environment; `None` where it is missing or empty.
fn variable(name: &str) -> Result<Option<String>, Refusal> {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    let text = value.map(OsString::into_string).transpose();
    text.map_err(|value| Refusal::usage(format!("{name} is not UTF-8: '{}'", value.display())))
}

/// Prints the version or the help, as notify-send would.
fn answer(question: &OsStr) -> anyhow::Result<Exit> {
    let text = if question == "--version" || question == "-v" {
        format!("proctool {}\n", env!("CARGO_PKG_VERSION"))
    } else {
        notification::command().render_help().to_string()
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Shows the notification over the message bus, with the options, output and exit status of
/// notify-send.
fn show(name: &str, words: &[OsString], bus: &Address, uid: u32) -> anyhow::Result<Exit> {
    let matches = match notification::command().try_get_matches_from(words) {
        Err(error) if error.kind() == ClapError::DisplayHelp => return answer("--help".as_ref()),
        parsed => parsed.map_err(|error| usage::refusal(name, &error))?,
    };
    let options = Options::from_arg_matches(&matches)?;
    if options.version {
        return answer("--version".as_ref());
    }
    let failed =
        |what: &'static str| move |error: BusError| Refusal::nothing(format!("{what}: {error}"));
    let notification = options.notification();
    let shown =
        notification.show(bus, uid).map_err(failed("the notification was not delivered"))?;
    let mut output = Output::stdout(Colour::Never);
    if options.print_id {
        writeln!(output, "{}", shown.id)?;
        output.flush()?;
    }
    if !notification.actions.is_empty() && !shown.has_actions {
        message(name, "who shows notifications here offers nothing to choose");
    }
    if options.wait || shown.has_actions {
        let limit = u64::try_from(options.expire_time)
            .ok()
            .filter(|&limit| limit > 0)
            .map(Duration::from_millis);
        let end = shown
            .wait(limit)
            .map_err(failed("the notification was shown, but not what became of it"))?;
        if let End::Chosen(action) = end {
            let action = output::shown(action.as_bytes(), &output.terminal).into_owned();
            output.write_all(&[&action[..], b"\n"].concat())?;
        }
    }
    output.finish().context("what was chosen was not printed")?;
    Ok(Exit::Done)
}
