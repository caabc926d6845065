//! A hundred thousand processes, and few descriptors.

use super::support::command::{PROCTOOL, clean, finish, run};
use super::support::fake::FakeProc;

const MANY: u32 = 100_000;

/// Reports whether every bracket is closed, without recursion: JSON parsers give up at this depth.
fn is_balanced(json: &[u8]) -> bool {
    let mut depth = 0i64;
    for byte in json {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

#[test]
fn a_chain_of_a_hundred_thousand() {
    let fake = FakeProc::new();
    for pid in 1..=MANY {
        fake.process(pid, pid - 1, "link");
    }
    let option = fake.option();
    let tree = run(&["tree", "-A", &option]).succeeds();
    let lines = tree.lines();
    assert_eq!(lines.len(), MANY as usize);
    assert_eq!(lines[..3], ["link(1)", "`- link(2)", "   `- link(3)"]);
    assert_eq!(lines[MANY as usize - 1], format!("({}) `- link({MANY})", MANY - 1));
    let json = run(&["tree", "--json", &option]).succeeds();
    assert!(is_balanced(&json.stdout));
    assert_eq!(run(&["tree", "--jsonl", &option]).succeeds().lines().len(), MANY as usize);
    let up = run(&["find", "--ancestors-of", &MANY.to_string(), "-c", &option]).succeeds();
    up.prints(format!("{}\n", MANY - 1));
    let way = run(&["tree", "-s", &MANY.to_string(), &option]).succeeds();
    assert_eq!(way.lines().len(), MANY as usize);
}

#[test]
fn a_parent_of_a_hundred_thousand() {
    let fake = FakeProc::new();
    for pid in 1..=MANY {
        fake.process(pid, u32::from(pid > 1), "leaf");
    }
    let option = fake.option();
    let tree = run(&["tree", "-A", &option]).succeeds();
    let lines = tree.lines();
    assert_eq!(
        (lines.len(), lines[MANY as usize - 1].as_str()),
        (MANY as usize, "`- leaf(100000)")
    );
    run(&["tree", "-A", "-c", &option]).succeeds().prints("leaf(1)\n`- 99999*[leaf]\n");
    let json = run(&["tree", "--json", &option]).succeeds().json();
    assert_eq!(json[0]["children"].as_array().map(Vec::len), Some(MANY as usize - 1));
    run(&["find", "--children-of", "1", "-c", &option]).succeeds().prints("99999\n");
}

#[test]
fn thirty_two_descriptors_are_enough_for_thousands() {
    let fake = FakeProc::new();
    for pid in 1..=5000 {
        fake.process(pid, pid / 2, "many").file("cmdline", "many\0").owner(0, 0);
    }
    let limited = |words: &str| {
        let mut command = clean("sh");
        command.args([
            "-c",
            &format!("ulimit -n 32 && exec \"$0\" {words} '{}'", fake.option()),
            PROCTOOL,
        ]);
        finish(command).succeeds()
    };
    assert_eq!(limited("tree").lines().len(), 5000);
    assert_eq!(limited("tree --jsonl").lines().len(), 5000);
    assert_eq!(limited("find --fields pid,user,exe,cmdline").lines().len(), 5001);
    let pids = (1..=5000).map(|pid| pid.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(limited(&format!("show --fields pid --jsonl {pids}")).lines().len(), 5000);
}
