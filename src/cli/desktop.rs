//! The part that the applets for desktop sessions share: finding the session, becoming its user,
//! and the exit status where that fails.

use std::ffi::OsStr;
use std::io;

use crate::command::exec::not_run;
use crate::desktop::{self, Session, SessionSelector, Variables};
use crate::exit::{Exit, Refusal};
use crate::process::Proc;

/// Finds the session that is meant, and the variables that a command needs in it. `advice` tells
/// the user how to choose a session where several may be meant.
pub fn find(
    proc: &Proc,
    selector: &SessionSelector,
    advice: &str,
) -> Result<(Session, Variables), Refusal> {
    let find = || {
        let session = desktop::choose(desktop::sessions(proc, selector)?, selector)?;
        tracing::info!(session = %session, "who is meant");
        let variables = desktop::variables(proc, &session)?;
        Ok((session, variables))
    };
    find().map_err(|error| refusal(&error, advice))
}

/// Makes the message and the exit status for a session that was not reached.
pub fn refusal(error: &desktop::Error, advice: &str) -> Refusal {
    let exit = if error.is_absence() { Exit::Nothing } else { Exit::NotRun };
    let advice = match error {
        desktop::Error::Several(_) | desktop::Error::NoSeat(_) => format!(": {advice}"),
        _ => String::new(),
    };
    Refusal { message: format!("{error}{advice}"), exit }
}

/// Makes the message and the exit status for a failure of our own.
pub fn failure(error: &desktop::Error) -> Refusal {
    Refusal { message: error.to_string(), exit: Exit::NotRun }
}

/// Returns the reason why a program was not started as the user of a session.
pub fn not_started(program: &OsStr, error: &io::Error) -> Refusal {
    // Only those of execve(2) have a number. Before it, the child could not become the user.
    if error.raw_os_error().is_none() {
        return Refusal { message: error.to_string(), exit: Exit::NotRun };
    }
    not_run(program, error)
}
