//! Orders: what is to be done with a set of processes, how that can end, and the interface for
//! progress reports.

use std::time::{Duration, Instant};

use super::{Outcome, Signal, Target};

/// The order for every target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// The first signal, if there is one.
    pub signal: Option<Signal>,
    /// Whether a stopped process is continued after the signal: it would not see it otherwise.
    pub continues: bool,
    /// The point at which a target is finished.
    pub until: Until,
    /// Time limit; `None` for no limit.
    pub timeout: Option<Duration>,
    /// Whether the remaining targets are killed at the time limit, and waited for as long again.
    pub kills: bool,
    /// Whether all descendants of the targets become targets too.
    pub tree: bool,
    /// Whether the exit status of the targets is wanted.
    pub wants_status: bool,
    /// Whether the aim is that they exit, so that a process that has exited already is a success.
    pub is_to_end: bool,
}

impl Order {
    /// Makes the order to wait for the exit of all targets, within this time.
    pub fn wait(timeout: Option<Duration>) -> Order {
        Order { until: Until::Ended { count: None }, timeout, is_to_end: true, ..Order::default() }
    }

    /// Makes the order to end all targets: TERM, then CONT for those that are stopped, KILL after
    /// this time, and the same time again for KILL to work.
    pub fn termination(timeout: Option<Duration>) -> Order {
        Order { signal: Some(Signal::TERM), continues: true, kills: true, ..Order::wait(timeout) }
    }

    /// Returns the time at which an order that began at `begin` must be over; `None` for no limit.
    pub fn limit(&self, begin: Instant) -> Option<Instant> {
        let phases = if self.kills { 2 } else { 1 };
        self.timeout.and_then(|timeout| begin.checked_add(timeout.saturating_mul(phases)))
    }

    /// Reports whether the order succeeded for this target.
    pub fn is_done(&self, target: &Target) -> bool {
        match target.outcome {
            Some(Outcome::Signalled | Outcome::Spared) => true,
            // The user did not name a descendant: one that exits by itself is no failure.
            _ => (self.is_to_end || target.is_descendant) && target.has_ended(),
        }
    }
}

/// The point at which a target is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// After the signal was sent.
    #[default]
    Signalled,
    /// After the process has stopped.
    Stopped,
    /// After the process has exited; with `count`, all targets are finished when this number has.
    Ended { count: Option<usize> },
}

/// The way in which an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// The order was carried out, and no target is waited for any more.
    Finished,
    /// The time limit was reached.
    TimedOut,
    /// We received a signal to end.
    Interrupted(Signal),
}

/// The receiver of progress reports.
pub trait Observer {
    /// Takes a target that has its outcome now.
    fn decided(&mut self, target: &Target);

    /// Takes all targets while some of them have no outcome yet. It is called at the beginning of a
    /// wait, and again at the time that it returned.
    fn waiting(&mut self, targets: &[Target], since: Duration) -> Option<Instant>;

    /// Takes note that nothing more will be reported for now.
    fn idle(&mut self);

    /// Takes note that the wait is over.
    fn waited(&mut self);
}

/// An observer that reports nothing.
pub struct Silent;

impl Observer for Silent {
    fn decided(&mut self, _: &Target) {}

    fn waiting(&mut self, _: &[Target], _: Duration) -> Option<Instant> {
        None
    }

    fn idle(&mut self) {}

    fn waited(&mut self) {}
}
