//! The command: it takes our place, with what we were given.

use super::super::support::command::{Outcome, status_for_parent};
use super::super::support::gpg::User;
use crate::gpg_box;

/// Returns the status of a run as wait(2) has it: an exit status, or minus the signal.
#[track_caller]
fn status(user: &User<'_>, words: &[&str]) -> i32 {
    status_for_parent(|words| user.command(words), &[&["with-gpg-agent"], words].concat())
}

#[test]
fn the_status_is_that_of_the_command() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        for code in [0, 1, 2, 42, 125, 255] {
            assert_eq!(status(&user, &["sh", "-c", &format!("exit {code}")]), code);
        }
    }
}

#[test]
fn a_death_by_signal_is_that_of_the_command() {
    let place = gpg_box!();
    let user = place.user();
    for signal in [9, 15, 2, 6, 13] {
        assert_eq!(status(&user, &["sh", "-c", &format!("kill -{signal} $$")]), -signal);
    }
}

#[test]
fn what_is_not_found_is_127() {
    let place = gpg_box!();
    let user = place.user();
    for program in ["no-such-program", "/none/program", "./none", ""] {
        user.run(&[program]).refuses(127, "was not found");
    }
}

#[test]
fn what_cannot_be_executed_is_126() {
    let place = gpg_box!();
    let user = place.user();
    user.shell(
        "echo '#!/bin/sh' >/tmp/plain; mkdir /tmp/directory; echo x >/tmp/text; chmod 755 \
    /tmp/text",
    );
    for program in ["/tmp/plain", "./plain", "/tmp/directory", "/tmp/plain/x"] {
        let outcome = user.run(&[program, "argument"]);
        assert!(
            outcome.stdout.is_empty() && outcome.errors().contains(program),
            "{}",
            outcome.report()
        );
        let expected = if program.ends_with("/x") { [126, 127] } else { [126, 126] };
        assert!(expected.contains(&outcome.code()), "{}", outcome.report());
    }
    place.superuser().run(&["/tmp/plain"]).refuses(126, "/tmp/plain");
}

#[test]
fn a_program_without_permission_on_the_path_is_126() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir /tmp/bin; echo '#!/bin/sh' >/tmp/bin/closed");
    user.with(&["PATH=/tmp/bin:/mnt/bin:/usr/bin:/bin"]).run(&["closed"]).refuses(126, "closed");
}

#[test]
fn a_missing_interpreter_is_told() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("echo '#!/none/interpreter' >/tmp/script; chmod 755 /tmp/script");
    let outcome = user.run(&["/tmp/script"]);
    // The statuses are those of env(1) and shells; some shells tell that the file itself exists.
    assert!([126, 127].contains(&outcome.code()), "{}", outcome.report());
    assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
}

#[test]
fn a_script_without_a_first_line_runs_as_with_env() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("echo 'echo it ran' >/tmp/script; chmod 755 /tmp/script");
    let plain = user.exec("env /tmp/script");
    let outcome = user.run(&["/tmp/script"]);
    assert_eq!(outcome.code(), plain.code(), "{}{}", plain.report(), outcome.report());
}

#[test]
fn the_command_has_our_pid() {
    let place = gpg_box!();
    let user = place.user();
    let shown = user
        .shell("sh -c 'echo $$; exec with-gpg-agent sh -c \"echo \\$\\$ \\$PPID\"; :' ; echo $$");
    let numbers: Vec<&str> = shown.split_whitespace().collect();
    assert!(numbers[0] == numbers[1] && numbers[2] == numbers[3], "{shown}");
}

#[test]
fn the_command_has_no_children_of_ours() {
    let place = gpg_box!();
    let user = place.user();
    // The starter of an agent must not be left to a command that does not know of it.
    let script =
        "import os; print(open('/proc/self/task/%d/children' % os.getpid()).read().split())";
    for _ in 0..10 {
        user.run(&["python3", "-c", script]).succeeds().prints("[]\n");
        user.run(&["python3", "-c", script]).succeeds().prints("[]\n");
        place.end("KILL", place.agent());
    }
}

/// Checks that the output of a script is the same with and without the program.
#[track_caller]
fn alike(user: &User<'_>, before: &str, command: &str) -> Outcome {
    user.shell("with-gpg-agent true");
    let plain = user.exec(&format!("{before} {command}")).exits(0);
    user.exec(&format!("{before} with-gpg-agent {command}")).exits(0).prints(&plain.stdout)
}

#[test]
fn the_command_has_the_descriptors_that_we_were_given() {
    let place = gpg_box!();
    let user = place.user();
    let list = "python3 -c 'import os; print(*sorted(os.listdir(\"/proc/self/fd\"), key=int))'";
    alike(&user, "", list);
    alike(&user, "exec 7</dev/null 9>/dev/null;", list);
    // The same holds when the agent was started just now.
    place.end("KILL", user.info().pid);
    assert_eq!(
        user.exec(&format!("with-gpg-agent {list}")).exits(0).text(),
        user.exec(list).text()
    );
}

#[test]
fn a_new_agent_has_none_of_our_descriptors() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("exec 7</etc/passwd; with-gpg-agent true");
    let files = place.shell(&format!("readlink /proc/{}/fd/*", place.agent()));
    assert!(!files.contains("/etc/passwd"), "{files}");
}

#[test]
fn the_command_has_sigpipe_as_usual() {
    let place = gpg_box!();
    let user = place.user();
    alike(&user, "", "grep SigIgn /proc/self/status");
    let outcome = user
        .exec("with-gpg-agent sh -c 'yes; echo $? >/tmp/status' | head -n 1; cat /tmp/status")
        .exits(0);
    assert_eq!(outcome.text(), "y\n141\n", "{}", outcome.report());
}

#[test]
fn the_command_has_the_signals_that_we_were_given() {
    let place = gpg_box!();
    let user = place.user();
    alike(&user, "trap '' USR1 INT;", "grep SigIgn /proc/self/status");
    alike(&user, "env --block-signal=USR2", "grep SigBlk /proc/self/status");
}

#[test]
fn the_command_has_the_directory_and_mask_that_we_were_given() {
    let place = gpg_box!();
    let user = place.user();
    alike(&user, "cd /home/pt1; umask 027;", "sh -c 'pwd; umask'");
}

#[test]
fn the_command_has_the_environment_that_we_were_given() {
    let place = gpg_box!();
    let user = place.user();
    let ours = "(b\"_\", b\"GPG_AGENT_INFO\")";
    let filter = format!(
        "python3 -c 'import os; print(sorted(x for x in os.environb.items() if x[0] not in \
        {ours}))'"
    );
    alike(&user, "export A=1 B= LC_ALL=C C=$'a\\nb\\377';", &filter);
}

#[test]
fn the_command_has_our_standard_input() {
    let place = gpg_box!();
    let user = place.user();
    assert_eq!(user.shell("printf 'a\\nb\\n' | with-gpg-agent cat"), "a\nb");
}

#[test]
fn a_command_that_was_not_executed_has_started_an_agent_all_the_same() {
    let place = gpg_box!();
    let user = place.user();
    user.run(&["no-such-program"]).exits(127);
    assert_eq!(user.given().pid, place.agent());
}
