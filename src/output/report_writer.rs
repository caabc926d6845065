//! Standard output for the reports that are written while the program acts on processes: `cron.rs`
//! and `outcome.rs` write through it.

use std::io::{self, ErrorKind, Write};

use super::{Output, Terminal, outlet};
use crate::control::Interrupts;

/// A writer that outlives its reader. A write error must not stop an operation that has begun: it
/// is kept and returned at the end. A closed pipe is no error.
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

    /// Flushes the output, unless an earlier write failed.
    pub fn flush(&mut self) {
        self.attempt(Output::flush);
    }

    /// Waits until everything is written. Errors: the first failed write, except to a closed pipe.
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
