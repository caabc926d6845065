//! What a cron daemon looks like, which processes are its jobs, and how it is paused and stopped
//! without hurting one.
//!
//! Nothing here knows the command line, and nothing prints: what happens is told as [`Event`]s.

pub mod daemon;
mod drain;
pub mod job;
mod orphan;
mod pause;
mod shutdown;
mod stop;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

pub use daemon::{Daemon, DaemonProof, DaemonSelector, NAMES, Rejected, find};
pub use job::{Job, Jobs};
pub use pause::resume;
pub use shutdown::{OnTimeout, Plan, Shutdown, ShutdownResult};
pub use stop::StopMethod;

use crate::process::{Pid, ReadError};
use crate::{control, process};

/// What ends a whole run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
    /// Nobody can tell whether a process is a job.
    #[error("process {pid} may be a cron job, and could not be examined: {reason}")]
    Unexamined { pid: Pid, reason: ReadError },
}

/// Who is told of everything.
pub trait EventSink: control::Observer {
    fn event(&mut self, event: Event<'_>);
}

/// Something that happened.
pub enum Event<'e> {
    /// The daemon is stopped in the sense of SIGSTOP, and starts nothing new.
    Paused(&'e Daemon),
    /// It was found so already: somebody left it like that.
    WasPaused(&'e Daemon),
    /// `cron-graceful-additions` begins to run.
    Additions(&'e Path),
    /// A process that is waited for or, of daemons that jobs started, is not; and whether people
    /// want to know.
    Job(&'e Job, bool),
    /// A job that has not ended in time is terminated.
    Terminating(&'e Job),
    /// No job runs any more, after so long.
    Drained(Duration),
    /// The command of a maintenance window begins to run.
    Command(&'e OsStr),
    /// The daemon runs on.
    Resumed(&'e Daemon),
    /// It is going to be stopped for good.
    Stopping(&'e Daemon, &'e StopMethod),
    /// It has ended.
    Stopped(&'e Daemon),
    /// Something is not as it should be: what happened, why, and what to do.
    Warning(String),
}
