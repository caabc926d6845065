//! `cron-graceful`: stop cron without hurting a running job.

mod hold;
mod lock;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum, ValueHint, value_parser};

use super::signalling::{ALL_DONE, leave, open_own_procfs};
use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{AFTER_SIGINT, ExitRow, Note, Status};
use crate::cli::format::Format;
use crate::cli::verbosity::Verbosity;
use crate::cli::{ENVIRONMENT, doubt, parse, told, unexamined};
use crate::command::exec::not_run;
use crate::command::program;
use crate::control::background::{self, Background, Divided, Parted};
use crate::control::{Interrupts, check_references, raise_limit};
use crate::cron::{
    self, CronTarget, DaemonScan, DaemonSelector, Hold, HoldUntil, Jobs, Plan, Rejected, Shutdown,
    ShutdownResult,
};
use crate::exit::{Exit, Refusal};
use crate::output::cron::{
    CronReport, ReportOptions, daemon_applets, daemon_names, failure, no_daemon, reject_reason,
};
use crate::output::{self, Output, outlet};
use crate::process::{Pid, Proc};

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "cron-graceful",
    links: &["cron-graceful"],
    about: "Stop cron without hurting a running job",
    section: ManSection::Administration,
    command,
    exits: EXITS,
    notes,
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
    /// The daemon has this name
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    daemon: Option<OsString>,
    /// The daemon is this process
    #[arg(
        long,
        value_name = "PID",
        value_parser = parse::pid,
        conflicts_with = "daemon",
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    pid: Option<Pid>,
    /// All daemons, if there are several
    #[arg(long, help_heading = "Selection")]
    all: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    verbosity: Verbosity,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnTimeout {
    Resume,
    Stop,
    Terminate,
}

fn command() -> Command {
    let names = daemon_names();
    let (last, others) = names.split_last().map_or(("", &[][..]), |(last, names)| (*last, names));
    let command = Options::augment_args(Command::new("cron-graceful"))
        .mut_arg("quiet", |quiet| quiet.help("Tell only which jobs are left, and errors"));
    command.long_about(format!(
        "Stops cron without hurting a running job: when it returns, no cron job is running, \
             and none will start. It finds the daemon, pauses it so that it starts nothing new, \
             runs cron-graceful-additions if there is such a command, waits until all jobs have \
             ended, telling who they are and for how long they run, and stops the daemon: by \
             systemd where that runs it, else by TERM, with the init script to tidy up.\n\n\
             Cron is not left paused when this command ends, even by KILL of its whole service: a \
             guardian process, in another control group where that is permitted, lets it run on \
             unless it was stopped on purpose. That holds too while this command hangs, as on a \
             job that stands in a file system that does not answer, or on an output that is not \
             read: --timeout counts from its start. Only KILL of this command and of its guardian \
             (proctool resume --guard) in the same moment leaves cron paused, or KILL of this \
             command after somebody has stopped the guardian; --resume lets it run on then.\n\n\
             A cron that another process starts or continues meanwhile, as an upgrade does, is \
             paused too, with a message. At the end of a pause the jobs are listed that were due \
             and that cron does not make up for: Debian's cron and cronie run all that they have \
             missed in up to 5 minutes, the jobs at fixed times in up to 3 hours, and nothing \
             after that; busybox and dcron run each job once in up to an hour. Jobs that were \
             waited for and failed are listed too.\n\n\
             Where standard output is a pipe or socket that nobody reads any more, as after the \
             end of ssh, cron runs on, unless --detach. A command that runs already goes on.\n\n\
             --hold keeps cron paused when no job runs any more, so that many machines can stand \
             still together. With --lease it goes on in the background, in a session and a control \
             group of its own, and this command ends with status 0. At the end of the lease, or by \
             --release, cron runs on; --hold again makes the lease longer, and never shorter. \
             Without --lease, this command holds cron until its standard input ends, as it does \
             when ssh ends, or until a signal; it refuses a standard input that is at its end \
             already. Before cron is held, the end of this command ends all of it. --list tells \
             who holds cron, since when and until when. Nothing is held over a boot.\n\n\
             A job is what cron's workers run, with everything below it and everything that it \
             left behind in its session, its audit session, the login session that pam_systemd(8) \
             opened for it, or cron's own control group. The jobs of a cron that has ended are \
             waited for too: those of busybox's crond and of dcron are known by their place and \
             their looks alone, and never terminated. Elsewhere, an orphan with the looks of a job \
             in the background is listed as perhaps of cron. Such orphans, and daemons that a job \
             has detached from itself, are listed, and not waited for unless \
             --wait-daemons.\n\n\
             --on-timeout terminate ends only what is certainly cron's, tells of each job that it \
             leaves alone, and takes up to 20 seconds more. If one is left then, cron runs on, and \
             the status is 124. A job that continues cron again and \
             again, as one of busybox's crond may, is waited for like any other.\n\n\
             The daemon is a process called {} or {last}, or {}, that the superuser runs in our \
             own pid namespace and that holds the lock on its pid file, where it is of a kind that \
             has one. If there are several, they are listed and nothing is done, unless --all. \
             The timers of systemd-cron are no daemon: where cron.target is active, nothing is \
             done either. After systemctl stop cron.target, the jobs that its services still run \
             are waited for.",
        others.join(", "),
        daemon_applets(" as "),
    ))
}

fn notes() -> String {
    format!("{SUPERVISORS}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXITS: &[ExitRow] = &[
    Status(
        Exit::Done,
        "cron is stopped and no job is running; or there was no cron; with --hold, cron is held, or \
        was held until its release or the end of standard input",
    ),
    Status(Exit::Nothing, "it could not be done, or not safely"),
    Status(Exit::Usage, "wrong usage"),
    Status(
        Exit::Fatal,
        "fatal: no pidfds (before Linux 5.3, or in a sandbox), /proc unreadable, out of \
        descriptors, output failed",
    ),
    Status(Exit::Absent, "with --hold: there is no cron that could be held"),
    Status(Exit::Supervised, "a supervisor would start cron again: nothing was done"),
    Status(
        Exit::TimedOut,
        "jobs were still running when the time was over; --timeout-status gives this another \
        number",
    ),
    Status(Exit::NotExecutable, "the command could not be executed"),
    Status(Exit::NotFound, "the command was not found"),
    Status(AFTER_SIGINT, "interrupted, and cron runs on (128 and the number of the signal)"),
    Note("141 (PIPE) says that nobody reads the output any more, and cron runs on: see --detach."),
    Note(
        "Output that nobody reads changes no status: standard error has what was done. Wrong usage \
        gives no document with --json.",
    ),
    Note(
        "With a command, its exit status is passed on. Where the status is that of the command, \
        the outcome in JSON is: ran. A command may end with 124 too: --timeout-status 75 tells our \
        own timeout from that.",
    ),
];

const SUPERVISORS: &str = "\
Supervisors:
  A supervisor such as runit, s6, daemontools, supervise-daemon or supervisord would start cron \
again after its end. Below one of them, also through a shell or another wrapper, this command \
refuses at once, with status 5, and names the command that stops cron there. Run that command in \
a window, so that the jobs are waited for first: see the examples. Where it is unknown whether the \
parent of cron starts it again, cron counts as stopped only after it has stayed away for 2 \
seconds. A run script has to become cron by exec: else the supervisor ends its shell, and not \
cron. In a container whose first process is cron, stop the container instead (docker stop).";

const FILES: &str = "\
Files:
  cron-graceful-additions
                a command that is run, if it is on $PATH, as soon as cron is
                paused, for 10 minutes at most and no longer than --timeout
  /run/cron-graceful.lock
                held while it works, so that there is one at a time
  /run/cron-graceful.sock
                where the one who holds cron listens for --release, --list and
                --hold of the superuser
  /dev/log      where it exists, syslog is told of what is done

Security:
  It runs what is called cron-graceful-additions in an absolute directory of $PATH, as whoever \
calls it: keep those directories to trusted people. A process that only calls itself cron is never \
taken for it, nor is one in a container.";

const EXAMPLES: &str = "\
Examples:
  cron-graceful --list
  cron-graceful
  cron-graceful --timeout 1h --on-timeout terminate
  cron-graceful -- apt-get upgrade
  cron-graceful --hold --lease 30m --timeout 10m
  cron-graceful --release
  cron-graceful -- sv down /etc/service/cron
  cron-graceful -- s6-svc -wd -d /run/service/cron
  cron-graceful -- svc -d /etc/service/cron
  cron-graceful -- supervisorctl stop cron
  cron-graceful -- rc-service cron stop

See also:
  proctool(1), cron(8), systemctl(1)";

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
    let result = start(&options, context);
    if let (Err(error), Some(layout)) = (&result, options.format.json())
        && error.downcast_ref::<io::Error>().is_none()
    {
        // A reader of JSON gets a document in any case, unless the output itself has failed.
        let is_refusal = error.downcast_ref::<Refusal>().is_some();
        let outcome = if is_refusal { "refused" } else { "failed" };
        output::print(&failure(layout, outcome, &format!("{error:#}")))?;
    }
    Ok(match result? {
        Exit::TimedOut => options.timed_out(),
        exit => exit,
    })
}

/// Starts the work, in a child where cron is held in the background.
fn start(options: &Options, context: &Context) -> anyhow::Result<Exit> {
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
    let _lock = if changes { Some(lock::lock()?) } else { None };
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
    let holder = if options.list { lock::asked_holder() } else { Ok(None) };
    let holder = holder.map_err(|error| hold::silent(&error))?;
    let look = ReportOptions {
        layout: options.format.json(),
        with_daemons: options.wait_daemons,
        is_quiet: options.verbosity.is_quiet(),
        is_detached: options.detach,
        limit,
        other_run: if changes { None } else { lock::other_run() },
        holder,
        ends_when_held: options.lease.is_some(),
    };
    let report = CronReport::new(name, proc.users(), &interrupts, output, look);
    let found = cron::find(&proc, &plan.wanted)?;
    // The following steps keep to the time limit themselves, and some of them have none.
    overseer.iter().for_each(|overseer| overseer.trust(None));
    let shutdown = Shutdown {
        proc: &proc,
        daemons: &found.daemons,
        plan: &plan,
        interrupts: &interrupts,
        begin: context.begin,
    };
    refuse_doubts(&proc, &plan.wanted, &found)?;
    refuse_other_name(&proc, &plan.wanted, &found)?;
    if plan.wanted == DaemonSelector::Usual {
        refuse_timers(&proc, &interrupts)?;
    }
    options.proceed(&shutdown, &found.rejected, report)
}

/// Refuses to go on where it is unknown whether there are other daemons.
fn refuse_doubts(proc: &Proc, wanted: &DaemonSelector, found: &DaemonScan) -> anyhow::Result<()> {
    if found.daemons.is_empty()
        && let Some(doubt) = doubt(proc, &found.unexamined)?
    {
        let none = no_daemon(wanted);
        return Err(Refusal::nothing(format!("{none}, as far as known: {doubt}")).into());
    }
    if !found.unexamined.is_empty() {
        let why = unexamined(&found.unexamined);
        return Err(Refusal::nothing(format!(
            "there may be another cron daemon: {why}: nothing was done"
        ))
        .into());
    }
    if let Some(process) = found.rejected.iter().find(|process| process.is_doubtful) {
        let (pid, name) = (process.pid, String::from_utf8_lossy(&process.name));
        let why = reject_reason(process.why);
        return Err(Refusal::nothing(format!(
            "process {pid} ({name}) may be another cron daemon: {why}, and yet it has children, \
             which may be jobs: nothing was done. If it is the daemon, --pid {pid} takes it; if it \
             is none, --pid of the daemon, or --daemon NAME with another name, leaves it out"
        ))
        .into());
    }
    Ok(())
}

/// Refuses to go on where no daemon has the name that the user gave, and another cron runs: the name
/// may be a mistake, and that one starts jobs.
fn refuse_other_name(
    proc: &Proc,
    wanted: &DaemonSelector,
    found: &DaemonScan,
) -> anyhow::Result<()> {
    if !matches!(wanted, DaemonSelector::Named(_)) || !found.daemons.is_empty() {
        return Ok(());
    }
    let others = cron::find(proc, &DaemonSelector::Usual)?;
    let Some(other) = others.daemons.first() else { return Ok(()) };
    let (pid, name, none) = (other.pid, String::from_utf8_lossy(&other.name), no_daemon(wanted));
    Err(Refusal::nothing(format!(
        "{none}, but process {pid} ({name}) is one: nothing was done. Without --daemon it is the one \
         that is meant"
    ))
    .into())
}

/// Refuses to go on where the timers of systemd-cron start jobs: they are not paused.
fn refuse_timers(proc: &Proc, interrupts: &Interrupts) -> anyhow::Result<()> {
    let state = match cron::cron_target(proc, interrupts)? {
        CronTarget::Inactive => return Ok(()),
        CronTarget::Active => "cron.target is active",
        CronTarget::Untold => "systemd does not tell whether cron.target is active",
    };
    Err(Refusal::nothing(format!(
        "{state}: the timers of systemd-cron start jobs, and this command does not pause them: \
         nothing was done. systemctl stop cron.target stops the timers; after that, this command \
         waits for the jobs that still run"
    ))
    .into())
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

    /// Prints a text or a document. With --quiet, a text is not printed.
    fn tell(&self, text: &str) -> io::Result<()> {
        let is_wanted = self.format.json().is_some() || !self.verbosity.is_quiet();
        if is_wanted { output::print(text) } else { Ok(()) }
    }

    /// Returns the exit status after the time limit.
    fn timed_out(&self) -> Exit {
        self.timeout_status.map_or(Exit::TimedOut, Exit::Command)
    }

    fn plan(&self, background: Option<Background>) -> Plan {
        let wanted = match (&self.daemon, self.pid) {
            (_, Some(pid)) => DaemonSelector::Pid(pid),
            (Some(name), _) => DaemonSelector::Named(name.as_encoded_bytes().to_vec()),
            _ => DaemonSelector::Usual,
        };
        Plan {
            wanted,
            timeout: self.timeout.0,
            on_timeout: match self.on_timeout {
                OnTimeout::Resume => cron::OnTimeout::Resume,
                OnTimeout::Stop => cron::OnTimeout::Stop,
                OnTimeout::Terminate => cron::OnTimeout::Terminate,
            },
            with_daemons: self.wait_daemons,
            command: self.command.clone(),
            hold: self.hold.then(|| Hold {
                by: hold::who(),
                end: match self.lease {
                    Some(lease) => HoldUntil::Lease(lease, background.into()),
                    None => HoldUntil::InputEnds,
                },
            }),
            is_document: self.format.json().is_some(),
        }
    }

    fn proceed(
        &self,
        shutdown: &Shutdown<'_>,
        rejected: &[Rejected],
        mut report: CronReport<'_>,
    ) -> anyhow::Result<Exit> {
        let Shutdown { proc, daemons, plan, .. } = *shutdown;
        for process in rejected {
            let (pid, name) = (process.pid, String::from_utf8_lossy(&process.name));
            tracing::info!(pid, name = %name, "not the daemon: {}", reject_reason(process.why));
        }
        if self.list {
            if daemons.is_empty() {
                report.no_daemon(&plan.wanted, &[]);
            }
            // A program may want all of them, with everything that is known.
            let is_brief = self.format.json().is_none();
            let jobs = Jobs::default().list(proc, daemons, is_brief)?;
            report.list(daemons, &jobs);
            report.end()?;
            return Ok(Exit::Done);
        }
        if daemons.is_empty() {
            return self.without_daemon(shutdown, rejected, report);
        }
        if self.resume {
            if daemons.iter().all(|daemon| !daemon.is_stopped) {
                report.none_is_paused();
                report.finish("not paused", daemons, &[])?;
                return Ok(Exit::Done);
            }
            let all = cron::resume(daemons, &mut report);
            report.finish(if all { "resumed" } else { "not resumed" }, daemons, &[])?;
            return Ok(if all { Exit::Done } else { Exit::Nothing });
        }
        if daemons.len() > 1 && !self.all {
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
        report.no_daemon(&shutdown.plan.wanted, rejected);
        if self.hold {
            report.finish("none", &[], &[])?;
            return Ok(Exit::Absent);
        }
        if shutdown.plan.wanted != DaemonSelector::Usual && self.command.is_empty() {
            report.finish("none", &[], &[])?;
            return Ok(Exit::Done);
        }
        let jobs = Jobs::default().scan(shutdown.proc, &[])?;
        if self.resume || self.dry_run || jobs.is_empty() && self.command.is_empty() {
            report.finish("none", &[], &jobs)?;
            return Ok(Exit::Done);
        }
        let result = shutdown.carry_out(&mut report)?;
        conclude(&result, shutdown, report)
    }
}

/// Reports what would be done. Nothing is done to any process.
fn rehearse(shutdown: &Shutdown<'_>, mut report: CronReport<'_>) -> anyhow::Result<Exit> {
    let jobs = Jobs::default().list(shutdown.proc, shutdown.daemons, false)?;
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
