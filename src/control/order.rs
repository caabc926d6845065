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

    /// Makes the order to end them: TERM, then CONT where it is needed, KILL after this time, and
    /// as long again.
    pub fn termination(timeout: Option<Duration>) -> Order {
        Order { signal: Some(Signal::TERM), continues: true, kills: true, ..Order::wait(timeout) }
    }

    /// Returns the time at which all of it is over, for an order that began at `begin`; `None` for
    /// no limit.
    pub fn limit(&self, begin: Instant) -> Option<Instant> {
        let phases = if self.kills { 2 } else { 1 };
        self.timeout.and_then(|timeout| begin.checked_add(timeout.saturating_mul(phases)))
    }

    /// Reports whether the outcome of a target is the wanted one.
    pub fn is_done(&self, target: &Target) -> bool {
        match target.outcome {
            Some(Outcome::Signalled | Outcome::Spared) => true,
            // The user did not name a descendant.
            _ => (self.is_to_end || target.is_kin) && target.has_ended(),
        }
    }
}

/// The point at which a target is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// The signal was sent.
    #[default]
    Signalled,
    /// The process is stopped by us.
    Stopped,
    /// The process has exited; with `count`, all targets are finished when this number has.
    Ended { count: Option<usize> },
}

/// The end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    Finished,
    TimedOut,
    /// We received a signal to end.
    Interrupted(Signal),
}

/// The receiver of progress reports.
pub trait Observer {
    /// A target has its outcome.
    fn decided(&mut self, target: &Target);

    /// Some targets have no outcome yet. Called at the beginning of a wait, and again at the time
    /// that it returned.
    fn waiting(&mut self, targets: &[Target], since: Duration) -> Option<Instant>;

    /// Nothing more will be reported for now.
    fn idle(&mut self);

    /// The wait is over.
    fn waited(&mut self);
}

/// An observer for operations without reports.
pub struct Silent;

impl Observer for Silent {
    fn decided(&mut self, _: &Target) {}

    fn waiting(&mut self, _: &[Target], _: Duration) -> Option<Instant> {
        None
    }

    fn idle(&mut self) {}

    fn waited(&mut self) {}
}
