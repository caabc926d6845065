//! The JSON of `cron-graceful`: a document at the end, or a line for each event.

use std::os::unix::process::ExitStatusExt;
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::system::uname;

use super::super::json::{self, Layout};
use super::super::put;
use super::words::{
    NotIncluded, effect_name, event_name, held, method, origin_name, proof, signal_name,
    warning_text,
};
use super::{CronReport, OtherRun};
use crate::cron::{Daemon, EndedJob, Event, Holder, Job, Missed, Timer};
use crate::process::Pid;

/// The form of the documents. It changes when a member goes or gets another meaning.
const SCHEMA: u32 = 1;

impl CronReport<'_> {
    /// Appends the document of a list.
    pub(super) fn list_json(&self, text: &mut Vec<u8>, daemons: &[Daemon], jobs: &[Job]) {
        begin(text, Layout::Document);
        text.extend_from_slice(b"\"daemons\":");
        json::array(text, daemons.iter(), |json, daemon| self.daemon_json(json, daemon));
        text.extend_from_slice(b",\"jobs\":");
        json::array(text, jobs.iter(), |json, job| self.job_json(json, job));
        text.push(b',');
        holder_json(text, self.options.holder.as_ref());
        self.beside_json(text);
        text.push(b',');
        run_json(text, self.options.other_run.as_ref());
        put(text, format_args!(",\"timers_left\":{}", self.has_left_timers));
        text.extend_from_slice(b"}\n");
    }

    /// Writes the document, or the last line, in JSON. In text nothing is written.
    pub(super) fn document(&mut self, outcome: &str, daemons: &[Daemon], left: &[Job]) {
        if let Some(layout) = self.options.layout {
            let mut text = Vec::new();
            begin(&mut text, layout);
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
            text.push(b',');
            holder_json(&mut text, self.holder.as_ref());
            self.beside_json(&mut text);
            text.extend_from_slice(b",\"warnings\":");
            json::array(&mut text, self.warnings.iter(), |json, text| json::string(json, text));
            put(
                &mut text,
                format_args!(",\"seconds\":{:.3}}}\n", self.begin.elapsed().as_secs_f64()),
            );
            self.writer.write(&text);
        }
    }

    /// Writes the timers that were found or stopped, and what is not included.
    fn beside_json(&self, json: &mut Vec<u8>) {
        json.push(b',');
        timers_json(json, &self.timers);
        json.push(b',');
        not_included_json(json, &self.not_included);
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
        self.job_head(json, job);
        text_member(json, "name", job.name.as_deref());
        text_member(json, "command", Some(&job.command));
        put(json, format_args!(",\"seconds\":{:.2}", job.runtime()));
        text_member(json, "state", Some(&[job.state]));
        text_member(json, "why", Some(origin_name(job.origin).as_bytes()));
        put(json, format_args!(",\"awaited\":{}", job.is_awaited(self.options.with_daemons)));
        put(json, format_args!(",\"certain\":{}}}", job.is_certain));
    }

    fn ended_json(&self, json: &mut Vec<u8>, ended: &EndedJob) {
        let job = &ended.job;
        self.job_head(json, job);
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

    /// Writes an event as a line.
    pub(super) fn event_json(&mut self, event: &Event<'_>) {
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
            Event::Job(job, _) | Event::Terminating(job, _) | Event::NotTerminated(job) => {
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
            Event::Held(holder, _) => {
                json.push(b',');
                holder_json(&mut json, Some(holder));
            }
            Event::Command(command) => {
                text_member(&mut json, "command", Some(command.as_encoded_bytes()))
            }
            Event::TimersStopped(timers) | Event::TimersStarted(timers) => {
                json.push(b',');
                timers_json(&mut json, timers);
            }
            Event::Service(unit) => text_member(&mut json, "unit", Some(unit.as_bytes())),
            Event::Drained(_) => {}
            Event::Warning(warning) => {
                text_member(&mut json, "text", Some(warning_text(warning).as_bytes()))
            }
        }
        put(&mut json, format_args!(",\"seconds\":{:.3}}}\n", self.begin.elapsed().as_secs_f64()));
        self.writer.write(&json);
        self.writer.flush();
    }

    /// Begins an object with the members that every job has.
    fn job_head(&self, json: &mut Vec<u8>, job: &Job) {
        put(json, format_args!("{{\"pid\":{},", job.target.pid));
        let inode = job.target.reference.as_ref().and_then(|reference| reference.inode());
        id(json, job.target.pid, inode);
        let user = job.target.uid.map(|uid| self.users.user(uid));
        text_member(json, "user", user.as_ref().map(|user| user.as_bytes()));
    }
}

/// Begins a document, or the last line, with what each of them has: the form of it, and the name of
/// this machine, as many machines send theirs to one place.
fn begin(json: &mut Vec<u8>, layout: Layout) {
    json.push(b'{');
    if layout == Layout::Lines {
        json.extend_from_slice(b"\"event\":\"end\",");
    }
    put(json, format_args!("\"schema\":{SCHEMA}"));
    text_member(json, "host", Some(uname().nodename().to_bytes()));
    json.push(b',');
}

/// Returns the text or the document about a cron that was held already.
pub fn held_already(layout: Option<Layout>, holder: &Holder) -> String {
    about_holder(layout, "held", holder, format!("cron is {}\n", held(holder)))
}

/// Returns the text or the document about a cron that was held, and runs on.
pub fn released(layout: Option<Layout>, holder: &Holder) -> String {
    about_holder(layout, "released", holder, format!("cron runs on; it was {}\n", held(holder)))
}

fn about_holder(layout: Option<Layout>, outcome: &str, holder: &Holder, text: String) -> String {
    let Some(layout) = layout else { return text };
    let mut json = Vec::new();
    begin(&mut json, layout);
    json::key(&mut json, "outcome");
    json::string(&mut json, outcome);
    json.push(b',');
    holder_json(&mut json, Some(holder));
    json.extend_from_slice(b"}\n");
    String::from_utf8_lossy(&json).into_owned()
}

/// Returns who holds cron, as an object; null for nobody.
pub(super) fn holder_json(json: &mut Vec<u8>, holder: Option<&Holder>) {
    json::key(json, "held");
    let Some(holder) = holder else { return json.extend_from_slice(b"null") };
    put(json, format_args!("{{\"pid\":{}", holder.pid));
    text_member(json, "by", Some(holder.by.as_bytes()));
    json::member(json, "since", Some(holder.since), moment);
    json::member(json, "until", holder.until, moment);
    json.push(b',');
    json::key(json, "with");
    json::array(json, holder.with.names().iter(), |json, name| json::string(json, name));
    json.push(b'}');
}

/// Writes timers, with the user whose service manager has them, or null for that of the system.
pub(super) fn timers_json(json: &mut Vec<u8>, timers: &[Timer]) {
    json::key(json, "timers");
    json::array(json, timers.iter(), |json, timer| {
        json.push(b'{');
        json::key(json, "unit");
        json::string(json, &timer.unit);
        json::member(json, "uid", timer.manager.uid(), |json, uid| {
            put(json, format_args!("{uid}"))
        });
        json.push(b'}');
    });
}

/// Writes what starts jobs beside cron and is not included.
fn not_included_json(json: &mut Vec<u8>, not_included: &NotIncluded) {
    json::key(json, "not_included");
    put(json, format_args!("{{\"at_jobs\":{}", not_included.at_jobs));
    json::member(json, "timers", not_included.timers, |json, timers| {
        put(json, format_args!("{timers}"))
    });
    json.push(b'}');
}

/// Returns another run that is at work, as an object; null for none.
fn run_json(json: &mut Vec<u8>, run: Option<&OtherRun>) {
    json::key(json, "run");
    let Some(run) = run else { return json.extend_from_slice(b"null") };
    json.push(b'{');
    json::key(json, "pid");
    match run.pid {
        Some(pid) => put(json, format_args!("{pid}")),
        None => json.extend_from_slice(b"null"),
    }
    text_member(json, "by", run.by.as_ref().map(String::as_bytes));
    json::member(json, "since", run.since, moment);
    put(json, format_args!(",\"will_hold\":{}}}", run.will_hold));
}

/// Returns the document of a run that an error has ended before its report.
pub fn failure(layout: Layout, outcome: &str, reason: &str) -> String {
    let mut json = Vec::new();
    begin(&mut json, layout);
    json::key(&mut json, "outcome");
    json::string(&mut json, outcome);
    json::member(&mut json, "reason", Some(reason), json::string);
    json.extend_from_slice(
        b",\"daemons\":[],\"left\":[],\"missed\":[],\"ended\":[],\"held\":null,\
          \"warnings\":[]}\n",
    );
    String::from_utf8_lossy(&json).into_owned()
}

/// Returns what was missed while a daemon was paused, in JSON.
pub(super) fn missed_json(daemon: &Daemon, missed: &Missed) -> Vec<u8> {
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
pub(super) fn moment(json: &mut Vec<u8>, moment: SystemTime) {
    match Timestamp::try_from(moment) {
        Ok(timestamp) => json::string(json, &format!("{timestamp:.3}")),
        Err(_) => json.extend_from_slice(b"null"),
    }
}

/// Writes the identity of a process: pid and inode, or null where the inode is unknown.
pub(super) fn id(json: &mut Vec<u8>, pid: Pid, inode: Option<u64>) {
    json::key(json, "id");
    match inode {
        Some(inode) => json::string(json, &format!("{pid}:{inode}")),
        None => json.extend_from_slice(b"null"),
    }
}

pub(super) fn text_member(json: &mut Vec<u8>, name: &str, text: Option<&[u8]>) {
    json::member(json, name, text, json::bytes);
}
