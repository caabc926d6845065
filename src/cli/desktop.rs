//! What the applets that reach into a desktop do alike.

use crate::command::exec::Environment;
use crate::desktop::{self, Session, SessionSelector, Variables};
use crate::exit::{Exit, Refusal};
use crate::process::Proc;

/// The one session that is wanted, and what a command has to be told to be in it. `advice` is how
/// to say which.
pub fn find(
    proc: &Proc,
    wanted: &SessionSelector,
    advice: &str,
) -> Result<(Session, Variables), Refusal> {
    let find = || {
        let session = desktop::choose(desktop::sessions(proc, wanted)?, wanted)?;
        tracing::info!(session = %session, "who is meant");
        let variables = desktop::variables(proc, &session)?;
        Ok((session, variables))
    };
    find().map_err(|error| refusal(&error, advice))
}

/// Why nobody was reached.
pub fn refusal(error: &desktop::Error, advice: &str) -> Refusal {
    let exit = if error.is_absence() { Exit::Nothing } else { Exit::NotRun };
    let advice = match error {
        desktop::Error::Several(_) => format!(": {advice}"),
        _ => String::new(),
    };
    Refusal { message: format!("{error}{advice}"), exit }
}

/// Become who sits there, where we are somebody else, and nothing of ours is left then; what a
/// command finds there.
pub fn become_session_user(
    session: &Session,
    variables: &Variables,
) -> Result<Environment, Refusal> {
    desktop::become_session_user(session, variables)
        .map_err(|error| Refusal { message: error.to_string(), exit: Exit::NotRun })
}
