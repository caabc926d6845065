//! `wait`: real processes that end, and what is told of it.

use std::process::{Command, id};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::command::{Outcome, PROCTOOL, clean, finish, heedful, proctool, run};
use super::support::namespace::{self, is_root};
use super::support::running::{Running, send, state, until};
use super::support::target::{Program, Target};
use crate::skip;

/// A process named `sh` that ends when it is told to.
fn sleeper() -> Target {
    sleeper_that_exits_with(0)
}

/// Likewise, with an exit status.
fn sleeper_that_exits_with(status: u8) -> Target {
    Target::script(&format!("echo ready; read line; exit {status}"))
}

/// Everything that is there of a process has ended, and its parent has not asked for its status.
fn zombie() -> Target {
    let mut target = sleeper();
    target.let_end();
    target
}

fn pid(target: &Target) -> String {
    target.pid().to_string()
}

/// `PID:INODE` of a living process.
fn identity(pid: &str) -> Option<String> {
    let shown = run(&["find", "--json", "--fields", "id", "--pid", pid]).succeeds().json();
    shown[0]["id"].as_str().map(str::to_owned)
}

/// A number that a process had until now.
fn vanished() -> String {
    let mut child = clean("true").spawn().expect("a child");
    child.wait().expect("its end");
    child.id().to_string()
}

fn wait(words: &[&str]) -> Outcome {
    run(&[&["wait"], words].concat())
}

/// A wait that has come so far that it sleeps.
#[track_caller]
fn waiting(words: &[&str]) -> Running {
    Running::start(proctool([&["wait"], words].concat())).watching()
}

/// The objects of a JSONL output.
fn objects(outcome: &Outcome) -> Vec<Value> {
    outcome.lines().iter().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// The outcome of each process of a JSON output.
#[track_caller]
fn outcomes(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = document.as_array().expect("an array").iter();
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

/// The release of the kernel, as far as it is compared.
fn kernel() -> (u32, u32) {
    let release =
        std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the release of the kernel");
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A wait whose interrupts are what they are on a terminal, whoever started us and ignores them.
fn interruptible(words: &[&str]) -> Running {
    let mut command = heedful(PROCTOOL);
    command.arg("wait").args(words);
    Running::start(command).watching()
}

// What an end is.

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
    wait(&[&pid]).succeeds().prints(format!("{pid} sh: ended\n"));
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

/// To look at, such a process is a zombie.
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

// Whom it waits for.

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
    let first: Value = serde_json::from_str(&running.line()).expect("an object");
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
    let some =
        wait(&[&gone, &pid(&ended)]).exits(64).prints(format!("{} sh: ended\n", ended.pid()));
    some.says("gone before");
}

#[test]
fn the_id_of_a_process_that_has_ended_is_no_mistake() {
    let target = sleeper();
    let Some(identity) = identity(&pid(&target)) else {
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

/// It is of a process that had the number before.
#[test]
fn a_process_of_another_id_is_not_waited_for() {
    let target = sleeper();
    let Some(identity) = identity(&pid(&target)) else {
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

// How many, and how long.

#[test]
fn any_is_the_first_one_that_ends() {
    let (first, second) = (sleeper(), sleeper());
    let (one, two) = (pid(&first), pid(&second));
    let running = waiting(&["--any", &one, &two]);
    drop(second);
    running.finish().succeeds().prints(format!("{two} sh: ended\n"));
    let running = waiting(&["--any", "--json", &one, &vanished()]);
    drop(first);
    let shown = running.finish().succeeds().json();
    let states: Vec<_> = outcomes(&shown).into_iter().map(|(_, outcome)| outcome).collect();
    assert!(
        states.contains(&"ended".to_owned()) && states.contains(&"gone before".to_owned()),
        "{shown:#}"
    );
}

#[test]
fn a_count_is_as_many_as_must_end() {
    let (first, second, third) = (sleeper(), sleeper(), sleeper());
    let [one, two, three] = [&first, &second, &third].map(pid);
    let mut running = waiting(&["--count", "2", "--jsonl", &one, &two, &three]);
    drop(third);
    assert!(running.line().contains(&format!("\"pid\":{three},")));
    let running = running.watching();
    drop(first);
    let rest = objects(&running.finish().succeeds());
    assert_outcomes(&rest.into(), &[(&one, "ended"), (&two, "still running")]);
}

#[test]
fn a_count_is_reached_by_those_that_end_and_those_that_have() {
    let (first, second, third) = (sleeper(), sleeper(), zombie());
    let [one, two, three] = [&first, &second, &third].map(pid);
    let running = waiting(&["--count", "2", "--json", &one, &two, &three]);
    drop(first);
    let shown = running.finish().succeeds().json();
    assert_outcomes(&shown, &[(&one, "ended"), (&two, "still running"), (&three, "ended")]);
}

#[test]
fn a_count_that_cannot_be_reached_is_refused() {
    let target = sleeper();
    let pid = pid(&target);
    wait(&["--count", "2", &pid])
        .refuses(2, "--count 2 is more than there are processes to wait for (1)");
    wait(&["--count", "0", &pid]).refuses(2, "invalid value '0'");
    wait(&["--count", "1", "--any", &pid]).refuses(2, "cannot be used with");
    // The same process, however it is called, ends once.
    wait(&["--count", "2", &pid, &pid]).refuses(2, "--count 2 is more than");
    if let Some(identity) = identity(&pid) {
        wait(&["--count", "2", "--timeout", "0.2", &pid, &identity])
            .refuses(2, "--count 2 is more than");
    }
}

#[test]
fn a_timeout_says_who_is_left() {
    let (ended, left) = (zombie(), sleeper());
    let (one, two) = (pid(&ended), pid(&left));
    let begin = Instant::now();
    let outcome = wait(&["--timeout", "0.3", &one, &two]);
    assert!(begin.elapsed() >= Duration::from_millis(300), "{}", outcome.report());
    let outcome = outcome.exits(124).prints(format!("{one} sh: ended\n"));
    outcome
        .says("proctool wait: timed out after 0.3")
        .says(&format!(": 1 still running: {two} (sh)"));
    let outcome = wait(&["--timeout", "0.2", "--json", &one, &two]).exits(124).says("timed out");
    assert_outcomes(&outcome.json(), &[(&one, "ended"), (&two, "timed out")]);
    let quiet = wait(&["--quiet", "--timeout", "0.2", &one, &two]).exits(124).prints("");
    assert!(quiet.stderr.is_empty(), "{}", quiet.report());
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

// What is printed.

#[test]
fn lines_arrive_while_others_still_run() {
    let (first, second) = (sleeper(), sleeper());
    let [one, two] = [&first, &second].map(pid);
    let (mut text, mut lines) = (waiting(&[&one, &two]), waiting(&["--jsonl", &one, &two]));
    drop(first);
    assert_eq!(text.line(), format!("{one} sh: ended"));
    let object: Value = serde_json::from_str(&lines.line()).expect("an object");
    assert_eq!((&object["pid"].to_string(), &object["outcome"]), (&one, &json!("ended")));
    let (text, lines) = (text.watching(), lines.watching());
    drop(second);
    text.finish().succeeds().prints(format!("{two} sh: ended\n"));
    let rest = lines.finish().succeeds();
    assert_eq!(objects(&rest).len(), 1, "{}", rest.report());
}

#[test]
fn what_had_ended_before_is_told_while_others_still_run() {
    let (ended, left) = (zombie(), sleeper());
    let mut running = waiting(&[&pid(&ended), &pid(&left)]);
    assert_eq!(running.line(), format!("{} sh: ended", ended.pid()));
}

#[test]
fn json_tells_everything_of_each() {
    let target = zombie();
    let pid = pid(&target);
    let plain = wait(&["--json", &pid]).succeeds().json();
    let mut entry = plain[0].as_object().expect("an object").clone();
    let names: Vec<_> = entry.keys().cloned().collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(
        entry.remove("seconds").is_some_and(|seconds| seconds.as_f64().is_some_and(|it| it >= 0.0))
    );
    let id = entry.remove("id").expect("an id");
    assert!(
        kernel() < (6, 9) || id.as_str().is_some_and(|id| id.starts_with(&format!("{pid}:"))),
        "{id}"
    );
    let expected = json!({"pid": target.pid(), "name": "sh", "outcome": "ended", "reason": null, "signal": null});
    assert_eq!(Value::from(entry), expected);
    let full = wait(&["--json", "--status", &pid]).succeeds().json();
    let shown = &full[0];
    assert_eq!(
        [&shown["exit_status"], &shown["exit_signal"], &shown["core_dumped"]],
        [&json!(0), &Value::Null, &json!(false)]
    );
    assert_eq!(shown.as_object().map(|object| object.len()), Some(10));
    let lines = wait(&["--jsonl", "--status", &pid]).succeeds();
    assert_eq!(objects(&lines)[0]["exit_status"], json!(0), "{}", lines.report());
}

#[test]
fn json_gives_the_reason_why_somebody_was_not_waited_for() {
    let gone = vanished();
    let shown = wait(&["--json", &gone]).exits(1).json();
    let entry = &shown[0];
    assert!(
        entry["reason"].as_str().is_some_and(|reason| reason.contains("there is no such process")),
        "{shown:#}"
    );
    assert_eq!((&entry["id"], &entry["name"]), (&Value::Null, &Value::Null));
}

#[test]
fn nothing_that_is_waited_for_is_an_empty_document() {
    let name = format!("nosuch{}", id());
    wait(&["--json", "--exe", &name]).exits(1).prints("[]\n");
    wait(&["--jsonl", "--exe", &name]).exits(1).prints("");
}

/// A closed connection is not the end of a process: what comes next must not begin too early.
#[test]
fn a_wait_goes_on_when_nobody_reads_any_more() {
    for words in [&["--jsonl"][..], &[], &["--json", "--status"], &["--quiet"]] {
        let (first, second, third) = (sleeper(), sleeper(), sleeper());
        let pids = [&first, &second, &third].map(pid);
        let words: Vec<&str> =
            words.iter().copied().chain(pids.iter().map(String::as_str)).collect();
        let mut running = waiting(&words);
        running.close_stdout();
        drop(first);
        drop(second);
        assert!(!"ZX".contains(state(running.pid())), "it has not waited for the last one");
        drop(third);
        let outcome = running.finish().exits(0);
        assert!(outcome.stderr.is_empty(), "{}", outcome.report());
    }
}

/// On a terminal, a line that is redrawn says who is left, and for how long.
#[test]
fn on_a_terminal_it_is_shown_who_is_waited_for() {
    let target = sleeper();
    let mut command = clean("script");
    let line = format!("{PROCTOOL} wait --timeout 3 {}", target.pid());
    command.env("TERM", "xterm").args(["-qec", &line, "/dev/null"]);
    let outcome = finish(command);
    if outcome.code() == 127 {
        skip!("no script(1)");
    }
    let outcome = outcome.exits(124);
    let text = outcome.text();
    let who = format!(" s: {} (", target.pid());
    assert!(
        text.contains("waiting for 1 process for ") && text.contains(&who),
        "{}",
        outcome.report()
    );
}

// How they ended.

#[test]
fn the_status_of_a_zombie_is_told() {
    for (status, expected) in [(0, "status 0"), (7, "status 7"), (255, "status 255")] {
        let mut target = sleeper_that_exits_with(status);
        target.let_end();
        let pid = pid(&target);
        wait(&["--status", &pid]).succeeds().prints(format!("{pid} sh: ended, {expected}\n"));
    }
}

#[test]
fn the_signal_that_ended_a_zombie_is_told() {
    let mut target = sleeper();
    target.become_zombie();
    let pid = pid(&target);
    wait(&["--status", &pid]).succeeds().prints(format!("{pid} sh: ended, signal KILL\n"));
    let shown = wait(&["--status", "--json", &pid]).succeeds().json();
    let entry = &shown[0];
    let status = [&entry["exit_status"], &entry["exit_signal"], &entry["core_dumped"]];
    assert_eq!(status, [&Value::Null, &json!("KILL"), &json!(false)]);
}

#[test]
fn whether_a_core_was_dumped_is_told() {
    let directory = tempfile::tempdir().expect("a directory for a core");
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited; echo ready; read line; kill -ABRT $$"])
        .current_dir(directory.path());
    let mut target = Target::start(&mut command);
    target.let_end();
    let stat = String::from_utf8_lossy(&target.proc("stat")).into_owned();
    let code: u32 =
        stat.split_whitespace().last().and_then(|code| code.parse().ok()).expect("an exit code");
    let dumped = code & 0x80 != 0;
    let pid = pid(&target);
    let expected = if dumped { ", core dumped" } else { "" };
    wait(&["--status", &pid])
        .succeeds()
        .prints(format!("{pid} sh: ended, signal ABRT{expected}\n"));
    let shown = wait(&["--status", "--json", &pid]).succeeds().json();
    assert_eq!(
        (&shown[0]["exit_signal"], &shown[0]["core_dumped"]),
        (&json!("ABRT"), &json!(dumped))
    );
}

#[test]
fn the_status_of_those_that_end_during_the_wait_is_told() {
    let (mut first, mut second) = (sleeper_that_exits_with(7), sleeper());
    let [one, two] = [&first, &second].map(pid);
    let mut running = waiting(&["--status", &one, &two]);
    first.let_end();
    assert_eq!(running.line(), format!("{one} sh: ended, status 7"));
    second.become_zombie();
    running.finish().succeeds().prints(format!("{two} sh: ended, signal KILL\n"));
}

#[test]
fn the_status_of_one_whose_parent_took_it_at_once_is_told() {
    if kernel() < (6, 15) {
        skip!("the kernel forgets the status of a process with it before Linux 6.15");
    }
    let mut parent = Target::script("sh -c 'echo ready; read line; exit 7'; exit 0");
    let child = run(&["find", "--children-of", &pid(&parent)]).succeeds().pids()[0].to_string();
    let running = waiting(&["--status", &child]);
    parent.let_end();
    running.finish().succeeds().prints(format!("{child} sh: ended, status 7\n"));
}

/// What the scripts below begin with.
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

/// A script in namespaces of its own, with `nobody` and what is above.
fn script(text: &str) -> Option<Outcome> {
    namespace::script_with_nobody(&format!("{BEGIN}\n{text}")).map(finish)
}

const NO_NAMESPACES: &str = "not root, or no private namespaces";

#[test]
fn an_ordinary_user_is_told_the_status_of_a_process_of_root() {
    if kernel() < (6, 15) {
        skip!("the kernel forgets the status of a process with it before Linux 6.15");
    }
    // Its parent, bash, reaps it at once.
    let text = r#"
        mkfifo /mnt/end; (read -r _ </mnt/end; exit 7) & pid=$!
        $as_nobody wait --status $pid & waiter=$!
        until_it_waits $waiter; echo >/mnt/end; wait $waiter; echo "status $? of $pid"
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    let outcome = outcome.exits(0);
    let lines = outcome.lines();
    let pid = lines
        .last()
        .and_then(|line| line.strip_prefix("status 0 of "))
        .expect("a status")
        .to_owned();
    assert_eq!(lines[0], format!("{pid} bash: ended, status 7"), "{}", outcome.report());
}

#[test]
fn a_status_that_is_kept_from_us_is_unknown_and_ends_the_wait() {
    // The parent never asks for it.
    let text = r#"
        python3 -c 'import os,time
pid = os.fork()
if not pid: os._exit(7)
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
print(pid, flush=True)
time.sleep(1000)' >/mnt/pid & until_lines /mnt/pid 1; pid=$(</mnt/pid)
        nobody wait --status $pid | sed "s/^$pid /PID /"; echo "status ${PIPESTATUS[0]}"
        nobody wait --status --json $pid
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    let outcome = outcome.succeeds();
    let lines = outcome.lines();
    assert_eq!(
        lines[..2],
        ["PID python3: ended, status unknown", "status 0"],
        "{}",
        outcome.report()
    );
    let shown: Value = serde_json::from_str(&lines[2..].concat()).expect("a document");
    let entry = &shown[0];
    let status = [&entry["exit_status"], &entry["exit_signal"], &entry["core_dumped"]];
    assert_eq!(status, [&Value::Null, &Value::Null, &Value::Null], "{}", outcome.report());
    // Its parent could have asked meanwhile.
    assert!(
        entry["seconds"].as_f64().is_some_and(|seconds| seconds >= 1.0),
        "{}",
        outcome.report()
    );
}

// Users, and what /proc hides.

#[test]
fn an_ordinary_user_can_wait_for_processes_of_others() {
    let text = r#"
        sleep 1000 & pid=$!
        nobody wait --timeout 0.2 $pid; echo "status $?"
        $as_nobody wait $pid >/mnt/out & waiter=$!
        until_it_waits $waiter; kill $pid; wait $waiter; echo "status $?: $(sed "s/^$pid //" /mnt/out)"
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    outcome.exits(0).prints("status 124\nstatus 0: sleep: ended\n").says("1 still running");
}

#[test]
fn a_process_that_proc_hides_can_be_waited_for() {
    let text = r#"
        sleep 1000 & pid=$!; true & gone=$!; wait $gone
        mount -o remount,hidepid=2 /proc || exit 77
        nobody wait --timeout 0.2 $pid 2>/mnt/err; echo "status $?: $(sed "s/.* s: //; s/: $pid\$/: PID/" /mnt/err)"
        nobody wait $gone 2>/mnt/err; echo "status $?: $(sed "s/$gone/GONE/" /mnt/err)"
        $as_nobody wait $pid >/mnt/out & waiter=$!
        until_it_waits $waiter; kill $pid; wait $waiter; echo "status $?: $(sed "s/^$pid/PID/" /mnt/out)"
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    if outcome.code() == 77 {
        skip!("no hidepid");
    }
    outcome.succeeds().prints(
        "status 124: 1 still running: PID\n\
         status 1: proctool wait: process GONE: gone before: there is no such process\n\
         status 0: PID: ended\n",
    );
}

/// Entered a pid namespace, but /proc is still that of the one outside: a number means two
/// processes.
#[test]
fn nothing_is_done_by_the_numbers_of_another_pid_namespace() {
    let enter = |text: &str| {
        let mut command = clean("unshare");
        command.args(["--pid", "--fork", "--kill-child", "sh", "-c", text, PROCTOOL]);
        finish(command)
    };
    if !is_root() || enter("exit 0").code() != 0 {
        skip!("cannot make a pid namespace");
    }
    for applet in ["wait", "terminate", "kill", "suspend"] {
        // What ends it is the signal of the script.
        let text = format!(
            "sleep 1000 & \"$0\" {applet} $!; echo \"status $?\"; kill -USR1 $!; kill -CONT $!; \
            wait $!; echo $?"
        );
        let outcome = enter(&text).exits(0);
        let text = outcome.text();
        assert!(
            text.starts_with("status 3\n") && text.ends_with("138\n"),
            "{applet}\n{}",
            outcome.report()
        );
        let errors = outcome.errors();
        assert!(
            errors
                .starts_with(&format!("proctool {applet}: /proc belongs to another pid namespace")),
            "{errors}"
        );
    }
}

// Interrupts.

#[test]
fn an_interrupted_wait_says_who_is_left() {
    let target = sleeper();
    let pid = pid(&target);
    for (signal, status) in
        [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        let running = interruptible(&[&pid]);
        running.signal(signal);
        let outcome = running.finish().refuses(status, "proctool wait: interrupted after ");
        outcome.says(&format!(" s: 1 still running: {pid} (sh)"));
    }
}

#[test]
fn an_interrupted_wait_ends_its_document() {
    let (ended, left) = (zombie(), sleeper());
    let [one, two] = [&ended, &left].map(pid);
    let running = interruptible(&["--json", &one, &two]);
    running.signal(Signal::INT);
    let outcome = running.finish().exits(130).says("interrupted");
    assert_outcomes(&outcome.json(), &[(&one, "ended"), (&two, "still running")]);
}

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

// Many.

/// What waits, and how often it was woken.
fn wakes(waiter: &Running) -> u64 {
    let text =
        std::fs::read_to_string(format!("/proc/{}/status", waiter.pid())).expect("its status");
    let counts = text.lines().filter_map(|line| line.split_once("_switches:"));
    counts.map(|(_, count)| count.trim().parse::<u64>().expect("a number")).sum()
}

#[test]
fn a_wait_for_many_sleeps() {
    let targets: Vec<_> = (0..100).map(|_| sleeper()).collect();
    let pids: Vec<_> = targets.iter().map(pid).collect();
    let words: Vec<_> = pids.iter().map(String::as_str).collect();
    let running = waiting(&words);
    let before = wakes(&running);
    // Some time in which whoever looks again and again would do so.
    for _ in 0..300 {
        run(&["--version"]).succeeds();
    }
    assert_eq!(wakes(&running), before);
    drop(targets);
    let outcome = running.finish().succeeds();
    assert_eq!(outcome.lines().len(), 100, "{}", outcome.report());
}

/// A script with `$load`, a process that has so many children; their pids, and the last one's, in
/// `$all` and `$last`.
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

/// Where threads may not have descriptors of their own, as in some containers, they are waited for
/// one after another.
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
