//! `find`: processes that match, a better pgrep.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{ExitRow, Status};
use crate::cli::format::{self, BRIEF, FieldList};
use crate::cli::selection::SearchOptions;
use crate::cli::{Common, ENVIRONMENT, FILES_AND_SECURITY, tell_doubts};
use crate::exit::Exit;
use crate::output::listing::{ListFormat, Listing, Suffix};
use crate::output::table::Table;
use crate::output::{Output, Terminal};
use crate::process::{Error, Lookup, Proc, Process, ReadResult, Unexamined, properties};
use crate::select::{Age, Criteria, Pick, Verdict, age};

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "find",
    links: &[],
    about: "List the processes that match a pattern and conditions",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Regular expression on the process name, as with --pattern
    #[arg(value_name = "PATTERN", group = "patterns")]
    operand: Option<OsString>,
    #[command(flatten)]
    search: SearchOptions,
    /// Print the names too
    #[arg(short, long, conflicts_with = "fields", help_heading = "Output")]
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
    #[arg(long, conflicts_with_all = ["fields", "json", "jsonl"], help_heading = "Output")]
    null: bool,
    /// Print a table of these, with commas between; --help has the list
    #[arg(long, value_name = "FIELDS", value_parser = format::fields, help_heading = "Output")]
    fields: Vec<FieldList>,
    #[command(flatten)]
    common: Common,
}

fn command() -> Command {
    // `-v` is pgrep's letter for --inverse.
    Options::augment_args(Command::new("find"))
        .mut_arg("verbose", |verbose| verbose.short(None))
        .mut_arg("quiet", |quiet| quiet.help("Print nothing, only exit with the status"))
        .long_about(
            "Lists the processes that match a pattern and all conditions, as pgrep does, with \
             pgrep's letters and exit statuses. Without a pattern and conditions it lists all \
             processes. It never lists itself.\n\n\
             A relation starts from a process id, or from every process that runs an executable of \
             this name or path. The grandchildren of a name are those of the daemon, not of its \
             workers that run the same executable, so that --grandchildren-of cron gives the \
             running jobs.\n\n\
             Patterns are regular expressions in Rust's syntax, and match bytes: `.` is any byte, \
             and a class in brackets holds single bytes, so that a name in any encoding can be \
             matched. A process whose properties are kept from us, so that nobody can tell whether \
             it matches, is not listed, not even with --inverse. If nothing else matches, a \
             message says that it was not examined, and why.\n\n\
             A process can hold up in the kernel whoever reads its arguments, its environment or \
             its memory. All such processes together cost a second at most; they are named and \
             count as not examined.",
        )
}

fn notes() -> String {
    format!("{}\n\n{ENVIRONMENT}\n\n{FILES_AND_SECURITY}\n\n{EXAMPLES}", format::fields_help())
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "something matched"),
    Status(Exit::Nothing, "nothing matched"),
    Status(Exit::Usage, "wrong usage, a bad pattern too"),
    Status(Exit::Fatal, "fatal: /proc unreadable, out of descriptors, output failed"),
];

const EXAMPLES: &str = "\
Examples:
  proctool find -a sshd
  proctool find --exe cron --fields pid,user,runtime,cmdline
  proctool find --grandchildren-of cron --json
  proctool find --user www-data --older 1h --count

See also:
  proctool(1), pgrep(1), pidof(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let proc = options.common.start()?;
    let pattern = options.operand.as_deref().or(options.search.pattern());
    let criteria = options.search.criteria(&proc, pattern)?;
    let mut output = Output::stdout(options.common.format.colour());
    let format = options.format(&output.terminal);
    let (matched, unexamined) =
        list(&proc, &criteria, options.search.pick(), &mut Listing::new(format, &mut output))?;
    output.finish()?;
    if !options.common.verbosity.is_quiet() {
        tell_doubts(&context.name, &proc, &unexamined, matched == 0, None)?;
    }
    Ok(if matched > 0 { Exit::Done } else { Exit::Nothing })
}

impl Options {
    fn format(&self, terminal: &Terminal) -> ListFormat {
        let fields =
            |brief: &[&str]| format::joined(&self.fields).unwrap_or_else(|| properties(brief));
        let suffix = if self.list_full {
            Suffix::CommandLine
        } else if self.list_name {
            Suffix::Name
        } else {
            Suffix::Nothing
        };
        match self.common.format.json() {
            _ if self.common.verbosity.is_quiet() => ListFormat::Nothing,
            _ if self.count => ListFormat::Count,
            Some(layout) => ListFormat::Json(layout, fields(BRIEF)),
            None if !self.fields.is_empty() => {
                ListFormat::Table(Table::new(fields(&[]), terminal.clone()))
            }
            None if self.null => ListFormat::Lines { suffix, between: vec![0], at_end: b"\0" },
            None => {
                let between = self.delimiter.as_ref().map_or(&b"\n"[..], |text| text.as_bytes());
                ListFormat::Lines { suffix, between: between.to_vec(), at_end: b"\n" }
            }
        }
    }
}

/// Number of pinned processes that are read together at most. Each takes a descriptor.
const MOST_TOGETHER: usize = 16;

/// The state of a list while the scan goes on.
struct List<'l> {
    criteria: &'l Criteria,
    /// The one match that is wanted; `None` for all of them.
    pick: Option<Pick>,
    best: Option<(Age, Vec<u8>)>,
    unexamined: Unexamined,
    vanished: usize,
}

/// Prints matches while it scans; with `pick`, only the best one at the end. Returns the number of
/// printed processes, and the processes that could not be examined.
fn list(
    proc: &Proc,
    criteria: &Criteria,
    pick: Option<Pick>,
    listing: &mut Listing<'_>,
) -> anyhow::Result<(usize, Unexamined)> {
    let files = criteria.files() | listing.format.files();
    // After pid reuse, properties that are read later may be of another process.
    let pins = listing.format.reads_properties() && !criteria.is_empty()
        || listing.format.shows_identity();
    let mut list =
        List { criteria, pick, best: None, unexamined: Unexamined::default(), vanished: 0 };
    // Files that are read of every process.
    let ahead = if criteria.is_empty() { listing.format.files() } else { criteria.first_file() };
    let mut scan = proc.scan(files)?.reading_ahead(ahead);
    let (mut pinned, mut size) = (Vec::new(), 1);
    listing.begin()?;
    while let Some(process) = scan.next()? {
        if !list.matches(process)? {
            continue;
        }
        if !pins {
            list.print(process, listing)?;
            continue;
        }
        match proc.process(process.pid(), files)? {
            Lookup::Found(process) => pinned.push(process),
            Lookup::Unavailable(reason) => list.unexamined.add(process.pid(), reason),
            Lookup::Exited => list.vanished += 1,
        }
        if pinned.len() >= size {
            list.print_pinned(proc, &mut pinned, listing)?;
            size = MOST_TOGETHER.min(2 * size);
        }
    }
    list.print_pinned(proc, &mut pinned, listing)?;
    if let Some((_, line)) = list.best {
        listing.print_again(line)?;
    }
    let matched = listing.end()?;
    let (vanished, unexamined) = (list.vanished, list.unexamined.count());
    tracing::info!(matched, "processes listed");
    tracing::debug!(
        vanished,
        unexamined,
        "processes that ended while they were read, that could not be examined"
    );
    Ok((matched, list.unexamined))
}

impl List<'_> {
    fn matches(&mut self, process: &Process<'_>) -> Result<bool, Error> {
        let verdict = self.criteria.judge(process)?;
        match verdict {
            Verdict::Unknown(reason) => self.unexamined.add(process.pid(), reason),
            Verdict::Gone => self.vanished += 1,
            Verdict::Match | Verdict::NoMatch => {}
        }
        Ok(verdict == Verdict::Match)
    }

    /// Prints the pinned processes that still match.
    fn print_pinned(
        &mut self,
        proc: &Proc,
        pinned: &mut Vec<Process<'_>>,
        listing: &mut Listing<'_>,
    ) -> anyhow::Result<()> {
        proc.read_together(pinned, self.criteria.first_file() | listing.format.files());
        for process in pinned.drain(..) {
            if self.matches(&process)? {
                self.print(&process, listing)?;
            }
        }
        Ok(())
    }

    fn print(&mut self, process: &Process<'_>, listing: &mut Listing<'_>) -> anyhow::Result<()> {
        let rendered = listing.render(process).and_then(|()| self.age_for_pick(process));
        match process.lookup(rendered)? {
            Lookup::Found(None) => listing.print()?,
            Lookup::Found(Some((pick, age))) => {
                if self.best.as_ref().is_none_or(|(best, _)| pick.prefers(age, *best)) {
                    self.best = Some((age, listing.rendered().to_vec()));
                }
            }
            Lookup::Unavailable(reason) => self.unexamined.add(process.pid(), reason),
            Lookup::Exited => self.vanished += 1,
        }
        Ok(())
    }

    /// Reads the age of a process if only one match is wanted; all others are printed without it.
    fn age_for_pick(&self, process: &Process<'_>) -> ReadResult<Option<(Pick, Age)>> {
        self.pick.map(|pick| Ok((pick, age(process)?))).transpose()
    }
}
