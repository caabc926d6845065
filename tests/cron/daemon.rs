//! The choice of the process that is the daemon.

use std::time::{Duration, Instant};

use super::super::support::cron::{CronBox, job, soon};
use super::{entry, mentions, pids, stops};
use crate::cron_box;

/// Busybox's crond, which has no pid file, with an empty directory of crontabs.
const BUSYBOX: &str =
    "mkdir -p /run/crontabs /mnt/bin; ln -sf \"$(command -v busybox)\" /mnt/bin/crond
    setsid crond -f -c /run/crontabs -L /dev/null </dev/null >/dev/null 2>&1 & echo $!";

/// Makes a box with a busybox that has a crond.
fn with_busybox() -> Result<CronBox, String> {
    let place = CronBox::needing(&["busybox"])?;
    let has_crond = place.exec("busybox --list | grep -x crond").code() == 0;
    if has_crond {
        Ok(place)
    } else {
        Err("busybox has no crond: busybox-static has one".to_owned())
    }
}

#[track_caller]
fn busybox(place: &CronBox) -> u32 {
    let daemon = place.shell(BUSYBOX).parse().expect("parsing a process id");
    soon("busybox's crond", || place.name(daemon) == "crond");
    daemon
}

/// Starts a copy of sleep that is called cron. Returns its pid.
#[track_caller]
fn impostor(place: &CronBox, directory: &str, user: &str) -> u32 {
    let script = format!(
        "mkdir -p {directory}; cp /bin/sleep {directory}/cron; chmod 755 {directory} \
        {directory}/cron
         setsid setpriv --reuid {user} --regid {user} --clear-groups {directory}/cron 1000 </dev/null >/dev/null 2>&1 &
         echo $!"
    );
    let pid = place.shell(&script).parse().expect("parsing a process id");
    soon("a program called cron", || place.name(pid) == "cron");
    pid
}

/// Checks that the process was not touched.
#[track_caller]
fn is_untouched(place: &CronBox, pid: u32) {
    place.settles();
    assert!(place.goes_on(pid), "process {pid} was touched: {:?}", place.seen(pid));
}

#[test]
fn somebody_else_s_program_called_cron_does_not_hide_the_real_one() {
    let place = cron_box!();
    let other = impostor(&place, "/run/other", "65534");
    let (daemon, _) = place.cron_with_job();
    let list = place.list();
    assert_eq!(pids(&list, "daemons"), [u64::from(daemon)], "{list:#}");
    let outcome = place.waits_for("a", &[], daemon).exits(0);
    assert!(!place.is_alive(daemon), "{}", outcome.report());
    is_untouched(&place, other);
}

#[test]
fn somebody_else_s_program_called_cron_is_no_daemon_when_it_is_alone() {
    let place = cron_box!();
    let other = impostor(&place, "/run/other", "65534");
    let outcome = place.graceful(&["--json"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "none", "{}", outcome.report());
    is_untouched(&place, other);
}

#[test]
fn a_program_of_root_s_called_cron_elsewhere_is_not_taken_for_the_real_one() {
    let place = cron_box!();
    let other = impostor(&place, "/run/srv", "0");
    let (daemon, _) = place.cron_with_job();
    let list = place.list();
    assert_eq!(pids(&list, "daemons"), [u64::from(daemon)], "{list:#}");
    let outcome = place.waits_for("a", &[], daemon).exits(0);
    assert!(!place.is_alive(daemon), "{}", outcome.report());
    is_untouched(&place, other);
}

#[test]
fn a_daemon_whose_binary_was_replaced_is_found() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    place.shell("cp -p /usr/sbin/cron /usr/sbin/cron.new && mv /usr/sbin/cron.new /usr/sbin/cron");
    let link = place.shell(&format!("readlink /proc/{daemon}/exe"));
    assert!(link.ends_with(" (deleted)"), "{link}");
    let list = place.list();
    assert_eq!(entry(&list, "daemons", daemon)["name"], "cron", "{list:#}");
    stops(&place, place.waits_for("a", &[], daemon), daemon);
}

#[test]
fn a_daemon_below_a_reaper_of_its_own_is_found() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron_by("setsid tini -s -- cron -f >/dev/null 2>&1 </dev/null &");
    assert_ne!(place.seen(daemon).expect("finding cron").parent, 1);
    place.began("a");
    place.waits_for("a", &[], daemon).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn a_daemon_below_a_shell_is_found() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron_by("setsid bash -c 'cron -f & wait' >/dev/null 2>&1 </dev/null &");
    assert_ne!(place.seen(daemon).expect("finding cron").parent, 1);
    place.began("a");
    place.waits_for("a", &[], daemon).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn a_container_that_ends_with_its_cron_ends_after_the_job() {
    let jobs = format!("printf 'MAILTO=\"\"\\n@reboot root {}\\n' >/etc/cron.d/jobs", job("a"));
    let place = cron_box!(CronBox::with_first_after(&jobs, "tini -- cron -f"));
    place.began("a");
    let daemon = place.locked();
    let run = place.begin_and_pause(&[], daemon);
    place.release("a");
    // The end of the container may take the run with it.
    let outcome = run.finish();
    assert!(place.ended("a"), "the job had not ended\n{}", outcome.report());
    assert!([0, 137].contains(&outcome.code()), "{}", outcome.report());
    soon("the end of the container", || place.state(1) == 'X');
}

#[test]
fn a_cron_in_a_pid_namespace_below_ours_is_left_alone() {
    let place = cron_box!();
    // Its parent in our namespace ends, so that it becomes a child of init like an ordinary daemon.
    let script = "mkdir /run/inner; unshare --pid --mount --fork --mount-proc sh -c '
        mount -t tmpfs none /run; exec cron -f' </dev/null >/dev/null 2>&1 & sleep_for=$!
        until inner=$(cat /proc/$sleep_for/task/$sleep_for/children) && [ -n \"$inner\" ] &&
            [ \"$(cat /proc/${inner% }/comm)\" = cron ]; do :; done
        kill -KILL $sleep_for; echo $inner";
    let inner = place.shell(script).trim().parse().expect("parsing a process id");
    soon("a new parent of the inner cron", || {
        place.seen(inner).is_some_and(|seen| seen.parent == 1)
    });
    let outcome = place.graceful(&["--json"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "none", "{}", outcome.report());
    is_untouched(&place, inner);
    let daemon = place.cron();
    assert_eq!(pids(&place.list(), "daemons"), [u64::from(daemon)]);
    place.graceful(&[]).exits(0);
    assert!(!place.is_alive(daemon));
    is_untouched(&place, inner);
}

#[test]
fn busybox_crond_is_stopped() {
    let place = cron_box!(with_busybox());
    let daemon = busybox(&place);
    let list = place.list();
    entry(&list, "daemons", daemon);
    stops(&place, place.graceful(&[]), daemon);
}

#[test]
fn the_jobs_of_busybox_crond_are_found_and_waited_for() {
    let place = cron_box!(with_busybox());
    // The last command keeps the shell from becoming the one before.
    let shell = format!("(sh /mnt/job b &); {}; true", job("a"));
    // The name of a helper makes no helper of a job, which is a child of the daemon too.
    place.shell("mkdir /run/crontabs; cp $(command -v perl) /mnt/bcron-exec; : >/mnt/stay");
    let hidden = "exec /mnt/bcron-exec -e 'sleep 1 while -e q(/mnt/stay)'";
    let crontab = format!("* * * * * {shell}\n* * * * * {hidden}\n");
    std::fs::write(place.root("/run/crontabs/root"), crontab).expect("writing a crontab");
    let daemon = busybox(&place);
    // It looks at its crontabs once a minute, and its clock cannot be faked because it is linked
    // statically.
    let patience = std::time::Instant::now();
    while !place.has("a.began") && patience.elapsed() < std::time::Duration::from_secs(70) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let (script, behind) = (place.began("a"), place.began("b"));
    let job = place.seen(script).expect("finding the script").parent;
    let list = place.list();
    let found = entry(&list, "jobs", job);
    assert!(found["command"] == shell.as_str() && found["user"] == "root", "{list:#}");
    assert_eq!(entry(&list, "jobs", script)["awaited"], true, "{list:#}");
    assert_eq!(entry(&list, "jobs", behind)["awaited"], true, "{list:#}");
    let seen = place.processes().into_iter().find(|seen| seen.name == "bcron-exec");
    let hidden = seen.expect("finding the job that is called like a helper").pid;
    assert_eq!(entry(&list, "jobs", hidden)["awaited"], true, "{list:#}");
    place.shell("rm /mnt/stay");
    let run = place.begin_and_pause(&[], daemon);
    place.release("a");
    soon("the end of the job itself", || place.ended("a") && !place.is_alive(script));
    stops(&place, place.finishes_after("b", run), daemon);
}

#[test]
fn several_daemons_are_listed_and_not_touched() {
    let place = cron_box!(with_busybox());
    let daemons = [place.cron(), busybox(&place)];
    let outcome = place.graceful(&[]).exits(1);
    mentions(&outcome, &daemons.map(|pid| pid.to_string()).each_ref().map(String::as_str));
    daemons.iter().for_each(|&daemon| is_untouched(&place, daemon));
    assert_eq!(pids(&place.list(), "daemons").len(), 2);
    place.graceful(&["--", "touch", "/mnt/ran"]).exits(1);
    assert!(!place.has("ran"), "it has run a command beside two crons");
}

#[test]
fn several_daemons_are_all_stopped_on_demand() {
    let place = cron_box!(with_busybox());
    let (daemon, _) = place.cron_with_job();
    let other = busybox(&place);
    let run = place.begin_and_pause(&["--all"], daemon);
    soon("both are paused", || place.state(other) == 'T');
    let outcome = place.finishes_after("a", run);
    assert!(!place.is_alive(other), "{}", outcome.report());
    outcome.exits(0);
    place.is_stopped(daemon);
}

#[test]
fn all_paused_daemons_are_continued_when_it_is_interrupted_or_killed() {
    let place = cron_box!(with_busybox());
    let (daemon, _) = place.cron_with_job();
    let other = busybox(&place);
    for (signal, code) in [("TERM", 143), ("KILL", 137)] {
        let run = place.begin_and_pause(&["--all"], daemon);
        soon("both are paused", || place.state(other) == 'T');
        place.kill(signal, run.pid);
        run.finish().exits(code);
        place.still_runs(daemon);
        place.still_runs(other);
    }
}

#[test]
fn one_of_several_daemons_is_chosen_by_its_pid() {
    let place = cron_box!(with_busybox());
    let (daemon, other) = (place.cron(), busybox(&place));
    place.graceful(&["--pid", &other.to_string()]).exits(0);
    assert!(!place.is_alive(other));
    is_untouched(&place, daemon);
}

#[test]
fn one_of_several_daemons_is_chosen_by_its_name() {
    let place = cron_box!(with_busybox());
    let (daemon, other) = (place.cron(), busybox(&place));
    place.graceful(&["--daemon", "cron"]).exits(0);
    assert!(!place.is_alive(daemon));
    is_untouched(&place, other);
}

#[test]
fn a_daemon_of_another_name_is_found_when_it_is_named() {
    let place = cron_box!();
    place.shell("cp /usr/sbin/cron /usr/sbin/ourcron");
    place.crontab(&[&job("a")]);
    place.shell("ourcron");
    let shell = place.seen(place.began("a")).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    let daemon = place.seen(worker).expect("finding the worker").parent;
    assert_eq!(place.graceful(&["--json"]).exits(0).json()["outcome"], "none");
    is_untouched(&place, daemon);
    let outcome = place.waits_for("a", &["--daemon", "ourcron"], daemon).exits(0);
    assert!(!place.is_alive(daemon), "{}", outcome.report());
}

#[test]
fn a_pid_that_is_nobody_s_is_no_daemon_and_no_other_is_taken_instead() {
    let place = cron_box!();
    let daemon = place.cron();
    mentions(&place.graceful(&["--pid", "4000000"]), &["4000000"]);
    place.still_runs(daemon);
}

#[test]
fn the_first_process_is_not_said_to_be_stopped_when_it_is_named() {
    let place = cron_box!();
    let daemon = place.cron();
    let outcome = place.graceful(&["--json", "--pid", "1", "--timeout", "0.3"]);
    assert!(outcome.code() != 0 && outcome.json()["outcome"] != "stopped", "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn a_worker_is_not_taken_for_the_daemon_even_when_it_is_named() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let shell = place.seen(script).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    let outcome =
        place.graceful(&["--json", "--pid", &worker.to_string(), "--timeout", "5"]).exits(1);
    assert!(outcome.errors().contains("worker"), "{}", outcome.report());
    assert!(place.is_alive(worker) && place.state(worker) != 'T', "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn one_of_two_crons_of_the_same_name_is_stopped_without_the_other() {
    let place = cron_box!();
    let daemon = place.cron();
    let other = place.second_cron();
    place.graceful(&[]).exits(1);
    place.still_runs(daemon);
    // The init script knows one cron only, and it is not this one.
    let outcome = place.graceful(&["--pid", &other.to_string()]);
    assert!(!place.is_alive(other), "{}", outcome.report());
    assert!(place.is_alive(daemon), "the other cron was stopped too\n{}", outcome.report());
    place.still_runs(daemon);
    outcome.exits(0);
}

#[test]
fn a_cron_that_somebody_starts_meanwhile_is_not_overlooked() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    place.kill("KILL", daemon);
    soon("the end of the daemon", || !place.is_alive(daemon));
    place.crontab(&[]);
    let new = place.cron();
    let outcome = place.finishes_after("a", run);
    place.settles();
    assert!(
        outcome.code() == 1 || !place.is_alive(new),
        "cron runs, which it does not say\n{}",
        outcome.report()
    );
    assert_ne!(place.state(new), 'T', "{}", outcome.report());
}

#[test]
fn a_daemon_that_its_parent_does_not_reap_counts_as_stopped() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron_by(
        "setsid perl -e 'exec qw(cron -f) unless fork; sleep 1000' >/dev/null 2>&1 </dev/null &",
    );
    place.began("a");
    let run = place.begin_and_pause(&[], daemon);
    place.release("a");
    let before = std::time::Instant::now();
    let outcome = run.finish().exits(0);
    assert!(place.ended("a"), "the job had not ended\n{}", outcome.report());
    assert!(before.elapsed() < std::time::Duration::from_secs(15), "{}", outcome.report());
    assert_eq!(place.state(daemon), 'Z');
}

#[test]
fn a_daemon_that_has_ended_and_was_not_reaped_is_none() {
    let place = cron_box!();
    place.shell(
        "setsid perl -e 'exec qw(cron -f) unless fork; sleep 1000' >/dev/null 2>&1 </dev/null &",
    );
    let daemon = place.locked();
    place.kill("KILL", daemon);
    soon("a zombie", || place.state(daemon) == 'Z');
    let outcome = place.graceful(&["--json"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "none", "{}", outcome.report());
}

#[test]
fn a_pid_file_that_names_somebody_else_is_no_evidence() {
    let place = cron_box!();
    let other: u32 = place
        .shell("setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!")
        .parse()
        .expect("parsing a pid");
    place.shell(&format!("echo {other} >/run/crond.pid"));
    let outcome = place.graceful(&["--json"]).exits(0);
    assert_eq!(outcome.json()["outcome"], "none", "{}", outcome.report());
    is_untouched(&place, other);
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

/// A program with the name of a daemon that drops its rights and keeps a helper of the superuser,
/// which runs a job, as Debian runs bcron.
const BCRON: &str = "cp $(command -v perl) /usr/sbin/bcron-sched; \
    cp $(command -v perl) /usr/sbin/bcron-exec; \
    setsid bcron-sched -e 'unless (fork) { exec qw(/usr/sbin/bcron-exec -e), \
    q(unless (fork) { setpgrp; exec qw(sh -c), q(sh /mnt/job a) } wait; sleep 1000) } \
    ($<, $>) = (USER, USER); sleep 1000' </dev/null >/dev/null 2>&1 &";

#[test]
fn a_daemon_that_has_dropped_its_rights_is_found_by_its_helper() {
    // BCRON_USER may be a user of the system or any other one.
    for user in ["999", "1500"] {
        let place = cron_box!();
        place.shell(&BCRON.replace("USER", user));
        place.began("a");
        let list = place.list();
        let daemon = list["daemons"][0]["pid"].as_u64().unwrap_or_else(|| panic!("{list:#}"));
        assert_eq!(list["daemons"][0]["name"], "bcron-sched", "{list:#}");
        let daemon = u32::try_from(daemon).expect("a pid");
        let outcome = place.waits_for("a", &[], daemon).exits(0);
        assert!(!place.is_alive(daemon), "{}", outcome.report());
    }
}

/// After the end of bcron-sched alone, bcron-exec waits for its jobs.
#[test]
fn the_jobs_of_a_helper_that_outlived_its_daemon_are_jobs() {
    let place = cron_box!();
    place.shell(&BCRON.replace("USER", "999"));
    let job = place.began("a");
    let list = place.list();
    let daemon = list["daemons"][0]["pid"].as_u64().unwrap_or_else(|| panic!("{list:#}"));
    place.kill("KILL", daemon);
    soon("the end of the daemon", || place.list()["daemons"] == serde_json::json!([]));
    mentions(&place.graceful(&["--list"]).exits(0), &["sh /mnt/job a"]);
    let run = place.begin(&["--", "touch", "/mnt/ran"]);
    soon("the run at work", || place.root("/run/cron-graceful.lock").exists());
    assert!(place.is_alive(job) && !place.has("ran"), "the command ran beside a job");
    let outcome = place.finishes_after("a", run).exits(0);
    mentions(&outcome, &["waiting for", "sh /mnt/job a"]);
    assert!(place.has("ran"));
}

/// Any user may run a program of such names, and have children: they have his rights.
#[test]
fn a_user_s_process_with_the_name_of_a_daemon_keeps_nobody_from_cron() {
    let place = cron_box!();
    let daemon = place.cron();
    let by_user = BCRON.replace("(USER, USER)", "(12345, 12345)");
    let by_user = by_user.replacen(
        "setsid ",
        "chmod 777 /mnt; setsid setpriv --reuid 12345 --clear-groups ",
        1,
    );
    place.shell(&by_user);
    place.began("a");
    place.graceful(&["--", "true"]).exits(0);
    place.still_runs(daemon);
}

/// A cron without a proof may still be one if it runs something: that is never success.
#[test]
fn a_rejected_daemon_with_children_is_never_no_daemon() {
    let place = cron_box!();
    place.shell(
        "cp $(command -v perl) /usr/sbin/bcron-sched; \
         setsid setpriv --reuid 999 --clear-groups bcron-sched -e \
         'unless (fork) { exec qw(sh /mnt/job a) } wait; sleep 1000' </dev/null >/dev/null 2>&1 &",
    );
    let job = place.began("a");
    let daemon = place.seen(job).expect("finding the job").parent;
    for words in [&["--json"][..], &["--list", "--json"], &["--json", "--", "touch", "/mnt/ran"]] {
        let outcome = place.graceful(words).exits(1);
        assert_eq!(outcome.json()["outcome"], "refused", "{}", outcome.report());
        mentions(&outcome, &[&format!("process {daemon} (bcron-sched)"), "--pid", "--daemon"]);
    }
    assert!(!place.has("ran"));
    place.graceful(&["--daemon", "fcron", "--", "true"]).exits(0);
    let pid = daemon.to_string();
    place.waits_for("a", &["--pid", &pid], daemon).exits(0);
    assert!(!place.is_alive(daemon));
    // Without children it is none.
    place.shell("setsid setpriv --reuid 999 --clear-groups bcron-sched -e 'sleep 1000' </dev/null >/dev/null 2>&1 &");
    assert_eq!(place.graceful(&["--json"]).exits(0).json()["outcome"], "none");
}

/// A service that was broken into must not keep the superuser from stopping cron.
#[test]
fn what_a_service_calls_cron_is_no_doubt_beside_the_real_one() {
    let place = cron_box!();
    let daemon = place.cron();
    place.shell(
        "cp $(command -v perl) /usr/sbin/crond; \
         setsid setpriv --reuid 33 --clear-groups /usr/sbin/crond -e \
         'unless (fork) { exec qw(sleep 1000) } wait' \
         </dev/null >/dev/null 2>&1 &",
    );
    soon("a forged cron with a child", || {
        let seen = place.processes();
        seen.iter().any(|seen| seen.name == "sleep" && place.name(seen.parent) == "crond")
    });
    for words in [
        &["--list"][..],
        &["-n"],
        &["--", "true"],
        &["--daemon", "cron", "--", "true"],
        &["--resume"],
    ] {
        place.graceful(words).exits(0);
        place.still_runs(daemon);
    }
    place.graceful(&[]).exits(0);
    assert!(!place.is_alive(daemon));
}

/// anacron leaves the session of the job that starts it, and its output.
#[test]
fn the_jobs_of_anacron_are_waited_for() {
    let place = cron_box!(CronBox::needing(&["anacron"]));
    place.shell(
        "mkdir -p /run/spool; printf 'SHELL=/bin/sh\\n1 0 daily sh /mnt/job b\\n' >/run/anacrontab",
    );
    for by_cron in [true, false] {
        let anacron = "/usr/sbin/anacron -s -t /run/anacrontab -S /run/spool";
        place.shell("rm -f /run/spool/* /mnt/b.*");
        if by_cron {
            place.crontab(&[anacron]);
        } else {
            place.raw_crontab("");
        }
        let daemon = place.cron();
        if !by_cron {
            place.shell(&format!("setsid {anacron} -d </dev/null >/dev/null 2>&1 &"));
        }
        let job = place.began("b");
        let list = place.list();
        let jobs = list["jobs"].as_array().unwrap_or_else(|| panic!("{list:#}"));
        let is = |why: &str, name: &str| {
            jobs.iter().any(|job| {
                job["why"] == why && job["command"].as_str().is_some_and(|text| text.contains(name))
            })
        };
        assert!(is("worker", "anacron") && is("job", "sh /mnt/job b"), "{job}: {list:#}");
        let outcome = place.waits_for("b", &[], daemon).exits(0);
        assert!(outcome.text().contains("sh /mnt/job b"), "{}", outcome.report());
        place.is_stopped(daemon);
    }
}

/// A script without job control, such as the entry point of a container, has all that it starts in
/// one process group.
#[test]
fn a_run_in_the_process_group_of_cron_waits_for_its_jobs() {
    let place = cron_box!(CronBox::needing(&["anacron"]));
    place.shell(
        "mkfifo /mnt/start.go; mkdir -p /run/spool; \
         printf 'SHELL=/bin/sh\\n1 0 daily sh /mnt/job b\\n' >/run/anacrontab",
    );
    let anacron = "/usr/sbin/anacron -d -s -n -t /run/anacrontab -S /run/spool";
    for (before, name) in [("true", "a"), (anacron, "b")] {
        place.raw_crontab("");
        if name == "a" {
            place.crontab(&[&job("a")]);
        }
        let daemon = place.cron_by(&format!(
            "rm -f /mnt/ran /mnt/status; setsid sh -c '{before} & cron -f & \
             read -r _ </mnt/start.go; \
             cron-graceful --list >/mnt/list; cron-graceful -- touch /mnt/ran >/mnt/told 2>&1; \
             echo $? >/mnt/status' </dev/null >/dev/null 2>&1 &"
        ));
        let job = place.began(name);
        place.feed(&place.path("start.go"));
        soon("a paused cron", || place.state(daemon) == 'T');
        assert!(
            place.read("list").contains(&format!("sh /mnt/job {name}")),
            "{}",
            place.read("list")
        );
        assert!(place.goes_on(job) && !place.has("ran"), "the command ran beside a job");
        place.release(name);
        soon("the end of the run", || place.has("status") && !place.read("status").is_empty());
        let told = place.read("told");
        assert!(place.read("status") == "0" && place.has("ran"), "{told}");
        assert!(!told.contains("run by a cron job itself"), "{told}");
        place.kill("KILL", daemon);
        soon("the end of cron", || !place.is_alive(daemon));
    }
}

/// anacron waits for us, and we do not wait for anacron.
#[test]
fn a_run_by_anacron_says_so_and_does_not_wait_for_itself() {
    let place = cron_box!(CronBox::needing(&["anacron"]));
    place.shell(
        "mkdir -p /run/spool; printf '%s\\n' 'SHELL=/bin/sh' \
         '1 0 daily /mnt/bin/cron-graceful >/mnt/told 2>&1; echo $? >/mnt/status' >/run/anacrontab",
    );
    let daemon = place.cron();
    let anacron = "setsid /usr/sbin/anacron -d -s -t /run/anacrontab -S /run/spool";
    place.shell(&format!("{anacron} </dev/null >/dev/null 2>&1 &"));
    soon("the end of the run", || place.has("status") && !place.read("status").is_empty());
    let told = place.read("told");
    assert!(place.read("status") == "0" && told.contains("run by a cron job itself"), "{told}");
    soon("the end of cron", || !place.is_alive(daemon));
}

/// Only the superuser's anacron from a directory of the system is one.
#[test]
fn what_only_has_the_name_of_anacron_is_no_worker() {
    let place = cron_box!();
    let daemon = place.cron();
    place.shell(
        "cp $(command -v sleep) /mnt/bin/anacron; setsid /mnt/bin/anacron 1000 </dev/null >/dev/null 2>&1 & \
         cp $(command -v sleep) /usr/sbin/anacron; \
         setsid setpriv --reuid 12345 --clear-groups /usr/sbin/anacron 1000 </dev/null >/dev/null 2>&1 &",
    );
    let list = place.list();
    assert_eq!(list["jobs"].as_array().map(Vec::len), Some(0), "{list:#}");
    place.still_runs(daemon);
}
