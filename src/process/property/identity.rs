//! The properties by which a process is told from the others.

use std::borrow::Cow;

use super::{ANY_NAME, Cost, FREE, Property, STAT, STAT_OR_STATUS, ValueKind};
use crate::process::error::ReadError;
use crate::process::terminal;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "pid",
        kind: ValueKind::Number,
        width: 7,
        cost: FREE,
        on_request: false,
        about: "process id",
        get: |process| Ok(Value::Number(process.pid().into())),
    },
    Property {
        name: "comm",
        kind: ValueKind::Text,
        width: 15,
        cost: ANY_NAME,
        on_request: false,
        about: "name that the kernel keeps, cut at 15 bytes",
        get: |process| process.comm().map(Value::Bytes),
    },
    Property {
        name: "name",
        kind: ValueKind::Text,
        width: 20,
        cost: ANY_NAME,
        on_request: false,
        about: "comm, completed from the executable or the arguments where the kernel cut it",
        get: |process| process.name().map(Value::Bytes),
    },
    Property {
        name: "id",
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
        kind: ValueKind::Text,
        width: 36,
        cost: Cost::Besides("/proc/sys/kernel/random/boot_id, once"),
        on_request: false,
        about: "random id of this boot of the machine, which makes `id` unique for ever",
        get: |process| process.proc().boot_id().map(|id| Value::Bytes(Cow::Borrowed(id))),
    },
    Property {
        name: "time",
        kind: ValueKind::Time,
        width: 19,
        cost: FREE,
        on_request: true,
        about: "when it was looked at",
        get: |process| process.proc().looked_at().map(Value::Time),
    },
    Property {
        name: "ppid",
        kind: ValueKind::Number,
        width: 7,
        cost: STAT_OR_STATUS,
        on_request: false,
        about: "process id of the parent, 0 when it is outside of the pid namespace",
        get: |process| process.ppid().map(|ppid| Value::Number(ppid.into())),
    },
    Property {
        name: "pgrp",
        kind: ValueKind::Number,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "process group",
        get: |process| Ok(Value::Number(process.stat()?.pgrp.into())),
    },
    Property {
        name: "session",
        kind: ValueKind::Number,
        width: 7,
        cost: STAT,
        on_request: false,
        about: "session",
        get: |process| Ok(Value::Number(process.stat()?.session.into())),
    },
    Property {
        name: "tty",
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
        kind: ValueKind::Flag,
        width: 13,
        cost: STAT,
        on_request: false,
        about: "whether it is a thread of the kernel",
        get: |process| process.is_kernel_thread().map(Value::Flag),
    },
];
