//! The lines of a configuration file: continuations, comments, quotes, and sections.

use std::borrow::Cow;

/// A line with a directive or the border of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirectiveLine<'t> {
    /// The number of its first line in the file, from 1.
    pub number: usize,
    text: Cow<'t, [u8]>,
}

/// Returns the lines that are neither empty nor comments. A backslash at the end joins a line with
/// the next one.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = DirectiveLine<'_>> {
    let mut physical = text.split(|&byte| byte == b'\n').enumerate();
    std::iter::from_fn(move || {
        let (at, first) = physical.next()?;
        let mut text = Cow::Borrowed(without_return(first));
        while text.ends_with(b"\\") {
            let whole = text.to_mut();
            whole.pop();
            whole.extend_from_slice(
                physical.next().map_or(&b""[..], |(_, next)| without_return(next)),
            );
        }
        Some(DirectiveLine { number: at + 1, text })
    })
    .filter(|line| !matches!(trimmed(&line.text), [] | [b'#', ..]))
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl DirectiveLine<'_> {
    /// Parses `<Name words…>`: returns the name in lower case and the words. Apache cuts the line at
    /// the last `>` (ap_strrchr_c), so that a comment may stand behind it.
    pub fn section_begin(&self) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let inner = trimmed(&self.text).strip_prefix(b"<")?;
        let inner = memchr::memrchr(b'>', inner).map_or(inner, |end| &inner[..end]);
        let end = inner.iter().position(is_space).unwrap_or(inner.len());
        Some((inner[..end].to_ascii_lowercase(), words(&inner[end..])))
    }

    /// Parses `</Name>`, whatever stands behind it: returns the name in lower case.
    pub fn section_end(&self) -> Option<Vec<u8>> {
        let inner = trimmed(&self.text).strip_prefix(b"</")?;
        let is_end = |byte: &u8| is_space(byte) || *byte == b'>';
        let end = inner.iter().position(is_end).unwrap_or(inner.len());
        Some(inner[..end].to_ascii_lowercase())
    }

    /// Returns the same line with a text of its own.
    pub fn into_owned(self) -> DirectiveLine<'static> {
        DirectiveLine { number: self.number, text: Cow::Owned(self.text.into_owned()) }
    }

    /// Returns a line of the same number with a changed text.
    pub fn changed(&self, change: impl FnOnce(&[u8]) -> Vec<u8>) -> DirectiveLine<'static> {
        DirectiveLine { number: self.number, text: Cow::Owned(change(&self.text)) }
    }

    /// Returns the bytes that it takes while it is kept.
    pub fn cost(&self) -> usize {
        size_of::<DirectiveLine<'_>>() + self.text.len()
    }

    /// Returns the directive and its arguments.
    pub fn words(&self) -> Vec<Vec<u8>> {
        words(&self.text)
    }
}

/// Reports whether a byte is white space for Apache (apr_isspace), which counts a vertical tab too.
pub(super) fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// Returns a text without white space at its ends.
fn trimmed(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(begin, |last| last + 1);
    &text[begin..end]
}

/// Splits a text into words at blanks. Quotes of either kind hold a word together, and a backslash
/// protects the quote after it (ap_getword_conf).
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = trimmed(text);
    while let Some(&first) = rest.first() {
        let quote = Some(first).filter(|first| b"\"'".contains(first));
        let mut word = Vec::new();
        let mut at = usize::from(quote.is_some());
        while let Some(&byte) = rest.get(at) {
            let next = rest.get(at + 1).copied();
            match quote {
                Some(quote) if byte == quote => break,
                Some(quote) if byte == b'\\' && (next == Some(quote) || next == Some(b'\\')) => {
                    word.extend(next);
                    at += 1;
                }
                None if is_space(&byte) => break,
                _ => word.push(byte),
            }
            at += 1;
        }
        rest = trimmed(rest.get(at + usize::from(quote.is_some())..).unwrap_or_default());
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line.as_bytes()).into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(texts("  Include  conf/*.conf "), ["Include", "conf/*.conf"]);
        assert_eq!(texts(r#"A "b c" 'd"e' "f\"g""#), ["A", "b c", "d\"e", "f\"g"]);
        assert_eq!(texts(r#"A "open"#), ["A", "open"]);
        assert_eq!(texts(""), [] as [&str; 0]);
    }

    #[test]
    fn lines_with_their_numbers() {
        let text = b"# comment\n\nMaxRequest\\\nWorkers 5\r\n  <IfModule !a.c>\n</IfModule >\n";
        let found: Vec<DirectiveLine<'_>> = lines(text).collect();
        assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 5, 6]);
        assert_eq!(found[0].words(), [b"MaxRequestWorkers".to_vec(), b"5".to_vec()]);
        assert_eq!(found[1].section_begin(), Some((b"ifmodule".to_vec(), vec![b"!a.c".to_vec()])));
        assert_eq!(found[2].section_end(), Some(b"ifmodule".to_vec()));
    }

    #[test]
    fn comments_behind_the_borders_of_sections() {
        for (line, name) in [
            ("</IfModule> # end", "ifmodule"),
            ("</VirtualHost > x>y", "virtualhost"),
            ("</A", "a"),
        ] {
            let found: Vec<_> = lines(line.as_bytes()).collect();
            assert_eq!(found[0].section_end(), Some(name.into()), "{line}");
        }
        for line in ["<IfModule a.c> # x", "<IfModule a.c >", "<IfModule \"a.c\">#"] {
            let found: Vec<_> = lines(line.as_bytes()).collect();
            let (name, words) = found[0].section_begin().unwrap();
            assert_eq!((name, words), (b"ifmodule".to_vec(), vec![b"a.c".to_vec()]), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            for line in lines(&text) {
                prop_assert!(line.number > 0);
                let _ = (line.section_begin(), line.section_end(), line.words());
            }
        }
    }

    #[test]
    fn any_change_is_survived() {
        let text = b"# a\n<IfModule !mpm_event.c>\nMaxRequestWorkers \\\n 5\n</IfModule>\nInclude \
        \"a b\" conf-enabled/*.conf\nDefine x ${y}\n";
        crate::fuzz::survives(
            &[text, b"<IfDefine x>\r\nWSGIDaemonProcess a processes=2\r\n"],
            |text| {
                for line in lines(text) {
                    let _ = (line.section_begin(), line.section_end());
                }
            },
        );
    }
}
