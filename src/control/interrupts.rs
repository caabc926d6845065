//! Signals to our own process as events to wait for, so that we clean up before we end.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::descriptors;
use super::kernel::prepare_child;
use super::launch::{Launch, Launched};
use super::overseer::{Ended, Overseer};
use super::{Error, Signal};
use crate::process::{Files, Lookup, Proc, if_available};

/// The signals with which a user or a supervisor ends us.
const ENDING: [NixSignal; 4] =
    [NixSignal::SIGINT, NixSignal::SIGTERM, NixSignal::SIGHUP, NixSignal::SIGQUIT];

/// The signals with which a keyboard stops us. They must not do so while other processes are
/// stopped because of us.
const STOPPING: [NixSignal; 3] = [NixSignal::SIGTSTP, NixSignal::SIGTTIN, NixSignal::SIGTTOU];

/// The signals that would end us, caught.
pub struct Interrupts {
    caught: SigSet,
    descriptor: SignalFd,
    is_from_keyboard: Cell<bool>,
    holds: Cell<usize>,
    /// A signal that a caller received and could not act on. [`Interrupts::arrived`] returns it
    /// next.
    requeue: Cell<Option<Signal>>,
}

/// A hold on the stop signals of the keyboard: see [`Interrupts::hold_stops`].
pub struct StopHold<'i>(&'i Interrupts);

impl Drop for StopHold<'_> {
    fn drop(&mut self) {
        self.0.holds.set(self.0.holds.get() - 1);
        if self.0.holds.get() == 0 {
            forget_stops();
            let _ = SigSet::from_iter(STOPPING).thread_unblock();
        }
    }
}

/// Discards the stop signals that arrived while they were held: the user does not expect them to
/// take effect any more.
fn forget_stops() {
    let stops = SigSet::from_iter(STOPPING);
    if let Ok(pending) =
        SignalFd::with_flags(&stops, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
    {
        while matches!(pending.read_signal(), Ok(Some(_))) {}
    }
}

impl Interrupts {
    /// Catches the signals for this thread and for all threads that it starts from now on. Signals
    /// that are ignored stay ignored, as under nohup(1): a signal that is blocked would be
    /// delivered although it is ignored.
    pub fn catch(proc: &Proc) -> Result<Interrupts, Error> {
        let ignored = ignored(proc)?;
        let mut signals = SigSet::empty();
        for signal in ENDING {
            if ignored >> (signal as i32 - 1) & 1 == 0 {
                signals.add(signal);
            }
        }
        let failed = Error::kernel_by_nix("catch signals");
        signals.thread_block().map_err(&failed)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&signals, flags).map_err(failed)?;
        Ok(Interrupts {
            caught: signals,
            descriptor,
            is_from_keyboard: Cell::new(false),
            holds: Cell::new(0),
            requeue: Cell::new(None),
        })
    }

    /// Starts a thread that calls `end` to end the program when we do not do so ourselves: see
    /// [`Overseer`].
    pub fn oversee(
        &self,
        until: Option<Instant>,
        end: impl FnOnce(Ended) + Send + 'static,
    ) -> Result<Option<Overseer>, Error> {
        Overseer::start(self.caught, until, end)
    }

    /// Runs a closure that may block without limit, such as a write to a pipe that no process
    /// reads. A signal ends us at once meanwhile.
    pub fn with_signals_unblocked<T>(&self, act: impl FnOnce() -> T) -> T {
        // Neither call fails for a set that was blocked before.
        let _ = self.caught.thread_unblock();
        let outcome = act();
        let _ = self.caught.thread_block();
        outcome
    }

    /// Starts a command with these streams, or with ours, but without our blocked signals, and with
    /// the limit of descriptors that we were started with. The signals stay blocked for us: one that
    /// arrives at this moment must not end us and leave the command running.
    pub fn start(
        &self,
        mut launch: Launch<'_>,
        streams: Option<[OwnedFd; 3]>,
    ) -> io::Result<Launched> {
        let mut blocked = self.caught;
        if self.holds.get() > 0 {
            blocked.extend(STOPPING);
        }
        prepare_child(&mut launch.command, blocked, descriptors::given_limit());
        launch.start(streams)
    }

    /// Lets the signals take effect again, in a child that does not watch them.
    pub fn let_through(&self) -> Result<(), Error> {
        self.caught.thread_unblock().map_err(Error::kernel_by_nix("unblock signals"))
    }

    /// Gives back a signal that has arrived, for the next caller.
    pub fn requeue(&self, signal: Signal) {
        self.requeue.set(Some(signal));
    }

    /// Keeps the keyboard from stopping us until the result is dropped.
    pub fn hold_stops(&self) -> StopHold<'_> {
        self.holds.set(self.holds.get() + 1);
        // This cannot fail for signals that exist.
        let _ = SigSet::from_iter(STOPPING).thread_block();
        StopHold(self)
    }

    /// Returns a signal that has arrived, if there is one.
    pub fn arrived(&self) -> Result<Option<Signal>, Error> {
        if let Some(signal) = self.requeue.take() {
            return Ok(Some(signal));
        }
        match self.descriptor.read_signal() {
            Ok(info) => Ok(info.and_then(|info| {
                self.is_from_keyboard.set(info.ssi_code == nix::libc::SI_KERNEL);
                Signal::from_number(info.ssi_signo as i32)
            })),
            Err(nix::errno::Errno::EINTR) => Ok(None),
            Err(errno) => Err(Error::kernel_by_nix("read signals")(errno)),
        }
    }

    /// Reports whether the last signal came from a terminal, which sends it to a whole process
    /// group.
    pub fn is_from_keyboard(&self) -> bool {
        self.is_from_keyboard.get()
    }

    /// Waits for a signal, at most for this time.
    pub fn wait(&self, time: Duration) -> Result<Option<Signal>, Error> {
        let time = Timespec::try_from(time).ok();
        match poll(&mut [PollFd::new(self, PollFlags::IN)], time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => self.arrived(),
            Err(errno) => Err(Error::kernel("wait for signals")(errno)),
        }
    }
}

impl Drop for Interrupts {
    /// The signals take effect again: a pending one ends us here.
    fn drop(&mut self) {
        // This cannot fail for a set that was blocked before.
        let _ = self.caught.thread_unblock();
    }
}

impl AsFd for Interrupts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Runs a short closure that no signal may interrupt. A signal that arrives meanwhile ends us
/// afterwards.
pub fn with_signals_blocked<T>(act: impl FnOnce() -> T) -> T {
    // This cannot fail for signals that exist.
    let before = SigSet::from_iter(ENDING).thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let outcome = act();
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    outcome
}

/// Returns the signals that we were started to ignore, one bit each.
fn ignored(proc: &Proc) -> Result<u64, Error> {
    let Some(pid) = proc.own_pid() else { return Ok(0) };
    let Lookup::Found(own) = proc.process(pid, Files::NONE)? else { return Ok(0) };
    let mask =
        if_available(own.status()).map(|status| status.and_then(|status| status.mask("SigIgn")));
    Ok(match proc.lookup(pid, mask)? {
        Lookup::Found(mask) => mask.unwrap_or(0),
        _ => 0,
    })
}
