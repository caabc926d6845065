//! `with-gui-environment`: run a command in a desktop session.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::{Applet, Context, ManSection};
use crate::cli::desktop::{failure, find, not_started, refusal};
use crate::cli::exit_status::{AnySignal, ExitRow, Note, Status};
use crate::cli::parse::{self, TimeLimit};
use crate::cli::verbosity::Verbosity;
use crate::command::exec::become_command;
use crate::control::child::{self, CommandEnd};
use crate::control::{Entry, Interrupts, Launch};
use crate::desktop::{self, Directory, Error, Session, SessionSelector, SessionUser, Variables};
use crate::exit::{Exit, Refusal};
use crate::output::message::message;
use crate::output::{Colour, Output, session, variables};
use crate::process::Proc;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "with-gui-environment",
    links: &["with-gui-environment"],
    about: "Run a command in the desktop session of who sits at the screen",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// The command and its arguments; options behind it are its own
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments,
        required_unless_present_any = ["list", "print", "json"]
    )]
    command: Vec<OsString>,
    /// The session of this user, by name or number
    #[arg(
        short,
        long,
        value_name = "NAME",
        value_hint = ValueHint::Username,
        help_heading = "Session"
    )]
    user: Option<String>,
    /// The session that logind calls so, see --list
    #[arg(short, long, value_name = "ID", help_heading = "Session")]
    session: Option<String>,
    /// Every session, one after the other
    #[arg(long, conflicts_with_all = ["session", "list", "print"], help_heading = "Session")]
    all: bool,
    /// Begin in the directory of the caller, not in the home directory of the user
    #[arg(
        short = 'd',
        long,
        visible_alias = "same-dir",
        conflicts_with_all = ["list", "print"],
        help_heading = "Command"
    )]
    same_directory: bool,
    /// End the command in each session after this time, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "0",
        hide_default_value = true,
        help_heading = "Command"
    )]
    timeout: TimeLimit,
    /// Run nothing, but list the sessions that can be reached
    #[arg(long, conflicts_with_all = ["command", "print"], help_heading = "Output")]
    list: bool,
    /// Run nothing, but print the variables for a shell
    #[arg(long, conflicts_with = "command", help_heading = "Output")]
    print: bool,
    /// With --list and --print: as JSON
    #[arg(long, conflicts_with = "command", help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn command() -> Command {
    Options::augment_args(Command::new("with-gui-environment")).long_about(
        "Runs a command in the graphical session of who sits at the screen: of the session that we \
         are in, or that a seat shows now, else of the only one that there is. Where it is not \
         clear who is meant, nothing runs, and the sessions are listed.\n\n\
         Which sessions there are is what logind says, or, without logind, who has a runtime \
         directory (/run/user/UID) with a living message bus or display; who is only slow to \
         answer counts, so that nobody is reached in place of somebody else. A session that is at \
         no seat, such as of a remote desktop, is reached only by name, or by its own user; one \
         that logind calls remote, only by the name of its user. Processes and their \
         environments never decide between users. What the user's own \
         processes say about the session is tried before it is passed on: the bus has to answer, \
         and the display to accept us.\n\n\
         The superuser becomes the user of the session, with the user's groups, a new environment \
         and the user's home directory (/ where that is missing or closed), and none of the files \
         that the caller has open but the standard streams. Where that directory does not answer, \
         nothing runs. Everybody else reaches their own session only, also from outside of it, \
         as from cron or ssh. The command takes the place of this program, except with --all or \
         --timeout: then this program waits for it, with the caller's rights. It passes signals on. \
         Five seconds after TERM, HUP or QUIT, and at a second signal, it terminates a command that \
         goes on: by TERM, and by KILL five seconds later.",
    )
}

fn notes() -> String {
    format!("{VARIABLES}\n\n{LEFT}\n\n{FILES}\n\n{SECURITY}\n\n{EXAMPLES}")
}

const EXITS: &[ExitRow] = &[
    Status(
        Exit::Nothing,
        "nobody is logged in graphically, or it is not clear who is meant; nothing ran",
    ),
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::TimedOut, "with --timeout: the command took too long, and was ended"),
    Status(
        Exit::NotRun,
        "something of our own failed, such as becoming the user; the command did not run",
    ),
    Status(Exit::NotExecutable, "the command could not be executed"),
    Status(Exit::NotFound, "the command was not found"),
    AnySignal("with --timeout: it was ended by signal n, and has ended the command"),
    Note("Otherwise that of the command, whose death by a signal is its own too."),
    Note("With --all:"),
    Status(Exit::Done, "the command succeeded in every session"),
    Status(Exit::Nothing, "in none, or there is none"),
    Status(Exit::Partial, "in some"),
    AnySignal("it was ended by signal n, and the command has ended"),
    Note("With --list or --print:"),
    Status(Exit::Done, "printed"),
    Status(Exit::Nothing, "there is nothing to print"),
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::Fatal, "fatal: output failed"),
    Status(Exit::NotRun, "it could not be found out"),
];

const VARIABLES: &str = "\
Environment:
  DISPLAY, XAUTHORITY, WAYLAND_DISPLAY, DBUS_SESSION_BUS_ADDRESS,
  XDG_RUNTIME_DIR, XDG_SESSION_TYPE, XDG_SESSION_ID, XDG_CURRENT_DESKTOP,
  SWAYSOCK, I3SOCK
                set for the command, as far as they were found and work; not
                there otherwise
  XDG_DATA_DIRS, XDG_SESSION_DESKTOP, DESKTOP_SESSION, KDE_FULL_SESSION,
  KDE_SESSION_VERSION
                as in the session, for xdg-open(1) and what it finds
  HYPRLAND_INSTANCE_SIGNATURE, NIRI_SOCKET
                likewise, for hyprctl and niri msg, if their sockets answer
  XMODIFIERS, GTK_IM_MODULE, QT_IM_MODULE, SDL_IM_MODULE, CLUTTER_IM_MODULE
                likewise, for input methods. --print leaves all these out for
                another user: programs of our shell would load what that user
                has put there
  HOME, USER, LOGNAME, SHELL, PATH
                set for the command when the superuser becomes the user; PATH is
                /usr/local/bin:/usr/bin:/bin
  LANG, LANGUAGE, LC_*
                likewise, as in the session; LANG=C.UTF-8 where that has none
  PROCTOOL_LOG  what to log on standard error, such as debug";

const LEFT: &str = "\
What the superuser leaves behind:
  left behind   environment; working directory (--same-directory keeps it);
                files but the standard streams; keys; capabilities; ignored and
                blocked signals; umask (it is 0022); real-time scheduling,
                negative nice values, and protection when memory is short
                (oom_score_adj)
  passed on     resource limits, control group, terminal, positive nice values,
                as su(1) does";

const FILES: &str = "\
Files:
  /run/dbus/system_bus_socket
                where logind is asked
  /run/systemd/sessions, /run/systemd/seats
                what logind knows, where it does not answer there
  /etc/passwd, /etc/group
                users and groups; what is called getent in an absolute directory
                of $PATH is asked for others
  /run/user/UID
                sockets of a user's message bus and compositor
  /tmp/.X11-unix
                sockets of X servers";

const SECURITY: &str = "\
Security:
  The command runs with the user's rights, and with what the user has configured for it. It shares \
the terminal with the caller, as with su(1): on a terminal of the superuser, and a kernel before \
Linux 6.2, run it by setsid(1) where the user is not trusted. Whatever the files, servers and \
signals of that user do, the search for a session takes about half a minute at the latest, and a \
command with --timeout has ended ten seconds after its time, or is left behind. Without --timeout \
and --all this program becomes the user, who can hold it up.";

const EXAMPLES: &str = "\
Examples:
  with-gui-environment xdg-open https://example.org/
  with-gui-environment --user alice zenity --info --text='Down at six'
  with-gui-environment --all \\
    sh -c 'loginctl lock-session \"$XDG_SESSION_ID\"'
  with-gui-environment --list
  found=$(with-gui-environment --print) && eval \"$found\"

See also:
  proctool(1), notify-send-headless(1), loginctl(1), org.freedesktop.login1(5)";

/// The advice where several sessions may be meant.
const ADVICE: &str = "choose with --user or --session, or take --all";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    options.verbosity.start()?;
    if options.json && !options.list && !options.print {
        return Err(Refusal::usage("--json goes with --list or --print").into());
    }
    let proc = Proc::open(Path::new("/proc")).map_err(|error| refusal(&error.into(), ADVICE))?;
    let selector = SessionSelector { user: options.user.clone(), session: options.session.clone() };
    if options.list {
        return options.list(&proc, &selector, context);
    }
    if options.all {
        return options.run_in_all(&proc, &selector, &context.name);
    }
    let (session, found) = find(&proc, &selector, ADVICE)?;
    options.check_display(&session, &found, &context.name)?;
    if options.print {
        // Programs load what is below XDG_DATA_DIRS: another user's must not come into our shell.
        let is_other = session.account.uid != nix::unistd::geteuid().as_raw();
        let printed =
            session::values(&found).filter(|(name, _)| !is_other || desktop::NAMES.contains(name));
        variables::print(printed, options.json).context("the variables were not printed")?;
        return Ok(Exit::Done);
    }
    let user =
        SessionUser::new(&session, &found, options.directory()).map_err(|error| failure(&error))?;
    if options.timeout.0.is_some() {
        let interrupts = Interrupts::catch(&proc)?;
        return match options.run_as(&proc, &interrupts, &session, &user)? {
            CommandEnd::Ended { status, .. } => Ok(Exit::from_status(status)),
            CommandEnd::Terminated(signal) => Ok(Exit::Interrupted(signal.number() as u8)),
            CommandEnd::TimedOut => Err(timed_out(&session).into()),
            CommandEnd::NotRun(error) => Err(not_started(options.program(), &error).into()),
        };
    }
    let environment = user.enter().map_err(|error| failure(&error))?;
    Err(become_command(&options.command, environment).into())
}

/// Returns the refusal to wait any longer for the command in a session.
fn timed_out(session: &Session) -> Refusal {
    let message = format!("{session}: the command took too long, and was ended");
    Refusal { message, exit: Exit::TimedOut }
}

impl Options {
    /// Runs the command in one session after the other, each in a child that becomes the user.
    fn run_in_all(
        &self,
        proc: &Proc,
        selector: &SessionSelector,
        name: &str,
    ) -> anyhow::Result<Exit> {
        let mut sessions =
            desktop::sessions(proc, selector).map_err(|error| refusal(&error, ADVICE))?;
        sessions.retain(|session| session.is_reached_by(selector));
        if sessions.is_empty() {
            return Err(refusal(&Error::Nobody { user: selector.user.clone() }, ADVICE).into());
        }
        let interrupts = Interrupts::catch(proc)?;
        let mut done = 0;
        for session in &sessions {
            // Nothing runs, so that a signal may end us.
            let user = interrupts.with_signals_unblocked(|| {
                let found = desktop::variables(proc, session)?;
                Ok((SessionUser::new(session, &found, self.directory())?, found))
            });
            let user = user
                .map_err(|error: Error| refusal(&error, ADVICE))
                .and_then(|(user, found)| self.check_display(session, &found, name).map(|()| user));
            let end = user.map(|user| self.run_as(proc, &interrupts, session, &user));
            let why = match end {
                Ok(end) => match end? {
                    CommandEnd::Ended { status, signal } => {
                        tracing::info!(session = %session, %status, "the command has ended");
                        if let Some(signal) = signal {
                            return Ok(Exit::Interrupted(signal.number() as u8));
                        }
                        done += usize::from(status.success());
                        continue;
                    }
                    CommandEnd::Terminated(signal) => {
                        return Ok(Exit::Interrupted(signal.number() as u8));
                    }
                    CommandEnd::TimedOut => timed_out(session),
                    CommandEnd::NotRun(error) => not_started(self.program(), &error),
                },
                Err(why) => why,
            };
            if !self.verbosity.is_quiet() {
                message(name, &why.message);
            }
        }
        Ok(Exit::from_counts(done, sessions.len()))
    }

    /// Runs the command as the user of a session, and waits for its end with our own rights: the
    /// user can stop the command, but not us.
    fn run_as(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        session: &Session,
        user: &SessionUser,
    ) -> anyhow::Result<CommandEnd> {
        let environment = user.environment();
        let (program, arguments) = (self.program(), &self.command[1..]);
        let end = self.timeout.0.and_then(|timeout| Instant::now().checked_add(timeout));
        tracing::info!(session = %session, "running the command");
        let entry = user.entry(false);
        let run = |command| {
            let entry = entry.as_ref().map(|entry| entry as Entry<'_>);
            child::run_to_end(proc, Launch { command, entry }, interrupts, end)
        };
        let mut command = environment.command(program);
        command.args(arguments);
        let mut ran = run(command)?;
        if let CommandEnd::NotRun(error) = &ran
            && let Some(command) = environment.by_shell(program, arguments, error)
        {
            ran = run(command)?;
        }
        Ok(ran)
    }

    /// Refuses a session whose X server does not answer, where it has no other display: the command
    /// would run without one. Beside a compositor this is only told.
    fn check_display(
        &self,
        session: &Session,
        found: &Variables,
        name: &str,
    ) -> Result<(), Refusal> {
        let Some(display) = &found.late_display else { return Ok(()) };
        let display = display.to_string_lossy().into_owned();
        let late = Error::LateDisplay { session: session.to_string(), display };
        if found.get("WAYLAND_DISPLAY").is_none() {
            return Err(refusal(&late, ADVICE));
        }
        if !self.verbosity.is_quiet() {
            message(name, format_args!("{late}: the command has no DISPLAY"));
        }
        Ok(())
    }

    /// Returns the name of the command.
    fn program(&self) -> &OsStr {
        self.command.first().map_or(OsStr::new(""), |program| program)
    }

    fn directory(&self) -> Directory {
        if self.same_directory { Directory::Same } else { Directory::Home }
    }

    /// Lists the sessions that can be reached, as a table or as JSON.
    fn list(
        &self,
        proc: &Proc,
        selector: &SessionSelector,
        context: &Context,
    ) -> anyhow::Result<Exit> {
        let mut found: Vec<(Session, Option<Variables>)> = Vec::new();
        let sessions =
            desktop::sessions(proc, selector).map_err(|error| refusal(&error, ADVICE))?;
        for session in sessions {
            match desktop::variables(proc, &session) {
                Ok(variables) => found.push((session, Some(variables))),
                // This session was only a possible one, and does not exist.
                Err(Error::Nobody { .. }) => {}
                Err(error) if error.is_absence() => {
                    message(&context.name, &error);
                    found.push((session, None));
                }
                Err(error) => return Err(refusal(&error, ADVICE).into()),
            }
        }
        let mut output = Output::stdout(Colour::Never);
        let mut text = Vec::new();
        if self.json {
            session::document(&mut text, &found);
        } else if !found.is_empty() {
            session::table(&mut text, &found, &output.terminal);
        }
        output.write_all(&text)?;
        output.finish().context("the sessions were not listed")?;
        if found.is_empty() {
            return Err(refusal(&Error::Nobody { user: selector.user.clone() }, ADVICE).into());
        }
        Ok(Exit::Done)
    }
}
