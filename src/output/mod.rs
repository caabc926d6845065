//! Everything that users read: results on standard output, messages on standard error. [`Output`]
//! is standard output; `message` writes messages; the other files each format one kind of result.

pub mod branches;
pub mod cron;
pub mod groups;
mod human;
pub mod json;
pub mod listing;
mod login;
pub mod message;
pub mod metrics;
pub mod outcome;
pub mod outlet;
mod place;
pub mod pool;
mod progress;
mod reason;
pub mod record;
pub mod replace;
pub mod replacement;
mod report_writer;
mod screen;
pub mod session;
pub mod syslog;
pub mod table;
pub mod terminal;
mod text;
pub mod tree;
pub mod variables;

use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

use outlet::Stream;
pub use terminal::{Charset, Colour, Style, Terminal};
pub use text::{filter, shown};

/// Bytes of the buffer: small enough that a long listing begins to appear within milliseconds,
/// large enough that writing costs nothing.
const BUFFER: usize = 8 * 1024;

/// Standard output, locked and buffered once. Call [`Output::finish`] at the end, or a full disk
/// goes unnoticed.
pub struct Output {
    writer: BufWriter<Sink>,
    /// The other end of standard output.
    pub terminal: Terminal,
}

impl Output {
    /// Opens standard output of this process; through the outlet, if that is open.
    pub fn stdout(colour: Colour) -> Output {
        let sink = if outlet::is_open() { Sink::Outlet } else { Sink::Stdout(io::stdout().lock()) };
        let terminal = Terminal::of_stdout(colour);
        Output { writer: BufWriter::with_capacity(BUFFER, sink), terminal }
    }

    /// Opens standard output, a terminal, for one of several answers, each of which is drawn over the
    /// one before.
    pub fn redrawn(colour: Colour) -> Output {
        let sink = Sink::Screen(screen::Frame::new());
        let terminal = Terminal::of_stdout(colour);
        Output { writer: BufWriter::with_capacity(BUFFER, sink), terminal }
    }

    /// Writes what is buffered. Errors: standard output did not take all of it.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

/// Destination of output.
enum Sink {
    Stdout(StdoutLock<'static>),
    Outlet,
    Screen(screen::Frame),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout(stdout) => stdout.write(bytes),
            Sink::Outlet => outlet::send(Stream::Output, bytes).map(|_| bytes.len()),
            Sink::Screen(frame) => frame.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Stdout(stdout) => stdout.flush(),
            Sink::Outlet => Ok(()),
            Sink::Screen(frame) => frame.flush(),
        }
    }
}

/// Writes a complete text, such as help, to standard output.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = Output::stdout(Colour::Never);
    output.write_all(text.as_bytes())?;
    output.finish()
}

/// Says in an error that it was about standard output. It keeps the kind, by which a closed pipe is
/// recognised.
pub fn explained(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
}

/// Appends formatted text.
fn put(line: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = line.write_fmt(text);
}

/// Appends a number.
fn number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends items with a separator between them.
fn join<T>(
    line: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    separator: &[u8],
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    for (at, each) in items.enumerate() {
        if at > 0 {
            line.extend_from_slice(separator);
        }
        item(line, each);
    }
}

impl Write for Output {
    /// Writes all bytes to a terminal: a piece that ended within a character would be escaped.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.terminal.is_terminal {
            self.writer
                .write_all(&text::screened(bytes, self.terminal.charset))
                .map_err(explained)?;
            return Ok(bytes.len());
        }
        self.writer.write(bytes).map_err(explained)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(explained)
    }
}
