//! A reference to a live process that is proved to be the one that matched.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::pidfd_send_signal;

use super::kernel::{self, Scope};
use super::{Error, Signal};
use crate::process::{Pid, Process, ReadError, ReadResult, if_available, open_pidfd, pidfd_inode};

/// What tells a process from all others until the next boot: its number, and the inode of its pidfd
/// (Linux 6.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub pid: Pid,
    pub inode: u64,
}

impl Identity {
    /// A descriptor for this process; gone when its number is somebody else's by now.
    pub fn open(self) -> ReadResult<OwnedFd> {
        let pidfd = open_pidfd(self.pid)?;
        if pidfd_inode(&pidfd)? == self.inode { Ok(pidfd) } else { Err(ReadError::Exited) }
    }
}

/// A reference to one process, whoever gets its number later.
///
/// It holds a pidfd, which [`Reference::release`] gives back where the identity is enough to open
/// it again.
#[derive(Clone, Debug)]
pub struct Reference {
    pid: Pid,
    inode: Option<u64>,
    pidfd: Option<Rc<OwnedFd>>,
}

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Alive,
    /// It has ended, and its parent has not asked for its status yet: its number is still its own.
    Zombie,
    /// Its number may be another's.
    Reaped,
}

/// Find out whether this kernel lets us refer to processes and signal them so, before anything is
/// begun.
pub fn check_references() -> Result<(), Error> {
    let own = match open_pidfd(std::process::id()) {
        Err(ReadError::Absent(reason)) => return Err(Error::NoReferences(reason)),
        own => own.map_err(Error::Unreferenced)?,
    };
    kernel::ask_by_signal(own, Scope::Process).map_err(|_| {
        Error::NoReferences(
            "this kernel is older than Linux 5.1, or a sandbox forbids pidfd_send_signal(2)",
        )
    })
}

impl Reference {
    /// The process, which must be of our own procfs (see `Proc::is_ours`).
    ///
    /// Its pidfd is opened by number and then verified through the descriptor on its directory
    /// below /proc, which everything that made it match was read through: the two belong to one
    /// process.
    pub fn from_process(process: &Process<'_>) -> ReadResult<Reference> {
        Reference::with(process.pid(), process.pidfd()?)
    }

    /// The process that has this number now, though /proc may hide it (hidepid). For a number that
    /// a user typed, who can mean no other one.
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

    /// Its number, for showing it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The inode of its pidfd, where the kernel gives every process its own (Linux 6.9).
    pub fn inode(&self) -> Option<u64> {
        self.inode
    }

    /// What it can be found by again, where there is such a thing.
    pub fn identity(&self) -> Option<Identity> {
        Some(Identity { pid: self.pid, inode: self.inode? })
    }

    /// Give back its descriptor if it can be done without, and tell whether it can.
    pub fn release(&mut self) -> bool {
        if self.inode.is_some() {
            self.pidfd = None;
        }
        self.pidfd.is_none()
    }

    /// Its descriptor; gone when it was released and the process was reaped since.
    pub fn pidfd(&self) -> ReadResult<Rc<OwnedFd>> {
        match (&self.pidfd, self.identity()) {
            (Some(pidfd), _) => Ok(Rc::clone(pidfd)),
            (None, Some(identity)) => identity.open().map(Rc::new),
            (None, None) => Err(ReadError::Exited),
        }
    }

    /// How far it has come. Not by a signal 0, which a zombie takes too.
    pub fn life(&self) -> ReadResult<Life> {
        match self.pidfd() {
            Ok(pidfd) => life(&pidfd),
            Err(ReadError::Exited) => Ok(Life::Reaped),
            Err(unread) => Err(unread),
        }
    }

    /// Whether it may be sent signals by us, as far as the kernel tells without one: CONT it also
    /// allows within a session.
    pub fn permits(&self) -> ReadResult<()> {
        kernel::ask_by_signal(&*self.pidfd()?, Scope::Process).map_err(refused)
    }

    /// Send a signal. Gone is a process that was reaped; a zombie takes every signal and heeds
    /// none.
    pub fn send(&self, signal: Signal) -> ReadResult<()> {
        pidfd_send_signal(&*self.pidfd()?, signal.raw()).map_err(refused)
    }
}

/// Why a signal was not taken.
fn refused(errno: Errno) -> ReadError {
    match errno {
        Errno::SRCH => ReadError::Exited,
        Errno::PERM => ReadError::Denied,
        errno => ReadError::Broken { file: "pidfd", errno },
    }
}

/// Continue the process of a pidfd that a guardian was given. If it is gone, it needs none.
pub fn continue_through(pidfd: impl AsFd) {
    let _ = pidfd_send_signal(pidfd, Signal::CONT.raw());
}

/// How far the process of a pidfd has come: the pidfd is readable when all threads have ended, and
/// hung up when the process was reaped. Before Linux 6.9 it is only readable in both cases, and
/// signal 0 tells them apart.
pub fn life(pidfd: &OwnedFd) -> ReadResult<Life> {
    let failed = |errno| ReadError::Broken { file: "pidfd", errno };
    let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
    loop {
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    let happened = polled[0].revents();
    if happened.contains(PollFlags::HUP) {
        return Ok(Life::Reaped);
    }
    if !happened.contains(PollFlags::IN) {
        return Ok(Life::Alive);
    }
    let is_zombie = kernel::takes_signals(pidfd, Scope::Process).map_err(failed)?;
    Ok(if is_zombie { Life::Zombie } else { Life::Reaped })
}
