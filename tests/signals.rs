//! `suspend`, `resume`, `terminate` and `kill`: what they do to processes, and what they tell of
//! it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::id;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::support::command::{Outcome, PROCTOOL, clean, finish, heedful, proctool, run};
use super::support::namespace;
use super::support::running::{Running, state, until};
use super::support::target::{Program, Target};
use crate::skip;

/// An applet with options on one target.
fn on(target: &Target, applet: &str, options: &[&str]) -> Outcome {
    run(&[&[applet], options, &[&target.pid().to_string()]].concat())
}

/// The only row of a report in JSON.
#[track_caller]
fn row(outcome: &Outcome) -> Value {
    let rows = outcome.json();
    let [row] = &rows.as_array().expect("an array")[..] else {
        panic!("expected one row\n{}", outcome.report())
    };
    row.clone()
}

/// An applet with options does this with one target: a status and an outcome.
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

/// The pids of a report in JSON with their outcomes.
#[track_caller]
fn fates(outcome: &Outcome) -> BTreeMap<u64, String> {
    let fate = |row: &Value| Some((row["pid"].as_u64()?, row["outcome"].as_str()?.to_owned()));
    let rows = outcome.json();
    let fates: Option<_> = rows.as_array().expect("an array").iter().map(fate).collect();
    fates.unwrap_or_else(|| panic!("incomplete rows\n{}", outcome.report()))
}

/// The last fields of a stat, from the state on.
fn fields(stat: &Path) -> Vec<String> {
    let stat = fs::read(stat).unwrap_or_else(|error| panic!("{}: {error}", stat.display()));
    let end = stat.iter().rposition(|&byte| byte == b')').expect("a name") + 1;
    String::from_utf8_lossy(&stat[end..]).split_whitespace().map(str::to_owned).collect()
}

/// A state for every thread.
fn thread_states(target: &Target) -> String {
    let threads = fs::read_dir(format!("/proc/{}/task", target.pid())).expect("threads");
    threads
        .map(|thread| fields(&thread.expect("a thread").path().join("stat")).swap_remove(0))
        .collect()
}

#[track_caller]
fn lives(target: &Target) {
    let state = state(target.pid());
    assert!(!"ZX".contains(state), "it has ended");
}

/// How it ended, as wait(2) tells it; its zombie stays.
#[track_caller]
fn ending(target: &Target) -> String {
    until("it ended", || state(target.pid()) == 'Z');
    fields(&PathBuf::from(format!("/proc/{}/stat", target.pid()))).pop().expect("its exit code")
}

fn send(target: &Target, signal: Signal) {
    let pid = Pid::from_raw(target.pid() as i32).expect("a pid");
    kill_process(pid, signal).expect("a signal for a target of ours");
}

/// Stop it for somebody else to find.
fn stop(target: &Target) {
    send(target, Signal::STOP);
    until("it stopped", || thread_states(target).bytes().all(|state| state == b'T'));
}

fn ignores_term() -> Target {
    Target::script("trap '' TERM; echo ready; read line")
}

/// A target that runs Python, which must be there.
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
        let directory = tempfile::tempdir().expect("a directory");
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
        let directory = tempfile::tempdir().expect("a directory");
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

    /// Let it go on; the state that it comes to, which lasts.
    #[track_caller]
    fn release(&self) -> char {
        drop(
            OpenOptions::new()
                .write(true)
                .open(self.directory.path().join("pipe"))
                .expect("a reader of the pipe"),
        );
        until("it goes on", || "ST".contains(state(self.target.pid())));
        state(self.target.pid())
    }
}

/// A run that goes on meanwhile. Being interrupted ends it, even if whoever started us ignores
/// that.
fn background(words: &[&str]) -> Running {
    let mut command = heedful(PROCTOOL);
    command.args(words);
    Running::start(command)
}

/// End it as from the keyboard or by a supervisor.
fn interrupt(running: Running, signal: Signal) -> Outcome {
    running.signal(signal);
    running.finish()
}

/// For scripts in namespaces: the states of all others there, and waiting until they are so many,
/// or so many that sleep.
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

/// A script in namespaces of its own, with the functions above.
fn inside(script: &str) -> Option<Outcome> {
    Some(finish(namespace::script(&format!("{OTHERS}{script}"))?))
}

/// Likewise, with an ordinary user `nobody` who runs the program, and a function `own` that runs
/// something else as it.
fn inside_with_nobody(script: &str) -> Option<Outcome> {
    let own = r#"own() {
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@" &
        until read -r name < /proc/$!/comm && [ "$name" = "$1" ]; do :; done
    }"#;
    Some(finish(namespace::script_with_nobody(&format!("{own}\n{script}"))?))
}

/// It printed these lines and no message.
#[track_caller]
fn says(outcome: Outcome, lines: &[&str]) {
    let outcome = outcome.succeeds();
    assert!(outcome.lines() == lines, "expected {lines:#?}\n{}", outcome.report());
}

#[test]
fn suspend_returns_when_the_target_is_stopped_and_resume_lets_it_go_on() {
    let program = Program::new("halt");
    let target = program.start();
    for _ in 0..20 {
        let line = format!("{} {}: signalled with", target.pid(), program.name);
        on(&target, "suspend", &[]).succeeds().prints(format!("{line} STOP\n"));
        assert!(
            thread_states(&target).bytes().all(|state| state == b'T'),
            "{}",
            thread_states(&target)
        );
        on(&target, "resume", &[]).succeeds().prints(format!("{line} CONT\n"));
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
fn terminate_ends_an_ordinary_target() {
    let program = Program::new("ends");
    let target = program.start();
    on(&target, "terminate", &[]).succeeds().prints(format!(
        "{} {}: ended\n",
        target.pid(),
        program.name
    ));
    assert_eq!(ending(&target), "15");
}

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
    let rows: Vec<Value> =
        lines.lines().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
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
fn a_target_that_ignores_term_is_killed_when_the_time_is_over() {
    let target = ignores_term();
    let outcome = on(&target, "terminate", &["--timeout", "0.3"]).exits(0);
    assert!(outcome.text() == format!("{} sh: killed\n", target.pid()), "{}", outcome.report());
    assert_eq!(ending(&target), "9");
}

#[test]
fn a_target_that_ignores_term_is_left_alone_if_it_is_not_to_be_killed() {
    let target = ignores_term();
    let outcome =
        on(&target, "terminate", &["--timeout", "0.3", "--no-kill"]).exits(124).prints("");
    outcome.says(&format!("1 still running: {} (sh)", target.pid()));
    lives(&target);
    assert_eq!(
        becomes(
            &target,
            "terminate",
            &["--timeout", "0.1", "--no-kill"],
            124,
            "timed \
        out"
        )["signal"],
        "TERM"
    );
    lives(&target);
}

#[test]
fn terminate_does_not_wait_if_it_is_not_to() {
    let Some(slow) = Stubborn::start("") else { skip!("no python3") };
    let line = format!("{} python3: signalled with TERM\n", slow.target.pid());
    on(&slow.target, "terminate", &["--no-wait"]).succeeds().prints(line);
    until("it got TERM", || slow.has_heard());
    lives(&slow.target);
    run(&["terminate", "--no-wait", "--no-kill", "1"]).refuses(2, "cannot be used with");
}

/// It would not get to TERM before it is continued, and KILL would come only after 10 seconds.
#[test]
fn a_stopped_target_is_continued_to_heed_term() {
    let Some(stopped) = Stubborn::start("os._exit(3)") else { skip!("no python3") };
    stop(&stopped.target);
    let begin = Instant::now();
    assert_eq!(becomes(&stopped.target, "terminate", &[], 0, "ended")["signal"], "TERM");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(stopped.has_heard());
    assert_eq!(ending(&stopped.target), (3 << 8).to_string());
}

#[test]
fn a_zombie_has_ended() {
    let mut zombie = Program::new("dead").start();
    zombie.become_zombie();
    becomes(&zombie, "terminate", &[], 0, "ended");
    becomes(&zombie, "terminate", &["--tree", "--no-wait"], 0, "ended");
    becomes(&zombie, "kill", &[], 0, "ended");
    for applet in ["suspend", "resume"] {
        becomes(&zombie, applet, &[], 1, "ended");
        let message = format!("proctool {applet}: process {} (", zombie.pid());
        let outcome = on(&zombie, applet, &[]);
        assert!(
            outcome.errors().contains("ended: it takes no signal any more"),
            "{}",
            outcome.report()
        );
        outcome.refuses(1, &message);
    }
}

#[test]
fn terminate_with_its_tree_lets_nobody_escape_who_forks_meanwhile() {
    let script = r#"
        for round in 1 2 3; do
            (grow 4) & family=$!
            disown
            await 5
            "$P" terminate --tree --quiet $family
            echo "status $? left $(others)"
        done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["status 0 left "; 3]);
}

#[test]
fn kill_with_its_tree_lets_nobody_escape_who_forks_meanwhile() {
    let script = r#"
        for round in 1 2 3; do
            (grow 4) & family=$!
            disown
            await 5
            "$P" kill --tree --quiet $family
            echo "status $? left $(others)"
        done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["status 0 left "; 3]);
}

#[test]
fn suspend_with_its_tree_stops_all_and_resume_lets_them_go_on() {
    let script = r#"
        (grow 4) & family=$!
        disown
        await 5
        # Those that end meanwhile cannot be stopped: what counts is that nobody goes on.
        "$P" suspend --tree --quiet $family
        case $? in 0|64) ;; *) echo 'suspend failed';; esac
        stopped=$(others)
        echo "others than T ${stopped//[T$'\n']}"
        again=$(others)
        [ ${#again} = ${#stopped} ] || echo 'some are new'
        "$P" resume --tree --quiet $family
        case $? in 0|64) ;; *) echo 'resume failed';; esac
        going=$(others)
        echo "T ${going//[!T]}"
        await 341
        "$P" kill --tree --quiet $family
        echo "status $? left $(others)""#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["others than T ", "T ", "status 0 left "]);
}

#[test]
fn those_that_a_target_starts_because_of_term_are_killed_with_it() {
    let script = r#"
        mount -t tmpfs none /mnt
        start() { for i in 1 2 3; do (trap "" TERM; exec sleep 100) & done; }
        (trap start TERM; : > /mnt/ready; while :; do sleep 0.02; done) &
        disown
        until [ -e /mnt/ready ]; do :; done
        "$P" terminate --tree --timeout 2 --json $! > /mnt/told
        echo "status $? left $(others)"
        grep -o '"name":"sleep","outcome":"killed"' /mnt/told | sort | uniq -c | grep -o '[0-9]*' | head -n 1"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let lines = outcome.lines();
    assert!(lines[0] == "status 0 left ", "{}", outcome.report());
    assert!(
        lines.get(1).is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count >= 3)),
        "{}",
        outcome.report()
    );
}

#[test]
fn a_child_with_a_session_of_its_own_is_in_the_tree() {
    let script = r#"
        bash -c 'setsid sleep 100 & setsid bash -c "sleep 100 & wait" & wait' & family=$!
        sleep 100 & spared=$!
        await_asleep 5
        "$P" terminate --tree --quiet $family
        echo "status $? left $(others)"
        kill -0 $spared && echo spared"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["status 0 left S", "spared"]);
}

#[test]
fn a_tree_that_was_stopped_before_is_ended_with_term() {
    let script = r#"
        bash -c 'sleep 100 & sleep 100 & wait' & family=$!
        await 3
        "$P" suspend --quiet --tree $family
        "$P" terminate --tree --jsonl $family | grep -c '"outcome":"ended"'
        echo "left $(others)""#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["3", "left "]);
}

/// Nobody asked for it in particular, and there is nothing that could be done with it.
#[test]
fn a_zombie_in_a_tree_is_no_failure() {
    let script = r#"
        # The child ends when nobody can wait for it any more.
        bash -c '(until read -r name < /proc/$$/comm && [ "$name" = sleep ]; do :; done) & exec sleep 100' & family=$!
        disown
        await 1
        until "$P" find --children-of $family --runstates Z -q; do :; done
        for words in 'suspend' 'resume' 'kill --signal WINCH' 'terminate --no-wait --dry-run' 'kill'; do
            "$P" $words --tree --quiet $family
            echo "$words: $?"
        done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let words =
        ["suspend", "resume", "kill --signal WINCH", "terminate --no-wait --dry-run", "kill"];
    says(outcome, &words.map(|words| format!("{words}: 0")).each_ref().map(|line| &**line));
}

/// From inside of its namespace, the first process cannot be stopped.
#[test]
fn a_tree_below_the_first_process_is_not_waited_for_until_that_stops() {
    let script = r#"
        trap 'handled=1' USR1
        sleep 100 &
        disown
        "$P" kill --tree --force --signal USR1 --quiet 1
        echo "status $? handled ${handled:-0}"
        until [ -z "$(others)" ]; do :; done"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    // Nobody knows whom it starts meanwhile.
    says(outcome, &["status 64 handled 1"]);
}

/// It never stays stopped, and the time is over some time.
#[test]
fn a_tree_that_somebody_keeps_continuing_is_ended_in_time() {
    let script = r#"
        mount -t tmpfs none /mnt
        sleep 100 & family=$!
        (: > /mnt/ready; while kill -CONT $family; do :; done) 2>/dev/null &
        until [ -e /mnt/ready ]; do :; done
        "$P" terminate --tree --timeout 1 --quiet $family
        echo "status $?"
        kill -0 $family 2>/dev/null && echo 'it lives'
        true"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    // 0 where the other one was too slow to matter.
    let lines = outcome.exits(0).lines();
    assert!(lines == ["status 64"] || lines == ["status 0"], "{lines:?}");
}

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
fn no_number_is_a_target_by_mistake() {
    let target = Program::new("unharmed").start();
    let other = Program::new("neither").start();
    let (pid, other_pid) = (&*target.pid().to_string(), &*other.pid().to_string());
    for (words, why) in [
        (&["-n", other_pid, pid][..], "-n beside process ids"),
        (&["-q", other_pid, "--signal", "USR1", pid], "-q beside process ids"),
        (&["-q", pid], "--quiet is written in full"),
        (&["-o", pid], "-o beside process ids"),
        (&["-s", "1", pid], "-s beside process ids"),
        (&["-qn", pid], "-n beside process ids"),
        (&["--exe", "neither", pid, "-n"], "-n beside process ids"),
        (&["--", "-1234"], "a process group with --pgroup 1234"),
        (&["-0", pid], "signal 0 sends nothing"),
    ] {
        for applet in ["kill", "terminate", "suspend", "resume"] {
            run(&[&[applet], words].concat()).refuses(2, why);
        }
    }
    lives(&target);
    lives(&other);
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
    run(&["kill", "--list", "1"]).refuses(2, "--list");
}

#[test]
fn processes_of_others_are_not_permitted() {
    let script = r#"
        # In another session: CONT is permitted to everybody in the same one.
        setsid sleep 100 & root=$!
        own sleep 100; own=$!
        for applet in suspend resume terminate kill; do
            nobody $applet --json $root | grep -o '"outcome":"[a-z ]*"'
            echo "status ${PIPESTATUS[0]}"
        done
        for applet in suspend terminate kill; do
            nobody $applet --dry-run --json $root | grep -o '"outcome":"[a-z ]*"'
            echo "status ${PIPESTATUS[0]}"
        done
        nobody terminate $root 2>&1 | sed "s/$root/ROOT/"
        nobody terminate --json $root $own | grep -o '"outcome":"[a-z ]*"' | sort
        echo "status ${PIPESTATUS[0]}"
        read -r line < /proc/$root/stat; line=${line##*) }; echo "state ${line%% *}""#;
    let Some(outcome) = inside_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let refused = ["\"outcome\":\"not permitted\"", "status 1"];
    let message = "proctool terminate: process ROOT (sleep): not permitted: it belongs to root: \
    try as root or as that user";
    let mixed =
        [message, "\"outcome\":\"ended\"", "\"outcome\":\"not permitted\"", "status 64", "state S"];
    says(outcome, &[&refused.repeat(7)[..], &mixed].concat());
}

#[test]
fn threads_of_the_kernel_are_refused_whatever_is_allowed() {
    const KERNEL_THREAD: u64 = 0x20_0000;
    let path = Path::new("/proc/2/stat");
    let flags = if path.exists() { fields(path)[6].parse().unwrap_or(0) } else { 0 };
    if flags & KERNEL_THREAD == 0 {
        skip!("process 2 is no thread of the kernel here");
    }
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in [&[][..], &["--force"], &["--tree", "--force"]] {
            let words = [&[applet, "2"], options].concat();
            run(&words).refuses(1, "process 2 (kthreadd): refused: it is a thread of the kernel");
        }
    }
}

#[test]
fn numbers_of_nobody_are_told_from_what_is_no_number() {
    for applet in ["suspend", "resume", "terminate", "kill"] {
        run(&[applet, "4194303"])
            .refuses(1, "process 4194303: gone before: there is no such process");
        for bad in ["4194304", "0", "-1", "x", "12:", "12:x", ":5", "99999999999999999999", ""] {
            run(&[applet, bad]).refuses(2, &format!("proctool {applet}: "));
        }
    }
    run(&["terminate", "x"]).refuses(2, "--exe x");
}

#[test]
fn nobody_is_signalled_when_one_word_is_wrong() {
    let target = Program::new("unharmed").start();
    on(&target, "kill", &["x"]).refuses(2, "'x'");
    on(&target, "kill", &["--exe", ""]).exits(2).prints("");
    lives(&target);
}

#[test]
fn one_process_that_is_named_twice_is_one_target() {
    let target = Program::new("twice").start();
    let pid = &target.pid().to_string();
    let outcome = run(&["terminate", "--json", pid, pid]).succeeds();
    assert_eq!(fates(&outcome), BTreeMap::from([(u64::from(target.pid()), "ended".to_owned())]));
    row(&outcome);
}

#[test]
fn one_process_that_is_named_by_number_and_by_identity_is_one_target() {
    let target = Program::new("twice").start();
    let Some(id) = identity(&target) else { skip!("this kernel gives processes no ids") };
    let outcome = run(&["terminate", "--json", &target.pid().to_string(), &id]).succeeds();
    assert_eq!(row(&outcome)["outcome"], "ended");
}

#[test]
fn our_own_ancestors_are_refused() {
    let own = id().to_string();
    for applet in ["suspend", "resume", "terminate", "kill"] {
        run(&[applet, &own]).refuses(1, "refused: this command runs below it: --force allows it");
        run(&[applet, "--tree", &own]).refuses(1, "refused: this command runs below it");
    }
    run(&["terminate", "1"]).refuses(1, "refused: it is the first process");
}

#[test]
fn the_first_process_and_ancestors_are_refused_unless_forced() {
    let script = r#"
        "$P" terminate 1 2>&1
        echo "status $?"
        bash -c 'parent=$$ bash -c "\"\$P\" terminate \$parent \$\$; echo \"status \$?\""; :' 2>&1 |
            sed 's/process [0-9]*/process N/'
        bash -c 'trap "echo handled; exit 5" TERM; "$P" terminate --force --no-wait --quiet $$; :'
        echo "status $?""#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let first =
        "(bash): refused: it is the first process, and all others depend on it: --force allows it";
    let ancestor = "proctool terminate: process N (bash): refused: this command runs below it: \
    --force allows it";
    let lines = [
        &format!("proctool terminate: process 1 {first}"),
        "status 1",
        ancestor,
        ancestor,
        "status 1",
        "handled",
        "status 5",
    ];
    says(outcome, &lines);
}

#[test]
fn this_very_command_is_refused_unless_forced() {
    let itself = |words: &str| {
        let mut command = clean("sh");
        command.args(["-c", &format!("exec \"$0\" {words} $$"), PROCTOOL]);
        finish(command)
    };
    for applet in ["suspend", "resume", "terminate", "kill"] {
        itself(applet).refuses(1, "refused: it is this very command: --force allows it");
    }
    itself("kill --force").exits(128 + 9);
    itself("terminate --force").exits(128 + 15);
}

/// `PID:INODE`, where the kernel tells it.
fn identity(target: &Target) -> Option<String> {
    let found = run(&["find", "--pid", &target.pid().to_string(), "--fields", "id", "--json"])
        .succeeds()
        .json();
    Some(found[0]["id"].as_str()?.to_owned())
}

#[test]
fn an_identity_never_means_a_later_process_of_that_number() {
    let target = Program::new("later").start();
    let Some(right) = identity(&target) else { skip!("this kernel gives processes no ids") };
    let (pid, inode) = right.split_once(':').expect("a colon");
    let wrong = format!("{pid}:{}", inode.parse::<u64>().expect("an inode") - 1);
    // What was to end has ended; what was to stop has not.
    for (applet, code) in [("terminate", 0), ("kill", 0), ("suspend", 1), ("resume", 1)] {
        let outcome = run(&[applet, "--json", &wrong]).exits(code);
        assert_eq!(row(&outcome)["outcome"], "gone before", "{}", outcome.report());
    }
    run(&["suspend", &wrong]).refuses(1, &format!("process {pid}: gone before: it has ended"));
    assert!(!thread_states(&target).contains('T'));
    lives(&target);
    let outcome = run(&["terminate", "--json", &right]).succeeds();
    assert_eq!((&row(&outcome)["outcome"], &row(&outcome)["id"]), (&"ended".into(), &right.into()));
}

#[test]
fn conditions_hold_for_process_ids_too() {
    let (program, other) = (Program::new("meant"), Program::new("other"));
    let target = program.start();
    let conditions = [
        &["--exe", &*other.name][..],
        &["--pattern", "nosuch"],
        &["--exe", &program.name, "--runstates", "Z"],
    ];
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in conditions {
            becomes(&target, applet, options, 1, "no match");
        }
    }
    on(&target, "terminate", &["--exe", &other.name])
        .refuses(1, "no match: it does not meet the conditions");
    lives(&target);
    let stranger = other.start();
    let both = [&*target.pid().to_string(), &stranger.pid().to_string(), "--exe", &program.name];
    let outcome = run(&[&["terminate", "--json"][..], &both].concat()).exits(64);
    let expected = [(target.pid(), "ended"), (stranger.pid(), "no match")];
    assert_eq!(fates(&outcome), expected.map(|(pid, fate)| (pid.into(), fate.to_owned())).into());
    lives(&stranger);
}

#[test]
fn without_process_ids_and_conditions_nobody_is_meant() {
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in [&[][..], &["--tree"], &["--force"], &["--dry-run"], &["--newest"]] {
            run(&[&[applet], options].concat()).refuses(2, "no process is named");
        }
        // Nor is everybody, nor everybody but those.
        for operands in [&[][..], &["1"]] {
            run(&[&[applet, "--inverse"], operands].concat())
                .refuses(2, "--inverse says what not to take");
        }
    }
}

#[test]
fn conditions_that_nobody_meets_are_told() {
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in [&["--exe", "no-such-program"][..], &["--pattern", "^no-such-program$"]] {
            let words = [&[applet], options].concat();
            run(&words).refuses(1, &format!("proctool {applet}: no process matches"));
            let json = run(&[&words[..], &["--json"]].concat()).exits(1);
            assert_eq!(json.json(), json!([]));
        }
    }
}

#[test]
fn only_the_newest_or_the_oldest_is_ended() {
    let program = Program::new("aged");
    let mut targets = [program.start(), program.start(), program.start()];
    for option in ["--newest", "--oldest"] {
        let found = run(&["find", option, "--exe", &program.name]).succeeds().pids();
        let outcome = run(&["terminate", option, "--exe", &program.name]).succeeds();
        assert!(
            outcome.text() == format!("{} {}: ended\n", found[0], program.name),
            "{}",
            outcome.report()
        );
        let at = targets.iter().position(|target| target.pid() == found[0]).expect("one of them");
        targets[at] = Program::new("replaced").start();
    }
    let left = run(&["find", "--exe", &program.name]).succeeds().pids();
    assert!(left.len() == 1 && targets.iter().any(|target| target.pid() == left[0]), "{left:?}");
}

#[test]
fn a_dry_run_lists_what_find_finds() {
    let program = Program::new("listed");
    let targets = [program.start(), program.start(), program.start()];
    stop(&targets[0]);
    let (own, name, prefix) =
        (id().to_string(), &*program.name, &program.name[..program.name.len() - 1]);
    for options in [
        &["--exe", name][..],
        &["--pattern", name, "-x"],
        &["--pattern", prefix, "--exe", name],
        &["--pattern", &format!("/{name} --exact"), "-f"],
        &["--pattern", &name.to_uppercase(), "-i", "-x"],
        &["--children-of", &own, "--exe", name],
        &["--descendants-of", &own, "--pattern", name],
        &["--parent", &own, "--exe", name],
        &["--exe-path", program.path().to_str().expect("text")],
        &["--exe", name, "--newest"],
        &["--exe", name, "--oldest"],
        &["--exe", name, "--runstates", "T"],
        &["--pid", &targets[1].pid().to_string(), "--exe", name],
    ] {
        let mut found = run(&[&["find"], options].concat()).succeeds().pids();
        found.sort_unstable();
        for applet in ["suspend", "resume", "terminate", "kill"] {
            let outcome = run(&[&[applet, "--dry-run", "--json"], options].concat()).succeeds();
            let expected = found.iter().map(|&pid| (pid.into(), "spared".to_owned())).collect();
            assert!(fates(&outcome) == expected, "expected {expected:?}\n{}", outcome.report());
        }
    }
    targets.iter().for_each(lives);
}

#[test]
fn a_dry_run_inverts_conditions_as_find_does() {
    let script = r#"
        mount -t tmpfs none /mnt
        mkfifo /mnt/pipe
        sleep 100 & other=$!
        cat <> /mnt/pipe & spared=$!
        for process in "$other sleep" "$spared cat"; do
            until read -r name < /proc/${process% *}/comm && [ "$name" = ${process#* } ]; do :; done
        done
        "$P" find --inverse --exe sleep > /mnt/found
        "$P" kill --dry-run --inverse --exe sleep > /mnt/spared 2> /mnt/refused
        grep -vx 1 /mnt/found
        grep -o '^[0-9]*' /mnt/spared
        echo $spared
        grep -c 'process 1 (bash): refused' /mnt/refused"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let lines = outcome.lines();
    assert!(
        lines.len() == 4 && lines[..3].iter().all(|line| *line == lines[2]) && lines[3] == "1",
        "{}",
        outcome.report()
    );
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_not() {
    let program = Program::new("would");
    let target = program.start();
    for (words, would) in [
        ("terminate", "would get TERM, CONT if it is stopped, KILL after 10 s"),
        ("terminate --timeout 1.5s", "would get TERM, CONT if it is stopped, KILL after 1.5 s"),
        ("terminate --no-kill", "would get TERM, CONT if it is stopped"),
        ("kill", "would get KILL"),
        ("kill --signal HUP", "would get HUP"),
        ("suspend", "would get STOP"),
        ("resume", "would get CONT"),
        ("terminate --tree --timeout 0", "would get TERM, CONT if it is stopped"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let line = format!("{} {}: {would}\n", target.pid(), program.name);
        on(&target, words[0], &[&words[1..], &["--dry-run"]].concat()).succeeds().prints(line);
        assert!(!thread_states(&target).contains('T'));
        lives(&target);
    }
    let row = becomes(&target, "kill", &["--dry-run"], 0, "spared");
    assert_eq!(row["signal"], Value::Null);
    run(&["terminate", "--dry-run", &id().to_string()]).refuses(1, "refused");
}

#[test]
fn a_dry_run_lists_the_tree() {
    let script = r#"
        bash -c 'sleep 100 & sleep 100 & wait' & family=$!
        sleep 100 &
        await_asleep 4
        "$P" terminate --tree --dry-run --json $family | grep -o '"outcome":"spared"' | grep -c .
        states=$(others)
        echo $states"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["3", "S S S S"]);
}

#[test]
fn one_that_somebody_else_kills_meanwhile_has_ended() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let waiting =
        background(&["terminate", "--timeout", "0", "--json", &stubborn.target.pid().to_string()]);
    until("it got TERM", || stubborn.has_heard());
    send(&stubborn.target, Signal::KILL);
    let outcome = waiting.finish().succeeds();
    assert_eq!(row(&outcome)["outcome"], "ended", "{}", outcome.report());
}

#[test]
fn whoever_interrupts_terminate_is_told_who_is_left() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let program = Program::new("ends");
    let ends = program.start();
    let (left, ended) = (stubborn.target.pid(), ends.pid());
    let mut waiting =
        background(&["terminate", "--timeout", "0", &ended.to_string(), &left.to_string()]);
    // What is known is told while the wait goes on.
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

/// As nohup and a shell without job control leave it to those that they start.
#[test]
fn a_signal_that_was_ignored_from_the_beginning_ends_no_wait() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let pid = stubborn.target.pid().to_string();
    let mut command = clean("env");
    command.args([
        "--ignore-signal=INT,HUP",
        PROCTOOL,
        "terminate",
        "--timeout",
        "0",
        "--json",
        &pid,
    ]);
    let waiting = Running::start(command);
    until("it got TERM", || stubborn.has_heard());
    waiting.signal(Signal::INT);
    waiting.signal(Signal::HUP);
    send(&stubborn.target, Signal::KILL);
    assert_eq!(row(&waiting.finish().succeeds())["outcome"], "ended");
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

/// It is continued again, and signalled would mean stopped after suspend.
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
        assert!(!outcome.text().contains("signalled"), "{}", outcome.report());
        outcome.says(&format!("2 not stopped: {} (", pids[0]));
    }
}

#[test]
fn a_suspend_with_its_tree_that_is_interrupted_leaves_nobody_stopped() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let pid = stuck.target.pid().to_string();
    let [child] = run(&["find", "--children-of", &pid]).succeeds().pids()[..] else {
        panic!("it has one child")
    };
    let waiting = background(&["suspend", "--tree", "--timeout", "0", &pid]);
    until("its child has stopped", || state(child) == 'T');
    interrupt(waiting, Signal::INT).exits(130);
    until("its child goes on", || state(child) == 'S');
    assert_eq!(stuck.release(), 'S');
}

#[test]
fn what_is_stuck_in_the_kernel_is_not_stopped_in_time() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let outcome = on(&stuck.target, "suspend", &["--timeout", "0.3"]).exits(124).prints("");
    outcome.says(&format!("1 not stopped: {} (", stuck.target.pid()));
    // The time was over, but nobody took the order back.
    assert_eq!(stuck.release(), 'T');
    becomes(&stuck.target, "suspend", &[], 0, "signalled");
    becomes(&stuck.target, "resume", &[], 0, "signalled");
}

#[test]
fn what_is_stuck_in_the_kernel_does_not_keep_its_tree_waiting() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let outcome =
        on(&stuck.target, "terminate", &["--tree", "--timeout", "3", "--json"]).succeeds();
    // TERM is blocked while a program is being started, in both of them.
    let fates = fates(&outcome);
    assert!(
        fates.len() == 2 && fates.contains_key(&stuck.target.pid().into()),
        "{}",
        outcome.report()
    );
    assert!(fates.values().all(|fate| fate == "killed"), "{}", outcome.report());
}

/// Runs the program where /dev is private, with a listener at /dev/log if `listens`, and tells who
/// said what; behind each line of words, `PID` is a process of its own that sleeps.
fn with_syslog(listens: bool, words: &[&str]) -> Option<Outcome> {
    let private = "mount -t tmpfs none /mnt && mkdir /mnt/dev && touch /mnt/dev/null && \
                   mount --bind /dev/null /mnt/dev/null && mount --rbind /mnt/dev /dev || exit 77";
    let driver = format!(
        "import os,socket,subprocess,sys\n\
         listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         if {}: listener.bind('/dev/log')\n\
         listener.setblocking(False)\n\
         for words in sys.argv[1:]:\n\
         \x20   target = subprocess.Popen(['sleep', '100'])\n\
         \x20   while open(f'/proc/{{target.pid}}/stat').read().split()[1:3] != ['(sleep)', 'S']: pass\n\
         \x20   words = [word.replace('PID', str(target.pid)) for word in words.split()]\n\
         \x20   run = subprocess.run([os.environ['P']] + words, capture_output=True, text=True)\n\
         \x20   told = (run.stdout + run.stderr).replace(str(target.pid), 'PID').strip()\n\
         \x20   print('run', run.returncode, told, sep='|')\n\
         \x20   while True:\n\
         \x20       try: print('log', listener.recv(9999).decode().replace(str(target.pid), 'PID'), sep='|')\n\
         \x20       except BlockingIOError: break\n\
         \x20   target.kill(); target.wait()\n",
        if listens { "True" } else { "False" }
    );
    let words: String = words.iter().map(|words| format!(" '{words}'")).collect();
    let outcome =
        inside(&format!("{private}\npython3 -c \"$DRIVER\"{words}").replace("$DRIVER", &driver))?;
    (outcome.code() != 77 && outcome.code() != 127).then_some(outcome)
}

/// What each message to syslog says, and to which name; without priority, time, and the number of
/// who sent it.
#[track_caller]
fn logged(outcome: &Outcome) -> Vec<(String, String)> {
    let mut logged = Vec::new();
    for line in outcome.lines().iter().filter_map(|line| line.strip_prefix("log|")) {
        let parts =
            line.split_once("]: ").and_then(|(head, text)| Some((head.rsplit_once('[')?, text)));
        let ((head, number), text) = parts.unwrap_or_else(|| panic!("no such head: {line:?}"));
        assert!(head.starts_with('<') && number.parse::<u32>().is_ok(), "{line:?}");
        let name = head.rsplit([' ', '>']).next().expect("a name");
        logged.push((name.to_owned(), text.trim_end_matches(['\n', '\0']).to_owned()));
    }
    logged
}

#[test]
fn syslog_is_told_what_is_done() {
    let words =
        ["terminate PID", "kill --quiet --signal CONT PID", "suspend PID", "resume --json PID"];
    let Some(outcome) = with_syslog(true, &words) else {
        skip!("no private namespaces, or no python3")
    };
    let logged = logged(&outcome.exits(0));
    let fields = "pid=PID name=\"sleep\" uid=0";
    let expected = [
        ("terminate", "sent TERM"),
        ("terminate", "ended"),
        ("kill", "sent CONT"),
        ("kill", "signalled"),
        ("suspend", "sent STOP"),
        ("suspend", "signalled"),
        ("resume", "sent CONT"),
        ("resume", "signalled"),
    ];
    let expected =
        expected.map(|(applet, what)| (format!("proctool-{applet}"), format!("{what} {fields}")));
    assert_eq!(logged, expected);
}

#[test]
fn syslog_is_not_told_what_is_not_done() {
    let words = ["wait --timeout 0.1 PID", "terminate --dry-run PID", "find --pid PID"];
    let Some(outcome) = with_syslog(true, &words) else {
        skip!("no private namespaces, or no python3")
    };
    let outcome = outcome.exits(0);
    assert_eq!(logged(&outcome), []);
    assert!(
        outcome.text().contains("run|124|") && outcome.text().contains("would get TERM"),
        "{}",
        outcome.report()
    );
}

#[test]
fn no_syslog_is_needed() {
    let Some(outcome) =
        with_syslog(false, &["terminate PID", "suspend PID", "kill --signal HUP PID"])
    else {
        skip!("no private namespaces, or no python3")
    };
    let lines =
        ["PID sleep: ended", "PID sleep: signalled with STOP", "PID sleep: signalled with HUP"];
    says(outcome, &lines.map(|line| format!("run|0|{line}")).each_ref().map(|line| &**line));
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
        let (reader, writer) = std::io::pipe().expect("a pipe");
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
        command.stdout(OpenOptions::new().write(true).open("/dev/full").expect("/dev/full"));
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

/// A target that calls itself this.
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

/// All files of the program, without their own tests.
fn sources(directory: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            self::sources(&path, sources);
        } else if path.extension() == Some(OsStr::new("rs")) {
            let text = fs::read_to_string(&path).expect("a source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            sources.push((path, code.to_owned()));
        }
    }
}

/// The files whose code, without comments, has one of these in it, below src/.
fn files_with(words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 40, "only {} files", all.len());
    let has = |code: &str| {
        let mut lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.any(|line| words.iter().any(|word| line.replace("unsafe_code", "").contains(word)))
    };
    let found = all.iter().filter(|(_, code)| has(code));
    found
        .map(|(path, _)| {
            path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned()
        })
        .collect()
}

#[test]
fn no_signal_is_ever_sent_to_a_number() {
    assert_eq!(files_with(&["pidfd_send_signal"]), ["control/reference.rs"]);
    let by_number = [
        "kill_process",
        "kill_current_process_group",
        "signal::kill",
        "signal::{kill",
        "libc::kill",
        "killpg",
        "tgkill",
        "tkill",
        "sigqueue",
        "new(\"pkill",
    ];
    assert_eq!(files_with(&by_number), [""; 0]);
}

#[test]
fn one_file_only_is_unsafe() {
    assert_eq!(files_with(&["unsafe"]), ["control/kernel.rs"]);
}

/// A process that nobody may examine is not the beginning of a tree.
#[test]
fn nobody_below_a_process_that_cannot_be_judged_is_touched() {
    let script = "setpriv --reuid 65534 --regid 65534 --clear-groups sleep 100 & CHILD=$!\n\
                  until grep -q 65534 /proc/$CHILD/status; do :; done\n\
                  nobody terminate --tree --env NOSUCH=1 $$; echo $?; kill -0 $CHILD && echo lives";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    finish(command).exits(0).prints("1\nlives\n");
}

/// A log that nobody reads is no reason to wait, least of all while its reader is stopped.
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

/// What is above us may be hidden, and what is above that is still ours.
#[test]
fn an_ancestor_above_a_hidden_one_is_refused() {
    let script = "mount -o remount,hidepid=2 /proc || exit 77\n\
                  cp /usr/bin/setpriv /mnt/raise; chmod 4755 /mnt/raise\n\
                  AS_NOBODY='setpriv --reuid 65534 --regid 65534 --clear-groups'\n\
                  printf '#!/bin/sh\\n/mnt/hidden $$; :\\n' >/mnt/top\n\
                  printf '#!/bin/sh\\n/mnt/raise --reuid 0 /mnt/root $1; :\\n' >/mnt/hidden\n\
                  printf '#!/bin/sh\\n%s /mnt/proctool terminate $1; echo $?\\n' \"$AS_NOBODY\" >/mnt/root\n\
                  chmod 755 /mnt/top /mnt/hidden /mnt/root; $AS_NOBODY /mnt/top; exit $?";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("no hidepid");
    }
    outcome.exits(0).prints("1\n").says("(top): refused: this command runs below it");
}

/// Conditions come first, then which of those that meet them is the newest.
#[test]
fn the_newest_is_taken_of_those_that_match() {
    let (wanted, other) = (Program::new("wanted"), Program::new("other"));
    let (first, last) = (wanted.start(), other.start());
    let (first_pid, last_pid) = (first.pid().to_string(), last.pid().to_string());
    let outcome =
        run(&["kill", "--json", "--newest", "--exe", &wanted.name, &first_pid, &last_pid]).exits(0);
    assert_eq!(fates(&outcome), [(first.pid().into(), "killed".to_owned())].into());
    lives(&last);
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
