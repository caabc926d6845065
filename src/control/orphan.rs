//! Proofs that an orphan belongs to a tree of processes: its parent has exited, and the kernel has
//! given it another one.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel::{Scope, takes_signals};
use super::reference::Life;
use super::target::SessionAndGroup;
use super::{Error, Outcome, Reference, Target, unless_reaped};
use crate::process::{
    Cgroups, ControlGroup, File, Files, Lookup, Pid, Proc, Process, if_available,
};

/// The ties between processes and a tree, besides their parents.
pub struct TreeBonds {
    /// Processes that started before this time were no descendants when we began, and are not
    /// searched for. Clock ticks since boot.
    begin_ticks: u64,
    /// Targets that lead or led a session or a process group, by its number.
    leaders: BTreeMap<Pid, usize>,
    /// The sessions of the targets.
    sessions: BTreeSet<Pid>,
    /// Number of targets that were learned from.
    learned: usize,
    /// The comms of the targets.
    comms: BTreeSet<[u8; 16]>,
    /// Process groups of targets that contain other processes too.
    mixed_groups: BTreeSet<Pid>,
    /// The ancestors of the tree. Its orphans become children of one of them.
    ancestors: BTreeSet<Pid>,
    /// `true` after targets got their signal: from then on the process that started the tree may
    /// start it again.
    is_signalled: bool,
    /// Control groups that contained only the tree when we began; `None` before they were searched
    /// for.
    cgroups: Option<Vec<ControlGroup>>,
}

/// The facts about a process that a scan shows.
#[derive(Clone, Copy, Debug)]
pub struct OrphanCandidate {
    pub pid: Pid,
    pub ppid: Pid,
    pub pgrp: Pid,
    pub session: Pid,
    pub start_ticks: u64,
    /// Its comm, filled with zero bytes.
    pub name: [u8; 16],
}

/// The two sets of processes that have the number of their leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Led {
    Session,
    ProcessGroup,
}

impl Led {
    /// Returns the number of the set that a process with this place is in.
    fn number(self, place: SessionAndGroup) -> Pid {
        match self {
            Led::Session => place.session,
            Led::ProcessGroup => place.pgrp,
        }
    }
}

/// The process that another one descends from.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// It descends from a process of the tree.
    Tree,
    /// It descends from this process, which an ancestor of the tree has started or adopted.
    Orphan(OrphanCandidate),
    /// It was started during the scan, or its parent has exited since.
    Unknown,
}

impl TreeBonds {
    /// Makes ties of an empty tree.
    pub fn new(begin_ticks: u64) -> TreeBonds {
        let (leaders, sessions) = (BTreeMap::new(), BTreeSet::new());
        let (comms, mixed_groups, ancestors) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        TreeBonds {
            begin_ticks,
            leaders,
            sessions,
            learned: 0,
            comms,
            mixed_groups,
            ancestors,
            is_signalled: false,
            cgroups: None,
        }
    }

    /// Learns from targets that were added.
    pub fn learn(&mut self, targets: &[Target]) {
        for (at, target) in targets.iter().enumerate().skip(self.learned) {
            // A target that has exited counts too: it may have been replaced by a process that it
            // started.
            self.comms.extend(target.name.as_deref().filter(|_| !is_excluded(target)).map(comm));
            let (Some(place), false) = (target.place, is_excluded(target)) else { continue };
            if [place.session, place.pgrp].contains(&target.pid) {
                self.leaders.insert(target.pid, at);
            }
            // 0 stands for any session whose leader is outside of our pid namespace.
            self.sessions.extend(Some(place.session).filter(|&session| session != 0));
        }
        self.learned = targets.len();
    }

    /// Learns from all processes which ancestors adopt orphans of the tree, and which process
    /// groups do not belong to the tree alone: the commands of a pipeline are in the group of the
    /// first one.
    pub fn learn_from_scan(
        &mut self,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) {
        for &member in members.keys() {
            self.comms.extend(all.get(&member).map(|candidate| candidate.name));
            self.learn_ancestors(member, all, members);
        }
        let older = all.values().filter(|candidate| {
            !members.contains_key(&candidate.pid) && !self.is_newborn(candidate)
        });
        let mixed_groups: Vec<Pid> = older
            .filter(|candidate| self.is_of_sibling(candidate, all, members))
            .map(|candidate| candidate.pgrp)
            .collect();
        self.mixed_groups.extend(mixed_groups);
    }

    /// Learns the ancestors of a process of the tree. All ancestors of a known one are known too.
    fn learn_ancestors(
        &mut self,
        member: Pid,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) {
        let mut pid = member;
        // No chain is longer, unless numbers were reused during the scan.
        for _ in 0..all.len() {
            let parent = all.get(&pid).map(|candidate| candidate.ppid);
            let Some(parent) = parent.filter(|&parent| parent > 1) else { break };
            pid = parent;
            if !members.contains_key(&pid) && !self.ancestors.insert(pid) {
                break;
            }
        }
    }

    /// Reports whether a process was started by a sibling of its group's leader, such as another
    /// command of a pipeline. A target can also make a sibling of its own child (CLONE_PARENT).
    fn is_of_sibling(
        &self,
        candidate: &OrphanCandidate,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) -> bool {
        let leader = all
            .get(&candidate.pgrp)
            .filter(|leader| self.leaders.contains_key(&leader.pid) && leader.ppid > 1);
        let Some(leader) = leader else { return false };
        match self.origin(candidate, all, members) {
            Origin::Orphan(top) => top.pid != candidate.pid && top.ppid == leader.ppid,
            Origin::Tree | Origin::Unknown => false,
        }
    }

    /// Returns the process that another one descends from, as far as one scan tells.
    pub fn origin(
        &self,
        candidate: &OrphanCandidate,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) -> Origin {
        let mut top = *candidate;
        for _ in 0..all.len() {
            if members.contains_key(&top.ppid) {
                return Origin::Tree;
            }
            if self.may_be_orphan(top.ppid) {
                return Origin::Orphan(top);
            }
            match all.get(&top.ppid) {
                Some(parent) => top = *parent,
                None => break,
            }
        }
        Origin::Unknown
    }

    /// Notes that targets get their signal from now on. The process that has started the tree may
    /// see it exit, and start it again in the same control group.
    pub fn begin_to_signal(&mut self) {
        self.is_signalled = true;
    }

    /// Reports whether a process with this parent may be an orphan of the tree: the kernel gives
    /// orphans to an ancestor.
    pub fn may_be_orphan(&self, ppid: Pid) -> bool {
        ppid <= 1 || self.ancestors.contains(&ppid)
    }

    /// Reports whether a process started after we began, so that the tree may have started it.
    pub fn is_newborn(&self, candidate: &OrphanCandidate) -> bool {
        candidate.start_ticks >= self.begin_ticks
    }

    /// Reports whether a process may be in a session that a target leads. A process enters a
    /// session only by birth.
    pub fn may_share_session(&self, candidate: &OrphanCandidate) -> bool {
        self.leaders.contains_key(&candidate.session)
    }

    /// Reports whether a process may be in a process group that a target leads.
    pub fn may_share_group(&self, candidate: &OrphanCandidate) -> bool {
        self.leaders.contains_key(&candidate.pgrp)
    }

    /// Reports whether a process that was not taken may belong to the tree: an orphan in a session
    /// of the tree.
    pub fn is_suspect(&self, candidate: &OrphanCandidate, session_of_parent: Option<Pid>) -> bool {
        // A parent in the same session has started it: the ancestor that adopts orphans is in
        // another session.
        let is_orphan = candidate.ppid <= 1 || session_of_parent != Some(candidate.session);
        self.is_newborn(candidate) && is_orphan && self.sessions.contains(&candidate.session)
    }

    /// Reports whether a process that was not taken resembles a process of the tree that has left
    /// its session: an orphan with the name of one of the tree, in a session of its own or in one
    /// whose leader has exited.
    pub fn resembles(
        &self,
        candidate: &OrphanCandidate,
        all: &BTreeMap<Pid, OrphanCandidate>,
    ) -> bool {
        // 0 stands for any session whose leader is outside of our pid namespace.
        let has_left = candidate.session != 0 && !self.sessions.contains(&candidate.session);
        let is_detached = has_left
            && (candidate.session == candidate.pid || !all.contains_key(&candidate.session));
        self.is_newborn(candidate)
            && self.may_be_orphan(candidate.ppid)
            && is_detached
            && self.comms.contains(&candidate.name)
    }

    /// Reports whether a pinned process is certainly tied to the tree.
    pub fn proves(
        &self,
        proc: &Proc,
        targets: &[Target],
        process: &Process<'_>,
    ) -> Result<bool, Error> {
        let Lookup::Found(stat) = process.lookup(process.stat().copied())? else {
            return Ok(false);
        };
        if stat.start_ticks < self.begin_ticks {
            return Ok(false);
        }
        let may_be_orphan = self.may_be_orphan(stat.ppid);
        let place = SessionAndGroup { session: stat.session, pgrp: stat.pgrp };
        for led in [Led::ProcessGroup, Led::Session] {
            let is_proof = match led {
                // Any process of the session can enter a process group.
                Led::ProcessGroup => may_be_orphan && !self.mixed_groups.contains(&stat.pgrp),
                Led::Session => true,
            };
            if is_proof
                && let Some(&leader) = self.leaders.get(&led.number(place))
                && self.is_still_led(proc, targets, leader, led)?
            {
                return Ok(true);
            }
        }
        Ok(may_be_orphan && !self.is_signalled && self.is_in_cgroup(process)?)
    }

    /// Reports whether the session or process group of this number is still the one that a target
    /// led. The kernel reuses a number only when no process, session or process group has it any
    /// more.
    fn is_still_led(
        &self,
        proc: &Proc,
        targets: &[Target],
        leader: usize,
        led: Led,
    ) -> Result<bool, Error> {
        let number = targets[leader].pid;
        let Some(reference) = &targets[leader].reference else { return Ok(false) };
        if is_unreaped(proc, number, reference)? {
            return Ok(true);
        }
        // Since Linux 6.9 a pidfd of the leader refers to its process group too, even after the
        // leader was reaped.
        if led == Led::ProcessGroup
            && let Ok(pidfd) = reference.pidfd()
            && takes_signals(pidfd, Scope::ProcessGroup) == Ok(true)
        {
            return Ok(true);
        }
        for target in targets {
            let was_in = target.place.map(|place| led.number(place));
            if was_in == Some(number) && is_still_in(proc, target, number, led)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reports whether a process is in one of the control groups that contain only the tree.
    fn is_in_cgroup(&self, process: &Process<'_>) -> Result<bool, Error> {
        let cgroups = self.cgroups.as_deref().unwrap_or_default();
        if cgroups.is_empty() {
            return Ok(false);
        }
        let path = if_available(process.file(File::Cgroup))
            .map(|text| text.and_then(|text| Cgroups(text).path()));
        Ok(match process.lookup(path)? {
            Lookup::Found(Some(path)) => cgroups.iter().any(|group| group.path == path),
            _ => false,
        })
    }

    /// Finds, once, the control groups that contain only targets and processes that started after
    /// we began.
    pub fn find_cgroups(
        &mut self,
        proc: &Proc,
        targets: &[Target],
        is_of_tree: impl Fn(Pid) -> bool,
    ) -> Result<(), Error> {
        if self.cgroups.is_some() {
            return Ok(());
        }
        let (mut cgroups, mut known) = (Vec::new(), BTreeSet::new());
        for target in targets.iter().filter(|target| !is_excluded(target)) {
            // Each group is read once, however many targets are in it.
            if let Some(group) = cgroup_of(proc, target, &mut known)?
                && group.processes().is_ok_and(|pids| pids.into_iter().all(&is_of_tree))
            {
                cgroups.push(group);
            }
        }
        self.cgroups = Some(cgroups);
        Ok(())
    }

    /// Returns the processes in the control groups of the tree.
    pub fn cgroup_pids(&self) -> BTreeSet<Pid> {
        let cgroups = self.cgroups.iter().flatten();
        cgroups.filter_map(|group| group.processes().ok()).flatten().collect()
    }
}

/// Returns the comm of a program of this name: fifteen bytes (TASK_COMM_LEN), filled with zero
/// bytes.
pub fn comm(name: &[u8]) -> [u8; 16] {
    let mut comm = [0; 16];
    name.iter().zip(&mut comm[..15]).for_each(|(&byte, place)| *place = byte);
    comm
}

/// Reports whether a target is left alone, so that it does not belong to the tree.
pub fn is_excluded(target: &Target) -> bool {
    matches!(target.outcome, Some(Outcome::Refused(_) | Outcome::NoMatch))
}

/// Reports whether a process was not reaped, so that its number is its own.
pub fn is_unreaped(proc: &Proc, pid: Pid, reference: &Reference) -> Result<bool, Error> {
    Ok(matches!(unless_reaped(proc, pid, reference.life())?, Some(Life::Alive | Life::Zombie)))
}

/// Reports whether a target is in the session or the process group of this number now.
fn is_still_in(proc: &Proc, target: &Target, number: Pid, led: Led) -> Result<bool, Error> {
    let Some(reference) = &target.reference else { return Ok(false) };
    let Lookup::Found(process) = proc.process(target.pid, Files::new(&[File::Stat]))? else {
        return Ok(false);
    };
    let place = SessionAndGroup::from_process(&process).map(|place| led.number(place));
    let is_in = process.lookup(place)? == Lookup::Found(number);
    // The target is not reaped yet, so that what was read by its number was its own.
    Ok(is_in && is_unreaped(proc, target.pid, reference)?)
}

/// Returns the control group of a target, unless its path is in `known`. Adds the path.
fn cgroup_of(
    proc: &Proc,
    target: &Target,
    known: &mut BTreeSet<Vec<u8>>,
) -> Result<Option<ControlGroup>, Error> {
    let Some(reference) = &target.reference else { return Ok(None) };
    let Lookup::Found(process) = proc.process(target.pid, Files::NONE)? else { return Ok(None) };
    let Lookup::Found(text) = process.lookup(process.file(File::Cgroup))? else { return Ok(None) };
    let Some(path) = Cgroups(text).path() else { return Ok(None) };
    if known.contains(path) || !is_unreaped(proc, target.pid, reference)? {
        return Ok(None);
    }
    known.insert(path.to_vec());
    // A group in a hierarchy that is not mounted here proves nothing.
    Ok(ControlGroup::innermost(Cgroups(text)).ok().flatten())
}
