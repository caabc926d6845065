//! Refusals, in text and as documents, and the reader that has gone.

use super::super::support::cron::{CronBox, soon};
use super::mentions;
use crate::cron_box;

/// A run that cannot begin tells why in the format that was asked for.
#[track_caller]
fn is_refused(place: &CronBox, words: &[&str], texts: &[&str]) {
    for format in ["--json", "--jsonl"] {
        let outcome = place.graceful(&[&[format], words].concat()).exits(1);
        let document = outcome.json();
        assert_eq!(document["outcome"], "refused", "{document:#}");
        let reason = document["reason"].as_str().expect("finding the reason");
        for text in texts {
            assert!(reason.contains(text), "no {text} in {document:#}");
        }
        assert_eq!(document["daemons"], serde_json::json!([]), "{document:#}");
        mentions(&outcome, texts);
    }
}

#[test]
fn the_holder_of_the_lock_is_told() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    let holder = format!("process {}, for ", run.pid);
    is_refused(&place, &[], &["another cron-graceful", &holder, "nothing was done"]);
    is_refused(&place, &["--", "true"], &[&holder]);
    place.finishes_after("a", run).exits(0);
}

/// `--list` takes the lock for a moment, to see whether another run has it.
#[test]
fn a_look_at_the_lock_does_not_keep_a_run_from_beginning() {
    let place = cron_box!();
    let daemon = place.cron();
    let look = "while :; do flock -s /run/cron-graceful.lock true; done";
    let looking = place.shell(&format!("setsid bash -c '{look}' >&- 2>&- <&- & echo $!"));
    for _ in 0..10 {
        place.graceful(&["--", "true"]).exits(0);
    }
    place.kill("KILL", format!("-{looking}"));
    place.still_runs(daemon);
}

#[test]
fn an_ordinary_user_gets_a_document_too() {
    let place = cron_box!();
    let daemon = place.cron();
    let outcome = place.graceful_as_nobody(&["--json"]).exits(1);
    assert_eq!(outcome.json()["outcome"], "refused", "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn resuming_is_a_document_too() {
    let place = cron_box!();
    let daemon = place.cron();
    place.kill("STOP", daemon);
    let document = place.graceful(&["--resume", "--json"]).exits(0).json();
    assert_eq!(document["outcome"], "resumed", "{document:#}");
    place.still_runs(daemon);
}

#[test]
fn who_is_left_is_told_with_quiet_too() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let outcome = place.graceful(&["-q", "--timeout", "0.3"]).exits(124);
    mentions(&outcome, &["timed out", "sh /mnt/job a"]);
    assert!(!outcome.text().contains("paused"), "{}", outcome.report());
    place.still_runs(daemon);
}

/// Runs cron-graceful with its output in a pipe whose reader ends after one line.
fn without_reader(place: &CronBox, words: &str) {
    place.shell(&format!(
        "rm -f /mnt/status; mkfifo /mnt/pipe; \
         setsid sh -c 'cron-graceful {words} >/mnt/pipe 2>&1; echo $? >/mnt/status' \
         </dev/null >/dev/null 2>&1 & head -n 1 /mnt/pipe >/dev/null; rm /mnt/pipe"
    ));
}

#[test]
fn cron_runs_on_when_the_reader_of_the_output_has_gone() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    for words in ["", "--jsonl", "-- touch /mnt/ran"] {
        without_reader(&place, words);
        soon("the end of the run", || place.has("status") && !place.read("status").is_empty());
        assert_eq!(place.read("status"), "141", "{words}");
        place.still_runs(daemon);
    }
    assert!(!place.ended("a") && !place.has("ran"));
}

#[test]
fn a_run_goes_on_without_a_reader_where_that_is_asked_for() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    without_reader(&place, "--detach");
    soon("a paused cron", || place.state(daemon) == 'T');
    place.release("a");
    soon("the end of the run", || place.has("status") && !place.read("status").is_empty());
    assert_eq!(place.read("status"), "0");
    place.is_stopped(daemon);
}

/// A file, a terminal or /dev/null needs no reader.
#[test]
fn a_run_whose_output_needs_no_reader_goes_on() {
    let place = cron_box!();
    for output in ["/dev/null", "/mnt/output"] {
        place.shell("rm -f /mnt/a.*");
        let (daemon, _) = place.cron_with_job();
        place.shell(&format!(
            "rm -f /mnt/status; setsid sh -c 'cron-graceful >{output} 2>&1; \
             echo $? >/mnt/status' </dev/null >/dev/null 2>&1 &"
        ));
        soon("a paused cron", || place.state(daemon) == 'T');
        place.release("a");
        soon("the end of the run", || place.has("status") && !place.read("status").is_empty());
        assert_eq!(place.read("status"), "0", "{output}");
        place.is_stopped(daemon);
    }
}

/// The name may be a mistake, and the other one starts jobs.
#[test]
fn a_name_that_no_daemon_has_is_refused_beside_another_cron() {
    let place = cron_box!();
    let daemon = place.cron();
    for words in [&[][..], &["--list"], &["-n"], &["--", "touch", "/mnt/ran"]] {
        let outcome = place.graceful(&[&["--daemon", "crond"], words].concat()).exits(1);
        mentions(&outcome, &["called crond", &format!("process {daemon} (cron)")]);
    }
    assert!(!place.has("ran"));
    place.still_runs(daemon);
    place.kill("KILL", daemon);
    soon("the end of cron", || !place.is_alive(daemon));
    place.graceful(&["--daemon", "crond"]).exits(0);
}

#[test]
fn a_command_that_is_not_there_is_told_before_any_wait() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    for command in ["no-such-command", "/no/such/command"] {
        for words in [&["--", command][..], &["-n", "--", command]] {
            let outcome = place.graceful(words).exits(127);
            mentions(&outcome, &[command, "not found"]);
        }
    }
    place.shell("mkdir /mnt/directory; echo >/mnt/text");
    for command in ["/mnt/directory", "/mnt/text"] {
        mentions(&place.graceful(&["--", command]).exits(126), &[command, "cannot be executed"]);
    }
    place.graceful(&["--", ""]).exits(127);
    assert!(place.is_alive(script));
    place.still_runs(daemon);
}

#[test]
fn a_command_may_be_in_a_relative_directory_or_come_from_the_additions() {
    let place = cron_box!();
    let daemon = place.cron();
    place.shell("mkdir /mnt/here");
    place.program("/mnt/here/mine", "#!/bin/sh\necho >/mnt/ran\n");
    for path in [".:$PATH", ":$PATH", "../here:$PATH"] {
        place.shell(&format!("rm -f /mnt/ran; cd /mnt/here; PATH={path} cron-graceful -- mine"));
        assert!(place.has("ran"), "{path}");
    }
    place.program("cron-graceful-additions", "#!/bin/sh\ncp /mnt/here/mine /run/late\n");
    place.shell("rm /mnt/ran");
    place.graceful(&["--", "/run/late"]).exits(0);
    assert!(place.has("ran"));
    place.still_runs(daemon);
}

#[test]
fn documents_have_the_warnings() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let document = place.graceful(&["--json", "--timeout", "0.3", "--", "true"]).exits(124).json();
    let warnings = document["warnings"].to_string();
    assert!(warnings.contains("the command did not run"), "{document:#}");
    let document = place.graceful(&["--json", "--pid", "99999"]).exits(1).json();
    assert!(document["warnings"].to_string().contains("no such process"), "{document:#}");
    let document = place.graceful(&["--json", "--resume"]).exits(0).json();
    assert_eq!(document["outcome"], "not paused", "{document:#}");
    place.graceful(&["--on-timeout", "terminate"]).exits(2);
    place.still_runs(daemon);
}

#[test]
fn a_list_tells_which_run_has_paused_cron() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    let list = place.graceful(&["--list"]).exits(0);
    mentions(&list, &[&format!("paused by another cron-graceful (process {}", run.pid)]);
    super::avoids(&list, &["--resume"]);
    place.finishes_after("a", run).exits(0);
}
