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
const ENDING: Duration = Duration::from_millis(100);

/// Time for the child to exit after it was killed.
const DYING: Duration = Duration::from_millis(5);

/// Runs a closure in a child process and returns its answer. Errors: `TimedOut` after `limit`.
pub fn run_in_child(limit: Duration, act: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let child = fork(&[theirs.as_raw_fd()], may_say(), || {
        let answer = act();
        // If the reader has gone, the answer is not needed.
        let _ = theirs.write_all(&answer);
    })?;
    drop(theirs);
    let answer = read_to_end(ours, Instant::now() + limit);
    end(child, answer.is_err())?;
    answer
}

/// A child process that answers questions.
pub struct ChildServer {
    child: Pid,
    line: UnixStream,
    is_late: bool,
}

impl ChildServer {
    /// Starts a child that answers with this closure. The child keeps the descriptors in `kept`.
    pub fn start(
        kept: &[RawFd],
        mut answer: impl FnMut(&[u8]) -> Vec<u8>,
    ) -> io::Result<ChildServer> {
        let (line, mut theirs) = UnixStream::pair()?;
        let kept = [kept, &[theirs.as_raw_fd()]].concat();
        let child = fork(&kept, may_say(), || {
            // Ends when no more questions can come.
            while let Ok(question) = heard(&mut theirs)
                && tell(&mut theirs, &answer(&question)).is_ok()
            {}
        })?;
        Ok(ChildServer { child, line, is_late: false })
    }

    /// Returns the child's answer to a question. Errors: `TimedOut` after `limit`. After an error
    /// the child answers no more questions.
    pub fn ask(&mut self, question: &[u8], limit: Duration) -> io::Result<Vec<u8>> {
        let answer = self.answer(question, Instant::now() + limit);
        self.is_late |= answer.is_err();
        answer
    }

    fn answer(&mut self, question: &[u8], until: Instant) -> io::Result<Vec<u8>> {
        self.line.set_write_timeout(Some(remaining(until)?))?;
        tell(&mut self.line, question)?;
        let length = read_exactly(&mut self.line, size_of::<u64>(), until)?;
        let length = length.try_into().map_or(0, u64::from_ne_bytes);
        read_exactly(&mut self.line, usize::try_from(length).unwrap_or(usize::MAX), until)
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        // The child may be held up without limit. It is then left to the process that adopts our
        // children.
        let _ = self.line.shutdown(Shutdown::Both).and_then(|()| end(self.child, self.is_late));
    }
}

/// Writes a message after its length.
fn tell(line: &mut UnixStream, text: &[u8]) -> io::Result<()> {
    line.write_all(&(text.len() as u64).to_ne_bytes())?;
    line.write_all(text)
}

/// Reads a message that was written by [`tell`].
fn heard(line: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; size_of::<u64>()];
    line.read_exact(&mut length)?;
    let mut text = vec![0; u64::from_ne_bytes(length) as usize];
    line.read_exact(&mut text)?;
    Ok(text)
}

/// Reports whether the child keeps standard error. It does so only for debug messages, because a
/// reader of standard error waits for the end of the child.
fn may_say() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// Reaps a child, and kills it first if it is late. A child that cannot exit is left to the process
/// that adopts our children.
fn end(child: Pid, is_late: bool) -> io::Result<()> {
    if is_late {
        // Its number is its own, because it was not reaped yet.
        kill(child, Signal::SIGKILL)?;
    }
    let end = Instant::now() + if is_late { DYING } else { ENDING };
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
    fn its_answer_is_ours() {
        let long = vec![7; 1_000_000];
        assert_eq!(run_in_child(Duration::from_secs(60), || long.clone()).unwrap(), long);
    }

    #[test]
    fn what_is_late_is_not_waited_for() {
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
    fn a_clerk_answers_until_it_is_late() {
        let answer = |question: &[u8]| {
            if question == b"wait" {
                std::thread::park_timeout(Duration::from_secs(60));
            }
            question.repeat(2)
        };
        let mut clerk = ChildServer::start(&[], answer).unwrap();
        let limit = Duration::from_secs(60);
        assert_eq!(clerk.ask(b"ab", limit).unwrap(), b"abab");
        let long = vec![7; 1_000_000];
        assert_eq!(clerk.ask(&long, limit).unwrap().len(), 2_000_000);
        assert_eq!(
            clerk.ask(b"wait", Duration::from_millis(10)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    }
}
