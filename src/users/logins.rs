//! The logins to this machine, each file of them read once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use once_cell::unsync::OnceCell;
use rustix::io::Errno;

use super::session::Session;
use super::utmp::{self, TerminalLogin};

/// A cache of the sessions of logind and of the logins in utmp.
#[derive(Default)]
pub struct Logins {
    sessions: RefCell<BTreeMap<String, Result<Option<Session>, Errno>>>,
    terminals: OnceCell<Result<Vec<TerminalLogin>, Errno>>,
}

impl Logins {
    /// Returns the session of this id in logind; `None` where there is none.
    pub fn session(&self, id: &str) -> Result<Option<Session>, Errno> {
        if let Some(known) = self.sessions.borrow().get(id) {
            return known.clone();
        }
        let session = Session::read(id).map_err(errno);
        self.sessions.borrow_mut().insert(id.to_owned(), session.clone());
        session
    }

    /// Returns the logins at a terminal by its name below /dev. There may be remains of earlier ones.
    pub fn at_terminal(&self, terminal: &str) -> Result<Vec<&TerminalLogin>, Errno> {
        let logins = self.terminals.get_or_init(|| utmp::logins().map_err(errno));
        let logins = logins.as_ref().map_err(|&errno| errno)?;
        Ok(logins.iter().filter(|login| login.terminal == terminal).collect())
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
