//! More processes than descriptors.

use super::*;

// Many.

/// Returns how often the waiter was woken.
fn wakes(waiter: &Running) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", waiter.pid()))
        .expect("reading its status");
    let counts = text.lines().filter_map(|line| line.split_once("_switches:"));
    counts.map(|(_, count)| count.trim().parse::<u64>().expect("parsing a number")).sum()
}

#[test]
fn a_wait_for_many_sleeps() {
    let targets: Vec<_> = (0..100).map(|_| sleeper()).collect();
    let pids: Vec<_> = targets.iter().map(pid).collect();
    let words: Vec<_> = pids.iter().map(String::as_str).collect();
    let running = waiting(&words);
    let before = wakes(&running);
    // A program that polls would be woken during this time.
    for _ in 0..300 {
        run(&["--version"]).succeeds();
    }
    assert_eq!(wakes(&running), before);
    drop(targets);
    let outcome = running.finish().succeeds();
    assert_eq!(outcome.lines().len(), 100, "{}", outcome.report());
}

/// Runs a script with `$load`, a process with this many children; `$all` has their pids and `$last`
/// the last one.
fn crowd(size: u32, text: &str) -> Option<Outcome> {
    let begin = format!(
        "mkfifo /mnt/load; python3 -I -S \"$CROWD\" {size} >/mnt/load & load=$!\n\
         read -r all </mnt/load; last=${{all##* }}"
    );
    let mut command = namespace::script_with_nobody(&format!("{BEGIN}\n{begin}\n{text}"))?;
    command.env("CROWD", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/crowd.py"));
    Some(finish(command))
}

/// All but the last end, then the last.
const TO_THE_LAST: &str = r#"
    until_it_waits $waiter; kill ${all% *}; until_lines /mnt/out $((COUNT - 1)); until_it_waits $waiter
    kill $last; wait $waiter; echo "status $?, $(wc -l </mnt/out) lines, $(sort -u /mnt/out | wc -l) different"
"#;

fn to_the_last(count: u32, start: &str) -> Option<Outcome> {
    let text = TO_THE_LAST.replace("COUNT", &count.to_string());
    crowd(count, &format!("({start}) >/mnt/out & waiter=$!\n{text}"))
}

#[test]
fn more_processes_than_descriptors_are_all_waited_for() {
    let wait = "ulimit -n 256; exec \"$P\" wait --children-of $load";
    let Some(outcome) = to_the_last(5000, wait) else { skip!(NO_NAMESPACES) };
    outcome.succeeds().prints("status 0, 5000 lines, 5000 different\n");
}

#[test]
fn an_ordinary_user_can_wait_for_more_processes_than_descriptors() {
    let wait = "ulimit -n 256; exec $as_nobody wait --jsonl --children-of $load";
    let Some(outcome) = to_the_last(5000, wait) else { skip!(NO_NAMESPACES) };
    outcome.succeeds().prints("status 0, 5000 lines, 5000 different\n");
}

#[test]
fn very_few_descriptors_are_enough() {
    let wait = "ulimit -n 40; exec \"$P\" wait --status --children-of $load";
    let Some(outcome) = to_the_last(200, wait) else { skip!(NO_NAMESPACES) };
    outcome.succeeds().prints("status 0, 200 lines, 200 different\n");
}

#[test]
fn any_of_more_processes_than_descriptors_is_noticed() {
    let text = r#"
        (ulimit -n 256; exec "$P" wait --any --children-of $load) >/mnt/out & waiter=$!
        until_it_waits $waiter; kill $last; wait $waiter; echo "status $?: $(sed "s/^$last /LAST /" /mnt/out)"
    "#;
    let Some(outcome) = crowd(5000, text) else { skip!(NO_NAMESPACES) };
    outcome.succeeds().prints("status 0: LAST python3: ended\n");
}

#[test]
fn a_timeout_holds_for_more_processes_than_descriptors() {
    let text = r#"
        (ulimit -n 40; exec "$P" wait --timeout 0.3 --children-of $load); echo "status $?"
    "#;
    let Some(outcome) = crowd(200, text) else { skip!(NO_NAMESPACES) };
    outcome.exits(0).prints("status 124\n").says("200 still running: ");
}

#[test]
fn more_processes_than_descriptors_are_terminated() {
    let text = r#"
        (ulimit -n 256; exec "$P" terminate --jsonl --children-of $load) >/mnt/out; echo "status $?"
        echo "$(grep -c '"outcome":"ended"' /mnt/out) of $(wc -l </mnt/out), $("$P" find -c --children-of $load) left"
    "#;
    let Some(outcome) = crowd(5000, text) else { skip!(NO_NAMESPACES) };
    outcome.succeeds().prints("status 0\n5000 of 5000, 0 left\n");
}

/// Where threads may not have descriptors of their own, as in some containers, the processes are
/// waited for one after another.
#[test]
fn where_more_descriptors_are_refused_all_are_waited_for_still() {
    let text = r#"
        command -v strace >/dev/null || exit 77
        refuse="strace -f -qq -o /dev/null -e inject=unshare:error=EPERM"
        (ulimit -n 40; exec $refuse "$P" terminate --jsonl --children-of $load) >/mnt/out; echo "status $?"
        echo "$(grep -c '"outcome":"ended"' /mnt/out) of $(wc -l </mnt/out)"
    "#;
    let Some(outcome) = crowd(200, text) else { skip!(NO_NAMESPACES) };
    if outcome.code() == 77 {
        skip!("no strace");
    }
    outcome.exits(0).prints("status 0\n200 of 200\n");
}

#[test]
fn where_more_descriptors_are_refused_any_of_too_many_is_refused() {
    let text = r#"
        command -v strace >/dev/null || exit 77
        refuse="strace -f -qq -o /dev/null -e inject=unshare:error=EPERM"
        waits() { (ulimit -n "$1"; exec $refuse $as_nobody wait --any --timeout "$2" --children-of $load); echo "status $?"; }
        waits 40 60 2>/mnt/err
        cat /mnt/err >&2
        # What it says is enough, and no more than is needed.
        limit=$(sed -n 's/.*raise the limit with ulimit -n //p' /mnt/err)
        waits $((limit - 1)) 60 2>/dev/null
        waits "$limit" 1 2>/dev/null
        # The superuser raises it, where he may (CAP_SYS_RESOURCE).
        as_nobody=$P
        if (ulimit -n 40; ulimit -n 41) 2>/dev/null; then waits 40 1 2>/dev/null; else echo "status 124"; fi
    "#;
    let Some(outcome) = crowd(200, text) else { skip!(NO_NAMESPACES) };
    if outcome.code() == 77 {
        skip!("no strace");
    }
    outcome
        .exits(0)
        .prints("status 3\nstatus 3\nstatus 124\nstatus 124\n")
        .says("raise the limit with ulimit -n");
}
