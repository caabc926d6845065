//! The whole procedure: pause, run the additions, drain; then either stop for good, or run a
//! command and continue cron. The steps are in `pause.rs`, `drain.rs` and `stop.rs`.

use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::drain::{DrainLimits, Drained, drain, report_ended};
use super::newcomer::Newcomers;
use super::pause::{Pause, Paused, Renewed};
use super::start::record;
use super::stop::{BeforeStop, STOPPED_WITHIN, Stopped, stop, way};
use super::{
    AdditionsFailure, Asker, Daemon, Error, Event, EventSink, Job, Jobs, OnTimeout, Shutdown,
    ShutdownResult, StopMethod, Warning,
};
use crate::command::program;
use crate::control::child::{self, CommandEnd, CommandResult};
use crate::control::{self, Operation, Order, Signal, StopHold};

/// Name of the command that is run, if it exists, as soon as the daemon is paused.
const ADDITIONS: &str = "cron-graceful-additions";

/// Time limit of the additions, if no other limit comes first: cron is paused meanwhile.
const ADDITIONS_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Reports whether there is a command [`ADDITIONS`].
pub fn has_additions() -> bool {
    program::find(ADDITIONS).is_some()
}

/// Time between two searches for a cron that is started while a command runs.
const LOOK: Duration = Duration::from_millis(500);

/// Time for terminated jobs to exit, before and after KILL.
const TERMINATION: Duration = Duration::from_secs(10);

/// Stops all daemons, in the ways that were found out before the pause.
type StopAll<'s> = dyn Fn(&Pause, &mut dyn EventSink) -> Result<Stopped, Error> + 's;

impl Shutdown<'_> {
    /// Carries out the plan. On any error, the daemons run on unless they were stopped on purpose.
    pub fn carry_out(&self, events: &mut dyn EventSink) -> Result<ShutdownResult, Error> {
        if self.cannot_pause() && !self.stops() {
            let is_held = self.plan.hold.is_some();
            let why = if is_held { Warning::FirstNotHeld } else { Warning::FirstNotRun };
            events.event(Event::Warning(why));
            return Ok(ShutdownResult::NotStopped);
        }
        let end = self.plan.timeout.and_then(|timeout| self.begin.checked_add(timeout));
        let before = BeforeStop::record(self.proc, self.daemons, &self.plan.wanted)?;
        // This may take a moment, and cron must not be paused meanwhile.
        let ways = self.ways()?;
        if self.stops() && self.refuses(&ways, events) {
            return Ok(ShutdownResult::Supervised);
        }
        // A stop from the keyboard would leave cron paused as long as it lasts.
        let mut held = Some(self.interrupts.hold_stops());
        let pausable: Vec<&Daemon> = self.daemons.iter().filter(|daemon| daemon.pid != 1).collect();
        let newcomers = Newcomers::begin(self.proc, self.daemons, self.plan)?;
        let begun = Pause::begin(self.proc, &pausable, newcomers, end, self.interrupts, events)?;
        let mut pause = match begun {
            Paused::All(pause) => pause,
            Paused::Interrupted(signal) => {
                return Ok(ShutdownResult::Interrupted(signal, Vec::new()));
            }
            Paused::Not(daemon) => {
                events.event(Event::Warning(Warning::NotPaused(daemon.pid)));
                return Ok(ShutdownResult::NotStopped);
            }
        };
        let stop_all = |pause: &Pause, events: &mut dyn EventSink| {
            self.stop_all(pause, &ways, &before, events)
        };
        let timers = self.timers.cloned();
        let stopped = timers
            .map_or(Ok(()), |timers| pause.stop_timers(self.proc, timers, self.interrupts, events));
        let is_over = end.is_some_and(|end| end <= Instant::now());
        let result = match (stopped, self.interrupts.arrived()?) {
            (_, Some(signal)) => Ok(ShutdownResult::Interrupted(signal, Vec::new())),
            (Ok(()), None) => self.while_paused(&mut pause, &mut held, end, &stop_all, events),
            (Err(Error::TimersNotStopped), None) if is_over => {
                Ok(ShutdownResult::TimedOut { left: Vec::new(), is_stopped: false })
            }
            (
                Err(error @ (Error::TimersNotStopped | Error::Timers | Error::TimerScript(_))),
                None,
            ) => {
                events.event(Event::Warning(Warning::Timers(&error)));
                Ok(ShutdownResult::NotStopped)
            }
            (Err(error), None) => Err(error),
        };
        match result {
            Ok(
                ShutdownResult::Stopped
                | ShutdownResult::Terminated
                | ShutdownResult::TimedOut { is_stopped: true, .. },
            ) => pause.finish()?,
            _ => pause.resume(self.proc, self.interrupts, events)?,
        }
        result
    }

    /// Returns a record of jobs that counts what the timers have started too.
    pub fn jobs(&self) -> Result<Jobs, Error> {
        let mut jobs = Jobs::default();
        if let Some(found) = self.timers {
            let runs = Asker::new(self.proc, self.interrupts)
                .runs(&[&found.timers[..], &found.fixed].concat())?;
            jobs.set_services(runs.runs.into_iter().filter_map(|run| run.cgroup).collect());
        }
        Ok(jobs)
    }

    /// Reports whether the plan is to stop cron for good.
    pub fn stops(&self) -> bool {
        self.plan.command.is_empty() && self.plan.hold.is_none()
    }

    /// Reports which daemons cannot be stopped for good. Then no job is waited for, and none of the
    /// daemons is paused.
    fn refuses(&self, ways: &[(&Daemon, StopMethod)], events: &mut dyn EventSink) -> bool {
        let mut any = false;
        for (daemon, way) in ways.iter().filter(|(_, way)| way.is_refusal()) {
            events.event(Event::Warning(Warning::LeftRunning(daemon, way)));
            any = true;
        }
        any
    }

    /// Returns the time by which all daemons have exited, if they exit at all.
    fn until_stopped(&self) -> Option<Instant> {
        let daemons = u32::try_from(self.daemons.len()).unwrap_or(u32::MAX);
        Instant::now().checked_add(STOPPED_WITHIN.saturating_mul(daemons))
    }

    /// Reports whether a daemon is pid 1, which takes no STOP from inside its pid namespace.
    fn cannot_pause(&self) -> bool {
        self.daemons.iter().any(|daemon| daemon.pid == 1)
    }

    /// Carries out the part of the plan for which the daemons must be paused.
    fn while_paused(
        &self,
        pause: &mut Pause,
        held: &mut Option<StopHold<'_>>,
        end: Option<Instant>,
        stop_all: &StopAll<'_>,
        events: &mut dyn EventSink,
    ) -> Result<ShutdownResult, Error> {
        let begin = Instant::now();
        if let Some(result) = self.additions(end, events)? {
            return Ok(result);
        }
        if self.cannot_pause() {
            events.event(Event::Warning(Warning::FirstNotPaused));
        }
        let (with_daemons, only_now) = (self.plan.with_daemons, self.cannot_pause());
        let limits = DrainLimits { until: end, with_daemons, only_now };
        let mut jobs = Jobs::default();
        let mut result = ShutdownResult::Stopped;
        match drain(self, pause, &mut jobs, limits, events)? {
            Drained::Interrupted(signal, left) => {
                return Ok(ShutdownResult::Interrupted(signal, left));
            }
            Drained::TimedOut(left) => {
                if let Some(result) = self.timed_out(pause, &mut jobs, left, stop_all, events)? {
                    return Ok(result);
                }
                result = ShutdownResult::Terminated;
            }
            Drained::Empty => {}
        }
        // Without a pause, other jobs may have begun since.
        if !self.cannot_pause() {
            events.event(Event::Drained(begin.elapsed()));
        }
        if events.is_unheard() {
            // Here is the last moment at which cron can run on.
            return Ok(ShutdownResult::Interrupted(Signal::PIPE, Vec::new()));
        }
        if !self.plan.command.is_empty() {
            // A user who stops the command from the keyboard means all of it.
            *held = None;
            pause.extend(None);
            return self.command(pause, events);
        }
        if let Some(hold) = &self.plan.hold {
            return self.hold(hold, pause, events);
        }
        pause.extend(self.until_stopped());
        Ok(match stop_all(pause, events)? {
            Stopped::Yes => result,
            Stopped::No => ShutdownResult::NotStopped,
            Stopped::Interrupted(signal) => ShutdownResult::Interrupted(signal, Vec::new()),
        })
    }

    /// Does what the plan says about jobs that have not ended in time. Returns `None` when no job
    /// runs, else how the procedure ends.
    fn timed_out(
        &self,
        pause: &mut Pause,
        jobs: &mut Jobs,
        left: Vec<Job>,
        stop_all: &StopAll<'_>,
        events: &mut dyn EventSink,
    ) -> Result<Option<ShutdownResult>, Error> {
        match self.plan.on_timeout {
            OnTimeout::Resume => Ok(Some(ShutdownResult::TimedOut { left, is_stopped: false })),
            OnTimeout::Stop => {
                pause.extend(self.until_stopped());
                Ok(Some(match stop_all(pause, events)? {
                    Stopped::Interrupted(signal) => ShutdownResult::Interrupted(signal, left),
                    stopped => {
                        ShutdownResult::TimedOut { left, is_stopped: stopped == Stopped::Yes }
                    }
                }))
            }
            OnTimeout::Terminate => {
                pause.extend(Instant::now().checked_add(4 * TERMINATION));
                self.terminate(pause, jobs, left, events)
            }
        }
    }

    /// Runs the command [`ADDITIONS`]. If it fails, this is reported and the procedure goes on.
    /// Returns a result where the procedure ends here.
    fn additions(
        &self,
        end: Option<Instant>,
        events: &mut dyn EventSink,
    ) -> Result<Option<ShutdownResult>, Error> {
        let Some(path) = program::find(ADDITIONS) else { return Ok(None) };
        events.event(Event::Additions(&path));
        let mut command = Command::new(&path);
        // Standard output is for our own report.
        print_elsewhere(&mut command);
        let limit = Instant::now() + ADDITIONS_LIMIT;
        let end = end.map_or(limit, |end| end.min(limit));
        let failure = match child::run(self.proc, command, self.interrupts, Some(end), events)? {
            CommandResult::Ended(status) if status.success() => return Ok(None),
            CommandResult::Interrupted(signal) => {
                return Ok(Some(ShutdownResult::Interrupted(signal, self.left()?)));
            }
            CommandResult::TimedOut if end < limit && self.plan.on_timeout == OnTimeout::Resume => {
                events.event(Event::Warning(Warning::AdditionsTooLate(&path)));
                return Ok(Some(ShutdownResult::TimedOut {
                    left: self.left()?,
                    is_stopped: false,
                }));
            }
            CommandResult::TimedOut => AdditionsFailure::TimedOut,
            CommandResult::Ended(status) => AdditionsFailure::Failed(status),
            CommandResult::NotStarted(error) => AdditionsFailure::NotStarted(error),
        };
        events.event(Event::Warning(Warning::Additions(&path, failure)));
        Ok(None)
    }

    /// Returns the jobs that run now.
    fn left(&self) -> Result<Vec<Job>, Error> {
        let mut left = self.jobs()?.scan(self.proc, self.daemons)?;
        left.retain(|job| job.is_awaited(self.plan.with_daemons));
        Ok(left)
    }

    /// Terminates jobs that are certainly cron's, and drains again. Returns `None` when no job
    /// runs, else how the procedure ends.
    fn terminate(
        &self,
        pause: &mut Pause,
        jobs: &mut Jobs,
        left: Vec<Job>,
        events: &mut dyn EventSink,
    ) -> Result<Option<ShutdownResult>, Error> {
        let termination = Order::termination(Some(TERMINATION));
        let order = Order { tree: true, wants_status: true, ..termination };
        let begin = SystemTime::now();
        let mut operation = Operation::new(self.proc, order, self.interrupts);
        let (certain, others): (Vec<Job>, Vec<Job>) =
            left.iter().cloned().partition(|job| job.is_certain);
        let told = others.iter().filter(|job| job.is_of_interest(&left));
        told.for_each(|job| events.event(Event::NotTerminated(job)));
        for job in &certain {
            events.event(Event::Terminating(job, job.is_of_interest(&left)));
            operation.add(job.target.clone())?;
        }
        let conclusion = operation.carry_out(events)?;
        report_ended(self.proc, begin, &certain, operation.targets(), |_| true, events);
        if let control::Conclusion::Interrupted(signal) = conclusion {
            return Ok(Some(ShutdownResult::Interrupted(signal, self.left()?)));
        }
        let limits = DrainLimits {
            until: Instant::now().checked_add(TERMINATION),
            with_daemons: self.plan.with_daemons,
            only_now: false,
        };
        Ok(match drain(self, pause, jobs, limits, events)? {
            Drained::Empty => None,
            Drained::TimedOut(left) => Some(ShutdownResult::TimedOut { left, is_stopped: false }),
            Drained::Interrupted(signal, left) => Some(ShutdownResult::Interrupted(signal, left)),
        })
    }

    /// Runs the command of the maintenance window.
    fn command(
        &self,
        pause: &mut Pause,
        events: &mut dyn EventSink,
    ) -> Result<ShutdownResult, Error> {
        let [program, arguments @ ..] = &self.plan.command[..] else {
            return Ok(ShutdownResult::NotStopped);
        };
        events.event(Event::Command(program));
        let mut command = Command::new(program);
        command.args(arguments);
        if self.plan.is_document {
            print_elsewhere(&mut command);
        }
        let mut is_warned = false;
        let mut look = || match pause.keep(self.proc, self.interrupts, events) {
            // The wait for the command acts on it.
            Ok(Renewed::Interrupted(signal)) => self.interrupts.requeue(signal),
            Ok(Renewed::Untouched | Renewed::Continued) => {}
            // The command goes on, and so does the search.
            Err(error) if !is_warned => {
                is_warned = true;
                events.event(Event::Warning(Warning::Unwatched(&error)));
            }
            Err(_) => {}
        };
        let end = child::run_and_look(self.proc, command, self.interrupts, LOOK, &mut look)?;
        pause.warn_if_it_ran(self.proc, self.interrupts, events)?;
        Ok(match end {
            // How the command reacts to a signal is its own affair, unless the signal killed it.
            CommandEnd::Ended { status, signal: Some(signal) } if status.code().is_none() => {
                ShutdownResult::Interrupted(signal, Vec::new())
            }
            CommandEnd::Ended { status, .. } => ShutdownResult::Ran(status),
            CommandEnd::Terminated(signal) => ShutdownResult::Interrupted(signal, Vec::new()),
            CommandEnd::NotRun(error) => ShutdownResult::NotRun(error),
            // It has no time limit.
            CommandEnd::TimedOut => ShutdownResult::NotRun(io::ErrorKind::TimedOut.into()),
        })
    }

    /// Stops the daemons, one after the other.
    fn stop_all(
        &self,
        pause: &Pause,
        ways: &[(&Daemon, StopMethod)],
        before: &BeforeStop<'_>,
        events: &mut dyn EventSink,
    ) -> Result<Stopped, Error> {
        let before = before.with(pause.newcomers());
        let mut ways = ways.to_vec();
        for daemon in pause.newcomers() {
            ways.push((daemon, way(self.proc, daemon, self.interrupts)?));
        }
        if let Some(error) = record(self.proc, &ways, pause.stopped_timers(), &self.plan.by)? {
            events.event(Event::Warning(Warning::NotRecorded(&error)));
        }
        let mut all = Stopped::Yes;
        let mut any_begun = false;
        for (daemon, way) in &ways {
            let mut stopped = stop(self.proc, daemon, way, &before, self.interrupts, events)?;
            // Once begun, stopping is carried through.
            while any_begun && matches!(stopped, Stopped::Interrupted(_)) {
                stopped = stop(self.proc, daemon, way, &before, self.interrupts, events)?;
            }
            match stopped {
                Stopped::Yes => any_begun = true,
                Stopped::No => all = Stopped::No,
                Stopped::Interrupted(signal) => return Ok(Stopped::Interrupted(signal)),
            }
        }
        Ok(all)
    }

    /// Returns how each daemon would be stopped.
    pub fn ways(&self) -> Result<Vec<(&Daemon, StopMethod)>, Error> {
        self.daemons
            .iter()
            .map(|daemon| Ok((daemon, way(self.proc, daemon, self.interrupts)?)))
            .collect()
    }
}

/// Redirects the output of a command to standard error.
fn print_elsewhere(command: &mut Command) {
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    command.stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from));
}
