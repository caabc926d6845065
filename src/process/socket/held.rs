//! The sockets among the open descriptors of a process. A scan asks this of every process, so that
//! it costs one open, one or two reads of the directory, and one readlink for each descriptor.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::{Errno, retry_on_intr};

use super::super::path::Path;
use super::super::{Pid, Proc, Process, ReadError, ReadResult, number};

/// Bytes for about 300 directory entries per system call.
const ENTRIES: usize = 8 * 1024;

/// Bytes of the longest link of a socket, with room for one more: `socket:[18446744073709551615]`.
const LINK: usize = 32;

/// Parses the inode in a link such as `socket:[123]`; `None` if it leads to something else.
pub(super) fn socket_inode(link: &[u8]) -> Option<u64> {
    number::parse(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

impl Process<'_> {
    /// Passes on the descriptor and the inode of each of its open sockets, until `show` has seen
    /// enough.
    ///
    /// Errors: unavailable if the kernel does not permit us to look, or if it is a zombie.
    pub fn each_socket(&self, mut show: impl FnMut(u64, u64) -> ControlFlow<()>) -> ReadResult<()> {
        let base = self.directory.base();
        let fd_error = |errno| ReadError::from_errno(errno, "fd", || self.no_descriptors());
        match each_socket_at(base, &self.directory.path("fd"), &mut show) {
            // The first thread may have exited before the others.
            Ok(0) | Err(Errno::NOENT) => match self.directory.other_thread()? {
                Some(thread) => {
                    let files = self.directory.path("").of_thread(thread, "fd");
                    each_socket_at(base, &files, &mut show).map_err(fd_error)?;
                }
                None if self.stat()?.is_alive() => {}
                None => return Err(self.no_descriptors()),
            },
            listed => _ = listed.map_err(fd_error)?,
        }
        Ok(())
    }

    /// Reports whether it holds a socket of which `is_wanted` is true.
    pub fn holds_socket(&self, is_wanted: impl Fn(u64) -> bool) -> ReadResult<bool> {
        let mut is_found = false;
        self.each_socket(|_, inode| {
            is_found = is_wanted(inode);
            if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(is_found)
    }

    fn no_descriptors(&self) -> ReadError {
        if self.exists() { ReadError::absent("a zombie has none") } else { ReadError::Exited }
    }
}

impl Proc {
    /// Returns those of these processes that hold no socket of which `is_wanted` is true. The
    /// others hold one, or must be looked at one by one.
    pub fn without_sockets(
        &self,
        pids: Vec<Pid>,
        is_wanted: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> BTreeSet<Pid> {
        let looks = self.look_at_all(pids, move |proc, pid| {
            let mut is_found = false;
            let listed = each_socket_at(proc, &Path::new(pid, "fd"), &mut |_, inode| {
                is_found = is_wanted(inode);
                if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            // One without descriptors may be a thread that has exited before the others.
            !is_found && listed.is_ok_and(|count| count > 0)
        });
        looks.into_iter().filter_map(|(pid, holds_none)| holds_none.then_some(pid)).collect()
    }
}

/// Passes on the descriptors that lead to sockets. Returns the number of all descriptors.
fn each_socket_at(
    base: BorrowedFd<'_>,
    path: &Path,
    show: &mut impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<usize, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let files = retry_on_intr(|| openat(base, path.as_c_str(), flags, Mode::empty()))?;
    let mut buffer = [MaybeUninit::uninit(); ENTRIES];
    let mut entries = RawDir::new(&files, &mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        let Some(descriptor) = number::parse(entry.file_name().to_bytes()) else { continue };
        count += 1;
        let inode = match socket_at(&files, entry.file_name()) {
            // It was closed meanwhile.
            Err(Errno::NOENT) => continue,
            inode => inode?,
        };
        if inode.is_some_and(|inode| show(descriptor, inode).is_break()) {
            break;
        }
    }
    Ok(count)
}

/// Returns the inode of the socket that a descriptor leads to; `None` for anything else.
fn socket_at(files: &OwnedFd, name: &CStr) -> Result<Option<u64>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); LINK];
    match readlinkat_raw(files, name, &mut buffer) {
        Ok((link, _)) => Ok(socket_inode(link)),
        // A path that is too long is none of a socket.
        Err(Errno::NAMETOOLONG) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::{LINK, socket_inode};

    #[test]
    fn links_of_sockets() {
        let longest = b"socket:[18446744073709551615]";
        assert_eq!(socket_inode(longest), Some(u64::MAX));
        assert!(longest.len() < LINK);
        for other in [&b"socket:[]"[..], b"socket:[12", b"pipe:[12]", b"/socket:[12]", b""] {
            assert_eq!(socket_inode(other), None);
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[b"socket:[123]", b"/dev/null"], |link| _ = socket_inode(link));
    }
}
