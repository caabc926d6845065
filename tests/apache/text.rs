//! The table for people.

use super::super::support::apache::{ApacheBox, LONG, PREFORK};
use super::super::support::command::{Outcome, finish};
use super::super::support::terminal::on_terminal;
use crate::apache_box;

const HEADER: [&str; 8] =
    ["GROUP", "PROCESSES", "THREADS", "MIN", "AVERAGE", "MEDIAN", "MAX", "TOTAL"];

fn is_bar(character: char) -> bool {
    ('\u{2581}'..='\u{2588}').contains(&character)
}

/// Returns the line that begins with this.
#[track_caller]
fn line(outcome: &Outcome, start: &str) -> String {
    let lines = outcome.lines();
    let found: Vec<&String> =
        lines.iter().filter(|line| line.trim_start().starts_with(start)).collect();
    assert!(found.len() == 1, "expected one line {start:?}\n{}", outcome.report());
    found[0].clone()
}

/// Returns the words of the line that has all of these.
#[track_caller]
fn row(outcome: &Outcome, words: &[&str]) -> Vec<String> {
    let lines = outcome.lines();
    let split = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let has_all =
        |row: &Vec<String>| words.iter().all(|word| row.iter().any(|found| found == word));
    lines
        .iter()
        .map(split)
        .find(has_all)
        .unwrap_or_else(|| panic!("no row {words:?}\n{}", outcome.report()))
}

#[test]
fn a_block_has_a_heading_a_table_and_a_forecast() {
    let place = apache_box!();
    let master = place.prefork();
    let outcome = place.memory(&[]).succeeds();
    let heading = &outcome.lines()[0];
    for word in ["apache2", &master.to_string(), "root", "-f /mnt/one/httpd.conf"] {
        assert!(heading.contains(word), "no {word}\n{}", outcome.report());
    }
    let header = row(&outcome, &HEADER[..1]);
    assert_eq!(header, HEADER, "{}", outcome.report());
    for word in ["alpha", &LONG[..20], "custom", "noname", "rss", "pss", "uss", "all"] {
        assert!(outcome.text().contains(word), "no {word}\n{}", outcome.report());
    }
    for start in ["One more worker", "Available", "Would fit", "MaxRequestWorkers"] {
        line(&outcome, start);
    }
    assert!(line(&outcome, "MaxRequestWorkers").contains('5'), "{}", outcome.report());
    assert!(
        outcome.stdout.is_ascii() || outcome.text().chars().any(is_bar),
        "{}",
        outcome.report()
    );
}

#[test]
fn nobody_swaps_so_that_there_is_no_line_for_it() {
    let place = apache_box!();
    place.prefork();
    let block = place.block(&[]);
    let swaps = |member: &&serde_json::Value| member["swap"] != 0;
    if super::members(&block).into_iter().any(|member| swaps(&member)) {
        return;
    }
    let outcome = place.memory(&[]).succeeds();
    let has_row = outcome.lines().iter().any(|line| line.split_whitespace().next() == Some("swap"));
    assert!(!has_row, "{}", outcome.report());
}

#[test]
fn a_bar_has_a_character_a_process() {
    let place = apache_box!();
    place.prefork();
    let outcome = place.memory(&[]).succeeds();
    let bars: Vec<usize> = outcome
        .lines()
        .iter()
        .map(|line| line.chars().filter(|&character| is_bar(character)).count())
        .filter(|&count| count > 0)
        .collect();
    assert!(bars.contains(&3) && bars.contains(&2), "bars of {bars:?}\n{}", outcome.report());
    assert!(bars.iter().all(|&count| count <= 9), "bars of {bars:?}\n{}", outcome.report());
}

#[test]
fn there_is_nothing_but_ascii_where_the_locale_has_nothing_else() {
    let place = apache_box!();
    place.prefork();
    for words in [&[][..], &["--workers"], &["--cheap"]] {
        for locale in ["LANG=C", "LC_ALL=POSIX"] {
            let outcome = place.memory_by(&["env", locale], words).succeeds();
            assert!(outcome.stdout.is_ascii(), "{}", outcome.report());
            assert_eq!(row(&outcome, &HEADER[..1])[..8], HEADER, "{}", outcome.report());
        }
    }
    let outcome = place.memory_by(&["env", "LANG=C"], &[]).succeeds();
    let is_level = |word: &str| word.chars().all(|character| ".:-=+*#@".contains(character));
    let has_bar = outcome
        .lines()
        .iter()
        .any(|line| line.split_whitespace().next_back().is_some_and(is_level));
    assert!(has_bar, "no bars\n{}", outcome.report());
}

#[test]
fn each_process_is_listed_when_asked_for() {
    let place = apache_box!();
    let master = place.prefork();
    let without = place.memory(&[]).succeeds();
    let outcome = place.memory(&["--workers"]).succeeds();
    let header = row(&outcome, &["PID"]);
    let expected = ["PID", "GROUP", "USER", "THREADS", "AGE", "RSS", "PSS", "USS"];
    assert!(
        expected.iter().all(|word| header.iter().any(|found| found == word)),
        "{}",
        outcome.report()
    );
    for pid in place.children(master) {
        let pid = pid.to_string();
        row(&outcome, &[&pid]);
        let is_it = |line: &String| line.split_whitespace().next() == Some(&pid);
        assert!(!without.lines().iter().any(is_it), "{}", without.report());
    }
    let user = row(&outcome, &[&place.children(master)[0].to_string()]);
    assert!(user.iter().any(|word| word == "www-data"), "{}", outcome.report());
}

#[test]
fn what_is_not_known_is_not_a_number() {
    let place = apache_box!();
    place.prefork();
    let outcome = place.memory(&["--cheap"]).succeeds();
    for word in ["One more worker", "Available", "Would fit"] {
        line(&outcome, word);
    }
    assert!(!outcome.text().contains("NaN"), "{}", outcome.report());
}

/// Returns the output of a shell command on a terminal of its own in the box.
fn shown_on_terminal(place: &ApacheBox, command: &str) -> String {
    let mut script = place.inside(&on_terminal(command));
    script.env("TERM", "xterm");
    finish(script).exits(0).text()
}

#[test]
fn a_name_with_control_characters_is_escaped_on_a_terminal() {
    let place = apache_box!(ApacheBox::needing(&["script"]));
    let site = place.site("one", "prefork", 8080);
    site.start(&format!(
        "{PREFORK}WSGIDaemonProcess \"ev\u{1b}[31mil\u{7}\" threads=1 display-name=%{{GROUP}}\n"
    ));
    let block = place.block(&[]);
    super::group(&block, "wsgi", "ev\u{1b}[31mil\u{7}");
    for words in ["", "--workers"] {
        let text = shown_on_terminal(&place, &format!("proctool apache-mem --color=never {words}"));
        assert!(text.contains("il"), "{text:?}");
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
        let text =
            shown_on_terminal(&place, &format!("proctool apache-mem --color=always {words}"));
        assert!(!text.contains("\u{1b}[31mil") && !text.contains('\u{7}'), "{text:?}");
    }
}

#[test]
fn a_narrow_terminal_is_no_crash() {
    let place = apache_box!(ApacheBox::needing(&["script", "stty"]));
    place.prefork();
    for columns in [0, 1, 10, 40, 200] {
        let text = shown_on_terminal(
            &place,
            &format!("stty cols {columns}; proctool apache-mem --workers"),
        );
        assert!(text.contains("Would fit"), "{columns}: {text}");
    }
}

#[test]
fn colour_only_when_asked_for() {
    let place = apache_box!();
    place.prefork();
    assert!(!place.memory(&[]).succeeds().text().contains('\u{1b}'));
    assert!(place.memory(&["--color=always"]).succeeds().text().contains('\u{1b}'));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let place = apache_box!();
    place.prefork();
    for words in ["", "--workers", "--json", "--openmetrics"] {
        let script = format!("proctool apache-mem {words} | :; echo ${{PIPESTATUS[0]}}");
        let outcome = place.exec(&script).succeeds();
        assert_eq!(outcome.text(), "0\n", "{}", outcome.report());
    }
    place.exec("proctool apache-mem >/dev/full").exits(3).says("No space left on device");
}

#[test]
fn what_is_wrong_usage_is_refused() {
    let place = apache_box!();
    place.prefork();
    let cases: [&[&str]; 11] = [
        &["1"],
        &["--interval", "0.05s", "--json"],
        &["--interval", "0", "--jsonl"],
        &["--interval", "0"],
        &["--interval", "soon"],
        &["--interval", "-1"],
        &["--openmetrics", "--json"],
        &["--openmetrics", "--jsonl"],
        &["--json", "--jsonl"],
        &["--exe", ""],
        &["--nosuch"],
    ];
    for words in cases {
        let outcome = place.memory(words).exits(2);
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{}", outcome.report());
    }
}
