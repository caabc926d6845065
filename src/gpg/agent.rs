//! A living agent: one that answers, at a socket of our own user. `assuan` speaks its protocol.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::deadline::pause;
use crate::deadlines;
use crate::process::{Files, Lookup, Pid, Proc, Process, ReadResult};

use super::assuan::{self, Connection};
use super::{AgentRequest, Error};

/// A part of the comm of an agent: some distributions wrap it (`.gpg-agent-wrapped`).
const NAME: &[u8] = b"gpg-agent";

/// An agent that answers.
pub struct Agent {
    pub socket: PathBuf,
    /// Its process; `None` for an agent on another machine, behind a socket that ssh forwards.
    pub pid: Option<Pid>,
    /// The socket of its ssh-agent, if that was requested.
    pub ssh_socket: Option<PathBuf>,
    connection: Connection,
}

/// The state of a socket.
pub(super) enum AgentState {
    Living(Agent),
    /// There is no socket, or no process listens on it any more.
    Nothing,
}

/// Finds out whether an agent answers at a socket. An agent that is exiting accepts a connection
/// and closes it: then the question is repeated until it has gone.
pub(super) fn probe(proc: &Proc, path: &Path, end: Instant) -> Result<AgentState, Error> {
    let exit_end = end.min(Instant::now() + deadlines::AGENT_EXIT);
    loop {
        match probe_once(proc, path, end) {
            Err(Error::Unreachable { why, .. }) if is_hang_up(&why) && pause(exit_end).is_ok() => {}
            outcome => return outcome,
        }
    }
}

/// Reports whether a server closed the connection without an answer.
fn is_hang_up(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
    )
}

/// Finds out whether an agent answers at a socket. The agent itself is asked for its pid, because
/// the kernel remembers the process that made the socket: the parent of the agent, or systemd.
fn probe_once(proc: &Proc, path: &Path, end: Instant) -> Result<AgentState, Error> {
    let unreachable =
        |error: std::io::Error| Error::Unreachable { path: path.to_owned(), why: error };
    let mut connection = match Connection::open(path, end) {
        Ok(connection) => connection,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return Ok(AgentState::Nothing);
        }
        // A new agent unlinks it, as it does with one whose agent has ended.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && is_left_by_another(path) => {
            tracing::info!(socket = %path.display(), "another user has left it in our directory");
            return Ok(AgentState::Nothing);
        }
        Err(error) => return Err(unreachable(error)),
    };
    if connection.uid() != nix::unistd::geteuid().as_raw() {
        let user = proc.users().user(connection.uid()).to_string();
        return Err(Error::Foreign { path: path.to_owned(), user });
    }
    let pid = match connection.ask(b"GETINFO pid").map_err(unreachable)? {
        Ok(text) => std::str::from_utf8(text.trim_ascii()).ok().and_then(|text| text.parse().ok()),
        // A restricted socket, as ssh forwards it to other machines, refuses this question.
        Err(_) => None,
    };
    let pid = match pid {
        Some(pid) => is_agent(proc, pid)?.then_some(pid),
        None => None,
    };
    Ok(AgentState::Living(Agent { socket: path.to_owned(), pid, ssh_socket: None, connection }))
}

/// Reports whether a socket is another user's and its directory is ours: `sudo -E gpg` leaves such a
/// one behind.
pub(super) fn is_left_by_another(path: &Path) -> bool {
    let uid = nix::unistd::geteuid().as_raw();
    let is_foreign = fs::symlink_metadata(path)
        .is_ok_and(|found| found.file_type().is_socket() && found.uid() != uid);
    let directory = path.parent().map(fs::metadata);
    is_foreign && directory.is_some_and(|found| found.is_ok_and(|found| found.uid() == uid))
}

/// Reports whether the process with this pid is a living gpg-agent of our user.
fn is_agent(proc: &Proc, pid: Pid) -> Result<bool, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::NONE)? else { return Ok(false) };
    Ok(matches!(process.lookup(is_ours(&process))?, Lookup::Found(true)))
}

/// Reports whether this process is a living gpg-agent of our user.
pub(super) fn is_ours(process: &Process<'_>) -> ReadResult<bool> {
    let is_called = memchr::memmem::find(&process.comm()?, NAME).is_some();
    if !is_called || process.stat()?.is_zombie() {
        return Ok(false);
    }
    Ok(process.user_ids()?[1] == nix::unistd::geteuid().as_raw())
}

/// Returns the value of an environment variable; `None` where it is missing or empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns our locale of a category such as LC_CTYPE, chosen as setlocale(3) does.
fn locale(category: &str) -> Option<OsString> {
    variable("LC_ALL").or_else(|| variable(category)).or_else(|| variable("LANG"))
}

impl Agent {
    /// Tells the agent the terminal for its questions, and finds the socket of its ssh-agent, where
    /// these are requested. Errors: `NoSsh` if it is no ssh-agent.
    pub(super) fn prepare(mut self, request: &AgentRequest) -> Result<Agent, Error> {
        // Our terminal means nothing to an agent on another machine, and would replace its own.
        if let Some(terminal) = request.terminal.as_ref().filter(|_| self.pid.is_some()) {
            self.tell_terminal(terminal)
                .unwrap_or_else(|why| tracing::warn!("the terminal was not told: {why}"));
        }
        if request.ssh {
            self.ssh_socket = Some(self.find_ssh()?);
        }
        Ok(self)
    }

    /// Tells the agent the terminal, as gpg-connect-agent does for UPDATESTARTUPTTY. Questions for
    /// ssh appear there, because ssh itself does not name a terminal. Errors: the agent's own text.
    fn tell_terminal(&mut self, terminal: &OsString) -> Result<(), String> {
        let options = [
            ("ttyname", Some(terminal.clone())),
            ("ttytype", variable("TERM")),
            ("display", variable("DISPLAY")),
            ("xauthority", variable("XAUTHORITY")),
            ("lc-ctype", locale("LC_CTYPE")),
            ("lc-messages", locale("LC_MESSAGES")),
        ];
        for (name, value) in options {
            // A newline would end the command.
            let Some(value) = value.filter(|value| !value.as_encoded_bytes().contains(&b'\n'))
            else {
                continue;
            };
            let answer =
                self.ask(&[b"OPTION ", name.as_bytes(), b"=", value.as_encoded_bytes()].concat());
            // An old agent may not know the option, and works without it.
            answer.map_or_else(|why| tracing::debug!("{name}: {why}"), drop);
        }
        self.ask(b"UPDATESTARTUPTTY").map(drop)
    }

    /// Returns the socket of its ssh-agent, which must answer and belong to the same user.
    fn find_ssh(&mut self) -> Result<PathBuf, Error> {
        let refused = || Error::NoSsh(self.socket.clone());
        let path = self
            .connection
            .ask(b"GETINFO ssh_socket_name")
            .ok()
            .and_then(Result::ok)
            .ok_or_else(refused)?;
        let path = PathBuf::from(OsString::from_vec(path));
        let answers = assuan::open(&path, self.connection.end())
            .is_ok_and(|peer| peer.uid == self.connection.uid());
        if answers { Ok(path) } else { Err(refused()) }
    }

    /// Sends a command, and returns its data, or a text about what failed.
    fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, String> {
        self.connection.ask(command).map_err(|error| error.to_string())?
    }
}
