//! The fields of JSON as the man page documents them: the same as those of real documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::support::cron::{CronBox, job};
use super::beside::{with_service_that_starts_again, with_timers};
use crate::{cron_box, skip};

/// The text from which the man page is made.
const TEXT: &str = include_str!("../../src/applets/cron_graceful/json.txt");

/// The types of the fields, by the kind of object and by name.
type Fields = BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>;

/// Returns what the text documents.
fn documented() -> Fields {
    let mut fields = Fields::new();
    for section in TEXT.split("\n\n") {
        let (title, rows) = section.split_once(":\n").expect("finding a title");
        let Some(kind) = title.strip_prefix("JSON ").filter(|kind| *kind != "examples") else {
            continue;
        };
        for row in rows.lines().filter(|row| !row.starts_with("   ")) {
            let (name, text) = row.trim_start().split_once("  ").expect("finding a name");
            let (types, _) = text.trim_start().split_once(": ").expect("finding a type");
            fields.entry(kind).or_default().insert(name, types);
        }
    }
    fields
}

/// What was seen of the documented fields.
#[derive(Default)]
struct Checked {
    fields: Fields,
    seen: BTreeSet<(&'static str, &'static str)>,
}

impl Checked {
    fn new() -> Checked {
        Checked { fields: documented(), seen: BTreeSet::new() }
    }

    /// Checks that an object has documented fields alone, each of its type.
    #[track_caller]
    fn object(&mut self, kind: &str, object: &Value) {
        let (kind, fields) = self.fields.get_key_value(kind).expect("finding a kind of object");
        let (kind, fields) = (*kind, fields.clone());
        for (name, value) in object.as_object().unwrap_or_else(|| panic!("{kind}: {object:#}")) {
            let (name, types) =
                fields.get_key_value(&name[..]).unwrap_or_else(|| panic!("{kind}: {name}"));
            self.seen.insert((kind, name));
            self.value(kind, name, types, value);
        }
    }

    #[track_caller]
    fn value(&mut self, kind: &str, name: &str, types: &str, value: &Value) {
        let mut types = types.split(" or ").filter(|found| match *found {
            "null" => value.is_null(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            list if list.starts_with("list of ") => value.is_array(),
            "ended" => value.get("terminated").is_some(),
            "job" => value.get("state").is_some(),
            _ => value.is_object(),
        });
        let found = types.next().unwrap_or_else(|| panic!("{kind}: {name} is {value}"));
        match (found.strip_prefix("list of "), found) {
            (Some("strings"), _) => {
                assert!(value.as_array().into_iter().flatten().all(Value::is_string), "{value}");
            }
            (Some(items), _) => {
                let item = items.strip_suffix('s').unwrap_or(items);
                value.as_array().into_iter().flatten().for_each(|value| self.object(item, value));
            }
            (None, "null" | "number" | "string" | "boolean") => {}
            (None, object) => self.object(object, value),
        }
    }

    /// Runs cron-graceful, and checks its document.
    #[track_caller]
    fn document_of(&mut self, place: &CronBox, words: &[&str]) {
        let document = place.graceful(&[words, &["--json"]].concat()).json();
        let host = place.shell("uname -n");
        assert_eq!((&document["schema"], &document["host"]), (&1.into(), &host.into()));
        self.object("document", &document);
    }

    /// Checks that all documented fields were seen.
    #[track_caller]
    fn all_were_seen(&self) {
        let all =
            self.fields.iter().flat_map(|(kind, fields)| fields.keys().map(|name| (*kind, *name)));
        let missing: Vec<_> = all.filter(|field| !self.seen.contains(field)).collect();
        assert!(missing.is_empty(), "documented, and not seen: {missing:?}");
    }
}

/// Returns the examples of the text.
fn examples() -> Vec<Value> {
    let text = TEXT.split("JSON examples:\n").nth(1).expect("finding the examples");
    let is_json = |line: &&str| line.starts_with("  {") || line.starts_with("   ");
    let text: String = text.lines().filter(is_json).map(|line| format!("{line}\n")).collect();
    let values = serde_json::Deserializer::from_str(&text).into_iter();
    values.map(|value| value.expect("parsing an example")).collect()
}

#[test]
fn the_examples_have_the_documented_fields() {
    let mut checked = Checked::new();
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:#?}");
    for example in examples {
        let is_event = example.get("event").is_some();
        checked.object(if is_event { "event" } else { "document" }, &example);
    }
}

#[test]
fn the_fields_of_documents_are_those_that_the_man_page_documents() {
    let place = cron_box!(CronBox::needing(&["faketime"]));
    if std::env::var_os("PROCTOOL_TEST_BINARY").is_some() {
        skip!("the clock of the static binary cannot be moved");
    }
    let mut checked = Checked::new();
    let document = |checked: &mut Checked, words: &[&str]| checked.document_of(&place, words);
    document(&mut checked, &[]);
    document(&mut checked, &["--release"]);
    place.crontab(&[&job("a"), &format!("{}; exit 2", job("b"))]);
    let daemon = place.cron();
    for name in ["a", "b"] {
        place.began(name);
    }
    for words in [&["--list"][..], &["-n"], &["--timeout", "300ms"], &["--resume"]] {
        document(&mut checked, words);
    }
    let run = place.begin_and_pause(&["--jsonl"], daemon);
    place.release("a");
    place.release("b");
    events(&mut checked, &run.finish().exits(0).text());
    for words in [&["--start", "-n"][..], &["--start"], &["--start"]] {
        document(&mut checked, words);
    }
    let lease = ["--hold", "--lease", "1m"];
    let held = place.graceful(&[&lease[..], &["--jsonl"]].concat()).exits(0).text();
    events(&mut checked, &held);
    for words in [&lease[..], &["--list"], &[], &["--release"]] {
        document(&mut checked, words);
    }
    place.program("cron-graceful-additions", "#!/bin/sh\nexit 3\n");
    let window = place.graceful(&["--jsonl", "--", "true"]).exits(0).text();
    events(&mut checked, &window);
    events(&mut checked, &missed(&place));
    let place = cron_box!(CronBox::with_systemd());
    place.locked();
    with_timers(&place);
    let timers = ["--with", "timers"];
    checked.document_of(&place, &[&timers[..], &["--list"]].concat());
    with_service_that_starts_again(&place);
    place.release("job");
    let window = [&timers[..], &["--jsonl", "--", "true"]].concat();
    events(&mut checked, &place.graceful(&window).exits(0).text());
    checked.all_were_seen();
}

/// Checks the lines of `--jsonl`, of which the last one is the document.
#[track_caller]
fn events(checked: &mut Checked, text: &str) {
    for line in text.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        checked.object(if line["event"] == "end" { "document" } else { "event" }, &line);
    }
}

/// Returns the lines of a run in which jobs were missed: its command moves the clock.
fn missed(place: &CronBox) -> String {
    place.raw_crontab("MAILTO=\"\"\n*/5 * * * * root poll\n");
    place.shell("echo nonsense >/etc/cron.d/bad; echo +0 >/mnt/clock; rm /mnt/bin/*-additions");
    let library = place.shell("ls /usr/lib/*/faketime/libfaketime.so.1");
    let variables = [
        &format!("LD_PRELOAD={library}"),
        "FAKETIME_TIMESTAMP_FILE=/mnt/clock",
        "FAKETIME_NO_CACHE=1",
        "DONT_FAKE_MONOTONIC=1",
    ];
    let words = ["--jsonl", "--", "env", "-u", "LD_PRELOAD", "sh", "-c", "echo +90m >/mnt/clock"];
    let before = [&["env"], &variables[..]].concat();
    let outcome = place.graceful_by(&before, &words).exits(0);
    assert!(outcome.text().contains("\"lost\":[{"), "{}", outcome.report());
    outcome.text()
}
