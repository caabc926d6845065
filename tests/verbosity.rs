//! The log, and what `--verbose` and `--quiet` change.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::support::command::{finish, proctool, run};
use super::support::fake::FakeProc;

#[test]
fn verbose_tells_how_much_was_read() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(2);
    let option = fake.option();
    assert!(run(&["tree", "-v", &option]).exits(0).errors().contains("processes=1"));
    assert!(run(&["tree", "-vv", &option]).exits(0).errors().contains("vanished=1"));
    assert!(run(&["find", "--verbose", &option]).exits(0).errors().contains("matched=2"));
    assert!(run(&["show", "-v", "1", &option]).exits(0).errors().contains("shown=1"));
}

#[test]
fn quiet_is_quiet_about_everything_that_is_not_there() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    for words in [
        &["find", "--children-of", "nosuch"][..],
        &["find", "-F", "/nonexistent"],
        &["tree", "-H", "7"],
    ] {
        let mut command = proctool(words);
        command.args(["-q", &option]);
        let outcome = finish(command).exits(1);
        assert!(outcome.stderr.is_empty() && outcome.stdout.is_empty(), "{}", outcome.report());
    }
    run(&["find", "-q", "a(", &option]).refuses(2, "unclosed group");
}

#[test]
fn a_filter_of_the_log_that_is_not_text_is_refused() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let mut command = proctool(["find", &fake.option()]);
    command.env("PROCTOOL_LOG", OsStr::from_bytes(b"\xff"));
    finish(command).refuses(2, "PROCTOOL_LOG");
}

#[test]
fn the_log_goes_to_standard_error_and_only_when_asked_for() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    let quiet = run(&["tree", &option]).succeeds();
    let loud = run(&["tree", "-vv", &option]).exits(0);
    assert_eq!(loud.stdout, quiet.stdout);
    assert!(loud.errors().contains("DEBUG"), "{}", loud.report());
    let mut command = proctool(["find", &option]);
    command.env("PROCTOOL_LOG", "proctool::applets=debug");
    assert!(finish(command).exits(0).errors().contains("DEBUG proctool::applets::find"));
    let mut command = proctool(["find", &option]);
    command.env("PROCTOOL_LOG", "a=b=c");
    finish(command).refuses(2, "bad filter in PROCTOOL_LOG 'a=b=c'");
}
