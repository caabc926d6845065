//! `tree`: the shown part of a forest, its drawing, and its JSON.

mod details;
mod folding;
mod highlight;
mod json;
mod on_terminal;
mod selection;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::{FakeProc, FakeProcess};
use super::support::namespace;
use super::support::target::{Program, Target};
use crate::skip;

/// Makes init - cron - workers - sh - job, and a daemon without relation to them.
fn cron() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, ppid, comm, exe, uid) in [
        (1, 0, "init", "/sbin/init", 0),
        (10, 1, "cron", "/usr/sbin/cron", 0),
        (20, 10, "cron", "/usr/sbin/cron", 0),
        (21, 10, "cron", "/usr/sbin/cron", 0),
        (30, 20, "sh", "/bin/dash", 3_999_999_999),
        (31, 21, "sh", "/bin/dash", 0),
        (40, 30, "backup", "/opt/jobs/backup", 3_999_999_999),
        (50, 1, "sshd", "/usr/sbin/sshd", 0),
    ] {
        fake.process(pid, ppid, comm)
            .owner(uid, uid)
            .link("exe", exe)
            .file("cmdline", format!("{exe}\0"));
    }
    fake
}

const WHOLE_CRON: [&str; 8] = [
    "init(1)",
    "├─ cron(10)",
    "│  ├─ cron(20)",
    "│  │  └─ sh(30)",
    "│  │     └─ backup(40)",
    "│  └─ cron(21)",
    "│     └─ sh(31)",
    "└─ sshd(50)",
];

fn tree(fake: &FakeProc, words: &[&str]) -> Outcome {
    let option = fake.option();
    run(&[&["tree", &option], words].concat())
}

#[track_caller]
fn shows(fake: &FakeProc, words: &[&str], lines: &[&str]) {
    tree(fake, words).succeeds().prints(text(lines));
}

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line of stat with everything that the helper for fake processes fixes.
struct Stat {
    pid: u32,
    ppid: u32,
    comm: &'static str,
    state: char,
    pgrp: u32,
    flags: u32,
    threads: u32,
    start_ticks: u64,
}

const PLAIN: Stat = Stat {
    pid: 1,
    ppid: 0,
    comm: "init",
    state: 'S',
    pgrp: 1,
    flags: 4_194_304,
    threads: 1,
    start_ticks: 500,
};

const KERNEL_THREAD: u32 = 2_097_152;

impl Stat {
    fn in_proc(self, fake: &FakeProc) -> FakeProcess {
        let Stat { pid, ppid, comm, state, pgrp, flags, threads, start_ticks } = self;
        let stat = format!(
            "{pid} ({comm}) {state} {ppid} {pgrp} {pgrp} 0 -1 {flags} 0 0 0 0 10 20 0 0 20 0 \
             {threads} 0 {start_ticks} 4096000 2 0 0 0\n"
        );
        fake.bare(pid).file("stat", stat).file("comm", format!("{comm}\n"))
    }
}

fn directory(fake: &FakeProc) -> PathBuf {
    fake.option().trim_start_matches("--proc=").into()
}

#[test]
fn what_is_done_anyway_may_be_asked_for() {
    let fake = cron();
    for option in ["-n", "--numeric-sort", "-p", "--show-pids", "-l", "--long", "-np"] {
        shows(&fake, &[option], &WHOLE_CRON);
    }
}

/// Returns the pids of the lines that are bold, which must be bold from end to end.
#[track_caller]
fn bold_pids(outcome: &Outcome) -> Vec<u32> {
    let lines = outcome.lines();
    let bold = lines.iter().filter(|line| line.contains('\u{1b}'));
    bold.map(|line| {
        let inside = line.strip_prefix("\u{1b}[1m").and_then(|line| line.strip_suffix("\u{1b}[0m"));
        let inside = inside.filter(|inside| !inside.contains('\u{1b}'));
        pid_of(
            inside.unwrap_or_else(|| panic!("not bold as a whole: {line:?}\n{}", outcome.report())),
        )
    })
    .collect()
}

/// Returns the pid of a line of a plain tree.
fn pid_of(line: &str) -> u32 {
    let number =
        line.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(number, _)| number);
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no pid in {line:?}"))
}

/// Makes init and two kernel threads, one below the other.
fn kernel() -> FakeProc {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    Stat { pid: 2, comm: "kthreadd", flags: KERNEL_THREAD, ..PLAIN }
        .in_proc(&fake)
        .file("cmdline", "");
    Stat { pid: 3, ppid: 2, comm: "kworker/0:1", state: 'I', flags: KERNEL_THREAD, ..PLAIN }
        .in_proc(&fake);
    fake
}

#[test]
fn threads_of_the_kernel_are_hidden_unless_asked_for() {
    let fake = kernel();
    shows(&fake, &[], &["init(1)"]);
    shows(&fake, &["--kernel"], &["init(1)", "[kthreadd](2)", "└─ [kworker/0:1](3)"]);
    shows(&fake, &["--comm=kthreadd"], &["[kthreadd](2)", "└─ [kworker/0:1](3)"]);
    tree(&fake, &["--user=4294967294"]).refuses(1, "no process matches");
}

#[test]
fn a_thread_of_the_kernel_is_shown_when_it_is_named_by_pid() {
    let fake = kernel();
    for words in [&["2"][..], &["--pid=2"]] {
        shows(&fake, words, &["[kthreadd](2)", "└─ [kworker/0:1](3)"]);
    }
    shows(&fake, &["-s", "3"], &["[kthreadd](2)", "└─ [kworker/0:1](3)"]);
}

#[test]
fn processes_without_a_visible_parent_are_roots() {
    let fake = FakeProc::new();
    for (pid, ppid, comm) in [(1, 0, "init"), (5, 0, "entered"), (6, 99, "orphan"), (7, 6, "child")]
    {
        fake.process(pid, ppid, comm);
    }
    shows(&fake, &[], &["init(1)", "entered(5)", "orphan(6)", "└─ child(7)"]);
}

#[test]
fn a_parent_that_started_later_is_somebody_else() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(30).stat(30, 40, b"old", 'S', 100);
    fake.bare(40).stat(40, 1, b"young", 'S', 900);
    shows(&fake, &[], &["init(1)", "└─ young(40)", "old(30)"]);
}

#[test]
fn a_process_that_entered_a_pid_namespace_is_a_root_there() {
    let script = "coproc unshare --pid --fork --mount-proc bash -c 'echo ready; read -r line; true'
        read -r -u \"${COPROC[0]}\" line
        read -r inner < /proc/$COPROC_PID/task/$COPROC_PID/children
        [ -n \"$inner\" ] || exit 77
        nsenter --target $inner --pid --mount \"$P\" tree; exit";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("this kernel does not list children");
    }
    outcome.succeeds().prints("bash(1)\nproctool(2)\n");
}

#[test]
fn processes_that_show_nothing_but_their_pid_are_roots() {
    let script = "mount -o remount,hidepid=1 /proc || exit 77; nobody tree; exit $?";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("/proc cannot be mounted with hidepid=1");
    }
    let lines = outcome.succeeds().lines();
    assert!(
        lines.len() == 2 && lines[0] == "?(1)" && lines[1].starts_with("└─ proctool("),
        "{lines:?}"
    );
}

#[test]
fn a_name_that_the_kernel_cut_is_shown_whole() {
    let program = Program::new("tree-test-with-a-long-name-");
    let target = program.start();
    let pid = target.pid();
    run(&["tree", &pid.to_string()]).succeeds().prints(format!("{}({pid})\n", program.name));
}

#[test]
fn a_circle_ends_and_loses_nobody() {
    let fake = FakeProc::new();
    for (pid, ppid) in [(5, 5), (10, 12), (11, 10), (12, 11), (13, 12)] {
        fake.process(pid, ppid, "p");
    }
    shows(&fake, &[], &["p(5)", "p(10)", "└─ p(11)", "   └─ p(12)", "      └─ p(13)"]);
    shows(&fake, &["-s", "--depth=0", "12", "-H", "11"], &["p(10)", "└─ p(11)", "   └─ p(12)"]);
}

/// Returns the pids of nested JSON, parents first, each with that of its parent in the nesting.
fn nested(value: &Value) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut waiting: Vec<(&Value, u64)> =
        value.as_array().expect("finding an array").iter().rev().map(|v| (v, 0)).collect();
    while let Some((process, parent)) = waiting.pop() {
        let pid = process["pid"].as_u64().expect("finding a pid");
        found.push((pid, parent));
        waiting.extend(
            process["children"]
                .as_array()
                .expect("finding children")
                .iter()
                .rev()
                .map(|child| (child, pid)),
        );
    }
    found
}

#[test]
fn a_real_parent_is_shown_above_its_child() {
    let target = Target::script("sh -c 'echo ready; read -r line; true'; true");
    let outcome = run(&["tree", "-a", &target.pid().to_string()]).succeeds();
    let lines = outcome.lines();
    assert_eq!(lines.len(), 2, "{}", outcome.report());
    assert!(
        lines[0].starts_with(&format!("sh({}) -c sh -c ", target.pid())),
        "{}",
        outcome.report()
    );
    assert!(
        lines[1].starts_with("└─ sh(") && lines[1].ends_with(") -c echo ready; read -r line; true"),
        "{lines:?}"
    );
}
