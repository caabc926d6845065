//! A job that is followed, and what happens to it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::control::{ExitStatus, Reference};
use crate::cron::Daemon;
use crate::process::{Pid, since_boot};

/// A job that is followed from its start, or from the moment at which it was found, to its end.
#[derive(Clone, Debug)]
pub struct FollowedJob {
    /// The process that runs the command.
    pub pid: Pid,
    /// The daemon that started it.
    pub daemon: Pid,
    /// The worker between both, where the daemon has workers and it was seen.
    pub worker: Option<Pid>,
    /// Its real user; `None` where it ended before that was known.
    pub uid: Option<u32>,
    /// The command; `None` where it ended before that could be read.
    pub command: Option<Vec<u8>>,
    /// The line of a crontab that is the only one with this user and this command.
    pub line: Option<CrontabLine>,
    /// Its start, since the boot.
    pub born: Duration,
    /// The most resident memory of one of its processes that was read so far, in bytes.
    pub peak_rss: Option<u64>,
    /// `None` where the process was gone already, or there were too few descriptors.
    pub(super) reference: Option<Reference>,
}

impl FollowedJob {
    /// Returns the inode of its pidfd, which with the pid is its identity (Linux 6.9).
    pub fn inode(&self) -> Option<u64> {
        self.reference.as_ref()?.inode()
    }

    /// Returns the time of its start.
    pub fn start(&self) -> SystemTime {
        SystemTime::now() - since_boot().saturating_sub(self.born)
    }
}

#[cfg(test)]
impl FollowedJob {
    /// Makes a job of the superuser that starts now, for a test.
    pub fn sample(pid: Pid, command: &[u8]) -> FollowedJob {
        FollowedJob {
            pid,
            daemon: 10,
            worker: None,
            uid: Some(0),
            command: Some(command.to_vec()),
            line: None,
            born: since_boot(),
            peak_rss: None,
            reference: None,
        }
    }
}

/// A line of a crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrontabLine {
    pub file: PathBuf,
    /// Its number, from 1.
    pub line: usize,
}

/// The end of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobEnd {
    /// The time at which it ended, since the boot; at which it was noticed, without process events.
    pub at: Duration,
    /// Its exit status; `None` where the kernel has not told it.
    pub status: Option<ExitStatus>,
}

impl JobEnd {
    /// Returns the time of the end.
    pub fn time(&self) -> SystemTime {
        SystemTime::now() - since_boot().saturating_sub(self.at)
    }

    /// Returns how long a job has run.
    pub fn runtime(&self, job: &FollowedJob) -> Duration {
        self.at.saturating_sub(job.born)
    }

    /// Reports whether it is known to have failed.
    pub fn has_failed(&self) -> bool {
        self.status.is_some_and(|status| !status.success())
    }
}

/// How daemons are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The kernel tells of every process.
    Events,
    /// Their children are looked at, and held by pidfds.
    Looks,
}

/// Something that happened to jobs, or to daemons.
#[derive(Clone)]
pub enum JobEvent {
    /// This daemon is followed from now on.
    Following(Box<Daemon>, Way),
    /// This daemon has ended.
    DaemonEnded(Box<Daemon>),
    /// No daemon runs.
    NoDaemon,
    /// A job that ran already when its daemon was found.
    Running(Box<FollowedJob>),
    Started(Box<FollowedJob>),
    Ended(Box<FollowedJob>, JobEnd),
    /// A worker has ended, and its job was not seen.
    Unseen {
        worker: Pid,
        daemon: Box<Daemon>,
    },
    /// The kernel has discarded process events: jobs may have started and ended unseen.
    Lost,
}
