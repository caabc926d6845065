//! Processes that belong to others, or that /proc does not show.

use super::*;

#[test]
fn a_status_that_is_kept_from_us_is_unknown_and_ends_the_wait() {
    // The parent never asks for it.
    let text = r#"
        python3 -c 'import os,time
pid = os.fork()
if not pid: os._exit(7)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
time.sleep(1000)' >/mnt/pid & until_lines /mnt/pid 1; pid=$(</mnt/pid)
        nobody wait --status $pid | sed "s/^$pid /PID /; s/[0-9][0-9]* (/PARENT (/"; echo "status ${PIPESTATUS[0]}"
        nobody wait --status --json $pid
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    let outcome = outcome.succeeds();
    let lines = outcome.lines();
    assert_eq!(
        lines[..2],
        [
            "PID python3: ended, status unknown: it is a zombie that PARENT (python3) does not reap",
            "status 0"
        ],
        "{}",
        outcome.report()
    );
    let shown: Value = serde_json::from_str(&lines[2..].concat()).expect("parsing a document");
    let entry = &shown[0];
    let status = [&entry["exit_status"], &entry["exit_signal"], &entry["core_dumped"]];
    assert_eq!(status, [&Value::Null, &Value::Null, &Value::Null], "{}", outcome.report());
    // Its parent could have asked meanwhile, where the kernel keeps the status for others then.
    let seconds = if kernel() < (6, 15) { 0.0 } else { 1.0 };
    assert!(
        entry["seconds"].as_f64().is_some_and(|waited| waited >= seconds),
        "{}",
        outcome.report()
    );
}

// Users, and what /proc hides.

#[test]
fn an_ordinary_user_can_wait_for_processes_of_others() {
    let text = r#"
        sleep 1000 & pid=$!
        nobody wait --timeout 0.2 $pid; echo "status $?"
        $as_nobody wait $pid >/mnt/out & waiter=$!
        until_it_waits $waiter; kill $pid; wait $waiter; echo "status $?: $(sed "s/^$pid //" /mnt/out)"
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    outcome.exits(0).prints("status 124\nstatus 0: sleep: ended\n").says("1 still running");
}

#[test]
fn a_process_that_proc_hides_can_be_waited_for() {
    let text = r#"
        sleep 1000 & pid=$!; true & gone=$!; wait $gone
        mount -o remount,hidepid=2 /proc || exit 77
        nobody wait --timeout 0.2 $pid 2>/mnt/err; echo "status $?: $(sed "s/.* s: //; s/: $pid\$/: PID/" /mnt/err)"
        nobody wait $gone 2>/mnt/err; echo "status $?: $(sed "s/$gone/GONE/" /mnt/err)"
        $as_nobody wait $pid >/mnt/out & waiter=$!
        until_it_waits $waiter; kill $pid; wait $waiter; echo "status $?: $(sed "s/^$pid/PID/" /mnt/out)"
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    if outcome.code() == 77 {
        skip!("no hidepid");
    }
    outcome.succeeds().prints(
        "status 124: 1 still running: PID\n\
         status 1: proctool wait: process GONE: gone before: there is no such process\n\
         status 0: PID: ended\n",
    );
}

/// Entered a pid namespace, but /proc is still that of the one outside: a number means two
/// processes.
#[test]
fn nothing_is_done_by_the_numbers_of_another_pid_namespace() {
    let enter = |text: &str| {
        let mut command = clean("unshare");
        command.args(["--pid", "--fork", "--kill-child", "sh", "-c", text, PROCTOOL]);
        finish(command)
    };
    if !is_root() || enter("exit 0").code() != 0 {
        skip!("cannot make a pid namespace");
    }
    for applet in ["wait", "terminate", "kill", "suspend"] {
        // The signal of the script ends the target.
        let text = format!(
            "sleep 1000 & \"$0\" {applet} $!; echo \"status $?\"; kill -USR1 $!; kill -CONT $!; \
            wait $!; echo $?"
        );
        let outcome = enter(&text).exits(0);
        let text = outcome.text();
        assert!(
            text.starts_with("status 3\n") && text.ends_with("138\n"),
            "{applet}\n{}",
            outcome.report()
        );
        let errors = outcome.errors();
        assert!(
            errors
                .starts_with(&format!("proctool {applet}: /proc belongs to another pid namespace")),
            "{errors}"
        );
    }
}
