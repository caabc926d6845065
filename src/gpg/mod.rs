//! GnuPG's agent: where its socket is (`home`), whether a living agent of ours answers there
//! (`agent`), how one is started (`start`), and which variables a command needs (`variables`).
//! `connect` puts these together.
//!
//! Neither a socket nor a process proves that there is an agent: only an answer does. Nothing here
//! knows the command line, and nothing prints.

mod agent;
mod assuan;
mod home;
mod legacy;
mod settings;
mod start;
mod variables;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::process::{self, Proc};

pub use agent::Agent;
pub use home::Home;
pub use variables::{terminal, variables};

use agent::AgentState;

/// A reason why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program gpg-agent is not installed.
    #[error("gpg-agent is not installed: no directory of $PATH has it")]
    NotInstalled,
    #[error("the gpg-agent at '{}' belongs to {user}: set HOME, or GNUPGHOME, to a directory of \
    your own", .path.display())]
    Foreign { path: PathBuf, user: String },
    #[error("cannot reach a gpg-agent at '{}': {why}", .path.display())]
    Unreachable { path: PathBuf, why: std::io::Error },
    #[error("gpg-agent could not be started: {0}")]
    NotStarted(String),
    #[error("no gpg-agent answers, and '{}' forbids to start one (no-autostart)", .0.display())]
    Forbidden(PathBuf),
    #[error("no gpg-agent answers, and none is to be started (--no-start)")]
    Unwanted,
    #[error("the home directory of GnuPG, '{}', belongs to {user}: an agent of ours there would \
    keep {user} from it. Set HOME, or GNUPGHOME, to a directory of your own, or take \
    --foreign-home", .path.display())]
    ForeignHome { path: PathBuf, user: String },
    #[error("the gpg-agent at '{}' offers no ssh-agent: add enable-ssh-support to gpg-agent.conf \
    and end it (gpgconf --kill gpg-agent)", .0.display())]
    NoSsh(PathBuf),
    #[error("no home directory: $HOME is not set, and user {0} has none")]
    NoHome(u32),
    #[error(
        "the home directory of GnuPG is a relative path, and the current directory is not known: \
        {0}"
    )]
    NowhereToBegin(std::io::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
}

/// Time limit in place of values that the clock cannot count.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A request for an agent.
pub struct AgentRequest {
    /// `true` if it must also be an ssh-agent.
    pub ssh: bool,
    /// The terminal for its questions.
    pub terminal: Option<OsString>,
    /// Time limit until an agent answers, also for a new one.
    pub timeout: Duration,
    pub start: StartRule,
}

/// The rule by which a new agent is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartRule {
    /// Where GnuPG's settings permit it, in a home directory of our own.
    #[default]
    AsUsual,
    /// Also in a home directory of another user.
    Anywhere,
    Never,
}

/// Returns a living agent: that of this home directory, else one of an earlier GnuPG, else a new
/// one. Errors: `NotInstalled` if a new one is needed and there is no gpg-agent; see [`Error`].
pub fn connect(proc: &Proc, home: &Home, request: &AgentRequest) -> Result<Agent, Error> {
    let now = Instant::now();
    let end = now.checked_add(request.timeout).unwrap_or(now + LONGEST);
    let agent = connect_until(proc, home, request, end)?;
    tracing::info!(socket = %agent.socket.display(), pid = agent.pid, "a living gpg-agent");
    Ok(agent)
}

fn connect_until(
    proc: &Proc,
    home: &Home,
    request: &AgentRequest,
    end: Instant,
) -> Result<Agent, Error> {
    let path = home.socket();
    if let AgentState::Living(agent) = agent::probe(proc, &path, end)? {
        return agent.prepare(request);
    }
    match legacy::find(proc, home, &path, end)?.map(|agent| agent.prepare(request)) {
        // A new agent may be an ssh-agent too.
        None | Some(Err(Error::NoSsh(_))) => {
            may_start(proc, home, request.start)?;
            start::start(proc, &path, request, end)?.prepare(request)
        }
        Some(prepared) => prepared,
    }
}

/// Checks that a new agent may be started. Errors: the reason why not.
fn may_start(proc: &Proc, home: &Home, rule: StartRule) -> Result<(), Error> {
    if rule == StartRule::Never {
        return Err(Error::Unwanted);
    }
    if let Some(file) = settings::forbids_start(home) {
        return Err(Error::Forbidden(file));
    }
    match settings::foreign_owner(home) {
        Some(owner) if rule != StartRule::Anywhere => Err(Error::ForeignHome {
            path: home.directory.clone(),
            user: proc.users().user(owner).to_string(),
        }),
        _ => Ok(()),
    }
}
