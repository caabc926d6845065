//! Stopping cron: what is waited for before, how fast it is then, and that nothing runs afterwards.

use std::time::{Duration, Instant};

use super::super::support::cron::{CronBox, Seen, job, soon};
use super::{FAST, let_pass, mentions, stops};
use crate::cron_box;

#[test]
fn cron_without_a_job_is_stopped_at_once() {
    let place = cron_box!();
    let daemon = place.cron();
    let before = Instant::now();
    let outcome = place.graceful(&[]);
    // `service cron stop` takes 5 seconds on a paused daemon.
    assert!(
        before.elapsed() < Duration::from_secs(3),
        "{:?}\n{}",
        before.elapsed(),
        outcome.report()
    );
    let outcome = stops(&place, outcome, daemon);
    mentions(&outcome, &["cron", &daemon.to_string()]);
}

#[test]
fn the_init_script_removes_what_cron_leaves() {
    let place = cron_box!();
    // Every time: it must not depend on how fast the daemon is reaped.
    for round in 0..8 {
        let daemon = place.cron();
        let outcome = stops(&place, place.graceful(&[]), daemon);
        assert!(
            !place.root("/run/crond.pid").exists(),
            "round {round}: the pid file is there\n{}",
            outcome.report()
        );
    }
}

#[test]
fn the_applet_by_its_name_does_the_same_as_the_link() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    place.shell("ln -s cron-graceful /mnt/bin/proctool");
    let run = place.begin_by(&["proctool"], &[]);
    place.await_pause(&run, daemon);
    place.release("a");
    stops(&place, run.finish(), daemon);
}

#[test]
fn a_running_job_comes_to_its_end_before_cron_is_stopped() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let outcome = stops(&place, place.waits_for("a", &[], daemon), daemon);
    mentions(&outcome, &["sh /mnt/job a"]);
}

#[test]
fn stopping_after_the_last_job_takes_no_time() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    place.release("a");
    soon("the end of the job", || place.ended("a"));
    let ended = Instant::now();
    let outcome = run.finish();
    assert!(
        ended.elapsed() < Duration::from_secs(15),
        "{:?}\n{}",
        ended.elapsed(),
        outcome.report()
    );
    stops(&place, outcome, daemon);
}

#[test]
fn all_of_many_jobs_of_several_users_are_waited_for() {
    let place = cron_box!();
    let names: Vec<String> = (0..12).map(|number| format!("j{number}")).collect();
    let user = |number: usize| ["root", "nobody", "daemon"][number % 3];
    let jobs: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(number, name)| format!("{}: {}", user(number), job(name)))
        .collect();
    place.crontab(&jobs.iter().map(String::as_str).collect::<Vec<_>>());
    let daemon = place.cron();
    names.iter().for_each(|name| assert!(place.began(name) > 0));
    let run = place.begin_and_pause(&[], daemon);
    names.iter().rev().for_each(|name| place.release(name));
    let outcome = run.finish();
    let late: Vec<&String> = names.iter().filter(|name| !place.ended(name)).collect();
    assert!(late.is_empty(), "not ended: {late:?}\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

#[test]
fn no_job_starts_while_cron_is_drained_and_stopped_although_many_are_due() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    let due = "* * * * * root echo >>/mnt/due";
    place.raw_crontab(&format!("MAILTO=\"\"\n@reboot root {}\n{due}\n", job("a")));
    let daemon = place.cron_by(FAST);
    place.began("a");
    soon("a job every minute", || lines(&place) > 0);
    let run = place.begin_and_pause(&[], daemon);
    let paused = Instant::now();
    let is_at_work = |seen: &Seen| seen.parent == daemon && place.is_alive(seen.pid);
    // Jobs that were due before the pause still run to their end.
    soon("one job only", || place.processes().into_iter().filter(is_at_work).count() == 1);
    let so_far = lines(&place);
    place.release("a");
    let outcome = run.finish();
    stops(&place, outcome, daemon);
    let_pass(paused, Duration::from_millis(2500));
    assert_eq!(lines(&place), so_far, "a job has started after cron was paused");
}

fn lines(place: &CronBox) -> usize {
    std::fs::read_to_string(place.path("due")).unwrap_or_default().len()
}

#[test]
fn the_daemon_is_stopped_before_anything_else_is_looked_at() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let mut run = place.begin(&["--jsonl"]);
    let paused = run.event("paused");
    assert_eq!(place.state(daemon), 'T', "{paused}");
    run.event("job");
    place.release("a");
    run.event("drained");
    assert!(place.ended("a"), "drained before the end of the job");
    run.event("stopped");
    let outcome = stops(&place, run.finish(), daemon);
    for line in outcome.lines() {
        let event: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["event"].is_string(), "{event}");
    }
}

#[test]
fn a_daemon_that_an_earlier_run_left_stopped_is_taken_all_the_same() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    place.kill("STOP", daemon);
    soon("a stopped daemon", || place.state(daemon) == 'T');
    assert_eq!(place.list()["daemons"][0]["stopped"], true);
    let run = place.begin(&[]);
    place.finishes_after("a", run).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn without_a_service_command_cron_is_stopped_all_the_same() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_by(&["env", "PATH=/mnt/bin:/usr/bin:/bin"], &[]);
    place.await_pause(&run, daemon);
    place.finishes_after("a", run).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn a_service_command_that_fails_or_does_nothing_does_not_leave_cron_running() {
    for script in ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexit 0\n", "not a program"] {
        let place = cron_box!();
        let daemon = place.cron();
        place.program("service", script);
        place.program("/usr/sbin/service", script);
        let outcome = place.graceful(&[]).exits(0);
        place.is_stopped(daemon);
        drop(outcome);
    }
}

#[test]
fn no_daemon_is_a_success_that_says_what_was_looked_for() {
    let place = cron_box!();
    let outcome = place.graceful(&[]).succeeds();
    mentions(&outcome, &["cron", "crond"]);
    assert_eq!(place.graceful(&["--json"]).succeeds().json()["outcome"], "none");
    let outcome = place.graceful(&["--daemon", "nosuchcron"]).exits(0);
    mentions(&outcome, &["nosuchcron"]);
}

#[test]
fn a_second_stop_finds_nothing_to_do() {
    let place = cron_box!();
    let daemon = place.cron();
    stops(&place, place.graceful(&[]), daemon);
    assert_eq!(place.graceful(&["--json"]).succeeds().json()["outcome"], "none");
}

#[test]
fn a_second_run_at_the_same_time_says_so_and_does_nothing() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    for words in [&[][..], &["--resume"], &["--timeout", "1"], &["--", "touch", "/mnt/ran"]] {
        let second = place.graceful(words).exits(1);
        assert!(second.errors().contains("cron-graceful:"), "{}", second.report());
        assert_eq!(
            place.state(daemon),
            'T',
            "the second run has touched cron\n{}",
            second.report()
        );
    }
    assert!(!place.has("ran"), "the second run has run its command");
    // A second run may list and rehearse.
    assert_eq!(place.list()["daemons"][0]["stopped"], true);
    place.graceful(&["--dry-run"]).exits(0);
    assert_eq!(place.state(daemon), 'T');
    place.release("a");
    stops(&place, run.finish(), daemon);
}

#[test]
fn after_a_run_that_was_killed_the_next_one_is_not_kept_out() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    place.kill("KILL", run.pid);
    run.finish().exits(137);
    place.still_runs(daemon);
    stops(&place, place.waits_for("a", &[], daemon), daemon);
}

#[test]
fn an_ordinary_user_is_told_and_nothing_is_touched() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    for words in [&[][..], &["--resume"], &["--", "true"], &["--timeout", "1"]] {
        place.graceful_as_nobody(words).refuses(1, "root");
        place.still_runs(daemon);
    }
}

#[test]
fn resume_continues_a_cron_that_was_left_stopped() {
    let place = cron_box!();
    let daemon = place.cron();
    place.kill("STOP", daemon);
    soon("a stopped daemon", || place.state(daemon) == 'T');
    let outcome = place.graceful(&["--resume"]).exits(0);
    mentions(&outcome, &[&daemon.to_string()]);
    place.still_runs(daemon);
    // A second time, there is nothing to repair.
    place.graceful(&["--resume"]).exits(0);
    place.still_runs(daemon);
}

#[test]
fn quiet_says_nothing_and_does_the_same() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    stops(&place, place.waits_for("a", &["-q"], daemon), daemon).prints("");
}

#[test]
fn the_result_is_one_json_document() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let outcome = stops(&place, place.waits_for("a", &["--json"], daemon), daemon);
    let result = outcome.json();
    let left = result["left"].as_array().expect("finding a list");
    assert!(
        result["outcome"] == "stopped" && left.is_empty() && result["seconds"].is_number(),
        "{result:#}"
    );
    assert_eq!(super::pids(&result, "daemons"), [u64::from(daemon)]);
}

#[test]
fn a_reader_that_goes_away_does_not_leave_cron_stopped() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let mut run = place.begin(&["--jsonl"]);
    run.event("paused");
    run.running.close_stdout();
    run.finish().exits(141);
    place.still_runs(daemon);
}

#[test]
fn a_service_command_in_the_current_directory_is_not_run() {
    let place = cron_box!();
    let daemon = place.cron();
    place.shell("mkdir /mnt/here");
    place.program("/mnt/here/service", "#!/bin/sh\necho >/mnt/ran\n");
    let before = ["sh", "-c", "cd /mnt/here && PATH=.:$PATH exec \"$@\"", "sh"];
    let outcome = place.graceful_by(&before, &[]).exits(0);
    assert!(!place.has("ran"), "it has run what lies about\n{}", outcome.report());
    place.is_stopped(daemon);
}

/// As a restart of the service does, without systemd.
#[test]
fn a_cron_that_somebody_else_ends_is_not_said_to_be_stopped_by_us() {
    let place = cron_box!();
    let (old, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], old);
    place.kill("KILL", old);
    soon("the end of cron", || !place.is_alive(old));
    let outcome = place.finishes_after("a", run).exits(0);
    mentions(&outcome, &[&format!("cron ({old}) has ended")]);
    super::avoids(&outcome, &["stopping", "is stopped"]);
}
