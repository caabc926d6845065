//! Threads that read what a process can hold up.
//!
//! The kernel reads arguments, environment and memory map of a process under the lock of its memory
//! map. A thread of that process holds the lock for as long as it waits for storage, such as a
//! frozen file system or a server that does not answer, and each reader waits too, until it is
//! killed. So a thread of its own does such reading. When it stands still, it is left behind, and
//! another one goes on behind the process. It costs nothing while no process does so, and it ends
//! with the program.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit};

use super::Pid;
use super::error::{ReadError, ReadResult};
use super::stat::Stat;
use crate::thread::{self, Mailbox};

/// How long a run stands still because of such processes, all of them together.
const PATIENCE: Duration = Duration::from_secs(1);

/// The least that each of them gets when that is used up: a page that has to be read back from a
/// disk takes less.
const LEAST: Duration = Duration::from_millis(5);

/// Between two looks at a thread that has not answered.
const LOOK: Duration = Duration::from_millis(5);

/// So many threads are left behind at most, each with a descriptor or two.
const MOST_LEFT_BEHIND: u64 = 100;

/// What a thread is asked to do.
type ReadJob = Box<dyn FnOnce() + Send>;

/// The threads that read for a procfs.
#[derive(Default)]
pub(super) struct Readers {
    /// Those that wait for a request.
    idle: RefCell<Vec<ReaderThread>>,
    /// The processes that hold up a thread, until that goes on.
    left_behind: RefCell<Vec<(Pid, Weak<()>)>>,
    /// The time that this run has stood still.
    stood_still: Cell<Duration>,
    held_up: RefCell<Vec<HeldUp>>,
}

/// A process that was given up, and the file that could not be read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldUp {
    pub pid: Pid,
    pub file: &'static str,
}

/// A thread. It ends when this is dropped and it has answered.
pub(super) struct ReaderThread {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// What we share with a thread.
#[derive(Default)]
struct Desk {
    requests: Mailbox<ReadJob>,
    /// Its thread id; 0 before it has begun.
    id: AtomicI32,
}

impl Readers {
    /// Do this on a thread. It is about this file of this process, and may stand still there.
    pub fn run<T: Send + 'static>(
        &self,
        pid: Pid,
        file: &'static str,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> ReadResult<T> {
        if !self.may_ask(pid) {
            return Err(self.give_up(pid, file));
        }
        // Without a thread, as where no process can be started any more, reading matters more than
        // what could happen.
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

    /// Wait for an answer; `None` when the thread has stood still for too long. `has_moved` tells
    /// whether it has come further since it was asked that last.
    pub fn wait<T>(
        &self,
        reader: &ReaderThread,
        answer: &Mailbox<T>,
        mut has_moved: impl FnMut() -> bool,
    ) -> Option<T> {
        let mut stood = Duration::ZERO;
        loop {
            let patience = (PATIENCE.saturating_sub(self.stood_still.get()) / 4).max(LEAST);
            if let Some(answer) = answer.take_within(LOOK) {
                return Some(answer);
            }
            if has_moved() || !reader.stands_still() {
                stood = Duration::ZERO;
                continue;
            }
            stood += LOOK;
            self.stood_still.set(self.stood_still.get() + LOOK);
            if stood >= patience {
                return None;
            }
        }
    }

    /// Whether this process may be read: not while it holds up a thread already.
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

    /// Go on without a thread that stands still at a process.
    pub fn leave_behind(&self, pid: Pid, file: &'static str, is_under_way: Weak<()>) -> ReadError {
        self.left_behind.borrow_mut().push((pid, is_under_way));
        self.give_up(pid, file)
    }

    fn give_up(&self, pid: Pid, file: &'static str) -> ReadError {
        let mut held_up = self.held_up.borrow_mut();
        if held_up.iter().all(|held| held.pid != pid) {
            held_up.push(HeldUp { pid, file });
        }
        ReadError::HeldUp { file }
    }

    /// The processes that were given up, each once.
    pub fn held_up(&self) -> Vec<HeldUp> {
        self.held_up.borrow().clone()
    }

    /// Begin a new run, which has its own patience. The threads stay where they are.
    pub fn begin_anew(&self) {
        self.stood_still.take();
        self.held_up.take();
    }

    /// A thread that waits for a request; `None` where none can be started.
    pub fn take(&self) -> Option<ReaderThread> {
        self.idle.borrow_mut().pop().or_else(ReaderThread::start)
    }

    /// Keep a thread that has answered.
    pub fn put_back(&self, reader: ReaderThread) {
        self.idle.borrow_mut().push(reader);
    }
}

impl Drop for Readers {
    /// Those that wait for a request end. What was left behind ends with the program.
    fn drop(&mut self) {
        self.idle.take().into_iter().for_each(ReaderThread::end);
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        self.desk.requests.close();
    }
}

impl ReaderThread {
    /// One that reads through any of our descriptors.
    fn start() -> Option<ReaderThread> {
        ReaderThread::start_with(|| {})
    }

    /// One that reads through those descriptors only that there are now.
    pub fn start_apart() -> Option<ReaderThread> {
        // Where that is not permitted, it shares ours.
        ReaderThread::start_with(|| _ = unshare(CloneFlags::CLONE_FILES))
    }

    fn start_with(begin: impl FnOnce() + Send + 'static) -> Option<ReaderThread> {
        let desk = Arc::new(Desk::default());
        let theirs = Arc::clone(&desk);
        let work = move || {
            begin();
            theirs.id.store(nix::unistd::gettid().as_raw(), Ordering::Relaxed);
            while let Some(request) = theirs.requests.take() {
                request();
            }
        };
        let thread = thread::start("reader", work).ok()?;
        Some(ReaderThread { desk, thread: Some(thread) })
    }

    /// It has nothing more to do.
    pub fn end(mut self) {
        self.desk.requests.close();
        // A thread that panics ends the program.
        self.thread.take().map(JoinHandle::join);
    }

    /// Have it do something.
    pub fn ask(&self, request: impl FnOnce() + Send + 'static) {
        self.desk.requests.put(Box::new(request));
    }

    /// Whether it sleeps in the kernel, and so does not only want for a processor.
    fn stands_still(&self) -> bool {
        let id = self.desk.id.load(Ordering::Relaxed);
        if id == 0 {
            return false;
        }
        let stat = std::fs::read(format!("/proc/self/task/{id}/stat"));
        let stat = stat.ok().and_then(|line| Stat::parse(&line));
        stat.is_none_or(|stat| stat.state != b'R')
    }
}
