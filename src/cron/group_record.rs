//! The record of a session or process group of a job, which outlives the job.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::job_candidate::JobCandidate;
use super::origin::JobOrigin;
use crate::process::Pid;

/// The record of a session or process group of a job.
pub struct GroupRecord {
    /// Start time of its leader, in clock ticks since boot.
    pub start_ticks: u64,
    /// The time since which scans have found no process in it.
    pub empty_since: Option<Instant>,
    /// The processes of it at the last scan, by pid and start time.
    pub members: BTreeSet<(Pid, u64)>,
    /// `true` if nobody of one scan was left at the next, so that its number may have been reused.
    pub is_in_doubt: bool,
}

/// A session or process group that was empty for this time has ended. A scan can miss a process
/// that starts another one and exits.
const FORGET_AFTER: Duration = Duration::from_secs(2);

impl GroupRecord {
    /// Begins the record of a session or process group with this leader.
    pub fn new(leader: &JobCandidate) -> GroupRecord {
        GroupRecord {
            start_ticks: leader.start_ticks,
            empty_since: None,
            members: BTreeSet::new(),
            is_in_doubt: false,
        }
    }

    /// Begins the record of the session of a daemon that had ended before the first scan: whose it
    /// was, only looks have told.
    pub fn of_ended() -> GroupRecord {
        GroupRecord {
            start_ticks: 0,
            empty_since: None,
            members: BTreeSet::new(),
            is_in_doubt: true,
        }
    }

    /// Updates the record after a scan that found these processes in it. The kernel gives the number
    /// to another one only after the end of all of them: where one of the last scan is left, it is
    /// the same session or group.
    pub fn note_scan(&mut self, members: BTreeSet<(Pid, u64)>, now: Instant) {
        self.empty_since = if members.is_empty() { self.empty_since.or(Some(now)) } else { None };
        self.is_in_doubt |= self.members.is_disjoint(&members);
        self.members = members;
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
