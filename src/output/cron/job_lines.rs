//! The output of `cron-jobs`: a line for each thing that happens to a job, as text or JSON.

use std::os::unix::process::ExitStatusExt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::{human, json, put};
use super::document::{id, moment, text_member};
use super::words::signal_name;
use crate::control::ExitStatus;
use crate::cron::{CrontabLine, Daemon, FollowedJob, JobEnd, JobEvent, Way};
use crate::output::text::escaped;
use crate::process::Pid;
use crate::users::Users;

/// Returns the line of text about a job; `None` for an event that is told by a message instead.
pub fn text(event: &JobEvent, users: &Users) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    match event {
        JobEvent::Running(job) => begin(&mut line, job.start(), job, "running", users),
        JobEvent::Started(job) => begin(&mut line, job.start(), job, "started", users),
        JobEvent::Ended(job, end) => {
            begin(&mut line, end.time(), job, "ended", users);
            put(&mut line, format_args!(" {} after ", how(end.status)));
            human::long_duration(&mut line, end.runtime(job).as_secs_f64());
            if let Some(peak) = job.peak_rss {
                line.extend_from_slice(b", ");
                human::size(&mut line, peak);
            }
        }
        JobEvent::Following(..)
        | JobEvent::DaemonEnded(_)
        | JobEvent::NoDaemon
        | JobEvent::Unseen { .. }
        | JobEvent::Lost => return None,
    }
    let (JobEvent::Running(job) | JobEvent::Started(job) | JobEvent::Ended(job, _)) = event else {
        return None;
    };
    // A line is one event, whatever a job has among its arguments. What comes before the command is
    // not of the job's choice, and has no colon followed by a blank.
    let command = job.command.as_deref().map_or_else(|| "?".to_owned(), escaped);
    put(&mut line, format_args!(": {command}\n"));
    Some(line)
}

/// Begins a line with the time, the user, the event, the pid and the line of the crontab.
fn begin(line: &mut Vec<u8>, time: SystemTime, job: &FollowedJob, event: &str, users: &Users) {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    human::date(line, seconds, " ");
    let user = job.uid.map(|uid| users.user(uid));
    let user = user.as_deref().map_or_else(|| "?".to_owned(), |user| escaped(user.as_bytes()));
    put(line, format_args!(" {user} {event} {}", job.pid));
    if let Some(CrontabLine { file, line: number }) = &job.line {
        let file = escaped(file.as_os_str().as_encoded_bytes());
        put(line, format_args!(" ({file}:{number})"));
    }
}

/// Returns how a job has ended, in words.
fn how(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("exit {code}"),
        Some((None, Some(number))) => format!("signal {}", signal_name(number)),
        Some((None, None)) | None => "status unknown".to_owned(),
    }
}

/// Returns the message about an event that is no line of text.
pub fn note(event: &JobEvent) -> Option<String> {
    let process =
        |daemon: &Daemon| format!("{} ({})", String::from_utf8_lossy(&daemon.name), daemon.pid);
    match event {
        JobEvent::Following(daemon, way) => {
            Some(format!("following {} by {}", process(daemon), name_of(*way)))
        }
        JobEvent::DaemonEnded(daemon) => Some(format!("{} has ended", process(daemon))),
        JobEvent::NoDaemon => Some("no cron daemon is running: waiting for one".to_owned()),
        JobEvent::Unseen { worker, daemon } => {
            let mut time = Vec::new();
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            human::date(&mut time, seconds.as_secs_f64(), " ");
            let (time, daemon) = (String::from_utf8_lossy(&time), process(daemon));
            Some(format!("{time} a job of {daemon}, worker {worker}, was too short to be seen"))
        }
        JobEvent::Lost => Some(
            "the kernel had too many events and has discarded some: jobs may have started and \
             ended unseen"
                .to_owned(),
        ),
        JobEvent::Running(_) | JobEvent::Started(_) | JobEvent::Ended(..) => None,
    }
}

/// Returns an event as a line of JSON.
pub fn object(event: &JobEvent, users: &Users) -> Vec<u8> {
    let (name, time) = match event {
        JobEvent::Following(..) => ("following", SystemTime::now()),
        JobEvent::DaemonEnded(_) => ("daemon ended", SystemTime::now()),
        JobEvent::NoDaemon => ("no daemon", SystemTime::now()),
        JobEvent::Unseen { .. } => ("unseen", SystemTime::now()),
        JobEvent::Lost => ("lost", SystemTime::now()),
        JobEvent::Running(_) => ("running", SystemTime::now()),
        JobEvent::Started(job) => ("started", job.start()),
        JobEvent::Ended(_, end) => ("ended", end.time()),
    };
    let mut json = format!("{{\"event\":\"{name}\"").into_bytes();
    json::member(&mut json, "time", Some(time), moment);
    match event {
        JobEvent::Following(daemon, way) => {
            daemon_members(&mut json, daemon);
            text_member(&mut json, "by", Some(name_of(*way).as_bytes()));
        }
        JobEvent::DaemonEnded(daemon) => daemon_members(&mut json, daemon),
        JobEvent::NoDaemon | JobEvent::Lost => {}
        JobEvent::Unseen { worker, daemon } => {
            put(&mut json, format_args!(",\"worker\":{worker},\"daemon\":{}", daemon.pid));
        }
        JobEvent::Running(job) | JobEvent::Started(job) => job_members(&mut json, job, users),
        JobEvent::Ended(job, end) => {
            job_members(&mut json, job, users);
            end_members(&mut json, job, end);
        }
    }
    json.extend_from_slice(b"}\n");
    json
}

/// Returns the name of a way to follow daemons.
fn name_of(way: Way) -> &'static str {
    match way {
        Way::Events => "process events",
        Way::Looks => "looks",
    }
}

/// Appends the members of a daemon.
fn daemon_members(json: &mut Vec<u8>, daemon: &Daemon) {
    json.push(b',');
    pid(json, daemon.pid, daemon.reference.inode());
    text_member(json, "name", Some(&daemon.name));
}

fn pid(json: &mut Vec<u8>, pid: Pid, inode: Option<u64>) {
    put(json, format_args!("\"pid\":{pid},"));
    id(json, pid, inode);
}

/// Appends the members that every event of a job has.
fn job_members(json: &mut Vec<u8>, job: &FollowedJob, users: &Users) {
    json.push(b',');
    pid(json, job.pid, job.inode());
    put(json, format_args!(",\"daemon\":{}", job.daemon));
    json::member(json, "worker", job.worker, |json, worker| put(json, format_args!("{worker}")));
    let user = job.uid.map(|uid| users.user(uid));
    text_member(json, "user", user.as_ref().map(|user| user.as_bytes()));
    text_member(json, "command", job.command.as_deref());
    json::member(json, "crontab", job.line.as_ref(), |json, at| {
        json.extend_from_slice(b"{\"file\":");
        json::bytes(json, at.file.as_os_str().as_encoded_bytes());
        put(json, format_args!(",\"line\":{}}}", at.line));
    });
    json::member(json, "start", Some(job.start()), moment);
}

/// Appends the members of the end of a job.
fn end_members(json: &mut Vec<u8>, job: &FollowedJob, end: &JobEnd) {
    put(json, format_args!(",\"seconds\":{:.3}", end.runtime(job).as_secs_f64()));
    let code = end.status.and_then(|status| status.code());
    json::member(json, "exit_status", code, |json, code| put(json, format_args!("{code}")));
    let signal = end.status.and_then(|status| status.signal());
    json::member(json, "exit_signal", signal, |json, number| {
        json::string(json, &signal_name(number));
    });
    json::member(json, "peak_rss", job.peak_rss, |json, peak| put(json, format_args!("{peak}")));
}
