//! Entering a session.

use super::{Error, NAMES, Session, Variables};
use crate::command::exec::Environment;
use crate::control::keep_descriptors;

/// Become the user of a session, where we are somebody else, without a way back. What a command has
/// to find in its environment then: nothing of ours where we were somebody else, nor our open
/// files.
pub fn become_session_user(session: &Session, variables: &Variables) -> Result<Environment, Error> {
    let found = variables.session.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    if session.account.is_ours() {
        // One that leads nowhere would only mislead.
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
