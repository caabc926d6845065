//! `wait`: waits for processes that need not be our children.

mod until;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::signalling::{Acting, OUTCOMES, Reach};
use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{AFTER_SIGINT, ExitRow, Status};
use crate::cli::selection::socket::{Condition, condition};
use crate::cli::{ENVIRONMENT, FILES_AND_SECURITY, parse};
use crate::control::{Action, Order};
use crate::exit::Exit;

use until::Until;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "wait",
    links: &[],
    about: "Wait until processes have ended",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Until one of them has ended
    #[arg(long, conflicts_with = "count", help_heading = "Action")]
    any: bool,
    /// Until so many of them have ended
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Action"
    )]
    count: Option<u32>,
    /// Wait no longer than this, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "0",
        hide_default_value = true,
        help_heading = "Action"
    )]
    timeout: parse::TimeLimit,
    /// Print the exit status of each, or the signal that ended it
    #[arg(long, help_heading = "Action")]
    status: bool,
    /// Until one of them, or a process below it, is listening, or listening:PORT as with --port
    #[arg(
        long,
        value_name = "CONDITION",
        value_parser = condition,
        conflicts_with_all = ["any", "count", "status", "tree", "json", "jsonl"],
        help_heading = "Action"
    )]
    until: Option<Condition>,
    #[command(flatten)]
    acting: Acting,
}

fn command() -> Command {
    Acting::arrange(Options::augment_args(Command::new("wait"))).long_about(
        "Waits until processes have ended, whoever their parents are, and prints a line as each \
         ends. A zombie has ended; a stopped process has not. The kernel wakes it: it does not \
         look again and again.\n\n\
         With --status it also prints how each ended, which the kernel tells once the parent has \
         asked: since Linux 6.15 of every process, before only of one that is still a zombie. It \
         waits a second for that, and says \"status unknown\" otherwise.\n\n\
         A process id that belongs to no process may be a mistake and counts as a failure; one \
         with its inode (PID:INODE) is of a process that has ended. The targets are process ids, \
         or what find finds with the same options.\n\n\
         With --until listening it waits until one of them, or a process below it, takes \
         connections or datagrams: a service that was started is ready then. If all of them end \
         before, it says so, and ends with the status of a single one, or with 1 if that is 0 or \
         unknown. It looks again and again for this, at most every 20 ms, later every 250 ms, and \
         takes less than a hundredth of a processor.\n\n\
         It waits on when nobody reads its output any more, as after a connection was lost; its \
         status is what counts.",
    )
}

fn notes() -> String {
    format!("{OUTCOMES}\n\n{ENVIRONMENT}\n\n{FILES_AND_SECURITY}\n\n{EXAMPLES}")
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "all of them have ended, or as many as were asked for"),
    Status(
        Exit::Nothing,
        "none matched; with --until, they ended before anything listened, or a single one ended \
        with another status, which is then ours",
    ),
    Status(
        Exit::Usage,
        "wrong usage; beside process ids, also -n, -o, -q and -s: --newest and the like are \
        written in full there",
    ),
    Status(
        Exit::Fatal,
        "fatal: no pidfds (before Linux 5.3, or in a sandbox), /proc unreadable, out of \
        descriptors, output failed",
    ),
    Status(
        Exit::Partial,
        "some have ended, and the others were not there or could not be examined",
    ),
    Status(Exit::TimedOut, "timed out; the time counts from the start of the command"),
    Status(AFTER_SIGINT, "interrupted (128 and the number of the signal)"),
];

const EXAMPLES: &str = "\
Examples:
  proctool wait 1234 && shutdown now
  proctool wait --status --jsonl --descendants-of 1234
  proctool wait --timeout 1h --exe backup
  id=$(proctool find --json --fields id --newest --exe backup |
    jq -r '.[0].id')
  proctool wait \"$id\"

See also:
  proctool(1), proctool-find(1), proctool-terminate(1), pidwait(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    if let Some(Condition(ports)) =
        options.until.as_ref().filter(|_| !options.acting.is_rehearsal())
    {
        let (name, timeout) = (&context.name[..], options.timeout.0);
        return Until { name, begin: context.begin, timeout, ports }.run(&options.acting);
    }
    let count = if options.any { Some(1) } else { options.count.map(|count| count as usize) };
    let order = Order {
        wants_status: options.status,
        ..Order::new(Action::Wait { count }, options.timeout.0)
    };
    options.acting.run(&context.name, context.begin, order, Reach::None)
}
