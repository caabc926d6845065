//! Cron that is held without a command: by a lease in the background, or until standard input ends.

use serde_json::Value;

use super::super::support::command::finish;
use super::super::support::cron::{CronBox, job, soon};
use super::super::support::running::Running;
use super::{mentions, pids};
use crate::cron_box;

/// Holds cron for a minute, and returns the pid of the holder.
fn held(place: &CronBox) -> u32 {
    let outcome = place.graceful(&["--hold", "--lease", "60s"]).exits(0);
    assert!(outcome.text().contains("cron is held until "), "{}", outcome.report());
    holder(place).expect("a holder")
}

/// Returns the pid of the one who holds cron.
fn holder(place: &CronBox) -> Option<u32> {
    let pid = place.list()["held"]["pid"].as_u64()?;
    Some(u32::try_from(pid).expect("a process id"))
}

#[test]
fn a_lease_holds_cron_in_the_background_until_it_is_released() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&["--hold", "--lease", "60s"], daemon);
    let first = run.pid;
    let outcome = place.finishes_after("a", run).exits(0);
    assert!(outcome.text().contains("cron is held until "), "{}", outcome.report());
    assert!(!place.is_alive(first));
    assert_eq!(place.state(daemon), 'T');
    let list = place.list();
    let entry = &list["held"];
    assert_eq!((&entry["by"], &list["daemons"][0]["stopped"]), (&"root".into(), &true.into()));
    assert!(entry["since"].as_str() < entry["until"].as_str(), "{list:#}");
    let text = place.graceful(&["--list"]).exits(0);
    assert!(text.text().contains("paused: held until "), "{}", text.report());
    // Another run is refused, and told by whom.
    place.graceful(&[]).refuses(1, "cron is held until ");
    let released = place.graceful(&["--release"]).exits(0);
    assert!(
        released.text().starts_with("cron runs on; it was held until "),
        "{}",
        released.report()
    );
    place.still_runs(daemon);
    assert_eq!(place.list()["held"], Value::Null);
    place.graceful(&["--release"]).refuses(1, "nobody holds cron here");
    held(&place);
    for words in [&["-q", "--hold", "--lease", "1h"][..], &["-q", "--release"]] {
        let outcome = place.graceful(words).exits(0);
        assert!(outcome.text().is_empty(), "{}", outcome.report());
    }
    // Another run can begin at once.
    place.graceful(&[]).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn at_the_end_of_a_lease_cron_runs_on_and_nothing_is_left() {
    let place = cron_box!();
    let daemon = place.cron();
    let outcome = place.graceful(&["--hold", "--lease", "300ms", "--json"]).exits(0);
    let document = outcome.json();
    assert_eq!(document["outcome"], "held");
    assert!(document["held"]["until"].is_string(), "{document:#}");
    soon("a cron that runs on", || place.state(daemon) != 'T');
    soon("the end of all of ours", || place.of_the_program().is_empty());
    place.still_runs(daemon);
    assert!(!place.root("/run/cron-graceful.sock").exists());
}

/// A script may have a lock that ends with it, and a reader that waits for the end of its output.
#[test]
fn the_holder_keeps_nothing_of_its_caller_open() {
    let place = cron_box!();
    place.cron();
    let script = "exec 9>/mnt/lock; flock 9; cron-graceful --hold --lease 60s | cat; \
                  exec 9>&-; flock -n /mnt/lock echo free";
    let words = ["timeout", "--foreground", "20", "bash", "-c", script];
    let outcome = finish(place.inside(&words)).exits(0);
    assert!(outcome.text().ends_with("free\n"), "{}", outcome.report());
    let holder = holder(&place).expect("a holder");
    let group = place.shell(&format!("cut -d' ' -f6 /proc/{holder}/stat"));
    assert_eq!(group, holder.to_string(), "a session of its own");
    place.graceful(&["--release"]).exits(0);
}

#[test]
fn a_second_hold_extends_the_lease_and_never_shortens_it() {
    let place = cron_box!();
    place.cron();
    held(&place);
    let until = || place.list()["held"]["until"].as_str().map(str::to_owned);
    let first = until();
    let again = place.graceful(&["--hold", "--lease", "1h"]).exits(0);
    assert!(again.text().starts_with("cron is held until "), "{}", again.report());
    let second = until();
    assert!(second > first, "{first:?} {second:?}");
    let json = place.graceful(&["--hold", "--lease", "1s", "--json"]).exits(0).json();
    assert_eq!((until(), &json["outcome"]), (second, &"held".into()));
    place.graceful(&["--release"]).exits(0);
}

#[test]
fn cron_runs_on_whoever_of_ours_is_killed() {
    let place = cron_box!();
    let daemon = place.cron();
    let first = held(&place);
    let guardian = || {
        let all = place.of_the_program();
        all.iter().find(|seen| seen.parent == holder(&place).unwrap_or(0)).map(|seen| seen.pid)
    };
    // The holder replaces a guardian.
    let old = guardian().expect("a guardian");
    place.kill("KILL", old);
    soon("another guardian", || guardian().is_some_and(|pid| pid != old));
    assert_eq!(place.state(daemon), 'T');
    place.kill("KILL", first);
    soon("a cron that runs on", || place.state(daemon) != 'T');
    assert_eq!(holder(&place), None);
    // What the holder has left behind does not keep the next one from holding.
    let next = held(&place);
    assert_eq!(place.state(daemon), 'T');
    place.kill("TERM", next);
    soon("a cron that runs on", || place.state(daemon) != 'T');
    soon("the end of the holder", || !place.is_alive(next));
}

#[test]
fn before_cron_is_held_the_end_of_the_caller_ends_all() {
    let place = cron_box!();
    for signal in ["KILL", "INT", "TERM", "HUP"] {
        let (daemon, script) = place.cron_with_job();
        let run = place.begin_and_pause(&["--hold", "--lease", "60s"], daemon);
        place.kill(signal, run.pid);
        let code = run.finish().code();
        assert!(signal == "KILL" || code > 128, "{signal}: {code}");
        soon("a cron that runs on", || place.state(daemon) != 'T');
        soon("the end of all of ours", || place.of_the_program().is_empty());
        place.release("a");
        soon("the end of the job", || !place.is_alive(script));
        place.kill("KILL", daemon);
    }
}

/// Whoever looks sees what is on its way, and for which jobs it waits.
#[test]
fn a_list_tells_of_a_hold_that_still_waits_for_jobs() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let words = ["env", "SUDO_USER=alice"];
    let run = place.begin_by(&words, &["--hold", "--lease", "60s"]);
    place.await_pause(&run, daemon);
    let list = place.list();
    assert_eq!((&list["held"], &list["run"]["by"]), (&Value::Null, &"alice".into()), "{list:#}");
    assert_eq!(
        (&list["run"]["will_hold"], pids(&list, "jobs").contains(&script.into())),
        (&true.into(), true)
    );
    let text = place.graceful(&["--list"]).exits(0);
    mentions(&text, &["paused by another cron-graceful", "by alice, to hold it)"]);
    mentions(&text, &["sh /mnt/job a"]);
    place.graceful(&["--hold", "--lease", "60s"]).refuses(1, "by alice, to hold it) is at work");
    place.graceful(&["--release"]).refuses(1, "nobody holds cron yet");
    place.finishes_after("a", run).exits(0);
    let list = place.list();
    assert_eq!((&list["held"]["by"], &list["jobs"]), (&"alice".into(), &Value::Array(vec![])));
    assert_eq!(list["run"]["pid"], list["held"]["pid"]);
    place.graceful(&["--release"]).exits(0);
    assert_eq!(place.list()["run"], Value::Null);
    // Nobody holds it, and nobody is there to let it run on.
    place.kill("STOP", daemon);
    let text = place.graceful(&["--list"]).exits(0);
    mentions(&text, &["paused: --resume lets it run on"]);
    place.graceful(&["--resume"]).exits(0);
}

#[test]
fn a_hold_whose_jobs_do_not_end_in_time_ends() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let outcome = place.graceful(&["--hold", "--lease", "60s", "--timeout", "300ms"]).exits(124);
    assert!(outcome.text().contains("sh /mnt/job a"), "{}", outcome.report());
    place.still_runs(daemon);
    assert_eq!(holder(&place), None);
}

/// Starts a hold in the foreground, whose standard input is a pipe, and waits until it holds.
fn held_by_input(place: &CronBox, daemon: u32) -> Running {
    let mut command = place.inside(&["cron-graceful", "--hold"]);
    command.stdin(std::process::Stdio::piped());
    let mut running = Running::start(command);
    while running.line() != "cron is held by root" {}
    assert_eq!(place.state(daemon), 'T');
    running
}

#[test]
fn without_a_lease_cron_is_held_until_standard_input_ends() {
    let place = cron_box!();
    let daemon = place.cron();
    let mut running = held_by_input(&place, daemon);
    assert_eq!(place.list()["held"]["until"], Value::Null);
    running.close_stdin();
    let outcome = running.finish().exits(0);
    assert!(outcome.errors().contains("standard input has ended, and cron runs on"));
    place.still_runs(daemon);
    let running = held_by_input(&place, daemon);
    place.graceful(&["--release"]).exits(0);
    running.finish().exits(0);
    place.still_runs(daemon);
}

#[test]
fn a_standard_input_that_is_at_its_end_holds_nothing() {
    let place = cron_box!();
    let daemon = place.cron();
    let hold = |script: &str| {
        finish(place.inside(&["timeout", "--foreground", "20", "bash", "-c", script]))
    };
    for input in ["</dev/null", "<&-", "</etc/passwd"] {
        let outcome = hold(&format!("cron-graceful --hold {input}"));
        outcome.refuses(2, "standard input ends, and that is at its end already");
        assert_ne!(place.state(daemon), 'T', "{input}");
    }
    // A pipe may end before the program looks at it, or after that.
    for input in [":", "echo go"] {
        let outcome = hold(&format!("{input} | cron-graceful --hold --wait-daemons"));
        assert!([1, 2].contains(&outcome.code()), "{}", outcome.report());
        assert!(!outcome.text().contains("is held"), "{}", outcome.report());
        assert_ne!(place.state(daemon), 'T', "{input}");
    }
}

#[test]
fn a_daemon_that_starts_while_cron_is_held_is_held_too() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron();
    place.began("a");
    place.release("a");
    held(&place);
    let other = place.second_cron();
    soon("a newcomer that is paused", || place.state(other) == 'T');
    place.graceful(&["--release"]).exits(0);
    place.still_runs(daemon);
    place.still_runs(other);
}

/// Nobody may be told that nobody holds cron.
#[test]
fn a_holder_that_does_not_answer_is_an_error() {
    let place = cron_box!();
    place.cron();
    let pid = held(&place);
    place.kill("STOP", pid);
    let list = place.graceful(&["--list", "--json"]).exits(3);
    assert!(list.errors().contains("the one who holds cron does not answer"), "{}", list.report());
    assert_eq!(list.json()["outcome"], "failed");
    place.kill("KILL", pid);
    assert_eq!(holder(&place), None);
}

#[test]
fn without_a_cron_nothing_is_held() {
    let place = cron_box!();
    for words in [&["--hold", "--lease", "60s"][..], &["--hold", "--lease", "60s", "--json"]] {
        let outcome = place.graceful(words).exits(4);
        let none = ["no cron daemon is running", "\"outcome\":\"none\""];
        assert!(none.iter().any(|text| outcome.text().contains(text)), "{}", outcome.report());
    }
    assert_eq!(holder(&place), None);
}

/// A cron that has ended is not one that runs on.
#[test]
fn a_cron_that_has_ended_while_it_was_held_does_not_run_on() {
    let place = cron_box!();
    let daemon = place.cron();
    held(&place);
    place.kill("KILL", daemon);
    let list = place.graceful(&["--list"]).exits(0);
    mentions(&list, &["no cron daemon is running", "cron is held until "]);
    place.graceful(&["--release"]).refuses(1, "but cron has ended meanwhile");
    assert_eq!(holder(&place), None);
}

/// A rehearsal must not promise what the run refuses.
#[test]
fn what_a_run_would_refuse_is_refused_in_a_rehearsal() {
    let place = cron_box!();
    place.cron();
    held(&place);
    place.graceful(&["-n"]).refuses(1, "cron is held until ");
    place.graceful(&["--release"]).exits(0);
    place.graceful(&["-n"]).exits(0);
}

#[test]
fn errors_are_told_with_quiet_too() {
    let place = cron_box!();
    for (words, status, text) in [
        (&["-q", "--release"][..], 1, "nobody holds cron here"),
        (&["-q", "--hold", "--lease", "9s"], 4, "no cron daemon is running"),
        (&["-q", "--pid", "99999"], 1, "process 99999 is no cron daemon"),
        (&["-q", "--start"], 1, "no run of cron-graceful has stopped cron"),
    ] {
        place.graceful(words).refuses(status, text);
    }
    place.cron();
    held(&place);
    place.graceful(&["-q"]).refuses(1, "cron is held until ");
    place.graceful(&["--release"]).exits(0);
}
