//! A reference to a live process that is proved to be the one that matched.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use super::kernel::{self, ExitInfo, ExitStatus, Scope};
use super::{Error, Signal};
use crate::process::{
    Pid, Process, ReadError, ReadResult, Unavailable, if_available, open_pidfd, pidfd_inode,
};

/// The identity of a process until the next boot: its number and the inode of its pidfd (Linux
/// 6.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub pid: Pid,
    /// The inode of its pidfd.
    pub inode: u64,
}

impl Identity {
    /// Opens a pidfd of this process. Errors: `Exited` when the number belongs to another process
    /// by now.
    pub fn open(self) -> ReadResult<OwnedFd> {
        let pidfd = open_pidfd(self.pid)?;
        if pidfd_inode(&pidfd)? == self.inode { Ok(pidfd) } else { Err(ReadError::Exited) }
    }
}

/// A reference to one process, even if its number is reused later.
///
/// It holds a pidfd. [`Reference::release`] closes the pidfd where the identity is enough to open
/// it again (Linux 6.9); before that, an open pidfd is the only proof.
#[derive(Clone, Debug)]
pub struct Reference {
    pid: Pid,
    inode: Option<u64>,
    pidfd: Option<Rc<OwnedFd>>,
}

/// The stages in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has not exited.
    Alive,
    /// It has exited, and its parent has not reaped it yet: its number is still its own.
    Zombie,
    /// It was reaped: its number may belong to another process.
    Reaped,
}

/// Checks, before anything is begun, whether this kernel lets us refer to processes and signal them
/// through references.
pub fn check_references() -> Result<(), Error> {
    let own = match open_pidfd(std::process::id()) {
        Err(ReadError::Unavailable(Unavailable::Absent(reason))) => {
            return Err(Error::NoReferences(reason));
        }
        own => own.map_err(Error::Unreferenced)?,
    };
    kernel::ask_by_signal(own, Scope::Process).map_err(|_| {
        Error::NoReferences(
            "this kernel is older than Linux 5.1, or a sandbox forbids pidfd_send_signal(2)",
        )
    })
}

impl Reference {
    /// Makes a reference to a process, which must be of our own procfs (see `Proc::is_ours`).
    ///
    /// Its pidfd is opened by number. A check through the descriptor of its directory below /proc,
    /// through which the matching properties were read, then proves that both belong to one
    /// process.
    pub fn from_process(process: &Process<'_>) -> ReadResult<Reference> {
        Reference::with(process.pid(), process.pidfd()?)
    }

    /// Makes a reference to the process that has this number now, even if /proc hides it (hidepid).
    /// It is for a number that a user typed and that can mean only this process.
    pub fn by_number(pid: Pid) -> ReadResult<Reference> {
        Reference::with(pid, open_pidfd(pid)?)
    }

    fn with(pid: Pid, pidfd: OwnedFd) -> ReadResult<Reference> {
        Ok(Reference {
            pid,
            inode: if_available(pidfd_inode(&pidfd))?,
            pidfd: Some(Rc::new(pidfd)),
        })
    }

    /// Returns its number, for messages.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Returns the inode of its pidfd, where each process has its own (Linux 6.9).
    pub fn inode(&self) -> Option<u64> {
        self.inode
    }

    /// Returns the identity by which it can be opened again, if there is one.
    pub fn identity(&self) -> Option<Identity> {
        Some(Identity { pid: self.pid, inode: self.inode? })
    }

    /// Closes its descriptor if it can be opened again, and reports whether it can.
    pub fn release(&mut self) -> bool {
        if self.inode.is_some() {
            self.pidfd = None;
        }
        self.pidfd.is_none()
    }

    /// Returns its pidfd. Errors: `Exited` when it was released and the process was reaped since.
    pub fn pidfd(&self) -> ReadResult<Rc<OwnedFd>> {
        match (&self.pidfd, self.identity()) {
            (Some(pidfd), _) => Ok(Rc::clone(pidfd)),
            (None, Some(identity)) => identity.open().map(Rc::new),
            (None, None) => Err(ReadError::Exited),
        }
    }

    /// Returns the stage of its life. Signal 0 would not do, because a zombie takes it too.
    pub fn life(&self) -> ReadResult<Life> {
        match self.pidfd() {
            Ok(pidfd) => life(&pidfd),
            Err(ReadError::Exited) => Ok(Life::Reaped),
            Err(unread) => Err(unread),
        }
    }

    /// Returns its exit status; `None` where the kernel does not tell it, and before it was reaped
    /// (Linux 6.15).
    pub fn exit_status(&self) -> ReadResult<Option<ExitStatus>> {
        match kernel::exit_info(&*self.pidfd()?) {
            Ok(ExitInfo::Known(status)) => Ok(Some(status)),
            Ok(ExitInfo::Pending | ExitInfo::Never) => Ok(None),
            Err(errno) => Err(ReadError::broken("pidfd", errno)),
        }
    }

    /// Checks whether we may send it signals, as far as the kernel tells without sending one. CONT
    /// is also permitted within a session.
    pub fn permits(&self) -> ReadResult<()> {
        kernel::ask_by_signal(&*self.pidfd()?, Scope::Process).map_err(signal_error)
    }

    /// Sends a signal. Errors: `Exited` when the process was reaped. A zombie takes every signal
    /// without an effect.
    pub fn send(&self, signal: Signal) -> ReadResult<()> {
        pidfd_send_signal(&*self.pidfd()?, signal.raw()).map_err(signal_error)
    }

    /// Sends a signal that carries a number, as sigqueue(3) does. Errors: as of
    /// [`Reference::send`]; also EAGAIN, when the owner of the process has too many signals queued.
    pub fn queue(&self, signal: Signal, value: i32) -> ReadResult<()> {
        kernel::queue_signal(&*self.pidfd()?, signal.number(), value).map_err(signal_error)
    }
}

/// Returns the reason why a signal was not taken.
fn signal_error(errno: Errno) -> ReadError {
    match errno {
        Errno::SRCH => ReadError::Exited,
        Errno::PERM => ReadError::DENIED,
        errno => ReadError::broken("pidfd", errno),
    }
}

/// Continues the process of a pidfd that a guardian received. A process that has exited needs
/// nothing.
pub fn continue_through(pidfd: impl AsFd) {
    let _ = pidfd_send_signal(pidfd, Signal::CONT.raw());
}

/// Returns the stage of the process of a pidfd. The pidfd is readable when all threads have exited,
/// and hung up when the process was reaped. Before Linux 6.9 it is only readable in both cases, and
/// signal 0 tells them apart.
pub fn life(pidfd: &OwnedFd) -> ReadResult<Life> {
    let failed = |errno| ReadError::broken("pidfd", errno);
    let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
    loop {
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    let events = polled[0].revents();
    if events.contains(PollFlags::HUP) {
        return Ok(Life::Reaped);
    }
    if !events.contains(PollFlags::IN) {
        return Ok(Life::Alive);
    }
    let is_zombie = kernel::takes_signals(pidfd, Scope::Process).map_err(failed)?;
    Ok(if is_zombie { Life::Zombie } else { Life::Reaped })
}
