//! cron.service under a real systemd.

use super::super::support::cron::{CronBox, job, soon};
use super::{counts, entry, mentions};
use crate::cron_box;

/// Restarts the service with a new crontab. Returns its main process, which has locked its pid
/// file.
#[track_caller]
fn restarted(place: &CronBox, jobs: &[&str]) -> u32 {
    place.crontab(jobs);
    place.shell("rm -f /run/crond.reboot; systemctl restart cron");
    let daemon = place
        .shell("systemctl show --value --property MainPID cron")
        .parse()
        .expect("parsing a process id");
    place.await_lock(daemon);
    daemon
}

#[track_caller]
fn is_active(place: &CronBox, expected: &str) {
    is_unit(place, "cron", expected);
}

#[track_caller]
fn is_unit(place: &CronBox, unit: &str, expected: &str) {
    assert_eq!(place.exec(&format!("systemctl is-active {unit}")).text().trim(), expected);
}

#[test]
fn systemd_stops_the_unit_after_its_jobs_and_does_not_start_it_again() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[&job("a")]);
    place.began("a");
    let list = place.list();
    let found = entry(&list, "daemons", daemon);
    assert!(found["unit"] == "cron.service" && found["stopped"] == false, "{list:#}");
    let outcome = place.waits_for("a", &[], daemon);
    let outcome = outcome.succeeds();
    is_active(&place, "inactive");
    assert_eq!(
        place.shell("systemctl show --value --property NRestarts cron"),
        "0",
        "{}",
        outcome.report()
    );
    assert_eq!(place.shell("systemctl show --value --property Result cron"), "success");
    place.is_stopped(daemon);
    assert_eq!(place.graceful(&["--json"]).succeeds().json()["outcome"], "none");
}

/// needrestart and the upgrade of a package restart the service.
#[test]
fn a_service_that_is_restarted_in_the_window_is_paused_until_its_end() {
    let place = cron_box!(CronBox::with_systemd());
    let old = restarted(&place, &[]);
    let script = "systemctl restart cron; new=$(systemctl show --value --property MainPID cron); \
                  until grep -q '^State:.T' /proc/$new/status; do sleep 0.02; done; \
                  echo $new >/mnt/new";
    let outcome = place.graceful(&["--", "sh", "-c", script]).exits(0);
    let new: u32 = place.read("new").parse().expect("parsing a process id");
    assert_ne!(new, old);
    mentions(&outcome, &[&format!("somebody has started process {new}")]);
    is_active(&place, "active");
    place.still_runs(new);
}

/// What runs between systemd and cron is no job, and is not waited for.
#[test]
fn a_unit_that_runs_cron_through_a_shell_or_a_pipe_is_drained_and_stopped() {
    let place = cron_box!(CronBox::with_systemd());
    let commands = [
        ("/bin/sh -c 'cron -f; true'", "process"),
        ("/bin/sh -c 'cron -f | cat'", "control-group"),
        ("tini -s -- cron -f", "process"),
        ("flock /run/cron.lock cron -f", "process"),
        ("/bin/sh -c 'cron -f 2>&1 | tee /run/log | cat'", "mixed"),
    ];
    place.crontab(&[&job("a")]);
    for unit in ["cron", "jobs"] {
        for (command, kill) in commands {
            place.shell(&format!(
                "systemctl stop cron jobs 2>/dev/null; rm -f /run/crond.reboot /mnt/a.*; \
                 mkdir -p /run/systemd/system; cat >/run/systemd/system/{unit}.service <<'END'\n\
                 [Service]\nExecStart={command}\nKillMode={kill}\nRestart=always\nEND\n\
                 systemctl daemon-reload; systemctl start {unit}"
            ));
            let daemon = place.locked();
            place.began("a");
            let outcome = place.waits_for("a", &[], daemon).exits(0);
            let stopping = format!("by systemctl stop {unit}.service");
            assert!(outcome.text().contains(&stopping), "{command}: {}", outcome.report());
            for word in ["cron -f", "cat", "tini", "tee"] {
                assert!(!outcome.text().contains(word), "{command}: {}", outcome.report());
            }
            place.is_stopped(daemon);
            let state = place.exec(&format!("systemctl is-active {unit}"));
            assert_ne!(state.text().trim(), "active", "{command}");
        }
    }
}

#[test]
fn a_redirected_job_in_the_background_is_waited_for_in_the_unit() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon_by_two_forks = "cd /; perl -e 'use POSIX; fork and exit; setsid(); fork and exit; \
                               exec qw(sh /mnt/job c)' >/dev/null 2>&1 </dev/null";
    let jobs = ["sh /mnt/job b >>/mnt/log 2>&1 &", "sh /mnt/job a >/dev/null 2>&1 &"];
    let daemon = restarted(&place, &[jobs[0], jobs[1], daemon_by_two_forks]);
    let behind = ["a", "b", "c"].map(|name| place.began(name));
    soon("the end of the shells", || !place.processes().iter().any(|seen| seen.parent == daemon));
    counts(&place, behind[0], "session", true);
    counts(&place, behind[1], "session", true);
    counts(&place, behind[2], "daemon", false);
    let run = place.begin_and_pause(&[], daemon);
    place.release("a");
    let outcome = place.finishes_after("b", run).exits(0);
    mentions(&outcome, &["not waiting for"]);
    is_active(&place, "inactive");
    assert!(place.ended("a") && place.is_alive(behind[2]));
}

/// systemd-cron makes a timer of each line of a crontab, below cron.target.
#[test]
fn the_timers_of_systemd_cron_are_never_no_cron() {
    let place = cron_box!(CronBox::with_systemd());
    place.shell(
        "systemctl stop cron; cd /etc/systemd/system; echo '[Unit]' >cron.target; \
         printf '[Timer]\\nOnActiveSec=1h\\n' >cron-a.timer; \
         printf '[Unit]\\nPartOf=cron.target\\n' >>cron-a.timer; \
         printf '[Service]\\nExecStart=/bin/true\\n' >cron-a.service; \
         systemctl daemon-reload; systemctl start cron.target cron-a.timer",
    );
    let touch = ["--", "touch", "/mnt/ran"];
    for words in [&[][..], &["--json"], &["--list"], &["-n"], &touch] {
        let outcome = place.graceful(words).exits(1);
        mentions(&outcome, &["cron.target is active", "systemctl stop cron.target"]);
        assert!(!outcome.text().contains("no cron"), "{}", outcome.report());
    }
    assert!(!place.has("ran"));
    let window = ["--with", "timers", "--", "sh", "-c", "systemctl is-active cron-a.timer; true"];
    mentions(&place.graceful(&window).exits(0), &["1 timer is stopped: cron-a.timer", "inactive"]);
    assert_eq!(place.shell("systemctl is-active cron-a.timer"), "active");
    // Those of systemd-cron itself stop with the target alone.
    place.shell(
        "printf '[Unit]\\nRefuseManualStop=yes\\nPartOf=cron.target\\n[Timer]\\nOnActiveSec=1h\\n' \
             >/etc/systemd/system/cron-a.timer
         systemctl daemon-reload",
    );
    let outcome = place.graceful(&window).exits(1);
    mentions(&outcome, &["they only stop with cron.target", "nothing was done"]);
    // Nothing is stopped by these two.
    for action in ["--list", "--resume"] {
        let outcome = place.graceful(&[action, "--with", "timers"]).exits(0);
        assert!(!outcome.errors().contains("they only stop"), "{}", outcome.report());
    }
    // An answer that does not come is no answer that nothing runs.
    place.program("systemctl", "#!/bin/sh\nexit 1\n");
    mentions(&place.graceful(&[]).exits(1), &["does not tell"]);
    // The end of the target ends no service that a timer has started.
    // A service that only is called alike is none of its own.
    place.shell(
        "rm /mnt/bin/systemctl; mkdir -p /run/systemd/system-generators
         cat >/run/systemd/system-generators/cron <<'END'
#!/bin/sh
printf '[Service]\nExecStart=/bin/sh -c \"sh /mnt/job a; true\"\n' >$1/cron-b-root-0.service
END
         chmod 755 /run/systemd/system-generators/cron
         printf '[Service]\nExecStart=/bin/sh -c \"sh /mnt/job other; true\"\n' \
             >/etc/systemd/system/cron-exporter.service
         systemctl daemon-reload
         systemctl start --no-block cron-b-root-0 cron-exporter; systemctl stop cron.target",
    );
    let other = place.began("other");
    place.began("a");
    mentions(&place.graceful(&["--list"]).exits(0), &["sh /mnt/job a"]);
    place.graceful(&["--timeout", "0.3"]).exits(124);
    // Its line is removed from the crontab while it runs.
    place.shell("rm /run/systemd/system-generators/cron; systemctl daemon-reload");
    place.shell("[ ! -e /run/systemd/generator/cron-b-root-0.service ]");
    mentions(&place.graceful(&["--list"]).exits(0), &["sh /mnt/job a", "never terminated"]);
    place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(124);
    let run = place.begin(&["--json", "--", "sh", "-c", "[ -e /mnt/a.ended ]"]);
    let document = place.finishes_after("a", run).exits(0).json();
    assert_eq!(document["ended"][0]["exit_status"], 0, "{document:#}");
    place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    assert!(place.goes_on(other), "an innocent service was ended");
    assert_eq!(place.graceful(&["--json"]).exits(0).json()["outcome"], "none");
    place.graceful(&touch).exits(0);
    assert!(place.has("ran"));
}

/// The administrator may put services into another slice, and a distribution may run jobs each minute.
#[test]
fn the_services_of_systemd_cron_are_found_in_any_slice() {
    let place = cron_box!(CronBox::with_systemd());
    place.shell(
        "systemctl stop cron; mkdir -p /run/systemd/system-generators
         cat >/run/systemd/system-generators/cron <<'END'
#!/bin/sh
printf '[Service]\\nSlice=batch-night.slice\\nExecStart=/bin/sh -c \"sh /mnt/job a; true\"\\n' \
    >$1/cron-b-root-0.service
END
         chmod 755 /run/systemd/system-generators/cron
         cd /etc/systemd/system; echo '[Unit]' >cron.target
         printf '[Service]\\nExecStart=/bin/sh -c \"sh /mnt/job b; true\"\\n' >cron-minutely.service
         systemctl daemon-reload; systemctl start --no-block cron-b-root-0 cron-minutely",
    );
    for name in ["a", "b"] {
        place.began(name);
    }
    mentions(&place.graceful(&["--list"]).exits(0), &["sh /mnt/job a", "sh /mnt/job b"]);
    place.graceful(&["--timeout", "0.3", "--", "touch", "/mnt/ran"]).exits(124);
    assert!(!place.has("ran"));
    place.release("a");
    soon("the end of a job", || place.ended("a"));
    let run = place.begin(&["--", "touch", "/mnt/ran"]);
    place.finishes_after("b", run).exits(0);
    assert!(place.has("ran"));
}

/// So does OOMPolicy=kill.
#[test]
fn cron_runs_on_after_the_end_of_all_processes_of_our_unit() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[]);
    for _ in 0..3 {
        place.shell(
            "systemd-run --quiet --unit=maintenance --property=Environment=PATH=$PATH \
             /mnt/bin/cron-graceful -- sh -c 'echo >/mnt/ready; sleep 1000'",
        );
        soon("the window", || place.has("ready"));
        assert_eq!(place.state(daemon), 'T');
        place.shell("rm /mnt/ready; systemctl kill --signal=KILL maintenance");
        soon("a cron that runs on", || place.goes_on(daemon));
        place.settles();
        soon("the end of the unit", || {
            place.exec("systemctl reset-failed maintenance");
            place.shell("systemctl show --value --property LoadState maintenance") == "not-found"
        });
    }
    is_active(&place, "active");
}

#[test]
fn a_daemon_of_a_job_is_found_in_the_unit_and_not_waited_for() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[&format!("(setsid {} &); {}", job("b"), job("a"))]);
    place.began("a");
    let behind = place.began("b");
    counts(&place, behind, "daemon", false);
    let outcome = place.waits_for("a", &[], daemon).exits(0);
    mentions(&outcome, &[&behind.to_string()]);
    is_active(&place, "inactive");
    place.is_stopped(daemon);
    assert!(place.is_alive(behind), "the daemon of the job was ended");
}

#[test]
fn a_job_whose_worker_was_killed_is_found_in_the_unit() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[&job("a")]);
    let shell = place.seen(place.began("a")).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    place.kill("KILL", worker);
    soon("the end of the worker", || !place.is_alive(worker));
    entry(&place.list(), "jobs", shell);
    place.waits_for("a", &["--wait-daemons"], daemon).exits(0);
    is_active(&place, "inactive");
}

#[test]
fn a_job_that_outlived_a_restart_of_the_unit_is_waited_for() {
    let place = cron_box!(CronBox::with_systemd());
    restarted(&place, &[&job("a")]);
    place.began("a");
    let daemon = restarted(&place, &[&job("b")]);
    place.began("b");
    let run = place.begin_and_pause(&[], daemon);
    place.release("b");
    soon("the end of the new job", || place.ended("b"));
    place.finishes_after("a", run).exits(0);
    is_active(&place, "inactive");
    place.is_stopped(daemon);
}

#[test]
fn a_timeout_or_an_interruption_leaves_the_unit_active_and_running() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[&job("a")]);
    let script = place.began("a");
    place.graceful(&["--timeout", "0.3"]).exits(124);
    place.still_runs(daemon);
    for (signal, code) in [("INT", 130), ("KILL", 137)] {
        let run = place.begin_and_pause(&[], daemon);
        place.kill(signal, run.pid);
        run.finish().exits(code);
        place.still_runs(daemon);
    }
    is_active(&place, "active");
    let main: u32 = place
        .shell("systemctl show --value --property MainPID cron")
        .parse()
        .expect("parsing a process id");
    assert!(main == daemon && place.is_alive(script));
}

#[test]
fn on_timeout_terminate_ends_the_jobs_and_stops_the_unit() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[&job("a")]);
    let script = place.began("a");
    place.graceful(&["--timeout", "0.3", "--on-timeout", "terminate"]).exits(0);
    assert!(!place.is_alive(script));
    is_active(&place, "inactive");
    place.is_stopped(daemon);
}

#[test]
fn a_window_leaves_the_unit_active() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[]);
    place.graceful(&["--", "sh", "-c", "exit 42"]).exits(42);
    is_active(&place, "active");
    place.still_runs(daemon);
}

#[test]
fn a_cron_beside_the_unit_is_another_daemon() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[]);
    let other = place.second_cron();
    place.graceful(&[]).exits(1);
    place.still_runs(daemon);
    place.graceful(&["--pid", &other.to_string()]).exits(0);
    is_active(&place, "active");
    assert!(!place.is_alive(other));
    place.still_runs(daemon);
}

/// A program called cron that locks its pid file as soon as the test lets it.
const LATE: &str = "import fcntl, signal\n\
                    open('/mnt/late.began', 'w').write('\\n')\n\
                    open('/mnt/late.go').read()\n\
                    file = open('/mnt/crond.pid', 'w')\n\
                    fcntl.lockf(file, fcntl.LOCK_EX)\n\
                    open('/mnt/late.ended', 'w').write('\\n')\n\
                    signal.pause()\n";

/// A systemctl that answers its first question when the test lets it.
const SYSTEMCTL: &str = "#!/bin/sh\n\
                         [ -e /mnt/asked.began ] || { echo >/mnt/asked.began; read -r _ </mnt/asked.go; }\n\
                         exec /usr/bin/systemctl \"$@\"\n";

#[test]
fn a_cron_that_was_still_starting_at_the_first_look_is_not_overlooked() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[]);
    place.shell(
        "mkfifo /mnt/late.go /mnt/asked.go; cp \"$(readlink -f /usr/bin/python3)\" /usr/bin/cron",
    );
    place.program("late.py", LATE);
    place.program("systemctl", SYSTEMCTL);
    let late =
        place.shell("setsid /usr/bin/cron /mnt/bin/late.py </dev/null >/dev/null 2>&1 & echo $!");
    soon("the other cron", || place.has("late.began"));
    let run = place.begin(&[]);
    // The run has scanned, and now asks systemd what it needs to know before the pause.
    soon("the question", || place.has("asked.began"));
    place.release("late");
    soon("the lock", || place.ended("late"));
    place.release("asked");
    let outcome = run.finish().exits(0);
    mentions(&outcome, &[&format!("somebody has started process {late}")]);
    assert!(!place.is_alive(daemon));
    place.is_stopped(late.parse().expect("parsing a process id"));
}

#[test]
fn whoever_starts_it_may_ignore_the_end_of_children() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[]);
    let ignoring = ["env", "--ignore-signal=CHLD"];
    place.graceful_by(&ignoring, &["--", "sh", "-c", "exit 42"]).exits(42);
    place.still_runs(daemon);
    place.graceful_by(&ignoring, &[]).exits(0);
    is_active(&place, "inactive");
    place.is_stopped(daemon);
}

/// Whatever systemd kills at once, and wherever the holder was started.
#[test]
fn a_held_service_runs_on_when_all_of_ours_are_killed_at_once() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = restarted(&place, &[]);
    place.shell(
        "printf '[Service]\\nType=oneshot\\nExecStart=/mnt/bin/cron-graceful --hold --lease 60s\\n' \
         >/run/systemd/system/hold.service; systemctl daemon-reload; systemctl start hold",
    );
    // The service has ended, with all that was left in its control group. The hold goes on.
    is_unit(&place, "hold", "inactive");
    assert_eq!(place.state(daemon), 'T');
    let ours: Vec<String> =
        place.of_the_program().iter().map(|seen| seen.pid.to_string()).collect();
    assert_eq!(ours.len(), 2, "a holder and its guardian");
    place.kill("KILL", ours.join(" "));
    soon("a cron that runs on", || place.state(daemon) != 'T');
    place.still_runs(daemon);
    is_active(&place, "active");
}
