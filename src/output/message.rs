//! Messages to the person who called: one line on standard error.

use std::fmt::Display;
use std::io::{Write, stderr};

use super::text::escaped;

/// Write `who: what`. It quotes what users typed and processes chose, so it is escaped.
pub fn message(who: &str, what: impl Display) {
    let line = format!("{}: {}\n", escaped(who.as_bytes()), escaped(what.to_string().as_bytes()));
    // Nobody is left to be told when standard error is closed.
    let _ = stderr().lock().write_all(line.as_bytes());
}
