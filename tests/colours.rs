//! Colours: what a reader should notice stands out, on a terminal or where they are asked for.

use rustix::process::Signal;

use super::support::command::run;
use super::support::fake::FakeProc;
use super::support::running::{send, state, until};
use super::support::target::Target;

const PLAIN: &str = "\x1b[0m";

/// Makes processes in each state that has a colour.
fn states() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, state, uid) in [(10, 'S', 7), (20, 'Z', 7), (30, 'D', 7), (40, 'T', 0), (50, 't', 7)]
    {
        let process = fake.bare(pid).stat(pid, 1, b"x", state, 500).file(
            "status",
            format!("Name:\tx\nState:\t{state}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"),
        );
        if pid == 10 {
            process.link("exe", "/bin/y (deleted)");
        }
    }
    fake
}

#[test]
fn a_table_paints_states_the_superuser_and_removed_programs() {
    let fake = states();
    let words =
        ["find", "--color=always", "--fields", "pid,state,exe_deleted,user", &fake.option()];
    let text = run(&words).succeeds().text();
    for painted in [
        "\x1b[1mPID",
        "\x1b[31mZ",
        "\x1b[1;31mD",
        "\x1b[36mT",
        "\x1b[36mt",
        "\x1b[35mroot",
        "\x1b[33myes",
    ] {
        assert!(text.contains(&format!("{painted}{PLAIN}")), "{painted:?}: {text:?}");
    }
    assert!(!text.contains("\x1b[31mS") && text.contains(" S "), "{text:?}");
    let words = ["find", "--fields", "state,user", &fake.option()];
    for more in [&["--color=never"][..], &[]] {
        let plain = run(&[&words[..], more].concat()).succeeds().text();
        assert!(!plain.contains('\x1b'), "{plain:?}");
    }
}

#[test]
fn columns_keep_their_width_with_colours() {
    let fake = states();
    let words = ["find", "--fields", "state,user,pid", &fake.option()];
    let plain = run(&words).succeeds().text();
    let painted = run(&[&words[..], &["--color=always"]].concat()).succeeds().text();
    let without = ["31", "1;31", "36", "35", "33", "1", "0"]
        .iter()
        .fold(painted, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&plain), sorted(&without));
}

#[test]
fn show_and_tree_paint_too() {
    let target = Target::script("echo ready; read -r line");
    send(target.pid(), Signal::STOP);
    until("a stopped process", || state(target.pid()) == 'T');
    let pid = target.pid().to_string();
    let shown = run(&["show", "--color=always", &pid]).succeeds().text();
    assert!(shown.contains("\x1b[1mIdentity\x1b[0m"), "{shown:?}");
    assert!(shown.contains("state          \x1b[36mT\x1b[0m"), "{shown:?}");
    let tree =
        run(&["tree", "--color=always", "-s", "--fields", "pid,state", &pid]).succeeds().text();
    assert!(tree.contains("\x1b[1mPROCESS\x1b[0m"), "{tree:?}");
    // A match is emphasised as a whole, also behind a part with another colour.
    let line = tree.lines().find(|line| line.contains(&format!("({pid})"))).expect("its line");
    assert!(line.starts_with("\x1b[1m") && line.contains("\x1b[0m\x1b[1m"), "{line:?}");
    assert!(line.contains("\x1b[36msh\x1b[0m"), "{line:?}");
}

#[test]
fn the_columns_of_a_tree_stand_at_its_left() {
    let fake = FakeProc::new();
    for (pid, ppid, name) in [(1, 0, "init"), (10, 1, "cron"), (20, 10, "job")] {
        fake.process(pid, ppid, name).owner(7, 0);
    }
    let words = ["tree", "-A", "--fields", "pid,state,comm", &fake.option()];
    run(&words).succeeds().prints(
        "    PID STATE COMM            PROCESS\n\
         \x20     1 S     init            init(1)\n\
         \x20    10 S     cron            `- cron(10)\n\
         \x20    20 S     job                `- job(20)\n",
    );
    let json = run(&["tree", "--json", "--fields", "pid", &fake.option()]).succeeds().json();
    let expected = serde_json::json!([{"pid": 1, "children":
        [{"pid": 10, "children": [{"pid": 20, "children": []}]}]}]);
    assert_eq!(json, expected);
    run(&["tree", "--fields", "pid", "--compact"]).refuses(2, "cannot be used with");
}
