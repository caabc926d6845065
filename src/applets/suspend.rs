//! `suspend`: stops processes, and returns when they are stopped.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::signalling::{Acting, EXITS, FILES, Force, OUTCOMES};
use super::{Applet, Context, ManSection};
use crate::cli::{ENVIRONMENT, parse};
use crate::control::{Action, Order};
use crate::exit::Exit;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "suspend",
    links: &[],
    about: "Stop processes, and return when they are really stopped",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// How long they may take to stop, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "10s",
        help_heading = "Action"
    )]
    timeout: parse::TimeLimit,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    acting: Acting,
}

fn command() -> Command {
    Acting::arrange(Options::augment_args(Command::new("suspend"))).long_about(
        "Sends STOP to processes, and returns when all threads of each are stopped. A process that \
         waits in the kernel for something that no signal interrupts stops only after that.\n\n\
         Interrupted before that, it continues what it has stopped. Its targets are process ids, \
         or what find finds with the same options.",
    )
}

fn notes() -> String {
    format!("{OUTCOMES}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXAMPLES: &str = "\
Examples:
  proctool suspend 1234
  proctool suspend --tree --exe backup
  proctool suspend --user build --dry-run

See also:
  proctool(1), proctool-find(1), proctool-resume(1), kill(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let order = Order::new(Action::Stop, options.timeout.0);
    options.acting.run(&context.name, context.begin, order, options.force.reach())
}
