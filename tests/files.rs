//! The properties about files: `files` beside lsof(8), `locks` beside lslocks(8).

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::support::command::{Outcome, clean, finish, run};
use super::support::namespace;
use super::support::place::missing;
use super::support::target::Target;
use crate::skip;

/// Returns a property of a process as JSON.
#[track_caller]
fn property(pid: u32, name: &str) -> Value {
    let outcome = run(&["show", "--json", "--fields", name, &pid.to_string()]);
    outcome.succeeds().json()[0][name].take()
}

/// Runs a Python script that opens things and stays.
fn holder(script: &str) -> Target {
    let script = format!("import fcntl, os, sys\n{script}\nprint('ready', flush=True)\ninput()");
    let mut command = clean("python3");
    command.args(["-c", &script]);
    Target::start(&mut command)
}

#[test]
fn the_root_directory_is_that_of_proc() {
    let target = Target::script("echo ready; read -r line");
    assert_eq!(property(target.pid(), "root"), "/");
}

#[test]
fn open_files_are_those_of_lsof() {
    if let Err(reason) = missing(&["lsof", "python3"]) {
        skip!(&reason);
    }
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let directory = fs::canonicalize(directory.path()).expect("resolving its path");
    fs::create_dir_all(&directory).expect("making the directory");
    let text = directory.to_str().expect("reading a path as text");
    let target = holder(&format!(
        "os.chdir({text:?})\n\
         held = [open('r', 'w'), open('rw', 'w+'), open('r'), os.open('r', os.O_PATH)]\n\
         held += [os.pipe(), os.memfd_create('memory'), os.open('.', os.O_RDONLY)]\n\
         os.remove('rw')\n\
         held += [open(b'caf\\xe9\\n', 'w'), open('name (deleted) no', 'w')]",
    ));
    let ours = property(target.pid(), "files");
    let ours = ours.as_array().expect("finding a list");
    let numbers: BTreeSet<u64> = fs::read_dir(format!("/proc/{}/fd", target.pid()))
        .expect("listing descriptors")
        .map(|entry| entry.expect("reading an entry").file_name())
        .map(|name| name.to_string_lossy().parse().expect("parsing a number"))
        .collect();
    let fds: Vec<u64> = ours.iter().map(|file| file["fd"].as_u64().expect("a number")).collect();
    assert_eq!(fds, numbers.into_iter().collect::<Vec<_>>());
    let mut lsof = clean("lsof");
    lsof.args(["-n", "-P", "-w", "-a", "-p", &target.pid().to_string(), "-d", "0-99", "-Ffan"]);
    let modes: Vec<String> = finish(lsof)
        .exits(0)
        .lines()
        .iter()
        .filter_map(|line| line.strip_prefix('a').map(str::to_owned))
        .collect();
    // lsof takes what only refers to a file as open for reading.
    let names = ["r", "w", "rw", "-"].iter().zip(["r", "w", "u", " "]).collect::<Vec<_>>();
    let expected = |mode: &Value| {
        names.iter().find(|(name, _)| mode == **name).map(|(_, letter)| (*letter).to_owned())
    };
    for (file, theirs) in ours.iter().zip(&modes).filter(|(file, _)| file["mode"] != "-") {
        assert_eq!(expected(&file["mode"]).as_ref(), Some(theirs), "{file}");
    }
    let at = |name: &str| format!("{text}/{name}");
    let has = |path: Value, mode: &str, deleted: bool| {
        ours.iter()
            .any(|file| file["path"] == path && file["mode"] == mode && file["deleted"] == deleted)
    };
    assert!(has(at("r").into(), "w", false), "{ours:#?}");
    assert!(has(at("r").into(), "r", false) && has(at("r").into(), "-", false), "{ours:#?}");
    assert!(has(at("rw").into(), "rw", true), "{ours:#?}");
    assert!(has("/memfd:memory".into(), "rw", false), "{ours:#?}");
    assert!(has(text.into(), "r", false), "{ours:#?}");
    assert!(has(at("name (deleted) no").into(), "w", false), "{ours:#?}");
    assert!(ours.iter().any(|file| file["path"]["bytes"].is_string()), "{ours:#?}");
    assert!(
        ours.iter()
            .any(|file| { file["path"].as_str().is_some_and(|path| path.starts_with("pipe:[")) }),
        "{ours:#?}"
    );
    fs::remove_dir_all(&directory).expect("removing the directory");
}

/// Takes locks of every kind in a directory, with processes that wait for them.
const LOCKS: &str = r#"
mount -t tmpfs none /mnt && cd /mnt || exit 77
cat >holder.py <<'END'
import fcntl, os, struct, time
whole = open("whole", "w"); fcntl.flock(whole, fcntl.LOCK_EX)
part = open("part", "w"); fcntl.lockf(part, fcntl.LOCK_EX, 10, 100)
shared = open("shared", "w+"); fcntl.flock(shared, fcntl.LOCK_SH)
own = open("own", "w")
F_OFD_SETLK = 37
fcntl.fcntl(own, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
open("leased", "w").close()
leased = open("leased"); fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_RDLCK)
again = os.dup(whole.fileno())
open("ready", "w").close()
time.sleep(1000)
END
python3 holder.py & holder=$!
until [ -e ready ]; do kill -0 $holder || exit 77; sleep 0.02; done
flock whole true & one=$!
flock whole true & two=$!
python3 -c 'import fcntl; fcntl.lockf(open("part", "w"), fcntl.LOCK_EX)' & three=$!
until [ "$(grep -c -e '->' /proc/locks)" -ge 3 ]; do sleep 0.02; done
"#;

/// Runs a script in a box with these locks; `None` where none can be made.
fn with_locks(script: &str) -> Option<Outcome> {
    missing(&["lslocks", "flock", "python3", "jq"]).ok()?;
    let command = namespace::script(&format!("{LOCKS}{script}\nexit 0"))?;
    Some(finish(command)).filter(|outcome| outcome.code() != 77)
}

const NO_BOX: &str = "it takes lslocks, flock, python3, jq and private namespaces";

#[test]
fn locks_have_their_file_and_those_who_wait() {
    let outcome = with_locks(
        r#"
        "$P" show --json --fields locks $holder |
            jq -c --argjson one $one --argjson two $two --argjson three $three \
            '[.[0].locks[] | .waiters |= map({"\($one)": "one", "\($two)": "two", "\($three)": "three"}["\(.)"]) |
             .waiters |= sort] | sort_by(.file)'
        echo; lslocks --noheadings --raw -o TYPE,MODE,PATH -p $holder | sort
        "$P" show --fields locks $holder | grep /mnt/own"#,
    );
    let Some(outcome) = outcome else { skip!(NO_BOX) };
    let lines = outcome.exits(0).lines();
    let lock = |kind: &str, access: &str, file: &str, waiters: &[&str]| json!({"kind": kind, "access": access, "file": format!("/mnt/{file}"), "waiters": waiters});
    let ours: Value = serde_json::from_str(&lines[0]).expect("parsing JSON");
    assert_eq!(
        ours,
        json!([
            lock("LEASE", "read", "leased", &[]),
            lock("OFD", "write", "own", &[]),
            lock("POSIX", "write", "part", &["three"]),
            lock("FLOCK", "read", "shared", &[]),
            lock("FLOCK", "write", "whole", &["one", "two"]),
        ])
    );
    // It cannot tell whose the lock of an open file description is.
    for theirs in ["FLOCK WRITE /mnt/whole", "POSIX WRITE /mnt/part", "FLOCK READ /mnt/shared"] {
        assert!(lines.iter().any(|line| line.starts_with(theirs)), "{lines:?}");
    }
    let last = lines.last().map_or("", |line| line.trim());
    assert!(last.ends_with("OFD write /mnt/own (none)"), "{lines:?}");
}

/// `flock 9` of a script takes the lock and ends: the shell holds it.
#[test]
fn a_lock_that_was_passed_on_is_held_by_its_new_owner() {
    let outcome = with_locks(
        r#"
        bash -c 'exec 9>passed; flock 9; echo >done; exec sleep 1000' & passed=$!
        until [ -s done ]; do sleep 0.02; done
        "$P" show --json --fields locks $passed"#,
    );
    let Some(outcome) = outcome else { skip!(NO_BOX) };
    outcome.exits(0).prints(
        "[{\"locks\":[{\"kind\":\"FLOCK\",\"access\":\"write\",\"file\":\"/mnt/passed\",\
         \"waiters\":[]}]}]\n",
    );
}

/// /proc/locks can be read by everybody.
#[test]
fn the_locks_of_others_have_no_path() {
    if !namespace::is_root() {
        skip!("only the superuser may become another user");
    }
    let outcome = with_locks(
        r#"
        cp "$P" proctool; chmod 755 . proctool
        setpriv --reuid 65534 --regid 65534 --clear-groups ./proctool show --json --fields locks $holder |
            jq -c '[.[0].locks[] | .file |= test("^[0-9a-f]+:[0-9a-f]+:[0-9]+$") | .waiters |= length]'"#,
    );
    let Some(outcome) = outcome else { skip!(NO_BOX) };
    let lines = outcome.exits(0).lines();
    let ours: BTreeSet<String> = serde_json::from_str::<Vec<Value>>(&lines[0])
        .expect("parsing JSON")
        .iter()
        .map(Value::to_string)
        .collect();
    let lock = |kind: &str, access: &str, waiters: u32| {
        json!({"kind": kind, "access": access, "file": true, "waiters": waiters}).to_string()
    };
    let expected = [
        lock("FLOCK", "write", 2),
        lock("POSIX", "write", 1),
        lock("FLOCK", "read", 0),
        lock("LEASE", "read", 0),
    ];
    assert_eq!(ours, BTreeSet::from(expected));
}

#[test]
fn a_process_without_locks_has_none() {
    let target = Target::script("echo ready; read -r line");
    assert_eq!(property(target.pid(), "locks"), json!([]));
    assert_eq!(property(target.pid(), "deleted_libraries"), json!([]));
    let text = run(&["show", "--fields", "locks,deleted_libraries", &target.pid().to_string()]);
    text.succeeds().prints("  locks          (none)\n  deleted_libraries (none)\n");
}
