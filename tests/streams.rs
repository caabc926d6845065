//! Standard streams: closed, full, not read, and coloured.

use std::fs::{File, OpenOptions};

use super::support::command::{PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;

#[test]
fn a_full_disk_is_an_error() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    let cases: [&[&str]; 11] = [
        &["tree", &option],
        &["tree", "--json", &option],
        &["find", &option],
        &["find", "--count", &option],
        &["find", "--json", &option],
        &["find", "--fields", "pid", &option],
        &["show", "1", &option],
        &["completions", "bash"],
        &["--list"],
        &["--help"],
        &["tree", "--help"],
    ];
    for words in cases {
        let mut command = proctool(words);
        command
            .stdout(OpenOptions::new().write(true).open("/dev/full").expect("opening /dev/full"));
        finish(command).exits(3).says("No space left on device");
    }
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let fake = FakeProc::new();
    for pid in 1..3000 {
        fake.process(pid, pid - 1, "one-of-many");
    }
    for words in ["tree", "tree --json", "find", "find --json", "find --fields pid,comm,rss"] {
        let mut command = clean("bash");
        let script = format!(
            "\"$0\" {words} '{}' | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}",
            fake.option()
        );
        command.args(["-c", &script, PROCTOOL]);
        finish(command).succeeds().prints("0\n");
    }
}

#[test]
fn closed_standard_streams_are_survived() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for close in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for words in ["tree", "find", "show 1", "--help", "nosuch"] {
            let mut command = clean("sh");
            let option = if words.starts_with(['-', 'n']) { String::new() } else { fake.option() };
            command.args(["-c", &format!("\"$0\" {words} {option} {close}"), PROCTOOL]);
            let outcome = finish(command);
            let expected = if words == "nosuch" { 2 } else { 0 };
            assert_eq!(outcome.code(), expected, "{close}\n{}", outcome.report());
            assert!(!outcome.errors().contains("panicked"), "{}", outcome.report());
        }
    }
}

#[test]
fn colour_is_used_when_asked_for_and_not_in_a_pipe() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    assert!(!run(&["show", "1", &option]).succeeds().text().contains('\u{1b}'));
    assert!(
        run(&["show", "1", "--color=always", &option]).succeeds().text().starts_with("\u{1b}[1m")
    );
    assert!(!run(&["show", "1", "--color=never", &option]).succeeds().text().contains('\u{1b}'));
    run(&["show", "1", "--color=sometimes", &option]).refuses(2, "invalid value 'sometimes'");
}

#[test]
fn input_is_not_read_unless_asked_for() {
    let mut command = proctool(["find", "-q"]);
    command.stdin(File::open("/dev/zero").expect("opening /dev/zero"));
    finish(command).succeeds();
}
