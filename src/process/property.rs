//! The properties of a process, in tables: one file a section. `show`, `--fields`, JSON, `--help` and the
//! man pages are made from them: a new property is one more row.

mod files;
mod identity;
mod memory;
mod network;
mod owner;
mod place;
mod program;
mod state;

use super::Process;
use super::error::ReadResult;
use super::file::{File, Files};
use super::value::Value;

/// A property of a process.
pub struct Property {
    /// Its name in `--fields` and JSON.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: ValueKind,
    /// Columns that are enough for most values.
    pub width: usize,
    /// The files below /proc/PID that it is read from.
    pub cost: Cost,
    /// `true` if it is shown only when asked for by name, because it may hold secrets or repeats
    /// other properties.
    pub on_request: bool,
    /// One line of help.
    pub about: &'static str,
    /// Reads the value.
    pub get: for<'a> fn(&'a Process<'_>) -> ReadResult<Value<'a>>,
}

/// A section of `show`: the properties about one subject.
pub struct Section {
    /// Its heading.
    pub name: &'static str,
    /// Its properties, in their order.
    pub properties: &'static [Property],
}

impl Section {
    /// Reports whether a property stands in it.
    pub fn holds(&self, property: &Property) -> bool {
        self.properties.iter().any(|own| own.name == property.name)
    }
}

/// The sections, in their order. Each has its table in a file of its own.
pub static SECTIONS: [Section; 8] = [
    Section { name: "Identity", properties: identity::ROWS },
    Section { name: "Program", properties: program::ROWS },
    Section { name: "Owner", properties: owner::ROWS },
    Section { name: "State", properties: state::ROWS },
    Section { name: "Memory", properties: memory::ROWS },
    Section { name: "Files", properties: files::ROWS },
    Section { name: "Place", properties: place::ROWS },
    Section { name: "Network", properties: network::ROWS },
];

/// Returns all properties, in the order of `show`.
pub fn all_properties() -> impl Iterator<Item = &'static Property> {
    SECTIONS.iter().flat_map(|section| section.properties)
}

/// The kind of a value, and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// An id, or a number whose sum means nothing.
    Number,
    /// A count.
    Count,
    /// Bytes of memory.
    Size,
    /// A duration.
    Seconds,
    /// Hundredths of one processor.
    Percent,
    /// A point in time.
    Time,
    /// Yes or no.
    Flag,
    /// Text.
    Text,
    /// Several of something.
    List,
}

impl ValueKind {
    /// Returns the unit in JSON; empty where there is none.
    pub fn unit(self) -> &'static str {
        match self {
            ValueKind::Size => "bytes",
            ValueKind::Seconds => "seconds",
            ValueKind::Percent => "percent of one processor",
            ValueKind::Time => "seconds since the epoch",
            ValueKind::Number
            | ValueKind::Count
            | ValueKind::Flag
            | ValueKind::Text
            | ValueKind::List => "",
        }
    }

    /// Reports whether a column of such values is aligned at the right.
    pub fn is_right_aligned(self) -> bool {
        matches!(
            self,
            ValueKind::Number
                | ValueKind::Count
                | ValueKind::Size
                | ValueKind::Seconds
                | ValueKind::Percent
        )
    }

    /// Returns a sum of such values.
    pub fn sum(self, integers: u64, reals: f64) -> Value<'static> {
        match self {
            ValueKind::Size => Value::Size(integers),
            ValueKind::Seconds => Value::Seconds(reals),
            ValueKind::Percent => Value::Percent(reals),
            _ => Value::Number(integers),
        }
    }

    /// Reports whether a sum of such values means something.
    pub fn is_summable(self) -> bool {
        matches!(self, ValueKind::Count | ValueKind::Size | ValueKind::Seconds | ValueKind::Percent)
    }
}

/// The files that a property is read from.
#[derive(Clone, Copy, Debug)]
pub enum Cost {
    /// All of these files.
    All(Files),
    /// One of these files: the one that is read in any case, else the cheapest.
    OneOf(Files),
    /// Sources other than such files alone, in words.
    Besides(&'static str),
}

impl Cost {
    /// Returns the files that a question for this property reads in any case.
    pub fn certain(self) -> Files {
        match self {
            Cost::All(files) => files,
            Cost::OneOf(_) | Cost::Besides(_) => Files::NONE,
        }
    }

    /// Returns the rank by cost, as [`File::rank`] has it. Whatever is more than one file, such as
    /// a directory, comes after all files.
    pub fn rank(self) -> u8 {
        const BESIDES: u8 = 200;
        match self {
            Cost::All(files) => files.ranks().1,
            Cost::OneOf(files) => files.ranks().0,
            Cost::Besides(_) => BESIDES,
        }
    }
}

const FREE: Cost = Cost::All(Files::NONE);
const STAT: Cost = file(File::Stat);
const STATUS: Cost = file(File::Status);
const STAT_OR_STATUS: Cost = Cost::OneOf(Files::new(&[File::Stat, File::Status]));
const ANY_NAME: Cost = Cost::OneOf(Files::new(&[File::Comm, File::Stat, File::Status]));

const fn file(file: File) -> Cost {
    Cost::All(Files::new(&[file]))
}

/// Returns the property of this name.
pub fn property(name: &str) -> Option<&'static Property> {
    all_properties().find(|property| property.name == name)
}

/// Returns the properties of these names. Unknown names are left out: names that users type go
/// through [`property`].
pub fn properties(names: &[&str]) -> Vec<&'static Property> {
    names.iter().filter_map(|name| property(name)).collect()
}

/// Returns the files that these properties read in any case.
pub fn certain_files(properties: &[&Property]) -> Files {
    properties.iter().fold(Files::NONE, |files, property| files | property.cost.certain())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_rows_complete() {
        let mut names = BTreeSet::new();
        for property in all_properties() {
            assert!(names.insert(property.name), "{}", property.name);
            assert!(!property.about.is_empty() && property.width > 0, "{}", property.name);
            assert!(
                property.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{}",
                property.name
            );
        }
    }

    /// Every property of proc.core.Process is here under its name.
    #[test]
    fn the_reference_is_covered() {
        for name in [
            "pid",
            "comm",
            "state",
            "ppid",
            "pgrp",
            "session",
            "starttime",
            "runtime",
            "vsize",
            "rss",
            "cmdline",
            "exe",
            "exe_path",
            "exe_name",
            "cwd",
            "environ",
            "user",
            "group",
            "user_ids",
            "group_ids",
            "status_fields",
            "is_alive",
        ] {
            assert!(property(name).is_some(), "{name}");
        }
    }
}
