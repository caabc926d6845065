//! Threads beside the first one, which alone heeds signals.

use std::io;
use std::thread::{Builder, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow};

/// What a thread needs that makes a few system calls.
const STACK: usize = 128 * 1024;

/// Start a thread that no signal is delivered to: one that stops or ends us would do so at a moment that nobody expects.
pub fn start<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    // A thread inherits what is blocked (pthread_create(3)).
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let started = Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work);
    if let Ok(before) = before {
        // It cannot fail for a set that was there before.
        let _ = before.thread_set_mask();
    }
    started
}
