//! The properties about the memory that a process takes.

use super::{Property, STAT, STATUS, ValueKind, file};
use crate::process::error::ReadError;
use crate::process::file::File;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "vsize",
        kind: ValueKind::Size,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "virtual memory",
        get: |process| Ok(Value::Size(process.stat()?.vsize)),
    },
    Property {
        name: "rss",
        kind: ValueKind::Size,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "resident memory, shared pages counted in full",
        get: |process| process.resident().map(Value::Size),
    },
    Property {
        name: "peak_rss",
        kind: ValueKind::Size,
        width: 8,
        cost: STATUS,
        on_request: false,
        about: "largest resident memory since it runs this program",
        get: |process| {
            let peak = process.size("VmHWM")?;
            peak.map(Value::Size).ok_or(ReadError::absent(File::SmapsRollup.absent()))
        },
    },
    Property {
        name: "pss",
        kind: ValueKind::Size,
        width: 7,
        cost: file(File::SmapsRollup),
        on_request: false,
        about: "resident memory, shared pages divided among those who share them",
        get: |process| process.memory().map(|memory| Value::Size(memory.proportional)),
    },
    Property {
        name: "uss",
        kind: ValueKind::Size,
        width: 7,
        cost: file(File::SmapsRollup),
        on_request: false,
        about: "resident memory that nobody shares: what its end would free",
        get: |process| process.memory().map(|memory| Value::Size(memory.unique)),
    },
    Property {
        name: "swap",
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
];
