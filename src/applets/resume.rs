//! `resume`: continues stopped processes.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::signalling::{Acting, EXITS, FILES, Force, OUTCOMES};
use super::{Applet, Context, ManSection};
use crate::cli::ENVIRONMENT;
use crate::control::{self, Action, Order};
use crate::exit::Exit;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "resume",
    links: &[],
    about: "Continue stopped processes",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Be the guardian of a paused process; not for use by hand
    #[arg(long, hide = true, exclusive = true)]
    guard: bool,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    acting: Acting,
}

fn command() -> Command {
    Acting::arrange(Options::augment_args(Command::new("resume"))).long_about(
        "Sends CONT to processes. One that was not stopped only notices the signal if it handles \
         it. The targets are process ids, or what find finds with the same options: --runstates T \
         finds all that are stopped.",
    )
}

fn notes() -> String {
    format!("{OUTCOMES}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXAMPLES: &str = "\
Examples:
  proctool resume 1234
  proctool resume --tree --exe backup
  proctool resume --user build --runstates T

See also:
  proctool(1), proctool-find(1), proctool-suspend(1), kill(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    if options.guard {
        control::stand_guard()?;
        return Ok(Exit::Done);
    }
    let order = Order::new(Action::Continue, None);
    options.acting.run(&context.name, context.begin, order, options.force.reach())
}
