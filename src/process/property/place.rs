//! The properties about the parts of the machine that a process sees, and the groups that it is counted in.

use std::borrow::Cow;

use super::{Cost, Property, STATUS, ValueKind, file};
use crate::process::Process;
use crate::process::cgroup::Cgroups;
use crate::process::error::{ReadError, ReadResult};
use crate::process::file::File;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "cgroup",
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
        name: "container_name",
        kind: ValueKind::Text,
        width: 20,
        cost: Cost::Besides("cgroup, and files of the container's engine"),
        on_request: false,
        about: "name that its engine has for the container; NAMESPACE/POD/CONTAINER in Kubernetes",
        get: |process| {
            let container = cgroups(process)?
                .container()
                .ok_or(ReadError::absent("no container that we know"))?;
            let name = process.proc().containers().name(&container)?;
            Ok(Value::Bytes(Cow::Owned(name)))
        },
    },
    Property {
        name: "pid_namespace",
        kind: ValueKind::Number,
        width: 13,
        cost: file(File::NsPid),
        on_request: false,
        about: "inode of its pid namespace",
        get: |process| process.namespace(File::NsPid).map(Value::Number),
    },
    Property {
        name: "nspid",
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
        kind: ValueKind::List,
        width: 40,
        cost: STATUS,
        on_request: true,
        about: "everything in /proc/PID/status, by the kernel's names",
        get: |process| Ok(Value::Fields(process.status()?.0)),
    },
];

fn cgroups<'a>(process: &'a Process<'_>) -> ReadResult<Cgroups<'a>> {
    process.file(File::Cgroup).map(Cgroups)
}
