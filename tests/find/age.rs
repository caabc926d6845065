//! Ages: the newest and the oldest process, and those older than a time.

use super::*;
use crate::support::namespace::is_root;

/// Makes processes of several ages, of which the oldest has the highest pid.
fn ages() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, start_ticks) in [(10, 900), (11, 900), (20, 500), (30, 100), (31, 100)] {
        fake.bare(pid).stat(pid, 1, b"x", 'S', start_ticks);
    }
    fake.file("uptime", "10.00 0.00\n");
    fake
}

#[test]
fn newest_is_the_last_that_started_and_of_several_the_highest_pid() {
    let fake = ages();
    finds(&fake, &["-n"], &[11]);
    finds(&fake, &["--newest", "--pid", "10,20,30"], &[10]);
    finds(&fake, &["-n", "--pid", "30,20"], &[20]);
}

#[test]
fn oldest_is_the_first_that_started_and_of_several_the_lowest_pid() {
    let fake = ages();
    finds(&fake, &["-o"], &[30]);
    finds(&fake, &["--oldest", "--pid", "10,20,31"], &[31]);
    finds(&fake, &["-o", "--pid", "10,11"], &[10]);
}

#[test]
fn older_means_running_for_longer() {
    let fake = ages();
    finds(&fake, &["-O", "2"], &[20, 30, 31]);
    finds(&fake, &["--older", "0.5s"], &[10, 11, 20, 30, 31]);
    finds(&fake, &["-O5.5"], &[30, 31]);
    finds(&fake, &["-O", "5"], &[30, 31]);
    finds_nothing(find(&fake, &["-O", "9"]));
    finds_nothing(find(&fake, &["-O", "1m"]));
    finds(&fake, &["-v", "-O", "1m"], &[10, 11, 20, 30, 31]);
}

#[test]
fn older_needs_the_uptime() {
    find(&cron(), &["-O", "2"]).refuses(1, "uptime");
    find(&cron(), &["-v", "-O", "2"]).refuses(1, "uptime");
}

/// A procfs mounted with subset=pid looks like this.
#[test]
fn an_age_that_nobody_knows_is_not_silently_too_young() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for words in [&["find", "--older", "0"][..], &["find", "--older", "0", "--inverse"]] {
        let mut command = proctool(words);
        command.arg(fake.option());
        let outcome = finish(command);
        assert!(outcome.code() != 0 && outcome.stdout.is_empty(), "{}", outcome.report());
        outcome.says("uptime");
    }
}

#[test]
fn an_age_is_known_where_proc_shows_processes_only() {
    if !is_root() {
        skip!("not root: cannot mount a restricted /proc");
    }
    let script = "umount /proc && mount -t proc -o subset=pid none /proc || exit 77; \"$P\" find \
    --older 0 --pid 1 || echo \"status $?\"";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("this kernel cannot mount a procfs of processes only");
    }
    let found = outcome.text() == "1\n" && outcome.stderr.is_empty();
    assert!(found || outcome.errors().contains("uptime"), "silently nothing\n{}", outcome.report());
}
