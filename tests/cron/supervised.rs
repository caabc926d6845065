//! Crons that cannot be stopped: the first process of a container, and the children of supervisors.

use super::super::support::cron::{CronBox, Seen, job, soon};
use super::{avoids, mentions};
use crate::cron_box;

/// Supervisors, by name, as programs that start cron again and again.
const RUNSV: (&str, &str) = ("runsv", "#!/bin/bash\nwhile :; do cron -f; done\n");
const SUPERVISORD: (&str, &str) = (
    "supervisord",
    "#!/usr/bin/python3\nimport subprocess\nwhile True:\n subprocess.run(['cron', '-f'])\n",
);
const S6: (&str, &str) = ("s6-supervise", "#!/bin/bash\nwhile :; do cron -f; done\n");
const SUPERVISE: (&str, &str) = ("supervise", "#!/bin/bash\nwhile :; do cron -f; done\n");

#[track_caller]
fn is_drained_and_left_to(supervisor: (&str, &str), needs: &[&str]) {
    let place = cron_box!(CronBox::needing(needs));
    let (name, script) = supervisor;
    place.program(name, script);
    place.crontab(&[&job("a")]);
    let daemon = place.cron_by(&format!("setsid {name} cron </dev/null >/dev/null 2>&1 &"));
    assert_eq!(place.name(place.seen(daemon).expect("finding cron").parent), name);
    place.began("a");
    let outcome = place.waits_for("a", &[], daemon).exits(1);
    assert!(
        outcome.errors().contains(name),
        "it does not name the supervisor\n{}",
        outcome.report()
    );
    place.still_runs(daemon);
    let result = place.graceful(&["--json"]).exits(1).json();
    assert_eq!(result["outcome"], "not stopped", "{result:#}");
    place.still_runs(daemon);
}

#[test]
fn a_cron_below_runsv_is_drained_and_not_killed() {
    is_drained_and_left_to(RUNSV, &[]);
}

#[test]
fn a_cron_below_s6_is_drained_and_not_killed() {
    is_drained_and_left_to(S6, &[]);
}

#[test]
fn a_cron_below_supervise_is_drained_and_not_killed() {
    is_drained_and_left_to(SUPERVISE, &[]);
}

#[test]
fn a_cron_below_supervisord_is_drained_and_not_killed() {
    is_drained_and_left_to(SUPERVISORD, &["python3"]);
}

#[test]
fn a_window_works_below_a_supervisor() {
    let place = cron_box!();
    place.program(RUNSV.0, RUNSV.1);
    let daemon = place.cron_by("setsid runsv cron </dev/null >/dev/null 2>&1 &");
    place.graceful(&["--", "sh", "-c", "exit 9"]).exits(9);
    place.still_runs(daemon);
}

/// Starts a container with cron as its first process, and a job.
fn container() -> Result<CronBox, String> {
    let jobs = format!("printf 'MAILTO=\"\"\\n@reboot root {}\\n' >/etc/cron.d/jobs", job("a"));
    CronBox::with_first_after(&jobs, "cron -f")
}

#[test]
fn a_cron_that_is_the_first_process_is_drained_and_not_said_to_be_stopped() {
    let place = cron_box!(container());
    place.began("a");
    let mut run = place.begin(&["--jsonl"]);
    run.event("job");
    place.finishes_after("a", run).exits(1);
    place.still_runs(1);
    let outcome = place.graceful(&[]).exits(1);
    mentions(&outcome, &["first process"]);
    avoids(&outcome, &["cron is stopped", "stopped cron"]);
    assert_eq!(place.graceful(&["--json"]).exits(1).json()["outcome"], "not stopped");
    place.still_runs(1);
}

#[test]
fn a_window_is_refused_where_cron_cannot_be_paused() {
    let place = cron_box!(container());
    place.began("a");
    place.release("a");
    soon("the end of the job", || place.ended("a"));
    // A job may start at any moment: the command must not run as if none could.
    let outcome = place.graceful(&["--", "touch", "/mnt/ran"]).exits(1);
    assert!(!place.has("ran") && !outcome.errors().is_empty(), "{}", outcome.report());
    place.still_runs(1);
}

#[test]
fn a_cron_that_the_first_process_starts_again_is_not_said_to_be_stopped() {
    let place = cron_box!(CronBox::with_first("bash -c 'while :; do cron -f; done'"));
    let daemon = place.locked();
    assert_eq!(place.seen(daemon).expect("finding cron").parent, 1);
    let outcome = place.graceful(&[]).exits(1);
    avoids(&outcome, &["cron is stopped", "stopped cron"]);
    place.settles();
    // The pid file would not do: the init script may have removed that of the new one.
    let is_new = |seen: &Seen| seen.name == "cron" && seen.parent == 1 && place.goes_on(seen.pid);
    soon("a cron that runs", || place.processes().iter().any(is_new));
    let outcome = place.graceful(&["--json"]).exits(1);
    assert_eq!(outcome.json()["outcome"], "not stopped", "{}", outcome.report());
}
