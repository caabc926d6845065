//! Trees that start processes as fast as they can: nobody who was started meanwhile escapes, and no innocent is touched.

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
        let script = format!("python3 -I -S \"$SUPPORT/escape.py\" \"$P\" {shape} {} {words}; exit $?", rounds());
        let Some(mut script) = namespace::script(&script) else { skip!("no private namespaces") };
        script.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
        let outcome = finish(script);
        if outcome.code() == 77 {
            skip!("the numbers of this machine's system calls are not known");
        }
        let outcome = outcome.exits(0);
        let report: Value = serde_json::from_str(&outcome.text()).expect("JSON");
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
