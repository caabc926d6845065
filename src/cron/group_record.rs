//! The record of a session or process group of a job, which outlives the job.

use std::time::{Duration, Instant};

use super::job_candidate::JobCandidate;
use super::origin::JobOrigin;

/// The record of a session or process group of a job.
pub struct GroupRecord {
    /// Start time of its leader, in clock ticks since boot.
    pub start_ticks: u64,
    /// The time since which scans have found no process in it.
    pub empty_since: Option<Instant>,
    /// `true` if it was empty in a scan, so that its number may have been reused.
    pub is_in_doubt: bool,
}

/// A session or process group that was empty for this time has ended. A scan can miss a process
/// that starts another one and exits.
const FORGET_AFTER: Duration = Duration::from_secs(2);

impl GroupRecord {
    /// Begins the record of a session or process group with this leader.
    pub fn new(leader: &JobCandidate) -> GroupRecord {
        GroupRecord { start_ticks: leader.start_ticks, empty_since: None, is_in_doubt: false }
    }

    /// Updates the record after a scan that found processes in it, or none.
    pub fn note_scan(&mut self, has_members: bool, now: Instant) {
        self.empty_since = if has_members { None } else { self.empty_since.or(Some(now)) };
        self.is_in_doubt |= self.empty_since.is_some();
    }

    /// Reports whether the process that has the leader's pid, if there is one, is still the leader
    /// of then.
    pub fn is_led_by(&self, leader: Option<&JobCandidate>) -> bool {
        leader.is_none_or(|leader| leader.start_ticks == self.start_ticks)
    }

    /// Reports whether it was empty for so long that it has ended.
    pub fn has_ended(&self, now: Instant) -> bool {
        self.empty_since.is_some_and(|since| now.saturating_duration_since(since) >= FORGET_AFTER)
    }

    /// Returns the reason why its members count: it is weaker after it was empty.
    pub fn origin(&self, certain: JobOrigin) -> JobOrigin {
        if self.is_in_doubt { JobOrigin::Reappeared } else { certain }
    }
}
