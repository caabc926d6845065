//! The condition that a process handles a signal itself.

use clap::Args;

use crate::control::Signal;
use crate::exit::Refusal;
use crate::select::Test;

/// The option about handlers of signals.
#[derive(Args)]
pub struct HandlerOptions {
    /// It handles the signal itself: the one that is sent, else that of --signal, else TERM
    #[arg(short = 'H', long, help_heading = "Selection")]
    require_handler: bool,
}

impl HandlerOptions {
    /// Returns the option as a test for this signal. Errors: usage, if nobody can handle it.
    pub fn test(&self, signal: Option<Signal>) -> Result<Option<Test>, Refusal> {
        let signal = signal.unwrap_or(Signal::TERM);
        if self.require_handler && [Signal::KILL, Signal::STOP].contains(&signal) {
            return Err(Refusal::usage(format!(
                "--require-handler: no process can handle {signal}: name another signal"
            )));
        }
        Ok(self.require_handler.then(|| Test::Handles(signal.number())))
    }
}
