//! `--start`: what a run has stopped runs again, as it was run before.

use super::super::support::cron::{CronBox, job};
use super::beside::with_atd;
use super::mentions;
use crate::cron_box;

const RECORD: &str = "/run/cron-graceful.stopped";

/// Returns what a daemon was started with, as far as a script can change it.
fn facts(place: &CronBox, daemon: u32) -> String {
    place.shell(&format!(
        "cd /proc/{daemon} && tr '\\0' '|' <cmdline && echo && sort -z environ | tr '\\0' '|' &&
         readlink exe cwd && grep -E '^(Umask|Uid|Gid|Groups|SigBlk|NoNewPrivs)' status"
    ))
}

/// Stops cron, starts it again, and returns the pid of the new daemon.
#[track_caller]
fn stopped_and_started(place: &CronBox, daemon: u32) -> u32 {
    place.graceful(&[]).exits(0);
    assert!(!place.is_alive(daemon));
    assert_eq!(place.shell(&format!("stat -c '%a %U' {RECORD}")), "600 root");
    let started = place.graceful(&["--start", "--json"]).succeeds().json();
    assert_eq!(started["outcome"], "started", "{started:#}");
    let new = place.locked();
    assert_eq!(started["daemons"][0]["pid"], new, "{started:#}");
    assert!(!place.root(RECORD).exists(), "the record is used up");
    new
}

#[test]
fn a_cron_of_a_command_line_runs_again_as_it_was() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    let daemon = place.cron_by(
        "cd /mnt; umask 027; setpriv --groups 4,24 --regid 7 \
         env -i PATH=$PATH A='one two' B= C=$'line\\nline' D=$'\\xff' cron -L 5",
    );
    place.began("a");
    place.release("a");
    let before = facts(&place, daemon);
    assert!(before.contains("cron|-L|5|") && before.contains("A=one two|B=|"), "{before}");
    let new = stopped_and_started(&place, daemon);
    assert_eq!(facts(&place, new), before);
    place.still_runs(new);
    // Nothing of ours is left open in it.
    let files = place.shell(&format!("readlink /proc/{new}/fd/*"));
    assert!(files.lines().all(|file| file == "/dev/null" || file == "/run/crond.pid"), "{files}");
}

/// A daemon that stays in the foreground goes on when the command has ended, in a session of its
/// own.
#[test]
fn a_cron_in_the_foreground_runs_again_apart_from_the_command() {
    let place = cron_box!();
    let daemon = place.cron_by("setsid cron -f </dev/null >/dev/null 2>&1 &");
    let before = facts(&place, daemon);
    let new = stopped_and_started(&place, daemon);
    assert_eq!(facts(&place, new), before);
    let session = place.shell(&format!("cut -d' ' -f4,6 /proc/{new}/stat"));
    assert_eq!(session, format!("1 {new}"), "child of init, and leader of its session");
    place.still_runs(new);
}

#[test]
fn a_cron_of_an_init_script_is_started_by_the_script() {
    let place = cron_box!();
    let daemon = place.cron_by("service cron start >/dev/null 3>&- 4>&-");
    place.graceful(&[]).exits(0);
    let would = place.graceful(&["--start", "-n"]).succeeds();
    mentions(&would, &["cron was stopped by root at ", "would start cron by service cron start"]);
    assert!(place.root(RECORD).exists() && !place.is_alive(daemon));
    let outcome = place.graceful(&["--start"]).succeeds();
    let new = place.locked();
    mentions(&outcome, &[&format!("cron ({new}) is started by service cron start")]);
    place.still_runs(new);
}

/// The applet is in the arguments, and the program is another one.
#[test]
fn a_multi_call_program_runs_again_with_its_applet() {
    let place = cron_box!(CronBox::needing(&["busybox"]));
    if place.exec("busybox --list | grep -qx crond").code() != 0 {
        crate::skip!("this busybox has no crond");
    }
    place.shell("mkdir -p /run/tabs; busybox crond -c /run/tabs -L /run/log");
    let of_crond = || place.list()["daemons"][0]["pid"].as_u64();
    let first = of_crond().expect("a crond");
    let before = facts(&place, u32::try_from(first).expect("a process id"));
    place.graceful(&[]).exits(0);
    assert_eq!(of_crond(), None);
    place.graceful(&["--start"]).succeeds();
    let new = u32::try_from(of_crond().expect("a crond")).expect("a process id");
    assert_eq!(facts(&place, new), before);
    place.graceful(&[]).exits(0);
}

#[test]
fn a_unit_is_started_by_systemd() {
    let place = cron_box!(CronBox::with_systemd());
    place.graceful(&[]).exits(0);
    assert_eq!(place.exec("systemctl is-active cron").text(), "inactive\n");
    let outcome = place.graceful(&["--start"]).exits(0);
    mentions(&outcome, &["is started by systemctl start cron.service"]);
    assert_eq!(place.shell("systemctl is-active cron"), "active");
    assert!(!place.root(RECORD).exists());
}

#[test]
fn what_runs_already_is_as_good() {
    let place = cron_box!();
    place.graceful(&["--start"]).refuses(1, "no run of cron-graceful has stopped cron");
    place.cron();
    let running = |place: &CronBox| {
        let document = place.graceful(&["--start", "--json"]).succeeds().json();
        assert_eq!(document["outcome"], "running", "{document:#}");
    };
    running(&place);
    place.graceful(&[]).exits(0);
    let daemon = place.cron();
    running(&place);
    assert!(!place.root(RECORD).exists());
    place.still_runs(daemon);
}

#[test]
fn a_run_that_finds_no_cron_keeps_the_record_and_one_that_stops_replaces_it() {
    let place = cron_box!();
    place.cron_by("A=1 cron");
    place.graceful_by(&["env", "SUDO_USER=alice"], &[]).exits(0);
    place.graceful_by(&["env", "SUDO_USER=bob"], &[]).exits(0);
    mentions(&place.graceful(&["--start", "-n"]).exits(0), &["stopped by alice"]);
    place.cron_by("A=2 cron");
    place.graceful_by(&["env", "SUDO_USER=bob"], &[]).exits(0);
    mentions(&place.graceful(&["--start", "-n"]).exits(0), &["stopped by bob"]);
    place.graceful(&["--start"]).exits(0);
    assert!(facts(&place, place.locked()).contains("A=2|"));
}

/// Makes a box with a cron that a run has stopped.
fn stopped() -> Result<CronBox, String> {
    let place = CronBox::new()?;
    place.cron();
    place.graceful(&[]).exits(0);
    Ok(place)
}

#[test]
fn after_a_reboot_nothing_is_started() {
    let place = cron_box!(stopped());
    place.shell(
        "echo 00000000-0000-0000-0000-000000000000 >/run/boot_id
         mount --bind /run/boot_id /proc/sys/kernel/random/boot_id",
    );
    for words in [&["--start"][..], &["--start", "-n"]] {
        place.graceful(words).refuses(1, "started anew since cron was stopped");
    }
    let refused = place.graceful(&["--start", "--json"]).exits(1).json();
    assert_eq!(refused["outcome"], "refused", "{refused:#}");
    place.shell("umount /proc/sys/kernel/random/boot_id");
    // A container has the boot of its host, and a first process of its own.
    place.shell(&format!("sed -i 's/init\\x00[0-9]*/init\\x0017/' {RECORD}"));
    place.graceful(&["--start"]).refuses(1, "started anew since cron was stopped");
}

#[test]
fn a_record_that_others_may_have_written_is_of_no_use() {
    let place = cron_box!(stopped());
    for (spoil, mend) in [
        (format!("chown 65534 {RECORD}"), format!("chown 0 {RECORD}")),
        (format!("chmod 620 {RECORD}"), format!("chmod 600 {RECORD}")),
        (format!("ln {RECORD} /run/other"), "rm /run/other".to_owned()),
        (
            format!("mv {RECORD} /run/other; ln -s other {RECORD}"),
            format!("mv /run/other {RECORD}"),
        ),
    ] {
        place.shell(&spoil);
        place.graceful(&["--start"]).refuses(1, "is of no use, so that nothing was done");
        place.shell(&mend);
    }
    place.shell(&format!("cp {RECORD} /run/whole; head -c 99 /run/whole >{RECORD}"));
    place.graceful(&["--start"]).refuses(1, "it is damaged");
    place.shell(&format!("cat /run/whole >{RECORD}"));
    place.graceful_as_nobody(&["--start", "-n"]).refuses(1, "ermission denied");
    place.graceful_as_nobody(&["--start"]).refuses(1, "only the superuser may do that");
    place.graceful(&["--start"]).succeeds();
}

/// The path may be that of a program that another user has put there since.
#[test]
fn a_program_that_others_may_have_changed_is_not_run() {
    let place = cron_box!();
    place.shell(
        "mount -t tmpfs -o mode=755 none /opt; mkdir /opt/own; cp /usr/sbin/cron /opt/own/cron",
    );
    place.cron_by("/opt/own/cron");
    place.graceful(&[]).exits(0);
    let fails = |spoil: &str, why: &str| {
        place.shell(spoil);
        let outcome = place.graceful(&["--start", "--json"]).exits(1);
        mentions(&outcome, &["cron is not started by /opt/own/cron", why]);
        assert_eq!(outcome.json()["outcome"], "not started");
    };
    fails("chown 65534 /opt/own", "others than the superuser may change '/opt/own'");
    fails("chown 0 /opt/own; chmod 757 /opt/own", "may change '/opt/own'");
    fails("chmod 755 /opt/own; chmod 722 /opt/own/cron", "may change '/opt/own/cron'");
    fails("mv /opt/own/cron /opt/own/other", "No such file");
    // An upgrade has replaced it.
    place.shell("rm /opt/own/other; cp /usr/sbin/cron /opt/own/cron");
    place.graceful(&["--start"]).succeeds();
    place.still_runs(place.locked());
}

#[test]
fn a_cron_that_ends_at_once_is_not_started() {
    let place = cron_box!();
    place.shell(
        "mount -t tmpfs -o mode=755 none /opt; mkdir /opt/own; cp /usr/sbin/cron /opt/own/cron",
    );
    place.cron_by("/opt/own/cron");
    place.graceful(&[]).exits(0);
    place.shell("cp /bin/true /opt/own/cron");
    let outcome = place.graceful(&["--start"]).exits(1);
    mentions(&outcome, &["cron is not started by /opt/own/cron: it does not run 10 seconds later"]);
    assert!(place.root(RECORD).exists());
}

#[test]
fn only_one_run_works_at_a_time() {
    let place = cron_box!(stopped());
    place.shell("flock /run/cron-graceful.lock cron-graceful --start 2>&1 | grep -q 'is at work'");
    place.graceful(&["--start"]).succeeds();
}

#[test]
fn a_cron_that_is_there_and_paused_does_not_count_as_started() {
    let place = cron_box!();
    let daemon = place.cron();
    place.kill("STOP", daemon);
    let outcome = place.graceful(&["--start"]).exits(1);
    mentions(&outcome, &["is paused: --resume lets it run on"]);
    place.kill("CONT", daemon);
}

/// Those of busybox have no lock, so that there may be two of them.
#[test]
fn two_daemons_of_the_same_name_run_again() {
    let place = cron_box!(CronBox::needing(&["busybox"]));
    if place.exec("busybox --list | grep -qx crond").code() != 0 {
        crate::skip!("this busybox has no crond");
    }
    place.shell("mkdir /run/1 /run/2; for tabs in 1 2; do busybox crond -c /run/$tabs; done");
    let lines =
        || place.shell("for pid in $(pgrep -x busybox); do tr '\\0' ' ' </proc/$pid/cmdline; done");
    let before = lines();
    assert_eq!(before.matches("crond -c").count(), 2, "{before}");
    place.graceful(&["--all"]).exits(0);
    assert_eq!(place.exec("pgrep -x busybox").text(), "");
    let started = place.graceful(&["--start", "--json"]).succeeds().json();
    assert_eq!(started["daemons"].as_array().map(Vec::len), Some(2), "{started:#}");
    assert_eq!(lines(), before);
    place.graceful(&["--all"]).exits(0);
}

#[test]
fn a_cron_that_sees_other_mounts_is_told_of_and_not_started() {
    let place = cron_box!();
    place.second_cron();
    place.graceful(&[]).exits(0);
    let unknown = "it is not known how it was started: it sees other mounts than this command";
    let would = place.graceful(&["--start", "-n"]).exits(0);
    mentions(&would, &["would not start cron", unknown]);
    mentions(&place.graceful(&["--start"]).exits(1), &["cron is not started", unknown]);
}

#[test]
fn a_stop_that_cannot_be_recorded_is_a_stop_with_a_warning() {
    let place = cron_box!(stopped());
    let daemon = place.cron();
    place.shell("mkdir /run/cron-graceful.stopped.new");
    let outcome = place.graceful(&[]).exits(0).says("how cron can be started again could not be");
    assert!(!place.is_alive(daemon), "{}", outcome.report());
    place.graceful(&["--start"]).refuses(1, "no run of cron-graceful has stopped cron");
}

#[test]
fn a_signal_ends_a_start() {
    let place = cron_box!();
    place.shell(
        "mount -t tmpfs -o mode=755 none /opt; mkdir /opt/own; cp /usr/sbin/cron /opt/own/cron",
    );
    place.cron_by("/opt/own/cron");
    place.graceful(&[]).exits(0);
    // It runs, and is never seen.
    place.shell("cp /bin/true /opt/own/cron");
    let mut run = place.begin(&["--start"]);
    assert!(run.running.line().contains("stopped by root"));
    place.kill("TERM", run.pid);
    run.finish().exits(143);
    assert!(place.root(RECORD).exists());
}

/// The log of the machine tells how cron was started.
#[test]
fn syslog_is_told_of_a_start() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.cron();
    place.graceful(&[]).exits(0);
    let listener = "import socket, subprocess
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind('/dev/log')
log.setblocking(False)
subprocess.run(['cron-graceful', '-q', '--start'], check=True)
while True:
    try: print(log.recv(9999).decode())
    except BlockingIOError: break
";
    place.program("listener.py", listener);
    let told = place.shell(
        "mkdir /run/dev; touch /run/dev/null; mount --bind /dev/null /run/dev/null
         mount --rbind /run/dev /dev; python3 /mnt/bin/listener.py",
    );
    let daemon = place.locked();
    let text = format!("cron, process {daemon}, is started by /usr/sbin/cron");
    assert!(
        told.lines().any(|line| line.contains("cron-graceful[") && line.contains(&text)),
        "{told}"
    );
}

/// What one run has stopped is not forgotten by the next one.
#[test]
fn what_an_earlier_run_has_stopped_is_started_too() {
    let place = cron_box!(CronBox::needing(&["atd"]));
    let [_, at] = with_atd(&place);
    place.graceful(&["--with", "at"]).exits(0);
    place.is_stopped(at);
    let list = place.graceful(&["--list"]).exits(0);
    assert!(list.text().contains("--start starts it again"), "{}", list.report());
    place.cron();
    place.graceful(&[]).exits(0);
    place.graceful(&["--start"]).exits(0);
    for name in ["cron", "atd"] {
        assert!(place.processes().iter().any(|process| process.name == name), "{name}");
    }
}
