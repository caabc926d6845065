//! Processes that jobs leave behind: background children, which are waited for, and daemons, which
//! are reported.

use super::super::support::cron::{CronBox, job, soon};
use super::{counts, entry, mentions, stops};
use crate::cron_box;

/// A job that starts another process of the kind and goes on itself; the other one is no child of
/// it.
const DETACH: &str =
    "perl -e 'use POSIX; fork and exit; setsid(); fork and exit; exec qw(sh /mnt/job b)'";

/// Starts a cron whose job `a` has left the running `b` behind. Returns the pids of the daemon and
/// of `b`.
fn left_behind(place: &CronBox, leave: &str) -> (u32, u32) {
    place.crontab(&[&format!("{leave}; {}", job("a"))]);
    let daemon = place.cron();
    place.began("a");
    let behind = place.began("b");
    soon("it has a new parent", || place.seen(behind).is_some_and(|seen| seen.parent == 1));
    (daemon, behind)
}

/// Lets the job itself end, without anything of its own left.
fn end_job(place: &CronBox) {
    let shell = place.began("a");
    place.release("a");
    soon("the end of the job itself", || place.ended("a") && !place.is_alive(shell));
}

#[test]
fn a_background_child_in_the_session_of_a_job_is_waited_for() {
    let place = cron_box!();
    let (daemon, behind) = left_behind(&place, "(sh /mnt/job b &)");
    let run = place.begin_and_pause(&[], daemon);
    end_job(&place);
    let outcome = place.finishes_after("b", run);
    assert!(!place.is_alive(behind));
    stops(&place, outcome, daemon);
}

#[test]
fn a_background_child_whose_job_has_ended_before_is_waited_for() {
    let place = cron_box!();
    let (daemon, behind) = left_behind(&place, "(sh /mnt/job b &)");
    end_job(&place);
    soon("the worker has gone", || {
        !place.processes().iter().any(|seen| seen.parent == daemon && seen.state != 'Z')
    });
    let list = place.list();
    assert_eq!(entry(&list, "jobs", behind)["awaited"], true, "{list:#}");
    stops(&place, place.waits_for("b", &[], daemon), daemon);
}

#[test]
fn a_background_child_counts_because_of_its_session() {
    let place = cron_box!();
    let (daemon, behind) = left_behind(&place, "(sh /mnt/job b &)");
    counts(&place, behind, "session", true);
    place.still_runs(daemon);
}

#[track_caller]
fn is_reported_and_not_waited_for(leave: &str) {
    let place = cron_box!();
    let (daemon, behind) = left_behind(&place, leave);
    counts(&place, behind, "daemon", false);
    let outcome = place.waits_for("a", &[], daemon).exits(0);
    mentions(&outcome, &[&behind.to_string()]);
    place.is_stopped(daemon);
    assert!(
        place.is_alive(behind) && place.state(behind) != 'T',
        "the daemon of the job was touched"
    );
}

#[test]
fn a_daemon_that_a_job_detached_with_setsid_is_reported_and_not_waited_for() {
    is_reported_and_not_waited_for("(setsid sh /mnt/job b &)");
}

#[test]
fn a_daemon_that_a_job_detached_with_a_double_fork_is_reported_and_not_waited_for() {
    is_reported_and_not_waited_for(DETACH);
}

#[test]
fn a_daemon_of_a_job_is_waited_for_on_demand() {
    let place = cron_box!();
    let (daemon, behind) = left_behind(&place, DETACH);
    let list = place.graceful(&["--list", "--json", "--wait-daemons"]).succeeds().json();
    assert_eq!(entry(&list, "jobs", behind)["awaited"], true, "{list:#}");
    let run = place.begin_and_pause(&["--wait-daemons"], daemon);
    end_job(&place);
    stops(&place, place.finishes_after("b", run), daemon);
}

#[test]
fn a_daemon_that_somebody_else_started_is_nobody_s_job() {
    let place = cron_box!();
    let other = place.shell("setsid sh /mnt/job other >/dev/null 2>&1 </dev/null & echo $!");
    place.began("other");
    let daemon = place.cron();
    assert!(super::pids(&place.list(), "jobs").is_empty(), "{:#}", place.list());
    let outcome = place.graceful(&["--wait-daemons"]);
    assert!(place.is_alive(other.parse().expect("parsing a process id")), "{}", outcome.report());
    stops(&place, outcome, daemon);
}
