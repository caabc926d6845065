//! Processes that hold up their readers, and outputs without a reader: nothing hangs, and nothing
//! is left stopped.

use crate::skip;
use crate::support::command::{Outcome, PROCTOOL, clean, finish};
use crate::support::namespace;

const BOX: &str = include_str!("support/frozen_box.sh");

/// Runs a script in a box with a file system that can be frozen; `None` where none can be mounted.
fn frozen(script: &str) -> Option<Outcome> {
    if !namespace::is_root() || !namespace::are_permitted() {
        return None;
    }
    let mut command = clean("unshare");
    command.args(["--mount", "--propagation", "private", "bash", "-c", BOX, "frozen_box", script]);
    command
        .env("P", PROCTOOL)
        .env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
    Some(finish(command)).filter(|outcome| outcome.code() != 77)
}

/// Runs a script with a program on a file system (FUSE) that does not answer any more: `$program`
/// is its pid. The requests to the file system are printed at the end.
fn silent(script: &str) -> Option<Outcome> {
    let text = format!(
        r#"mount -t tmpfs none /mnt && mkdir /mnt/files && mkfifo /mnt/in || exit 77
        tries() {{ timeout -s KILL 30 "$@" >>/mnt/told 2>&1; status=$?; shift; echo "$*: $status"; }}
        unshare -Urm python3 -I -S "$SUPPORT/fuse_program.py" /mnt/files "sleep (deleted)" \
            "$(command -v sleep)" 1000 </mnt/in >/mnt/out 2>/mnt/err & server=$!
        exec 9>/mnt/in
        until grep -q ready /mnt/out; do kill -0 $server || exit 77; sleep 0.02; done
        program=$(sed -n 's/ready //p' /mnt/out)
        echo >&9
        until grep -q silent /mnt/out; do sleep 0.02; done
        {script}
        sed -n '/silent/,$p' /mnt/out
        tries "$P" terminate $program | tr -d 0-9"#
    );
    let mut command = namespace::script(&text)?;
    command.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
    Some(finish(command)).filter(|outcome| outcome.code() != 77)
}

const NO_BOX: &str = "no file system can be mounted, frozen or served here";

/// Checks that the script printed these lines.
#[track_caller]
fn prints(outcome: Option<Outcome>, lines: &[&str]) {
    let Some(outcome) = outcome else { skip!(NO_BOX) };
    let outcome = outcome.exits(0);
    let printed = outcome.lines();
    assert_eq!(printed, lines, "{outcome:?}");
}

#[test]
fn readers_go_on_behind_processes_that_hold_them_up() {
    let outcome = frozen(
        r#"lock one; lock two; bash -c 'exec -a needle sleep 1000' &
        freeze /mnt/one /mnt/two
        tries $P find -f '[n]eedle'
        tries $P find -f '[n]osuch'
        tries $P find --env QQ
        tries $P find --fields pid,cmdline,uss
        tries $P tree -a
        tries $P tree --json
        tries $P show $(cat /mnt/one)
        tries $P apache-mem --exe "$(basename "$(readlink /proc/$(cat /mnt/one)/exe)")"
        sed -n 's/^proctool find: process \([0-9]*\) .*: \(it holds.*\)/\2/p' /mnt/out | sort | uniq -c | tr -s ' '"#,
    );
    let Some(outcome) = outcome else { skip!(NO_BOX) };
    let lines = outcome.exits(0).lines();
    let statuses: Vec<_> =
        lines.iter().filter_map(|line| line.rsplit_once(": ")?.1.parse::<i32>().ok()).collect();
    assert_eq!(statuses, [0, 1, 1, 0, 0, 0, 0, 1], "{lines:?}");
    // Both processes, in each of four runs.
    assert_eq!(
        lines.last().map(String::as_str),
        Some(" 8 it holds up its readers, in the kernel"),
        "{lines:?}"
    );
}

#[test]
fn who_acts_goes_on_behind_processes_that_hold_it_up_and_says_so_by_the_status() {
    prints(
        frozen(
            r#"lock one; bash -c 'exec -a needle sleep 1000' & needle=$!
            freeze /mnt/one
            tries $P wait --timeout 1 -f --pattern '[n]osuch'
            tries $P kill --dry-run -f --pattern '[n]osuch'
            tries $P suspend -q --env QQ
            tries $P terminate --timeout 5 -f --pattern '[n]eedle'
            tries $P suspend --timeout 1 $(cat /mnt/one) | sed 's/[0-9]*:/PID:/'
            wait $needle; echo $?"#,
        ),
        &[
            "wait --timeout 1 -f --pattern [n]osuch: 1",
            "kill --dry-run -f --pattern [n]osuch: 1",
            "suspend -q --env QQ: 1",
            "terminate --timeout 5 -f --pattern [n]eedle: 64",
            "suspend --timeout 1 PID: 124",
            "143",
        ],
    );
}

#[test]
fn a_job_that_holds_us_up_does_not_keep_cron_stopped() {
    let end = r#"
        until [ "$(state $cron)" = S ]; do sleep 0.02; done
        echo "cron runs""#;
    for (how, expected) in [
        ("tries cron-graceful --timeout 1", vec!["--timeout 1: 124", "cron runs"]),
        (
            "tries cron-graceful --timeout 1 -- touch /mnt/ran; [ ! -e /mnt/ran ]",
            vec!["--timeout 1 -- touch /mnt/ran: 124", "cron runs"],
        ),
        (&format!("{BACKGROUND} kill -INT $run; wait $run; echo $?"), vec!["130", "cron runs"]),
        (&format!("{BACKGROUND} kill -TERM $run; wait $run; echo $?"), vec!["143", "cron runs"]),
        (&format!("{BACKGROUND} kill -KILL $run"), vec!["cron runs"]),
    ] {
        let script = format!(
            r#"ln -s $P /mnt/cron-graceful; PATH=/mnt:$PATH
            cron_with "exec python3 -I -S $SUPPORT/memory_lock.py /mnt/files/one /mnt/one"
            appears /mnt/one
            freeze /mnt/one
            {how}{end}"#
        );
        prints(frozen(&script), &expected);
    }
}

/// A run that has paused cron, and waits. It runs under env(1), because a shell makes its
/// background ignore INT.
const BACKGROUND: &str = "env --default-signal=INT cron-graceful >/mnt/out 2>&1 & run=$!; \
    until [ \"$(state $cron)\" = T ]; do sleep 0.02; done;";

#[test]
fn a_file_system_that_does_not_answer_is_never_asked() {
    prints(
        silent(
            r#"tries "$P" find -x sleep
            tries "$P" find -q --exe 'sleep (deleted)'
            tries "$P" find --fields pid,exe_path,exe_deleted,cwd,cmdline,uss
            tries "$P" tree -a
            tries "$P" show $program | tr -d 0-9
            tries "$P" apache-mem --exe 'sleep (deleted)'
            tries "$P" kill --dry-run $program | tr -d 0-9
            tries "$P" suspend $program | tr -d 0-9
            tries "$P" resume $program | tr -d 0-9"#,
        ),
        &[
            "find -x sleep: 1",
            "find -q --exe sleep (deleted): 0",
            "find --fields pid,exe_path,exe_deleted,cwd,cmdline,uss: 0",
            "tree -a: 0",
            "show : ",
            "apache-mem --exe sleep (deleted): 0",
            "kill --dry-run : ",
            "suspend : ",
            "resume : ",
            "silent",
            "terminate : ",
        ],
    );
}

/// Runs a script with an output without a reader: `unread terminal COMMAND` and `unread pipe
/// COMMAND`.
fn unread(script: &str) -> Option<Outcome> {
    let text = format!(
        "unread() {{ python3 -I -S \"$SUPPORT/stopped_output.py\" \"$@\"; echo $?; }}\n{script}"
    );
    let mut command = namespace::script(&text)?;
    command.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
    Some(finish(command))
}

#[test]
fn an_output_that_nobody_reads_holds_nobody_up_beyond_the_timeout() {
    for kind in ["terminal", "pipe"] {
        let script = format!(
            r#"sleep 1000 & one=$!; sleep 1000 & two=$!; sleep 1000 & three=$!
            unread {kind} "$P" terminate --timeout 0.5 $one
            unread {kind} "$P" kill --timeout 0.5 --tree $two
            unread {kind} "$P" wait --timeout 0.5 $three
            wait $one; echo $?; wait $two; echo $?; kill -0 $three && echo "it runs""#
        );
        prints(unread(&script), &["124", "124", "124", "143", "137", "it runs"]);
    }
}

#[test]
fn who_does_not_read_can_interrupt() {
    let script = r#"sleep 1000 & target=$!
        for signal in INT TERM; do
            env --default-signal=INT python3 -I -S "$SUPPORT/stopped_output.py" terminal "$P" wait $target & run=$!
            until child=$(cat /proc/$run/task/$run/children 2>/dev/null) && [ -n "$child" ] &&
                grep -q . /proc/${child% }/fdinfo/3 2>/dev/null; do sleep 0.02; done
            kill -$signal ${child% }; wait $run; echo $?
        done"#;
    prints(unread(script), &["130", "143"]);
}

/// The kernel cannot name its executable, so its arguments would have to be read.
#[test]
fn a_user_s_process_that_holds_up_its_readers_is_no_daemon() {
    let outcome = frozen(
        r#"chmod 777 /mnt /mnt/files; cp "$SUPPORT/memory_lock.py" /mnt/lock.py
        cat >/mnt/deep.py <<'END'
import os, shutil, sys
os.chdir("/mnt")
for _ in range(20):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
shutil.copy(os.path.realpath(sys.executable), "program")
os.setgid(65534)
os.setuid(65534)
os.execv("./program", [sys.executable, "-I", "-S", "/mnt/lock.py", "/mnt/files/one", "/mnt/one"])
END
        python3 /mnt/deep.py & appears /mnt/one
        cron_with true
        until [ -s /run/crond.pid ]; do sleep 0.02; done
        freeze /mnt/one
        tries "$P" cron-graceful --list
        tries "$P" cron-graceful -- true
        until [ "$(state $cron)" = S ]; do sleep 0.02; done; state $cron
        cat /mnt/out >&2"#,
    );
    prints(outcome, &["cron-graceful --list: 0", "cron-graceful -- true: 0", "S"]);
}
