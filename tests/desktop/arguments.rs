//! The border between our words and those of the command.

use super::super::support::desktop::DesktopBox;
use crate::desktop_box;

/// Makes a box with a user who has a session.
fn with_session() -> Result<DesktopBox, String> {
    let place = DesktopBox::new()?;
    place.user().start_bus();
    Ok(place)
}

#[test]
fn options_behind_the_command_are_its_own() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for words in [
            &["echo", "--user", "none", "-s", "--json", "--all", "-q"][..],
            &["--", "echo", "--user", "none", "-s", "--json", "--all", "-q"],
            &["-q", "echo", "--user", "none", "-s", "--json", "--all", "-q"],
            &["--user", "pt1", "--", "echo", "--user", "none", "-s", "--json", "--all", "-q"],
        ] {
            caller.run(words).succeeds().prints("--user none -s --json --all -q\n");
        }
        caller
            .run(&["echo", "--help", "--version", "-h"])
            .succeeds()
            .prints("--help --version -h\n");
        caller.run(&["echo", "--", "a", "--"]).succeeds().prints("-- a --\n");
        caller
            .run(&["--", "printf", "%s|", "a b", "", "*", "$HOME"])
            .succeeds()
            .prints("a b||*|$HOME|");
    }
}

#[test]
fn a_single_argument_is_a_program() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for line in ["echo a; echo b", "touch /tmp/ran", "true "] {
            caller.run(&[line]).refuses(127, line);
        }
    }
    place.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn wrong_usage_is_2_and_nothing_is_done() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for words in [
            &[][..],
            &["--"],
            &["-q"],
            &["--user", "pt1"],
            &["--all"],
            &["--json"],
            &["--none", "touch", "/tmp/ran"],
            &["-x", "touch", "/tmp/ran"],
            &["--user"],
            &["--session"],
            &["--json", "touch", "/tmp/ran"],
            &["--list", "touch", "/tmp/ran"],
            &["--print", "touch", "/tmp/ran"],
            &["--list", "--print"],
            &["--all", "--list"],
            &["--all", "--print"],
            &["--all", "--session", "1", "touch", "/tmp/ran"],
        ] {
            let outcome = caller.run(words).exits(2);
            assert!(
                outcome.stdout.is_empty() && !outcome.stderr.is_empty(),
                "{}",
                outcome.report()
            );
        }
    }
    place.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn help_and_version_are_had_without_a_session() {
    let place = desktop_box!();
    for caller in [place.user(), place.superuser()] {
        for words in [["--help"], ["-h"], ["--version"]] {
            assert!(!caller.run(&words).succeeds().stdout.is_empty());
        }
    }
}

#[test]
fn a_command_that_is_not_utf8_is_executed() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        let script = "p=$(printf '/tmp/\\377'); printf '#!/bin/sh\\nprintf %%s \"$1\"\\n' >\"$p\"; \
        chmod 755 \"$p\"";
        let tool = "with-gui-environment \"$p\" \"$(printf '\\376')\"";
        caller.exec(&format!("{script}; {tool}; rm \"$p\"")).succeeds().prints(b"\xfe");
        let outcome = caller.exec("with-gui-environment \"$(printf '/tmp/\\375')\"").exits(127);
        assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
    }
}

#[test]
fn bytes_that_are_not_utf8_name_nobody() {
    let place = desktop_box!(with_session());
    for option in ["--user", "--session"] {
        let outcome = place
            .superuser()
            .exec(&format!("with-gui-environment {option} \"$(printf '\\377')\" touch /tmp/ran"));
        assert!(
            [1, 2].contains(&outcome.code()) && outcome.errors().lines().count() == 1,
            "{}",
            outcome.report()
        );
    }
    place.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn many_and_large_arguments_arrive() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        let script =
            "with-gui-environment sh -c 'echo $# ${#1}' x \"$(printf %0100000d 0)\" $(seq 10000)";
        assert_eq!(caller.shell(script), "10001 100000");
    }
}

#[test]
fn the_applet_and_the_link_are_the_same() {
    let place = desktop_box!(with_session());
    let user = place.user();
    user.exec("proctool with-gui-environment id -un").succeeds().prints("pt1\n");
    user.exec("proctool with-gui-environment no-such-program")
        .refuses(127, "proctool with-gui-environment: ");
    user.exec("with-gui-environment no-such-program").refuses(127, "with-gui-environment: ");
    place.superuser().exec("proctool with-gui-environment --all id -un").succeeds().prints("pt1\n");
}

#[test]
fn the_environment_chooses_nobody() {
    let place = desktop_box!(with_session());
    let variables = ["PROCTOOL_USER=none", "PROCTOOL_SESSION=none"];
    place.superuser().with(&variables).run(&["id", "-un"]).succeeds().prints("pt1\n");
    let found = place.user().with(&variables).environment(&[]);
    assert_eq!(found["PROCTOOL_USER"], "none");
}
