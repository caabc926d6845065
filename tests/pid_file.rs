//! Pid files: what they may hold, and how much of them is read.

use std::fs;

use super::support::command::{PROCTOOL, clean, finish, proctool};
use super::support::fake::FakeProc;

#[test]
fn a_pid_file_is_not_read_beyond_a_process_id() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    // The memory is limited, so that a program that reads on fails the test and not the machine.
    let mut endless = clean("sh");
    let script = format!("ulimit -v 1000000; yes | \"$0\" find -F - '{}'", fake.option());
    endless.args(["-c", &script, PROCTOOL]);
    finish(endless).refuses(1, "it has more than 4096 bytes");
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let file = directory.path().join("pid");
    fs::write(&file, "x".repeat(1_000_000)).expect("writing a file");
    let mut long = proctool(["find", &fake.option(), "-F"]);
    long.arg(&file);
    let outcome = finish(long).exits(1).says("it has more than 4096 bytes");
    assert!(outcome.stderr.len() < 500, "a message of {} bytes", outcome.stderr.len());
}

#[test]
fn a_pid_file_holds_one_process_id() {
    let fake = FakeProc::new();
    for (pid, name) in [(1, "init"), (3, "wrong"), (31, "right")] {
        fake.process(pid, 0, name);
    }
    let find = |text: &str| {
        let mut command = clean("sh");
        let script = format!("printf '%b' \"$1\" | \"$0\" find -F - '{}'", fake.option());
        command.args(["-c", &script, PROCTOOL, text]);
        finish(command)
    };
    for text in [
        "31",
        "31\\n",
        " 31 \\n\\n",
        &format!("{}31\\n", " ".repeat(63)),
        "31\\n/usr/sbin/daemon -q1h\\n",
        "\\n\\n31",
    ] {
        find(text).succeeds().prints("31\n");
    }
    for text in ["31 3", "31\\n3\\n", "3\\n\\n31", "31\\n/var/lib\\n5432\\n"] {
        find(text).refuses(1, "it holds more than one number");
    }
    for text in ["", "\\n", "x", "31x", "31 daemon", "-31", "0x1f", "31\\0003"] {
        find(text).refuses(1, "is no process id");
    }
    find(&format!("31{}", "\\n".repeat(4095))).refuses(1, "it has more than 4096 bytes");
}
