//! What is to be done with some processes, how that can end, and who is told of it.

use std::time::{Duration, Instant};

use super::{Outcome, Signal, Target};

/// What is to be done with every target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    /// The signal to begin with, if there is one.
    pub signal: Option<Signal>,
    /// Whether a stopped process is continued afterwards, without which it would not heed the
    /// signal.
    pub continues: bool,
    /// When a target is done with.
    pub until: Until,
    /// How long that may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// Whether the others are killed then, and waited for as long again.
    pub kills: bool,
    /// Whether all descendants of the targets are targets too.
    pub tree: bool,
    /// Whether it matters how a process ended.
    pub wants_status: bool,
    /// Whether they are to end, so that one that has ended already is as wanted.
    pub is_to_end: bool,
}

impl Order {
    /// Wait until all have ended, for this long.
    pub fn wait(timeout: Option<Duration>) -> Order {
        Order { until: Until::Ended { count: None }, timeout, is_to_end: true, ..Order::default() }
    }

    /// End them: TERM, CONT where that is needed to heed it; after this long KILL, and as long
    /// again.
    pub fn termination(timeout: Option<Duration>) -> Order {
        Order { signal: Some(Signal::TERM), continues: true, kills: true, ..Order::wait(timeout) }
    }

    /// Until when all of it is over, from its beginning; `None` is for ever.
    pub fn limit(&self, begin: Instant) -> Option<Instant> {
        let phases = if self.kills { 2 } else { 1 };
        self.timeout.and_then(|timeout| begin.checked_add(timeout.saturating_mul(phases)))
    }

    /// Whether a target is as it was wanted.
    pub fn is_done(&self, target: &Target) -> bool {
        match target.outcome {
            Some(Outcome::Signalled | Outcome::Spared) => true,
            // Nobody asked for a descendant by itself.
            _ => (self.is_to_end || target.is_kin) && target.has_ended(),
        }
    }
}

/// When a target is done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// It got its signal.
    #[default]
    Signalled,
    /// We stopped it.
    Stopped,
    /// It ended; and all are done with when so many have.
    Ended { count: Option<usize> },
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    Finished,
    TimedOut,
    /// We were told to end.
    Interrupted(Signal),
}

/// Who is told what happens.
pub trait Observer {
    /// A target has its outcome.
    fn decided(&mut self, target: &Target);

    /// Some have none yet; called at the beginning of a wait and whenever the time comes that it
    /// returned.
    fn waiting(&mut self, targets: &[Target], since: Duration) -> Option<Instant>;

    /// Nothing more is known for now.
    fn idle(&mut self);

    /// The wait is over.
    fn waited(&mut self);
}

/// For operations that nobody follows.
pub struct Silent;

impl Observer for Silent {
    fn decided(&mut self, _: &Target) {}

    fn waiting(&mut self, _: &[Target], _: Duration) -> Option<Instant> {
        None
    }

    fn idle(&mut self) {}

    fn waited(&mut self) {}
}
