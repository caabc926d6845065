//! The credentials of the command, as the kernel shows them.

use std::collections::BTreeMap;

use super::super::support::command::finish;
use super::super::support::desktop::{DesktopBox, User};
use crate::desktop_box;

/// Makes a box with a user who has a session.
fn with_session() -> Result<DesktopBox, String> {
    let place = DesktopBox::new()?;
    place.user().start_bus();
    Ok(place)
}

/// Returns the fields of /proc/PID/status of a command that these words start.
#[track_caller]
fn status(caller: &User<'_>, words: &[&str]) -> BTreeMap<String, String> {
    let outcome = finish(
        caller
            .place
            .inside(&[words, &["with-gui-environment", "cat", "/proc/self/status"]].concat()),
    );
    let text = outcome.succeeds().text();
    let field = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().replace('\t', " ")))
    };
    text.lines().filter_map(field).collect()
}

/// Checks that credentials are the user's in every respect, and the superuser's in none.
#[track_caller]
fn are_the_users(status: &BTreeMap<String, String>) {
    assert_eq!(status["Uid"], "7001 7001 7001 7001");
    assert_eq!(status["Gid"], "7001 7001 7001 7001");
    let mut groups: Vec<&str> = status["Groups"].split_whitespace().collect();
    groups.sort_unstable();
    assert_eq!(groups, ["7001", "7101", "7102"]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
}

#[test]
fn the_command_of_the_superuser_is_the_user() {
    let place = desktop_box!(with_session());
    are_the_users(&status(&place.superuser(), &[]));
}

#[test]
fn groups_of_the_superuser_are_left_behind() {
    let place = desktop_box!(with_session());
    let switch = ["setpriv", "--groups", "0,4,7103", "--regid", "0", "--reuid", "0"];
    are_the_users(&status(&place.superuser(), &switch));
    are_the_users(&status(&place.superuser(), &["setpriv", "--clear-groups", "--regid", "7103"]));
}

#[test]
fn capabilities_are_left_behind() {
    let place = desktop_box!(with_session());
    let some = ["setpriv", "--inh-caps", "+chown,+kill", "--ambient-caps", "+chown,+kill"];
    let found = status(&place.superuser(), &some);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(found[set], "0000000000000000", "{set}");
    }
    assert_eq!(found["Uid"], "7001 7001 7001 7001");
}

#[test]
fn a_superuser_whose_capabilities_would_stay_runs_nothing() {
    let place = desktop_box!(with_session());
    // The kernel is told to keep capabilities when the user changes.
    for bits in ["+no_setuid_fixup", "+no_setuid_fixup,+no_setuid_fixup_locked"] {
        let words =
            ["setpriv", "--securebits", bits, "with-gui-environment", "cat", "/proc/self/status"];
        let outcome = finish(place.inside(&words));
        let text = outcome.text();
        let is_harmless = outcome.code() == 0
            && text.contains("CapEff:\t0000000000000000")
            && text.contains("CapPrm:\t0000000000000000")
            && text.contains("Uid:\t7001\t7001\t7001\t7001");
        assert!(
            is_harmless || outcome.code() == 125 && text.is_empty(),
            "{bits}\n{}",
            outcome.report()
        );
    }
}

#[test]
fn a_superuser_without_the_right_to_become_anybody_runs_nothing() {
    let place = desktop_box!(with_session());
    for without in ["-setuid", "-setgid", "-setuid,-setgid"] {
        let words =
            ["setpriv", "--bounding-set", without, "with-gui-environment", "touch", "/tmp/ran"];
        let outcome = finish(place.inside(&words));
        assert_eq!(outcome.code(), 125, "{without}\n{}", outcome.report());
        assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
        place.shell("[ ! -e /tmp/ran ]");
    }
}

#[test]
fn who_is_the_superuser_by_half_reaches_as_who_has_the_rights() {
    let place = desktop_box!(with_session());
    // The credentials are those of a set-user-id program that an ordinary user has started.
    let words = ["setpriv", "--ruid", "7002", "--euid", "0", "--clear-groups"];
    are_the_users(&status(&place.superuser(), &words));
    // The saved user id of the superuser does not count.
    let words = [
        "setpriv",
        "--ruid",
        "0",
        "--euid",
        "7002",
        "--clear-groups",
        "with-gui-environment",
        "touch",
        "/tmp/ran",
    ];
    assert_ne!(finish(place.inside(&words)).code(), 0);
    place.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn the_user_keeps_the_own_credentials() {
    let place = desktop_box!(with_session());
    let words = ["setpriv", "--reuid", "7001", "--regid", "7001", "--groups", "7001,7102"];
    let found = status(&place.user(), &words);
    assert_eq!((&*found["Uid"], &*found["Gid"]), ("7001 7001 7001 7001", "7001 7001 7001 7001"));
    assert_eq!(found["Groups"], "7001 7102");
}

#[test]
fn the_environment_of_the_superuser_is_left_behind() {
    let place = desktop_box!(with_session());
    let variables = [
        "SECRET=x",
        "HOME=/root",
        "USER=root",
        "LOGNAME=root",
        "SHELL=/bin/bash",
        "MAIL=/var/mail/root",
        "PATH=/mnt/bin:/root/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH=/root",
        "BASH_ENV=/root/env",
        "SUDO_USER=root",
        "TERM=xterm",
        "TMPDIR=/root/tmp",
        "XDG_RUNTIME_DIR=/run/user/0",
        "XDG_CONFIG_HOME=/root/.config",
        "DISPLAY=:9",
        "PROCTOOL_USER=pt1",
        "PROCTOOL_LOG=error",
    ];
    let found = place.superuser().with(&variables).environment(&[]);
    let expected = [
        ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/7001/bus"),
        ("HOME", "/home/pt1"),
        ("LANG", "C.UTF-8"),
        ("LOGNAME", "pt1"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("SHELL", "/bin/sh"),
        ("USER", "pt1"),
        ("XDG_RUNTIME_DIR", "/run/user/7001"),
    ];
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(found, expected);
}

#[test]
fn no_variable_is_there_twice() {
    let place = desktop_box!(with_session());
    let user = place.user();
    let variables =
        ["DBUS_SESSION_BUS_ADDRESS=unix:path=/none", "XDG_RUNTIME_DIR=/none", "HOME=/home/pt1"];
    for caller in [user, place.superuser()] {
        let text = caller.with(&variables).run(&["cat", "/proc/self/environ"]).succeeds().text();
        let mut names: Vec<&str> =
            text.split_terminator('\0').filter_map(|item| item.split('=').next()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}

#[test]
fn descriptors_of_the_superuser_are_left_behind() {
    let place = desktop_box!(with_session());
    let list = "with-gui-environment python3 -c 'import os; \
    print(*sorted(os.listdir(\"/proc/self/fd\"), key=int))'";
    // The last of them is that of the directory.
    let plain = "0 1 2 3\n";
    let opened = "exec 5</etc/shadow 9</root 40>/root/log 200<>/dev/null;";
    assert_eq!(place.superuser().exec(&format!("{opened} {list}")).exits(0).text(), plain);
    // The keys of our own search are not passed on either.
    assert_eq!(place.superuser().exec(list).exits(0).text(), plain);
    // A descriptor above the current limit.
    let outcome = place.superuser().exec(&format!("{opened} ulimit -n 100; {list}")).exits(0);
    assert_eq!(outcome.text(), plain);
}

#[test]
fn an_account_without_a_home_or_shell_has_what_an_empty_field_means() {
    let place = desktop_box!(with_session());
    place.shell("sed -i 's,^pt1:.*,pt1:x:7001:7001:::,' /etc/passwd");
    let found = place.superuser().environment(&[]);
    assert_eq!((&*found["HOME"], &*found["SHELL"]), ("/", "/bin/sh"));
}

#[test]
fn a_user_of_a_group_that_is_not_named_is_in_it() {
    let place = desktop_box!(with_session());
    place.shell("sed -i 's,^pt1:.*,pt1:x:7001:7777::/home/pt1:/bin/bash,' /etc/passwd");
    let found = status(&place.superuser(), &[]);
    assert_eq!((&*found["Uid"], &*found["Gid"]), ("7001 7001 7001 7001", "7777 7777 7777 7777"));
    assert_eq!(place.superuser().environment(&[])["SHELL"], "/bin/bash");
}

#[test]
fn the_one_who_leads_a_session_cannot_make_the_superuser_leave_anything() {
    let place = desktop_box!(with_session());
    let user = place.user();
    user.program(&[
        "LD_PRELOAD=/tmp/evil.so",
        "PATH=/tmp",
        "HOME=/tmp",
        "BASH_ENV=/tmp/x",
        "IFS=x",
        "SHELL=/tmp/sh",
    ]);
    let found = place.superuser().environment(&[]);
    assert_eq!((&*found["PATH"], &*found["HOME"]), ("/usr/local/bin:/usr/bin:/bin", "/home/pt1"));
    assert!(
        !["LD_PRELOAD", "BASH_ENV", "IFS"].iter().any(|name| found.contains_key(*name)),
        "{found:?}"
    );
}

#[test]
fn keys_of_the_superuser_are_left_behind() {
    let place = desktop_box!(with_session());
    // The numbers of add_key(2) and keyctl(2) depend on the architecture.
    let script = "import ctypes, os, platform
add_key, keyctl = {'x86_64': (248, 250), 'aarch64': (217, 219)}[platform.machine()]
call = ctypes.CDLL(None, use_errno=True).syscall
assert call(keyctl, 1, b'box') > 0 and call(add_key, b'user', b'the-secret', b'x', 1, -3) > 0
assert 'the-secret' in open('/proc/keys').read()
os.execvp('with-gui-environment', ['with-gui-environment', 'cat', '/proc/keys'])";
    let outcome = place.superuser().command(&["python3", "-c", script]);
    let outcome = finish(outcome).succeeds();
    assert!(!outcome.text().contains("the-secret"), "{}", outcome.report());
}

#[test]
fn a_user_whom_only_the_machines_own_library_knows_is_as_any_other() {
    let place = desktop_box!(with_session());
    place.shell("grep '^pt1:' /etc/passwd >/run/pt1; sed -i '/^pt1:/d' /etc/passwd");
    let getent = "case \"$1 $2\" in 'passwd pt1' | 'passwd 7001') cat /run/pt1 ;;
        'initgroups pt1') echo 'pt1                   7101 7102' ;; *) exit 2 ;; esac";
    place.program("getent", &format!("#!/bin/sh\n{getent}\n"));
    for options in [&[][..], &["--user", "pt1"], &["--user", "7001"]] {
        let outcome =
            place.superuser().run(&[options, &["sh", "-c", "id -u; id -G; echo $HOME"]].concat());
        outcome.succeeds().prints("7001\n7001 7101 7102\n/home/pt1\n");
    }
    // A directory service that fails.
    place.program("getent", "#!/bin/sh\nexit 1\n");
    for (options, status) in [(&[][..], 1), (&["--user", "pt1"], 125)] {
        place
            .superuser()
            .run(&[options, &["true"]].concat())
            .refuses(status, "cannot be looked up");
    }
}
