//! The sessions that logind tells of over the bus of the system (org.freedesktop.login1(5)). Its files
//! say the same, but begin with the words that they are private: `logind` reads them where this bus
//! does not answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use zbus::{OwnedVariant, Variant};

use super::address::Address;
use super::bus::{Bus, Error, Method, encoded};
use crate::deadlines;

/// The socket of the bus of the system, in a directory of the superuser.
const SOCKET: &str = "/run/dbus/system_bus_socket";

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: &str = "/org/freedesktop/login1";

/// The properties of a session that are single values, with their names in the files of logind.
const FIELDS: [(&str, &str); 10] = [
    ("Class", "CLASS"),
    ("Type", "TYPE"),
    ("Leader", "LEADER"),
    ("LeaderPIDFDId", "LEADER_PIDFDID"),
    ("State", "STATE"),
    ("Desktop", "DESKTOP"),
    ("Display", "DISPLAY"),
    ("TimestampMonotonic", "MONOTONIC"),
    ("Remote", "REMOTE"),
    ("Active", "ACTIVE"),
];

/// The fields of a session, by their names in its file: lines of KEY=VALUE.
pub type RecordFields = BTreeMap<String, String>;

/// A session: its id, and its fields as in its file.
pub type Told = (String, RecordFields);

/// Returns all sessions; `None` where nobody answers, or logind does not run. A session that ends
/// meanwhile is left out.
pub fn sessions() -> Option<Vec<Told>> {
    match ask() {
        Ok(told) => Some(told),
        Err(error) => {
            tracing::debug!("logind does not answer over the bus: {error}");
            None
        }
    }
}

fn ask() -> Result<Vec<Told>, Error> {
    let end = Instant::now() + deadlines::LOGIN1;
    let uid = nix::unistd::geteuid().as_raw();
    let none = || std::io::Error::other("no socket can have its path");
    let address = Address::at(Path::new(SOCKET)).ok_or_else(none)?;
    // Whoever makes the socket is the superuser: systemd, or the daemon before it drops its rights.
    let mut bus = address.connect_as(uid, &[0], end)?;
    bus.begin()?;
    let list = method(MANAGER, "org.freedesktop.login1.Manager", "ListSessions");
    let list = bus.call(&list, "", None)?;
    let sessions: Vec<(String, u32, String, String, zbus::ObjectPath<'_>)> = list.body()?;
    let mut displays = BTreeMap::new();
    let mut told = Vec::new();
    for (id, uid, _, _, path) in sessions {
        let Some(properties) = properties(&mut bus, &path, "org.freedesktop.login1.Session")?
        else {
            continue;
        };
        let mut fields = fields(&properties);
        fields.insert("UID".to_owned(), uid.to_string());
        if let Some(user) = first_path(&properties, "User") {
            if !displays.contains_key(&user) {
                let display = display_of(&mut bus, &user)?;
                displays.insert(user.clone(), display);
            }
            let is_display =
                displays.get(&user).is_some_and(|display| display.as_ref() == Some(&id));
            fields.insert("IS_DISPLAY".to_owned(), u8::from(is_display).to_string());
        }
        told.push((id, fields));
    }
    Ok(told)
}

fn method<'m>(path: &'m str, interface: &'m str, name: &'m str) -> Method<'m> {
    Method { service: SERVICE, path, interface, name, may_start: false }
}

/// The properties of an object, by name.
type Properties = BTreeMap<String, OwnedVariant>;

/// Returns the properties of an object; `None` where it does not exist any more.
fn properties(bus: &mut Bus, path: &str, interface: &str) -> Result<Option<Properties>, Error> {
    let get = method(path, "org.freedesktop.DBus.Properties", "GetAll");
    let answer = match bus.call(&get, "s", Some(&encoded(&interface)?)) {
        // Any other refusal, as while logind starts anew, would hide a session that is there.
        Err(Error::Gone(why)) => {
            tracing::debug!(object = path, "{why}");
            return Ok(None);
        }
        answer => answer?,
    };
    let found: BTreeMap<String, Variant<'_>> = answer.body()?;
    found
        .into_iter()
        .map(|(name, value)| Ok((name, value.try_to_owned()?)))
        .collect::<Result<_, Error>>()
        .map(Some)
}

/// Returns the id of the session of a user to which programs without a session belong.
fn display_of(bus: &mut Bus, user: &str) -> Result<Option<String>, Error> {
    let properties = properties(bus, user, "org.freedesktop.login1.User")?;
    Ok(properties.and_then(|properties| first_text(&properties, "Display")))
}

/// Returns the fields of a session as its file has them.
fn fields(properties: &Properties) -> RecordFields {
    let mut fields = RecordFields::new();
    for (name, field) in FIELDS {
        let text = match properties.get(name).map(|value| &**value) {
            Some(Variant::Str(text)) => text.to_string(),
            Some(Variant::Bool(is_so)) => u8::from(*is_so).to_string(),
            Some(Variant::U32(number)) => number.to_string(),
            Some(Variant::U64(number)) => number.to_string(),
            _ => continue,
        };
        if !text.is_empty() {
            fields.insert(field.to_owned(), text);
        }
    }
    fields.extend(first_text(properties, "Seat").map(|seat| ("SEAT".to_owned(), seat)));
    fields
}

/// Returns the text that a property begins with, which is a pair of a text and a path; `None` where
/// it is empty.
fn first_text(properties: &Properties, name: &str) -> Option<String> {
    let Some(Variant::Structure(pair)) = properties.get(name).map(|value| &**value) else {
        return None;
    };
    match pair.fields().first()? {
        Variant::Str(text) if !text.is_empty() => Some(text.to_string()),
        _ => None,
    }
}

/// Returns the path in a property, which is a pair of a number or a text and that path.
fn first_path(properties: &Properties, name: &str) -> Option<String> {
    let Some(Variant::Structure(pair)) = properties.get(name).map(|value| &**value) else {
        return None;
    };
    pair.fields().iter().find_map(|field| match field {
        Variant::ObjectPath(path) => Some(path.to_string()),
        _ => None,
    })
}
