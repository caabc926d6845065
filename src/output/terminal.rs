//! Facts about standard output and standard error: terminal or not, width, characters, colour.

use std::env;
use std::ffi::OsStr;
use std::io::{IsTerminal, stderr, stdout};

/// The user's choice of colour (`--color`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal that can show it, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// The characters that a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// The characters that all charsets have in common. We cannot find out with certainty which
    /// others one has, and how they are encoded.
    Ascii,
    Unicode,
}

/// Sequences that begin and end emphasis.
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// The meanings that have a colour. The colours are of the sixteen that every terminal has, so that
/// they fit its background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A heading.
    Heading,
    /// It has ended, or can only end.
    Dead,
    /// It waits in the kernel and heeds no signal.
    Stuck,
    /// It is stopped or traced.
    Stopped,
    /// It has all rights.
    Superuser,
    /// Its file was removed or replaced.
    Deleted,
}

impl Style {
    /// Returns the sequence that begins it.
    const fn sequence(self) -> &'static str {
        match self {
            Style::Heading => BOLD,
            Style::Dead => "\x1b[31m",
            Style::Stuck => "\x1b[1;31m",
            Style::Stopped => "\x1b[36m",
            Style::Superuser => "\x1b[35m",
            Style::Deleted => "\x1b[33m",
        }
    }

    /// Returns the style of a run state (proc_pid_stat(5)).
    pub fn of_state(state: u8) -> Option<Style> {
        match state {
            b'Z' | b'X' => Some(Style::Dead),
            b'D' => Some(Style::Stuck),
            b'T' | b't' => Some(Style::Stopped),
            _ => None,
        }
    }
}

/// All sequences that begin or end a style.
pub(super) const SEQUENCES: [&str; 7] = [
    PLAIN,
    Style::Heading.sequence(),
    Style::Dead.sequence(),
    Style::Stuck.sequence(),
    Style::Stopped.sequence(),
    Style::Superuser.sequence(),
    Style::Deleted.sequence(),
];

/// Facts about the other end of standard output, found out once.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// A user reads it: text that a process chose must be escaped.
    pub is_terminal: bool,
    /// Columns that lines should fit into; `None` for no limit.
    pub width: Option<usize>,
    /// `true` to highlight.
    pub colour: bool,
    /// Characters that the locale can show.
    pub charset: Charset,
    /// Characters for lines, bars and marks.
    pub lines: Charset,
}

impl Terminal {
    /// Returns the facts about standard output of this process.
    pub fn of_stdout(colour: Colour) -> Terminal {
        let (is_terminal, charset) = (stdout().is_terminal(), locale_charset());
        Terminal {
            is_terminal,
            width: is_terminal.then(width).flatten(),
            colour: wants_colour(colour, is_terminal),
            charset,
            lines: charset,
        }
    }

    /// Returns the facts about a file to write to.
    pub fn of_file(colour: Colour) -> Terminal {
        let (is_terminal, width, charset) = (false, None, locale_charset());
        Terminal {
            is_terminal,
            width,
            colour: wants_colour(colour, is_terminal),
            charset,
            lines: charset,
        }
    }

    /// Returns the sequences that begin and end emphasis; empty without colour.
    pub fn bold(&self) -> (&'static str, &'static str) {
        self.painted(Some(Style::Heading))
    }

    /// Returns the sequences that begin and end a style; empty without one, or without colour.
    pub fn painted(&self, style: Option<Style>) -> (&'static str, &'static str) {
        match style {
            Some(style) if self.colour => (style.sequence(), PLAIN),
            _ => ("", ""),
        }
    }

    /// Returns the mark for text that was cut off.
    pub fn cut_mark(&self) -> &'static str {
        match self.lines {
            Charset::Ascii => "+",
            Charset::Unicode => "\u{2026}",
        }
    }
}

/// Returns the width that the terminal reports, else $COLUMNS.
fn width() -> Option<usize> {
    let reported = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| size.ws_col);
    if reported > 0 {
        return Some(reported.into());
    }
    env::var("COLUMNS").ok()?.parse().ok().filter(|&columns| columns > 0)
}

fn wants_colour(colour: Colour, is_terminal: bool) -> bool {
    // https://no-color.org: any value but the empty one forbids colour.
    let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let can = env::var_os("TERM").is_some_and(|term| term != *"dumb");
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && can && !forbidden,
    }
}

/// Returns the characters that messages on standard error may have.
pub fn charset_of_messages() -> Charset {
    if stderr().is_terminal() { locale_charset() } else { Charset::Unicode }
}

/// Returns the charset of the locale. The first of these variables that is set decides, see
/// locale(7).
pub(super) fn locale_charset() -> Charset {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| env::var_os(name).filter(|v| !v.is_empty()));
    locale.as_deref().map_or(Charset::Ascii, charset_of)
}

fn charset_of(locale: &OsStr) -> Charset {
    let name = locale.to_string_lossy();
    // language_TERRITORY.CODESET@modifier (setlocale(3)); ssh brings a bare UTF-8 along from macOS.
    let name = name.split('@').next().unwrap_or_default();
    let codeset = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if matches!(&*codeset, "utf-8" | "utf8") { Charset::Unicode } else { Charset::Ascii }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_the_characters() {
        for (locale, charset) in [
            ("en_US.UTF-8", Charset::Unicode),
            ("C.utf8", Charset::Unicode),
            ("C", Charset::Ascii),
            ("POSIX", Charset::Ascii),
            ("UTF-8", Charset::Unicode),
            ("sr_RS.UTF-8@latin", Charset::Unicode),
            ("de_DE.ISO-8859-1", Charset::Ascii),
            ("de_DE@euro", Charset::Ascii),
            ("en_US", Charset::Ascii),
            ("en_US.ISO-8859-1@utf8", Charset::Ascii),
            ("zh_CN.GB18030", Charset::Ascii),
            ("xutf8", Charset::Ascii),
            ("", Charset::Ascii),
        ] {
            assert_eq!(charset_of(OsStr::new(locale)), charset, "{locale}");
        }
    }

    #[test]
    fn colour_that_was_asked_for_is_used() {
        assert!(wants_colour(Colour::Always, false));
        assert!(!wants_colour(Colour::Never, true));
        assert!(!wants_colour(Colour::Auto, false));
    }
}
