//! The report of a wait, and its time.

use super::*;
use crate::support::terminal::on_terminal;

#[test]
fn a_timeout_says_who_is_left() {
    let (ended, left) = (zombie(), sleeper());
    let (one, two) = (pid(&ended), pid(&left));
    let begin = Instant::now();
    let outcome = wait(&["--timeout", "0.3", &one, &two]);
    assert!(begin.elapsed() >= Duration::from_millis(300), "{}", outcome.report());
    let outcome = outcome.exits(124).prints(format!("{one} sh: ended{}\n", unreaped()));
    outcome
        .says("proctool wait: timed out after 0.3")
        .says(&format!(": 1 still running: {two} (sh)"));
    let outcome = wait(&["--timeout", "0.2", "--json", &one, &two]).exits(124).says("timed out");
    assert_outcomes(&outcome.json(), &[(&one, "ended"), (&two, "timed out")]);
    let quiet = wait(&["--quiet", "--timeout", "0.2", &one, &two]).exits(124).prints("");
    assert!(quiet.stderr.is_empty(), "{}", quiet.report());
}

#[test]
fn lines_arrive_while_others_still_run() {
    let (first, second) = (sleeper(), sleeper());
    let [one, two] = [&first, &second].map(pid);
    let (mut text, mut lines) = (waiting(&[&one, &two]), waiting(&["--jsonl", &one, &two]));
    drop(first);
    assert_eq!(text.line(), format!("{one} sh: ended"));
    let object: Value = serde_json::from_str(&lines.line()).expect("parsing an object");
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
    assert_eq!(running.line(), format!("{} sh: ended{}", ended.pid(), unreaped()));
}

#[test]
fn json_tells_everything_of_each() {
    let target = zombie();
    let pid = pid(&target);
    let plain = wait(&["--json", &pid]).succeeds().json();
    let mut entry = plain[0].as_object().expect("finding an object").clone();
    let names: Vec<_> = entry.keys().cloned().collect();
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(
        entry.remove("seconds").is_some_and(|seconds| seconds.as_f64().is_some_and(|it| it >= 0.0))
    );
    let id = entry.remove("id").expect("finding an id");
    assert!(
        kernel() < (6, 9) || id.as_str().is_some_and(|id| id.starts_with(&format!("{pid}:"))),
        "{id}"
    );
    let expected = json!({"pid": target.pid(), "name": "sh", "outcome": "ended", "reason": &unreaped()[2..], "signal": null});
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

/// On a terminal, a line that is redrawn shows the remaining processes and the time.
#[test]
fn on_a_terminal_it_is_shown_who_is_waited_for() {
    let target = sleeper();
    let line = format!("{PROCTOOL} wait --timeout 3 {}", target.pid());
    let [program, arguments @ ..] = on_terminal(&line);
    let mut command = clean(program);
    command.env("TERM", "xterm").args(arguments);
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
