//! Conditions on places, ages and values, and inverted ones.

mod expression;
mod negation;
mod place;
mod systemd;

use std::collections::BTreeSet;

use super::support::command::{Outcome, finish, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::Program;
use crate::skip;

fn find(fake: &FakeProc, words: &[&str]) -> Outcome {
    run(&[&["find", &fake.option()], words].concat())
}

/// Checks the matches of find, and that tree marks the same ones.
#[track_caller]
fn finds(fake: &FakeProc, words: &[&str], expected: &[u32]) {
    let code = i32::from(expected.is_empty());
    let outcome = find(fake, words).exits(code);
    let pids: BTreeSet<u32> = outcome.pids().into_iter().collect();
    assert!(pids == expected.iter().copied().collect(), "{expected:?}\n{}", outcome.report());
    // Each process of these directories is a root without children.
    let tree = run(&[&["tree", "--jsonl", "--kernel", &fake.option()], words].concat()).exits(code);
    let pid = |line: &String| {
        let row: serde_json::Value = serde_json::from_str(line).expect("parsing JSON");
        row["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("finding a pid")
    };
    let shown: BTreeSet<u32> = tree.lines().iter().map(pid).collect();
    assert!(shown == pids, "{pids:?}\n{}", tree.report());
}

/// Checks that what find, tree and kill say of a wrong value is the same, with status 2.
#[track_caller]
fn refuses(words: &[&str], message: &str) {
    for applet in [&["find"][..], &["tree"], &["kill", "--dry-run"], &["wait"]] {
        run(&[applet, words].concat()).refuses(2, message);
    }
}

/// Runs a script among a few processes of its own, where `among NAME OPTIONS` checks that each
/// applet takes these options and finds exactly the process NAME.
fn among(script: &str) -> Option<Outcome> {
    let functions = r#"
        among() {
            name=$1; shift
            echo "$name: $("$P" find -l "$@" | cut -d' ' -f2- | xargs)"
            for applet in kill terminate suspend resume wait; do
                "$P" $applet --dry-run "$@" | grep -q "($name)\|$name" || echo "not $applet: $*"
            done
            "$P" tree "$@" | grep -q "$name(" || echo "not tree: $*"
        }
    "#;
    let command = namespace::script(&format!("{functions}{script}"))?;
    Some(finish(command))
}

#[test]
fn newer_means_running_for_less_long() {
    let fake = FakeProc::new();
    for (pid, start_ticks) in [(10, 900), (20, 500), (30, 100)] {
        fake.bare(pid).stat(pid, 0, b"x", 'S', start_ticks);
    }
    fake.file("uptime", "10.00 0.00\n");
    finds(&fake, &["--newer", "2"], &[10]);
    finds(&fake, &["--newer", "1m"], &[10, 20, 30]);
    finds(&fake, &["--newer", "5"], &[10]);
    finds(&fake, &["--newer", "9", "--older", "2"], &[20]);
    finds(&fake, &["--newer", "500ms"], &[]);
    refuses(&["--newer", "0"], "--newer 0: no process runs");
    refuses(&["--newer", "soon"], "a duration is a number");
    refuses(&["--newer", "-1"], "a duration is a number");
}

#[test]
fn every_condition_works_where_processes_are_acted_on() {
    let script = r#"
        mount -t tmpfs none /mnt && cd /mnt || exit
        cp "$(command -v sleep)" alpha
        cp alpha gamma
        ./alpha 1000 & ./gamma 1000 &
        until "$P" find -q -x gamma; do :; done
        among gamma --newer 1m --not comm=alpha --where 'name ~ ^[a-z]+a$'
        among gamma --where "name = gamma and not ppid = 4194303 and rss < 1G and nice >= -20"
        among gamma --where 'runtime < 1h and exe_name=gamma or pid = 4194303'
        among gamma --not where='comm != gamma'
        among gamma --comm gamma --cgroup "$(sed -n 's/^0:://p' /proc/$$/cgroup)"
        among gamma --comm gamma --not unit=nosuch --not slice=nosuch --not container=nosuch
        exit 0
    "#;
    let Some(outcome) = among(script) else { skip!("no private namespaces") };
    let outcome = outcome.succeeds();
    for line in outcome.lines() {
        assert_eq!(line, "gamma: gamma", "{}", outcome.report());
    }
    assert_eq!(outcome.lines().len(), 6, "{}", outcome.report());
}
