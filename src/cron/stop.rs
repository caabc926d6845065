//! Stopping a daemon for good, in the way that keeps it stopped.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Audience, Daemon, Error, Event, Wanted, daemon};
use crate::child::{self, Ran};
use crate::control::{Conclusion, Interrupts, Operation, Order, Signal, Silent, Target, Until};
use crate::process::{Files, Pid, Proc, Settled};

/// How a daemon is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By systemd, which runs it as the main process of this unit.
    Unit(String),
    /// By TERM, and CONT as it is paused.
    Signal,
    /// Not at all: its parent, of this name, would start it again.
    Supervised(String),
    /// Not at all: it is the first process, which takes no signal from inside.
    First,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Yes,
    /// Said why.
    No,
    Interrupted(Signal),
}

/// For systemd, and for the daemon itself, which ends within a tenth of a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For the init script: there is nothing left to wait for.
const TIDY: Duration = Duration::from_secs(10);
/// A parent that starts it again does so by then.
const SUCCESSOR: Duration = Duration::from_millis(500);
/// Init asks for the status of a process by then.
const REAPED: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);

/// How this daemon would be stopped.
pub fn way(daemon: &Daemon) -> Way {
    match (&daemon.unit, &daemon.supervisor) {
        _ if daemon.pid == 1 => Way::First,
        (Some(unit), _) if is_main_process(unit, daemon) => Way::Unit(unit.clone()),
        (_, Some(supervisor)) => Way::Supervised(supervisor.clone()),
        _ => Way::Signal,
    }
}

/// Whether systemd runs here, and this daemon is what the unit is about.
fn is_main_process(unit: &str, daemon: &Daemon) -> bool {
    let show = || Command::new("systemctl").args(["show", "--property=MainPID", "--value", unit]).output();
    Path::new("/run/systemd/system").is_dir()
        && show().is_ok_and(|output| output.stdout.trim_ascii() == daemon.pid.to_string().as_bytes())
}

/// Stop a paused daemon, and see that it has ended and that none has taken its place: none that was not there `before`.
pub fn stop(
    proc: &Proc,
    daemon: &Daemon,
    before: &[Namesake],
    interrupts: &Interrupts,
    audience: &mut dyn Audience,
) -> Result<Stopped, Error> {
    let way = way(daemon);
    let (order, name) = (Order { is_to_end: true, ..Order::default() }, String::from_utf8_lossy(&daemon.name));
    audience.event(Event::Stopping(daemon, &way));
    let order = match &way {
        Way::First => {
            return Ok(refused(
                audience,
                format!(
                    "{name} is the first process here and cannot be stopped from inside: stop the container instead"
                ),
            ));
        }
        Way::Supervised(supervisor) => {
            let advice = format!(
                "process {} ({name}) is run by {supervisor}, which would start it again: stop it there",
                daemon.pid
            );
            return Ok(refused(audience, advice));
        }
        Way::Unit(unit) => {
            let mut command = Command::new("systemctl");
            command.args(["stop", unit]);
            match child::run(proc, command, interrupts, Instant::now().checked_add(TIMEOUT), &mut Silent)? {
                Ran::Ended(status) if status.success() => {}
                Ran::Interrupted(signal) => return Ok(Stopped::Interrupted(signal)),
                _ => {
                    return Ok(refused(
                        audience,
                        format!("systemctl could not stop {unit}: see systemctl status {unit}"),
                    ));
                }
            }
            // It is killed by nobody but systemd, which would otherwise start it again.
            Order { until: Until::Ended { count: None }, timeout: Some(TIMEOUT), ..order }
        }
        Way::Signal => Order {
            signal: Some(Signal::TERM),
            continues: true,
            until: Until::Ended { count: None },
            timeout: Some(TIMEOUT),
            kills: true,
            ..order
        },
    };
    let mut operation = Operation::new(proc, order, interrupts);
    operation.add(Target::named(daemon.reference.clone(), &daemon.name))?;
    match operation.carry_out(&mut Silent)? {
        Conclusion::Interrupted(signal) => return Ok(Stopped::Interrupted(signal)),
        Conclusion::TimedOut => {
            return Ok(refused(audience, format!("process {} ({name}) has not ended: it is left running", daemon.pid)));
        }
        Conclusion::Finished => {}
    }
    if way == Way::Signal && is_alone(proc, daemon, interrupts)? {
        tidy(proc, daemon, interrupts, audience)?;
    }
    if let Some(successor) = successor(proc, daemon, before, interrupts)? {
        return Ok(refused(
            audience,
            format!(
                "process {} ({name}) has ended, but process {successor} runs in its place: whoever started that would do so again",
                daemon.pid
            ),
        ));
    }
    audience.event(Event::Stopped(daemon));
    Ok(Stopped::Yes)
}

fn refused(audience: &mut dyn Audience, why: String) -> Stopped {
    audience.event(Event::Warning(why));
    Stopped::No
}

/// Whether nothing is left for an init script to hit: it goes by the name, and waits for a zombie in vain, which the
/// daemon is until its parent asks for its status.
fn is_alone(proc: &Proc, stopped: &Daemon, interrupts: &Interrupts) -> Result<bool, Error> {
    let end = Instant::now() + REAPED;
    while !matches!(proc.process(stopped.pid, Files::NONE)?, Settled::Gone) {
        if Instant::now() >= end || interrupts.wait(PAUSE)?.is_some() {
            return Ok(false);
        }
    }
    Ok(namesakes(proc, stopped)?.is_empty())
}

/// A daemon, by number and inode.
pub type Namesake = (Pid, Option<u64>);

/// The daemons of the same name.
pub fn namesakes(proc: &Proc, daemon: &Daemon) -> Result<Vec<Namesake>, Error> {
    let found = daemon::find(proc, &Wanted::Named(daemon.exe_name.clone()))?;
    Ok(found.daemons.iter().map(|daemon| (daemon.pid, daemon.reference.inode())).collect())
}

/// Let the init script remove what the daemon left, such as its pid file. That of bcron kills everything but bcron.
fn tidy(proc: &Proc, daemon: &Daemon, interrupts: &Interrupts, audience: &mut dyn Audience) -> Result<(), Error> {
    let name = String::from_utf8_lossy(&daemon.name);
    let has_script = ["cron", "crond"].contains(&&*name) && Path::new("/etc/init.d").join(&*name).is_file();
    if !has_script || child::find("service").is_none() {
        return Ok(());
    }
    let mut command = Command::new("service");
    command.args([&*name, "stop"]).stdout(std::process::Stdio::null());
    match child::run(proc, command, interrupts, Instant::now().checked_add(TIDY), &mut Silent)? {
        Ran::Ended(status) if status.success() => {}
        _ => audience.event(Event::Warning(format!("service {name} stop failed, after the daemon had ended"))),
    }
    Ok(())
}

/// A daemon that has taken the place of one that has ended, and was not there before. Where the parent of that one is not
/// init, it may take a moment.
fn successor(
    proc: &Proc,
    stopped: &Daemon,
    before: &[Namesake],
    interrupts: &Interrupts,
) -> Result<Option<Pid>, Error> {
    let end = Instant::now() + if stopped.parent > 1 { SUCCESSOR } else { Duration::ZERO };
    loop {
        if let Some((pid, _)) = namesakes(proc, stopped)?.into_iter().find(|namesake| !before.contains(namesake)) {
            return Ok(Some(pid));
        }
        if Instant::now() >= end || interrupts.wait(PAUSE)?.is_some() {
            return Ok(None);
        }
    }
}
