//! Identical leaves are folded.

use super::*;

/// Makes init with five leaves, of which three are the same, and a sixth child that is like them
/// but has a child.
fn workers() -> FakeProc {
    let fake = FakeProc::new();
    fake.process(1, 0, "init").owner(0, 0);
    for (pid, comm, mode) in [
        (20, "worker", "slow"),
        (21, "worker", "fast"),
        (22, "other", "slow"),
        (23, "worker", "slow"),
    ] {
        fake.process(pid, 1, comm).owner(0, 0).file("cmdline", format!("{comm}\0{mode}\0"));
    }
    fake.process(24, 1, "worker").owner(0, 0);
    fake.process(30, 24, "job").owner(0, 0);
    fake
}

#[test]
fn identical_leaves_are_folded() {
    let lines = ["init(1)", "├─ 3*[worker]", "├─ other(22)", "└─ worker(24)", "   └─ job(30)"];
    let fake = workers();
    shows(&fake, &["-c"], &lines);
    shows(&fake, &["--compact"], &lines);
}

#[test]
fn leaves_that_differ_in_what_is_shown_are_not_folded() {
    let fake = workers();
    let lines = [
        "init(1)",
        "├─ 2*[worker] slow",
        "├─ worker(21) fast",
        "├─ other(22) slow",
        "└─ worker(24)",
        "   └─ job(30)",
    ];
    shows(&fake, &["-c", "-a"], &lines);
    let fake = FakeProc::new();
    fake.process(1, 0, "init").owner(0, 0);
    for (pid, uid) in [(2, 3_999_999_999), (3, 0), (4, 3_999_999_999)] {
        fake.process(pid, 1, "job").owner(uid, 0);
    }
    fake.bare(5).stat(5, 1, b"job", 'Z', 500).owner(0, 0);
    let lines = ["init(1)", "├─ 2*[job(3999999999)]", "├─ job(3)", "└─ job(5) <defunct>"];
    shows(&fake, &["-c", "-u"], &lines);
}

#[test]
fn roots_are_not_folded() {
    let fake = FakeProc::new();
    for pid in 5..8 {
        fake.process(pid, 0, "same");
    }
    shows(&fake, &["-c"], &["same(5)", "same(6)", "same(7)"]);
}

#[test]
fn leaves_with_threads_are_not_folded() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for pid in [20, 30] {
        Stat { pid, ppid: 1, comm: "daemon", threads: 2, ..PLAIN }.in_proc(&fake);
        let thread = directory(&fake).join(format!("{pid}/task/{}", pid + 1));
        fs::create_dir_all(&thread).expect("making a directory for a thread");
        fs::write(thread.join("comm"), "io\n").expect("writing its name");
    }
    shows(&fake, &["-c"], &["init(1)", "└─ 2*[daemon]"]);
    let lines = ["init(1)", "├─ daemon(20)", "│  └─ {io}(21)", "└─ daemon(30)", "   └─ {io}(31)"];
    shows(&fake, &["-c", "-t"], &lines);
}

#[test]
fn a_highlighted_leaf_is_not_folded_away() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for pid in 2..5 {
        fake.process(pid, 1, "same");
    }
    let outcome = tree(&fake, &["-c", "-H", "3", "--color=always"]).succeeds();
    assert_eq!(bold_pids(&outcome), [1, 3], "{}", outcome.report());
}

#[test]
fn siblings_are_ordered_by_number_not_by_text() {
    let fake = FakeProc::new();
    for (pid, ppid) in [(1, 0), (100, 1), (9, 1), (20, 1), (1000, 0)] {
        fake.process(pid, ppid, "p");
    }
    shows(&fake, &[], &["p(1)", "├─ p(9)", "├─ p(20)", "└─ p(100)", "p(1000)"]);
}
