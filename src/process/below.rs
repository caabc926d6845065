//! The directories below that of a process, such as fd and task: their entries, and the files in
//! them. [`super::Process`] gives these a meaning.

use std::ffi::{CStr, CString};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, StatxFlags, openat, readlinkat, statat, statx};
use rustix::io::{Errno, read, retry_on_intr};

use super::directory::Directory;
use super::error::{ReadError, ReadResult};
use super::inode::DONT_SYNC;
use super::stat::Stat;
use super::{Pid, number};

/// Facts about a file that a process has open.
#[derive(Clone, Copy, Debug)]
pub struct OpenFile {
    /// The user who owns it.
    pub owner: u32,
    /// Number of its names; 0 after it was deleted.
    pub links: u32,
    /// `true` if the descriptor is open for writing.
    pub is_writable: bool,
}

impl Directory<'_> {
    /// Returns the name of the thread with this id.
    pub fn thread_name(&self, id: Pid) -> ReadResult<Vec<u8>> {
        let mut name = self.text_below("task", &format!("task/{id}/comm"))?;
        name.pop_if(|&mut byte| byte == b'\n');
        Ok(name)
    }

    /// Returns the state of the thread with this id.
    pub fn thread_state(&self, id: Pid) -> ReadResult<u8> {
        Ok(self.thread_stat(id)?.state)
    }

    /// Returns the numbers of the thread with this id. Those about memory are of the whole process.
    pub fn thread_stat(&self, id: Pid) -> ReadResult<Stat> {
        Stat::parse(&self.text_below("task", &format!("task/{id}/stat"))?)
            .ok_or(ReadError::malformed("task"))
    }

    /// Returns the text of status of the thread with this id.
    pub fn thread_status(&self, id: Pid) -> ReadResult<Vec<u8>> {
        self.text_below("task", &format!("task/{id}/status"))
    }

    /// Returns the function of the kernel in which the thread with this id waits, `0` for none.
    pub fn thread_wait_channel(&self, id: Pid) -> ReadResult<Vec<u8>> {
        Ok(self.text_below("task", &format!("task/{id}/wchan"))?.trim_ascii().to_vec())
    }

    /// Reads a short file below one of the directories. Errors: `Exited` also when only this entry
    /// is gone, because entries come and go.
    fn text_below(&self, directory: &'static str, name: &str) -> ReadResult<Vec<u8>> {
        let read_error = |errno| ReadError::from_errno(errno, directory, || ReadError::Exited);
        let fd = self.open(name, OFlags::RDONLY).map_err(read_error)?;
        let mut text = Vec::with_capacity(4096);
        retry_on_intr(|| read(&fd, spare_capacity(&mut text))).map_err(read_error)?;
        Ok(text)
    }

    /// Returns the children of the first thread (/proc/PID/task/PID/children in proc_pid_task(5)).
    /// Errors: unavailable where this kernel lacks the file (CONFIG_PROC_CHILDREN).
    pub fn children(&self) -> ReadResult<Vec<Pid>> {
        let read_error = |errno| {
            ReadError::from_errno(errno, "children", || {
                self.absent_or_exited("this kernel does not list them")
            })
        };
        let name = format!("task/{}/children", self.pid);
        let file = self.open(&name, OFlags::RDONLY).map_err(read_error)?;
        let mut text = Vec::new();
        loop {
            text.reserve(4096);
            match read(&file, spare_capacity(&mut text)) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(read_error(errno)),
            }
        }
        let numbers = text.split(|&byte| byte == b' ').filter_map(number::parse);
        Ok(numbers.filter_map(|number| number.try_into().ok()).collect())
    }

    /// Passes on the lines of a long file below one of the directories, until `show` has seen
    /// enough.
    pub fn lines_below(
        &self,
        directory: &'static str,
        name: &str,
        show: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ReadResult<()> {
        let read_error = |errno| {
            ReadError::from_errno(errno, directory, || self.absent_or_exited("the file is missing"))
        };
        let fd = open_at(self.base(), &self.path_of_threads(name)?, OFlags::RDONLY)
            .map_err(read_error)?;
        show_lines(fd, show).map_err(read_error)
    }

    /// Reports whether `is_wanted` holds for any line of the memory map (proc_pid_maps(5)).
    pub fn maps_any(&self, is_wanted: fn(&[u8]) -> bool) -> ReadResult<bool> {
        let path = self.path_of_threads("maps")?;
        let found = self.on_thread("maps", move |base| {
            let fd = open_at(base, &path, OFlags::RDONLY)?;
            let mut is_found = false;
            show_lines(fd, |line| {
                is_found = is_wanted(line);
                if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            Ok(is_found)
        })?;
        found.map_err(|errno| {
            ReadError::from_errno(errno, "maps", || self.absent_or_exited("the file is missing"))
        })
    }

    /// Opens one of the directories.
    pub fn open_directory(&self, name: &'static str) -> ReadResult<OwnedFd> {
        let path = self.path_of_threads(name)?;
        open_at(self.base(), &path, OFlags::PATH | OFlags::DIRECTORY).map_err(|errno| {
            ReadError::from_errno(errno, name, || self.absent_or_exited("the directory is missing"))
        })
    }

    /// Returns the text of the link of a descriptor. Errors: `Exited` also when it is not open.
    pub fn descriptor_link(&self, number: u64) -> ReadResult<Vec<u8>> {
        let path = self.path_of_threads(&format!("fd/{number}"))?;
        let link = readlinkat(self.base(), path, Vec::new());
        link.map(CString::into_bytes)
            .map_err(|errno| ReadError::from_errno(errno, "fd", || ReadError::Exited))
    }

    /// Returns the text of fdinfo of a descriptor. Errors: `Exited` also when it is not open.
    pub fn descriptor_info(&self, number: u64) -> ReadResult<Vec<u8>> {
        self.text_below("fdinfo", &format!("{}fdinfo/{number}", self.threads_prefix()?))
    }

    /// Returns the facts about the file behind a descriptor, as far as the kernel remembers them.
    /// Its file system is not asked (AT_STATX_DONT_SYNC), because it may not answer. Errors:
    /// `Exited` also when the descriptor is not open.
    pub fn open_file(&self, number: u64) -> ReadResult<OpenFile> {
        let path = self.path_of_threads(&format!("fd/{number}"))?;
        let found = self.on_thread("fd", move |base| {
            // The mode of the link says how the file is open (proc_pid_fd(5)).
            let link = statat(base, &path, AtFlags::SYMLINK_NOFOLLOW)?;
            let flags = DONT_SYNC | AtFlags::NO_AUTOMOUNT;
            let file = statx(base, &path, flags, StatxFlags::UID | StatxFlags::NLINK)?;
            let is_writable = Mode::from_raw_mode(link.st_mode).contains(Mode::WUSR);
            Ok(OpenFile { owner: file.stx_uid, links: file.stx_nlink, is_writable })
        })?;
        found.map_err(|errno| ReadError::from_errno(errno, "fd", || ReadError::Exited))
    }

    /// Counts the entries of one of the directories, and passes on each of them.
    pub fn list(&self, directory: &'static str, mut show: impl FnMut(&CStr)) -> ReadResult<u64> {
        let read_error = |errno| {
            ReadError::from_errno(errno, directory, || {
                self.absent_or_exited("the directory is missing")
            })
        };
        // The directory task belongs to the process; the other ones are read below a thread that
        // still runs.
        let prefix = if directory == "task" { String::new() } else { self.threads_prefix()? };
        let dir = self
            .open(&format!("{prefix}{directory}"), OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(read_error)?;
        let mut buffer = Vec::with_capacity(8 * 1024);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        let mut count = 0;
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry.map_err(read_error)?,
            };
            if !entry.file_name().to_bytes().starts_with(b".") {
                show(entry.file_name());
                count += 1;
            }
        }
        Ok(count)
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_at(self.base(), &self.path_below(name), flags)
    }

    /// Returns the path of this file of the process.
    fn path_below(&self, name: &str) -> Vec<u8> {
        [self.path("").as_c_str().to_bytes(), name.as_bytes()].concat()
    }

    /// Returns the path of a file that all threads share. The first thread does not have it any
    /// more after its exit.
    pub fn path_of_threads(&self, name: &str) -> ReadResult<Vec<u8>> {
        Ok(self.path_below(&format!("{}{name}", self.threads_prefix()?)))
    }

    /// Returns the prefix of the path of a thread that still runs; empty while the first one does.
    fn threads_prefix(&self) -> ReadResult<String> {
        Ok(self.other_thread()?.map_or_else(String::new, |thread| format!("task/{thread}/")))
    }

    /// Returns the error of a missing entry: the process has none for this reason, or has exited.
    pub fn absent_or_exited(&self, why: &'static str) -> ReadError {
        if self.exists() { ReadError::absent(why) } else { ReadError::Exited }
    }
}

pub(super) fn open_at(base: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    retry_on_intr(|| openat(base, path, flags | OFlags::CLOEXEC, Mode::empty()))
}

/// Passes on the lines of a file until `show` has seen enough.
pub(super) fn show_lines(
    file: OwnedFd,
    mut show: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), Errno> {
    let mut reader = BufReader::new(std::fs::File::from(file));
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))? == 0 {
            return Ok(());
        }
        if show(line.strip_suffix(b"\n").unwrap_or(&line)).is_break() {
            return Ok(());
        }
    }
}
