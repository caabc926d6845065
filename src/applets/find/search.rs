//! The search of `find`: it shows each process that matches to an answer, which keeps or prints it.

use std::io;

use crate::process::{Error, Files, Lookup, Proc, Process, ReadResult, Unexamined};
use crate::select::{Criteria, Verdict};

/// Number of pinned processes that are read together at most. Each takes a descriptor.
const MOST_TOGETHER: usize = 16;

/// What becomes of the processes that match.
pub trait Answer {
    /// Returns the files that it reads of each process in any case.
    fn files(&self) -> Files;

    /// Reports whether it must read processes that are pinned, so that a later process of the same
    /// pid is never taken for one that matched. `is_selective` is true if there are conditions.
    fn needs_pins(&self, is_selective: bool) -> bool;

    /// Reads a process. Errors: the process has exited, or reading failed.
    fn read(&mut self, process: &Process<'_>) -> ReadResult<()>;

    /// Keeps or prints the process that was read last.
    fn keep(&mut self) -> io::Result<()>;

    /// Reports whether it needs no more processes.
    fn is_complete(&self) -> bool;
}

/// The state of a search while the scan goes on.
pub struct Search<'s> {
    criteria: &'s Criteria,
    answer: &'s mut dyn Answer,
    /// The processes that could not be examined.
    unexamined: Unexamined,
    vanished: usize,
}

/// Shows the processes that match to an answer. Returns those that could not be examined.
pub fn search(
    proc: &Proc,
    criteria: &Criteria,
    answer: &mut dyn Answer,
) -> anyhow::Result<Unexamined> {
    let mut search = Search { criteria, answer, unexamined: Unexamined::default(), vanished: 0 };
    search.run(proc)?;
    let (vanished, unexamined) = (search.vanished, search.unexamined.count());
    tracing::debug!(
        vanished,
        unexamined,
        "processes that ended while they were read, that could not be examined"
    );
    Ok(search.unexamined)
}

impl Search<'_> {
    fn run(&mut self, proc: &Proc) -> anyhow::Result<()> {
        let criteria = self.criteria;
        let files = criteria.files() | self.answer.files();
        // After pid reuse, properties that are read later may be of another process.
        let pins = self.answer.needs_pins(!criteria.is_empty());
        // Files that are read of every process.
        let ahead = if criteria.is_empty() { self.answer.files() } else { criteria.first_file() };
        let mut scan = proc.scan(files)?.reading_ahead(ahead);
        let (mut pinned, mut size) = (Vec::new(), 1);
        while let Some(process) = scan.next()? {
            if self.answer.is_complete() {
                break;
            }
            if !self.matches(process)? {
                continue;
            }
            if !pins {
                self.show(process)?;
                continue;
            }
            match proc.process(process.pid(), files)? {
                Lookup::Found(process) => pinned.push(process),
                Lookup::Unavailable(reason) => self.unexamined.add(process.pid(), reason),
                Lookup::Exited => self.vanished += 1,
            }
            if pinned.len() >= size {
                self.show_pinned(proc, &mut pinned)?;
                size = MOST_TOGETHER.min(2 * size);
            }
        }
        self.show_pinned(proc, &mut pinned)
    }

    fn matches(&mut self, process: &Process<'_>) -> Result<bool, Error> {
        let verdict = self.criteria.judge(process)?;
        match verdict {
            Verdict::Unknown(reason) => self.unexamined.add(process.pid(), reason),
            Verdict::Gone => self.vanished += 1,
            Verdict::Match | Verdict::NoMatch => {}
        }
        Ok(verdict == Verdict::Match)
    }

    /// Shows the pinned processes that still match.
    fn show_pinned(&mut self, proc: &Proc, pinned: &mut Vec<Process<'_>>) -> anyhow::Result<()> {
        proc.read_together(pinned, self.criteria.first_file() | self.answer.files());
        for process in pinned.drain(..) {
            if !self.answer.is_complete() && self.matches(&process)? {
                self.show(&process)?;
            }
        }
        Ok(())
    }

    fn show(&mut self, process: &Process<'_>) -> anyhow::Result<()> {
        match process.lookup(self.answer.read(process))? {
            Lookup::Found(()) => self.answer.keep()?,
            Lookup::Unavailable(reason) => self.unexamined.add(process.pid(), reason),
            Lookup::Exited => self.vanished += 1,
        }
        Ok(())
    }
}
