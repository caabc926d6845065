//! What was wrong once: found in a review, and mended.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::super::support::cron::{CronBox, Seen, job, soon};
use super::{avoids, pids, stops};
use crate::cron_box;

const ADDITIONS: &str = "cron-graceful-additions";

/// As an ordinary user.
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// Becomes a program whose output goes to a file in /tmp without a name; with `orphan`, one that is
/// below nobody.
const UNNAMED: &str = "import os, sys, tempfile\n\
                       if 'orphan' in sys.argv and os.fork(): os._exit(0)\n\
                       file = tempfile.TemporaryFile(dir='/tmp')\n\
                       os.dup2(file.fileno(), 1)\n\
                       os.dup2(file.fileno(), 2)\n\
                       open('/mnt/other.began', 'w').write(f'{os.getpid()}\\n')\n\
                       os.execvp('sleep', ['sleep', '1000'])\n";

/// Runs a program with such an output, and waits for it.
const PARENT: &str = "import subprocess, tempfile\n\
                      file = tempfile.TemporaryFile(dir='/tmp')\n\
                      child = subprocess.Popen(['sleep', '1000'], stdout=file, stderr=file)\n\
                      open('/mnt/other.began', 'w').write(f'{child.pid}\\n')\n\
                      child.wait()\n";

/// The process that this command makes, without a terminal, is no job of cron's and not touched.
#[track_caller]
fn is_no_job(text: &str, command: &str) {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program("other.py", text);
    place.shell(&format!("setsid {command} </dev/null >/dev/null 2>&1 &"));
    let other = place.began("other");
    soon("the other program", || place.sleeps(other));
    for descriptor in [1, 2] {
        let link = place.shell(&format!("readlink /proc/{other}/fd/{descriptor}"));
        assert!(link.starts_with("/tmp/") && link.ends_with(" (deleted)"), "{link}");
    }
    let daemon = place.cron();
    let list = place.list();
    assert!(pids(&list, "jobs").is_empty(), "{list:#}");
    let outcome = place.graceful(&["--timeout", "0.5", "--on-timeout", "terminate"]);
    assert!(place.goes_on(other), "it was touched\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

/// In a namespace of his own, a user gives the superuser's file the path of an unnamed one, and
/// writes "to" it.
#[test]
fn a_user_s_process_that_forges_the_output_of_a_job_is_no_job() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program(
        "forger",
        "mount -t tmpfs none /tmp && : >'/tmp/#1 (deleted)' && mount --bind /etc/hostname '/tmp/#1 \
        (deleted)'\n\
         echo $$ >/mnt/forger.began\n\
         exec sleep 1000 1<'/tmp/#1 (deleted)' 2<&1\n",
    );
    place.shell("chmod 777 /mnt");
    place.shell(&format!(
        "{NOBODY} unshare -Urm setsid sh /mnt/bin/forger </dev/null >/dev/null 2>&1 &"
    ));
    let forger = place.began("forger");
    soon("the forger", || place.sleeps(forger));
    assert_eq!(place.shell(&format!("readlink /proc/{forger}/fd/1")).trim(), "/tmp/#1 (deleted)");
    let daemon = place.cron();
    let list = place.list();
    assert!(pids(&list, "jobs").is_empty(), "{list:#}");
    stops(&place, place.graceful(&["--timeout", "5"]), daemon);
    assert!(place.goes_on(forger));
}

#[test]
fn a_user_s_process_with_output_to_an_unnamed_file_is_no_job() {
    is_no_job(UNNAMED, &format!("{NOBODY} python3 /mnt/bin/other.py"));
}

#[test]
fn a_user_s_orphan_with_output_to_an_unnamed_file_is_no_job() {
    is_no_job(UNNAMED, &format!("{NOBODY} python3 /mnt/bin/other.py orphan"));
}

#[test]
fn a_child_of_the_superuser_s_process_with_output_to_an_unnamed_file_is_no_job() {
    is_no_job(PARENT, "python3 /mnt/bin/other.py");
}

/// Two crons with a job each, `a` and `b`; the daemons and the script of `b`.
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
    let run = place.begin_and_pause(&["--pid", &daemon.to_string(), "--timeout", "20"], daemon);
    place.release("a");
    let outcome = run.finish().exits(0);
    assert!(place.ended("a") && !place.is_alive(daemon), "{}", outcome.report());
    assert!(place.goes_on(script), "the other cron's job was touched\n{}", outcome.report());
    place.still_runs(other);
}

#[test]
fn additions_that_heed_no_signal_do_not_keep_it_from_its_end() {
    let place = cron_box!();
    let daemon = place.cron();
    let script = "#!/bin/sh\ntrap '' INT TERM\nexec >/dev/null 2>&1\necho $$ \
    >/mnt/additions.began\n\
                  while :; do sleep 0.1; done\n";
    place.program(ADDITIONS, script);
    let run = place.begin_and_pause(&[], daemon);
    place.began("additions");
    place.kill("TERM", run.pid);
    // It may have ended already.
    place.exec(&format!("kill -TERM {}", run.pid));
    run.finish().exits(143);
    place.still_runs(daemon);
}

/// A named pipe that takes nothing any more, and that nobody reads for as long as this is held.
fn full_pipe(place: &CronBox, name: &str) -> File {
    place.shell(&format!("mkfifo /mnt/{name}"));
    let flags = OFlags::NONBLOCK.bits() as i32;
    let mut pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(place.path(name))
        .expect("it");
    // First by the page, then to the last byte.
    for size in [4096, 1] {
        while pipe.write(&vec![b'x'; size]).is_ok() {}
    }
    pipe
}

#[track_caller]
fn is_interrupted_at_a_full_pipe(words: &[&str]) {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let pipe = full_pipe(&place, "full");
    let run = place.begin_by(&["sh", "-c", "exec \"$@\" >/mnt/full", "sh"], words);
    place.await_pause(&run, daemon);
    place.kill("TERM", run.pid);
    run.finish().exits(143);
    place.still_runs(daemon);
    assert!(place.is_alive(script), "the job was hurt");
    drop(pipe);
}

#[test]
fn interrupted_at_a_full_pipe_that_nobody_reads_cron_runs_on() {
    is_interrupted_at_a_full_pipe(&[]);
}

#[test]
fn interrupted_at_a_full_pipe_of_events_that_nobody_reads_cron_runs_on() {
    is_interrupted_at_a_full_pipe(&["--jsonl"]);
}

#[test]
fn a_cron_that_the_first_process_starts_again_is_not_said_to_be_stopped() {
    let place = cron_box!(CronBox::with_first("bash -c 'while :; do cron -f; done'"));
    let daemon = place.locked();
    assert_eq!(place.seen(daemon).expect("cron").parent, 1);
    let outcome = place.graceful(&[]).exits(1);
    avoids(&outcome, &["cron is stopped", "stopped cron"]);
    place.settles();
    // Not by its pid file: what the init script tidies up may be that of the new one.
    let is_new = |seen: &Seen| seen.name == "cron" && seen.parent == 1 && place.goes_on(seen.pid);
    soon("a cron that runs", || place.processes().iter().any(is_new));
    let outcome = place.graceful(&["--json"]).exits(1);
    assert_eq!(outcome.json()["outcome"], "not stopped", "{}", outcome.report());
}

#[test]
fn it_does_not_stop_itself_when_it_is_named() {
    let place = cron_box!();
    let before = Instant::now();
    let outcome = place.exec("bash -c 'exec cron-graceful --pid $$'").exits(1);
    assert!(!outcome.errors().is_empty(), "no message\n{}", outcome.report());
    assert!(
        before.elapsed() < Duration::from_secs(15),
        "{:?}\n{}",
        before.elapsed(),
        outcome.report()
    );
    place.settles();
}

#[test]
fn it_does_not_stop_the_shell_it_runs_below_when_its_name_is_given() {
    let place = cron_box!();
    let outcome = place.exec("cron-graceful --daemon bash; echo; echo alive");
    assert!(outcome.code() == 0 && outcome.text().ends_with("\nalive\n"), "{}", outcome.report());
    place.settles();
}

#[test]
fn a_job_that_pipes_its_output_to_a_program_comes_to_its_end() {
    let place = cron_box!();
    // Not before whoever started cron has ended, which is called cron too.
    place.crontab(&[&format!("{}; /mnt/bin/cron-graceful 2>&1 | cat >/mnt/log", job("a"))]);
    let daemon = place.cron();
    place.release("a");
    let log = || std::fs::read_to_string(place.path("log")).unwrap_or_default();
    soon("the end of cron", || !place.is_alive(daemon));
    // Its worker is called cron.
    let is_of_job = |name: &str| ["cat", "sh", "cron"].contains(&name);
    soon("the end of the job", || !place.processes().iter().any(|seen| is_of_job(&seen.name)));
    assert!(log().contains(&daemon.to_string()), "{}", log());
    place.is_stopped(daemon);
}

#[test]
fn a_service_command_in_the_current_directory_is_not_run() {
    let place = cron_box!();
    let daemon = place.cron();
    place.shell("mkdir /mnt/here");
    place.program("/mnt/here/service", "#!/bin/sh\necho >/mnt/ran\n");
    let before = ["sh", "-c", "cd /mnt/here && PATH=.:$PATH exec \"$@\"", "sh"];
    let outcome = place.graceful_by(&before, &[]).exits(0);
    assert!(!place.has("ran"), "it has run what lies about\n{}", outcome.report());
    place.is_stopped(daemon);
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

#[test]
fn a_daemon_that_somebody_continues_is_paused_again() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let mut run = place.begin(&["--jsonl"]);
    run.event("job");
    place.kill("CONT", daemon);
    soon("a daemon that is paused again", || place.state(daemon) == 'T');
    assert!(place.is_alive(script) && place.is_alive(run.pid));
    place.release("a");
    let outcome = run.finish().exits(0);
    assert!(place.ended("a"), "the job had not ended\n{}", outcome.report());
    assert!(outcome.errors().starts_with("cron-graceful: "), "no warning\n{}", outcome.report());
    place.is_stopped(daemon);
}

#[test]
fn a_job_of_more_processes_than_it_may_have_descriptors_is_listed_and_waited_for() {
    let place = cron_box!();
    let script =
        "#!/bin/bash\nfor i in {1..60}; do sleep 1000 & done\nsh /mnt/job a\nkill $(jobs -p)\n";
    place.program("many", script);
    place.crontab(&["/mnt/bin/many"]);
    let daemon = place.cron();
    place.began("a");
    let limited = ["sh", "-c", "ulimit -n 32; exec \"$@\"", "sh"];
    let list = place.graceful_by(&limited, &["--list", "--json"]).succeeds().json();
    assert!(pids(&list, "jobs").len() > 60, "{list:#}");
    let run = place.begin_by(&limited, &[]);
    place.await_pause(&run, daemon);
    place.release("a");
    let outcome = run.finish();
    assert!(place.ended("a"), "the job had not ended\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

#[test]
fn what_the_additions_print_is_no_part_of_the_document() {
    let place = cron_box!();
    place.program(ADDITIONS, "#!/bin/sh\necho added\n");
    let daemon = place.cron();
    let outcome = place.graceful(&["--json"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "stopped", "{}", outcome.report());
    assert!(!outcome.text().contains("added"), "{}", outcome.report());
    place.is_stopped(daemon);
}

/// Whoever ends the guardian first does not get cron paused for ever.
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
    // It waits for jobs again as soon as the guardian has the daemon: the first argument of the
    // system call that it sleeps in is an epoll then.
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
