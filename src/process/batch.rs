//! A batch of processes whose files one thread reads (see [`super::reader`]), so that handing over
//! costs each process next to nothing. [`super::read_ahead`] makes the batches of a scan.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, Weak};

use rustix::io::Errno;

use super::directory::{BatchAnswer, read_text};
use super::file::{File, Files};
use super::path::Path;
use super::reader::ReaderThread;
use super::{Pid, Proc};
use crate::thread::{Mailbox, lock};

/// A batch ends early after this number of bytes: a process may have megabytes of arguments.
const ENOUGH: usize = 128 * 1024;

/// A process, and the files of it that are to be read.
#[derive(Clone)]
pub(super) struct BatchRequest {
    pub pid: Pid,
    pub files: Files,
    /// The descriptor of its directory, if it is pinned.
    pub pin: Option<Arc<OwnedFd>>,
}

/// The bytes that were read of several processes.
#[derive(Default)]
pub(super) struct Pages {
    bytes: Vec<u8>,
    rows: VecDeque<BatchRow>,
}

/// The results for one process, in the order of [`File::HELD_UP`].
struct BatchRow {
    pid: Pid,
    entries: [BatchEntry; File::HELD_UP.len()],
}

#[derive(Clone, Copy)]
enum BatchEntry {
    /// The file was not read, and will be when it is needed.
    Unasked,
    /// Begin and end of its bytes in the pages.
    Text(usize, usize),
    Failed(Errno),
    HeldUp,
}

/// The processes of a batch that is being read.
pub(super) struct Batch {
    requests: Arc<Vec<BatchRequest>>,
    pages: Arc<Mutex<Pages>>,
    /// `None` where no thread could be started, and all was read at once.
    reading: Option<Reading>,
}

/// A thread that reads a batch.
struct Reading {
    reader: ReaderThread,
    ended: Arc<Mailbox<()>>,
    is_under_way: Weak<()>,
}

impl Pages {
    /// Returns the pid of the process that comes next.
    pub fn pid(&self) -> Option<Pid> {
        self.rows.front().map(|row| row.pid)
    }

    /// Turns to the next process.
    pub fn advance(&mut self) {
        self.rows.pop_front();
    }

    /// Passes on what was read of the process that comes next.
    pub fn show(&self, mut show: impl FnMut(File, BatchAnswer<'_>)) {
        let Some(row) = self.rows.front() else { return };
        for (file, entry) in File::HELD_UP.into_iter().zip(row.entries) {
            match entry {
                BatchEntry::Unasked => {}
                BatchEntry::Text(start, end) => {
                    show(file, BatchAnswer::Text(&self.bytes[start..end]))
                }
                BatchEntry::Failed(errno) => show(file, BatchAnswer::Failed(errno)),
                BatchEntry::HeldUp => show(file, BatchAnswer::HeldUp),
            }
        }
    }

    /// Returns the same memory, empty.
    pub fn emptied(mut self) -> Pages {
        self.bytes.clear();
        self.rows.clear();
        self
    }
}

impl Batch {
    /// Starts to read these processes on a thread, into empty pages. Without a thread, reads them
    /// at once.
    pub fn begin(
        proc: &Proc,
        reader: Option<ReaderThread>,
        mut requests: Vec<BatchRequest>,
        room: Pages,
    ) -> Batch {
        // A process that already holds up a thread is not read again.
        for request in requests.iter_mut().filter(|request| !proc.readers().may_ask(request.pid)) {
            request.files = Files::NONE;
        }
        let (requests, pages) = (Arc::new(requests), Arc::new(Mutex::new(room)));
        let Some(reader) = reader else {
            read(proc.dir(), &requests, &pages);
            return Batch { requests, pages, reading: None };
        };
        let ended = Arc::new(Mailbox::default());
        let end = Arc::clone(&ended);
        let mark = Arc::new(());
        let is_under_way = Arc::downgrade(&mark);
        let (base, theirs, shared) = (proc.shared_dir(), Arc::clone(&requests), Arc::clone(&pages));
        reader.ask(move || {
            read(base.as_fd(), &theirs, &shared);
            end.put(());
            drop(mark);
        });
        Batch { requests, pages, reading: Some(Reading { reader, ended, is_under_way }) }
    }

    /// Waits for the thread. Returns what was read, the processes that are still to be read, and
    /// the thread unless it was left behind.
    pub fn end(self, proc: &Proc) -> (Pages, Vec<BatchRequest>, Option<ReaderThread>) {
        let Batch { requests, pages, reading } = self;
        let (mut reader, mut held_up) = (None, None);
        if let Some(Reading { reader: used, ended, is_under_way }) = reading {
            let mut count = 0;
            let has_moved = || std::mem::replace(&mut count, lock(&pages).rows.len()) != count;
            match proc.readers().wait(&used, &ended, has_moved) {
                Some(()) => reader = Some(used),
                None => held_up = Some(is_under_way),
            }
        }
        let mut pages = std::mem::take(&mut *lock(&pages));
        let mut rest = requests.get(pages.rows.len()..).unwrap_or_default();
        if let (Some(is_under_way), Some((first, others))) = (held_up, rest.split_first()) {
            let file = File::HELD_UP
                .into_iter()
                .find(|&file| first.files.contains(file))
                .unwrap_or(File::Cmdline);
            proc.readers().leave_behind(first.pid, file.name(), is_under_way);
            pages.rows.push_back(BatchRow {
                pid: first.pid,
                entries: entries(first.files, |_| BatchEntry::HeldUp),
            });
            rest = others;
        }
        (pages, rest.to_vec(), reader)
    }
}

/// Reads the files of some processes, one process after another, until there are [`ENOUGH`] bytes.
fn read(base: BorrowedFd<'_>, requests: &[BatchRequest], pages: &Mutex<Pages>) {
    let (mut text, mut texts) = (Vec::new(), Vec::new());
    let mut end = 0;
    for BatchRequest { pid, files, pin } in requests {
        texts.clear();
        let entries = entries(*files, |file| {
            text.clear();
            text.reserve(file.facts().capacity);
            let read = match pin {
                Some(pin) => read_text(pin.as_fd(), &Path::below(file.name()), &mut text),
                None => read_text(base, &Path::new(*pid, file.name()), &mut text),
            };
            let start = end + texts.len();
            texts.extend_from_slice(&text);
            read.map_or_else(BatchEntry::Failed, |()| BatchEntry::Text(start, start + text.len()))
        });
        let mut pages = lock(pages);
        pages.bytes.extend_from_slice(&texts);
        pages.rows.push_back(BatchRow { pid: *pid, entries });
        end = pages.bytes.len();
        if end >= ENOUGH {
            break;
        }
    }
}

/// Makes the entries of a process: `entry` gives that of each file that is asked for.
fn entries(
    files: Files,
    mut entry: impl FnMut(File) -> BatchEntry,
) -> [BatchEntry; File::HELD_UP.len()] {
    File::HELD_UP.map(|file| if files.contains(file) { entry(file) } else { BatchEntry::Unasked })
}
