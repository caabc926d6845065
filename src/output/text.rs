//! Makes text that a process chose harmless on a terminal, and measures and cuts lines in columns.

use std::borrow::Cow;
use std::io::{IsTerminal, stderr, stdout};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::terminal::{PLAIN, SEQUENCES, charset_of_messages, locale_charset};
use super::{Charset, Terminal};
use crate::control::Filter;

/// Returns text for output: escaped on a terminal, exact otherwise.
pub fn shown<'a>(text: &'a [u8], terminal: &Terminal) -> Cow<'a, [u8]> {
    if !terminal.is_terminal || text.iter().all(is_printable_ascii) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(escaped_for(text, terminal.charset).into_bytes())
    }
}

/// Returns the filter of lines that another program writes to standard output, or to standard error,
/// through us: escaped on a terminal, exact otherwise.
pub fn filter(is_error: bool) -> Filter {
    let (is_terminal, charset) = if is_error {
        (stderr().is_terminal(), charset_of_messages())
    } else {
        (stdout().is_terminal(), locale_charset())
    };
    Box::new(
        move |line| {
            if is_terminal { escaped_for(line, charset).into_bytes() } else { line.to_vec() }
        },
    )
}

/// Our own output that is not printable, besides [`SEQUENCES`]: ends of lines and of columns, and
/// zero bytes, which a terminal ignores.
const OURS: [&str; 3] = ["\n", "\t", "\0"];

/// Escapes all that goes to a terminal, as the last step: each character that a terminal must not
/// get becomes its escape in JSON. Most text that still needs it is JSON, as other text was escaped
/// before.
pub(super) fn screened(text: &[u8], charset: Charset) -> Cow<'_, [u8]> {
    if text.iter().all(|byte| is_printable_ascii(byte) || *byte == b'\n') {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(character) = rest.chars().next() {
            let ours = OURS.iter().chain(&SEQUENCES).find(|ours| rest.starts_with(**ours));
            let (part, others) =
                rest.split_at(ours.map_or(character.len_utf8(), |ours| ours.len()));
            if ours.is_some()
                || !(character.is_control() || is_harmful(character)) && has(charset, character)
            {
                safe.push_str(part);
            } else {
                character
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
            }
            rest = others;
        }
        chunk.invalid().iter().for_each(|byte| safe.push_str(&format!("\\x{byte:02x}")));
    }
    Cow::Owned(safe.into_bytes())
}

/// Reports whether every terminal shows a byte as it is.
fn is_printable_ascii(byte: &u8) -> bool {
    (b' '..=b'~').contains(byte)
}

/// Reports whether the charset has a character. In a charset of single bytes, those of UTF-8 would
/// be other characters, from 0x80 to 0x9f even controls.
fn has(charset: Charset, character: char) -> bool {
    charset == Charset::Unicode || character.is_ascii()
}

/// Escapes control characters, characters that reorder or hide text, and bytes that are not UTF-8.
pub(super) fn escaped(text: &[u8]) -> String {
    escaped_for(text, Charset::Unicode)
}

/// Escapes as [`escaped`] does, and also the characters that the charset lacks.
pub(super) fn escaped_for(text: &[u8], charset: Charset) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => safe.push_str("\\n"),
                '\t' => safe.push_str("\\t"),
                '\r' => safe.push_str("\\r"),
                _ if character.is_ascii_control() => {
                    safe.push_str(&format!("\\x{:02x}", u32::from(character)))
                }
                _ if is_harmful(character) || !has(charset, character) => {
                    safe.push_str(&format!("\\u{{{:x}}}", u32::from(character)))
                }
                _ => safe.push(character),
            }
        }
        for byte in chunk.invalid() {
            safe.push_str(&format!("\\x{byte:02x}"));
        }
    }
    safe
}

/// Reports whether a character may harm a terminal or its reader: C1 controls; line and paragraph
/// separators; marks that change the direction of text, and all others that cannot be seen. These
/// are the general categories Cf, Zl and Zp, and the property Default_Ignorable_Code_Point of
/// Unicode 16.
fn is_harmful(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns the number of columns that the text takes.
pub(super) fn width(text: &[u8]) -> usize {
    if text.contains(&ESCAPE) {
        return parts(&String::from_utf8_lossy(text)).map(|(_, width)| width).sum();
    }
    if text.is_ascii() { text.len() } else { String::from_utf8_lossy(text).width() }
}

/// Emphasises a line, also after each style that ends in it.
pub(super) fn emphasised(line: &[u8], terminal: &Terminal) -> Vec<u8> {
    let (bold, plain) = terminal.bold();
    let mut emphasised = bold.as_bytes().to_vec();
    let mut rest = line;
    while let Some(at) = rest.windows(PLAIN.len()).position(|part| part == PLAIN.as_bytes()) {
        let (styled, others) = rest.split_at(at + PLAIN.len());
        emphasised.extend_from_slice(styled);
        emphasised.extend_from_slice(bold.as_bytes());
        rest = others;
    }
    emphasised.extend_from_slice(rest);
    emphasised.extend_from_slice(plain.as_bytes());
    emphasised
}

/// The byte that begins each of our sequences.
const ESCAPE: u8 = 0x1b;

/// Splits a line into characters and our own sequences, each with the columns that it takes.
fn parts(line: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let character = rest.chars().next()?;
        let sequence = SEQUENCES.iter().find(|sequence| rest.starts_with(**sequence));
        let (length, width) = sequence.map_or_else(
            || (character.len_utf8(), character.width().unwrap_or(0)),
            |sequence| (sequence.len(), 0),
        );
        let (part, others) = rest.split_at(length);
        rest = others;
        Some((part, width))
    })
}

/// Cuts a line to some columns, with a mark at its end if something was cut off.
pub(super) fn cut(line: &mut Vec<u8>, columns: usize, mark: &str) {
    if line.len() <= columns || width(line) <= columns {
        return;
    }
    let room = columns.saturating_sub(mark.width());
    let (mut used, mut is_painted) = (0, false);
    let mut cut = String::with_capacity(line.len());
    for (part, width) in parts(&String::from_utf8_lossy(line)) {
        used += width;
        if used > room {
            break;
        }
        if part.as_bytes()[0] == ESCAPE {
            is_painted = part != PLAIN;
        }
        cut.push_str(part);
    }
    cut.push_str(if is_painted { PLAIN } else { "" });
    cut.push_str(mark);
    *line = cut.into_bytes();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_harm_a_terminal_is_escaped() {
        assert_eq!(escaped(b"a\x1b[31mb\n\t\r\x7f\x01"), "a\\x1b[31mb\\n\\t\\r\\x7f\\x01");
        assert_eq!(
            escaped("caf\u{e9} \u{202e}live \u{85}".as_bytes()),
            "caf\u{e9} \\u{202e}live \\u{85}"
        );
        assert_eq!(escaped(b"caf\xe9!"), "caf\\xe9!");
        assert_eq!(escaped("\u{3164}\u{1d173}\u{180e}".as_bytes()), "\\u{3164}\\u{1d173}\\u{180e}");
    }

    #[test]
    fn text_is_exact_where_nobody_looks() {
        let terminal = |is_terminal| Terminal {
            is_terminal,
            width: None,
            colour: false,
            charset: Charset::Ascii,
            lines: Charset::Ascii,
        };
        assert_eq!(&*shown(b"a\x1b\xe9\n", &terminal(false)), b"a\x1b\xe9\n");
        assert_eq!(&*shown(b"a\x1b\xe9\n", &terminal(true)), b"a\\x1b\\xe9\\n");
        assert_eq!(&*shown(b"plain text", &terminal(true)), b"plain text");
    }

    #[test]
    fn a_terminal_gets_only_what_its_charset_has() {
        assert_eq!(escaped_for("caf\u{e9}".as_bytes(), Charset::Ascii), "caf\\u{e9}");
        let screen = |text: &str, charset| {
            String::from_utf8(screened(text.as_bytes(), charset).into_owned()).unwrap()
        };
        assert_eq!(screen("[\"a\\n\"]\n", Charset::Ascii), "[\"a\\n\"]\n");
        assert_eq!(
            screen("\u{e9}\u{1f600}\u{9b}\u{7f}", Charset::Ascii),
            "\\u00e9\\ud83d\\ude00\\u009b\\u007f"
        );
        assert_eq!(
            screen("\u{e9}\u{1f600}\u{9b}\u{202e}", Charset::Unicode),
            "\u{e9}\u{1f600}\\u009b\\u202e"
        );
        assert_eq!(screen("\x1b[1m\u{e9}\x1b[0m", Charset::Ascii), "\x1b[1m\\u00e9\x1b[0m");
        assert_eq!(screen("a\x1b[2J\r\t\x1b", Charset::Unicode), "a\\u001b[2J\\u000d\t\\u001b");
    }

    #[test]
    fn lines_are_cut_by_columns() {
        let cut_to = |text: &str, columns| {
            let mut line = text.as_bytes().to_vec();
            cut(&mut line, columns, "+");
            String::from_utf8(line).unwrap()
        };
        assert_eq!(cut_to("abcdef", 6), "abcdef");
        assert_eq!(cut_to("abcdef", 5), "abcd+");
        assert_eq!(cut_to("\u{6f22}\u{5b57}\u{6f22}\u{5b57}", 5), "\u{6f22}\u{5b57}+");
        assert_eq!(cut_to("abc", 0), "+");
    }

    fn may_harm(character: char) -> bool {
        character.is_control() || is_harmful(character)
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let safe = escaped(&bytes);
            prop_assert!(!safe.chars().any(may_harm));
            prop_assert!(escaped_for(&bytes, Charset::Ascii).is_ascii());
        }

        #[test]
        fn json_on_a_terminal_is_the_same_json(text in any::<String>()) {
            let json = serde_json::to_vec(&text).unwrap();
            for charset in [Charset::Ascii, Charset::Unicode] {
                let screened = screened(&json, charset);
                prop_assert_eq!(&serde_json::from_slice::<String>(&screened).unwrap(), &text);
                let shown = String::from_utf8(screened.into_owned()).unwrap();
                prop_assert!(!shown.chars().any(may_harm));
                prop_assert!(charset == Charset::Unicode || shown.is_ascii());
            }
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 3] = [
            "caf\u{e9} \u{6f22}\u{5b57}\u{1f600}".as_bytes(),
            b"a\x1b[31m\n",
            b"{\"name\":\"x\\n\"}",
        ];
        crate::fuzz::survives(&samples, |text| {
            let mut line = text.to_vec();
            cut(&mut line, 10, "+");
            let _ = (escaped(text), screened(text, Charset::Ascii), width(text));
        });
    }
}
