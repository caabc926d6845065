//! The house: dispatch, help, exit statuses, output that cannot be written, environments that lack everything.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::symlink;

use super::support::command::{PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;

const APPLETS: [&str; 14] = [
    "tree",
    "find",
    "show",
    "suspend",
    "resume",
    "terminate",
    "kill",
    "wait",
    "cron-graceful",
    "apache-mem",
    "with-gpg-agent",
    "notify-send-headless",
    "with-gui-environment",
    "completions",
];

/// Whose options, --help among them, are those of another program.
const ANOTHERS: &str = "notify-send-headless";

#[test]
fn the_list_names_the_applets() {
    run(&["--list"]).succeeds().prints(APPLETS.map(|name| format!("{name}\n")).concat());
}

#[test]
fn help_and_version_are_results() {
    let help = run(&["--help"]).succeeds();
    assert!(APPLETS.iter().all(|name| help.text().contains(&format!("  {name} "))), "{}", help.report());
    assert_eq!(run(&["help"]).succeeds().stdout, help.stdout);
    run(&["--version"]).succeeds().prints(format!("proctool {}\n", env!("CARGO_PKG_VERSION")));
    for applet in APPLETS {
        let help = run(&["help", applet]).succeeds();
        assert!(help.text().contains(&format!("Usage: proctool {applet} ")), "{}", help.report());
        if applet == ANOTHERS {
            continue;
        }
        assert_eq!(run(&[applet, "--help"]).succeeds().stdout, help.stdout, "{applet}");
        assert!(run(&[applet, "-h"]).succeeds().text().contains("Usage:"));
        let version = format!("proctool {applet} {}\n", env!("CARGO_PKG_VERSION"));
        run(&[applet, "--version"]).succeeds().prints(version);
    }
}

#[test]
fn what_is_unknown_is_refused_in_one_line() {
    run(&[]).refuses(2, "no applet given");
    run(&["nosuch"]).refuses(2, "unknown applet 'nosuch'");
    run(&["tre"]).refuses(2, "unknown applet 'tre'");
    run(&["--nosuch"]).refuses(2, "unknown option '--nosuch'");
    run(&["help", "nosuch"]).refuses(2, "unknown applet 'nosuch'");
    run(&["--list", "x"]).refuses(2, "'--list' takes no argument 'x'");
    for applet in APPLETS.into_iter().filter(|applet| *applet != ANOTHERS) {
        run(&[applet, "--nosuch"]).refuses(2, &format!("proctool {applet}: unexpected argument '--nosuch'"));
    }
}

#[test]
fn a_link_with_a_name_of_other_programs_is_still_proctool() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("tree");
    symlink(PROCTOOL, &link).expect("a link");
    finish(clean(&link)).refuses(2, "no applet given");
    let mut command = clean(&link);
    command.arg("--version");
    finish(command).succeeds();
}

#[test]
fn completions_are_for_the_shell_that_was_asked_for() {
    let bash = run(&["completions", "bash"]).succeeds();
    assert!(bash.text().contains("--grandchildren-of"), "{}", bash.report());
    for shell in ["zsh", "fish"] {
        assert!(run(&["completions", shell]).succeeds().text().contains("grandchildren-of"));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script");
    std::fs::write(&script, &bash.stdout).expect("a file");
    let mut check = clean("bash");
    check.arg("-n").arg(&script);
    finish(check).succeeds();
    run(&["completions", "nosuch"]).refuses(2, "invalid value 'nosuch'");
    run(&["completions"]).refuses(2, "<SHELL>");
}

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
        command.stdout(OpenOptions::new().write(true).open("/dev/full").expect("/dev/full"));
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
        let script = format!("\"$0\" {words} '{}' | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}", fake.option());
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
fn an_empty_environment_is_enough() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.process(2, 1, "child");
    let mut command = proctool(["tree", &fake.option()]);
    command.env_clear();
    finish(command).succeeds().prints("init(1)\n`- child(2)\n");
    for words in [&["find"][..], &["show", "1"]] {
        let mut command = proctool(words);
        command.arg(fake.option()).env_clear();
        finish(command).succeeds();
    }
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

#[test]
fn colour_is_used_when_asked_for_and_not_in_a_pipe() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    assert!(!run(&["show", "1", &option]).succeeds().text().contains('\u{1b}'));
    assert!(run(&["show", "1", "--color=always", &option]).succeeds().text().starts_with("\u{1b}[1m"));
    assert!(!run(&["show", "1", "--color=never", &option]).succeeds().text().contains('\u{1b}'));
    run(&["show", "1", "--color=sometimes", &option]).refuses(2, "invalid value 'sometimes'");
}

#[test]
fn input_is_not_read_unless_asked_for() {
    let mut command = proctool(["find", "-q"]);
    command.stdin(File::open("/dev/zero").expect("/dev/zero"));
    finish(command).succeeds();
}
