//! A process that sees to it that a paused one runs again, whatever becomes of us.
//!
//! It is this program once more, in a session of its own and deaf to all signals but KILL. It holds the pidfd of the
//! paused process and one end of a socket: when the other end closes without a word, we are gone, and it continues
//! the process. Its command line is that of `resume`, so that whoever kills by our name misses it.

use std::io::{Read as _, Write as _, stdin, stdout};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::SigSet;
use rustix::io::Errno;

use super::{Error, Reference, reference};
use crate::process::{Proc, Settled};

/// The arguments that make this program a guardian: see the applet `resume`.
pub const ARGUMENTS: [&str; 2] = ["resume", "--guard"];

const READY: u8 = b'r';
const DISMISSED: u8 = b'd';

/// A guardian on duty.
pub struct Guardian {
    child: Child,
    line: UnixStream,
}

impl Guardian {
    /// Set one up over a process that is about to be paused; it is ready on return.
    pub fn over(proc: &Proc, reference: &Reference) -> Result<Option<Guardian>, Error> {
        let Settled::Known(pidfd) = proc.settle(reference.pid(), reference.pidfd())? else { return Ok(None) };
        let failed = |error: std::io::Error| {
            Error::kernel("set up a guardian")(Errno::from_io_error(&error).unwrap_or(Errno::IO))
        };
        let pidfd: OwnedFd = pidfd.try_clone().map_err(failed)?;
        let (mut line, theirs) = UnixStream::pair().map_err(failed)?;
        let child = Command::new("/proc/self/exe")
            .arg0("proctool")
            .args(ARGUMENTS)
            .stdin(pidfd)
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .current_dir("/")
            .env_clear()
            .spawn()
            .map_err(failed)?;
        let mut word = [0];
        line.read_exact(&mut word).map_err(failed)?;
        Ok(Some(Guardian { child, line }))
    }

    /// Whether somebody has ended it.
    pub fn has_ended(&mut self) -> bool {
        // It is our child, for which asking cannot fail.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// It is not needed any more: it ends without doing anything.
    pub fn dismiss(mut self) {
        // Both fail only when it is gone already.
        let _ = self.line.write_all(&[DISMISSED]);
        let _ = self.child.wait();
    }
}

/// Be a guardian: standard input is the pidfd, standard output the socket.
pub fn stand() -> Result<(), Error> {
    let failed = |errno: nix::errno::Errno| Error::kernel("be a guardian")(Errno::from_raw_os_error(errno as i32));
    SigSet::all().thread_block().map_err(failed)?;
    // It fails for the leader of a process group, which a child is not.
    let _ = nix::unistd::setsid();
    let mut word = [READY];
    let mut count = rustix::io::write(stdout(), &word);
    while let Ok(1) | Err(Errno::INTR) = count {
        count = rustix::io::read(stdout(), &mut word);
        if count == Ok(1) && word == [DISMISSED] {
            return Ok(());
        }
    }
    reference::continue_through(stdin());
    Ok(())
}
