//! The tree of processes. It is a forest, because not every parent is visible.
//!
//! It is built once from (pid, parent, start) in linear time and walked without recursion, so that
//! a chain or a fan of 100,000 processes is no special case. Nodes are indices; callers give
//! their own data for each node. [`read`] makes a forest from a scan.

pub mod view;

use crate::process::{Error, File, Files, Lookup, Pid, Process, Scan};

/// The index of a process in a [`Forest`].
pub type Node = u32;

/// The index that stands for no node.
const NONE: Node = Node::MAX;

/// The facts about a process from which the forest is built.
#[derive(Clone, Copy, Debug)]
pub struct ProcessLink {
    /// The pid.
    pub pid: Pid,
    /// The pid of its parent; 0 when no parent is visible.
    pub ppid: Pid,
    /// Clock ticks from boot to its start.
    pub start_ticks: u64,
}

/// The place of a process in the forest.
#[derive(Clone, Copy)]
struct Links {
    pid: Pid,
    parent: Node,
    first_child: Node,
    next_sibling: Node,
}

/// Processes with their parents and children, ordered by pid.
pub struct Forest<D> {
    links: Vec<Links>,
    first_root: Node,
    data: Vec<D>,
    vanished: usize,
}

impl<D> Forest<D> {
    /// Builds a forest from processes in any order, with the caller's data for each.
    pub fn new(mut processes: Vec<ProcessLink>, mut data: Vec<D>) -> Forest<D> {
        // A real procfs lists pids in order, so that this only checks.
        if !processes.is_sorted_by_key(|process| process.pid) {
            let mut pairs: Vec<(ProcessLink, D)> = processes.into_iter().zip(data).collect();
            pairs.sort_by_key(|(process, _)| process.pid);
            (processes, data) = pairs.into_iter().unzip();
        }
        let mut links: Vec<Links> = processes
            .iter()
            .zip(parents(&processes))
            .map(|(process, parent)| Links {
                pid: process.pid,
                parent,
                first_child: NONE,
                next_sibling: NONE,
            })
            .collect();
        let mut first_root = NONE;
        // From the last to the first, each before its siblings, so that children end up in the
        // order of their pids.
        for node in (0..links.len()).rev() {
            let first = match links[node].parent {
                NONE => &mut first_root,
                parent => &mut links[parent as usize].first_child,
            };
            let next = std::mem::replace(first, node as Node);
            links[node].next_sibling = next;
        }
        Forest { links, first_root, data, vanished: 0 }
    }

    /// Returns the number of processes that exited while they were read. Each of them may have
    /// started another process.
    pub fn vanished(&self) -> usize {
        self.vanished
    }

    /// Returns the pid of a node.
    pub fn pid(&self, node: Node) -> Pid {
        self.links[node as usize].pid
    }

    /// Returns the caller's data of a node.
    pub fn data(&self, node: Node) -> &D {
        &self.data[node as usize]
    }

    /// Returns the node of a pid.
    pub fn find(&self, pid: Pid) -> Option<Node> {
        self.links.binary_search_by_key(&pid, |links| links.pid).ok().map(|node| node as Node)
    }

    /// Returns the nodes among some (all, children or descendants) that have wanted data.
    pub fn find_all(
        &self,
        among: impl Iterator<Item = Node>,
        wanted: impl Fn(&D) -> bool,
    ) -> impl Iterator<Item = Node> {
        among.filter(move |&node| wanted(self.data(node)))
    }

    /// Returns every node, by ascending pid.
    pub fn all(&self) -> impl Iterator<Item = Node> + use<D> {
        0..self.links.len() as Node
    }

    /// Returns the nodes whose parent is not visible, by ascending pid.
    pub fn roots(&self) -> impl Iterator<Item = Node> {
        self.siblings(self.first_root)
    }

    /// Returns the parent; `None` for a root.
    pub fn parent(&self, node: Node) -> Option<Node> {
        existing(self.links[node as usize].parent)
    }

    /// Returns the children, by ascending pid.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> {
        self.siblings(self.links[node as usize].first_child)
    }

    /// Returns all descendants of a node, each parent before its children.
    pub fn descendants(&self, node: Node) -> impl Iterator<Item = Node> {
        let mut at = existing(self.links[node as usize].first_child);
        std::iter::from_fn(move || {
            let found = at?;
            at = self.following(found, node);
            Some(found)
        })
    }

    /// Returns the ancestors, parent first.
    pub fn ancestors(&self, node: Node) -> impl Iterator<Item = Node> {
        std::iter::successors(self.parent(node), |&node| self.parent(node))
    }

    /// Returns the next node of a walk below `top`: the first child, else the next sibling, else
    /// the next sibling of the nearest ancestor.
    fn following(&self, node: Node, top: Node) -> Option<Node> {
        let mut links = self.links[node as usize];
        if let Some(child) = existing(links.first_child) {
            return Some(child);
        }
        loop {
            if let Some(sibling) = existing(links.next_sibling) {
                return Some(sibling);
            }
            if links.parent == top {
                return None;
            }
            links = self.links[existing(links.parent)? as usize];
        }
    }

    fn siblings(&self, first: Node) -> impl Iterator<Item = Node> {
        std::iter::successors(existing(first), |&node| {
            existing(self.links[node as usize].next_sibling)
        })
    }
}

fn existing(node: Node) -> Option<Node> {
    (node != NONE).then_some(node)
}

/// Returns the parent of each process, by index. Circles are cut.
fn parents(processes: &[ProcessLink]) -> Vec<Node> {
    let mut parents: Vec<Node> =
        processes.iter().map(|child| parent_among(processes, child)).collect();
    cut_circles(&mut parents);
    parents
}

/// Returns the parent of a process, by index; [`NONE`] if it was not read.
///
/// The processes were read one after another. A parent may therefore be missing, or its number may
/// belong to a later process by now: a process that started after its child is not its parent.
fn parent_among(processes: &[ProcessLink], child: &ProcessLink) -> Node {
    let found = processes.binary_search_by_key(&child.ppid, |process| process.pid).ok();
    let older = found.filter(|&parent| processes[parent].start_ticks <= child.start_ticks);
    older.map_or(NONE, |parent| parent as Node)
}

/// Makes a root of one process of every circle: the one with the lowest pid, which is met first.
fn cut_circles(parents: &mut [Node]) {
    // For each node, the walk that has passed it, named by its first node. Each node is passed
    // once, so that this is linear.
    let mut passed = vec![NONE; parents.len()];
    for start in 0..parents.len() {
        let mut at = start;
        while passed[at] == NONE {
            passed[at] = start as Node;
            match parents[at] {
                NONE => break,
                parent if passed[parent as usize] == start as Node => {
                    cut_circle(parents, parent as usize);
                    break;
                }
                parent => at = parent as usize,
            }
        }
    }
}

fn cut_circle(parents: &mut [Node], member: usize) {
    let mut lowest = member;
    let mut at = parents[member] as usize;
    while at != member {
        lowest = lowest.min(at);
        at = parents[at] as usize;
    }
    parents[lowest] = NONE;
}

/// The files that a scan reads for [`read`] of every process.
pub const FILES: Files = Files::new(&[File::Stat]);

/// Reads the forest of all processes that a scan visits, with the data that `keep` returns for
/// each; [`Lookup::Unavailable`] leaves a process out.
///
/// A process that does not even show its parent (hidepid=1) becomes a root.
pub fn read<D, E: From<Error>>(
    mut scan: Scan<'_>,
    mut keep: impl FnMut(&Process<'_>, ProcessLink) -> Result<Lookup<D>, E>,
) -> Result<Forest<D>, E> {
    let (mut processes, mut data) = (Vec::new(), Vec::new());
    let (mut left_out, mut vanished) = (0, 0);
    while let Some(process) = scan.next()? {
        let (ppid, start_ticks) = match process.lookup(process.stat())? {
            Lookup::Found(stat) => (stat.ppid, stat.start_ticks),
            Lookup::Unavailable(_) => (0, 0),
            Lookup::Exited => {
                vanished += 1;
                continue;
            }
        };
        let own = ProcessLink { pid: process.pid(), ppid, start_ticks };
        match keep(process, own)? {
            Lookup::Found(kept) => {
                processes.push(own);
                data.push(kept);
            }
            Lookup::Unavailable(_) => left_out += 1,
            Lookup::Exited => vanished += 1,
        }
    }
    tracing::info!(processes = processes.len(), "read");
    tracing::debug!(
        vanished,
        left_out,
        "processes that ended while they were read, that were not wanted"
    );
    Ok(Forest { vanished, ..Forest::new(processes, data) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Program {
        exe_name: &'static str,
        exe_path: &'static str,
    }

    fn forest(processes: &[(Pid, Pid, u64)]) -> Forest<()> {
        let processes: Vec<ProcessLink> = processes
            .iter()
            .map(|&(pid, ppid, start_ticks)| ProcessLink { pid, ppid, start_ticks })
            .collect();
        let data = vec![(); processes.len()];
        Forest::new(processes, data)
    }

    fn pids<D>(forest: &Forest<D>, nodes: impl Iterator<Item = Node>) -> Vec<Pid> {
        nodes.map(|node| forest.pid(node)).collect()
    }

    /// Builds init(1), cron(10) with two workers (20, 21), jobs (30, 31) and a child of the first
    /// job (40).
    fn cron() -> Forest<Program> {
        let program = |exe_name, exe_path| Program { exe_name, exe_path };
        let rows = [
            (1, 0, program("init", "/sbin/init")),
            (10, 1, program("cron", "/usr/sbin/cron")),
            (20, 10, program("cron", "/usr/sbin/cron")),
            (21, 10, program("cron", "/usr/sbin/cron")),
            (30, 20, program("sh", "/bin/dash")),
            (31, 21, program("sh", "/bin/dash")),
            (40, 30, program("backup", "/opt/backup")),
        ];
        let (processes, data) = rows
            .into_iter()
            .map(|(pid, ppid, data)| (ProcessLink { pid, ppid, start_ticks: 0 }, data))
            .unzip();
        Forest::new(processes, data)
    }

    #[test]
    fn relations() {
        let tree = cron();
        let cron = tree.find(10).unwrap();
        assert_eq!(pids(&tree, tree.children(cron)), [20, 21]);
        assert_eq!(pids(&tree, tree.descendants(cron)), [20, 30, 40, 21, 31]);
        assert_eq!(pids(&tree, tree.ancestors(tree.find(40).unwrap())), [30, 20, 10, 1]);
        assert_eq!(tree.parent(cron).map(|node| tree.pid(node)), Some(1));
        assert_eq!(tree.parent(tree.find(1).unwrap()), None);
        assert_eq!(tree.find(11), None);
        let leaf = tree.find(40).unwrap();
        assert_eq!(pids(&tree, tree.descendants(leaf)), [] as [Pid; 0]);
    }

    #[test]
    fn find_all_by_name_and_path_recursive_and_not() {
        let tree = cron();
        let init = tree.find(1).unwrap();
        let is_cron = |program: &Program| program.exe_name == "cron";
        assert_eq!(pids(&tree, tree.find_all(tree.all(), is_cron)), [10, 20, 21]);
        assert_eq!(pids(&tree, tree.find_all(tree.children(init), is_cron)), [10]);
        let is_shell = |program: &Program| program.exe_path == "/bin/dash";
        assert_eq!(pids(&tree, tree.find_all(tree.descendants(init), is_shell)), [30, 31]);
        assert_eq!(tree.find_all(tree.children(init), is_shell).next(), None);
    }

    #[test]
    fn every_process_without_a_visible_parent_is_a_root() {
        let tree = forest(&[(1, 0, 0), (2, 0, 0), (50, 0, 9), (60, 7, 9), (61, 60, 9)]);
        assert_eq!(pids(&tree, tree.roots()), [1, 2, 50, 60]);
        let nothing = forest(&[]);
        assert_eq!(nothing.roots().next(), None);
    }

    #[test]
    fn a_parent_that_is_younger_than_its_child_is_another_process() {
        let tree = forest(&[(1, 0, 0), (30, 40, 100), (40, 1, 200)]);
        assert_eq!(pids(&tree, tree.roots()), [1, 30]);
    }

    #[test]
    fn circles_are_cut_once_and_lose_no_process() {
        let tree = forest(&[(5, 5, 1), (10, 12, 1), (11, 10, 1), (12, 11, 1), (13, 12, 1)]);
        assert_eq!(pids(&tree, tree.roots()), [5, 10]);
        assert_eq!(pids(&tree, tree.descendants(tree.find(10).unwrap())), [11, 12, 13]);
    }

    #[test]
    fn unordered_processes_are_ordered() {
        let tree = forest(&[(30, 10, 1), (1, 0, 0), (20, 10, 1), (10, 1, 0)]);
        assert_eq!(pids(&tree, tree.descendants(tree.find(1).unwrap())), [10, 20, 30]);
    }

    const MANY: Pid = 100_000;

    #[test]
    fn a_chain_of_a_hundred_thousand() {
        let chain: Vec<_> = (1..=MANY).map(|pid| (pid, pid - 1, 0)).collect();
        let tree = forest(&chain);
        let (first, last) = (tree.find(1).unwrap(), tree.find(MANY).unwrap());
        assert_eq!(tree.descendants(first).count(), MANY as usize - 1);
        assert_eq!(tree.ancestors(last).count(), MANY as usize - 1);
        assert_eq!(pids(&tree, tree.roots()), [1]);
    }

    #[test]
    fn a_parent_of_a_hundred_thousand() {
        let fan: Vec<_> = (1..=MANY).map(|pid| (pid, u32::from(pid > 1), 0)).collect();
        let tree = forest(&fan);
        let first = tree.find(1).unwrap();
        assert_eq!(tree.children(first).count(), MANY as usize - 1);
        assert_eq!(tree.descendants(first).count(), MANY as usize - 1);
    }

    proptest! {
        /// Every process is below exactly one root, whatever was read.
        #[test]
        fn every_process_is_reached_once(
            processes in proptest::collection::btree_map(1u32..60, (0u32..60, 0u64..4), 0..60),
        ) {
            let rows: Vec<_> =
                processes.iter().map(|(&pid, &(ppid, start))| (pid, ppid, start)).collect();
            let tree = forest(&rows);
            let mut reached: Vec<Pid> = Vec::new();
            for root in tree.roots() {
                reached.push(tree.pid(root));
                reached.extend(tree.descendants(root).map(|node| tree.pid(node)));
            }
            reached.sort_unstable();
            prop_assert_eq!(reached, processes.keys().copied().collect::<Vec<_>>());
        }
    }
}
