//! Graphical sessions: which ones exist, which one is meant, which variables a command needs in it,
//! and notifications to the user at the screen. Start in `session`, which lists the sessions and
//! chooses one, and go on to `variables`, which finds the way into it.
//!
//! Only facts that no user can forge for another one decide which users are logged in: logind's
//! files, directories that the superuser made, and the owner of a socket, as the kernel reports it.
//! The environments of processes count only within one user, and every value is tried before it is
//! used.

mod account;
mod address;
mod bus;
mod endpoints;
mod environ;
mod login1;
mod logind;
mod names;
pub mod notification;
mod runtime;
mod search;
mod session;
mod session_user;
mod values;
mod variables;
pub mod variant;
mod variant_text;
mod wayland;
mod x11;

use std::path::{Path, PathBuf};

use crate::process;

pub use address::Address;
pub use names::NAMES;
pub use notification::Notification;
pub use session::{Session, SessionSelector, choose, sessions};
pub use session_user::{Directory, SessionUser};
pub use variables::{Variables, variables};

/// A reason why no session can be reached.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nobody is logged in graphically{}", .user.as_ref().map(|user| format!(" as \
    '{user}'")).unwrap_or_default())]
    Nobody { user: Option<String> },
    #[error("there is no graphical session '{0}'")]
    NoSession(String),
    #[error("session '{session}' is not of user '{user}'")]
    NotTheirs { session: String, user: String },
    #[error("the session of '{user}' is not yours: only the superuser can reach those of others")]
    NotYours { user: String },
    /// The names of the sessions that may be meant.
    #[error("it is not clear whom to reach: {}", .0.join(", "))]
    Several(Vec<String>),
    /// The names of the sessions that are at no seat.
    #[error("it is not clear whom to reach: {} (at no seat)", .0.join(", "))]
    NoSeat(Vec<String>),
    #[error("{session} is not usable: neither its message bus nor its display answers{}",
        .why.as_ref().map(|why| format!("; {why} (ProtectHome= of systemd.exec(5) does that)"))
            .unwrap_or_default())]
    Unusable { session: String, why: Option<String> },
    #[error("{session}: the X server of display {display} does not answer")]
    LateDisplay { session: String, display: String },
    #[error("the home directory of user '{user}', '{}', could not be entered in time",
        .path.display())]
    LateHome { user: String, path: PathBuf },
    #[error("{0}: its user is unknown, or cannot be looked up now")]
    Stranger(String),
    #[error("cannot read '{}': {why}", .path.display())]
    File { path: PathBuf, why: std::io::Error },
    #[error("cannot keep open files from the command: {0}")]
    Descriptors(std::io::Error),
    #[error("cannot leave the rights of the superuser behind: {0}")]
    Privileges(std::io::Error),
    #[error(transparent)]
    Account(#[from] account::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
}

impl Error {
    /// Makes the error of a file that cannot be read.
    fn of_file(path: &Path, why: std::io::Error) -> Error {
        Error::File { path: path.to_owned(), why }
    }

    /// Reports whether there is no session to reach, as opposed to a failure of our own.
    pub fn is_absence(&self) -> bool {
        match self {
            Error::Nobody { .. }
            | Error::NoSession(_)
            | Error::NotTheirs { .. }
            | Error::NotYours { .. }
            | Error::Several(_)
            | Error::NoSeat(_)
            | Error::Unusable { .. }
            | Error::LateDisplay { .. }
            | Error::Stranger(_)
            | Error::Account(account::Error::Unknown(_) | account::Error::Late(_)) => true,
            Error::File { .. }
            | Error::LateHome { .. }
            | Error::Descriptors(_)
            | Error::Privileges(_)
            | Error::Account(_)
            | Error::Process(_) => false,
        }
    }
}
