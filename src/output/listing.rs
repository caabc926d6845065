//! A list of processes, printed while it is made.

use std::borrow::Cow;
use std::io::{self, Write};

use super::json::{self, Layout};
use super::table::Table;
use super::{Output, Terminal, shown};
use crate::process::{File, Files, Process, Property, ReadResult, certain_files, if_available};

/// How each process is printed.
pub enum ListFormat {
    /// Not at all.
    Nothing,
    /// Only how many there are.
    Count,
    /// As pgrep does: pids, with something suffix them.
    Lines { suffix: Suffix, between: Vec<u8>, at_end: &'static [u8] },
    /// As a table.
    Table(Table),
    /// As JSON with these properties.
    Json(Layout, Vec<&'static Property>),
}

/// What stands suffix the pid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    Nothing,
    Name,
    CommandLine,
}

impl ListFormat {
    /// The files that it reads in any case.
    pub fn files(&self) -> Files {
        match self {
            ListFormat::Lines { suffix: Suffix::CommandLine, .. } => Files::new(&[File::Cmdline]),
            _ => certain_files(self.properties()),
        }
    }

    /// Whether it shows more of a process than its pid.
    pub fn reads_properties(&self) -> bool {
        !self.properties().is_empty()
            || matches!(self, ListFormat::Lines { suffix, .. } if *suffix != Suffix::Nothing)
    }

    /// Whether it shows what tells a process from a later one of the same pid.
    pub fn shows_identity(&self) -> bool {
        self.properties().iter().any(|property| property.name == "id")
    }

    fn properties(&self) -> &[&'static Property] {
        match self {
            ListFormat::Table(table) => table.columns(),
            ListFormat::Json(_, fields) => fields,
            _ => &[],
        }
    }
}

/// A list on its way out. A process is rendered, then printed: one that ends while it is rendered
/// leaves no half line.
pub struct Listing<'o> {
    /// How each process is printed.
    pub format: ListFormat,
    output: &'o mut Output,
    line: Vec<u8>,
    printed: usize,
}

impl<'o> Listing<'o> {
    /// An empty list.
    pub fn new(format: ListFormat, output: &'o mut Output) -> Listing<'o> {
        Listing { format, output, line: Vec::new(), printed: 0 }
    }

    /// Print what comes before the first process.
    pub fn begin(&mut self) -> io::Result<()> {
        match &mut self.format {
            ListFormat::Json(layout, _) => self.output.write_all(layout.begin()),
            ListFormat::Table(table) => {
                table.header(&mut self.line);
                self.output.write_all(&self.line)
            }
            _ => Ok(()),
        }
    }

    /// Make ready to print a process.
    pub fn render(&mut self, process: &Process<'_>) -> ReadResult<()> {
        self.line.clear();
        match &mut self.format {
            ListFormat::Nothing | ListFormat::Count => Ok(()),
            ListFormat::Lines { suffix, .. } => {
                line(&mut self.line, process, *suffix, &self.output.terminal)
            }
            ListFormat::Table(table) => table.row(&mut self.line, process),
            ListFormat::Json(_, fields) => json::object(&mut self.line, process, fields),
        }
    }

    /// What was made ready.
    pub fn rendered(&self) -> &[u8] {
        &self.line
    }

    /// Print what was made ready.
    pub fn print(&mut self) -> io::Result<()> {
        let between = match &self.format {
            _ if self.printed == 0 => b"",
            ListFormat::Lines { between, .. } => &between[..],
            ListFormat::Json(layout, _) => layout.between(),
            _ => b"",
        };
        self.output.write_all(between)?;
        self.output.write_all(&self.line)?;
        self.printed += 1;
        Ok(())
    }

    /// Print what was made ready before.
    pub fn print_again(&mut self, rendered: Vec<u8>) -> io::Result<()> {
        self.line = rendered;
        self.print()
    }

    /// Print what comes after the last process, and tell how many were printed.
    pub fn end(&mut self) -> io::Result<usize> {
        match &self.format {
            ListFormat::Count => writeln!(self.output, "{}", self.printed),
            ListFormat::Lines { at_end, .. } if self.printed > 0 => self.output.write_all(at_end),
            ListFormat::Json(layout, _) => self.output.write_all(layout.end(self.printed)),
            _ => Ok(()),
        }?;
        Ok(self.printed)
    }
}

/// A line as pgrep prints it.
fn line(
    line: &mut Vec<u8>,
    process: &Process<'_>,
    suffix: Suffix,
    terminal: &Terminal,
) -> ReadResult<()> {
    line.extend_from_slice(process.pid().to_string().as_bytes());
    let name =
        |process| Ok(if_available(Process::name_or_comm(process))?.unwrap_or(Cow::Borrowed(b"?")));
    let text = match suffix {
        Suffix::Nothing => return Ok(()),
        Suffix::Name => name(process)?,
        Suffix::CommandLine => match if_available(process.command_line())? {
            Some(arguments) if !arguments.is_empty() => Cow::Owned(arguments),
            // In brackets, as ps shows what has none: kernel threads and zombies.
            _ => Cow::Owned([b"[", &name(process)?[..], b"]"].concat()),
        },
    };
    line.push(b' ');
    line.extend_from_slice(&shown(&text, terminal));
    Ok(())
}
