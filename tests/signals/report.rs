//! The report: its content and form, and readers that are gone.

use super::*;

#[test]
fn the_report_in_json_is_complete() {
    let program = Program::new("told");
    let (one, other) = (program.start(), program.start());
    let found = run(&["find", "--json", "--fields", "id", "--pid", &one.pid().to_string()])
        .succeeds()
        .json();
    let row = becomes(&one, "terminate", &[], 0, "ended");
    assert!(row["seconds"].as_f64().is_some_and(|seconds| seconds < 10.0), "{row}");
    let expected = json!({
        "pid": one.pid(), "id": found[0]["id"], "name": program.name, "outcome": "ended", "reason": null,
        "signal": "TERM", "seconds": row["seconds"],
    });
    assert_eq!(row, expected);
    let lines = run(&["kill", "--jsonl", &other.pid().to_string(), "4194303"]).exits(64);
    let rows: Vec<Value> = lines
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("parsing JSON"))
        .collect();
    let mut fates: Vec<_> =
        rows.iter().map(|row| (row["pid"].clone(), row["outcome"].clone())).collect();
    fates.sort_by_key(|(pid, _)| pid.as_u64());
    assert_eq!(
        fates,
        [(other.pid().into(), "killed".into()), (4_194_303.into(), "gone before".into())]
    );
}

#[test]
fn quiet_prints_nothing_but_json() {
    let target = ignores_term();
    let silent = on(&target, "terminate", &["--quiet", "--no-kill", "--timeout", "0.1"])
        .exits(124)
        .prints("");
    assert!(silent.stderr.is_empty(), "{}", silent.report());
    becomes(&target, "kill", &["--quiet"], 0, "killed");
    let silent = run(&["terminate", "--quiet", "4194303"]).exits(1).prints("");
    assert!(silent.stderr.is_empty(), "{}", silent.report());
}

#[test]
fn whoever_interrupts_terminate_is_told_who_is_left() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let program = Program::new("ends");
    let ends = program.start();
    let (left, ended) = (stubborn.target.pid(), ends.pid());
    let mut waiting =
        background(&["terminate", "--timeout", "0", &ended.to_string(), &left.to_string()]);
    // Known outcomes are written while the wait goes on.
    assert_eq!(waiting.line(), format!("{ended} {}: ended", program.name));
    until("it got TERM", || stubborn.has_heard());
    let outcome = interrupt(waiting, Signal::INT).exits(130).prints("");
    outcome.says(&format!("1 still running: {left} (")).says("proctool terminate: interrupted");
    lives(&stubborn.target);
}

#[test]
fn whoever_interrupts_terminate_gets_the_whole_report_in_json() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
        let pid = stubborn.target.pid();
        let waiting = background(&["terminate", "--timeout", "0", "--json", &pid.to_string()]);
        until("it got TERM", || stubborn.has_heard());
        let outcome = interrupt(waiting, signal).exits(128 + signal.as_raw());
        assert_eq!(fates(&outcome), [(pid.into(), "still running".to_owned())].into());
    }
}

#[test]
fn verbose_tells_every_signal() {
    let program = Program::new("told");
    let target = program.start();
    let outcome = on(&target, "terminate", &["-v"]).exits(0);
    let uid = rustix::process::getuid().as_raw();
    let fields = format!("pid={} name=\"{}\" uid={uid}", target.pid(), program.name);
    let errors = outcome.errors();
    for what in ["sent TERM", "ended"] {
        let found = errors
            .lines()
            .any(|line| line.contains("INFO") && line.ends_with(&format!("{what} {fields}")));
        assert!(found, "no {what}\n{}", outcome.report());
    }
}

#[test]
fn all_are_ended_though_nobody_reads_the_report() {
    let program = Program::new("unread");
    for format in ["--color=never", "--json", "--jsonl"] {
        let targets = [program.start(), program.start(), program.start()];
        let mut command = proctool(["terminate", format, "--exe", &program.name]);
        let (reader, writer) = std::io::pipe().expect("making a pipe");
        drop(reader);
        command.stdout(writer);
        let outcome = finish(command).exits(0);
        assert!(outcome.stderr.is_empty(), "{}", outcome.report());
        targets.iter().for_each(|target| assert_eq!(ending(target), "15"));
    }
}

#[test]
fn all_are_ended_though_the_report_cannot_be_written() {
    let program = Program::new("unwritten");
    for format in ["--color=never", "--json", "--jsonl"] {
        let targets = [program.start(), program.start(), program.start()];
        let mut command = proctool(["terminate", format, "--exe", &program.name]);
        command
            .stdout(OpenOptions::new().write(true).open("/dev/full").expect("opening /dev/full"));
        finish(command).exits(3).says("No space left on device");
        targets.iter().for_each(|target| assert_eq!(ending(target), "15"));
    }
}

#[test]
fn all_are_ended_though_standard_streams_are_closed() {
    for close in [">&-", "2>&-", "<&- >&- 2>&-"] {
        let targets = [Program::new("closed").start(), ignores_term()];
        let mut command = clean("sh");
        command.args([
            "-c",
            &format!("\"$0\" terminate -v --timeout 0.1 4194303 \"$@\" {close}"),
            PROCTOOL,
        ]);
        command.args(targets.iter().map(Target::id));
        finish(command).exits(64);
        targets.iter().for_each(|target| assert_eq!(state(target.pid()), 'Z'));
    }
}

/// Starts a target with this name.
fn called(name: &[u8]) -> Option<Target> {
    let script = "import os,signal,sys\n\
                  signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                  open('/proc/self/comm', 'wb').write(os.fsencode(sys.argv[1]))\n\
                  print('ready', flush=True); sys.stdin.read()\n";
    python(script, &[OsStr::from_bytes(name)])
}

#[test]
fn names_are_exact_in_a_pipe_and_harmless_in_messages() {
    for (name, escaped, json) in [
        (&b"caf\xe9"[..], "caf\\xe9", json!({ "bytes": "Y2Fm6Q==" })),
        (b"a\x1b[31mb", "a\\x1b[31mb", json!("a\u{1b}[31mb")),
        (b"x): ended\n1 (y", "x): ended\\n1 (y", json!("x): ended\n1 (y")),
    ] {
        let Some(target) = called(name) else { skip!("no python3") };
        let pid = target.pid();
        let shown = |outcome: &str| format!("process {pid} ({escaped}): {outcome}");
        on(&target, "suspend", &["--exe", "no-such-program"]).refuses(1, &shown("no match"));
        let late = on(&target, "terminate", &["--no-kill", "--timeout", "0.1"]);
        late.refuses(124, &format!("1 still running: {pid} ({escaped})"));
        assert_eq!(becomes(&target, "kill", &["--signal", "CONT"], 0, "signalled")["name"], json);
        on(&target, "kill", &[])
            .succeeds()
            .prints([format!("{pid} ").as_bytes(), name, b": killed\n"].concat());
    }
}

/// The names in the log are chosen by processes too.
#[test]
fn names_cannot_forge_lines_of_the_log() {
    let Some(target) = called(b"x\nforged\x1b[2J") else { skip!("no python3") };
    let outcome = on(&target, "kill", &["-v"]).exits(0);
    let errors = outcome.errors();
    assert!(
        !errors.contains('\u{1b}') && !errors.lines().any(|line| line.starts_with("forged")),
        "{}",
        outcome.report()
    );
    assert!(errors.contains("x\\nforged"), "{}", outcome.report());
}

/// A log without a reader does not hold up the run, least of all while its reader is stopped.
#[test]
fn a_log_that_is_not_read_stops_nothing() {
    let driver = "import os, signal, socket, subprocess, time\n\
                  signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n\
                  log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); log.bind('/dev/log')\n\
                  reader = os.fork()\n\
                  if reader == 0:\n\
                  \x20   for _ in range(60):\n\
                  \x20       if os.fork() == 0: time.sleep(100); os._exit(0)\n\
                  \x20   os.kill(os.getppid(), signal.SIGUSR1); time.sleep(100)\n\
                  signal.sigwait([signal.SIGUSR1])\n\
                  run = subprocess.run([os.environ['P'], 'terminate', '--quiet', '--tree', str(reader)], timeout=60)\n\
                  print(run.returncode)\n";
    let private =
        "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9 || exit 77";
    let script = format!("{private}\npython3 -c \"{driver}\"");
    let Some(command) = namespace::script(&script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    match outcome.code() {
        77 | 127 => skip!("no devices can be made, or no python3"),
        _ => outcome.exits(0).prints("0\n"),
    };
}

/// The time is over while targets are looked for, or as soon as that is done: what is told then
/// stays true.
#[test]
fn nothing_is_begun_after_the_end_was_told() {
    let program = Program::new("begun");
    for microseconds in (50..3000).step_by(50) {
        let target = program.start();
        let timeout = format!("{microseconds}us");
        let outcome = run(&["suspend", "--timeout", &timeout, &target.pid().to_string()]);
        let text = String::from_utf8_lossy(&outcome.stderr).into_owned();
        if text.contains("nothing is left stopped") {
            assert!(outcome.stdout.is_empty(), "{timeout}: {}", outcome.report());
            assert!(!thread_states(&target).contains('T'), "{timeout}: {}", outcome.report());
        }
    }
}
