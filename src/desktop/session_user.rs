//! Becoming the user of a session.

use super::{Error, NAMES, Session, Variables};
use crate::command::exec::Environment;
use crate::control::keep_descriptors;

/// Becomes the user of a session, if we are another user, without a way back. Returns the
/// environment for a command; if we were another user, it contains nothing of ours, and our open
/// files are closed.
pub fn become_session_user(session: &Session, variables: &Variables) -> Result<Environment, Error> {
    let found = variables.session.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    if session.account.is_ours() {
        // A variable that leads nowhere would only mislead.
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
