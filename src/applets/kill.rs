//! `kill`: sends any signal, KILL unless another is named.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::signalling::{Acting, EXITS, FILES, Force, OUTCOMES};
use super::{Applet, Context, ManSection};
use crate::cli::{ENVIRONMENT, parse};
use crate::control::{Action, Order, Signal, signal};
use crate::exit::Exit;
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
    /// List the numbers and names of all signals
    #[arg(long, exclusive = true, help_heading = "Action")]
    list: bool,
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
    format!("{OUTCOMES}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXAMPLES: &str = "\
Examples:
  proctool kill 1234
  proctool kill --tree --exe runaway
  proctool kill --signal HUP --exe rsyslogd
  proctool kill --list

See also:
  proctool(1), proctool-find(1), proctool-terminate(1), kill(1), signal(7)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    if options.list {
        let rows: String =
            signal::all().map(|signal| format!("{:2} {signal}\n", signal.number())).collect();
        output::print(&rows)?;
        return Ok(Exit::Done);
    }
    let waits = options.signal == Signal::KILL && !options.no_wait;
    let action = if waits { Action::Kill } else { Action::Send(options.signal) };
    let order = Order::new(action, options.timeout.0);
    options.acting.run(&context.name, context.begin, order, options.force.reach())
}
