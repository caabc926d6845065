//! Users and groups that only the machine's own C library knows, such as those of a directory
//! service.

use super::support::command::{Outcome, finish};
use super::support::namespace;
use crate::skip;

/// A machine with a process of such a user, $process, and a getent(1) that counts how often it is
/// asked.
const MACHINE: &str = r#"
    mount -t tmpfs none /mnt && cd /mnt || exit 77
    printf 'passwd: files other\ngroup: files other\n' >nsswitch.conf
    mount --bind nsswitch.conf /etc/nsswitch.conf || exit 77
    : >asked
    cat >getent <<'END'
#!/bin/sh
echo "$1 $2" >>/mnt/asked
case "$1 $2" in
'passwd 70001' | 'passwd jo doe') echo 'jo doe:*:70001:70002:::' ;;
'group 70002' | 'group crew') echo 'crew:*:70002:someone,other' ;;
*) exit 2 ;;
esac
END
    chmod 755 getent
    PATH=/mnt:$PATH
    as() { setpriv --reuid "$1" --regid "$2" --clear-groups sleep 1000 & process=$!; await; }
    await() { until "$P" find -q --pid $process -x sleep; do :; done; }
    as 70001 70002
"#;

fn machine(script: &str) -> Option<Outcome> {
    let command =
        namespace::script(&format!("{MACHINE}\n{script}")).filter(|_| namespace::is_root())?;
    Some(finish(command))
}

#[test]
fn they_are_shown_by_their_names_and_asked_for_once() {
    let script = r#"
        as 70001 70002
        "$P" find -x sleep --jsonl --fields user,group; echo $?
        cat asked"#;
    let Some(outcome) = machine(script) else {
        skip!("not root: cannot start processes of others")
    };
    let user = r#"{"user":"jo doe","group":"crew"}"#;
    outcome.succeeds().prints(format!("{user}\n{user}\n0\npasswd 70001\ngroup 70002\n"));
}

#[test]
fn they_are_selected_by_their_names() {
    let script = r#"
        "$P" find -u 'jo doe' >found; echo $process | cmp - found && "$P" find -G crew >found; echo $process | cmp - found
        "$P" find -u nobody-knows; echo $?
        "$P" find -u ' 70001'; echo $?"#;
    let Some(outcome) = machine(script) else {
        skip!("not root: cannot start processes of others")
    };
    let outcome = outcome.exits(0).prints("2\n2\n");
    assert!(outcome.errors().contains("unknown user 'nobody-knows'"), "{}", outcome.report());
}

#[test]
fn a_directory_service_that_fails_hides_no_process_and_names_nobody() {
    let script = r#"
        printf '#!/bin/sh\necho "$1 $2" >>/mnt/asked\nexit 1\n' >getent
        as 70003 70003
        "$P" find -x sleep --jsonl --fields user; echo $?
        cat asked
        "$P" find -u 'jo doe'; echo $?"#;
    let Some(outcome) = machine(script) else {
        skip!("not root: cannot start processes of others")
    };
    let outcome = outcome.exits(0).prints(
        r#"{"user":"70001"}
{"user":"70003"}
0
passwd 70001
3
"#,
    );
    assert!(outcome.errors().contains("cannot look up user 'jo doe'"), "{}", outcome.report());
}

#[test]
fn nobody_is_asked_where_names_are_in_files_only() {
    let script = r#"
        printf 'passwd: files\ngroup: files\n' >nsswitch.conf
        "$P" find -x sleep --jsonl --fields user; echo $?
        cat asked"#;
    let Some(outcome) = machine(script) else {
        skip!("not root: cannot start processes of others")
    };
    outcome.succeeds().prints("{\"user\":\"70001\"}\n0\n");
}

#[test]
fn a_slow_directory_service_is_not_asked_for_every_number() {
    let script = r#"
        printf '#!/bin/sh\necho "$1 $2" >>/mnt/asked\nsleep 1.2\nexit 2\n' >getent
        as 70003 70003; as 70004 70004
        "$P" find -x sleep --jsonl --fields user; echo $?
        cat asked"#;
    let Some(outcome) = machine(script) else {
        skip!("not root: cannot start processes of others")
    };
    let users = "{\"user\":\"70001\"}\n{\"user\":\"70003\"}\n{\"user\":\"70004\"}\n";
    outcome.succeeds().prints(format!("{users}0\npasswd 70001\n"));
}

#[test]
fn a_directory_service_that_does_not_answer_is_not_waited_for() {
    for hanging in ["while :; do printf x; sleep 1; done", "exec >&-; sleep 1000"] {
        let script =
            format!("printf '#!/bin/sh\n{hanging}\n' >getent\n\"$P\" find -u 'jo doe'; echo $?");
        let Some(outcome) = machine(&script) else {
            skip!("not root: cannot start processes of others")
        };
        let outcome = outcome.exits(0).prints("3\n");
        assert!(outcome.errors().contains("it does not answer"), "{}", outcome.report());
    }
}
