//! `cron-jobs` with real cron daemons: in a box of its own, where pidfds have to do, and in the
//! initial pid namespace, where the kernel tells of every process.

mod beginning;
mod by_events;
mod by_pidfds;
mod output;

use std::fs;

use serde_json::Value;

use super::support::command::Outcome;
use super::support::cron::CronBox;
use super::support::place::soon;
use super::support::running::Running;

/// A cron-jobs that runs in a box.
struct Follower {
    running: Running,
    /// Its pid in the box.
    pid: u32,
}

/// Starts cron-jobs in a box.
#[track_caller]
fn follow(place: &CronBox, words: &[&str]) -> Follower {
    follow_by(place, &[], words)
}

/// Starts cron-jobs in a box, through another command.
#[track_caller]
fn follow_by(place: &CronBox, before: &[&str], words: &[&str]) -> Follower {
    place.shell("ln -sf cron-graceful /mnt/bin/cron-jobs; rm -f /mnt/follower");
    let script = "echo $$ >/mnt/follower; exec \"$@\"";
    let limited = ["timeout", "--foreground", "-s", "KILL", "120", "sh", "-c", script, "sh"];
    let command = place.inside(&[&limited[..], before, &["cron-jobs"], words].concat());
    let running = Running::start(command);
    soon("the start of cron-jobs", || !place.read("follower").is_empty());
    let pid = place.read("follower").parse().expect("parsing a process id");
    Follower { running, pid }
}

/// Starts cron-jobs with --jsonl, and waits until it follows a daemon.
#[track_caller]
fn follow_json(place: &CronBox, words: &[&str]) -> Follower {
    let mut follower = follow(place, &[&["--jsonl"], words].concat());
    follower.event("following");
    follower
}

impl Follower {
    /// Waits for its next event of this kind.
    #[track_caller]
    fn event(&mut self, kind: &str) -> Value {
        loop {
            let event = parse(&self.running.line());
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Waits until it follows this daemon. It may have followed the process from which the daemon
    /// came, for the moment that this ran.
    #[track_caller]
    fn following(&mut self, daemon: u32) {
        while self.event("following")["pid"] != daemon {}
    }

    /// Waits for the end of the job with this command.
    #[track_caller]
    fn end_of(&mut self, command: &str) -> Value {
        loop {
            let event = self.event("ended");
            if event["command"] == command {
                return event;
            }
        }
    }

    /// Returns how many processes it watches, besides its signals.
    fn watches(&self, place: &CronBox) -> usize {
        let files = fs::read_dir(place.root(&format!("/proc/{}/fdinfo", self.pid)));
        let texts = files
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| fs::read_to_string(file.path()).ok());
        texts.map(|text| text.matches("tfd:").count()).sum::<usize>().saturating_sub(1)
    }

    /// Ends it by TERM, and returns what it printed since.
    #[track_caller]
    fn end(self, place: &CronBox) -> Outcome {
        place.kill("TERM", self.pid);
        self.running.finish().exits(143)
    }
}

/// Parses a line of JSON.
#[track_caller]
fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Returns how a job has ended: its exit status, or the name of the signal.
fn end(event: &Value) -> Value {
    let signal = &event["exit_signal"];
    if signal.is_null() { event["exit_status"].clone() } else { signal.clone() }
}
