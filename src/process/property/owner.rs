//! The properties about the users, groups and rights that a process works with.

use std::borrow::Cow;

use super::{Cost, Property, STATUS, ValueKind, file};
use crate::process::Process;
use crate::process::capability;
use crate::process::error::{ReadError, ReadResult};
use crate::process::file::File;
use crate::process::value::Value;

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "user",
        kind: ValueKind::Text,
        width: 10,
        cost: STATUS,
        on_request: false,
        about: "name of the real user, or its number",
        get: |process| Ok(Value::Name(process.proc().users().user(process.user_ids()?[0]))),
    },
    Property {
        name: "group",
        kind: ValueKind::Text,
        width: 10,
        cost: STATUS,
        on_request: false,
        about: "name of the real group, or its number",
        get: |process| Ok(Value::Name(process.proc().users().group(process.group_ids()?[0]))),
    },
    Property {
        name: "user_ids",
        kind: ValueKind::List,
        width: 11,
        cost: STATUS,
        on_request: false,
        about: "real, effective, saved and file system user id",
        get: |process| process.user_ids().map(Value::Ids),
    },
    Property {
        name: "group_ids",
        kind: ValueKind::List,
        width: 11,
        cost: STATUS,
        on_request: false,
        about: "real, effective, saved and file system group id",
        get: |process| process.group_ids().map(Value::Ids),
    },
    Property {
        name: "capabilities",
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
        name: "label",
        kind: ValueKind::Text,
        width: 20,
        cost: file(File::Label),
        on_request: false,
        about: "label of the security module: context of SELinux, profile of AppArmor",
        get: |process| process.label().map(|label| Value::Bytes(Cow::Borrowed(label))),
    },
    Property {
        name: "login",
        kind: ValueKind::Text,
        width: 20,
        cost: Cost::Besides("sessionid, loginuid, cgroup, stat, and the files of logind and utmp"),
        on_request: false,
        about: "who logged in, from where, where and when, whoever it became since",
        get: |process| process.login().map(Value::Login),
    },
    Property {
        name: "loginuid",
        kind: ValueKind::Number,
        width: 8,
        cost: file(File::Loginuid),
        on_request: false,
        about: "user id that logged in, whoever it became since (audit)",
        get: |process| audit_number(process, File::Loginuid),
    },
    Property {
        name: "audit_session",
        kind: ValueKind::Number,
        width: 13,
        cost: file(File::Sessionid),
        on_request: false,
        about: "audit session: one for each login and each cron job",
        get: |process| audit_number(process, File::Sessionid),
    },
];

fn audit_number(process: &Process<'_>, file: File) -> ReadResult<Value<'static>> {
    let number = process.audit_number(file)?.ok_or(ReadError::absent("it belongs to no login"))?;
    Ok(Value::Number(number))
}
