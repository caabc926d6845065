//! Why a target still runs, or ended only by KILL.

use super::*;
use crate::support::place::missing;

/// Returns a target that ignores nothing and blocks TERM, in all its threads or only in the first one.
fn blocks_term(in_all: bool) -> Option<Target> {
    let script = format!(
        "import signal,sys,threading\n\
         def rest(): threading.Event().wait()\n\
         block = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n\
         if {}: block()\n\
         threading.Thread(target=rest, daemon=True).start()\n\
         block()\n\
         print('ready', flush=True); sys.stdin.read()\n",
        if in_all { "True" } else { "False" }
    );
    python(&script, &[])
}

/// Checks the reason in a report of JSON and in the message about those that are left.
#[track_caller]
fn is_left_because(target: &Target, words: &[&str], reason: &str) {
    let row = becomes(target, words[0], &words[1..], 124, "timed out");
    assert_eq!(row["reason"], reason, "{row}");
    let outcome = on(target, words[0], &words[1..]).exits(124).prints("");
    outcome.says(&format!(": {reason}"));
}

const NO_KILL: [&str; 4] = ["terminate", "--no-kill", "--timeout", "0.1"];

#[test]
fn one_that_ignores_or_blocks_term_is_told_so() {
    is_left_because(&ignores_term(), &NO_KILL, "it ignores TERM");
    let Some(target) = blocks_term(true) else { skip!("no python3") };
    is_left_because(&target, &NO_KILL, "it blocks TERM");
    let row = becomes(&target, "terminate", &["--timeout", "0.1"], 0, "killed");
    assert_eq!((&row["reason"], &row["signal"]), (&json!("it blocks TERM"), &json!("KILL")));
    let row = becomes(&ignores_term(), "terminate", &["--timeout", "0.1"], 0, "killed");
    assert_eq!(row["reason"], "it ignores TERM");
}

#[test]
fn a_thread_that_takes_term_is_enough() {
    let Some(target) = blocks_term(false) else { skip!("no python3") };
    assert_eq!(becomes(&target, "terminate", &[], 0, "ended")["reason"], Value::Null);
}

#[test]
fn one_that_handles_term_or_only_runs_has_no_reason() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let row = becomes(&stubborn.target, NO_KILL[0], &NO_KILL[1..], 124, "timed out");
    assert_eq!(row["reason"], Value::Null);
    let row = becomes(&ignores_term(), "wait", &["--timeout", "0.1"], 124, "timed out");
    assert_eq!(row["reason"], Value::Null);
}

#[test]
fn a_stopped_one_is_told_to_be_stopped() {
    let target = Program::new("stopped").start();
    stop(&target);
    is_left_because(&target, &["wait", "--timeout", "0.1"], "it is stopped");
    // It would have ended by KILL.
    let row = becomes(&target, "kill", &["--dry-run"], 0, "spared");
    assert_eq!(row["reason"], Value::Null);
}

#[test]
fn one_that_sleeps_in_the_kernel_is_told_where() {
    let Some(stuck) = Stuck::start() else { skip!("no python3") };
    let wchan = String::from_utf8(stuck.target.proc("wchan")).expect("reading a name as text");
    let place = if wchan == "0" { String::new() } else { format!(" ({wchan})") };
    let reason = format!("it is in uninterruptible sleep{place}");
    is_left_because(&stuck.target, &["wait", "--timeout", "0.1"], &reason);
    is_left_because(&stuck.target, &["suspend", "--timeout", "0.1"], &reason);
    let _ = stuck.release();
    becomes(&stuck.target, "resume", &[], 0, "signalled");
}

#[test]
fn one_that_is_traced_is_told_by_whom() {
    if missing(&["strace"]).is_err() {
        skip!("no strace");
    }
    let target = Target::start(
        clean("strace")
            .args(["-qq", "-o", "/dev/null", "-e", "trace=none", "sh", "-c"])
            .arg("trap '' HUP; echo ready; read line"),
    );
    let child = run(&["find", "--children-of", &target.pid().to_string()]).succeeds().pids()[0];
    let reason = format!("{} (strace) traces it", target.pid());
    let wait = run(&["wait", "--json", "--timeout", "0.1", &child.to_string()]).exits(124);
    assert_eq!(row(&wait)["reason"], reason.as_str());
    let dry = run(&["kill", "--dry-run", &child.to_string()]).succeeds();
    assert_eq!(dry.text(), format!("{child} sh: would get KILL: {reason}\n"));
}

#[test]
fn a_zombie_is_told_by_who_does_not_reap_it() {
    // A zombie with one thread: the others of a program may end a moment after the first one.
    let mut zombie = ignores_term();
    zombie.become_zombie();
    let name = fs::read_to_string("/proc/self/comm").expect("reading our own name");
    let reason = format!("it is a zombie that {} ({}) does not reap", id(), name.trim_end());
    for (applet, outcome) in [("wait", "ended"), ("terminate", "ended"), ("kill", "ended")] {
        assert_eq!(becomes(&zombie, applet, &[], 0, outcome)["reason"], reason.as_str());
        let row = becomes(&zombie, applet, &["--dry-run"], 0, "spared");
        assert_eq!(row["reason"], reason.as_str());
    }
}

#[test]
fn a_rehearsal_says_before_what_keeps_a_process() {
    let target = ignores_term();
    let line = |would: &str| format!("{} sh: would get {would}\n", target.pid());
    on(&target, "terminate", &["--dry-run"])
        .succeeds()
        .prints(line("TERM, CONT if it is stopped, KILL after 10 s: it ignores TERM"));
    on(&target, "kill", &["--dry-run", "--signal", "TERM"])
        .succeeds()
        .prints(line("TERM: it ignores TERM"));
    on(&target, "kill", &["--dry-run", "--signal", "HUP"]).succeeds().prints(line("HUP"));
    on(&target, "kill", &["--dry-run"]).succeeds().prints(line("KILL"));
    lives(&target);
}

#[test]
fn several_that_are_left_have_a_reason_each() {
    let targets = [ignores_term(), ignores_term()];
    let pids = [&targets[0], &targets[1]].map(|target| target.pid().to_string());
    let words = [&NO_KILL[..], &[&pids[0], &pids[1]]].concat();
    let outcome = run(&words).exits(124);
    let mut told = pids.map(|pid| format!("{pid} (sh): it ignores TERM"));
    told.sort();
    let errors = outcome.errors();
    assert!(errors.contains("2 still running: ") && errors.contains("TERM; "), "{errors}");
    assert!(told.iter().all(|told| errors.contains(told)), "{errors}");
}

/// The kernel gives the first process of a pid namespace no signal that it has no handler for.
#[test]
fn the_first_process_of_a_pid_namespace_needs_a_handler() {
    let script = r#"
        unshare --pid --fork --kill-child sh -c 'sleep 1000; :' & above=$!
        children() { cat /proc/$1/task/$1/children 2>/dev/null; }
        until first=$(children $above) && [ -n "$first" ] && [ -n "$(children ${first% })" ]; do :; done
        "$P" terminate --json --timeout 0.1 ${first% }"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let outcome = outcome.exits(0);
    let row = row(&outcome);
    assert_eq!(row["outcome"], "killed", "{row}");
    let reason = "it is the first process of its pid namespace and has no handler for TERM";
    assert_eq!(row["reason"], reason, "{row}");
}

/// A control group that is gone when dropped, with all that was in it thawed and killed.
struct Group(PathBuf);

impl Group {
    fn new(hierarchy: &str) -> Option<Group> {
        let path = PathBuf::from(format!("{hierarchy}/proctool-test-{}", id()));
        fs::create_dir(&path).ok()?;
        Some(Group(path))
    }

    fn write(&self, file: &str, text: &str) -> bool {
        fs::write(self.0.join(file), text).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (file, text) in [("cgroup.freeze", "0"), ("freezer.state", "THAWED")] {
            if self.0.join(file).exists() {
                self.write(file, text);
            }
        }
        until("an empty control group", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn one_in_a_frozen_control_group_is_told_so() {
    let mut tried = 0;
    for (hierarchies, file, value, done) in [
        (&["/sys/fs/cgroup", "/sys/fs/cgroup/unified"][..], "cgroup.freeze", "1", "cgroup.events"),
        (&["/sys/fs/cgroup/freezer"], "freezer.state", "FROZEN", "freezer.state"),
    ] {
        let exists = |hierarchy: &&&str| Path::new(hierarchy).join("cgroup.procs").exists();
        let Some(hierarchy) = hierarchies.iter().find(exists) else { continue };
        let Some(group) = Group::new(hierarchy) else { continue };
        let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
        let target = stubborn.target;
        let pid = target.pid().to_string();
        if !group.0.join(file).exists()
            || !group.write("cgroup.procs", &pid)
            || !group.write(file, value)
        {
            drop(target);
            continue;
        }
        until("a frozen control group", || {
            let text = fs::read_to_string(group.0.join(done)).unwrap_or_default();
            text.contains("frozen 1") || text.contains("FROZEN")
        });
        is_left_because(&target, &NO_KILL, "its control group is frozen");
        is_left_because(&target, &["wait", "--timeout", "0.1"], "its control group is frozen");
        if file == "freezer.state" {
            // Not even KILL ends it.
            is_left_because(&target, &["kill", "--timeout", "0.1"], "its control group is frozen");
            assert!(group.write(file, "THAWED"));
        } else {
            assert_eq!(becomes(&target, "kill", &[], 0, "killed")["reason"], Value::Null);
        }
        drop(target);
        tried += 1;
    }
    if tried == 0 {
        skip!("no control groups can be made and frozen");
    }
}
