//! Asking a program: its answer, in time.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::deadline::{pause, read_to_end};

/// Runs a command that reads nothing, and returns what it prints, with its exit status. Errors: it
/// cannot be started, or `TimedOut` after `limit`, and then it was killed.
pub fn answer(mut command: Command, limit: Duration) -> io::Result<(Vec<u8>, ExitStatus)> {
    let (ours, theirs) = UnixStream::pair()?;
    command.stdin(Stdio::null()).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // This also closes its end of the connection.
    drop(command);
    let end = Instant::now() + limit;
    let answer = read_to_end(ours, end).and_then(|answer| Ok((answer, wait(&mut child, end)?)));
    if answer.is_err() {
        child.kill()?;
        // A program that is stuck in the kernel is not waited for.
        child.try_wait()?;
    }
    answer
}

/// Waits for the exit of a child until `end`.
fn wait(child: &mut Child, end: Instant) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        pause(end)?;
    }
}
