//! A thread that ends the program when a signal or the time limit demands it and the rest of the
//! program does not act on that.
//!
//! While an applet searches for its targets, storage or a process may hold it up. No target was
//! touched yet, and the thread ends the program at once. Later the applet acts on signals and on
//! the time limit itself, and the thread ends the program only when the applet hangs. Guardians
//! then continue the processes that are frozen.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::{Error, Signal, is_ready};
use crate::thread::{self, lock};

/// Time that the applet has to act on a signal or on the time limit itself.
const GRACE: Duration = Duration::from_secs(1);

/// Time between two checks whether the applet has acted on a signal.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The reason why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Interrupted(Signal),
    TimedOut,
}

/// The state that the applet and the thread share.
#[derive(Clone, Copy)]
struct OverseerState {
    /// The time limit; `None` for no limit.
    until: Option<Instant>,
    /// Additional time for the applet after the limit or a signal.
    grace: Duration,
    /// `true` when the handle was dropped.
    is_over: bool,
    /// `true` when the program is ending.
    has_ended: bool,
}

/// The handle of the thread. The thread ends when this is dropped.
pub struct Overseer {
    state: Arc<Mutex<OverseerState>>,
    /// Written to when the state has changed.
    event: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Overseer {
    /// Starts to oversee a search, which may take until this time. `end` ends the program. Returns
    /// `None` where no thread can be started: then only KILL ends a program that hangs.
    pub(super) fn start(
        caught: SigSet,
        until: Option<Instant>,
        end: impl FnOnce(Ended) + Send + 'static,
    ) -> Result<Option<Overseer>, Error> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(Error::kernel("make an event"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals =
            SignalFd::with_flags(&caught, flags).map_err(Error::kernel_by_nix("catch signals"))?;
        let state = Arc::new(Mutex::new(OverseerState {
            until,
            grace: Duration::ZERO,
            is_over: false,
            has_ended: false,
        }));
        let mut overseer =
            Overseer { state: Arc::clone(&state), event: Arc::new(event), thread: None };
        let event = Arc::clone(&overseer.event);
        let watch = move || {
            if let Some(ended) = watch(&state, &event, &signals) {
                end(ended);
            }
        };
        overseer.thread = thread::start("overseer", watch).ok();
        Ok(Some(overseer).filter(|overseer| overseer.thread.is_some()))
    }

    /// Lets the applet act on signals itself from now on, and finish by this time. Does not return
    /// when the thread is ending the program: the applet must not begin anything after that.
    pub fn trust(&self, until: Option<Instant>) {
        self.change(|state| (state.until, state.grace) = (until, GRACE));
        while lock(&self.state).has_ended {
            std::thread::park();
        }
    }

    /// Changes the state, and reports whether the thread could be woken for it. The counter cannot
    /// overflow before 2^64 changes, so that only a sandbox refuses this.
    fn change(&self, change: impl FnOnce(&mut OverseerState)) -> bool {
        change(&mut lock(&self.state));
        rustix::io::write(&*self.event, &1u64.to_ne_bytes()).is_ok()
    }
}

impl Drop for Overseer {
    fn drop(&mut self) {
        if self.change(|state| state.is_over = true) {
            // The result says nothing: a panic in the thread ends the program.
            self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Waits until the program has to end; `None` when the handle was dropped.
fn watch(state: &Mutex<OverseerState>, event: &OwnedFd, signals: &SignalFd) -> Option<Ended> {
    let mut pending_since: Option<Instant> = None;
    loop {
        // The lock is held until this is decided, so that the applet begins nothing meanwhile.
        let mut locked = lock(state);
        let OverseerState { until, grace, is_over, .. } = *locked;
        if is_over {
            return None;
        }
        let now = Instant::now();
        let end = until.and_then(|until| until.checked_add(grace));
        if end.is_some_and(|end| end <= now) {
            locked.has_ended = true;
            return Some(Ended::TimedOut);
        }
        let left = end.map(|end| end - now);
        let is_pending = is_ready(signals.as_fd(), PollFlags::IN, Duration::ZERO);
        if !is_pending {
            pending_since = None;
            drop(locked);
            sleep(event, Some(signals), left);
            continue;
        }
        if pending_since.get_or_insert(now).elapsed() >= grace
            && let Ok(Some(info)) = signals.read_signal()
            && let Some(signal) = Signal::from_number(info.ssi_signo as i32)
        {
            locked.has_ended = true;
            return Some(Ended::Interrupted(signal));
        }
        drop(locked);
        sleep(event, None, Some(left.map_or(CHECK_INTERVAL, |left| left.min(CHECK_INTERVAL))));
    }
}

/// Sleeps until the state has changed, a signal comes, or this time is over.
fn sleep(event: &OwnedFd, signals: Option<&SignalFd>, time: Option<Duration>) {
    let mut polled = vec![PollFd::new(event, PollFlags::IN)];
    polled.extend(signals.map(|signals| PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)));
    let time = time.and_then(|time| Timespec::try_from(time).ok());
    // The state is checked again, whatever ended the sleep.
    if !matches!(poll(&mut polled, time.as_ref()), Ok(_) | Err(Errno::INTR)) {
        std::thread::sleep(CHECK_INTERVAL);
    }
    let _ = rustix::io::read(event, &mut [0; 8]);
}
