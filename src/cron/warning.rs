//! The things that can go wrong during a shutdown, as data. `output::cron` puts them into words: a
//! new one is a variant here, and a text there.

use std::io;
use std::path::Path;
use std::process::ExitStatus;

use super::{Daemon, StopMethod};
use crate::process::Pid;

/// A problem that does not end the run by itself.
pub enum Warning<'w> {
    /// Standard input has ended before cron was held.
    InputEnded,
    /// The daemon is pid 1 and cannot be paused from inside. It is not held.
    FirstNotHeld,
    /// The daemon is pid 1 and cannot be paused from inside. The command is not run.
    FirstNotRun,
    /// The daemon is pid 1 and cannot be paused from inside. Only the jobs that run now are waited
    /// for.
    FirstNotPaused,
    /// The daemon with this pid did not stop for a pause.
    NotPaused(Pid),
    /// Another process has continued the paused daemon with this pid.
    Continued(Pid, Repaused),
    /// Another process has continued the paused daemon with this pid while a command ran, and jobs
    /// may have started.
    RanMeanwhile(Pid),
    /// While a command ran, it could not be found out whether cron was started or continued.
    Unwatched(&'w super::Error),
    /// The daemon with this pid was stopped when it was found, and could not be continued.
    NotContinued(Pid),
    /// This timer would not come back after a stop, or would take other units with it, and is left
    /// active.
    FixedTimer(&'w str),
    /// The service manager of the user with this id does not answer, so that his timers are left.
    SilentManager(u32),
    /// Timers that somebody has started meanwhile could not be stopped.
    TimersRun,
    /// Nothing was done, because timers could not be stopped.
    Timers(&'w super::Error),
    /// This timer was due while it was stopped, and will not run for that.
    TimerMissed(&'w str),
    /// This timer was disabled or removed while it was stopped, and is not started again.
    TimerGone(&'w str),
    /// These timers could not be started again.
    TimersNotStarted(&'w [&'w str]),
    /// This script of an earlier run has not started all its timers.
    LeftNotStarted(&'w Path),
    /// So many processes of jobs have started during the wait that further ones are not reported.
    NotTold,
    /// This process belongs to a cron job, and that job is not waited for.
    RunByJob,
    /// The additions took too long, and with them the whole run.
    AdditionsTooLate(&'w Path),
    /// The additions did not succeed. The run goes on without them.
    Additions(&'w Path, AdditionsFailure),
    /// The daemon is not stopped, because of the way in which it runs.
    LeftRunning(&'w Daemon, &'w StopMethod),
    /// systemctl is not installed.
    NoSystemctl,
    /// systemctl could not be run.
    Systemctl(io::Error),
    /// The daemon has not exited in time.
    NotStopped(&'w Daemon, &'w StopMethod),
    /// The daemon has exited, and another one, with this pid, runs in its place.
    Replaced(&'w Daemon, Pid),
    /// How cron can be started again could not be recorded.
    NotRecorded(&'w io::Error),
    /// The init script failed after the daemon had exited.
    InitScript(&'w Daemon),
}

/// The result of pausing a daemon again.
#[derive(Clone, Copy, Debug)]
pub enum Repaused {
    /// It is stopped again.
    Paused,
    /// The same, as so often that it is not reported any more.
    PausedEachTime,
    /// It has exited.
    Exited,
    /// It did not stop.
    NotPaused,
}

/// The reason why the additions did not succeed.
pub enum AdditionsFailure {
    /// They took too long and were terminated.
    TimedOut,
    /// They ended with this status.
    Failed(ExitStatus),
    /// They could not be executed.
    NotStarted(io::Error),
}
