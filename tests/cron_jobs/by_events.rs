//! Where the kernel tells of every process: in the initial pid namespace, with crontabs, pid files
//! and a cron of its own in a mount namespace.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::super::support::command::{Outcome, PROCTOOL, finish, heedful};
use super::super::support::namespace::kernel;
use super::super::support::place::missing;
use super::{end, parse};
use crate::skip;

/// The inodes of the initial pid and user namespaces (include/linux/proc_ns.h).
const INITIAL: [(&str, &str); 2] = [("pid", "pid:[4026531836]"), ("user", "user:[4026531837]")];

/// The beginning of a script: its own crontabs and pid files, and nothing that outlives it.
/// `follow` starts cron-jobs for the cron of `start_cron`.
const BEGIN: &str = r#"set -e
mount -t tmpfs none /run; mkdir -p /run/lock
mount -t tmpfs none /dev/shm; mount -t tmpfs none /etc/cron.d
: >/run/crontab; mount --bind /run/crontab /etc/crontab
mount -t tmpfs -o mode=755 none /var/spool/cron
install -d -o root -g crontab -m 1730 /var/spool/cron/crontabs
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
set +e
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT
start_cron() {
    rm -f /run/crond.pid /run/crond.reboot
    "$@" setpriv --pdeathsig KILL cron -f </dev/null >/dev/null 2>&1 &
    until [ -s /run/crond.pid ]; do sleep 0.01; done
    cron=$(cat /run/crond.pid)
}
follow() {
    setpriv --pdeathsig KILL "$P" cron-jobs --jsonl "$@" >/run/out 2>/run/errors &
    follower=$!
}
until_told() { until grep -qs "$1" /run/out; do kill -0 $follower || exit 1; sleep 0.02; done; }
"#;

/// Runs a script with a cron and a cron-jobs; `None` where the kernel has no events for us.
pub fn run(text: &str) -> Option<Outcome> {
    let is_initial = |(name, link): &(&str, &str)| {
        fs::read_link(format!("/proc/self/ns/{name}")).is_ok_and(|found| found.as_os_str() == *link)
    };
    if !INITIAL.iter().all(is_initial)
        || missing(&["unshare", "setpriv", "cron", "faketime", "python3"]).is_err()
    {
        return None;
    }
    let script = format!("{BEGIN}{text}");
    let mut command: Command = heedful("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]);
    command.args(["timeout", "--foreground", "-s", "TERM", "200"]);
    command.args(["setpriv", "--pdeathsig", "KILL", "bash", "-c", &script]);
    command.env("P", PROCTOOL);
    let outcome = finish(command).exits(0);
    assert!(!outcome.errors().contains("panicked"), "{}", outcome.report());
    Some(outcome)
}

/// Returns the events that a script has printed, of one kind.
pub fn events(outcome: &Outcome, kind: &str) -> Vec<Value> {
    let all = outcome.lines().into_iter().filter(|line| line.starts_with('{'));
    all.map(|line| parse(&line)).filter(|event| event["event"] == kind).collect()
}

/// A thousand jobs of 10 ms to 5 s start in one minute, while both processors have other work. A
/// third of them fails, and a tenth dies by a signal.
const THOUSAND: &str = r#"
cat >/run/jobs.py <<'X'
times = [0.01, 0.02, 0.05, 0.1, 0.3, 1, 2, 5]
signals = ['KILL', 'TERM', 'USR1']
print('MAILTO=""')
for job in range(1000):
    end = 'exit 0'
    if job % 10 == 5: end = f'kill -{signals[job // 10 % 3]} $$'
    elif job % 3 == 0: end = f'exit {1 + job % 100}'
    print(f'* * * * * root sleep {times[job % 8]}; echo {job} >>/run/ran; {end}')
X
python3 /run/jobs.py >/etc/cron.d/jobs
for _ in 1 2; do setpriv --pdeathsig KILL sh -c 'while :; do :; done' >/dev/null & done
start_cron faketime -f '@2030-01-01 00:00:57'
follow --pid $cron
until [ "$(wc -l 2>/dev/null </run/ran)" = 1000 ]; do kill -0 $follower || exit 1; sleep 0.1; done
rm /etc/cron.d/jobs
kill $cron
wait $follower
echo "ended $?" >>/run/out
cat /run/errors >&2
cat /run/out"#;

#[test]
fn the_end_of_each_of_a_thousand_jobs_is_told_once_beside_a_busy_machine() {
    let Some(outcome) = run(THOUSAND) else { skip!("no process events here, or no faketime") };
    let (starts, ends) = (events(&outcome, "started"), events(&outcome, "ended"));
    assert_eq!((starts.len(), ends.len()), (1000, 1000), "{}", outcome.errors());
    assert!(outcome.text().ends_with("ended 0\n"), "{}", outcome.errors());
    assert!(events(&outcome, "lost").is_empty(), "{}", outcome.errors());
    let mut by_status: BTreeMap<String, usize> = BTreeMap::new();
    let mut pids: Vec<u64> = Vec::new();
    for event in &ends {
        *by_status.entry(end(event).to_string()).or_default() += 1;
        pids.push(event["pid"].as_u64().expect("finding a pid"));
        assert_eq!(event["user"], "root", "{event:#}");
        let Some(command) = event["command"].as_str() else { continue };
        let expected = command.rsplit("; ").next().expect("finding the end of a command");
        let told = match event["exit_signal"].as_str() {
            Some(signal) => format!("kill -{signal} $$"),
            None => format!("exit {}", event["exit_status"]),
        };
        assert_eq!(told, expected, "{event:#}");
        assert!(event["crontab"]["line"].is_u64(), "{event:#}");
    }
    assert_eq!(by_status, expected_statuses(), "{}", outcome.errors());
    let unknown = ends.iter().filter(|event| event["command"].is_null()).count();
    println!("{unknown} of 1000 commands are unknown");
    // No pid was given twice in these seconds.
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 1000);
}

/// Returns how many of the thousand jobs end in each way.
fn expected_statuses() -> BTreeMap<String, usize> {
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for job in 0..1000 {
        let end = match job {
            _ if job % 10 == 5 => format!("{:?}", ["KILL", "TERM", "USR1"][job / 10 % 3]),
            _ if job % 3 == 0 => (1 + job % 100).to_string(),
            _ => "0".to_owned(),
        };
        *expected.entry(end).or_default() += 1;
    }
    expected
}

/// The kernel keeps events for us up to a limit. Beyond that some are lost, while cron-jobs stands
/// still here; a job ends meanwhile, and another one starts.
const LOST: &str = r#"
cat >/etc/cron.d/jobs <<'X'
MAILTO=""
@reboot root timeout 99 cat /run/first; exit 3
@reboot root timeout 99 cat /run/second; exit 4
X
mkfifo /run/first /run/second
start_cron
follow --pid $cron
until_told '"command":"timeout.*exit 3'
until_told '"command":"timeout.*exit 4'
first=$(sed -n 's/.*"event":"[rs].*"pid":\([0-9]*\),.*exit 3.*/\1/p' /run/out)
kill -STOP $follower
python3 -c 'import os
for _ in range(16000):
    pid = os.fork()
    if not pid: os._exit(0)
    os.waitpid(pid, 0)'
echo >/run/first
until [ ! -e /proc/$first ]; do sleep 0.02; done
kill -CONT $follower
until_told '"event":"lost"'
until_told '"event":"ended".*exit 3'
echo >/run/second
until_told '"event":"ended".*exit 4'
kill $cron
wait $follower
cat /run/errors >&2
cat /run/out"#;

#[test]
fn lost_events_are_told_and_mended() {
    let Some(outcome) = run(LOST) else { skip!("no process events here, or no faketime") };
    assert_eq!(events(&outcome, "lost").len(), 1, "{}", outcome.report());
    let ends = events(&outcome, "ended");
    assert_eq!(ends.len(), 2, "{}", outcome.report());
    // Since Linux 6.15 the pidfd of the job tells its status.
    let expected = if kernel() >= (6, 15) { Value::from(3) } else { Value::Null };
    assert_eq!((end(&ends[0]), end(&ends[1])), (expected, 4.into()), "{}", outcome.report());
    assert!(outcome.errors().contains("has discarded some"), "{}", outcome.report());
}

/// Jobs that are over before anybody could look: of other users too, and with a shell that cannot
/// be started. A job is a process with threads of which the first one ends first.
const SHORT: &str = r#"
cat >/run/threads.py <<'X'
import ctypes, os, threading, time
def end():
    time.sleep(0.3)
    os._exit(9)
threading.Thread(target=end).start()
ctypes.CDLL(None).pthread_exit(None)
X
cat >/etc/cron.d/a <<'X'
MAILTO=""
* * * * * root exit 3
* * * * * nobody exit 4
* * * * * root kill -KILL $$
X
printf 'MAILTO=""\nSHELL=/nosuch\n* * * * * nobody never\n' >/etc/cron.d/b
printf 'MAILTO=""\nSHELL=/bin/bash\n* * * * * root exec python3 /run/threads.py\n' >/etc/cron.d/c
start_cron faketime -f '@2030-01-01 00:00:58'
follow --pid $cron
until [ "$(grep -c '"event":"ended"' /run/out)" = 5 ]; do
    kill -0 $follower || exit 1
    sleep 0.05
done
kill $cron
wait $follower
cat /run/errors >&2
cat /run/out"#;

#[test]
fn no_job_is_too_short() {
    let Some(outcome) = run(SHORT) else { skip!("no process events here, or no faketime") };
    let ends = events(&outcome, "ended");
    let mut found: Vec<(String, String)> =
        ends.iter().map(|event| (event["user"].to_string(), end(event).to_string())).collect();
    found.sort();
    let expected = [
        ("\"nobody\"", "1"),
        ("\"nobody\"", "4"),
        ("\"root\"", "\"KILL\""),
        ("\"root\"", "3"),
        ("\"root\"", "9"),
    ];
    let expected = expected.map(|(user, end)| (user.to_owned(), end.to_owned()));
    assert_eq!(found, expected, "{}", outcome.report());
    assert_eq!(events(&outcome, "started").len(), 5, "{}", outcome.report());
}

/// Another cron is started after the end of the first one.
const REPLACED: &str = r#"
printf 'MAILTO=""\n@reboot root sleep 2; exit 3\n' >/etc/cron.d/jobs
start_cron
follow --daemon cron
until_told "following.*\"pid\":$cron,"
first=$cron
kill $cron
until_told "daemon ended.*\"pid\":$first,"
start_cron
until_told "following.*\"pid\":$cron,"
until_told "ended.*\"daemon\":$first,"
until_told "ended.*\"daemon\":$cron,"
kill $follower
wait $follower
kill $cron
cat /run/errors >&2
cat /run/out"#;

#[test]
fn a_cron_that_is_replaced_is_followed() {
    let Some(outcome) = run(REPLACED) else { skip!("no process events here, or no faketime") };
    // Another cron of this machine may be followed too, and its jobs.
    let of_us = |event: &&Value| event["command"] == "sleep 2; exit 3";
    let ends = events(&outcome, "ended");
    let ends: Vec<&Value> = ends.iter().filter(of_us).collect();
    assert_eq!(ends.len(), 2, "{}", outcome.report());
    assert!(ends.iter().all(|event| end(event) == 3), "{}", outcome.report());
}

/// A job starts processes that have its worker as parent, and that look as if the worker had started
/// them: with a session of their own, and a shell with the command of another user's job.
const FORGED: &str = r#"
cat >/run/forge.py <<'X'
import ctypes, os, signal, time
clone = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
CLONE_PARENT = 0x8000
for command in 'exit 8', 'sleep 0.3; exit 9':
    if not ctypes.CDLL(None).syscall(clone, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0):
        os.setsid()
        os.execv('/bin/sh', ['sh', '-c', command])
time.sleep(1)
X
cat >/etc/cron.d/jobs <<'X'
MAILTO=""
* * * * * nobody exec python3 -I -S /run/forge.py
0 0 1 1 * root exit 8
0 0 1 1 * root sleep 0.3; exit 9
X
start_cron faketime -f '@2030-01-01 00:00:58'
follow --pid $cron
until_told '"event":"ended".*"exit_status":0'
until_told '"event":"ended".*"exit_status":8'
until_told '"event":"ended".*"exit_status":9'
kill $cron
wait $follower
cat /run/errors >&2
cat /run/out"#;

#[test]
fn a_job_cannot_pass_for_that_of_another_user() {
    let Some(outcome) = run(FORGED) else { skip!("no process events here, or no faketime") };
    let ends = events(&outcome, "ended");
    for event in &ends {
        // That of a process that is gone before it is read is unknown.
        assert!(event["user"] == "nobody" || event["user"].is_null(), "{event:#}");
        assert!(event["crontab"].is_null() || event["crontab"]["line"] == 2, "{event:#}");
    }
    let long = ends.iter().find(|event| end(event) == 9).expect("finding the longer process");
    assert_eq!((&long["user"], &long["command"]), (&"nobody".into(), &"sleep 0.3; exit 9".into()));
}

/// The daemon ends while a worker is still on its way to the job: the fifo holds it up in PAM.
const UNBEGUN: &str = r#"
mkfifo /run/fifo
(cat /etc/pam.d/cron; echo 'session optional pam_env.so envfile=/run/fifo') >/run/pam.cron
mount --bind /run/pam.cron /etc/pam.d/cron
printf 'MAILTO=""\n@reboot root exit 3\n' >/etc/cron.d/jobs
start_cron
follow --pid $cron
until_told following
until [ -n "$(cat /proc/$cron/task/$cron/children)" ]; do sleep 0.02; done
kill $cron
until_told 'daemon ended'
echo >/run/fifo &
wait $follower
echo "ended $?"
cat /run/errors >&2
cat /run/out"#;

#[test]
fn a_job_that_begins_after_the_end_of_its_daemon_is_told() {
    let Some(outcome) = run(UNBEGUN) else { skip!("no process events here, or no faketime") };
    assert!(outcome.text().starts_with("ended 0\n"), "{}", outcome.report());
    let ends = events(&outcome, "ended");
    assert!(ends.len() == 1 && end(&ends[0]) == 3, "{}", outcome.report());
}

/// The user of a job gets another name, and its number stays.
const RENAMED: &str = r#"
cp -a /etc /run/etc; mount --bind /run/etc /etc
add() {
    sed -i '/:7777:/d; /^[ab]:/d' /etc/passwd /etc/shadow
    echo "$1:x:7777:7777::/:/bin/sh" >>/etc/passwd
    echo "$1:*:19000:0:99999:7:::" >>/etc/shadow
    printf 'MAILTO=""\n* * * * * %s exit 3\n' $1 >/etc/cron.d/jobs
    start_cron faketime -f '@2030-01-01 00:00:58'
    until_told "following.*\"pid\":$cron,"
    until_told "ended.*\"daemon\":$cron,"
    kill $cron
}
follow --daemon cron
add a
add b
kill $follower
wait $follower
cat /run/errors >&2
cat /run/out"#;

#[test]
fn a_user_is_called_by_its_present_name() {
    let Some(outcome) = run(RENAMED) else { skip!("no process events here, or no faketime") };
    // Another test may run a cron beside this one.
    let of_us = |event: &&Value| ["a", "b", "7777"].iter().any(|name| event["user"] == *name);
    let ends = events(&outcome, "ended");
    let users: Vec<&Value> = ends.iter().filter(of_us).map(|event| &event["user"]).collect();
    assert_eq!(users, ["a", "b"], "{}", outcome.report());
}

/// A job ends, and then a signal comes, while cron-jobs stands still.
const SIGNALLED: &str = r#"
mkfifo /run/go
printf 'MAILTO=""\n@reboot root read -r _ </run/go; exit 3\n' >/etc/cron.d/jobs
start_cron
follow --pid $cron
until_told '"command":"read'
job=$(sed -n 's/.*"event":"[rs].*"pid":\([0-9]*\),.*exit 3.*/\1/p' /run/out)
kill -STOP $follower
echo >/run/go
until [ ! -e /proc/$job ]; do sleep 0.02; done
kill -TERM $follower
kill -CONT $follower
wait $follower
echo "ended $?"
kill $cron
cat /run/out"#;

#[test]
fn what_has_happened_before_a_signal_is_told_first() {
    let Some(outcome) = run(SIGNALLED) else { skip!("no process events here, or no faketime") };
    assert!(outcome.text().starts_with("ended 143\n"), "{}", outcome.report());
    assert_eq!(events(&outcome, "ended").len(), 1, "{}", outcome.report());
}
