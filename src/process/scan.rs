//! The streaming scan: every process in turn, through one descriptor and one set of buffers.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use super::error::Error;
use super::file::Files;
use super::{Pid, Proc, Process, number};

/// Room for about a thousand directory entries a system call.
const ENTRIES: usize = 32 * 1024;

/// A pass over all processes.
///
/// Memory does not grow with their number, and nothing is allocated for a process.
pub struct Scan<'p> {
    proc: &'p Proc,
    /// Its own descriptor: the position in the directory belongs to this pass alone.
    dir: OwnedFd,
    entries: Vec<MaybeUninit<u8>>,
    /// What the last system call listed and was not visited yet, last one first.
    pids: Vec<Pid>,
    process: Process<'p>,
}

impl<'p> Scan<'p> {
    pub(super) fn start(proc: &'p Proc, expected: Files) -> Result<Scan<'p>, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = openat(proc.dir(), c".", flags, Mode::empty()).map_err(|errno| unlisted(proc, errno))?;
        Ok(Scan {
            proc,
            dir,
            entries: vec![MaybeUninit::uninit(); ENTRIES],
            pids: Vec::new(),
            process: Process::by_number(proc, expected),
        })
    }

    /// The next process, to be read before the following call. `None` after the last one.
    pub fn next(&mut self) -> Result<Option<&Process<'p>>, Error> {
        if self.pids.is_empty() {
            self.list_more()?;
        }
        Ok(self.pids.pop().map(|pid| {
            self.process.visit(pid);
            &self.process
        }))
    }

    fn list_more(&mut self) -> Result<(), Error> {
        let mut entries = RawDir::new(&self.dir, &mut self.entries);
        // One buffer at a time, so that processes started meanwhile at the end are still seen, and until a
        // buffer had a process in it: the first may hold other names only.
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| unlisted(self.proc, errno))?;
            let pid = number::parse(entry.file_name().to_bytes()).and_then(|pid| pid.try_into().ok());
            self.pids.extend(pid.filter(|&pid: &Pid| pid != 0));
            if entries.is_buffer_empty() && !self.pids.is_empty() {
                break;
            }
        }
        // Visited from the end. A procfs lists them in order, so that this only turns them round.
        self.pids.sort_unstable_by(|one, other| other.cmp(one));
        Ok(())
    }
}

fn unlisted(proc: &Proc, errno: Errno) -> Error {
    Error::Directory { path: proc.path().to_owned(), errno }
}
