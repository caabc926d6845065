//! Pausing daemons so that none stays paused by accident: each has a guardian process, which
//! continues it if we die or hang.

use std::time::{Duration, Instant, SystemTime};

use super::newcomer::Newcomers;
use super::{Daemon, Error, Event, EventSink, Repaused, Warning, missed};
use crate::control::{
    self, Action, Conclusion, Guardian, Interrupts, Life, Operation, Order, Outcome, Signal,
    Silent, Target,
};
use crate::process::{File, Files, Lookup, Proc, ReadError};

/// Time for a daemon to stop. It stops at once, unless it is uninterruptible.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Paused daemons, each with a guardian, and the search for new ones. They run again when this is
/// dropped, unless they have exited.
pub struct Pause {
    paused: Vec<PausedDaemon>,
    newcomers: Newcomers,
    /// The time until which they may stay paused.
    limit: Option<Instant>,
}

struct PausedDaemon {
    daemon: Daemon,
    guardian: Guardian,
    /// The time since which it is paused; `None` if it was paused before us.
    since: Option<SystemTime>,
    /// `true` if it was found and paused after the others.
    is_newcomer: bool,
    /// `true` if it was running at the last look: another process has continued it.
    was_running: bool,
}

/// The result of pausing.
pub enum Paused<'p> {
    /// All daemons are paused or have exited.
    All(Pause),
    /// This daemon did not stop, and all of them run again.
    Not(&'p Daemon),
    /// We received a signal to end, and all of them run again.
    Interrupted(Signal),
}

/// The result of renewing a pause.
pub enum Renewed {
    /// No daemon was continued.
    Untouched,
    /// Another process has continued a daemon, or started one; this was reported.
    Continued,
    /// We received a signal to end.
    Interrupted(Signal),
}

impl Pause {
    /// Pauses daemons, and returns when they have stopped. `limit` is the time at which their
    /// guardians continue them in any case. Errors: no guardian can be started.
    pub fn begin<'p>(
        proc: &Proc,
        daemons: &[&'p Daemon],
        newcomers: Newcomers,
        limit: Option<Instant>,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Paused<'p>, Error> {
        let mut pause = Pause { paused: Vec::new(), newcomers, limit };
        for &daemon in daemons {
            // The guardian comes first, so that there is no moment without one.
            pause.guard(daemon.clone(), false)?;
            match stop_for_now(proc, daemon, interrupts)? {
                (Conclusion::Interrupted(signal), _) => return Ok(Paused::Interrupted(signal)),
                (_, Some(Outcome::Signalled)) if daemon.is_stopped => {
                    events.event(Event::WasPaused(daemon))
                }
                (_, Some(Outcome::Signalled)) => events.event(Event::Paused(daemon)),
                // It has exited by itself, and starts nothing either.
                (_, Some(Outcome::Ended | Outcome::GoneBefore)) => {}
                _ => return Ok(Paused::Not(daemon)),
            }
        }
        Ok(Paused::All(pause))
    }

    /// Adds a daemon with a guardian.
    fn guard(&mut self, daemon: Daemon, is_newcomer: bool) -> Result<(), Error> {
        let guardian = guardian_over(&daemon, self.limit)?;
        let since = (!daemon.is_stopped).then(SystemTime::now);
        self.paused.push(PausedDaemon { daemon, guardian, since, is_newcomer, was_running: false });
        Ok(())
    }

    /// Pauses again the daemons that another process has continued, pauses those that have started
    /// meanwhile, and replaces guardians that have ended. Errors: a guardian has failed, so that
    /// nothing would continue its daemon.
    pub fn renew(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Renewed, Error> {
        let mut renewed = Renewed::Untouched;
        self.renew_guardians()?;
        for paused in &mut self.paused {
            if runs(proc, &paused.daemon)? {
                if let Some(signal) = paused.pause_again(proc, interrupts, events)? {
                    return Ok(Renewed::Interrupted(signal));
                }
                renewed = Renewed::Continued;
            }
        }
        match self.admit(proc, interrupts, events)? {
            Renewed::Untouched => Ok(renewed),
            other => Ok(other),
        }
    }

    /// Keeps the daemons paused while the command of a maintenance window runs, as
    /// [`Pause::renew`] does. The command may end a daemon, and systemctl continues it for that: a
    /// daemon is paused again only if it still runs at the next look.
    pub fn keep(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Renewed, Error> {
        self.renew_guardians()?;
        for paused in &mut self.paused {
            let runs = runs(proc, &paused.daemon)?;
            if runs
                && paused.was_running
                && let Some(signal) = paused.pause_again(proc, interrupts, events)?
            {
                return Ok(Renewed::Interrupted(signal));
            }
            paused.was_running = runs;
        }
        self.admit(proc, interrupts, events)
    }

    /// Replaces guardians that have ended.
    fn renew_guardians(&mut self) -> Result<(), Error> {
        for paused in &mut self.paused {
            if paused.guardian.has_failed() {
                return Err(control::Error::NoGuardian { pid: paused.daemon.pid }.into());
            }
            if paused.guardian.has_ended() {
                paused.guardian = guardian_over(&paused.daemon, self.limit)?;
            }
        }
        Ok(())
    }

    /// Pauses the daemons that have started since the last look.
    fn admit(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Renewed, Error> {
        let mut renewed = Renewed::Untouched;
        for daemon in self.newcomers.find(proc)? {
            renewed = Renewed::Continued;
            self.guard(daemon.clone(), true)?;
            self.newcomers.admit(&daemon);
            match stop_for_now(proc, &daemon, interrupts)? {
                (Conclusion::Interrupted(signal), _) => return Ok(Renewed::Interrupted(signal)),
                (_, Some(Outcome::Signalled)) => events.event(Event::Newcomer(&daemon)),
                (_, Some(Outcome::Ended | Outcome::GoneBefore)) => {}
                // The next look tries again.
                _ => events.event(Event::Warning(Warning::NotPaused(daemon.pid))),
            }
        }
        Ok(renewed)
    }

    /// Returns the daemons that have started after the others were paused.
    pub fn newcomers(&self) -> impl Iterator<Item = &Daemon> {
        self.paused.iter().filter(|paused| paused.is_newcomer).map(|paused| &paused.daemon)
    }

    /// Changes the time until which the daemons may stay paused. Without one, they stay paused as
    /// long as we live.
    pub fn extend(&mut self, limit: Option<Instant>) {
        self.limit = limit;
        for PausedDaemon { guardian, .. } in &self.paused {
            // A guardian that has ended is replaced when that is noticed.
            let _ = guardian.limit(limit);
        }
    }

    /// Warns if another process has continued a daemon meanwhile.
    pub fn warn_if_it_ran(&self, proc: &Proc, events: &mut dyn EventSink) -> Result<(), Error> {
        for PausedDaemon { daemon, .. } in &self.paused {
            if runs(proc, daemon)? {
                events.event(Event::Warning(Warning::RanMeanwhile(daemon.pid)));
            }
        }
        Ok(())
    }

    /// Continues the daemons.
    pub fn resume(mut self, events: &mut dyn EventSink) {
        let mut resumed = Vec::new();
        for PausedDaemon { daemon, guardian, since, .. } in self.paused.drain(..) {
            if has_ended(&daemon) {
                events.event(Event::HasEnded(&daemon));
                guardian.dismiss();
            } else if continue_daemon(&daemon) {
                events.event(Event::Resumed(&daemon));
                guardian.dismiss();
                resumed.extend(since.map(|since| (daemon, since, SystemTime::now())));
            } else {
                // The guardian sees the end of its socket and tries too.
                events.event(Event::Warning(Warning::NotContinued(daemon.pid)));
            }
        }
        // All of them run before any crontab is read.
        for (daemon, since, until) in resumed {
            if let Some(missed) = missed::find(&daemon, since, until) {
                events.event(Event::Missed(&daemon, &missed));
            }
        }
    }

    /// Dismisses the guardians when the daemons have exited.
    pub fn finish(mut self) {
        self.paused.drain(..).for_each(|paused| paused.guardian.dismiss());
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        for PausedDaemon { daemon, guardian, .. } in self.paused.drain(..) {
            if continue_daemon(&daemon) {
                guardian.dismiss();
            }
        }
    }
}

impl PausedDaemon {
    /// Pauses it again after another process has continued it. Returns a signal to end that came
    /// meanwhile.
    fn pause_again(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Option<Signal>, Error> {
        let repaused = match stop_for_now(proc, &self.daemon, interrupts)? {
            (Conclusion::Interrupted(signal), _) => return Ok(Some(signal)),
            (_, Some(Outcome::Signalled)) => Repaused::Paused,
            (_, Some(Outcome::Ended | Outcome::GoneBefore)) => Repaused::Exited,
            _ => Repaused::NotPaused,
        };
        events.event(Event::Warning(Warning::Continued(self.daemon.pid, repaused)));
        Ok(None)
    }
}

/// Starts a guardian that continues a daemon at this time, or when we die. Errors: it does not
/// answer.
fn guardian_over(daemon: &Daemon, limit: Option<Instant>) -> Result<Guardian, Error> {
    let guardian = Guardian::start()?;
    let failed = |errno| control::Error::Kernel { what: "set up a guardian", errno };
    let orders = guardian
        .keep(&daemon.reference)
        .and_then(|()| guardian.limit(limit))
        .and_then(|()| guardian.move_apart());
    orders.map_err(failed)?;
    // Without an answer, nothing would continue the daemon if we die.
    if !guardian.has_heard() {
        return Err(control::Error::NoGuardian { pid: daemon.pid }.into());
    }
    Ok(guardian)
}

/// Continues daemons that were left stopped, and reports whether all of them run now.
pub fn resume(daemons: &[Daemon], events: &mut dyn EventSink) -> bool {
    let mut all = true;
    for daemon in daemons.iter().filter(|daemon| daemon.is_stopped) {
        if has_ended(daemon) {
            events.event(Event::HasEnded(daemon));
        } else if continue_daemon(daemon) {
            events.event(Event::Resumed(daemon));
        } else {
            all = false;
            events.event(Event::Warning(Warning::NotContinued(daemon.pid)));
        }
    }
    all
}

/// Reports whether a daemon has exited. A zombie takes CONT too.
fn has_ended(daemon: &Daemon) -> bool {
    matches!(daemon.reference.life(), Ok(Life::Zombie | Life::Reaped) | Err(ReadError::Exited))
}

/// Sends CONT to a daemon, and reports whether that succeeded.
fn continue_daemon(daemon: &Daemon) -> bool {
    daemon.reference.send(Signal::CONT).is_ok()
}

/// Stops a daemon with STOP, and waits until it has stopped.
fn stop_for_now(
    proc: &Proc,
    daemon: &Daemon,
    interrupts: &Interrupts,
) -> Result<(Conclusion, Option<Outcome>), Error> {
    let order = Order::new(Action::Stop, Some(TIMEOUT));
    let mut operation = Operation::new(proc, order, interrupts);
    operation.add(Target::named(daemon.reference.clone(), &daemon.name))?;
    let conclusion = operation.carry_out(&mut Silent)?;
    Ok((conclusion, operation.targets().first().and_then(|target| target.outcome)))
}

/// Reports whether a paused daemon is alive and not stopped. Errors: it can no longer be examined.
fn runs(proc: &Proc, daemon: &Daemon) -> Result<bool, Error> {
    let process = match proc.process(daemon.pid, Files::new(&[File::Stat]))? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => {
            return Err(control::Error::Lost { pid: daemon.pid, reason }.into());
        }
        Lookup::Exited => return Ok(false),
    };
    let state = control::unless_reaped(proc, daemon.pid, process.stat().map(|stat| stat.state))?;
    let is_stopped = state.is_none_or(|state| b"TtZX".contains(&state));
    // If it is alive now, its pid was not reused, and the state was its own.
    let is_alive =
        control::unless_reaped(proc, daemon.pid, daemon.reference.life())? == Some(Life::Alive);
    Ok(is_alive && !is_stopped)
}
