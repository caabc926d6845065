//! The streaming scan: it visits every process through one descriptor and one set of buffers.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::{Errno, retry_on_intr};

use super::error::Error;
use super::file::Files;
use super::read_ahead::Ahead;
use super::{Pid, Proc, Process, number};

/// Bytes for about a thousand directory entries per system call.
const ENTRIES: usize = 32 * 1024;

/// A pass over all processes.
///
/// Its memory does not grow with their number, and no process costs an allocation.
pub struct Scan<'p> {
    pids: Pids<'p>,
    ahead: Option<Ahead<'p>>,
    process: Process<'p>,
}

impl<'p> Scan<'p> {
    /// Begins a scan: see [`Proc::scan`].
    pub(super) fn start(proc: &'p Proc, expected: Files) -> Result<Scan<'p>, Error> {
        Ok(Scan {
            pids: Pids::list(proc)?,
            ahead: None,
            process: Process::by_number(proc, expected),
        })
    }

    /// Makes the scan read these files ahead, because every visit reads them.
    pub fn reading_ahead(mut self, files: Files) -> Scan<'p> {
        self.ahead = Ahead::new(self.pids.proc, files);
        self
    }

    /// Turns to the next process. It must be read before the following call. `None` after the last
    /// one.
    pub fn next(&mut self) -> Result<Option<&Process<'p>>, Error> {
        let Scan { pids, ahead, process } = self;
        let next = match ahead {
            None => pids.next()?,
            Some(ahead) => ahead.next(|most| pids.next_batch(most))?,
        };
        let Some(pid) = next else { return Ok(None) };
        process.visit(pid);
        if let Some(ahead) = ahead {
            ahead.show(|file, found| process.take(file, found));
        }
        Ok(Some(process))
    }
}

/// The pids of all processes, as the directory of a procfs lists them.
struct Pids<'p> {
    proc: &'p Proc,
    /// A descriptor of its own, because the position in the directory belongs to this pass alone.
    dir: OwnedFd,
    entries: Vec<MaybeUninit<u8>>,
    /// The pids of the last system call that were not visited yet, the last one first.
    listed: Vec<Pid>,
}

impl<'p> Pids<'p> {
    /// Opens the directory of a procfs.
    fn list(proc: &'p Proc) -> Result<Pids<'p>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = retry_on_intr(|| openat(proc.dir(), c".", flags, Mode::empty()));
        let dir = dir.map_err(|errno| unlisted(proc, errno))?;
        Ok(Pids { proc, dir, entries: vec![MaybeUninit::uninit(); ENTRIES], listed: Vec::new() })
    }

    fn next(&mut self) -> Result<Option<Pid>, Error> {
        if self.listed.is_empty() {
            self.list_more()?;
        }
        Ok(self.listed.pop())
    }

    /// Returns the next pids, at most `most`; none at the end.
    fn next_batch(&mut self, most: usize) -> Result<Vec<Pid>, Error> {
        if self.listed.is_empty() {
            self.list_more()?;
        }
        let mut some = self.listed.split_off(self.listed.len().saturating_sub(most));
        some.reverse();
        Ok(some)
    }

    /// Lists the pids of the next system call.
    fn list_more(&mut self) -> Result<(), Error> {
        let mut entries = RawDir::new(&self.dir, &mut self.entries);
        // One buffer at a time, so that processes which start meanwhile at the end are still seen.
        // The first buffer may hold other names only, and is followed by another.
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                entry => entry.map_err(|errno| unlisted(self.proc, errno))?,
            };
            let pid =
                number::parse(entry.file_name().to_bytes()).and_then(|pid| pid.try_into().ok());
            self.listed.extend(pid.filter(|&pid: &Pid| pid != 0));
            if entries.is_buffer_empty() && !self.listed.is_empty() {
                break;
            }
        }
        // The list is visited from its end. A procfs lists pids in order, so that this only
        // reverses it.
        self.listed.sort_unstable_by(|one, other| other.cmp(one));
        Ok(())
    }
}

fn unlisted(proc: &Proc, errno: Errno) -> Error {
    Error::Directory { path: proc.path().to_owned(), errno }
}
