//! The order of a list: fields by which processes or groups of them are sorted, and how many are
//! wanted.

use std::cmp::Ordering;

use super::Pick;
use crate::process::{Files, Process, Property, ReadResult, Value, certain_files, properties};

/// A value that can be compared with others of the same property.
#[derive(Clone, Debug)]
pub enum Key {
    Integer(i128),
    Real(f64),
    Text(Vec<u8>),
}

impl Key {
    /// Returns the key of a value. Lists are compared item by item, records by their number.
    pub fn new(value: Value<'_>) -> Key {
        match value {
            Value::Number(number) | Value::Size(number) => Key::Integer(number.into()),
            Value::Signed(number) => Key::Integer(number.into()),
            Value::Flag(flag) => Key::Integer(flag.into()),
            Value::Seconds(seconds) | Value::Time(seconds) => Key::Real(seconds),
            Value::Percent(percent) => Key::Real(percent),
            Value::Bytes(bytes) => Key::Text(bytes.into_owned()),
            Value::Name(name) => Key::Text(name.as_bytes().to_vec()),
            Value::Items(text) | Value::Environment(text) | Value::Fields(text) => {
                Key::Text(text.to_vec())
            }
            // The bytes of numbers are compared as the numbers are.
            Value::Numbers(numbers) => {
                Key::Text(numbers.iter().flat_map(|number| number.to_be_bytes()).collect())
            }
            Value::Ids(ids) => Key::Text(ids.iter().flat_map(|id| id.to_be_bytes()).collect()),
            Value::Paths(paths) => Key::Text(paths.join(&b',')),
            Value::Names(names) => Key::Text(names.join(",").into_bytes()),
            Value::Login(login) => Key::Text(login.user.into_bytes()),
            Value::Records(records) => Key::Integer(records.len() as i128),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Integer(one), Key::Integer(other)) => one.cmp(other),
            (Key::Real(one), Key::Real(other)) => one.total_cmp(other),
            (Key::Text(one), Key::Text(other)) => one.cmp(other),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl Key {
    fn rank(&self) -> u8 {
        match self {
            Key::Integer(_) => 0,
            Key::Real(_) => 1,
            Key::Text(_) => 2,
        }
    }
}

/// The keys of one thing in a list; `None` where one is unknown. An unknown key comes last.
pub type Keys = Vec<Option<Key>>;

/// A direction of sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Properties by which processes are sorted.
pub struct Order {
    /// The most important property first.
    fields: Vec<(&'static Property, Direction)>,
    /// A process is sorted only if all of them can be read.
    needs_all: bool,
}

impl Order {
    /// Makes an order by these properties, in which unknown values come last.
    pub fn new(fields: Vec<(&'static Property, Direction)>) -> Order {
        Order { fields, needs_all: false }
    }

    /// Returns the order in which the process of the wanted age comes first.
    pub fn by_age(pick: Pick) -> Order {
        let direction = match pick {
            Pick::Newest => Direction::Descending,
            Pick::Oldest => Direction::Ascending,
        };
        let fields = properties(&["start_ticks", "pid"]);
        let fields = fields.into_iter().map(|field| (field, direction)).collect();
        Order { fields, needs_all: true }
    }

    /// Reads the keys of a process. Errors: the process has exited, or a value that is needed is
    /// unavailable.
    pub fn keys(&self, process: &Process<'_>) -> ReadResult<Keys> {
        let key = |property: &Property| match (property.get)(process) {
            Ok(value) => Ok(Some(Key::new(value))),
            Err(error) if error.is_unavailable() && !self.needs_all => Ok(None),
            Err(error) => Err(error),
        };
        self.fields.iter().map(|(property, _)| key(property)).collect()
    }

    /// Returns the files that the keys are read from in any case.
    pub fn files(&self) -> Files {
        let properties: Vec<&Property> = self.fields.iter().map(|&(field, _)| field).collect();
        certain_files(&properties)
    }

    /// Returns the directions of its properties.
    pub fn directions(&self) -> Vec<Direction> {
        self.fields.iter().map(|&(_, direction)| direction).collect()
    }
}

/// Things in order, of which only the first ones are kept.
pub struct Ranking<T> {
    directions: Vec<Direction>,
    most: usize,
    kept: Vec<(Keys, T)>,
}

impl<T> Ranking<T> {
    /// Makes an empty ranking for keys with these directions. It keeps `most` things.
    pub fn new(directions: Vec<Direction>, most: usize) -> Ranking<T> {
        Ranking { directions, most, kept: Vec::new() }
    }

    /// Adds something. Of equal ones, the first one stays before the others.
    pub fn push(&mut self, keys: Keys, thing: T) {
        self.kept.push((keys, thing));
        // The rest is dropped now and then, so that this costs little for each.
        if self.kept.len() >= self.most.saturating_mul(2).max(64) {
            self.settle();
        }
    }

    /// Returns the first things in order.
    pub fn into_sorted(mut self) -> impl Iterator<Item = T> {
        self.settle();
        self.kept.into_iter().map(|(_, thing)| thing)
    }

    fn settle(&mut self) {
        self.kept.sort_by(|(one, _), (other, _)| compare(one, other, &self.directions));
        self.kept.truncate(self.most);
    }
}

fn compare(one: &Keys, other: &Keys, directions: &[Direction]) -> Ordering {
    let pairs = one.iter().zip(other).zip(directions);
    pairs.fold(Ordering::Equal, |order, ((one, other), direction)| {
        order.then_with(|| match (one, other, direction) {
            (Some(one), Some(other), Direction::Ascending) => one.cmp(other),
            (Some(one), Some(other), Direction::Descending) => other.cmp(one),
            (one, other, _) => one.is_none().cmp(&other.is_none()),
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranked(keys: &[Option<i128>], direction: Direction, most: usize) -> Vec<usize> {
        let mut ranking = Ranking::new(vec![direction], most);
        for (at, key) in keys.iter().enumerate() {
            ranking.push(vec![key.map(Key::Integer)], at);
        }
        ranking.into_sorted().collect()
    }

    #[test]
    fn what_is_unknown_comes_last_in_both_directions() {
        let keys = [Some(2), None, Some(1), Some(3)];
        assert_eq!(ranked(&keys, Direction::Ascending, 9), [2, 0, 3, 1]);
        assert_eq!(ranked(&keys, Direction::Descending, 9), [3, 0, 2, 1]);
        assert_eq!(ranked(&keys, Direction::Descending, 2), [3, 0]);
        assert_eq!(ranked(&keys, Direction::Descending, 0), Vec::<usize>::new());
    }

    #[test]
    fn lists_of_numbers_are_compared_as_numbers() {
        let key = |numbers: &[u64]| Key::new(Value::Numbers(numbers.to_vec()));
        assert!(key(&[9]) < key(&[10]) && key(&[10]) < key(&[10, 1]));
    }

    proptest! {
        #[test]
        fn the_first_ones_are_those_of_a_whole_sort(
            keys in proptest::collection::vec(proptest::option::of(0i128..50), 0..400),
            most in 0usize..80,
        ) {
            let mut all: Vec<usize> = (0..keys.len()).collect();
            all.sort_by_key(|&at| (keys[at].is_none(), keys[at]));
            all.truncate(most);
            prop_assert_eq!(ranked(&keys, Direction::Ascending, most), all);
        }
    }
}
