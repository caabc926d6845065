//! Draining: waiting until no job runs any more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::origin::JobOrigin;
use super::pause::{Pause, Renewed};
use super::{Daemon, EndedJob, Error, Event, EventSink, Job, Jobs, Shutdown, Warning};
use crate::control::{Conclusion, Observer, Operation, Order, Signal, Target};
use crate::process::{Pid, Proc};

/// The result of draining.
pub enum Drained {
    /// No job runs.
    Empty,
    /// The time limit has passed; these jobs still run.
    TimedOut(Vec<Job>),
    /// We received a signal to end; these jobs still run.
    Interrupted(Signal, Vec<Job>),
}

/// The limits of draining: how long, and for which processes.
#[derive(Clone, Copy)]
pub struct DrainLimits {
    /// The end of the wait; `None` for no limit.
    pub until: Option<Instant>,
    /// `true` if daemons that jobs have started are waited for too.
    pub with_daemons: bool,
    /// `true` if only the jobs that run now are waited for, because a daemon that is not paused
    /// starts new ones.
    pub only_now: bool,
}

/// Time between two looks at the daemons while jobs run: another process may continue one of them
/// meanwhile, or start one.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Time between two scans for jobs while jobs run, in the first minute and after that. A scan reads
/// all processes, and a wait may take hours.
const SCAN_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
const FIRST_MINUTE: Duration = Duration::from_secs(60);

/// Time after the latest job during which a scan does not count if processes exited while it ran.
/// Where jobs replace themselves by new processes, one of several scans finds them. Where processes
/// start and exit all the time, an uncertain scan must suffice after this time.
const UNCERTAIN: Duration = Duration::from_secs(1);

/// Waits for the jobs of paused daemons.
///
/// Scans again whenever all known jobs have exited, and at intervals. Returns after two scans in a
/// row without a job: during one scan, a job can start a process with a pid that was passed
/// already, and exit before its own pid comes. Errors: a job could not be examined or waited for.
pub fn drain(
    shutdown: &Shutdown<'_>,
    pause: &mut Pause,
    jobs: &mut Jobs,
    limits: DrainLimits,
    events: &mut dyn EventSink,
) -> Result<Drained, Error> {
    let Shutdown { proc, interrupts, .. } = *shutdown;
    let begin = Instant::now();
    let mut announced = Announced::default();
    let mut pending: Vec<Job> = Vec::new();
    let (mut scans_without, mut latest) = (0, Instant::now());
    while scans_without < 2 {
        if events.is_unheard() {
            return Ok(Drained::Interrupted(Signal::PIPE, Vec::new()));
        }
        let is_over = limits.until.is_some_and(|until| until <= Instant::now());
        match pause.renew(proc, interrupts, events)? {
            Renewed::Untouched => {}
            // Another process continues the daemon again and again, perhaps a job.
            Renewed::Continued if is_over => {
                return Ok(Drained::TimedOut(left(shutdown, pause, jobs, limits)?));
            }
            // The daemon may have started a job since the last scan.
            Renewed::Continued => scans_without = 0,
            Renewed::Interrupted(signal) => return Ok(Drained::Interrupted(signal, Vec::new())),
        }
        let daemons = daemons(shutdown, pause);
        jobs.set_services(pause.services());
        let found = jobs.watch(proc, &daemons)?;
        announced.add(&found, &pending, events);
        let awaited = to_await(found, std::mem::take(&mut pending), limits);
        if !awaited.is_empty() {
            (scans_without, latest) = (0, Instant::now());
            let is_first = begin.elapsed() < FIRST_MINUTE;
            let interval = SCAN_INTERVALS[usize::from(!is_first)];
            let mut wait = Wait { shutdown, limits, interval, pause, announced: &announced };
            let waited = wait.for_end(&awaited, events)?;
            pending = waited.pending;
            let drained = match waited.conclusion {
                Some(conclusion) => wait.conclude(conclusion, jobs)?,
                None => None,
            };
            if let Some(drained) = drained {
                return Ok(drained);
            }
        } else if jobs.may_have_missed && jobs.is_passed_on(proc, &daemons)? {
            if is_over {
                return Ok(Drained::TimedOut(Vec::new()));
            }
            (scans_without, latest) = (0, Instant::now());
        } else if !jobs.may_have_missed || latest.elapsed() >= UNCERTAIN {
            scans_without += 1;
            let is_last = scans_without == 2;
            if is_last && pause.has_runs_of_timers(proc, interrupts, events)? {
                if is_over {
                    return Ok(Drained::TimedOut(Vec::new()));
                }
                if let Some(signal) = interrupts.wait(LOOK_INTERVAL)? {
                    return Ok(Drained::Interrupted(signal, Vec::new()));
                }
                scans_without = 0;
            }
        }
    }
    if jobs.runs_us {
        events.event(Event::Warning(Warning::RunByJob));
    }
    Ok(Drained::Empty)
}

/// Returns the daemons that are paused.
fn daemons(shutdown: &Shutdown<'_>, pause: &Pause) -> Vec<Daemon> {
    shutdown.daemons.iter().chain(pause.newcomers()).cloned().collect()
}

/// Returns the jobs that run now and are waited for.
fn left(
    shutdown: &Shutdown<'_>,
    pause: &Pause,
    jobs: &mut Jobs,
    limits: DrainLimits,
) -> Result<Vec<Job>, Error> {
    jobs.set_services(pause.services());
    let mut left = jobs.scan(shutdown.proc, &daemons(shutdown, pause))?;
    left.retain(|job| job.is_awaited(limits.with_daemons));
    Ok(left)
}

/// Most processes that users are told of in one wait after its first scan. Cron is paused, so that
/// they are no jobs of its own: a job that replaces itself by new processes can make thousands a
/// second.
const MOST_LATER: usize = 100;

/// The processes that were reported and may still run.
#[derive(Default)]
struct Announced {
    /// Their pids and inodes: a pid may be reused.
    known: BTreeSet<(Pid, Option<u64>)>,
    is_begun: bool,
    /// Number of those that were reported after the first scan.
    later: usize,
}

impl Announced {
    /// Reports the jobs that were not reported yet. Forgets those that are neither found any more
    /// nor pending.
    fn add(&mut self, found: &[Job], pending: &[Job], events: &mut dyn EventSink) {
        let present: BTreeSet<_> = found.iter().chain(pending).map(id).collect();
        self.known.retain(|id| present.contains(id));
        for job in found {
            if self.known.contains(&id(job)) {
                continue;
            }
            let is_of_interest = job.is_of_interest(found);
            self.later += usize::from(self.is_begun && is_of_interest);
            if !is_of_interest || self.later <= MOST_LATER {
                self.known.insert(id(job));
                events.event(Event::Job(job, is_of_interest));
            } else if self.later == MOST_LATER + 1 {
                events.event(Event::Warning(Warning::NotTold));
            }
        }
        self.is_begun = true;
    }

    fn contains(&self, job: &Job) -> bool {
        self.known.contains(&id(job))
    }
}

/// Returns the identity of a job: pid and inode.
fn id(job: &Job) -> (Pid, Option<u64>) {
    (job.target.pid, job.target.reference.as_ref().and_then(|reference| reference.inode()))
}

/// Returns the jobs to wait for: those that a scan has found, and those that were waited for before
/// and have ended during the scan, because their end is to be told.
fn to_await(found: Vec<Job>, pending: Vec<Job>, limits: DrainLimits) -> Vec<Job> {
    // Descendants of jobs are not waited for by themselves: what is left of them after the jobs may
    // be a daemon by then.
    let is_root =
        |job: &Job| job.is_awaited(limits.with_daemons) && job.origin != JobOrigin::Descendant;
    let mut awaited: Vec<Job> = found.into_iter().filter(is_root).collect();
    let is_unseen = |job: &Job| !awaited.iter().any(|other| other.is(job));
    let unseen: Vec<Job> = pending.into_iter().filter(is_unseen).collect();
    awaited.extend(unseen);
    awaited
}

/// The result of a wait.
struct Waited {
    /// `None` when the daemons need attention.
    conclusion: Option<Conclusion>,
    /// The jobs that have not ended.
    pending: Vec<Job>,
}

/// Reports the jobs that have ended in an operation that began at this time, as far as they are to
/// be told of. Returns those that have not ended.
pub fn report_ended(
    proc: &Proc,
    begin: SystemTime,
    jobs: &[Job],
    targets: &[Target],
    is_told: impl Fn(&Job) -> bool,
    events: &mut dyn EventSink,
) -> Vec<Job> {
    let mut pending = Vec::new();
    for (job, target) in jobs.iter().zip(targets) {
        if let Some(ended) = EndedJob::of(proc, begin, job, target) {
            if is_told(job) {
                events.event(Event::Ended(&ended));
            }
        } else if !target.has_ended() {
            pending.push(job.clone());
        }
    }
    pending
}

/// A wait for jobs.
struct Wait<'w> {
    shutdown: &'w Shutdown<'w>,
    limits: DrainLimits,
    /// Time until the next scan is due.
    interval: Duration,
    pause: &'w mut Pause,
    announced: &'w Announced,
}

impl Wait<'_> {
    /// Waits until all of these have exited, or until the next scan is due.
    fn for_end(&mut self, jobs: &[Job], events: &mut dyn EventSink) -> Result<Waited, Error> {
        let Shutdown { proc, interrupts, .. } = *self.shutdown;
        let left = self.limits.until.map(|until| until.saturating_duration_since(Instant::now()));
        // A daemon that is not paused starts new jobs, which need no scan.
        let timeout = if self.limits.only_now {
            left
        } else {
            Some(left.map_or(self.interval, |left| left.min(self.interval)))
        };
        let order = Order { wants_status: true, ..Order::wait(timeout) };
        let begin = SystemTime::now();
        let mut operation = Operation::new(proc, order, interrupts);
        for job in jobs {
            operation.add(job.target.clone())?;
        }
        let mut look = Look {
            shutdown: self.shutdown,
            pause: self.pause,
            events,
            next: Instant::now() + LOOK_INTERVAL,
            result: Ok(Renewed::Untouched),
        };
        let conclusion = operation.carry_out(&mut look)?;
        let renewed = look.result;
        let is_told = |job: &Job| self.announced.contains(job);
        let pending = report_ended(proc, begin, jobs, operation.targets(), is_told, events);
        match renewed? {
            Renewed::Untouched => {}
            Renewed::Continued => return Ok(Waited { conclusion: None, pending }),
            Renewed::Interrupted(signal) => {
                return Ok(Waited { conclusion: Some(Conclusion::Interrupted(signal)), pending });
            }
        }
        // A job that could not be waited for has an outcome too, and may still run.
        let unknown = operation
            .targets()
            .iter()
            .find(|job| conclusion == Conclusion::Finished && !job.has_ended());
        match unknown.map(|job| (job.pid, job.reason)) {
            Some((pid, Some(reason))) => Err(Error::Unexamined { pid, reason }),
            _ => Ok(Waited { conclusion: Some(conclusion), pending }),
        }
    }

    /// Returns the result of draining if this wait decides it, else `None`.
    fn conclude(&self, conclusion: Conclusion, jobs: &mut Jobs) -> Result<Option<Drained>, Error> {
        let is_over = self.limits.until.is_some_and(|until| Instant::now() >= until);
        let signal = match conclusion {
            Conclusion::Finished if self.limits.only_now => return Ok(Some(Drained::Empty)),
            Conclusion::Interrupted(signal) => Some(signal),
            Conclusion::TimedOut if is_over => None,
            Conclusion::Finished | Conclusion::TimedOut => return Ok(None),
        };
        let left = left(self.shutdown, self.pause, jobs, self.limits)?;
        Ok(match signal {
            Some(signal) => Some(Drained::Interrupted(signal, left)),
            // The last job has exited since the limit passed.
            None if left.is_empty() => None,
            None => Some(Drained::TimedOut(left)),
        })
    }
}

/// An observer of a wait that looks at the daemons meanwhile.
struct Look<'l> {
    shutdown: &'l Shutdown<'l>,
    pause: &'l mut Pause,
    events: &'l mut dyn EventSink,
    /// The time of the next look.
    next: Instant,
    result: Result<Renewed, Error>,
}

impl Observer for Look<'_> {
    fn decided(&mut self, target: &Target) {
        self.events.decided(target);
    }

    fn waiting(&mut self, targets: &[Target], since: Duration) -> Option<Instant> {
        if Instant::now() >= self.next {
            let Shutdown { proc, interrupts, .. } = *self.shutdown;
            self.result = if self.events.is_unheard() {
                Ok(Renewed::Interrupted(Signal::PIPE))
            } else {
                self.pause.renew(proc, interrupts, self.events)
            };
            self.next = Instant::now() + LOOK_INTERVAL;
        }
        let next_report = self.events.waiting(targets, since);
        Some(next_report.map_or(self.next, |next| next.min(self.next)))
    }

    fn wants_end(&self) -> bool {
        !matches!(self.result, Ok(Renewed::Untouched))
    }

    fn idle(&mut self) {
        self.events.idle();
    }

    fn waited(&mut self) {
        self.events.waited();
    }
}
