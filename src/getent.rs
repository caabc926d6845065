//! What the machine's own C library knows: users and groups of a directory service, or of systemd's units. A static
//! program has a C library in it that reads /etc/passwd and /etc/group only (nsswitch.conf(5)).

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program;

/// For each part of an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// The line of a database, of getent(1), that this key has; nothing where there is none, or no getent(1).
pub fn line(database: &str, key: &str) -> io::Result<Option<String>> {
    let failed = |why: String| io::Error::other(format!("getent: {why}"));
    let Some(program) = program::find("getent") else { return Ok(None) };
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(LIMIT))?;
    let mut command = Command::new(program);
    command.arg("--").args([database, key]).stdin(Stdio::null()).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| failed(error.to_string()))?;
    // With its end of the connection.
    drop(command);
    let (answer, status) = answer(ours, child).map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(0) => String::from_utf8(answer).map(Some).map_err(|error| failed(error.to_string())),
        // No such key.
        Some(2) => Ok(None),
        _ => Err(failed(status.to_string())),
    }
}

fn answer(mut stream: UnixStream, mut child: Child) -> io::Result<(Vec<u8>, std::process::ExitStatus)> {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if read.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    match read {
        Ok(_) => Ok((answer, status)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(io::Error::other("it does not answer")),
        Err(error) => Err(error),
    }
}

/// Whether a key means what it says: getent(1) reads numbers as strtoul(3) does, and finds others behind blanks, signs
/// and numbers that are too great.
pub fn is_key(key: &str) -> bool {
    let is_number = key.bytes().all(|byte| byte.is_ascii_digit());
    !key.is_empty() && !key.starts_with([' ', '+', '-']) && (!is_number || key.parse::<u32>().is_ok())
}

/// Whether a database is looked up anywhere but in its file, so that it is worth asking for ids that have no name there.
pub fn is_elsewhere(database: &str) -> bool {
    fs::read("/etc/nsswitch.conf").is_ok_and(|text| names_others(&String::from_utf8_lossy(&text), database))
}

/// Without the comments, a line is `DATABASE: SERVICE [ACTION] ...`.
fn names_others(configuration: &str, database: &str) -> bool {
    let services = configuration.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_once(':').filter(|(name, _)| name.trim() == database).map(|(_, services)| services)
    });
    services.is_some_and(|services| services.split_ascii_whitespace().any(|service| service != "files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_would_be_read_as_others_are_none() {
        assert!(["root", "0", "4294967295", "0x0", "a b"].into_iter().all(is_key));
        assert!(!["", " 0", "+0", "-0", "4294967296"].into_iter().any(is_key));
    }

    #[test]
    fn other_services_are_those_that_are_no_file() {
        let text = "# passwd: ldap\npasswd:\tfiles # ldap\ngroup: files [SUCCESS=merge] systemd\npasswd: ldap\n";
        assert!(!names_others(text, "passwd") && names_others(text, "group") && !names_others(text, "hosts"));
    }
}
