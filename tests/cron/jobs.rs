//! The processes that are jobs: workers before, during and after their job, and their descendants.

use super::super::support::cron::{CronBox, Seen, job, soon};
use super::{counts, entry, mentions, pids, stops};
use crate::cron_box;

/// A job that passes itself on from process to process before it ends.
const HOP: &str = r#"[ "$1" -gt 0 ] || { echo >/mnt/hopped; exit; }
sleep 0.03
sh /mnt/bin/hop $(($1 - 1)) &
"#;

/// A program that is stuck in the kernel until the pipe is opened: its child shares its memory.
const STUCK: &str = "import os\n\
                     open('/mnt/stuck', 'w').write(f'{os.getpid()}\\n')\n\
                     opens = [(os.POSIX_SPAWN_OPEN, 0, '/mnt/pipe', os.O_RDONLY, 0)]\n\
                     os.posix_spawn('/bin/true', ['true'], {}, file_actions=opens)\n";

/// Starts a command with a pid that was used before: the number before it is set as the last one.
fn reuse(place: &CronBox, pid: u32, command: &str) {
    let script = format!(
        "for try in $(seq 200); do\n\
         echo $(({pid} - 1)) >/proc/sys/kernel/ns_last_pid; {command} </dev/null >/dev/null 2>&1 &\n\
         [ $! = {pid} ] && exit 0; kill -KILL $!; wait $! 2>/dev/null\n\
         done; exit 1"
    );
    place.shell(&script);
}

#[test]
fn a_worker_that_has_not_started_its_job_yet_is_waited_for() {
    let place = cron_box!();
    // PAM reads the pipe, and the worker waits in it.
    place.shell(
        "mkfifo /mnt/pam; { cat /etc/pam.d/cron; echo 'session optional pam_env.so \
        envfile=/mnt/pam'; } >/run/pam
         mount --bind /run/pam /etc/pam.d/cron",
    );
    place.crontab(&["sleep 0.2; echo >/mnt/late"]);
    let daemon = place.cron();
    let workers = || place.processes().into_iter().filter(|seen| seen.parent == daemon).count();
    soon("a worker", || workers() == 1);
    let run = place.begin_and_pause(&[], daemon);
    place.feed(&place.path("pam"));
    let outcome = run.finish();
    assert!(place.has("late"), "the job had not ended\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

#[test]
fn a_worker_and_its_job_and_what_is_below_are_told_apart() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let shell = place.seen(script).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    assert_eq!(place.seen(worker).expect("finding the worker").parent, daemon);
    counts(&place, worker, "worker", true);
    counts(&place, shell, "job", true);
    counts(&place, script, "descendant", true);
    place.still_runs(daemon);
}

#[test]
fn a_job_tells_its_user_its_command_and_its_time() {
    let place = cron_box!();
    let command = job("a");
    place.crontab(&[&format!("nobody: {command}")]);
    let daemon = place.cron();
    let shell = place.seen(place.began("a")).expect("finding the script").parent;
    let list = place.list();
    let entry = entry(&list, "jobs", shell);
    assert!(entry["user"] == "nobody" && entry["command"] == command.as_str(), "{list:#}");
    assert!(
        entry["seconds"].as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)),
        "{list:#}"
    );
    assert!(entry["id"].as_str().is_none_or(|id| id.starts_with(&format!("{shell}:"))), "{list:#}");
    let outcome = place.graceful(&["--list"]).succeeds();
    let line = outcome
        .lines()
        .into_iter()
        .find(|line| line.contains(&shell.to_string()))
        .unwrap_or_default();
    assert!(
        line.contains("nobody") && line.contains(&command) && !line.contains("CRON"),
        "{}",
        outcome.report()
    );
    place.still_runs(daemon);
}

#[test]
fn a_child_of_a_job_in_a_session_of_its_own_is_still_a_descendant_and_waited_for() {
    let place = cron_box!();
    place.crontab(&["setsid --wait sh /mnt/job a"]);
    let daemon = place.cron();
    let script = place.began("a");
    counts(&place, script, "descendant", true);
    stops(&place, place.waits_for("a", &[], daemon), daemon);
}

#[test]
fn a_job_that_passes_itself_on_from_process_to_process_is_followed_to_its_end() {
    let place = cron_box!();
    place.program("hop", HOP);
    place.crontab(&["sh /mnt/bin/hop 25"]);
    let daemon = place.cron();
    soon("the job", || {
        place.processes().iter().any(|seen| seen.parent != daemon && seen.name == "sh")
    });
    let outcome = place.graceful(&[]);
    assert!(place.has("hopped"), "the job had not ended\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

/// Each of its processes exits before a scan comes to it.
#[test]
fn a_job_that_passes_itself_on_in_a_millisecond_is_followed_to_its_end() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    let hop = "for (1..2000) { exit if fork; select undef, undef, undef, 0.0005 }\n\
               open my $file, '>', '/mnt/hopped'\n";
    place.program("hop.pl", hop);
    place.crontab(&["perl /mnt/bin/hop.pl"]);
    let daemon = place.cron();
    let is_hop = |seen: &Seen| seen.name == "perl" && seen.parent != daemon;
    soon("the job", || place.processes().iter().any(is_hop));
    let outcome = place.graceful(&[]).exits(0);
    assert!(place.has("hopped"), "the job had not ended\n{}", outcome.report());
    place.is_stopped(daemon);
}

#[test]
fn a_timeout_ends_the_wait_for_a_job_that_passes_itself_on() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    place.program(
        "hop.pl",
        "while (-e '/mnt/stay') { exit if fork; select undef, undef, undef, 0.0005 }\n",
    );
    place.shell(": >/mnt/stay");
    place.crontab(&["perl /mnt/bin/hop.pl"]);
    let daemon = place.cron();
    soon("the job", || {
        place.processes().iter().any(|seen| seen.name == "perl" && seen.parent != daemon)
    });
    mentions(&place.graceful(&["--timeout", "1"]).exits(124), &["still running"]);
    place.still_runs(daemon);
    // A listing does not miss it either.
    for words in [&["--list"][..], &["-n"]] {
        let outcome = place.graceful(words).exits(0);
        assert!(!outcome.text().contains("no cron job is running"), "{}", outcome.report());
        mentions(&outcome, &["perl"]);
    }
    place.shell("rm /mnt/stay");
}

#[test]
fn mail_is_shown_as_mail_and_waited_for() {
    let place = cron_box!();
    let mailer = "#!/bin/sh\ncat >/mnt/mail\nexec sh /mnt/job mail\n";
    place.program("/usr/sbin/sendmail", mailer);
    place.raw_crontab("MAILTO=nobody\n@reboot root echo hello\n");
    let daemon = place.cron();
    let sender = place.began("mail");
    counts(&place, sender, "mail", true);
    mentions(&place.graceful(&["--list"]).succeeds(), &["mail"]);
    let outcome = place.waits_for("mail", &[], daemon);
    assert!(std::fs::read_to_string(place.path("mail")).is_ok_and(|mail| mail.contains("hello")));
    stops(&place, outcome, daemon);
}

#[test]
fn the_job_of_a_worker_that_outlived_a_restart_of_cron_is_waited_for() {
    let place = cron_box!();
    let (old, _) = place.cron_with_job();
    place.kill("TERM", old);
    soon("the end of the old cron", || !place.is_alive(old));
    place.crontab(&[&job("b")]);
    let daemon = place.cron();
    place.began("b");
    let list = place.list();
    assert_eq!(super::pids(&list, "daemons"), [u64::from(daemon)], "{list:#}");
    let run = place.begin_and_pause(&["--json"], daemon);
    place.release("b");
    soon("the end of the new job", || place.ended("b"));
    let outcome = place.finishes_after("a", run);
    assert_eq!(super::pids(&outcome.json(), "daemons"), [u64::from(daemon)]);
    stops(&place, outcome, daemon);
}

#[test]
fn a_worker_that_outlived_its_daemon_is_not_taken_for_a_daemon() {
    let place = cron_box!();
    let (old, _) = place.cron_with_job();
    place.kill("TERM", old);
    soon("the end of the old cron", || !place.is_alive(old));
    let list = place.list();
    assert!(super::pids(&list, "daemons").is_empty(), "{list:#}");
    let run = place.begin(&["--timeout", "20"]);
    place.release("a");
    run.finish().exits(0);
    soon("the end of the job, which nobody killed", || place.ended("a"));
}

#[test]
fn without_a_daemon_the_jobs_that_still_run_are_waited_for() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    place.kill("TERM", daemon);
    soon("the end of cron", || !place.is_alive(daemon));
    let run = place.begin(&[]);
    place.finishes_after("a", run).exits(0);
}

#[test]
fn run_by_a_job_it_does_not_wait_for_itself() {
    let place = cron_box!();
    let command =
        "PATH=/mnt/bin:$PATH cron-graceful --json >/mnt/result 2>&1; echo $? >/mnt/status";
    place.crontab(&[command, &job("a")]);
    let daemon = place.cron();
    place.began("a");
    soon("a paused daemon", || place.state(daemon) == 'T');
    place.release("a");
    soon("the end of the run", || !place.read("status").is_empty());
    let result = std::fs::read_to_string(place.path("result")).unwrap_or_default();
    assert!(place.read("status") == "0" && place.ended("a"), "{result}");
    assert!(!place.is_alive(daemon), "{result}");
}

#[test]
fn whoever_calls_himself_a_worker_does_not_keep_it_waiting() {
    let place = cron_box!();
    let script = "cp /bin/sleep /run/cron
        setsid -f setpriv --reuid 65534 --regid 65534 --clear-groups \
            bash -c 'exec -a CRON /run/cron 1000' </dev/null >/dev/null 2>&1";
    place.shell(script);
    let liar =
        || place.processes().into_iter().find(|seen| seen.name == "cron").map(|seen| seen.pid);
    // The kernel names a process anew before it has its arguments.
    let lies = |pid: u32| {
        let arguments = std::fs::read(place.root(&format!("/proc/{pid}/cmdline")));
        arguments.is_ok_and(|arguments| arguments == b"CRON\x001000\0")
    };
    soon("somebody who lies", || liar().is_some_and(lies));
    let liar = liar().expect("finding the impostor");
    let daemon = place.cron();
    assert!(super::pids(&place.list(), "jobs").is_empty(), "{:#}", place.list());
    let outcome = place.graceful(&[]).exits(0);
    assert!(!place.is_alive(daemon) && place.is_alive(liar), "{}", outcome.report());
}

#[test]
fn a_job_whose_worker_is_killed_meanwhile_is_waited_for() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let shell = place.seen(script).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    let mut run = place.begin(&["--jsonl"]);
    run.event("job");
    assert_eq!(place.state(daemon), 'T');
    place.kill("KILL", worker);
    soon("the end of the worker", || !place.is_alive(worker));
    stops(&place, place.finishes_after("a", run), daemon);
}

#[test]
fn a_job_whose_worker_was_killed_before_is_waited_for() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let shell = place.seen(script).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    place.kill("KILL", worker);
    soon("the end of the worker", || !place.is_alive(worker));
    stops(&place, place.waits_for("a", &[], daemon), daemon);
}

#[track_caller]
fn is_not_kept_waiting(newcomer: &str) {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let shell = place.seen(script).expect("finding the script").parent;
    let worker = place.seen(shell).expect("finding the job").parent;
    let mut run = place.begin(&["--jsonl"]);
    run.event("job");
    // The run must not scan before the number is used again.
    place.kill("STOP", run.pid);
    place.release("a");
    soon("the end of the job", || {
        place.ended("a") && place.state(shell) == 'X' && !place.is_alive(worker)
    });
    reuse(&place, shell, newcomer);
    soon("a newcomer", || place.sleeps(shell));
    place.kill("CONT", run.pid);
    let outcome = run.finish();
    assert!(place.is_alive(shell), "the newcomer was killed\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

#[test]
fn whoever_got_the_number_of_a_job_does_not_keep_it_waiting() {
    is_not_kept_waiting("sleep 1000");
}

#[test]
fn a_session_that_got_the_number_of_a_job_does_not_keep_it_waiting() {
    is_not_kept_waiting("setsid sleep 1000");
}

#[test]
fn a_stopped_job_is_named_as_such() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    place.kill("STOP", script);
    soon("a stopped job", || place.state(script) == 'T');
    let list = place.list();
    let state = entry(&list, "jobs", script)["state"].as_str().unwrap_or_default();
    assert!(state == "T" || state.contains("stopped"), "{list:#}");
    mentions(&place.graceful(&["--list"]).succeeds(), &["stopped"]);
    let outcome = place.graceful(&["--timeout", "0.3"]).exits(124);
    mentions(&outcome, &["stopped", &script.to_string()]);
    place.still_runs(daemon);
    assert_eq!(place.state(script), 'T', "it has continued what somebody else has stopped");
}

#[test]
fn a_job_that_is_stuck_in_the_kernel_is_named_as_such() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program("stuck.py", STUCK);
    place.crontab(&["mkfifo /mnt/pipe; python3 /mnt/bin/stuck.py"]);
    let daemon = place.cron();
    let stuck = || place.read("stuck").parse().unwrap_or(0);
    soon("a stuck job", || place.state(stuck()) == 'D');
    let list = place.list();
    let state = entry(&list, "jobs", stuck())["state"].as_str().unwrap_or_default();
    assert!(
        state == "D" || state.contains("uninterruptible") || state.contains("stuck"),
        "{list:#}"
    );
    let text = place.graceful(&["--list"]).succeeds();
    let text = text.text();
    assert!(
        text.contains("uninterruptible") || text.contains("stuck") || text.contains("disk"),
        "{text}"
    );
    let run = place.begin_and_pause(&[], daemon);
    place.feed(&place.path("pipe"));
    stops(&place, run.finish(), daemon);
}

#[test]
fn a_job_that_pipes_its_output_to_a_program_comes_to_its_end() {
    let place = cron_box!();
    // The job must not end before the process that started cron, which is called cron too.
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
    stops(&place, place.finishes_after("a", run), daemon);
}

#[test]
fn a_job_that_passes_itself_on_does_not_flood_the_output() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    place.program(
        "hop.pl",
        "while (-e '/mnt/stay') { exit if fork; select undef, undef, undef, 0.02 }\n",
    );
    place.shell(": >/mnt/stay");
    place.crontab(&["perl /mnt/bin/hop.pl"]);
    let daemon = place.cron();
    soon("the job", || {
        place.processes().iter().any(|seen| seen.name == "perl" && seen.parent != daemon)
    });
    for words in [&["--timeout", "8"][..], &["--timeout", "8", "--jsonl"]] {
        let outcome = place.graceful(words).exits(124);
        let lines = outcome.text().lines().count();
        assert!((100..320).contains(&lines), "{lines} lines\n{}", outcome.report());
        mentions(&outcome, &["not told of one by one"]);
    }
    place.shell("rm /mnt/stay");
}

/// Short commands of a job are no news, and do not use up the room for what is.
#[test]
fn what_a_job_leaves_behind_late_is_told_of_after_hundreds_of_short_commands() {
    let place = cron_box!();
    place.program(
        "loop",
        "n=0; while [ $n -lt 60 ]; do for i in 1 2 3 4 5; do sleep 0.1 & done; wait; n=$((n + 1)); done\n\
         (read -r _ </mnt/fail.go; exit 3) &\n(setsid sh /mnt/job b >/dev/null 2>&1 </dev/null &)\n\
         sleep 2\n",
    );
    place.shell("mkfifo /mnt/fail.go");
    place.crontab(&["sh /mnt/bin/loop"]);
    let daemon = place.cron();
    let run = place.begin_and_pause(&["--json"], daemon);
    let behind = place.began("b");
    place.release("fail");
    let outcome = run.finish().exits(0);
    let document = outcome.json();
    assert_eq!(document["warnings"], serde_json::json!([]), "{document:#}");
    assert!(place.is_alive(behind));
}
