//! `cron-graceful`: stop cron without hurting a running job.

mod beside;
mod caller;
mod help;
mod hold;
mod lock;
mod metrics;
mod refuse;
mod start;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum, ValueHint, value_parser};

use self::beside::Beside;
use super::signalling::{ALL_DONE, leave, open_own_procfs};
use super::{Applet, Context, ManSection};
use crate::cli::daemon::DaemonChoice;
use crate::cli::format::Format;
use crate::cli::verbosity::Verbosity;
use crate::cli::{parse, told};
use crate::command::exec::not_run;
use crate::command::program;
use crate::control::background::{self, Background, Divided, Parted};
use crate::control::{Interrupts, check_references, raise_limit};
use crate::cron::{
    self, DaemonSelector, HoldUntil, LeftTimers, Plan, Rejected, Shutdown, ShutdownResult,
};
use crate::exit::{Exit, Refusal};
use crate::output::cron::{CronReport, ReportOptions, reject_reason};
use crate::output::{self, Output, outlet};

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "cron-graceful",
    links: &["cron-graceful"],
    about: "Stop cron without hurting a running job",
    section: ManSection::Administration,
    command,
    exits: help::EXITS,
    notes: help::notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Run this while no job runs, and let cron run on afterwards instead of stopping it; with
    /// --json and --jsonl, what it prints goes to standard error
    #[arg(
        value_name = "COMMAND",
        last = true,
        num_args = 1..,
        value_hint = ValueHint::CommandWithArguments
    )]
    command: Vec<OsString>,
    /// List the daemon and its running jobs, touching nothing
    #[arg(
        long,
        conflicts_with_all = ["resume", "command", "dry_run", "jsonl"],
        help_heading = "Action"
    )]
    list: bool,
    /// Let a cron run on that somebody left paused
    #[arg(
        long,
        conflicts_with_all = ["command", "dry_run", "jsonl"],
        help_heading = "Action"
    )]
    resume: bool,
    /// Keep cron paused when no job runs any more: for the time of --lease, in the background, or
    /// until standard input ends
    #[arg(
        long,
        conflicts_with_all = ["list", "resume", "command", "dry_run"],
        help_heading = "Action"
    )]
    hold: bool,
    /// Hold it for this long, such as 30m; again with --hold, for so long from now
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = lease,
        requires = "hold",
        help_heading = "Action"
    )]
    lease: Option<Duration>,
    /// Let a cron run on that is held
    #[arg(
        long,
        conflicts_with_all = ["list", "resume", "command", "dry_run", "hold", "jsonl"],
        help_heading = "Action"
    )]
    release: bool,
    /// Start again what an earlier run has stopped since the boot, as it was run before
    #[arg(
        long,
        conflicts_with_all = [
            "list", "resume", "command", "hold", "release", "timeout", "daemon", "pid", "all",
            "jsonl",
        ],
        help_heading = "Action"
    )]
    start: bool,
    /// Only tell what would be done, at once
    #[arg(short = 'n', long, help_heading = "Action")]
    dry_run: bool,
    /// Wait no longer than this for jobs, such as 1.5s or 2m; 0 is for ever
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::limit,
        default_value = "0",
        hide_default_value = true,
        help_heading = "Action"
    )]
    timeout: parse::TimeLimit,
    /// What then: resume (cron runs on), stop (it all the same), or terminate (the jobs, and stop
    /// it if none is left)
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value = "resume",
        requires = "timeout",
        hide_possible_values = true,
        help_heading = "Action"
    )]
    on_timeout: OnTimeout,
    /// Exit with this status where it would be 124, which the command may use too
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = value_parser!(u8).range(1..=255),
        help_heading = "Action"
    )]
    timeout_status: Option<u8>,
    /// Wait for daemons too that jobs have started
    #[arg(long, help_heading = "Action")]
    wait_daemons: bool,
    /// Go on when nobody reads the output any more, as after the end of ssh
    #[arg(long, help_heading = "Action")]
    detach: bool,
    /// Include what else starts jobs: at (and batch), timers (of systemd), or all
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true,
        help_heading = "Selection"
    )]
    with: Vec<With>,
    #[command(flatten)]
    choice: DaemonChoice,
    /// All daemons, if there are several
    #[arg(long, help_heading = "Selection")]
    all: bool,
    /// Print only what is the same on many machines: the outcome, and jobs without pids and times
    #[arg(long, conflicts_with_all = ["json", "jsonl"], help_heading = "Output")]
    summary: bool,
    /// Print metrics, for Prometheus or OpenMetrics
    #[arg(
        long,
        requires = "list",
        conflicts_with_all = ["json", "jsonl", "summary"],
        help_heading = "Output"
    )]
    openmetrics: bool,
    /// Write the metrics to this file, which is replaced as a whole
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "openmetrics",
        help_heading = "Output"
    )]
    output: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// What else starts jobs beside cron.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum With {
    At,
    Timers,
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnTimeout {
    Resume,
    Stop,
    Terminate,
}

fn command() -> Command {
    Options::augment_args(Command::new("cron-graceful"))
        .mut_arg("quiet", |quiet| quiet.help("Tell only which jobs are left, warnings and errors"))
        .long_about(help::long_about())
}

/// The longest time for which cron is held.
const LONGEST_LEASE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn lease(text: &str) -> Result<Duration, String> {
    match parse::limit(text)?.0 {
        Some(lease) if lease <= LONGEST_LEASE => Ok(lease),
        Some(_) => Err("a lease is 30 days at most".to_owned()),
        None => Err("a lease has to end".to_owned()),
    }
}

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let result = begin(&options, context);
    Ok(match result.or_else(|error| refuse::conclude(error, &options, &context.name))? {
        Exit::TimedOut => options.timed_out(),
        exit => exit,
    })
}

/// Starts the work, in a child where cron is held in the background.
fn begin(options: &Options, context: &Context) -> anyhow::Result<Exit> {
    let changes = !(options.list || options.dry_run);
    options.check(changes)?;
    if options.release {
        options.verbosity.start_with_syslog(&context.name, true)?;
        return hold::release(options);
    }
    let Some(lease) = options.lease else { return work(options, changes, None, context) };
    if let Some(exit) = hold::extend(options, lease)? {
        return Ok(exit);
    }
    match background::divide().context("cannot go on in the background")? {
        Divided::Child(background) => work(options, changes, Some(background), context),
        Divided::Parent(foreground) => {
            let interrupts = Interrupts::catch(&open_own_procfs()?)?;
            Ok(match foreground.wait(&interrupts)? {
                Parted::Left => Exit::Done,
                Parted::Ended(status) => Exit::from_status(status),
            })
        }
    }
}

fn work(
    options: &Options,
    changes: bool,
    background: Option<Background>,
    context: &Context,
) -> anyhow::Result<Exit> {
    let name = &context.name;
    options.verbosity.start_with_syslog(name, changes)?;
    check_references()?;
    let _lock = if changes { Some(lock::lock(options)?) } else { None };
    if options.dry_run {
        lock::check(options)?;
    }
    let proc = open_own_procfs()?;
    raise_limit();
    let interrupts = Interrupts::catch(&proc)?;
    let plan = options.plan(background);
    let limit = plan.timeout.and_then(|timeout| context.begin.checked_add(timeout));
    outlet::open();
    outlet::limit(limit);
    let overseer = interrupts.oversee(limit, {
        let (name, is_quiet) = (name.clone(), options.verbosity.is_quiet());
        let timed_out = options.timed_out();
        move |ended| leave(&name, ended, timed_out, ALL_DONE, is_quiet)
    })?;
    let output = Output::stdout(options.format.colour());
    let look = options.report_options(changes, limit)?;
    let mut report = CronReport::new(name, proc.users(), &interrupts, output, look);
    if options.start {
        overseer.iter().for_each(|overseer| overseer.trust(None));
        return start::start(options, &proc, &interrupts, report);
    }
    let left = if changes {
        cron::start_left_timers(&proc, &interrupts, &mut report)?
    } else {
        LeftTimers::None
    };
    let found = cron::find(&proc, &plan.wanted)?;
    let beside = Beside::find(options, &proc, &interrupts)?;
    report.not_included(beside.not_included);
    // The following steps keep to the time limit themselves, and some of them have none.
    overseer.iter().for_each(|overseer| overseer.trust(None));
    refuse::what_is_unclear(options, &proc, &interrupts, &plan, &found, &beside)?;
    let daemons = [found.daemons, beside.at.daemons].concat();
    let shutdown = Shutdown {
        proc: &proc,
        daemons: &daemons,
        timers: beside.timers.as_ref(),
        plan: &plan,
        interrupts: &interrupts,
        begin: context.begin,
    };
    options.proceed(&shutdown, &found.rejected, left, report)
}

impl Options {
    /// Refuses options that would do something else than the user expects.
    fn check(&self, changes: bool) -> anyhow::Result<()> {
        if changes && !nix::unistd::geteuid().is_root() {
            return Err(Refusal::nothing(
                "only the superuser may do that: run it as root, or only --list or --dry-run",
            )
            .into());
        }
        if !self.command.is_empty() && matches!(self.on_timeout, OnTimeout::Stop) {
            return Err(Refusal::usage(
                "--on-timeout stop would stop cron, and the command would not run",
            )
            .into());
        }
        if self.hold && self.lease.is_none() && cron::is_input_at_end() {
            return Err(Refusal::usage(
                "cron would be held until standard input ends, and that is at its end already: give it \
                 a --lease, or a standard input that stays open",
            )
            .into());
        }
        if self.hold && !matches!(self.on_timeout, OnTimeout::Resume) {
            return Err(Refusal::usage("--hold does not go with --on-timeout").into());
        }
        // Otherwise this would be found out after hours of waiting. What is done while cron stands
        // still may bring the command.
        if let Some(program) = self.command.first()
            && !cron::has_additions()
            && let Err(error) = program::check(program)
        {
            return Err(not_run(program, &error).into());
        }
        // A variable without a value must not mean to stop cron for good.
        if self.command.is_empty()
            && std::env::args_os().next_back().is_some_and(|word| word == "--")
        {
            return Err(
                Refusal::usage("there is no command behind --: leave it out to stop cron").into()
            );
        }
        Ok(())
    }

    /// Prints a text, a summary or a document. With --quiet, a text is not printed.
    fn tell(&self, text: &str) -> io::Result<()> {
        let is_wanted = self.format.json().is_some() || self.summary || !self.verbosity.is_quiet();
        if is_wanted { output::print(text) } else { Ok(()) }
    }

    /// Returns the form and the extent of the report. Errors: the one who holds cron does not answer.
    fn report_options(
        &self,
        changes: bool,
        limit: Option<Instant>,
    ) -> anyhow::Result<ReportOptions> {
        let holder = if self.list { lock::asked_holder() } else { Ok(None) };
        Ok(ReportOptions {
            layout: self.format.json(),
            with_daemons: self.wait_daemons,
            is_summary: self.summary,
            is_quiet: self.verbosity.is_quiet(),
            is_detached: self.detach,
            limit,
            other_run: if changes { None } else { lock::other_run() },
            holder: holder.map_err(|error| hold::silent(&error))?,
            ends_when_held: self.lease.is_some(),
        })
    }

    /// Reports whether this run looks for what is paused.
    fn finds_paused(&self) -> bool {
        self.list || self.resume
    }

    /// Reports whether this is to be included.
    fn includes(&self, what: With) -> bool {
        self.with.contains(&what) || self.with.contains(&With::All)
    }

    /// Returns the exit status after the time limit.
    fn timed_out(&self) -> Exit {
        self.timeout_status.map_or(Exit::TimedOut, Exit::Command)
    }

    fn plan(&self, background: Option<Background>) -> Plan {
        Plan {
            by: caller::who(),
            wanted: self.choice.selector(),
            with_at: self.includes(With::At),
            timeout: self.timeout.0,
            on_timeout: match self.on_timeout {
                OnTimeout::Resume => cron::OnTimeout::Resume,
                OnTimeout::Stop => cron::OnTimeout::Stop,
                OnTimeout::Terminate => cron::OnTimeout::Terminate,
            },
            with_daemons: self.wait_daemons,
            command: self.command.clone(),
            hold: self.hold.then(|| match self.lease {
                Some(lease) => HoldUntil::Lease(lease, background.into()),
                None => HoldUntil::InputEnds,
            }),
            is_document: self.format.json().is_some(),
        }
    }

    fn proceed(
        &self,
        shutdown: &Shutdown<'_>,
        rejected: &[Rejected],
        left: LeftTimers,
        mut report: CronReport<'_>,
    ) -> anyhow::Result<Exit> {
        let Shutdown { proc, daemons, plan, .. } = *shutdown;
        for process in rejected {
            let (pid, name) = (process.pid, String::from_utf8_lossy(&process.name));
            tracing::info!(pid, name = %name, "not the daemon: {}", reject_reason(process.why));
        }
        if self.openmetrics {
            return metrics::tell(self, proc, daemons, report);
        }
        if self.list {
            if cron::are_timers_left() {
                report.timers_are_left();
            }
            if daemons.is_empty() {
                report.no_daemon(&plan.wanted, &[], false);
                start::tell_stop(proc, &mut report)?;
            }
            // A program may want all of them, with everything that is known.
            let is_brief = self.format.json().is_none();
            let jobs = shutdown.jobs()?.list(proc, daemons, is_brief)?;
            shutdown.timers.iter().for_each(|timers| report.active_timers(timers));
            report.list(daemons, &jobs);
            report.end()?;
            return Ok(Exit::Done);
        }
        if self.resume {
            return self.let_run_on(shutdown, rejected, left, report);
        }
        if daemons.is_empty() {
            return self.without_daemon(shutdown, rejected, report);
        }
        if daemons.iter().filter(|daemon| !daemon.runs_at_jobs()).count() > 1 && !self.all {
            report.several(daemons);
            report.finish("not stopped", daemons, &[])?;
            return Ok(Exit::Nothing);
        }
        if self.dry_run {
            return rehearse(shutdown, report);
        }
        let result = shutdown.carry_out(&mut report)?;
        conclude(&result, shutdown, report)
    }

    /// Lets everything run on that an earlier run has left paused or stopped.
    fn let_run_on(
        &self,
        shutdown: &Shutdown<'_>,
        rejected: &[Rejected],
        timers: LeftTimers,
        mut report: CronReport<'_>,
    ) -> anyhow::Result<Exit> {
        let daemons = shutdown.daemons;
        if timers == LeftTimers::None && daemons.is_empty() {
            return self.without_daemon(shutdown, rejected, report);
        }
        if timers == LeftTimers::None && daemons.iter().all(|daemon| !daemon.is_stopped) {
            report.none_is_paused();
            report.finish("not paused", daemons, &[])?;
            return Ok(Exit::Done);
        }
        let all = cron::resume(daemons, &mut report) && timers != LeftTimers::NotStarted;
        report.finish(if all { "resumed" } else { "not resumed" }, daemons, &[])?;
        Ok(if all { Exit::Done } else { Exit::Nothing })
    }

    /// Handles the case without a daemon. There is nothing to pause, but jobs of a daemon that has
    /// exited may still run, and a command is run all the same.
    fn without_daemon(
        &self,
        shutdown: &Shutdown<'_>,
        rejected: &[Rejected],
        mut report: CronReport<'_>,
    ) -> anyhow::Result<Exit> {
        if let DaemonSelector::Pid(pid) = shutdown.plan.wanted {
            report.not_a_daemon(pid, rejected.first());
            report.finish("not stopped", &[], &[])?;
            return Ok(Exit::Nothing);
        }
        report.no_daemon(&shutdown.plan.wanted, rejected, self.hold);
        start::tell_stop(shutdown.proc, &mut report)?;
        let has_timers = shutdown.timers.is_some_and(|found| !found.timers.is_empty());
        if self.hold && !has_timers {
            report.finish("none", &[], &[])?;
            return Ok(Exit::Absent);
        }
        let is_named = shutdown.plan.wanted != DaemonSelector::USUAL;
        if is_named && self.command.is_empty() && !has_timers {
            report.finish("none", &[], &[])?;
            return Ok(Exit::Done);
        }
        let jobs = shutdown.jobs()?.scan(shutdown.proc, &[])?;
        let is_idle = jobs.is_empty() && self.command.is_empty() && !has_timers;
        if self.resume || self.dry_run || is_idle {
            shutdown.timers.iter().for_each(|timers| report.active_timers(timers));
            report.finish("none", &[], &jobs)?;
            return Ok(Exit::Done);
        }
        let result = shutdown.carry_out(&mut report)?;
        conclude(&result, shutdown, report)
    }
}

/// Reports what would be done. Nothing is done to any process.
fn rehearse(shutdown: &Shutdown<'_>, mut report: CronReport<'_>) -> anyhow::Result<Exit> {
    let jobs = shutdown.jobs()?.list(shutdown.proc, shutdown.daemons, false)?;
    shutdown.timers.iter().for_each(|timers| report.active_timers(timers));
    let ways = shutdown.ways()?;
    report.rehearsal(&ways, &shutdown.plan.command, &jobs);
    report.finish_rehearsal(shutdown.daemons, &jobs)?;
    let would_refuse =
        shutdown.plan.command.is_empty() && ways.iter().any(|(_, way)| way.is_refusal());
    Ok(if would_refuse { Exit::Supervised } else { Exit::Done })
}

/// Reports how the run ended, and chooses the exit status.
fn conclude(
    result: &ShutdownResult,
    shutdown: &Shutdown<'_>,
    report: CronReport<'_>,
) -> anyhow::Result<Exit> {
    let exit = match result {
        ShutdownResult::Stopped | ShutdownResult::Terminated => Exit::Done,
        ShutdownResult::Supervised => Exit::Supervised,
        ShutdownResult::NotStopped => Exit::Nothing,
        ShutdownResult::TimedOut { .. } => Exit::TimedOut,
        ShutdownResult::Interrupted(signal, _) => Exit::Interrupted(signal.number() as u8),
        ShutdownResult::Held(_) => Exit::Done,
        ShutdownResult::Ran(status) => Exit::from_status(*status),
        ShutdownResult::NotRun(error) if error.kind() == ErrorKind::NotFound => Exit::NotFound,
        ShutdownResult::NotRun(_) => Exit::NotExecutable,
    };
    told(exit, report.conclude(result, shutdown.plan, shutdown.daemons))
}
