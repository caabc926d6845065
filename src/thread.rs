//! Threads beside the first one, which alone receives signals, and ways to pass something between
//! threads.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};

/// Stack of a thread that makes a few system calls.
const STACK: usize = 128 * 1024;

/// Starts a thread that receives no signals: a signal there could stop or end the program in the
/// middle of anything.
pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // A thread inherits the signal mask (pthread_create(3)).
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let work: Box<dyn FnOnce() + Send> = Box::new(work);
    let started = Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work);
    if let Ok(before) = before {
        // Restoring a mask that was valid cannot fail.
        let _ = before.thread_set_mask();
    }
    started
}

/// Locks data that threads share. A panic in a thread ends the program, so that no lock is left
/// poisoned.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until another thread announces a change, for this time at most; `None` is no limit.
pub fn await_change<'m, T>(
    changed: &Condvar,
    guard: MutexGuard<'m, T>,
    time: Option<Duration>,
) -> MutexGuard<'m, T> {
    match time {
        Some(time) => changed
            .wait_timeout(guard, time)
            .map_or_else(|error| error.into_inner().0, |waited| waited.0),
        None => changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
    }
}

/// A slot through which one thread passes items to another, one at a time.
pub struct Mailbox<T> {
    content: Mutex<Content<T>>,
    changed: Condvar,
}

/// The state of a mailbox, under its lock.
struct Content<T> {
    item: Option<T>,
    is_closed: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Mailbox<T> {
        Mailbox {
            content: Mutex::new(Content { item: None, is_closed: false }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Mailbox<T> {
    /// Puts an item in. The caller makes sure that the last one was taken.
    pub fn put(&self, item: T) {
        lock(&self.content).item = Some(item);
        self.changed.notify_one();
    }

    /// Announces that no more items come.
    pub fn close(&self) {
        lock(&self.content).is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for an item; `None` when no more come.
    pub fn take(&self) -> Option<T> {
        let mut content = lock(&self.content);
        while content.item.is_none() && !content.is_closed {
            content = await_change(&self.changed, content, None);
        }
        content.item.take()
    }

    /// Waits for an item for this time at most; `None` when none came.
    pub fn take_within(&self, time: Duration) -> Option<T> {
        let mut content = lock(&self.content);
        if content.item.is_none() {
            content = await_change(&self.changed, content, Some(time));
        }
        content.item.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_one_thread_leaves_another_takes() {
        let mailbox = Arc::new(Mailbox::default());
        let theirs = Arc::clone(&mailbox);
        assert_eq!(mailbox.take_within(Duration::from_millis(1)), None);
        let thread = start("test", move || theirs.put(7)).unwrap();
        assert_eq!(mailbox.take(), Some(7));
        mailbox.put(8);
        mailbox.close();
        assert_eq!((mailbox.take(), mailbox.take()), (Some(8), None));
        thread.join().unwrap();
    }
}
