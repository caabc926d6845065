//! Running a closure in a child process with a time limit. A call on a file system that never
//! answers (a hung FUSE or NFS mount) cannot be interrupted. A thread in such a call would keep us
//! from exiting and from becoming a command, while a child can be left behind.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::kernel::fork;
use crate::deadline::{pause, read_exactly, read_to_end, remaining};

/// Time for the child to exit after its answer.
const EXIT_TIMEOUT: Duration = Duration::from_millis(100);

/// Time for the child to exit after it was killed.
const KILL_TIMEOUT: Duration = Duration::from_millis(5);

/// Runs a closure in a child process and returns its answer. Errors: `TimedOut` after `limit`.
pub fn run_in_child(limit: Duration, act: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let (ours, mut child_end) = UnixStream::pair()?;
    let child = fork(&kept_with(&[child_end.as_raw_fd()]), || {
        let answer = act();
        // If the reader has gone, the answer is not needed.
        let _ = child_end.write_all(&answer);
        0
    })?;
    drop(child_end);
    let answer = read_to_end(ours, Instant::now() + limit);
    reap(child, answer.is_err())?;
    answer
}

/// A child process that answers questions.
pub struct ChildServer {
    child: Pid,
    socket: UnixStream,
    is_late: bool,
}

impl ChildServer {
    /// Starts a child that answers with this closure. The child keeps the descriptors in `kept`.
    pub fn start(
        kept: &[RawFd],
        mut answer: impl FnMut(&[u8]) -> Vec<u8>,
    ) -> io::Result<ChildServer> {
        let (socket, mut child_end) = UnixStream::pair()?;
        let kept = kept_with(&[kept, &[child_end.as_raw_fd()]].concat());
        let child = fork(&kept, || {
            // Ends when no more questions can come.
            while let Ok(question) = read_message(&mut child_end)
                && write_message(&mut child_end, &answer(&question)).is_ok()
            {}
            0
        })?;
        Ok(ChildServer { child, socket, is_late: false })
    }

    /// Returns the child's answer to a question. Errors: `TimedOut` after `limit`. After an error
    /// the child answers no more questions.
    pub fn ask(&mut self, question: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
        let answer = self.answer(question, Instant::now() + limit);
        self.is_late |= answer.is_err();
        answer
    }

    fn answer(&mut self, question: &[u8], until: Instant) -> io::Result<Vec<u8>> {
        self.socket.set_write_timeout(Some(remaining(until)?))?;
        write_message(&mut self.socket, question)?;
        let length = read_exactly(&mut self.socket, size_of::<u64>(), until)?;
        let length = length.try_into().map_or(0, u64::from_ne_bytes);
        read_exactly(&mut self.socket, usize::try_from(length).unwrap_or(usize::MAX), until)
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        // The child may be held up without limit. It is then left to the process that adopts our
        // children.
        let _ = self.socket.shutdown(Shutdown::Both).and_then(|()| reap(self.child, self.is_late));
    }
}

/// Writes a message after its length.
fn write_message(socket: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    socket.write_all(&(message.len() as u64).to_ne_bytes())?;
    socket.write_all(message)
}

/// Reads a message that was written by [`write_message`].
fn read_message(socket: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; size_of::<u64>()];
    socket.read_exact(&mut length)?;
    let mut message = vec![0; u64::from_ne_bytes(length) as usize];
    socket.read_exact(&mut message)?;
    Ok(message)
}

/// Returns the descriptors that the child keeps beside these. Standard error is one only for debug
/// messages, because a reader of standard error waits for the end of the child.
fn kept_with(kept: &[RawFd]) -> Vec<RawFd> {
    let stderr = tracing::enabled!(tracing::Level::DEBUG).then_some(2);
    kept.iter().copied().chain(stderr).collect()
}

/// Reaps a child, and kills it first if it is late. A child that cannot exit is left to the process
/// that adopts our children.
fn reap(child: Pid, is_late: bool) -> io::Result<()> {
    if is_late {
        // Its number is its own, because it was not reaped yet.
        kill(child, Signal::SIGKILL)?;
    }
    let end = Instant::now() + if is_late { KILL_TIMEOUT } else { EXIT_TIMEOUT };
    while waitpid(child, Some(WaitPidFlag::WNOHANG))? == WaitStatus::StillAlive {
        if pause(end).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn the_answer_of_the_child_is_returned() {
        let long = vec![7; 1_000_000];
        assert_eq!(run_in_child(Duration::from_secs(60), || long.clone()).unwrap(), long);
    }

    #[test]
    fn a_late_child_is_not_waited_for() {
        let wait = || {
            std::thread::park_timeout(Duration::from_secs(60));
            Vec::new()
        };
        assert_eq!(
            run_in_child(Duration::from_millis(10), wait).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    }

    #[test]
    fn a_server_answers_until_it_is_late() {
        let answer = |question: &[u8]| {
            if question == b"wait" {
                std::thread::park_timeout(Duration::from_secs(60));
            }
            question.repeat(2)
        };
        let mut server = ChildServer::start(&[], answer).unwrap();
        let limit = Duration::from_secs(60);
        assert_eq!(server.ask(b"ab", limit).unwrap(), b"abab");
        let long = vec![7; 1_000_000];
        assert_eq!(server.ask(&long, limit).unwrap().len(), 2_000_000);
        assert_eq!(
            server.ask(b"wait", Duration::from_millis(10)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    }
}
