//! The output of `cron-graceful`: events as they happen, and lists of daemons and jobs, as text or
//! JSON, which is in `document.rs`. The words are in `words.rs`.

mod document;
pub mod job_lines;
pub mod job_metrics;
mod metrics;
mod start;
mod summary;
mod words;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant, SystemTime};

use super::json::Layout;
use super::message::{last_message, message};
use super::outlet;
use super::progress::Progress;
use super::report_writer::ReportWriter;
use super::text::escaped;
use super::{Output, human, put, shown};
use crate::control::{Interrupts, Observer, Target};
use crate::cron::{
    ActiveTimers, Daemon, DaemonProof, DaemonSelector, EndedJob, Event, EventSink, Holder, Job,
    JobOrigin, Missed, Plan, Rejected, ShutdownResult, StopMethod, Timer, Warning,
};
use crate::process::Pid;
use crate::users::Users;
use document::missed_json;
use words::{
    catching_up, deed, ending, held, how_it_ended, left_running, method, newcomer, no_job,
    origin_note, outcome, state_note, stop_later, timers_active, timers_started, timers_stopped,
    warning_text,
};

pub use super::progress::duration;
pub use document::{failure, held_already, released};
pub use summary::{of_failure, of_hold, of_release, without_pids};
pub use words::{
    NotIncluded, at_work, daemon_applets, daemon_names, held_since, no_daemon, not_a_daemon,
    reject_reason,
};

/// Time for earlier output to be written before a command begins to print.
const BEFORE_COMMAND: Duration = Duration::from_millis(500);

/// Time for a report to be read before the hold goes on in the background.
const BEFORE_BACKGROUND: Duration = Duration::from_secs(5);

/// The form and the extent of a report.
pub struct ReportOptions {
    /// The layout of JSON; `None` for text.
    pub layout: Option<Layout>,
    /// `true` if daemons that jobs have started are waited for.
    pub with_daemons: bool,
    /// `true` for lines that many machines have in common, in place of text.
    pub is_summary: bool,
    pub is_quiet: bool,
    /// `true` if the run goes on when nobody reads its output any more.
    pub is_detached: bool,
    /// The time at which the command must be finished.
    pub limit: Option<Instant>,
    /// Another run that is at work.
    pub other_run: Option<OtherRun>,
    /// The one who holds cron, for a list.
    pub holder: Option<Holder>,
    /// `true` if the hold goes on in the background, so that the report ends with its beginning.
    pub ends_when_held: bool,
}

/// Another run that is at work, as far as its lock file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherRun {
    pub pid: Option<Pid>,
    /// Who has ordered it.
    pub by: Option<String>,
    pub since: Option<SystemTime>,
    /// `true` if it is to hold cron.
    pub will_hold: bool,
}

/// The report of a run.
pub struct CronReport<'t> {
    name: &'t str,
    users: &'t Users,
    writer: ReportWriter<'t>,
    options: ReportOptions,
    progress: Progress,
    begin: Instant,
    /// The daemons that were started meanwhile.
    newcomers: Vec<Daemon>,
    /// The one who holds cron, if that is us.
    holder: Option<Holder>,
    /// The timers that were found or stopped.
    timers: Vec<Timer>,
    not_included: NotIncluded,
    /// `true` if timers are stopped that nobody will start again.
    has_left_timers: bool,
    /// The jobs that were waited for and have ended.
    ended: Vec<EndedJob>,
    /// For each daemon that runs on: its pid, and what was missed, as a member of JSON.
    missed: Vec<Vec<u8>>,
    /// The workers whose jobs were told of.
    workers: BTreeSet<Pid>,
    /// What went wrong, in the words of the messages.
    warnings: Vec<String>,
    /// The supervisors for which a daemon is left running.
    supervisors: BTreeSet<&'static str>,
}

impl<'t> CronReport<'t> {
    /// Makes an empty report. Messages begin with `name`.
    pub fn new(
        name: &'t str,
        users: &'t Users,
        interrupts: &'t Interrupts,
        output: Output,
        options: ReportOptions,
    ) -> CronReport<'t> {
        let progress = Progress::new(name, options.is_quiet || options.is_summary);
        CronReport {
            name,
            users,
            writer: ReportWriter::new(output, interrupts),
            options,
            progress,
            begin: Instant::now(),
            newcomers: Vec::new(),
            holder: None,
            timers: Vec::new(),
            not_included: NotIncluded::default(),
            has_left_timers: false,
            ended: Vec::new(),
            missed: Vec::new(),
            workers: BTreeSet::new(),
            warnings: Vec::new(),
            supervisors: BTreeSet::new(),
        }
    }

    /// Lists daemons and jobs, none of which was changed.
    pub fn list(&mut self, daemons: &[Daemon], jobs: &[Job]) {
        let mut text = Vec::new();
        match self.options.layout {
            Some(_) => self.list_json(&mut text, daemons, jobs),
            None if self.options.is_summary => {
                text.extend(self.summary_of_list(daemons, jobs).bytes())
            }
            None => {
                if let (Some(holder), []) = (&self.options.holder, daemons) {
                    put(&mut text, format_args!("cron is {}\n", held_since(holder)));
                }
                daemons.iter().for_each(|daemon| self.daemon_text(&mut text, daemon));
                let of_interest: Vec<&Job> =
                    jobs.iter().filter(|job| job.is_of_interest(jobs)).collect();
                self.job_lines(&mut text, &of_interest);
                if jobs.is_empty() {
                    text.extend_from_slice(no_job().as_bytes());
                    text.push(b'\n');
                }
            }
        }
        self.writer.write(&text);
    }

    /// Reports that no daemon runs, and the processes that have the name of one. Where a daemon is
    /// needed, this is an error.
    pub fn no_daemon(&mut self, wanted: &DaemonSelector, rejected: &[Rejected], is_needed: bool) {
        if is_needed && self.options.is_quiet {
            self.warn(&no_daemon(wanted));
        }
        self.line(no_daemon(wanted));
        for process in rejected {
            let why = reject_reason(process.why);
            self.line(format_args!("process {} is no daemon: {why}", process.pid));
        }
    }

    /// Warns that the process that the user named is no daemon.
    pub fn not_a_daemon(&mut self, pid: Pid, rejected: Option<&Rejected>) {
        self.warn(&not_a_daemon(pid, rejected));
    }

    /// Lists the timers that were found.
    pub fn active_timers(&mut self, found: &ActiveTimers) {
        self.add_timers(&found.timers);
        if !found.timers.is_empty() {
            self.line(timers_active(&found.timers));
        }
        for timer in &found.fixed {
            self.warn(&warning_text(&Warning::FixedTimer(&timer.unit)));
        }
        let silent = found.silent.iter();
        silent.for_each(|&uid| self.warn(&warning_text(&Warning::SilentManager(uid))));
    }

    /// Warns that timers are stopped, unless a run is at work that starts them again.
    pub fn timers_are_left(&mut self) {
        if self.options.other_run.is_none() {
            self.has_left_timers = true;
            self.line("timers are stopped by a run that was killed: --resume starts them");
        }
    }

    /// Notes timers that are stopped, each of them once: one may be started and stopped again.
    fn add_timers(&mut self, timers: &[Timer]) {
        for timer in timers {
            if !self.timers.iter().any(|known| known.is(timer)) {
                self.timers.push(timer.clone());
            }
        }
    }

    /// Tells what starts jobs beside cron and is not included.
    pub fn not_included(&mut self, not_included: NotIncluded) {
        self.not_included = not_included;
        // It is a member of the document too.
        if let Some(text) = self.not_included.text()
            && self.has_text()
            && !self.options.is_quiet
        {
            message(self.name, &text);
        }
    }

    /// Reports that no daemon is paused that could be continued.
    pub fn none_is_paused(&mut self) {
        self.line("no cron is paused");
    }

    /// Warns that nothing is done because there are several daemons, with a line for each. In JSON
    /// they come at the end.
    pub fn several(&mut self, daemons: &[Daemon]) {
        self.warn("there are several cron daemons: take one with --pid, or all with --all");
        for daemon in daemons {
            let mut text = Vec::new();
            self.daemon_text(&mut text, daemon);
            self.line(escaped(text.trim_ascii_end()));
        }
    }

    /// Writes what would be done, before the list of these jobs.
    pub fn rehearsal(
        &mut self,
        ways: &[(&Daemon, StopMethod)],
        command: &[OsString],
        jobs: &[Job],
    ) {
        for (daemon, way) in ways {
            let name = String::from_utf8_lossy(&daemon.name);
            if command.is_empty() && way.is_refusal() {
                let why = left_running(daemon, way);
                self.note_supervisor(way);
                self.line(&why);
                self.warnings.push(why);
                continue;
            }
            self.line(if daemon.is_stopped {
                format!("{name} ({}) is paused already", daemon.pid)
            } else {
                format!("would pause {name} ({})", daemon.pid)
            });
            if command.is_empty() {
                self.line(format_args!("would stop it by {}", stop_later(daemon, way)));
            }
        }
        if !command.is_empty() {
            let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
            self.line(format_args!("would run {} when no job runs any more", words.join(" ")));
        }
        if jobs.is_empty() {
            self.line(no_job());
        }
        let (awaited, others): (Vec<&Job>, Vec<&Job>) = jobs
            .iter()
            .filter(|job| job.is_of_interest(jobs))
            .partition(|job| job.is_awaited(self.options.with_daemons));
        self.jobs_under("would wait for:", &awaited);
        self.jobs_under("would not wait for:", &others);
    }

    /// Writes a heading with some jobs below it, if there are any.
    fn jobs_under(&mut self, heading: &str, jobs: &[&Job]) {
        if jobs.is_empty() {
            return;
        }
        self.line(heading);
        self.jobs_text(jobs);
    }

    /// Writes some jobs as lines of text. In JSON nothing is written.
    fn jobs_text(&mut self, jobs: &[&Job]) {
        if self.has_text() {
            let mut text = Vec::new();
            self.job_lines(&mut text, jobs);
            self.writer.write(&text);
        }
    }

    /// Appends a line for each of these jobs. Whatever its arguments are, it stays one line: a job
    /// must not forge lines of this report.
    fn job_lines(&self, text: &mut Vec<u8>, jobs: &[&Job]) {
        for job in jobs {
            one_line(text, |line| self.job_text(line, job));
        }
    }

    /// Writes one line, with all names escaped. In JSON nothing is written.
    fn line(&mut self, text: impl std::fmt::Display) {
        if self.has_text() && !self.options.is_quiet {
            self.progress.clear();
            self.writer.write(format!("{}\n", escaped(text.to_string().as_bytes())).as_bytes());
            self.writer.flush();
        }
    }

    /// Writes a warning, which is a member of the document too.
    fn warn(&mut self, text: &str) {
        self.warnings.push(text.to_owned());
        self.progress.clear();
        if self.options.is_summary {
            message(self.name, without_pids(text));
        } else {
            message(self.name, text);
        }
    }

    /// Keeps the supervisor for which a daemon is left running.
    fn note_supervisor(&mut self, way: &StopMethod) {
        if let StopMethod::Supervised(supervisor) = way {
            self.supervisors.insert(supervisor.name);
        }
    }

    /// Writes the result of a shutdown. Errors: some of the output could not be written. That nobody
    /// has read it in time is none: what was done counts, and is told on standard error.
    pub fn conclude(
        mut self,
        result: &ShutdownResult,
        plan: &Plan,
        daemons: &[Daemon],
    ) -> io::Result<()> {
        if let ShutdownResult::Interrupted(..) = result {
            // After a signal to end, no reader is waited for.
            self.options.limit = Some(Instant::now());
        }
        if let Some(text) = ending(result, plan, daemons) {
            if matches!(result, ShutdownResult::Held(_)) {
                // Whoever holds cron in the background has no other reader.
                tracing::info!(target: "proctool::control", "{text}");
            }
            let is_told = self.options.is_summary && !matches!(result, ShutdownResult::NotRun(_));
            if is_told {
                // The summary has it.
            } else if result.left().is_empty() {
                self.warn(&text);
            } else {
                // The jobs that are left matter also with --quiet.
                self.progress.clear();
                message(self.name, &text);
                self.warnings.push(text);
            }
        }
        let (name, more) = (self.name, self.more_about(result));
        match self.finish_with(outcome(result), more.as_deref(), daemons, result.left()) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                last_message(name, format_args!("{error}; the outcome is: {}", outcome(result)));
                Ok(())
            }
            Err(error) => {
                let text = format!("{error}; the outcome is: {}", outcome(result));
                Err(io::Error::new(error.kind(), text))
            }
            Ok(()) => Ok(()),
        }
    }

    /// Ends a rehearsal. Errors: some of the output could not be written.
    pub fn finish_rehearsal(mut self, daemons: &[Daemon], jobs: &[Job]) -> io::Result<()> {
        self.document("dry run", daemons, jobs);
        let more = self.by_supervisors().map(|by| format!(", supervised{by}"));
        self.summary("dry run", more.as_deref(), daemons, jobs);
        self.end()
    }

    /// Writes how the run ended, and the jobs that are left, also with --quiet. Errors: some of the
    /// output could not be written.
    pub fn finish(self, outcome: &str, daemons: &[Daemon], left: &[Job]) -> io::Result<()> {
        self.finish_with(outcome, None, daemons, left)
    }

    fn finish_with(
        mut self,
        outcome: &str,
        more: Option<&str>,
        daemons: &[Daemon],
        left: &[Job],
    ) -> io::Result<()> {
        self.document(outcome, daemons, left);
        self.summary(outcome, more, daemons, left);
        let of_interest: Vec<&Job> = left.iter().filter(|job| job.is_of_interest(left)).collect();
        self.jobs_text(&of_interest);
        self.failures();
        self.end()
    }

    /// Writes which of the awaited jobs have failed, as text.
    fn failures(&mut self) {
        if self.has_text() && !self.options.is_quiet {
            let mut text = Vec::new();
            let failed = self.ended.iter().filter(|ended| ended.has_failed());
            for ended in failed {
                one_line(&mut text, |line| self.ended_text(line, ended));
            }
            self.writer.write(&text);
        }
    }

    /// Ends the report. A signal ends us while this waits for a reader. Errors: some of the output
    /// could not be written.
    pub fn end(mut self) -> io::Result<()> {
        self.writer.flush();
        // The time that a command has taken does not count for readers.
        outlet::limit(self.options.limit);
        self.writer.finish()
    }

    fn daemon_text(&self, text: &mut Vec<u8>, daemon: &Daemon) {
        put(text, format_args!("{} ", daemon.pid));
        text.extend_from_slice(&shown(&daemon.name, self.writer.terminal()));
        if let Some(path) = &daemon.exe_path {
            text.extend_from_slice(b", ");
            text.extend_from_slice(&shown(path, self.writer.terminal()));
        }
        match &daemon.proof {
            DaemonProof::Lock(path) | DaemonProof::PidFile(path) => {
                text.extend_from_slice(b", ");
                text.extend_from_slice(&shown(path, self.writer.terminal()));
            }
            DaemonProof::Place | DaemonProof::Named => {}
        }
        if let Some(unit) = &daemon.unit {
            put(text, format_args!(", {unit}"));
        }
        if let (Some(holder), true) = (&self.options.holder, daemon.is_stopped) {
            return put(text, format_args!(", paused: {}\n", held_since(holder)));
        }
        match (&self.options.other_run, daemon.is_stopped) {
            (Some(run), true) => put(text, format_args!(", paused by {}\n", at_work(run))),
            (None, true) => text.extend_from_slice(b", paused: --resume lets it run on\n"),
            (_, false) => text.push(b'\n'),
        }
    }

    fn job_text(&self, text: &mut Vec<u8>, job: &Job) {
        let user = job.target.uid.map_or_else(|| "?".into(), |uid| self.users.user(uid));
        put(text, format_args!("{:>7} {user:<8} ", job.target.pid));
        human::clock(text, job.runtime());
        text.push(b' ');
        text.extend_from_slice(&shown(&job.command, self.writer.terminal()));
        let notes: Vec<&str> =
            [origin_note(job.origin), state_note(job.state)].into_iter().flatten().collect();
        if !notes.is_empty() {
            put(text, format_args!(" ({})", notes.join("; ")));
        }
        text.push(b'\n');
    }

    /// Writes how an awaited job has ended, as in `421 root tar: exit status 2 after 3 min`.
    fn ended_text(&self, text: &mut Vec<u8>, ended: &EndedJob) {
        let job = &ended.job;
        let user = job.target.uid.map_or_else(|| "?".into(), |uid| self.users.user(uid));
        put(text, format_args!("{} {user} ", job.target.pid));
        text.extend_from_slice(&shown(&job.command, self.writer.terminal()));
        put(text, format_args!(": {}", how_it_ended(ended)));
        if let Some(time) = ended.start.and_then(|start| ended.end.duration_since(start).ok()) {
            put(text, format_args!(" after {}", duration(time)));
        }
        text.push(b'\n');
    }

    fn event_text(&mut self, event: &Event<'_>) {
        let daemon_name = |daemon: &Daemon| format!("{} ({})", escaped(&daemon.name), daemon.pid);
        match event {
            Event::Paused(daemon) => {
                self.line(format_args!("{} is paused and starts no new jobs", daemon_name(daemon)))
            }
            Event::WasPaused(daemon) => {
                self.line(format_args!(
                    "{} was paused already: somebody left it like that",
                    daemon_name(daemon)
                ));
            }
            Event::Additions(path) => {
                self.line(format_args!("running {}", escaped(path.as_os_str().as_encoded_bytes())))
            }
            Event::Job(job, true) if job.is_awaited(self.options.with_daemons) => {
                self.job_line("waiting for", job)
            }
            Event::Job(job, true) => self.job_line("not waiting for", job),
            Event::Job(_, false) => {}
            Event::Terminating(job, true) => self.job_line("terminating", job),
            Event::Terminating(_, false) => {}
            Event::NotTerminated(job) => {
                self.job_line("not terminating, because it may be another's:", job);
            }
            Event::Ended(ended) if ended.is_terminated => {
                let mut line = b"terminated ".to_vec();
                self.ended_text(&mut line, ended);
                self.line(escaped(line.trim_ascii_end()));
            }
            // Failures are told of at the end.
            Event::Ended(_) => {}
            Event::TimersStopped(timers) => self.line(timers_stopped(timers)),
            Event::TimersStarted(timers) => self.line(timers_started(timers)),
            Event::Service(unit) => {
                self.line(format_args!("waiting for {unit}, which systemd is about to start"))
            }
            Event::Drained(time) => {
                self.line(format_args!("no cron job is running (after {})", duration(*time)))
            }
            Event::Held(holder, _) => self.line(format_args!("cron is {}", held(holder))),
            Event::Command(command) => {
                self.line(format_args!("running {}", escaped(command.as_encoded_bytes())));
                // The command prints to the same places.
                outlet::settle_within(BEFORE_COMMAND);
            }
            Event::Resumed(daemon) => self.line(format_args!("{} runs on", daemon_name(daemon))),
            Event::Missed(daemon, missed) => self.missed_text(daemon, missed),
            Event::HasEnded(daemon) => self.line(format_args!("{} has ended", daemon_name(daemon))),
            Event::Stopping(daemon, way) => {
                if matches!(way, StopMethod::Unit(_) | StopMethod::Signal { .. }) {
                    self.line(format_args!("stopping {} by {}", daemon_name(daemon), method(way)));
                }
            }
            Event::Stopped(daemon) => self.line(format_args!("{} is stopped", daemon_name(daemon))),
            // It is a message on standard error.
            Event::Newcomer(_) | Event::Warning(_) => {}
        }
    }

    /// Writes what a daemon does about the jobs that it has missed, and which of them are lost.
    fn missed_text(&mut self, daemon: &Daemon, missed: &Missed) {
        self.line(catching_up(daemon, missed));
        if !missed.lost.is_empty() {
            self.line("these jobs were due meanwhile and will not run:");
        }
        for job in &missed.lost {
            let mut line = Vec::new();
            human::date(&mut line, job.due.0.as_second() as f64, " ");
            if job.times > 1 {
                line.extend_from_slice(b" to ");
                human::date(&mut line, job.due.1.as_second() as f64, " ");
                put(&mut line, format_args!(", {} times", job.times));
            }
            put(&mut line, format_args!(": {} ", escaped(&job.entry.user)));
            line.extend_from_slice(&job.entry.command);
            self.line(format_args!("  {}", escaped(&line)));
        }
        for unread in &missed.unread {
            let file = unread.file.display();
            self.warn(&format!(
                "{file}: {}: whether jobs of it were due is not known",
                unread.reason
            ));
        }
    }

    fn job_line(&mut self, what: &str, job: &Job) {
        let mut text = format!("{what} ").into_bytes();
        let mut line = Vec::new();
        self.job_text(&mut line, job);
        text.extend_from_slice(line.trim_ascii());
        self.line(escaped(&text));
    }
}

impl EventSink for CronReport<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Some(what) = deed(&event) {
            // syslog receives this too where it receives what is done to processes.
            tracing::info!(target: "proctool::control", "{what}");
        }
        if let Event::Newcomer(daemon) = &event {
            self.newcomers.push((*daemon).clone());
            self.warn(&newcomer(daemon));
        }
        if let Event::Job(job, false) = &event
            && job.origin == JobOrigin::Worker
        {
            self.workers.insert(job.target.pid);
        }
        if let Event::TimersStopped(timers) = &event {
            self.add_timers(timers);
        }
        if let Event::Missed(daemon, missed) = &event {
            self.missed.push(missed_json(daemon, missed));
        }
        if let Event::Ended(ended) = &event {
            self.ended.push((*ended).clone());
        }
        if let Event::Warning(Warning::LeftRunning(_, way)) = &event {
            self.note_supervisor(way);
        }
        if let Event::Warning(warning) = &event {
            self.warn(&warning_text(warning));
        }
        match self.options.layout {
            Some(Layout::Lines) => self.event_json(&event),
            Some(Layout::Document) => {}
            None => self.event_text(&event),
        }
        if let Event::Held(holder, daemons) = event {
            self.holder = Some(holder.clone());
            self.summary_of_hold(holder);
            if std::mem::take(&mut self.options.ends_when_held) {
                self.document("held", daemons, &[]);
                self.failures();
                self.writer.flush();
                outlet::settle_within(BEFORE_BACKGROUND);
            }
        }
    }

    fn is_unheard(&self) -> bool {
        !self.options.is_detached && outlet::is_hung_up()
    }
}

impl Observer for CronReport<'_> {
    fn decided(&mut self, _: &Target) {}

    fn waiting(&mut self, targets: &[Target], _: Duration) -> Option<Instant> {
        let pid_and_name =
            |target: &Target| -> (Pid, Option<Vec<u8>>) { (target.pid, target.name.clone()) };
        // Workers of cron have their jobs beside them, and are no news.
        let is_worker = |target: &&Target| self.workers.contains(&target.pid);
        let left: Vec<_> = targets
            .iter()
            .filter(|target| target.outcome.is_none())
            .filter(|target| !is_worker(target))
            .map(pid_and_name)
            .collect();
        // The time of all waits together, because each is only a part.
        self.progress
            .show(left.iter().map(|(pid, name)| (*pid, name.as_deref())), self.begin.elapsed())
    }

    fn idle(&mut self) {}

    fn waited(&mut self) {
        self.progress.clear();
    }
}

/// Appends what `write` writes, which ends in a newline, as one escaped line.
fn one_line(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut line = Vec::new();
    write(&mut line);
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    text.extend_from_slice(escaped(line).as_bytes());
    text.push(b'\n');
}
