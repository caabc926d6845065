//! The properties about the sockets of a process.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Cost, Property, ValueKind};
use crate::process::error::{ReadError, ReadResult};
use crate::process::value::Value;
use crate::process::{Endpoint, Process};

pub(super) static ROWS: &[Property] = &[
    Property {
        name: "ports",
        kind: ValueKind::List,
        width: 24,
        cost: Cost::Besides("the directory fd, and net/tcp, tcp6, udp and udp6"),
        on_request: false,
        about: "where it listens, such as tcp:0.0.0.0:80 or udp:[::1]:53",
        get: ports,
    },
    Property {
        name: "connections",
        kind: ValueKind::List,
        width: 40,
        cost: Cost::Besides("the directory fd, and net/tcp, tcp6, udp and udp6"),
        on_request: true,
        about: "its other TCP and UDP sockets: protocol, both ends, state, descriptor",
        get: connections,
    },
    Property {
        name: "unix_sockets",
        kind: ValueKind::List,
        width: 40,
        cost: Cost::Besides("the directory fd, and net/unix"),
        on_request: true,
        about: "its unix sockets: type, state, descriptor, path (@ begins an abstract name)",
        get: unix_sockets,
    },
];

/// Returns the sockets that it holds: descriptor and inode.
fn held(process: &Process<'_>) -> ReadResult<Vec<(u64, u64)>> {
    let mut held = Vec::new();
    process.each_socket(|descriptor, inode| {
        held.push((descriptor, inode));
        ControlFlow::Continue(())
    })?;
    Ok(held)
}

fn ports<'a>(process: &'a Process<'_>) -> ReadResult<Value<'a>> {
    let held = held(process)?;
    let mut ports: BTreeSet<Endpoint> = BTreeSet::new();
    // The tables of a process without sockets are not read.
    if !held.is_empty() {
        let listeners = process.listeners()?;
        ports.extend(held.iter().filter_map(|(_, inode)| listeners.get(inode)));
    }
    Ok(Value::Names(ports.iter().map(|port| Cow::Owned(port.to_string())).collect()))
}

fn connections<'a>(process: &'a Process<'_>) -> ReadResult<Value<'a>> {
    let held = held(process)?;
    let mut records = Vec::new();
    if !held.is_empty() {
        let sockets = process.inet_sockets()?;
        for (descriptor, inode) in held {
            if let Some(socket) = sockets.get(&inode).filter(|socket| !socket.listens()) {
                records.push(vec![
                    ("proto", name(socket.local.protocol.name())),
                    ("local", owned(socket.local.address.to_string())),
                    ("remote", owned(socket.remote.to_string())),
                    ("state", name(socket.state())),
                    ("fd", Value::Number(descriptor)),
                ]);
            }
        }
    }
    Ok(Value::Records(records))
}

fn unix_sockets<'a>(process: &'a Process<'_>) -> ReadResult<Value<'a>> {
    let held = held(process)?;
    let mut records = Vec::new();
    if !held.is_empty() {
        let sockets = process.unix_sockets()?;
        for (descriptor, inode) in held {
            let Some(socket) = sockets.get(&inode) else { continue };
            let socket = socket.as_ref().ok_or(ReadError::malformed("net/unix"))?;
            records.push(vec![
                ("type", name(socket.kind)),
                ("state", name(socket.state)),
                ("fd", Value::Number(descriptor)),
                ("path", Value::Bytes(Cow::Owned(socket.path.clone()))),
            ]);
        }
    }
    Ok(Value::Records(records))
}

fn name(text: &'static str) -> Value<'static> {
    Value::Bytes(Cow::Borrowed(text.as_bytes()))
}

fn owned(text: String) -> Value<'static> {
    Value::Bytes(Cow::Owned(text.into_bytes()))
}
