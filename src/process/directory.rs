//! The directory of one process: its files, each read when it is asked for and once.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr};
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use once_cell::unsync::OnceCell;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, readlinkat_raw, statat};
use rustix::io::{Errno, read};

use super::error::{Read, Unread};
use super::file::File;
use super::stat::Stat;
use super::{Pid, Proc};

/// Arguments and environment take 6 MiB together at most (execve(2)), but a process can have anything of its memory taken for
/// them later (PR_SET_MM_MAP in prctl(2)), and must not use up ours.
const LONGEST: usize = 8 << 20;

/// A directory below /proc, reached by its number or through a descriptor of its own.
pub(super) struct Directory<'p> {
    pub proc: &'p Proc,
    pub pid: Pid,
    pin: Option<OwnedFd>,
    files: [Slot; File::COUNT],
    /// A bit for each file that was read, with whatever outcome.
    read: Cell<u32>,
}

/// A file and the buffer it is read into, which survives from one process of a scan to the next.
#[derive(Default)]
struct Slot {
    content: OnceCell<Read<Vec<u8>>>,
    spare: Cell<Vec<u8>>,
}

/// "PID/file" or, below a pinned directory, "file"; with its zero byte.
struct Path {
    bytes: [u8; 32],
}

impl<'p> Directory<'p> {
    /// Reached by number, and without one yet: see [`Directory::visit`].
    pub fn by_number(proc: &'p Proc) -> Directory<'p> {
        Directory { proc, pid: 0, pin: None, files: Default::default(), read: Cell::new(0) }
    }

    /// Reached through a descriptor. What is read later is of the process that has the number now, or nothing.
    pub fn pin(proc: &'p Proc, pid: Pid) -> Read<Directory<'p>> {
        let mut directory = Directory::by_number(proc);
        directory.pid = pid;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let pin = openat(proc.dir(), directory.path("").as_c_str(), flags, Mode::empty())
            .map_err(|errno| Unread::from_errno(errno, "", || Unread::Gone))?;
        directory.pin = Some(pin);
        Ok(directory)
    }

    /// Turn to another process, keeping the buffers.
    pub fn visit(&mut self, pid: Pid) {
        self.pid = pid;
        let mut read = self.read.take();
        // Mostly one or two of them.
        while read != 0 {
            let slot = &mut self.files[read.trailing_zeros() as usize];
            if let Some(Ok(buffer)) = slot.content.take() {
                slot.spare.set(buffer);
            }
            read &= read - 1;
        }
    }

    pub fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Whether this file was read, and could be.
    pub fn holds(&self, file: File) -> bool {
        self.files[file as usize].content.get().is_some_and(Result::is_ok)
    }

    /// The bytes of a file, or the text of a link.
    pub fn file(&self, file: File) -> Read<&[u8]> {
        let slot = &self.files[file as usize];
        let content = slot.content.get_or_init(|| {
            self.read.set(self.read.get() | 1 << file as u32);
            let mut buffer = slot.spare.take();
            buffer.clear();
            buffer.reserve(file.facts().capacity);
            let outcome = if file.facts().is_link {
                self.read_link(file, &mut buffer)
            } else {
                self.read_text(file, &mut buffer)
            };
            match outcome {
                Ok(()) => Ok(buffer),
                Err(errno) => {
                    slot.spare.set(buffer);
                    Err(self.unread(file, errno))
                }
            }
        });
        content.as_deref().map_err(|&unread| unread)
    }

    /// Open, one read, close; a second read only when the first one filled the buffer. Of what is longer than any process
    /// was started with, the beginning.
    fn read_text(&self, file: File, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        let path = self.path(file.name());
        let fd = openat(self.base(), path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        loop {
            let room = buffer.capacity() - buffer.len();
            match read(&fd, spare_capacity(buffer)) {
                Ok(length) if length < room => return Ok(()),
                Ok(_) if buffer.len() >= LONGEST => {
                    buffer.truncate(LONGEST);
                    return Ok(());
                }
                Ok(_) => buffer.reserve(buffer.capacity()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The beginning of a file that its process may make as long as it likes; all of it where it is no longer.
    pub fn start_of(&self, file: File, most: usize) -> Read<Vec<u8>> {
        let path = self.path(file.name());
        let unread = |errno| self.unread(file, errno);
        let fd =
            openat(self.base(), path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(unread)?;
        // A page at most is what one read gives of an environment.
        const ROOM: usize = 4096;
        let mut bytes = Vec::with_capacity(ROOM);
        while bytes.len() < most {
            match read(&fd, spare_capacity(&mut bytes)) {
                Ok(0) => break,
                Ok(_) => bytes.reserve(ROOM),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(unread(errno)),
            }
        }
        bytes.truncate(most);
        Ok(bytes)
    }

    fn read_link(&self, file: File, buffer: &mut Vec<u8>) -> Result<(), Errno> {
        let path = self.path(file.name());
        loop {
            let room = buffer.capacity();
            if readlinkat_raw(self.base(), path.as_c_str(), spare_capacity(buffer))? < room {
                return Ok(());
            }
            buffer.clear();
            buffer.reserve(2 * room);
        }
    }

    /// ENOENT and ESRCH mean that the process has ended, or that this one lacks the file.
    fn unread(&self, file: File, errno: Errno) -> Unread {
        Unread::from_errno(errno, file.name(), || {
            if file != File::Stat && self.exists() { Unread::Absent(file.absent()) } else { Unread::Gone }
        })
    }

    /// Whether the file behind a link is the one that has this path.
    pub fn leads_to(&self, link: File, path: &[u8]) -> bool {
        let behind = statat(self.base(), self.path(link.name()).as_c_str(), AtFlags::empty());
        let named = statat(CWD, OsStr::from_bytes(path), AtFlags::empty());
        behind
            .is_ok_and(|behind| named.is_ok_and(|named| (behind.st_dev, behind.st_ino) == (named.st_dev, named.st_ino)))
    }

    /// Whether it is still there, as a zombie perhaps.
    pub fn exists(&self) -> bool {
        self.has(File::Stat)
    }

    /// Whether this file is there.
    pub fn has(&self, file: File) -> bool {
        statat(self.base(), self.path(file.name()).as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
            .err()
            .is_none_or(|errno| !matches!(errno, Errno::NOENT | Errno::SRCH))
    }

    fn base(&self) -> BorrowedFd<'_> {
        self.pin.as_ref().map_or(self.proc.dir(), |dir| dir.as_fd())
    }

    fn path(&self, file: &str) -> Path {
        let mut path = Path { bytes: [0; 32] };
        let mut end = 0;
        if self.pin.is_none() {
            let digits = self.pid.checked_ilog10().unwrap_or(0) as usize + 1;
            let mut number = self.pid;
            for byte in path.bytes[..digits].iter_mut().rev() {
                *byte = b'0' + (number % 10) as u8;
                number /= 10;
            }
            path.bytes[digits] = b'/';
            end = digits + 1;
        }
        path.bytes[end..end + file.len()].copy_from_slice(file.as_bytes());
        path
    }

    /// The name of the thread with this id.
    pub fn thread_name(&self, id: Pid) -> Read<Vec<u8>> {
        let mut name = self.text_below("task", &format!("task/{id}/comm"))?;
        name.pop_if(|&mut byte| byte == b'\n');
        Ok(name)
    }

    /// The run state of the thread with this id.
    pub fn thread_state(&self, id: u64) -> Read<u8> {
        let line = self.text_below("task", &format!("task/{id}/stat"))?;
        Stat::parse(&line).map(|stat| stat.state).ok_or(Unread::Failed { file: "task", errno: Errno::BADMSG })
    }

    /// A short file in one of the directories of the process. Gone is one that is not there, as the others come and go.
    pub fn text_below(&self, directory: &'static str, name: &str) -> Read<Vec<u8>> {
        let unread = |errno| Unread::from_errno(errno, directory, || Unread::Gone);
        let path = self.path_below(name);
        let fd = openat(self.base(), path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(unread)?;
        let mut text = Vec::with_capacity(2048);
        read(&fd, spare_capacity(&mut text)).map_err(unread)?;
        Ok(text)
    }

    /// Show the lines of a long file in one of the directories of the process, until enough were seen.
    pub fn lines_below(
        &self,
        directory: &'static str,
        name: &str,
        mut show: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Read<()> {
        let absent = || if self.exists() { Unread::Absent("the file is missing") } else { Unread::Gone };
        let unread = |errno| Unread::from_errno(errno, directory, absent);
        let path = self.path_below(name);
        let fd = openat(self.base(), path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(unread)?;
        for line in BufReader::new(std::fs::File::from(fd)).split(b'\n') {
            let line = line.map_err(|error| unread(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
            if show(&line).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A descriptor on one of the directories of the process, to look further from.
    pub fn open_directory(&self, name: &'static str) -> Read<OwnedFd> {
        let absent = || if self.exists() { Unread::Absent("the directory is missing") } else { Unread::Gone };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(self.base(), self.path_below(name), flags, Mode::empty())
            .map_err(|errno| Unread::from_errno(errno, name, absent))
    }

    /// A link in one of the directories of the process, likewise.
    pub fn link_below(&self, directory: &'static str, name: &str) -> Read<Vec<u8>> {
        let link = rustix::fs::readlinkat(self.base(), self.path_below(name), Vec::new());
        link.map(CString::into_bytes).map_err(|errno| Unread::from_errno(errno, directory, || Unread::Gone))
    }

    /// Who owns the file behind a link in one of the directories of the process, likewise.
    pub fn owner_below(&self, directory: &'static str, name: &str) -> Read<u32> {
        let found = statat(self.base(), self.path_below(name), AtFlags::empty());
        found.map(|found| found.st_uid).map_err(|errno| Unread::from_errno(errno, directory, || Unread::Gone))
    }

    fn path_below(&self, name: &str) -> Vec<u8> {
        [self.path("").as_c_str().to_bytes(), name.as_bytes()].concat()
    }

    /// Count the entries of a directory, showing each.
    pub fn list(&self, directory: &'static str, mut show: impl FnMut(&CStr)) -> Read<u64> {
        let absent = || if self.exists() { Unread::Absent("the directory is missing") } else { Unread::Gone };
        let unread = |errno| Unread::from_errno(errno, directory, absent);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(self.base(), self.path(directory).as_c_str(), flags, Mode::empty()).map_err(unread)?;
        let mut buffer = Vec::with_capacity(8 * 1024);
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        let mut count = 0;
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(unread)?;
            if !entry.file_name().to_bytes().starts_with(b".") {
                show(entry.file_name());
                count += 1;
            }
        }
        Ok(count)
    }
}

impl Path {
    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}
