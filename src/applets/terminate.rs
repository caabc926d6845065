//! `terminate`: ends processes, gently first.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::signalling::{Acting, EXITS, FILES, Force, OUTCOMES};
use super::{Applet, Context, ManSection};
use crate::cli::{ENVIRONMENT, parse};
use crate::control::{Action, AfterTerm, Order};
use crate::exit::Exit;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "terminate",
    links: &[],
    about: "End processes: TERM first, KILL for those that do not heed it",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// How long they may take to end, before KILL and after it, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "10s",
        help_heading = "Action"
    )]
    timeout: parse::TimeLimit,
    /// Do not kill those that have not ended in time
    #[arg(long, conflicts_with = "no_wait", help_heading = "Action")]
    no_kill: bool,
    /// Return as soon as they have their signal
    #[arg(long, help_heading = "Action")]
    no_wait: bool,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    acting: Acting,
}

fn command() -> Command {
    Acting::arrange(Options::augment_args(Command::new("terminate"))).long_about(
        "Ends processes: sends TERM, and CONT to those that are stopped and would not heed it; \
         waits for them to end; after the timeout sends KILL to those that have not, and waits as \
         long again.\n\n\
         With --tree, all descendants are ended too. They are stopped first, and looked for until \
         there is nobody new, so that none escapes by forking; then all get their signal and go \
         on. One that lost its parent meanwhile is taken where its process group, its session or \
         its control group proves that it belongs to the tree. What is tied to the tree by less is \
         named and left alone, and the status is 64; likewise where not all could be stopped and \
         found within 5 seconds, or half of the timeout. Whatever becomes of proctool itself, a \
         guardian process lets go on what was stopped for the moment. The targets are process ids, \
         or what find finds with the same options.",
    )
}

fn notes() -> String {
    format!("{OUTCOMES}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXAMPLES: &str = "\
Examples:
  proctool terminate 1234
  proctool terminate --tree --timeout 1m --exe backup
  proctool terminate --descendants-of 1234 --dry-run
  proctool terminate --no-kill $(cat backup.pid) --exe backup --user root

See also:
  proctool(1), proctool-find(1), proctool-kill(1), proctool-wait(1), kill(1)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let after_term = match (options.no_wait, options.no_kill) {
        (true, _) => AfterTerm::Nothing,
        (false, true) => AfterTerm::Wait,
        (false, false) => AfterTerm::WaitAndKill,
    };
    let order = Order::new(Action::Terminate(after_term), options.timeout.0);
    options.acting.run(&context.name, context.begin, order, options.force.reach())
}
