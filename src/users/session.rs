//! Sessions in the files of logind (/run/systemd/sessions), which only the superuser can write.
//!
//! The format of the files is not promised, but has been the same since logind began.

use std::io;
use std::path::Path;

use crate::small_file;

/// The directory with a file for each session.
const SESSIONS: &str = "/run/systemd/sessions";

/// Most bytes of such a file that are read. It has some hundred.
const LONGEST: u64 = 16 * 1024;

/// A session of logind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The name of the user who logged in.
    pub user: Option<String>,
    /// The other machine that the user came from.
    pub host: Option<String>,
    /// The terminal, below /dev.
    pub terminal: Option<String>,
    /// The service that let the user in, such as `sshd`.
    pub service: Option<String>,
    /// The number of the audit session.
    pub audit: Option<u64>,
    /// Microseconds from the epoch to the login.
    pub since: Option<u64>,
}

impl Session {
    /// Reads the session of this id; `None` where there is none.
    pub fn read(id: &str) -> io::Result<Option<Session>> {
        // Anything else is no id, and could be a path.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let text = small_file::read(&Path::new(SESSIONS).join(id), LONGEST)?;
        Ok(text.map(|text| Session::parse(&text)))
    }

    /// Parses lines such as `USER=alice`.
    fn parse(text: &[u8]) -> Session {
        let mut session = Session::default();
        for line in text.split(|&byte| byte == b'\n') {
            let Some(at) = line.iter().position(|&byte| byte == b'=') else { continue };
            let value = String::from_utf8_lossy(&line[at + 1..]).into_owned();
            let value = Some(value).filter(|value| !value.is_empty());
            match &line[..at] {
                b"USER" => session.user = value,
                b"REMOTE_HOST" => session.host = value,
                b"TTY" => {
                    session.terminal = value
                        .map(|name| name.strip_prefix("/dev/").map(str::to_owned).unwrap_or(name))
                }
                b"SERVICE" => session.service = value,
                b"AUDIT" => session.audit = value.and_then(|value| value.parse().ok()),
                b"REALTIME" => session.since = value.and_then(|value| value.parse().ok()),
                _ => {}
            }
        }
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"# This is private data. Do not parse.\nUID=1000\nUSER=alice\nACTIVE=1\n\
        TTY=/dev/pts/3\nREMOTE_HOST=10.0.0.5\nSERVICE=sshd\nAUDIT=7\nREALTIME=1700000000123456\n\
        DESKTOP=\n";

    #[test]
    fn a_file_of_logind_tells_of_the_login() {
        let text = |text: &str| Some(text.to_owned());
        let session = Session {
            user: text("alice"),
            host: text("10.0.0.5"),
            terminal: text("pts/3"),
            service: text("sshd"),
            audit: Some(7),
            since: Some(1_700_000_000_123_456),
        };
        assert_eq!(Session::parse(TEXT), session);
        assert_eq!(Session::parse(b"USER=\nAUDIT=x\nno field"), Session::default());
    }

    #[test]
    fn only_ids_are_looked_up() {
        for id in ["", "..", "../seats/seat0", "1.ref", "no such"] {
            assert_eq!(Session::read(id).unwrap(), None, "{id}");
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[TEXT], |text| _ = Session::parse(text));
    }
}
