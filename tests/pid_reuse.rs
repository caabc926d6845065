//! A number that becomes another process's while the program is about to act: the newcomer must not
//! be touched.
//!
//! `tests/support/halt_at.py` forces it. It runs the program halted at a system call, ends the
//! victim, and gives its number to a newcomer, in a pid namespace of its own.

use std::sync::LazyLock;

use serde_json::Value;

use super::support::command::{Outcome, finish};
use super::support::namespace;
use crate::skip;

const IMPOSSIBLE: &str =
    "no private namespaces, no python3, or processes cannot be traced here or their numbers chosen";

/// The calls that a process is pinned with, and then acted on.
const BEFORE_PINNING: &str = "--call pidfd_open";
const WHILE_PINNING: &str = "--call pidfd_open --exit";
const BEFORE_SIGNALLING: &str = "--call pidfd_send_signal";
const BEFORE_WAITING: &str = "--call epoll_wait";

/// Outcomes of a victim of terminate or kill, whichever call it exits at.
const ENDS: [&str; 3] = ["gone before", "ended", "killed"];
/// Outcomes of a victim that only gets a signal.
const SIGNALS: [&str; 3] = ["gone before", "ended", "signalled"];

/// One run of the program.
struct Run {
    report: Value,
    /// Everything about it, for a failure.
    shown: String,
}

impl Run {
    #[track_caller]
    fn of(line: &str, outcome: &Outcome) -> Run {
        let report = serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", outcome.report()));
        Run { report, shown: format!("{line}\n{}", outcome.report()) }
    }

    /// Reports whether the victim was replaced.
    fn is_halted(&self) -> bool {
        !self.report["halted"].is_null()
    }

    fn status(&self) -> Option<i64> {
        self.report["status"].as_i64()
    }

    fn errors(&self) -> &str {
        self.report["err"].as_str().unwrap_or_default()
    }

    /// Returns the outcome of the victim in the output, if there is one.
    fn outcome(&self) -> Option<String> {
        let document: Value = serde_json::from_str(self.report["out"].as_str()?).ok()?;
        let entry = document.as_array()?.iter().find(|entry| entry["pid"] == self.report["pid"])?;
        entry["outcome"].as_str().map(str::to_owned)
    }

    #[track_caller]
    fn leaves_the_newcomer_alone(&self) {
        assert!(self.is_halted(), "there is no such call\n{}", self.shown);
        assert!(self.report["harm"].is_null(), "the newcomer was touched\n{}", self.shown);
        // 124: while it was halted, a short timeout may have passed.
        let is_usual = self.status().is_some_and(|status| [0, 1, 64, 124].contains(&status));
        assert!(is_usual && !self.errors().contains("panicked"), "{}", self.shown);
    }

    /// Checks that the run did no harm, and gave the victim one of these outcomes.
    #[track_caller]
    fn tells(&self, outcomes: &[&str]) {
        self.leaves_the_newcomer_alone();
        let outcome = self.outcome();
        let is_expected = outcome.as_deref().is_some_and(|outcome| outcomes.contains(&outcome));
        assert!(is_expected, "expected {outcomes:?}, got {outcome:?}\n{}", self.shown);
    }

    /// Checks that the run did no harm, and found no match any more.
    #[track_caller]
    fn finds_nobody(&self) {
        self.leaves_the_newcomer_alone();
        assert!(
            self.status() == Some(1) && self.errors().contains("no process matches"),
            "{}",
            self.shown
        );
    }
}

/// Runs a command under `halt_at.py`, in a namespace of its own.
fn script(options: &str, command: &str) -> Option<Outcome> {
    let text = format!(
        "mount -t tmpfs none /mnt && : >>/proc/sys/kernel/ns_last_pid || exit 77\n\
         python3 -I -S \"$HALT_AT\" {options} -- {command}; exit $?"
    );
    let mut script = namespace::script(&text)?;
    script.env("HALT_AT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/halt_at.py"));
    Some(finish(script))
}

/// Reports whether processes can be traced here, and their pids chosen.
fn is_possible() -> bool {
    static IS_POSSIBLE: LazyLock<bool> = LazyLock::new(|| {
        let probe = script("--call close", "/bin/true");
        probe.is_some_and(|outcome| ![77, 127].contains(&outcome.code()))
    });
    *IS_POSSIBLE
}

/// Returns the runs of the program with these options for the script.
#[track_caller]
fn runs(options: &str, words: &str) -> Vec<Run> {
    let outcome =
        script(options, &format!("\"$P\" {words}")).expect("making a private namespace").succeeds();
    outcome.lines().iter().map(|line| Run::of(line, &outcome)).collect()
}

/// Halts the program at one call: the newcomer is untouched, and the victim has one of these
/// outcomes.
#[track_caller]
fn halted(options: &str, words: &str, outcomes: &[&str]) {
    let runs = runs(options, words);
    assert_eq!(runs.len(), 1);
    runs[0].tells(outcomes);
}

/// Halts the program at one of its calls after the other, of which there are at least `least`.
#[track_caller]
fn swept(options: &str, words: &str, outcomes: &[&str], least: usize) {
    let runs = runs(&format!("--sweep {options}"), words);
    let halted: Vec<_> = runs.iter().filter(|run| run.is_halted()).collect();
    assert!(halted.len() >= least, "only {} calls\n{}", halted.len(), runs[0].shown);
    for run in halted {
        match run.outcome() {
            Some(_) => run.tells(outcomes),
            // The short timeout may have passed before anything could be told.
            None if run.status() == Some(124) => run.leaves_the_newcomer_alone(),
            None => run.finds_nobody(),
        }
    }
}

/// The test can fail: kill(1) sends its signal to a number.
#[test]
fn a_newcomer_that_is_touched_is_noticed() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for signal in ["TERM", "CONT", "STOP", "KILL"] {
        let outcome = script("--call kill", &format!("kill -{signal} {{pid}}"))
            .expect("making a private namespace")
            .succeeds();
        let run = Run::of(&outcome.text(), &outcome);
        assert!(run.is_halted() && run.report["harm"].is_string(), "{signal}\n{}", run.shown);
    }
}

// One call.

#[test]
fn one_that_ends_before_it_is_pinned_is_gone() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for applet in ["terminate", "kill", "suspend", "resume", "wait"] {
        for call in [BEFORE_PINNING, WHILE_PINNING] {
            halted(call, &format!("{applet} --json {{pid}}"), &["gone before"]);
        }
    }
}

#[test]
fn one_that_ends_before_its_signal_is_gone() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for applet in
        ["terminate", "kill", "suspend", "resume", "kill --signal HUP", "terminate --no-wait"]
    {
        halted(BEFORE_SIGNALLING, &format!("{applet} --json {{pid}}"), &["gone before"]);
    }
}

#[test]
fn one_that_ends_before_the_wait_for_it_has_ended() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for applet in ["wait", "wait --status", "terminate"] {
        halted(BEFORE_WAITING, &format!("{applet} --json {{pid}}"), &["ended"]);
    }
}

/// The newcomer meets the conditions too, but was not there when they were judged.
#[test]
fn a_newcomer_that_runs_the_same_program_is_not_taken_for_the_one_that_matched() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for applet in ["terminate", "kill", "suspend", "wait"] {
        for call in [BEFORE_PINNING, WHILE_PINNING] {
            halted(call, &format!("{applet} --json --exe needle"), &["gone before"]);
        }
    }
    for applet in ["terminate", "kill", "suspend"] {
        halted(BEFORE_SIGNALLING, &format!("{applet} --json --exe needle"), &["gone before"]);
    }
}

#[test]
fn the_root_of_a_tree_that_ends_is_not_replaced_by_another_tree() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for applet in ["terminate", "kill", "suspend", "wait"] {
        for call in [BEFORE_PINNING, WHILE_PINNING] {
            halted(
                &format!("{call} --family"),
                &format!("{applet} --json --tree {{pid}}"),
                &["gone before"],
            );
        }
    }
    for applet in ["terminate", "kill", "suspend"] {
        let options = format!("{BEFORE_SIGNALLING} --family");
        halted(&options, &format!("{applet} --json --tree {{pid}}"), &["gone before"]);
    }
}

#[test]
fn one_that_ends_before_it_is_killed_has_ended() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    // The second signal is the KILL for one that did not heed TERM.
    let options = format!("{BEFORE_SIGNALLING} --nth 2 --ignore-term");
    for target in ["{pid}", "--exe needle"] {
        halted(&options, &format!("terminate --json --timeout 0.2 {target}"), &["ended"]);
    }
    // A target with a tree gets STOP, TERM, CONT; then STOP, KILL.
    for nth in 4..=5 {
        let options = format!("{BEFORE_SIGNALLING} --nth {nth} --ignore-term --family");
        halted(&options, "terminate --json --timeout 0.2 --tree {pid}", &["ended"]);
    }
}

/// The victim ended before the program even began.
#[test]
fn an_id_is_of_nobody_else() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for applet in [
        "terminate",
        "kill",
        "suspend",
        "resume",
        "wait",
        "terminate --tree",
        "terminate --exe needle",
    ] {
        halted("--begin proc", &format!("{applet} --json {{id}}"), &["gone before"]);
    }
}

/// Descriptors are given back, and opened again by number.
#[test]
fn more_targets_than_descriptors_are_still_who_they_were() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for (applet, outcomes) in [("terminate", ENDS), ("kill", ENDS), ("suspend", SIGNALS)] {
        let words = format!("{applet} --json --exe needle");
        for (call, least) in [(BEFORE_PINNING, 3), (WHILE_PINNING, 3), (BEFORE_SIGNALLING, 1)] {
            swept(&format!("{call} --crowd 30 --limit 40"), &words, &outcomes, least);
        }
    }
}

#[test]
fn a_wait_for_more_targets_than_descriptors_does_not_wait_for_a_newcomer() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for call in [BEFORE_PINNING, WHILE_PINNING] {
        for nth in 1..=2 {
            let options = format!("{call} --nth {nth} --crowd 30 --limit 40");
            halted(
                &options,
                "wait --json --any --timeout 30 --exe needle",
                &["gone before", "ended"],
            );
        }
    }
}

// Every call from the one on that pinned the victim.

#[test]
fn whenever_a_victim_of_terminate_ends_the_newcomer_is_untouched() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    swept("", "terminate --json {pid}", &ENDS, 20);
    swept("", "terminate --json --exe needle", &ENDS, 20);
    swept("--ignore-term", "terminate --json --timeout 0.2 {pid}", &ENDS, 20);
    swept("--family", "terminate --json --tree {pid}", &ENDS, 20);
}

#[test]
fn whenever_a_victim_of_kill_ends_the_newcomer_is_untouched() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    swept("", "kill --json {pid}", &ENDS, 20);
    swept("", "kill --json --exe needle", &ENDS, 20);
    swept("", "kill --json --signal HUP {pid}", &SIGNALS, 20);
    swept("--family", "kill --json --tree {pid}", &ENDS, 20);
}

#[test]
fn whenever_a_victim_of_suspend_ends_the_newcomer_is_untouched() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    swept("", "suspend --json {pid}", &SIGNALS, 20);
    swept("", "suspend --json --exe needle", &SIGNALS, 20);
    swept("", "resume --json {pid}", &SIGNALS, 20);
    swept("--family", "suspend --json --tree {pid}", &SIGNALS, 20);
}

#[test]
fn whenever_one_that_is_waited_for_ends_the_newcomer_is_not_waited_for() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for target in ["{pid}", "--exe needle", "--status {pid}"] {
        let words = format!("wait --json {target}");
        swept("--last epoll_wait", &words, &["gone before", "ended"], 20);
    }
    swept("--last epoll_wait --family", "wait --json --tree {pid}", &["gone before", "ended"], 20);
}

// Every call from the first one on: the newcomer is never the process that was asked for.

#[test]
fn a_newcomer_of_another_program_is_untouched_from_the_beginning() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for (applet, outcomes) in [("terminate", ENDS), ("kill", ENDS), ("suspend", SIGNALS)] {
        let words = format!("{applet} --json --exe needle");
        swept("--begin proc --other", &words, &outcomes, 40);
    }
}

#[test]
fn a_newcomer_of_another_id_is_untouched_from_the_beginning() {
    if !is_possible() {
        skip!(IMPOSSIBLE);
    }
    for (applet, outcomes) in
        [("terminate", ENDS), ("kill", ENDS), ("suspend", SIGNALS), ("terminate --tree", ENDS)]
    {
        swept("--begin proc", &format!("{applet} --json {{id}}"), &outcomes, 40);
    }
    swept("--begin proc --last epoll_wait", "wait --json {id}", &["gone before", "ended"], 40);
}
