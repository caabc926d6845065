//! `with-gpg-agent`: run a command with a living gpg-agent.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{ExitRow, Note, Status};
use crate::cli::parse::{self, TimeLimit};
use crate::cli::verbosity::Verbosity;
use crate::command::exec::{Environment, become_command};
use crate::exit::{Exit, Refusal};
use crate::gpg::{self, Agent, AgentRequest, Error, Home, StartRule};
use crate::output;
use crate::output::message::message;
use crate::process::Proc;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "with-gpg-agent",
    links: &["with-gpg-agent"],
    about: "Run a command with a living gpg-agent",
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
        required_unless_present_any = ["print", "json"]
    )]
    command: Vec<OsString>,
    /// Let it be an ssh-agent too, and set SSH_AUTH_SOCK
    #[arg(long, help_heading = "Agent")]
    ssh: bool,
    /// Wait no longer than this for an agent to answer, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "30s",
        help_heading = "Agent"
    )]
    timeout: TimeLimit,
    /// Start no agent: one has to be there, as one that ssh forwards
    #[arg(long, conflicts_with = "foreign_home", help_heading = "Agent")]
    no_start: bool,
    /// Start an agent also in a home directory of GnuPG that another user owns, and whom it may keep
    /// from it
    #[arg(long, help_heading = "Agent")]
    foreign_home: bool,
    /// Run nothing, but print the variables for a shell: eval "$(with-gpg-agent --print)"
    #[arg(long, conflicts_with = "command", help_heading = "Output")]
    print: bool,
    /// Run nothing, but print the variables as JSON
    #[arg(long, conflicts_with_all = ["command", "print"], help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn command() -> Command {
    Options::augment_args(Command::new("with-gpg-agent")).long_about(
        "Runs a command with a gpg-agent that lives and is ours: the one that is there, else a new \
             one. It is found where GnuPG has it (gpgconf --list-dirs agent-socket), asked who it \
             is, and never taken for alive because of a file or a process alone. One that GnuPG \
             before 2.1 left in $GPG_AGENT_INFO, or only as a process, is found too. A socket that \
             another user has left in a directory of ours, as after sudo -E gpg, is none.\n\n\
             No agent is started where gpg.conf or common.conf says no-autostart, nor in a home \
             directory that another user owns, where it would keep that user from the agent.\n\n\
             The command gets GPG_AGENT_INFO, and GPG_TTY if there is a terminal, which the agent \
             is told of too, so that it asks for passphrases there, unless the agent is on another \
             machine. It takes the place of this \
             program. Without gpg-agent on $PATH it runs all the same, after a notice.",
    )
}

fn notes() -> String {
    format!("{VARIABLES}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::NotRun, "no agent could be reached or started; the command did not run"),
    Status(Exit::NotExecutable, "the command could not be executed"),
    Status(Exit::NotFound, "the command was not found"),
    Note("Otherwise that of the command, whose death by a signal is its own too."),
    Note("With --print or --json:"),
    Status(Exit::Done, "the variables were printed"),
    Status(Exit::Nothing, "gpg-agent is not installed"),
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::Fatal, "fatal: output failed"),
    Status(Exit::NotRun, "no agent could be reached or started"),
];

const VARIABLES: &str = "\
Environment:
  GNUPGHOME, HOME
                decide which agent it is
  PATH          where the command is looked for, and gpg-agent in its absolute
                directories
  GPG_AGENT_INFO
                where GnuPG before 2.1 said that an agent is; set to
                SOCKET:PID:1
  GPG_TTY       set to the terminal, if there is one
  SSH_AUTH_SOCK
                set with --ssh
  PROCTOOL_LOG  what to log on standard error, such as debug";

const FILES: &str = "\
Files:
  ~/.gnupg/S.gpg-agent, /run/user/UID/gnupg/S.gpg-agent
                where the agent's socket is, by GnuPG's own rules
  gpgconf.ctl   beside gpgconf, where it exists: then gpgconf is asked
  gpg.conf, common.conf
                in the home directory of GnuPG and in /etc/gnupg: no-autostart

Security:
  An agent counts if it answers and the kernel says that its socket is ours; one of another user \
is never used, whatever $GPG_AGENT_INFO says.";

const EXAMPLES: &str = "\
Examples:
  with-gpg-agent gpg --batch --clearsign message
  with-gpg-agent --ssh rsync -a backup: /srv/backup
  eval \"$(with-gpg-agent --print)\"

See also:
  proctool(1), gpg-agent(1), gpg-connect-agent(1), gpgconf(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    options.verbosity.start()?;
    let runs_command = !options.command.is_empty();
    let terminal = gpg::terminal();
    let agent = match options.connect(terminal.clone()) {
        Ok(agent) => Some(agent),
        Err(Failure::Gpg(error @ Error::NotInstalled)) if runs_command => {
            if !options.verbosity.is_quiet() {
                message(&context.name, format_args!("{error}: the command runs without"));
            }
            None
        }
        Err(Failure::Gpg(error @ Error::NotInstalled)) => {
            return Err(Refusal::nothing(error.to_string()).into());
        }
        Err(error) => return Err(Refusal { message: error.to_string(), exit: Exit::NotRun }.into()),
    };
    let variables = gpg::variables(agent.as_ref(), terminal.as_deref());
    // The agent does not need our connection any more.
    drop(agent);
    if runs_command {
        let variables = variables
            .into_iter()
            .map(|variable| (variable.name.to_owned(), variable.value))
            .collect();
        // An inherited variable that leads to no agent would mislead the command.
        let environment =
            Environment { without: vec!["GPG_AGENT_INFO"], variables, ..Environment::default() };
        return Err(become_command(&options.command, &environment).into());
    }
    let variables = variables.iter().map(|variable| (variable.name, &*variable.value));
    output::variables::print(variables, options.json).context("the variables were not printed")?;
    Ok(Exit::Done)
}

/// A reason why there is no agent.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Gpg(#[from] gpg::Error),
    #[error(transparent)]
    Process(#[from] crate::process::Error),
}

impl Options {
    /// Returns a living agent as the options request it.
    fn connect(&self, terminal: Option<OsString>) -> Result<Agent, Failure> {
        let proc = Proc::open(Path::new("/proc"))?;
        let request = AgentRequest {
            ssh: self.ssh,
            terminal,
            timeout: self.timeout.0.unwrap_or(Duration::MAX),
            start: if self.no_start {
                StartRule::Never
            } else if self.foreign_home {
                StartRule::Anywhere
            } else {
                StartRule::AsUsual
            },
        };
        Ok(gpg::connect(&proc, &Home::ours()?, &request)?)
    }
}
