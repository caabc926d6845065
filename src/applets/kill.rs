//! `kill`: sends any signal, KILL unless another is named.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::signalling::{Acting, EXITS, FILES, Force, OUTCOMES};
use super::{Applet, Context, ManSection};
use crate::cli::selection::EXPRESSIONS;
use crate::cli::{ENVIRONMENT, parse};
use crate::control::{Action, Order, Signal, signal};
use crate::exit::{Exit, Refusal};
use crate::output;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "kill",
    links: &[],
    about: "Send a signal to processes, KILL unless another one is named",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Send this signal, by name or number
    #[arg(
        long,
        value_name = "SIGNAL",
        value_parser = parse::signal,
        allow_negative_numbers = true,
        default_value = "KILL",
        help_heading = "Action"
    )]
    signal: Signal,
    /// Send this number with the signal, as sigqueue(3) does
    #[arg(
        long,
        value_name = "VALUE",
        value_parser = value,
        allow_negative_numbers = true,
        requires = "signal",
        help_heading = "Action"
    )]
    queue: Option<i32>,
    /// List the numbers and names of all signals; of one signal, print the other one
    #[arg(
        short,
        long,
        value_name = "SIGNAL",
        num_args = 0..=1,
        exclusive = true,
        help_heading = "Action"
    )]
    list: Option<Option<String>>,
    /// How long they may take to end after KILL, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "10s",
        help_heading = "Action"
    )]
    timeout: parse::TimeLimit,
    /// Do not wait for the end after KILL
    #[arg(long, help_heading = "Action")]
    no_wait: bool,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    acting: Acting,
}

fn command() -> Command {
    Acting::arrange(Options::augment_args(Command::new("kill"))).long_about(
        "Sends a signal to processes: KILL, and waits until they have ended, or any other one \
        without waiting.\n\n\
         With --tree, all descendants get it too. They are stopped first, and looked for until \
         there is nobody new, so that none escapes by forking; then all get the signal and go on. \
         One that lost its parent meanwhile is taken where its process group, its session or its \
         control group proves that it belongs to the tree. What is tied to the tree by less is \
         named and left alone, and the status is 64; likewise where not all could be stopped and \
         found within 5 seconds, or half of the timeout. Whatever becomes of proctool itself, a \
         guardian process lets go on what was stopped for the moment. Signals that stop or \
         continue are sent without that: see suspend. The targets are process ids, or what find \
         finds with the same options.",
    )
}

fn notes() -> String {
    format!("{OUTCOMES}\n\n{PKILL}\n\n{EXPRESSIONS}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

/// The letters of pkill and kill that mean something else here.
const PKILL: &str = "\
Compared with pkill and kill:
  The letters are those of pkill of procps 4.0.6, but for these:
  -SIGNAL         a number behind a dash may mean a process group: a signal is
                  named with --signal; without that it is KILL, not TERM
  -q, --queue     -q is --quiet in all applets; --queue is the same
  -v              is --verbose; --inverse has no letter, as in pkill
  -e, --echo      what is done is printed anyway; --quiet prints nothing
  -c, --count     one line is printed for each process: wc -l counts them
  -m, --mrelease  it waits after KILL until the processes have ended
  -n, -o, -q, -s  are refused beside process ids: other kills take a number";

const EXAMPLES: &str = "\
Examples:
  proctool kill 1234
  proctool kill --tree --exe runaway
  proctool kill --signal HUP --exe rsyslogd
  proctool kill --list
  proctool kill --signal USR1 --queue 7 --require-handler --unit web

See also:
  proctool(1), proctool-find(1), proctool-terminate(1), kill(1), signal(7)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    if let Some(asked) = &options.list {
        output::print(&listed(asked.as_deref())?)?;
        return Ok(Exit::Done);
    }
    if options.queue.is_some() && [Signal::KILL, Signal::STOP].contains(&options.signal) {
        return Err(Refusal::usage(format!(
            "--queue: no process can handle {}, and so get a number with it",
            options.signal
        ))
        .into());
    }
    let waits = options.signal == Signal::KILL && !options.no_wait;
    let action = if waits { Action::Kill } else { Action::Send(options.signal) };
    let order = Order { value: options.queue, ..Order::new(action, options.timeout.0) };
    options.acting.run(&context.name, context.begin, order, options.force.reach())
}

/// Parses the number that a signal carries.
fn value(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("the number is from {} to {}", i32::MIN, i32::MAX))
}

/// Returns the list of all signals or, of one, its name for a number and its number for a name. As
/// in kill(1), the exit status that a shell shows after a signal counts too. Errors: usage.
fn listed(asked: Option<&str>) -> Result<String, Refusal> {
    const AFTER_SIGNAL: i32 = 128;
    let Some(asked) = asked else {
        let row = |signal: Signal| format!("{:2} {signal}\n", signal.number());
        return Ok(signal::all().map(row).collect());
    };
    let number = asked.parse::<i32>().ok();
    let status = number.filter(|&number| number > AFTER_SIGNAL);
    let found = match status {
        Some(status) => Signal::from_number(status - AFTER_SIGNAL),
        None => Signal::parse(asked),
    };
    match (found, number) {
        (Some(signal), Some(_)) => Ok(format!("{signal}\n")),
        (Some(signal), None) => Ok(format!("{}\n", signal.number())),
        (None, _) => {
            Err(Refusal::usage(format!("--list '{asked}': no such signal: kill --list names them")))
        }
    }
}
