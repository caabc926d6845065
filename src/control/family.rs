//! All descendants of the targets, taken so that none escapes by forking.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::halt::{self, Motion};
use super::reference::Life;
use super::{Error, Interrupts, Operation, Outcome, Signal, Target};
use crate::process::{File, Files, Pid, Proc, Process, Read, Settled};

/// How long one that is stuck in the kernel is waited for, which rarely starts anything there.
const STUCK: Duration = Duration::from_millis(100);

/// How long all of it may take: a tracer may keep one from stopping, and one that we may not stop may start others for
/// ever.
pub const LIMIT: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    Complete,
    /// The time was over before nobody new turned up.
    Incomplete,
    Interrupted(Signal),
}

/// Make targets of all descendants of the targets; with `halts`, after stopping each of them.
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
    halts: bool,
    end: Instant,
    operation: &mut Operation<'_>,
) -> Result<Gathered, Error> {
    if halts {
        operation.halt_from(0)?;
    }
    let mut latest = None;
    loop {
        if halts && let Some(signal) = await_halts(proc, interrupts, operation, end)? {
            return Ok(Gathered::Interrupted(signal));
        }
        if let Some(signal) = interrupts.arrived()? {
            return Ok(Gathered::Interrupted(signal));
        }
        let is_over = Instant::now() >= end;
        let pass = pass(proc, halts, latest, operation)?;
        match (pass.found, is_over) {
            (_, true) => return Ok(Gathered::Incomplete),
            (false, _) => return Ok(Gathered::Complete),
            _ if halts => {}
            _ => _ = latest.get_or_insert(pass.latest),
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
        if halts {
            operation.halt_from(at)?;
        }
        pass.found = true;
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
                (Motion::Moving, _) | (Motion::Traced, true) => still.push(at),
                (Motion::Stuck, _) if begin.elapsed() < STUCK => still.push(at),
                _ => {}
            }
        }
        moving = still;
        Ok(moving.is_empty())
    })
}
