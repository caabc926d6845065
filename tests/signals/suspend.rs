//! Stopping processes and letting them run again.

use super::*;

#[test]
fn suspend_returns_when_the_target_is_stopped_and_resume_lets_it_go_on() {
    let program = Program::new("halt");
    let target = program.start();
    for _ in 0..20 {
        let line = format!("{} {}:", target.pid(), program.name);
        on(&target, "suspend", &[]).succeeds().prints(format!("{line} stopped\n"));
        assert!(
            thread_states(&target).bytes().all(|state| state == b'T'),
            "{}",
            thread_states(&target)
        );
        on(&target, "resume", &[]).succeeds().prints(format!("{line} continued\n"));
        assert!(!thread_states(&target).contains('T'), "{}", thread_states(&target));
    }
}

#[test]
fn suspend_stops_threads_that_are_busy() {
    let script = "import hashlib,sys,threading\n\
                  data = b'x' * 1000000\n\
                  def busy():\n    while True: hashlib.sha256(data)\n\
                  for _ in range(8): threading.Thread(target=busy, daemon=True).start()\n\
                  print('ready', flush=True); sys.stdin.read()\n";
    let Some(target) = python(script, &[]) else { skip!("no python3") };
    for _ in 0..10 {
        becomes(&target, "suspend", &[], 0, "signalled");
        assert_eq!(thread_states(&target), "TTTTTTTTT");
        becomes(&target, "resume", &[], 0, "signalled");
        assert!(!thread_states(&target).contains('T'));
    }
}

#[test]
fn suspend_is_content_with_one_that_somebody_else_stopped() {
    let target = Program::new("halted").start();
    stop(&target);
    assert_eq!(becomes(&target, "suspend", &[], 0, "signalled")["signal"], "STOP");
    assert_eq!(state(target.pid()), 'T');
}

#[test]
fn resume_of_one_that_runs_harms_nobody() {
    let target = Program::new("runs").start();
    becomes(&target, "resume", &[], 0, "signalled");
    lives(&target);
}

#[test]
fn a_suspend_that_is_interrupted_leaves_nobody_stopped() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let ordinary = Program::new("ordinary").start();
    let pids = [&ordinary, &stuck.target].map(|target| target.pid().to_string());
    let waiting = background(&["suspend", "--timeout", "0", &pids[0], &pids[1]]);
    until("one has stopped", || thread_states(&ordinary).bytes().all(|state| state == b'T'));
    let outcome = interrupt(waiting, Signal::INT).exits(130);
    assert!(!thread_states(&ordinary).contains('T'), "{}", outcome.report());
    outcome.errors().lines().for_each(|line| assert!(line.contains("interrupted"), "{line}"));
    assert_eq!(stuck.release(), 'S');
}

/// The process is continued again. The outcome `signalled` would mean that it is stopped.
#[test]
fn a_suspend_that_an_interrupt_undid_is_not_told_as_done() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let ordinary = Program::new("ordinary").start();
    let pids = [&ordinary, &stuck.target].map(|target| target.pid().to_string());
    for format in [&[][..], &["--json"], &[], &["--json"], &[], &["--json"]] {
        let waiting =
            background(&[&["suspend", "--timeout", "0", &pids[0], &pids[1]], format].concat());
        until("one has stopped", || thread_states(&ordinary).bytes().all(|state| state == b'T'));
        let outcome = interrupt(waiting, Signal::INT).exits(130);
        assert!(
            !outcome.text().contains("stopped") && !outcome.text().contains("signalled"),
            "{}",
            outcome.report()
        );
        outcome.says(&format!("2 not stopped: {} (", pids[0]));
    }
}

#[test]
fn what_is_stuck_in_the_kernel_is_not_stopped_in_time() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let outcome = on(&stuck.target, "suspend", &["--timeout", "0.3"]).exits(124).prints("");
    outcome.says(&format!("1 not stopped: {} (", stuck.target.pid()));
    // The time limit passed, but the signal was not taken back.
    assert_eq!(stuck.release(), 'T');
    becomes(&stuck.target, "suspend", &[], 0, "signalled");
    becomes(&stuck.target, "resume", &[], 0, "signalled");
}
