//! The pause: it is kept up, and it ends with the run.

use super::super::support::cron::soon;
use crate::cron_box;

#[test]
fn a_daemon_that_somebody_continues_is_paused_again() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let mut run = place.begin(&["--jsonl"]);
    run.event("job");
    place.kill("CONT", daemon);
    soon("a daemon that is paused again", || place.state(daemon) == 'T');
    assert!(place.is_alive(script) && place.is_alive(run.pid));
    let outcome = place.finishes_after("a", run).exits(0);
    assert!(outcome.errors().starts_with("cron-graceful: "), "no warning\n{}", outcome.report());
    place.is_stopped(daemon);
}

/// A user who ends the guardian first does not get cron paused without end.
#[test]
fn a_guardian_that_is_killed_is_replaced() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    let guardians = || -> Vec<u32> {
        let all = place.processes();
        all.iter()
            .filter(|seen| seen.parent == run.pid && seen.pid != run.pid)
            .map(|seen| seen.pid)
            .collect()
    };
    soon("a guardian", || !guardians().is_empty());
    let first = guardians()[0];
    place.kill("KILL", first);
    soon("another guardian", || {
        guardians().iter().any(|&pid| pid != first && place.state(pid) != 'Z')
    });
    // The run waits for jobs again as soon as the guardian has the daemon: then the first argument
    // of the system call that it sleeps in is an epoll.
    let waits_for_jobs = || {
        let path = |name: &str| place.root(&format!("/proc/{}/{name}", run.pid));
        let call = std::fs::read_to_string(path("syscall")).unwrap_or_default();
        let first = call.split(' ').nth(1).and_then(|argument| argument.strip_prefix("0x"));
        let descriptor = first.and_then(|argument| u32::from_str_radix(argument, 16).ok());
        let link =
            descriptor.and_then(|number| std::fs::read_link(path(&format!("fd/{number}"))).ok());
        link.is_some_and(|link| link == std::path::Path::new("anon_inode:[eventpoll]"))
    };
    soon("a run that waits for jobs", waits_for_jobs);
    place.kill("KILL", run.pid);
    soon("a cron that runs on", || place.state(daemon) != 'T');
    run.finish();
}

/// A key that stops us, pressed while cron is paused, is forgotten: it must not stop us later, with
/// cron still paused.
#[test]
fn a_stop_from_a_keyboard_does_not_leave_cron_paused() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&["--timeout", "1"], daemon);
    place.kill("TSTP", run.pid);
    run.finish().exits(124);
    place.still_runs(daemon);
}
