//! What nobody knows is told.

use super::*;

#[test]
fn users_are_told_that_they_may_not_look() {
    let script = r#"
        hold tcp:127.0.0.1:80
        hold unshare tcp:127.0.0.1:81
        hold user:65534 tcp:127.0.0.1:8080
        for port in 80 81; do
            nobody find --port $port
            nobody kill --dry-run --port $port
        done 2>&1 | sed 's/examine [0-9]* processes/examine others/'
        nobody find --port 82; echo $?
        nobody find --port 8080 | grep -cx $held"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let told = |applet: &str, port: u32| {
        format!(
            "proctool {applet}: tcp:127.0.0.1:{port} is open, and nobody knows who holds it: \
            permission denied to examine others: try as root\n"
        )
    };
    let expected =
        [told("find", 80), told("kill", 80), told("find", 81), told("kill", 81)].concat();
    // The tables of others are open to everybody: nobody listens on the last one.
    outcome.prints(format!("{expected}1\n1\n"));
}

#[test]
fn a_holder_may_be_outside_of_the_pid_namespace() {
    let script = r#"
        hold tcp:127.0.0.1:80
        unshare --pid --fork --mount-proc "$P" find --port 80; echo $?
        unshare --pid --fork --mount-proc "$P" find --port 81; echo $?
        "$P" find --port 80 --exe nosuch; echo $?"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let outcome = outcome.prints("1\n1\n1\n");
    assert_eq!(
        outcome.errors(),
        "proctool find: tcp:127.0.0.1:80 is open, and nobody knows who holds it: it belongs to the \
        kernel, or its process is not in this /proc\n"
    );
}

#[test]
fn hidden_processes_are_told() {
    let script = r#"
        hold tcp:127.0.0.1:80
        for hidepid in 1 2 4; do
            mount -o remount,hidepid=$hidepid /proc
            nobody find --port 80; nobody find --port 81
        done"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let outcome = outcome.prints("");
    let denied = "permission denied to examine 3 processes: try as root";
    let hidden = "/proc hides the processes of other users (hidepid): try as root";
    let told = |why: &str| {
        format!(
            "proctool find: tcp:127.0.0.1:80 is open, and nobody knows who holds it: {why}\n\
            proctool find: {why}\n"
        )
    };
    let told = [told(denied), told(hidden), told(hidden)].concat();
    assert!(outcome.errors() == told, "expected {told}\n{}", outcome.report());
}
