//! The properties about the state and the age of a process, and the time and the descriptors that it uses.

use std::borrow::Cow;

use super::{Cost, Property, STAT, STAT_OR_STATUS, STATUS, ValueKind, file};
use crate::process::file::File;
use crate::process::limit::limits;
use crate::process::signals::signal_names;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "state",
        kind: ValueKind::Text,
        width: 5,
        cost: STAT_OR_STATUS,
        on_request: false,
        about: "R running, S sleeping, D uninterruptible, T stopped, t traced, Z zombie, I idle",
        get: |process| process.state().map(|state| Value::Bytes(Cow::Owned(vec![state]))),
    },
    Property {
        name: "wchan",
        kind: ValueKind::Text,
        width: 16,
        cost: file(File::Wchan),
        on_request: false,
        about: "function of the kernel in which its first thread waits",
        get: |process| process.wait_channel().map(|name| Value::Bytes(Cow::Owned(name))),
    },
    Property {
        name: "is_alive",
        kind: ValueKind::Flag,
        width: 8,
        cost: STAT,
        on_request: false,
        about: "whether any thread of it still runs: a zombie's does not",
        get: |process| Ok(Value::Flag(process.stat()?.is_alive())),
    },
    Property {
        name: "starttime",
        kind: ValueKind::Time,
        width: 19,
        cost: STAT,
        on_request: false,
        about: "when it started, the same at every read",
        get: |process| process.start_time().map(Value::Time),
    },
    Property {
        name: "runtime",
        kind: ValueKind::Seconds,
        width: 11,
        cost: STAT,
        on_request: false,
        about: "time since it started",
        get: |process| process.runtime().map(Value::Seconds),
    },
    Property {
        name: "start_ticks",
        kind: ValueKind::Number,
        width: 11,
        cost: STAT,
        on_request: false,
        about: "clock ticks from boot to its start; two processes can share one",
        get: |process| Ok(Value::Number(process.stat()?.start_ticks)),
    },
    Property {
        name: "cpu_time",
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
        name: "cpu",
        kind: ValueKind::Percent,
        width: 6,
        cost: STAT,
        on_request: false,
        about: "processor time used, of the time since it started or, with --interval, since the \
        last look",
        get: |process| process.cpu_percent().map(Value::Percent),
    },
    Property {
        name: "io_read",
        kind: ValueKind::Size,
        width: 7,
        cost: file(File::Io),
        on_request: false,
        about: "bytes that it had read from storage, not from the cache",
        get: |process| process.storage_bytes("read_bytes").map(Value::Size),
    },
    Property {
        name: "io_written",
        kind: ValueKind::Size,
        width: 10,
        cost: file(File::Io),
        on_request: false,
        about: "bytes that it had written to storage",
        get: |process| process.storage_bytes("write_bytes").map(Value::Size),
    },
    Property {
        name: "threads",
        kind: ValueKind::Count,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "number of threads",
        get: |process| Ok(Value::Number(process.stat()?.threads)),
    },
    Property {
        name: "nice",
        kind: ValueKind::Number,
        width: 4,
        cost: STAT,
        on_request: false,
        about: "niceness, from -20 (served first) to 19",
        get: |process| Ok(Value::Signed(process.stat()?.nice)),
    },
    Property {
        name: "schedule",
        kind: ValueKind::Text,
        width: 8,
        cost: STAT,
        on_request: false,
        about: "other, batch, idle or deadline; fifo or rr with the real-time priority",
        get: |process| {
            let schedule = process.schedule()?.to_string();
            Ok(Value::Bytes(Cow::Owned(schedule.into_bytes())))
        },
    },
    Property {
        name: "signals_ignored",
        kind: ValueKind::List,
        width: 15,
        cost: STATUS,
        on_request: false,
        about: "signals that it ignores, by name",
        get: |process| process.signal_mask("SigIgn").map(|mask| Value::Names(signal_names(mask))),
    },
    Property {
        name: "signals_blocked",
        kind: ValueKind::List,
        width: 15,
        cost: STATUS,
        on_request: false,
        about: "signals that its first thread blocks, by name",
        get: |process| process.signal_mask("SigBlk").map(|mask| Value::Names(signal_names(mask))),
    },
    Property {
        name: "oom_score",
        kind: ValueKind::Number,
        width: 9,
        cost: file(File::OomScore),
        on_request: false,
        about: "how likely the kernel kills it when memory runs out",
        get: |process| process.number_in(File::OomScore).map(Value::Number),
    },
    Property {
        name: "limits",
        kind: ValueKind::List,
        width: 40,
        cost: file(File::Limits),
        on_request: true,
        about: "soft and hard limit of each resource, by the names of limits.conf(5)",
        get: |process| {
            let bound = |limit: Option<u64>| {
                limit.map_or(Value::Bytes(Cow::Borrowed(b"unlimited")), Value::Number)
            };
            let records = limits(process.file(File::Limits)?).into_iter().map(|limit| {
                vec![
                    ("name", Value::Bytes(Cow::Borrowed(limit.name.as_bytes()))),
                    ("soft", bound(limit.soft)),
                    ("hard", bound(limit.hard)),
                ]
            });
            Ok(Value::Records(records.collect()))
        },
    },
    Property {
        name: "fd_count",
        kind: ValueKind::Count,
        width: 8,
        cost: Cost::Besides("the directory fd"),
        on_request: false,
        about: "open descriptors",
        get: |process| process.fd_count().map(Value::Number),
    },
];
