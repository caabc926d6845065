//! Everything that depends on the terminal: lines, widths, escapes and bold.

use super::*;
use crate::support::terminal::{self, NO_TERMINAL};

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

/// Returns the lines that a shell command writes to a terminal of its own; `None` where there is no
/// script(1). In the command, `$P` is the program and `$O` the option that makes it read a fake
/// procfs.
fn lines_on_terminal(
    fake: &FakeProc,
    variables: &[(&str, &str)],
    command: &str,
) -> Option<Vec<String>> {
    if !terminal::is_there() {
        return None;
    }
    let [program, arguments @ ..] = terminal::on_terminal(command);
    let mut script = clean(program);
    script.args(arguments).env("P", PROCTOOL).env("O", fake.option());
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
    let Some(lines) = lines_on_terminal(&fake, &[], "stty cols 40; \"$P\" tree -a \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["init(1)", "└─ job(5) one two three four five six s…"]);
    assert_eq!(lines[1].chars().count(), 40);
    let Some(lines) = lines_on_terminal(&fake, &[], "stty cols 40; \"$P\" tree -aA \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["init(1)", "`- job(5) one two three four five six s+"]);
}

#[test]
fn a_terminal_of_unknown_width_has_that_of_the_environment() {
    let fake = long_arguments();
    let command = "stty cols 0; \"$P\" tree -a \"$O\"";
    let Some(lines) = lines_on_terminal(&fake, &[("COLUMNS", "20")], command) else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["init(1)", "└─ job(5) one two t…"]);
}

#[test]
fn long_lines_are_whole_on_request_and_in_a_pipe() {
    let fake = long_arguments();
    let whole = ["init(1)", "└─ job(5) one two three four five six seven eight nine"];
    let Some(lines) = lines_on_terminal(&fake, &[], "stty cols 40; \"$P\" tree -al \"$O\"") else {
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
    let Some(lines) = lines_on_terminal(&fake, &[], "stty cols 80; \"$P\" tree -a \"$O\"") else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["a\\x1b[31m\\nb(5) one\\ntwo\\x1bc"]);
    tree(&fake, &["-a"]).succeeds().prints("a\u{1b}[31m\nb(5) one\ntwo\u{1b}c\n");
}

#[test]
fn a_terminal_shows_matches_bold_unless_that_is_unwanted() {
    let fake = cron();
    let command = "stty cols 80; \"$P\" tree -s 50 \"$O\"";
    let Some(lines) = lines_on_terminal(&fake, &[("TERM", "xterm")], command) else {
        skip!(NO_TERMINAL)
    };
    assert_eq!(lines, ["init(1)", "\u{1b}[1m└─ sshd(50)\u{1b}[0m"]);
    let variables = [("TERM", "xterm"), ("NO_COLOR", "1")];
    let Some(lines) = lines_on_terminal(&fake, &variables, command) else { skip!(NO_TERMINAL) };
    assert_eq!(lines, ["init(1)", "└─ sshd(50)"]);
}
