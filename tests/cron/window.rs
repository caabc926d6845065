//! A command in a maintenance window: no job runs meanwhile, and cron does afterwards.

use std::fs;

use super::super::support::cron::{CronBox, job, soon};
use super::{FAST, mentions};
use crate::{cron_box, skip};

#[test]
fn the_command_runs_when_no_job_does_and_its_status_is_passed_on() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    place.program(
        "maintain",
        "#!/bin/sh\necho \"$@\" >/mnt/words\nls /mnt/a.ended >/mnt/seen 2>&1\nexit 42\n",
    );
    let run = place.begin_and_pause(&["--", "maintain", "-v", "a b"], daemon);
    assert!(!place.has("words"), "the command has run beside a job");
    place.release("a");
    let outcome = run.finish().exits(42);
    assert_eq!(place.read("words"), "-v a b", "{}", outcome.report());
    assert_eq!(place.read("seen"), "/mnt/a.ended", "{}", outcome.report());
    assert!(!place.is_alive(script));
    place.still_runs(daemon);
}

/// Moves the clock of a run forward while its command runs, and returns its document.
#[track_caller]
fn missed_in(place: &CronBox, time: &str) -> serde_json::Value {
    place.shell("echo +0 >/mnt/clock; chmod 666 /mnt/clock");
    let library = place.shell("ls /usr/lib/*/faketime/libfaketime.so.1");
    let clock = [
        "env",
        &format!("LD_PRELOAD={library}"),
        "FAKETIME_TIMESTAMP_FILE=/mnt/clock",
        "FAKETIME_NO_CACHE=1",
        "DONT_FAKE_MONOTONIC=1",
    ];
    let move_on = format!("echo +{time} >/mnt/clock");
    let words = ["--json", "--", "env", "-u", "LD_PRELOAD", "sh", "-c", &move_on];
    let document = place.graceful_by(&clock, &words).exits(0).json();
    document["missed"][0].clone()
}

/// A night's backup that falls into the window is not lost in silence.
#[test]
fn what_cron_does_not_make_up_for_is_listed() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    if std::env::var_os("PROCTOOL_TEST_BINARY").is_some() {
        skip!("the clock of the static binary cannot be moved");
    }
    place.raw_crontab(
        "MAILTO=\"\"\n*/5 * * * * nobody five \\% x % input\n@daily root nightly\n@reboot root x\n",
    );
    place
        .shell("echo '@hourly own' >/var/spool/cron/crontabs/root; chmod 600 /var/spool/cron/crontabs/root; echo nonsense >/etc/cron.d/bad");
    let daemon = place.cron();
    let missed = missed_in(&place, "3m");
    assert!(missed["catches_up"] == "all" && missed["pid"] == daemon, "{missed:#}");
    assert_eq!(missed["lost"], serde_json::json!([]), "{missed:#}");
    let missed = missed_in(&place, "90m");
    assert_eq!(missed["catches_up"], "fixed", "{missed:#}");
    let lost = missed["lost"].as_array().expect("finding a list");
    let find = |command: &str| lost.iter().find(|job| job["command"] == command);
    let five = find("five % x ").unwrap_or_else(|| panic!("{missed:#}"));
    assert!(five["user"] == "nobody" && five["crontab"] == "/etc/cron.d/jobs", "{missed:#}");
    let times = five["times"].as_u64().expect("finding a number");
    assert!((17..=18).contains(&times) && five["due"].is_string(), "{missed:#}");
    assert!(find("own").is_some() && find("nightly").is_none() && find("x").is_none());
    assert_eq!(missed["unread"][0]["crontab"], "/etc/cron.d/bad", "{missed:#}");
    let missed = missed_in(&place, "25h");
    assert_eq!(missed["catches_up"], "none", "{missed:#}");
    let lost = missed["lost"].as_array().expect("finding a list");
    let nightly = lost.iter().find(|job| job["command"] == "nightly");
    assert!(nightly.is_some_and(|job| job["times"] == 1 || job["times"] == 2), "{missed:#}");
    place.still_runs(daemon);
}

#[test]
fn a_document_is_not_mixed_with_what_the_command_prints() {
    let place = cron_box!();
    let daemon = place.cron();
    for format in ["--json", "--jsonl"] {
        let outcome = place.graceful(&[format, "--", "sh", "-c", "echo words; exit 42"]).exits(42);
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(
            outcome.text().lines().all(is_json) && outcome.errors().contains("words"),
            "{}",
            outcome.report()
        );
    }
    place.still_runs(daemon);
}

#[test]
fn no_job_starts_while_the_command_runs_and_the_next_ones_start_afterwards() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    place.raw_crontab("MAILTO=\"\"\n* * * * * root echo job >>/mnt/log\n");
    let daemon = place.cron_by(FAST);
    let log = || fs::read_to_string(place.path("log")).unwrap_or_default();
    soon("a job every minute", || log().contains("job"));
    // Two and a half of the fast minutes.
    let script = "echo begin >>/mnt/log; sleep 2.5; echo end >>/mnt/log";
    place.graceful(&["--", "sh", "-c", script]).exits(0);
    let text = log();
    let (before, after) =
        text.split_once("begin\n").unwrap_or_else(|| panic!("no command: {text}"));
    assert!(
        before.contains("job") && after.starts_with("end\n"),
        "a job has run beside the command: {text}"
    );
    let so_far = log().len();
    soon("another job", || log().len() > so_far);
    place.still_runs(daemon);
}

#[test]
fn the_command_has_the_streams_and_the_environment() {
    let place = cron_box!();
    let daemon = place.cron();
    let outcome = place
        .graceful(&["-q", "--", "sh", "-c", "echo out; echo err >&2; cat; echo $LANG"])
        .exits(0);
    assert!(
        outcome.text().contains("out\n") && outcome.errors().contains("err\n"),
        "{}",
        outcome.report()
    );
    assert!(outcome.text().contains("C.UTF-8"), "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn the_command_has_ordinary_signals() {
    let place = cron_box!();
    let daemon = place.cron();
    let show = ["--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let outcome = place.graceful(&show).exits(0);
    let lines = outcome.lines();
    let masks = lines.iter().filter_map(|line| line.strip_prefix("Sig")?.split_once(":\t"));
    // The numbers above are the C library's own.
    let ordinary =
        masks.map(|(_, mask)| u64::from_str_radix(mask, 16).expect("parsing a mask") & 0x7fff_ffff);
    assert_eq!(ordinary.collect::<Vec<_>>(), [0, 0], "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn a_command_that_is_not_there_is_127_and_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    let outcome = place.graceful(&["--", "/nowhere/command"]).exits(127);
    mentions(&outcome, &["/nowhere/command"]);
    place.still_runs(daemon);
    place.graceful(&["--", "no-such-command-anywhere"]).exits(127);
    place.still_runs(daemon);
}

#[test]
fn a_command_that_cannot_be_executed_is_126_and_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    for command in ["/run", "/etc/passwd"] {
        let outcome = place.graceful(&["--", command]).exits(126);
        mentions(&outcome, &[command]);
        place.still_runs(daemon);
    }
}

#[test]
fn a_command_that_is_killed_is_128_and_the_signal_and_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    place.graceful(&["--", "sh", "-c", "kill -TERM $$"]).exits(143);
    place.still_runs(daemon);
}

#[test]
fn a_command_that_stops_itself_is_waited_for() {
    let place = cron_box!();
    let daemon = place.cron();
    let script = "echo $$ >/mnt/command.began; kill -STOP $$; exit 5";
    let run = place.begin_and_pause(&["--", "sh", "-c", script], daemon);
    let command = place.began("command");
    soon("a stopped command", || place.state(command) == 'T');
    assert!(place.is_alive(run.pid));
    place.kill("CONT", command);
    run.finish().exits(5);
    place.still_runs(daemon);
}

#[test]
fn the_command_may_restart_cron() {
    let place = cron_box!();
    let old = place.cron();
    let script = "kill -KILL $(cat /run/crond.pid); rm -f /run/crond.pid; cron";
    place.graceful(&["--", "sh", "-c", script]).exits(0);
    let new = place.locked();
    assert!(!place.is_alive(old) && new != old);
    place.still_runs(new);
}

/// Waits, in the command of a window, until the process with the pid in `$new` is paused.
const UNTIL_PAUSED: &str = "until grep -q '^State:.T' /proc/$new/status; do sleep 0.02; done";

/// Sets `$new` to the pid of the cron that is starting, in the command of a window. At first the
/// pid file has the pid of its parent, which has exited.
const NEW: &str = "until new=$(cat /run/crond.pid) && [ -n \"$new\" ] && [ -d /proc/$new ]; do \
                   sleep 0.02; done 2>/dev/null";

/// Runs a window whose command ends cron and starts another one in this way.
#[track_caller]
fn the_newcomer_is_paused(start: &str) {
    let place = cron_box!();
    let old = place.cron();
    let script = format!(
        "kill -KILL {old}; rm /run/crond.pid; {start}; {UNTIL_PAUSED}; echo $new >/mnt/new; exit 7"
    );
    let outcome = place.graceful(&["--json", "--", "sh", "-c", &script]).exits(7);
    let new: u32 = place.read("new").parse().expect("parsing a process id");
    mentions(&outcome, &[&format!("somebody has started process {new}"), "paused"]);
    let document = outcome.json();
    let daemons = document["daemons"].as_array().expect("a list of daemons");
    assert!(daemons.iter().any(|daemon| daemon["pid"] == new), "{document:#}");
    place.still_runs(new);
}

#[test]
fn a_cron_that_is_started_in_the_window_is_paused_until_its_end() {
    the_newcomer_is_paused(&format!("cron; {NEW}"));
}

#[test]
fn a_cron_of_another_name_that_is_started_in_the_window_is_paused_until_its_end() {
    let copy = "cp /usr/sbin/cron /usr/sbin/crond";
    the_newcomer_is_paused(&format!("{copy}; crond; {NEW}"));
}

#[test]
fn a_cron_without_a_lock_that_is_started_in_the_window_is_paused_until_its_end() {
    let copy = "cp /bin/sleep /usr/sbin/fcron";
    the_newcomer_is_paused(&format!("{copy}; setsid fcron 1000 >/dev/null 2>&1 & new=$!"));
}

#[test]
fn a_cron_that_is_started_in_a_window_without_one_is_paused_until_its_end() {
    let place = cron_box!();
    let script = format!("cron; {NEW}; {UNTIL_PAUSED}");
    let outcome = place.graceful(&["--", "sh", "-c", &script]).exits(0);
    mentions(&outcome, &["somebody has started"]);
    place.still_runs(place.locked());
}

#[test]
fn a_cron_that_the_command_continues_is_paused_again() {
    let place = cron_box!();
    let daemon = place.cron();
    let script = format!(
        "new={daemon}; kill -CONT $new; while grep -q '^State:.T' /proc/$new/status; \
         do :; done; {UNTIL_PAUSED}"
    );
    let outcome = place.graceful(&["--", "sh", "-c", &script]).exits(0);
    mentions(&outcome, &["continued", "paused again"]);
    place.still_runs(daemon);
}

/// The user has named one process. Others of its name may be anything, also the command.
#[test]
fn what_only_has_the_name_of_a_chosen_daemon_is_no_newcomer() {
    let place = cron_box!();
    let start = "cp /bin/sleep /usr/sbin/scheduler; \
                 setsid scheduler 1000 </dev/null >/dev/null 2>&1 & echo $!";
    let daemon = place.shell(start);
    let pid: u32 = daemon.parse().expect("parsing a process id");
    soon("the chosen process", || place.name(pid) == "scheduler");
    for selection in [["--pid", &daemon], ["--daemon", "scheduler"]] {
        let words = [&selection[..], &["--", "scheduler", "2"]].concat();
        let outcome = place.graceful(&words).exits(0);
        assert!(!outcome.errors().contains("somebody has started"), "{}", outcome.report());
        place.still_runs(pid);
    }
}

/// The guardian of a cron that is started meanwhile works as that of the first one does.
#[test]
fn a_newcomer_runs_on_after_the_end_of_everything_else() {
    let place = cron_box!();
    let old = place.cron();
    let script = format!(
        "kill -KILL {old}; rm /run/crond.pid; cron; {NEW}; {UNTIL_PAUSED}; \
         echo $new >/mnt/new; sleep 1000"
    );
    let run = place.begin(&["--", "sh", "-c", &script]);
    soon("another cron that is paused", || place.has("new") && !place.read("new").is_empty());
    let new: u32 = place.read("new").parse().expect("parsing a process id");
    place.kill("KILL", run.pid);
    soon("a cron that runs on", || place.goes_on(new));
}

/// The job is waited for, and then the new cron is stopped too.
#[test]
fn a_cron_that_is_started_while_jobs_are_waited_for_is_paused_and_stopped_too() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let old = place.cron();
    place.began("a");
    let run = place.begin_and_pause(&[], old);
    place.kill("KILL", old);
    place.raw_crontab("");
    let new = place.cron();
    soon("another cron that is paused", || place.state(new) == 'T');
    let outcome = place.finishes_after("a", run).exits(0);
    mentions(&outcome, &[&format!("somebody has started process {new}")]);
    assert!(outcome.text().contains(&format!("cron ({new}) is stopped")), "{}", outcome.report());
    place.is_stopped(new);
}

#[test]
fn what_the_command_leaves_running_keeps_nobody_waiting_and_the_next_run_is_not_kept_out() {
    let place = cron_box!();
    let daemon = place.cron();
    let script = "sleep 1000 </dev/null >/dev/null 2>&1 &";
    place.graceful(&["--", "sh", "-c", script]).exits(0);
    place.still_runs(daemon);
    place.graceful(&[]).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn without_a_daemon_the_command_runs_all_the_same_or_is_refused_aloud() {
    let place = cron_box!();
    let outcome = place.graceful(&["--", "sh", "-c", "echo >/mnt/ran; exit 6"]);
    let has_run = place.has("ran") && outcome.code() == 6;
    let refused = !place.has("ran") && outcome.code() == 1 && !outcome.errors().is_empty();
    assert!(has_run || refused, "{}", outcome.report());
}

#[test]
fn the_result_of_a_window_says_that_it_ran() {
    let place = cron_box!();
    let daemon = place.cron();
    let outcome = place.graceful(&["--json", "--", "true"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "ran", "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn a_job_that_was_running_is_not_hurt_by_a_command_that_is_not_there() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron();
    place.began("a");
    let run = place.begin(&["--", "no-such-command-anywhere"]);
    place.release("a");
    run.finish().exits(127);
    soon("the end of the job", || place.ended("a"));
    place.still_runs(daemon);
}

#[test]
fn a_command_that_ends_by_itself_when_it_is_interrupted_gives_the_status() {
    let place = cron_box!();
    let daemon = place.cron();
    let script =
        "#!/bin/sh\ntrap 'exit 7' INT\necho $$ >/mnt/command.began\nwhile :; do sleep 0.1; done\n";
    place.program("maintain", script);
    let run = place.begin_and_pause(&["--", "maintain"], daemon);
    place.began("command");
    place.kill("INT", run.pid);
    run.finish().exits(7);
    place.still_runs(daemon);
}

/// What has taken the signal to end runs for another moment, and does not run on.
#[test]
fn a_cron_that_the_command_ends_is_not_said_to_run_on() {
    for end in ["kill -KILL", "kill -CONT PID; kill", "kill"] {
        for _ in 0..4 {
            let place = cron_box!();
            let daemon = place.cron();
            let script = format!("{end} PID").replace("PID", &daemon.to_string());
            let outcome = place.graceful(&["--", "sh", "-c", &script]).exits(0);
            super::avoids(&outcome, &["continued", "runs on"]);
            mentions(&outcome, &[&format!("cron ({daemon}) has ended")]);
        }
    }
}
