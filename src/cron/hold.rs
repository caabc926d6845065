//! Holding: cron stays paused without a command, until somebody releases it, the lease is over, or
//! the one who waits for it has gone.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::stdio::stdin;

use super::holder::{Answer, Caller, HeldToo, Holder, HolderSocket, Request};
use super::pause::{Pause, Renewed};
use super::{Daemon, Error, Event, EventSink, Shutdown, ShutdownResult, Warning};
use crate::control;
use crate::control::background::Background;

/// What ends a hold, beside a release and a signal.
#[derive(Debug)]
pub enum HoldUntil {
    /// The end of this time. The hold goes on in the background.
    Lease(Duration, RefCell<Option<Background>>),
    /// The end of standard input.
    InputEnds,
}

/// The end of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldEnd {
    /// This user has released it.
    Released(String),
    LeaseOver,
    InputEnded,
}

/// Time between two searches for a cron that is started while it is held.
const LOOK: Duration = Duration::from_millis(500);

/// Reports whether standard input is at its end already, or has none, as /dev/null.
pub fn is_input_at_end() -> bool {
    let Ok(stat) = fstat(stdin()) else { return true };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => {
            // Nobody can write to it any more, although something may be left in it.
            is_ready(Duration::ZERO).is_some_and(|found| found.contains(PollFlags::HUP))
        }
        FileType::Socket => {
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            matches!(recv(stdin(), &mut [0u8; 1][..], flags), Ok((_, 0)))
        }
        // A terminal ends by a key.
        FileType::CharacterDevice => !rustix::termios::isatty(stdin()),
        _ => true,
    }
}

/// Returns what has become of standard input, if that is anything within this time.
fn is_ready(within: Duration) -> Option<PollFlags> {
    let within = Timespec::try_from(within).ok();
    let mut polled = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
    match poll(&mut polled, within.as_ref()) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(polled[0].revents()),
    }
}

/// A hold under way.
struct Holding<'h> {
    shutdown: &'h Shutdown<'h>,
    socket: HolderSocket,
    holder: Holder,
    /// The end of the lease.
    until: Option<Instant>,
    reads_input: bool,
}

impl Shutdown<'_> {
    /// Holds paused daemons until the hold ends.
    pub(super) fn hold(
        &self,
        hold: &HoldUntil,
        pause: &mut Pause,
        events: &mut dyn EventSink,
    ) -> Result<ShutdownResult, Error> {
        if matches!(hold, HoldUntil::InputEnds) && is_input_at_end() {
            events.event(Event::Warning(Warning::InputEnded));
            return Ok(ShutdownResult::NotStopped);
        }
        let failed = |error: io::Error| Error::Hold(error);
        let socket = HolderSocket::listen().map_err(failed)?;
        let since = SystemTime::now();
        let lease = match hold {
            HoldUntil::Lease(lease, _) => Some(*lease),
            HoldUntil::InputEnds => None,
        };
        let holder = Holder {
            pid: std::process::id(),
            by: self.plan.by.clone(),
            since,
            until: lease.and_then(|lease| since.checked_add(lease)),
            with: HeldToo { at: self.plan.with_at, timers: self.timers.is_some() },
        };
        let until = lease.and_then(|lease| Instant::now().checked_add(lease));
        pause.extend(until);
        events.event(Event::Held(&holder, self.daemons));
        if let HoldUntil::Lease(_, background) = hold
            && let Some(background) = background.take()
        {
            background.leave().map_err(failed)?;
        }
        let reads_input = lease.is_none();
        let holding = Holding { shutdown: self, socket, holder, until, reads_input };
        holding.until_end(pause, events)
    }
}

impl Holding<'_> {
    fn until_end(
        mut self,
        pause: &mut Pause,
        events: &mut dyn EventSink,
    ) -> Result<ShutdownResult, Error> {
        let Shutdown { proc, interrupts, .. } = *self.shutdown;
        let mut is_warned = false;
        loop {
            self.sleep()?;
            if let Some(signal) = interrupts.arrived()? {
                return Ok(ShutdownResult::Interrupted(signal, Vec::new()));
            }
            match pause.keep(proc, interrupts, events) {
                Ok(Renewed::Interrupted(signal)) => {
                    return Ok(ShutdownResult::Interrupted(signal, Vec::new()));
                }
                Ok(Renewed::Untouched | Renewed::Continued) => {}
                Err(error) if !is_warned => {
                    is_warned = true;
                    events.event(Event::Warning(Warning::Unwatched(&error)));
                }
                Err(_) => {}
            }
            if events.is_unheard() {
                return Ok(ShutdownResult::Interrupted(control::Signal::PIPE, Vec::new()));
            }
            // A caller who says nothing sensible is not answered.
            if let Ok(Some(caller)) = self.socket.next()
                && let Some(by) = self.serve(caller, pause, events)
            {
                return Ok(ShutdownResult::Held(HoldEnd::Released(by)));
            }
            if self.until.is_some_and(|until| until <= Instant::now()) {
                return Ok(ShutdownResult::Held(HoldEnd::LeaseOver));
            }
            if self.reads_input && has_input_ended() {
                return Ok(ShutdownResult::Held(HoldEnd::InputEnded));
            }
        }
    }

    /// Does what a caller wants; returns who has released cron.
    fn serve(
        &mut self,
        caller: Caller,
        pause: &mut Pause,
        events: &mut dyn EventSink,
    ) -> Option<String> {
        match caller.request.clone() {
            Request::Ask => {}
            Request::Extend { lease, by } => {
                let until = Instant::now().checked_add(lease);
                if self.until.is_some() && until > self.until {
                    self.until = until;
                    self.holder.until = SystemTime::now().checked_add(lease);
                    pause.extend(until);
                }
                self.holder.by = by;
                events.event(Event::Held(&self.holder, self.shutdown.daemons));
            }
            Request::Release { by } => {
                // One that cannot be continued is tried again at once, with a warning.
                if pause.let_go() {
                    let holder = self.holder.clone();
                    caller.answer(&if self.has_ended(pause) {
                        Answer::Gone(holder)
                    } else {
                        Answer::Released(holder)
                    });
                }
                return Some(by);
            }
        }
        caller.answer(&Answer::Holding(self.holder.clone()));
        None
    }

    /// Reports whether all daemons that were held have ended.
    fn has_ended(&self, pause: &Pause) -> bool {
        let mut daemons = self.shutdown.daemons.iter().chain(pause.newcomers()).peekable();
        daemons.peek().is_some() && daemons.all(Daemon::has_ended)
    }

    /// Sleeps until a signal, a caller or input comes, or until the next look.
    fn sleep(&self) -> Result<(), Error> {
        let time = self
            .until
            .map_or(LOOK, |until| until.saturating_duration_since(Instant::now()).min(LOOK));
        let time = Timespec::try_from(time).ok();
        let input = stdin();
        let mut polled = vec![
            PollFd::new(self.shutdown.interrupts, PollFlags::IN),
            PollFd::new(&self.socket, PollFlags::IN),
        ];
        if self.reads_input {
            polled.push(PollFd::new(&input, PollFlags::IN));
        }
        match poll(&mut polled, time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(control::Error::Kernel { what: "wait", errno }.into()),
        }
    }
}

/// Reads what stands in standard input, and reports whether it has ended.
fn has_input_ended() -> bool {
    if is_ready(Duration::ZERO).is_none() {
        return false;
    }
    match rustix::io::read(stdin(), &mut [0; 4096]) {
        Ok(length) => length == 0,
        Err(errno) => io::Error::from(errno).kind() != ErrorKind::Interrupted,
    }
}
