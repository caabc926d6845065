//! Aligned columns without knowledge of all rows: their widths come from the table of properties.

use crate::process::{Process, Property, ReadResult, Status, Value, items, title};

use super::{Style, Terminal, human, join, login, number, put, text};

/// A table of properties, a process a row.
pub struct Table {
    columns: Vec<&'static Property>,
    terminal: Terminal,
    /// Something else follows at the right.
    is_left: bool,
    cell: Vec<u8>,
}

impl Table {
    /// Returns a table with these columns.
    pub fn new(columns: Vec<&'static Property>, terminal: Terminal) -> Table {
        Table { columns, terminal, is_left: false, cell: Vec::new() }
    }

    /// Returns a table for the left of something else.
    pub fn at_left(columns: Vec<&'static Property>, terminal: Terminal) -> Table {
        Table { is_left: true, ..Table::new(columns, terminal) }
    }

    /// Returns the columns.
    pub fn columns(&self) -> &[&'static Property] {
        &self.columns
    }

    /// Appends the line with the names of the columns.
    pub fn header(&mut self, line: &mut Vec<u8>) {
        self.header_cells(line);
        self.end(line);
    }

    /// Appends the names of the columns.
    pub fn header_cells(&mut self, line: &mut Vec<u8>) {
        for at in 0..self.columns.len() {
            self.cell.clear();
            self.cell.extend(self.columns[at].name.bytes().map(|byte| byte.to_ascii_uppercase()));
            self.push_cell(line, at, Some(Style::Heading));
        }
    }

    /// Appends the line of a process. `-` stands for a property that is unavailable. Errors: the
    /// process has exited, or reading failed.
    pub fn row(&mut self, line: &mut Vec<u8>, process: &Process<'_>) -> ReadResult<()> {
        self.cells(line, process)?;
        self.end(line);
        Ok(())
    }

    /// Appends the cells of a process. Errors: as of [`Table::row`].
    pub fn cells(&mut self, line: &mut Vec<u8>, process: &Process<'_>) -> ReadResult<()> {
        for at in 0..self.columns.len() {
            self.cell.clear();
            let mut style = None;
            match (self.columns[at].get)(process) {
                Ok(value) => {
                    cell(&mut self.cell, &value, &self.terminal);
                    style = self::style(self.columns[at], &value);
                }
                Err(unread) if unread.is_unavailable() => self.cell.push(b'-'),
                Err(unread) => return Err(unread),
            }
            self.push_cell(line, at, style);
        }
        Ok(())
    }

    fn push_cell(&self, line: &mut Vec<u8>, at: usize, style: Option<Style>) {
        let column = self.columns[at];
        let shape = Shape {
            width: column.width.max(column.name.len()),
            is_right_aligned: column.kind.is_right_aligned(),
            is_last: !self.is_left && at + 1 == self.columns.len(),
        };
        if at > 0 {
            line.push(b' ');
        }
        push_cell(line, &self.cell, shape, self.terminal.painted(style));
    }

    fn end(&self, line: &mut Vec<u8>) {
        if let Some(columns) = self.terminal.width {
            text::cut(line, columns, self.terminal.cut_mark());
        }
        line.push(b'\n');
    }
}

/// Appends the text of a cell, filled with blanks to the width of its column.
pub(super) fn push_cell(line: &mut Vec<u8>, cell: &[u8], shape: Shape, paint: (&str, &str)) {
    let blanks = shape.width.saturating_sub(text::width(cell));
    if shape.is_right_aligned {
        line.resize(line.len() + blanks, b' ');
    }
    line.extend_from_slice(paint.0.as_bytes());
    line.extend_from_slice(cell);
    line.extend_from_slice(paint.1.as_bytes());
    if !shape.is_right_aligned && !shape.is_last {
        line.resize(line.len() + blanks, b' ');
    }
}

/// The shape of a cell.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub width: usize,
    pub is_right_aligned: bool,
    /// Nothing follows it in its line.
    pub is_last: bool,
}

/// Returns the style of a value that a reader should notice.
pub(super) fn style(property: &Property, value: &Value<'_>) -> Option<Style> {
    match (property.name, value) {
        ("state", Value::Bytes(state)) => Style::of_state(*state.first()?),
        ("user", Value::Name(name)) => (**name == *"root").then_some(Style::Superuser),
        ("exe_deleted", Value::Flag(true)) => Some(Style::Deleted),
        _ => None,
    }
}

/// Appends a value to a cell. Lists are joined as a user would type them.
pub(super) fn cell(cell: &mut Vec<u8>, value: &Value<'_>, terminal: &Terminal) {
    let shown =
        |cell: &mut Vec<u8>, bytes: &[u8]| cell.extend_from_slice(&text::shown(bytes, terminal));
    match value {
        Value::Number(found) => number(cell, *found),
        Value::Signed(number) => put(cell, format_args!("{number}")),
        Value::Size(bytes) => human::size(cell, *bytes),
        Value::Seconds(seconds) => human::clock(cell, *seconds),
        Value::Percent(percent) => put(cell, format_args!("{percent:.1}")),
        Value::Time(seconds) => human::date(cell, *seconds, "T"),
        Value::Flag(flag) => cell.extend_from_slice(if *flag { b"yes" } else { b"no" }),
        Value::Bytes(bytes) => shown(cell, bytes),
        Value::Name(name) => shown(cell, name.as_bytes()),
        Value::Items(list) | Value::Environment(list) => match title(list) {
            Some(title) => shown(cell, title),
            None => join(cell, items(list), b" ", shown),
        },
        Value::Numbers(numbers) => {
            join(cell, numbers.iter(), b",", |cell, number| put(cell, format_args!("{number}")))
        }
        Value::Names(names) => {
            join(cell, names.iter(), b",", |cell, name| cell.extend_from_slice(name.as_bytes()))
        }
        Value::Paths(paths) => join(cell, paths.iter(), b",", |cell, path| shown(cell, path)),
        Value::Ids(ids) => join(cell, ids.iter(), b",", |cell, id| put(cell, format_args!("{id}"))),
        Value::Fields(text) => join(cell, Status(text).fields(), b"; ", |cell, (name, field)| {
            shown(cell, name);
            cell.extend_from_slice(b": ");
            join(cell, field.split(|&byte| byte == b'\t'), b" ", shown);
        }),
        Value::Login(found) => shown(cell, &login::text(found)),
        Value::Records(records) => join(cell, records.iter(), b"; ", |cell, record| {
            join(cell, record.iter(), b" ", |cell, (_, member)| {
                let mut part = Vec::new();
                self::cell(&mut part, member, terminal);
                cell.append(&mut part);
            });
        }),
    }
    if cell.is_empty() {
        cell.push(b'-');
    }
}
