//! Doing something in a process of its own, which is left behind when it is late. Who waits for a
//! file system that never answers cannot even be killed: a thread that did would keep us from our
//! end, and from becoming a command.

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

/// For it to have ended after its answer, and after it was killed.
const ENDING: Duration = Duration::from_millis(100);
const DYING: Duration = Duration::from_millis(5);

/// What this answers; an error of kind TimedOut when it took longer.
pub fn run_in_child(limit: Duration, act: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let child = fork(&[theirs.as_raw_fd()], may_say(), || {
        let answer = act();
        // Whoever does not read it any more has no use for it.
        let _ = theirs.write_all(&answer);
    })?;
    drop(theirs);
    let answer = read_to_end(ours, Instant::now() + limit);
    end(child, answer.is_err())?;
    answer
}

/// A process of its own that answers questions.
pub struct ChildServer {
    child: Pid,
    line: UnixStream,
    is_late: bool,
}

impl ChildServer {
    /// Have it answer so. It keeps these of our descriptors.
    pub fn start(
        kept: &[RawFd],
        mut answer: impl FnMut(&[u8]) -> Vec<u8>,
    ) -> io::Result<ChildServer> {
        let (line, mut theirs) = UnixStream::pair()?;
        let kept = [kept, &[theirs.as_raw_fd()]].concat();
        let child = fork(&kept, may_say(), || {
            // Until nobody asks any more.
            while let Ok(question) = heard(&mut theirs)
                && tell(&mut theirs, &answer(&question)).is_ok()
            {}
        })?;
        Ok(ChildServer { child, line, is_late: false })
    }

    /// What it answers; an error of kind TimedOut when it takes longer. It answers nothing after an
    /// error.
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
        // It may be held up for ever, and is left to whoever takes up our children then.
        let _ = self.line.shutdown(Shutdown::Both).and_then(|()| end(self.child, self.is_late));
    }
}

/// A text behind its length.
fn tell(line: &mut UnixStream, text: &[u8]) -> io::Result<()> {
    line.write_all(&(text.len() as u64).to_ne_bytes())?;
    line.write_all(text)
}

fn heard(line: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; size_of::<u64>()];
    line.read_exact(&mut length)?;
    let mut text = vec![0; u64::from_ne_bytes(length) as usize];
    line.read_exact(&mut text)?;
    Ok(text)
}

fn may_say() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// Take the end of a child, and bring it about where it is late. One that cannot end is left to
/// whoever takes up our children.
fn end(child: Pid, is_late: bool) -> io::Result<()> {
    if is_late {
        // Its number is its own, as nobody has waited for it.
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
