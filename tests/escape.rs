//! Trees that start processes as fast as they can: no process escapes, and no innocent process is
//! touched.

use serde_json::Value;

use crate::skip;
use crate::support::command::finish;
use crate::support::namespace;

/// Rounds of each shape; more can be asked for.
fn rounds() -> String {
    std::env::var("PROCTOOL_ESCAPE_ROUNDS").unwrap_or_else(|_| "8".to_owned())
}

#[track_caller]
fn nobody_escapes(shape: &str) {
    for words in ["terminate --timeout 4", "kill"] {
        let script = format!(
            "python3 -I -S \"$SUPPORT/escape.py\" \"$P\" {shape} {} {words}; exit $?",
            rounds()
        );
        let Some(mut script) = namespace::script(&script) else { skip!("no private namespaces") };
        script.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
        let outcome = finish(script);
        if outcome.code() == 77 {
            skip!("the numbers of this machine's system calls are not known");
        }
        let outcome = outcome.exits(0);
        let report: Value = serde_json::from_str(&outcome.text()).expect("parsing JSON");
        for count in ["escapes", "silent", "harmed"] {
            assert_eq!(report[count], 0, "{shape} {words}: {outcome:?}");
        }
    }
}

#[test]
fn children_that_start_one_and_end_leave_nobody_behind() {
    nobody_escapes("double");
}

#[test]
fn orphans_that_a_leader_takes_up_itself_do_not_escape() {
    nobody_escapes("subreaper");
}

#[test]
fn siblings_that_a_child_makes_of_its_own_children_do_not_escape() {
    nobody_escapes("sibling");
}

#[test]
fn a_shell_that_starts_jobs_in_a_loop_leaves_none_behind() {
    nobody_escapes("shell");
}

#[test]
fn who_is_started_by_a_handler_of_term_does_not_escape() {
    nobody_escapes("handler");
}

/// The commands of a pipeline share a process group, whose leader is the first of them.
#[test]
fn the_rest_of_a_pipeline_is_no_part_of_the_tree_of_its_first_command() {
    let script = r#"
        mount -t tmpfs none /mnt || exit 77
        cat >/mnt/writer <<'END'
trap "" TERM; while :; do echo line; sleep 0.02; done
END
        cat >/mnt/reader <<'END'
while read -r line; do sleep 0.2 || : >/mnt/harmed; (sleep 0.1 || : >/mnt/harmed); done
END
        bash -mc 'bash /mnt/writer | bash /mnt/reader & jobs -p >/mnt/leader; wait' &
        until [ -s /mnt/leader ]; do sleep 0.02; done
        "$P" terminate --timeout 1 --tree $(cat /mnt/leader); echo "status $?"
        [ -e /mnt/harmed ] || echo unharmed"#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("no private file systems");
    }
    let lines = outcome.exits(0).lines();
    assert!(lines.ends_with(&["status 0".to_owned(), "unharmed".to_owned()]), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("read")), "{lines:#?}");
}

/// The job of an orphan from before the command is in the session that the target leads, and so is
/// the orphan itself, which is no part of the tree.
#[test]
fn what_an_orphan_from_before_starts_is_left_alone() {
    let script = r#"
        mount -t tmpfs none /mnt || exit 77
        cat >/mnt/orphan <<'END'
while [ -e /mnt/stay ]; do sleep 0.05 || : >/mnt/harmed; done; : >/mnt/over
END
        cat >/mnt/leader <<'END'
: >/mnt/stay; (bash /mnt/orphan &); trap "" TERM; echo $$ >/mnt/ready; while :; do sleep 0.05; done
END
        for words in "terminate --timeout 1" kill; do
            setsid bash /mnt/leader &
            until [ -s /mnt/ready ]; do sleep 0.02; done
            "$P" $words --tree $(cat /mnt/ready) >/mnt/told; echo "status $?"
            rm /mnt/stay
            until [ -e /mnt/over ]; do sleep 0.02; done
            rm /mnt/ready /mnt/over
        done
        [ -e /mnt/harmed ] || echo unharmed"#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("no private file systems");
    }
    outcome.exits(0).prints("status 0\nstatus 0\nunharmed\n");
}

/// A manager that starts a service anew, as systemd does with Restart=, in the control group that
/// it had.
#[test]
fn a_service_that_is_started_anew_in_its_control_group_is_left_alone() {
    let script = r#"
        mount -t tmpfs none /mnt || exit 77
        for root in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
            export G="$root/proctool-test-$(cat /proc/sys/kernel/random/uuid)"
            mkdir "$G" 2>/dev/null && [ -e "$G/cgroup.procs" ] && break
        done
        [ -e "$G/cgroup.procs" ] || exit 77
        instance() { sh -c 'echo $$ >"$G/cgroup.procs" && exec setsid sh -c "$1"' sh "$1"; }
        { instance 'trap "" TERM; sleep 1000 & trap - TERM; echo $$ >/mnt/first; exec sleep 1000'
          instance 'echo $$ >/mnt/second; exec sleep 1000'; } &
        until [ -s /mnt/first ]; do sleep 0.02; done
        "$P" terminate --timeout 0.5 --tree $(cat /mnt/first) >/mnt/told 2>&1
        until [ -s /mnt/second ]; do sleep 0.02; done
        kill -0 $(cat /mnt/second) && grep -c killed /mnt/told
        kill -KILL $(cat "$G/cgroup.procs")
        until rmdir "$G" 2>/dev/null; do sleep 0.02; done"#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("no control group can be made here");
    }
    // The process that ignores TERM was killed, and no other one.
    outcome.exits(0).prints("1\n");
}

/// A process leaves its session, starts another one and exits, again and again: only its name ties
/// the latest one to the tree.
#[test]
fn who_passes_itself_on_in_sessions_of_its_own_is_told_of() {
    let script = r#"
        mount -t tmpfs none /mnt && cp "$(command -v perl)" /mnt/hopper || exit 77
        cat >/mnt/hop <<'END'
use POSIX; $SIG{TERM} = "IGNORE";
while (-e "/mnt/stay") { exit if fork; POSIX::setsid(); select undef, undef, undef, 0.001 }
END
        for words in terminate kill terminate kill terminate kill; do
            : >/mnt/stay
            /mnt/hopper /mnt/hop &
            wait $!
            "$P" $words --tree --exe hopper >>/mnt/told 2>&1; status=$?
            # 1: none was found.
            pgrep -x hopper >/mnt/left && [ $status != 64 ] && [ $status != 1 ] && echo "$words: $status"
            rm /mnt/stay
            while pgrep -x hopper >/mnt/left; do sleep 0.01; done
        done
        cat /mnt/told >&2"#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("there is no perl");
    }
    outcome.exits(0).prints("");
}

/// Reading a control group takes longer the more processes are in it.
#[test]
fn a_control_group_is_read_as_often_for_many_processes_as_for_few() {
    let script = r#"
        command -v strace >/dev/null && mount -t tmpfs none /mnt || exit 77
        for count in 2 100; do
            sh -c 'for i in $(seq '$count'); do sleep 1000 & done; : >/mnt/ready; wait' &
            until [ -e /mnt/ready ]; do sleep 0.01; done; rm /mnt/ready
            strace -f -qq -o /mnt/trace -e trace=openat "$P" kill --tree $! >/mnt/told || exit
            # 1: no control groups are mounted here.
            grep -c 'cgroup\.procs' /mnt/trace || [ $? = 1 ]
        done"#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("no strace");
    }
    let counts = outcome.exits(0).lines();
    let counts: Vec<u32> =
        counts.iter().map(|count| count.parse().expect("parsing a count")).collect();
    // A busy machine takes some more passes, each of which reads it; not one for each process.
    assert!(counts[1] <= counts[0] + 30, "{counts:?}");
}
