//! The one table of properties. `show`, `--fields`, JSON, `--help` and the man pages are made from
//! it: a new property is one more row of [`PROPERTIES`].

use std::borrow::Cow;

use super::Process;
use super::capability;
use super::cgroup::Cgroups;
use super::file::{File, Files};
use super::value::Value;
use super::{ReadError, ReadResult, terminal};

/// A property of a process.
pub struct Property {
    /// Its name in `--fields` and JSON.
    pub name: &'static str,
    /// The section of `show` that it stands in.
    pub group: Section,
    /// The kind of its value.
    pub kind: ValueKind,
    /// Columns that are enough for most values.
    pub width: usize,
    /// The files below /proc/PID that it is read from.
    pub cost: Cost,
    /// `true` if it is shown only when asked for by name, because it may hold secrets or repeats
    /// other properties.
    pub on_request: bool,
    /// One line of help.
    pub about: &'static str,
    /// Reads the value.
    pub get: for<'a> fn(&'a Process<'_>) -> ReadResult<Value<'a>>,
}

/// The sections of `show`, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The process itself.
    Identity,
    /// The program that it runs.
    Program,
    /// The users, groups and rights that it works with.
    Owner,
    /// Its state and its age, and the time and the descriptors that it uses.
    State,
    /// The memory that it takes.
    Memory,
    /// The parts of the machine that it sees, and the groups that it is counted in.
    Place,
}

impl Section {
    /// All sections.
    pub const ALL: [Section; 6] = [
        Section::Identity,
        Section::Program,
        Section::Owner,
        Section::State,
        Section::Memory,
        Section::Place,
    ];
}

/// The kind of a value, and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A count or an id.
    Number,
    /// Bytes of memory.
    Size,
    /// A duration.
    Seconds,
    /// A point in time.
    Time,
    /// Yes or no.
    Flag,
    /// Text.
    Text,
    /// Several of something.
    List,
}

impl ValueKind {
    /// Returns the unit in JSON; empty where there is none.
    pub fn unit(self) -> &'static str {
        match self {
            ValueKind::Size => "bytes",
            ValueKind::Seconds => "seconds",
            ValueKind::Time => "seconds since the epoch",
            ValueKind::Number | ValueKind::Flag | ValueKind::Text | ValueKind::List => "",
        }
    }

    /// Reports whether a column of such values is aligned at the right.
    pub fn is_right_aligned(self) -> bool {
        matches!(self, ValueKind::Number | ValueKind::Size | ValueKind::Seconds)
    }
}

/// The files that a property is read from.
#[derive(Clone, Copy, Debug)]
pub enum Cost {
    /// All of these files.
    All(Files),
    /// One of these files: the one that is read in any case, else the cheapest.
    OneOf(Files),
    /// Sources other than such files alone, in words.
    Besides(&'static str),
}

impl Cost {
    /// Returns the files that a question for this property reads in any case.
    pub fn certain(self) -> Files {
        match self {
            Cost::All(files) => files,
            Cost::OneOf(_) | Cost::Besides(_) => Files::NONE,
        }
    }
}

const FREE: Cost = Cost::All(Files::NONE);
const STAT: Cost = file(File::Stat);
const STATUS: Cost = file(File::Status);
const STAT_OR_STATUS: Cost = Cost::OneOf(Files::new(&[File::Stat, File::Status]));
const ANY_NAME: Cost = Cost::OneOf(Files::new(&[File::Comm, File::Stat, File::Status]));

const fn file(file: File) -> Cost {
    Cost::All(Files::new(&[file]))
}

/// All properties, in the order of `show`.
pub static PROPERTIES: &[Property] = &[
    Property {
        name: "pid",
        group: Section::Identity,
        kind: ValueKind::Number,
        width: 7,
        cost: FREE,
        on_request: false,
        about: "process id",
        get: |process| Ok(Value::Number(process.pid().into())),
    },
    Property {
        name: "comm",
        group: Section::Identity,
        kind: ValueKind::Text,
        width: 15,
        cost: ANY_NAME,
        on_request: false,
        about: "name that the kernel keeps, cut at 15 bytes",
        get: |process| process.comm().map(Value::Bytes),
    },
    Property {
        name: "name",
        group: Section::Identity,
        kind: ValueKind::Text,
        width: 20,
        cost: ANY_NAME,
        on_request: false,
        about: "comm, completed from the executable or the arguments where the kernel cut it",
        get: |process| process.name().map(Value::Bytes),
    },
    Property {
        name: "id",
        group: Section::Identity,
        kind: ValueKind::Text,
        width: 16,
        cost: Cost::Besides("status and a pidfd"),
        on_request: false,
        about: "PID:INODE, the process's own until the next boot (inode of its pidfd, Linux 6.9)",
        get: |process| {
            let id = format!("{}:{}", process.pid(), process.pidfd_inode()?);
            Ok(Value::Bytes(Cow::Owned(id.into_bytes())))
        },
    },
    Property {
        name: "boot_id",
        group: Section::Identity,
        kind: ValueKind::Text,
        width: 36,
        cost: Cost::Besides("/proc/sys/kernel/random/boot_id, once"),
        on_request: false,
        about: "random id of this boot of the machine, which makes `id` unique for ever",
        get: |process| process.proc().boot_id().map(|id| Value::Bytes(Cow::Borrowed(id))),
    },
    Property {
        name: "ppid",
        group: Section::Identity,
        kind: ValueKind::Number,
        width: 7,
        cost: STAT_OR_STATUS,
        on_request: false,
        about: "process id of the parent, 0 when it is outside of the pid namespace",
        get: |process| process.ppid().map(|ppid| Value::Number(ppid.into())),
    },
    Property {
        name: "pgrp",
        group: Section::Identity,
        kind: ValueKind::Number,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "process group",
        get: |process| Ok(Value::Number(process.stat()?.pgrp.into())),
    },
    Property {
        name: "session",
        group: Section::Identity,
        kind: ValueKind::Number,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "session",
        get: |process| Ok(Value::Number(process.stat()?.session.into())),
    },
    Property {
        name: "tty",
        group: Section::Identity,
        kind: ValueKind::Text,
        width: 8,
        cost: STAT,
        on_request: false,
        about: "controlling terminal",
        get: |process| {
            let name = terminal::name(process.stat()?.tty)
                .ok_or(ReadError::absent("it has no terminal"))?;
            Ok(Value::Bytes(Cow::Owned(name.into_bytes())))
        },
    },
    Property {
        name: "kernel_thread",
        group: Section::Identity,
        kind: ValueKind::Flag,
        width: 13,
        cost: STAT,
        on_request: false,
        about: "whether it is a thread of the kernel",
        get: |process| process.is_kernel_thread().map(Value::Flag),
    },
    Property {
        name: "exe",
        group: Section::Program,
        kind: ValueKind::Text,
        width: 30,
        cost: file(File::Exe),
        on_request: false,
        about: "executable as the kernel links it, with \" (deleted)\" when it was removed or \
        replaced",
        get: |process| process.exe().map(|exe| Value::Bytes(Cow::Borrowed(exe))),
    },
    Property {
        name: "exe_path",
        group: Section::Program,
        kind: ValueKind::Text,
        width: 30,
        cost: file(File::Exe),
        on_request: false,
        about: "path of the executable, else an absolute first argument",
        get: |process| process.exe_path().map(|path| Value::Bytes(Cow::Borrowed(path))),
    },
    Property {
        name: "exe_name",
        group: Section::Program,
        kind: ValueKind::Text,
        width: 15,
        cost: file(File::Exe),
        on_request: false,
        about: "base name of exe_path, else a first argument that is on $PATH, else comm",
        get: |process| process.exe_name().map(Value::Bytes),
    },
    Property {
        name: "exe_deleted",
        group: Section::Program,
        kind: ValueKind::Flag,
        width: 11,
        cost: file(File::Exe),
        on_request: false,
        about: "whether the executable was removed or replaced since it was started",
        get: |process| process.exe_deleted().map(Value::Flag),
    },
    Property {
        name: "cmdline",
        group: Section::Program,
        kind: ValueKind::List,
        width: 40,
        cost: file(File::Cmdline),
        on_request: false,
        about: "arguments; none for kernel threads and zombies",
        get: |process| process.cmdline().map(Value::Items),
    },
    Property {
        name: "cwd",
        group: Section::Program,
        kind: ValueKind::Text,
        width: 20,
        cost: file(File::Cwd),
        on_request: false,
        about: "working directory",
        get: |process| process.file(File::Cwd).map(|path| Value::Bytes(Cow::Borrowed(path))),
    },
    Property {
        name: "environ",
        group: Section::Program,
        kind: ValueKind::List,
        width: 40,
        cost: file(File::Environ),
        on_request: true,
        about: "environment at its start, as NAME=VALUE; may hold secrets",
        get: |process| process.environ().map(Value::Environment),
    },
    Property {
        name: "user",
        group: Section::Owner,
        kind: ValueKind::Text,
        width: 10,
        cost: STATUS,
        on_request: false,
        about: "name of the real user, or its number",
        get: |process| Ok(Value::Name(process.proc().users().user(process.user_ids()?[0]))),
    },
    Property {
        name: "group",
        group: Section::Owner,
        kind: ValueKind::Text,
        width: 10,
        cost: STATUS,
        on_request: false,
        about: "name of the real group, or its number",
        get: |process| Ok(Value::Name(process.proc().users().group(process.group_ids()?[0]))),
    },
    Property {
        name: "user_ids",
        group: Section::Owner,
        kind: ValueKind::List,
        width: 11,
        cost: STATUS,
        on_request: false,
        about: "real, effective, saved and file system user id",
        get: |process| process.user_ids().map(Value::Ids),
    },
    Property {
        name: "group_ids",
        group: Section::Owner,
        kind: ValueKind::List,
        width: 11,
        cost: STATUS,
        on_request: false,
        about: "real, effective, saved and file system group id",
        get: |process| process.group_ids().map(Value::Ids),
    },
    Property {
        name: "capabilities",
        group: Section::Owner,
        kind: ValueKind::List,
        width: 20,
        cost: STATUS,
        on_request: false,
        about: "effective capabilities",
        get: |process| {
            let mask = process
                .status()?
                .mask("CapEff")
                .ok_or(ReadError::absent("this kernel does not show them"))?;
            Ok(Value::Names(capability::names(mask)))
        },
    },
    Property {
        name: "loginuid",
        group: Section::Owner,
        kind: ValueKind::Number,
        width: 8,
        cost: file(File::Loginuid),
        on_request: false,
        about: "user id that logged in, whoever it became since (audit)",
        get: |process| audit_number(process, File::Loginuid),
    },
    Property {
        name: "audit_session",
        group: Section::Owner,
        kind: ValueKind::Number,
        width: 13,
        cost: file(File::Sessionid),
        on_request: false,
        about: "audit session: one for each login and each cron job",
        get: |process| audit_number(process, File::Sessionid),
    },
    Property {
        name: "state",
        group: Section::State,
        kind: ValueKind::Text,
        width: 5,
        cost: STAT_OR_STATUS,
        on_request: false,
        about: "R running, S sleeping, D uninterruptible, T stopped, t traced, Z zombie, I idle",
        get: |process| process.state().map(|state| Value::Bytes(Cow::Owned(vec![state]))),
    },
    Property {
        name: "is_alive",
        group: Section::State,
        kind: ValueKind::Flag,
        width: 8,
        cost: STAT,
        on_request: false,
        about: "whether any thread of it still runs: a zombie's does not",
        get: |process| Ok(Value::Flag(process.stat()?.is_alive())),
    },
    Property {
        name: "starttime",
        group: Section::State,
        kind: ValueKind::Time,
        width: 19,
        cost: STAT,
        on_request: false,
        about: "when it started, the same at every read",
        get: |process| process.start_time().map(Value::Time),
    },
    Property {
        name: "runtime",
        group: Section::State,
        kind: ValueKind::Seconds,
        width: 11,
        cost: STAT,
        on_request: false,
        about: "time since it started",
        get: |process| process.runtime().map(Value::Seconds),
    },
    Property {
        name: "start_ticks",
        group: Section::State,
        kind: ValueKind::Number,
        width: 11,
        cost: STAT,
        on_request: false,
        about: "clock ticks from boot to its start; two processes can share one",
        get: |process| Ok(Value::Number(process.stat()?.start_ticks)),
    },
    Property {
        name: "cpu_time",
        group: Section::State,
        kind: ValueKind::Seconds,
        width: 11,
        cost: STAT,
        on_request: false,
        about: "processor time used, user and system",
        get: |process| {
            let stat = process.stat()?;
            Ok(Value::Seconds(process.seconds(stat.user_ticks.saturating_add(stat.system_ticks))))
        },
    },
    Property {
        name: "threads",
        group: Section::State,
        kind: ValueKind::Number,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "number of threads",
        get: |process| Ok(Value::Number(process.stat()?.threads)),
    },
    Property {
        name: "nice",
        group: Section::State,
        kind: ValueKind::Number,
        width: 4,
        cost: STAT,
        on_request: false,
        about: "niceness, from -20 (served first) to 19",
        get: |process| Ok(Value::Signed(process.stat()?.nice)),
    },
    Property {
        name: "oom_score",
        group: Section::State,
        kind: ValueKind::Number,
        width: 9,
        cost: file(File::OomScore),
        on_request: false,
        about: "how likely the kernel kills it when memory runs out",
        get: |process| process.number_in(File::OomScore).map(Value::Number),
    },
    Property {
        name: "fd_count",
        group: Section::State,
        kind: ValueKind::Number,
        width: 8,
        cost: Cost::Besides("the directory fd"),
        on_request: false,
        about: "open descriptors",
        get: |process| process.fd_count().map(Value::Number),
    },
    Property {
        name: "vsize",
        group: Section::Memory,
        kind: ValueKind::Size,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "virtual memory",
        get: |process| Ok(Value::Size(process.stat()?.vsize)),
    },
    Property {
        name: "rss",
        group: Section::Memory,
        kind: ValueKind::Size,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "resident memory, shared pages counted in full",
        get: |process| process.resident().map(Value::Size),
    },
    Property {
        name: "pss",
        group: Section::Memory,
        kind: ValueKind::Size,
        width: 7,
        cost: file(File::SmapsRollup),
        on_request: false,
        about: "resident memory, shared pages divided among those who share them",
        get: |process| process.memory().map(|memory| Value::Size(memory.proportional)),
    },
    Property {
        name: "uss",
        group: Section::Memory,
        kind: ValueKind::Size,
        width: 7,
        cost: file(File::SmapsRollup),
        on_request: false,
        about: "resident memory that nobody shares: what its end would free",
        get: |process| process.memory().map(|memory| Value::Size(memory.unique)),
    },
    Property {
        name: "swap",
        group: Section::Memory,
        kind: ValueKind::Size,
        width: 7,
        cost: STATUS,
        on_request: false,
        about: "memory swapped out",
        get: |process| {
            let swap = process.size("VmSwap")?;
            swap.map(Value::Size).ok_or(ReadError::absent(File::SmapsRollup.absent()))
        },
    },
    Property {
        name: "cgroup",
        group: Section::Place,
        kind: ValueKind::Text,
        width: 30,
        cost: file(File::Cgroup),
        on_request: false,
        about: "control group, that of systemd where there are several",
        get: |process| {
            let path =
                cgroups(process)?.path().ok_or(ReadError::absent("it is in no control group"))?;
            Ok(Value::Bytes(Cow::Borrowed(path)))
        },
    },
    Property {
        name: "unit",
        group: Section::Place,
        kind: ValueKind::Text,
        width: 20,
        cost: file(File::Cgroup),
        on_request: false,
        about: "systemd unit",
        get: |process| {
            let unit =
                cgroups(process)?.unit().ok_or(ReadError::absent("it is in no systemd unit"))?;
            Ok(Value::Bytes(Cow::Borrowed(unit)))
        },
    },
    Property {
        name: "container",
        group: Section::Place,
        kind: ValueKind::Text,
        width: 20,
        cost: file(File::Cgroup),
        on_request: false,
        about: "container, as ENGINE:ID, told by the name of its control group",
        get: |process| {
            let container = cgroups(process)?
                .container()
                .ok_or(ReadError::absent("no container that we know"))?;
            Ok(Value::Bytes(Cow::Owned(container)))
        },
    },
    Property {
        name: "pid_namespace",
        group: Section::Place,
        kind: ValueKind::Number,
        width: 13,
        cost: file(File::NsPid),
        on_request: false,
        about: "inode of its pid namespace",
        get: |process| process.namespace(File::NsPid).map(Value::Number),
    },
    Property {
        name: "nspid",
        group: Section::Place,
        kind: ValueKind::List,
        width: 12,
        cost: STATUS,
        on_request: false,
        about: "its process ids, from this pid namespace to its own",
        get: |process| {
            let pids = process
                .status()?
                .numbers("NSpid")
                .ok_or(ReadError::absent("this kernel does not show them"))?;
            Ok(Value::Numbers(pids.collect()))
        },
    },
    Property {
        name: "status_fields",
        group: Section::Place,
        kind: ValueKind::List,
        width: 40,
        cost: STATUS,
        on_request: true,
        about: "everything in /proc/PID/status, by the kernel's names",
        get: |process| Ok(Value::Fields(process.status()?.0)),
    },
];

/// Returns the property of this name.
pub fn property(name: &str) -> Option<&'static Property> {
    PROPERTIES.iter().find(|property| property.name == name)
}

/// Returns the properties of these names. Unknown names are left out: names that users type go
/// through [`property`].
pub fn properties(names: &[&str]) -> Vec<&'static Property> {
    names.iter().filter_map(|name| property(name)).collect()
}

/// Returns the files that these properties read in any case.
pub fn certain_files(properties: &[&Property]) -> Files {
    properties.iter().fold(Files::NONE, |files, property| files | property.cost.certain())
}

fn cgroups<'a>(process: &'a Process<'_>) -> ReadResult<Cgroups<'a>> {
    process.file(File::Cgroup).map(Cgroups)
}

/// The number by which the kernel means "never set" (INVALID_UID, AUDIT_SID_UNSET).
const UNSET: u64 = u32::MAX as u64;

fn audit_number(process: &Process<'_>, file: File) -> ReadResult<Value<'static>> {
    match process.number_in(file)? {
        UNSET => Err(ReadError::absent("it belongs to no login")),
        number => Ok(Value::Number(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_rows_complete() {
        for (at, property) in PROPERTIES.iter().enumerate() {
            assert!(
                PROPERTIES[..at].iter().all(|other| other.name != property.name),
                "{}",
                property.name
            );
            assert!(!property.about.is_empty() && property.width > 0, "{}", property.name);
            assert!(
                property.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{}",
                property.name
            );
        }
    }

    /// Every property of proc.core.Process is here under its name.
    #[test]
    fn the_reference_is_covered() {
        for name in [
            "pid",
            "comm",
            "state",
            "ppid",
            "pgrp",
            "session",
            "starttime",
            "runtime",
            "vsize",
            "rss",
            "cmdline",
            "exe",
            "exe_path",
            "exe_name",
            "cwd",
            "environ",
            "user",
            "group",
            "user_ids",
            "group_ids",
            "status_fields",
            "is_alive",
        ] {
            assert!(property(name).is_some(), "{name}");
        }
    }
}
