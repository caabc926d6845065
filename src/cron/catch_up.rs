//! The ways in which daemons make up for the jobs that they have missed. They were measured with a
//! clock that was moved under each daemon, and read in the daemons' sources.

use super::schedule::Times;

/// The rule by which a kind of daemon makes up for the jobs that it has missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// Debian's cron and cronie: all jobs of up to five minutes; of up to three hours the jobs at a
    /// fixed time, once each; of more nothing (main in cron.c).
    ByLength,
    /// The crond of busybox and dcron: each job once of up to an hour, and of more nothing.
    OnceWithinAnHour,
}

/// The result of that rule after one pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It runs all jobs that it missed.
    All,
    /// It runs each job once, however often it was due.
    Once,
    /// It runs the jobs with a fixed time, once each.
    Fixed,
    /// It runs none of them.
    Nothing,
    /// It is not known.
    Unknown,
}

impl CatchUp {
    /// Returns the result after a pause of so many minutes.
    pub fn effect(self, minutes: u64) -> Effect {
        match (self, minutes) {
            (CatchUp::ByLength, 0..=5) => Effect::All,
            (CatchUp::ByLength, 6..=180) => Effect::Fixed,
            (CatchUp::OnceWithinAnHour, 0..=60) => Effect::Once,
            (CatchUp::ByLength | CatchUp::OnceWithinAnHour, _) => Effect::Nothing,
        }
    }
}

impl Effect {
    /// Reports whether a job at these times is lost.
    pub fn loses(self, times: &Times) -> bool {
        match self {
            Effect::All | Effect::Once | Effect::Unknown => false,
            Effect::Fixed => times.is_wildcard(),
            Effect::Nothing => true,
        }
    }
}
