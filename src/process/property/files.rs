//! The properties about the files that a process holds.

use std::borrow::Cow;

use super::{Cost, Property, ValueKind, file};
use crate::process::file::File;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "root",
        kind: ValueKind::Text,
        width: 20,
        cost: file(File::Root),
        on_request: false,
        about: "root directory",
        get: |process| process.file(File::Root).map(|path| Value::Bytes(Cow::Borrowed(path))),
    },
    Property {
        name: "files",
        kind: ValueKind::List,
        width: 60,
        cost: Cost::Besides("the directory fd"),
        on_request: true,
        about: "open descriptors: number, mode (r, w, rw; - only refers to it), path, and whether \
        the file was removed or replaced",
        get: |process| {
            let records = process.descriptors()?.into_iter().map(|descriptor| {
                vec![
                    ("fd", Value::Number(descriptor.number)),
                    ("mode", Value::Bytes(Cow::Borrowed(descriptor.mode.as_bytes()))),
                    ("path", Value::Bytes(Cow::Owned(descriptor.path))),
                    ("deleted", Value::Flag(descriptor.is_deleted)),
                ]
            });
            Ok(Value::Records(records.collect()))
        },
    },
    Property {
        name: "locks",
        kind: ValueKind::List,
        width: 40,
        cost: Cost::Besides("fd, fdinfo"),
        on_request: false,
        about: "locks on files: kind (POSIX, FLOCK, OFD, LEASE), access, file, and the processes \
        that wait for it (0: the kernel does not tell)",
        get: |process| {
            let records = process.locks()?.into_iter().map(|lock| {
                let waiters = lock.waiters.into_iter().map(u64::from).collect();
                vec![
                    ("kind", Value::Bytes(Cow::Owned(lock.kind))),
                    ("access", Value::Bytes(Cow::Owned(lock.access))),
                    ("file", Value::Bytes(Cow::Owned(lock.file))),
                    ("waiters", Value::Numbers(waiters)),
                ]
            });
            Ok(Value::Records(records.collect()))
        },
    },
    Property {
        name: "deleted_libraries",
        kind: ValueKind::List,
        width: 30,
        cost: Cost::Besides("maps"),
        on_request: false,
        about: "mapped libraries that were removed or replaced, so that it needs a restart",
        get: |process| {
            let paths = process.deleted_libraries()?.into_iter();
            Ok(Value::Paths(paths.collect()))
        },
    },
];
