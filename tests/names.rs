//! Names with bytes that break parsers of lines, blanks and UTF-8.

use std::process::Command;

use super::support::command::{Outcome, finish, proctool, run};
use super::support::fake::FakeProc;
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

#[test]
fn messages_do_not_pass_escapes_on() {
    let outcome = run(&["find", "-u", "\u{1b}[31muser"]);
    outcome.refuses(2, "unknown user '\\x1b[31muser'");
}
