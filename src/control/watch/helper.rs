//! Threads that watch the processes beyond the limit of descriptors. The limit holds for one
//! descriptor table, and each of these threads has a table of its own (unshare(2), CLONE_FILES).

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use nix::sched::{CloneFlags, unshare};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::{Ending, Watch, WatchEvent};
use crate::control::Error;
use crate::control::reference::Identity;
use crate::process::{Lookup, Proc};
use crate::thread::{self, Mailbox, lock};

/// The threads, and their reports.
pub struct Helpers {
    reports: Arc<Reports>,
    /// Written to after each report, so that a wait can include it.
    event: Arc<OwnedFd>,
}

impl Helpers {
    /// Starts threads that watch these processes, `room` for each; `None` where threads may not
    /// have tables of their own, as in some containers. They end with the program.
    pub fn start(
        all: &[(usize, Identity)],
        room: usize,
        wants_status: bool,
        proc: &Path,
    ) -> Result<Option<Helpers>, Error> {
        let failed = Error::kernel("make a descriptor for events");
        let event =
            Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?);
        let reports = Arc::new(Reports::default());
        for part in all.chunks(room) {
            let part = part.to_vec();
            let reporter = Reporter { reports: Arc::clone(&reports), event: Arc::clone(&event) };
            let (proc, permission) = (proc.to_owned(), Arc::new(Mailbox::default()));
            let permitted = Arc::clone(&permission);
            let work = move || {
                let is_permitted = unshare(CloneFlags::CLONE_FILES).is_ok();
                permitted.put(is_permitted);
                if is_permitted
                    && let Err(error) = watch_part(&part, wants_status, &proc, &reporter)
                {
                    reporter.report(Err(error));
                }
            };
            thread::start("watch", work)
                .map_err(|error| Error::from_io("start a thread", &error))?;
            if permission.take() != Some(true) {
                return Ok(None);
            }
        }
        Ok(Some(Helpers { reports, event }))
    }

    /// Passes on what was reported since the last call.
    pub fn take_reports(&self, mut accept: impl FnMut(Ending)) -> Result<(), Error> {
        let mut count = [0; 8];
        match rustix::io::read(&*self.event, &mut count) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(Error::kernel("read events")(errno)),
        }
        let reports = std::mem::take(&mut *lock(&self.reports));
        for report in reports {
            accept(report?);
        }
        Ok(())
    }
}

impl AsFd for Helpers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// The reports of the threads.
type Reports = Mutex<Vec<Result<Ending, Error>>>;

/// The way in which a thread announces a report.
struct Reporter {
    reports: Arc<Reports>,
    event: Arc<OwnedFd>,
}

impl Reporter {
    fn report(&self, report: Result<Ending, Error>) {
        lock(&self.reports).push(report);
        // The counter cannot overflow before 2^64 reports.
        let _ = rustix::io::write(&*self.event, &1u64.to_ne_bytes());
    }
}

/// Watches some processes until the last one has exited.
fn watch_part(
    part: &[(usize, Identity)],
    wants_status: bool,
    proc: &Path,
    reporter: &Reporter,
) -> Result<(), Error> {
    let proc = Proc::open(proc)?;
    let mut watch = Watch::new(&proc, None, wants_status)?;
    let mut left = BTreeSet::new();
    for &(token, identity) in part {
        match proc.lookup(identity.pid, identity.open())? {
            Lookup::Found(pidfd) => {
                watch.add_pidfd(token, identity.pid, Rc::new(pidfd))?;
                left.insert(token);
            }
            _ => reporter.report(Ok(Ending { token, status: None })),
        }
    }
    while !left.is_empty() {
        if let WatchEvent::Ended(ending) = watch.next(None)? {
            left.remove(&ending.token);
            reporter.report(Ok(ending));
        }
    }
    Ok(())
}
