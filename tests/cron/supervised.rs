//! Crons that cannot be stopped: the first process of a container, and the children of supervisors.

use super::super::support::cron::{CronBox, Seen, job, soon};
use super::{avoids, mentions};
use crate::cron_box;

/// A supervisor: its name, its program, and the command that makes it stop its service for good.
struct Supervisor {
    name: &'static str,
    program: &'static str,
    advice: &'static str,
}

/// It starts cron itself.
const RUNSV: Supervisor = Supervisor {
    name: "runsv",
    program: "#!/bin/bash\nwhile :; do cron -f; done\n",
    advice: "cron-graceful -- sv down /run/cron",
};

/// It starts cron through a shell and tini.
const S6: Supervisor = Supervisor {
    name: "s6-supervise",
    program: "#!/bin/bash\nwhile :; do bash -c 'tini -s -- cron -f; true'; done\n",
    advice: "cron-graceful -- s6-svc -wd -d /run/cron",
};

/// It starts cron through flock, which does not replace itself.
const SUPERVISE: Supervisor = Supervisor {
    name: "supervise",
    program: "#!/bin/bash\nwhile :; do flock /run/lock/cron cron -f; done\n",
    advice: "cron-graceful -- svc -d /run/cron",
};

/// It names its service in the environment, and needs a shell for a command with a log.
const SUPERVISORD: Supervisor = Supervisor {
    name: "supervisord",
    program: "#!/usr/bin/python3
import os, subprocess
names = {'SUPERVISOR_GROUP_NAME': 'jobs', 'SUPERVISOR_PROCESS_NAME': 'cron'}
while True:
    subprocess.run(['sh', '-c', 'cron -f; true'], env=os.environ | names)
",
    advice: "cron-graceful -- supervisorctl stop jobs:cron",
};

/// It is called with the name of its service.
const SUPERVISE_DAEMON: Supervisor = Supervisor {
    name: "supervise-daemon",
    program: "#!/bin/bash\nwhile :; do cron -f; done\n",
    advice: "cron-graceful -- rc-service cron stop",
};

/// It knows services by names that no process shows.
const DINIT: Supervisor = Supervisor {
    name: "dinit",
    program: "#!/bin/bash\nwhile :; do cron -f; done\n",
    advice: "cron-graceful -- dinitctl",
};

/// Makes a box with a cron that a supervisor runs. Returns the pid of cron.
fn supervised(place: &CronBox, supervisor: &Supervisor) -> u32 {
    place.program(supervisor.name, supervisor.program);
    let start = format!(
        "mkdir -p /run/cron; cd /run/cron; setsid {} cron </dev/null >/dev/null 2>&1 &",
        supervisor.name
    );
    place.cron_by(&start)
}

/// A job runs meanwhile: the refusal does not wait for it.
#[track_caller]
fn is_refused_at_once(supervisor: &Supervisor, needs: &[&str]) {
    let place = cron_box!(CronBox::needing(needs));
    place.crontab(&[&job("a")]);
    let daemon = supervised(&place, supervisor);
    place.began("a");
    for words in [&[][..], &["--timeout", "1h", "--on-timeout", "terminate"]] {
        let outcome = place.graceful(words).exits(5);
        mentions(&outcome, &[supervisor.name, supervisor.advice, "nothing was done"]);
        avoids(&outcome, &["paused", "waiting for", "is stopped"]);
        place.still_runs(daemon);
    }
    let rehearsal = place.graceful(&["-n"]).exits(5);
    assert!(rehearsal.text().contains(supervisor.advice), "{}", rehearsal.report());
    avoids(&rehearsal, &["would stop"]);
    assert!(!place.ended("a"));
    let result = place.graceful(&["--json"]).exits(5).json();
    assert_eq!(result["outcome"], "supervised", "{result:#}");
    place.still_runs(daemon);
}

#[test]
fn a_cron_below_runsv_is_refused_at_once() {
    is_refused_at_once(&RUNSV, &[]);
}

#[test]
fn a_cron_below_s6_through_a_shell_and_tini_is_refused_at_once() {
    is_refused_at_once(&S6, &[]);
}

#[test]
fn a_cron_below_supervise_through_flock_is_refused_at_once() {
    is_refused_at_once(&SUPERVISE, &["flock"]);
}

#[test]
fn a_cron_below_supervisord_through_a_shell_is_refused_at_once() {
    is_refused_at_once(&SUPERVISORD, &["python3"]);
}

#[test]
fn a_cron_below_supervise_daemon_is_refused_at_once() {
    is_refused_at_once(&SUPERVISE_DAEMON, &[]);
}

#[test]
fn a_cron_below_a_supervisor_that_hides_its_service_is_refused_at_once() {
    is_refused_at_once(&DINIT, &[]);
}

/// The loop starts cron again a second after its exit, as do busybox init and supervisord.
#[test]
fn a_cron_that_comes_back_after_a_second_is_not_said_to_be_stopped() {
    let place = cron_box!();
    let script = "while :; do cron -f; sleep 1; done";
    let start = format!("setsid bash -c '{script}' </dev/null >/dev/null 2>&1 &");
    let daemon = place.cron_by(&start);
    let parent = place.seen(daemon).expect("finding cron").parent;
    let rehearsal = place.graceful(&["-n"]).exits(0);
    assert!(
        rehearsal.text().contains(&format!("whether its parent, process {parent}")),
        "{}",
        rehearsal.report()
    );
    let outcome = place.graceful(&[]).exits(1);
    mentions(&outcome, &["in its place"]);
    avoids(&outcome, &["is stopped"]);
}

/// A supervisor far above, such as that of sshd, does not know what a user starts in a terminal.
#[test]
fn a_cron_that_a_user_has_started_in_a_terminal_is_not_supervised() {
    let place = cron_box!(CronBox::needing(&["script"]));
    place.program(RUNSV.name, "#!/bin/bash\nscript -qc 'cron -f' /dev/null\n");
    let daemon = place.cron_by("setsid runsv sshd </dev/null >/dev/null 2>&1 &");
    let outcome = place.graceful(&[]).exits(0);
    avoids(&outcome, &["runsv"]);
    assert!(!place.is_alive(daemon));
}

#[test]
fn a_window_works_below_a_supervisor() {
    let place = cron_box!();
    let daemon = supervised(&place, &RUNSV);
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
