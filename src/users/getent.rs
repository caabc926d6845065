//! Users and groups that only the machine's own C library knows, such as those of a directory
//! service or of systemd's units. A static program contains a C library that reads only /etc/passwd
//! and /etc/group (nsswitch.conf(5)).

use std::fs;
use std::io;
use std::process::Command;

use crate::command::answer::answer;
use crate::command::program;
use crate::deadlines;

/// Returns the line of a getent(1) database with this key. `None` where there is no such line, or
/// no getent(1).
pub fn line(database: &str, key: &str) -> io::Result<Option<Vec<u8>>> {
    let failed = |why: String| io::Error::other(format!("getent: {why}"));
    let Some(program) = program::find("getent").filter(|_| is_key(key)) else { return Ok(None) };
    let mut command = Command::new(program);
    // Not every getent takes `--` before the key.
    command.args([database, key]);
    let (answer, status) =
        answer(command, deadlines::GETENT).map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(0) => Ok(Some(answer)),
        // getent(1) exits with 2 when it finds no such key.
        Some(2) => Ok(None),
        _ => Err(failed(status.to_string())),
    }
}

/// Reports whether a key has one meaning. getent(1) reads numbers as strtoul(3) does, and would
/// find other entries for blanks, signs and numbers that are too large.
pub fn is_key(key: &str) -> bool {
    let is_number = key.bytes().all(|byte| byte.is_ascii_digit());
    !key.is_empty()
        && !key.starts_with([' ', '+', '-'])
        && (!is_number || key.parse::<u32>().is_ok())
}

/// Reports whether a database has other sources than its file, so that getent(1) may know more
/// names.
pub fn is_elsewhere(database: &str) -> bool {
    fs::read("/etc/nsswitch.conf")
        .is_ok_and(|text| names_others(&String::from_utf8_lossy(&text), database))
}

/// Searches a configuration without comments, whose lines are `DATABASE: SERVICE [ACTION] ...`.
fn names_others(configuration: &str, database: &str) -> bool {
    let services = configuration.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.split_once(':')
            .filter(|(name, _)| name.trim() == database)
            .map(|(_, services)| services)
    });
    services
        .is_some_and(|services| services.split_ascii_whitespace().any(|service| service != "files"))
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
        let text = "# passwd: ldap\npasswd:\tfiles # ldap\ngroup: files [SUCCESS=merge] \
        systemd\npasswd: ldap\n";
        assert!(
            !names_others(text, "passwd")
                && names_others(text, "group")
                && !names_others(text, "hosts")
        );
    }
}
