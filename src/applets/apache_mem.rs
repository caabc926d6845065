//! `apache-mem`: what the processes of a server really use, and how many more would fit.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum, ValueHint};

use super::{Applet, Context, ManSection};
use crate::apache::{Depth, Pool, RankBy, Ranking, ServerProgram, Survey, ranking, survey};
use crate::cli::exit_status::{ExitRow, Status};
use crate::cli::{Common, ENVIRONMENT, advice, denied, doubt, output_file, parse, tell_held_up};
use crate::exit::{Exit, Refusal};
use crate::output::json::Layout;
use crate::output::message::message;
use crate::output::pool::metrics::{DASHBOARD, Metrics};
use crate::output::pool::{self, PoolReport, json};
use crate::output::{self, Output, Terminal};
use crate::process::Proc;
use crate::users::Users;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "apache-mem",
    links: &["apache-mem"],
    about: "Show what Apache's workers really use, and how many more would fit",
    section: ManSection::Administration,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Look for this program instead of Apache, such as php-fpm; may be given several times
    #[arg(
        long,
        value_name = "NAME",
        value_parser = OsStringValueParser::new().try_map(name),
        help_heading = "Selection"
    )]
    exe: Vec<OsString>,
    /// Rank all programs of the machine by what they really take, and show the first N (20; 0 is
    /// all)
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_missing_value = "20",
        conflicts_with_all = ["exe", "workers", "openmetrics", "interval"],
        help_heading = "Selection"
    )]
    top: Option<usize>,
    /// What a line of --top is: program, unit or container
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value = "program",
        hide_default_value = true,
        hide_possible_values = true,
        requires = "top",
        help_heading = "Selection"
    )]
    by: By,
    /// Do not ask the kernel who shares what, which would stop very large processes for a moment
    #[arg(long, help_heading = "Selection")]
    cheap: bool,
    /// Show each process too
    #[arg(long, help_heading = "Output")]
    workers: bool,
    /// Print metrics, for Prometheus or OpenMetrics
    #[arg(long, conflicts_with_all = ["json", "jsonl"], help_heading = "Output")]
    openmetrics: bool,
    /// Print a dashboard for Grafana that shows the metrics, as JSON
    #[arg(long, exclusive = true, help_heading = "Output")]
    dashboard: bool,
    /// Write to this file, which is replaced as a whole
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    output: Option<PathBuf>,
    /// Look again and again, at intervals such as 1.5s or 2m
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = interval,
        conflicts_with = "json",
        help_heading = "Output"
    )]
    interval: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Program,
    Unit,
    Container,
}

fn name(typed: OsString) -> Result<OsString, String> {
    match typed.as_bytes() {
        [] => Err("it is empty, which is no name of a program".to_owned()),
        bytes if bytes.contains(&b'/') => {
            Err("it is a path: name the program without its directory".to_owned())
        }
        _ => Ok(typed),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = parse::duration(text)?;
    let interval = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    match Instant::now().checked_add(interval) {
        _ if interval.is_zero() => Err("it has to be longer than nothing".to_owned()),
        None => Err("it is too long".to_owned()),
        Some(_) => Ok(interval),
    }
}

fn command() -> Command {
    Options::augment_args(Command::new("apache-mem")).long_about(
        "Shows what the processes of each running Apache use: its workers and its WSGI daemon \
             process groups, with minimum, average, median, maximum and total of resident memory \
             (rss), of memory with shared pages divided among those who share them (pss), of \
             memory that is not shared (uss), and of swap. Behind each line stands a bar a \
             process, the largest first. Totals count no page twice, which is why rss has \
             none.\n\n\
             A master is a process called apache2 or httpd, with or without the name of an MPM \
             behind a dot or a hyphen, that no other Apache has started; it has workers or listens \
             and, if it is not the superuser's, listens. A worker holds the socket that its server \
             listens on, a WSGI daemon that of its group. The number in the latter tells which \
             group of the configuration it is, so that names are whole that have no room in the \
             title of a process. Where descriptors are kept from us, titles have to do: their \
             names may be cut, which is marked, and daemons without a display-name count as \
             workers.\n\n\
             One more worker takes what a worker does not share: uss, its share of swap, and page \
             tables. There are three estimates. Requests take memory and give it back: the estimate \
             at the peak takes the most that each worker has had so far (VmHWM), shared pages that \
             it has touched once too, so that it is an upper bound, and also lets the \
             workers that run now rise to their peaks. The average takes the workers as they are \
             now. The largest counts with its pss instead, for workers that unshare their pages as \
             they grow old. Huge pages are in pss and uss, but not in the estimates, because they \
             come from a pool of their own. Available is what the machine could give without \
             swapping (MemAvailable) or, if that is less, what the limits of the control \
             groups of the master leave, their inactive file cache counted as free. The quotient \
             is how many more would fit. The configured maximum is read from the files of the \
             server, without running it.\n\n\
             Other programs that serve with like processes are shown the same way: --exe php-fpm, \
             nginx, gunicorn, uwsgi. NAME is the name of the executable, with or without a version \
             behind it, of the script, or what stands in front of the colon in the title. \
             Processes are grouped by what their title says behind that (php-fpm: pool www), else \
             by their name. The configured maximum of workers is shown for php-fpm, nginx, \
             gunicorn, uwsgi, unicorn and puma where their configuration or their command line \
             says it; a number that is computed is not known, nor is that of a master that shows a \
             title instead of its command line, as puma does, and a note says why.\n\n\
             --top ranks all programs of the machine instead, as ps_mem(1) does, or all units or \
             containers (--by). Some processes are only counted: those of other users, and those \
             larger than 4 GiB, because the kernel would hold them up for too long. Their \
             anonymous pages (RssAnon) are in the sums then: those that are shared since a fork \
             count again, files do not count, and a ~ stands before such a number.",
    )
}

fn notes() -> String {
    format!("{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "something was found"),
    Status(Exit::Nothing, "the program is not running"),
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::Fatal, "fatal: /proc unreadable, out of descriptors, output failed"),
    Status(Exit::Partial, "of several programs, some are not running"),
];

const FILES: &str = "\
Files:
  /proc/PID/smaps_rollup
                what the kernel says of a process's memory
  the configuration of each server
                as the server itself sees it, also in a container

Security:
  The configuration is read, and nothing in it is run. What belongs to a server is known by its \
parent and its sockets, not by what it calls itself alone. The file of --output is replaced as a \
whole, and so is a symbolic link, unless nobody else can have made it: it and all directories that \
lead to it belong to the superuser or to the caller, and others may not write to them.";

const EXAMPLES: &str = "\
Examples:
  apache-mem
  apache-mem --workers --interval 10s
  apache-mem --json | jq '.[].more_workers.peak'
  apache-mem --exe php-fpm
  apache-mem --top 10 --by unit
  apache-mem --openmetrics \\
    --output /var/lib/prometheus/node-exporter/apache.prom
  apache-mem --dashboard >apache-mem.json

See also:
  proctool(1), apache2(8), ps_mem(1), proc_pid_smaps(5)";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    if options.dashboard {
        output::print(DASHBOARD)?;
        return Ok(Exit::Done);
    }
    if options.openmetrics && options.interval.is_some() && options.output.is_none() {
        return Err(Refusal::usage(
            "metrics are one document: --interval with --openmetrics needs --output",
        )
        .into());
    }
    let mut proc = options.common.start()?;
    if let Some(most) = options.top {
        return options.rank(&proc, context, most);
    }
    let mut due = Instant::now();
    let mut is_first = true;
    loop {
        let mut seen = Vec::new();
        for program in options.programs() {
            let survey = survey(&proc, &program, options.depth())?;
            seen.push((program, survey));
        }
        options.print(&seen, proc.users(), is_first)?;
        if !options.common.verbosity.is_quiet() {
            seen.iter()
                .try_for_each(|(program, survey)| options.tell(&proc, context, program, survey))?;
            tell_held_up(&context.name, &proc);
        }
        let Some(interval) = options.interval else {
            let running = seen.iter().filter(|(_, survey)| !survey.pools.is_empty()).count();
            return Ok(Exit::from_counts(running, seen.len()));
        };
        // Counted from the beginning, so that the time of each look does not add up.
        due = due.checked_add(interval).unwrap_or(due).max(Instant::now());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        proc = proc.anew()?;
        is_first = false;
    }
}

impl Options {
    /// Ranks all programs of the machine.
    fn rank(&self, proc: &Proc, context: &Context, most: usize) -> anyhow::Result<Exit> {
        let by = match self.by {
            By::Program => RankBy::Program,
            By::Unit => RankBy::Unit,
            By::Container => RankBy::Container,
        };
        let Ranking { consumers, hidden } = ranking(proc, by, self.depth())?;
        let most = if most == 0 { usize::MAX } else { most };
        self.deliver(|text, terminal| {
            let Some(layout) = self.common.format.json() else {
                pool::ranking::table(text, &consumers, most, by, terminal);
                return Ok(());
            };
            text.extend_from_slice(layout.begin());
            for (at, consumer) in consumers.iter().take(most).enumerate() {
                text.extend_from_slice(if at == 0 { b"" } else { layout.between() });
                pool::ranking::json(text, consumer, by);
            }
            text.extend_from_slice(layout.end(consumers.len().min(most)));
            Ok(())
        })?;
        if !self.common.verbosity.is_quiet() {
            let approximate: usize = consumers.iter().map(|consumer| consumer.approximate).sum();
            if approximate > 0 && !self.cheap {
                message(
                    &context.name,
                    format_args!(
                        "of {approximate} process{}, another user's or larger than 4 GiB, only the \
                        anonymous pages are counted{}",
                        if approximate == 1 { "" } else { "es" },
                        advice()
                    ),
                );
            }
            if let Some(doubt) = doubt(proc, &hidden)? {
                message(&context.name, doubt);
            }
            tell_held_up(&context.name, proc);
        }
        Ok(if consumers.is_empty() { Exit::Nothing } else { Exit::Done })
    }

    fn programs(&self) -> Vec<ServerProgram> {
        match &self.exe[..] {
            [] => vec![ServerProgram::Apache],
            names => {
                let unique =
                    names.iter().enumerate().filter(|(at, name)| !names[..*at].contains(name));
                unique
                    .map(|(_, name)| ServerProgram::Named(name.as_encoded_bytes().to_vec()))
                    .collect()
            }
        }
    }

    fn depth(&self) -> Depth {
        if self.cheap { Depth::Cheap } else { Depth::Exact }
    }

    fn print(
        &self,
        seen: &[(ServerProgram, Survey)],
        users: &Users,
        is_first: bool,
    ) -> anyhow::Result<()> {
        self.deliver(|text, terminal| {
            let is_first = is_first || self.output.is_some();
            text.extend(self.render(seen, users, terminal, is_first)?);
            Ok(())
        })
    }

    /// Writes a text to where the user wants it.
    fn deliver(
        &self,
        write: impl FnOnce(&mut Vec<u8>, &Terminal) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let colour = self.common.format.colour();
        let mut text = Vec::new();
        let Some(path) = &self.output else {
            let mut output = Output::stdout(colour);
            write(&mut text, &output.terminal)?;
            output.write_all(&text)?;
            return Ok(output.finish()?);
        };
        write(&mut text, &Terminal::of_file(colour))?;
        output_file::write(path, &text)
    }

    fn render(
        &self,
        seen: &[(ServerProgram, Survey)],
        users: &Users,
        terminal: &Terminal,
        is_first: bool,
    ) -> anyhow::Result<Vec<u8>> {
        let mut text = Vec::new();
        let time = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .context("the clock is before 1970")?;
        let time = time.as_secs_f64();
        if self.openmetrics {
            let mut metrics = Metrics::default();
            // The absence of pools is reported only where it is certain.
            let known =
                seen.iter().filter(|(_, survey)| !survey.pools.is_empty() || survey.is_complete());
            known.for_each(|(program, survey)| metrics.add(program.label(), &survey.pools));
            metrics.write(&mut text);
            return Ok(text);
        }
        let pools: Vec<&Pool> = seen.iter().flat_map(|(_, survey)| &survey.pools).collect();
        match self.common.format.json() {
            Some(layout) => as_json(&mut text, &pools, layout, time, users),
            None => {
                let report = PoolReport { terminal, users, with_workers: self.workers };
                if self.interval.is_some() {
                    text.extend_from_slice(if is_first { b"" } else { b"\n" });
                    report.time(&mut text, time);
                }
                for (at, pool) in pools.iter().enumerate() {
                    text.extend_from_slice(if at == 0 { b"" } else { b"\n" });
                    report.pool(&mut text, pool);
                }
            }
        }
        Ok(text)
    }

    /// Reports what is missing from the answer.
    fn tell(
        &self,
        proc: &Proc,
        context: &Context,
        program: &ServerProgram,
        survey: &Survey,
    ) -> anyhow::Result<()> {
        for (pid, rejection) in &survey.rejected {
            tracing::info!(pid, "not a master: {}", rejection.why);
        }
        let unproved = survey.unproved();
        let tell = |what: String| message(&context.name, what);
        if survey.pools.is_empty() {
            let called = match survey.rejected.len() - unproved {
                0 => String::new(),
                1 => ": a process is called so and is none (-v says why)".to_owned(),
                count => format!(": {count} processes are called so and are none (-v says why)"),
            };
            let mut unexamined = survey.hidden.clone();
            unexamined.denied += unproved;
            let doubt = doubt(proc, &unexamined)?.map(|doubt| format!("; {doubt}"));
            tell(format!("{} is running{called}{}", program.nothing(), doubt.unwrap_or_default()));
            return Ok(());
        }
        let all = survey.pools.iter().flat_map(Pool::everybody).count();
        let unreadable =
            if self.cheap { 0 } else { survey.pools.iter().map(Pool::unreadable).sum::<usize>() };
        let unexamined = survey.pools.iter().map(|pool| pool.unexamined).sum::<usize>();
        match (unreadable, unexamined) {
            (0, 0) => {}
            (0, _) => tell(format!(
                "permission denied to examine the sockets of {unexamined} of {all} processes{}",
                advice()
            )),
            _ => tell(format!(
                "permission denied to read what {unreadable} of {all} processes share (pss, uss){}",
                advice()
            )),
        }
        if unproved > 0 {
            tell(format!(
                "called {} too: {}",
                String::from_utf8_lossy(program.name()),
                denied(unproved)
            ));
        }
        Ok(())
    }
}

fn as_json(text: &mut Vec<u8>, pools: &[&Pool], layout: Layout, time: f64, users: &Users) {
    text.extend_from_slice(layout.begin());
    for (at, pool) in pools.iter().enumerate() {
        text.extend_from_slice(if at == 0 { b"" } else { layout.between() });
        json::pool(text, pool, time, users);
    }
    text.extend_from_slice(layout.end(pools.len()));
}
