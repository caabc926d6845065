//! Pausing daemons so that it cannot be forgotten.

use std::time::{Duration, Instant};

use super::{Daemon, Error, Event, EventSink};
use crate::control::{
    self, Conclusion, Guardian, Interrupts, Life, Operation, Order, Outcome, Signal, Silent,
    Target, Until,
};
use crate::process::{File, Files, Lookup, Proc};

/// How long a daemon may take to stop. It does so at once, unless the kernel is stuck in something.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Daemons that are paused, each with a guardian. Unless they are said to have ended, they run on
/// when this is dropped.
pub struct Pause<'p> {
    paused: Vec<(&'p Daemon, Guardian)>,
    /// Until when they may stay paused.
    limit: Option<Instant>,
}

/// What came of it.
pub enum Paused<'p> {
    All(Pause<'p>),
    /// This one did not stop, and all of them run on.
    Not(&'p Daemon),
    /// We were told to end, and all of them run on.
    Interrupted(Signal),
}

/// How a pause was found.
pub enum Renewed {
    Untouched,
    /// Somebody has continued a daemon, which was said.
    Continued,
    /// We were told to end.
    Interrupted(Signal),
}

impl<'p> Pause<'p> {
    /// Pause daemons. On return, they have really stopped.
    pub fn begin(
        proc: &Proc,
        daemons: &[&'p Daemon],
        limit: Option<Instant>,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Paused<'p>, Error> {
        let mut pause = Pause { paused: Vec::new(), limit };
        for &daemon in daemons {
            // First, so that there is no moment without one.
            pause.paused.push((daemon, guardian_over(daemon, limit)?));
            match stop_for_now(proc, daemon, interrupts)? {
                (Conclusion::Interrupted(signal), _) => return Ok(Paused::Interrupted(signal)),
                (_, Some(Outcome::Signalled)) if daemon.is_stopped => {
                    events.event(Event::WasPaused(daemon))
                }
                (_, Some(Outcome::Signalled)) => events.event(Event::Paused(daemon)),
                // It has ended by itself, and starts nothing either.
                (_, Some(Outcome::Ended | Outcome::GoneBefore)) => {}
                _ => return Ok(Paused::Not(daemon)),
            }
        }
        Ok(Paused::All(pause))
    }

    /// Pause again what somebody else has continued; replace guardians that have ended.
    pub fn renew(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Renewed, Error> {
        let mut renewed = Renewed::Untouched;
        for (daemon, guardian) in &mut self.paused {
            if guardian.has_failed() {
                return Err(control::Error::NoGuardian { pid: daemon.pid }.into());
            }
            if guardian.has_ended() {
                *guardian = guardian_over(daemon, self.limit)?;
            }
            if runs(proc, daemon)? {
                renewed = Renewed::Continued;
                let what = match stop_for_now(proc, daemon, interrupts)? {
                    (Conclusion::Interrupted(signal), _) => {
                        return Ok(Renewed::Interrupted(signal));
                    }
                    (_, Some(Outcome::Signalled)) => "it is paused again",
                    (_, Some(Outcome::Ended | Outcome::GoneBefore)) => "it has ended",
                    _ => "it could not be paused again",
                };
                let why = format!("somebody has continued process {}: {what}", daemon.pid);
                events.event(Event::Warning(why));
            }
        }
        Ok(renewed)
    }

    /// Let them stay paused until another time, whatever becomes of us; without one, for as long as
    /// we want it.
    pub fn extend(&mut self, limit: Option<Instant>) {
        self.limit = limit;
        for (_, guardian) in &self.paused {
            // One that has ended is replaced when that is seen.
            let _ = guardian.limit(limit);
        }
    }

    /// Say if somebody else has continued one while nobody looked.
    pub fn warn_if_it_ran(&self, proc: &Proc, events: &mut dyn EventSink) -> Result<(), Error> {
        for (daemon, _) in &self.paused {
            if runs(proc, daemon)? {
                let why = format!(
                    "somebody has continued process {}: jobs may have run meanwhile",
                    daemon.pid
                );
                events.event(Event::Warning(why));
            }
        }
        Ok(())
    }

    /// Let them run on.
    pub fn resume(mut self, events: &mut dyn EventSink) {
        for (daemon, guardian) in self.paused.drain(..) {
            if continue_daemon(daemon) {
                events.event(Event::Resumed(daemon));
                guardian.dismiss();
            }
            // Else its guardian, which sees itself left, tries too.
        }
    }

    /// They have ended, and nobody has to run on.
    pub fn finish(mut self) {
        self.paused.drain(..).for_each(|(_, guardian)| guardian.dismiss());
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        for (daemon, guardian) in self.paused.drain(..) {
            if continue_daemon(daemon) {
                guardian.dismiss();
            }
        }
    }
}

/// A guardian that lets a daemon run on at this time, or when we do not.
fn guardian_over(daemon: &Daemon, limit: Option<Instant>) -> Result<Guardian, Error> {
    let guardian = Guardian::start()?;
    let failed = |errno| control::Error::Kernel { what: "set up a guardian", errno };
    guardian.keep(&daemon.reference).and_then(|()| guardian.limit(limit)).map_err(failed)?;
    Ok(guardian)
}

/// Continue daemons that somebody left stopped; tell whether all of them run on.
pub fn resume(daemons: &[Daemon], events: &mut dyn EventSink) -> bool {
    let mut all = true;
    for daemon in daemons.iter().filter(|daemon| daemon.is_stopped) {
        if continue_daemon(daemon) {
            events.event(Event::Resumed(daemon));
        } else {
            all = false;
            events.event(Event::Warning(format!("process {} could not be continued", daemon.pid)));
        }
    }
    all
}

fn continue_daemon(daemon: &Daemon) -> bool {
    daemon.reference.send(Signal::CONT).is_ok()
}

/// Stop a daemon with STOP, and wait until it is.
fn stop_for_now(
    proc: &Proc,
    daemon: &Daemon,
    interrupts: &Interrupts,
) -> Result<(Conclusion, Option<Outcome>), Error> {
    let order = Order { until: Until::Stopped, timeout: Some(TIMEOUT), ..Order::default() };
    let mut operation = Operation::new(proc, order, interrupts);
    operation.add(Target::named(daemon.reference.clone(), &daemon.name))?;
    let conclusion = operation.carry_out(&mut Silent)?;
    Ok((conclusion, operation.targets().first().and_then(|target| target.outcome)))
}

/// Whether a paused daemon lives, and is not stopped.
fn runs(proc: &Proc, daemon: &Daemon) -> Result<bool, Error> {
    let process = match proc.process(daemon.pid, Files::new(&[File::Stat]))? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => {
            return Err(control::Error::Lost { pid: daemon.pid, reason }.into());
        }
        Lookup::Exited => return Ok(false),
    };
    let state = control::told(proc, daemon.pid, process.stat().map(|stat| stat.state))?;
    let is_stopped = state.is_none_or(|state| b"TtZX".contains(&state));
    // Alive now, so that what was read by its number was of it.
    let is_alive = control::told(proc, daemon.pid, daemon.reference.life())? == Some(Life::Alive);
    Ok(is_alive && !is_stopped)
}
