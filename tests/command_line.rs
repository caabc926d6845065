//! The command line: dispatch, help, exit statuses, output that cannot be written, environments that lack
//! everything.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::symlink;

use super::support::command::{PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use crate::skip;

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
fn completions_are_for_the_shell_that_was_asked_for() {
    let bash = run(&["completions", "bash"]).succeeds();
    assert!(bash.text().contains("--grandchildren-of"), "{}", bash.report());
    for shell in ["zsh", "fish"] {
        assert!(run(&["completions", shell]).succeeds().text().contains("grandchildren-of"));
    }
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let script = directory.path().join("script");
    std::fs::write(&script, &bash.stdout).expect("writing a file");
    let mut check = clean("bash");
    check.arg("-n").arg(&script);
    finish(check).succeeds();
    run(&["completions", "nosuch"]).refuses(2, "invalid value 'nosuch'");
    run(&["completions"]).refuses(2, "<SHELL>");
}

/// Loads the completions of a command, and prints what they offer for the last of the words.
/// `offset` stands for bash-completion.
const ASK_BASH: &str = r#"
[ "$1" = plain ] || _command_offset() { COMPREPLY=("offset $1"); }
shift
source <("$0" completions bash "$1")
function=$(complete -p "$1" | sed 's/.* -F \([^ ]*\).*/\1/')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

fn bash_offers(kind: &str, words: &str) -> String {
    let mut command = clean("bash");
    command.args(["-c", ASK_BASH, PROCTOOL, kind]).args(words.split(' '));
    finish(command).succeeds().text()
}

#[test]
fn bash_completes_the_command_behind_a_wrapper() {
    for wrapper in [
        "with-gpg-agent",
        "with-gui-environment",
        "cron-graceful --",
        "cron-graceful --timeout = 5 --",
    ] {
        let words = wrapper.split(' ').count();
        assert!(
            bash_offers("plain", &format!("{wrapper} mktem")).contains("mktemp\n"),
            "{wrapper}"
        );
        assert_eq!(bash_offers("plain", &format!("{wrapper} ls --")), "\n", "{wrapper}");
        assert_eq!(bash_offers("offset", &format!("{wrapper} ls --")), format!("offset {words}\n"));
    }
    for (words, offered) in [
        ("with-gpg-agent --s", "--ssh\n"),
        ("with-gpg-agent --timeout 5 --s", "--ssh\n"),
        ("with-gpg-agent --timeout 5 x", "offset 3\n"),
        ("with-gpg-agent --timeout = 5 x", "offset 4\n"),
        ("with-gui-environment -u root -- x", "offset 4\n"),
        ("cron-graceful --res", "--resume\n"),
        ("cron-graceful x --res", "--resume\n"),
    ] {
        assert_eq!(bash_offers("offset", words), offered, "{words}");
    }
}

#[test]
fn fish_completes_the_command_behind_a_wrapper() {
    if !std::path::Path::new("/usr/bin/fish").exists() {
        skip!("no fish");
    }
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let offers = |line: &str| {
        let name = line.split(' ').next().expect("finding its name");
        let script = directory.path().join(name);
        std::fs::write(&script, run(&["completions", "fish", name]).succeeds().stdout)
            .expect("writing a file");
        let mut command = clean("fish");
        command.env("HOME", directory.path()).args(["-c", "source $argv[1]; complete -C $argv[2]"]);
        command.arg(&script).arg(line);
        let text = finish(command).succeeds().text();
        text.lines()
            .map(|line| line.split('\t').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    for (line, offered) in [
        ("with-gpg-agent --ss", "--ssh"),
        ("with-gpg-agent --timeout 5 mktem", "mktemp"),
        ("with-gpg-agent -- mktem", "mktemp"),
        ("with-gui-environment -u root mktem", "mktemp"),
        ("cron-graceful --resu", "--resume"),
        ("cron-graceful -- mktem", "mktemp"),
    ] {
        assert_eq!(offers(line), [offered], "{line}");
    }
    for line in ["with-gpg-agent ls --prin", "cron-graceful -- ls --resu"] {
        assert!(offers(line).is_empty(), "{line}");
    }
}

#[test]
fn zsh_completes_the_command_behind_a_wrapper() {
    for name in ["proctool", "with-gpg-agent", "with-gui-environment", "cron-graceful"] {
        let text = run(&["completions", "zsh", name]).succeeds().text();
        assert!(text.contains("; _cmdambivalent }'"), "{text}");
    }
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
