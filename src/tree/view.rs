//! The visible part of a forest: the surroundings of some nodes, to some depth.

use std::collections::BTreeMap;

use super::{Forest, Node};

/// The nodes that are shown.
pub struct View<'f, D> {
    forest: &'f Forest<D>,
    /// One number a node: 0 if it is hidden, else one more than the number of levels below it that
    /// are shown because of it.
    reach: Vec<u32>,
}

/// A shown node and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownNode {
    /// The node.
    pub node: Node,
    /// Number of shown levels above it.
    pub depth: u32,
    /// `true` if no sibling is shown after it.
    pub is_last: bool,
    /// Number of nodes that it stands for: identical leaves can be folded.
    pub count: u32,
}

impl<'f, D> View<'f, D> {
    /// Shows the wanted nodes and their descendants, at most `depth` levels.
    pub fn new(
        forest: &'f Forest<D>,
        wanted: impl Fn(Node) -> bool,
        depth: Option<u32>,
    ) -> View<'f, D> {
        let below_wanted = depth.map_or(u32::MAX, |depth| depth.saturating_add(1));
        let mut reach = vec![0; forest.links.len()];
        for root in forest.roots() {
            // Parents come before children, so that each inherits the depth that is left.
            for node in std::iter::once(root).chain(forest.descendants(root)) {
                let inherited =
                    forest.parent(node).map_or(0, |parent| left_below(reach[parent as usize]));
                reach[node as usize] = if wanted(node) { below_wanted } else { inherited };
            }
        }
        View { forest, reach }
    }

    /// Also shows the ancestors of each shown node, up to its root.
    pub fn with_ancestors(mut self) -> View<'f, D> {
        for node in self.forest.all() {
            if self.is_shown(node) {
                for ancestor in self.forest.ancestors(node) {
                    let reach = &mut self.reach[ancestor as usize];
                    if *reach > 0 {
                        break;
                    }
                    *reach = 1;
                }
            }
        }
        self
    }

    /// Reports whether this node is shown.
    fn is_shown(&self, node: Node) -> bool {
        self.reach[node as usize] > 0
    }

    /// Returns the shown children of a node.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> {
        self.forest.children(node).filter(|&child| self.is_shown(child))
    }

    /// Returns the shown nodes without a shown parent.
    fn tops(&self) -> impl Iterator<Item = Node> {
        self.forest.all().filter(move |&node| self.is_shown(node) && !self.has_shown_parent(node))
    }

    /// Reports whether the parent of a node is shown, so that the node stands below it.
    fn has_shown_parent(&self, node: Node) -> bool {
        self.forest.parent(node).is_some_and(|parent| self.is_shown(parent))
    }

    /// Reports whether no child of a node is shown: only such nodes are folded, because nothing
    /// else tells them apart.
    fn is_leaf(&self, node: Node) -> bool {
        self.children(node).next().is_none()
    }

    /// Returns every shown node, each parent before its children. Sibling leaves with the same
    /// `label` are folded into the first of them.
    pub fn rows(&self, label: impl Fn(Node) -> Option<Vec<u8>>) -> impl Iterator<Item = ShownNode> {
        let mut waiting: Vec<ShownNode> = Vec::new();
        self.push(&mut waiting, self.tops(), 0, &|_| None);
        std::iter::from_fn(move || {
            let row = waiting.pop()?;
            if row.count == 1 {
                self.push(&mut waiting, self.children(row.node), row.depth + 1, &label);
            }
            Some(row)
        })
    }

    /// Adds siblings to the rows that wait to be shown, the last one first, and folds leaves.
    fn push(
        &self,
        waiting: &mut Vec<ShownNode>,
        siblings: impl Iterator<Item = Node>,
        depth: u32,
        label: &dyn Fn(Node) -> Option<Vec<u8>>,
    ) {
        let first = waiting.len();
        let mut folded: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for node in siblings {
            if let Some(label) = label(node).filter(|_| self.is_leaf(node)) {
                let at = *folded.entry(label).or_insert(waiting.len());
                if at < waiting.len() {
                    waiting[at].count += 1;
                    continue;
                }
            }
            waiting.push(ShownNode { node, depth, is_last: false, count: 1 });
        }
        if let Some(last) = waiting[first..].last_mut() {
            last.is_last = true;
        }
        waiting[first..].reverse();
    }
}

/// Returns the reach of the children of a node that has this reach.
fn left_below(reach: u32) -> u32 {
    match reach {
        u32::MAX => u32::MAX,
        reach => reach.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ProcessLink;
    use super::*;

    fn made_of(rows: &[(u32, u32, &'static str)]) -> Forest<&'static str> {
        let (processes, names) = rows
            .iter()
            .map(|&(pid, ppid, name)| (ProcessLink { pid, ppid, start_ticks: 0 }, name))
            .unzip();
        Forest::new(processes, names)
    }

    /// Builds 1 - 10 - (20 - 30 - 40, 21), 2.
    fn forest() -> Forest<&'static str> {
        let rows = [
            (1, 0, "init"),
            (2, 0, "k"),
            (10, 1, "cron"),
            (20, 10, "cron"),
            (21, 10, "x"),
            (30, 20, "sh"),
            (40, 30, "x"),
        ];
        made_of(&rows)
    }

    fn shown(view: &View<'_, &str>) -> Vec<(u32, u32)> {
        view.rows(|_| None).map(|row| (view.forest.pid(row.node), row.depth)).collect()
    }

    #[test]
    fn everything() {
        let forest = forest();
        let view = View::new(&forest, |_| true, None);
        assert_eq!(shown(&view), [(1, 0), (10, 1), (20, 2), (30, 3), (40, 4), (21, 2), (2, 0)]);
    }

    #[test]
    fn a_match_is_shown_with_what_is_below_to_some_depth() {
        let forest = forest();
        let is = |name: &'static str| {
            let forest = &forest;
            move |node| *forest.data(node) == name
        };
        assert_eq!(
            shown(&View::new(&forest, is("cron"), None)),
            [(10, 0), (20, 1), (30, 2), (40, 3), (21, 1)]
        );
        // Both crons match, and the depth counts from each of them.
        assert_eq!(
            shown(&View::new(&forest, is("cron"), Some(1))),
            [(10, 0), (20, 1), (30, 2), (21, 1)]
        );
        assert_eq!(shown(&View::new(&forest, is("cron"), Some(0))), [(10, 0), (20, 1)]);
        // A match far below another one stands by itself.
        let ends = |node| [10, 40].contains(&forest.pid(node));
        assert_eq!(shown(&View::new(&forest, ends, Some(0))), [(10, 0), (40, 0)]);
    }

    #[test]
    fn the_way_up_is_shown_without_its_other_branches() {
        let forest = forest();
        let view = View::new(&forest, |node| forest.pid(node) == 30, None).with_ancestors();
        assert_eq!(shown(&view), [(1, 0), (10, 1), (20, 2), (30, 3), (40, 4)]);
    }

    #[test]
    fn identical_leaves_are_folded() {
        let rows = [(1, 0, "a"), (2, 1, "x"), (3, 1, "y"), (4, 1, "x"), (5, 1, "x"), (6, 5, "z")];
        let forest: Forest<&str> = made_of(&rows);
        let view = View::new(&forest, |_| true, None);
        let rows: Vec<_> = view
            .rows(|node| Some(forest.data(node).as_bytes().to_vec()))
            .map(|row| (forest.pid(row.node), row.count, row.is_last))
            .collect();
        assert_eq!(rows, [(1, 1, true), (2, 2, false), (3, 1, false), (5, 1, true), (6, 1, true)]);
    }
}
