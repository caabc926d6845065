//! A /proc that lacks parts, changes while it is read, or belongs to another pid namespace.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::OFlags;
use serde_json::Value;

use super::support::command::{PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use super::support::namespace::is_root;
use super::support::target::Target;
use crate::skip;

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

/// In a new pid namespace whose /proc is still that of the outer one, a pid means two different
/// processes.
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

#[test]
fn any_change_of_proc_is_survived() {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let mut fuzzer = clean("python3");
    fuzzer.args([
        "-I",
        "-S",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fuzz_proc.py"),
        PROCTOOL,
        "2",
    ]);
    fuzzer.arg(directory.path());
    let outcome = finish(fuzzer).exits(0);
    let lines = outcome.lines();
    let report: Value =
        serde_json::from_str(lines.last().expect("finding a report")).expect("parsing JSON");
    assert!(report["faults"] == 0 && report["runs"].as_u64() > Some(10), "{lines:#?}");
}

#[test]
fn processes_that_lose_their_files_are_skipped() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(2);
    fake.bare(3).file("comm", "only a name\n").file("cmdline", "x\0");
    fake.process(4, 3, "orphan");
    let option = fake.option();
    run(&["tree", &option]).succeeds().prints("init(1)\norphan(4)\n");
    run(&["find", "--fields", "pid,ppid", &option])
        .succeeds()
        .prints("    PID    PPID\n      1       0\n      4       3\n");
    run(&["show", "2", &option]).refuses(1, "process 2");
}
