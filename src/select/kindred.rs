//! Who is related to whom, proved by processes that are held.

use std::collections::BTreeMap;

use super::{Criteria, Test, Verdict};
use crate::process::{Error, Files, Pid, Proc, Process, Read, Settled, Unexamined, known};
use crate::tree::{self, Forest, Node};

/// How processes can be related to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Children,
    Grandchildren,
    Descendants,
    Ancestors,
}

/// Whom a relation starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    Pid(Pid),
    ExeName(Vec<u8>),
    ExePath(Vec<u8>),
}

impl Anchor {
    fn test(&self) -> Test {
        match self {
            Anchor::Pid(pid) => Test::Pid(vec![*pid]),
            Anchor::ExeName(name) => Test::ExeName(vec![name.clone()]),
            Anchor::ExePath(path) => Test::ExePath(vec![path.clone()]),
        }
    }
}

/// What was found of a relation.
#[derive(Debug)]
pub enum Kindred {
    /// The processes that are related so, as a test.
    Found(Test),
    /// Nobody is such an anchor, as far as could be told: of these processes it could not.
    NoAnchor(Unexamined),
}

/// What a relative is recognised by.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Clock ticks from boot to its start. Several processes can have had its number in one of them.
    start_ticks: u64,
    /// The inode of its pidfd, which no other process has; `None` where the kernel gives none.
    inode: Option<u64>,
}

impl Identity {
    fn of(process: &Process<'_>) -> Read<Identity> {
        Ok(Identity { start_ticks: process.stat()?.start_ticks, inode: known(process.pidfd_inode())? })
    }

    /// Whether this is the process. By number, as in a scan, only as far as its start tells.
    pub fn is_of(&self, process: &Process<'_>) -> Read<bool> {
        let may_be = process.stat()?.start_ticks == self.start_ticks;
        match self.inode {
            Some(inode) if may_be && process.is_pinned() => Ok(process.pidfd_inode()? == inode),
            _ => Ok(may_be),
        }
    }
}

/// The processes that are related so to an anchor.
///
/// The tree is read number by number. Each relation that counts is then proved by processes that are held, so that
/// whoever got the number of a relative is none.
///
/// Grandchildren are those of a daemon, not of its workers, which run the same executable: those of cron are its jobs,
/// and not also what the jobs run.
pub fn kindred(proc: &Proc, relation: Relation, anchor: &Anchor) -> Result<Kindred, Error> {
    let mut unexamined = Unexamined::default();
    let criteria = Criteria::new(vec![anchor.test()], false, proc.own_pid().into_iter().collect());
    let scan = proc.scan(criteria.files() | tree::FILES)?.reading_ahead(criteria.first_file());
    let forest = tree::read(scan, |process, _| {
        Ok::<_, Error>(match criteria.judge(process)? {
            Verdict::Gone => Settled::Gone,
            Verdict::Unknown(reason) => {
                unexamined.add(process.pid(), reason);
                Settled::Known(false)
            }
            verdict => Settled::Known(verdict == Verdict::Match),
        })
    })?;
    let is_worker = |node| forest.parent(node).is_some_and(|parent| *forest.data(parent));
    let matching = forest.find_all(forest.all(), |&is_anchor| is_anchor);
    let mut anchors = matching.filter(|&node| relation != Relation::Grandchildren || !is_worker(node)).peekable();
    if anchors.peek().is_none() {
        return Ok(Kindred::NoAnchor(unexamined));
    }
    let mut found = BTreeMap::new();
    for node in anchors {
        let (Verdict::Match, Some(process)) = criteria.judge_pinned(proc, forest.pid(node), Files::NONE)? else {
            continue;
        };
        let Settled::Known(identity) = process.settle(Identity::of(&process))? else { continue };
        related(proc, &forest, relation, (node, identity), &mut found)?;
    }
    Ok(Kindred::Found(Test::Kindred(found)))
}

/// A process of the forest that was held, and is known by its identity since.
type Known = (Node, Identity);

fn related(
    proc: &Proc,
    forest: &Forest<bool>,
    relation: Relation,
    anchor: Known,
    found: &mut BTreeMap<Pid, Identity>,
) -> Result<(), Error> {
    let mut add = |known: &[Known]| found.extend(known.iter().map(|&(node, identity)| (forest.pid(node), identity)));
    let children_of = |parents: &[Known]| {
        parents.iter().try_fold(Vec::new(), |mut all, &parent| {
            all.extend(children(proc, forest, parent)?);
            Ok::<_, Error>(all)
        })
    };
    match relation {
        Relation::Children => add(&children_of(&[anchor])?),
        Relation::Grandchildren => add(&children_of(&children_of(&[anchor])?)?),
        Relation::Descendants => {
            let mut generation = children_of(&[anchor])?;
            while !generation.is_empty() {
                add(&generation);
                generation = children_of(&generation)?;
            }
        }
        Relation::Ancestors => {
            let mut last = anchor;
            while let Some(parent) = parent(proc, forest, last)? {
                add(&[parent]);
                last = parent;
            }
        }
    }
    Ok(())
}

/// The children of a process: what they call their parent is read while it was not reaped yet, and so means it.
fn children(proc: &Proc, forest: &Forest<bool>, (node, identity): Known) -> Result<Vec<Known>, Error> {
    let pid = forest.pid(node);
    let mut children = Vec::new();
    for child in forest.children(node) {
        if let Some(identity) = child_of(proc, forest.pid(child), pid)? {
            children.push((child, identity));
        }
    }
    let parent_is_there = children.is_empty() || has(proc, pid, &identity)?;
    Ok(if parent_is_there { children } else { Vec::new() })
}

/// The parent of a process, likewise.
fn parent(proc: &Proc, forest: &Forest<bool>, (node, identity): Known) -> Result<Option<Known>, Error> {
    let Some(parent) = forest.parent(node) else { return Ok(None) };
    let (child_pid, pid) = (forest.pid(node), forest.pid(parent));
    let Settled::Known(process) = proc.process(pid, Files::NONE)? else { return Ok(None) };
    let Settled::Known(found) = process.settle(Identity::of(&process))? else { return Ok(None) };
    let calls_it_so = child_of(proc, child_pid, pid)?.is_some_and(|child| child.inode == identity.inode);
    Ok(if calls_it_so && has(proc, pid, &found)? { Some((parent, found)) } else { None })
}

/// The process of this number, if it calls that one its parent.
fn child_of(proc: &Proc, pid: Pid, parent: Pid) -> Result<Option<Identity>, Error> {
    let Settled::Known(process) = proc.process(pid, Files::NONE)? else { return Ok(None) };
    let read = Identity::of(&process).and_then(|identity| Ok((identity, process.ppid()?)));
    Ok(match process.settle(read)? {
        Settled::Known((identity, ppid)) if ppid == parent => Some(identity),
        _ => None,
    })
}

/// Whether this number still belongs to that process, which may be a zombie.
fn has(proc: &Proc, pid: Pid, identity: &Identity) -> Result<bool, Error> {
    let Settled::Known(process) = proc.process(pid, Files::NONE)? else { return Ok(false) };
    Ok(matches!(process.settle(identity.is_of(&process))?, Settled::Known(true)))
}
