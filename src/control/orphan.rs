//! What proves that an orphan belongs to a tree of processes: its parent has ended, and the kernel
//! has given it another.

use std::collections::{BTreeMap, BTreeSet};

use super::kernel::{Scope, takes_signals};
use super::reference::Life;
use super::{Error, Outcome, Reference, Target, told};
use crate::process::{
    Cgroups, ControlGroup, File, Files, Lookup, Pid, Proc, Process, if_available,
};

/// What ties processes to a tree beside their parents.
pub struct TreeBonds {
    /// Processes that started earlier were no descendants when we began, and are not looked for; in
    /// clock ticks since boot.
    begin_ticks: u64,
    /// The targets that lead a session or a process group, or led it, by the number of both.
    leaders: BTreeMap<Pid, usize>,
    /// The sessions that targets are in.
    sessions: BTreeSet<Pid>,
    /// How many targets were looked at.
    known: usize,
    /// What the kernel calls the targets.
    names: BTreeSet<[u8; 16]>,
    /// The process groups of targets that others are in too.
    shared: BTreeSet<Pid>,
    /// The ancestors of the tree: its orphans become the children of one of them.
    ancestors: BTreeSet<Pid>,
    /// Whether targets have got their signal, so that whoever has started the tree may start it
    /// anew.
    is_begun: bool,
    /// The control groups that held nobody but the tree when we began; `None` before that was
    /// looked at.
    groups: Option<Vec<ControlGroup>>,
}

/// A process as a scan shows it.
#[derive(Clone, Copy, Debug)]
pub struct OrphanCandidate {
    pub pid: Pid,
    pub ppid: Pid,
    pub pgrp: Pid,
    pub session: Pid,
    pub start_ticks: u64,
    /// As the kernel has it, filled up with zero bytes.
    pub name: [u8; 16],
}

/// What a process comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// A process of the tree.
    Tree,
    /// This one, which an ancestor of the tree has started or has taken up as an orphan.
    Orphan(OrphanCandidate),
    /// It was started while all processes were looked at, or its parent has ended meanwhile.
    Unknown,
}

impl TreeBonds {
    /// None yet.
    pub fn new(begin_ticks: u64) -> TreeBonds {
        let (leaders, sessions) = (BTreeMap::new(), BTreeSet::new());
        let (names, shared, ancestors) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        TreeBonds {
            begin_ticks,
            leaders,
            sessions,
            known: 0,
            names,
            shared,
            ancestors,
            is_begun: false,
            groups: None,
        }
    }

    /// Learn of targets that were added.
    pub fn learn(&mut self, targets: &[Target]) {
        for (at, target) in targets.iter().enumerate().skip(self.known) {
            // Also of one that has ended meanwhile: it may have passed itself on.
            self.names.extend(target.name.as_deref().filter(|_| !is_spared(target)).map(comm));
            let (Some(place), false) = (target.place, is_spared(target)) else { continue };
            if [place.session, place.pgrp].contains(&target.pid) {
                self.leaders.insert(target.pid, at);
            }
            // 0 is any session whose leader is outside of our pid namespace.
            self.sessions.extend(Some(place.session).filter(|&session| session != 0));
        }
        self.known = targets.len();
    }

    /// Learn from all processes who takes up orphans of the tree, and which process groups are not
    /// of the tree alone: the commands of a pipeline are in the group of its first one.
    pub fn look_around(
        &mut self,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) {
        for &member in members.keys() {
            self.names.extend(all.get(&member).map(|seen| seen.name));
            let mut at = member;
            // No chain is longer, unless numbers were given again during the look.
            for _ in 0..all.len() {
                let Some(parent) = all.get(&at).map(|seen| seen.ppid).filter(|&parent| parent > 1)
                else {
                    break;
                };
                at = parent;
                if !members.contains_key(&at) && !self.ancestors.insert(at) {
                    break;
                }
            }
        }
        let older =
            all.values().filter(|seen| !members.contains_key(&seen.pid) && !self.is_newborn(seen));
        let shared: Vec<Pid> = older
            .filter(|seen| self.is_of_sibling(seen, all, members))
            .map(|seen| seen.pgrp)
            .collect();
        self.shared.extend(shared);
    }

    /// Whether a process was started by a sibling of the leader of its group, such as another
    /// command of a pipeline. The sibling itself may be one that a target has made of its own child
    /// (CLONE_PARENT).
    fn is_of_sibling(
        &self,
        seen: &OrphanCandidate,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) -> bool {
        let leader = all
            .get(&seen.pgrp)
            .filter(|leader| self.leaders.contains_key(&leader.pid) && leader.ppid > 1);
        let Some(leader) = leader else { return false };
        match self.origin(seen, all, members) {
            Origin::Orphan(top) => top.pid != seen.pid && top.ppid == leader.ppid,
            Origin::Tree | Origin::Unknown => false,
        }
    }

    /// What a process comes from, as far as all processes of one look tell.
    pub fn origin(
        &self,
        seen: &OrphanCandidate,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) -> Origin {
        let mut top = *seen;
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

    /// From now on, whoever has started the tree may see its end, and start it anew in the same
    /// control group.
    pub fn begin_to_signal(&mut self) {
        self.is_begun = true;
    }

    /// Whether a process with this parent may be an orphan of the tree: the kernel gives those to
    /// an ancestor.
    pub fn may_be_orphan(&self, ppid: Pid) -> bool {
        ppid <= 1 || self.ancestors.contains(&ppid)
    }

    /// Whether a process started after we began, and so may have been started by the tree.
    pub fn is_newborn(&self, seen: &OrphanCandidate) -> bool {
        seen.start_ticks >= self.begin_ticks
    }

    /// Whether a process may be in a session that a target leads. Nobody enters one but by birth.
    pub fn may_share_session(&self, seen: &OrphanCandidate) -> bool {
        self.leaders.contains_key(&seen.session)
    }

    /// Whether a process may be in a process group that a target leads.
    pub fn may_share_group(&self, seen: &OrphanCandidate) -> bool {
        self.leaders.contains_key(&seen.pgrp)
    }

    /// Whether a process that was not taken may belong to the tree: an orphan in a session of the
    /// tree.
    pub fn is_suspect(&self, seen: &OrphanCandidate, session_of_parent: Option<Pid>) -> bool {
        // A parent in the same session is one that has started it: who takes up orphans is in
        // another.
        let is_orphan = seen.ppid <= 1 || session_of_parent != Some(seen.session);
        self.is_newborn(seen) && is_orphan && self.sessions.contains(&seen.session)
    }

    /// Whether a process that was not taken is like one of the tree that has left its session: an
    /// orphan in a session of its own, or in one whose leader has ended, that is called like one of
    /// the tree.
    pub fn resembles(&self, seen: &OrphanCandidate, all: &BTreeMap<Pid, OrphanCandidate>) -> bool {
        // 0 is any session whose leader is outside of our pid namespace.
        let has_left = seen.session != 0 && !self.sessions.contains(&seen.session);
        let is_detached =
            has_left && (seen.session == seen.pid || !all.contains_key(&seen.session));
        self.is_newborn(seen)
            && self.may_be_orphan(seen.ppid)
            && is_detached
            && self.names.contains(&seen.name)
    }

    /// Whether a process that is held is tied to the tree for certain.
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
        // A process group can be entered from everywhere in its session.
        let by_group = may_be_orphan && !self.shared.contains(&stat.pgrp);
        for (number, is_group) in [(stat.pgrp, true), (stat.session, false)] {
            if (by_group || !is_group)
                && let Some(&leader) = self.leaders.get(&number)
                && self.is_the_same(proc, targets, leader, is_group)?
            {
                return Ok(true);
            }
        }
        Ok(may_be_orphan && !self.is_begun && self.is_in_group(process)?)
    }

    /// Whether the session or the process group of this number still is the one that a target led.
    /// A number is given again only when neither a process nor a session nor a process group has it
    /// any more.
    fn is_the_same(
        &self,
        proc: &Proc,
        targets: &[Target],
        leader: usize,
        is_group: bool,
    ) -> Result<bool, Error> {
        let number = targets[leader].pid;
        let Some(reference) = &targets[leader].reference else { return Ok(false) };
        if is_there(proc, number, reference)? {
            return Ok(true);
        }
        // The kernel knows the group by the leader itself, though that was reaped (Linux 6.9).
        if is_group
            && let Ok(pidfd) = reference.pidfd()
            && takes_signals(pidfd, Scope::ProcessGroup) == Ok(true)
        {
            return Ok(true);
        }
        for target in targets {
            let was_in = |place: super::target::SessionAndGroup| {
                if is_group { place.pgrp } else { place.session }
            };
            if target.place.map(was_in) == Some(number)
                && is_still_in(proc, target, number, is_group)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_in_group(&self, process: &Process<'_>) -> Result<bool, Error> {
        let groups = self.groups.as_deref().unwrap_or_default();
        if groups.is_empty() {
            return Ok(false);
        }
        let path = if_available(process.file(File::Cgroup))
            .map(|text| text.and_then(|text| Cgroups(text).path()));
        Ok(
            matches!(process.lookup(path)?, Lookup::Found(Some(path)) if groups.iter().any(|group| group.path == path)),
        )
    }

    /// Look, once, which control groups hold nobody but the targets, and those that started after
    /// we began.
    pub fn look_at_groups(
        &mut self,
        proc: &Proc,
        targets: &[Target],
        is_of_tree: impl Fn(Pid) -> bool,
    ) -> Result<(), Error> {
        if self.groups.is_some() {
            return Ok(());
        }
        let (mut groups, mut known) = (Vec::new(), BTreeSet::new());
        for target in targets.iter().filter(|target| !is_spared(target)) {
            // Each group is read once, however many targets are in it.
            if let Some(group) = group_of(proc, target, &mut known)?
                && group.processes().is_ok_and(|pids| pids.into_iter().all(&is_of_tree))
            {
                groups.push(group);
            }
        }
        self.groups = Some(groups);
        Ok(())
    }

    /// The processes in the control groups of the tree.
    pub fn in_groups(&self) -> BTreeSet<Pid> {
        let groups = self.groups.iter().flatten();
        groups.filter_map(|group| group.processes().ok()).flatten().collect()
    }
}

/// What the kernel keeps of the name of a program: fifteen bytes (TASK_COMM_LEN), filled up with
/// zero bytes.
pub fn comm(name: &[u8]) -> [u8; 16] {
    let mut comm = [0; 16];
    name.iter().zip(&mut comm[..15]).for_each(|(&byte, place)| *place = byte);
    comm
}

/// Whether nothing is done to a target, so that it is not of the tree.
pub fn is_spared(target: &Target) -> bool {
    matches!(target.outcome, Some(Outcome::Refused(_) | Outcome::NoMatch))
}

/// Whether a process was not reaped, so that its number is its own.
pub fn is_there(proc: &Proc, pid: Pid, reference: &Reference) -> Result<bool, Error> {
    Ok(matches!(told(proc, pid, reference.life())?, Some(Life::Alive | Life::Zombie)))
}

/// Whether a target is in the session or the process group of this number now.
fn is_still_in(proc: &Proc, target: &Target, number: Pid, is_group: bool) -> Result<bool, Error> {
    let Some(reference) = &target.reference else { return Ok(false) };
    let Lookup::Found(process) = proc.process(target.pid, Files::new(&[File::Stat]))? else {
        return Ok(false);
    };
    let place = process.stat().map(|stat| if is_group { stat.pgrp } else { stat.session });
    let is_in = process.lookup(place)? == Lookup::Found(number);
    // Not reaped by now, so that what was read by its number was of it.
    Ok(is_in && is_there(proc, target.pid, reference)?)
}

/// The control group of a target, unless its path is one of these; it is then.
fn group_of(
    proc: &Proc,
    target: &Target,
    known: &mut BTreeSet<Vec<u8>>,
) -> Result<Option<ControlGroup>, Error> {
    let Some(reference) = &target.reference else { return Ok(None) };
    let Lookup::Found(process) = proc.process(target.pid, Files::NONE)? else { return Ok(None) };
    let Lookup::Found(text) = process.lookup(process.file(File::Cgroup))? else { return Ok(None) };
    let Some(path) = Cgroups(text).path() else { return Ok(None) };
    if known.contains(path) || !is_there(proc, target.pid, reference)? {
        return Ok(None);
    }
    known.insert(path.to_vec());
    // Without a hierarchy that we see, it proves nothing.
    Ok(ControlGroup::innermost(Cgroups(text)).ok().flatten())
}
