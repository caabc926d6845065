//! Standard output of a report that is written while the program acts on processes.

use std::io::{self, ErrorKind, Write};

use super::{Output, Terminal, outlet};
use crate::control::Interrupts;

/// A writer that outlives its reader: a write error does not stop what is under way. It is kept
/// for the end, and a closed pipe is none.
pub struct ReportWriter<'i> {
    output: Output,
    interrupts: &'i Interrupts,
    failure: Option<io::Error>,
}

impl<'i> ReportWriter<'i> {
    /// Writes to this output. A signal ends the program while the last wait for a reader lasts.
    pub fn new(output: Output, interrupts: &'i Interrupts) -> ReportWriter<'i> {
        ReportWriter { output, interrupts, failure: None }
    }

    /// Returns the facts about the terminal behind it.
    pub fn terminal(&self) -> &Terminal {
        &self.output.terminal
    }

    /// Writes these bytes, unless an earlier write failed.
    pub fn write(&mut self, bytes: &[u8]) {
        self.attempt(|output| output.write_all(bytes));
    }

    /// Passes on what was written.
    pub fn flush(&mut self) {
        self.attempt(Output::flush);
    }

    /// Waits until all of it is written. Errors: the first one of a write, except a closed pipe.
    pub fn finish(self) -> io::Result<()> {
        let failure =
            self.failure.or_else(|| self.interrupts.with_signals_unblocked(outlet::settle).err());
        failure.filter(|error| error.kind() != ErrorKind::BrokenPipe).map_or(Ok(()), Err)
    }

    fn attempt(&mut self, act: impl FnOnce(&mut Output) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = act(&mut self.output).err();
        }
    }
}
