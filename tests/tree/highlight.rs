//! Highlighted processes and their ancestors.

use super::*;

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

#[test]
fn a_thread_of_the_kernel_is_shown_when_it_is_highlighted() {
    let outcome = tree(&kernel(), &["-H", "3", "--color=always"]).succeeds();
    assert_eq!(bold_pids(&outcome), [2, 3], "{}", outcome.report());
}
