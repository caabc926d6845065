//! `--timeout`: what happens to cron and to the jobs that are left.

use std::time::{Duration, Instant};

use super::super::support::cron::{CronBox, job, soon};
use super::{entry, mentions};
use crate::cron_box;

#[test]
fn a_timeout_lets_cron_run_on_and_lists_who_is_left() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    for options in [&["--timeout", "0.5"][..], &["--timeout=0.5", "--on-timeout=resume"]] {
        let before = Instant::now();
        let outcome = place.graceful(options).exits(124);
        let took = before.elapsed();
        assert!((Duration::from_millis(500)..Duration::from_secs(15)).contains(&took), "{took:?}");
        let job = place.seen(script).expect("finding the script").parent;
        mentions(&outcome, &[&job.to_string(), "sh /mnt/job a"]);
        assert!(outcome.errors().starts_with("cron-graceful: "), "{}", outcome.report());
        place.still_runs(daemon);
    }
    assert!(place.is_alive(script), "the job was hurt");
}

#[test]
fn a_job_that_ends_in_time_is_no_timeout() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    super::stops(&place, place.waits_for("a", &["--timeout", "30"], daemon), daemon);
}

#[test]
fn on_timeout_stop_stops_cron_with_its_jobs_running() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let outcome = place.graceful(&["--timeout", "0.3", "--on-timeout", "stop"]).exits(124);
    mentions(&outcome, &["sh /mnt/job a"]);
    place.settles();
    assert!(!place.is_alive(daemon), "cron still runs\n{}", outcome.report());
    assert!(place.goes_on(script), "the job was hurt\n{}", outcome.report());
    place.release("a");
    soon("the end of the job", || place.ended("a"));
}

#[test]
fn on_timeout_terminate_ends_the_jobs_and_then_stops_cron() {
    let place = cron_box!();
    place.crontab(&[&job("a"), &format!("nobody: {}", job("b"))]);
    let daemon = place.cron();
    let scripts = [place.began("a"), place.began("b")];
    let outcome = place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    scripts
        .iter()
        .for_each(|&script| assert!(!place.is_alive(script), "a job runs\n{}", outcome.report()));
    place.is_stopped(daemon);
    assert!(!place.ended("a") && !place.ended("b"));
}

#[test]
fn on_timeout_terminate_ends_stopped_jobs_too() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    place.kill("STOP", script);
    soon("a stopped job", || place.state(script) == 'T');
    place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    assert!(!place.is_alive(script));
    place.is_stopped(daemon);
}

#[test]
fn on_timeout_terminate_spares_the_daemons_of_jobs() {
    let place = cron_box!();
    place.crontab(&[&format!("(setsid {} &); {}", job("b"), job("a"))]);
    let daemon = place.cron();
    place.began("a");
    let behind = place.began("b");
    place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    assert!(place.is_alive(behind), "the daemon of a job was terminated");
    place.is_stopped(daemon);
}

#[test]
fn a_timeout_tells_who_is_left_in_json() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let outcome = place.graceful(&["--json", "--timeout", "0.3"]).exits(124);
    let result = outcome.json();
    assert_eq!(result["outcome"], "timed out", "{result:#}");
    let job = place.seen(script).expect("finding the script").parent;
    assert_eq!(entry(&result, "left", job)["command"], "sh /mnt/job a", "{result:#}");
    entry(&result, "left", script);
    place.still_runs(daemon);
}

#[test]
fn a_timeout_before_the_command_does_not_run_it() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    place.graceful(&["--timeout", "0.3", "--", "touch", "/mnt/ran"]).exits(124);
    assert!(!place.has("ran"), "the command has run beside a job");
    place.still_runs(daemon);
}

#[test]
fn a_timeout_of_ours_has_a_status_of_its_own_where_the_command_may_time_out_too() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let limit = ["--timeout", "0.3", "--timeout-status", "75"];
    place.graceful(&limit).exits(75);
    place.graceful(&[&limit[..], &["--", "true"]].concat()).exits(75);
    place.still_runs(daemon);
    place.release("a");
    place.graceful(&["--timeout-status", "75", "--", "sh", "-c", "exit 124"]).exits(124);
    place.graceful(&["--timeout-status", "0"]).exits(2);
    place.still_runs(daemon);
}

#[test]
fn a_timeout_does_not_limit_the_command() {
    let place = cron_box!();
    let daemon = place.cron();
    place.graceful(&["--timeout", "0.3", "--", "sh", "-c", "sleep 1; exit 7"]).exits(7);
    place.still_runs(daemon);
}

#[test]
fn a_bad_timeout_is_wrong_usage_and_touches_nothing() {
    let place = cron_box!();
    let daemon = place.cron();
    for options in [
        &["--timeout", "soon"][..],
        &["--on-timeout", "explode"],
        &["--timeout", "-1"],
        &["extra"],
        &["--"],
    ] {
        place.graceful(options).exits(2);
        place.still_runs(daemon);
    }
}

/// A worker of cron is no news beside its job.
#[test]
fn the_progress_on_a_terminal_counts_jobs_and_no_workers() {
    let place = cron_box!(CronBox::needing(&["script"]));
    let (daemon, _) = place.cron_with_job();
    place.exec("TERM=xterm script -qc 'cron-graceful --timeout 3' /mnt/typescript </dev/null");
    let text = std::fs::read(place.path("typescript")).expect("reading what the terminal got");
    let text = String::from_utf8_lossy(&text);
    let progress: Vec<&str> = text.lines().filter(|line| line.contains(" waiting for ")).collect();
    assert!(progress.iter().any(|line| line.contains("waiting for 1 process for")), "{text}");
    assert!(!progress.iter().any(|line| line.contains("(cron)")), "{text}");
    place.still_runs(daemon);
}

/// The output is a pipe that is full and that nobody reads. What was done is the status, and it is
/// told where it can be read.
#[test]
fn an_output_that_nobody_reads_does_not_change_the_status() {
    let unread = "python3 -I -S /mnt/bin/unread.py pipe sh -c 'exec cron-graceful --timeout 1.5 \
                  \"$@\" 2>/mnt/errors' sh";
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program("unread.py", include_str!("../support/stopped_output.py"));
    let (daemon, _) = place.cron_with_job();
    place.release("a");
    for (command, status, outcome) in
        [("-- sh -c 'exit 7'", 7, "ran"), ("--json -- true", 0, "ran"), ("", 0, "stopped")]
    {
        let result = place.exec(&format!("{unread} {command}"));
        let errors = std::fs::read_to_string(place.path("errors")).expect("reading the messages");
        assert_eq!(result.code(), status, "{command}: {errors}");
        assert!(errors.contains(&format!("the outcome is: {outcome}\n")), "{command}: {errors}");
        assert_eq!(place.is_alive(daemon), outcome == "ran", "{command}");
    }
}

/// A job of busybox's crond may send signals to it.
#[test]
fn a_job_that_continues_cron_again_and_again_is_told_of_and_terminated() {
    let place = cron_box!();
    place.program("continue", "while :; do kill -CONT $(cat /run/crond.pid); done\n");
    place.crontab(&["sh /mnt/bin/continue", "sh /mnt/bin/continue"]);
    let daemon = place.cron();
    soon("the jobs", || place.processes().iter().filter(|seen| seen.name == "sh").count() >= 2);
    let outcome = place.graceful(&["--timeout", "2"]).exits(124);
    mentions(&outcome, &["somebody has continued", "processes of jobs", "continue"]);
    let messages = outcome.errors().lines().count();
    assert!(messages < 20, "{}", outcome.report());
    place.still_runs(daemon);
    let terminate = ["--timeout", "2", "--on-timeout", "terminate"];
    let outcome = place.graceful(&terminate).exits(0);
    mentions(&outcome, &["the remaining jobs were terminated"]);
    place.is_stopped(daemon);
}

/// Only its output ties it to cron: any process may have such an output.
#[test]
fn a_job_that_is_not_terminated_is_told_of_with_the_reason() {
    let place = cron_box!();
    place.crontab(&["sh /mnt/job b &"]);
    let daemon = place.cron();
    let behind = place.began("b");
    soon("an orphan", || place.seen(behind).is_some_and(|seen| seen.parent == 1));
    soon("the end of the worker", || !place.processes().iter().any(|seen| seen.parent == daemon));
    let terminate = ["--timeout", "0.3", "--on-timeout", "terminate"];
    let outcome = place.graceful(&terminate).exits(124);
    mentions(&outcome, &["not terminating", &behind.to_string(), "its output still goes to cron"]);
    let outcome = place.graceful(&[&terminate[..], &["--json"]].concat()).exits(124);
    assert_eq!(entry(&outcome.json(), "left", behind)["certain"], false, "{}", outcome.report());
    assert!(place.goes_on(behind));
    place.still_runs(daemon);
}
