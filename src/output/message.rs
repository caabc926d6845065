//! Messages to the person who called: one line on standard error.

use std::fmt::Display;
use std::io::{self, Write, stderr};

use super::outlet::{self, Stream};
use super::terminal::charset_of_messages;
use super::text::escaped_for;

/// Write `who: what`. It quotes what users typed and processes chose, so it is escaped.
pub fn message(who: &str, what: impl Display) {
    let line = format!("{}\n", escaped_for(format!("{who}: {what}").as_bytes(), charset_of_messages()));
    // Nobody is left to be told when standard error is closed.
    let _ = Errors.write_all(line.as_bytes());
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
