//! Options that order a list: `--sort` and `--limit`. Groups of processes have a field of their own,
//! their number, so that names of fields are parsed here too.

use clap::Args;

use super::format::field;
use crate::exit::Refusal;
use crate::process::Property;
use crate::select::order::Direction;

/// The name of a field of a process or of a group.
#[derive(Clone, Copy)]
pub enum FieldName {
    /// The number of processes of a group.
    Count,
    Property(&'static Property),
}

impl FieldName {
    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            FieldName::Count => "count",
            FieldName::Property(property) => property.name,
        }
    }

    /// Returns the property. Errors: usage, for a field of groups alone.
    pub fn property(self) -> Result<&'static Property, Refusal> {
        match self {
            FieldName::Count => {
                Err(Refusal::usage("only groups have the field 'count': use --group-by FIELD"))
            }
            FieldName::Property(property) => Ok(property),
        }
    }
}

/// Parses the name of a field. Errors: an unknown name.
pub fn field_name(text: &str) -> Result<FieldName, String> {
    match text.trim() {
        "count" => Ok(FieldName::Count),
        name => field(name).map(FieldName::Property),
    }
}

/// `--sort` and `--limit`.
#[derive(Args)]
pub struct Ordering {
    /// Sort by these, with commas between; a - before a name puts the largest first
    #[arg(
        long,
        value_name = "FIELDS",
        value_delimiter = ',',
        value_parser = sort_field,
        allow_hyphen_values = true,
        conflicts_with_all = ["newest", "oldest", "count"],
        help_heading = "Output"
    )]
    pub sort: Vec<SortField>,
    /// Print the first N only
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["newest", "oldest", "count"],
        help_heading = "Output"
    )]
    pub limit: Option<usize>,
}

/// A field and a direction, as `--sort` takes them.
#[derive(Clone, Copy)]
pub struct SortField {
    pub field: FieldName,
    pub direction: Direction,
}

impl Ordering {
    /// Returns the properties to sort by. Errors: usage.
    pub fn properties(&self) -> Result<Vec<(&'static Property, Direction)>, Refusal> {
        self.sort.iter().map(|sort| Ok((sort.field.property()?, sort.direction))).collect()
    }
}

fn sort_field(text: &str) -> Result<SortField, String> {
    let (name, direction) = match text.trim().strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    Ok(SortField { field: field_name(name)?, direction })
}
