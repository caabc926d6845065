//! Pausing daemons so that none stays paused by accident: each has a guardian process, which
//! continues it if we die or hang.

use std::time::{Duration, Instant, SystemTime};

use super::newcomer::Newcomers;
use super::timer_pause::TimerPause;
use super::{ActiveTimers, Daemon, Error, Event, EventSink, Repaused, Timer, Warning, missed};
use crate::control::{
    self, Action, Conclusion, Guardian, Interrupts, Life, Operation, Order, Outcome, Signal,
    Silent, Target,
};
use crate::process::{File, Files, Lookup, Proc, Process, ReadResult};

/// Time for a daemon to stop. It stops at once, unless it is uninterruptible.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a daemon to stop again, which another process has continued.
const TIMEOUT_AGAIN: Duration = Duration::from_secs(1);

/// Time in which a daemon that was told to end does so.
const DYING: Duration = Duration::from_millis(500);

/// Most messages about one daemon that another process continues again and again.
const MOST_TOLD: usize = 5;

/// Signals that end a daemon.
const DEADLY: [Signal; 2] = [Signal::TERM, Signal::KILL];

/// Paused daemons, each with a guardian, and the search for new ones. They run again when this is
/// dropped, unless they have exited.
pub struct Pause {
    paused: Vec<PausedDaemon>,
    newcomers: Newcomers,
    /// The time until which they may stay paused.
    limit: Option<Instant>,
    /// `true` if we have let them run already.
    is_let_go: bool,
    /// The timers that are stopped meanwhile, if that is wanted.
    timers: Option<Box<TimerPause>>,
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
    /// Number of times at which another process had continued it.
    continued: usize,
    /// `true` if the last attempt to pause it has failed.
    runs_on: bool,
    /// `true` if it was told that this is not told any more.
    is_told: bool,
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
        let mut pause =
            Pause { paused: Vec::new(), newcomers, limit, is_let_go: false, timers: None };
        for &daemon in daemons {
            // The guardian comes first, so that there is no moment without one.
            pause.guard(daemon.clone(), false)?;
            let within = limit.map_or(TIMEOUT, |limit| time_until(limit).min(TIMEOUT));
            match stop_for_now(proc, daemon, within, interrupts)? {
                (Conclusion::Interrupted(signal), _) => return Ok(Paused::Interrupted(signal)),
                (_, Some(Outcome::Signalled)) if daemon.is_stopped => {
                    events.event(Event::WasPaused(daemon))
                }
                (_, Some(Outcome::Signalled)) => events.event(Event::Paused(daemon)),
                // It has exited by itself, and starts nothing either.
                (_, Some(Outcome::Ended | Outcome::GoneBefore)) => {}
                // A job of busybox's crond may continue it again and again. That job ends one day,
                // or is terminated.
                (_, Some(Outcome::TimedOut)) if is_continued(proc, daemon)? => {
                    pause.tell_last(events);
                }
                _ => return Ok(Paused::Not(daemon)),
            }
        }
        Ok(Paused::All(pause))
    }

    /// Stops timers of systemd too.
    pub fn stop_timers(
        &mut self,
        proc: &Proc,
        timers: ActiveTimers,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        let timers = TimerPause::begin(proc, timers, self.limit, interrupts, events)?;
        self.timers = Some(Box::new(timers));
        Ok(())
    }

    /// Returns the stopped timers.
    pub fn stopped_timers(&self) -> &[Timer] {
        self.timers.as_ref().map_or(&[], |timers| timers.stopped())
    }

    /// Returns the control groups of the services that stopped timers have started.
    pub fn services(&self) -> Vec<Vec<u8>> {
        self.timers.iter().flat_map(|timers| timers.groups()).map(<[u8]>::to_vec).collect()
    }

    /// Reports whether a service that a stopped timer has started has not ended.
    pub fn has_runs_of_timers(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<bool, Error> {
        match &mut self.timers {
            Some(timers) => timers.has_runs(proc, interrupts, events),
            None => Ok(false),
        }
    }

    /// Keeps the timers stopped.
    fn keep_timers(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        match &mut self.timers {
            Some(timers) => timers.keep(proc, interrupts, events),
            None => Ok(()),
        }
    }

    /// Adds a daemon with a guardian.
    fn guard(&mut self, daemon: Daemon, is_newcomer: bool) -> Result<(), Error> {
        let guardian = guardian_over(&daemon, self.limit)?;
        let since = (!daemon.is_stopped).then(SystemTime::now);
        self.paused.push(PausedDaemon {
            daemon,
            guardian,
            since,
            is_newcomer,
            was_running: false,
            continued: 0,
            runs_on: false,
            is_told: false,
        });
        Ok(())
    }

    /// Warns that the daemon that was added last could not be paused.
    fn tell_last(&mut self, events: &mut dyn EventSink) {
        if let Some(paused) = self.paused.last_mut() {
            paused.tell(Repaused::NotPaused, events);
        }
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
        self.keep_timers(proc, interrupts, events)?;
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
        self.keep_timers(proc, interrupts, events)?;
        self.admit(proc, interrupts, events)
    }

    /// Replaces guardians that have ended.
    fn renew_guardians(&mut self) -> Result<(), Error> {
        for paused in &mut self.paused {
            if paused.guardian.has_failed() {
                return Err(control::Error::NoGuardian { pid: paused.daemon.pid }.into());
            }
            if paused.guardian.has_ended() {
                let next = guardian_over(&paused.daemon, self.limit)?;
                std::mem::replace(&mut paused.guardian, next).dismiss();
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
            match stop_for_now(proc, &daemon, TIMEOUT, interrupts)? {
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
        self.timers.iter_mut().for_each(|timers| timers.extend(limit));
    }

    /// Lets all daemons run at once, and reports whether they do. [`Pause::resume`] does the rest.
    pub fn let_go(&mut self) -> bool {
        self.is_let_go = true;
        let mut all = true;
        for PausedDaemon { daemon, .. } in &self.paused {
            all &= continue_daemon(daemon) || daemon.has_ended();
        }
        all
    }

    /// Warns if another process has continued a daemon meanwhile, and not to end it.
    pub fn warn_if_it_ran(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        for PausedDaemon { daemon, .. } in &self.paused {
            if runs(proc, daemon)? && !ends_soon(proc, daemon, interrupts)? {
                events.event(Event::Warning(Warning::RanMeanwhile(daemon.pid)));
            }
        }
        Ok(())
    }

    /// Continues the daemons. Errors: it is not known whether one of them has ended. All of them run
    /// all the same.
    pub fn resume(
        mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        let mut resumed = Vec::new();
        let mut result = Ok(());
        let may_die = !self.is_let_go;
        for PausedDaemon { daemon, guardian, since, .. } in self.paused.drain(..) {
            // A supervisor that was told to stop it may take another moment for that.
            let is_dying = is_dying(proc, &daemon)
                .map(|is_dying| may_die && (is_dying || daemon.supervisor.is_some()));
            if daemon.has_ended() {
                events.event(Event::HasEnded(&daemon));
                guardian.dismiss();
            } else if continue_daemon(&daemon) {
                guardian.dismiss();
                let has_ended = is_dying
                    .and_then(|is_dying| Ok(is_dying && ends_soon(proc, &daemon, interrupts)?));
                match has_ended {
                    Ok(true) => events.event(Event::HasEnded(&daemon)),
                    Ok(false) => {
                        events.event(Event::Resumed(&daemon));
                        resumed.extend(since.map(|since| (daemon, since, SystemTime::now())));
                    }
                    Err(error) => result = Err(error),
                }
            } else {
                // The guardian sees the end of its socket and tries too.
                events.event(Event::Warning(Warning::NotContinued(daemon.pid)));
            }
        }
        if let Some(timers) = self.timers.take()
            && let Err(error) = timers.start_again(proc, interrupts, events)
        {
            result = Err(error);
        }
        // All of them run before any crontab is read.
        for (daemon, since, until) in resumed {
            if let Some(missed) = missed::find(&daemon, since, until) {
                events.event(Event::Missed(&daemon, &missed));
            }
        }
        result
    }

    /// Dismisses the guardians when the daemons have exited, and leaves the timers stopped.
    pub fn finish(mut self) -> Result<(), Error> {
        self.paused.drain(..).for_each(|paused| paused.guardian.dismiss());
        self.timers.take().map_or(Ok(()), |timers| timers.leave())
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
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<Option<Signal>, Error> {
        let repaused = match stop_for_now(proc, &self.daemon, TIMEOUT_AGAIN, interrupts)? {
            (Conclusion::Interrupted(signal), _) => return Ok(Some(signal)),
            (_, Some(Outcome::Signalled)) => Repaused::Paused,
            (_, Some(Outcome::Ended | Outcome::GoneBefore)) => Repaused::Exited,
            _ => Repaused::NotPaused,
        };
        self.tell(repaused, events);
        Ok(None)
    }

    /// Warns that another process has continued it, unless that was told often enough.
    fn tell(&mut self, repaused: Repaused, events: &mut dyn EventSink) {
        let is_same = self.runs_on && matches!(repaused, Repaused::NotPaused);
        self.runs_on = matches!(repaused, Repaused::NotPaused);
        self.continued += usize::from(!is_same);
        let is_last = matches!(repaused, Repaused::Paused) && self.continued >= MOST_TOLD;
        let has_told_last = self.is_told;
        self.is_told |= is_last;
        let is_news = matches!(repaused, Repaused::Exited) || !is_same && !has_told_last;
        let repaused = if is_last { Repaused::PausedEachTime } else { repaused };
        if is_news {
            events.event(Event::Warning(Warning::Continued(self.daemon.pid, repaused)));
        }
    }
}

/// Starts a guardian that continues a daemon at this time, or when we die. Errors: it does not
/// answer.
fn guardian_over(daemon: &Daemon, limit: Option<Instant>) -> Result<Guardian, Error> {
    let mut guardian = Guardian::start()?;
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
        if daemon.has_ended() {
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

/// Sends CONT to a daemon, and reports whether that succeeded.
fn continue_daemon(daemon: &Daemon) -> bool {
    daemon.reference.send(Signal::CONT).is_ok()
}

/// Stops a daemon with STOP, and waits until it has stopped.
fn stop_for_now(
    proc: &Proc,
    daemon: &Daemon,
    within: Duration,
    interrupts: &Interrupts,
) -> Result<(Conclusion, Option<Outcome>), Error> {
    let order = Order::new(Action::Stop, Some(within));
    let mut operation = Operation::new(proc, order, interrupts);
    operation.add(Target::named(daemon.reference.clone(), &daemon.name))?;
    let conclusion = operation.carry_out(&mut Silent)?;
    Ok((conclusion, operation.targets().first().and_then(|target| target.outcome)))
}

/// Returns the time until a moment, and at least the time that a stop takes.
fn time_until(end: Instant) -> Duration {
    const SHORTEST: Duration = Duration::from_millis(100);
    end.saturating_duration_since(Instant::now()).max(SHORTEST)
}

/// Reports whether a daemon runs that was to stop: another process has continued it. In the kernel
/// it does not stop either, and nobody is to blame for that.
fn is_continued(proc: &Proc, daemon: &Daemon) -> Result<bool, Error> {
    Ok(state(proc, daemon)?.is_some_and(|state| state != b'D'))
}

/// Reports whether a paused daemon is alive and not stopped. Errors: it can no longer be examined.
fn runs(proc: &Proc, daemon: &Daemon) -> Result<bool, Error> {
    Ok(state(proc, daemon)?.is_some_and(|state| !b"Tt".contains(&state)))
}

/// Returns the state of a daemon (proc_pid_stat(5)); `None` if it has ended or is just exiting.
/// Errors: it can no longer be examined.
fn state(proc: &Proc, daemon: &Daemon) -> Result<Option<u8>, Error> {
    about(proc, daemon, |process| {
        let stat = process.stat()?;
        Ok((!stat.is_ending()).then_some(stat.state))
    })
    .map(Option::flatten)
}

/// Reports whether a daemon was told to end and has not ended yet. While it is stopped, it does not
/// see any signal but KILL.
fn is_dying(proc: &Proc, daemon: &Daemon) -> Result<bool, Error> {
    let pending = about(proc, daemon, |process| {
        let status = process.status()?;
        let masks = ["ShdPnd", "SigPnd"].iter().filter_map(|name| status.mask(name));
        Ok(masks.fold(0, |all, mask| all | mask))
    })?;
    let is_pending =
        |signal: &Signal| pending.is_some_and(|pending| pending >> (signal.number() - 1) & 1 == 1);
    // One that runs was continued by another process, perhaps to end it.
    Ok(DEADLY.iter().any(is_pending) || runs(proc, daemon)?)
}

/// Waits for a moment for the end of a daemon, and reports whether it has come.
fn ends_soon(proc: &Proc, daemon: &Daemon, interrupts: &Interrupts) -> Result<bool, Error> {
    let mut operation = Operation::new(proc, Order::wait(Some(DYING)), interrupts);
    operation.add(Target::named(daemon.reference.clone(), &daemon.name))?;
    operation.carry_out(&mut Silent)?;
    Ok(daemon.has_ended())
}

/// Returns a fact about a daemon; `None` if it has ended. Errors: it can no longer be examined.
fn about<T>(
    proc: &Proc,
    daemon: &Daemon,
    fact: impl FnOnce(&Process<'_>) -> ReadResult<T>,
) -> Result<Option<T>, Error> {
    let process = match proc.process(daemon.pid, Files::new(&[File::Stat]))? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => {
            return Err(control::Error::Lost { pid: daemon.pid, reason }.into());
        }
        Lookup::Exited => return Ok(None),
    };
    let fact = control::unless_reaped(proc, daemon.pid, fact(&process))?;
    // If it is alive now, its pid was not reused, and the fact was its own.
    let life = control::unless_reaped(proc, daemon.pid, daemon.reference.life())?;
    Ok(fact.filter(|_| life == Some(Life::Alive)))
}
