//! What can go wrong on the way, as data: `output::cron` puts it into words.

use std::io;
use std::path::Path;
use std::process::ExitStatus;

use super::{Daemon, StopMethod};
use crate::process::Pid;

/// Something that is wrong, and does not end the run by itself.
pub enum Warning<'w> {
    /// The daemon is pid 1 and cannot be paused from inside. The command is not run.
    FirstNotRun,
    /// The daemon is pid 1 and cannot be paused from inside. Only jobs of this moment are waited
    /// for.
    FirstNotPaused,
    /// This daemon did not stop for a pause.
    NotPaused(Pid),
    /// Another process has continued this paused daemon.
    Continued(Pid, Repaused),
    /// Another process has continued this paused daemon while nothing looked.
    RanMeanwhile(Pid),
    /// This daemon was left stopped and could not be continued.
    NotContinued(Pid),
    /// A cron job runs us, and is not waited for.
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
    /// Another daemon with this pid runs in the place of the daemon that has exited.
    Replaced(&'w Daemon, Pid),
    /// The init script failed after the daemon had exited.
    InitScript(&'w Daemon),
}

/// The result of pausing a daemon again.
#[derive(Clone, Copy, Debug)]
pub enum Repaused {
    Paused,
    Exited,
    NotPaused,
}

/// The reason why the additions did not succeed.
pub enum AdditionsFailure {
    TimedOut,
    Failed(ExitStatus),
    NotStarted(io::Error),
}
