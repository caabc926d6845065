//! Prints graphical sessions, as a table or as JSON.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::desktop::{Session, Variables};

use super::{Terminal, json, number, put, text, variables};

/// The columns, with the least width of each in characters.
const COLUMNS: [(&str, usize); 6] =
    [("SESSION", 7), ("USER", 12), ("TYPE", 7), ("SEAT", 6), ("STATE", 10), ("DISPLAY", 0)];

/// Appends a table of sessions, with a line of headings. `-` stands for an unknown value.
pub fn table(table: &mut Vec<u8>, sessions: &[(Session, Option<Variables>)], terminal: &Terminal) {
    row(table, COLUMNS.map(|(name, _)| name.as_bytes()), terminal);
    for (session, variables) in sessions {
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
        let value = |name| variables.as_ref()?.get(name);
        let state = match &session.id {
            Some(_) if session.is_foreground => "foreground",
            Some(_) => "background",
            None => "-",
        };
        let display = value("WAYLAND_DISPLAY")
            .or_else(|| value("DISPLAY"))
            .map_or(&b"-"[..], |value| value.as_bytes());
        row(
            table,
            [
                word(&session.id).as_bytes(),
                session.account.name.as_bytes(),
                kind(session, variables).unwrap_or("-").as_bytes(),
                word(&session.seat).as_bytes(),
                state.as_bytes(),
                display,
            ],
            terminal,
        );
    }
}

/// Appends a line of the table.
fn row(table: &mut Vec<u8>, cells: [&[u8]; COLUMNS.len()], terminal: &Terminal) {
    for (at, (cell, (_, width))) in cells.into_iter().zip(COLUMNS).enumerate() {
        let cell = text::shown(cell, terminal);
        table.extend_from_slice(&cell);
        if at + 1 < COLUMNS.len() {
            let blanks = width.saturating_sub(text::width(&cell)) + 1;
            table.resize(table.len() + blanks, b' ');
        }
    }
    table.push(b'\n');
}

/// Appends a JSON document: an array of sessions.
pub fn document(document: &mut Vec<u8>, sessions: &[(Session, Option<Variables>)]) {
    json::array(document, sessions.iter(), |json, (session, variables)| {
        json.push(b'{');
        json::key(json, "session");
        json::optional(json, session.id.as_deref(), json::string);
        json::member(json, "uid", Some(session.account.uid), |json, uid| number(json, uid.into()));
        json::member(json, "user", Some(&*session.account.name), json::string);
        json::member(json, "type", kind(session, variables), json::string);
        json::member(json, "seat", session.seat.as_deref(), json::string);
        json::member(json, "foreground", Some(session.is_foreground), |json, flag| {
            put(json, format_args!("{flag}"))
        });
        json::member(json, "leader", session.leader, |json, leader| number(json, leader.into()));
        json::member(json, "variables", variables.as_ref(), |json, found| {
            variables::object(json, values(found))
        });
        json.push(b'}');
    });
    document.push(b'\n');
}

/// Returns the type of a session in logind, else that of the server that answered.
fn kind<'s>(session: &'s Session, variables: &'s Option<Variables>) -> Option<&'s str> {
    session.kind.as_deref().or_else(|| variables.as_ref()?.get("XDG_SESSION_TYPE")?.to_str())
}

/// Returns the names and values of the variables, as they are printed.
pub fn values(variables: &Variables) -> impl Iterator<Item = (&str, &OsStr)> {
    variables.session.iter().map(|(name, value)| (*name, &**value))
}
