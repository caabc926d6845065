//! The reasons why a configuration, or a part of it, is unknown.

use std::io;

use super::lossy;
use crate::process::ReadError;

/// The reason why the configuration of a server cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server process does not show something that is needed.
    #[error(transparent)]
    Process(#[from] ReadError),
    /// No child process could be started that reads with the server's rights.
    #[error("no process to read it: {0}")]
    NoReader(io::Error),
    /// Paths are relative to a directory that is unknown.
    #[error("it was started with a relative -d {}", lossy(.0))]
    RelativeRoot(Vec<u8>),
    #[error("no configuration file is at any of the usual places")]
    NoFile,
    #[error("{}: {error}", lossy(path))]
    File { path: Vec<u8>, error: io::Error },
    #[error("{}: it is a directory", lossy(.0))]
    Directory(Vec<u8>),
}

/// The reason why a part of the configuration is uncertain. Places are FILE:LINE.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    #[error(
        "the configuration is read from our own file system: that of the server is kept from us"
    )]
    OwnFiles,
    #[error("the executable does not tell which file it reads: this is one at a usual place")]
    UsualFile,
    #[error("{0}: a macro that is not known")]
    Macro(String),
    #[error("{0}: a directive is named by a variable")]
    NamedByVariable(String),
    #[error("what follows {0} depends on a condition")]
    Conditional(String),
    #[error("whether the WSGI group at {0} exists depends on a condition")]
    ConditionalGroup(String),
    #[error("{0}: a pattern that is not understood")]
    Pattern(String),
    #[error("{0}: files are included too deeply")]
    TooDeep(String),
    #[error("{0}: there is more of it than any server has, and the rest was not read")]
    TooMuch(String),
    #[error("{path} could not be read: {reason}")]
    Unread { path: String, reason: String },
    #[error("no MPM is loaded by name")]
    NoMpm,
    #[error("MaxRequestWorkers is not set in what could be read")]
    NoLimit,
    #[error("what is set at {0} depends on a condition, or is no number")]
    Number(String),
}
