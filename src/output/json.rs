//! JSON: the names of properties, null for what is unavailable, and all bytes of a value.
//! [`object`] writes a process; the other functions write the parts.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::to_writer;

use crate::process::{Login, Process, Property, ReadResult, Status, Value, items};

use super::{join, number, put};

/// The way in which several results are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One document: an array.
    Document,
    /// One object a line.
    Lines,
}

impl Layout {
    /// Returns the text before the first result.
    pub fn begin(self) -> &'static [u8] {
        match self {
            Layout::Document => b"[",
            Layout::Lines => b"",
        }
    }

    /// Returns the text between two results.
    pub fn between(self) -> &'static [u8] {
        match self {
            Layout::Document => b",\n ",
            Layout::Lines => b"\n",
        }
    }

    /// Returns the text after `count` results.
    pub fn end(self, count: usize) -> &'static [u8] {
        match self {
            Layout::Document => b"]\n",
            Layout::Lines if count > 0 => b"\n",
            Layout::Lines => b"",
        }
    }
}

/// Appends an object with these properties of a process. Errors: the process has exited, or reading
/// failed.
pub fn object(
    json: &mut Vec<u8>,
    process: &Process<'_>,
    properties: &[&Property],
) -> ReadResult<()> {
    for (at, property) in properties.iter().enumerate() {
        json.push(if at == 0 { b'{' } else { b',' });
        key(json, property.name);
        match (property.get)(process) {
            Ok(found) => value(json, &found),
            Err(unread) if unread.is_unavailable() => json.extend_from_slice(b"null"),
            Err(unread) => return Err(unread),
        }
    }
    json.push(b'}');
    Ok(())
}

/// Appends `"name":`.
pub fn key(json: &mut Vec<u8>, name: &str) {
    string(json, name);
    json.push(b':');
}

/// Appends `,"name":` and the value, or null.
pub fn member<T>(
    json: &mut Vec<u8>,
    name: &str,
    value: Option<T>,
    append: impl FnOnce(&mut Vec<u8>, T),
) {
    json.push(b',');
    key(json, name);
    optional(json, value, append);
}

/// Appends the value, or null.
pub fn optional<T>(json: &mut Vec<u8>, value: Option<T>, append: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => append(json, value),
        None => json.extend_from_slice(b"null"),
    }
}

/// Appends a string.
pub fn string(json: &mut Vec<u8>, text: &str) {
    // serde_json cannot fail for a str that goes to a Vec.
    let _ = to_writer(json, text);
}

/// Appends a string or, if it is not UTF-8, `{"bytes": "<base64>"}`.
pub fn bytes(json: &mut Vec<u8>, text: &[u8]) {
    match std::str::from_utf8(text) {
        Ok(text) => string(json, text),
        Err(_) => {
            json.extend_from_slice(b"{\"bytes\":\"");
            json.extend_from_slice(BASE64_STANDARD.encode(text).as_bytes());
            json.extend_from_slice(b"\"}");
        }
    }
}

/// Appends an array.
pub fn array<T>(
    json: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    item: impl FnMut(&mut Vec<u8>, T),
) {
    json.push(b'[');
    join(json, items, b",", item);
    json.push(b']');
}

/// Appends a value.
pub fn value(json: &mut Vec<u8>, found: &Value<'_>) {
    match found {
        Value::Number(found) | Value::Size(found) => number(json, *found),
        Value::Signed(number) => put(json, format_args!("{number}")),
        Value::Seconds(found) | Value::Time(found) | Value::Percent(found) => {
            rounded(json, *found);
        }
        Value::Flag(flag) => put(json, format_args!("{flag}")),
        Value::Bytes(text) => bytes(json, text),
        Value::Name(name) => string(json, name),
        Value::Items(text) | Value::Environment(text) => array(json, items(text), bytes),
        Value::Numbers(numbers) => {
            array(json, numbers.iter(), |json, number| put(json, format_args!("{number}")))
        }
        Value::Names(names) => array(json, names.iter(), |json, name| string(json, name)),
        Value::Paths(paths) => array(json, paths.iter(), |json, path| bytes(json, path)),
        Value::Ids(ids) => object_of(
            json,
            ["real", "effective", "saved", "fs"].into_iter().zip(ids),
            |json, (name, id)| {
                key(json, name);
                put(json, format_args!("{id}"));
            },
        ),
        Value::Fields(text) => object_of(json, Status(text).fields(), |json, (name, field)| {
            key(json, &String::from_utf8_lossy(name));
            bytes(json, field);
        }),
        Value::Login(found) => login(json, found),
        Value::Records(records) => array(json, records.iter(), |json, record| {
            object_of(json, record.iter(), |json, (name, member)| {
                key(json, name);
                value(json, member);
            });
        }),
    }
}

fn login(json: &mut Vec<u8>, found: &Login) {
    json.push(b'{');
    key(json, "user");
    string(json, &found.user);
    for (name, text) in
        [("from", &found.from), ("terminal", &found.terminal), ("service", &found.service)]
    {
        member(json, name, text.as_deref(), string);
    }
    member(json, "since", found.since, rounded);
    json.push(b'}');
}

/// Appends a number, rounded to hundredths: the kernel counts in hundredths of a second, and more
/// digits would be noise of the arithmetic.
fn rounded(json: &mut Vec<u8>, number: f64) {
    let hundredths = (number * 100.0).round() / 100.0;
    // serde_json cannot fail for a number that goes to a Vec.
    let _ = to_writer(json, &hundredths);
}

/// Appends an object.
pub fn object_of<T>(
    json: &mut Vec<u8>,
    members: impl Iterator<Item = T>,
    member: impl FnMut(&mut Vec<u8>, T),
) {
    json.push(b'{');
    join(json, members, b",", member);
    json.push(b'}');
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    fn text(found: Value<'_>) -> String {
        let mut json = Vec::new();
        value(&mut json, &found);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn every_kind_of_value() {
        for (found, json) in [
            (Value::Number(u64::MAX), "18446744073709551615"),
            (Value::Signed(-5), "-5"),
            (Value::Seconds(0.1 + 0.2), "0.3"),
            (Value::Time(1_763_934_363.42), "1763934363.42"),
            (Value::Flag(true), "true"),
            (Value::Bytes(Cow::Borrowed(b"a\"\x1b\n")), r#""a\"\u001b\n""#),
            (Value::Bytes(Cow::Borrowed(b"caf\xe9")), r#"{"bytes":"Y2Fm6Q=="}"#),
            (Value::Name("root".into()), r#""root""#),
            (Value::Items(b"a\0\0\xff\0"), r#"["a","",{"bytes":"/w=="}]"#),
            (Value::Numbers(vec![77, 3]), "[77,3]"),
            (Value::Names(vec![]), "[]"),
            (Value::Paths(vec![b"/a".to_vec(), b"\xff".to_vec()]), r#"["/a",{"bytes":"/w=="}]"#),
            (Value::Ids([0, 1, 2, 3]), r#"{"real":0,"effective":1,"saved":2,"fs":3}"#),
            (Value::Fields(b"Name:\tsh\nVmSwap:\t 0 kB\n"), r#"{"Name":"sh","VmSwap":"0 kB"}"#),
            (
                Value::Login(Login {
                    user: "alice".to_owned(),
                    from: Some("10.0.0.5".to_owned()),
                    since: Some(5.25),
                    ..Login::default()
                }),
                r#"{"user":"alice","from":"10.0.0.5","terminal":null,"service":null,"since":5.25}"#,
            ),
            (
                Value::Records(vec![vec![
                    ("fd", Value::Number(3)),
                    ("deleted", Value::Flag(false)),
                ]]),
                r#"[{"fd":3,"deleted":false}]"#,
            ),
        ] {
            assert_eq!(text(found), json);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_valid_json_and_lossless(
            raw in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            let json = text(Value::Bytes(Cow::Borrowed(&raw)));
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            let back = match parsed {
                serde_json::Value::String(text) => text.into_bytes(),
                other => BASE64_STANDARD.decode(other["bytes"].as_str().unwrap()).unwrap(),
            };
            prop_assert_eq!(back, raw);
        }
    }
}
