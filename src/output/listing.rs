//! A list of processes, printed while the scan goes on, as `find` does.

use std::borrow::Cow;
use std::io::{self, Write};

use super::json::{self, Layout};
use super::table::Table;
use super::{Output, Terminal, shown};
use crate::process::{
    File, Files, Pid, Process, Property, ReadResult, certain_files, if_available, items,
};

/// The form in which each process is printed.
pub enum ListFormat {
    /// Nothing.
    Nothing,
    /// Only their number.
    Count,
    /// Lines as of pgrep: pids, each with a suffix. With `threads`, one for each thread.
    Lines { suffix: Suffix, threads: bool, between: Vec<u8>, at_end: &'static [u8] },
    /// A table.
    Table(Table),
    /// JSON with these properties.
    Json(Layout, Vec<&'static Property>),
}

/// The text after a pid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    Nothing,
    Name,
    CommandLine,
    /// The command line, with each argument quoted for a shell.
    Quoted,
}

impl ListFormat {
    /// Returns the files that this format reads of each process.
    pub fn files(&self) -> Files {
        match self {
            ListFormat::Lines { suffix: Suffix::CommandLine | Suffix::Quoted, .. } => {
                Files::new(&[File::Cmdline])
            }
            _ => certain_files(self.properties()),
        }
    }

    /// Reports whether it shows more of a process than its pid.
    pub fn reads_properties(&self) -> bool {
        !self.properties().is_empty()
            || matches!(self, ListFormat::Lines { suffix, threads, .. }
                if *suffix != Suffix::Nothing || *threads)
    }

    /// Reports whether it shows the id, which no later process of the same pid has.
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

/// A list that is being printed. A process is rendered first, then printed: one that exits while it
/// is rendered leaves no half line.
pub struct Listing<'o> {
    /// The form in which each process is printed.
    pub format: ListFormat,
    output: &'o mut Output,
    line: Vec<u8>,
    printed: usize,
}

impl<'o> Listing<'o> {
    /// Returns an empty list.
    pub fn new(format: ListFormat, output: &'o mut Output) -> Listing<'o> {
        Listing { format, output, line: Vec::new(), printed: 0 }
    }

    /// Prints the text before the first process.
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

    /// Renders a process. Errors: the process has exited, or reading failed.
    pub fn render(&mut self, process: &Process<'_>) -> ReadResult<()> {
        self.line.clear();
        match &mut self.format {
            ListFormat::Nothing | ListFormat::Count => Ok(()),
            ListFormat::Lines { suffix, threads, between, .. } => {
                let threads = if *threads { process.other_threads()? } else { Vec::new() };
                line(&mut self.line, process, *suffix, &self.output.terminal)?;
                for (id, name) in threads {
                    self.line.extend_from_slice(between);
                    let name = (*suffix == Suffix::Name).then_some(name);
                    let text =
                        name.map_or_else(|| text(process, *suffix), |name| Ok(Some(name.into())));
                    push_line(&mut self.line, id, text?.as_deref(), &self.output.terminal);
                }
                Ok(())
            }
            ListFormat::Table(table) => table.row(&mut self.line, process),
            ListFormat::Json(_, fields) => json::object(&mut self.line, process, fields),
        }
    }

    /// Returns the rendered process.
    pub fn rendered(&self) -> &[u8] {
        &self.line
    }

    /// Returns the number of printed processes.
    pub fn printed(&self) -> usize {
        self.printed
    }

    /// Prints the rendered process.
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

    /// Prints a process that was rendered earlier.
    pub fn print_again(&mut self, rendered: Vec<u8>) -> io::Result<()> {
        self.line = rendered;
        self.print()
    }

    /// Prints the text after the last process, and returns the number of printed ones.
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

/// Appends a line as pgrep prints it.
fn line(
    line: &mut Vec<u8>,
    process: &Process<'_>,
    suffix: Suffix,
    terminal: &Terminal,
) -> ReadResult<()> {
    push_line(line, process.pid(), text(process, suffix)?.as_deref(), terminal);
    Ok(())
}

fn push_line(line: &mut Vec<u8>, id: Pid, text: Option<&[u8]>, terminal: &Terminal) {
    line.extend_from_slice(id.to_string().as_bytes());
    if let Some(text) = text {
        line.push(b' ');
        line.extend_from_slice(&shown(text, terminal));
    }
}

/// Returns the text behind the id of a process.
fn text<'p>(process: &'p Process<'_>, suffix: Suffix) -> ReadResult<Option<Cow<'p, [u8]>>> {
    let arguments = match suffix {
        Suffix::Nothing => return Ok(None),
        Suffix::Name => return name_or_mark(process).map(Some),
        Suffix::CommandLine => if_available(process.command_line())?,
        Suffix::Quoted => if_available(process.file(File::Cmdline))?.map(quoted),
    };
    Ok(Some(match arguments {
        Some(arguments) if !arguments.is_empty() => Cow::Owned(arguments),
        // ps shows in brackets what has no arguments: kernel threads and zombies.
        _ => Cow::Owned([b"[", &name_or_mark(process)?[..], b"]"].concat()),
    }))
}

/// Quotes arguments for a shell, as `show` does. An argument holds no zero byte, which cannot be
/// quoted.
fn quoted(arguments: &[u8]) -> Vec<u8> {
    let quote = |item| shlex::bytes::try_quote(item).unwrap_or(Cow::Borrowed(item));
    items(arguments).map(quote).collect::<Vec<_>>().join(&b' ')
}

/// Returns the name of a process; `?` if it is unavailable.
fn name_or_mark<'p>(process: &'p Process<'_>) -> ReadResult<Cow<'p, [u8]>> {
    Ok(if_available(process.name_or_comm())?.unwrap_or(Cow::Borrowed(b"?")))
}
