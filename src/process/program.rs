//! The program that a process runs: its names, its executable, its arguments and its environment.

use std::borrow::Cow;

use super::Process;
use super::error::{ReadError, ReadResult, Unavailable, if_available};
use super::file::File;
use super::value::title;
use crate::path::base_name;

/// The text that the kernel appends to the link of an executable whose file was removed or
/// replaced.
pub(super) const DELETED: &[u8] = b" (deleted)";

/// The beginning of the link of an executable that never had a name (memfd_create(2)). The kernel
/// appends [`DELETED`] to each.
pub(super) const MEMFD: &[u8] = b"/memfd:";

/// Maximum number of bytes that the kernel keeps of the name of a user's process (TASK_COMM_LEN
/// without its zero byte).
const COMM_MAX: usize = 15;

impl Process<'_> {
    /// Returns comm, the name that the kernel keeps: at most 15 bytes for a user's process, and any
    /// bytes.
    pub fn comm(&self) -> ReadResult<Cow<'_, [u8]>> {
        if self.has(File::Stat) {
            Ok(Cow::Borrowed(self.stat()?.comm(self.file(File::Stat)?)))
        } else if self.has(File::Status) {
            self.status()?.comm().map(Cow::Owned).ok_or(ReadError::malformed("status"))
        } else {
            let line = self.file(File::Comm)?;
            Ok(Cow::Borrowed(line.strip_suffix(b"\n").unwrap_or(line)))
        }
    }

    /// Returns the name for users: comm, or where the kernel cut it, the whole name, taken from the
    /// name of the executable or, for a script, from its path among the arguments. Errors: where
    /// the name may be longer and cannot be completed.
    pub fn name(&self) -> ReadResult<Cow<'_, [u8]>> {
        let comm = self.name_by_link()?;
        if comm.len() != COMM_MAX || !self.has_memory()? {
            return Ok(comm);
        }
        // The kernel puts at most one option between interpreter and script: `interpreter [option]
        // script`.
        let arguments = match self.cmdline() {
            Err(ReadError::Unavailable(Unavailable::Denied | Unavailable::Absent(_))) => b"",
            arguments => arguments?,
        };
        match arguments
            .split(|&byte| byte == 0)
            .take(3)
            .find_map(|argument| completion(argument, &comm))
        {
            Some(whole) => Ok(Cow::Borrowed(whole)),
            None => Ok(comm),
        }
    }

    /// Returns the name for users, or comm where that cannot be completed.
    pub fn name_or_comm(&self) -> ReadResult<Cow<'_, [u8]>> {
        match self.name() {
            Err(error) if error.is_unavailable() => self.comm(),
            name => name,
        }
    }

    /// Returns comm, completed from the name of the executable only: nothing is read with which the
    /// process can hold us up.
    pub fn name_by_link(&self) -> ReadResult<Cow<'_, [u8]>> {
        let comm = self.comm()?;
        if comm.len() == COMM_MAX
            && let Some(path) = if_available(self.linked_path())?
            && let Some(whole) = completion(path, &comm)
        {
            return Ok(Cow::Borrowed(whole));
        }
        Ok(comm)
    }

    /// Returns the arguments, each ended by a zero byte. Kernel threads and zombies have none.
    pub fn cmdline(&self) -> ReadResult<&[u8]> {
        self.file(File::Cmdline)
    }

    /// Returns the arguments in one line, as `find --full` matches them.
    pub fn command_line(&self) -> ReadResult<Vec<u8>> {
        let arguments = self.cmdline()?;
        // The whole text counts: a title that overwrote the arguments fills their place.
        let end = arguments.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Ok(arguments[..end].iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect())
    }

    /// Returns the first `most` bytes of its arguments, which a process can make arbitrarily long;
    /// see [`Process::cmdline`].
    pub fn cmdline_start(&self, most: usize) -> ReadResult<Vec<u8>> {
        self.directory.start_of(File::Cmdline, most)
    }

    /// Reports whether the process has memory, and therefore arguments: kernel threads and zombies
    /// have none.
    fn has_memory(&self) -> ReadResult<bool> {
        let stat = self.stat()?;
        Ok(!stat.is_kernel_thread() && !stat.is_zombie())
    }

    /// Returns the first argument of a process that shows no executable. A title that overwrote the
    /// arguments is no argument.
    fn first_argument(&self) -> ReadResult<&[u8]> {
        if !self.has_memory()? {
            return Ok(b"");
        }
        let arguments = self.cmdline()?;
        let is_title = title(arguments).is_some();
        Ok(if is_title {
            b""
        } else {
            arguments.split(|&byte| byte == 0).next().unwrap_or_default()
        })
    }

    /// Returns the link to the executable as the kernel gives it, with its " (deleted)".
    pub fn exe(&self) -> ReadResult<&[u8]> {
        self.file(File::Exe)
    }

    /// Reports whether the file of the executable was removed or replaced since the process began
    /// to run it.
    ///
    /// Only the link decides: a stat of the file would ask its file system, which may not answer.
    pub fn exe_deleted(&self) -> ReadResult<bool> {
        let exe = self.exe()?;
        if !exe.ends_with(DELETED) || exe.starts_with(MEMFD) {
            return Ok(false);
        }
        // A file may really have such a name, and the kernel names the process after it.
        let comm = self.comm()?;
        let name = base_name(exe);
        let is_name = *comm == *name
            || comm.len() == COMM_MAX
                && name.len() - DELETED.len() < COMM_MAX
                && name.starts_with(&comm);
        Ok(!is_name)
    }

    /// Returns the link to the executable without " (deleted)".
    fn linked_path(&self) -> ReadResult<&[u8]> {
        let exe = self.exe()?;
        Ok(match exe.strip_suffix(DELETED) {
            Some(path) if exe.starts_with(MEMFD) || self.exe_deleted()? => path,
            _ => exe,
        })
    }

    /// Returns the path of the executable: the link without " (deleted)", else an absolute first
    /// argument.
    pub fn exe_path(&self) -> ReadResult<&[u8]> {
        let error = match self.linked_path() {
            Err(error)
                if error == ReadError::DENIED || error == ReadError::absent(File::Exe.absent()) =>
            {
                error
            }
            outcome => return outcome,
        };
        let argument = self.first_argument()?;
        if argument.starts_with(b"/") { Ok(argument) } else { Err(error) }
    }

    /// Returns the name of the executable: the last part of its path, else a first argument that is
    /// a command on $PATH, else comm.
    pub fn exe_name(&self) -> ReadResult<Cow<'_, [u8]>> {
        match self.exe_path() {
            Ok(path) => return Ok(Cow::Borrowed(base_name(path))),
            Err(error) if error.is_unavailable() => {}
            Err(error) => return Err(error),
        }
        let argument = self.first_argument()?;
        if !argument.is_empty() && !argument.contains(&b'/') && self.proc().is_command(argument) {
            return Ok(Cow::Borrowed(argument));
        }
        self.comm()
    }

    /// Returns the environment that it was started with: NAME=value, each ended by a zero byte, in
    /// order and with duplicates.
    pub fn environ(&self) -> ReadResult<&[u8]> {
        let environ = self.file(File::Environ)?;
        // Until Linux 6.16 that of a kernel thread or a zombie could be read, and was empty.
        if environ.is_empty() && (self.is_kernel_thread()? || self.stat()?.is_zombie()) {
            return Err(ReadError::absent(File::Environ.absent()));
        }
        Ok(environ)
    }

    /// Returns the first `most` bytes of its environment, which a process can make arbitrarily
    /// long.
    pub fn environ_start(&self, most: usize) -> ReadResult<Vec<u8>> {
        self.directory.start_of(File::Environ, most)
    }
}

/// Returns the base name of a path, if the kernel cut this comm from it.
fn completion<'a>(path: &'a [u8], comm: &[u8]) -> Option<&'a [u8]> {
    let name = base_name(path);
    (name.len() > comm.len() && name.starts_with(comm)).then_some(name)
}
