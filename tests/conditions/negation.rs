//! `--not`: conditions inverted one by one.

use super::*;

fn fake() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, name, uid) in [(10, "cron", 0), (20, "sh", 1), (30, "sshd", 2)] {
        let ids = format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        fake.process(pid, 0, name)
            .link("exe", format!("/usr/bin/{name}"))
            .file("cmdline", format!("/usr/bin/{name}\0-D\0"))
            .file("status", format!("Name:\t{name}\nState:\tS (x)\nPPid:\t0\n{ids}"));
    }
    // A thread of the kernel has no executable.
    fake.process(2, 0, "kthreadd").flags(2, "kthreadd", 2_097_152).file("cmdline", "").file(
        "status",
        "Name:\tkthreadd\nState:\tS (x)\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n",
    );
    fake.file("uptime", "10.00 0.00\n");
    fake
}

#[test]
fn each_condition_is_inverted_by_itself() {
    let fake = fake();
    finds(&fake, &["--not", "exe=cron"], &[2, 20, 30]);
    finds(&fake, &["--not", "exe=cron,sh"], &[2, 30]);
    finds(&fake, &["--not", "exe=cron", "--not", "exe=sh"], &[2, 30]);
    finds(&fake, &["--not", "user=0", "--not", "comm=sh"], &[30]);
    finds(&fake, &["--user", "0", "--not", "comm=cron"], &[2]);
    finds(&fake, &["--not", "pid=10"], &[2, 20, 30]);
    finds(&fake, &["--not", "older=4"], &[]);
    finds(&fake, &["--not", "older=6"], &[2, 10, 20, 30]);
    finds(&fake, &["--not", "where=pid > 10 or pid = 2"], &[10]);
    let only_find = |words: &[&str], expected: &[u32]| {
        let outcome = find(&fake, words);
        let mut pids = outcome.pids();
        pids.sort_unstable();
        assert!(pids == expected, "{expected:?}\n{}", outcome.report());
    };
    only_find(&["--not", "kernel"], &[10, 20, 30]);
    only_find(&["--not", "pattern=^s"], &[2, 10]);
    only_find(&["--not", "literal=s"], &[2, 10]);
    only_find(&["-f", "--not", "pattern=-D"], &[2]);
    only_find(&["-x", "--not", "pattern=s"], &[2, 10, 20, 30]);
    only_find(&["-i", "--not", "pattern=SH", "cron"], &[10]);
    only_find(&["-i", "--not", "pattern=SH", "sh"], &[]);
    only_find(&["--not", "euid=0", "--not", "parent=1"], &[20, 30]);
    // --inverse inverts all of it.
    only_find(&["-v", "--not", "user=0"], &[2, 10]);
}

#[test]
fn a_condition_is_parsed_as_its_option_is() {
    refuses(&["--not", "pid=x"], "--not 'pid=x': invalid value 'x' for '--pid <PID>'");
    refuses(&["--not", "user=nosuchuser"], "unknown user 'nosuchuser'");
    refuses(&["--not", "exe="], "--exe has an empty name");
    refuses(&["--not", "exe=/bin/sh"], "use --exe-path");
    refuses(&["--not", "user"], "a value is required for '--user <USER>'");
    refuses(&["--not", "unit=a["], "--unit 'a[': a bracket is not closed");
    refuses(&["--not", "where=rss"], "column 4: one of = !=");
    refuses(&["--not", "usr=root"], "did you mean 'user'?");
    for word in ["", "not=user=root", "newest", "inverse", "full", "fields=pid", "json"] {
        refuses(&["--not", word], "a condition is wanted, as an option without its dashes");
    }
    run(&["find", "--not", "kernel=yes"]).refuses(2, "unexpected value 'yes' for '--kernel'");
}

#[test]
fn what_is_kept_from_us_does_not_match_inverted_either() {
    let script = r#"
        sleep 1000 & pid=$!
        nobody find --pid $pid --not env=PATH; echo $?
        nobody find --pid $pid --not env=PATH --not exe=nosuch; echo $?
        kill $pid
    "#;
    let Some(command) = namespace::script_with_nobody(script) else { skip!("not root") };
    let outcome = finish(command);
    assert_eq!(outcome.lines(), ["1", "1"], "{}", outcome.report());
    assert_eq!(outcome.errors().matches("permission denied to examine 1 process").count(), 2);
}
