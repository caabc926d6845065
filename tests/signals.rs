//! `suspend`, `resume`, `terminate` and `kill`: what they do to processes, and what they tell of
//! it.

mod dry_run;
mod kill;
mod queue;
mod reasons;
mod refusal;
mod report;
mod source;
mod suspend;
mod syslog;
mod terminate;
mod tree;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::id;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::support::command::{Outcome, PROCTOOL, clean, finish, heedful, identity, proctool, run};
use super::support::namespace;
use super::support::running::{Running, stat_fields, state, until};
use super::support::target::{Program, Target};
use crate::skip;

/// Runs an applet with options on one target.
fn on(target: &Target, applet: &str, options: &[&str]) -> Outcome {
    run(&[&[applet], options, &[&target.pid().to_string()]].concat())
}

/// Returns the only row of a report in JSON.
#[track_caller]
fn row(outcome: &Outcome) -> Value {
    let rows = outcome.json();
    let [row] = &rows.as_array().expect("finding an array")[..] else {
        panic!("expected one row\n{}", outcome.report())
    };
    row.clone()
}

/// Checks the exit status and the outcome of an applet with options on one target.
#[track_caller]
fn becomes(target: &Target, applet: &str, options: &[&str], code: i32, expected: &str) -> Value {
    let outcome = on(target, applet, &[&["--json"], options].concat()).exits(code);
    let row = row(&outcome);
    assert!(
        row["pid"] == target.pid() && row["outcome"] == expected,
        "expected {expected}\n{}",
        outcome.report()
    );
    row
}

/// Returns the pids of a report in JSON with their outcomes.
#[track_caller]
fn fates(outcome: &Outcome) -> BTreeMap<u64, String> {
    let fate = |row: &Value| Some((row["pid"].as_u64()?, row["outcome"].as_str()?.to_owned()));
    let rows = outcome.json();
    let fates: Option<_> = rows.as_array().expect("finding an array").iter().map(fate).collect();
    fates.unwrap_or_else(|| panic!("incomplete rows\n{}", outcome.report()))
}

/// Returns the fields of a stat behind the name, from the state on.
fn fields(stat: &Path) -> Vec<String> {
    let text = fs::read(stat).unwrap_or_else(|error| panic!("{}: {error}", stat.display()));
    stat_fields(&text)
}

/// Returns the state of every thread, one letter each.
fn thread_states(target: &Target) -> String {
    let threads = fs::read_dir(format!("/proc/{}/task", target.pid())).expect("listing threads");
    threads
        .map(|thread| {
            fields(&thread.expect("reading a directory entry of a thread").path().join("stat"))
                .swap_remove(0)
        })
        .collect()
}

#[track_caller]
fn lives(target: &Target) {
    let state = state(target.pid());
    assert!(!"ZX".contains(state), "it has ended");
}

/// Returns how the target exited, as wait(2) tells it. Its zombie stays.
#[track_caller]
fn ending(target: &Target) -> String {
    until("it ended", || state(target.pid()) == 'Z');
    fields(&PathBuf::from(format!("/proc/{}/stat", target.pid())))
        .pop()
        .expect("finding its exit code")
}

fn send(target: &Target, signal: Signal) {
    let pid = Pid::from_raw(target.pid() as i32).expect("converting a pid");
    kill_process(pid, signal).expect("sending a signal to a target");
}

/// Stops the target, as another user of the machine might.
fn stop(target: &Target) {
    send(target, Signal::STOP);
    until("it stopped", || thread_states(target).bytes().all(|state| state == b'T'));
}

fn ignores_term() -> Target {
    Target::script("trap '' TERM; echo ready; read line")
}

/// Starts a target that runs Python; `None` where that is not installed.
fn python(script: &str, arguments: &[&OsStr]) -> Option<Target> {
    clean("python3").arg("-V").output().ok()?;
    Some(Target::start(clean("python3").args(["-c", script]).args(arguments)))
}

/// A target that notes TERM in a file and goes on, and the file.
struct Stubborn {
    target: Target,
    directory: tempfile::TempDir,
}

impl Stubborn {
    fn start(after: &str) -> Option<Stubborn> {
        let directory = tempfile::tempdir().expect("making a temporary directory");
        let script = format!(
            "import os,signal,sys\n\
             def handle(*_):\n    open(sys.argv[1], 'w').close(); {after}\n\
             signal.signal(signal.SIGTERM, handle)\n\
             print('ready', flush=True); sys.stdin.read()\n"
        );
        let target = python(&script, &[directory.path().join("heard").as_os_str()])?;
        Some(Stubborn { target, directory })
    }

    fn has_heard(&self) -> bool {
        self.directory.path().join("heard").exists()
    }
}

/// A target that is stuck in the kernel: its child shares its memory and has not started its
/// program yet.
struct Stuck {
    target: Target,
    directory: tempfile::TempDir,
}

impl Stuck {
    fn start() -> Option<Stuck> {
        let directory = tempfile::tempdir().expect("making a temporary directory");
        let pipe = directory.path().join("pipe");
        assert!(
            clean("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()),
            "no pipe"
        );
        let script = "import os,sys\n\
                      print('ready', flush=True)\n\
                      opens = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)]\n\
                      os.posix_spawn('/bin/true', ['true'], {}, file_actions=opens)\n\
                      sys.stdin.read()\n";
        let stuck = Stuck { target: python(script, &[pipe.as_os_str()])?, directory };
        until("it is stuck", || state(stuck.target.pid()) == 'D');
        Some(stuck)
    }

    /// Lets it go on, and returns the lasting state that it comes to.
    #[track_caller]
    fn release(&self) -> char {
        drop(
            OpenOptions::new()
                .write(true)
                .open(self.directory.path().join("pipe"))
                .expect("opening a reader of the pipe"),
        );
        until("it goes on", || "ST".contains(state(self.target.pid())));
        state(self.target.pid())
    }
}

/// Starts a run in the background. Signals end it even if our parent ignores them.
fn background(words: &[&str]) -> Running {
    let mut command = heedful(PROCTOOL);
    command.args(words);
    Running::start(command)
}

/// Sends a signal as from a keyboard or a supervisor, and returns the outcome.
fn interrupt(running: Running, signal: Signal) -> Outcome {
    running.signal(signal);
    running.finish()
}

/// Functions for scripts in namespaces: they print the states of all other processes there, or wait
/// until there are this many, or this many asleep.
const OTHERS: &str = r#"
    others() {
        for process in /proc/[0-9]*; do
            case ${process#/proc/} in $$|$BASHPID) continue;; esac
            read -r line < $process/stat && line=${line##*) } && case $line in [ZX]*) ;; *) echo "${line%% *}";; esac
        done 2>/dev/null
    }
    await() { set -- $1; until count=$(others) && set -- $1 $count && [ $(($# - 1)) -ge $1 ]; do set -- $1; done; }
    await_asleep() { await $1; until states=$(others) && [ -z "${states//[S$'\n']}" ]; do :; done; }
    # It becomes 341 processes that stay, and others that come and go meanwhile.
    grow() { [ $1 = 0 ] || for i in 1 2 3 4; do grow $(($1 - 1)) & sleep 0.01; done; exec sleep 100; }
"#;

/// Runs a script in namespaces of its own, with the functions of OTHERS.
fn inside(script: &str) -> Option<Outcome> {
    Some(finish(namespace::script(&format!("{OTHERS}{script}"))?))
}

/// Runs a script in namespaces with an ordinary user `nobody` who runs the program, and a function
/// `own` that runs something else as that user.
fn inside_with_nobody(script: &str) -> Option<Outcome> {
    let own = r#"own() {
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@" &
        until read -r name < /proc/$!/comm && [ "$name" = "$1" ]; do :; done
    }"#;
    Some(finish(namespace::script_with_nobody(&format!("{own}\n{script}"))?))
}

/// Checks that the outcome has these lines and no message.
#[track_caller]
fn says(outcome: Outcome, lines: &[&str]) {
    let outcome = outcome.succeeds();
    assert!(outcome.lines() == lines, "expected {lines:#?}\n{}", outcome.report());
}
