//! Gathering all descendants of the targets, so that none escapes by forking.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::freeze::{self, RunState};
use super::orphan::{Origin, OrphanCandidate, comm, is_excluded, is_unreaped};
use super::{Error, Interrupts, Operation, Signal, Target};
use crate::process::{File, Files, Lookup, Pid, Proc, Process, Stat, Unavailable};

/// Time that we wait for a process that is stuck in the kernel. It rarely starts others there.
const STUCK_TIMEOUT: Duration = Duration::from_millis(100);

/// Time limit of the whole search: a tracer may keep a process from stopping, and a process that we
/// may not stop may start others without end.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Number of passes in a row without a new process after which the search ends. During one pass, a
/// process can start another one with a number that was passed already, and exit before its own
/// number comes.
const ENOUGH: usize = 2;

/// Number of attempts to catch the process with the latest pid.
const ATTEMPTS: usize = 100;

/// The result of gathering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// No new process appeared any more.
    Complete,
    /// The time was over while new processes still appeared.
    Incomplete,
    /// We received a signal to end.
    Interrupted(Signal),
}

/// Makes targets of all descendants of the targets. With `freezes`, each of them is stopped first.
///
/// All of /proc is read again and again until no new process appears. With `freezes`, all known
/// processes had really stopped when the last passes began, so that none of them has started
/// another since; and orphans that the tree has started since we began are taken, as far as this is
/// certain. Without, processes that started after the beginning are not searched for, because new
/// ones could appear without end.
pub fn gather(
    proc: &Proc,
    interrupts: &Interrupts,
    freezes: bool,
    end: Instant,
    operation: &mut Operation<'_>,
) -> Result<Gathered, Error> {
    if freezes {
        operation.freeze_from(0)?;
    }
    let mut latest = None;
    let mut idle_passes = 0;
    loop {
        if freezes && let Some(signal) = await_frozen(proc, interrupts, operation, end)? {
            return Ok(Gathered::Interrupted(signal));
        }
        if let Some(signal) = interrupts.arrived()? {
            return Ok(Gathered::Interrupted(signal));
        }
        let is_over = Instant::now() >= end;
        let pass = pass(proc, freezes, latest, operation)?;
        idle_passes = if pass.found { 0 } else { idle_passes + 1 };
        if pass.is_blind || is_over {
            return Ok(Gathered::Incomplete);
        }
        if idle_passes >= if freezes { ENOUGH } else { 1 } {
            return Ok(Gathered::Complete);
        }
        latest = latest.or(Some(pass.latest).filter(|_| !freezes));
    }
}

/// The result of one pass over all processes.
#[derive(Default)]
struct Pass {
    /// `true` if a new process was found, which may have started others.
    found: bool,
    /// The latest start time, in clock ticks since boot.
    latest: u64,
    /// `true` if a process that may be a descendant could not be examined.
    is_blind: bool,
}

/// Adds the children of targets that started no later than `latest` and, with `freezes`, the
/// orphans of the tree.
fn pass(
    proc: &Proc,
    freezes: bool,
    latest: Option<u64>,
    operation: &mut Operation<'_>,
) -> Result<Pass, Error> {
    let mut members = members(proc, operation)?;
    let mut pass = Pass::default();
    let mut all: BTreeMap<Pid, OrphanCandidate> = BTreeMap::new();
    let own = proc.own_pid();
    let mut scan = proc.scan(Files::new(&[File::Stat]))?;
    while let Some(process) = scan.next()? {
        let stat = match process.lookup(process.stat())? {
            Lookup::Found(stat) => stat,
            Lookup::Unavailable(reason) => {
                pass.is_blind |= is_blinding(reason);
                continue;
            }
            Lookup::Exited => continue,
        };
        let (pid, ppid, start_ticks) = (process.pid(), stat.ppid, stat.start_ticks);
        pass.latest = pass.latest.max(start_ticks);
        if freezes {
            all.insert(pid, candidate(process, stat)?);
        }
        if members.contains_key(&pid) || Some(pid) == own || Some(ppid) == own {
            continue;
        }
        match members.get(&ppid) {
            Some(_) if latest.is_some_and(|latest| start_ticks > latest) => {}
            Some(&parent) => {
                let taken = pin_child(proc, pid, ppid, &operation.targets()[parent])?;
                take(taken, freezes, &mut members, &mut pass, operation)?;
            }
            None => {}
        }
    }
    if freezes {
        // The next pass pins it, if it is a child of a target.
        pass.found |= catch_latest(proc, &mut all)?.is_some_and(|ppid| members.contains_key(&ppid));
        take_orphans(proc, &all, &mut members, &mut pass, operation)?;
    }
    Ok(pass)
}

/// Returns the facts about a process that a scan shows.
fn candidate(process: &Process<'_>, stat: &Stat) -> Result<OrphanCandidate, Error> {
    let name = match process.lookup(process.comm())? {
        Lookup::Found(name) => comm(&name),
        Lookup::Unavailable(_) | Lookup::Exited => comm(b""),
    };
    Ok(OrphanCandidate {
        pid: process.pid(),
        ppid: stat.ppid,
        pgrp: stat.pgrp,
        session: stat.session,
        start_ticks: stat.start_ticks,
        name,
    })
}

/// Adds the process with the latest pid, unless the scan has shown it, and those of its ancestors
/// that the scan has not shown. A process that starts another one and exits at once is often gone
/// before the scan comes to it; so is the next one. Returns the parent that it has.
fn catch_latest(
    proc: &Proc,
    all: &mut BTreeMap<Pid, OrphanCandidate>,
) -> Result<Option<Pid>, Error> {
    for _ in 0..ATTEMPTS {
        let Some(pid) = proc.latest_pid().filter(|pid| !all.contains_key(pid)) else { break };
        if is_thread(proc, pid)? {
            // It belongs to a process that the scan has shown.
            break;
        }
        let Some(latest) = look_at(proc, pid)? else { continue };
        let mut unseen = vec![latest];
        let mut parent = latest.ppid;
        while parent > 1 && !all.contains_key(&parent) {
            // Without its parent, it would pass for an orphan.
            let Some(seen) = look_at(proc, parent)? else { break };
            unseen.push(seen);
            parent = seen.ppid;
        }
        if parent <= 1 || all.contains_key(&parent) {
            all.extend(unseen.into_iter().map(|candidate| (candidate.pid, candidate)));
            return Ok(Some(latest.ppid));
        }
    }
    Ok(None)
}

/// Reads the facts about the process with this pid; `None` if it has exited.
fn look_at(proc: &Proc, pid: Pid) -> Result<Option<OrphanCandidate>, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(None);
    };
    match process.lookup(process.stat())? {
        Lookup::Found(stat) => candidate(&process, stat).map(Some),
        Lookup::Unavailable(_) | Lookup::Exited => Ok(None),
    }
}

/// Reports whether this is the id of a thread that is not the first one of its process.
fn is_thread(proc: &Proc, id: Pid) -> Result<bool, Error> {
    let Lookup::Found(process) = proc.process(id, Files::new(&[File::Status]))? else {
        return Ok(false);
    };
    let tgid = process.lookup(process.status().map(|status| status.number("Tgid")))?;
    Ok(matches!(tgid, Lookup::Found(Some(tgid)) if tgid != u64::from(id)))
}

/// Adds the orphans that belong to the tree, and remembers those that may.
fn take_orphans(
    proc: &Proc,
    all: &BTreeMap<Pid, OrphanCandidate>,
    members: &mut BTreeMap<Pid, usize>,
    pass: &mut Pass,
    operation: &mut Operation<'_>,
) -> Result<(), Error> {
    operation.learn_from_scan(all, members);
    let mut newborn: Vec<OrphanCandidate> = all
        .values()
        .filter(|candidate| {
            !members.contains_key(&candidate.pid)
                && !is_own_or_child(proc, candidate)
                && operation.bonds().is_newborn(candidate)
        })
        .copied()
        .collect();
    for candidate in orphans_first(newborn.iter(), operation) {
        if operation.bonds().may_share_session(candidate) {
            if let Origin::Orphan(top) = operation.bonds().origin(candidate, all, members)
                && !operation.bonds().is_newborn(&top)
            {
                // An orphan from before us is no part of the tree, and has started it.
                continue;
            }
            let taken = pin_orphan(proc, candidate.pid, operation)?;
            take(taken, true, members, pass, operation)?;
        } else if operation.bonds().may_share_group(candidate) {
            take_from_group(proc, candidate, all, members, pass, operation)?;
        }
    }
    take_from_cgroups(proc, &newborn, all, members, pass, operation)?;
    newborn.retain(|candidate| !members.contains_key(&candidate.pid));
    remember_suspects(&newborn, all, members, operation);
    Ok(())
}

/// Reports whether a process is our own, or a child of ours such as the guardian. These never
/// belong to the tree.
fn is_own_or_child(proc: &Proc, candidate: &OrphanCandidate) -> bool {
    let own = proc.own_pid();
    Some(candidate.pid) == own || Some(candidate.ppid) == own
}

/// Returns these processes, orphans first: they identify the processes that they have started.
fn orphans_first<'a>(
    candidates: impl Iterator<Item = &'a OrphanCandidate>,
    operation: &Operation<'_>,
) -> Vec<&'a OrphanCandidate> {
    let (mut orphans, others): (Vec<_>, Vec<_>) =
        candidates.partition(|candidate| operation.bonds().may_be_orphan(candidate.ppid));
    orphans.extend(others);
    orphans
}

/// Remembers those of the processes that were not taken which may belong to the tree.
fn remember_suspects(
    left: &[OrphanCandidate],
    all: &BTreeMap<Pid, OrphanCandidate>,
    members: &BTreeMap<Pid, usize>,
    operation: &mut Operation<'_>,
) {
    let bonds = operation.bonds();
    // A child of a target was taken, unless that target was reaped meanwhile. Then its number may
    // be that of another process, and the next pass finds out.
    let left = || left.iter().filter(|candidate| !members.contains_key(&candidate.ppid));
    let session_of = |pid: Pid| all.get(&pid).map(|parent| parent.session);
    let suspects =
        left().filter(|candidate| bonds.is_suspect(candidate, session_of(candidate.ppid)));
    let suspects: Vec<Pid> = suspects.map(|candidate| candidate.pid).collect();
    let lookalikes = left().filter(|candidate| bonds.resembles(candidate, all));
    let lookalikes: Vec<Pid> = lookalikes.map(|candidate| candidate.pid).collect();
    operation.suspect(suspects);
    operation.suspect_lookalikes(lookalikes);
}

/// Adds a process from a process group or a control group of the tree, if it is an orphan.
fn take_from_group(
    proc: &Proc,
    candidate: &OrphanCandidate,
    all: &BTreeMap<Pid, OrphanCandidate>,
    members: &mut BTreeMap<Pid, usize>,
    pass: &mut Pass,
    operation: &mut Operation<'_>,
) -> Result<(), Error> {
    match operation.bonds().origin(candidate, all, members) {
        Origin::Orphan(top) if top.pid == candidate.pid => {
            let taken = pin_orphan(proc, candidate.pid, operation)?;
            take(taken, true, members, pass, operation)
        }
        // The orphan that it descends from was not taken.
        Origin::Orphan(_) => Ok(()),
        // The next pass finds it below a process that was taken, or as an orphan.
        Origin::Tree | Origin::Unknown => {
            pass.found = true;
            Ok(())
        }
    }
}

/// Adds the orphans in the control groups of the tree.
fn take_from_cgroups(
    proc: &Proc,
    newborn: &[OrphanCandidate],
    all: &BTreeMap<Pid, OrphanCandidate>,
    members: &mut BTreeMap<Pid, usize>,
    pass: &mut Pass,
    operation: &mut Operation<'_>,
) -> Result<(), Error> {
    operation.find_cgroups(|pid| members.contains_key(&pid) || find(newborn, pid).is_some())?;
    let pids = operation.bonds().cgroup_pids();
    let in_cgroups = pids.into_iter().filter_map(|pid| find(newborn, pid));
    for candidate in orphans_first(in_cgroups, operation) {
        let pid = candidate.pid;
        if members.contains_key(&pid) {
            continue;
        }
        take_from_group(proc, candidate, all, members, pass, operation)?;
        if operation.bonds().may_be_orphan(candidate.ppid) && !members.contains_key(&pid) {
            // The control group is its only tie to the tree, and the process that started the tree
            // may have started it too.
            operation.suspect(vec![pid]);
        }
    }
    Ok(())
}

/// Returns the process of this number from a list that is sorted by number.
fn find(candidates: &[OrphanCandidate], pid: Pid) -> Option<&OrphanCandidate> {
    let at = candidates.binary_search_by_key(&pid, |candidate| candidate.pid).ok()?;
    candidates.get(at)
}

/// The result of an attempt to pin a process.
enum Taken {
    New(Target),
    /// It does not belong to the tree.
    Other,
    /// It has exited or has a new parent, and may have started others.
    Gone,
    /// It could not be examined.
    Unavailable(Unavailable),
}

/// Makes a target of a process that was pinned, and records in `pass` what else was learned.
fn take(
    taken: Taken,
    freezes: bool,
    members: &mut BTreeMap<Pid, usize>,
    pass: &mut Pass,
    operation: &mut Operation<'_>,
) -> Result<(), Error> {
    match taken {
        Taken::New(target) => {
            let at = operation.targets().len();
            members.insert(target.pid, at);
            operation.add(target)?;
            if freezes {
                operation.freeze_from(at)?;
            }
            pass.found = true;
        }
        Taken::Other => {}
        Taken::Gone => pass.found |= freezes,
        Taken::Unavailable(reason) => pass.is_blind |= is_blinding(reason),
    }
    Ok(())
}

/// Reports whether a process that could not be examined may be a descendant that we could signal.
/// The kernel denies ordinary users only the processes of other users (hidepid).
fn is_blinding(reason: Unavailable) -> bool {
    reason != Unavailable::Denied || nix::unistd::geteuid().is_root()
}

/// Returns the targets of the tree whose number is still their own. A zombie has no children any
/// more.
fn members(proc: &Proc, operation: &Operation<'_>) -> Result<BTreeMap<Pid, usize>, Error> {
    let mut members = BTreeMap::new();
    for (at, target) in operation.targets().iter().enumerate() {
        let Some(reference) = &target.reference else { continue };
        if !is_excluded(target) && is_unreaped(proc, target.pid, reference)? {
            members.insert(target.pid, at);
        }
    }
    Ok(members)
}

/// Pins the process of this number, if it is a child of that target.
fn pin_child(proc: &Proc, pid: Pid, ppid: Pid, parent: &Target) -> Result<Taken, Error> {
    let child = match proc.process(pid, Target::FILES)? {
        Lookup::Found(child) => child,
        Lookup::Unavailable(reason) => return Ok(Taken::Unavailable(reason)),
        Lookup::Exited => return Ok(Taken::Gone),
    };
    match child.lookup(child.ppid())? {
        Lookup::Found(found) if found == ppid => {}
        Lookup::Unavailable(reason) => return Ok(Taken::Unavailable(reason)),
        // Its parent has exited, or the number belongs to another process by now.
        Lookup::Found(_) | Lookup::Exited => return Ok(Taken::Gone),
    }
    // The parent is not reaped yet, so that the number which the child gives as its parent's is
    // that of this parent.
    match &parent.reference {
        Some(reference) if is_unreaped(proc, ppid, reference)? => as_target(&child),
        _ => Ok(Taken::Gone),
    }
}

/// Pins the process of this number, if it is certainly an orphan of the tree.
fn pin_orphan(proc: &Proc, pid: Pid, operation: &Operation<'_>) -> Result<Taken, Error> {
    match proc.process(pid, Target::FILES)? {
        Lookup::Found(process)
            if operation.bonds().proves(proc, operation.targets(), &process)? =>
        {
            as_target(&process)
        }
        Lookup::Found(_) => Ok(Taken::Other),
        Lookup::Unavailable(reason) => Ok(Taken::Unavailable(reason)),
        Lookup::Exited => Ok(Taken::Gone),
    }
}

fn as_target(process: &Process<'_>) -> Result<Taken, Error> {
    Ok(match process.lookup(Target::descendant(process))? {
        Lookup::Found(target) => Taken::New(target),
        Lookup::Unavailable(reason) => Taken::Unavailable(reason),
        Lookup::Exited => Taken::Gone,
    })
}

/// Waits until all frozen processes have really stopped.
fn await_frozen(
    proc: &Proc,
    interrupts: &Interrupts,
    operation: &Operation<'_>,
    end: Instant,
) -> Result<Option<Signal>, Error> {
    let mut moving: Vec<usize> =
        (0..operation.targets().len()).filter(|&at| operation.targets()[at].is_frozen).collect();
    let begin = Instant::now();
    freeze::poll_until(interrupts, Some(end), || {
        let mut still = Vec::with_capacity(moving.len());
        for &at in &moving {
            let Some(reference) = &operation.targets()[at].reference else { continue };
            match freeze::run_state(proc, reference)? {
                (RunState::Running, _) | (RunState::Traced, true) => still.push(at),
                (RunState::Uninterruptible, _) if begin.elapsed() < STUCK_TIMEOUT => still.push(at),
                _ => {}
            }
        }
        moving = still;
        Ok(moving.is_empty())
    })
}
