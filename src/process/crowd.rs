//! Looks at many processes, by several threads at once: nearly all of the time passes in the
//! kernel.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, available_parallelism};

use super::{Pid, Proc};
use crate::thread::{lock, start};

/// Maximum number of threads, our own included.
const MOST_THREADS: usize = 8;

/// Number of processes that are worth the start of a thread.
const SHARE: usize = 500;

/// Number of processes that a thread takes at once.
const BLOCK: usize = 64;

/// The processes, what to do with each, and the answers so far.
struct Crowd<T, L> {
    pids: Vec<Pid>,
    /// The first process that no thread has taken yet.
    next: AtomicUsize,
    look: L,
    answers: Mutex<Vec<(Pid, T)>>,
}

impl Proc {
    /// Calls `look` with our descriptor and each of these processes, and returns the answers in any
    /// order. `look` must not ask for anything that a process can hold up: there is no time limit.
    pub(super) fn look_at_all<T, L>(&self, pids: Vec<Pid>, look: L) -> Vec<(Pid, T)>
    where
        T: Send + 'static,
        L: Fn(BorrowedFd<'_>, Pid) -> T + Send + Sync + 'static,
    {
        let processors = available_parallelism().map_or(1, usize::from);
        let helpers = MOST_THREADS.min(processors).min(pids.len() / SHARE).saturating_sub(1);
        let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(pids.len())));
        let crowd = Arc::new(Crowd { pids, next, look, answers });
        let threads: Vec<JoinHandle<()>> = (0..helpers)
            .map_while(|_| {
                let (crowd, dir) = (Arc::clone(&crowd), self.shared_dir());
                // Where no thread can be started, the others do its work.
                start("crowd", move || crowd.work(dir.as_fd())).ok()
            })
            .collect();
        crowd.work(self.dir());
        // A thread that panics ends the program.
        threads.into_iter().for_each(|thread| _ = thread.join());
        mem::take(&mut *lock(&crowd.answers))
    }
}

impl<T, L: Fn(BorrowedFd<'_>, Pid) -> T> Crowd<T, L> {
    /// Takes processes until none is left.
    fn work(&self, dir: BorrowedFd<'_>) {
        let mut answers = Vec::new();
        loop {
            let begin = self.next.fetch_add(BLOCK, Ordering::Relaxed);
            let end = self.pids.len().min(begin + BLOCK);
            let Some(block) = self.pids.get(begin..end) else { break };
            answers.extend(block.iter().map(|&pid| (pid, (self.look)(dir, pid))));
        }
        lock(&self.answers).append(&mut answers);
    }
}
