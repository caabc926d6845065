//! Reading ahead: the files with which a process can hold up its readers are read for several
//! processes at once, before the scan turns to them.

use std::collections::VecDeque;

use super::batch::{Batch, BatchRequest, Pages};
use super::directory::BatchAnswer;
use super::error::Error;
use super::file::{File, Files};
use super::reader::ReaderThread;
use super::{Pid, Proc, Process};

/// Maximum number of processes per batch. The first batches are smaller, so that the first process
/// comes soon.
const MOST: usize = 64;

/// The files that are read ahead for a scan.
pub(super) struct Ahead<'p> {
    proc: &'p Proc,
    files: Files,
    size: usize,
    under_way: VecDeque<Batch>,
    current: Pages,
    /// Memory of a finished batch, reused for the next one.
    spare: Option<Pages>,
    idle: Vec<ReaderThread>,
}

impl<'p> Ahead<'p> {
    /// Begins to read ahead those of these files that can be held up, for every process of a scan;
    /// `None` when there are none.
    pub fn new(proc: &'p Proc, files: Files) -> Option<Ahead<'p>> {
        let (under_way, current, spare, idle) =
            (VecDeque::new(), Pages::default(), None, Vec::new());
        has_held_up(files).then(|| Ahead { proc, files, size: 1, under_way, current, spare, idle })
    }

    /// Turns to the next process; `None` at the end. `list` returns the pids that follow, at most
    /// as many as it is asked for.
    pub fn next(
        &mut self,
        mut list: impl FnMut(usize) -> Result<Vec<Pid>, Error>,
    ) -> Result<Option<Pid>, Error> {
        self.current.advance();
        while self.current.pid().is_none() {
            // While the scan visits the processes of one batch, a thread reads those of the other.
            while self.under_way.len() < 2 {
                let pids = list(self.size)?;
                if pids.is_empty() {
                    break;
                }
                let files = self.files;
                let batch = self.begin(
                    pids.into_iter().map(|pid| BatchRequest { pid, files, pin: None }).collect(),
                );
                self.under_way.push_back(batch);
                self.size = MOST.min(2 * self.size);
            }
            let Some(batch) = self.under_way.pop_front() else { return Ok(None) };
            let (pages, rest, reader) = batch.end(self.proc);
            self.idle.extend(reader);
            self.spare = Some(std::mem::replace(&mut self.current, pages).emptied());
            if !rest.is_empty() {
                let batch = self.begin(rest);
                self.under_way.push_front(batch);
            }
        }
        Ok(self.current.pid())
    }

    /// Passes on what was read of this process.
    pub fn show(&self, show: impl FnMut(File, BatchAnswer<'_>)) {
        self.current.show(show);
    }

    /// Starts to read a batch.
    fn begin(&mut self, requests: Vec<BatchRequest>) -> Batch {
        // The thread gets a descriptor table of its own: as long as no other thread shares ours,
        // each of our calls is cheaper.
        let reader = self.idle.pop().or_else(ReaderThread::start_apart);
        Batch::begin(self.proc, reader, requests, self.spare.take().unwrap_or_default())
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.idle.drain(..).for_each(ReaderThread::end);
    }
}

impl Proc {
    /// Reads those of these files that can be held up, for several pinned processes at once.
    pub fn read_together(&self, processes: &[Process<'_>], files: Files) {
        if !has_held_up(files) {
            return;
        }
        let request = |process: &Process<'_>| BatchRequest {
            pid: process.pid(),
            files,
            pin: process.directory.shared_pin(),
        };
        let mut rest: Vec<BatchRequest> = processes.iter().map(request).collect();
        let mut processes = processes.iter();
        while !rest.is_empty() {
            let batch = Batch::begin(self, self.readers().take(), rest, Pages::default());
            let (mut pages, left, reader) = batch.end(self);
            reader.into_iter().for_each(|reader| self.readers().put_back(reader));
            while pages.pid().is_some()
                && let Some(process) = processes.next()
            {
                pages.show(|file, found| process.take(file, found));
                pages.advance();
            }
            rest = left;
        }
    }
}

/// Reports whether any of these files can be held up.
fn has_held_up(files: Files) -> bool {
    File::HELD_UP.iter().any(|&file| files.contains(file))
}
