//! Threads that read files with which a process can hold up its readers.
//!
//! The kernel reads the arguments, the environment and the memory map of a process under the lock
//! of its memory map. A thread of that process holds the lock while it waits for storage, such as a
//! frozen file system or a server that does not answer, and every reader waits too, until it is
//! killed. Therefore a separate thread reads such files. When it stands still it is left behind,
//! and another thread continues with the next process. This costs nothing while no process holds
//! up its readers, and the threads end with the program.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit};

use super::Pid;
use super::error::{ReadError, ReadResult, Unavailable};
use super::stat::Stat;
use crate::thread::{self, Mailbox};

/// Time that a whole run may stand still because of such processes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time that each of them may still take after that: a page that must be read back from a disk
/// takes less.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

/// Time between two looks at a thread that has not answered.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Maximum number of threads that are left behind. Each of them keeps a descriptor or two.
const MOST_LEFT_BEHIND: u64 = 100;

/// The work that a thread is asked to do.
type ReadJob = Box<dyn FnOnce() + Send>;

/// The threads that read for a procfs.
#[derive(Default)]
pub(super) struct Readers {
    /// Threads that wait for work.
    idle: RefCell<Vec<ReaderThread>>,
    /// The processes that hold up a thread, until that thread continues.
    left_behind: RefCell<Vec<(Pid, Weak<()>)>>,
    /// The time that this run has stood still so far.
    stood_still: Cell<Duration>,
    /// The processes that were given up in this run.
    held_up: RefCell<Vec<HeldUp>>,
}

/// A process that was given up, with the first file that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldUp {
    /// Its pid.
    pub pid: Pid,
    /// The name of the file below /proc/PID.
    pub file: &'static str,
}

/// A thread that reads. It ends when this is dropped and its last answer was given.
pub(super) struct ReaderThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The state that is shared with a thread.
#[derive(Default)]
struct Shared {
    requests: Mailbox<ReadJob>,
    /// Its thread id; 0 before it has begun.
    id: AtomicI32,
}

impl Readers {
    /// Runs `act`, which reads this file of this process, on a thread. Errors: `HeldUp` when the
    /// thread stands still for too long, or may not be used: see [`Readers::may_ask`].
    pub fn run<T: Send + 'static>(
        &self,
        pid: Pid,
        file: &'static str,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> ReadResult<T> {
        if !self.may_ask(pid) {
            return Err(self.give_up(pid, file));
        }
        // Without a thread, as where no more processes can be started, reading matters more than
        // the risk.
        let Some(reader) = self.take() else { return Ok(act()) };
        let answer = Arc::new(Mailbox::default());
        let theirs = Arc::clone(&answer);
        let mark = Arc::new(());
        let is_under_way = Arc::downgrade(&mark);
        reader.ask(move || {
            theirs.put(act());
            drop(mark);
        });
        match self.wait(&reader, &answer, || false) {
            Some(value) => {
                self.put_back(reader);
                Ok(value)
            }
            None => Err(self.leave_behind(pid, file, is_under_way)),
        }
    }

    /// Waits for an answer; `None` when the thread stood still for too long. `has_moved` reports
    /// whether it has advanced since the last call.
    pub fn wait<T>(
        &self,
        reader: &ReaderThread,
        answer: &Mailbox<T>,
        mut has_moved: impl FnMut() -> bool,
    ) -> Option<T> {
        let mut stood = Duration::ZERO;
        loop {
            let patience = (PATIENCE.saturating_sub(self.stood_still.get()) / 4).max(SHORTEST_WAIT);
            if let Some(answer) = answer.take_within(POLL_INTERVAL) {
                return Some(answer);
            }
            if has_moved() || !reader.stands_still() {
                stood = Duration::ZERO;
                continue;
            }
            stood += POLL_INTERVAL;
            self.stood_still.set(self.stood_still.get() + POLL_INTERVAL);
            if stood >= patience {
                return None;
            }
        }
    }

    /// Reports whether this process may be read: not while it holds up another thread, nor while
    /// too many threads are left behind.
    pub fn may_ask(&self, pid: Pid) -> bool {
        let mut left_behind = self.left_behind.borrow_mut();
        if left_behind.is_empty() {
            return true;
        }
        left_behind.retain(|(_, is_under_way)| is_under_way.strong_count() > 0);
        let room =
            getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST_LEFT_BEHIND, |(limit, _)| limit / 4);
        let is_full = left_behind.len() as u64 >= room.min(MOST_LEFT_BEHIND);
        !is_full && left_behind.iter().all(|&(held, _)| held != pid)
    }

    /// Gives up a thread that stands still at a process, and returns the error for that process.
    pub fn leave_behind(&self, pid: Pid, file: &'static str, is_under_way: Weak<()>) -> ReadError {
        self.left_behind.borrow_mut().push((pid, is_under_way));
        self.give_up(pid, file)
    }

    /// Records that a process was given up, and returns its error.
    fn give_up(&self, pid: Pid, file: &'static str) -> ReadError {
        let mut held_up = self.held_up.borrow_mut();
        if held_up.iter().all(|held| held.pid != pid) {
            held_up.push(HeldUp { pid, file });
        }
        ReadError::Unavailable(Unavailable::HeldUp { file })
    }

    /// Returns the processes that were given up, each of them once.
    pub fn held_up(&self) -> Vec<HeldUp> {
        self.held_up.borrow().clone()
    }

    /// Begins a new run with a new allowance. The threads stay.
    pub fn begin_anew(&self) {
        self.stood_still.take();
        self.held_up.take();
    }

    /// Takes a thread that waits for work; `None` where none can be started.
    pub fn take(&self) -> Option<ReaderThread> {
        self.idle.borrow_mut().pop().or_else(ReaderThread::start)
    }

    /// Keeps a thread that has answered, for the next work.
    pub fn put_back(&self, reader: ReaderThread) {
        self.idle.borrow_mut().push(reader);
    }
}

impl Drop for Readers {
    /// Threads that wait for work end here. Those that were left behind end with the program.
    fn drop(&mut self) {
        self.idle.take().into_iter().for_each(ReaderThread::end);
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        self.shared.requests.close();
    }
}

impl ReaderThread {
    /// Starts a thread that reads through all our descriptors.
    fn start() -> Option<ReaderThread> {
        ReaderThread::start_with(|| {})
    }

    /// Starts a thread that reads only through the descriptors that exist now.
    pub fn start_apart() -> Option<ReaderThread> {
        // Where this is not permitted, the thread shares ours.
        ReaderThread::start_with(|| _ = unshare(CloneFlags::CLONE_FILES))
    }

    /// Starts a thread that calls `begin` before it reads; `None` where none can be started.
    fn start_with(begin: impl FnOnce() + Send + 'static) -> Option<ReaderThread> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let work = move || {
            begin();
            theirs.id.store(nix::unistd::gettid().as_raw(), Ordering::Relaxed);
            while let Some(request) = theirs.requests.take() {
                request();
            }
        };
        let thread = thread::start("reader", work).ok()?;
        Some(ReaderThread { shared, thread: Some(thread) })
    }

    /// Ends a thread that has nothing more to do.
    pub fn end(mut self) {
        self.shared.requests.close();
        // A thread that panics ends the program.
        self.thread.take().map(JoinHandle::join);
    }

    /// Gives the thread something to do.
    pub fn ask(&self, request: impl FnOnce() + Send + 'static) {
        self.shared.requests.put(Box::new(request));
    }

    /// Reports whether the thread sleeps in the kernel, and does not merely wait for a processor.
    fn stands_still(&self) -> bool {
        let id = self.shared.id.load(Ordering::Relaxed);
        if id == 0 {
            return false;
        }
        let stat = std::fs::read(format!("/proc/self/task/{id}/stat"));
        let stat = stat.ok().and_then(|line| Stat::parse(&line));
        stat.is_none_or(|stat| stat.state != b'R')
    }
}
