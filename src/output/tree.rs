//! Draws a tree of processes as text, and writes it as JSON. `row` has the part of each process
//! that is kept for it.

pub mod row;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::rc::Rc;

use self::row::{Detail, Marks, Rows, TreeRow};
use super::branches::Branches;
use super::json::Layout;
use super::text::{self, cut};
use super::{Style, Terminal, put, shown};
use crate::process::File;
use crate::tree::view::{ShownNode, View};
use crate::tree::{Forest, Node};
use crate::users::Users;

/// Options for the look of a tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeStyle {
    /// Shows identical leaves as one.
    pub fold: bool,
    /// Does not cut lines at the width of the terminal.
    pub whole_lines: bool,
    /// Emphasises matches; pointless where every process matches.
    pub emphasise: bool,
}

/// Heading of the tree, if there are columns at its left.
const HEADING: &[u8] = b"PROCESS";

/// A tree as text, a process a line.
pub struct Drawing<'a> {
    pub forest: &'a Forest<TreeRow>,
    /// The part of the forest to draw.
    pub view: View<'a, TreeRow>,
    pub rows: &'a Rows,
    pub users: &'a Users,
    pub style: TreeStyle,
    pub terminal: &'a Terminal,
    /// The heading of the columns at the left; empty if there are none.
    pub heading: Vec<u8>,
    /// Nodes to emphasise instead of matches: a process and its ancestors.
    pub highlight: BTreeSet<Node>,
}

impl Drawing<'_> {
    /// Writes all lines.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let width = self.terminal.width.filter(|_| !self.style.whole_lines);
        let left = if self.heading.is_empty() { 0 } else { text::width(&self.heading) + 1 };
        let room = width.map(|width| width.saturating_sub(left));
        let mut branches = Branches::new(self.terminal.lines, room);
        let mut line = Vec::new();
        if left > 0 {
            let (bold, plain) = self.terminal.bold();
            line.extend_from_slice(&self.heading);
            put(&mut line, format_args!(" {bold}"));
            line.extend_from_slice(HEADING);
            line.extend_from_slice(plain.as_bytes());
            self.end(out, &mut line, width, false)?;
        }
        for row in
            self.view.rows(|node| self.style.fold.then(|| self.folding_label(node)).flatten())
        {
            line.clear();
            if left > 0 {
                let cells = self.detail(row.node).map_or(&[][..], |detail| &detail.cells);
                line.extend_from_slice(cells);
                line.push(b' ');
            }
            branches.draw(&mut line, row.depth, row.is_last);
            self.label(&mut line, row);
            self.end(out, &mut line, width, self.is_emphasised(row.node))?;
            let threads = self.detail(row.node).map_or(&[][..], |detail| &detail.threads);
            for (at, (id, name)) in threads.iter().enumerate() {
                let is_last =
                    at + 1 == threads.len() && self.view.children(row.node).next().is_none();
                line.clear();
                line.resize(left, b' ');
                branches.draw(&mut line, row.depth + 1, is_last);
                line.push(b'{');
                line.extend_from_slice(&shown(name, self.terminal));
                put(&mut line, format_args!("}}({id})"));
                self.end(out, &mut line, width, false)?;
            }
        }
        Ok(())
    }

    fn end(
        &self,
        out: &mut impl Write,
        line: &mut Vec<u8>,
        width: Option<usize>,
        emphasis: bool,
    ) -> io::Result<()> {
        if let Some(columns) = width {
            cut(line, columns, self.terminal.cut_mark());
        }
        if emphasis {
            *line = text::emphasised(line, self.terminal);
        }
        line.push(b'\n');
        out.write_all(line)
    }

    fn is_emphasised(&self, node: Node) -> bool {
        if self.highlight.is_empty() {
            self.style.emphasise && self.forest.data(node).marks.has(Marks::MATCH)
        } else {
            self.highlight.contains(&node)
        }
    }

    /// Appends `name(pid,group,user,namespaces) marks arguments`, or `3*[name]` for several.
    fn label(&self, line: &mut Vec<u8>, row: ShownNode) {
        if row.count > 1 {
            put(line, format_args!("{}*[", row.count));
            self.name(line, row.node);
            self.changes(line, row.node, "(");
            line.push(b']');
        } else {
            self.name(line, row.node);
            put(line, format_args!("({}", self.forest.pid(row.node)));
            if let Some(pgrp) = self.detail(row.node).and_then(|detail| detail.pgrp) {
                put(line, format_args!(",{pgrp}"));
            }
            self.changes(line, row.node, ",");
            line.push(b')');
        }
        let data = self.forest.data(row.node);
        self.painted(line, mark(data.state).as_bytes(), Style::of_state(data.state));
        if data.marks.has(Marks::EXE_DELETED) {
            self.painted(line, b" (deleted)", Some(Style::Deleted));
        }
        let rest = data.start as usize + usize::from(data.name_length);
        let arguments = &self.rows.text[rest..rest + data.rest_length as usize];
        if !arguments.is_empty() {
            line.push(b' ');
            line.extend_from_slice(&shown(arguments, self.terminal));
        }
    }

    fn painted(&self, line: &mut Vec<u8>, text: &[u8], style: Option<Style>) {
        if !text.is_empty() {
            let (begin, end) = self.terminal.painted(style);
            line.extend_from_slice(begin.as_bytes());
            line.extend_from_slice(text);
            line.extend_from_slice(end.as_bytes());
        }
    }

    fn name(&self, line: &mut Vec<u8>, node: Node) {
        let data = self.forest.data(node);
        let name = &self.rows.text[data.start as usize..][..usize::from(data.name_length)];
        // ps shows kernel threads in brackets.
        let (open, close) = if data.marks.has(Marks::KERNEL_THREAD) {
            (&b"["[..], &b"]"[..])
        } else {
            (&b""[..], &b""[..])
        };
        line.extend_from_slice(open);
        self.painted(line, &shown(name, self.terminal), Style::of_state(data.state));
        line.extend_from_slice(close);
    }

    /// Appends the user and the namespaces that differ from the parent's.
    fn changes(&self, line: &mut Vec<u8>, node: Node, before: &str) {
        let Some(detail) = self.detail(node) else { return };
        let parent = self.forest.parent(node).and_then(|parent| self.detail(parent));
        let mut changes: Vec<Rc<str>> = Vec::new();
        if let Some(uid) =
            detail.uid.filter(|&uid| parent.and_then(|parent| parent.uid).unwrap_or(0) != uid)
        {
            changes.push(self.users.user(uid));
        }
        if let Some(parent) = parent {
            let pairs = detail.namespaces.iter().zip(&parent.namespaces);
            for ((own, parents), file) in pairs.zip(File::NAMESPACES) {
                if own.is_some() && parents.is_some() && own != parents {
                    changes.push(file.name().trim_start_matches("ns/").into());
                }
            }
        }
        if !changes.is_empty() {
            let close = if before == "(" { ")" } else { "" };
            put(line, format_args!("{before}{}{close}", changes.join(",")));
        }
    }

    /// Returns the text that two leaves must share to be folded: the line without pid and group.
    fn folding_label(&self, node: Node) -> Option<Vec<u8>> {
        let has_threads = self.detail(node).is_some_and(|detail| !detail.threads.is_empty());
        if has_threads || self.highlight.contains(&node) {
            return None;
        }
        let mut label = Vec::new();
        self.label(&mut label, ShownNode { node, depth: 0, is_last: false, count: 2 });
        Some(label)
    }

    fn detail(&self, node: Node) -> Option<&Detail> {
        self.rows.details.get(self.forest.data(node).detail as usize)
    }
}

/// Returns the mark of a state that matters to a reader of a tree.
fn mark(state: u8) -> &'static str {
    match state {
        b'Z' | b'X' => " <defunct>",
        b'T' | b't' => " <stopped>",
        _ => "",
    }
}

/// Writes the shown processes as JSON: nested through `children` as a document, flat as lines. The
/// text of each row is its JSON without the last brace.
pub fn write_json(
    out: &mut impl Write,
    view: &View<'_, TreeRow>,
    forest: &Forest<TreeRow>,
    rows: &Rows,
    layout: Layout,
) -> io::Result<()> {
    let mut open = 0u32;
    out.write_all(layout.begin())?;
    for (at, row) in view.rows(|_| None).enumerate() {
        let data = forest.data(row.node);
        let fields = &rows.text[data.start as usize..][..data.rest_length as usize];
        match layout {
            Layout::Lines => {
                out.write_all(fields)?;
                out.write_all(b"}\n")?;
            }
            Layout::Document => {
                // A loop, not recursion, closes what is complete: a tree can be deeper than our
                // stack.
                let is_child = at > 0 && row.depth + 1 > open;
                while open > row.depth {
                    out.write_all(b"]}")?;
                    open -= 1;
                }
                if at > 0 && !is_child {
                    out.write_all(b",\n ")?;
                }
                out.write_all(fields)?;
                out.write_all(b",\"children\":[")?;
                open += 1;
            }
        }
    }
    for _ in 0..open {
        out.write_all(b"]}")?;
    }
    if layout == Layout::Document { out.write_all(b"]\n") } else { Ok(()) }
}
