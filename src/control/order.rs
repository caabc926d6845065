//! Orders: what is to be done with a set of processes, how that can end, and the interface for
//! progress reports.

use std::time::{Duration, Instant};

use super::{Outcome, Signal, Target};

/// An order, which holds for every target of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The thing to do with every target.
    pub action: Action,
    /// The number that the signal carries (sigqueue(3)).
    pub value: Option<i32>,
    /// Time limit; `None` for no limit.
    pub timeout: Option<Duration>,
    /// `true` if all descendants of the targets become targets too.
    pub tree: bool,
    /// `true` if the exit status of the targets is asked for.
    pub wants_status: bool,
}

/// The thing to do with every target, and with that the point at which it is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this signal.
    Send(Signal),
    /// Send CONT.
    Continue,
    /// Send STOP, and wait until the process has stopped.
    Stop,
    /// Wait until the process has exited.
    Wait {
        /// The number of exits after which all targets are finished; `None` for all of them.
        count: Option<usize>,
    },
    /// Send TERM, then CONT to a stopped process, which would not see TERM otherwise.
    Terminate(AfterTerm),
    /// Send KILL, and wait until the process has exited.
    Kill,
}

/// The continuation of [`Action::Terminate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTerm {
    /// Do nothing more.
    Nothing,
    /// Wait until the process has exited.
    Wait,
    /// Wait, send KILL to the remaining targets at the time limit, and wait for as long again.
    WaitAndKill,
}

impl Order {
    /// Makes an order without descendants.
    pub fn new(action: Action, timeout: Option<Duration>) -> Order {
        Order { action, value: None, timeout, tree: false, wants_status: false }
    }

    /// Makes the order to wait for the exit of all targets, within this time.
    pub fn wait(timeout: Option<Duration>) -> Order {
        Order::new(Action::Wait { count: None }, timeout)
    }

    /// Makes the order to end all targets: TERM, then CONT for those that are stopped, KILL after
    /// this time, and the same time again for KILL to work.
    pub fn termination(timeout: Option<Duration>) -> Order {
        Order::new(Action::Terminate(AfterTerm::WaitAndKill), timeout)
    }

    /// Returns the first signal for every target; `None` for an order only to wait.
    pub fn signal(&self) -> Option<Signal> {
        match self.action {
            Action::Send(signal) => Some(signal),
            Action::Continue => Some(Signal::CONT),
            Action::Stop => Some(Signal::STOP),
            Action::Wait { .. } => None,
            Action::Terminate(_) => Some(Signal::TERM),
            Action::Kill => Some(Signal::KILL),
        }
    }

    /// Reports whether a stopped process is continued after the signal.
    pub fn continues(&self) -> bool {
        matches!(self.action, Action::Terminate(_))
    }

    /// Reports whether the remaining targets are killed at the time limit.
    pub fn kills_at_limit(&self) -> bool {
        self.action == Action::Terminate(AfterTerm::WaitAndKill)
    }

    /// Reports whether the aim is that the targets exit, so that a process that has exited already
    /// is a success.
    fn is_to_end(&self) -> bool {
        match self.action {
            Action::Send(signal) => signal == Signal::KILL,
            Action::Continue | Action::Stop => false,
            Action::Wait { .. } | Action::Terminate(_) | Action::Kill => true,
        }
    }

    /// Returns the words for an outcome of this order. JSON has [`Outcome::name`], which is the same for
    /// every signal.
    pub fn words(&self, outcome: Outcome) -> &'static str {
        match (outcome, self.action) {
            (Outcome::Signalled, Action::Stop) => "stopped",
            (Outcome::Signalled, Action::Continue) => "continued",
            _ => outcome.name(),
        }
    }

    /// Returns the time at which an order that began at `begin` must be over; `None` for no limit.
    pub fn limit(&self, begin: Instant) -> Option<Instant> {
        let phases = if self.kills_at_limit() { 2 } else { 1 };
        self.timeout.and_then(|timeout| begin.checked_add(timeout.saturating_mul(phases)))
    }

    /// Reports whether the order succeeded for this target.
    pub fn is_done(&self, target: &Target) -> bool {
        match target.outcome {
            Some(Outcome::Signalled | Outcome::Spared) => true,
            // The user did not name a descendant: one that exits by itself is no failure.
            _ => (self.is_to_end() || target.is_descendant) && target.has_ended(),
        }
    }
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

    /// Reports whether the wait is to end as if its time were over. It is asked after
    /// [`Observer::waiting`].
    fn wants_end(&self) -> bool {
        false
    }

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
