//! A list of groups of processes, as `find --group-by` prints it.

use std::io::{self, Write};

use super::json::{self, Layout};
use super::table::{Shape, cell, push_cell};
use super::{Output, Style, number, text};
use crate::process::{Property, Value};
use crate::select::grouping::{Column, Group, Sum};

/// Columns that are enough for most numbers of processes.
const COUNT_WIDTH: usize = 7;

/// Columns of a date with its time.
const TIME_WIDTH: usize = 19;

/// The form in which groups are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupFormat {
    Nothing,
    Table,
    Json(Layout),
}

/// A list of groups.
pub struct GroupList<'o> {
    format: GroupFormat,
    columns: Vec<Column>,
    output: &'o mut Output,
}

impl<'o> GroupList<'o> {
    /// Makes a list with these columns.
    pub fn new(format: GroupFormat, columns: Vec<Column>, output: &'o mut Output) -> GroupList<'o> {
        GroupList { format, columns, output }
    }

    /// Returns the text of the value that the processes of a group have in common.
    pub fn label(&self, common: Option<&Value<'_>>) -> Vec<u8> {
        let mut label = Vec::new();
        match (self.format, common) {
            (GroupFormat::Json(_), Some(value)) => json::value(&mut label, value),
            (GroupFormat::Json(_), None) => label.extend_from_slice(b"null"),
            (_, Some(value)) => cell(&mut label, value, &self.output.terminal),
            (_, None) => label.push(b'-'),
        }
        label
    }

    /// Prints the groups.
    pub fn print(&mut self, groups: impl Iterator<Item = Group>) -> io::Result<()> {
        match self.format {
            GroupFormat::Nothing => Ok(()),
            GroupFormat::Table => self.print_table(groups),
            GroupFormat::Json(layout) => self.print_json(groups, layout),
        }
    }

    fn print_table(&mut self, groups: impl Iterator<Item = Group>) -> io::Result<()> {
        let names = |column: &Column| column.name().to_ascii_uppercase().into_bytes();
        let heading: Vec<_> = self.columns.iter().map(names).collect();
        self.line(&heading, Some(Style::Heading))?;
        for group in groups {
            let cells: Vec<_> =
                self.columns.iter().map(|&column| self.cell(column, &group)).collect();
            self.line(&cells, None)?;
        }
        Ok(())
    }

    fn cell(&self, column: Column, group: &Group) -> Vec<u8> {
        let mut text = Vec::new();
        match column {
            Column::Count => number(&mut text, group.count),
            Column::Common(_) => text.extend_from_slice(&group.label),
            Column::Time(seconds) => cell(&mut text, &Value::Time(seconds), &self.output.terminal),
            Column::Sum(property, at) => {
                let sum = group.sums.get(at).copied().unwrap_or_default();
                cell(&mut text, &sum.value(property), &self.output.terminal);
                // It is at least this.
                text.extend_from_slice(if sum.unread > 0 { b"+" } else { b"" });
            }
        }
        text
    }

    fn line(&mut self, cells: &[Vec<u8>], style: Option<Style>) -> io::Result<()> {
        let mut line = Vec::new();
        for (at, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            if at > 0 {
                line.push(b' ');
            }
            let (width, is_right_aligned) = shape(*column);
            let shape = Shape { width, is_right_aligned, is_last: at + 1 == cells.len() };
            push_cell(&mut line, cell, shape, self.output.terminal.painted(style));
        }
        if let Some(columns) = self.output.terminal.width {
            text::cut(&mut line, columns, self.output.terminal.cut_mark());
        }
        line.push(b'\n');
        self.output.write_all(&line)
    }

    fn print_json(
        &mut self,
        groups: impl Iterator<Item = Group>,
        layout: Layout,
    ) -> io::Result<()> {
        self.output.write_all(layout.begin())?;
        let mut printed = 0;
        for group in groups {
            let mut object = Vec::new();
            json::object_of(&mut object, self.columns.iter(), |json, &column| {
                json::key(json, column.name());
                match column {
                    Column::Count => number(json, group.count),
                    Column::Common(_) => json.extend_from_slice(&group.label),
                    Column::Time(seconds) => json::value(json, &Value::Time(seconds)),
                    Column::Sum(property, at) => sum(json, property, group.sums.get(at)),
                }
            });
            self.output.write_all(if printed > 0 { layout.between() } else { b"" })?;
            self.output.write_all(&object)?;
            printed += 1;
        }
        self.output.write_all(layout.end(printed))
    }
}

/// Appends a sum, or null where it lacks a value.
fn sum(json: &mut Vec<u8>, property: &Property, sum: Option<&Sum>) {
    let whole = sum.filter(|sum| sum.unread == 0);
    json::optional(json, whole, |json, sum| json::value(json, &sum.value(property)));
}

/// Returns the width of a column, and whether it is aligned at the right.
fn shape(column: Column) -> (usize, bool) {
    match column {
        Column::Count => (COUNT_WIDTH, true),
        Column::Time(_) => (TIME_WIDTH, false),
        Column::Common(property) => {
            (property.width.max(property.name.len()), property.kind.is_right_aligned())
        }
        // A plus may follow.
        Column::Sum(property, _) => (property.width.max(property.name.len()) + 1, true),
    }
}
