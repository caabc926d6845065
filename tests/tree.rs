//! `tree`: what is shown of a forest, how it is drawn, and as JSON.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::{FakeProc, FakeProcess};
use super::support::namespace;
use super::support::target::{Program, Target};
use crate::skip;

/// init - cron - workers - sh - job, and a daemon that has nothing to do with them.
fn cron() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, ppid, comm, exe, uid) in [
        (1, 0, "init", "/sbin/init", 0),
        (10, 1, "cron", "/usr/sbin/cron", 0),
        (20, 10, "cron", "/usr/sbin/cron", 0),
        (21, 10, "cron", "/usr/sbin/cron", 0),
        (30, 20, "sh", "/bin/dash", 3_999_999_999),
        (31, 21, "sh", "/bin/dash", 0),
        (40, 30, "backup", "/opt/jobs/backup", 3_999_999_999),
        (50, 1, "sshd", "/usr/sbin/sshd", 0),
    ] {
        fake.process(pid, ppid, comm)
            .owner(uid, uid)
            .link("exe", exe)
            .file("cmdline", format!("{exe}\0"));
    }
    fake
}

const WHOLE_CRON: [&str; 8] = [
    "init(1)",
    "├─ cron(10)",
    "│  ├─ cron(20)",
    "│  │  └─ sh(30)",
    "│  │     └─ backup(40)",
    "│  └─ cron(21)",
    "│     └─ sh(31)",
    "└─ sshd(50)",
];

fn tree(fake: &FakeProc, words: &[&str]) -> Outcome {
    let option = fake.option();
    run(&[&["tree", &option], words].concat())
}

#[track_caller]
fn shows(fake: &FakeProc, words: &[&str], lines: &[&str]) {
    tree(fake, words).succeeds().prints(text(lines));
}

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line of stat with everything that the helper for fake processes fixes.
struct Stat {
    pid: u32,
    ppid: u32,
    comm: &'static str,
    state: char,
    pgrp: u32,
    flags: u32,
    threads: u32,
    start_ticks: u64,
}

const PLAIN: Stat = Stat {
    pid: 1,
    ppid: 0,
    comm: "init",
    state: 'S',
    pgrp: 1,
    flags: 4_194_304,
    threads: 1,
    start_ticks: 500,
};

const KERNEL_THREAD: u32 = 2_097_152;

impl Stat {
    fn in_proc(self, fake: &FakeProc) -> FakeProcess {
        let Stat { pid, ppid, comm, state, pgrp, flags, threads, start_ticks } = self;
        let stat = format!(
            "{pid} ({comm}) {state} {ppid} {pgrp} {pgrp} 0 -1 {flags} 0 0 0 0 10 20 0 0 20 0 \
             {threads} 0 {start_ticks} 4096000 2 0 0 0\n"
        );
        fake.bare(pid).file("stat", stat).file("comm", format!("{comm}\n"))
    }
}

#[test]
fn the_whole_forest_is_shown_with_unicode_lines() {
    shows(&cron(), &[], &WHOLE_CRON);
}

#[test]
fn ascii_lines_are_drawn_when_asked_for() {
    let lines = [
        "init(1)",
        "|- cron(10)",
        "|  |- cron(20)",
        "|  |  `- sh(30)",
        "|  |     `- backup(40)",
        "|  `- cron(21)",
        "|     `- sh(31)",
        "`- sshd(50)",
    ];
    let fake = cron();
    shows(&fake, &["-A"], &lines);
    shows(&fake, &["--ascii"], &lines);
}

#[test]
fn a_locale_without_unicode_is_drawn_in_ascii() {
    let fake = cron();
    let ascii = tree(&fake, &["-A"]).stdout;
    for (name, value) in [("LANG", "C"), ("LC_ALL", "POSIX"), ("LC_CTYPE", "de_DE.ISO-8859-1")] {
        let mut command = proctool(["tree", &fake.option()]);
        command.env(name, value);
        finish(command).succeeds().prints(&ascii);
    }
}

#[test]
fn unicode_lines_are_drawn_in_any_locale_when_asked_for() {
    let fake = cron();
    for option in ["-U", "--unicode"] {
        let mut command = proctool(["tree", option, &fake.option()]);
        command.env("LANG", "C");
        finish(command).succeeds().prints(text(&WHOLE_CRON));
    }
}

#[test]
fn an_executable_s_name_shows_its_processes_and_what_is_below() {
    let lines = [
        "cron(10)",
        "├─ cron(20)",
        "│  └─ sh(30)",
        "│     └─ backup(40)",
        "└─ cron(21)",
        "   └─ sh(31)",
    ];
    shows(&cron(), &["--exe", "cron"], &lines);
}

#[test]
fn an_executable_s_path_must_be_whole() {
    let fake = cron();
    shows(&fake, &["--exe-path", "/bin/dash"], &["sh(30)", "└─ backup(40)", "sh(31)"]);
    tree(&fake, &["--exe-path", "/dash"]).refuses(1, "no process matches");
}

#[test]
fn comm_is_compared_exactly() {
    let fake = cron();
    shows(&fake, &["--comm", "sh"], &["sh(30)", "└─ backup(40)", "sh(31)"]);
    tree(&fake, &["--comm", "s"]).refuses(1, "no process matches");
}

#[test]
fn processes_of_a_user_are_found_by_number_and_name() {
    let fake = cron();
    shows(&fake, &["--user", "3999999999"], &["sh(30)", "└─ backup(40)"]);
    shows(
        &fake,
        &["--user", "root", "--depth=0"],
        &[
            "init(1)",
            "├─ cron(10)",
            "│  ├─ cron(20)",
            "│  └─ cron(21)",
            "│     └─ sh(31)",
            "└─ sshd(50)",
        ],
    );
}

#[test]
fn a_pid_is_selected_by_option_and_by_position() {
    let fake = cron();
    for words in [&["--pid", "20"][..], &["20"]] {
        shows(&fake, words, &["cron(20)", "└─ sh(30)", "   └─ backup(40)"]);
    }
}

#[test]
fn several_values_of_one_kind_are_or_ed() {
    let fake = cron();
    let lines = ["sh(31)", "backup(40)", "sshd(50)"];
    shows(&fake, &["40", "31", "50"], &lines);
    shows(&fake, &["--pid", "40,31", "--pid=50"], &lines);
    shows(&fake, &["--comm=backup,sshd"], &lines[1..]);
    shows(&fake, &["--exe", "backup", "--exe", "sshd"], &lines[1..]);
}

#[test]
fn several_kinds_are_and_ed() {
    let fake = cron();
    shows(&fake, &["--comm", "sh", "--user", "0"], &["sh(31)"]);
    shows(&fake, &["--exe", "cron", "21", "30"], &["cron(21)", "└─ sh(31)"]);
    tree(&fake, &["--comm", "sh", "--exe", "cron"]).refuses(1, "no process matches");
}

#[test]
fn the_way_up_is_shown_without_other_branches() {
    let fake = cron();
    let lines =
        ["init(1)", "└─ cron(10)", "   └─ cron(20)", "      └─ sh(30)", "         └─ backup(40)"];
    shows(&fake, &["-s", "30"], &lines);
    shows(&fake, &["--ancestors", "--comm", "backup"], &lines);
    shows(
        &fake,
        &["-s", "30", "50", "--depth=0"],
        &["init(1)", "├─ cron(10)", "│  └─ cron(20)", "│     └─ sh(30)", "└─ sshd(50)"],
    );
}

#[test]
fn depth_counts_the_levels_below_a_match() {
    let fake = cron();
    shows(&fake, &["10", "--depth", "0"], &["cron(10)"]);
    shows(&fake, &["10", "--depth", "1"], &["cron(10)", "├─ cron(20)", "└─ cron(21)"]);
    let two = ["cron(10)", "├─ cron(20)", "│  └─ sh(30)", "└─ cron(21)", "   └─ sh(31)"];
    shows(&fake, &["10", "--depth", "2"], &two);
    shows(
        &fake,
        &["10", "--depth", "4294967295"],
        &[&two[..3], &["│     └─ backup(40)"], &two[3..]].concat(),
    );
}

#[test]
fn depth_counts_anew_from_a_match_below_another() {
    let fake = cron();
    shows(&fake, &["--exe", "cron", "--depth=0"], &["cron(10)", "├─ cron(20)", "└─ cron(21)"]);
    shows(&fake, &["10", "40", "--depth=0"], &["cron(10)", "backup(40)"]);
}

#[test]
fn depth_without_a_selection_counts_from_the_roots() {
    let fake = cron();
    shows(&fake, &["--depth", "0"], &["init(1)"]);
    shows(&fake, &["--depth", "1"], &["init(1)", "├─ cron(10)", "└─ sshd(50)"]);
}

#[test]
fn arguments_are_shown_without_the_program_itself() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init").file("cmdline", "/sbin/init\0");
    fake.process(2, 1, "sh").file("cmdline", "/bin/sh\0-c\0echo hi\0");
    fake.process(3, 1, "bare");
    let lines = ["init(1)", "├─ sh(2) -c echo hi", "└─ bare(3)"];
    shows(&fake, &["-a"], &lines);
    shows(&fake, &["--arguments"], &lines);
}

#[test]
fn a_title_that_a_process_gave_itself_is_shown_whole() {
    let fake = FakeProc::new();
    fake.process(5, 0, "nginx").file("cmdline", "nginx: worker process\0");
    fake.process(6, 0, "nginx").file("cmdline", "nginx: master process nginx -g");
    shows(
        &fake,
        &["-a"],
        &["nginx(5) nginx: worker process", "nginx(6) nginx: master process nginx -g"],
    );
}

/// As PostgreSQL and sshd leave them: the room that the arguments had is filled with zero bytes.
#[test]
fn a_title_padded_with_zero_bytes_is_shown_whole() {
    let fake = FakeProc::new();
    fake.process(5, 0, "postgres").file("cmdline", "postgres: checkpointer\0\0\0\0\0\0\0\0");
    shows(&fake, &["-a"], &["postgres(5) postgres: checkpointer"]);
}

#[test]
fn process_groups_stand_behind_the_pid() {
    let fake = FakeProc::new();
    Stat { pgrp: 1, ..PLAIN }.in_proc(&fake);
    Stat { pid: 7, ppid: 1, comm: "sh", pgrp: 7, ..PLAIN }.in_proc(&fake);
    Stat { pid: 8, ppid: 7, comm: "sort", pgrp: 7, ..PLAIN }.in_proc(&fake);
    let lines = ["init(1,1)", "└─ sh(7,7)", "   └─ sort(8,7)"];
    shows(&fake, &["-g"], &lines);
    shows(&fake, &["--show-pgids"], &lines);
}

#[test]
fn the_user_is_shown_where_it_changes() {
    let fake = cron();
    fake.process(60, 40, "sudo").owner(0, 0);
    let lines = [
        "init(1)",
        "├─ cron(10)",
        "│  ├─ cron(20)",
        "│  │  └─ sh(30,3999999999)",
        "│  │     └─ backup(40)",
        "│  │        └─ sudo(60,root)",
        "│  └─ cron(21)",
        "│     └─ sh(31)",
        "└─ sshd(50)",
    ];
    shows(&fake, &["-u"], &lines);
    shows(&fake, &["--uid-changes"], &lines);
}

#[test]
fn a_root_that_is_not_the_superuser_s_shows_its_user() {
    let fake = FakeProc::new();
    fake.process(5, 0, "shell").owner(3_999_999_999, 0);
    fake.process(6, 5, "child").owner(3_999_999_999, 0);
    fake.process(7, 0, "other").owner(0, 0);
    shows(&fake, &["-u"], &["shell(5,3999999999)", "└─ child(6)", "other(7)"]);
}

#[test]
fn details_come_in_a_fixed_order() {
    let fake = FakeProc::new();
    fake.process(5, 0, "sh")
        .owner(3_999_999_999, 0)
        .file("cmdline", "sh\0-i\0")
        .link("exe", "/bin/sh (deleted)");
    shows(&fake, &["-a", "-g", "-u"], &["sh(5,5,3999999999) (deleted) -i"]);
}

#[test]
fn threads_are_shown_by_name_and_id() {
    let program = Program::new("tt");
    let target = program.start_with(|command| {
        command.env("RUST_TEST_THREADS", "2");
    });
    let pid = target.pid();
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).expect("its threads") {
        let entry = entry.expect("a thread");
        let id = entry.file_name().into_string().expect("its id");
        if id != pid.to_string() {
            let name = fs::read_to_string(entry.path().join("comm")).expect("its name");
            threads.push(format!("{{{}}}({id})", name.trim_end()));
        }
    }
    assert!(!threads.is_empty(), "process {pid} has one thread");
    let mut lines = vec![format!("{}({pid})", program.name)];
    let last = threads.len() - 1;
    lines.extend(
        threads
            .iter()
            .enumerate()
            .map(|(at, line)| format!("{} {line}", if at < last { "├─" } else { "└─" })),
    );
    for option in ["-t", "--thread-names"] {
        let outcome = run(&["tree", option, &pid.to_string()]).succeeds();
        assert_eq!(outcome.lines(), lines);
    }
    assert_eq!(run(&["tree", &pid.to_string()]).succeeds().lines(), lines[..1]);
}

#[test]
fn threads_stand_before_children_and_join_them() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for (pid, comm) in [(10, "daemon"), (20, "lonely")] {
        Stat { pid, ppid: 1, comm, threads: 2, ..PLAIN }.in_proc(&fake);
        for (id, name) in [(pid, comm), (pid + 1, "io")] {
            let thread = directory(&fake).join(format!("{pid}/task/{id}"));
            fs::create_dir_all(&thread).expect("a directory for a thread");
            fs::write(thread.join("comm"), format!("{name}\n")).expect("its name");
        }
    }
    fake.process(30, 10, "child");
    let lines = [
        "init(1)",
        "├─ daemon(10)",
        "│  ├─ {io}(11)",
        "│  └─ child(30)",
        "└─ lonely(20)",
        "   └─ {io}(21)",
    ];
    shows(&fake, &["-t"], &lines);
}

fn directory(fake: &FakeProc) -> PathBuf {
    fake.option().trim_start_matches("--proc=").into()
}

/// init with five leaves, of which three are the same, and a sixth child that is like them but has
/// a child.
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
        fs::create_dir_all(&thread).expect("a directory for a thread");
        fs::write(thread.join("comm"), "io\n").expect("its name");
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
fn what_is_done_anyway_may_be_asked_for() {
    let fake = cron();
    for option in ["-n", "--numeric-sort", "-p", "--show-pids", "-l", "--long", "-np"] {
        shows(&fake, &[option], &WHOLE_CRON);
    }
}

#[test]
fn siblings_are_ordered_by_number_not_by_text() {
    let fake = FakeProc::new();
    for (pid, ppid) in [(1, 0), (100, 1), (9, 1), (20, 1), (1000, 0)] {
        fake.process(pid, ppid, "p");
    }
    shows(&fake, &[], &["p(1)", "├─ p(9)", "├─ p(20)", "└─ p(100)", "p(1000)"]);
}

#[test]
fn namespaces_are_named_where_they_change() {
    let script = "coproc unshare --uts --net bash -c 'echo ready; read -r line; true'
        read -r -u \"${COPROC[0]}\" line
        for option in -S --ns-changes; do \"$P\" tree $option \"$$\" \"$COPROC_PID\" || exit; done";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command).succeeds();
    outcome.prints(
        "bash(1)\n├─ bash(2,net,uts)\n└─ proctool(3)\nbash(1)\n├─ bash(2,net,uts)\n└─ \
    proctool(4)\n",
    );
}

/// The pids of the lines that are bold, which must be bold from end to end.
#[track_caller]
fn bold_pids(outcome: &Outcome) -> Vec<u32> {
    let lines = outcome.lines();
    let bold = lines.iter().filter(|line| line.contains('\u{1b}'));
    bold.map(|line| {
        let inside = line.strip_prefix("\u{1b}[1m").and_then(|line| line.strip_suffix("\u{1b}[0m"));
        let inside = inside.filter(|inside| !inside.contains('\u{1b}'));
        pid_of(
            inside.unwrap_or_else(|| panic!("not bold as a whole: {line:?}\n{}", outcome.report())),
        )
    })
    .collect()
}

/// The pid of a line of a plain tree.
fn pid_of(line: &str) -> u32 {
    let number =
        line.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(number, _)| number);
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no pid in {line:?}"))
}

#[test]
fn the_highlighted_process_and_its_ancestors_are_bold() {
    let fake = cron();
    for option in ["-H", "--highlight"] {
        let outcome = tree(&fake, &[option, "30", "--color=always"]).succeeds();
        assert_eq!(bold_pids(&outcome), [1, 10, 20, 30], "{}", outcome.report());
        let plain = outcome.text().replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        assert_eq!(plain, text(&WHOLE_CRON));
    }
    shows(&fake, &["-H", "30"], &WHOLE_CRON);
}

#[test]
fn only_the_highlighted_are_bold_among_matches() {
    let outcome = tree(&cron(), &["10", "50", "-H", "20", "--color=always"]).succeeds();
    assert_eq!(bold_pids(&outcome), [10, 20], "{}", outcome.report());
}

#[test]
fn matches_are_bold_among_those_that_are_not() {
    let fake = cron();
    let outcome = tree(&fake, &["-s", "--comm=sh", "--color=always"]).succeeds();
    assert_eq!(bold_pids(&outcome), [30, 31], "{}", outcome.report());
    let outcome = tree(&fake, &["--color=always"]).succeeds();
    assert_eq!(bold_pids(&outcome), [0; 0], "{}", outcome.report());
}

#[test]
fn an_unknown_process_cannot_be_highlighted() {
    tree(&cron(), &["-H", "7"]).refuses(1, "there is no process 7 to highlight");
}

/// init and two kernel threads, one below the other.
fn kernel() -> FakeProc {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    Stat { pid: 2, comm: "kthreadd", flags: KERNEL_THREAD, ..PLAIN }
        .in_proc(&fake)
        .file("cmdline", "");
    Stat { pid: 3, ppid: 2, comm: "kworker/0:1", state: 'I', flags: KERNEL_THREAD, ..PLAIN }
        .in_proc(&fake);
    fake
}

#[test]
fn threads_of_the_kernel_are_hidden_unless_asked_for() {
    let fake = kernel();
    shows(&fake, &[], &["init(1)"]);
    shows(&fake, &["--kernel"], &["init(1)", "[kthreadd](2)", "└─ [kworker/0:1](3)"]);
    shows(&fake, &["--comm=kthreadd"], &["[kthreadd](2)", "└─ [kworker/0:1](3)"]);
    tree(&fake, &["--user=4294967294"]).refuses(1, "no process matches");
}

#[test]
fn a_thread_of_the_kernel_is_shown_when_it_is_named_by_pid() {
    let fake = kernel();
    for words in [&["2"][..], &["--pid=2"]] {
        shows(&fake, words, &["[kthreadd](2)", "└─ [kworker/0:1](3)"]);
    }
    shows(&fake, &["-s", "3"], &["[kthreadd](2)", "└─ [kworker/0:1](3)"]);
}

#[test]
fn a_thread_of_the_kernel_is_shown_when_it_is_highlighted() {
    let outcome = tree(&kernel(), &["-H", "3", "--color=always"]).succeeds();
    assert_eq!(bold_pids(&outcome), [2, 3], "{}", outcome.report());
}

#[test]
fn processes_without_a_visible_parent_are_roots() {
    let fake = FakeProc::new();
    for (pid, ppid, comm) in [(1, 0, "init"), (5, 0, "entered"), (6, 99, "orphan"), (7, 6, "child")]
    {
        fake.process(pid, ppid, comm);
    }
    shows(&fake, &[], &["init(1)", "entered(5)", "orphan(6)", "└─ child(7)"]);
}

#[test]
fn a_parent_that_started_later_is_somebody_else() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(30).stat(30, 40, b"old", 'S', 100);
    fake.bare(40).stat(40, 1, b"young", 'S', 900);
    shows(&fake, &[], &["init(1)", "└─ young(40)", "old(30)"]);
}

#[test]
fn a_process_that_entered_a_pid_namespace_is_a_root_there() {
    let script = "coproc unshare --pid --fork --mount-proc bash -c 'echo ready; read -r line; true'
        read -r -u \"${COPROC[0]}\" line
        read -r inner < /proc/$COPROC_PID/task/$COPROC_PID/children
        [ -n \"$inner\" ] || exit 77
        nsenter --target $inner --pid --mount \"$P\" tree; exit";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("this kernel does not list children");
    }
    outcome.succeeds().prints("bash(1)\nproctool(2)\n");
}

#[test]
fn processes_that_show_nothing_but_their_pid_are_roots() {
    let script = "mount -o remount,hidepid=1 /proc || exit 77; nobody tree; exit $?";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("/proc cannot be mounted with hidepid=1");
    }
    let lines = outcome.succeeds().lines();
    assert!(
        lines.len() == 2 && lines[0] == "?(1)" && lines[1].starts_with("└─ proctool("),
        "{lines:?}"
    );
}

#[test]
fn a_zombie_is_marked_and_keeps_its_children() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(5).stat(5, 1, b"leader", 'Z', 500);
    fake.process(6, 5, "child");
    shows(&fake, &[], &["init(1)", "└─ leader(5) <defunct>", "   └─ child(6)"]);
}

#[test]
fn a_real_zombie_is_marked() {
    let program = Program::new("tz");
    let mut target = program.start();
    target.become_zombie();
    let pid = target.pid();
    run(&["tree", "-a", &pid.to_string()])
        .succeeds()
        .prints(format!("{}({pid}) <defunct>\n", program.name));
}

#[test]
fn stopped_and_traced_processes_are_marked() {
    let fake = FakeProc::new();
    fake.bare(5).stat(5, 0, b"job", 'T', 500);
    fake.bare(6).stat(6, 5, b"child", 't', 500);
    fake.bare(7).stat(7, 5, b"disk", 'D', 500);
    shows(&fake, &[], &["job(5) <stopped>", "├─ child(6) <stopped>", "└─ disk(7)"]);
}

#[test]
fn an_executable_that_was_removed_is_marked() {
    let fake = FakeProc::new();
    fake.process(5, 0, "daemon")
        .link("exe", "/usr/sbin/daemon (deleted)")
        .file("cmdline", "daemon\0-f\0");
    fake.process(6, 5, "daemon").link("exe", "/usr/sbin/daemon");
    shows(&fake, &[], &["daemon(5) (deleted)", "└─ daemon(6)"]);
    shows(&fake, &["-a", "--exe=daemon"], &["daemon(5) (deleted) -f", "└─ daemon(6)"]);
}

#[test]
fn a_real_process_whose_executable_was_replaced_is_marked_and_found() {
    let program = Program::new("td");
    let target = program.start();
    let name = format!("{}({})", program.name, target.pid());
    run(&["tree", "--exe", &program.name]).succeeds().prints(format!("{name}\n"));
    let newer = program.path().with_extension("new");
    fs::copy(program.path(), &newer).expect("a newer program");
    fs::rename(newer, program.path()).expect("the newer program in its place");
    run(&["tree", "--exe", &program.name]).succeeds().prints(format!("{name} (deleted)\n"));
}

#[test]
fn a_name_that_the_kernel_cut_is_shown_whole() {
    let program = Program::new("tree-test-with-a-long-name-");
    let target = program.start();
    let pid = target.pid();
    run(&["tree", &pid.to_string()]).succeeds().prints(format!("{}({pid})\n", program.name));
}

#[test]
fn a_circle_ends_and_loses_nobody() {
    let fake = FakeProc::new();
    for (pid, ppid) in [(5, 5), (10, 12), (11, 10), (12, 11), (13, 12)] {
        fake.process(pid, ppid, "p");
    }
    shows(&fake, &[], &["p(5)", "p(10)", "└─ p(11)", "   └─ p(12)", "      └─ p(13)"]);
    shows(&fake, &["-s", "--depth=0", "12", "-H", "11"], &["p(10)", "└─ p(11)", "   └─ p(12)"]);
}

/// The pids of nested JSON, parents first, each with that of its parent in the nesting.
fn nested(value: &Value) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut waiting: Vec<(&Value, u64)> =
        value.as_array().expect("an array").iter().rev().map(|v| (v, 0)).collect();
    while let Some((process, parent)) = waiting.pop() {
        let pid = process["pid"].as_u64().expect("a pid");
        found.push((pid, parent));
        waiting.extend(
            process["children"]
                .as_array()
                .expect("children")
                .iter()
                .rev()
                .map(|child| (child, pid)),
        );
    }
    found
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

const KEYS: [&str; 7] = ["pid", "ppid", "comm", "exe_name", "state", "user", "cmdline"];

#[test]
fn json_is_nested_like_the_tree() {
    let fake = cron();
    for words in [&[][..], &["--exe=cron"], &["-s", "30", "50"], &["10", "40", "--depth=0"]] {
        let pids: Vec<u64> =
            tree(&fake, words).lines().iter().map(|line| pid_of(line).into()).collect();
        let json = tree(&fake, &[words, &["--json"]].concat()).succeeds().json();
        let nested = nested(&json);
        assert_eq!(nested.iter().map(|&(pid, _)| pid).collect::<Vec<_>>(), pids, "{words:?}");
        let parents = [(10, 1), (20, 10), (21, 10), (30, 20), (31, 21), (40, 30), (50, 1)];
        for (pid, parent) in nested.into_iter().filter(|&(_, parent)| parent != 0) {
            assert!(parents.contains(&(pid, parent)), "{pid} below {parent}: {words:?}");
        }
    }
}

#[test]
fn json_has_these_members() {
    let json = tree(&cron(), &["30", "--json"]).succeeds().json();
    let sh = &json[0];
    let expected: BTreeSet<&str> = KEYS.into_iter().chain(["children"]).collect();
    assert_eq!(keys(sh), expected);
    assert_eq!(keys(&sh["children"][0]), expected);
    assert_eq!((sh["pid"].as_u64(), sh["ppid"].as_u64()), (Some(30), Some(20)));
    assert_eq!((sh["comm"].as_str(), sh["exe_name"].as_str()), (Some("sh"), Some("dash")));
    assert_eq!((sh["state"].as_str(), sh["user"].as_str()), (Some("S"), Some("3999999999")));
    assert_eq!(sh["cmdline"], serde_json::json!(["/bin/dash"]));
    assert_eq!(sh["children"][0]["children"], serde_json::json!([]));
}

#[test]
fn json_lines_are_flat() {
    let outcome = tree(&cron(), &["--exe=cron", "--jsonl"]).succeeds();
    let processes: Vec<Value> = outcome
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert!(
        processes.iter().all(|process| keys(process) == BTreeSet::from(KEYS)),
        "{}",
        outcome.report()
    );
    let pids: Vec<u64> = processes.iter().filter_map(|process| process["pid"].as_u64()).collect();
    assert_eq!(pids, [10, 20, 30, 40, 21, 31]);
}

#[test]
fn what_is_unavailable_is_null_in_json() {
    let fake = FakeProc::new();
    fake.process(5, 0, "bare");
    let json = tree(&fake, &["--json"]).succeeds().json();
    assert_eq!((&json[0]["user"], &json[0]["cmdline"]), (&Value::Null, &Value::Null));
    assert_eq!(json[0]["comm"], "bare");
}

#[test]
fn no_match_is_told_in_one_line() {
    let fake = cron();
    let message = "proctool tree: no process matches\n";
    for (words, stdout) in [(&[][..], ""), (&["-s"], ""), (&["--json"], "[]\n"), (&["--jsonl"], "")]
    {
        let outcome = tree(&fake, &[&["--exe=nobody"], words].concat()).exits(1).prints(stdout);
        assert_eq!(outcome.errors(), message, "{}", outcome.report());
    }
}

#[test]
fn an_unknown_pid_is_told_by_number() {
    let fake = cron();
    tree(&fake, &["7"]).refuses(1, "there is no process 7");
    tree(&fake, &["7", "--json"]).exits(1).prints("[]\n").says("there is no process 7");
    let both = tree(&fake, &["7", "8"]).exits(1).prints("");
    assert_eq!(
        both.errors(),
        "proctool tree: there is no process 7\nproctool tree: there is no process 8\n"
    );
}

#[test]
fn some_unknown_pids_leave_the_others_shown() {
    let fake = cron();
    tree(&fake, &["7", "31", "50"])
        .exits(64)
        .prints("sh(31)\nsshd(50)\n")
        .says("there is no process 7");
    let json = tree(&fake, &["31", "7", "--json"]).exits(64).says("there is no process 7").json();
    assert_eq!(nested(&json), [(31, 0)]);
}

#[test]
fn quiet_says_nothing_of_what_was_not_found() {
    let fake = cron();
    for option in ["-q", "--quiet"] {
        for (words, status, stdout) in
            [(&["--exe=nobody"][..], 1, ""), (&["7"], 1, ""), (&["7", "50"], 64, "sshd(50)\n")]
        {
            let outcome = tree(&fake, &[&[option], words].concat()).exits(status).prints(stdout);
            assert!(outcome.stderr.is_empty(), "{}", outcome.report());
        }
    }
}

/// What a shell command writes to a terminal of its own, as lines; `None` where there is no
/// script(1). The command has `$P` for the program and `$O` for the option that makes it read a
/// fake procfs.
fn on_terminal(fake: &FakeProc, variables: &[(&str, &str)], command: &str) -> Option<Vec<String>> {
    let mut probe = clean("sh");
    probe.args(["-c", "command -v script && command -v stty"]);
    if finish(probe).code() != 0 {
        return None;
    }
    let mut script = clean("script");
    script.args(["-qec", command, "/dev/null"]).env("P", PROCTOOL).env("O", fake.option());
    script.envs(variables.iter().copied());
    Some(
        finish(script)
            .succeeds()
            .text()
            .lines()
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect(),
    )
}

const NO_TERMINAL: &str = "script(1) or stty(1) is missing";

fn long_arguments() -> FakeProc {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.process(5, 1, "job")
        .file("cmdline", "job\0one\0two\0three\0four\0five\0six\0seven\0eight\0nine\0");
    fake
}

#[test]
fn lines_are_cut_to_the_width_of_the_terminal() {
    let fake = long_arguments();
    let Some(lines) = on_terminal(&fake, &[], "stty cols 40; \"$P\" tree -a \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["init(1)", "└─ job(5) one two three four five six s…"]);
    assert_eq!(lines[1].chars().count(), 40);
    let Some(lines) = on_terminal(&fake, &[], "stty cols 40; \"$P\" tree -aA \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["init(1)", "`- job(5) one two three four five six s+"]);
}

#[test]
fn a_terminal_of_unknown_width_has_that_of_the_environment() {
    let fake = long_arguments();
    let command = "stty cols 0; \"$P\" tree -a \"$O\"";
    let Some(lines) = on_terminal(&fake, &[("COLUMNS", "20")], command) else { skip!(NO_TERMINAL) };
    assert_eq!(lines, ["init(1)", "└─ job(5) one two t…"]);
}

#[test]
fn long_lines_are_whole_on_request_and_in_a_pipe() {
    let fake = long_arguments();
    let whole = ["init(1)", "└─ job(5) one two three four five six seven eight nine"];
    let Some(lines) = on_terminal(&fake, &[], "stty cols 40; \"$P\" tree -al \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, whole);
    let mut piped = proctool(["tree", "-a", &fake.option()]);
    piped.env("COLUMNS", "20");
    finish(piped).succeeds().prints(text(&whole));
}

#[test]
fn names_are_escaped_on_a_terminal_and_exact_in_a_pipe() {
    let fake = FakeProc::new();
    fake.process(5, 0, "a\u{1b}[31m\nb").file("cmdline", "x\0one\ntwo\u{1b}c\0");
    let Some(lines) = on_terminal(&fake, &[], "stty cols 80; \"$P\" tree -a \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["a\\x1b[31m\\nb(5) one\\ntwo\\x1bc"]);
    tree(&fake, &["-a"]).succeeds().prints("a\u{1b}[31m\nb(5) one\ntwo\u{1b}c\n");
}

#[test]
fn a_terminal_shows_matches_bold_unless_that_is_unwanted() {
    let fake = cron();
    let command = "stty cols 80; \"$P\" tree -s 50 \"$O\"";
    let Some(lines) = on_terminal(&fake, &[("TERM", "xterm")], command) else { skip!(NO_TERMINAL) };
    assert_eq!(lines, ["init(1)", "\u{1b}[1m└─ sshd(50)\u{1b}[0m"]);
    let variables = [("TERM", "xterm"), ("NO_COLOR", "1")];
    let Some(lines) = on_terminal(&fake, &variables, command) else { skip!(NO_TERMINAL) };
    assert_eq!(lines, ["init(1)", "└─ sshd(50)"]);
}

#[test]
fn a_real_parent_is_shown_above_its_child() {
    let target = Target::script("sh -c 'echo ready; read -r line; true'; true");
    let outcome = run(&["tree", "-a", &target.pid().to_string()]).succeeds();
    let lines = outcome.lines();
    assert_eq!(lines.len(), 2, "{}", outcome.report());
    assert!(
        lines[0].starts_with(&format!("sh({}) -c sh -c ", target.pid())),
        "{}",
        outcome.report()
    );
    assert!(
        lines[1].starts_with("└─ sh(") && lines[1].ends_with(") -c echo ready; read -r line; true"),
        "{lines:?}"
    );
}
