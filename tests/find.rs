//! `find`: pgrep's letters, pgrep's statuses, and what goes beyond pgrep.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio, id};

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::{Program, Target};
use crate::skip;

fn find(fake: &FakeProc, words: &[&str]) -> Outcome {
    run(&[&["find", &fake.option()], words].concat())
}

/// A fake directory lists its processes in any order.
#[track_caller]
fn finds(fake: &FakeProc, words: &[&str], expected: &[u32]) {
    let outcome = find(fake, words).succeeds();
    let mut pids = outcome.pids();
    pids.sort_unstable();
    assert!(pids == expected, "expected {expected:?}\n{}", outcome.report());
}

#[track_caller]
fn finds_nothing(outcome: Outcome) {
    let outcome = outcome.exits(1).prints("");
    assert!(outcome.stderr.is_empty(), "expected no message\n{}", outcome.report());
}

/// init - cron - two workers of cron, each with a shell, of which one runs a job.
fn cron() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, ppid, name, exe, uid, cmdline) in [
        (1, 0, "init", "/sbin/init", 0, "/sbin/init\0"),
        (10, 1, "cron", "/usr/sbin/cron", 0, "/usr/sbin/cron\0-f\0"),
        (20, 10, "cron", "/usr/sbin/cron", 0, "/usr/sbin/cron\0-f\0"),
        (21, 10, "cron", "/usr/sbin/cron", 0, "/usr/sbin/cron\0-f\0"),
        (30, 20, "sh", "/usr/bin/dash", 1000, "/bin/sh\0-c\0backup\0"),
        (31, 21, "sh", "/usr/bin/dash", 1000, "/bin/sh\0-c\0report\0"),
        (40, 30, "backup", "/opt/backup", 1000, "/opt/backup\0--all\0"),
    ] {
        let ids = format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        let status = format!("Name:\t{name}\nState:\tS (sleeping)\nPPid:\t{ppid}\n{ids}");
        fake.process(pid, ppid, name)
            .link("exe", exe)
            .file("cmdline", cmdline)
            .file("status", status);
    }
    fake
}

/// /proc/PID/stat of a child of init, with a terminal and flags.
fn stat(pid: u32, name: &str, tty: u32, flags: u32) -> String {
    format!(
        "{pid} ({name}) S 1 {pid} {pid} {tty} -1 {flags} 0 0 0 0 10 20 0 0 20 0 1 0 500 4096000 2 \
        0 0 0\n"
    )
}

/// A word that is in nobody else's command line.
fn marker(name: &str) -> String {
    format!("{name}-of-{}", id())
}

/// A shell script with `$P` for the program and `$M` for a word.
fn shell(script: &str, word: &str) -> Command {
    let mut command = clean("sh");
    command.args(["-c", script]).env("P", PROCTOOL).env("M", word);
    command
}

/// Copy what is to be started, in another process: what a fork of ours holds open for writing
/// cannot be.
fn copy_from(source: &Path, path: &Path) {
    assert!(Command::new("cp").arg(source).arg(path).status().expect("cp").success());
}

#[test]
fn no_pattern_lists_everything() {
    finds(&cron(), &[], &[1, 10, 20, 21, 30, 31, 40]);
}

#[test]
fn no_pattern_lists_every_process_of_the_machine_but_itself() {
    let outcome = finish(shell(r#"echo $$; exec "$P" find"#, "")).succeeds();
    let pids = outcome.pids();
    assert!(!pids[1..].contains(&pids[0]), "{}", outcome.report());
    assert!(pids[1..].contains(&1) && pids[1..].contains(&id()), "{}", outcome.report());
}

#[test]
fn nothing_is_printed_when_nothing_matches() {
    let fake = cron();
    for words in [
        &["nosuch"][..],
        &["-l", "nosuch"],
        &["-a", "nosuch"],
        &["-d,", "nosuch"],
        &["--null", "nosuch"],
    ] {
        finds_nothing(find(&fake, words));
    }
    for words in
        [["-n", "nosuch"], ["-o", "nosuch"], ["-q", "nosuch"], ["--exe", "nosuch"], ["--pid", "7"]]
    {
        finds_nothing(find(&fake, &words));
    }
}

#[test]
fn a_pattern_is_a_regular_expression_on_the_name() {
    let fake = cron();
    finds(&fake, &["cron"], &[10, 20, 21]);
    finds(&fake, &["^.ro"], &[10, 20, 21]);
    finds(&fake, &["sh|back"], &[30, 31, 40]);
    finds(&fake, &["^[bi]"], &[1, 40]);
    finds(&fake, &["(up|it)$"], &[1, 40]);
    finds(&fake, &["p"], &[40]);
    finds_nothing(find(&fake, &["usr"]));
    finds_nothing(find(&fake, &["CRON"]));
}

#[test]
fn a_pattern_may_begin_with_a_dash_after_two_dashes() {
    let fake = FakeProc::new();
    fake.process(10, 1, "-bash");
    finds(&fake, &["--", "-bash"], &[10]);
}

#[test]
fn a_pattern_matches_bytes_that_are_not_utf_8() {
    let fake = FakeProc::new();
    fake.process(10, 1, b"caf\xe9");
    finds(&fake, &["-x", "caf."], &[10]);
}

#[test]
fn exact_means_the_whole_name() {
    let fake = cron();
    finds(&fake, &["-x", "cron"], &[10, 20, 21]);
    finds(&fake, &["-x", "sh|cr.n"], &[10, 20, 21, 30, 31]);
    finds(&fake, &["--exact", "back.*"], &[40]);
    finds_nothing(find(&fake, &["-x", "cro"]));
    finds_nothing(find(&fake, &["-x", "h"]));
}

#[test]
fn full_matches_the_arguments_joined_by_blanks() {
    let fake = cron();
    finds(&fake, &["-f", "^/bin/sh -c backup$"], &[30]);
    finds(&fake, &["-f", "backup"], &[30, 40]);
    finds(&fake, &["--full", "n/cron -f"], &[10, 20, 21]);
    finds(&fake, &["-fx", "/opt/backup --all"], &[40]);
    finds_nothing(find(&fake, &["-fx", "/opt/backup"]));
}

#[test]
fn full_matches_the_name_of_a_process_without_arguments() {
    let fake = FakeProc::new();
    fake.process(2, 0, "kthreadd").file("cmdline", "");
    fake.process(10, 1, "renamed").file("cmdline", "other\0");
    finds(&fake, &["-f", "^kthreadd$"], &[2]);
    finds_nothing(find(&fake, &["-f", "renamed"]));
}

#[test]
fn case_can_be_ignored() {
    let fake = cron();
    finds(&fake, &["-i", "CRON"], &[10, 20, 21]);
    finds(&fake, &["-xi", "Sh"], &[30, 31]);
    finds(&fake, &["--ignore-case", "--full", "c BACKUP"], &[30]);
}

#[test]
fn inverse_lists_everything_else() {
    let fake = cron();
    finds(&fake, &["-v", "cron"], &[1, 30, 31, 40]);
    finds(&fake, &["--inverse", "-x", "sh"], &[1, 10, 20, 21, 40]);
    finds(&fake, &["-v", "-P", "10", "cron"], &[1, 10, 30, 31, 40]);
    finds(&fake, &["-v", "--descendants-of", "10"], &[1, 10]);
    finds_nothing(find(&fake, &["-v", "."]));
    finds_nothing(find(&fake, &["-v"]));
}

#[test]
fn inverse_takes_what_lacks_a_property_for_not_matching() {
    let fake = cron();
    fake.process(2, 0, "kthreadd").file("cmdline", "");
    finds(&fake, &["--exe-path", "/usr/sbin/cron"], &[10, 20, 21]);
    finds(&fake, &["-v", "--exe-path", "/usr/sbin/cron"], &[1, 2, 30, 31, 40]);
}

#[test]
fn count_prints_only_the_number() {
    let fake = cron();
    find(&fake, &["-c", "cron"]).succeeds().prints("3\n");
    find(&fake, &["--count"]).succeeds().prints("7\n");
    find(&fake, &["-c", "-l", "cron"]).succeeds().prints("3\n");
    find(&fake, &["-c", "-n", "cron"]).succeeds().prints("1\n");
}

#[test]
fn count_prints_0_with_status_1_when_nothing_matches() {
    let outcome = find(&cron(), &["-c", "nosuch"]).exits(1).prints("0\n");
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn list_name_adds_the_name() {
    let fake = cron();
    find(&fake, &["-l", "backup"]).succeeds().prints("40 backup\n");
    find(&fake, &["--list-name", "-n", "cron"]).succeeds().prints("21 cron\n");
    let mut lines = find(&fake, &["-l", "-P1,10"]).succeeds().lines();
    lines.sort();
    assert_eq!(lines, ["10 cron", "20 cron", "21 cron"]);
}

#[test]
fn list_full_adds_the_command_line() {
    let fake = cron();
    find(&fake, &["-a", "^backup"]).succeeds().prints("40 /opt/backup --all\n");
    find(&fake, &["--list-full", "--pid", "31"]).succeeds().prints("31 /bin/sh -c report\n");
}

#[test]
fn list_full_keeps_empty_arguments_as_blanks() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("cmdline", "x\0\0\0y\0");
    find(&fake, &["-a"]).succeeds().prints("10 x   y\n");
}

#[test]
fn list_full_shows_the_name_in_brackets_where_there_are_no_arguments() {
    let fake = FakeProc::new();
    fake.process(2, 0, "kworker/0:1").file("cmdline", "");
    find(&fake, &["-a"]).succeeds().prints("2 [kworker/0:1]\n");
}

#[test]
fn a_delimiter_stands_between_processes_only() {
    let fake = cron();
    for (text, delimiter) in
        [("-d,", ","), ("-d ", " "), ("--delimiter= and ", " and "), ("--delimiter=", "")]
    {
        let outcome = find(&fake, &[text, "sh"]).succeeds();
        let expected = [format!("30{delimiter}31\n"), format!("31{delimiter}30\n")];
        assert!(expected.contains(&outcome.text()), "{}", outcome.report());
    }
    find(&fake, &["-d", ",", "backup"]).succeeds().prints("40\n");
    find(&fake, &["-d", "-", "backup"]).succeeds().prints("40\n");
    let outcome = find(&fake, &["-l", "-d", "; ", "-x", "sh"]).succeeds();
    assert!(
        ["30 sh; 31 sh\n", "31 sh; 30 sh\n"].contains(&&*outcome.text()),
        "{}",
        outcome.report()
    );
}

#[test]
fn null_ends_each_process_with_a_zero_byte() {
    let fake = cron();
    find(&fake, &["--null", "backup"]).succeeds().prints("40\0");
    find(&fake, &["--null", "-a", "backup"]).succeeds().prints("40 /opt/backup --all\0");
    let outcome = find(&fake, &["--null", "sh"]).succeeds();
    assert!(["30\x0031\0", "31\x0030\0"].contains(&&*outcome.text()), "{}", outcome.report());
}

#[test]
fn quiet_prints_nothing() {
    let fake = cron();
    for words in [
        &["-q", "cron"][..],
        &["-q", "-a"],
        &["-q", "-c"],
        &["-q", "--json"],
        &["-q", "--fields=pid"],
    ] {
        find(&fake, words).succeeds().prints("");
    }
    finds_nothing(find(&fake, &["--quiet", "nosuch"]));
    finds_nothing(find(&fake, &["-q", "-c", "nosuch"]));
    finds_nothing(find(&fake, &["-q", "--json", "nosuch"]));
}

/// Start ticks and pids of a fake whose oldest process has the highest pid.
fn ages() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, start_ticks) in [(10, 900), (11, 900), (20, 500), (30, 100), (31, 100)] {
        fake.bare(pid).stat(pid, 1, b"x", 'S', start_ticks);
    }
    fake.file("uptime", "10.00 0.00\n");
    fake
}

#[test]
fn newest_is_the_last_that_started_and_of_several_the_highest_pid() {
    let fake = ages();
    finds(&fake, &["-n"], &[11]);
    finds(&fake, &["--newest", "--pid", "10,20,30"], &[10]);
    finds(&fake, &["-n", "--pid", "30,20"], &[20]);
}

#[test]
fn oldest_is_the_first_that_started_and_of_several_the_lowest_pid() {
    let fake = ages();
    finds(&fake, &["-o"], &[30]);
    finds(&fake, &["--oldest", "--pid", "10,20,31"], &[31]);
    finds(&fake, &["-o", "--pid", "10,11"], &[10]);
}

#[test]
fn older_means_running_for_longer() {
    let fake = ages();
    finds(&fake, &["-O", "2"], &[20, 30, 31]);
    finds(&fake, &["--older", "0.5s"], &[10, 11, 20, 30, 31]);
    finds(&fake, &["-O5.5"], &[30, 31]);
    finds(&fake, &["-O", "5"], &[30, 31]);
    finds_nothing(find(&fake, &["-O", "9"]));
    finds_nothing(find(&fake, &["-O", "1m"]));
    finds(&fake, &["-v", "-O", "1m"], &[10, 11, 20, 30, 31]);
}

#[test]
fn older_needs_the_uptime() {
    find(&cron(), &["-O", "2"]).refuses(1, "uptime");
    find(&cron(), &["-v", "-O", "2"]).refuses(1, "uptime");
}

#[test]
fn parents() {
    let fake = cron();
    finds(&fake, &["-P", "10"], &[20, 21]);
    finds(&fake, &["--parent", "20,21"], &[30, 31]);
    finds(&fake, &["-P", "1", "-P", "30"], &[10, 40]);
    finds_nothing(find(&fake, &["-P", "40"]));
}

#[test]
fn parent_0_is_outside_as_in_pgrep() {
    finds(&cron(), &["-P", "0"], &[1]);
}

#[test]
fn process_groups_and_sessions() {
    let fake = FakeProc::new();
    let line = |pid: u32, group: u32, session: u32| {
        format!(
            "{pid} (x) S 1 {group} {session} 0 -1 4194304 0 0 0 0 10 20 0 0 20 0 1 0 500 4096000 2 \
            0 0 0\n"
        )
    };
    for (pid, group, session) in [(10, 10, 10), (11, 10, 10), (12, 12, 10), (20, 20, 20)] {
        fake.process(pid, 1, "x").file("stat", line(pid, group, session));
    }
    finds(&fake, &["-g", "10"], &[10, 11]);
    finds(&fake, &["--pgroup", "12,20"], &[12, 20]);
    finds(&fake, &["-s", "10"], &[10, 11, 12]);
    finds(&fake, &["--session", "10", "-s", "20"], &[10, 11, 12, 20]);
    finds(&fake, &["-s", "10", "-g", "12"], &[12]);
    finds_nothing(find(&fake, &["-g", "11"]));
}

#[test]
fn group_0_is_our_own() {
    let outcome = finish({
        let mut command = clean("setsid");
        command
            .args(["--wait", "sh", "-c", r#"echo $$; "$P" find -g 0; exec "$P" find -g 0"#])
            .env("P", PROCTOOL);
        command
    });
    let pids = outcome.exits(1).pids();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pids:?}");
}

#[test]
fn session_0_is_our_own() {
    let outcome = finish({
        let mut command = clean("setsid");
        command
            .args(["--wait", "sh", "-c", r#"echo $$; "$P" find -s 0; exec "$P" find -s 0"#])
            .env("P", PROCTOOL);
        command
    });
    let pids = outcome.exits(1).pids();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pids:?}");
}

#[test]
fn group_0_needs_a_procfs_with_us_in_it() {
    let fake = cron();
    find(&fake, &["-g", "0"]).refuses(1, "0 means our own, but we are not in this procfs");
    find(&fake, &["-s", "0"]).refuses(1, "0 means our own, but we are not in this procfs");
}

#[test]
fn a_group_of_a_real_process() {
    let program = Program::new("group");
    let target = program.start();
    run(&["find", "-g", &target.pid().to_string()])
        .succeeds()
        .prints(format!("{}\n", target.pid()));
}

#[test]
fn terminals() {
    let fake = FakeProc::new();
    for (pid, tty) in
        [(10, 0x8803), (11, 0x0010_8803), (12, 0x0402), (13, 0x0441), (14, 0x0501), (15, 0)]
    {
        fake.process(pid, 1, "x").file("stat", stat(pid, "x", tty, 4_194_304));
    }
    finds(&fake, &["-t", "pts/3"], &[10]);
    finds(&fake, &["-t", "/dev/pts/259"], &[11]);
    finds(&fake, &["--terminal", "tty2,ttyS1"], &[12, 13]);
    finds(&fake, &["-t", "console", "-t", "pts/3"], &[10, 14]);
    finds(&fake, &["-v", "-t", "pts/3,pts/259,tty2,ttyS1,console"], &[15]);
    finds(&fake, &["-t", "?"], &[15]);
    finds_nothing(find(&fake, &["-t", "pts/4"]));
}

#[test]
fn an_empty_terminal_selects_nothing_not_even_inverted() {
    let fake = cron();
    find(&fake, &["-t", ""]).refuses(2, "empty");
    find(&fake, &["-v", "-t", ""]).refuses(2, "empty");
    find(&fake, &["-t", "pts/0,"]).refuses(2, "empty");
}

/// Processes whose real and effective ids differ.
fn owners() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, uids, gids) in [
        (10, "0 0 0 0", "0 0 0 0"),
        (11, "54321 0 0 0", "54322 0 0 0"),
        (12, "0 54321 0 0", "0 54322 0 0"),
    ] {
        let tabbed = |ids: &str| ids.replace(' ', "\t");
        let status = format!("Name:\tx\nUid:\t{}\nGid:\t{}\n", tabbed(uids), tabbed(gids));
        fake.process(pid, 1, "x").file("status", status);
    }
    fake
}

#[test]
fn effective_users_by_name_and_number() {
    let fake = owners();
    finds(&fake, &["-u", "root"], &[10, 11]);
    finds(&fake, &["-u", "54321"], &[12]);
    finds(&fake, &["--euid", "0,54321"], &[10, 11, 12]);
    finds(&fake, &["-u", "root", "-u", "54321"], &[10, 11, 12]);
    finds_nothing(find(&fake, &["-u", "54322"]));
}

#[test]
fn real_users_by_name_and_number() {
    let fake = owners();
    finds(&fake, &["-U", "root"], &[10, 12]);
    finds(&fake, &["--uid", "54321"], &[11]);
    finds(&fake, &["-U", "54321,root"], &[10, 11, 12]);
    finds(&fake, &["--user", "root"], &[10, 12]);
    finds(&fake, &["--user", "54321"], &[11]);
    finds(&fake, &["--user", "54321,root"], &[10, 11, 12]);
    finds(&fake, &["-U", "54321", "-u", "0"], &[11]);
    finds_nothing(find(&fake, &["--user", "54321", "-U", "0"]));
}

#[test]
fn real_groups_by_name_and_number() {
    let fake = owners();
    finds(&fake, &["-G", "root"], &[10, 12]);
    finds(&fake, &["--group", "54322"], &[11]);
    finds(&fake, &["-G", "54322,0"], &[10, 11, 12]);
    finds_nothing(find(&fake, &["-G", "54321"]));
}

#[test]
fn run_states() {
    let fake = FakeProc::new();
    for (pid, state) in
        [(10, 'R'), (11, 'S'), (12, 'D'), (13, 'T'), (14, 't'), (15, 'Z'), (16, 'I')]
    {
        fake.bare(pid).stat(pid, 1, b"x", state, 500);
    }
    finds(&fake, &["-r", "R"], &[10]);
    finds(&fake, &["-r", "D,Z"], &[12, 15]);
    finds(&fake, &["--runstates", "Tt"], &[13, 14]);
    finds(&fake, &["-rI"], &[16]);
    finds(&fake, &["-v", "-r", "S,I"], &[10, 12, 13, 14, 15]);
    finds_nothing(find(&fake, &["-r", "X"]));
}

#[test]
fn a_zombie_is_found() {
    let program = Program::new("zombie-of-a-test-");
    let mut target = program.start();
    target.become_zombie();
    let pid = target.pid().to_string();
    run(&["find", "-r", "Z", "--pid", &pid]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "-a", "--pid", &pid])
        .succeeds()
        .prints(format!("{pid} [{}]\n", &program.name[..15]));
}

#[test]
fn a_pid_file_names_one_process() {
    let fake = cron();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cron.pid");
    let path = path.to_str().expect("its name");
    for content in ["10\n", "10", "  10\n", "10\ncron\n"] {
        fs::write(path, content).expect("a pid file");
        finds(&fake, &["-F", path], &[10]);
        finds(&fake, &["--pidfile", path, "cron"], &[10]);
        finds_nothing(find(&fake, &["-F", path, "sh"]));
    }
    fs::write(path, "7\n").expect("a pid file");
    finds_nothing(find(&fake, &["-F", path]));
}

#[test]
fn a_pid_file_may_be_standard_input() {
    let fake = cron();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pid");
    fs::write(&path, "40\n").expect("a pid file");
    let mut command = proctool(["find", &fake.option(), "-F", "-"]);
    command.stdin(File::open(&path).expect("the pid file"));
    finish(command).succeeds().prints("40\n");
    let mut command = proctool(["find", &fake.option(), "-F", "-"]);
    command.stdin(Stdio::null());
    finish(command).refuses(1, "pid file '-': '' is no process id");
}

#[test]
fn a_pid_file_that_is_missing_or_wrong_is_told() {
    let fake = cron();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pid");
    let path = path.to_str().expect("its name");
    find(&fake, &["-F", path]).refuses(1, &format!("pid file '{path}': No such file or directory"));
    for content in ["", "\n", "cron\n", "10x\n", "0\n", "-10\n", "1.5\n", "99999999999\n"] {
        fs::write(path, content).expect("a pid file");
        find(&fake, &["-F", path])
            .refuses(1, &format!("pid file '{path}': '{}' is no process id", content.trim()));
    }
    fs::write(path, b"\xff\xfe").expect("a pid file");
    find(&fake, &["-F", path]).refuses(1, &format!("pid file '{path}': "));
    find(&fake, &["-F", "/dev/zero"]).refuses(1, "pid file '/dev/zero': ");
    let place = directory.path().to_str().expect("its name");
    find(&fake, &["-F", place]).refuses(1, &format!("pid file '{place}': "));
}

#[test]
fn executables_by_name() {
    let fake = cron();
    finds(&fake, &["--exe", "cron"], &[10, 20, 21]);
    finds(&fake, &["--exe", "dash"], &[30, 31]);
    finds(&fake, &["--exe", "init,backup"], &[1, 40]);
    finds(&fake, &["--exe", "init", "--exe", "backup"], &[1, 40]);
    for name in ["sh", "cro", "Cron", "sbin/cron"] {
        finds_nothing(find(&fake, &["--exe", name]));
    }
    find(&fake, &["--exe", "cron,/usr/sbin/cron"])
        .refuses(2, "'/usr/sbin/cron' is a path: use --exe-path");
}

#[test]
fn executables_by_path() {
    let fake = cron();
    finds(&fake, &["--exe-path", "/usr/bin/dash"], &[30, 31]);
    finds(&fake, &["--exe-path", "/sbin/init", "--exe-path", "/opt/backup"], &[1, 40]);
    for path in ["/bin/sh", "/usr/bin", "/usr/bin/dash/"] {
        finds_nothing(find(&fake, &["--exe-path", path]));
    }
    find(&fake, &["--exe-path", "dash"]).refuses(2, "'dash' is no absolute path: use --exe");
}

#[test]
fn a_comma_is_a_part_of_a_path() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").link("exe", "/opt/a,b");
    finds(&fake, &["--exe-path", "/opt/a,b"], &[10]);
}

#[test]
fn a_fake_deleted_executable_is_still_its_name() {
    let fake = FakeProc::new();
    fake.process(10, 1, "server").link("exe", "/opt/server (deleted)");
    finds(&fake, &["--exe", "server"], &[10]);
    finds(&fake, &["--exe-path", "/opt/server"], &[10]);
    finds_nothing(find(&fake, &["--exe", "server (deleted)"]));
}

#[test]
fn a_deleted_executable_is_found_while_it_runs() {
    let program = Program::new("removed");
    let target = program.start();
    let printed = format!("{}\n", target.pid());
    let path = program.path().canonicalize().expect("its path");
    run(&["find", "--exe", &program.name]).succeeds().prints(&printed);
    fs::remove_file(program.path()).expect("the removal");
    run(&["find", "--exe", &program.name]).succeeds().prints(&printed);
    run(&["find", "--exe-path", path.to_str().expect("text")]).succeeds().prints(&printed);
    run(&["find", "-x", &program.name]).succeeds().prints(&printed);
}

#[test]
fn pids() {
    let fake = cron();
    finds(&fake, &["--pid", "10"], &[10]);
    finds(&fake, &["--pid", "40,10,7"], &[10, 40]);
    finds(&fake, &["--pid", "40", "--pid", "1"], &[1, 40]);
    finds_nothing(find(&fake, &["--pid", "7,4194303"]));
}

#[test]
fn kernel_names_are_matched_exactly() {
    let fake = cron();
    let cut = "a-name-of-15-by";
    fake.process(50, 1, cut).link("exe", "/opt/a-name-of-15-bytes-and-more");
    finds(&fake, &["--comm", "cron"], &[10, 20, 21]);
    finds(&fake, &["--comm", "sh,backup"], &[30, 31, 40]);
    finds(&fake, &["--comm", cut], &[50]);
    finds_nothing(find(&fake, &["--comm", "a-name-of-15-bytes-and-more"]));
    finds_nothing(find(&fake, &["--comm", "cro"]));
    finds_nothing(find(&fake, &["--comm", "c.on"]));
}

#[test]
fn variables_of_the_environment() {
    let fake = FakeProc::new();
    fake.process(10, 1, "a").file("environ", "HOME=/root\0EMPTY=\0PAIR=x=y\0");
    fake.process(11, 1, "b").file("environ", "HOME=/home/b\0HOMER=x\0");
    fake.process(12, 1, "c").file("environ", "");
    finds(&fake, &["--env", "HOME"], &[10, 11]);
    finds(&fake, &["--env", "HOME=/root"], &[10]);
    finds(&fake, &["--env", "HOMER"], &[11]);
    finds(&fake, &["--env", "EMPTY"], &[10]);
    finds(&fake, &["--env", "EMPTY="], &[10]);
    finds(&fake, &["--env", "PAIR=x=y"], &[10]);
    finds(&fake, &["--env", "HOME", "--env", "HOMER=x"], &[11]);
    finds(&fake, &["-v", "--env", "HOME"], &[12]);
    for variable in ["HOM", "HOME=", "HOME=/", "home", "PAIR=x", "root"] {
        finds_nothing(find(&fake, &["--env", variable]));
    }
}

#[test]
fn variables_of_a_real_process() {
    let program = Program::new("env");
    let name = format!("PROCTOOL_TEST_OF_{}", id());
    let target = program.start_with(|command| {
        command.env(&name, "a b\n=c");
    });
    let printed = format!("{}\n", target.pid());
    run(&["find", "--env", &name]).succeeds().prints(&printed);
    run(&["find", "--env", &format!("{name}=a b\n=c")]).succeeds().prints(&printed);
    finds_nothing(run(&[
        "find",
        "--env",
        &format!("{name}=a b"),
        "--pid",
        &target.pid().to_string(),
    ]));
}

#[test]
fn control_groups_by_path() {
    let fake = FakeProc::new();
    fake.process(10, 1, "a").file("cgroup", "0::/system.slice/cron.service\n");
    fake.process(11, 1, "b")
        .file("cgroup", "2:cpu,cpuacct:/batch\n1:name=systemd:/user.slice\n0::/\n");
    finds(&fake, &["--cgroup", "/system.slice/cron.service"], &[10]);
    finds(&fake, &["--cgroup", "/batch"], &[11]);
    finds(&fake, &["--cgroup", "/user.slice,/system.slice/cron.service"], &[10, 11]);
    for path in ["/system.slice", "cron.service", "/system.slice/cron.service/", "cpu"] {
        finds_nothing(find(&fake, &["--cgroup", path]));
    }
}

#[test]
fn namespaces_of_a_fake_process() {
    let fake = FakeProc::new();
    let procfs = fake.option();
    let procfs = Path::new(procfs.trim_start_matches("--proc="));
    let process = |pid: u32, number: u32| {
        let process = fake.process(pid, 1, "x");
        fs::create_dir(procfs.join(pid.to_string()).join("ns")).expect("a directory");
        let same = ["cgroup", "ipc", "mnt", "net", "time", "user", "uts"];
        let process = same.iter().fold(process, |process, name| {
            process.link(&format!("ns/{name}"), format!("{name}:[1]"))
        });
        process.link("ns/pid", format!("pid:[{number}]"));
    };
    process(10, 5);
    process(11, 5);
    process(12, 6);
    finds(&fake, &["--ns", "10"], &[10, 11]);
    finds(&fake, &["--ns", "12"], &[12]);
    finds(&fake, &["-v", "--ns", "12"], &[10, 11]);
}

#[test]
fn namespaces_of_real_processes() {
    // Files, since the subshell of `$( )` is in the same namespaces.
    let script = r#"
        mount -t tmpfs none /mnt && cd /mnt || exit
        unshare --pid --fork --kill-child sleep 1000 &
        outer=$!
        until "$P" find -q -P $outer -x sleep; do :; done
        inner=$("$P" find -P $outer)
        "$P" find --ns $$ > found; printf '1\n%s\n' $outer | cmp - found
        "$P" find --ns $inner > found; echo $inner | cmp - found
        "$P" find --ns $inner -v > found; printf '1\n%s\n' $outer | cmp - found
        echo compared
    "#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    finish(command).succeeds().prints("compared\n");
}

#[test]
fn threads_of_the_kernel() {
    let fake = cron();
    fake.process(2, 0, "kthreadd")
        .file("stat", stat(2, "kthreadd", 0, 2_097_152))
        .file("cmdline", "");
    fake.process(3, 2, "kworker")
        .file("stat", stat(3, "kworker", 0, 2_097_152 | 64))
        .file("cmdline", "");
    finds(&fake, &["--kernel"], &[2, 3]);
    finds(&fake, &["--kernel", "^kthr"], &[2]);
    finds(&fake, &["-v", "--kernel"], &[1, 10, 20, 21, 30, 31, 40]);
    finds_nothing(find(&cron(), &["--kernel"]));
}

#[test]
fn several_options_are_and_ed() {
    let fake = cron();
    finds(&fake, &["-P", "20,21", "-U", "1000", "--exe", "dash", "-f", "report"], &[31]);
    finds(&fake, &["cron", "-P", "10"], &[20, 21]);
    finds(&fake, &["--children-of", "cron", "--pid", "21,40"], &[21]);
    finds(&fake, &["--descendants-of", "10", "--ancestors-of", "40"], &[20, 30]);
    finds_nothing(find(&fake, &["cron", "-P", "20"]));
    finds_nothing(find(&fake, &["--exe", "dash", "--comm", "cron"]));
}

#[test]
fn children() {
    let fake = cron();
    finds(&fake, &["--children-of", "10"], &[20, 21]);
    finds(&fake, &["--children-of", "20"], &[30]);
    finds(&fake, &["--children-of", "cron"], &[20, 21, 30, 31]);
    finds(&fake, &["--children-of", "/usr/sbin/cron"], &[20, 21, 30, 31]);
    finds(&fake, &["--children-of", "dash"], &[40]);
    finds_nothing(find(&fake, &["--children-of", "40"]));
}

#[test]
fn grandchildren_of_cron_are_the_jobs() {
    let fake = cron();
    finds(&fake, &["--grandchildren-of", "cron"], &[30, 31]);
    finds(&fake, &["--grandchildren-of", "/usr/sbin/cron"], &[30, 31]);
    finds(&fake, &["--grandchildren-of", "10"], &[30, 31]);
    finds(&fake, &["--grandchildren-of", "20"], &[40]);
    finds(&fake, &["--grandchildren-of", "1"], &[20, 21]);
    finds_nothing(find(&fake, &["--grandchildren-of", "30"]));
}

#[test]
fn descendants() {
    let fake = cron();
    finds(&fake, &["--descendants-of", "cron"], &[20, 21, 30, 31, 40]);
    finds(&fake, &["--descendants-of", "/sbin/init"], &[10, 20, 21, 30, 31, 40]);
    finds(&fake, &["--descendants-of", "20"], &[30, 40]);
    finds(&fake, &["--descendants-of", "cron", "backup"], &[40]);
    finds_nothing(find(&fake, &["--descendants-of", "backup"]));
}

#[test]
fn ancestors() {
    let fake = cron();
    finds(&fake, &["--ancestors-of", "40"], &[1, 10, 20, 30]);
    finds(&fake, &["--ancestors-of", "backup"], &[1, 10, 20, 30]);
    finds(&fake, &["--ancestors-of", "/opt/backup"], &[1, 10, 20, 30]);
    finds(&fake, &["--ancestors-of", "dash"], &[1, 10, 20, 21]);
    finds(&fake, &["--ancestors-of", "cron"], &[1, 10]);
    finds_nothing(find(&fake, &["--ancestors-of", "init"]));
}

#[test]
fn a_relation_starts_from_every_process_that_runs_the_executable() {
    let fake = cron();
    fake.process(60, 1, "cron").link("exe", "/usr/sbin/cron").file("cmdline", "cron\0");
    fake.process(61, 60, "cron").link("exe", "/usr/sbin/cron").file("cmdline", "cron\0");
    fake.process(62, 61, "sh").link("exe", "/usr/bin/dash").file("cmdline", "sh\0");
    finds(&fake, &["--children-of", "cron"], &[20, 21, 30, 31, 61, 62]);
    finds(&fake, &["--grandchildren-of", "cron"], &[30, 31, 62]);
}

#[test]
fn a_relation_to_nobody_is_told() {
    let fake = cron();
    for option in ["--children-of", "--grandchildren-of", "--descendants-of", "--ancestors-of"] {
        find(&fake, &[option, "7"]).refuses(1, "there is no process 7");
        find(&fake, &[option, "nosuch"]).refuses(1, "no process runs 'nosuch'");
        find(&fake, &[option, "/usr/bin/cron"]).refuses(1, "no process runs '/usr/bin/cron'");
        find(&fake, &[option, "sh"]).refuses(1, "no process runs 'sh'");
    }
}

#[test]
fn a_parent_that_started_later_is_not_the_parent() {
    let fake = FakeProc::new();
    fake.bare(10).stat(10, 20, b"child", 'S', 500);
    fake.bare(20).stat(20, 1, b"reused", 'S', 600);
    finds_nothing(find(&fake, &["--children-of", "20"]));
    finds_nothing(find(&fake, &["--ancestors-of", "10"]));
}

#[test]
fn relations_of_real_processes() {
    let target = Target::script("exec 3<&0; cat <&3 >/dev/null & echo ready; read line");
    let shell = target.pid();
    let children = run(&["find", "--children-of", &shell.to_string()]).succeeds().pids();
    assert_eq!(children.len(), 1, "{children:?}");
    run(&["find", "--grandchildren-of", &id().to_string(), "--pid", &children[0].to_string()])
        .succeeds()
        .prints(format!("{}\n", children[0]));
    let ancestors = run(&["find", "--ancestors-of", &children[0].to_string()]).succeeds().pids();
    assert!(ancestors.contains(&shell) && ancestors.contains(&id()), "{ancestors:?}");
}

#[test]
fn a_long_name_is_matched_whole() {
    let program = Program::new("a-name-that-the-kernel-cuts-");
    let target = program.start();
    let pid = target.pid();
    assert_eq!(target.proc("comm"), b"a-name-that-the\n");
    run(&["find", "-x", &program.name]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "-l", &program.name]).succeeds().prints(format!("{pid} {}\n", program.name));
    run(&[
        "find",
        &format!("kernel-cuts-{}", &program.name["a-name-that-the-kernel-cuts-".len()..]),
    ])
    .succeeds()
    .prints(format!("{pid}\n"));
    finds_nothing(run(&["find", "-x", "a-name-that-the", "--pid", &pid.to_string()]));
}

#[test]
fn a_long_name_of_a_script_is_matched_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let name = format!("a-script-with-a-long-name-{}.sh", id());
    for first in ["#!/bin/sh", "#!/bin/sh -e"] {
        let path = directory.path().join(&name);
        let draft = directory.path().join("draft");
        fs::write(&draft, format!("{first}\necho ready\nread line\n")).expect("a script");
        copy_from(&draft, &path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its permissions");
        let target = Target::start(&mut Command::new(&path));
        assert_eq!(target.proc("comm"), b"a-script-with-a\n");
        run(&["find", "-x", &name]).succeeds().prints(format!("{}\n", target.pid()));
        run(&["find", "-l", "-x", &name]).succeeds().prints(format!("{} {name}\n", target.pid()));
        finds_nothing(run(&["find", "--exe", &name, "--pid", &target.pid().to_string()]));
    }
}

#[test]
fn a_name_of_15_bytes_that_was_not_cut_stays() {
    let fake = FakeProc::new();
    fake.process(10, 1, "exactly-15-byte")
        .link("exe", "/opt/exactly-15-byte")
        .file("cmdline", "exactly-15-byte\0");
    fake.process(11, 1, "renamed-by-itse").link("exe", "/opt/other").file("cmdline", "other\0");
    find(&fake, &["-l", "-x", "exactly-15-byte"]).succeeds().prints("10 exactly-15-byte\n");
    find(&fake, &["-l", "-x", "renamed-by-itse"]).succeeds().prints("11 renamed-by-itse\n");
}

#[test]
fn it_never_lists_itself_by_its_own_pattern() {
    let word = marker("myself");
    finds_nothing(run(&["find", "-f", &word]));
    finds_nothing(run(&["find", "-af", &word]));
    run(&["find", "-cf", &word]).exits(1).prints("0\n");
}

#[test]
fn it_never_lists_itself_inverted() {
    let outcome =
        finish(shell(r#"echo $$; exec "$P" find -v -f "$M""#, &marker("inverted"))).succeeds();
    let pids = outcome.pids();
    assert!(!pids[1..].contains(&pids[0]) && pids[1..].contains(&id()), "{}", outcome.report());
}

#[test]
fn it_never_lists_itself_by_its_number() {
    finds_nothing(finish(shell(r#"exec "$P" find --pid $$"#, "")));
    finds_nothing(finish(shell(r#"exec "$P" find -P $PPID --pid $$"#, "")));
    finds_nothing(finish(shell(r#"exec "$P" find -P $PPID -n --pid $$"#, "")));
}

#[test]
fn it_is_the_descendant_of_nobody() {
    let outcome = finish(shell(r#"echo $$; exec "$P" find --descendants-of $PPID"#, ""));
    let pids = outcome.pids();
    assert!(!pids[1..].contains(&pids[0]), "{}", outcome.report());
}

#[test]
fn what_is_kept_from_us_never_matches_not_even_inverted() {
    if !namespace::is_root() {
        skip!("only root can be somebody else");
    }
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
        .expect("its permissions");
    let copy = directory.path().join("proctool");
    copy_from(PROCTOOL.as_ref(), &copy);
    let as_nobody = |words: &[&str]| {
        let mut command = clean("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy)
            .arg("find")
            .args(words);
        finish(command)
    };
    let target = Program::new("kept").start();
    let pid = target.pid().to_string();
    as_nobody(&["--pid", &pid]).succeeds().prints(format!("{pid}\n"));
    as_nobody(&["--env", "PATH", "--pid", &pid])
        .refuses(1, "permission denied to examine 1 process");
    finds_nothing(as_nobody(&["-q", "--env", "PATH", "--pid", &pid]));
    let others = as_nobody(&["-v", "--env", "PATH", "--pid", &pid]).succeeds().pids();
    assert!(others.contains(&1) && !others.contains(&target.pid()), "{others:?}");
}

#[test]
fn ancestors_can_be_left_out() {
    let word = marker("shell");
    let listed = finish(shell(&format!(r#"echo $$; "$P" find -f {word}; exit"#), "")).succeeds();
    let pids = listed.pids();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{}", listed.report());
    finds_nothing(finish(shell(&format!(r#""$P" find -A -f {word}; exit"#), "")));
    let all = finish(shell(r#"echo $$; "$P" find -A; exit"#, "")).succeeds();
    let pids: BTreeSet<u32> = all.pids()[1..].iter().copied().collect();
    assert!(
        !pids.contains(&all.pids()[0]) && !pids.contains(&id()) && !pids.contains(&1),
        "{}",
        all.report()
    );
}

/// The shell of the namespace and some sleepers, each question asked of both. Files instead of
/// pipes and `$( )`, so that no other process comes and goes.
const AS_PGREP: &str = r#"
    mount -t tmpfs none /mnt && cd /mnt || exit
    for name in alpha Beta gamma; do cp "$(command -v sleep)" $name; done
    asleep() { local line=; until [[ $line == "$1 ($2) S "* ]]; do read -r line < /proc/$1/stat; done; }
    ./alpha 1000 & alpha=$!
    ./alpha 1001 & asleep $! alpha
    ./Beta 1000 & beta=$!
    setsid ./gamma 1000 & gamma=$!
    # Not possible in a user namespace with root alone.
    as_other='setpriv --reuid 1 --regid 1 --clear-groups'; $as_other true 2> /dev/null || as_other=
    $as_other ./gamma 1001 & other=$!
    # The child ends when nobody can wait for it any more.
    (own=$BASHPID; (name=; until [ "$name" = alpha ]; do read -r name < /proc/$own/comm; done) & exec ./alpha 1002) &
    parent=$!
    asleep $alpha alpha; asleep $beta Beta; asleep $gamma gamma; asleep $other gamma; asleep $parent alpha
    until "$P" find -q -r Z -P $parent; do :; done
    kill -STOP $beta
    until "$P" find -q -r T; do :; done
    echo $gamma > pidfile
    compared=0
    ask() {
        pgrep "$@" > theirs 2> complaints; local status=$?
        "$P" find "$@" > ours 2> messages; local own=$?
        compared=$((compared + 1))
        [ -s complaints ] || [ ! -s messages ] && [ $own = $status ] && cmp -s theirs ours && return
        echo "find $*: status $own, pgrep $status"
        diff theirs ours
        cat complaints messages
    }
    ask alpha; ask '^al'; ask 'a$'; ask '[bB]eta|gamma'; ask nosuch; ask .; ask 'a{1}l.*a'
    ask -x alph; ask -x alpha; ask -x 'alpha|gamma'
    ask -f 'alpha 100[01]'; ask -f -x './alpha 1000'; ask -x -f alpha; ask -f -x './gamma.*'
    ask -i BETA; ask BETA; ask -i -x beta; ask -i -f './BETA'
    ask -v alpha; ask -v -x gamma; ask -v -P $$; ask -v -u 1
    ask -c alpha; ask -c nosuch; ask -c -v alpha
    ask -l alpha; ask -l -x true; ask -a -x 'alpha|gamma'; ask -d , alpha; ask -d ' and ' -l alpha; ask -d '' alpha
    ask -n alpha; ask -o alpha; ask -n .; ask -o .; ask -n nosuch; ask -l -n gamma; ask -c -o alpha
    ask -O 100000; ask -O 100000 alpha
    ask -P $$; ask -P 1,$parent; ask -P $parent; ask -P $$ alpha
    ask -g 0; ask -g $gamma; ask -g 0,$gamma; ask -s 0; ask -s $gamma; ask -s 0 -v
    ask -u 0; ask -u root; ask -u 1; ask -u 0,1; ask -U root; ask -U 1; ask -u 54321; ask -U 0 alpha
    ask -G 0; ask -G root; ask -G 1; ask -G 54321
    ask -r T; ask -r Z; ask -r S,T '^[aBg]'; ask -r S alpha; ask -r D; ask -r T -v
    ask -t '?'; ask -t '?,pts/7' alpha; ask -t ''; ask -t pts/77; ask -t tty1
    ask -F pidfile; ask -F pidfile alpha; ask -F pidfile gamma
    ask -A .; ask -A alpha; ask -A -v alpha
    ask --ns $$; ask --ns $$ alpha
    ask -P $$ -u 0 -x -v alpha; ask -g 0 -u root -r S -i BETA
    ask 'a('; ask '*('; ask -u nosuchuser; ask -n -o alpha; ask --nosuch; ask alpha beta; ask -F nosuch
    ask '[[:alpha:]]+'; ask 'alph[[:lower:]]$'; ask '[]a]lpha'; ask '[^]a]lpha'; ask '[a-]lpha'; ask '\<al'; ask 'al\>'
    ask '\w+ta'; ask 'alpha|'; ask '()alpha'; ask 'a**'; ask 'a{2,1}'; ask '[b-a]'; ask '\'; ask 'a{2'; ask '{'
    ask -l -f 1000; ask -a -f '^./gamma'; ask -c -n alpha; ask -x -v alpha; ask -l -r Z; ask -fl -d '|' alpha
    ask -lf '1000$'
    ask -P 0; ask -g 1; ask -s 1; ask -P abc; ask -P ''; ask -u ''; ask -g ''; ask -t -
    ask --cgroup /; ask --cgroup nosuch; ask -F pidfile -v; ask -c -d , alpha; ask -d '\n' alpha; ask -uroot -P1 al
    ask --count alpha; ask --inverse alpha; ask --delimiter : alpha; ask --list-name alpha; ask --list-full -x alpha
    ask --euid 1; ask --uid 1; ask --group 1; ask --session $gamma; ask --pgroup $gamma; ask --terminal tty9
    ask --ignore-case ALPHA; ask --exact alpha; ask --newest alpha; ask --oldest alpha; ask --full 1002; ask --parent 1
    ask --ignore-ancestors .; ask --older 0 nosuch; ask --older=100000 .; ask --runstates T; ask --pidfile pidfile
    echo compared $compared
"#;

#[test]
fn it_answers_as_pgrep_does() {
    if clean("pgrep").arg("--version").output().is_err() {
        skip!("pgrep is missing");
    }
    let Some(command) = namespace::script(AS_PGREP) else { skip!("no private namespaces") };
    let outcome = finish(command);
    assert!(
        outcome.lines().last().is_some_and(|line| line.starts_with("compared ")),
        "{}",
        outcome.report()
    );
    let differences = outcome.lines().into_iter().filter(|line| !line.starts_with("compared "));
    assert_eq!(differences.count(), 0, "{}", outcome.report());
    outcome.succeeds();
}
