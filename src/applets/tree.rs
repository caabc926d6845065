//! `tree`: the process tree, or the part of it around some processes.

use std::collections::BTreeSet;
use std::iter::once;

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{ExitRow, Status};
use crate::cli::format::{self, BRIEF, FieldList};
use crate::cli::interval::{Interval, Look};
use crate::cli::selection::negation::NegationOptions;
use crate::cli::selection::{EXPRESSIONS, Selection};
use crate::cli::{Common, ENVIRONMENT, FILES_AND_SECURITY, absence, parse, tell_doubts};
use crate::exit::{Exit, Refusal};
use crate::output::json::Layout;
use crate::output::message::message;
use crate::output::table::Table;
use crate::output::tree::row::{Extent, Marks, Rows, TreeRow};
use crate::output::tree::{Drawing, TreeStyle, write_json};
use crate::output::{Charset, Terminal};
use crate::process::{
    Error, File, Files, Lookup, Pid, Proc, Property, Unavailable, Unexamined, certain_files,
    properties,
};
use crate::select::{Criteria, Test, Verdict};
use crate::tree::view::View;
use crate::tree::{self, Forest, Node};

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "tree",
    links: &[],
    about: "Show the process tree, or the part of it around some processes",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Show these processes and what is below them
    #[arg(value_name = "PID", value_parser = parse::pid, allow_negative_numbers = true)]
    pids: Vec<Pid>,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    negation: NegationOptions,
    /// Show the way up to the root too
    #[arg(short = 's', long, visible_alias = "show-parents", help_heading = "Extent")]
    ancestors: bool,
    /// Levels below a match to show: 1 children, 2 grandchildren
    #[arg(long, value_name = "N", help_heading = "Extent")]
    depth: Option<u32>,
    /// Show threads of the kernel too
    #[arg(long, help_heading = "Extent")]
    kernel: bool,
    /// Show arguments
    #[arg(short, long, help_heading = "Details")]
    arguments: bool,
    /// Show process ids, which is done anyway
    #[arg(short = 'p', long, help_heading = "Details")]
    show_pids: bool,
    /// Show process groups, behind the process id
    #[arg(short = 'g', long, help_heading = "Details")]
    show_pgids: bool,
    /// Show the user where it changes from parent to child
    #[arg(short, long, help_heading = "Details")]
    uid_changes: bool,
    /// Show namespaces where they change from parent to child
    #[arg(short = 'S', long, help_heading = "Details")]
    ns_changes: bool,
    /// Show threads, by name and id
    #[arg(short, long, help_heading = "Details")]
    thread_names: bool,
    /// Show no threads, which is done anyway
    #[arg(short = 'T', long, conflicts_with = "thread_names", help_heading = "Details")]
    hide_threads: bool,
    #[arg(short, long, help = "Fold identical leaves: 3*[name]", help_heading = "Details")]
    compact: bool,
    /// Sort by process id, which is done anyway
    #[arg(short = 'n', long, help_heading = "Details")]
    numeric_sort: bool,
    /// Show these at the left of the tree, with commas between; in JSON, only these. The help of
    /// find has the list
    #[arg(
        long,
        value_name = "FIELDS",
        value_parser = format::fields,
        conflicts_with = "compact",
        help_heading = "Details"
    )]
    fields: Vec<FieldList>,
    #[command(flatten)]
    interval: Interval,
    /// Draw with ASCII characters; names are shown as ever
    #[arg(short = 'A', long, conflicts_with = "unicode", help_heading = "Output")]
    ascii: bool,
    /// Show Unicode characters, whatever the locale says
    #[arg(short = 'U', long, help_heading = "Output")]
    unicode: bool,
    /// Do not cut lines at the width of the terminal
    #[arg(short, long, help_heading = "Output")]
    long: bool,
    /// Highlight this process and its ancestors
    #[arg(
        short = 'H',
        long,
        visible_alias = "highlight-pid",
        value_name = "PID",
        value_parser = parse::pid,
        help_heading = "Output"
    )]
    highlight: Option<Pid>,
    #[command(flatten)]
    common: Common,
}

fn command() -> Command {
    Options::augment_args(Command::new("tree")).long_about(
        "Shows the processes as a tree: all of them, or those that were asked for with everything \
             below them. Of several kinds of options, all must be true. Processes whose parent is \
             not visible are roots.\n\n\
             Behind the name stands the process id. \"(deleted)\" marks a process whose executable \
             was removed or replaced since it was started, such as a daemon that an upgrade left \
             running. A part that is too deep to be drawn is numbered by its depth.",
    )
}

fn notes() -> String {
    format!("{EXPRESSIONS}\n\n{ENVIRONMENT}\n\n{FILES_AND_SECURITY}\n\n{EXAMPLES}")
}

const TOO_MUCH: &str = "names and arguments of all processes exceed 4 GiB: leave out --arguments";

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "something was shown"),
    Status(Exit::Nothing, "no process matched"),
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::Fatal, "fatal: /proc unreadable, out of descriptors, output failed"),
    Status(Exit::Partial, "some of the process ids do not exist"),
];

const EXAMPLES: &str = "\
Examples:
  proctool tree
  proctool tree --exe cron
  proctool tree -s -a 1234
  proctool tree --user www-data --depth 1 --json

See also:
  proctool(1), pstree(1), ps(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let proc = options.common.start()?;
    let format = &options.common.format;
    options.interval.run(proc, format, None, |proc, look| {
        options.answer(proc, &options.criteria(proc)?, look, context)
    })
}

/// Reports whether the view begins at a node, so that --depth counts from it: at a match, or
/// without conditions at a root.
fn begins_view(forest: &Forest<TreeRow>, criteria: &Criteria, node: Node) -> bool {
    if criteria.is_empty() {
        forest.parent(node).is_none()
    } else {
        forest.data(node).marks.has(Marks::MATCH)
    }
}

impl Options {
    /// Prints the tree of one look.
    fn answer(
        &self,
        proc: &Proc,
        criteria: &Criteria,
        look: Look,
        context: &Context,
    ) -> anyhow::Result<Exit> {
        let (forest, rows, mut unexamined) = self.collect(proc, criteria, look)?;
        let matched = forest.find_all(forest.all(), |row| row.marks.has(Marks::MATCH)).count();
        let named = self.pids.iter().chain(&self.selection.pid).copied();
        let missing: Vec<Pid> = named.filter(|&pid| forest.find(pid).is_none()).collect();
        if !self.common.verbosity.is_quiet() {
            for pid in &missing {
                let what = format!("there is no process {pid}");
                message(&context.name, absence(&what, proc, &Unexamined::default())?);
            }
        }
        let mut view = View::new(&forest, |node| begins_view(&forest, criteria, node), self.depth);
        if self.ancestors {
            view = view.with_ancestors();
        }
        self.print(proc, &forest, &rows, view, look)?;
        if !self.common.verbosity.is_quiet() {
            if matched == 0 {
                unexamined.sockets = criteria.unheld(proc)?;
            }
            let is_unexplained = missing.is_empty() || !unexamined.is_empty();
            tell_doubts(
                &context.name,
                proc,
                &unexamined,
                matched == 0 && is_unexplained,
                Some("no process matches"),
            )?;
        }
        Ok(if matched == 0 { Exit::Nothing } else { Exit::from_counts(1, 1 + missing.len()) })
    }

    fn criteria(&self, proc: &Proc) -> anyhow::Result<Criteria> {
        let mut tests = self.selection.tests(proc)?;
        tests.extend(self.negation.tests(&[], |options: &Selection| options.tests(proc))?);
        if !self.pids.is_empty() {
            tests.push(Test::Pid(self.pids.clone()));
        }
        Ok(Criteria::new(tests, false, Vec::new()))
    }

    /// Reads everything that the output needs during the scan: a later read might be of another
    /// process. Returns also the processes that could not be examined.
    fn collect(
        &self,
        proc: &Proc,
        criteria: &Criteria,
        look: Look,
    ) -> anyhow::Result<(Forest<TreeRow>, Rows, Unexamined)> {
        let mut unexamined = Unexamined::default();
        let mut rows = Rows::default();
        let layout = look.layout(&self.common.format);
        let members = look.members(self.members());
        let mut table = self.table();
        let extent = self.extent();
        // A user who names a process wants to see it, kernel thread or not.
        let named = !self.pids.is_empty() || self.selection.names_processes();
        let with_kernel = self.kernel || named || self.highlights_kernel_thread(proc)?;
        let files = self.files(layout, &members);
        let scan = proc.scan(criteria.files() | files | tree::FILES)?.reading_ahead(files);
        let forest = tree::read(scan, |process, _| {
            let is_kernel_thread = matches!(process.is_kernel_thread(), Ok(true));
            if is_kernel_thread && !with_kernel {
                return Ok(Lookup::Unavailable(Unavailable::Absent("a thread of the kernel")));
            }
            let verdict = criteria.judge(process)?;
            if verdict == Verdict::Gone {
                return Ok(Lookup::Exited);
            }
            if let Verdict::Unknown(reason) = verdict {
                unexamined.add(process.pid(), reason);
            }
            let is_match = verdict == Verdict::Match;
            let marks = Marks::default();
            let marks = marks
                .with_if(Marks::MATCH, is_match)
                .with_if(Marks::KERNEL_THREAD, is_kernel_thread);
            let row = rows.begin(marks).context(TOO_MUCH)?;
            let row = match layout {
                Some(_) => rows.end_as_json(row, process, &members),
                None => rows.end_as_text(row, process, extent, &mut table),
            };
            Ok::<_, anyhow::Error>(process.lookup(row)?)
        })?;
        Ok((forest, rows, unexamined))
    }

    fn highlights_kernel_thread(&self, proc: &Proc) -> Result<bool, Error> {
        let Some(pid) = self.highlight else { return Ok(false) };
        let Lookup::Found(process) = proc.process(pid, Files::NONE)? else { return Ok(false) };
        Ok(matches!(process.lookup(process.is_kernel_thread())?, Lookup::Found(true)))
    }

    /// Returns the members of an object in JSON.
    fn members(&self) -> Vec<&'static Property> {
        format::joined(&self.fields).unwrap_or_else(|| properties(BRIEF))
    }

    /// Returns the table at the left of the tree. It has no columns without `--fields`.
    fn table(&self) -> Table {
        let columns = format::joined(&self.fields).unwrap_or_default();
        Table::at_left(columns, Terminal::of_stdout(self.common.format.colour()))
    }

    fn files(&self, layout: Option<Layout>, members: &[&'static Property]) -> Files {
        let columns = if self.fields.is_empty() { &[] } else { members };
        match layout {
            Some(_) => certain_files(members),
            None if self.arguments => certain_files(columns) | Files::new(&[File::Cmdline]),
            None => certain_files(columns),
        }
    }

    fn extent(&self) -> Extent {
        Extent {
            cells: !self.fields.is_empty(),
            arguments: self.arguments,
            process_groups: self.show_pgids,
            users: self.uid_changes,
            namespaces: self.ns_changes,
            threads: self.thread_names,
        }
    }

    fn print(
        &self,
        proc: &Proc,
        forest: &Forest<TreeRow>,
        rows: &Rows,
        view: View<'_, TreeRow>,
        look: Look,
    ) -> anyhow::Result<()> {
        let mut output = look.output(self.common.format.colour());
        let highlight = self.highlighted(forest)?;
        if let Some(layout) = look.layout(&self.common.format) {
            write_json(&mut output, &view, forest, rows, layout)?;
            return Ok(output.finish()?);
        }
        if self.ascii {
            output.terminal.lines = Charset::Ascii;
        }
        if self.unicode {
            // The user vouches for the terminal, whatever the locale says.
            (output.terminal.charset, output.terminal.lines) = (Charset::Unicode, Charset::Unicode);
        }
        let terminal = output.terminal.clone();
        let mut heading = Vec::new();
        self.table().header_cells(&mut heading);
        let style = TreeStyle {
            fold: self.compact,
            whole_lines: self.long,
            emphasise: forest.all().any(|node| !forest.data(node).marks.has(Marks::MATCH)),
        };
        let drawing = Drawing {
            forest,
            view,
            rows,
            users: proc.users(),
            style,
            terminal: &terminal,
            heading,
            highlight,
        };
        drawing.write(&mut output)?;
        Ok(output.finish()?)
    }

    fn highlighted(&self, forest: &Forest<TreeRow>) -> Result<BTreeSet<Node>, Refusal> {
        let Some(pid) = self.highlight else { return Ok(BTreeSet::new()) };
        let absent = || Refusal::nothing(format!("there is no process {pid} to highlight"));
        let node = forest.find(pid).ok_or_else(absent)?;
        Ok(once(node).chain(forest.ancestors(node)).collect())
    }
}
