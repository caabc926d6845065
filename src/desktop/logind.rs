//! The sessions that logind knows: over the bus of the system (`login1`), or from its files under
//! /run/systemd, which only the superuser can write. `session` chooses among them.
//!
//! The format of the files is not promised, but has been the same since logind began. sd-login(3)
//! is promised, but needs a library that no static program can load.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use rustix::fs::OFlags;
use rustix::time::{ClockId, clock_gettime};

use super::login1::{self, RecordFields};
use crate::control::{Life, Reference};
use crate::process::{self, File, Files, Lookup, Pid, Proc};

/// The directories with a file for each session and each seat.
const SESSIONS: &str = "/run/systemd/sessions";
const SEATS: &str = "/run/systemd/seats";

/// The unit of start times in the kernel (USER_HZ in time(7)).
const TICK: Duration = Duration::from_millis(10);

/// Size of the largest file that is read, in bytes.
const LONGEST: u64 = 1 << 16;

/// Classes of sessions of people (org.freedesktop.login1(5)), without greeters, lock screens and
/// services.
const CLASSES: [&str; 4] = ["user", "user-early", "user-light", "user-early-light"];

/// The types of sessions with a screen, and the type of those at a terminal, from which a user may
/// have started a desktop.
const TYPES: [&str; 3] = ["x11", "wayland", "mir"];
const TERMINAL: &str = "tty";

/// A session of a person, in any state.
pub struct Record {
    pub id: String,
    pub uid: u32,
    /// One of [`TYPES`]; `None` for a session at a terminal.
    pub kind: Option<String>,
    pub seat: Option<String>,
    /// The first process of the session.
    pub leader: Pid,
    /// The name of the desktop, and the X display.
    pub desktop: Option<String>,
    pub display: Option<String>,
    /// `true` for the session of its user to which programs without a session belong.
    pub is_main: bool,
    /// `true` if its seat shows it now.
    pub is_foreground: bool,
    /// `true` if its user sits at another machine.
    pub is_remote: bool,
    /// `true` if it is at this machine, has not begun to close, and its leader is alive.
    pub is_living: bool,
}

/// Returns all sessions of people, the oldest first; `None` where logind does not run. The
/// directories exist on every machine with systemd, but only a running logind has a seat.
///
/// The bus of the system is asked first, because that is what logind promises. Its files say the
/// same.
pub fn records(proc: &Proc) -> Result<Option<Vec<Record>>, super::Error> {
    if let Some(told) = login1::sessions() {
        tracing::info!(sessions = told.len(), "logind tells of them over the bus of the system");
        let mut records = Vec::new();
        for (id, fields) in told.into_iter().filter(|(id, _)| is_name(id)) {
            let is_active = fields.get("ACTIVE").is_some_and(|active| active == "1");
            records.extend(record(proc, id, &fields, |_, _| Ok(is_active))?);
        }
        return Ok(Some(sorted(records)));
    }
    let records = records_of_files(proc)?;
    let count = records.as_ref().map_or(0, Vec::len);
    tracing::info!(sessions = count, "the files of logind tell of them");
    Ok(records)
}

fn records_of_files(proc: &Proc) -> Result<Option<Vec<Record>>, super::Error> {
    let ids = names(SESSIONS)?;
    if ids.is_empty() && names(SEATS)?.is_empty() {
        return Ok(None);
    }
    let mut records = Vec::new();
    for id in ids {
        // The session may have ended since the directory was read.
        let Some(fields) = fields(SESSIONS, &id)? else { continue };
        let is_shown = |seat: &str, id: &str| {
            let seat = self::fields(SEATS, seat)?;
            Ok(seat.is_some_and(|seat| seat.get("ACTIVE").is_some_and(|active| active == id)))
        };
        records.extend(record(proc, id, &fields, is_shown)?);
    }
    Ok(Some(sorted(records)))
}

/// Sorts records, the oldest first. Ids count up, so that a shorter number is older.
fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by(|one, other| (one.id.len(), &one.id).cmp(&(other.id.len(), &other.id)));
    records
}

/// Makes the record of a session from its fields; `None` if it is no session of a person. `is_shown`
/// tells whether a seat shows a session now.
fn record(
    proc: &Proc,
    id: String,
    fields: &RecordFields,
    is_shown: impl Fn(&str, &str) -> Result<bool, super::Error>,
) -> Result<Option<Record>, super::Error> {
    let field = |name: &str| fields.get(name).cloned();
    let is_one_of =
        |name: &str, values: &[&str]| field(name).is_some_and(|value| values.contains(&&*value));
    let kind = field("TYPE").filter(|kind| TYPES.contains(&&**kind));
    if !is_one_of("CLASS", &CLASSES) || kind.is_none() && !is_one_of("TYPE", &[TERMINAL]) {
        return Ok(None);
    }
    let number = |name: &str| fields.get(name)?.parse().ok();
    let (Some(uid), Some(leader)) = (number("UID"), number("LEADER")) else {
        tracing::debug!(session = id, "its file lacks a user or a leader");
        return Ok(None);
    };
    let is_remote = fields.get("REMOTE").is_none_or(|remote| remote != "0");
    let is_open = is_one_of("STATE", &["active", "online"]);
    let is_living = !is_remote && is_open && is_leader_alive(proc, leader, fields)?;
    tracing::debug!(session = id, uid, is_remote, is_open, is_living, "logind knows");
    let seat = field("SEAT").filter(|seat| is_name(seat));
    let is_foreground = is_living
        && is_one_of("STATE", &["active"])
        && match &seat {
            Some(seat) => is_shown(seat, &id)?,
            None => false,
        };
    let is_main = is_one_of("IS_DISPLAY", &["1"]);
    let (desktop, display) = (field("DESKTOP"), field("DISPLAY"));
    Ok(Some(Record {
        id,
        uid,
        kind,
        seat,
        leader,
        desktop,
        display,
        is_main,
        is_foreground,
        is_remote,
        is_living,
    }))
}

/// Reports whether the leader of a session is alive, and not a later process with the same pid.
fn is_leader_alive(
    proc: &Proc,
    leader: Pid,
    fields: &RecordFields,
) -> Result<bool, process::Error> {
    let number = |name: &str| fields.get(name)?.parse::<u64>().ok();
    match proc.lookup(leader, Reference::by_number(leader))? {
        Lookup::Found(reference) => {
            if proc.lookup(leader, reference.life())? != Lookup::Found(Life::Alive) {
                return Ok(false);
            }
            if let (Some(recorded), Some(inode)) = (number("LEADER_PIDFDID"), reference.inode()) {
                return Ok(recorded == inode);
            }
        }
        // Linux before 5.3 has no pidfds: only the start time identifies the leader.
        Lookup::Unavailable(_) if is_alive(proc, leader)? => {}
        Lookup::Unavailable(_) | Lookup::Exited => return Ok(false),
    }
    let Some(session_start) = number("MONOTONIC").map(Duration::from_micros) else {
        return Ok(true);
    };
    match proc.process(leader, Files::new(&[File::Stat]))? {
        Lookup::Found(process) => {
            let start =
                process.lookup(process.stat().map(|stat| process.seconds(stat.start_ticks)))?;
            // With hidepid=noaccess (proc(5)) the start time is denied, but the process is alive.
            Ok(match start {
                Lookup::Found(start) => monotonic_start(start) <= session_start + TICK,
                Lookup::Unavailable(_) => true,
                Lookup::Exited => false,
            })
        }
        // With hidepid=invisible the process is hidden, but alive.
        Lookup::Unavailable(_) | Lookup::Exited => Ok(true),
    }
}

/// Reports whether /proc shows a process that has not exited.
fn is_alive(proc: &Proc, pid: Pid) -> Result<bool, process::Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(false);
    };
    Ok(process.lookup(process.stat().map(|stat| stat.is_alive()))? == Lookup::Found(true))
}

/// Converts seconds since boot to the clock of logind, which stands still while the machine is
/// suspended. A suspension after the start makes the start seem earlier, so that the leader is
/// never taken for a later process.
fn monotonic_start(since_boot: f64) -> Duration {
    let now = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let age = now(ClockId::Boottime) - since_boot;
    Duration::try_from_secs_f64(now(ClockId::Monotonic) - age).unwrap_or_default()
}

/// Reads the fields of a file; `None` if there is no such file, or none that logind wrote.
fn fields(directory: &str, name: &str) -> Result<Option<RecordFields>, super::Error> {
    let path = Path::new(directory).join(name);
    match text(&path) {
        Ok(text) => Ok(Some(parse(&text))),
        // The file has been removed, is forbidden to us, or is none of logind's.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidInput
            ) =>
        {
            tracing::debug!(file = %path.display(), "{error}");
            Ok(None)
        }
        Err(error) => Err(super::Error::of_file(&path, error)),
    }
}

/// Reads a file that only the superuser can write. Errors: `InvalidInput` for any other.
fn text(path: &Path) -> io::Result<String> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path);
    let file = match opened {
        // open(2) fails so for a symbolic link, and for a socket.
        Err(error)
            if [Errno::ELOOP, Errno::ENXIO]
                .map(|errno| Some(errno as i32))
                .contains(&error.raw_os_error()) =>
        {
            return Err(not_of_logind());
        }
        opened => opened?,
    };
    let found = file.metadata()?;
    if !found.is_file() || !is_safe(&found) || found.len() > LONGEST {
        return Err(not_of_logind());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_of_logind() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "it is no file that logind wrote")
}

/// Reports whether only the superuser can write a file.
fn is_safe(found: &Metadata) -> bool {
    found.uid() == 0 && found.permissions().mode() & 0o022 == 0
}

/// Parses lines of KEY=VALUE, and skips others.
fn parse(text: &str) -> RecordFields {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), unquoted(value).to_owned())).collect()
}

/// Removes the quotes that newer versions of systemd put around values of several words.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Returns the ids of the sessions or seats of a directory, without the FIFOs (`.ref`) beside them.
fn names(directory: &str) -> Result<Vec<String>, super::Error> {
    let failed = |error| super::Error::of_file(Path::new(directory), error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().filter(|name| is_name(name)).map(str::to_owned));
    }
    Ok(names)
}

/// Reports whether this can be the name of a session or a seat: letters, digits, `-` and `_`.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_file() {
        let fields = parse(
            "# This is private data. Do not parse.\nUID=1002\nSEAT=seat0\nDESKTOP=\"a \
            b\"\nTTY=\nodd\n",
        );
        assert_eq!(fields.get("UID").map(String::as_str), Some("1002"));
        assert_eq!(fields.get("DESKTOP").map(String::as_str), Some("a b"));
        assert_eq!(fields.get("TTY").map(String::as_str), Some(""));
        assert_eq!(fields.get("odd"), None);
    }

    #[test]
    fn names_of_sessions_and_seats() {
        assert!(is_name("seat0") && is_name("seat-usb_1"));
        assert!(!is_name("") && !is_name("../x") && !is_name("a b") && !is_name("5.ref"));
    }
}
