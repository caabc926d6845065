//! The command: it takes our place, and its exit status is passed on.

use super::super::support::command::{Outcome, status_for_parent};
use super::super::support::desktop::{DesktopBox, User};
use crate::desktop_box;

/// Makes a box with a user who has a session.
fn with_session() -> Result<DesktopBox, String> {
    let place = DesktopBox::new()?;
    place.user().start_bus();
    Ok(place)
}

/// Returns the status of a run as wait(2) has it: an exit status, or minus the signal.
#[track_caller]
fn status(caller: &User<'_>, words: &[&str]) -> i32 {
    status_for_parent(|words| caller.command(words), &[&["with-gui-environment"], words].concat())
}

#[test]
fn the_status_is_that_of_the_command() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for code in [0, 1, 2, 42, 125, 255] {
            assert_eq!(status(&caller, &["sh", "-c", &format!("exit {code}")]), code);
        }
    }
}

#[test]
fn a_death_by_signal_is_that_of_the_command() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for signal in [9, 15, 2, 6, 13] {
            assert_eq!(status(&caller, &["sh", "-c", &format!("kill -{signal} $$")]), -signal);
        }
    }
}

#[test]
fn what_is_not_found_is_127() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for program in ["no-such-program", "/none/program", "./none", ""] {
            caller.run(&[program]).refuses(127, "was not found");
        }
    }
}

#[test]
fn what_cannot_be_executed_is_126() {
    let place = desktop_box!(with_session());
    place.user().shell(
        "echo '#!/bin/sh' >/tmp/plain; mkdir /tmp/directory; echo x >/tmp/text; \
    chmod 755 /tmp/text",
    );
    for caller in [place.user(), place.superuser()] {
        for program in ["/tmp/plain", "/tmp/directory", "/tmp/text/x"] {
            let outcome = caller.run(&[program, "argument"]);
            assert!(
                outcome.stdout.is_empty() && outcome.errors().contains(program),
                "{}",
                outcome.report()
            );
            let expected = if program.ends_with("/x") { [126, 127] } else { [126, 126] };
            assert!(expected.contains(&outcome.code()), "{}", outcome.report());
        }
    }
}

#[test]
fn what_only_the_superuser_could_execute_is_126() {
    let place = desktop_box!(with_session());
    place.program("mine", "#!/bin/sh\ntouch /tmp/ran\n");
    place.shell("chmod 700 /mnt/bin/mine");
    place.superuser().run(&["/mnt/bin/mine"]).refuses(126, "/mnt/bin/mine");
    place.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn programs_are_looked_for_on_the_path_that_the_command_gets() {
    let place = desktop_box!(with_session());
    // The box's own directory of programs is on the caller's path only.
    place.program("mine", "#!/bin/sh\necho it ran\n");
    place.superuser().run(&["mine"]).refuses(127, "'mine' was not found");
    place.user().run(&["mine"]).succeeds().prints("it ran\n");
}

#[test]
fn a_missing_interpreter_is_told() {
    let place = desktop_box!(with_session());
    place.user().shell("echo '#!/none/interpreter' >/tmp/script; chmod 755 /tmp/script");
    let outcome = place.superuser().run(&["/tmp/script"]);
    // The statuses are those of env(1) and shells; some shells tell that the file itself exists.
    assert!([126, 127].contains(&outcome.code()), "{}", outcome.report());
    assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
}

#[test]
fn the_command_has_our_pid_and_no_children_of_ours() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        let shown = caller.shell(
            "sh -c 'echo $$; exec with-gui-environment sh -c \"echo \\$\\$ \\$PPID\"'; echo $$",
        );
        let numbers: Vec<&str> = shown.split_whitespace().collect();
        assert!(numbers[0] == numbers[1] && numbers[2] == numbers[3], "{shown}");
        let script = "import os; print(os.listdir('/proc/self/task'), \
        open('/proc/self/task/%d/children' % os.getpid()).read())";
        let shown = caller.run(&["python3", "-c", script]).succeeds().text();
        assert!(shown.trim_end().ends_with(']') && !shown.contains(','), "{shown}");
    }
}

/// Checks that the output of a command is the same with and without the program.
#[track_caller]
fn alike(caller: &User<'_>, before: &str, command: &str) -> Outcome {
    let plain = caller.exec(&format!("{before} {command}")).exits(0);
    caller.exec(&format!("{before} with-gui-environment {command}")).exits(0).prints(&plain.stdout)
}

#[test]
fn the_command_has_sigpipe_as_usual() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        if caller.uid != 0 {
            alike(&caller, "", "grep SigIgn /proc/self/status");
        }
        let outcome =
            caller.exec("with-gui-environment sh -c 'yes; echo $? >&2' | head -n 1").exits(0);
        assert_eq!(
            (&*outcome.text(), &*outcome.errors()),
            ("y\n", "141\n"),
            "{}",
            outcome.report()
        );
    }
}

#[test]
fn the_command_has_the_signals_that_we_were_given() {
    let place = desktop_box!(with_session());
    let (ignoring, blocking) = ("trap '' USR1 INT;", "env --block-signal=USR2");
    alike(&place.user(), ignoring, "grep SigIgn /proc/self/status");
    alike(&place.user(), blocking, "grep SigBlk /proc/self/status");
    // Those of the superuser are not the user's affair.
    for before in [ignoring, blocking] {
        let text = place.superuser().shell(&format!(
            "{before} with-gui-environment grep -E '^Sig(Ign|Blk)' /proc/self/status"
        ));
        assert_eq!(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000");
    }
}

#[test]
fn the_command_has_the_directory_and_mask_that_we_were_given() {
    let place = desktop_box!(with_session());
    alike(&place.user(), "cd /tmp; umask 027;", "sh -c 'pwd; umask'");
    let root = place.superuser();
    for umask in ["000", "027", "077"] {
        let script = format!("cd /tmp; umask {umask}; with-gui-environment sh -c 'pwd; umask'");
        assert_eq!(root.shell(&script), "/home/pt1\n0022");
    }
    for option in ["-d", "--same-directory", "--same-dir"] {
        let script = format!("cd /tmp; with-gui-environment {option} sh -c pwd");
        assert_eq!(root.shell(&script), "/tmp");
    }
    place.shell("chmod 0 /home/pt1");
    assert_eq!(root.shell("cd /root; with-gui-environment sh -c pwd"), "/");
}

#[test]
fn the_command_has_our_standard_streams() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        assert_eq!(caller.shell("printf 'a\\nb\\n' | with-gui-environment cat"), "a\nb");
        assert_eq!(
            caller.shell("printf 'a\\nb\\n' | with-gui-environment sh -c 'cat >&2' 2>&1"),
            "a\nb"
        );
    }
}

#[test]
fn the_command_has_a_directory_that_its_user_cannot_enter() {
    let place = desktop_box!(with_session());
    let outcome = place.superuser().exec("cd /root; with-gui-environment id -un");
    outcome.succeeds().prints("pt1\n");
}

#[test]
fn the_user_keeps_the_own_descriptors() {
    let place = desktop_box!(with_session());
    let list = "python3 -c 'import os; print(*sorted(os.listdir(\"/proc/self/fd\"), key=int))'";
    alike(&place.user(), "exec 7</dev/null 9>/dev/null;", list);
}

#[test]
fn closed_standard_streams_are_survived() {
    let place = desktop_box!(with_session());
    for caller in [place.user(), place.superuser()] {
        for close in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            assert_eq!(
                caller.exec(&format!("with-gui-environment sh -c 'exit 42' {close}")).code(),
                42,
                "{close}"
            );
        }
    }
}
