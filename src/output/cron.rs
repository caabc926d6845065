//! The output of `cron-graceful`: events as they happen, and lists of daemons and jobs, as text or
//! JSON. The words are in `words.rs`.

mod words;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use super::json::{self, Layout};
use super::message::message;
use super::outlet;
use super::progress::Progress;
use super::report_writer::ReportWriter;
use super::text::escaped;
use super::{Output, human, put, shown};
use crate::control::{Interrupts, Observer, Target};
use crate::cron::{
    Daemon, DaemonProof, DaemonSelector, EndedJob, Event, EventSink, Job, JobOrigin, Missed, Plan,
    Rejected, ShutdownResult, StopMethod,
};
use crate::process::Pid;
use crate::users::Users;
use words::{
    catching_up, deed, effect_name, ending, event_name, how_it_ended, left_running, method,
    newcomer, origin_name, origin_note, outcome, proof, signal_name, state_note, stop_later,
    warning_text,
};

pub use super::progress::duration;
pub use words::{daemon_applets, daemon_names, no_daemon, reject_reason};

/// Time for earlier output to be written before a command begins to print.
const BEFORE_COMMAND: Duration = Duration::from_millis(500);

/// The form and the extent of a report.
pub struct ReportOptions {
    /// The layout of JSON; `None` for text.
    pub layout: Option<Layout>,
    /// `true` if daemons that jobs have started are waited for.
    pub with_daemons: bool,
    pub is_quiet: bool,
    /// `true` if the run goes on when nobody reads its output any more.
    pub is_detached: bool,
    /// The time at which the command must be finished.
    pub limit: Option<Instant>,
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
    /// The jobs that were waited for and have ended.
    ended: Vec<EndedJob>,
    /// For each daemon that runs on: its pid, and what was missed, as a member of JSON.
    missed: Vec<Vec<u8>>,
    /// The workers whose jobs were told of.
    workers: BTreeSet<Pid>,
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
        let progress = Progress::new(name, options.is_quiet);
        CronReport {
            name,
            users,
            writer: ReportWriter::new(output, interrupts),
            options,
            progress,
            begin: Instant::now(),
            newcomers: Vec::new(),
            ended: Vec::new(),
            missed: Vec::new(),
            workers: BTreeSet::new(),
        }
    }

    /// Lists daemons and jobs, none of which was changed.
    pub fn list(&mut self, daemons: &[Daemon], jobs: &[Job]) {
        let mut text = Vec::new();
        match self.options.layout {
            Some(_) => {
                text.extend_from_slice(b"{\"daemons\":");
                json::array(&mut text, daemons.iter(), |json, daemon| {
                    self.daemon_json(json, daemon)
                });
                text.extend_from_slice(b",\"jobs\":");
                json::array(&mut text, jobs.iter(), |json, job| self.job_json(json, job));
                text.extend_from_slice(b"}\n");
            }
            None => {
                daemons.iter().for_each(|daemon| self.daemon_text(&mut text, daemon));
                jobs.iter()
                    .filter(|job| job.is_of_interest(jobs))
                    .for_each(|job| self.job_text(&mut text, job));
                if jobs.is_empty() {
                    text.extend_from_slice(b"no cron job is running\n");
                }
            }
        }
        self.writer.write(&text);
    }

    /// Reports that no daemon runs, and the processes that have the name of one.
    pub fn no_daemon(&mut self, wanted: &DaemonSelector, rejected: &[Rejected]) {
        self.line(no_daemon(wanted));
        for process in rejected {
            let why = reject_reason(process.why);
            self.line(format_args!("process {} is none: {why}", process.pid));
        }
    }

    /// Warns that the process that the user named is no daemon.
    pub fn not_a_daemon(&mut self, pid: Pid, rejected: Option<&Rejected>) {
        let why = rejected.map_or("there is no such process", |process| reject_reason(process.why));
        self.warn(&format!("process {pid} is no cron daemon: {why}"));
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
                self.line(left_running(daemon, way));
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
            self.line("no cron job is running");
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
        if self.options.layout.is_none() {
            let mut text = Vec::new();
            jobs.iter().for_each(|job| self.job_text(&mut text, job));
            self.writer.write(&text);
        }
    }

    /// Writes one line, with all names escaped. In JSON nothing is written.
    fn line(&mut self, text: impl std::fmt::Display) {
        if self.options.layout.is_none() && !self.options.is_quiet {
            self.progress.clear();
            self.writer.write(format!("{}\n", escaped(text.to_string().as_bytes())).as_bytes());
            self.writer.flush();
        }
    }

    /// Writes a warning.
    fn warn(&mut self, text: &str) {
        if !self.options.is_quiet {
            self.progress.clear();
            message(self.name, text);
        }
    }

    /// Writes the result of a shutdown. Errors: some of the output could not be written.
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
        if let Some(text) = ending(result, plan) {
            if result.left().is_empty() {
                self.warn(&text);
            } else {
                // The jobs that are left matter also with --quiet.
                self.progress.clear();
                message(self.name, &text);
            }
        }
        self.finish(outcome(result), daemons, result.left())
    }

    /// Ends a rehearsal. Errors: some of the output could not be written.
    pub fn finish_rehearsal(mut self, daemons: &[Daemon], jobs: &[Job]) -> io::Result<()> {
        self.document("dry run", daemons, jobs);
        self.end()
    }

    /// Writes how the run ended, and the jobs that are left, also with --quiet. Errors: some of the
    /// output could not be written.
    pub fn finish(mut self, outcome: &str, daemons: &[Daemon], left: &[Job]) -> io::Result<()> {
        self.document(outcome, daemons, left);
        let of_interest: Vec<&Job> = left.iter().filter(|job| job.is_of_interest(left)).collect();
        self.jobs_text(&of_interest);
        if self.options.layout.is_none() && !self.options.is_quiet {
            let mut text = Vec::new();
            let failed = self.ended.iter().filter(|ended| ended.has_failed());
            failed.for_each(|ended| self.ended_text(&mut text, ended));
            self.writer.write(&text);
        }
        self.end()
    }

    /// Writes the document, or the last line, in JSON. In text nothing is written.
    fn document(&mut self, outcome: &str, daemons: &[Daemon], left: &[Job]) {
        if self.options.layout.is_some() {
            let mut text = Vec::new();
            put(&mut text, format_args!("{{"));
            if self.options.layout == Some(Layout::Lines) {
                put(&mut text, format_args!("\"event\":\"end\","));
            }
            json::key(&mut text, "outcome");
            json::string(&mut text, outcome);
            text.extend_from_slice(b",\"daemons\":");
            json::array(&mut text, daemons.iter().chain(&self.newcomers), |json, daemon| {
                self.daemon_json(json, daemon)
            });
            text.extend_from_slice(b",\"left\":");
            json::array(&mut text, left.iter(), |json, job| self.job_json(json, job));
            text.extend_from_slice(b",\"missed\":");
            json::array(&mut text, self.missed.iter(), |json, missed| {
                json.extend_from_slice(missed)
            });
            text.extend_from_slice(b",\"ended\":");
            json::array(&mut text, self.ended.iter(), |json, ended| self.ended_json(json, ended));
            put(
                &mut text,
                format_args!(",\"seconds\":{:.3}}}\n", self.begin.elapsed().as_secs_f64()),
            );
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
        text.extend_from_slice(if daemon.is_stopped {
            b", paused: --resume lets it run on\n"
        } else {
            b"\n"
        });
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

    fn daemon_json(&self, json: &mut Vec<u8>, daemon: &Daemon) {
        put(json, format_args!("{{\"pid\":{},", daemon.pid));
        id(json, daemon.pid, daemon.reference.inode());
        text_member(json, "name", Some(&daemon.name));
        text_member(json, "exe_path", daemon.exe_path.as_deref());
        text_member(json, "evidence", Some(proof(&daemon.proof).as_bytes()));
        text_member(json, "unit", daemon.unit.as_ref().map(String::as_bytes));
        put(json, format_args!(",\"stopped\":{}}}", daemon.is_stopped));
    }

    fn job_json(&self, json: &mut Vec<u8>, job: &Job) {
        put(json, format_args!("{{\"pid\":{},", job.target.pid));
        id(
            json,
            job.target.pid,
            job.target.reference.as_ref().and_then(|reference| reference.inode()),
        );
        let user = job.target.uid.map(|uid| self.users.user(uid));
        text_member(json, "user", user.as_ref().map(|user| user.as_bytes()));
        text_member(json, "name", job.name.as_deref());
        text_member(json, "command", Some(&job.command));
        put(json, format_args!(",\"seconds\":{:.2}", job.runtime()));
        text_member(json, "state", Some(&[job.state]));
        text_member(json, "why", Some(origin_name(job.origin).as_bytes()));
        put(json, format_args!(",\"awaited\":{}}}", job.is_awaited(self.options.with_daemons)));
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

    fn ended_json(&self, json: &mut Vec<u8>, ended: &EndedJob) {
        let job = &ended.job;
        put(json, format_args!("{{\"pid\":{},", job.target.pid));
        let inode = job.target.reference.as_ref().and_then(|reference| reference.inode());
        id(json, job.target.pid, inode);
        let user = job.target.uid.map(|uid| self.users.user(uid));
        text_member(json, "user", user.as_ref().map(|user| user.as_bytes()));
        text_member(json, "command", Some(&job.command));
        json::member(json, "start", ended.start, moment);
        json::member(json, "end", Some(ended.end), moment);
        let code = ended.status.and_then(|status| status.code());
        json::member(json, "exit_status", code, |json, code| put(json, format_args!("{code}")));
        let signal = ended.status.and_then(|status| status.signal());
        json::member(json, "exit_signal", signal, |json, number| {
            json::string(json, &signal_name(number));
        });
        put(json, format_args!(",\"terminated\":{}}}", ended.is_terminated));
    }

    fn event_json(&mut self, event: &Event<'_>) {
        let mut json = Vec::new();
        put(&mut json, format_args!("{{\"event\":\"{}\"", event_name(event)));
        match event {
            Event::Paused(daemon)
            | Event::WasPaused(daemon)
            | Event::Newcomer(daemon)
            | Event::Resumed(daemon)
            | Event::HasEnded(daemon)
            | Event::Stopped(daemon) => {
                json.extend_from_slice(b",\"daemon\":");
                self.daemon_json(&mut json, daemon);
            }
            Event::Stopping(daemon, way) => {
                json.extend_from_slice(b",\"daemon\":");
                self.daemon_json(&mut json, daemon);
                text_member(&mut json, "by", Some(method(way).as_bytes()));
            }
            Event::Job(job, _) | Event::Terminating(job, _) => {
                json.extend_from_slice(b",\"job\":");
                self.job_json(&mut json, job);
            }
            Event::Ended(ended) => {
                json.extend_from_slice(b",\"job\":");
                self.ended_json(&mut json, ended);
            }
            Event::Missed(daemon, missed) => {
                json.extend_from_slice(b",\"missed\":");
                json.extend_from_slice(&missed_json(daemon, missed));
            }
            Event::Additions(path) => {
                text_member(&mut json, "path", Some(path.as_os_str().as_encoded_bytes()))
            }
            Event::Command(command) => {
                text_member(&mut json, "command", Some(command.as_encoded_bytes()))
            }
            Event::Drained(_) => {}
            Event::Warning(warning) => {
                text_member(&mut json, "text", Some(warning_text(warning).as_bytes()))
            }
        }
        put(&mut json, format_args!(",\"seconds\":{:.3}}}\n", self.begin.elapsed().as_secs_f64()));
        self.writer.write(&json);
        self.writer.flush();
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
            Event::Ended(ended) if ended.is_terminated => {
                let mut line = b"terminated ".to_vec();
                self.ended_text(&mut line, ended);
                self.line(escaped(line.trim_ascii_end()));
            }
            // Failures are told of at the end.
            Event::Ended(_) => {}
            Event::Drained(time) => {
                self.line(format_args!("no cron job is running (after {})", duration(*time)))
            }
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
                "{file} cannot be read: {}: its jobs may be lost too",
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
        if let Event::Missed(daemon, missed) = &event {
            self.missed.push(missed_json(daemon, missed));
        }
        if let Event::Ended(ended) = &event {
            self.ended.push((*ended).clone());
        }
        if let Event::Warning(warning) = &event {
            self.warn(&warning_text(warning));
        }
        match self.options.layout {
            Some(Layout::Lines) => self.event_json(&event),
            Some(Layout::Document) => {}
            None => self.event_text(&event),
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

/// Returns the document of a run that an error has ended before its report.
pub fn failure(layout: Layout, outcome: &str, reason: &str) -> String {
    let mut json = b"{".to_vec();
    if layout == Layout::Lines {
        json.extend_from_slice(b"\"event\":\"end\",");
    }
    json::key(&mut json, "outcome");
    json::string(&mut json, outcome);
    json::member(&mut json, "reason", Some(reason), json::string);
    json.extend_from_slice(b",\"daemons\":[],\"left\":[],\"missed\":[],\"ended\":[]}\n");
    String::from_utf8_lossy(&json).into_owned()
}

/// Returns what was missed while a daemon was paused, in JSON.
fn missed_json(daemon: &Daemon, missed: &Missed) -> Vec<u8> {
    let mut json = format!("{{\"pid\":{}", daemon.pid).into_bytes();
    put(&mut json, format_args!(",\"seconds\":{:.3}", missed.length.as_secs_f64()));
    text_member(&mut json, "catches_up", Some(effect_name(missed.effect).as_bytes()));
    json.extend_from_slice(b",\"lost\":");
    json::array(&mut json, missed.lost.iter(), |json, job| {
        put(json, format_args!("{{\"due\":\"{}\",\"last_due\":\"{}\"", job.due.0, job.due.1));
        put(json, format_args!(",\"times\":{}", job.times));
        text_member(json, "user", Some(&job.entry.user));
        text_member(json, "command", Some(&job.entry.command));
        text_member(json, "crontab", Some(job.entry.file.as_os_str().as_encoded_bytes()));
        json.push(b'}');
    });
    json.extend_from_slice(b",\"unread\":");
    json::array(&mut json, missed.unread.iter(), |json, unread| {
        json.push(b'{');
        json::key(json, "crontab");
        json::bytes(json, unread.file.as_os_str().as_encoded_bytes());
        text_member(json, "reason", Some(unread.reason.as_bytes()));
        json.push(b'}');
    });
    json.push(b'}');
    json
}

/// Writes a moment as RFC 3339 has it, in UTC.
fn moment(json: &mut Vec<u8>, moment: SystemTime) {
    match Timestamp::try_from(moment) {
        Ok(timestamp) => json::string(json, &format!("{timestamp:.3}")),
        Err(_) => json.extend_from_slice(b"null"),
    }
}

/// Writes the identity of a process: pid and inode, or null where the inode is unknown.
fn id(json: &mut Vec<u8>, pid: Pid, inode: Option<u64>) {
    json::key(json, "id");
    match inode {
        Some(inode) => json::string(json, &format!("{pid}:{inode}")),
        None => json.extend_from_slice(b"null"),
    }
}

fn text_member(json: &mut Vec<u8>, name: &str, text: Option<&[u8]>) {
    json::member(json, name, text, json::bytes);
}
