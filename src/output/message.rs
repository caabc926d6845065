//! Messages to the person who called: one line on standard error.

use std::fmt::Display;
use std::io::{self, Write, stderr};

use super::outlet::{self, Stream};
use super::terminal::charset_of_messages;
use super::text::escaped_for;

/// Write `who: what`. It quotes what users typed and processes chose, so it is escaped.
pub fn message(who: &str, what: impl Display) {
    let line = line(format!("{who}: {what}").as_bytes());
    // Nobody is left to be told when standard error is closed.
    let _ = Errors.write_all(line.as_bytes());
}

fn line(text: &[u8]) -> String {
    format!("{}\n", escaped_for(text, charset_of_messages()))
}

/// Standard error, through the outlet where that is open.
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

/// Standard error for the events of a log, which come one at a time. They tell names and paths as
/// they are.
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
