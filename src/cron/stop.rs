//! Stopping a daemon for good, so that it stays stopped: [`way`] chooses the method, [`stop`]
//! carries it out and checks that no new daemon has taken its place.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::newcomer::{DaemonId, id};
use super::{
    Daemon, DaemonSelector, Error, Event, EventSink, StopMethod, Warning, daemon_search, kinds,
    systemd,
};
use crate::command::program;
use crate::control::child::{self, CommandResult};
use crate::control::{
    Conclusion, Interrupts, Life, Operation, Order, Signal, Silent, Target, ancestors,
};
use crate::process::{Files, Lookup, Pid, Proc};

/// The result of stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The daemon has exited, and no new one has taken its place.
    Yes,
    /// It was not stopped for good. The reason was reported.
    No,
    /// We received a signal to end before the daemon got one.
    Interrupted(Signal),
}

/// Time for the daemon to exit. It takes a tenth of a second.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Upper limit for stopping one daemon, with all steps.
pub const STOPPED_WITHIN: Duration = Duration::from_secs(150);
/// Time limit for the init script, which has nothing left to wait for.
const TIDY: Duration = Duration::from_secs(10);
/// Programs that, as pid 1, start nothing again by themselves.
const PASSIVE_INITS: [&str; 5] = ["systemd", "tini", "dumb-init", "docker-init", "catatonit"];
/// Time within which an unknown parent would start the daemon again. Scripts with a loop, busybox
/// init and supervisord wait for a second before that.
const SUCCESSOR: Duration = Duration::from_secs(2);
/// Time within which init reaps a process.
const REAPED: Duration = Duration::from_millis(500);
/// Time between two scans for an exited process or for a successor.
const PAUSE: Duration = Duration::from_millis(10);

/// Chooses the method to stop this daemon. Nothing is done to it.
pub fn way(proc: &Proc, daemon: &Daemon, interrupts: &Interrupts) -> Result<StopMethod, Error> {
    if daemon.pid == 1 {
        return Ok(StopMethod::First);
    }
    if let Some(service) = daemon.service.as_ref().filter(|_| systemd::is_running()) {
        match systemd::main_process(proc, service, interrupts)? {
            Some(pid) if is_run_by(proc, daemon, pid)? => {
                return Ok(StopMethod::Unit(service.clone()));
            }
            Some(_) => {}
            None => return Ok(StopMethod::Untold),
        }
    }
    Ok(match &daemon.supervisor {
        Some(supervisor) => StopMethod::Supervised(supervisor.clone()),
        None => {
            let may_return = daemon.parent > 1 || !starts_nothing_again(proc)?;
            StopMethod::Signal { may_return }
        }
    })
}

/// Reports whether the main process of a service is the daemon, or runs the daemon for it, as a
/// shell or tini does. A daemon that a user has started below sshd is in another session.
fn is_run_by(proc: &Proc, daemon: &Daemon, main: Pid) -> Result<bool, Error> {
    if main == daemon.pid {
        return Ok(true);
    }
    let is_same_service = daemon.unit.is_some() || daemon.session == main;
    Ok(is_same_service && ancestors(proc, daemon.pid)?.contains(&main))
}

/// Stops a paused daemon, and checks that it has exited and that no new daemon has taken its place
/// since `before`.
pub fn stop(
    proc: &Proc,
    daemon: &Daemon,
    way: &StopMethod,
    before: &BeforeStop<'_>,
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<Stopped, Error> {
    if matches!(way, StopMethod::Signal { .. }) && daemon.has_ended() {
        events.event(Event::HasEnded(daemon));
        return Ok(match successor(proc, daemon, way, before, interrupts)? {
            Some(successor) => refused(events, Warning::Replaced(daemon, successor)),
            None => Stopped::Yes,
        });
    }
    events.event(Event::Stopping(daemon, way));
    let order = match way {
        StopMethod::Signal { .. } => Order::termination(Some(TIMEOUT)),
        // Only systemd may kill it: otherwise it would be started again.
        StopMethod::Unit(unit) => match systemd::order(proc, "stop", unit, interrupts)? {
            None if is_left_by_unit(proc, daemon, unit, interrupts)? => {
                Order::termination(Some(TIMEOUT))
            }
            None => Order::wait(Some(TIMEOUT)),
            Some(why) => return Ok(refused(events, why)),
        },
        StopMethod::Supervised(_) | StopMethod::First | StopMethod::Untold => {
            return Ok(refused(events, Warning::LeftRunning(daemon, way)));
        }
    };
    match finish(proc, daemon, order, interrupts)? {
        Conclusion::Interrupted(signal) => return Ok(Stopped::Interrupted(signal)),
        Conclusion::TimedOut => {
            return Ok(refused(events, Warning::NotStopped(daemon, way)));
        }
        Conclusion::Finished => {}
    }
    if matches!(way, StopMethod::Signal { .. })
        && is_alone(proc, daemon, before.wanted, interrupts)?
    {
        tidy(proc, daemon, interrupts, events)?;
    }
    if let Some(successor) = successor(proc, daemon, way, before, interrupts)? {
        return Ok(refused(events, Warning::Replaced(daemon, successor)));
    }
    events.event(Event::Stopped(daemon));
    Ok(Stopped::Yes)
}

/// Reports whether a unit that was stopped has left the daemon behind, as it does with
/// KillMode=process where a shell runs the daemon.
fn is_left_by_unit(
    proc: &Proc,
    daemon: &Daemon,
    unit: &str,
    interrupts: &Interrupts,
) -> Result<bool, Error> {
    Ok(daemon.reference.life().is_ok_and(|life| life == Life::Alive)
        && systemd::main_process(proc, unit, interrupts)? == Some(0))
}

/// Ends the daemon. After its signal there is no way back, and a signal to us takes effect only
/// after that.
fn finish(
    proc: &Proc,
    daemon: &Daemon,
    order: Order,
    interrupts: &Interrupts,
) -> Result<Conclusion, Error> {
    let end = Instant::now() + TIMEOUT;
    let target = || Target::named(daemon.reference.clone(), &daemon.name);
    let mut operation = Operation::new(proc, order, interrupts);
    operation.add(target())?;
    let mut conclusion = operation.carry_out(&mut Silent)?;
    let mut has_ended = operation.targets().iter().all(Target::has_ended);
    let is_begun =
        order.signal().is_none() || operation.targets().iter().any(|target| target.sent.is_some());
    while is_begun && matches!(conclusion, Conclusion::Interrupted(_)) {
        let timeout = Some(end.saturating_duration_since(Instant::now()));
        let mut operation = Operation::new(proc, Order::wait(timeout), interrupts);
        operation.add(target())?;
        conclusion = operation.carry_out(&mut Silent)?;
        has_ended = operation.targets().iter().all(Target::has_ended);
    }
    // A daemon that could not be signalled or waited for has an outcome too, and has not exited.
    Ok(if conclusion == Conclusion::Finished && !has_ended {
        Conclusion::TimedOut
    } else {
        conclusion
    })
}

/// Reports why a daemon is not stopped.
fn refused(events: &mut dyn EventSink, why: Warning<'_>) -> Stopped {
    events.event(Event::Warning(why));
    Stopped::No
}

/// Reports whether an init script would hit no other process. It selects processes by name, and
/// would wait in vain for a zombie, which the daemon is until its parent reaps it.
fn is_alone(
    proc: &Proc,
    stopped: &Daemon,
    wanted: &DaemonSelector,
    interrupts: &Interrupts,
) -> Result<bool, Error> {
    let end = Instant::now() + REAPED;
    while !matches!(proc.process(stopped.pid, Files::NONE)?, Lookup::Exited) {
        if Instant::now() >= end {
            return Ok(false);
        }
        // A signal to us does not end this wait: stopping is carried through.
        interrupts.wait(PAUSE)?;
    }
    Ok(namesakes(proc, stopped, wanted)?.is_empty())
}

/// The daemons that existed before anything was done to them.
pub struct BeforeStop<'b> {
    /// The daemons that the user meant.
    wanted: &'b DaemonSelector,
    /// The daemons of the same names.
    namesakes: Vec<DaemonId>,
}

impl<'b> BeforeStop<'b> {
    /// Records the daemons that were found, but none that has become one since. Otherwise a cron
    /// that was still starting, without a lock, would be left running without a message. Only where
    /// the user named a process, other daemons of its name are recorded and left alone.
    pub fn record(
        proc: &Proc,
        daemons: &[Daemon],
        wanted: &'b DaemonSelector,
    ) -> Result<BeforeStop<'b>, Error> {
        let mut before = BeforeStop { wanted, namesakes: daemons.iter().map(id).collect() };
        if let DaemonSelector::Pid(_) = wanted {
            for daemon in daemons {
                before.namesakes.extend(namesakes(proc, daemon, wanted)?);
            }
        }
        Ok(before)
    }

    /// Returns the same record with these daemons, which were paused too.
    pub fn with<'d>(&self, newcomers: impl Iterator<Item = &'d Daemon>) -> BeforeStop<'b> {
        let namesakes = self.namesakes.iter().copied().chain(newcomers.map(id)).collect();
        BeforeStop { wanted: self.wanted, namesakes }
    }
}

/// Returns the daemons of the same name.
fn namesakes(
    proc: &Proc,
    daemon: &Daemon,
    wanted: &DaemonSelector,
) -> Result<Vec<DaemonId>, Error> {
    let wanted = match wanted {
        _ if daemon.runs_at_jobs() => DaemonSelector::AT,
        DaemonSelector::Pid(_) => DaemonSelector::Named(daemon.name.clone()),
        wanted => wanted.clone(),
    };
    let found = daemon_search::find(proc, &wanted)?.daemons;
    let same = found.iter().filter(|found| found.name == daemon.name);
    Ok(same.map(id).collect())
}

/// Lets the init script remove what the daemon has left, such as its pid file.
fn tidy(
    proc: &Proc,
    daemon: &Daemon,
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<(), Error> {
    let Some(name) = kinds::init_script(&daemon.name) else { return Ok(()) };
    let Some(service) = program::find("service") else { return Ok(()) };
    let mut command = Command::new(service);
    command.args([&name, "stop"]).stdout(Stdio::null());
    match child::run(proc, command, interrupts, Instant::now().checked_add(TIDY), &mut Silent)? {
        CommandResult::Ended(status) if status.success() => {}
        _ => events.event(Event::Warning(Warning::InitScript(daemon))),
    }
    Ok(())
}

/// Returns a new daemon that has taken the place of one that has exited. This may take a moment,
/// unless no process is known that would start it again.
fn successor(
    proc: &Proc,
    stopped: &Daemon,
    way: &StopMethod,
    before: &BeforeStop<'_>,
    interrupts: &Interrupts,
) -> Result<Option<Pid>, Error> {
    let may_return = *way == StopMethod::Signal { may_return: true };
    let end = Instant::now() + if may_return { SUCCESSOR } else { Duration::ZERO };
    loop {
        let now = namesakes(proc, stopped, before.wanted)?;
        if let Some((pid, _)) =
            now.into_iter().find(|namesake| !before.namesakes.contains(namesake))
        {
            return Ok(Some(pid));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        // A signal to us does not end this wait: a shorter search would miss a successor.
        interrupts.wait(PAUSE)?;
    }
}

/// Reports whether pid 1 only adopts orphans, or is systemd, which was asked before.
fn starts_nothing_again(proc: &Proc) -> Result<bool, Error> {
    let Lookup::Found(init) = proc.process(1, Files::NONE)? else { return Ok(false) };
    let name =
        init.exe_name().map(|name| PASSIVE_INITS.iter().any(|init| *name == *init.as_bytes()));
    Ok(matches!(init.lookup(name)?, Lookup::Found(true)))
}
