//! The end of each awaited job: its exit status or signal, in text and JSON.

use serde_json::Value;

use super::super::support::cron::{job, soon};
use super::super::support::namespace::kernel;
use super::mentions;
use crate::{cron_box, skip};

/// The first kernel that tells how a process ended that is no child of ours.
const TELLS: (u32, u32) = (6, 15);

/// Returns the record of the job with this command.
#[track_caller]
fn record<'d>(document: &'d Value, command: &str) -> &'d Value {
    let ended = document["ended"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    let mut found = ended.iter().filter(|job| job["command"] == command);
    let record = found.next().unwrap_or_else(|| panic!("no {command} in {document:#}"));
    assert!(found.next().is_none(), "{command} twice in {document:#}");
    record
}

#[test]
fn the_status_of_each_awaited_job_is_told() {
    if kernel() < TELLS {
        skip!("this kernel does not tell how a job has ended");
    }
    let place = cron_box!();
    let [good, bad] = [job("a"), format!("{}; exit 3", job("b"))];
    let killed = format!("{}; kill -KILL $$", job("c"));
    place.crontab(&[&good, &format!("nobody: {bad}"), &killed]);
    place.cron();
    for name in ["a", "b", "c"] {
        place.began(name);
    }
    let mut run = place.begin(&["--jsonl"]);
    // Only what is watched at its end tells how it has ended.
    let mut seen = 0;
    while seen < 3 {
        seen += usize::from(run.event("job")["job"]["why"] == "job");
    }
    ["a", "b", "c"].iter().for_each(|name| place.release(name));
    let outcome = run.finish().exits(0);
    let lines = outcome.text();
    let last = lines.lines().last().expect("a last line");
    let document: Value = serde_json::from_str(last).expect("parsing the document");
    let fields = |command: &str| {
        let record = record(&document, command);
        assert!(record["start"].as_str() < record["end"].as_str(), "{record:#}");
        assert!(record["id"].is_string() && record["terminated"] == false, "{record:#}");
        (record["user"].clone(), record["exit_status"].clone(), record["exit_signal"].clone())
    };
    assert_eq!(fields(&good), ("root".into(), 0.into(), Value::Null));
    assert_eq!(fields(&bad), ("nobody".into(), 3.into(), Value::Null));
    assert_eq!(fields(&killed), ("root".into(), Value::Null, "KILL".into()));
    assert_eq!(document["outcome"], "stopped");
}

#[test]
fn jobs_that_failed_are_told_of_at_the_end() {
    if kernel() < TELLS {
        skip!("this kernel does not tell how a job has ended");
    }
    let place = cron_box!();
    let bad = format!("{}; exit 3", job("b"));
    place.crontab(&[&job("a"), &bad]);
    let daemon = place.cron();
    let shell = place.seen(place.began("b")).expect("finding the job").parent;
    place.began("a");
    let run = place.begin_and_pause(&["--", "true"], daemon);
    place.release("a");
    place.release("b");
    let outcome = run.finish().exits(0);
    let expected = format!("{shell} root {bad}: exit status 3 after ");
    assert!(outcome.text().contains(&expected), "{}", outcome.report());
    assert!(!outcome.text().contains("exit status 0"), "{}", outcome.report());
}

#[test]
fn terminated_jobs_are_an_outcome_of_their_own() {
    if kernel() < TELLS {
        skip!("this kernel does not tell how a job has ended");
    }
    let place = cron_box!();
    let stubborn = format!("trap '' TERM; {}", job("b"));
    place.crontab(&[&job("a"), &stubborn]);
    let daemon = place.cron();
    place.began("a");
    place.began("b");
    let words = ["--timeout", "0.3", "--on-timeout", "terminate"];
    let outcome = place.graceful(&[&["--json"], &words[..]].concat()).exits(0);
    let document = outcome.json();
    assert_eq!(document["outcome"], "terminated");
    mentions(&outcome, &["timed out", "terminated"]);
    let (ended, killed) = (record(&document, &job("a")), record(&document, &stubborn));
    assert!(ended["terminated"] == true && ended["exit_signal"] == "TERM", "{ended:#}");
    assert!(killed["terminated"] == true && killed["exit_signal"] == "KILL", "{killed:#}");
    place.is_stopped(daemon);
}

#[test]
fn each_terminated_job_is_told_once() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron();
    place.began("a");
    let outcome = place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    let lines = outcome.lines();
    let count = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("terminating"), count("terminated")), (1, 1), "{}", outcome.report());
    place.is_stopped(daemon);
}

#[test]
fn a_cron_that_has_ended_in_the_window_is_not_said_to_run_on() {
    let place = cron_box!();
    for command in ["kill -KILL", "kill -TERM"] {
        let daemon = place.cron();
        let script = format!(
            "{command} {daemon}; kill -CONT {daemon}; \
             until ! grep -q '^State:.[RST]' /proc/{daemon}/status; do sleep 0.02; done"
        );
        let outcome = place.graceful(&["--", "sh", "-c", &script]).exits(0);
        let expected = format!("cron ({daemon}) has ended");
        assert!(outcome.text().contains(&expected), "{}", outcome.report());
        assert!(!outcome.text().contains("runs on"), "{}", outcome.report());
        soon("the end of cron", || !place.is_alive(daemon));
    }
}

/// The age of a job is that of the moment at which it is told.
#[test]
fn the_ages_of_jobs_grow() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let document = place.graceful(&["--json", "--timeout", "2.5"]).exits(124).json();
    let seconds = document["left"][0]["seconds"].as_f64().expect("finding an age");
    assert!(seconds >= 2.4, "{document:#}");
    place.still_runs(daemon);
}
