//! Mistakes of users: each gets one clear line, and the right status.

use super::support::command::{finish, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::Program;
use crate::skip;

#[test]
fn process_ids() {
    for (pid, why) in [
        ("x", "a process id is a number"),
        ("", "a process id is a number"),
        ("1x", "a process id is a number"),
        ("0", "process ids begin at 1"),
        ("-5", "a process id is positive"),
        ("+5", "a process id is a number without a sign"),
        ("4194304", "larger than any process id of Linux (4194303)"),
        ("99999999999999999999", "larger than any process id of Linux (4194303)"),
    ] {
        run(&["tree", pid]).refuses(2, why);
        run(&["show", pid]).refuses(2, why);
        run(&["find", "--pid", pid]).refuses(2, why);
        run(&["find", "--ns", pid]).exits(2);
        run(&["tree", "-H", pid]).exits(2);
    }
}

#[test]
fn processes_that_are_gone() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    run(&["tree", "7", &option]).refuses(1, "there is no process 7");
    run(&["show", "7", &option]).refuses(1, "there is no process 7");
    run(&["find", "--pid", "7", &option]).exits(1).prints("");
    run(&["find", "--ns", "7", &option])
        .refuses(1, "namespaces of process 7: there is no such process");
    run(&["find", "--children-of", "7", &option]).refuses(1, "there is no process 7");
    run(&["tree", "1", "7", &option]).exits(64).prints("init(1)\n").says("there is no process 7");
    run(&["show", "--fields=pid", "1", "7", &option]).exits(64).says("there is no process 7");
}

#[test]
fn names_that_do_not_exist() {
    run(&["find", "-u", "no such user"]).refuses(2, "unknown user 'no such user'");
    run(&["find", "-U", "root,nosuchuser"]).refuses(2, "unknown user 'nosuchuser'");
    run(&["tree", "--user", "nosuchuser"]).refuses(2, "unknown user 'nosuchuser'");
    run(&["find", "-G", "nosuchgroup"]).refuses(2, "unknown group 'nosuchgroup'");
    run(&["find", "--fields", "pid,nosuch"]).refuses(2, "unknown field 'nosuch'");
    run(&["show", "--fields", "", "1"]).refuses(2, "unknown field ''");
    run(&["find", "-r", "Q"]).refuses(2, "run states are letters");
    run(&["find", "-O", "soon"]).refuses(2, "a duration is a number");
}

#[test]
fn patterns() {
    run(&["find", "a("]).refuses(2, "bad regular expression 'a(': unclosed group");
    run(&["find", "*"]).refuses(2, "bad regular expression '*'");
    run(&["find", ""]).refuses(2, "the pattern is empty");
    run(&["find", "a", "b"]).refuses(2, "unexpected argument 'b'");
}

#[test]
fn empty_values_do_not_select_everything() {
    run(&["find", "--exe", ""]).refuses(2, "--exe has an empty name");
    run(&["tree", "--exe="]).refuses(2, "--exe has an empty name");
    run(&["find", "--comm", ""]).refuses(2, "--comm has an empty name");
    run(&["find", "--env", "=x"]).refuses(2, "--env wants NAME");
    run(&["find", "--children-of", ""]).refuses(2, "a process id or the name");
    run(&["find", "-F", ""]).refuses(1, "pid file ''");
}

#[test]
fn options_that_contradict() {
    run(&["find", "-n", "-o"]).refuses(2, "cannot be used with");
    run(&["find", "--json", "--jsonl"]).refuses(2, "cannot be used with");
    run(&["find", "-c", "--json"]).refuses(2, "cannot be used with");
    run(&["tree", "-A", "-U"]).refuses(2, "cannot be used with");
    run(&["show"]).refuses(2, "<PID|self>");
}

#[test]
fn a_directory_that_is_no_procfs() {
    let empty = tempfile::tempdir().expect("making a temporary directory");
    let empty = empty.path().to_str().expect("reading its name as text");
    for words in [&["tree"][..], &["find"], &["show", "1"]] {
        let with = |directory| [words, &["--proc", directory]].concat();
        run(&with(empty)).refuses(3, "is no procfs and holds no process directories");
        run(&with("/nonexistent"))
            .refuses(3, "cannot read '/nonexistent': No such file or directory");
        run(&with("/dev/null")).refuses(3, "Not a directory");
    }
    // A number is not yet a process.
    std::fs::create_dir(std::path::Path::new(empty).join("2024")).expect("making a directory");
    for no_procfs in [empty, "/proc/self", "/proc/sys", "/proc/self/task"] {
        run(&["find", "--proc", no_procfs])
            .refuses(3, "is no procfs and holds no process directories");
    }
}

#[test]
fn proc_that_is_not_mounted() {
    for words in ["tree", "find", "show 1", "show self"] {
        let script = format!("mount -t tmpfs none /proc && exec \"$P\" {words}");
        let Some(command) = namespace::script(&script) else { skip!("no private namespaces") };
        finish(command).refuses(3, "is no procfs and holds no process directories");
    }
}

#[test]
fn numbers_that_are_negative() {
    for option in ["-P", "-g", "-s", "--ns", "--children-of", "--descendants-of"] {
        run(&["find", option, "-5"]).refuses(2, "a process id is positive");
    }
    run(&["find", "-O", "-5"]).refuses(2, "a duration is a number");
}

#[test]
fn what_is_given_again_is_added_or_refused() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.process(7, 1, "seven");
    let option = fake.option();
    let both = run(&["find", "--fields", "pid", "--fields=name", "--fields", "ppid,pid", &option])
        .succeeds();
    assert_eq!(both.lines()[0].split_whitespace().collect::<Vec<_>>(), ["PID", "NAME", "PPID"]);
    let shown = run(&["show", "--fields", "pid", "--fields", "name", "7", &option]).succeeds();
    assert_eq!(shown.lines().len(), 2, "{shown:?}");
    run(&["find", "-r", "S", "-r", "R", "-c", &option]).succeeds().prints("2\n");
    run(&["find", "--pid", "1", "--pid", "7", "-c", &option]).succeeds().prints("2\n");
    run(&["find", "--color", "always", "--color=never", "-c", "-c", &option])
        .succeeds()
        .prints("2\n");
    for words in [
        &["find", "--pattern", "a", "--pattern", "b"][..],
        &["find", "--older", "1h", "--older", "2h"],
        &["find", "--children-of", "1", "--children-of", "2"],
        &["find", "--pidfile", "a", "-F", "b"],
        &["find", "--ns", "1", "--ns", "2"],
        &["find", "--delimiter", "a", "-d", "b"],
        &["tree", "--depth", "1", "--depth", "2"],
        &["tree", "-H", "1", "-H", "2"],
        &["kill", "--signal", "HUP", "--signal", "TERM", "1"],
        &["kill", "--timeout", "1", "--timeout", "2", "1"],
        &["wait", "--count", "1", "--count", "2", "1"],
        &["cron-graceful", "--timeout", "1", "--timeout", "2", "--list"],
        &["apache-mem", "--interval", "1", "--interval", "2"],
    ] {
        run(words).refuses(2, "cannot be used multiple times");
    }
    run(&["find", "--env", "A,B"]).refuses(2, "--env A --env B wants both");
    run(&["find", "--env", "A,B=c"]).refuses(2, "one variable at a time");
    run(&["find", "--env", "A=b,c", &option]).exits(1);
}

#[test]
fn durations() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    for good in ["1h30m", "500ms", "2 days", "1d 12h", "1.5s", "90", "3 weeks", "1 hour, 2 minutes"]
    {
        assert!(run(&["find", "--older", good, &option]).code() < 2, "{good}");
    }
    for bad in ["1x", "", "-1h", "1h ago", "2 months", "1 year", "inf", "1h30", "h"] {
        run(&["find", &format!("--older={bad}"), &option]).refuses(2, "a duration is a number");
    }
    let target = Program::new("unharmed").start();
    for tiny in ["1e-5000", "0.0000000000001", "1ns", "1e-300d"] {
        run(&["wait", "--timeout", tiny, &target.pid().to_string()]).exits(124);
    }
}

#[test]
fn letters_of_a_pattern_without_a_pattern() {
    for option in ["-x", "-f", "-i"] {
        run(&["find", option]).refuses(2, "PATTERN");
    }
}
