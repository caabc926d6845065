//! Groups of processes that have the same value of a property, with the sums of others.

use std::collections::BTreeMap;

use super::order::Key;
use crate::process::{Process, Property, ReadError, ReadResult, Unavailable, Value, if_available};

/// A column of a list of groups.
#[derive(Clone, Copy)]
pub enum Column {
    /// The number of processes.
    Count,
    /// The value that the processes of the group have in common.
    Common(&'static Property),
    /// The sum of a property, and its place in [`Group::sums`].
    Sum(&'static Property, usize),
    /// When the processes were looked at, in seconds from the epoch.
    Time(f64),
}

impl Column {
    /// Returns its name in a heading and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Column::Count => "count",
            Column::Common(property) | Column::Sum(property, _) => property.name,
            Column::Time(_) => "time",
        }
    }
}

/// The sum of a property over the processes of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// The values that are counts or bytes.
    integers: u64,
    /// The values in seconds and other fractions.
    reals: f64,
    /// The number of processes whose value could not be read. The sum lacks these.
    pub unread: usize,
}

impl Sum {
    /// Returns the sum as a value of the kind that this property has.
    pub fn value(&self, property: &Property) -> Value<'static> {
        property.kind.sum(self.integers, self.reals)
    }

    fn add(&mut self, read: ReadResult<Value<'_>>) -> ReadResult<()> {
        match read {
            Ok(value) => match Key::new(value) {
                Key::Integer(number) => {
                    let number = u64::try_from(number).unwrap_or_default();
                    self.integers = self.integers.saturating_add(number);
                }
                Key::Real(number) => self.reals += number,
                Key::Text(_) => {}
            },
            // A kernel thread has no memory: it adds nothing.
            Err(ReadError::Unavailable(Unavailable::Absent(_))) => {}
            Err(error) if error.is_unavailable() => self.unread += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A group of processes.
pub struct Group {
    /// The common value, as the output shows it.
    pub label: Vec<u8>,
    /// The number of processes.
    pub count: u64,
    /// The sums, in the order of the properties that [`Grouping::new`] got.
    pub sums: Vec<Sum>,
}

impl Group {
    /// Returns the key by which a column sorts the group. `common` is the key of the common value.
    pub fn key(&self, column: Column, common: Option<&Key>) -> Option<Key> {
        match column {
            Column::Count => Some(Key::Integer(self.count.into())),
            Column::Common(_) => common.cloned(),
            Column::Sum(property, at) => self.sums.get(at).map(|sum| Key::new(sum.value(property))),
            Column::Time(seconds) => Some(Key::Real(seconds)),
        }
    }
}

/// Groups of processes by the value of one property.
pub struct Grouping {
    by: &'static Property,
    summed: Vec<&'static Property>,
    groups: BTreeMap<Option<Key>, Group>,
}

impl Grouping {
    /// Makes a grouping by a property, with the sums of others.
    pub fn new(by: &'static Property, summed: Vec<&'static Property>) -> Grouping {
        Grouping { by, summed, groups: BTreeMap::new() }
    }

    /// Returns the properties that are read of each process.
    pub fn properties(&self) -> Vec<&'static Property> {
        std::iter::once(self.by).chain(self.summed.iter().copied()).collect()
    }

    /// Adds a process to its group. `render` makes the label of a new group from the common value,
    /// which is `None` where it is unavailable.
    pub fn add(
        &mut self,
        process: &Process<'_>,
        render: impl FnOnce(Option<&Value<'_>>) -> Vec<u8>,
    ) -> ReadResult<()> {
        let value = if_available((self.by.get)(process))?;
        let reads: Vec<_> = self.summed.iter().map(|property| (property.get)(process)).collect();
        if let Some(error) = reads.iter().filter_map(|read| read.as_ref().err()).find(is_final) {
            return Err(*error);
        }
        let (label, key) = (render(value.as_ref()), value.map(Key::new));
        let sums = vec![Sum::default(); self.summed.len()];
        let group = self.groups.entry(key).or_insert(Group { label, count: 0, sums });
        group.count += 1;
        group.sums.iter_mut().zip(reads).try_for_each(|(sum, read)| sum.add(read))
    }

    /// Returns the groups with their common values, in the order of these.
    pub fn into_groups(self) -> impl Iterator<Item = (Option<Key>, Group)> {
        self.groups.into_iter()
    }
}

/// Reports whether an error means more than an unavailable value.
fn is_final(error: &&ReadError) -> bool {
    !error.is_unavailable()
}
