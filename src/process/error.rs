//! What can go wrong while reading /proc, in the three classes that callers must keep apart.

use std::path::PathBuf;

use rustix::io::Errno;

/// Why one property of one process could not be read.
///
/// Small and without a heap, because a scan meets thousands of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The process has ended. Normal at any moment.
    #[error("the process has ended")]
    Exited,
    /// The kernel keeps it from us (EACCES, EPERM).
    #[error("permission denied")]
    Denied,
    /// This process has no such property, and this is why.
    #[error("{0}")]
    Absent(&'static str),
    /// The process does not let the file be read: it holds up whoever reads it, in the kernel.
    #[error("{file} cannot be read: the process holds up its readers, in the kernel")]
    HeldUp { file: &'static str },
    /// Reading the file fails for this process, or its text makes no sense (EBADMSG).
    #[error("{file} cannot be read: {errno}")]
    Broken { file: &'static str, errno: Errno },
    /// We lack descriptors or memory, or /proc itself cannot be read, which ends the run. The file
    /// is one below /proc/PID or, with a leading slash, below /proc.
    #[error("cannot read {file}: {errno}")]
    Failed { file: &'static str, errno: Errno },
}

impl ReadError {
    /// The class of an error number. `absent` is the meaning of ENOENT and ESRCH, which the caller
    /// knows.
    pub(super) fn from_errno(
        errno: Errno,
        file: &'static str,
        absent: impl FnOnce() -> ReadError,
    ) -> ReadError {
        match errno {
            Errno::NOENT | Errno::SRCH => absent(),
            Errno::ACCESS | Errno::PERM => ReadError::Denied,
            // Anybody can move a directory to where its path exceeds PATH_MAX.
            Errno::NAMETOOLONG => ReadError::Absent("its path is longer than the kernel can tell"),
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => ReadError::Failed { file, errno },
            // No process has to do with it.
            _ if file.starts_with('/') => ReadError::Failed { file, errno },
            errno => ReadError::Broken { file, errno },
        }
    }

    /// A text that makes no sense.
    pub(super) const fn malformed(file: &'static str) -> ReadError {
        ReadError::Broken { file, errno: Errno::BADMSG }
    }

    /// Whether the process goes on, and so does the run: only this value is not to be had.
    pub fn is_unavailable(self) -> bool {
        !matches!(self, ReadError::Exited | ReadError::Failed { .. })
    }
}

/// The outcome of reading a property.
pub type ReadResult<T> = Result<T, ReadError>;

/// A value, or `None` where it is unavailable.
pub fn if_available<T>(read: ReadResult<T>) -> ReadResult<Option<T>> {
    match read {
        Err(unread) if unread.is_unavailable() => Ok(None),
        read => read.map(Some),
    }
}

/// A [`ReadResult`] whose failures were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The value.
    Found(T),
    /// It is unavailable, for this reason.
    Unavailable(ReadError),
    /// The process has ended.
    Exited,
}

/// What makes a whole run worthless.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be opened or listed.
    #[error("cannot read '{}': {errno}", path.display())]
    Directory { path: PathBuf, errno: Errno },
    /// It was opened, but it is no procfs and nothing in it looks like a process.
    #[error("'{}' is no procfs and holds no process directories: mount one there (mount -t proc \
    proc /proc)", .0.display())]
    NotProc(PathBuf),
    /// A file could not be read because we lack descriptors or memory.
    #[error("cannot read '{}': {errno}", path.display())]
    File { path: PathBuf, errno: Errno },
}
