//! Options for the look of results: JSON or text, colour, and which properties.

use clap::{Args, ValueEnum};

use super::wrapped;
use crate::output::Colour;
use crate::output::json::Layout;
use crate::process::{Cost, Property, all_properties, property};

/// `--json`, `--jsonl` and `--color`.
#[derive(Args)]
pub struct Format {
    /// Print one JSON document
    #[arg(long, conflicts_with = "jsonl", help_heading = "Output")]
    json: bool,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output")]
    jsonl: bool,
    /// Highlight: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = "Output"
    )]
    color: When,
}

#[derive(Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl Format {
    /// Returns the layout of JSON; `None` for text.
    pub fn json(&self) -> Option<Layout> {
        if self.json {
            Some(Layout::Document)
        } else if self.jsonl {
            Some(Layout::Lines)
        } else {
            None
        }
    }

    /// Returns when to use colour.
    pub fn colour(&self) -> Colour {
        match self.color {
            When::Auto => Colour::Auto,
            When::Always => Colour::Always,
            When::Never => Colour::Never,
        }
    }
}

/// A list of properties, as `--fields` takes it.
#[derive(Clone)]
pub struct FieldList(pub Vec<&'static Property>);

/// Finds the property of this name. Errors: an unknown name, with all known ones.
pub fn field(name: &str) -> Result<&'static Property, String> {
    property(name).ok_or_else(|| format!("unknown field '{name}': the fields are {}", names()))
}

/// Parses names of properties with commas between. Errors: an unknown name.
pub fn fields(text: &str) -> Result<FieldList, String> {
    let mut fields: Vec<&'static Property> = Vec::new();
    for name in text.split(',') {
        let field = field(name.trim())?;
        // Once is enough: a JSON object cannot have the same member twice.
        if fields.iter().all(|other| other.name != field.name) {
            fields.push(field);
        }
    }
    Ok(FieldList(fields))
}

/// Joins several lists into one without duplicates; `None` if there are no lists.
pub fn joined(lists: &[FieldList]) -> Option<Vec<&'static Property>> {
    let mut fields: Vec<&'static Property> = Vec::new();
    for field in lists.iter().flat_map(|list| &list.0) {
        if fields.iter().all(|other| other.name != field.name) {
            fields.push(field);
        }
    }
    (!lists.is_empty()).then_some(fields)
}

fn names() -> String {
    all_properties().map(|property| property.name).collect::<Vec<_>>().join(", ")
}

/// Properties in JSON that lists many processes, without `--fields`.
pub const BRIEF: &[&str] = &["pid", "ppid", "comm", "exe_name", "state", "user", "cmdline"];

/// Returns the properties that are shown without being asked for.
pub fn default_fields() -> Vec<&'static Property> {
    all_properties().filter(|property| !property.on_request).collect()
}

/// Returns the table of properties, for the long help of an applet.
pub fn fields_help() -> String {
    let row = |property: &Property| {
        let text = format!("{}{}", property.about, notes(property));
        // Two blanks divide the name from its text in the man page.
        let width = (property.name.len() + 1).max(14);
        format!("\n  {:width$} {}", property.name, wrapped(&text, width + 3))
    };
    let rows = all_properties().map(row).collect::<String>();
    format!("Fields, with their unit in JSON and the files below /proc/PID that they cost:{rows}")
}

fn notes(property: &Property) -> String {
    let files = match property.cost {
        Cost::All(files) => files.names().collect::<Vec<_>>().join(", "),
        Cost::OneOf(files) => files.names().collect::<Vec<_>>().join(" or "),
        Cost::Besides(what) => what.to_owned(),
    };
    let notes: Vec<&str> =
        [property.kind.unit(), &files].into_iter().filter(|note| !note.is_empty()).collect();
    if notes.is_empty() { String::new() } else { format!(" [{}]", notes.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas() {
        let names = |text| {
            fields(text).map(|fields| fields.0.iter().map(|field| field.name).collect::<Vec<_>>())
        };
        assert_eq!(names("pid, rss,pid"), Ok(vec!["pid", "rss"]));
        assert!(
            names("pid,nosuch").is_err_and(|message| message.starts_with("unknown field 'nosuch'"))
        );
        assert!(names("").is_err());
    }

    #[test]
    fn several_lists_are_one() {
        let lists = [fields("pid,rss").unwrap(), fields("name,pid").unwrap()];
        let names: Vec<_> = joined(&lists).unwrap().iter().map(|field| field.name).collect();
        assert_eq!(names, ["pid", "rss", "name"]);
        assert!(joined(&[]).is_none());
    }

    #[test]
    fn secrets_are_not_shown_unasked() {
        assert!(default_fields().iter().all(|field| field.name != "environ"));
    }

    #[test]
    fn the_help_names_every_field_with_unit_and_cost() {
        let help = fields_help();
        assert!(
            all_properties().all(|property| help.contains(&format!("\n  {:14} ", property.name)))
        );
        assert!(
            help.contains("resident memory, shared pages counted in full [bytes; stat]"),
            "{help}"
        );
        assert!(help.contains("[comm or stat or status]"), "{help}");
    }
}
