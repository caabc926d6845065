//! Limits of memory and of descriptors.

use std::process::Command;

use super::support::command::{Outcome, PROCTOOL, clean, finish, run};
use super::support::fake::FakeProc;
use super::support::target::Target;
use crate::skip;

/// A process that declares 64 MiB of its memory as its arguments and its environment (struct
/// prctl_mm_map in prctl(2)).
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

/// Checks for one line that says that there are no descriptors, in the words of glibc or of musl
/// for EMFILE.
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
        // Inherited descriptors count too.
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
