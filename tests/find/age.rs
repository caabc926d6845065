//! Ages: the newest and the oldest process, and those older than a time.

use super::*;

/// Start ticks and pids of a fake whose oldest process has the highest pid.
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
