//! The identity of a process that no other process ever has: the inode of its pidfd. It is what
//! the property `id` shows, and what a reference to a process compares.

use std::os::fd::OwnedFd;

use rustix::fs::{fstat, fstatfs};
use rustix::io::Errno;
use rustix::process::{Pid as RawPid, PidfdFlags, pidfd_open};

use super::error::{ReadError, ReadResult};
use super::{Files, Pid, Proc, Process};

/// Magic number of the file system of pidfds, since Linux 6.9. Before, all pidfds shared one inode.
const PIDFS_MAGIC: u64 = 0x5049_4446;

/// The reason why a pidfd cannot be opened for any process.
const NO_PIDFDS: &str = "this kernel is older than Linux 5.3, or a sandbox forbids pidfd_open(2)";

/// The relation between the pids in a procfs and those that our system calls take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbering {
    /// The procfs belongs to our pid namespace.
    Ours,
    /// The procfs belongs to another pid namespace, or it is no procfs of a kernel: its numbers
    /// mean other processes here.
    Foreign,
}

impl Numbering {
    /// Finds out the relation from our own pid, as the procfs shows it.
    pub(super) fn detect(proc: &Proc) -> ReadResult<Numbering> {
        let Some(pid) = proc.own_pid() else { return Ok(Numbering::Foreign) };
        let own = Process::pin(proc, pid, Files::NONE)?;
        // NSpid lists our pid in each namespace from that of the procfs down to ours. One number
        // means that both are the same.
        let numbers: Vec<u64> = own.status()?.numbers("NSpid").into_iter().flatten().collect();
        Ok(if numbers == [u64::from(std::process::id())] {
            Numbering::Ours
        } else {
            Numbering::Foreign
        })
    }
}

impl Process<'_> {
    /// Returns the inode of this process's pidfd, which is unique until the next boot (Linux 6.9
    /// and later).
    pub fn pidfd_inode(&self) -> ReadResult<u64> {
        if self.proc().numbering()? == Numbering::Foreign {
            return Err(ReadError::absent("only known in our own pid namespace"));
        }
        pidfd_inode(&self.pidfd()?)
    }

    /// Opens a pidfd of exactly this process. Valid only where [`Proc::is_ours`].
    ///
    /// It is opened by number. If the pinned directory still answers afterwards, the number
    /// belonged to this process all the time.
    pub fn pidfd(&self) -> ReadResult<OwnedFd> {
        if !self.is_pinned() {
            return self.pinned()?.pidfd();
        }
        let pidfd = open_pidfd(self.pid())?;
        if self.exists() { Ok(pidfd) } else { Err(ReadError::Exited) }
    }
}

impl Proc {
    /// Reports whether the pids in this procfs are those that our system calls take.
    pub fn is_ours(&self) -> ReadResult<bool> {
        Ok(self.numbering()? == Numbering::Ours)
    }
}

/// Returns the inode of a pidfd.
pub fn pidfd_inode(pidfd: &OwnedFd) -> ReadResult<u64> {
    let read_error = |errno| ReadError::from_errno(errno, "pidfd", || ReadError::Exited);
    if fstatfs(pidfd).map_err(read_error)?.f_type as u64 != PIDFS_MAGIC {
        return Err(ReadError::absent("this kernel is older than Linux 6.9"));
    }
    Ok(fstat(pidfd).map_err(read_error)?.st_ino)
}

/// Opens a pidfd of the process that has this number now.
pub fn open_pidfd(pid: Pid) -> ReadResult<OwnedFd> {
    let raw = i32::try_from(pid).ok().and_then(RawPid::from_raw).ok_or(ReadError::Exited)?;
    pidfd_open(raw, PidfdFlags::empty()).map_err(|errno| match errno {
        // A process that is just exiting gives EINVAL. ENOENT (ESRCH before Linux 6.9) means that
        // the number is that of a thread.
        Errno::SRCH | Errno::INVAL | Errno::NOENT => ReadError::Exited,
        // No kernel asks for a permission here, so that these come from a sandbox.
        Errno::NOSYS | Errno::PERM | Errno::ACCESS => ReadError::absent(NO_PIDFDS),
        errno => ReadError::from_errno(errno, "pidfd", || ReadError::Exited),
    })
}
