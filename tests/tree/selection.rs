//! The part of the tree that is shown.

use super::*;

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
