//! Waiting until no job runs any more.

use std::collections::BTreeSet;
use std::time::Instant;

use super::job::Why;
use super::pause::Pause;
use super::{Audience, Error, Event, Job, Jobs, Shutdown};
use crate::control::{Conclusion, Operation, Order, Signal, Until};

/// What came of it.
pub enum Drained {
    /// No job runs.
    Empty,
    /// These still run.
    TimedOut(Vec<Job>),
    /// We were told to end; these still run.
    Interrupted(Signal, Vec<Job>),
}

/// How to wait.
#[derive(Clone, Copy)]
pub struct Patience {
    pub until: Option<Instant>,
    /// Whether daemons that jobs started are waited for too.
    pub with_daemons: bool,
    /// Whether to wait only for those that run now, because a daemon that is not paused starts new ones.
    pub only_now: bool,
}

/// Wait for the jobs of daemons that start no new ones.
///
/// Looks again whenever all have ended that were known, and is content when nobody was found twice in a row: during one
/// look somebody can start a process with a number that was passed already, and end before its own number comes.
pub fn drain(
    shutdown: &Shutdown<'_>,
    pause: &Pause<'_>,
    jobs: &mut Jobs,
    patience: Patience,
    audience: &mut dyn Audience,
) -> Result<Drained, Error> {
    let Shutdown { proc, daemons, interrupts, .. } = *shutdown;
    let mut told = BTreeSet::new();
    let mut looks_without = 0;
    while looks_without < 2 {
        if pause.renew(proc, interrupts, audience)? {
            // It may have started something since the last look.
            looks_without = 0;
        }
        let was_known = jobs.runs_us;
        let found = jobs.look(proc, daemons)?;
        if jobs.runs_us && !was_known {
            let why = "this command is run by a cron job itself, which is not waited for";
            audience.event(Event::Warning(why.to_owned()));
        }
        for job in &found {
            if told.insert((job.target.pid, job.target.reference.as_ref().and_then(|reference| reference.inode()))) {
                audience.event(Event::Job(job, job.is_of_interest(&found)));
            }
        }
        // Not what runs below others: what is left of it when they have ended may be a daemon by then.
        let is_root = |job: &Job| job.is_awaited(patience.with_daemons) && job.why != Why::Descendant;
        let awaited: Vec<Job> = found.into_iter().filter(is_root).collect();
        if awaited.is_empty() {
            looks_without += 1;
            continue;
        }
        looks_without = 0;
        let timeout = patience.until.map(|until| until.saturating_duration_since(Instant::now()));
        let order = Order { until: Until::Ended { count: None }, timeout, ..Order::default() };
        let mut operation = Operation::new(proc, order, interrupts);
        for job in awaited {
            operation.add(job.target)?;
        }
        let left = |jobs: &mut Jobs| -> Result<Vec<Job>, Error> {
            Ok(jobs.look(proc, daemons)?.into_iter().filter(|job| job.is_awaited(patience.with_daemons)).collect())
        };
        match operation.carry_out(audience)? {
            Conclusion::Finished if patience.only_now => return Ok(Drained::Empty),
            Conclusion::Finished => {}
            Conclusion::Interrupted(signal) => return Ok(Drained::Interrupted(signal, left(jobs)?)),
            Conclusion::TimedOut => {
                // The last of them may have ended in this moment.
                let left = left(jobs)?;
                if !left.is_empty() {
                    return Ok(Drained::TimedOut(left));
                }
            }
        }
    }
    Ok(Drained::Empty)
}
