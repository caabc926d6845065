//! A list of processes, printed while it is made.

use std::borrow::Cow;
use std::io::{self, Write};

use super::json::{self, Layout};
use super::table::Table;
use super::{Output, Terminal, shown};
use crate::process::{File, Files, Process, Property, ReadResult, certain_files, if_available};

/// How each process is printed.
pub enum Look {
    /// Not at all.
    Nothing,
    /// Only how many there are.
    Count,
    /// As pgrep does: pids, with something beside them.
    Lines { beside: Beside, between: Vec<u8>, at_end: &'static [u8] },
    /// As a table.
    Table(Table),
    /// As JSON with these properties.
    Json(Layout, Vec<&'static Property>),
}

/// What stands beside the pid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    Name,
    CommandLine,
}

impl Look {
    /// The files that it reads in any case.
    pub fn files(&self) -> Files {
        match self {
            Look::Lines { beside: Beside::CommandLine, .. } => Files::of(&[File::Cmdline]),
            _ => certain_files(self.properties()),
        }
    }

    /// Whether it shows more of a process than its pid.
    pub fn reads_properties(&self) -> bool {
        !self.properties().is_empty()
            || matches!(self, Look::Lines { beside, .. } if *beside != Beside::Nothing)
    }

    /// Whether it shows what tells a process from a later one of the same pid.
    pub fn shows_identity(&self) -> bool {
        self.properties().iter().any(|property| property.name == "id")
    }

    fn properties(&self) -> &[&'static Property] {
        match self {
            Look::Table(table) => table.columns(),
            Look::Json(_, fields) => fields,
            _ => &[],
        }
    }
}

/// A list on its way out. A process is rendered, then printed: one that ends while it is rendered
/// leaves no half line.
pub struct Listing<'o> {
    /// How each process is printed.
    pub look: Look,
    output: &'o mut Output,
    line: Vec<u8>,
    printed: usize,
}

impl<'o> Listing<'o> {
    /// An empty list.
    pub fn new(look: Look, output: &'o mut Output) -> Listing<'o> {
        Listing { look, output, line: Vec::new(), printed: 0 }
    }

    /// Print what comes before the first process.
    pub fn begin(&mut self) -> io::Result<()> {
        match &mut self.look {
            Look::Json(layout, _) => self.output.write_all(layout.begin()),
            Look::Table(table) => {
                table.header(&mut self.line);
                self.output.write_all(&self.line)
            }
            _ => Ok(()),
        }
    }

    /// Make ready to print a process.
    pub fn render(&mut self, process: &Process<'_>) -> ReadResult<()> {
        self.line.clear();
        match &mut self.look {
            Look::Nothing | Look::Count => Ok(()),
            Look::Lines { beside, .. } => {
                line(&mut self.line, process, *beside, &self.output.terminal)
            }
            Look::Table(table) => table.row(&mut self.line, process),
            Look::Json(_, fields) => json::object(&mut self.line, process, fields),
        }
    }

    /// What was made ready.
    pub fn rendered(&self) -> &[u8] {
        &self.line
    }

    /// Print what was made ready.
    pub fn print(&mut self) -> io::Result<()> {
        let between = match &self.look {
            _ if self.printed == 0 => b"",
            Look::Lines { between, .. } => &between[..],
            Look::Json(layout, _) => layout.between(),
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
        match &self.look {
            Look::Count => writeln!(self.output, "{}", self.printed),
            Look::Lines { at_end, .. } if self.printed > 0 => self.output.write_all(at_end),
            Look::Json(layout, _) => self.output.write_all(layout.end(self.printed)),
            _ => Ok(()),
        }?;
        Ok(self.printed)
    }
}

/// A line as pgrep prints it.
fn line(
    line: &mut Vec<u8>,
    process: &Process<'_>,
    beside: Beside,
    terminal: &Terminal,
) -> ReadResult<()> {
    line.extend_from_slice(process.pid().to_string().as_bytes());
    let name =
        |process| Ok(if_available(Process::name_or_comm(process))?.unwrap_or(Cow::Borrowed(b"?")));
    let text = match beside {
        Beside::Nothing => return Ok(()),
        Beside::Name => name(process)?,
        Beside::CommandLine => match if_available(process.command_line())? {
            Some(arguments) if !arguments.is_empty() => Cow::Owned(arguments),
            // In brackets, as ps shows what has none: kernel threads and zombies.
            _ => Cow::Owned([b"[", &name(process)?[..], b"]"].concat()),
        },
    };
    line.push(b' ');
    line.extend_from_slice(&shown(&text, terminal));
    Ok(())
}
