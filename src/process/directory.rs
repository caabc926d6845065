//! The directory of one process. Each of its files is read once, when it is first asked for.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use once_cell::unsync::OnceCell;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, openat, readlinkat_raw, statat};
use rustix::io::{Errno, read, retry_on_intr};

use super::error::{ReadError, ReadResult, Unavailable};
use super::file::File;
use super::path::Path;
use super::stat::Stat;
use super::{Pid, Proc, number};

/// Maximum number of bytes that are read of one file. Arguments and environment take 6 MiB together
/// at most (execve(2)), but a process can point the kernel to any part of its memory later
/// (PR_SET_MM_MAP in prctl(2)), and must not use up our memory.
const LONGEST: usize = 8 << 20;

/// The result of reading a file in a batch.
#[derive(Clone, Copy)]
pub(super) enum BatchAnswer<'b> {
    Text(&'b [u8]),
    Failed(Errno),
    HeldUp,
}

/// The reason why an attempt gave no text. An error number means different things for different
/// files.
enum NotRead {
    Errno(Errno),
    /// The thread could not read at all, because the process holds up its readers.
    Thread(ReadError),
}

impl NotRead {
    /// Reports whether the file or its process was not there.
    fn is_absence(&self) -> bool {
        matches!(self, NotRead::Errno(errno) if is_absence(*errno))
    }
}

/// A directory below /proc, reached by its number or through a descriptor of its own.
pub(super) struct Directory<'p> {
    pub proc: &'p Proc,
    pub pid: Pid,
    pin: Option<Arc<OwnedFd>>,
    files: [Slot; File::COUNT],
    /// One bit for each file that was read, successfully or not.
    read: Cell<u32>,
    /// A thread that still runs after the first one has exited, once it was found.
    other_thread: Cell<Option<Pid>>,
}

/// A file and its buffer. The buffer is kept from one process of a scan to the next.
#[derive(Default)]
struct Slot {
    content: OnceCell<ReadResult<Vec<u8>>>,
    spare: Cell<Vec<u8>>,
}

impl<'p> Directory<'p> {
    /// Makes a directory that is reached by number, without a number yet: see [`Directory::visit`].
    pub fn by_number(proc: &'p Proc) -> Directory<'p> {
        Directory {
            proc,
            pid: 0,
            pin: None,
            files: Default::default(),
            read: Cell::new(0),
            other_thread: Cell::new(None),
        }
    }

    /// Opens the directory of this process. All later reads go through the descriptor: they give
    /// this process, or fail.
    pub fn pin(proc: &'p Proc, pid: Pid) -> ReadResult<Directory<'p>> {
        let mut directory = Directory::by_number(proc);
        directory.pid = pid;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let pin = retry_on_intr(|| {
            openat(proc.dir(), directory.path("").as_c_str(), flags, Mode::empty())
        })
        .map_err(|errno| ReadError::from_errno(errno, "", || ReadError::Exited))?;
        directory.pin = Some(Arc::new(pin));
        Ok(directory)
    }

    /// Turns to another process and keeps the buffers.
    pub fn visit(&mut self, pid: Pid) {
        self.pid = pid;
        self.other_thread.set(None);
        let mut read = self.read.take();
        // A scan reads one or two files of most processes.
        while read != 0 {
            let slot = &mut self.files[read.trailing_zeros() as usize];
            if let Some(Ok(buffer)) = slot.content.take() {
                slot.spare.set(buffer);
            }
            read &= read - 1;
        }
    }

    /// Reports whether it is reached through a descriptor of its own.
    pub fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Returns the descriptor of the directory, if there is one, for a thread that may outlive us.
    pub fn shared_pin(&self) -> Option<Arc<OwnedFd>> {
        self.pin.clone()
    }

    /// Reports whether this file was read successfully.
    pub fn holds(&self, file: File) -> bool {
        self.files[file as usize].content.get().is_some_and(Result::is_ok)
    }

    /// Stores the content of a file that a scan has read ahead.
    pub fn take(&self, file: File, found: BatchAnswer<'_>) {
        let slot = &self.files[file as usize];
        let mut buffer = slot.spare.take();
        buffer.clear();
        let content = match found {
            BatchAnswer::Text(text) => {
                buffer.extend_from_slice(text);
                self.or_by_other_thread(file, Ok(buffer))
            }
            BatchAnswer::Failed(errno) => self.or_by_other_thread(file, Err(NotRead::Errno(errno))),
            BatchAnswer::HeldUp => {
                Err(ReadError::Unavailable(Unavailable::HeldUp { file: file.name() }))
            }
        };
        self.mark(file);
        // The scan has just turned to this process, so that nothing was stored before.
        let _ = slot.content.set(content);
    }

    /// Returns the bytes of a file, or the text of a link.
    pub fn file(&self, file: File) -> ReadResult<&[u8]> {
        let content = self.files[file as usize].content.get_or_init(|| self.read(file));
        content.as_deref().map_err(|&error| error)
    }

    fn read(&self, file: File) -> ReadResult<Vec<u8>> {
        self.mark(file);
        if File::HELD_UP.contains(&file) {
            return self.or_by_other_thread(file, self.by_thread(file, self.path(file.name())));
        }
        let slot = &self.files[file as usize];
        let mut buffer = slot.spare.take();
        buffer.clear();
        match self.read_into(&mut buffer, file, &self.path(file.name())) {
            Ok(()) => Ok(buffer),
            Err(errno) => {
                slot.spare.set(buffer);
                self.or_by_other_thread(file, Err(NotRead::Errno(errno)))
            }
        }
    }

    /// Remembers that the file was read, for [`Directory::visit`].
    fn mark(&self, file: File) {
        self.read.set(self.read.get() | 1 << file as u32);
    }

    fn read_into(&self, buffer: &mut Vec<u8>, file: File, path: &Path) -> Result<(), Errno> {
        buffer.reserve(file.facts().capacity);
        if file.facts().is_link {
            read_link(self.base(), path, buffer)
        } else {
            read_text(self.base(), path, buffer)
        }
    }

    /// Returns the result of a read, or what another thread shows. Where the first thread of a
    /// process has exited before the others, the kernel shows memory, directories and namespaces
    /// only for the others: the file of such a thread is read then.
    fn or_by_other_thread(
        &self,
        file: File,
        read: Result<Vec<u8>, NotRead>,
    ) -> ReadResult<Vec<u8>> {
        let is_empty = read.as_ref().map_or_else(NotRead::is_absence, Vec::is_empty);
        if is_empty
            && file.facts().is_of_threads
            && let Some(thread) = self.other_thread()?
        {
            let path = self.path("").of_thread(thread, file.name());
            let read = if File::HELD_UP.contains(&file) {
                self.by_thread(file, path)
            } else {
                let mut buffer = Vec::new();
                self.read_into(&mut buffer, file, &path).map(|()| buffer).map_err(NotRead::Errno)
            };
            return read.map_err(|error| self.explain(file, error));
        }
        read.map_err(|error| self.explain(file, error))
    }

    /// Turns an attempt that failed into the error of the read.
    fn explain(&self, file: File, error: NotRead) -> ReadError {
        match error {
            NotRead::Errno(errno) => self.read_error(file, errno),
            NotRead::Thread(error) => error,
        }
    }

    /// Reads a file on a thread that can be left behind.
    fn by_thread(&self, file: File, path: Path) -> Result<Vec<u8>, NotRead> {
        let read = self.on_thread(file.name(), move |base| {
            let mut text = Vec::with_capacity(file.facts().capacity);
            read_text(base, &path, &mut text).map(|()| text)
        });
        read.map_err(NotRead::Thread)?.map_err(NotRead::Errno)
    }

    /// Runs `act`, which reads this file, on a thread that can be left behind, because the process
    /// can hold up its readers. Errors: `HeldUp` when it is.
    pub fn on_thread<T: Send + 'static>(
        &self,
        file: &'static str,
        act: impl FnOnce(BorrowedFd<'_>) -> T + Send + 'static,
    ) -> ReadResult<T> {
        let base = self.pin.clone().unwrap_or_else(|| self.proc.shared_dir());
        self.proc.readers().run(self.pid, file, move || act(base.as_fd()))
    }

    /// Returns the first `most` bytes of a file that its process may make arbitrarily long.
    pub fn start_of(&self, file: File, most: usize) -> ReadResult<Vec<u8>> {
        let path = match self.other_thread()? {
            Some(thread) => self.path("").of_thread(thread, file.name()),
            None => self.path(file.name()),
        };
        let read = self.on_thread(file.name(), move |base| read_start(base, &path, most))?;
        read.map_err(|errno| self.read_error(file, errno))
    }

    /// Returns a thread that still runs, if the first one has exited before it.
    pub fn other_thread(&self) -> ReadResult<Option<Pid>> {
        let stat = self.file(File::Stat).ok().and_then(Stat::parse);
        if !stat.is_some_and(|stat| stat.is_zombie() && stat.is_alive()) {
            return Ok(None);
        }
        // There may be thousands of threads, and thousands of files that need one.
        if let Some(known) = self.other_thread.get().filter(|&id| self.still_runs(id)) {
            return Ok(Some(known));
        }
        let mut ids = Vec::new();
        self.list("task", |id| ids.extend(number::parse(id.to_bytes())))?;
        let mut ids = ids.into_iter().filter_map(|id| Pid::try_from(id).ok());
        self.other_thread.set(ids.find(|&id| self.still_runs(id)));
        Ok(self.other_thread.get())
    }

    /// Reports whether a thread has not exited: the files of one that has show nothing.
    fn still_runs(&self, thread: Pid) -> bool {
        matches!(self.thread_state(thread), Ok(state) if !b"ZX".contains(&state))
    }

    /// Decides what an error number means: after ENOENT and ESRCH, either the process has exited or
    /// it lacks this file.
    fn read_error(&self, file: File, errno: Errno) -> ReadError {
        ReadError::from_errno(errno, file.name(), || {
            if file != File::Stat && self.exists_without(file) {
                ReadError::absent(file.absent())
            } else {
                ReadError::Exited
            }
        })
    }

    /// Reports whether the process still exists after this file of it was missing.
    fn exists_without(&self, file: File) -> bool {
        if file.facts().is_of_threads && !self.holds(File::Stat) {
            // stat will be read next: it says whether this is a kernel thread or a zombie.
            self.file(File::Stat).is_ok()
        } else {
            self.exists()
        }
    }

    /// Reports whether the process still exists, if only as a zombie.
    pub fn exists(&self) -> bool {
        self.has(File::Stat)
    }

    /// Reports whether this file exists.
    pub fn has(&self, file: File) -> bool {
        retry_on_intr(|| {
            statat(self.base(), self.path(file.name()).as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
        })
        .err()
        .is_none_or(|errno| !is_absence(errno))
    }

    /// Returns the directory that [`Directory::path`] starts from.
    pub fn base(&self) -> BorrowedFd<'_> {
        self.pin.as_ref().map_or(self.proc.dir(), |dir| dir.as_fd())
    }

    /// Returns the path of a file of this process, from [`Directory::base`].
    pub fn path(&self, file: &str) -> Path {
        if self.is_pinned() { Path::below(file) } else { Path::new(self.pid, file) }
    }
}

/// Reports whether this error number means that a file or its process is not there.
fn is_absence(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::SRCH)
}

/// Reads a file by one open, one read and one close. A second read follows only when the first one
/// filled the buffer. Of a file that is longer than [`LONGEST`], only the beginning is read.
pub(super) fn read_text(
    base: BorrowedFd<'_>,
    path: &Path,
    buffer: &mut Vec<u8>,
) -> Result<(), Errno> {
    let fd = retry_on_intr(|| {
        openat(base, path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    })?;
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

/// Reads the first `most` bytes of a file.
fn read_start(base: BorrowedFd<'_>, path: &Path, most: usize) -> Result<Vec<u8>, Errno> {
    let fd = retry_on_intr(|| {
        openat(base, path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    })?;
    // The kernel gives at most a page of an environment for each read.
    const ROOM: usize = 4096;
    let mut bytes = Vec::with_capacity(ROOM);
    while bytes.len() < most {
        match read(&fd, spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) => bytes.reserve(ROOM),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(most);
    Ok(bytes)
}

/// Reads the text of a link, however long it is.
fn read_link(base: BorrowedFd<'_>, path: &Path, buffer: &mut Vec<u8>) -> Result<(), Errno> {
    loop {
        let room = buffer.capacity();
        if retry_on_intr(|| readlinkat_raw(base, path.as_c_str(), spare_capacity(buffer)))? < room {
            return Ok(());
        }
        buffer.clear();
        buffer.reserve(2 * room);
    }
}
