//! Cron daemons and their jobs: how both are recognised, and how a daemon is paused and stopped
//! without hurting a job.
//!
//! Nothing here knows the command line, and nothing prints: everything that happens is reported as
//! an [`Event`]. Start at [`Shutdown::carry_out`] for the procedure, at `kinds` for a new daemon,
//! and at [`Jobs::scan`] for the question which processes are jobs.

mod catch_up;
mod command_line;
mod crontab;
mod daemon;
mod daemon_candidate;
mod daemon_search;
mod drain;
mod ended;
mod follow;
mod group_record;
mod hold;
mod holder;
mod job;
mod job_candidate;
mod job_search;
mod jobs;
pub mod kinds;
mod leftover;
mod login_session;
mod looks;
mod missed;
mod newcomer;
pub mod origin;
mod orphan;
mod pause;
mod plan;
mod schedule;
mod service_manager;
mod shutdown;
mod start;
mod start_method;
mod stop;
mod stop_method;
mod stop_record;
mod supervisor;
mod systemd;
mod timer_pause;
mod timers;
mod warning;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

pub use catch_up::Effect;
pub use daemon::{Daemon, DaemonProof, DaemonScan, DaemonSelector, RejectReason, Rejected};
pub use daemon_search::find;
pub use ended::EndedJob;
pub use follow::{CrontabLine, Follow, FollowedJob, JobEnd, JobEvent, Step, Way};
pub use hold::{HoldEnd, HoldUntil, is_input_at_end};
pub use holder::{Answer, HeldToo, Holder, Request, call as call_holder};
pub use job::Job;
pub use jobs::Jobs;
pub use missed::Missed;
pub use origin::JobOrigin;
pub use pause::resume;
pub use plan::{OnTimeout, Plan, Shutdown, ShutdownResult};
pub use service_manager::Asker;
pub use shutdown::has_additions;
pub use start::{StartFailure, Started, boot, start};
pub use start_method::StartMethod;
pub use stop_method::StopMethod;
pub use stop_record::{RECORD, StopRecord, StoppedDaemon, forget as forget_record};
pub use supervisor::Supervisor;
pub use systemd::{CronTarget, cron_target};
pub use timer_pause::{
    LeftTimers, are_left as are_timers_left, start as start_timers, start_left as start_left_timers,
};
pub use timers::{ActiveTimers, Timer};
pub use warning::{AdditionsFailure, Repaused, Warning};

use crate::process::{Pid, Unavailable};
use crate::{control, process};

/// An error that ends the whole run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Control(#[from] control::Error),
    /// A process that may be a job, and could not be examined.
    #[error("process {pid} may be a cron job, and could not be examined: {reason}")]
    Unexamined { pid: Pid, reason: Unavailable },
    /// So many processes that may be daemons, and could not be examined.
    #[error("{0} processes may be cron daemons, and could not be examined")]
    UnexaminedDaemons(usize),
    /// Cron cannot be held as the user wants it.
    #[error("cron cannot be held: {0}")]
    Hold(#[source] std::io::Error),
    #[error("systemd does not tell which timers are active")]
    Timers,
    #[error("systemd has not stopped all timers: they are started again")]
    TimersNotStopped,
    #[error("the guardian that would start timers again does not answer")]
    TimerGuardian,
    /// The script that starts timers again.
    #[error("the timers cannot be recorded below /run")]
    TimerScript(#[source] std::io::Error),
    /// The login sessions of cron's jobs are not known.
    #[error("the sessions that logind knows cannot be read: {0}")]
    Sessions(#[source] std::io::Error),
}

/// The receiver of events.
pub trait EventSink: control::Observer {
    fn event(&mut self, event: Event<'_>);

    /// Reports whether nobody can take events any more, because the reader of our output has gone.
    fn is_unheard(&self) -> bool;
}

/// Something that happened.
pub enum Event<'e> {
    /// The daemon is stopped by SIGSTOP, and starts no new jobs.
    Paused(&'e Daemon),
    /// The daemon was stopped already when it was found.
    WasPaused(&'e Daemon),
    /// Another process has started this daemon meanwhile, and it is paused too.
    Newcomer(&'e Daemon),
    /// `cron-graceful-additions` begins to run.
    Additions(&'e Path),
    /// A process that counts as cron's was found for the first time. The flag says whether users
    /// want to see it. A daemon that a job started is reported too, and may not be waited for.
    Job(&'e Job, bool),
    /// A job has not ended in time and is terminated. The flag says whether users want to see it.
    Terminating(&'e Job, bool),
    /// A job has not ended in time and is not terminated, because it is not certainly cron's.
    NotTerminated(&'e Job),
    /// A job that was waited for has ended.
    Ended(&'e EndedJob),
    /// These timers of systemd are stopped, and start no new jobs.
    TimersStopped(&'e [Timer]),
    /// These timers are active again; those of an earlier run where there are none.
    TimersStarted(&'e [Timer]),
    /// This service, which a timer has started, has not ended, although it has no process now.
    Service(&'e str),
    /// No job runs any more, after this time.
    Drained(Duration),
    /// No job runs, and cron is held from now on, or longer than before.
    Held(&'e Holder, &'e [Daemon]),
    /// The command of a maintenance window begins to run.
    Command(&'e OsStr),
    /// The daemon runs again.
    Resumed(&'e Daemon),
    /// The daemon runs again after these jobs were due.
    Missed(&'e Daemon, &'e Missed),
    /// The daemon was to run again, and has ended meanwhile.
    HasEnded(&'e Daemon),
    /// The daemon is going to be stopped for good.
    Stopping(&'e Daemon, &'e StopMethod),
    /// The daemon has exited.
    Stopped(&'e Daemon),
    /// Something went wrong, and does not end the run by itself.
    Warning(Warning<'e>),
}
