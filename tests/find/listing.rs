//! The forms of the list of matches.

use super::*;

#[test]
fn nothing_is_printed_when_nothing_matches() {
    let fake = cron();
    for words in [
        &["nosuch"][..],
        &["-l", "nosuch"],
        &["-a", "nosuch"],
        &["-d,", "nosuch"],
        &["--null", "nosuch"],
    ] {
        finds_nothing(find(&fake, words));
    }
    for words in
        [["-n", "nosuch"], ["-o", "nosuch"], ["-q", "nosuch"], ["--exe", "nosuch"], ["--pid", "7"]]
    {
        finds_nothing(find(&fake, &words));
    }
}

#[test]
fn count_prints_only_the_number() {
    let fake = cron();
    find(&fake, &["-c", "cron"]).succeeds().prints("3\n");
    find(&fake, &["--count"]).succeeds().prints("7\n");
    find(&fake, &["-c", "-l", "cron"]).succeeds().prints("3\n");
    find(&fake, &["-c", "-n", "cron"]).succeeds().prints("1\n");
}

#[test]
fn count_prints_0_with_status_1_when_nothing_matches() {
    let outcome = find(&cron(), &["-c", "nosuch"]).exits(1).prints("0\n");
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn list_name_adds_the_name() {
    let fake = cron();
    find(&fake, &["-l", "backup"]).succeeds().prints("40 backup\n");
    find(&fake, &["--list-name", "-n", "cron"]).succeeds().prints("21 cron\n");
    let mut lines = find(&fake, &["-l", "-P1,10"]).succeeds().lines();
    lines.sort();
    assert_eq!(lines, ["10 cron", "20 cron", "21 cron"]);
}

#[test]
fn list_full_adds_the_command_line() {
    let fake = cron();
    find(&fake, &["-a", "^backup"]).succeeds().prints("40 /opt/backup --all\n");
    find(&fake, &["--list-full", "--pid", "31"]).succeeds().prints("31 /bin/sh -c report\n");
}

#[test]
fn list_full_keeps_empty_arguments_as_blanks() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("cmdline", "x\0\0\0y\0");
    find(&fake, &["-a"]).succeeds().prints("10 x   y\n");
}

#[test]
fn list_full_shows_the_name_in_brackets_where_there_are_no_arguments() {
    let fake = FakeProc::new();
    fake.process(2, 0, "kworker/0:1").file("cmdline", "");
    find(&fake, &["-a"]).succeeds().prints("2 [kworker/0:1]\n");
}

#[test]
fn a_delimiter_stands_between_processes_only() {
    let fake = cron();
    for (text, delimiter) in
        [("-d,", ","), ("-d ", " "), ("--delimiter= and ", " and "), ("--delimiter=", "")]
    {
        let outcome = find(&fake, &[text, "sh"]).succeeds();
        let expected = [format!("30{delimiter}31\n"), format!("31{delimiter}30\n")];
        assert!(expected.contains(&outcome.text()), "{}", outcome.report());
    }
    find(&fake, &["-d", ",", "backup"]).succeeds().prints("40\n");
    find(&fake, &["-d", "-", "backup"]).succeeds().prints("40\n");
    let outcome = find(&fake, &["-l", "-d", "; ", "-x", "sh"]).succeeds();
    assert!(
        ["30 sh; 31 sh\n", "31 sh; 30 sh\n"].contains(&&*outcome.text()),
        "{}",
        outcome.report()
    );
}

#[test]
fn null_ends_each_process_with_a_zero_byte() {
    let fake = cron();
    find(&fake, &["--null", "backup"]).succeeds().prints("40\0");
    find(&fake, &["--null", "-a", "backup"]).succeeds().prints("40 /opt/backup --all\0");
    let outcome = find(&fake, &["--null", "sh"]).succeeds();
    assert!(["30\x0031\0", "31\x0030\0"].contains(&&*outcome.text()), "{}", outcome.report());
}

#[test]
fn quiet_prints_nothing() {
    let fake = cron();
    for words in [
        &["-q", "cron"][..],
        &["-q", "-a"],
        &["-q", "-c"],
        &["-q", "--json"],
        &["-q", "--fields=pid"],
    ] {
        find(&fake, words).succeeds().prints("");
    }
    finds_nothing(find(&fake, &["--quiet", "nosuch"]));
    finds_nothing(find(&fake, &["-q", "-c", "nosuch"]));
    finds_nothing(find(&fake, &["-q", "--json", "nosuch"]));
}
