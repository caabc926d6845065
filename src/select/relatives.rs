//! Relatives of a process: children, grandchildren, descendants and ancestors. The tree proposes
//! them, and pinned processes prove each relation.

use std::collections::BTreeMap;

use super::{Criteria, Test, Verdict};
use crate::process::{
    Error, Files, Lookup, Pid, Proc, Process, ReadResult, Unavailable, Unexamined, if_available,
};
use crate::tree::{self, Forest, Node};

/// The ways in which processes can be related.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Children,
    Grandchildren,
    Descendants,
    Ancestors,
}

/// The process that a relation starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    Pid(Pid),
    ExeName(Vec<u8>),
    ExePath(Vec<u8>),
}

impl Anchor {
    /// Returns the condition that only an anchor meets.
    fn test(&self) -> Test {
        match self {
            Anchor::Pid(pid) => Test::Pid(vec![*pid]),
            Anchor::ExeName(name) => Test::ExeName(vec![name.clone()]),
            Anchor::ExePath(path) => Test::ExePath(vec![path.clone()]),
        }
    }
}

/// The result of looking for relatives.
#[derive(Debug)]
pub enum Relatives {
    /// The relatives, as a condition.
    Found(Test),
    /// No process is such an anchor, as far as could be decided; these processes could not be
    /// examined.
    NoAnchor(Unexamined),
}

/// The identity by which a relative is recognised.
#[derive(Clone, Copy, Debug)]
pub struct RelativeIdentity {
    /// Clock ticks from boot to its start. Within one tick, several processes can have had its
    /// number.
    start_ticks: u64,
    /// The inode of its pidfd, which no other process has; `None` where the kernel gives none.
    inode: Option<u64>,
}

impl RelativeIdentity {
    /// Reads the identity of a process.
    pub fn of(process: &Process<'_>) -> ReadResult<RelativeIdentity> {
        Ok(RelativeIdentity {
            start_ticks: process.stat()?.start_ticks,
            inode: if_available(process.pidfd_inode())?,
        })
    }

    /// Reports whether `process` is this one. Where the process is not pinned (in a scan), or
    /// pidfds are missing, only the start time is compared.
    pub fn matches(&self, process: &Process<'_>) -> ReadResult<bool> {
        let may_be = process.stat()?.start_ticks == self.start_ticks;
        match self.inode {
            Some(inode) if may_be && process.is_pinned() => {
                Ok(if_available(process.pidfd_inode())?.is_none_or(|found| found == inode))
            }
            _ => Ok(may_be),
        }
    }
}

/// Finds the processes that are related to an anchor in this way.
///
/// The tree is read by number. Each relation is then proved by pinned processes, so that a process
/// which got the number of a relative is never taken for it.
///
/// Grandchildren are those of a daemon, not of its workers, which run the same executable: the
/// grandchildren of cron are its jobs, without the processes that the jobs run.
pub fn relatives(proc: &Proc, relation: Relation, anchor: &Anchor) -> Result<Relatives, Error> {
    let criteria = Criteria::new(vec![anchor.test()], false, proc.own_pid().into_iter().collect());
    let (forest, doubts) = read_candidates(proc, &criteria)?;
    let anchors: Vec<Node> = forest
        .find_all(forest.all(), |is_anchor| *is_anchor == Ok(true))
        .filter(|&node| relation != Relation::Grandchildren || !is_worker(&forest, node))
        .collect();
    let doubtful: Vec<(Node, Unavailable)> =
        forest.all().filter_map(|node| Some((node, forest.data(node).err()?))).collect();
    if anchors.is_empty() {
        let mut unexamined = Unexamined::default();
        doubtful.iter().for_each(|&(node, reason)| unexamined.add(forest.pid(node), reason));
        return Ok(Relatives::NoAnchor(unexamined));
    }
    let mut finder = RelativeFinder { proc, forest: &forest, found: BTreeMap::new(), doubts };
    for node in anchors {
        finder.relate_candidate(relation, node, &criteria)?;
    }
    for (node, reason) in doubtful {
        finder.doubt(relation, node, reason);
    }
    Ok(Relatives::Found(finder.into_test()))
}

/// All processes, each with the decision whether it may be an anchor, or the reason why this is
/// unknown.
type Candidates = Forest<Result<bool, Unavailable>>;

/// Reads the candidates by number. Returns them with the processes whose parent is unknown: each of
/// these may be a child of any process.
fn read_candidates(
    proc: &Proc,
    criteria: &Criteria,
) -> Result<(Candidates, BTreeMap<Pid, Unavailable>), Error> {
    let scan = proc.scan(criteria.files() | tree::FILES)?.reading_ahead(criteria.first_file());
    let mut parent_unknown = BTreeMap::new();
    let forest = tree::read(scan, |process, _| {
        if let Lookup::Unavailable(reason) = process.lookup(process.stat())? {
            parent_unknown.insert(process.pid(), reason);
        }
        Ok::<_, Error>(match criteria.judge(process)? {
            Verdict::Gone => Lookup::Exited,
            Verdict::Unknown(reason) => Lookup::Found(Err(reason)),
            verdict => Lookup::Found(Ok(verdict == Verdict::Match)),
        })
    })?;
    Ok((forest, parent_unknown))
}

/// Reports whether the parent of an anchor is an anchor too, so that this one is its worker.
fn is_worker(forest: &Candidates, node: Node) -> bool {
    forest.parent(node).is_some_and(|parent| *forest.data(parent) == Ok(true))
}

/// A process of the forest that was pinned, with its identity.
type Identified = (Node, RelativeIdentity);

/// The search for relatives.
struct RelativeFinder<'k> {
    proc: &'k Proc,
    forest: &'k Candidates,
    /// The relatives that were proved.
    found: BTreeMap<Pid, RelativeIdentity>,
    /// The processes that may be relatives, and why this is unknown.
    doubts: BTreeMap<Pid, Unavailable>,
}

impl RelativeFinder<'_> {
    /// Pins a process that matched by its number, decides again whether it is an anchor, and adds
    /// its relatives.
    fn relate_candidate(
        &mut self,
        relation: Relation,
        node: Node,
        criteria: &Criteria,
    ) -> Result<(), Error> {
        match criteria.judge_pinned(self.proc, self.forest.pid(node), Files::NONE)? {
            (Verdict::Match, Some(process)) => {
                match process.lookup(RelativeIdentity::of(&process))? {
                    Lookup::Found(identity) => self.relate(relation, (node, identity))?,
                    Lookup::Unavailable(reason) => self.doubt(relation, node, reason),
                    Lookup::Exited => {}
                }
            }
            (Verdict::Unknown(reason), _) => self.doubt(relation, node, reason),
            _ => {}
        }
        Ok(())
    }

    /// Returns the condition that the relatives meet. A relation that was proved is not in doubt,
    /// whatever else was.
    fn into_test(self) -> Test {
        let mut relatives: BTreeMap<Pid, Result<RelativeIdentity, Unavailable>> =
            self.doubts.into_iter().map(|(pid, reason)| (pid, Err(reason))).collect();
        relatives.extend(self.found.into_iter().map(|(pid, identity)| (pid, Ok(identity))));
        Test::Relatives(relatives)
    }

    /// Adds the relatives of an anchor.
    fn relate(&mut self, relation: Relation, anchor: Identified) -> Result<(), Error> {
        let generations = match relation {
            Relation::Children => 0..=0,
            Relation::Grandchildren => 1..=1,
            Relation::Descendants => 0..=usize::MAX,
            Relation::Ancestors => return self.ancestors(anchor),
        };
        let mut parents = vec![anchor];
        for generation in 0..=*generations.end() {
            let mut children = Vec::new();
            for parent in parents {
                children.extend(self.children(parent)?);
            }
            if children.is_empty() {
                break;
            }
            if generations.contains(&generation) {
                self.found.extend(
                    children.iter().map(|&(node, identity)| (self.forest.pid(node), identity)),
                );
            }
            parents = children;
        }
        Ok(())
    }

    /// Adds the ancestors of an anchor.
    fn ancestors(&mut self, mut last: Identified) -> Result<(), Error> {
        while let Some(parent) = self.parent(last)? {
            self.found.insert(self.forest.pid(parent.0), parent.1);
            last = parent;
        }
        Ok(())
    }

    /// Records the relatives of a process that may be an anchor as doubtful.
    fn doubt(&mut self, relation: Relation, node: Node, reason: Unavailable) {
        let forest = self.forest;
        let relatives: Vec<Node> = match relation {
            Relation::Children => forest.children(node).collect(),
            Relation::Grandchildren => {
                forest.children(node).flat_map(|child| forest.children(child)).collect()
            }
            Relation::Descendants => forest.descendants(node).collect(),
            Relation::Ancestors => forest.ancestors(node).collect(),
        };
        for relative in relatives {
            self.doubts.entry(forest.pid(relative)).or_insert(reason);
        }
    }

    /// Returns the children of a process. The parent must still have its pid after the ppid of each
    /// child was read, so that the ppid means this parent.
    fn children(&mut self, (node, identity): Identified) -> Result<Vec<Identified>, Error> {
        let pid = self.forest.pid(node);
        let mut children = Vec::new();
        for child in self.forest.children(node) {
            if let Some(identity) = self.child_of(self.forest.pid(child), pid)? {
                children.push((child, identity));
            }
        }
        if children.is_empty() || self.is_still(pid, &identity)? {
            return Ok(children);
        }
        if let Some(&reason) = self.doubts.get(&pid) {
            // Their parent may have been reaped meanwhile, so that the relation cannot be proved.
            for (child, _) in children {
                self.doubts.entry(self.forest.pid(child)).or_insert(reason);
            }
        }
        Ok(Vec::new())
    }

    /// Returns the parent of a process, proved as in [`RelativeFinder::children`].
    fn parent(&mut self, (node, identity): Identified) -> Result<Option<Identified>, Error> {
        let Some(parent) = self.forest.parent(node) else { return Ok(None) };
        let (child_pid, pid) = (self.forest.pid(node), self.forest.pid(parent));
        let Some(found) = self.read_pinned(pid, RelativeIdentity::of)? else {
            return Ok(None);
        };
        let names_parent =
            self.child_of(child_pid, pid)?.is_some_and(|child| child.inode == identity.inode);
        Ok(if names_parent && self.is_still(pid, &found)? { Some((parent, found)) } else { None })
    }

    /// Returns the identity of the process `pid`, if its ppid is `parent`.
    fn child_of(&mut self, pid: Pid, parent: Pid) -> Result<Option<RelativeIdentity>, Error> {
        let read =
            self.read_pinned(pid, |process| Ok((RelativeIdentity::of(process)?, process.ppid()?)))?;
        Ok(read.and_then(|(identity, ppid)| (ppid == parent).then_some(identity)))
    }

    /// Reports whether this number still belongs to that process, which may be a zombie.
    fn is_still(&mut self, pid: Pid, identity: &RelativeIdentity) -> Result<bool, Error> {
        Ok(self.read_pinned(pid, |process| identity.matches(process))?.unwrap_or(false))
    }

    /// Reads something of the process of this number while it is pinned. Where this is unavailable,
    /// the process becomes doubtful.
    fn read_pinned<T>(
        &mut self,
        pid: Pid,
        read: impl FnOnce(&Process<'_>) -> ReadResult<T>,
    ) -> Result<Option<T>, Error> {
        let lookup = match self.proc.process(pid, Files::NONE)? {
            Lookup::Found(process) => process.lookup(read(&process))?,
            Lookup::Unavailable(reason) => Lookup::Unavailable(reason),
            Lookup::Exited => Lookup::Exited,
        };
        Ok(match lookup {
            Lookup::Found(value) => Some(value),
            Lookup::Unavailable(reason) => {
                self.doubts.entry(pid).or_insert(reason);
                None
            }
            Lookup::Exited => None,
        })
    }
}
