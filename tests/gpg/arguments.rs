//! The border between our words and those of the command.

use crate::gpg_box;

#[test]
fn options_behind_the_command_are_its_own() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir /tmp/d; touch /tmp/d/file");
    assert!(user.run(&["ls", "-l", "/tmp/d"]).succeeds().text().contains("rw"));
    for words in [
        &["echo", "--ssh", "-v", "--json", "--print", "-q"][..],
        &["--", "echo", "--ssh", "-v", "--json", "--print", "-q"],
        &["-q", "echo", "--ssh", "-v", "--json", "--print", "-q"],
        &["-q", "--", "echo", "--ssh", "-v", "--json", "--print", "-q"],
    ] {
        user.run(words).succeeds().prints("--ssh -v --json --print -q\n");
    }
    user.run(&["echo", "--help", "--version", "-h"]).succeeds().prints("--help --version -h\n");
    user.run(&["echo", "--", "a", "--"]).succeeds().prints("-- a --\n");
    user.run(&["--", "printf", "%s|", "a b", "", "*"]).succeeds().prints("a b||*|");
}

#[test]
fn a_single_argument_is_a_program() {
    let place = gpg_box!();
    let user = place.user();
    for line in ["echo a; echo b", "touch /tmp/ran", "true "] {
        user.run(&[line]).refuses(127, line);
    }
    user.shell("[ ! -e /tmp/ran ]");
    user.shell(
        "printf '#!/bin/sh\\necho odd\\n' >'/tmp/echo a; echo b'; chmod 755 '/tmp/echo a; echo b'",
    );
    user.with(&["PATH=/tmp:/mnt/bin:/usr/bin:/bin"])
        .run(&["echo a; echo b"])
        .succeeds()
        .prints("odd\n");
}

#[test]
fn wrong_usage_is_2_and_nothing_is_done() {
    let place = gpg_box!();
    let user = place.user();
    for words in [
        &[][..],
        &["--"],
        &["-q"],
        &["--ssh"],
        &["--none", "touch", "/tmp/ran"],
        &["-x", "touch", "/tmp/ran"],
        &["--timeout", "soon", "touch", "/tmp/ran"],
        &["--timeout", "-1", "touch", "/tmp/ran"],
        &["--timeout"],
        &["--print", "touch", "/tmp/ran"],
        &["--json", "touch", "/tmp/ran"],
        &["--print", "--json"],
    ] {
        let outcome = user.run(words).exits(2);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{}", outcome.report());
    }
    user.shell("[ ! -e /tmp/ran ]");
    assert!(place.agents().is_empty());
}

#[test]
fn any_time_that_is_taken_is_a_time() {
    let place = gpg_box!();
    let user = place.user();
    for time in ["0", "0.5", "2m", "1d", "1000000000000", "9999999999999999999"] {
        user.run(&["--timeout", time, "true"]).succeeds();
    }
}

#[test]
fn help_and_version_are_had_without_an_agent() {
    let place = gpg_box!();
    let user = place.user();
    for words in [["--help"], ["-h"], ["--version"]] {
        assert!(!user.run(&words).succeeds().stdout.is_empty());
    }
    assert!(place.agents().is_empty());
}

#[test]
fn a_command_that_is_not_utf8_is_executed() {
    let place = gpg_box!();
    let user = place.user();
    let script = "p=$(printf '/tmp/\\377'); printf '#!/bin/sh\\nprintf %%s \"$1\"\\n' >\"$p\"; \
    chmod 755 \"$p\"";
    let outcome =
        user.exec(&format!("{script}; with-gpg-agent \"$p\" \"$(printf '\\376')\"")).succeeds();
    outcome.prints(b"\xfe");
}

#[test]
fn the_applet_and_the_link_are_the_same() {
    let place = gpg_box!();
    let user = place.user();
    let given = user.given();
    let applet = user.exec("proctool with-gpg-agent printenv GPG_AGENT_INFO").succeeds();
    assert_eq!(applet.text(), format!("{}:{}:1\n", given.socket, given.pid));
    user.exec("proctool with-gpg-agent no-such-program").refuses(127, "proctool with-gpg-agent: ");
    user.exec("with-gpg-agent no-such-program").refuses(127, "with-gpg-agent: ");
    user.exec("proctool with-gpg-agent ls -l /mnt/bin").succeeds();
}
