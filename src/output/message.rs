//! Messages to the user: one line each on standard error, escaped.

use std::fmt::Display;
use std::io::{self, Write, stderr};

use super::outlet::{self, Stream};
use super::terminal::charset_of_messages;
use super::text::escaped_for;

/// Writes the line `name: text` to standard error. The text quotes what users typed and what
/// processes chose, so it is escaped.
pub fn message(name: &str, text: impl Display) {
    let line = line(format!("{name}: {text}").as_bytes());
    // If standard error is closed, no other place is left for a message.
    let _ = Errors.write_all(line.as_bytes());
}

/// Writes a last message, which does not wait for a reader of standard output that does not read.
pub fn last_message(name: &str, text: impl Display) {
    outlet::settle_within(outlet::LAST_WORDS);
    outlet::last_words(line(format!("{name}: {text}").as_bytes()));
}

fn line(text: &[u8]) -> String {
    format!("{}\n", escaped_for(text, charset_of_messages()))
}

/// Standard error, through the outlet if that is open.
#[derive(Clone, Copy, Debug)]
pub struct Errors;

impl Write for Errors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !outlet::send(Stream::Error, bytes)? {
            stderr().lock().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error for the events of a log, one event a write. Events hold names and paths
/// unescaped, so that they are escaped here.
#[derive(Clone, Copy, Debug)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        Errors.write_all(line(event.trim_ascii_end()).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
