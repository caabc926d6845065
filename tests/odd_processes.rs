//! A /proc that is hostile or restricted: odd bytes, processes that end, hidden ones, few
//! descriptors.

use std::process::Command;

use serde_json::Value;

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::Target;
use crate::skip;

/// Names that break programs which split lines at blanks, at `)` or at newlines, or that want
/// UTF-8.
const NAMES: [&[u8]; 8] =
    [b"", b")", b"a) R 1 (b", b"x\ny", b"\x1b[31mred", b"caf\xe9", b"\xff\xfe", b" blank "];

fn odd_names() -> FakeProc {
    let fake = FakeProc::new();
    for (at, name) in NAMES.iter().enumerate() {
        fake.process(at as u32 + 1, at as u32, name).file("cmdline", [name, &b"\0\0"[..]].concat());
    }
    fake
}

#[test]
fn odd_names_are_listed_like_any_other() {
    let fake = odd_names();
    let option = fake.option();
    assert_eq!(run(&["find", &option]).succeeds().pids(), (1..=8).collect::<Vec<_>>());
    let tree = run(&["tree", "-A", &option]).succeeds();
    let names = run(&["find", "-l", "--null", &option]).succeeds();
    for name in NAMES {
        let printed = |output: &Outcome| {
            output.stdout.windows(name.len().max(1)).any(|window| window == name)
        };
        assert!(name.is_empty() || printed(&tree), "{name:?}\n{}", tree.report());
        assert!(name.is_empty() || printed(&names), "{name:?}\n{}", names.report());
    }
    for words in [&["tree", "--json"][..], &["find", "--json"], &["show", "--json", "1", "4", "6"]]
    {
        let mut command = proctool(words);
        command.arg(&option);
        assert!(finish(command).succeeds().json().is_array());
    }
}

#[test]
fn odd_names_can_be_found_by_their_bytes() {
    let fake = odd_names();
    let option = fake.option();
    let find = |pattern: &[u8]| {
        let mut command = proctool(["find", "-x", &option]);
        command.arg(std::os::unix::ffi::OsStrExt::from_bytes(pattern) as &std::ffi::OsStr);
        finish(command).succeeds().pids()
    };
    assert_eq!(find(b"caf\xe9"), [6]);
    assert_eq!(find(b"caf."), [6]);
    assert_eq!(find(b"x.y"), [4]);
    assert_eq!(find(br"a\) R 1 \(b"), [3]);
}

#[test]
fn a_name_set_by_a_real_process_survives() {
    // PR_SET_NAME is 15.
    let script = "import ctypes,sys;ctypes.CDLL(None).prctl(15,b'a) R \
    1\\n\\xe9');print('ready',flush=True);sys.stdin.read()";
    if Command::new("python3").arg("-V").output().is_err() {
        skip!("no python3");
    }
    let target = Target::start(Command::new("python3").args(["-c", script]));
    let mut command = proctool(["find", "-l", "--pid"]);
    command.arg(target.id());
    let expected = [target.pid().to_string().as_bytes(), b" a) R 1\n\xe9\n"].concat();
    finish(command).succeeds().prints(expected);
}

/// Has 64 MiB of its memory taken for its arguments and its environment (struct prctl_mm_map in
/// prctl(2)).
const ENDLESS: &str = r#"
import ctypes, mmap, sys
SIZE = 64 << 20
region = mmap.mmap(-1, SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
region.write(b"x" * (SIZE - 1) + b"\0")
start = ctypes.addressof(ctypes.c_char.from_buffer(region))
fields = open("/proc/self/stat").read().rsplit(") ", 1)[1].split(" ")
number = lambda field: int(fields[field - 3])
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
values = [number(26), number(27), number(45), number(46), number(47), libc.sbrk(0), number(28)]
values += [start, start + SIZE, start, start + SIZE, 0]
class Map(ctypes.Structure):
    _fields_ = [("values", ctypes.c_uint64 * 12), ("auxv_size", ctypes.c_uint32), ("exe_fd", ctypes.c_uint32)]
memory = Map((ctypes.c_uint64 * 12)(*values), 0, 0xffffffff)
libc.prctl(35, 14, ctypes.byref(memory), ctypes.c_size_t(ctypes.sizeof(memory)), 0)
print("ready", flush=True)
sys.stdin.read()
"#;

#[test]
fn arguments_and_environments_without_an_end_do_not_use_up_our_memory() {
    if Command::new("python3").arg("-V").output().is_err() {
        skip!("no python3");
    }
    let target = Target::start(Command::new("python3").args(["-c", ENDLESS]));
    if target.proc("cmdline").len() < 64 << 20 {
        skip!("this kernel lets nobody do so");
    }
    for field in ["cmdline", "environ"] {
        let outcome =
            run(&["show", "--jsonl", "--fields", field, &target.pid().to_string()]).succeeds();
        let length = outcome.stdout.len();
        assert!((8 << 20..9 << 20).contains(&length), "{field}: {length}");
    }
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
fn messages_do_not_pass_escapes_on() {
    let outcome = run(&["find", "-u", "\u{1b}[31muser"]);
    outcome.refuses(2, "unknown user '\\x1b[31muser'");
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

/// In one line, in the words of the C library that the program has in it: EMFILE of glibc, or of
/// musl.
#[track_caller]
fn says_that_there_are_none(outcome: &Outcome) {
    let text = outcome.errors();
    let names = ["Too many open files", "No file descriptors available"];
    let says = text.lines().count() == 1 && names.iter().any(|name| text.contains(name));
    assert!(says, "expected one line about descriptors\n{}", outcome.report());
}

#[test]
fn running_out_of_descriptors_is_an_error_and_never_an_empty_machine() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    let option = fake.option();
    // The loader of a dynamic program needs one itself, so that 4 is the fewest.
    for (limit, words) in [(4, "tree"), (4, "find"), (5, "find --fields pid,rss"), (4, "show 1")] {
        let mut command = clean("sh");
        command.args([
            "-c",
            &format!("ulimit -n {limit} && exec \"$0\" {words} '{option}'"),
            PROCTOOL,
        ]);
        says_that_there_are_none(&finish(command).exits(3));
    }
}

#[test]
fn an_identity_that_cannot_be_told_for_want_of_descriptors_is_an_error() {
    let mut told = 0;
    for limit in 4..=9 {
        let mut command = clean("sh");
        // Those that we inherited count too.
        let script = format!(
            "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-; ulimit -n {limit} && exec \"$0\" show --fields id \
            self"
        );
        command.args(["-c", &script, PROCTOOL]);
        let outcome = finish(command);
        match outcome.code() {
            0 => {
                assert!(!outcome.text().contains("only known"), "{limit}\n{}", outcome.report());
                told += 1;
            }
            _ => says_that_there_are_none(&outcome.exits(3)),
        }
    }
    assert!(told > 0, "nine descriptors are enough");
}

#[test]
fn hidden_processes_of_others_do_not_disturb() {
    let script = r#"
        mount -o remount,hidepid=LEVEL /proc || exit 77
        run() { nobody "$@"; echo "status $?"; }
        run tree; run find -l; run show --fields comm self; run tree --json
        run show 1; run find --exe bash; run tree 1"#;
    for level in ["invisible", "noaccess"] {
        let Some(command) = namespace::script_with_nobody(&script.replace("LEVEL", level)) else {
            skip!("not root, or no private namespaces")
        };
        let outcome = finish(command);
        if outcome.code() == 77 {
            skip!("this kernel cannot hide processes");
        }
        let text = outcome.text();
        assert!(text.contains("proctool("), "the tree has a root of our own\n{}", outcome.report());
        assert!(text.contains("comm           proctool\nstatus 0"), "{}", outcome.report());
        assert!(!outcome.errors().contains("panicked"), "{}", outcome.report());
        let statuses: Vec<&str> = text.lines().filter(|line| line.starts_with("status")).collect();
        // Where the directories of others are closed, find lists them; where they are invisible, it
        // sees only itself.
        let alone = if level == "invisible" { "status 1" } else { "status 0" };
        assert_eq!(
            statuses[..4],
            ["status 0", alone, "status 0", "status 0"],
            "{}",
            outcome.report()
        );
        let closed = if level == "invisible" { "status 1" } else { "status 0" };
        if level == "invisible" {
            let absent = "there is no process 1, as far as known: /proc hides the processes of \
            other users (hidepid)";
            assert_eq!(outcome.errors().matches(absent).count(), 2, "{}", outcome.report());
            assert_eq!(
                outcome.errors().matches("(hidepid): try as root").count(),
                4,
                "{}",
                outcome.report()
            );
        }
        assert_eq!(statuses[4..6], [closed, "status 1"], "{}", outcome.report());
    }
}

#[test]
fn an_ordinary_user_sees_the_processes_of_others_without_their_secrets() {
    let script = r#"
        sleep 1000 </dev/null >/dev/null 2>&1 & 
        while [ "$(cat /proc/$!/comm)" != sleep ]; do :; done
        run() { nobody "$@"; echo "status $?"; }
        run find --exe sleep -l
        run find --env PATH --comm sleep
        run find -v --env PATH --comm sleep
        run find --fields comm,user,exe,cmdline --comm sleep
        run tree --comm sleep"#;
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command).exits(0);
    let lines = outcome.lines();
    let pid = lines[0].split(' ').next().expect("finding a pid").to_owned();
    let expected =
        [format!("{pid} sleep"), "status 0".to_owned(), "status 1".to_owned(), "1".to_owned()];
    assert_eq!(lines[..4], expected, "{}", outcome.report());
    assert!(text_has_row(&lines, "sleep           root       -"), "{}", outcome.report());
    assert!(lines.contains(&format!("sleep({pid})")), "{}", outcome.report());
    assert!(
        outcome.errors().contains("permission denied to examine 1 process"),
        "{}",
        outcome.report()
    );
}

fn text_has_row(lines: &[String], begin: &str) -> bool {
    lines.iter().any(|line| line.starts_with(begin))
}

#[test]
fn what_could_not_be_examined_is_never_told_to_be_absent() {
    let script = r#"
        run() { nobody "$@" 2>&1; echo "status $?"; }
        run tree --exe-path /nosuch; run find --exe-path /nosuch; run find --children-of /nosuch"#;
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command).exits(0);
    let denied = "permission denied to examine 1 process: try as root";
    let expected = [
        format!("proctool tree: {denied}"),
        "status 1".to_owned(),
        format!("proctool find: {denied}"),
        "status 1".to_owned(),
        format!("proctool find: no process runs '/nosuch', as far as known: {denied}"),
        "status 1".to_owned(),
    ];
    assert_eq!(outcome.lines(), expected, "{}", outcome.report());
}

/// The manual says: a path is no proof, and the user is one.
#[test]
fn an_executable_proves_nothing_and_its_user_does() {
    let script = r#"
        mount -t tmpfs none /mnt && cp "$(command -v sleep)" /mnt/sleep && chmod -R a+rx /mnt || exit 77
        forge='mount --bind /mnt/sleep /usr/bin/nl && exec /usr/bin/nl 1000'
        setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urm sh -c "$forge" & pid=$!
        until [ "$(readlink /proc/$pid/exe)" = /usr/bin/nl ]; do [ -d /proc/$pid ] || exit 77; done
        "$P" find --exe-path /usr/bin/nl --exe nl | grep -cx $pid
        "$P" find --exe-path /usr/bin/nl --user root; echo "status $?"
        "$P" kill --exe-path /usr/bin/nl --user root; echo "status $?"
        "$P" cron-graceful --list --daemon nl
        kill -KILL $pid"#;
    if !namespace::is_root() {
        skip!("not root: cannot become another user");
    }
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("an ordinary user may not make namespaces");
    }
    let told =
        "1\nstatus 1\nstatus 1\nno cron daemon is running called nl\nno cron job is running\n";
    outcome.exits(0).prints(told);
}
