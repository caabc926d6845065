//! Processes that jobs leave behind: background children, which are waited for, and daemons, which
//! are reported.

use super::super::support::cron::{CronBox, job, soon};
use super::{counts, entry, mentions, stops};
use crate::{cron_box, skip};

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

/// A job in the background with its output redirected: nothing but its looks ties it to cron after
/// the end of its shell.
const REDIRECTED: &str = "sh /mnt/job b >>/mnt/log 2>&1 </dev/null &";

/// Waits until neither the shell of a job nor its worker exists any more.
fn await_end_of_shell(place: &CronBox, daemon: u32) {
    soon("the end of the shell and its worker", || {
        !place.processes().iter().any(|seen| seen.parent == daemon)
    });
}

#[test]
fn a_redirected_job_in_the_background_is_perhaps_of_cron() {
    let place = cron_box!();
    place.crontab(&[REDIRECTED]);
    let daemon = place.cron();
    let behind = place.began("b");
    await_end_of_shell(&place, daemon);
    counts(&place, behind, "perhaps", false);
    let list = place.graceful(&["--list"]).exits(0);
    assert!(list.text().contains("perhaps of cron"), "{}", list.report());
    let outcome = place.graceful(&[]).exits(0);
    mentions(&outcome, &["not waiting for", "perhaps of cron"]);
    place.is_stopped(daemon);
    assert!(place.is_alive(behind));
}

#[test]
fn what_is_perhaps_of_cron_is_waited_for_on_request_and_never_terminated() {
    let place = cron_box!();
    place.crontab(&[REDIRECTED]);
    let daemon = place.cron();
    let behind = place.began("b");
    await_end_of_shell(&place, daemon);
    let terminate = ["--wait-daemons", "--timeout", "0.3", "--on-timeout", "terminate"];
    place.graceful(&terminate).exits(124);
    assert!(place.is_alive(behind));
    stops(&place, place.waits_for("b", &["--wait-daemons"], daemon), daemon);
}

/// Orphans of other origin: of a user's session, of an init script, and a daemon made by two forks.
#[test]
fn other_orphans_are_not_perhaps_of_cron() {
    let place = cron_box!();
    let daemon = place.cron();
    let job_like = "env -i HOME=/root LOGNAME=root SHELL=/bin/sh PATH=$PATH";
    for (name, command) in [
        ("b", format!("{job_like} TERM=dumb setsid sh -c 'sh /mnt/job b >>/mnt/log 2>&1 &'")),
        ("c", format!("{job_like} RUNLEVEL=2 setsid sh -c 'sh /mnt/job c >>/mnt/log 2>&1 &'")),
        ("d", "env -i PATH=$PATH setsid sh -c 'sh /mnt/job d >>/mnt/log 2>&1 &'".to_owned()),
        ("e", format!("cd /; {job_like} setsid sh -c 'sh /mnt/job e >/dev/null 2>&1 &'")),
    ] {
        place.shell(&format!("{{ {command}; }} </dev/null"));
        place.began(name);
    }
    let list = place.list();
    assert_eq!(list["jobs"].as_array().map(Vec::len), Some(0), "{list:#}");
    place.still_runs(daemon);
}

/// cronie with pam_systemd(8) opens a login session for each job.
#[test]
fn what_runs_in_a_login_session_of_cron_is_waited_for() {
    let place = cron_box!();
    place.shell("mkdir -p /run/systemd/sessions; echo SERVICE=crond >/run/systemd/sessions/77");
    place.program(
        "enter",
        "#!/bin/sh
for root in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    group=$root/proctool-test-$(cat /proc/sys/kernel/random/uuid)
    mkdir -p $group/session-77.scope 2>/dev/null && echo $$ >$group/session-77.scope/cgroup.procs &&
        echo $group >/mnt/group && break
done
echo >/mnt/entered\n",
    );
    place.crontab(&[&format!(". /mnt/bin/enter; {REDIRECTED}")]);
    let daemon = place.cron();
    let behind = place.began("b");
    if !place.has("group") {
        skip!("no control group can be made here");
    }
    await_end_of_shell(&place, daemon);
    counts(&place, behind, "session", true);
    stops(&place, place.waits_for("b", &[], daemon), daemon);
    soon("the end of the control group", || {
        place.exec("cd /; rmdir $(cat /mnt/group)/session-77.scope $(cat /mnt/group)").code() == 0
    });
}

/// A server that a job has started, as after a rotation of logs: it leaves the session of the job
/// and has a worker.
const SERVER: &str = "use POSIX; exit if fork; setsid; exit if fork; setsid; \
    open STDIN, q(/dev/null); open STDOUT, q(>/dev/null); open STDERR, q(>/dev/null); chdir q(/); \
    unless (fork) { $0 = q(served worker); sleep 1000 } $0 = q(served master); sleep 1000";

#[test]
fn the_workers_of_a_server_that_a_job_has_started_are_the_servers() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    std::fs::write(place.path("server.pl"), SERVER).expect("writing a script");
    place.crontab(&["perl /mnt/server.pl; sh /mnt/job a"]);
    let daemon = place.cron();
    place.began("a");
    let served = || -> Vec<u32> {
        let seen = place.processes().into_iter();
        seen.map(|seen| seen.pid)
            .filter(|&pid| place.shell(&format!("cat /proc/{pid}/cmdline || :")).contains("served"))
            .collect()
    };
    soon("the server", || served().len() == 2);
    place.graceful(&["--timeout", "0.5", "--on-timeout", "terminate"]);
    assert!(!place.is_alive(daemon));
    assert_eq!(served().len(), 2, "the server was hurt");
}

/// The worker stays in the session of what runs cron, and a subreaper there adopts it.
#[test]
fn a_worker_of_an_earlier_cron_is_one_also_beside_the_present_one() {
    let place = cron_box!(CronBox::needing(&["tini"]));
    place.crontab(&["sh /mnt/job a"]);
    place.shell(
        "setsid tini -s -- bash -c 'while :; do cron -f; sleep 0.2; done' \
         </dev/null >/dev/null 2>&1 &",
    );
    let first = place.locked();
    let job = place.began("a");
    place.kill("KILL", first);
    let mut second = first;
    soon("another cron", || {
        second = place.locked();
        second != first && place.is_alive(second)
    });
    mentions(&place.graceful(&["--list"]).exits(0), &["sh /mnt/job a"]);
    assert!(place.is_alive(job));
    let run = place.begin(&["--", "touch", "/mnt/ran"]);
    place.await_pause(&run, second);
    assert!(!place.has("ran"), "the command ran beside a job");
    place.finishes_after("a", run).exits(0);
    assert!(place.has("ran"));
}
