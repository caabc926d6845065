//! `find`: processes that match, a better pgrep.

mod groups;
mod list;
mod search;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{ExitRow, Status};
use crate::cli::format::{self, BRIEF};
use crate::cli::interval::{Interval, Look};
use crate::cli::order::{FieldName, Ordering, field_name};
use crate::cli::selection::{EXPRESSIONS, HELD_FILES, SearchOptions};
use crate::cli::{Common, ENVIRONMENT, FILES_AND_SECURITY, parse, tell_doubts};
use crate::control::Signal;
use crate::exit::{Exit, Refusal};
use crate::output::groups::{GroupFormat, GroupList};
use crate::output::listing::{ListFormat, Listing, Suffix};
use crate::output::message::message;
use crate::output::table::Table;
use crate::output::{Output, Terminal};
use crate::process::{Proc, Property, Unexamined, if_available, properties};
use crate::select::Criteria;
use crate::select::grouping::{Column, Grouping};
use crate::select::order::{Direction, Order};

use groups::Groups;
use list::List;
use search::search;

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
    #[arg(value_name = "PATTERN", groups = ["patterns", "read"])]
    operand: Option<OsString>,
    #[command(flatten)]
    search: SearchOptions,
    /// With --require-handler: the signal, by name or number; TERM otherwise
    #[arg(
        long,
        value_name = "SIGNAL",
        value_parser = parse::signal,
        allow_negative_numbers = true,
        requires = "require_handler",
        help_heading = "Selection"
    )]
    signal: Option<Signal>,
    /// Print the names too
    #[arg(short, long, conflicts_with = "fields", help_heading = "Output")]
    list_name: bool,
    /// Print the whole command lines too
    #[arg(short = 'a', long, conflicts_with = "fields", help_heading = "Output")]
    list_full: bool,
    /// With -a: quote each argument for a shell
    #[arg(short = 'Q', long, requires = "list_full", help_heading = "Output")]
    shell_quote: bool,
    /// Print all threads of each process, by thread id
    #[arg(
        short = 'w',
        long,
        conflicts_with_all = ["fields", "json", "jsonl", "count", "newest", "oldest"],
        help_heading = "Output"
    )]
    lightweight: bool,
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
    #[arg(
        long,
        value_name = "FIELDS",
        value_delimiter = ',',
        value_parser = field_name,
        help_heading = "Output"
    )]
    fields: Vec<FieldName>,
    /// Print a table of groups with the same value of this; --fields are count and sums
    #[arg(
        long,
        value_name = "FIELD",
        value_parser = format::field,
        conflicts_with_all = [
            "list_name", "list_full", "count", "delimiter", "null", "newest", "oldest"
        ],
        help_heading = "Output"
    )]
    group_by: Option<&'static Property>,
    #[command(flatten)]
    ordering: Ordering,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    common: Common,
}

fn command() -> Command {
    // `-v` is pgrep's letter for --inverse.
    Options::augment_args(Command::new("find"))
        .mut_arg("verbose", |verbose| verbose.short(None))
        .mut_arg("pid", |pid| pid.short('p'))
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
             --port finds every process that holds the socket: all workers of a server, and systemd \
             too where it has passed the socket on. It searches the network namespaces of all \
             processes. If a port is open and nobody is found who holds it, a message says so.\n\n\
             A process can hold up in the kernel whoever reads its arguments, its environment or \
             its memory. All such processes together cost a second at most; they are named and \
             count as not examined.",
        )
}

fn notes() -> String {
    format!(
        "{EXPRESSIONS}\n\n{}\n\n{HELD_FILES}\n\n{PGREP}\n\n{ENVIRONMENT}\n\n{FILES_AND_SECURITY}\n\n{EXAMPLES}",
        format::fields_help()
    )
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "something matched"),
    Status(Exit::Nothing, "nothing matched"),
    Status(Exit::Usage, "wrong usage, a bad pattern too"),
    Status(Exit::Fatal, "fatal: /proc unreadable, out of descriptors, output failed"),
];

/// The letters of pgrep that mean something else here.
const PGREP: &str = "\
Compared with pgrep:
  The letters are those of procps 4.0.6, but for these:
  -w              prints all threads of each process that matches; pgrep looks
                  at the name of each thread by itself
  --cgroup        looks at every hierarchy, pgrep at that of version 2 alone; a
                  slash at the end means what is below
  PATTERN         is in Rust's syntax, and a name is completed before it is
                  compared; 15 characters are no limit";

const EXAMPLES: &str = "\
Examples:
  proctool find -a sshd
  proctool find --exe cron --fields pid,user,runtime,cmdline
  proctool find --grandchildren-of cron --json
  proctool find --user www-data --older 1h --count
  proctool find --file /var/log/syslog --fields pid,user,name
  proctool find --deleted --fields pid,unit,deleted_libraries
  proctool find --unit cron --not exe=cron --newer 1h
  proctool find --where 'rss > 1G and state != D' --fields pid,rss,name

See also:
  proctool(1), pgrep(1), pidof(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let proc = options.common.start()?;
    let pattern = options.operand.as_deref().or(options.search.pattern());
    let format = &options.common.format;
    options.interval.run(proc, format, None, |proc, look| {
        let criteria = options.search.criteria(proc, pattern, options.signal)?;
        options.answer(proc, &criteria, look, context)
    })
}

impl Options {
    /// Prints the answer of one look.
    fn answer(
        &self,
        proc: &Proc,
        criteria: &Criteria,
        look: Look,
        context: &Context,
    ) -> anyhow::Result<Exit> {
        let mut output = look.output(self.common.format.colour());
        let (matched, mut unexamined) = match self.group_by {
            None => self.list(proc, criteria, look, &mut output)?,
            Some(by) => self.groups(proc, criteria, look, by, context, &mut output)?,
        };
        output.finish()?;
        tracing::info!(matched, "processes listed");
        if !self.common.verbosity.is_quiet() {
            if matched == 0 {
                unexamined.sockets = criteria.unheld(proc)?;
            }
            tell_doubts(&context.name, proc, &unexamined, matched == 0, None)?;
        }
        Ok(if matched > 0 { Exit::Done } else { Exit::Nothing })
    }

    /// Prints the processes that match. Returns their number, and the processes that could not be
    /// examined.
    fn list(
        &self,
        proc: &Proc,
        criteria: &Criteria,
        look: Look,
        output: &mut Output,
    ) -> anyhow::Result<(u64, Unexamined)> {
        let format = self.format(look, &output.terminal)?;
        let (order, limit) = match self.search.pick() {
            Some(pick) => (Some(Order::by_age(pick)), Some(1)),
            None if self.ordering.sort.is_empty() => (None, self.ordering.limit),
            None => (Some(Order::new(self.ordering.properties()?)), self.ordering.limit),
        };
        let mut list = List::begin(Listing::new(format, output), order, limit)?;
        let unexamined = search(proc, criteria, &mut list)?;
        Ok((list.end()? as u64, unexamined))
    }

    /// Prints groups of the processes that match. Returns as [`Options::list`] does.
    fn groups(
        &self,
        proc: &Proc,
        criteria: &Criteria,
        look: Look,
        by: &'static Property,
        context: &Context,
        output: &mut Output,
    ) -> anyhow::Result<(u64, Unexamined)> {
        let (mut columns, summed) = self.columns(by)?;
        let order = self.order_of_groups(&columns)?;
        if look == Look::Lines {
            columns.push(Column::Time(if_available(proc.looked_at())?.unwrap_or_default()));
        }
        let list = GroupList::new(self.group_format(look), columns, output);
        let mut groups = Groups::new(Grouping::new(by, summed), list);
        let unexamined = search(proc, criteria, &mut groups)?;
        let (matched, unread) = groups.end(&order, self.ordering.limit)?;
        if unread > 0 && !self.common.verbosity.is_quiet() {
            message(
                &context.name,
                format!(
                    "{unread} value{} could not be read: a sum with a + is too small",
                    if unread == 1 { "" } else { "s" }
                ),
            );
        }
        Ok((matched, unexamined))
    }

    /// Returns the columns of a list of groups, and the properties that are summed in them.
    fn columns(
        &self,
        by: &'static Property,
    ) -> Result<(Vec<Column>, Vec<&'static Property>), Refusal> {
        let (mut columns, mut summed) = (vec![Column::Common(by)], Vec::new());
        for field in unique(&self.fields) {
            match field {
                FieldName::Count => columns.push(Column::Count),
                FieldName::Property(property) if property.name == by.name => {}
                FieldName::Property(property) if property.kind.is_summable() => {
                    columns.push(Column::Sum(property, summed.len()));
                    summed.push(property);
                }
                FieldName::Property(property) => {
                    return Err(Refusal::usage(format!(
                        "groups have no '{}': with --group-by, the fields are count and what can \
                         be added up, such as rss, cpu_time or threads",
                        property.name
                    )));
                }
            }
        }
        if self.fields.is_empty() {
            columns.push(Column::Count);
        }
        Ok((columns, summed))
    }

    fn order_of_groups(&self, columns: &[Column]) -> Result<Vec<(Column, Direction)>, Refusal> {
        let column = |name: &str| columns.iter().copied().find(|column| column.name() == name);
        let sorts = self.ordering.sort.iter().map(|sort| {
            let name = sort.field.name();
            let unknown =
                || Refusal::usage(format!("--sort {name}: name it in --fields of the groups too"));
            Ok((column(name).ok_or_else(unknown)?, sort.direction))
        });
        sorts.collect()
    }

    fn group_format(&self, look: Look) -> GroupFormat {
        match look.layout(&self.common.format) {
            _ if self.common.verbosity.is_quiet() => GroupFormat::Nothing,
            Some(layout) => GroupFormat::Json(layout),
            None => GroupFormat::Table,
        }
    }

    fn format(&self, look: Look, terminal: &Terminal) -> Result<ListFormat, Refusal> {
        let fields: Vec<&'static Property> =
            unique(&self.fields).into_iter().map(FieldName::property).collect::<Result<_, _>>()?;
        let suffix = if self.shell_quote {
            Suffix::Quoted
        } else if self.list_full {
            Suffix::CommandLine
        } else if self.list_name {
            Suffix::Name
        } else {
            Suffix::Nothing
        };
        let threads = self.lightweight;
        let lines = |between: &[u8], at_end| ListFormat::Lines {
            suffix,
            threads,
            between: between.to_vec(),
            at_end,
        };
        Ok(match look.layout(&self.common.format) {
            _ if self.common.verbosity.is_quiet() => ListFormat::Nothing,
            _ if self.count => ListFormat::Count,
            Some(layout) if fields.is_empty() => {
                ListFormat::Json(layout, look.members(properties(BRIEF)))
            }
            Some(layout) => ListFormat::Json(layout, look.members(fields)),
            None if !fields.is_empty() => ListFormat::Table(Table::new(fields, terminal.clone())),
            None if self.null => lines(b"\0", b"\0"),
            None => lines(self.delimiter.as_ref().map_or(b"\n", |text| text.as_bytes()), b"\n"),
        })
    }
}

/// Returns the fields without those that are named again: a JSON object cannot have the same member
/// twice.
fn unique(fields: &[FieldName]) -> Vec<FieldName> {
    let is_first = |&(at, field): &(usize, &FieldName)| {
        fields[..at].iter().all(|other| other.name() != field.name())
    };
    fields.iter().enumerate().filter(is_first).map(|(_, &field)| field).collect()
}
