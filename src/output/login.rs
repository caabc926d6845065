//! A login, as text.

use super::{human, put};
use crate::process::Login;

/// Returns it as words: `alice from 10.0.0.5 on pts/3 by sshd since 2026-11-28 13:00:05`.
pub(super) fn text(login: &Login) -> Vec<u8> {
    let mut text = login.user.clone().into_bytes();
    for (word, value) in [("from", &login.from), ("on", &login.terminal), ("by", &login.service)] {
        if let Some(value) = value {
            put(&mut text, format_args!(" {word} {value}"));
        }
    }
    if let Some(since) = login.since {
        text.extend_from_slice(b" since ");
        human::date(&mut text, since, " ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_left_out() {
        let some = |text: &str| Some(text.to_owned());
        let whole = Login {
            user: "alice".to_owned(),
            from: some("10.0.0.5"),
            terminal: some("pts/3"),
            service: some("sshd"),
            since: None,
        };
        let part = Login { user: "1000".to_owned(), ..Login::default() };
        assert_eq!(text(&whole), b"alice from 10.0.0.5 on pts/3 by sshd");
        assert_eq!(text(&part), b"1000");
        let since = Login { since: Some(0.0), ..part };
        assert!(text(&since).starts_with(b"1000 since 19"));
    }
}
