//! Reading ahead in a scan: a thread (see [`super::reader`]) reads the files of some processes at once. A process that
//! holds up its readers then costs no more than itself, and all others cost no more than without the thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::io::Errno;

use super::directory::read_text;
use super::file::{File, Files};
use super::path::Path;
use super::reader::Reader;
use super::{Pid, Proc};

/// The processes of a batch at most. The first batches are smaller, so that the first process is there soon.
const MOST: usize = 64;

/// A batch ends when it has so many bytes: a process may have megabytes of arguments.
const ENOUGH: usize = 128 * 1024;

/// What came of reading a file ahead.
#[derive(Clone, Copy)]
pub(super) enum Found<'b> {
    Text(&'b [u8]),
    Failed(Errno),
    HeldUp,
}

/// What was read of some processes.
#[derive(Default)]
struct Pages {
    bytes: Vec<u8>,
    rows: VecDeque<Row>,
}

/// What was read of one process, in the order of [`File::HELD_UP`].
struct Row {
    pid: Pid,
    entries: [Entry; File::HELD_UP.len()],
}

#[derive(Clone, Copy)]
enum Entry {
    /// It is to be read when somebody asks.
    Unasked,
    /// Where the bytes lie.
    Text(usize, usize),
    Failed(Errno),
    HeldUp,
}

/// Processes that are being read.
struct Batch {
    pids: Vec<Pid>,
    pages: Arc<Mutex<Pages>>,
    /// `None` where no thread could be had, and all was read at once.
    reading: Option<Reading>,
}

/// A thread that reads a batch.
struct Reading {
    reader: Reader,
    ended: Receiver<()>,
    is_under_way: Weak<()>,
}

/// What is read ahead for a scan.
pub(super) struct Ahead<'p> {
    proc: &'p Proc,
    files: Files,
    size: usize,
    under_way: VecDeque<Batch>,
    here: Pages,
}

impl<'p> Ahead<'p> {
    /// Read those of these files that a process can hold up, of every process of a scan; `None` when there are none.
    pub fn of(proc: &'p Proc, files: Files) -> Option<Ahead<'p>> {
        let is_wanted = File::HELD_UP.iter().any(|&file| files.contains(file));
        is_wanted.then(|| Ahead { proc, files, size: 1, under_way: VecDeque::new(), here: Pages::default() })
    }

    /// Turn to the next process; `None` at the end. `list` gives those that follow, at most so many.
    pub fn next<E>(&mut self, mut list: impl FnMut(usize) -> Result<Vec<Pid>, E>) -> Result<Option<Pid>, E> {
        self.here.rows.pop_front();
        while self.here.rows.is_empty() {
            // While the processes of one batch are looked at, a thread reads those of the other.
            while self.under_way.len() < 2 {
                let pids = list(self.size)?;
                if pids.is_empty() {
                    break;
                }
                let batch = self.begin(pids);
                self.under_way.push_back(batch);
                self.size = MOST.min(2 * self.size);
            }
            let Some(batch) = self.under_way.pop_front() else { return Ok(None) };
            let (pages, rest) = self.end(batch);
            self.here = pages;
            if !rest.is_empty() {
                let batch = self.begin(rest);
                self.under_way.push_front(batch);
            }
        }
        Ok(self.here.rows.front().map(|row| row.pid))
    }

    /// Show what was read of this process.
    pub fn show(&self, mut show: impl FnMut(File, Found<'_>)) {
        let Some(row) = self.here.rows.front() else { return };
        for (file, entry) in File::HELD_UP.into_iter().zip(row.entries) {
            match entry {
                Entry::Unasked => {}
                Entry::Text(start, end) => show(file, Found::Text(&self.here.bytes[start..end])),
                Entry::Failed(errno) => show(file, Found::Failed(errno)),
                Entry::HeldUp => show(file, Found::HeldUp),
            }
        }
    }

    /// Have a thread read these processes.
    fn begin(&self, pids: Vec<Pid>) -> Batch {
        let readers = self.proc.readers();
        // Who holds up a thread already is not asked once more.
        let rows: Vec<(Pid, Files)> =
            pids.iter().map(|&pid| (pid, if readers.may_ask(pid) { self.files } else { Files::NONE })).collect();
        let pages = Arc::new(Mutex::new(Pages::default()));
        let (base, shared) = (self.proc.shared_dir(), Arc::clone(&pages));
        let Some(reader) = readers.take() else {
            read(base.as_fd(), &rows, &shared);
            return Batch { pids, pages, reading: None };
        };
        let (end, ended) = sync_channel(1);
        let mark = Arc::new(());
        let is_under_way = Arc::downgrade(&mark);
        reader.ask(move || {
            read(base.as_fd(), &rows, &shared);
            // Not wanted any more when it comes too late.
            let _ = end.send(());
            drop(mark);
        });
        Batch { pids, pages, reading: Some(Reading { reader, ended, is_under_way }) }
    }

    /// Wait for a batch: what was read, and which of its processes are still to be read.
    fn end(&self, batch: Batch) -> (Pages, Vec<Pid>) {
        let Batch { mut pids, pages, reading } = batch;
        let held_up = reading.and_then(|reading| self.wait(reading, &pages));
        let mut pages = std::mem::take(&mut *lock(&pages));
        let mut rest = pids.split_off(pages.rows.len().min(pids.len()));
        if let Some(is_under_way) = held_up
            && !rest.is_empty()
        {
            let pid = rest.remove(0);
            let first = File::HELD_UP.into_iter().find(|&file| self.files.contains(file)).unwrap_or(File::Cmdline);
            self.proc.readers().leave_behind(pid, first.name(), is_under_way);
            pages.rows.push_back(Row { pid, entries: entries(self.files, |_| Entry::HeldUp) });
        }
        (pages, rest)
    }

    /// Wait until a thread has read its batch. When it stands still for too long, what tells whether it goes on.
    fn wait(&self, reading: Reading, pages: &Mutex<Pages>) -> Option<Weak<()>> {
        let Reading { reader, ended, is_under_way } = reading;
        let readers = self.proc.readers();
        let mut count = 0;
        let has_moved = || std::mem::replace(&mut count, lock(pages).rows.len()) != count;
        if readers.wait(&reader, &ended, has_moved).is_none() {
            return Some(is_under_way);
        }
        readers.put_back(reader);
        None
    }
}

/// Read the files of some processes, one process after another, until there is enough.
fn read(base: BorrowedFd<'_>, rows: &[(Pid, Files)], pages: &Mutex<Pages>) {
    let mut text = Vec::new();
    for &(pid, files) in rows {
        let entries = entries(files, |file| {
            text.clear();
            text.reserve(file.facts().capacity);
            match read_text(base, &Path::of(pid, file.name()), &mut text) {
                Ok(()) => append(&mut lock(pages).bytes, &text),
                Err(errno) => Entry::Failed(errno),
            }
        });
        let mut pages = lock(pages);
        pages.rows.push_back(Row { pid, entries });
        if pages.bytes.len() >= ENOUGH {
            break;
        }
    }
}

fn entries(files: Files, mut entry: impl FnMut(File) -> Entry) -> [Entry; File::HELD_UP.len()] {
    File::HELD_UP.map(|file| if files.contains(file) { entry(file) } else { Entry::Unasked })
}

fn append(bytes: &mut Vec<u8>, text: &[u8]) -> Entry {
    let start = bytes.len();
    bytes.extend_from_slice(text);
    Entry::Text(start, bytes.len())
}

/// A thread that panics ends the program, and so leaves no lock behind.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
