//! `--interval`: several looks, and the rates between them.

use serde_json::Value;

use super::support::command::{finish, proctool, run};
use super::support::running::Running;
use super::support::target::Target;
use super::support::terminal::{self, NO_TERMINAL};
use crate::skip;

/// Returns the next object of a program that prints JSON lines.
fn object(running: &mut Running) -> Value {
    serde_json::from_str(&running.line()).expect("parsing a line of JSON")
}

#[test]
fn a_process_that_works_all_the_time_takes_a_processor() {
    let busy = Target::script("echo ready; while :; do :; done");
    let idle = Target::script("echo ready; read -r line");
    let pids = format!("{},{}", busy.pid(), idle.pid());
    let words =
        ["find", "--interval", "0.3", "--fields", "pid,cpu", "--sort", "-cpu", "--pid", &pids];
    let mut looks = Running::start(proctool(words));
    // Nobody knows a rate after one look.
    for _ in 0..2 {
        assert_eq!(object(&mut looks)["cpu"], Value::Null);
    }
    let mut last = 0.0;
    // On a busy machine, it does not get a processor at once.
    loop {
        let (first, second) = (object(&mut looks), object(&mut looks));
        assert!(first["time"].as_f64() > Some(last), "{first}");
        assert_eq!(first["time"], second["time"]);
        last = first["time"].as_f64().unwrap_or_default();
        let is_busy = first["pid"] == busy.pid() && first["cpu"].as_f64() > Some(20.0);
        assert!(first["cpu"].as_f64() < Some(200.0), "{first}");
        if is_busy && second["cpu"] == 0.0 {
            break;
        }
    }
    // Without an interval, the rate is that of its whole life.
    let outcome = run(&["show", "--json", "--fields", "cpu,cpu_time", &busy.pid().to_string()]);
    assert!(outcome.succeeds().json()[0]["cpu"].as_f64() > Some(1.0));
}

/// A rate must not be that of another process.
#[test]
fn the_looks_at_a_process_end_with_it() {
    let target = Target::script("echo ready; read -r line");
    let mut looks = Running::start(proctool([
        "show",
        "--interval",
        "50ms",
        "--fields",
        "pid,state",
        &target.pid().to_string(),
    ]));
    assert_eq!(object(&mut looks)["pid"], target.pid());
    drop(target);
    let outcome = looks.finish().exits(1);
    assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
}

#[test]
fn groups_and_trees_are_lines_with_the_time_too() {
    let target = Target::script("echo ready; read -r line");
    let pid = target.pid().to_string();
    for words in [
        &["find", "--group-by", "comm", "--pid", &pid][..],
        &["tree", "--fields", "comm,rss", &pid],
        &["tree", &pid],
    ] {
        let mut looks = Running::start(proctool([words, &["--interval", "30ms"]].concat()));
        let [one, two] = [(); 2].map(|()| object(&mut looks));
        assert_eq!((&one["comm"], &two["comm"]), (&"sh".into(), &"sh".into()), "{one}");
        assert!(one["time"].as_f64() < two["time"].as_f64(), "{one}");
    }
}

#[test]
fn a_reader_that_goes_ends_the_looks() {
    let mut looks = Running::start(proctool(["find", "--interval", "20ms", "--pid", "1"]));
    looks.line();
    looks.close_stdout();
    looks.finish().exits(0);
}

#[test]
fn on_a_terminal_each_look_covers_the_one_before() {
    if !terminal::is_there() {
        skip!(NO_TERMINAL);
    }
    let target = Target::script("echo ready; read -r line");
    let script = format!(
        "stty rows 5; timeout -s INT 1 $P find --interval 100ms --fields pid,comm --pid {}; \
         $P find --interval 100ms -q",
        target.pid()
    );
    let outcome = finish(terminal::command(&script, "C.UTF-8"));
    let text = outcome.text();
    assert!(text.matches("\x1b[H").count() > 2, "{text:?}");
    assert_eq!(text.matches("PID COMM\x1b[K").count(), text.matches("\x1b[H").count());
    assert!(text.contains("cannot be used with"), "{text:?}");
}
