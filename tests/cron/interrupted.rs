//! Interruptions in every phase: cron runs again afterwards, whatever happened to cron-graceful.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::super::support::cron::{CronBox, Run, job, soon};
use super::super::support::running::Running;
use super::{FAST, let_pass};
use crate::cron_box;

/// Signals that end a run from outside, with its exit status.
const SIGNALS: [(&str, i32); 4] = [("INT", 130), ("TERM", 143), ("HUP", 129), ("KILL", 137)];

/// Brings a run into a phase and sends it each of the signals there: the same cron runs on every
/// time.
#[track_caller]
fn continues_cron(place: &CronBox, daemon: u32, mut phase: impl FnMut() -> Run) {
    for (signal, code) in SIGNALS {
        let run = phase();
        assert_eq!(place.state(daemon), 'T', "cron is not paused");
        place.kill(signal, run.pid);
        let outcome = run.finish();
        assert_eq!(outcome.code(), code, "SIG{signal}\n{}", outcome.report());
        place.still_runs(daemon);
    }
}

/// Returns a script that notes that it has begun, and hangs. It closes our output, because that is
/// read to its end.
fn hanging(name: &str) -> String {
    format!("#!/bin/sh\necho $$ >/mnt/{name}.began\nexec sleep 1000 >/dev/null 2>&1\n")
}

/// Removes the note that something has begun.
fn forget(place: &CronBox, name: &str) {
    let _ = std::fs::remove_file(place.path(&format!("{name}.began")));
}

#[test]
fn interrupted_while_the_additions_hang_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program("cron-graceful-additions", &hanging("additions"));
    continues_cron(&place, daemon, || {
        forget(&place, "additions");
        let run = place.begin_and_pause(&[], daemon);
        place.began("additions");
        run
    });
}

#[test]
fn interrupted_while_jobs_are_waited_for_cron_runs_on() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    continues_cron(&place, daemon, || {
        let mut run = place.begin(&["--jsonl"]);
        run.event("job");
        run
    });
    assert!(place.is_alive(script), "the job was hurt");
}

#[test]
fn interrupted_while_the_command_runs_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program("maintain", &hanging("command"));
    continues_cron(&place, daemon, || {
        forget(&place, "command");
        let run = place.begin_and_pause(&["--", "maintain"], daemon);
        place.began("command");
        run
    });
}

#[test]
fn interrupted_it_does_not_leave_the_command_running_beside_cron() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program("maintain", &hanging("command"));
    for signal in ["INT", "TERM", "HUP"] {
        forget(&place, "command");
        let run = place.begin_and_pause(&["--", "maintain"], daemon);
        let command = place.began("command");
        place.kill(signal, run.pid);
        let outcome = run.finish();
        assert!(
            !place.is_alive(command),
            "SIG{signal}: the command still runs\n{}",
            outcome.report()
        );
        place.still_runs(daemon);
    }
}

#[test]
fn interrupted_as_the_command_starts_it_does_not_leave_it_running() {
    let place = cron_box!(CronBox::needing(&["strace"]));
    let daemon = place.cron();
    place.program("maintain", &hanging("command").replace("exec", "kill -TERM $PPID\nexec"));
    // Its reaction to signals is delayed, so that the command always reacts first.
    let delayed =
        ["strace", "-qq", "-o", "/dev/null", "-e", "inject=rt_sigprocmask:delay_enter=100000"];
    let outcome = place.graceful_by(&delayed, &["--", "maintain"]).exits(143);
    assert!(
        !place.is_alive(place.began("command")),
        "the command still runs\n{}",
        outcome.report()
    );
    place.still_runs(daemon);
}

#[test]
fn interrupted_it_does_not_leave_the_additions_running() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program("cron-graceful-additions", &hanging("additions"));
    for signal in ["INT", "TERM", "HUP"] {
        forget(&place, "additions");
        let run = place.begin_and_pause(&[], daemon);
        let additions = place.began("additions");
        place.kill(signal, run.pid);
        let outcome = run.finish();
        assert!(
            !place.is_alive(additions),
            "SIG{signal}: the additions still run\n{}",
            outcome.report()
        );
        place.still_runs(daemon);
    }
}

#[test]
fn a_signal_to_its_whole_process_group_leaves_cron_running() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    for (signal, code) in SIGNALS {
        // As on a terminal, it leads the process group of all that it starts.
        let mut run = place.begin_by(&["setsid"], &["--jsonl"]);
        run.event("job");
        assert_eq!(place.state(daemon), 'T');
        place.kill(signal, -i64::from(run.pid));
        let outcome = run.finish();
        assert_eq!(outcome.code(), code, "SIG{signal}\n{}", outcome.report());
        place.still_runs(daemon);
    }
}

#[test]
fn interrupted_from_the_terminal_the_command_cleans_up_before_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    let script = "#!/bin/sh
        clean() { sleep 0.3; sed -n 's/^State:.//p' /proc/$(cat /run/crond.pid)/status >/mnt/cleaned; exit 3; }
        trap clean INT
        echo $$ >/mnt/command.began
        while :; do sleep 0.1; done\n";
    place.program("maintain", script);
    let run = place.begin_by(&["setsid"], &["--", "maintain"]);
    place.await_pause(&run, daemon);
    place.began("command");
    place.kill("INT", -i64::from(run.pid));
    // The reaction of the command to the key is its own affair.
    let outcome = run.finish().exits(3);
    assert!(
        place.read("cleaned").starts_with('T'),
        "cron: {:?}\n{}",
        place.read("cleaned"),
        outcome.report()
    );
    place.still_runs(daemon);
}

/// Starts a run on a terminal of its own with keys from a pipe, and waits until it has paused cron.
#[track_caller]
fn begun_on_terminal(place: &CronBox, daemon: u32) -> Running {
    place.shell("mkfifo /mnt/keys");
    let script =
        "echo $$ >/mnt/terminal.began; exec script -qec cron-graceful /dev/null <>/mnt/keys";
    let terminal = Running::start(place.inside(&["sh", "-c", script]));
    soon("a paused daemon", || place.state(daemon) == 'T');
    terminal
}

#[test]
fn control_c_on_a_terminal_leaves_cron_running() {
    let place = cron_box!(CronBox::needing(&["script"]));
    let (daemon, script) = place.cron_with_job();
    let terminal = begun_on_terminal(&place, daemon);
    let mut keys =
        OpenOptions::new().write(true).open(place.path("keys")).expect("opening the keys");
    keys.write_all(b"\x03").expect("writing a key");
    terminal.finish().exits(130);
    place.still_runs(daemon);
    assert!(place.is_alive(script), "the job was hurt");
}

#[test]
fn a_terminal_that_is_closed_leaves_cron_running() {
    let place = cron_box!(CronBox::needing(&["script"]));
    let (daemon, script) = place.cron_with_job();
    let terminal = begun_on_terminal(&place, daemon);
    place.kill("KILL", place.began("terminal"));
    terminal.finish().exits(137);
    place.still_runs(daemon);
    assert!(place.is_alive(script), "the job was hurt");
}

/// Runs cron-graceful on a terminal, stops the output of that while the additions run, and
/// terminates it.
const STOPPED_TERMINAL: &str = r"
import os, pty, select, signal, termios
pid, master = pty.fork()
if pid == 0:
    termios.tcsetwinsize(2, (24, 80))
    os.execvpe('cron-graceful', ['cron-graceful'], os.environ | {'TERM': 'xterm'})
shown = b''
# Between two pictures: within one, it would be held up after all.
while b'waiting for' not in shown or select.select([master], [], [], 0.1)[0]:
    shown += os.read(master, 4096)
slave = os.open(os.readlink(f'/proc/{pid}/fd/2'), os.O_RDWR | os.O_NOCTTY)
termios.tcflow(slave, termios.TCOOFF)
# What was on its way, and the time that some more pictures would have taken.
while select.select([master], [], [], 0.6)[0]:
    os.read(master, 4096)
os.kill(pid, signal.SIGTERM)
additions = int(open('/mnt/additions.began').read())
while os.path.exists(f'/proc/{additions}'):
    if os.waitpid(pid, os.WNOHANG)[0]:
        raise SystemExit('it has ended, and the additions run on')
termios.tcflow(slave, termios.TCOON)
os.close(slave)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_terminal_that_takes_nothing_more_does_not_keep_the_additions_running() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    let daemon = place.cron();
    place.program("cron-graceful-additions", &hanging("additions"));
    place.program("terminal.py", STOPPED_TERMINAL);
    place.exec("python3 /mnt/bin/terminal.py").succeeds().prints("143\n");
    place.still_runs(daemon);
}

#[test]
fn killed_with_its_group_while_the_command_runs_cron_runs_on() {
    let place = cron_box!();
    let daemon = place.cron();
    place.program("maintain", &hanging("command"));
    let run = place.begin_by(&["setsid"], &["--", "maintain"]);
    place.await_pause(&run, daemon);
    place.began("command");
    place.kill("KILL", -i64::from(run.pid));
    run.finish().exits(137);
    place.still_runs(daemon);
}

#[test]
fn interrupted_at_any_moment_cron_runs_on() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    for step in 0..24 {
        let (signal, code) = SIGNALS[step % SIGNALS.len()];
        let run = place.begin(&[]);
        let_pass(Instant::now(), Duration::from_millis(2 * step as u64));
        place.kill(signal, run.pid);
        let outcome = run.finish();
        assert_eq!(outcome.code(), code, "SIG{signal} after step {step}\n{}", outcome.report());
        place.still_runs(daemon);
    }
    assert!(place.is_alive(script), "the job was hurt");
}

#[test]
fn interrupted_at_any_moment_cron_is_either_stopped_or_runs() {
    let place = cron_box!();
    let mut wrong = Vec::new();
    for step in 0..32 {
        let daemon = place.cron();
        let (signal, code) = SIGNALS[step % SIGNALS.len()];
        let run = place.begin(&[]);
        let_pass(Instant::now(), Duration::from_millis(4 * step as u64));
        // The run may have ended by itself.
        place.exec(&format!("kill -{signal} {}", run.pid));
        let outcome = run.finish();
        place.settles();
        let is_right = match outcome.code() {
            0 => !place.is_alive(daemon),
            137 => place.state(daemon) != 'T',
            other => {
                other == code && (place.goes_on(daemon) || !outcome.errors().contains("runs on"))
            }
        };
        if !is_right {
            let cron = place.seen(daemon);
            wrong.push(format!(
                "SIG{signal} at step {step}, cron is {cron:?}\n{}",
                outcome.report()
            ));
        }
        place.exec(&format!("kill -KILL {daemon}"));
        soon("the end of cron", || !place.is_alive(daemon));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn interrupted_when_the_daemon_is_about_to_end_it_does_not_say_that_it_runs_on() {
    let place = cron_box!();
    let slow = "#!/usr/bin/perl
        $SIG{TERM} = sub { open my $file, '>', '/mnt/term'; close $file; select undef, undef, undef, 0.7; exit };
        sleep 1 while 1;\n";
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        place.program("slowcron", slow);
        let daemon = place
            .shell("setsid slowcron </dev/null >/dev/null 2>&1 & echo $!")
            .parse()
            .expect("parsing a process id");
        soon("a slow cron", || place.name(daemon) == "slowcron" && place.state(daemon) == 'S');
        let run = place.begin(&["--daemon", "slowcron"]);
        soon("a daemon that is told to end", || place.has("term"));
        place.kill(signal, run.pid);
        let outcome = run.finish();
        soon("the end of the daemon", || !place.is_alive(daemon));
        assert!([0, code].contains(&outcome.code()), "{}", outcome.report());
        assert!(!outcome.errors().contains("runs on"), "it does not\n{}", outcome.report());
        std::fs::remove_file(place.path("term")).expect("removing the trace of TERM");
    }
}

#[test]
fn the_next_jobs_start_after_an_interrupted_run() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    place.raw_crontab(&format!(
        "MAILTO=\"\"\n@reboot root {}\n* * * * * root echo >>/mnt/due\n",
        job("a")
    ));
    let daemon = place.cron_by(FAST);
    place.began("a");
    let size = || std::fs::read_to_string(place.path("due")).unwrap_or_default().len();
    soon("a job every minute", || size() > 0);
    for signal in ["TERM", "KILL"] {
        let mut run = place.begin(&["--jsonl"]);
        run.event("job");
        let so_far = size();
        place.kill(signal, run.pid);
        run.finish();
        soon("another job", || size() > so_far);
    }
    place.still_runs(daemon);
}

#[test]
fn a_job_that_is_waited_for_survives_the_interruption() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let mut run = place.begin(&["--jsonl"]);
    run.event("job");
    place.kill("TERM", run.pid);
    run.finish().exits(143);
    place.release("a");
    soon("the end of the job", || place.ended("a"));
    place.still_runs(daemon);
}

#[test]
fn the_result_of_an_interrupted_run_says_so() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&["--json"], daemon);
    place.kill("TERM", run.pid);
    let outcome = run.finish().exits(143);
    assert_eq!(outcome.json()["outcome"], "interrupted", "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn an_interrupted_run_says_that_cron_catches_up() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let run = place.begin_and_pause(&[], daemon);
    place.kill("INT", run.pid);
    let outcome = run.finish().exits(130);
    assert!(outcome.errors().starts_with("cron-graceful: "), "{}", outcome.report());
    place.still_runs(daemon);
}

/// Makes a named pipe that is full, and has no other reader as long as this is held.
fn full_pipe(place: &CronBox, name: &str) -> File {
    place.shell(&format!("mkfifo /mnt/{name}"));
    let flags = OFlags::NONBLOCK.bits() as i32;
    let mut pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(place.path(name))
        .expect("opening a file");
    // First by the page, then to the last byte.
    for size in [4096, 1] {
        while pipe.write(&vec![b'x'; size]).is_ok() {}
    }
    pipe
}

#[track_caller]
fn is_interrupted_at_a_full_pipe(words: &[&str]) {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let pipe = full_pipe(&place, "full");
    let run = place.begin_by(&["sh", "-c", "exec \"$@\" >/mnt/full", "sh"], words);
    place.await_pause(&run, daemon);
    place.kill("TERM", run.pid);
    run.finish().exits(143);
    place.still_runs(daemon);
    assert!(place.is_alive(script), "the job was hurt");
    drop(pipe);
}

#[test]
fn interrupted_at_a_full_pipe_that_nobody_reads_cron_runs_on() {
    is_interrupted_at_a_full_pipe(&[]);
}

#[test]
fn interrupted_at_a_full_pipe_of_events_that_nobody_reads_cron_runs_on() {
    is_interrupted_at_a_full_pipe(&["--jsonl"]);
}
