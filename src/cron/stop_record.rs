//! The record of a stop: how the daemons that a run has stopped can be started again. It is a file
//! below /run, which is the superuser's.
//!
//! The file is a list of names and values by turns, each ended by a zero byte, which no value has.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;

use super::command_line::CommandLine;
use super::service_manager::{Manager, UserManager};
use super::start_method::StartMethod;
use super::timers::{Timer, is_unit_name};
use crate::process::items;

/// The record.
pub const RECORD: &str = "/run/cron-graceful.stopped";

/// The record while it is written.
const NEW: &str = "/run/cron-graceful.stopped.new";

/// Most bytes of a record. The kernel allows fewer for arguments and environment (execve(2)).
const LONGEST: u64 = 16 << 20;

/// The first name and value: what the file is, and the version of its form.
const FORM: (&[u8], &[u8]) = (b"cron-graceful", b"1");

/// What a run has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopRecord {
    pub boot: Boot,
    pub time: SystemTime,
    /// Who has ordered it.
    pub by: String,
    pub daemons: Vec<StoppedDaemon>,
    /// The timers of systemd that were stopped with them.
    pub timers: Vec<Timer>,
}

/// A run of this machine, or of this container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The random id that the kernel gives to each boot.
    pub id: Vec<u8>,
    /// The start of the first process, in clock ticks since the boot of the kernel: a container has
    /// the id of its host.
    pub init: u64,
}

/// A daemon that was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedDaemon {
    pub name: Vec<u8>,
    pub start: StartMethod,
}

impl StopRecord {
    /// Writes the record, in place of an earlier one.
    pub fn write(&self) -> io::Result<()> {
        remove(NEW)?;
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600).custom_flags(flags);
        options.open(NEW)?.write_all(&self.to_bytes())?;
        fs::rename(NEW, RECORD)
    }

    /// Reads the record; `None` if there is none. Errors: another than the superuser may have
    /// written it, or it cannot be understood.
    pub fn read() -> io::Result<Option<StopRecord>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC).bits();
        let file = match File::options().read(true).custom_flags(flags as i32).open(RECORD) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let facts = file.metadata()?;
        if !facts.is_file() || facts.uid() != 0 || facts.mode() & 0o077 != 0 || facts.nlink() != 1 {
            let why = "another than the superuser may have written it";
            return Err(io::Error::new(ErrorKind::PermissionDenied, why));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes)?;
        let record = StopRecord::parse(&bytes);
        record.map(Some).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it is damaged"))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut list = List(Vec::new());
        list.add(FORM.0, FORM.1);
        list.add(b"boot", &self.boot.id);
        list.number(b"init", self.boot.init);
        let time = self.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        list.number(b"time", time.as_secs());
        list.add(b"by", self.by.as_bytes());
        self.timers.iter().for_each(|timer| list.timer(timer));
        for daemon in &self.daemons {
            list.add(b"daemon", &daemon.name);
            match &daemon.start {
                StartMethod::Unit(unit) => list.add(b"unit", unit.as_bytes()),
                StartMethod::Script(name) => list.add(b"script", name.as_bytes()),
                StartMethod::Command(line) => list.command(line),
                StartMethod::Unknown(why) => list.add(b"unknown", why.as_bytes()),
            }
        }
        list.0
    }

    /// Parses a record; `None` if it is damaged.
    fn parse(bytes: &[u8]) -> Option<StopRecord> {
        let mut reader = Reader { items: items(bytes).collect(), at: 0 };
        if reader.next()? != FORM || !bytes.ends_with(b"\0") {
            return None;
        }
        let boot = Boot { id: reader.value(b"boot")?.to_vec(), init: reader.number(b"init")? };
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(reader.number(b"time")?))?;
        let by = text(reader.value(b"by")?)?;
        let mut timers = Vec::new();
        while let Some(unit) = reader.value(b"timer") {
            timers.push(reader.timer(unit)?);
        }
        let mut daemons = Vec::new();
        while !reader.is_at_end() {
            let name = reader.value(b"daemon")?.to_vec();
            let start = match reader.next()? {
                (b"unit", unit) => StartMethod::Unit(text(unit)?),
                (b"script", name) => StartMethod::Script(text(name)?),
                (b"unknown", why) => StartMethod::Unknown(text(why)?),
                (b"executable", path) => StartMethod::Command(reader.command(path)?),
                _ => return None,
            };
            daemons.push(StoppedDaemon { name, start });
        }
        Some(StopRecord { boot, time, by, daemons, timers })
    }
}

/// Removes the record, if there is one.
pub fn forget() -> io::Result<()> {
    remove(RECORD)
}

fn remove(path: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// A list that is written.
struct List(Vec<u8>);

impl List {
    fn add(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, value] {
            self.0.extend_from_slice(part);
            self.0.push(0);
        }
    }

    fn number(&mut self, name: &[u8], value: u64) {
        self.add(name, value.to_string().as_bytes());
    }

    fn timer(&mut self, timer: &Timer) {
        self.add(b"timer", timer.unit.as_bytes());
        self.add(b"enabled", if timer.is_enabled { b"yes" } else { b"no" });
        if let Manager::User(user) = &timer.manager {
            self.number(b"user", user.uid.into());
            self.number(b"group", user.gid.into());
        }
    }

    fn command(&mut self, line: &CommandLine) {
        self.add(b"executable", &line.executable);
        self.add(b"directory", &line.directory);
        self.number(b"umask", line.umask.into());
        for (name, id) in GROUP_IDS.into_iter().zip(line.group_ids) {
            self.number(name, id.into());
        }
        line.groups.iter().for_each(|group| self.number(b"group", (*group).into()));
        line.arguments.iter().for_each(|argument| self.add(b"argument", argument));
        line.environment.iter().for_each(|variable| self.add(b"variable", variable));
    }
}

/// The names of the group ids of a command line, in their order.
const GROUP_IDS: [&[u8]; 3] = [b"real group", b"effective group", b"saved group"];

/// A list that is read.
struct Reader<'r> {
    items: Vec<&'r [u8]>,
    at: usize,
}

impl<'r> Reader<'r> {
    fn is_at_end(&self) -> bool {
        self.at >= self.items.len()
    }

    /// Returns the next name and value.
    fn next(&mut self) -> Option<(&'r [u8], &'r [u8])> {
        let pair = self.items.get(self.at..self.at + 2)?;
        self.at += 2;
        Some((pair[0], pair[1]))
    }

    /// Returns the next value, if it has this name.
    fn value(&mut self, name: &[u8]) -> Option<&'r [u8]> {
        if self.items.get(self.at) != Some(&name) {
            return None;
        }
        self.next().map(|(_, value)| value)
    }

    fn number<T: FromStr>(&mut self, name: &[u8]) -> Option<T> {
        std::str::from_utf8(self.value(name)?).ok()?.parse().ok()
    }

    /// Returns a timer, the name of which was read.
    fn timer(&mut self, unit: &[u8]) -> Option<Timer> {
        let unit = text(unit).filter(|unit| is_unit_name(unit))?;
        let is_enabled = self.value(b"enabled")? == b"yes";
        let manager = match self.number(b"user") {
            Some(uid) => {
                let gid = self.number(b"group")?;
                Manager::User(UserManager { uid, gid, cgroup: String::new() })
            }
            None => Manager::System,
        };
        Some(Timer::named(manager, &unit, is_enabled))
    }

    /// Returns all values of this name that come next.
    fn values(&mut self, name: &[u8]) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.value(name).map(<[u8]>::to_vec)).collect()
    }

    fn command(&mut self, executable: &[u8]) -> Option<CommandLine> {
        let directory = self.value(b"directory")?.to_vec();
        let umask = self.number(b"umask")?;
        let mut group_ids = [0; 3];
        for (name, id) in GROUP_IDS.into_iter().zip(&mut group_ids) {
            *id = self.number(name)?;
        }
        let groups = std::iter::from_fn(|| self.number(b"group")).collect();
        Some(CommandLine {
            executable: executable.to_vec(),
            arguments: self.values(b"argument"),
            environment: self.values(b"variable"),
            directory,
            umask,
            group_ids,
            groups,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> StopRecord {
        let line = CommandLine {
            executable: b"/usr/sbin/caf\xe9".to_vec(),
            arguments: vec![b"cron".to_vec(), Vec::new(), b"-L".to_vec(), b"argument".to_vec()],
            environment: vec![
                b"A=1".to_vec(),
                b"daemon".to_vec(),
                Vec::new(),
                b"B=\n\xff".to_vec(),
            ],
            directory: b"/var/spool/cron".to_vec(),
            umask: 0o27,
            group_ids: [0, 7, 0],
            groups: vec![4, 24],
        };
        let daemon = |start| StoppedDaemon { name: b"cron".to_vec(), start };
        StopRecord {
            boot: Boot { id: b"1f9-2".to_vec(), init: 17 },
            time: UNIX_EPOCH + Duration::from_secs(1_790_000_000),
            by: "alice".to_owned(),
            daemons: vec![
                daemon(StartMethod::Command(line)),
                daemon(StartMethod::Unit("cron.service".to_owned())),
                daemon(StartMethod::Script("cron".to_owned())),
                daemon(StartMethod::Unknown("for this reason".to_owned())),
                daemon(StartMethod::Command(CommandLine::default())),
            ],
            timers: vec![
                Timer::named(Manager::System, "backup.timer", true),
                Timer::named(
                    Manager::User(UserManager { uid: 1000, gid: 100, cgroup: String::new() }),
                    "mail.timer",
                    false,
                ),
            ],
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(StopRecord::parse(&record().to_bytes()), Some(record()));
    }

    #[test]
    fn a_record_that_was_cut_is_damaged_or_has_fewer_daemons() {
        let bytes = record().to_bytes();
        for length in 0..bytes.len() {
            let cut = StopRecord::parse(&bytes[..length]);
            assert_ne!(cut, Some(record()), "{length}");
        }
        assert_eq!(StopRecord::parse(b""), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_crash(
            bytes in proptest::collection::vec(any::<u8>(), 0..80)
        ) {
            let _ = StopRecord::parse(&bytes);
            let mut longer = record().to_bytes();
            longer.extend_from_slice(&bytes);
            let _ = StopRecord::parse(&longer);
        }
    }
}
