//! Signals by name and number.

use super::*;

#[test]
fn kill_kills_and_waits() {
    let program = Program::new("killed");
    let target = program.start();
    on(&target, "kill", &[]).succeeds().prints(format!(
        "{} {}: killed\n",
        target.pid(),
        program.name
    ));
    assert_eq!(state(target.pid()), 'Z');
    assert_eq!(ending(&target), "9");
    let ignoring = ignores_term();
    assert_eq!(becomes(&ignoring, "kill", &["--no-wait"], 0, "signalled")["signal"], "KILL");
    assert_eq!(ending(&ignoring), "9");
    let stopped = Program::new("stopped").start();
    stop(&stopped);
    becomes(&stopped, "kill", &[], 0, "killed");
}

#[test]
fn kill_sends_any_signal_by_name_or_number() {
    let program = Program::new("any");
    for (typed, name, number) in [
        ("HUP", "HUP", 1),
        ("SIGHUP", "HUP", 1),
        ("sighup", "HUP", 1),
        ("1", "HUP", 1),
        ("USR1", "USR1", 10),
        ("10", "USR1", 10),
        ("RTMIN+1", "RTMIN+1", 35),
        ("SIGRTMIN+1", "RTMIN+1", 35),
        ("35", "RTMIN+1", 35),
        ("RTMAX", "RTMAX", 64),
    ] {
        let target = program.start();
        let line = format!("{} {}: signalled with {name}\n", target.pid(), program.name);
        on(&target, "kill", &["--signal", typed]).succeeds().prints(line);
        assert_eq!(ending(&target), number.to_string(), "{typed}");
    }
    let target = program.start();
    becomes(&target, "kill", &["--signal", "STOP"], 0, "signalled");
    until("it stopped", || state(target.pid()) == 'T');
    becomes(&target, "kill", &["--signal", "CONT"], 0, "signalled");
    until("it goes on", || state(target.pid()) != 'T');
}

#[test]
fn signals_that_do_not_exist_are_refused() {
    let target = Program::new("unharmed").start();
    let pid = &target.pid().to_string();
    for bad in ["NOSUCH", "SIG", "65", "-1", "RTMIN+31", "", "9x"] {
        run(&["kill", "--signal", bad, pid]).refuses(2, "no such signal: kill --list names them");
    }
    run(&["kill", "--signal", "0", pid]).refuses(2, "signal 0 sends nothing");
    run(&["kill", "-9", pid]).refuses(2, "name a signal with --signal 9");
    run(&["kill", "-KILL", pid]).refuses(2, "a signal is named with kill --signal KILL");
    lives(&target);
}

#[test]
fn signals_behind_one_dash_are_told_how_they_are_written_and_nothing_is_sent() {
    let target = Program::new("unharmed").start();
    let pid = &target.pid().to_string();
    let names: Vec<String> =
        run(&["kill", "--list"]).lines().iter().map(|line| line[3..].to_owned()).collect();
    for name in names.iter().flat_map(|name| {
        [name.clone(), name.to_lowercase(), format!("SIG{name}"), format!("Sig{name}")]
    }) {
        let spelled = name.to_uppercase();
        let spelled = format!("--signal {}", spelled.strip_prefix("SIG").unwrap_or(&spelled));
        for applet in ["kill", "terminate", "suspend", "resume", "wait"] {
            run(&[applet, &format!("-{name}"), pid]).refuses(2, &spelled);
        }
        run(&["kill", pid, &format!("-{name}")]).refuses(2, &spelled);
    }
    for number in ["-1", "-15", "-64"] {
        run(&["kill", number, pid])
            .refuses(2, &format!("name a signal with --signal {}", &number[1..]));
    }
    lives(&target);
}

#[test]
fn letters_without_process_ids_are_options() {
    let program = Program::new("letters");
    let (target, name) = (program.start(), &*program.name);
    for letter in ["-n", "-o", "-q"] {
        run(&["suspend", letter, "--dry-run", "--exe", name]).exits(0);
    }
    becomes(&target, "kill", &["--quiet", "--json"], 0, "killed");
}

#[test]
fn kill_lists_the_signals() {
    let list = run(&["kill", "--list"]).succeeds();
    let lines = list.lines();
    assert_eq!(lines.len(), 62);
    for line in [" 1 HUP", " 9 KILL", "15 TERM", "34 RTMIN", "35 RTMIN+1", "64 RTMAX"] {
        assert!(lines.iter().any(|other| other == line), "no {line:?}\n{}", list.report());
    }
    for (asked, answer) in [("1", "HUP"), ("KILL", "9"), ("sigusr1", "10"), ("137", "KILL")] {
        run(&["kill", "--list", asked]).succeeds().prints(format!("{answer}\n"));
        run(&["kill", "-l", asked]).succeeds().prints(format!("{answer}\n"));
    }
    for bad in ["0", "65", "128", "193", "NOSUCH", ""] {
        run(&["kill", "-l", bad]).refuses(2, "no such signal: kill --list names them");
    }
    run(&["kill", "--list", "1", "2"]).refuses(2, "--list");
}
