//! Becoming the user of a session, and the environment of a command that runs in it.

use super::{Error, NAMES, Session, Variables};
use crate::command::exec::Environment;
use crate::control::keep_descriptors;

/// Becomes the user of a session, if we are another user, without a way back. Returns the
/// environment for a command. If we were another user, it contains nothing of ours, and the command
/// does not inherit our open files.
pub fn become_session_user(session: &Session, variables: &Variables) -> Result<Environment, Error> {
    let found = variables.session.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    if session.account.is_ours() {
        // A variable of ours that leads elsewhere would mislead the command.
        return Ok(Environment {
            without: NAMES.to_vec(),
            variables: found.collect(),
            ..Environment::default()
        });
    }
    keep_descriptors().map_err(Error::Descriptors)?;
    session.account.become_user()?;
    let own =
        session.account.environment().into_iter().map(|(name, value)| (name.to_owned(), value));
    let variables = own.chain(variables.locale.iter().cloned()).chain(found).collect();
    Ok(Environment { is_new: true, variables, ..Environment::default() })
}
