//! What can go wrong while reading /proc, in the three classes that callers must keep apart.

use std::path::PathBuf;

use rustix::io::Errno;

/// Why one property of one process could not be read.
///
/// Small and without a heap, because a scan meets thousands of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The process has ended. Normal at any moment.
    #[error("the process has ended")]
    Gone,
    /// The kernel keeps it from us (EACCES, EPERM).
    #[error("permission denied")]
    Denied,
    /// This process has no such property, and this is why.
    #[error("{0}")]
    Absent(&'static str),
    /// Anything else, such as running out of descriptors: whoever meets it stops. The file is one below /proc/PID or,
    /// with a leading slash, below /proc.
    #[error("cannot read {file}: {errno}")]
    Failed { file: &'static str, errno: Errno },
}

impl Unread {
    /// The class of an error number. `absent` is the meaning of ENOENT and ESRCH, which the caller knows.
    pub(super) fn from_errno(errno: Errno, file: &'static str, absent: impl FnOnce() -> Unread) -> Unread {
        match errno {
            Errno::NOENT | Errno::SRCH => absent(),
            Errno::ACCESS | Errno::PERM => Unread::Denied,
            // Anybody can move a directory to where its path exceeds PATH_MAX, and must not end our run with it.
            Errno::NAMETOOLONG => Unread::Absent("its path is longer than the kernel can tell"),
            errno => Unread::Failed { file, errno },
        }
    }
}

/// The outcome of reading a property.
pub type Read<T> = Result<T, Unread>;

/// A value, or `None` where it is kept from us or does not exist.
pub fn known<T>(read: Read<T>) -> Read<Option<T>> {
    match read {
        Err(Unread::Denied | Unread::Absent(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// A [`Read`] whose failures were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled<T> {
    /// The value.
    Known(T),
    /// There is none, for this reason: denied or absent.
    Missing(Unread),
    /// The process has ended.
    Gone,
}

/// What makes a whole run worthless.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be opened or listed.
    #[error("cannot read '{}': {errno}", path.display())]
    Directory { path: PathBuf, errno: Errno },
    /// It was opened, but it is no procfs and nothing in it looks like a process.
    #[error("'{}' is no procfs and holds no process directories: mount one there (mount -t proc proc /proc)", .0.display())]
    NotProc(PathBuf),
    /// A file of a process could not be read for a reason that is not the process's own.
    #[error("cannot read '{}': {errno}", path.display())]
    File { path: PathBuf, errno: Errno },
}
