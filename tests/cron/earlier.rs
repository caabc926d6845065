//! Jobs of a daemon that has ended: nothing but their place and their looks ties them to cron.

use super::super::support::cron::{CronBox, job, soon};
use super::{counts, entry, mentions, stops};
use crate::cron_box;

/// The environment that busybox's crond gives its jobs.
const ENVIRONMENT: &str = "env -i PATH=$PATH HOME=/root LOGNAME=root USER=root SHELL=/bin/sh";

/// A program called crond that runs two jobs as busybox's crond and dcron do: in its own session,
/// each in a process group. One of them goes on in the background after its shell.
const CROND: &str = "use POSIX; setsid; \
    for my $job ('sh /mnt/job a', 'sh /mnt/job b >/dev/null 2>&1 &') { \
        next if fork; setpgrp; chdir '/root'; exec 'sh', '-c', $job } \
    sleep 1000";

/// Starts that crond in this environment. Returns its pid.
#[track_caller]
fn crond(place: &CronBox, environment: &str, program: &str) -> u32 {
    crond_with(place, environment, program, "")
}

/// Starts it with these options.
#[track_caller]
fn crond_with(place: &CronBox, environment: &str, program: &str, options: &str) -> u32 {
    place.shell("[ -e /usr/sbin/crond ] || cp $(command -v perl) /usr/sbin/crond");
    place.shell("echo '0 4 * * * sh /mnt/job a' >/var/spool/cron/crontabs/root");
    std::fs::write(place.path("crond.pl"), program).expect("writing a script");
    let start =
        format!("{environment} crond /mnt/crond.pl {options} </dev/null >/dev/null 2>&1 & echo $!");
    let daemon = place.shell(&start).parse().expect("parsing a process id");
    soon("a crond", || place.name(daemon) == "crond");
    daemon
}

/// Ends a crond while its jobs run, and returns the pids of the jobs.
#[track_caller]
fn orphaned(place: &CronBox, daemon: u32) -> [u32; 2] {
    let jobs = [place.began("a"), place.began("b")];
    place.kill("KILL", daemon);
    soon("orphans", || {
        place.processes().iter().any(|seen| seen.pid == jobs[1] && seen.parent == 1)
            && !place.processes().iter().any(|seen| seen.parent == daemon)
    });
    jobs
}

/// Checks that the jobs are listed, that a window waits for them, and that nobody terminates them.
#[track_caller]
fn are_jobs(place: &CronBox, jobs: [u32; 2]) {
    let list = place.graceful(&["--list"]).exits(0);
    mentions(&list, &["sh /mnt/job a", "a cron that has ended"]);
    let terminate = ["--timeout", "0.3", "--on-timeout", "terminate"];
    // The pauses of the termination are over at once where nothing may be terminated.
    let outcome = place.graceful(&terminate).exits(124);
    mentions(&outcome, &["not terminating"]);
    assert!(jobs.iter().all(|&job| place.goes_on(job)), "{}", outcome.report());
    let run = place.begin(&["--", "touch", "/mnt/ran"]);
    soon("the run at work", || place.root("/run/cron-graceful.lock").exists());
    place.release("a");
    soon("the end of the first job", || place.ended("a"));
    assert!(!place.has("ran"), "the command ran beside a job");
    place.finishes_after("b", run).exits(0);
    assert!(place.has("ran"));
}

#[test]
fn the_jobs_of_a_crond_that_was_started_anew_are_waited_for() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let jobs = orphaned(&place, crond(&place, ENVIRONMENT, CROND));
    let daemon = crond(&place, ENVIRONMENT, "sleep 1000");
    are_jobs(&place, jobs);
    place.still_runs(daemon);
}

#[test]
fn the_jobs_of_a_crond_that_has_ended_are_waited_for_without_another_one() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let jobs = orphaned(&place, crond(&place, ENVIRONMENT, CROND));
    are_jobs(&place, jobs);
}

/// Such a crond passes on the variables of the terminal: its jobs are known by their commands.
#[test]
fn the_jobs_of_a_crond_from_a_terminal_are_known_by_their_crontab() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let environment = format!("{ENVIRONMENT} TERM=xterm SSH_CONNECTION=somewhere");
    let jobs = orphaned(&place, crond(&place, &environment, CROND));
    let daemon = crond(&place, ENVIRONMENT, "sleep 1000");
    are_jobs(&place, jobs);
    place.still_runs(daemon);
}

/// A crond in the foreground is in the session of what runs it, and so are its jobs.
/// Neither their commands nor their environment tells for certain: they are at least listed.
#[test]
fn the_jobs_of_a_crond_from_a_terminal_are_perhaps_of_cron_without_a_crontab() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let environment = format!("{ENVIRONMENT} TERM=xterm");
    let jobs = orphaned(&place, crond(&place, &environment, CROND));
    let daemon = crond(&place, ENVIRONMENT, "sleep 1000");
    place.shell("echo '0 4 * * * other' >/var/spool/cron/crontabs/root");
    counts(&place, jobs[0], "perhaps", false);
    stops(&place, place.graceful(&[]), daemon);
    assert!(place.goes_on(jobs[0]));
}

/// A crond of the boot has the variables of the boot, and one that is started anew those of ssh.
#[test]
fn the_jobs_of_the_crond_of_the_boot_are_known_without_their_commands() {
    for of_boot in ["TERM=linux", "TERM=linux RUNLEVEL=3"] {
        let place = cron_box!(CronBox::needing(&["perl"]));
        let jobs = orphaned(&place, crond(&place, &format!("{ENVIRONMENT} {of_boot}"), CROND));
        let by_hand = format!("{ENVIRONMENT} TERM=xterm SSH_CONNECTION=somewhere");
        let daemon = crond(&place, &by_hand, "sleep 1000");
        place.shell("echo '0 4 * * * other' >/var/spool/cron/crontabs/root");
        are_jobs(&place, jobs);
        place.still_runs(daemon);
    }
}

/// A crond puts its variables behind those that it has itself.
#[test]
fn the_jobs_of_a_crond_with_many_variables_are_known() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let environment = ENVIRONMENT.replace("env -i", "env -i BIG=$(printf %09000d 0)");
    let jobs = orphaned(&place, crond(&place, &environment, CROND));
    let daemon = crond(&place, ENVIRONMENT, "sleep 1000");
    place.shell("echo '0 4 * * * other' >/var/spool/cron/crontabs/root");
    are_jobs(&place, jobs);
    place.still_runs(daemon);
}

#[test]
fn the_jobs_of_an_earlier_crond_are_known_beside_one_with_crontabs_elsewhere() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let jobs = orphaned(&place, crond(&place, ENVIRONMENT, CROND));
    let daemon = crond_with(&place, ENVIRONMENT, "sleep 1000", "-c /etc/elsewhere");
    place.shell("rm /var/spool/cron/crontabs/root");
    are_jobs(&place, jobs);
    place.still_runs(daemon);
}

/// Anybody can give a process the environment of a job of the superuser.
#[test]
fn who_only_says_to_be_the_superuser_is_not_awaited() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let daemon = crond(&place, ENVIRONMENT, "sleep 1000");
    let script = "cd /; timeout 1000 sh /mnt/job other >>/tmp/log 2>&1 </dev/null &";
    let liar = "setpriv --reuid 65534 --clear-groups";
    place
        .shell(&format!("chmod 777 /mnt; {liar} {ENVIRONMENT} setsid sh -c '{script}' </dev/null"));
    let other = place.began("other");
    let seen = place.processes().into_iter();
    let leader = seen.into_iter().find(|seen| seen.name == "timeout").expect("finding timeout").pid;
    counts(&place, leader, "perhaps", false);
    stops(&place, place.graceful(&[]), daemon);
    assert!(place.goes_on(other));
}

#[test]
fn the_jobs_of_a_crond_in_the_foreground_are_told_from_what_runs_it() {
    let place = cron_box!(CronBox::needing(&["perl", "tini"]));
    let in_foreground = CROND.replacen("setsid;", "", 1);
    place.shell(
        "cp $(command -v perl) /usr/sbin/crond; \
         echo '0 4 * * * sh /mnt/job a' >/var/spool/cron/crontabs/root",
    );
    std::fs::write(place.path("crond.pl"), &in_foreground).expect("writing a script");
    std::fs::write(place.path("idle.pl"), "sleep 1000").expect("writing a script");
    place.shell(&format!(
        "{ENVIRONMENT} setsid tini -s -- bash -c 'crond /mnt/crond.pl | cat; \
         crond /mnt/idle.pl; true' </dev/null >/dev/null 2>&1 &"
    ));
    let jobs = [place.began("a"), place.began("b")];
    let crond = || place.processes().into_iter().find(|seen| seen.name == "crond");
    let first = crond().expect("finding the crond").pid;
    place.shell("pkill -x cat");
    place.kill("KILL", first);
    let mut second = first;
    soon("another crond", || {
        second = crond().map_or(first, |seen| seen.pid);
        second != first
    });
    let text = place.graceful(&["--list"]).exits(0);
    mentions(&text, &["sh /mnt/job a"]);
    for word in ["tini", "bash"] {
        assert!(!text.text().contains(word), "{}", text.report());
    }
    let run = place.begin(&["--", "touch", "/mnt/ran"]);
    place.await_pause(&run, second);
    assert!(!place.has("ran") && place.goes_on(jobs[0]));
    place.finishes_after("a", run).exits(0);
    place.still_runs(second);
}

/// A job that has left the session of its shell, without being a daemon as daemon(3) makes one.
#[test]
fn a_redirected_job_in_a_session_of_its_own_is_perhaps_of_cron() {
    for job in [
        "setsid sh /mnt/job b >/dev/null 2>&1 </dev/null &",
        "setsid sh /mnt/job b >>/mnt/log 2>&1 &",
    ] {
        let place = cron_box!();
        place.crontab(&[job]);
        let daemon = place.cron();
        let behind = place.began("b");
        soon("an orphan", || place.seen(behind).is_some_and(|seen| seen.parent == 1));
        counts(&place, behind, "perhaps", false);
        stops(&place, place.graceful(&[]), daemon);
        assert!(place.goes_on(behind));
    }
}

#[test]
fn what_is_perhaps_of_cron_is_so_also_after_a_restart_of_cron() {
    let place = cron_box!();
    place.crontab(&["sh /mnt/job b >>/mnt/log 2>&1 </dev/null &"]);
    let old = place.cron();
    let behind = place.began("b");
    soon("an orphan", || place.seen(behind).is_some_and(|seen| seen.parent == 1));
    place.kill("KILL", old);
    soon("the end of cron", || !place.is_alive(old));
    place.raw_crontab("0 4 1 1 * root true\n");
    let daemon = place.cron();
    counts(&place, behind, "perhaps", false);
    stops(&place, place.graceful(&[]), daemon);
}

/// fcron: a worker keeps the lock on the pid file, which names the daemon, and looks like it.
const FCRON: &str = "import fcntl, os, sys, time\n\
    os.setsid()\n\
    file = open('/run/fcron.pid', 'w')\n\
    fcntl.flock(file, fcntl.LOCK_EX)\n\
    print(os.getpid(), file=file, flush=True)\n\
    if os.fork() == 0:\n    \
        if os.fork() == 0:\n        \
            os.setsid()\n        \
            os.execvp('sh', ['sh', '-c', 'sh /mnt/job a; true'])\n    \
        os.wait()\n    \
        os._exit(0)\n\
    time.sleep(1000)\n";

#[test]
fn a_worker_of_fcron_is_no_daemon_and_its_job_is_waited_for() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program("fcron.py", FCRON);
    place.shell("cp \"$(readlink -f $(command -v python3))\" /usr/sbin/fcron");
    let start = "fcron /mnt/bin/fcron.py </dev/null >/dev/null 2>&1 & echo $!";
    let daemon: u32 = place.shell(start).parse().expect("parsing a process id");
    let script = place.began("a");
    let list = place.list();
    assert_eq!(super::pids(&list, "daemons"), [u64::from(daemon)], "{list:#}");
    let worker = place
        .seen(place.seen(script).expect("finding the script").parent)
        .expect("finding the job")
        .parent;
    let outcome = place.graceful(&["--timeout", "0.3", "--on-timeout", "stop"]).exits(124);
    mentions(&outcome, &[&format!("fcron ({daemon}) is stopped")]);
    assert!(place.goes_on(worker) && place.goes_on(script), "{}", outcome.report());
    let list = place.list();
    assert_eq!(super::pids(&list, "daemons"), [0; 0], "{list:#}");
    assert_eq!(entry(&list, "jobs", worker)["why"], "worker", "{list:#}");
    let pid = worker.to_string();
    mentions(&place.graceful(&["--pid", &pid]).exits(1), &["a worker of a cron"]);
    let run = place.begin(&["--", "touch", "/mnt/ran"]);
    soon("the run at work", || place.root("/run/cron-graceful.lock").exists());
    assert!(!place.has("ran") && place.goes_on(worker));
    place.finishes_after("a", run).exits(0);
}

/// A worker of cronie that waits for the output of a job whose shell has ended and was not reaped.
#[test]
fn what_a_job_left_in_the_session_of_its_zombie_is_of_the_job() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let program = "use POSIX; setsid; unless (fork) { $0 = 'CROND -n'; \
        unless (fork) { setsid; exec 'sh', '-c', 'sh /mnt/job a & true' } sleep 1000 } sleep 1000";
    let daemon = crond(&place, ENVIRONMENT, program);
    let behind = place.began("a");
    soon("an orphan", || place.seen(behind).is_some_and(|seen| seen.parent == 1));
    counts(&place, behind, "session", true);
    let outcome = place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    assert!(!place.is_alive(behind) && !place.is_alive(daemon), "{}", outcome.report());
}

/// The session of a job ends, and its number is given to a daemon that somebody else starts: root
/// may choose the next pid.
const REUSE: &str = "import os, sys, time\n\
    session = int(sys.argv[1])\n\
    while os.path.exists(f'/proc/{session}'): time.sleep(0.001)\n\
    for _ in range(1000):\n    \
        open('/proc/sys/kernel/ns_last_pid', 'w').write(str(session - 1))\n    \
        pid = os.fork()\n    \
        if pid == 0:\n        \
            if os.getpid() != session: os._exit(0)\n        \
            os.setsid()\n        \
            if os.fork(): os._exit(0)\n        \
            open('/mnt/other.began', 'w').write(f'{os.getpid()}\\n')\n        \
            os.execvp('sleep', ['sleep', '1000'])\n    \
        os.waitpid(pid, 0)\n    \
        if pid == session: break\n";

#[test]
fn a_stranger_with_the_number_of_a_job_s_session_is_never_terminated() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program("reuse.py", REUSE);
    place.crontab(&[&format!("{}; true", job("a")), &job("b")]);
    let daemon = place.cron();
    let session = place.seen(place.began("a")).expect("finding the script").parent;
    place.began("b");
    place.shell(&format!(
        "setsid python3 /mnt/bin/reuse.py {session} </dev/null >/mnt/reuse.log 2>&1 &"
    ));
    let mut run = place.begin(&["--jsonl", "--timeout", "4", "--on-timeout", "terminate"]);
    run.event("job");
    place.await_pause(&run, daemon);
    place.release("a");
    let other = place.began("other");
    let outcome = run.finish();
    assert!(place.goes_on(other), "a stranger was terminated\n{}", outcome.report());
}

/// What su(1) starts has the environment of a job, and timeout(1) leads a process group.
#[test]
fn an_orphan_with_the_environment_of_a_job_is_awaited_only_where_a_crontab_tells_of_it() {
    let orphan = |place: &CronBox, user: &str| -> u32 {
        let environment = ENVIRONMENT.replace("LOGNAME=root", &format!("LOGNAME={user}"));
        let script = "cd /root; timeout 1000 sh /mnt/job other >>/mnt/log 2>&1 </dev/null &";
        place.shell(&format!("{environment} setsid sh -c '{script}' </dev/null"));
        place.began("other");
        let seen = place.processes().into_iter();
        seen.into_iter().find(|seen| seen.name == "timeout").expect("finding timeout").pid
    };
    // Beside cron, and without any daemon. Without a crontab of the user it is nobody's.
    let place = cron_box!();
    let other = orphan(&place, "root");
    assert!(super::pids(&place.list(), "jobs").is_empty());
    place.raw_crontab("0 4 1 1 * root true\n");
    counts(&place, other, "perhaps", false);
    let daemon = place.cron();
    counts(&place, other, "perhaps", false);
    stops(&place, place.graceful(&[]), daemon);
    assert!(place.goes_on(other));
    // Beside a crond for which another user has a crontab.
    let place = cron_box!(CronBox::needing(&["perl"]));
    let daemon = crond(&place, ENVIRONMENT, "sleep 1000");
    let other = orphan(&place, "nobody");
    assert!(super::pids(&place.list(), "jobs").is_empty());
    stops(&place, place.graceful(&[]), daemon);
    assert!(place.goes_on(other));
}

/// Whoever reads the output of a run in a job waits for that run, also where timeout(1) has given the
/// run a process group of its own.
#[test]
fn a_run_in_a_job_of_an_earlier_crond_does_not_wait_for_its_own_pipe() {
    for by in ["", "timeout 50 "] {
        let place = cron_box!(CronBox::needing(&["perl"]));
        let run = format!(
            "read -r _ </mnt/start.go; {by}cron-graceful -- touch /mnt/ran 2>&1 | tee /mnt/told"
        );
        let program = CROND.replace("sh /mnt/job b >/dev/null 2>&1 &", &run);
        place.shell("mkfifo /mnt/start.go");
        let first = crond(&place, ENVIRONMENT, &program);
        let job = place.began("a");
        place.kill("KILL", first);
        soon("orphans", || !place.processes().iter().any(|seen| seen.parent == first));
        let second = crond(&place, ENVIRONMENT, "sleep 1000");
        place.feed(&place.path("start.go"));
        soon("a paused crond", || place.state(second) == 'T');
        assert!(place.goes_on(job) && !place.has("ran"), "the command ran beside a job");
        place.release("a");
        soon("the command", || place.has("ran"));
        place.still_runs(second);
    }
}

/// The same in a job whose worker still runs, as those of Debian's cron do.
#[test]
fn a_run_in_a_job_of_an_earlier_cron_does_not_wait_for_its_own_pipe() {
    let place = cron_box!();
    place.shell("mkfifo /mnt/start.go");
    place.crontab(&[
        "read -r _ </mnt/start.go; \
         timeout 50 /mnt/bin/cron-graceful -- touch /mnt/ran 2>&1 | tee /mnt/told",
        &job("a"),
    ]);
    let first = place.cron();
    let other = place.began("a");
    place.kill("KILL", first);
    soon("the end of cron", || !place.is_alive(first));
    place.raw_crontab("");
    let second = place.cron();
    place.feed(&place.path("start.go"));
    soon("a paused cron", || place.state(second) == 'T');
    assert!(place.goes_on(other) && !place.has("ran"), "the command ran beside a job");
    place.release("a");
    soon("the command", || place.has("ran"));
    place.still_runs(second);
}
