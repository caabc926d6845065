//! Several crons at once.

use super::super::support::cron::{CronBox, job, soon};
use crate::cron_box;

/// Starts two crons with a job each, `a` and `b`. Returns the daemons and the script of `b`.
#[track_caller]
fn two_crons(place: &CronBox) -> (u32, u32, u32) {
    let (daemon, _) = place.cron_with_job();
    place.crontab(&[&job("b")]);
    let other = place.second_cron();
    (daemon, other, place.began("b"))
}

#[test]
fn the_job_of_another_cron_is_not_terminated() {
    let place = cron_box!();
    let (daemon, other, script) = two_crons(&place);
    let words = ["--pid", &daemon.to_string(), "--timeout", "0.5", "--on-timeout", "terminate"];
    let outcome = place.graceful(&words).exits(0);
    assert!(place.goes_on(script), "the other cron's job was touched\n{}", outcome.report());
    assert!(!place.is_alive(daemon) && !place.ended("a"), "{}", outcome.report());
    place.still_runs(other);
    place.release("b");
    soon("the end of the other cron's job", || place.ended("b"));
}

#[test]
fn the_job_of_another_cron_is_not_waited_for() {
    let place = cron_box!();
    let (daemon, other, script) = two_crons(&place);
    let outcome =
        place.waits_for("a", &["--pid", &daemon.to_string(), "--timeout", "20"], daemon).exits(0);
    assert!(!place.is_alive(daemon), "{}", outcome.report());
    assert!(place.goes_on(script), "the other cron's job was touched\n{}", outcome.report());
    place.still_runs(other);
}
