//! `cron-graceful-additions`: whatever it does, cron is either stopped at the end or runs.

use super::super::support::cron::{CronBox, job, soon};
use super::{mentions, stops};
use crate::cron_box;

const NAME: &str = "cron-graceful-additions";

/// Checks that a run waits for its job and stops cron with these additions, and warns with these
/// words.
#[track_caller]
fn goes_on(prepare: impl FnOnce(&CronBox), warning: &[&str]) {
    let place = cron_box!();
    prepare(&place);
    let (daemon, _) = place.cron_with_job();
    let outcome = place.waits_for("a", &[], daemon).exits(0);
    if warning.is_empty() {
        assert!(outcome.errors().is_empty(), "expected no warning\n{}", outcome.report());
    } else {
        let errors = outcome.errors();
        let is_there = |word: &&&str| errors.contains(**word);
        let missing: Vec<_> = warning.iter().filter(|word| !is_there(word)).collect();
        assert!(
            missing.is_empty() && errors.lines().any(|line| line.starts_with("cron-graceful: ")),
            "no {missing:?}\n{}",
            outcome.report()
        );
    }
    place.is_stopped(daemon);
}

#[test]
fn the_additions_run_when_cron_is_paused_and_before_jobs_are_waited_for() {
    let place = cron_box!();
    let script = "#!/bin/sh\nsed -n 's/^State:.//p' /proc/$(cat /run/crond.pid)/status \
    >/mnt/state\necho >>/mnt/times\n";
    place.program(NAME, script);
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    soon("the additions", || place.has("times"));
    assert!(place.read("state").starts_with('T'), "cron was not paused: {}", place.read("state"));
    place.release("a");
    stops(&place, run.finish(), daemon);
    assert_eq!(
        std::fs::read_to_string(place.path("times")).expect("reading the additions"),
        "\n",
        "it did not run once"
    );
}

#[test]
fn the_additions_may_start_a_job_s_successor_that_is_waited_for_too() {
    let place = cron_box!();
    // The additions end the job themselves, like a script of an administrator that asks a long job
    // to finish.
    place.program(NAME, "#!/bin/sh\necho >/mnt/a.go\n");
    let (daemon, _) = place.cron_with_job();
    let outcome = place.graceful(&[]);
    assert!(place.ended("a"), "the job had not ended\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

#[test]
fn additions_that_are_missing_are_no_news() {
    goes_on(|_| {}, &[]);
}

#[test]
fn additions_that_fail_are_a_warning_with_their_status() {
    goes_on(|place| place.program(NAME, "#!/bin/sh\nexit 3\n"), &[NAME, "3"]);
}

#[test]
fn additions_that_are_killed_are_a_warning() {
    goes_on(|place| place.program(NAME, "#!/bin/sh\nkill -KILL $$\n"), &[NAME, "KILL"]);
}

#[test]
fn additions_that_are_not_executable_are_a_warning() {
    goes_on(
        |place| {
            place.program(NAME, "#!/bin/sh\necho >/mnt/ran\n");
            place.shell(&format!("chmod 644 /mnt/bin/{NAME}"));
        },
        &[NAME],
    );
}

#[test]
fn additions_that_are_a_directory_are_a_warning() {
    goes_on(
        |place| {
            place.shell(&format!("mkdir /mnt/bin/{NAME}"));
        },
        &[NAME],
    );
}

#[test]
fn additions_that_are_a_dangling_link_do_no_harm() {
    goes_on_either_way(|place| {
        place.shell(&format!("ln -s /nowhere /mnt/bin/{NAME}"));
    });
}

#[test]
fn additions_without_an_interpreter_line_do_no_harm() {
    // A shell would run it; the kernel does not. Either is fine, a crash with a paused cron is not.
    goes_on_either_way(|place| place.program(NAME, "true\n"));
}

#[test]
fn additions_that_are_no_program_at_all_are_a_warning() {
    // A shell, with which some C libraries start such a file, could not run it either.
    goes_on(|place| place.program(NAME, "no-such-command\n"), &[NAME]);
}

#[test]
fn additions_with_an_interpreter_that_is_not_there_are_a_warning() {
    goes_on(|place| place.program(NAME, "#!/nowhere/sh\n"), &[NAME]);
}

/// Checks that a run with these additions waits for its job and stops cron, with or without a
/// warning.
#[track_caller]
fn goes_on_either_way(prepare: impl FnOnce(&CronBox)) {
    let place = cron_box!();
    prepare(&place);
    let (daemon, _) = place.cron_with_job();
    place.waits_for("a", &[], daemon).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn additions_that_hang_are_ended_by_the_timeout_and_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program(NAME, "#!/bin/sh\necho $$ >/mnt/additions\nexec sleep 1000 >/dev/null 2>&1\n");
    // The additions must have begun within these two seconds.
    let outcome = place.graceful(&["--timeout", "2"]).exits(124);
    let additions = place.read("additions").parse().expect("parsing a process id");
    assert!(!place.is_alive(additions), "the additions still run\n{}", outcome.report());
    mentions(&outcome, &[NAME]);
    place.still_runs(daemon);
}

#[test]
fn additions_that_hang_and_heed_no_signal_do_not_keep_cron_paused() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program(
        NAME,
        "#!/bin/sh\ntrap '' TERM INT HUP\nexec >/dev/null 2>&1\necho $$ >/mnt/additions\nwhile :; \
        do sleep 1; done\n",
    );
    place.graceful(&["--timeout", "0.5"]).exits(124);
    place.still_runs(daemon);
}

#[test]
fn additions_that_leave_something_running_with_their_output_do_not_hang_it() {
    let place = cron_box!();
    let daemon = place.cron();
    // The sleep keeps the output of the additions open.
    place.program(NAME, "#!/bin/sh\nsleep 1000 &\necho done\n");
    let before = std::time::Instant::now();
    let script = "cron-graceful >/mnt/out 2>&1; echo $?";
    assert_eq!(place.shell(script), "0");
    assert!(
        before.elapsed() < std::time::Duration::from_secs(15),
        "it waited for what the additions left behind"
    );
    place.is_stopped(daemon);
}

#[test]
fn what_the_additions_leave_running_does_not_keep_the_next_run_out() {
    let place = cron_box!();
    place.cron();
    place.program(NAME, "#!/bin/sh\nsleep 1000 >/dev/null 2>&1 </dev/null &\n");
    place.graceful(&[]).exits(0);
    let daemon = place.cron();
    place.graceful(&[]).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn additions_that_stop_cron_themselves_are_no_crash_and_its_jobs_are_waited_for() {
    let place = cron_box!();
    place.program(NAME, "#!/bin/sh\nread -r daemon </run/crond.pid\nkill -KILL $daemon\n");
    let (daemon, _) = place.cron_with_job();
    let run = place.begin(&[]);
    soon("the end of cron", || !place.is_alive(daemon));
    place.finishes_after("a", run).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn additions_that_stop_cron_themselves_without_a_job_are_no_crash() {
    let place = cron_box!();
    place.program(NAME, "#!/bin/sh\nread -r daemon </run/crond.pid\nkill -KILL $daemon\n");
    let daemon = place.cron();
    place.graceful(&[]).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn additions_that_continue_cron_do_not_make_a_job_go_unnoticed() {
    let place = cron_box!();
    place.program(NAME, "#!/bin/sh\nread -r daemon </run/crond.pid\nkill -CONT $daemon\n");
    place.crontab(&[&job("a")]);
    let daemon = place.cron();
    place.began("a");
    let run = place.begin(&[]);
    place.finishes_after("a", run).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn looking_does_not_run_the_additions() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program(NAME, "#!/bin/sh\necho >/mnt/ran\n");
    for option in ["--list", "--dry-run", "--resume"] {
        place.graceful(&[option]).exits(0);
        assert!(!place.has("ran"), "{option} has run the additions");
    }
    place.still_runs(daemon);
}

#[test]
fn additions_that_heed_no_signal_do_not_keep_it_from_its_end() {
    let place = cron_box!();
    let daemon = place.cron();
    let script = "#!/bin/sh\ntrap '' INT TERM\nexec >/dev/null 2>&1\necho $$ \
    >/mnt/additions.began\n\
                  while :; do sleep 0.1; done\n";
    place.program(NAME, script);
    let run = place.begin_and_pause(&[], daemon);
    place.began("additions");
    place.kill("TERM", run.pid);
    // The run may have ended already.
    place.exec(&format!("kill -TERM {}", run.pid));
    run.finish().exits(143);
    place.still_runs(daemon);
}

#[test]
fn what_the_additions_print_is_no_part_of_the_document() {
    let place = cron_box!();
    place.program(NAME, "#!/bin/sh\necho added\n");
    let daemon = place.cron();
    let outcome = place.graceful(&["--json"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "stopped", "{}", outcome.report());
    assert!(!outcome.text().contains("added"), "{}", outcome.report());
    place.is_stopped(daemon);
}
