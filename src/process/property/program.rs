//! The properties of the program that a process runs.

use std::borrow::Cow;

use super::{Property, ValueKind, file};
use crate::process::file::File;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "exe",
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
        kind: ValueKind::Text,
        width: 30,
        cost: file(File::Exe),
        on_request: false,
        about: "path of the executable, else an absolute first argument",
        get: |process| process.exe_path().map(|path| Value::Bytes(Cow::Borrowed(path))),
    },
    Property {
        name: "exe_name",
        kind: ValueKind::Text,
        width: 15,
        cost: file(File::Exe),
        on_request: false,
        about: "base name of exe_path, else a first argument that is on $PATH, else comm",
        get: |process| process.exe_name().map(Value::Bytes),
    },
    Property {
        name: "exe_deleted",
        kind: ValueKind::Flag,
        width: 11,
        cost: file(File::Exe),
        on_request: false,
        about: "whether the executable was removed or replaced since it was started",
        get: |process| process.exe_deleted().map(Value::Flag),
    },
    Property {
        name: "cmdline",
        kind: ValueKind::List,
        width: 40,
        cost: file(File::Cmdline),
        on_request: false,
        about: "arguments; none for kernel threads and zombies",
        get: |process| process.cmdline().map(Value::Items),
    },
    Property {
        name: "cwd",
        kind: ValueKind::Text,
        width: 20,
        cost: file(File::Cwd),
        on_request: false,
        about: "working directory",
        get: |process| process.file(File::Cwd).map(|path| Value::Bytes(Cow::Borrowed(path))),
    },
    Property {
        name: "environ",
        kind: ValueKind::List,
        width: 40,
        cost: file(File::Environ),
        on_request: true,
        about: "environment at its start, as NAME=VALUE; may hold secrets",
        get: |process| process.environ().map(Value::Environment),
    },
];
