//! Some processes whose files a thread reads at once (see [`super::reader`]), so that handing over
//! costs each of them next to nothing.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, Weak};

use rustix::io::Errno;

use super::directory::read_text;
use super::file::{File, Files};
use super::path::Path;
use super::reader::ReaderThread;
use super::{Pid, Proc};
use crate::thread::{Mailbox, lock};

/// A batch ends early when it has so many bytes: a process may have megabytes of arguments.
const ENOUGH: usize = 128 * 1024;

/// A process, and those of its files that are read.
#[derive(Clone)]
pub(super) struct Asked {
    pub pid: Pid,
    pub files: Files,
    /// Its directory, where that is held.
    pub pin: Option<Arc<OwnedFd>>,
}

/// What came of reading a file.
#[derive(Clone, Copy)]
pub(super) enum BatchAnswer<'b> {
    Text(&'b [u8]),
    Failed(Errno),
    HeldUp,
}

/// What was read of some processes.
#[derive(Default)]
pub(super) struct Pages {
    bytes: Vec<u8>,
    rows: VecDeque<BatchRow>,
}

/// What was read of one process, in the order of [`File::HELD_UP`].
struct BatchRow {
    pid: Pid,
    entries: [BatchEntry; File::HELD_UP.len()],
}

#[derive(Clone, Copy)]
enum BatchEntry {
    /// It is to be read when somebody asks.
    Unasked,
    /// Where the bytes lie.
    Text(usize, usize),
    Failed(Errno),
    HeldUp,
}

/// Processes that are being read.
pub(super) struct Batch {
    asked: Arc<Vec<Asked>>,
    pages: Arc<Mutex<Pages>>,
    /// `None` where no thread could be had, and all was read at once.
    reading: Option<Reading>,
}

/// A thread that reads a batch.
struct Reading {
    reader: ReaderThread,
    ended: Arc<Mailbox<()>>,
    is_under_way: Weak<()>,
}

impl Pages {
    /// The process that comes next.
    pub fn pid(&self) -> Option<Pid> {
        self.rows.front().map(|row| row.pid)
    }

    /// Turn to the process behind it.
    pub fn turn(&mut self) {
        self.rows.pop_front();
    }

    /// Show what was read of the process that comes next.
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

    /// The same room, empty.
    pub fn emptied(mut self) -> Pages {
        self.bytes.clear();
        self.rows.clear();
        self
    }
}

impl Batch {
    /// Have a thread read these processes, into pages that are empty; without a thread, it is done
    /// at once.
    pub fn begin(
        proc: &Proc,
        reader: Option<ReaderThread>,
        mut asked: Vec<Asked>,
        room: Pages,
    ) -> Batch {
        // One that holds up a thread already is not asked once more.
        for asked in asked.iter_mut().filter(|asked| !proc.readers().may_ask(asked.pid)) {
            asked.files = Files::NONE;
        }
        let (asked, pages) = (Arc::new(asked), Arc::new(Mutex::new(room)));
        let Some(reader) = reader else {
            read(proc.dir(), &asked, &pages);
            return Batch { asked, pages, reading: None };
        };
        let ended = Arc::new(Mailbox::default());
        let end = Arc::clone(&ended);
        let mark = Arc::new(());
        let is_under_way = Arc::downgrade(&mark);
        let (base, theirs, shared) = (proc.shared_dir(), Arc::clone(&asked), Arc::clone(&pages));
        reader.ask(move || {
            read(base.as_fd(), &theirs, &shared);
            end.put(());
            drop(mark);
        });
        Batch { asked, pages, reading: Some(Reading { reader, ended, is_under_way }) }
    }

    /// Wait for it: what was read, which processes are still to be read, and the thread, if that
    /// was not left behind.
    pub fn end(self, proc: &Proc) -> (Pages, Vec<Asked>, Option<ReaderThread>) {
        let Batch { asked, pages, reading } = self;
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
        let mut rest = asked.get(pages.rows.len()..).unwrap_or_default();
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

/// Read the files of some processes, one process after another, until there is enough.
fn read(base: BorrowedFd<'_>, asked: &[Asked], pages: &Mutex<Pages>) {
    let (mut text, mut texts) = (Vec::new(), Vec::new());
    let mut end = 0;
    for Asked { pid, files, pin } in asked {
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

fn entries(
    files: Files,
    mut entry: impl FnMut(File) -> BatchEntry,
) -> [BatchEntry; File::HELD_UP.len()] {
    File::HELD_UP.map(|file| if files.contains(file) { entry(file) } else { BatchEntry::Unasked })
}
