//! `kill --queue`: signals that carry a number.

use super::*;

/// Prints the number that comes with USR1, and from whom it comes.
const RECEIVER: &str = "
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGRTMIN})
print('ready', flush=True)
found = signal.sigwaitinfo({signal.SIGUSR1, signal.SIGRTMIN})
line = f'{found.si_signo} {found.si_code} {found.si_uid} {found.si_status}\\n'
open(sys.argv[1], 'w').write(line)
sys.stdin.read()";

#[test]
fn a_number_arrives_with_the_signal() {
    if clean("python3").arg("--version").output().is_err() {
        skip!("python3 is missing");
    }
    let directory = tempfile::tempdir().expect("making a temporary directory");
    for (signal, number, value) in [("USR1", 10, "7"), ("USR1", 10, "-2147483648"), ("34", 34, "0")]
    {
        let file = directory.path().join("found");
        let mut command = clean("python3");
        let target = Target::start(command.args(["-c", RECEIVER]).arg(&file));
        let words = ["--signal", signal, "--queue", value];
        becomes(&target, "kill", &words, 0, "signalled");
        until("the signal came", || fs::read(&file).is_ok_and(|text| text.ends_with(b"\n")));
        let text = fs::read_to_string(&file).expect("reading what came");
        // SI_QUEUE is -1. The value stands where the status of a child does (siginfo_t).
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(text, format!("{number} -1 {uid} {value}\n"));
        fs::remove_file(&file).expect("removing a file");
    }
}

#[test]
fn numbers_that_cannot_arrive_are_refused() {
    let target = Program::new("unharmed").start();
    let pid = &target.pid().to_string();
    run(&["kill", "--queue", "1", pid]).refuses(2, "--signal <SIGNAL>");
    for signal in ["KILL", "STOP"] {
        run(&["kill", "--queue", "1", "--signal", signal, pid])
            .refuses(2, &format!("no process can handle {signal}"));
    }
    for bad in ["x", "", "2147483648", "1.5"] {
        run(&["kill", "--queue", bad, "--signal", "USR1", pid])
            .refuses(2, "the number is from -2147483648 to 2147483647");
    }
    run(&["terminate", "--queue", "1", pid]).refuses(2, "--queue");
    lives(&target);
}
