//! The reasons why a process counts as cron's: the tie between it and a daemon or a job. `jobs.rs`
//! finds the ties that exist at once, `orphan.rs` those of processes that a job left behind.

/// The reason why a process counts as cron's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobOrigin {
    /// It runs the command of a crontab.
    Job,
    /// It is a process of the daemon that supervises a job, is about to start it, or waits for its
    /// output.
    Worker,
    /// It sends the mail with a job's output.
    Mail,
    /// It is a descendant of a process that counts.
    Descendant,
    /// A job has left it behind in its session.
    Session,
    /// A job has left it behind in its process group.
    Group,
    /// A job has left it behind in its session or process group, or that number was reused: an
    /// earlier scan found no process there.
    Reappeared,
    /// A job has left it behind in the daemon's control group, and its output still goes to cron.
    Cgroup,
    /// A job has left it behind in its audit session.
    Audit,
    /// A job that was never seen has left it behind, and its output still goes to cron.
    Output,
    /// It is a job of a daemon that has ended, as far as its looks tell: see [`super::looks`].
    Earlier,
    /// A job has started it as a daemon.
    Daemon,
    /// A job may have left it behind in the background: see [`super::looks`].
    Perhaps,
    /// It is in the control group of a service that a timer of systemd has started.
    Service,
}

impl JobOrigin {
    /// Reports whether it is not waited for, unless the user wants that.
    pub fn is_detached(self) -> bool {
        matches!(self, JobOrigin::Daemon | JobOrigin::Perhaps)
    }
}
