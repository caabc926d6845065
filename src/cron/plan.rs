//! The wishes of the user for a shutdown, and the ways in which it can end. `shutdown.rs` has the
//! procedure.

use std::ffi::OsString;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::hold::{HoldEnd, HoldUntil};
use super::{ActiveTimers, Daemon, DaemonSelector, Job};
use crate::control::{Interrupts, Signal};
use crate::process::Proc;

/// The reaction when jobs have not ended in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// Jobs and cron run on.
    #[default]
    Resume,
    /// Jobs run on, and cron is stopped.
    Stop,
    /// Jobs are terminated, and cron is stopped.
    Terminate,
}

/// The procedure that the user wants.
#[derive(Debug)]
pub struct Plan {
    /// Who has ordered it.
    pub by: String,
    /// The daemons to stop.
    pub wanted: DaemonSelector,
    /// `true` if the daemons of at(1) are among them.
    pub with_at: bool,
    /// Time limit for the jobs to end; `None` for no limit.
    pub timeout: Option<Duration>,
    pub on_timeout: OnTimeout,
    /// `true` if daemons that jobs have started are waited for too.
    pub with_daemons: bool,
    /// The command that is run while no job runs, instead of stopping cron.
    pub command: Vec<OsString>,
    /// How cron is held while no job runs, instead of stopping it.
    pub hold: Option<HoldUntil>,
    /// `true` if standard output is JSON: the output of commands goes to standard error.
    pub is_document: bool,
}

/// The end of the procedure.
#[derive(Debug)]
pub enum ShutdownResult {
    /// No job runs, and the daemons have exited.
    Stopped,
    /// The same, but jobs that had not ended in time were terminated.
    Terminated,
    /// Cron was left alone, because a supervisor would start it again. This was reported.
    Supervised,
    /// Cron was not stopped, or not for good. The reason was reported.
    NotStopped,
    /// The time limit has passed and these jobs still run. The flag says whether the daemons were
    /// stopped all the same.
    TimedOut { left: Vec<Job>, is_stopped: bool },
    /// We received a signal to end, and cron runs on; these jobs still run.
    Interrupted(Signal, Vec<Job>),
    /// Cron was held, and runs on.
    Held(HoldEnd),
    /// The command was run, and cron runs on.
    Ran(ExitStatus),
    /// The command could not be run, and cron runs on.
    NotRun(io::Error),
}

impl ShutdownResult {
    /// Returns the jobs that still run.
    pub fn left(&self) -> &[Job] {
        match self {
            ShutdownResult::TimedOut { left, .. } | ShutdownResult::Interrupted(_, left) => left,
            ShutdownResult::Stopped
            | ShutdownResult::Terminated
            | ShutdownResult::Supervised
            | ShutdownResult::NotStopped
            | ShutdownResult::Held(_)
            | ShutdownResult::Ran(_)
            | ShutdownResult::NotRun(_) => &[],
        }
    }
}

/// A shutdown under way: the data that all steps need.
pub struct Shutdown<'s> {
    pub proc: &'s Proc,
    pub daemons: &'s [Daemon],
    /// The timers of systemd to stop meanwhile, if that is wanted.
    pub timers: Option<&'s ActiveTimers>,
    pub plan: &'s Plan,
    pub interrupts: &'s Interrupts,
    /// The time at which the program began, from which its time limit counts.
    pub begin: Instant,
}
