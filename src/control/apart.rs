//! Doing something in a process of its own, which is left behind when it is late. Who waits for a file system that never
//! answers cannot even be killed: a thread that did would keep us from our end, and from becoming a command.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::kernel::fork;
use crate::peer::{pause, read_to_end};

/// For it to have ended after its answer.
const ENDING: Duration = Duration::from_millis(100);

/// What this answers; an error of kind TimedOut when it took longer.
pub fn apart(limit: Duration, act: impl FnOnce() -> Vec<u8>) -> io::Result<Vec<u8>> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = fork(theirs.into(), tracing::enabled!(tracing::Level::DEBUG), |theirs| {
        let answer = act();
        // Whoever does not read it any more has no use for it.
        let _ = UnixStream::from(theirs).write_all(&answer);
    })?;
    let answer = read_to_end(ours, Instant::now() + limit);
    if answer.is_err() {
        // Its number is its own, as nobody has waited for it.
        kill(child, Signal::SIGKILL)?;
    }
    reap(child)?;
    answer
}

/// One that cannot end is left to whoever takes up our children.
fn reap(child: Pid) -> io::Result<()> {
    let end = Instant::now() + ENDING;
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
        assert_eq!(apart(Duration::from_secs(60), || long.clone()).unwrap(), long);
    }

    #[test]
    fn what_is_late_is_not_waited_for() {
        let wait = || {
            std::thread::park_timeout(Duration::from_secs(60));
            Vec::new()
        };
        assert_eq!(apart(Duration::from_millis(10), wait).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
