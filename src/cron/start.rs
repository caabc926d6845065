//! Starting the daemons again that an earlier run has stopped, in the way in which each of them was
//! run. [`record`] writes down what that takes, and [`start`] does it.

use std::io::{self, ErrorKind};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use super::command_line::{CommandLine, part};
use super::newcomer::id;
use super::start_method::StartMethod;
use super::stop_record::{Boot, StopRecord, StoppedDaemon, forget};
use super::{Daemon, DaemonSelector, Error, StopMethod, Timer, daemon_search, kinds, systemd};
use crate::command::program;
use crate::control::child::{self, CommandResult};
use crate::control::{Interrupts, Launch, Signal};
use crate::deadlines;
use crate::process::{File, Files, Lookup, Proc};

/// What became of a daemon that is to run again.
pub enum Started {
    /// It was started, and runs.
    Now(Daemon),
    /// It ran already.
    Before(Daemon),
    Failed(StartFailure),
    /// We received a signal to end meanwhile.
    Interrupted(Signal),
}

/// The reason why a daemon was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    #[error("it is not known how it was started: {0}")]
    Unknown(String),
    #[error("there is no {0} on $PATH")]
    NoProgram(&'static str),
    #[error("systemd does not run this system any more")]
    NoSystemd,
    /// The executable is gone, or another than the superuser may have changed it.
    #[error("its program '{path}' is not run: {why}")]
    Program { path: String, why: io::Error },
    #[error("it could not be run: {0}")]
    NotRun(#[source] io::Error),
    #[error("its init script failed ({0})")]
    Script(ExitStatus),
    #[error("it does not run {} seconds later: see the log of the system", LIMIT.as_secs())]
    NotSeen,
}

/// Time for a daemon to be seen.
const LIMIT: Duration = deadlines::STARTED;

/// Time between two looks for a daemon that was started.
const LOOK: Duration = Duration::from_millis(50);

/// Time for which a daemon must have been seen: Debian's cron takes the lock before it forks, and
/// its parent ends.
const SEEN: Duration = Duration::from_millis(200);

/// Records how the daemons that are going to be stopped can be started again, and which timers are
/// stopped with them. What an earlier run has stopped and does not run stays in the record. Returns
/// the reason why they could not be recorded.
pub fn record(
    proc: &Proc,
    ways: &[(&Daemon, StopMethod)],
    timers: &[Timer],
    by: &str,
) -> Result<Option<io::Error>, Error> {
    let mut daemons = Vec::new();
    for (daemon, way) in ways {
        if let Some(start) = StartMethod::find(proc, daemon, way)? {
            daemons.push(StoppedDaemon { name: daemon.name.clone(), start });
        }
    }
    // What an earlier run has stopped is still to be started.
    if daemons.is_empty() && timers.is_empty() {
        return Ok(None);
    }
    let (time, by, timers) = (SystemTime::now(), by.to_owned(), timers.to_vec());
    let written = match boot(proc)? {
        Some(boot) => {
            let mut record = StopRecord { boot, time, by, daemons, timers };
            keep_earlier(proc, &mut record)?;
            record.write()
        }
        None => Err(io::Error::new(ErrorKind::NotFound, "this kernel does not tell its boot")),
    };
    if written.is_err() {
        // An earlier record is of no use any more. The first error is the one to report.
        let _ = forget();
    }
    Ok(written.err())
}

/// Adds what an earlier run has stopped since the boot and what does not run again.
fn keep_earlier(proc: &Proc, record: &mut StopRecord) -> Result<(), Error> {
    // One that is damaged is of no use.
    let Ok(Some(earlier)) = StopRecord::read() else { return Ok(()) };
    if earlier.boot != record.boot {
        return Ok(());
    }
    for daemon in earlier.daemons {
        let is_named = record.daemons.iter().any(|other| other.name == daemon.name);
        if !is_named && running(proc, &daemon.name, &[])?.is_none() {
            record.daemons.push(daemon);
        }
    }
    for timer in earlier.timers {
        if !record.timers.iter().any(|other| other.is(&timer)) {
            record.timers.push(timer);
        }
    }
    Ok(())
}

/// Returns what identifies this run of the machine; `None` where it cannot be read.
pub fn boot(proc: &Proc) -> Result<Option<Boot>, Error> {
    let Lookup::Found(first) = proc.process(1, Files::new(&[File::Stat]))? else { return Ok(None) };
    let boot = first
        .stat()
        .and_then(|stat| Ok(Boot { id: proc.boot_id()?.to_vec(), init: stat.start_ticks }));
    Ok(match first.lookup(boot)? {
        Lookup::Found(boot) => Some(boot),
        Lookup::Unavailable(_) | Lookup::Exited => None,
    })
}

/// Returns a daemon of this name that runs, and is none of those.
fn running(proc: &Proc, name: &[u8], others: &[Daemon]) -> Result<Option<Daemon>, Error> {
    let wanted = match kinds::kind(name) {
        Some(kind) => DaemonSelector::Of(kind.scheduler),
        None => DaemonSelector::Named(name.to_vec()),
    };
    let found = daemon_search::find(proc, &wanted)?.daemons;
    let is_other = |daemon: &Daemon| others.iter().any(|other| id(other) == id(daemon));
    let is_it = |daemon: &Daemon| daemon.name == name && !daemon.has_ended() && !is_other(daemon);
    Ok(found.into_iter().find(is_it))
}

/// Starts a daemon again, unless it runs, and waits until it is seen. Those others run already, and
/// may have the same name.
pub fn start(
    proc: &Proc,
    stopped: &StoppedDaemon,
    others: &[Daemon],
    interrupts: &Interrupts,
) -> Result<Started, Error> {
    if let Some(daemon) = running(proc, &stopped.name, others)? {
        return Ok(Started::Before(daemon));
    }
    let failure = match &stopped.start {
        StartMethod::Unit(unit) => by_unit(proc, unit, interrupts)?,
        StartMethod::Script(name) => by_script(proc, name, interrupts)?,
        StartMethod::Command(line) => by_command(proc, line, interrupts)?,
        StartMethod::Unknown(why) => Some(StartFailure::Unknown(why.clone())),
    };
    match failure {
        Some(failure) => Ok(Started::Failed(failure)),
        None => await_daemon(proc, &stopped.name, others, interrupts),
    }
}

/// Asks systemd to start a unit. Returns the reason if that could not be done.
fn by_unit(
    proc: &Proc,
    unit: &str,
    interrupts: &Interrupts,
) -> Result<Option<StartFailure>, Error> {
    if !systemd::is_running() {
        return Ok(Some(StartFailure::NoSystemd));
    }
    Ok(match systemd::order(proc, "start", unit, interrupts)? {
        None => None,
        Some(super::Warning::Systemctl(error)) => Some(StartFailure::NotRun(error)),
        Some(_) => Some(StartFailure::NoProgram("systemctl")),
    })
}

/// Runs an init script.
fn by_script(
    proc: &Proc,
    name: &str,
    interrupts: &Interrupts,
) -> Result<Option<StartFailure>, Error> {
    let Some(service) = program::find("service") else {
        return Ok(Some(StartFailure::NoProgram("service")));
    };
    let mut command = Command::new(service);
    command.args([name, "start"]);
    let launch = Launch { command, entry: Some(&part) };
    let end = Instant::now() + deadlines::START;
    Ok(match child::run_starter(proc, launch, interrupts, end)? {
        CommandResult::Ended(status) if status.success() => None,
        CommandResult::Ended(status) => Some(StartFailure::Script(status)),
        CommandResult::NotStarted(error) => Some(StartFailure::NotRun(error)),
        CommandResult::TimedOut => Some(StartFailure::NotRun(ErrorKind::TimedOut.into())),
        // The wait for the daemon acts on it.
        CommandResult::Interrupted(signal) => {
            interrupts.requeue(signal);
            None
        }
    })
}

/// Runs the program of a daemon as it was run.
fn by_command(
    proc: &Proc,
    line: &CommandLine,
    interrupts: &Interrupts,
) -> Result<Option<StartFailure>, Error> {
    if let Err(why) = line.check() {
        let path = String::from_utf8_lossy(&line.executable).into_owned();
        return Ok(Some(StartFailure::Program { path, why }));
    }
    let entry = || line.enter();
    let launch = Launch { command: line.command(), entry: Some(&entry) };
    let end = Instant::now() + deadlines::START;
    let failure = child::start_daemon(proc, launch, interrupts, end)?;
    // The wait for the daemon acts on a signal.
    let failure = failure.filter(|error| error.kind() != ErrorKind::Interrupted);
    Ok(failure.map(StartFailure::NotRun))
}

/// Waits until a daemon of this name runs, and goes on to run.
fn await_daemon(
    proc: &Proc,
    name: &[u8],
    others: &[Daemon],
    interrupts: &Interrupts,
) -> Result<Started, Error> {
    let end = Instant::now() + LIMIT;
    let mut seen: Option<(Daemon, Instant)> = None;
    loop {
        let found = running(proc, name, others)?;
        seen = match (seen, found) {
            (Some((before, since)), Some(found)) if id(&before) == id(&found) => {
                if since.elapsed() >= SEEN {
                    return Ok(Started::Now(found));
                }
                Some((found, since))
            }
            (_, found) => found.map(|daemon| (daemon, Instant::now())),
        };
        if Instant::now() >= end {
            return Ok(Started::Failed(StartFailure::NotSeen));
        }
        if let Some(signal) = interrupts.wait(LOOK)? {
            return Ok(Started::Interrupted(signal));
        }
    }
}
