//! Dispatch to the applets: their names, help and versions, and what is no applet.

use std::os::unix::fs::symlink;

use super::support::command::{PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;

const APPLETS: [&str; 15] = [
    "tree",
    "find",
    "show",
    "suspend",
    "resume",
    "terminate",
    "kill",
    "wait",
    "cron-graceful",
    "cron-jobs",
    "apache-mem",
    "with-gpg-agent",
    "notify-send-headless",
    "with-gui-environment",
    "completions",
];

/// The applet with the options of another program, --help among them.
const ANOTHERS: &str = "notify-send-headless";

#[test]
fn the_list_names_the_applets() {
    run(&["--list"]).succeeds().prints(APPLETS.map(|name| format!("{name}\n")).concat());
}

#[test]
fn help_and_version_are_results() {
    let help = run(&["--help"]).succeeds();
    assert!(
        APPLETS.iter().all(|name| help.text().contains(&format!("  {name} "))),
        "{}",
        help.report()
    );
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
        run(&[applet, "--nosuch"])
            .refuses(2, &format!("proctool {applet}: unexpected argument '--nosuch'"));
    }
}

#[test]
fn a_link_with_a_name_of_other_programs_is_still_proctool() {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let link = directory.path().join("tree");
    symlink(PROCTOOL, &link).expect("making a link");
    finish(clean(&link)).refuses(2, "no applet given");
    let mut command = clean(&link);
    command.arg("--version");
    finish(command).succeeds();
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
