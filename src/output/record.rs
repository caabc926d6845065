//! One process in full, as `show` prints it: a property a line, in sections.

use std::borrow::Cow;

use crate::process::{
    Process, Property, ReadResult, SECTIONS, Status, Value, if_available, items, title,
};

use super::{Terminal, human, join, login, put, table, text};

/// Columns of names: the length of the longest one.
const NAME_WIDTH: usize = 14;

/// Appends these properties of a process; with `sections`, below headings. A property that is
/// unavailable says why. Errors: the process has exited, or reading failed.
pub fn record(
    lines: &mut Vec<u8>,
    process: &Process<'_>,
    properties: &[&Property],
    sections: bool,
    terminal: &Terminal,
) -> ReadResult<()> {
    if !sections {
        return properties
            .iter()
            .try_for_each(|property| entry(lines, process, property, terminal));
    }
    heading(lines, process, terminal)?;
    for section in &SECTIONS {
        let (bold, plain) = terminal.bold();
        put(lines, format_args!("\n{bold}{}{plain}\n", section.name));
        for property in properties.iter().filter(|property| section.holds(property)) {
            entry(lines, process, property, terminal)?;
        }
    }
    Ok(())
}

fn heading(lines: &mut Vec<u8>, process: &Process<'_>, terminal: &Terminal) -> ReadResult<()> {
    let name = if_available(process.name_or_comm())?.unwrap_or(Cow::Borrowed(b"?"));
    let (bold, plain) = terminal.bold();
    put(lines, format_args!("{bold}Process {}: ", process.pid()));
    lines.extend_from_slice(&text::shown(&name, terminal));
    put(lines, format_args!("{plain}\n"));
    Ok(())
}

fn entry(
    lines: &mut Vec<u8>,
    process: &Process<'_>,
    property: &Property,
    terminal: &Terminal,
) -> ReadResult<()> {
    put(lines, format_args!("  {:NAME_WIDTH$} ", property.name));
    match (property.get)(process) {
        Ok(found) => {
            let (begin, end) = terminal.painted(table::style(property, &found));
            lines.extend_from_slice(begin.as_bytes());
            value(lines, &found, process.runtime(), terminal);
            lines.extend_from_slice(end.as_bytes());
        }
        Err(unread) if unread.is_unavailable() => put(lines, format_args!("- ({unread})")),
        Err(unread) => return Err(unread),
    }
    lines.push(b'\n');
    Ok(())
}

/// Appends a value in full. Items are quoted for a shell, the environment has one variable a line.
fn value(lines: &mut Vec<u8>, found: &Value<'_>, age: ReadResult<f64>, terminal: &Terminal) {
    let shown =
        |lines: &mut Vec<u8>, bytes: &[u8]| lines.extend_from_slice(&text::shown(bytes, terminal));
    match found {
        Value::Number(number) => put(lines, format_args!("{number}")),
        Value::Signed(number) => put(lines, format_args!("{number}")),
        Value::Size(bytes) => human::long_size(lines, *bytes),
        Value::Seconds(seconds) => human::long_duration(lines, *seconds),
        Value::Percent(percent) => put(lines, format_args!("{percent:.1} %")),
        Value::Time(seconds) => {
            human::date(lines, *seconds, " ");
            if let Ok(age) = age {
                lines.extend_from_slice(b" (");
                human::long_duration(lines, age);
                lines.extend_from_slice(b" ago)");
            }
        }
        Value::Flag(flag) => lines.extend_from_slice(if *flag { b"yes" } else { b"no" }),
        Value::Bytes(bytes) => shown(lines, bytes),
        Value::Name(name) => shown(lines, name.as_bytes()),
        Value::Items(b"") | Value::Environment(b"") => lines.extend_from_slice(b"(none)"),
        Value::Environment(list) => join(lines, items(list), b"\n    ", shown),
        Value::Items(list) => match title(list) {
            Some(title) => shown(lines, &quoted(title)),
            None => join(lines, items(list), b" ", |lines, item| shown(lines, &quoted(item))),
        },
        Value::Numbers(numbers) if numbers.is_empty() => lines.extend_from_slice(b"(none)"),
        Value::Numbers(numbers) => {
            join(lines, numbers.iter(), b" ", |lines, number| put(lines, format_args!("{number}")))
        }
        Value::Names(names) if names.is_empty() => lines.extend_from_slice(b"(none)"),
        Value::Names(names) => {
            join(lines, names.iter(), b" ", |lines, name| shown(lines, name.as_bytes()))
        }
        Value::Paths(paths) if paths.is_empty() => lines.extend_from_slice(b"(none)"),
        Value::Paths(paths) => {
            join(lines, paths.iter(), b"\n    ", |lines, path| shown(lines, path))
        }
        Value::Ids([real, effective, saved, fs]) => {
            put(
                lines,
                format_args!("{real} (effective {effective}, saved {saved}, file system {fs})"),
            );
        }
        Value::Fields(text) => {
            join(lines, Status(text).fields(), b"\n    ", |lines, (name, field)| {
                shown(lines, name);
                lines.extend_from_slice(b": ");
                join(lines, field.split(|&byte| byte == b'\t'), b" ", shown);
            })
        }
        Value::Login(found) => shown(lines, &login::text(found)),
        Value::Records(records) if records.is_empty() => lines.extend_from_slice(b"(none)"),
        Value::Records(records) => join(lines, records.iter(), b"\n    ", |lines, record| {
            join(lines, record.iter(), b" ", |lines, (_, member)| {
                value(lines, member, age, terminal);
            });
        }),
    }
}

/// Quotes an item for a shell, so that empty items and items with blanks can be told apart.
fn quoted(item: &[u8]) -> Cow<'_, [u8]> {
    // It fails only for a zero byte, which is never inside an item, because it ends one.
    shlex::bytes::try_quote(item).unwrap_or(Cow::Borrowed(item))
}
