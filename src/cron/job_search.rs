//! The state of a search for jobs among all processes: which ones count so far, and which can never
//! be jobs.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::daemon::Daemon;
use super::job_candidate::JobCandidate;
use super::origin::JobOrigin;
use crate::control::self_and_ancestors;
use crate::process::{Pid, Proc};
use crate::tree::{Forest, Node};

/// The state of a scan for jobs.
pub struct JobSearch<'f> {
    pub forest: &'f Forest<JobCandidate>,
    pub origins: BTreeMap<Node, JobOrigin>,
    /// Our own process, its ancestors and its descendants: we may be part of a job ourselves.
    pub ours: BTreeSet<Node>,
    /// The daemons, and the processes around them: see [`of_service`].
    of_service: BTreeSet<Node>,
}

impl<'f> JobSearch<'f> {
    /// Begins a search in which no process counts yet.
    pub fn begin(
        proc: &Proc,
        forest: &'f Forest<JobCandidate>,
        daemons: &[Daemon],
    ) -> Result<JobSearch<'f>, Error> {
        Ok(JobSearch {
            forest,
            origins: BTreeMap::new(),
            ours: ours(proc, forest, daemons)?,
            of_service: of_service(forest, daemons),
        })
    }

    /// Marks the descendants of a detached daemon as its own, wherever their output goes.
    pub fn follow_daemons(&mut self) {
        let uncertain = self.origins.iter().filter(|(_, origin)| {
            matches!(origin, JobOrigin::Cgroup | JobOrigin::Output | JobOrigin::Audit)
        });
        let below: Vec<Node> =
            uncertain.map(|(&node, _)| node).filter(|&node| self.is_below_daemon(node)).collect();
        for node in below {
            self.origins.insert(node, JobOrigin::Daemon);
        }
    }

    /// Adds the processes in the session of an earlier daemon that has ended, after a job of it was
    /// found there: busybox's crond and dcron give jobs no session of their own. Returns these
    /// sessions.
    pub fn follow_earlier_jobs(&mut self) -> BTreeSet<Pid> {
        let jobs = self.origins.iter().filter(|&(_, &origin)| origin == JobOrigin::Earlier);
        let sessions = jobs.map(|(&node, _)| self.forest.data(node).session);
        let ended: BTreeSet<Pid> =
            sessions.filter(|&session| self.forest.find(session).is_none()).collect();
        if ended.is_empty() {
            return ended;
        }
        let beside: Vec<Node> = self
            .forest
            .find_all(self.forest.all(), |member| {
                ended.contains(&member.session) && member.tty == 0
            })
            .collect();
        for node in beside {
            self.add(node, JobOrigin::Earlier);
        }
        ended
    }

    /// Reports whether an ancestor of a process is a daemon that a job started.
    fn is_below_daemon(&self, node: Node) -> bool {
        self.forest
            .ancestors(node)
            .any(|above| self.origins.get(&above) == Some(&JobOrigin::Daemon))
    }

    /// Reports whether a process counts, as far as the scan has come.
    pub fn counts(&self, node: Node) -> bool {
        self.origins.contains_key(&node)
    }

    /// Reports whether the leader of a session is a daemon, what runs one, or the first process,
    /// which runs everything in a container.
    pub fn is_session_of_service(&self, session: Pid) -> bool {
        session == 1
            || self.forest.find(session).is_some_and(|leader| self.of_service.contains(&leader))
    }

    /// Reports whether a process is certainly cron's: neither its own tie nor that of an ancestor
    /// is a mere likelihood.
    pub fn is_certain(&self, node: Node) -> bool {
        !self.is_only_likely(node)
            && !self.forest.ancestors(node).any(|above| self.is_only_likely(above))
    }

    /// Reports whether the tie of a process can be another's: any process may have such an output,
    /// and the number of an empty session may be reused.
    fn is_only_likely(&self, node: Node) -> bool {
        matches!(
            self.origins.get(&node),
            Some(
                JobOrigin::Output
                    | JobOrigin::Reappeared
                    | JobOrigin::Earlier
                    | JobOrigin::Perhaps
                    | JobOrigin::Service
            )
        )
    }

    /// Adds a process, and reports whether it counts. A process that has exited does not count:
    /// those that it left behind are found in other ways.
    pub fn add(&mut self, node: Node, origin: JobOrigin) -> bool {
        if !self.forest.data(node).is_alive
            || self.ours.contains(&node)
            || self.of_service.contains(&node)
        {
            return false;
        }
        self.origins.entry(node).or_insert(origin);
        true
    }

    /// Adds the descendants of all processes that count.
    pub fn add_descendants(&mut self) {
        let roots: Vec<(Node, JobOrigin)> =
            self.origins.iter().map(|(&node, &origin)| (node, origin)).collect();
        for (root, origin) in roots {
            let origin = if origin.is_detached() { origin } else { JobOrigin::Descendant };
            for node in self.forest.descendants(root) {
                match self.origins.get(&node) {
                    // A daemon below a job that is waited for is waited for too.
                    Some(known) if known.is_detached() && origin == JobOrigin::Descendant => {
                        self.origins.insert(node, origin);
                    }
                    _ => {
                        self.add(node, origin);
                    }
                }
            }
        }
    }
}

/// Returns the daemons with what runs them, such as a shell, tini or flock between systemd and
/// cron, and a logger at the end of a pipe. None of these is a job, whatever its control group is.
fn of_service(forest: &Forest<JobCandidate>, daemons: &[Daemon]) -> BTreeSet<Node> {
    let mut found = BTreeSet::new();
    for daemon in daemons {
        let Some(node) = forest.find(daemon.pid) else { continue };
        found.insert(node);
        let above: Vec<Node> =
            forest.ancestors(node).filter(|&above| forest.pid(above) != 1).collect();
        let groups: BTreeSet<Pid> =
            above.iter().chain([&node]).map(|&node| forest.data(node).pgrp).collect();
        for above in above {
            found.insert(above);
            // A process that it has adopted from a job is in the session of that job, or at least in
            // its group. It may also have adopted a worker of an earlier daemon, which is in its own.
            let session = forest.data(above).session;
            let beside = forest.children(above).filter(|&child| {
                let member = forest.data(child);
                member.session == session
                    && !member.is_runner
                    && (groups.contains(&member.pgrp) || !daemon.is_dcron())
                    && !member.is_forked_from(daemon)
            });
            found.extend(beside);
        }
    }
    found
}

/// Returns our own process, its ancestors and descendants, and what waits for us, such as the reader
/// of our output: it is in the process group of one of these, in our session. If a job runs us, the
/// other processes of it are included.
fn ours(
    proc: &Proc,
    forest: &Forest<JobCandidate>,
    daemons: &[Daemon],
) -> Result<BTreeSet<Node>, Error> {
    let self_and_ancestors = self_and_ancestors(proc)?;
    let line: Vec<Node> = self_and_ancestors.iter().filter_map(|&pid| forest.find(pid)).collect();
    let mut ours: BTreeSet<Node> = line.iter().copied().collect();
    let Some(&own) = line.first() else { return Ok(ours) };
    ours.extend(forest.descendants(own));
    let session = forest.data(own).session;
    // 0 stands for a group outside of our pid namespace.
    let groups: BTreeSet<Pid> = line
        .iter()
        .map(|&node| forest.data(node))
        .filter(|member| member.session == session && member.pgrp != 0)
        .map(|member| member.pgrp)
        .collect();
    let starters = Starters { forest, daemons };
    let starter = line.iter().find(|&&node| starters.include(node));
    // In the session of the daemon itself, other jobs may run too.
    let is_own_session = starter.is_some_and(|&starter| session != forest.data(starter).session);
    let beside = forest.find_all(forest.all(), |member| {
        member.session == session && (is_own_session || groups.contains(&member.pgrp))
    });
    // A script without job control has cron in its own group, with all that is below cron.
    ours.extend(
        beside.filter(|&node| starters.branch(node).is_none_or(|branch| line.contains(&branch))),
    );
    Ok(ours)
}

/// The processes that start jobs: daemons, workers, helpers of daemons, and runners such as anacron.
struct Starters<'f> {
    forest: &'f Forest<JobCandidate>,
    daemons: &'f [Daemon],
}

impl Starters<'_> {
    fn include(&self, node: Node) -> bool {
        let member = self.forest.data(node);
        let pid = self.forest.pid(node);
        member.is_worker
            || member.is_runner
            || member.is_helper
            || self.daemons.iter().any(|daemon| daemon.pid == pid)
    }

    /// Returns the process below the nearest of them through which a process descends from it, or
    /// the process itself if it is one; `None` for a process that none of them has started.
    fn branch(&self, node: Node) -> Option<Node> {
        if self.include(node) {
            return Some(node);
        }
        let mut below = node;
        for above in self.forest.ancestors(node) {
            if self.include(above) {
                return Some(below);
            }
            below = above;
        }
        None
    }
}
