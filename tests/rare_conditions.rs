//! Rare conditions that are easily mistaken for others: paths that the kernel cannot tell, an
//! incomplete procfs, input without an end.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::OFlags;

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use super::support::namespace::{self, is_root};
use super::support::target::{Program, Target};
use crate::skip;

/// Directories in each other, below this one, with a path that can just be used.
fn deep(directory: &Path) -> PathBuf {
    let deepest = (0..18).fold(directory.to_owned(), |path, _| path.join("d".repeat(200)));
    fs::create_dir_all(&deepest).expect("making directories");
    deepest
}

/// Move the directory of a program to where its path is longer than the kernel can tell (PATH_MAX
/// is 4096).
fn move_far_away(program: &Program, directory: &Path) {
    let near = directory.join("near");
    let program = program.path();
    fs::rename(program.parent().expect("finding its directory"), deep(&near).join("program"))
        .expect("renaming it");
    fs::rename(near, deep(directory).join("far")).expect("renaming it twice");
}

/// Any user can start such a process, which must not spoil the answers about others.
#[test]
fn paths_that_are_too_long_for_the_kernel_are_unavailable_and_end_no_run() {
    let program = Program::new("far");
    let target = program.start_with(|command| {
        command.current_dir(program.path().parent().expect("finding its directory"));
    });
    let directory = tempfile::tempdir().expect("making a temporary directory");
    move_far_away(&program, directory.path());
    let pid = &target.pid().to_string();
    let link = fs::read_link(format!("/proc/{pid}/exe"));
    assert!(
        link.as_ref().is_err_and(|error| error.raw_os_error() == Some(36)),
        "the path is not too long: {link:?}"
    );
    run(&["tree", "--depth", "0", pid]).succeeds().prints(format!("{}({pid})\n", program.name));
    // Its executable is named by the next best, the name that the kernel keeps.
    run(&["find", "--pid", pid, "--exe", &program.name]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "--pid", pid, "--exe-path", "/nosuch"]).exits(1).prints("");
    run(&["find", "--pid", pid, "--json"]).succeeds();
    run(&["find", "--children-of", &format!("no{}", program.name)]).refuses(1, "no process runs");
    let shown = run(&["show", "--json", "--fields", "exe,exe_path,cwd", pid]).succeeds().json();
    assert_eq!(shown, serde_json::json!([{ "exe": null, "exe_path": null, "cwd": null }]));
    let text = run(&["show", pid]).succeeds();
    assert!(
        text.lines().iter().any(|line| line.starts_with("  cwd            - (")),
        "{}",
        text.report()
    );
}

/// Runs the applets as an ordinary user in a pid namespace whose /proc shows that other processes
/// exist, but nothing of them.
fn noaccess(words: &str) -> Option<Outcome> {
    let script =
        format!("mount -o remount,hidepid=noaccess /proc || exit 77; nobody {words}; exit $?");
    let outcome = finish(namespace::script_with_nobody(&script)?);
    (outcome.code() != 77).then_some(outcome)
}

#[test]
fn a_process_that_shows_nothing_has_not_ended() {
    if !is_root() {
        skip!("not root: cannot mount a restricted /proc");
    }
    for words in ["show --json --fields pid,id,comm 1", "find --json --fields pid,id,comm --pid 1"]
    {
        let Some(outcome) = noaccess(words) else { skip!("no private namespaces, or no hidepid") };
        let shown = outcome.succeeds().json();
        assert_eq!(
            (&shown[0]["pid"], &shown[0]["comm"]),
            (&1.into(), &serde_json::Value::Null),
            "{words}"
        );
    }
}

#[test]
fn the_newest_of_those_that_hide_their_start_is_not_silently_nobody() {
    if !is_root() {
        skip!("not root: cannot mount a restricted /proc");
    }
    for option in ["--newest", "--oldest"] {
        let Some(outcome) = noaccess(&format!("find {option}")) else {
            skip!("no private namespaces, or no hidepid")
        };
        outcome.refuses(1, "permission denied");
    }
}

/// A procfs mounted with subset=pid looks like this.
#[test]
fn an_age_that_nobody_knows_is_not_silently_too_young() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for words in [&["find", "--older", "0"][..], &["find", "--older", "0", "--inverse"]] {
        let mut command = proctool(words);
        command.arg(fake.option());
        let outcome = finish(command);
        assert!(outcome.code() != 0 && outcome.stdout.is_empty(), "{}", outcome.report());
        outcome.says("uptime");
    }
}

#[test]
fn an_age_is_known_where_proc_shows_processes_only() {
    if !is_root() {
        skip!("not root: cannot mount a restricted /proc");
    }
    let script = "umount /proc && mount -t proc -o subset=pid none /proc || exit 77; \"$P\" find \
    --older 0 --pid 1 || echo \"status $?\"";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("this kernel cannot mount a procfs of processes only");
    }
    let found = outcome.text() == "1\n" && outcome.stderr.is_empty();
    assert!(found || outcome.errors().contains("uptime"), "silently nothing\n{}", outcome.report());
}

#[test]
fn self_that_is_missing_leaves_the_others_shown_in_whole() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.process(2, 1, "child");
    let option = fake.option();
    let shown = run(&["show", "--json", "--fields", "pid", "1", "self", "2", &option]).exits(64);
    assert_eq!(shown.json(), serde_json::json!([{ "pid": 1 }, { "pid": 2 }]));
    shown.says("not in");
}

#[test]
fn a_relation_can_start_from_a_name_that_is_not_text() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init").link("exe", b"/opt/caf\xe9");
    fake.process(2, 1, "child");
    for anchor in [&b"caf\xe9"[..], b"/opt/caf\xe9"] {
        let mut command = proctool(["find", &fake.option(), "--children-of"]);
        command.arg(OsStr::from_bytes(anchor));
        finish(command).succeeds().prints("2\n");
    }
}

#[test]
fn a_pattern_that_is_only_valid_inside_of_a_group_is_refused() {
    let fake = FakeProc::new();
    fake.process(1, 0, "b");
    let option = fake.option();
    run(&["find", "a)|(b", &option]).refuses(2, "bad regular expression 'a)|(b'");
    run(&["find", "-x", "a)|(b", &option]).refuses(2, "bad regular expression 'a)|(b'");
    run(&["find", "-x", "(?x) b # a comment", &option]).succeeds().prints("1\n");
}

#[test]
fn a_filter_of_the_log_that_is_not_text_is_refused() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let mut command = proctool(["find", &fake.option()]);
    command.env("PROCTOOL_LOG", OsStr::from_bytes(b"\xff"));
    finish(command).refuses(2, "PROCTOOL_LOG");
}

#[test]
fn a_pid_file_is_not_read_beyond_a_process_id() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    // Limited, so that a program that reads on fails the test and not the machine.
    let mut endless = clean("sh");
    let script = format!("ulimit -v 1000000; yes | \"$0\" find -F - '{}'", fake.option());
    endless.args(["-c", &script, PROCTOOL]);
    finish(endless).refuses(1, "it has more than 4096 bytes");
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let file = directory.path().join("pid");
    fs::write(&file, "x".repeat(1_000_000)).expect("writing a file");
    let mut long = proctool(["find", &fake.option(), "-F"]);
    long.arg(&file);
    let outcome = finish(long).exits(1).says("it has more than 4096 bytes");
    assert!(outcome.stderr.len() < 500, "a message of {} bytes", outcome.stderr.len());
}

#[test]
fn a_pid_file_holds_one_process_id() {
    let fake = FakeProc::new();
    for (pid, name) in [(1, "init"), (3, "wrong"), (31, "right")] {
        fake.process(pid, 0, name);
    }
    let find = |text: &str| {
        let mut command = clean("sh");
        let script = format!("printf '%b' \"$1\" | \"$0\" find -F - '{}'", fake.option());
        command.args(["-c", &script, PROCTOOL, text]);
        finish(command)
    };
    for text in [
        "31",
        "31\\n",
        " 31 \\n\\n",
        &format!("{}31\\n", " ".repeat(63)),
        "31\\n/usr/sbin/daemon -q1h\\n",
        "\\n\\n31",
    ] {
        find(text).succeeds().prints("31\n");
    }
    for text in ["31 3", "31\\n3\\n", "3\\n\\n31", "31\\n/var/lib\\n5432\\n"] {
        find(text).refuses(1, "it holds more than one number");
    }
    for text in ["", "\\n", "x", "31x", "31 daemon", "-31", "0x1f", "31\\0003"] {
        find(text).refuses(1, "is no process id");
    }
    find(&format!("31{}", "\\n".repeat(4095))).refuses(1, "it has more than 4096 bytes");
}

/// Entered a pid namespace, but /proc is still that of the one outside: numbers there mean others
/// here.
#[test]
fn a_procfs_of_another_pid_namespace_is_known_as_such() {
    let enter = |words: &str| {
        let mut command = clean("unshare");
        command.args([
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            &format!("\"$0\" {words}; exit $?"),
            PROCTOOL,
        ]);
        command
    };
    if !is_root() || finish(enter("--version")).code() != 0 {
        skip!("cannot make a pid namespace");
    }
    let shown = finish(enter("show --json --fields pid,nspid,id self")).succeeds().json();
    let pids = shown[0]["nspid"].as_array().cloned().unwrap_or_default();
    assert_eq!((pids.len(), pids.first()), (2, Some(&shown[0]["pid"])), "{shown}");
    assert!(shown[0]["id"].is_null(), "a pidfd of this number would be of somebody else: {shown}");
    let text = finish(enter("show --fields id self")).succeeds();
    text.prints("  id             - (only known in our own pid namespace)\n");
    // Only its own command line has this in it: that of the shell has the capital letters.
    let own = format!("find -f \"$(echo MARK-{} | tr A-Z a-z)\"", std::process::id());
    finish(enter(&own)).exits(1).prints("");
}

/// The first thread can end before the others: the process is a zombie to look at, and still one
/// process.
#[test]
fn a_process_whose_first_thread_ended_is_still_listed() {
    let script = "import ctypes,os,sys,threading\n\
                  def rest():\n    print('ready', flush=True); sys.stdin.read(); os._exit(0)\n\
                  threading.Thread(target=rest).start()\n\
                  ctypes.CDLL(None).pthread_exit(None)\n";
    if Command::new("python3").arg("-V").output().is_err() {
        skip!("no python3");
    }
    let target = Target::start(Command::new("python3").args(["-c", script]));
    while !target.proc("status").windows(8).any(|window| window == b"State:\tZ") {
        std::thread::yield_now();
    }
    let pid = &target.pid().to_string();
    let exe = std::fs::read_link(format!("/proc/{pid}/task/{pid}/exe"));
    assert!(exe.is_err(), "the kernel shows no executable of a thread that has ended: {exe:?}");
    run(&["find", "-r", "Z", "--pid", pid]).exits(1).prints("");
    let tree = run(&["tree", "-A", "-t", "--depth", "0", pid]).succeeds();
    let lines = tree.lines();
    assert_eq!(lines.len(), 2, "{}", tree.report());
    assert!(
        lines[0].ends_with(&format!("({pid})")) && lines[1].starts_with("`- {"),
        "{}",
        tree.report()
    );
    let fields = "state,is_alive,threads,exe_name,exe_deleted,cmdline,cwd,environ,rss,uss,swap,fd_count,pid_namespace";
    let shown = run(&["show", "--json", "--fields", fields, pid]).succeeds().json();
    let shown = &shown[0];
    assert_eq!(
        (&shown["state"], &shown["is_alive"], &shown["threads"]),
        (&"S".into(), &true.into(), &2.into()),
        "{shown}"
    );
    assert!(shown["exe_name"].as_str().is_some_and(|name| name.starts_with("python3")), "{shown}");
    assert_eq!(shown["cmdline"][1], "-c", "{shown}");
    assert!(
        ["rss", "uss", "fd_count", "pid_namespace"]
            .iter()
            .all(|name| shown[name].as_u64() > Some(0)),
        "{shown}"
    );
    assert!(
        !shown["cwd"].is_null() && !shown["environ"].is_null() && !shown["swap"].is_null(),
        "{shown}"
    );
    let exe = shown["exe_name"].as_str().unwrap_or_default();
    run(&["find", "--pid", pid, "--exe", exe]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "--pid", pid, "-f", "pthread_exit"]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "--pid", pid, "--env", "PATH"]).succeeds().prints(format!("{pid}\n"));
}

#[test]
fn numbers_that_no_kernel_gives_do_not_overflow() {
    let fake = FakeProc::new();
    let huge = u64::MAX;
    let line = format!(
        "1 (x) S 0 1 1 0 -1 0 0 0 0 0 {huge} {huge} 0 0 20 0 1 0 {huge} {huge} {} 0\n",
        i64::MAX
    );
    fake.bare(1).file("stat", line);
    let shown =
        run(&["show", "--json", "--fields", "cpu_time,rss,vsize,start_ticks", "1", &fake.option()])
            .succeeds();
    assert_eq!(shown.json()[0]["rss"], serde_json::json!(huge), "{}", shown.report());
}

#[test]
fn a_name_is_not_left_incomplete_because_reading_failed() {
    let fake = FakeProc::new();
    fake.process(1, 0, "exactly-15-byte");
    // Reading a directory fails.
    fs::create_dir(Path::new(fake.option().trim_start_matches("--proc=")).join("1/cmdline"))
        .expect("making a directory");
    let why = "1 process could not be examined: process 1: cmdline cannot be read: Is a directory";
    run(&["find", "exactly", &fake.option()]).refuses(1, why);
}

#[test]
fn a_message_names_the_file_that_could_not_be_read() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fs::create_dir(Path::new(fake.option().trim_start_matches("--proc=")).join("uptime"))
        .expect("making a directory");
    let outcome = run(&["find", "--fields", "runtime", &fake.option()]).exits(3);
    let file = format!("cannot read '{}/uptime'", fake.option().trim_start_matches("--proc="));
    outcome.says(&file);
}

#[test]
fn a_file_that_is_really_called_deleted_is_not_deleted() {
    let program = Program::named(OsStr::new("x (deleted)"));
    let target = program.start();
    let pid = &target.pid().to_string();
    let shown = run(&["show", "--json", "--fields", "exe_name,exe_deleted", pid]).succeeds().json();
    assert_eq!(shown, serde_json::json!([{ "exe_name": "x (deleted)", "exe_deleted": false }]));
    fs::remove_file(program.path()).expect("removing it");
    let shown = run(&["show", "--json", "--fields", "exe_name,exe_deleted", pid]).succeeds().json();
    assert_eq!(shown, serde_json::json!([{ "exe_name": "x (deleted)", "exe_deleted": true }]));
}

#[test]
fn verbose_tells_how_much_was_read() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(2);
    let option = fake.option();
    assert!(run(&["tree", "-v", &option]).exits(0).errors().contains("processes=1"));
    assert!(run(&["tree", "-vv", &option]).exits(0).errors().contains("vanished=1"));
    assert!(run(&["find", "--verbose", &option]).exits(0).errors().contains("matched=2"));
    assert!(run(&["show", "-v", "1", &option]).exits(0).errors().contains("shown=1"));
}

#[test]
fn quiet_is_quiet_about_everything_that_is_not_there() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    for words in [
        &["find", "--children-of", "nosuch"][..],
        &["find", "-F", "/nonexistent"],
        &["tree", "-H", "7"],
    ] {
        let mut command = proctool(words);
        command.args(["-q", &option]);
        let outcome = finish(command).exits(1);
        assert!(outcome.stderr.is_empty() && outcome.stdout.is_empty(), "{}", outcome.report());
    }
    run(&["find", "-q", "a(", &option]).refuses(2, "unclosed group");
}

/// While a row is read, the directory with the number becomes that of another process.
#[test]
fn a_row_is_of_one_process() {
    let fake = FakeProc::new();
    let directory = PathBuf::from(fake.option().trim_start_matches("--proc="));
    fake.process(7, 1, "old").file("cmdline", "old\0");
    fake.process(8, 1, "new").file("cmdline", "new\0");
    let comm = directory.join("7/comm");
    fs::remove_file(&comm).expect("making room for a pipe");
    assert!(
        Command::new("mkfifo").arg(&comm).status().is_ok_and(|status| status.success()),
        "no pipe"
    );
    let command = proctool(["find", "--pid", "7", "--fields", "pid,comm,cmdline", &fake.option()]);
    let running = std::thread::spawn(|| finish(command));
    // The pipe can be opened for writing as soon as it has a reader.
    let mut pipe = loop {
        match fs::OpenOptions::new()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(&comm)
        {
            Ok(pipe) => break pipe,
            Err(_) => assert!(!running.is_finished(), "nobody reads the name"),
        }
        std::thread::yield_now();
    };
    fs::rename(directory.join("7"), directory.join("ended")).expect("ending one process");
    fs::rename(directory.join("8"), directory.join("7")).expect("renaming its number for another");
    pipe.write_all(b"old\n").expect("writing its name");
    drop(pipe);
    let outcome = running.join().expect("joining the run").succeeds();
    assert_eq!(
        outcome.lines()[1].split_whitespace().collect::<Vec<_>>(),
        ["7", "old", "old"],
        "{}",
        outcome.report()
    );
}
