//! `wait`: real processes that end, and what is told of it.

mod count;
mod many;
mod permission;
mod report;
mod status;

use std::process::{Command, id};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::command::{Outcome, PROCTOOL, clean, finish, heedful, identity, proctool, run};
use super::support::namespace::{self, is_root, kernel};
use super::support::running::{Running, send, state, until};
use super::support::target::{Program, Target};
use crate::skip;

/// Starts a process named `sh` that exits when the test lets it.
fn sleeper() -> Target {
    sleeper_that_exits_with(0)
}

/// Starts a sleeper with this exit status.
fn sleeper_that_exits_with(status: u8) -> Target {
    Target::script(&format!("echo ready; read line; exit {status}"))
}

/// Starts a process and lets it exit. Its parent has not reaped it.
fn zombie() -> Target {
    let mut target = sleeper();
    target.let_end();
    target
}

/// Returns what is told of a zombie of ours behind its outcome.
fn unreaped() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").expect("reading our own name");
    format!(": it is a zombie that {} ({}) does not reap", id(), name.trim_end())
}

fn pid(target: &Target) -> String {
    target.pid().to_string()
}

/// Returns the pid of a process that has exited and was reaped.
fn vanished() -> String {
    let mut child = clean("true").spawn().expect("starting a child");
    child.wait().expect("waiting for its end");
    child.id().to_string()
}

fn wait(words: &[&str]) -> Outcome {
    run(&[&["wait"], words].concat())
}

/// Starts a wait, and waits until it sleeps.
#[track_caller]
fn waiting(words: &[&str]) -> Running {
    Running::start(proctool([&["wait"], words].concat())).watching()
}

/// Returns the objects of a JSONL output.
fn objects(outcome: &Outcome) -> Vec<Value> {
    outcome
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("parsing an object"))
        .collect()
}

/// Returns the outcome of each process of a JSON output.
#[track_caller]
fn outcomes(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = document.as_array().expect("finding an array").iter();
    let mut pairs: Vec<_> =
        entries.map(|entry| (text(&entry["pid"]), text(&entry["outcome"]))).collect();
    pairs.sort();
    pairs
}

#[track_caller]
fn assert_outcomes(document: &Value, expected: &[(&str, &str)]) {
    let mut expected: Vec<_> =
        expected.iter().map(|&(pid, outcome)| (pid.to_owned(), outcome.to_owned())).collect();
    expected.sort();
    assert_eq!(outcomes(document), expected, "{document:#}");
}

/// Starts a wait that signals end, as on a terminal, even if our parent ignores them.
fn interruptible(words: &[&str]) -> Running {
    let mut command = heedful(PROCTOOL);
    command.arg("wait").args(words);
    Running::start(command).watching()
}

#[test]
fn a_process_that_is_no_child_is_waited_for() {
    let mut target = sleeper();
    let pid = pid(&target);
    let running = waiting(&[&pid]);
    target.let_end();
    drop(target);
    running.finish().succeeds().prints(format!("{pid} sh: ended\n"));
}

#[test]
fn a_process_that_its_parent_asks_for_its_status_at_once_is_waited_for() {
    let mut parent = Target::script("sh -c 'echo ready; read line; exit 7'; exit 0");
    let child = run(&["find", "--children-of", &pid(&parent)]).succeeds().pids()[0].to_string();
    let running = waiting(&[&child]);
    parent.let_end();
    running.finish().succeeds().prints(format!("{child} sh: ended\n"));
}

#[test]
fn a_zombie_has_ended() {
    let target = zombie();
    let pid = pid(&target);
    wait(&[&pid]).succeeds().prints(format!("{pid} sh: ended{}\n", unreaped()));
    assert_eq!(state(target.pid()), 'Z');
}

#[test]
fn a_stopped_process_has_not_ended() {
    let target = sleeper();
    send(target.pid(), Signal::STOP);
    until("a stop", || state(target.pid()) == 'T');
    let pid = pid(&target);
    wait(&["--timeout", "0.3", &pid]).refuses(124, &format!("1 still running: {pid} (sh)"));
    let running = waiting(&[&pid]);
    send(target.pid(), Signal::CONT);
    assert!(running.is_watching());
    drop(target);
    running.finish().succeeds();
}

/// In /proc, such a process looks like a zombie.
#[test]
fn a_process_whose_first_thread_has_ended_has_not_ended() {
    let script = "import ctypes,os,sys,threading\n\
                  def rest():\n    print('ready', flush=True); sys.stdin.read(); os._exit(5)\n\
                  threading.Thread(target=rest).start()\n\
                  ctypes.CDLL(None).pthread_exit(None)\n";
    if Command::new("python3").arg("-V").output().is_err() {
        skip!("no python3");
    }
    let mut target = Target::start(Command::new("python3").args(["-c", script]));
    until("the end of the first thread", || state(target.pid()) == 'Z');
    let pid = pid(&target);
    wait(&["--timeout", "0.3", &pid]).refuses(124, &format!("1 still running: {pid} ("));
    let running = waiting(&["--status", "--json", &pid]);
    target.let_end();
    let ended = running.finish().succeeds().json();
    assert_eq!(ended[0]["exit_status"], json!(5), "{ended:#}");
}

#[test]
fn the_targets_are_whatever_find_finds() {
    let program = Program::new("awaited");
    let targets = [program.start(), program.start()];
    let mut expected =
        targets.each_ref().map(|target| format!("{} {}: ended", target.pid(), program.name));
    expected.sort();
    let running = waiting(&["--exe", &program.name]);
    drop(targets);
    let outcome = running.finish().succeeds();
    let mut lines = outcome.lines();
    lines.sort();
    assert_eq!(lines, expected, "{}", outcome.report());
    wait(&["--exe", &format!("no{}", program.name)]).refuses(1, "no process matches");
    wait(&[]).refuses(2, "no process is named");
}

#[test]
fn a_tree_has_ended_when_the_last_descendant_has() {
    let mut root = Target::script("exec 3<&0; sh -c 'echo ready; read line' <&3 & read line");
    let (pid, child) =
        (pid(&root), run(&["find", "--children-of", &pid(&root)]).succeeds().pids()[0]);
    let mut running = waiting(&["--tree", "--jsonl", &pid]);
    root.become_zombie();
    let first: Value = serde_json::from_str(&running.line()).expect("parsing an object");
    assert_eq!((&first["pid"], &first["outcome"]), (&json!(root.pid()), &json!("ended")));
    assert_ne!(state(child), 'X');
    drop(root);
    let rest = running.finish().succeeds();
    assert_eq!(objects(&rest)[0]["pid"], json!(child), "{}", rest.report());
}

#[test]
fn a_dry_run_waits_for_nobody() {
    let target = sleeper();
    let pid = pid(&target);
    wait(&["--dry-run", &pid]).succeeds().prints(format!("{pid} sh: would be waited for\n"));
    let shown = wait(&["--dry-run", "--json", &pid]).succeeds().json();
    assert_outcomes(&shown, &[(&pid, "spared")]);
}

#[test]
fn a_number_of_nobody_may_be_a_mistake() {
    let (gone, ended) = (vanished(), zombie());
    wait(&[&gone]).refuses(1, &format!("process {gone}: gone before: there is no such process"));
    let shown = wait(&["--json", &gone]).exits(1).json();
    assert_outcomes(&shown, &[(&gone, "gone before")]);
    let some = wait(&[&gone, &pid(&ended)]).exits(64).prints(format!(
        "{} sh: ended{}\n",
        ended.pid(),
        unreaped()
    ));
    some.says("gone before");
}

#[test]
fn the_id_of_a_process_that_has_ended_is_no_mistake() {
    let target = sleeper();
    let Some(identity) = identity(target.pid()) else {
        skip!("this kernel gives processes no ids")
    };
    drop(target);
    let outcome = wait(&[&identity]).succeeds();
    let gone = identity.split(':').next().unwrap_or_default().to_owned();
    outcome.prints(format!("{gone}: gone before\n"));
    let shown = wait(&["--json", &identity]).succeeds().json();
    assert_outcomes(&shown, &[(&gone, "gone before")]);
    // It counts among those that have ended.
    let other = sleeper();
    wait(&["--any", &identity, &pid(&other)]).succeeds();
}

/// The id is that of an earlier process with this number.
#[test]
fn a_process_of_another_id_is_not_waited_for() {
    let target = sleeper();
    let Some(identity) = identity(target.pid()) else {
        skip!("this kernel gives processes no ids")
    };
    let pid = pid(&target);
    wait(&[&format!("{identity}0")]).succeeds().prints(format!("{pid}: gone before\n"));
    let running = waiting(&[&identity]);
    drop(target);
    running.finish().succeeds().prints(format!("{pid} sh: ended\n"));
}

#[test]
fn a_number_that_does_not_meet_the_conditions_is_not_waited_for() {
    let target = sleeper();
    let pid = pid(&target);
    wait(&[&pid, "--exe", "nosuch"]).refuses(1, &format!("process {pid} (sh): no match"));
}

#[test]
fn waiting_for_itself_is_refused() {
    let mut command = clean("sh");
    command.args(["-c", "exec \"$0\" wait $$", PROCTOOL]);
    finish(command).refuses(1, "refused: it is this very command");
}

#[test]
fn ancestors_the_first_process_and_the_kernel_can_be_waited_for() {
    let parent = id().to_string();
    wait(&["--timeout", "0.2", &parent]).refuses(124, &format!("1 still running: {parent} ("));
    wait(&["--timeout", "0.2", "1"]).refuses(124, "1 still running: 1");
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        wait(&["--timeout", "0.2", "2"]).refuses(124, "1 still running: 2 (kthreadd)");
    }
}

#[test]
fn a_timeout_of_nothing_is_none() {
    let target = sleeper();
    let running = waiting(&["--timeout", "0", &pid(&target)]);
    drop(target);
    running.finish().succeeds();
    wait(&["--timeout", "-1", "1"]).refuses(2, "a duration is");
}

#[test]
fn a_timeout_is_not_reached_by_those_that_end_in_time() {
    let target = sleeper();
    let running = waiting(&["--timeout", "1h", &pid(&target)]);
    drop(target);
    running.finish().succeeds();
}

/// The beginning of the scripts below.
const BEGIN: &str = r#"
    # The program as an ordinary user, where the background job is the program itself.
    as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups /mnt/proctool"
    # Until this process sleeps in wait for others.
    until_it_waits() {
        for _ in $(seq 6000); do
            grep -qs '^tfd:' "/proc/$1/fdinfo/"* && case $(<"/proc/$1/stat") in *') S '*) return ;; esac
            sleep 0.01
        done
        echo "process $1 does not wait"
        exit 1
    }
    # Until this file has so many lines.
    until_lines() {
        for _ in $(seq 6000); do
            [ "$(wc -l <"$1")" = "$2" ] && return
            sleep 0.01
        done
        echo "$1 has $(wc -l <"$1") lines"
        exit 1
    }
"#;

/// Runs a script in namespaces, with `nobody` and the beginning above.
fn script(text: &str) -> Option<Outcome> {
    namespace::script_with_nobody(&format!("{BEGIN}\n{text}")).map(finish)
}

const NO_NAMESPACES: &str = "not root, or no private namespaces";

#[test]
fn signals_that_are_ignored_stay_so() {
    let target = sleeper();
    let mut command = clean("sh");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" wait \"$1\"", PROCTOOL, &pid(&target)]);
    let running = Running::start(command).watching();
    for signal in [Signal::HUP, Signal::INT] {
        running.signal(signal);
    }
    let running = running.watching();
    drop(target);
    running.finish().succeeds();
}
