//! Awaited processes that have ended, with their exit status: the proof that a run has waited for
//! them.

use std::time::SystemTime;

use super::{Job, JobOrigin};
use crate::control::{ExitStatus, Outcome, Target};
use crate::process::Proc;

/// An awaited process that has ended.
#[derive(Clone, Debug)]
pub struct EndedJob {
    pub job: Job,
    /// Its start; `None` where the time of the boot is unknown.
    pub start: Option<SystemTime>,
    /// The time at which its end was noticed.
    pub end: SystemTime,
    /// Its exit status, where the kernel tells it: of a zombie, and since Linux 6.15 of a process
    /// that was reaped.
    pub status: Option<ExitStatus>,
    /// `true` if it ended after a signal of ours.
    pub is_terminated: bool,
    /// `true` if that signal was KILL.
    pub is_killed: bool,
}

impl EndedJob {
    /// Makes the record of a job that has ended in an operation that began at this time; `None` if
    /// the target has not ended, or is a process of the daemon itself.
    pub fn of(proc: &Proc, begin: SystemTime, job: &Job, target: &Target) -> Option<EndedJob> {
        let is_own =
            matches!(job.origin, JobOrigin::Worker | JobOrigin::Mail | JobOrigin::Descendant);
        if is_own || !target.has_ended() {
            return None;
        }
        Some(EndedJob {
            job: job.clone(),
            start: job.start(proc),
            end: begin + target.after.unwrap_or_default(),
            status: target.status,
            is_terminated: target.sent.is_some(),
            is_killed: target.outcome == Some(Outcome::Killed),
        })
    }

    /// Reports whether it is known to have failed by itself.
    pub fn has_failed(&self) -> bool {
        !self.is_terminated && self.status.is_some_and(|status| !status.success())
    }
}
