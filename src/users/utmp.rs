//! The logins at terminals in /run/utmp (utmp(5)), which only the superuser and programs of the group
//! utmp can write: records of a fixed length.

use std::io;
use std::path::Path;

use crate::small_file;

const UTMP: &str = "/run/utmp";

/// Most bytes that are read: some thousand logins.
const LONGEST: u64 = 4 << 20;

/// The kind of a record about a user who is logged in (USER_PROCESS).
const USER_PROCESS: i16 = 7;

/// `true` where glibc keeps the session and the time in 64 bits. On most machines of 64 bits they are
/// as on those of 32 bits (__WORDSIZE_TIME64_COMPAT32).
const IS_WIDE: bool =
    cfg!(any(target_arch = "aarch64", target_arch = "s390x", target_arch = "loongarch64"));

/// Length of a record, and the place of its time.
const LENGTH: usize = if IS_WIDE { 400 } else { 384 };
const TIME: usize = if IS_WIDE { 344 } else { 340 };

/// The places of the other fields, with their lengths.
const KIND: (usize, usize) = (0, 2);
const PID: (usize, usize) = (4, 4);
const LINE: (usize, usize) = (8, 32);
const USER: (usize, usize) = (44, 32);
const HOST: (usize, usize) = (76, 256);

/// The login of a user at a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalLogin {
    /// The process that let the user in. The record stays where it was killed.
    pub pid: u32,
    /// The terminal, below /dev.
    pub terminal: String,
    pub user: String,
    /// The other machine that the user came from.
    pub host: Option<String>,
    /// Seconds from the epoch to the login.
    pub since: u64,
}

/// Returns all logins at terminals; none where the machine keeps no such file.
pub fn logins() -> io::Result<Vec<TerminalLogin>> {
    let text = small_file::read(Path::new(UTMP), LONGEST)?.unwrap_or_default();
    Ok(parse(&text))
}

/// Parses the records of the file.
fn parse(text: &[u8]) -> Vec<TerminalLogin> {
    text.chunks_exact(LENGTH).filter_map(login).collect()
}

fn login(record: &[u8]) -> Option<TerminalLogin> {
    let field = |(start, length): (usize, usize)| record.get(start..start + length);
    if i16::from_ne_bytes(field(KIND)?.try_into().ok()?) != USER_PROCESS {
        return None;
    }
    // The texts end at the first zero byte, if they are shorter than their fields.
    let text = |place| {
        let text = field(place)?.split(|&byte| byte == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty())
    };
    let since = if IS_WIDE {
        u64::from_ne_bytes(field((TIME, 8))?.try_into().ok()?)
    } else {
        u32::from_ne_bytes(field((TIME, 4))?.try_into().ok()?).into()
    };
    Some(TerminalLogin {
        pid: u32::from_ne_bytes(field(PID)?.try_into().ok()?),
        terminal: text(LINE)?,
        user: text(USER)?,
        host: text(HOST),
        since,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, pid: u32, line: &str, user: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; LENGTH];
        let mut put = |start: usize, bytes: &[u8]| {
            record[start..start + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &kind.to_ne_bytes());
        put(4, &pid.to_ne_bytes());
        put(8, line.as_bytes());
        put(44, user.as_bytes());
        put(76, host.as_bytes());
        put(TIME, &1_700_000_000u32.to_ne_bytes());
        record
    }

    #[test]
    fn users_at_terminals_are_found_among_other_records() {
        let text = [
            record(2, 0, "~", "reboot", "6.1.0"),
            record(7, 77, "pts/3", "alice", "10.0.0.5"),
            record(8, 78, "pts/4", "bob", ""),
            record(7, 79, "tty1", &"b".repeat(32), ""),
            b"cut".to_vec(),
        ];
        let login = |pid, terminal: &str, user: &str, host: Option<&str>| TerminalLogin {
            pid,
            terminal: terminal.to_owned(),
            user: user.to_owned(),
            host: host.map(str::to_owned),
            since: if cfg!(target_endian = "little") || !IS_WIDE { 1_700_000_000 } else { 0 },
        };
        let found = parse(&text.concat());
        assert_eq!(found[0], login(77, "pts/3", "alice", Some("10.0.0.5")));
        assert_eq!((found[1].user.len(), &found[1].host, found.len()), (32, &None, 2));
    }

    #[test]
    fn any_change_is_survived() {
        let text = record(7, 77, "pts/3", "alice", "10.0.0.5");
        crate::fuzz::survives(&[&text], |text| _ = parse(text));
    }
}
