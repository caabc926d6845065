//! All descendants of the targets, taken so that none escapes by forking.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::reference::Life;
use super::{Error, Interrupts, Operation, Outcome, Signal, Target, halt};
use crate::process::{File, Files, Pid, Proc, Process, Read, Settled};

/// How long one that is stuck in the kernel is waited for. It starts nothing new while it is.
const STUCK: Duration = Duration::from_millis(100);

/// How long all of it is waited for at most: a tracer may keep one from stopping at all, or somebody continue it.
const UNSTOPPABLE: Duration = Duration::from_secs(5);

/// Make targets of all descendants of the targets; with `halts`, after stopping each of them, which holds how long that
/// may take.
///
/// All of /proc is read again and again until nothing new turns up. With `halts`, everybody who was known when that last
/// pass began had really stopped, and so could not have started anybody since. Without, whoever started after the
/// beginning is not looked for: somebody might start new ones for ever.
///
/// A descendant whose parent ends between two passes is lost, as it has become a child of init: it is taken as soon
/// as it is seen to keep that time short.
pub fn gather(
    proc: &Proc,
    interrupts: &Interrupts,
    halts: Option<Option<Duration>>,
    operation: &mut Operation<'_>,
) -> Result<Option<Signal>, Error> {
    let end = halts.map(|timeout| Instant::now() + timeout.unwrap_or(UNSTOPPABLE).min(UNSTOPPABLE));
    let halts = end.is_some();
    if halts {
        operation.halt_from(0)?;
    }
    let mut latest = None;
    loop {
        if let Some(end) = end
            && let Some(signal) = await_halts(proc, interrupts, operation, end)?
        {
            return Ok(Some(signal));
        }
        if let Some(signal) = interrupts.arrived()? {
            return Ok(Some(signal));
        }
        let pass = pass(proc, halts, latest, operation)?;
        latest = latest.or(Some(pass.latest)).filter(|_| !halts);
        if !pass.found {
            return Ok(None);
        }
    }
}

/// What a pass over all processes gave.
struct Pass {
    /// Whether there was anybody new, who may have started others.
    found: bool,
    /// The latest start of a process, in clock ticks.
    latest: u64,
}

/// Add the children of targets that started no later than `latest`.
fn pass(proc: &Proc, halts: bool, latest: Option<u64>, operation: &mut Operation<'_>) -> Result<Pass, Error> {
    let mut members = members(proc, operation)?;
    let mut pass = Pass { found: false, latest: 0 };
    let mut scan = proc.scan(Files::of(&[File::Stat]))?;
    while let Some(process) = scan.next()? {
        let Settled::Known(stat) = process.settle(process.stat())? else { continue };
        pass.latest = pass.latest.max(stat.start_ticks);
        let Some(&parent) = members.get(&stat.ppid) else { continue };
        let is_late = latest.is_some_and(|latest| stat.start_ticks > latest);
        if is_late || members.contains_key(&process.pid()) || Some(process.pid()) == proc.own_pid() {
            continue;
        }
        let Some(child) = pin_child(proc, process.pid(), stat.ppid, &operation.targets()[parent])? else { continue };
        let at = operation.targets().len();
        members.insert(child.pid, at);
        operation.add(child)?;
        pass.found |= !halts || operation.halt_from(at)?;
    }
    Ok(pass)
}

/// The targets whose children are wanted, by number, which is still their own.
fn members(proc: &Proc, operation: &Operation<'_>) -> Result<HashMap<Pid, usize>, Error> {
    let mut members = HashMap::new();
    for (at, target) in operation.targets().iter().enumerate() {
        let Some(reference) = &target.reference else { continue };
        let is_spared = matches!(target.outcome, Some(Outcome::Refused(_) | Outcome::NoMatch));
        if !is_spared && !is_reaped(proc, target.pid, reference.life())? {
            members.insert(target.pid, at);
        }
    }
    Ok(members)
}

fn is_reaped(proc: &Proc, pid: Pid, life: Read<Life>) -> Result<bool, Error> {
    Ok(!matches!(proc.settle(pid, life)?, Settled::Known(Life::Alive | Life::Zombie)))
}

/// The process of this number, if it is a child of that target.
fn pin_child(proc: &Proc, pid: Pid, ppid: Pid, parent: &Target) -> Result<Option<Target>, Error> {
    let Settled::Known(child) = proc.process(pid, Target::FILES)? else { return Ok(None) };
    let is_child = |child: &Process<'_>| Ok(child.ppid()? == ppid);
    let Settled::Known(true) = child.settle(is_child(&child))? else { return Ok(None) };
    // The parent is not reaped by now, so that the number that the child called its parent's was its own.
    let Some(reference) = &parent.reference else { return Ok(None) };
    if is_reaped(proc, ppid, reference.life())? {
        return Ok(None);
    }
    match child.settle(Target::found(&child))? {
        Settled::Known(target) => Ok(Some(Target { is_kin: true, ..target })),
        Settled::Missing(_) | Settled::Gone => Ok(None),
    }
}

/// Wait until everybody who was halted has stopped.
fn await_halts(
    proc: &Proc,
    interrupts: &Interrupts,
    operation: &Operation<'_>,
    end: Instant,
) -> Result<Option<Signal>, Error> {
    let mut moving: Vec<usize> =
        (0..operation.targets().len()).filter(|&at| operation.targets()[at].is_halted).collect();
    let begin = Instant::now();
    halt::until(interrupts, Some(end), || {
        let mut still = Vec::with_capacity(moving.len());
        for &at in &moving {
            let Some(reference) = &operation.targets()[at].reference else { continue };
            match halt::motion(proc, reference)? {
                halt::Motion::Moving => still.push(at),
                halt::Motion::Stuck if begin.elapsed() < STUCK => still.push(at),
                _ => {}
            }
        }
        moving = still;
        Ok(moving.is_empty())
    })
}
