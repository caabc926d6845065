//! Processes that an ordinary user may not examine, and procfs mounts that hide them.

use super::support::command::{Outcome, finish};
use super::support::namespace::{self, is_root};
use crate::skip;

/// Runs the applets as an ordinary user in a pid namespace whose /proc shows that other processes
/// exist, but nothing of them.
fn noaccess(words: &str) -> Option<Outcome> {
    let script =
        format!("mount -o remount,hidepid=noaccess /proc || exit 77; nobody {words}; exit $?");
    let outcome = finish(namespace::script_with_nobody(&script)?);
    (outcome.code() != 77).then_some(outcome)
}

#[test]
fn a_process_that_shows_nothing_has_not_ended() {
    if !is_root() {
        skip!("not root: cannot mount a restricted /proc");
    }
    for words in ["show --json --fields pid,id,comm 1", "find --json --fields pid,id,comm --pid 1"]
    {
        let Some(outcome) = noaccess(words) else { skip!("no private namespaces, or no hidepid") };
        let shown = outcome.succeeds().json();
        assert_eq!(
            (&shown[0]["pid"], &shown[0]["comm"]),
            (&1.into(), &serde_json::Value::Null),
            "{words}"
        );
    }
}

#[test]
fn the_newest_of_those_that_hide_their_start_is_not_silently_nobody() {
    if !is_root() {
        skip!("not root: cannot mount a restricted /proc");
    }
    for option in ["--newest", "--oldest"] {
        let Some(outcome) = noaccess(&format!("find {option}")) else {
            skip!("no private namespaces, or no hidepid")
        };
        outcome.refuses(1, "permission denied");
    }
}

#[test]
fn hidden_processes_of_others_do_not_disturb() {
    let script = r#"
        mount -o remount,hidepid=LEVEL /proc || exit 77
        run() { nobody "$@"; echo "status $?"; }
        run tree; run find -l; run show --fields comm self; run tree --json
        run show 1; run find --exe bash; run tree 1"#;
    for level in ["invisible", "noaccess"] {
        let Some(command) = namespace::script_with_nobody(&script.replace("LEVEL", level)) else {
            skip!("not root, or no private namespaces")
        };
        let outcome = finish(command);
        if outcome.code() == 77 {
            skip!("this kernel cannot hide processes");
        }
        let text = outcome.text();
        assert!(text.contains("proctool("), "the tree has a root of our own\n{}", outcome.report());
        assert!(text.contains("comm           proctool\nstatus 0"), "{}", outcome.report());
        assert!(!outcome.errors().contains("panicked"), "{}", outcome.report());
        let statuses: Vec<&str> = text.lines().filter(|line| line.starts_with("status")).collect();
        // Where the directories of others are closed, find lists them; where they are invisible, it
        // sees only itself.
        let alone = if level == "invisible" { "status 1" } else { "status 0" };
        assert_eq!(
            statuses[..4],
            ["status 0", alone, "status 0", "status 0"],
            "{}",
            outcome.report()
        );
        let closed = if level == "invisible" { "status 1" } else { "status 0" };
        if level == "invisible" {
            let absent = "there is no process 1, as far as known: /proc hides the processes of \
            other users (hidepid)";
            assert_eq!(outcome.errors().matches(absent).count(), 2, "{}", outcome.report());
            assert_eq!(
                outcome.errors().matches("(hidepid): try as root").count(),
                4,
                "{}",
                outcome.report()
            );
        }
        assert_eq!(statuses[4..6], [closed, "status 1"], "{}", outcome.report());
    }
}

#[test]
fn an_ordinary_user_sees_the_processes_of_others_without_their_secrets() {
    let script = r#"
        sleep 1000 </dev/null >/dev/null 2>&1 & 
        while [ "$(cat /proc/$!/comm)" != sleep ]; do :; done
        run() { nobody "$@"; echo "status $?"; }
        run find --exe sleep -l
        run find --env PATH --comm sleep
        run find -v --env PATH --comm sleep
        run find --fields comm,user,exe,cmdline --comm sleep
        run tree --comm sleep"#;
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command).exits(0);
    let lines = outcome.lines();
    let pid = lines[0].split(' ').next().expect("finding a pid").to_owned();
    let expected =
        [format!("{pid} sleep"), "status 0".to_owned(), "status 1".to_owned(), "1".to_owned()];
    assert_eq!(lines[..4], expected, "{}", outcome.report());
    assert!(text_has_row(&lines, "sleep           root       -"), "{}", outcome.report());
    assert!(lines.contains(&format!("sleep({pid})")), "{}", outcome.report());
    assert!(
        outcome.errors().contains("permission denied to examine 1 process"),
        "{}",
        outcome.report()
    );
}

fn text_has_row(lines: &[String], begin: &str) -> bool {
    lines.iter().any(|line| line.starts_with(begin))
}

#[test]
fn what_could_not_be_examined_is_never_told_to_be_absent() {
    let script = r#"
        run() { nobody "$@" 2>&1; echo "status $?"; }
        run tree --exe-path /nosuch; run find --exe-path /nosuch; run find --children-of /nosuch"#;
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command).exits(0);
    let denied = "permission denied to examine 1 process: try as root";
    let expected = [
        format!("proctool tree: {denied}"),
        "status 1".to_owned(),
        format!("proctool find: {denied}"),
        "status 1".to_owned(),
        format!("proctool find: no process runs '/nosuch', as far as known: {denied}"),
        "status 1".to_owned(),
    ];
    assert_eq!(outcome.lines(), expected, "{}", outcome.report());
}

/// The manual says: a path is no proof, and the user is one.
#[test]
fn an_executable_proves_nothing_and_its_user_does() {
    let script = r#"
        mount -t tmpfs none /mnt && cp "$(command -v sleep)" /mnt/sleep && chmod -R a+rx /mnt || exit 77
        forge='mount --bind /mnt/sleep /usr/bin/nl && exec /usr/bin/nl 1000'
        setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urm sh -c "$forge" & pid=$!
        until [ "$(readlink /proc/$pid/exe)" = /usr/bin/nl ]; do [ -d /proc/$pid ] || exit 77; done
        "$P" find --exe-path /usr/bin/nl --exe nl | grep -cx $pid
        "$P" find --exe-path /usr/bin/nl --user root; echo "status $?"
        "$P" kill --exe-path /usr/bin/nl --user root; echo "status $?"
        "$P" cron-graceful --list --daemon nl
        kill -KILL $pid"#;
    if !namespace::is_root() {
        skip!("not root: cannot become another user");
    }
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("an ordinary user may not make namespaces");
    }
    let told =
        "1\nstatus 1\nstatus 1\nno cron daemon is running called nl\nno cron job is running\n";
    outcome.exits(0).prints(told);
}
