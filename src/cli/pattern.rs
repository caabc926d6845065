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

/// Compiles a text that is to be found as it is. Errors: usage, if it is empty or too long.
pub fn literal(text: &OsStr, exact: bool, ignore_case: bool) -> Result<Regex, Refusal> {
    if text.is_empty() {
        return Err(Refusal::usage("--literal has an empty text"));
    }
    let mut pattern = Vec::new();
    text.as_bytes().iter().for_each(|&byte| push_plain(&mut pattern, byte));
    compile(OsStr::from_bytes(&pattern), exact, ignore_case)
}

/// Compiles a pattern of the shell, in which `*`, `?` and `[..]` have a meaning, for a whole name. A
/// backslash has none, because the names of systemd contain it. Errors: usage, with the option.
pub fn shell(option: &str, typed: &[u8]) -> Result<Regex, Refusal> {
    let refuse =
        |why: &str| Refusal::usage(format!("{option} '{}': {why}", String::from_utf8_lossy(typed)));
    let mut pattern = Vec::new();
    let mut rest = typed;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            b'*' => pattern.extend_from_slice(b".*"),
            b'?' => pattern.push(b'.'),
            b'[' => {
                let end = class_end(rest).ok_or_else(|| refuse("a bracket is not closed"))?;
                push_class(&mut pattern, &rest[..end]);
                rest = &rest[end + 1..];
            }
            &byte => push_plain(&mut pattern, byte),
        }
    }
    compile(OsStr::from_bytes(&pattern), true, false)
        .map_err(|_| refuse("this is no pattern of a shell"))
}

/// Returns where the class behind an opening bracket ends. A closing bracket that comes first is a
/// member.
fn class_end(text: &[u8]) -> Option<usize> {
    let first = usize::from(text.first().is_some_and(|byte| b"!^".contains(byte))) + 1;
    text.iter().skip(first).position(|&byte| byte == b']').map(|at| first + at)
}

/// Appends a class, which may be inverted and may have ranges.
fn push_class(pattern: &mut Vec<u8>, class: &[u8]) {
    pattern.push(b'[');
    let inverted = class.strip_prefix(b"!").or_else(|| class.strip_prefix(b"^"));
    pattern.extend(inverted.map(|_| b'^'));
    let members = inverted.unwrap_or(class);
    for (at, &byte) in members.iter().enumerate() {
        let is_range = byte == b'-' && at > 0 && at + 1 < members.len();
        if is_range { pattern.push(byte) } else { push_plain(pattern, byte) }
    }
    pattern.push(b']');
}

/// Appends a byte that stands for itself.
fn push_plain(pattern: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        pattern.push(byte);
    } else {
        pattern.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
    }
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
    fn a_literal_text_has_no_special_characters() {
        let matches = |text: &[u8], exact, found: &[u8]| {
            literal(OsStr::from_bytes(text), exact, false).unwrap().is_match(found)
        };
        assert!(matches(b"a|b", false, b"xa|bx") && !matches(b"a|b", false, b"a"));
        assert!(matches(b"[.*(", true, b"[.*(") && !matches(b"a", true, b"ab"));
        assert!(matches(b"caf\xe9", true, b"caf\xe9"));
        assert!(literal(OsStr::new("AB"), false, true).unwrap().is_match(b"xabx"));
        assert!(literal(OsStr::new(""), false, false).is_err());
    }

    #[test]
    fn patterns_of_the_shell_match_whole_names() {
        for (pattern, name, matched) in [
            ("cron", "cron", true),
            ("cron", "crond", false),
            ("cr*", "crond", true),
            ("cr?n", "cron", true),
            ("*", "", true),
            ("getty@tty[1-3]", "getty@tty2", true),
            ("getty@tty[!1-3]", "getty@tty2", false),
            ("a[]x]b", "a]b", true),
            ("a[-x]b", "a-b", true),
            ("a[x-]b", "a-b", true),
            (r"a\x2db", r"a\x2db", true),
            ("a.b", "aXb", false),
            ("a[&&b]c", "a&c", true),
        ] {
            let compiled = shell("--unit", pattern.as_bytes()).unwrap();
            assert_eq!(compiled.is_match(name.as_bytes()), matched, "{pattern} {name}");
        }
        for bad in ["[", "a[b", "[]", "[z-a]"] {
            let told = shell("--unit", bad.as_bytes()).unwrap_err().message;
            assert!(told.starts_with(&format!("--unit '{bad}'")), "{told}");
        }
    }

    #[test]
    fn any_change_is_survived() {
        use std::os::unix::ffi::OsStrExt;
        crate::fuzz::survives(
            &[b"^(a|b)[[:alpha:]]+.*\\d{1,3}$", b"caf\xe9?", b"(?i)x*?"],
            |text| {
                _ = compile(OsStr::from_bytes(text), true, false);
                _ = (shell("--unit", text), literal(OsStr::from_bytes(text), true, false));
            },
        );
    }
}
