//! Starts an agent with gpg-agent(1), and waits until it answers.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::program;
use crate::control::spawn_daemon;
use crate::deadline::pause;
use crate::deadlines;
use crate::process::Proc;

use super::agent::{Agent, AgentState, is_left_by_another, probe};
use super::{AgentRequest, Error};

/// Capacity of a pipe, in bytes (pipe(7)).
const PIPE: usize = 64 * 1024;

/// Most bytes of the starter's standard error that are kept: its end.
const LONGEST_OUTPUT: usize = 4096;

/// Most agents that are started. A new one can end at once: the agent of another user whose socket
/// it replaces removes the new socket at its own end, and an agent without a socket ends.
const ATTEMPTS: usize = 3;

/// The process `gpg-agent --daemon`, which starts the agent and exits. It is always reaped: the
/// command that takes our place must not have a child that it does not know.
struct Starter {
    child: Child,
    output: Vec<u8>,
    /// The time at which its exit was noticed, and `true` if it succeeded.
    ended: Option<(Instant, bool)>,
}

/// What became of an agent that was started.
enum Started {
    Answers(Agent),
    /// It has ended again, with these last words.
    Ended(String),
}

/// Starts the agent whose socket will be at this path, and waits until it answers. Errors:
/// `NotInstalled`, `Foreign` if another user's agent has the socket, and `NotStarted` with the
/// reason if no agent answers until `end`.
pub(super) fn start(
    proc: &Proc,
    path: &Path,
    request: &AgentRequest,
    end: Instant,
) -> Result<Agent, Error> {
    let mut attempts = 1..=ATTEMPTS;
    loop {
        // The agent that left it may still run.
        let is_contested = is_left_by_another(path);
        let is_last = attempts.next() == Some(ATTEMPTS);
        let mut starter = Starter::start(request)?;
        let mut started = starter.await_agent(proc, path, end, is_last);
        if let (Ok(Started::Answers(_)), true) = (&started, is_contested) {
            started = starter.await_rival(proc, path, end);
        }
        starter.finish(matches!(started, Ok(Started::Answers(_))));
        match started? {
            Started::Answers(agent) => return Ok(agent),
            Started::Ended(why) if is_last => return Err(Error::NotStarted(why)),
            Started::Ended(why) => tracing::info!(why, "the new gpg-agent has ended again"),
        }
    }
}

impl Starter {
    fn start(request: &AgentRequest) -> Result<Starter, Error> {
        let program = program::find("gpg-agent").ok_or(Error::NotInstalled)?;
        let mut command = Command::new(&program);
        command.arg("--daemon").args(request.ssh.then_some("--enable-ssh-support"));
        // The agent keeps its standard error open for its whole life. A program that reads ours to
        // the end must not wait for that.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = spawn_daemon(&mut command).map_err(|error| match error.kind() {
            // The error is the same for a dangling link and for a script without its interpreter:
            // only the link does not exist.
            ErrorKind::NotFound if !program.exists() => Error::NotInstalled,
            _ => Error::NotStarted(error.to_string()),
        })?;
        if let Some(stderr) = &child.stderr {
            rustix::io::ioctl_fionbio(stderr, true)
                .map_err(|errno| Error::NotStarted(errno.to_string()))?;
        }
        Ok(Starter { child, output: Vec::new(), ended: None })
    }

    /// Waits until an agent answers, ours or one that was started at the same time. With `is_last`
    /// it waits until `end`, otherwise only as long as an agent can be on its way.
    fn await_agent(
        &mut self,
        proc: &Proc,
        path: &Path,
        end: Instant,
        is_last: bool,
    ) -> Result<Started, Error> {
        let mut why = String::new();
        loop {
            match probe(proc, path, end) {
                Ok(AgentState::Living(agent)) => return Ok(Started::Answers(agent)),
                Ok(AgentState::Nothing) if !is_last && self.has_ended(true) => {
                    return Ok(Started::Ended(self.complaint()));
                }
                Ok(AgentState::Nothing) => {}
                Err(error @ (Error::Foreign { .. } | Error::Process(_))) => return Err(error),
                Err(error) => why = error.to_string(),
            }
            self.read_output();
            self.poll_exit().map_err(|error| Error::NotStarted(error.to_string()))?;
            if self.has_ended(false) || pause(end).is_err() {
                let reason = [self.complaint(), why].into_iter().find(|text| !text.is_empty());
                return Err(Error::NotStarted(
                    reason.unwrap_or_else(|| "it does not answer".to_owned()),
                ));
            }
        }
    }

    /// Waits until the agent whose socket was replaced must have noticed it, and asks the new one
    /// again and again: it ends where the other one takes its socket away.
    fn await_rival(&mut self, proc: &Proc, path: &Path, end: Instant) -> Result<Started, Error> {
        let rival_end = end.min(Instant::now() + deadlines::REPLACED_AGENT);
        loop {
            match probe(proc, path, end)? {
                AgentState::Nothing => return Ok(Started::Ended(self.complaint())),
                AgentState::Living(agent) if pause(rival_end).is_err() => {
                    return Ok(Started::Answers(agent));
                }
                AgentState::Living(_) => {}
            }
        }
    }

    /// Reports whether the process has ended, with or without success, and an agent on its way has
    /// had its time to answer.
    fn has_ended(&self, with_success: bool) -> bool {
        self.ended.is_some_and(|(at, success)| {
            success == with_success && at.elapsed() > deadlines::SECOND_AGENT
        })
    }

    /// Reads a part of its standard error, so that it does not block. It may write without end, so
    /// that each call reads once.
    fn read_output(&mut self) {
        let Some(stderr) = &mut self.child.stderr else { return };
        let mut buffer = [0; PIPE];
        match stderr.read(&mut buffer) {
            Ok(length) => self.output.extend_from_slice(&buffer[..length]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => tracing::debug!("what gpg-agent says cannot be read: {error}"),
        }
        self.output.drain(..self.output.len().saturating_sub(LONGEST_OUTPUT));
    }

    /// Reaps the process if it has exited.
    fn poll_exit(&mut self) -> io::Result<()> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            tracing::debug!("gpg-agent --daemon: {status}");
            self.ended = Some((Instant::now(), status.success()));
        }
        Ok(())
    }

    /// Returns the last line that it wrote, except the one that says that the agent started.
    fn complaint(&mut self) -> String {
        self.read_output();
        let text = String::from_utf8_lossy(&self.output);
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.ends_with(" started"));
        lines.next_back().unwrap_or_default().to_owned()
    }

    /// Waits until the process exits, as it does when the agent runs, and kills it if that takes
    /// too long, or at once if there is no agent.
    fn finish(mut self, has_agent: bool) {
        let end = Instant::now() + if has_agent { deadlines::SECOND_AGENT } else { Duration::ZERO };
        while self.poll_exit().is_ok() && self.ended.is_none() {
            if pause(end).is_err() {
                // Our child is not reaped, so that no other process has its pid.
                if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
                    tracing::warn!("gpg-agent --daemon could not be ended: {error}");
                }
                break;
            }
        }
    }
}
