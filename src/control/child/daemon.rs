//! Commands that get nothing of ours: a daemon, and a script that starts one. What a daemon
//! inherits it keeps for its whole life, such as a lock, or an output whose reader waits for its
//! end.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::process::WaitOptions;

use super::{CommandResult, OnInterrupt, PAUSE, RunningChild, Start};
use crate::control::launch::Launch;
use crate::control::{Error, Interrupts, Silent};
use crate::process::Proc;

/// Returns standard streams that lead to nothing.
fn nothing() -> Result<[OwnedFd; 3], Error> {
    let open = || File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let failed = |error: io::Error| Error::from_io("open /dev/null", &error);
    let (input, output, errors) = (open(), open(), open());
    Ok([input.map_err(failed)?, output.map_err(failed)?, errors.map_err(failed)?])
}

/// Runs a command that is to start a daemon, until it ends or its time is over. Only a launch with
/// an entry keeps back all other descriptors of ours.
pub fn run_starter(
    proc: &Proc,
    launch: Launch<'_>,
    interrupts: &Interrupts,
    end: Instant,
) -> Result<CommandResult, Error> {
    match RunningChild::start(proc, interrupts, launch, Some(nothing()?))? {
        Start::Running(started) => {
            started.run(proc, interrupts, Some(end), &mut Silent, OnInterrupt::Terminate)
        }
        Start::Failed(error) => Ok(CommandResult::NotStarted(error)),
    }
}

/// Starts a command that goes on without us, and waits until it runs. Returns the reason why it
/// does not run: `TimedOut` where its entry or its program took until `end`, and `Interrupted`
/// where we received a signal to end, on which the caller acts. It was terminated then.
pub fn start_daemon(
    proc: &Proc,
    launch: Launch<'_>,
    interrupts: &Interrupts,
    end: Instant,
) -> Result<Option<io::Error>, Error> {
    let mut child = match RunningChild::start(proc, interrupts, launch, Some(nothing()?))? {
        Start::Running(child) => child,
        Start::Failed(error) => return Ok(Some(error)),
    };
    let Some(launched) = &mut child.launched else { return Ok(None) };
    while !launched.is_decided(PAUSE) {
        let signal = interrupts.arrived()?;
        if signal.is_some() || Instant::now() >= end {
            child.terminate(proc, interrupts)?;
            let Some(signal) = signal else { return Ok(Some(ErrorKind::TimedOut.into())) };
            interrupts.requeue(signal);
            return Ok(Some(ErrorKind::Interrupted.into()));
        }
    }
    let failure = launched.failure().map_err(|error| Error::from_io("ask a child", &error))?;
    if failure.is_some() {
        child.reap_by(WaitOptions::NOHANG)?;
    }
    Ok(failure)
}
