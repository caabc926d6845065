//! `cron-jobs`: tell of every job of cron that starts and ends.

mod help;
mod report;

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueHint};

use super::signalling::open_own_procfs;
use super::{Applet, Context, ManSection};
use crate::cli::daemon::DaemonChoice;
use crate::cli::verbosity::Verbosity;
use crate::control::{Interrupts, check_references, raise_limit, run_first};
use crate::cron::{DaemonSelector, Follow, Step, find};
use crate::exit::{Exit, Refusal};
use crate::output::cron::not_a_daemon;
use report::Report;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "cron-jobs",
    links: &["cron-jobs"],
    about: "Tell of every job of cron that starts and ends, with its exit status",
    section: ManSection::Administration,
    command,
    exits: help::EXITS,
    notes: help::notes,
    run,
};

#[derive(Args)]
struct Options {
    #[command(flatten)]
    choice: DaemonChoice,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output")]
    jsonl: bool,
    /// Write metrics, for Prometheus or OpenMetrics, to the file of --output
    #[arg(long, conflicts_with = "jsonl", requires = "output", help_heading = "Output")]
    openmetrics: bool,
    /// Write to this file, which is replaced as a whole
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "openmetrics",
        help_heading = "Output"
    )]
    output: Option<PathBuf>,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn command() -> Command {
    Options::augment_args(Command::new("cron-jobs"))
        .mut_arg("quiet", |quiet| quiet.help("Tell only of jobs that have failed, and of errors"))
        .long_about(help::long_about())
}

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    options.verbosity.start()?;
    if !nix::unistd::geteuid().is_root() {
        return Err(Refusal::nothing(
            "only the superuser may see what cron and its jobs are: run it as root",
        )
        .into());
    }
    check_references()?;
    let proc = open_own_procfs()?;
    raise_limit();
    // Threads that are started later inherit it.
    if !run_first() {
        tracing::info!("this process may not run before others: it may miss what short jobs are");
    }
    let interrupts = Interrupts::catch(&proc)?;
    let wanted = options.choice.selector();
    let (mut follow, reason) = Follow::start(&proc, &interrupts, wanted.clone())?;
    if let (DaemonSelector::Pid(pid), false) = (&wanted, follow.has_daemon()) {
        let found = find(&proc, &wanted)?;
        return Err(Refusal::nothing(not_a_daemon(*pid, found.rejected.first())).into());
    }
    let mut report = Report::new(&context.name, &options, proc.users(), &interrupts);
    if let Some(reason) = reason {
        report.without_events(&reason);
    }
    loop {
        let exit = match follow.next(report.due(), report.reader())? {
            Step::Event(event) => {
                report.tell(&event)?;
                if !follow.is_ready() {
                    report.flush()?;
                }
                continue;
            }
            Step::Time => {
                report.write()?;
                continue;
            }
            Step::Interrupted(signal) => Exit::Interrupted(signal.number() as u8),
            Step::Unheard | Step::Over => Exit::Done,
        };
        report.finish()?;
        return Ok(exit);
    }
}
