//! Errors of reading /proc, in the three classes that callers must keep apart: the process has
//! exited, one value is unavailable, or the whole run fails.

use std::path::PathBuf;

use rustix::io::Errno;

/// The reason why one property of a living process cannot be read.
///
/// It is small and needs no heap, because a scan meets thousands of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The kernel does not permit us to read it (EACCES, EPERM).
    #[error("permission denied")]
    Denied,
    /// This process has no such property, for this reason.
    #[error("{0}")]
    Absent(&'static str),
    /// The process holds up its readers in the kernel, so that the file cannot be read in time.
    #[error("{file} cannot be read: the process holds up its readers, in the kernel")]
    HeldUp { file: &'static str },
    /// Reading the file failed for this process, or its text is malformed (EBADMSG).
    #[error("{file} cannot be read: {errno}")]
    Broken { file: &'static str, errno: Errno },
}

/// An error of reading one property of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The process has exited. This can happen at any moment.
    #[error("the process has ended")]
    Exited,
    /// The process is alive, and so is the run: only this value is missing.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// We lack descriptors or memory, or /proc itself cannot be read. This ends the run. The file
    /// is below /proc/PID or, with a leading slash, below /proc.
    #[error("cannot read {file}: {errno}")]
    Failed { file: &'static str, errno: Errno },
}

impl ReadError {
    /// Sorts an error number into its class. The caller says with `absent` what ENOENT and ESRCH
    /// mean.
    pub(super) fn from_errno(
        errno: Errno,
        file: &'static str,
        absent: impl FnOnce() -> ReadError,
    ) -> ReadError {
        match errno {
            Errno::NOENT | Errno::SRCH => absent(),
            Errno::ACCESS | Errno::PERM => ReadError::DENIED,
            // Any user can move a directory so that its path exceeds PATH_MAX.
            Errno::NAMETOOLONG => ReadError::absent("its path is longer than the kernel can tell"),
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => ReadError::Failed { file, errno },
            // The file belongs to no process.
            _ if file.starts_with('/') => ReadError::Failed { file, errno },
            errno => ReadError::broken(file, errno),
        }
    }

    /// Returns the error of a malformed text.
    pub(super) const fn malformed(file: &'static str) -> ReadError {
        ReadError::broken(file, Errno::BADMSG)
    }

    /// The error that the kernel does not permit us to read it.
    pub const DENIED: ReadError = ReadError::Unavailable(Unavailable::Denied);

    /// Makes the error that the process has no such property, for this reason.
    pub const fn absent(why: &'static str) -> ReadError {
        ReadError::Unavailable(Unavailable::Absent(why))
    }

    /// Makes the error that reading this file failed for the process.
    pub const fn broken(file: &'static str, errno: Errno) -> ReadError {
        ReadError::Unavailable(Unavailable::Broken { file, errno })
    }

    /// Reports whether only this value is missing, so that the process and the run go on.
    pub fn is_unavailable(self) -> bool {
        matches!(self, ReadError::Unavailable(_))
    }
}

/// The result of reading a property.
pub type ReadResult<T> = Result<T, ReadError>;

/// Returns the value, or `None` where it is unavailable.
pub fn if_available<T>(read: ReadResult<T>) -> ReadResult<Option<T>> {
    match read {
        Err(ReadError::Unavailable(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// The result of looking something up, after errors that end the run were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The value was found.
    Found(T),
    /// The process is alive, and the value is unavailable for this reason.
    Unavailable(Unavailable),
    /// The process has exited.
    Exited,
}

/// An error that ends the whole run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be opened or listed.
    #[error("cannot read '{}': {errno}", path.display())]
    Directory { path: PathBuf, errno: Errno },
    /// The directory could be opened, but it is no procfs, and nothing in it looks like a process.
    #[error("'{}' is no procfs and holds no process directories: mount one there (mount -t proc \
    proc /proc)", .0.display())]
    NotProc(PathBuf),
    /// A file could not be read because we lack descriptors or memory.
    #[error("cannot read '{}': {errno}", path.display())]
    File { path: PathBuf, errno: Errno },
}
