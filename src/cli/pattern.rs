//! Regular expressions that a user typed, compiled to match bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use regex::bytes::{Regex, RegexBuilder};

use crate::exit::Refusal;

/// Compiles a pattern. With `exact`, it must match the whole text. Errors: usage, if it is empty or
/// no regular expression.
///
/// It works on bytes: `.` is any byte, as in pgrep under LANG=C, so that a name in any encoding can
/// be matched.
pub fn compile(pattern: &OsStr, exact: bool, ignore_case: bool) -> Result<Regex, Refusal> {
    let typed = pattern.to_string_lossy();
    if pattern.is_empty() {
        return Err(Refusal::usage("the pattern is empty: leave it out to match everything"));
    }
    let pattern = spelled(pattern.as_bytes());
    // Compile it alone first: our group around it could make a valid expression of a wrong one,
    // such as "a)|(b".
    let mut built = build(&pattern, ignore_case);
    if exact && built.is_ok() {
        // The second form ends with a newline, which ends a comment. Only (?x) can have begun one.
        built = build(&format!("^(?:{pattern})$"), ignore_case)
            .or_else(|_| build(&format!("^(?:{pattern}\n)$"), ignore_case));
    }
    built.map_err(|error| {
        Refusal::usage(format!("bad regular expression '{typed}': {}", reason(&error)))
    })
}

/// Builds an expression that matches bytes, newlines included, not characters.
fn build(pattern: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).dot_matches_new_line(true).case_insensitive(ignore_case).build()
}

/// Returns the pattern as text: bytes that are not UTF-8 become escapes that match these bytes.
fn spelled(pattern: &[u8]) -> String {
    let mut text = String::with_capacity(pattern.len());
    for chunk in pattern.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// Returns the reason at the end of regex's drawing of the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &[u8], exact: bool, ignore_case: bool, text: &[u8]) -> bool {
        compile(OsStr::from_bytes(pattern), exact, ignore_case).unwrap().is_match(text)
    }

    #[test]
    fn patterns_match_bytes() {
        assert!(matches(b"caf.$", false, false, b"caf\xe9"));
        assert!(matches(b"caf\xe9", true, false, b"caf\xe9"));
        assert!(matches("caf\u{e9}".as_bytes(), true, false, "caf\u{e9}".as_bytes()));
        assert!(matches(b"a.b", true, false, b"a\nb"));
        assert!(matches(b"SSH", false, true, b"sshd"));
    }

    #[test]
    fn exact_means_the_whole_text() {
        assert!(!matches(b"ssh", true, false, b"sshd"));
        assert!(matches(b"ssh|sshd", true, false, b"sshd"));
        assert!(matches(b"ssh", false, false, b"sshd"));
    }

    #[test]
    fn mistakes_are_explained() {
        let message =
            |pattern: &str| compile(OsStr::new(pattern), false, false).unwrap_err().message;
        assert_eq!(message("a("), "bad regular expression 'a(': unclosed group");
        assert!(message("").starts_with("the pattern is empty"));
    }

    #[test]
    fn any_change_is_survived() {
        use std::os::unix::ffi::OsStrExt;
        crate::fuzz::survives(
            &[b"^(a|b)[[:alpha:]]+.*\\d{1,3}$", b"caf\xe9?", b"(?i)x*?"],
            |text| {
                _ = compile(OsStr::from_bytes(text), true, false);
            },
        );
    }
}
