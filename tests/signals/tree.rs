//! Whole trees: no descendant escapes.

use super::*;

#[test]
fn terminate_with_its_tree_lets_nobody_escape_who_forks_meanwhile() {
    let script = r#"
        for round in 1 2 3; do
            (grow 4) & family=$!
            disown
            await 5
            "$P" terminate --tree --quiet $family
            echo "status $? left $(others)"
        done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["status 0 left "; 3]);
}

#[test]
fn kill_with_its_tree_lets_nobody_escape_who_forks_meanwhile() {
    let script = r#"
        for round in 1 2 3; do
            (grow 4) & family=$!
            disown
            await 5
            "$P" kill --tree --quiet $family
            echo "status $? left $(others)"
        done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["status 0 left "; 3]);
}

#[test]
fn suspend_with_its_tree_stops_all_and_resume_lets_them_go_on() {
    let script = r#"
        (grow 4) & family=$!
        disown
        await 5
        # Those that end meanwhile cannot be stopped: what counts is that nobody goes on.
        "$P" suspend --tree --quiet $family
        case $? in 0|64) ;; *) echo 'suspend failed';; esac
        stopped=$(others)
        echo "others than T ${stopped//[T$'\n']}"
        again=$(others)
        [ ${#again} = ${#stopped} ] || echo 'some are new'
        "$P" resume --tree --quiet $family
        case $? in 0|64) ;; *) echo 'resume failed';; esac
        going=$(others)
        echo "T ${going//[!T]}"
        await 341
        "$P" kill --tree --quiet $family
        echo "status $? left $(others)""#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["others than T ", "T ", "status 0 left "]);
}

#[test]
fn those_that_a_target_starts_because_of_term_are_killed_with_it() {
    let script = r#"
        mount -t tmpfs none /mnt
        start() { for i in 1 2 3; do (trap "" TERM; exec sleep 100) & done; }
        (trap start TERM; : > /mnt/ready; while :; do sleep 0.02; done) &
        disown
        until [ -e /mnt/ready ]; do :; done
        "$P" terminate --tree --timeout 2 --json $! > /mnt/told
        echo "status $? left $(others)"
        grep -o '"name":"sleep","outcome":"killed"' /mnt/told | sort | uniq -c | grep -o '[0-9]*' | head -n 1"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let lines = outcome.lines();
    assert!(lines[0] == "status 0 left ", "{}", outcome.report());
    assert!(
        lines.get(1).is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count >= 3)),
        "{}",
        outcome.report()
    );
}

#[test]
fn a_child_with_a_session_of_its_own_is_in_the_tree() {
    let script = r#"
        bash -c 'setsid sleep 100 & setsid bash -c "sleep 100 & wait" & wait' & family=$!
        sleep 100 & spared=$!
        await_asleep 5
        "$P" terminate --tree --quiet $family
        echo "status $? left $(others)"
        kill -0 $spared && echo spared"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["status 0 left S", "spared"]);
}

#[test]
fn a_tree_that_was_stopped_before_is_ended_with_term() {
    let script = r#"
        bash -c 'sleep 100 & sleep 100 & wait' & family=$!
        await 3
        "$P" suspend --quiet --tree $family
        "$P" terminate --tree --jsonl $family | grep -c '"outcome":"ended"'
        echo "left $(others)""#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["3", "left "]);
}

/// It was not asked for in particular, and nothing could be done with it.
#[test]
fn a_zombie_in_a_tree_is_no_failure() {
    let script = r#"
        # The child ends when nobody can wait for it any more.
        bash -c '(until read -r name < /proc/$$/comm && [ "$name" = sleep ]; do :; done) & exec sleep 100' & family=$!
        disown
        await 1
        until "$P" find --children-of $family --runstates Z -q; do :; done
        for words in 'suspend' 'resume' 'kill --signal WINCH' 'terminate --no-wait --dry-run' 'kill'; do
            "$P" $words --tree --quiet $family
            echo "$words: $?"
        done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let words =
        ["suspend", "resume", "kill --signal WINCH", "terminate --no-wait --dry-run", "kill"];
    says(outcome, &words.map(|words| format!("{words}: 0")).each_ref().map(|line| &**line));
}

/// The first process of a namespace cannot be stopped from inside.
#[test]
fn a_tree_below_the_first_process_is_not_waited_for_until_that_stops() {
    let script = r#"
        trap 'handled=1' USR1
        sleep 100 &
        disown
        "$P" kill --tree --force --signal USR1 --quiet 1
        echo "status $? handled ${handled:-0}"
        until [ -z "$(others)" ]; do :; done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    // It is unknown which processes it starts meanwhile.
    says(outcome, &["status 64 handled 1"]);
}

/// The tree never stays stopped, and the time limit passes.
#[test]
fn a_tree_that_somebody_keeps_continuing_is_ended_in_time() {
    let script = r#"
        mount -t tmpfs none /mnt
        sleep 100 & family=$!
        (: > /mnt/ready; while kill -CONT $family; do :; done) 2>/dev/null &
        until [ -e /mnt/ready ]; do :; done
        "$P" terminate --tree --timeout 1 --quiet $family
        echo "status $?"
        kill -0 $family 2>/dev/null && echo 'it lives'
        true"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    // The status is 0 where the other process was too slow to matter.
    let lines = outcome.exits(0).lines();
    assert!(lines == ["status 64"] || lines == ["status 0"], "{lines:?}");
}

#[test]
fn a_suspend_with_its_tree_that_is_interrupted_leaves_nobody_stopped() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let pid = stuck.target.pid().to_string();
    let [child] = run(&["find", "--children-of", &pid]).succeeds().pids()[..] else {
        panic!("it has one child")
    };
    let waiting = background(&["suspend", "--tree", "--timeout", "0", &pid]);
    until("its child has stopped", || state(child) == 'T');
    interrupt(waiting, Signal::INT).exits(130);
    until("its child goes on", || state(child) == 'S');
    assert_eq!(stuck.release(), 'S');
}

#[test]
fn what_is_stuck_in_the_kernel_does_not_keep_its_tree_waiting() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let outcome =
        on(&stuck.target, "terminate", &["--tree", "--timeout", "3", "--json"]).succeeds();
    // TERM is blocked while a program is being started, in both of them.
    let fates = fates(&outcome);
    assert!(
        fates.len() == 2 && fates.contains_key(&stuck.target.pid().into()),
        "{}",
        outcome.report()
    );
    assert!(fates.values().all(|fate| fate == "killed"), "{}", outcome.report());
}
