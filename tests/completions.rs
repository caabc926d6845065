//! `completions`: the scripts for the shells, and what they offer behind a wrapper.

use super::support::command::{PROCTOOL, clean, finish, run};
use crate::skip;

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
