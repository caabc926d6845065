//! In a pid namespace of its own, where the kernel has no process events.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::support::cron::{CronBox, job, soon};
use super::super::support::namespace::kernel;
use super::{Follower, end, follow, follow_by, follow_json, parse};
use crate::{cron_box, skip};

/// The first kernel that tells how a process ended that is no child of ours.
const TELLS: (u32, u32) = (6, 15);

/// A cron with a faked clock: a minute of it takes a second.
const FAST: &str = "faketime -f '+0 x60' cron -f >/dev/null 2>&1 </dev/null & echo $!";

#[test]
fn jobs_that_run_already_are_told_with_their_ends() {
    if kernel() < TELLS {
        skip!("this kernel does not tell how a job has ended");
    }
    let place = cron_box!();
    let [good, bad] = [job("a"), format!("{}; exit 3", job("b"))];
    let killed = format!("{}; kill -KILL $$", job("c"));
    place.crontab(&[&good, &format!("nobody: {bad}"), &killed]);
    let daemon = place.cron();
    for name in ["a", "b", "c"] {
        place.began(name);
    }
    let mut follower = follow_json(&place, &[]);
    let mut running: Vec<Value> = (0..3).map(|_| follower.event("running")).collect();
    running.sort_by_key(|event| event["crontab"]["line"].as_u64());
    for (event, (line, user, command)) in
        running.iter().zip([(2, "root", &good), (3, "nobody", &bad), (4, "root", &killed)])
    {
        assert_eq!(event["crontab"]["file"], "/etc/cron.d/jobs", "{event:#}");
        assert_eq!(event["crontab"]["line"], line, "{event:#}");
        assert!(event["user"] == user && event["command"] == **command, "{event:#}");
        assert!(event["daemon"] == daemon && event["worker"].is_u64(), "{event:#}");
    }
    for (name, command, expected) in
        [("a", &good, Value::from(0)), ("b", &bad, 3.into()), ("c", &killed, "KILL".into())]
    {
        place.release(name);
        let event = follower.end_of(command);
        assert_eq!(end(&event), expected, "{event:#}");
        assert!(event["peak_rss"].as_u64() > Some(100_000), "{event:#}");
        assert!(event["seconds"].as_f64() > Some(0.0), "{event:#}");
    }
    follower.end(&place);
    place.still_runs(daemon);
}

#[test]
fn a_cron_that_is_replaced_is_followed() {
    let place = cron_box!();
    let mut follower = follow(&place, &["--jsonl"]);
    follower.event("no daemon");
    place.crontab(&[&job("a")]);
    let first = place.cron();
    follower.following(first);
    assert_eq!(follower.event("started")["command"], job("a"));
    place.kill("TERM", first);
    while follower.event("daemon ended")["pid"] != first {}
    place.crontab(&[&job("b")]);
    let second = place.cron();
    follower.following(second);
    assert_eq!(follower.event("started")["command"], job("b"));
    // The job of the first one goes on.
    place.release("a");
    follower.end_of(&job("a"));
    place.release("b");
    follower.end_of(&job("b"));
    follower.end(&place);
}

/// Counts the ends of jobs by command, until each command has ended so many times.
fn ends(follower: &mut Follower, jobs: usize, each: usize) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    while found.len() < jobs || found.values().any(|ends| ends.len() < each) {
        let event = follower.event("ended");
        let command = event["command"].as_str().unwrap_or("?").to_owned();
        found.entry(command).or_default().push(event);
    }
    found
}

/// The minutes of this cron are seconds, and do not begin when those of the machine do.
#[test]
fn the_jobs_of_each_minute_are_told_once() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    if kernel() < TELLS {
        skip!("this kernel does not tell how a job has ended");
    }
    let jobs: Vec<String> = (0..20)
        .map(|number| {
            format!("sleep 0.{}; echo {number} >>/mnt/ran; exit {number}", number % 4 + 1)
        })
        .collect();
    let lines: String = jobs.iter().map(|job| format!("* * * * * root {job}\n")).collect();
    place.raw_crontab(&format!("MAILTO=\"\"\n{lines}"));
    let daemon: u32 = place.shell(FAST).parse().expect("parsing a process id");
    let mut follower = follow_json(&place, &["--pid", &faked(&place, daemon).to_string()]);
    let found = ends(&mut follower, jobs.len(), 3);
    for (number, job) in jobs.iter().enumerate() {
        assert!(found[job].iter().all(|event| end(event) == number), "{job}: {:#?}", found[job]);
        let is_line = |event: &Value| event["crontab"]["line"] == number + 2;
        assert!(found[job].iter().all(is_line), "{job}: {:#?}", found[job]);
    }
    place.kill("TERM", faked(&place, daemon));
    let rest = follower.running.finish().exits(0);
    // Each end was told once: as many as have run. A job may have started before we looked.
    let told = found.values().map(Vec::len).sum::<usize>()
        + rest.lines().iter().filter(|line| parse(line)["event"] == "ended").count();
    let ran = place.read("ran").lines().count();
    assert!(told <= ran && told + jobs.len() >= ran, "told {told} of {ran}");
}

/// Returns the cron that faketime(1) has started, or become.
fn faked(place: &CronBox, pid: u32) -> u32 {
    let mut found = 0;
    soon("a cron with another clock", || {
        let crons = place.processes().into_iter().filter(|seen| seen.name == "cron");
        let daemon = crons.into_iter().find(|seen| seen.pid == pid || seen.parent == pid);
        found = daemon.map_or(0, |seen| seen.pid);
        found != 0
    });
    found
}

#[test]
fn the_jobs_of_busybox_crond_are_told() {
    let place = cron_box!(CronBox::needing(&["busybox"]));
    if place.exec("busybox --list | grep -x crond").code() != 0 {
        skip!("busybox has no crond: busybox-static has one");
    }
    place.shell(
        "mkdir -p /var/spool/cron/crontabs
         echo '* * * * * sleep 1; exit 7' >/var/spool/cron/crontabs/root
         ln -s \"$(command -v busybox)\" /mnt/bin/crond",
    );
    let mut follower = follow(&place, &["--jsonl"]);
    place.shell("crond -f >/dev/null 2>&1 </dev/null &");
    let daemon = follower.event("following");
    assert_eq!(daemon["name"], "crond", "{daemon:#}");
    let start = follower.event("started");
    assert!(start["command"] == "sleep 1; exit 7" && start["user"] == "root", "{start:#}");
    assert!(start["worker"].is_null() && start["daemon"] == daemon["pid"], "{start:#}");
    assert_eq!(start["crontab"]["line"], 1, "{start:#}");
    let event = follower.event("ended");
    assert_eq!(event["pid"], start["pid"]);
    if kernel() >= TELLS {
        assert_eq!(end(&event), 7, "{event:#}");
    }
    follower.end(&place);
}

/// A shell becomes its only command before anybody can look.
#[test]
fn the_jobs_of_busybox_crond_are_told_whatever_they_have_become() {
    const JOBS: usize = 20;
    let place = cron_box!(CronBox::needing(&["busybox"]));
    if place.exec("busybox --list | grep -x crond").code() != 0 {
        skip!("busybox has no crond: busybox-static has one");
    }
    place.shell(&format!(
        "mkdir -p /var/spool/cron/crontabs
         ln -s \"$(command -v busybox)\" /mnt/bin/crond
         {{ echo SHELL=/bin/sh
           for job in $(seq {JOBS}); do echo \"* * * * * exec sleep 2.$job\"; done
         }} >/var/spool/cron/crontabs/root
         crond -f >/dev/null 2>&1 </dev/null &"
    ));
    let mut follower = follow_json(&place, &[]);
    let mut told: Vec<Value> = (0..JOBS).map(|_| follower.event("started")).collect();
    let command = |event: &Value| event["command"].as_str().unwrap_or_default().to_owned();
    told.sort_by_key(|event| command(event));
    told.dedup_by_key(|event| command(event));
    assert_eq!(told.len(), JOBS, "{told:#?}");
    follower.end(&place);
}

/// What sends mail is no job.
#[test]
fn a_mailer_is_no_job() {
    let place = cron_box!();
    place.program("/usr/sbin/sendmail", "#!/bin/sh\ncat >/dev/null; echo >/mnt/mailed; sleep 1\n");
    place.raw_crontab("@reboot root sleep 1; echo output\n");
    let daemon = place.cron();
    let mut follower = follow_json(&place, &["--pid", &daemon.to_string()]);
    follower.event("ended");
    soon("the mail", || place.has("mailed"));
    place.kill("TERM", daemon);
    let rest = follower.running.finish();
    assert!(!rest.text().contains("\"started\""), "{}", rest.report());
}

/// A job names itself as a worker, prints lines into its name, and is not UTF-8.
#[test]
fn what_a_job_calls_itself_changes_nothing() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    let forged = "2026-11-28 00:00:00 root ended 1 exit 0 after 0.00 s: forged";
    place.program(
        "hostile.py",
        &format!(
            "import os, sys\n\
             if len(sys.argv) < 2: os.execv(sys.executable, [b'CRON\\n{forged}\\n\\x1b[31m\\xff', \
             '/mnt/bin/hostile.py', 'x'])\n\
             open('/mnt/h.began', 'w').write('1\\n')\n\
             open('/mnt/h.go').read()\n\
             sys.exit(5)\n"
        ),
    );
    place.shell("mkfifo -m 666 /mnt/h.go; chmod 777 /mnt");
    place.raw_crontab(
        "MAILTO=\"\"\nSHELL=/bin/bash\n@reboot nobody exec python3 /mnt/bin/hostile.py\n",
    );
    let daemon = place.cron();
    place.began("h");
    let mut json = follow_json(&place, &["--pid", &daemon.to_string()]);
    let event = json.event("running");
    assert!(event["command"]["bytes"].is_string() && event["user"] == "nobody", "{event:#}");
    let text = follow(&place, &["--pid", &daemon.to_string()]);
    soon("a second one", || text.watches(&place) > 2);
    place.feed(&place.path("h.go"));
    json.event("ended");
    place.kill("TERM", daemon);
    json.running.finish();
    let outcome = text.running.finish();
    for line in outcome.lines() {
        assert!(line.contains(" nobody ") && line.contains("CRON\\n2026"), "{}", outcome.report());
        assert!(line.contains("\\x1b[31m\\xff"), "{}", outcome.report());
    }
    assert_eq!(outcome.lines().len(), 2, "{}", outcome.report());
}

/// Most jobs cannot be held by a pidfd: the limit of descriptors is too low, and cannot be raised.
#[test]
fn more_jobs_than_descriptors_are_told() {
    const JOBS: usize = 120;
    let place = cron_box!(CronBox::needing(&["prlimit"]));
    let line = "@reboot root echo $$ >>/mnt/began; exec sleep 1000\n";
    place.raw_crontab(&format!("MAILTO=\"\"\n{}", line.repeat(JOBS)));
    let daemon = place.cron();
    soon("the jobs", || place.read("began").lines().count() == JOBS);
    let mut follower = follow_by(&place, &["prlimit", "--nofile=64:64"], &["--jsonl"]);
    (0..JOBS).for_each(|_| _ = follower.event("running"));
    place.shell("kill $(cat /mnt/began)");
    (0..JOBS).for_each(|_| _ = follower.event("ended"));
    follower.end(&place);
    place.still_runs(daemon);
}

/// In a container, /proc/loadavg may be a file of lxcfs, where the latest pid stands still.
#[test]
fn jobs_are_found_where_the_latest_pid_of_the_machine_is_not_told() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    place.shell("cat /proc/loadavg >/mnt/loadavg; mount --bind /mnt/loadavg /proc/loadavg");
    place.raw_crontab("MAILTO=\"\"\n* * * * * root sleep 0.2; exit 3\n");
    let daemon: u32 = place.shell(FAST).parse().expect("parsing a process id");
    let mut follower = follow_json(&place, &["--pid", &faked(&place, daemon).to_string()]);
    assert_eq!(follower.event("started")["command"], "sleep 0.2; exit 3");
    follower.end(&place);
}

/// What the kernel tells of one job makes no sense.
#[test]
fn a_job_that_cannot_be_examined_does_not_end_the_watch() {
    let place = cron_box!();
    let job = |name: &str| format!("@reboot root echo $$ >/mnt/{name}; exec sleep 1000\n");
    place.raw_crontab(&format!("MAILTO=\"\"\n{}{}", job("a"), job("b")));
    let daemon = place.cron();
    soon("the jobs", || !place.read("a").is_empty() && !place.read("b").is_empty());
    place.shell("mount --bind /dev/null /proc/$(cat /mnt/a)/status");
    let mut follower = follow_json(&place, &[]);
    let running = follower.event("running");
    assert_eq!(running["pid"].to_string(), place.read("b"), "{running:#}");
    place.shell("kill $(cat /mnt/b)");
    assert_eq!(follower.event("ended")["pid"], running["pid"]);
    place.shell("umount /proc/$(cat /mnt/a)/status; kill $(cat /mnt/a)");
    follower.end(&place);
    place.still_runs(daemon);
}
