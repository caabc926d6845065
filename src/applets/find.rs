//! `find`: processes that match, a better pgrep.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Applet, Context};
use crate::cli::format::{self, BRIEF, Fields};
use crate::cli::selection::Search;
use crate::cli::{Common, ENVIRONMENT};
use crate::exit::Exit;
use crate::output::json::{self, Layout};
use crate::output::message::message;
use crate::output::table::Table;
use crate::output::{Output, Terminal, shown};
use crate::process::{Files, Pid, Proc, Process, Property, Read, Settled, certain_files, known, properties};
use crate::select::{Criteria, Pick, Verdict};

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "find",
    links: &[],
    about: "List the processes that match a pattern and conditions",
    command,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    #[command(flatten)]
    search: Search,
    /// Print the names too
    #[arg(short, long, conflicts_with_all = ["list_full", "fields"], help_heading = "Output")]
    list_name: bool,
    /// Print the whole command lines too
    #[arg(short = 'a', long, conflicts_with = "fields", help_heading = "Output")]
    list_full: bool,
    /// Print only how many there are
    #[arg(short, long, conflicts_with_all = ["fields", "json", "jsonl"], help_heading = "Output")]
    count: bool,
    /// Print this between processes instead of a new line
    #[arg(
        short,
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "null",
        help_heading = "Output"
    )]
    delimiter: Option<OsString>,
    /// End each process with a zero byte instead of a new line
    #[arg(long, help_heading = "Output")]
    null: bool,
    /// Print a table of these, with commas between; --help has the list
    #[arg(long, value_name = "FIELDS", value_parser = format::fields, help_heading = "Output")]
    fields: Option<Fields>,
    #[command(flatten)]
    common: Common,
}

fn command() -> Command {
    // -v belongs to pgrep's inverse matching here.
    Options::augment_args(Command::new("find"))
        .mut_arg("verbose", |verbose| verbose.short(None))
        .mut_arg("quiet", |quiet| quiet.help("Print nothing, only exit with the status"))
        .long_about(
            "Lists the processes that match a pattern and all conditions, as pgrep does, with pgrep's letters and exit \
             statuses. Without a pattern and conditions it lists all processes. It never lists itself.\n\n\
             A relation starts from a process id, or from the processes that run an executable of this name or path; \
             those whose parent runs it too, such as a daemon's workers, are taken as parts of the parent.\n\n\
             Names are matched as bytes. A process whose properties are kept from us, so that nobody can tell \
             whether it matches, is not listed, not even with --inverse.",
        )
}

fn notes() -> String {
    format!("{EXIT_STATUS}\n\n{}\n\n{ENVIRONMENT}\n\n{EXAMPLES}", format::fields_help())
}

const WRITING: &str = "cannot write the list";

const EXIT_STATUS: &str = "\
Exit status:
  0   something matched
  1   nothing matched
  2   wrong usage, a bad pattern too
  3   fatal: /proc unreadable, out of descriptors, output failed";

const EXAMPLES: &str = "\
Examples:
  proctool find -a sshd
  proctool find --exe cron --fields pid,user,runtime,cmdline
  proctool find --grandchildren-of cron --json
  proctool find --user www-data --older 1h --count

See also:
  proctool(1), pgrep(1), pidof(1)";

/// How matches are printed.
enum Look {
    Nothing,
    Count,
    Lines { beside: Beside, between: Vec<u8>, at_end: &'static [u8] },
    Table(Table),
    Json(Layout, Vec<&'static Property>),
}

/// What stands beside the pid.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    Name,
    CommandLine,
}

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let proc = options.common.start()?;
    let criteria = options.search.criteria(&proc)?;
    let mut output = Output::stdout(options.common.format.colour());
    let look = options.look(&output.terminal);
    let mut printer = Printer { look, output: &mut output, line: Vec::new(), printed: 0 };
    let tally = list(&proc, &criteria, options.search.pick(), &mut printer)?;
    output.finish().context(WRITING)?;
    if tally.matched == 0 && tally.unknown > 0 && !options.common.verbosity.is_quiet() {
        let unknown = tally.unknown;
        message(&context.name, format_args!("permission denied to examine {unknown} processes: try as root"));
    }
    Ok(if tally.matched > 0 { Exit::Done } else { Exit::Nothing })
}

impl Options {
    fn look(&self, terminal: &Terminal) -> Look {
        let fields = |brief: &[&str]| self.fields.as_ref().map_or_else(|| properties(brief), |fields| fields.0.clone());
        let beside = match (self.list_name, self.list_full) {
            (true, _) => Beside::Name,
            (_, true) => Beside::CommandLine,
            _ => Beside::Nothing,
        };
        match self.common.format.json() {
            _ if self.common.verbosity.is_quiet() => Look::Nothing,
            _ if self.count => Look::Count,
            Some(layout) => Look::Json(layout, fields(BRIEF)),
            None if self.fields.is_some() => Look::Table(Table::new(fields(&[]), terminal.clone())),
            None if self.null => Look::Lines { beside, between: vec![0], at_end: b"\0" },
            None => {
                let between = self.delimiter.as_ref().map_or(&b"\n"[..], |text| text.as_bytes());
                Look::Lines { beside, between: between.to_vec(), at_end: b"\n" }
            }
        }
    }
}

impl Look {
    fn files(&self) -> Files {
        match self {
            Look::Table(table) => certain_files(table.columns()),
            Look::Json(_, fields) => certain_files(fields),
            _ => Files::NONE,
        }
    }
}

#[derive(Default)]
struct Tally {
    matched: usize,
    unknown: usize,
    vanished: usize,
}

/// Start and pid: what newest and oldest go by.
type Age = (u64, Pid);

/// Print what matches while reading, or at the end the one that was wanted.
fn list(proc: &Proc, criteria: &Criteria, pick: Option<Pick>, printer: &mut Printer<'_>) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut best: Option<(Age, Vec<u8>)> = None;
    let mut scan = proc.scan(criteria.files() | printer.look.files())?;
    printer.begin()?;
    while let Some(process) = scan.next()? {
        match criteria.judge(process)? {
            Verdict::Match => {}
            Verdict::NoMatch => continue,
            Verdict::Unknown => {
                tally.unknown += 1;
                continue;
            }
            Verdict::Gone => {
                tally.vanished += 1;
                continue;
            }
        }
        let age = |()| if pick.is_some() { Ok((process.stat()?.start_ticks, process.pid())) } else { Ok((0, 0)) };
        match (process.settle(printer.render(process).and_then(age))?, pick) {
            (Settled::Known(_), None) => printer.print()?,
            (Settled::Known(age), Some(pick)) => {
                if best.as_ref().is_none_or(|(best, _)| pick.prefers(age, *best)) {
                    best = Some((age, printer.line.clone()));
                }
            }
            (Settled::Missing(_), _) => tally.unknown += 1,
            (Settled::Gone, _) => tally.vanished += 1,
        }
    }
    if let Some((_, line)) = best {
        printer.line = line;
        printer.print()?;
    }
    printer.end()?;
    tally.matched = printer.printed;
    let Tally { vanished, unknown, .. } = tally;
    tracing::debug!(vanished, unknown, "processes that ended while they were read, that could not be examined");
    Ok(tally)
}

/// Renders a match, then prints it: one that ends while it is rendered leaves no half line.
struct Printer<'o> {
    look: Look,
    output: &'o mut Output,
    line: Vec<u8>,
    printed: usize,
}

impl Printer<'_> {
    fn begin(&mut self) -> anyhow::Result<()> {
        match &mut self.look {
            Look::Json(layout, _) => self.output.write_all(layout.begin()),
            Look::Table(table) => {
                table.header(&mut self.line);
                self.output.write_all(&self.line)
            }
            _ => Ok(()),
        }
        .context(WRITING)
    }

    fn render(&mut self, process: &Process<'_>) -> Read<()> {
        self.line.clear();
        match &mut self.look {
            Look::Nothing | Look::Count => Ok(()),
            Look::Lines { beside, .. } => line(&mut self.line, process, *beside, &self.output.terminal),
            Look::Table(table) => table.row(&mut self.line, process),
            Look::Json(_, fields) => json::object(&mut self.line, process, fields),
        }
    }

    fn print(&mut self) -> anyhow::Result<()> {
        let between = match &self.look {
            _ if self.printed == 0 => b"",
            Look::Lines { between, .. } => &between[..],
            Look::Json(layout, _) => layout.between(),
            _ => b"",
        };
        self.output.write_all(between).context(WRITING)?;
        self.output.write_all(&self.line).context(WRITING)?;
        self.printed += 1;
        Ok(())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        match &self.look {
            Look::Count => writeln!(self.output, "{}", self.printed),
            Look::Lines { at_end, .. } if self.printed > 0 => self.output.write_all(at_end),
            Look::Json(layout, _) => self.output.write_all(layout.end(self.printed)),
            _ => Ok(()),
        }
        .context(WRITING)
    }
}

/// A line as pgrep prints it.
fn line(line: &mut Vec<u8>, process: &Process<'_>, beside: Beside, terminal: &Terminal) -> Read<()> {
    line.extend_from_slice(process.pid().to_string().as_bytes());
    let name = |process| Ok(known(Process::name(process))?.unwrap_or(Cow::Borrowed(b"?")));
    let text = match beside {
        Beside::Nothing => return Ok(()),
        Beside::Name => name(process)?,
        Beside::CommandLine => match known(process.command_line())? {
            Some(arguments) if !arguments.is_empty() => Cow::Owned(arguments),
            // As ps shows kernel threads and zombies.
            _ => Cow::Owned([b"[", &name(process)?[..], b"]"].concat()),
        },
    };
    line.push(b' ');
    line.extend_from_slice(&shown(&text, terminal));
    Ok(())
}
