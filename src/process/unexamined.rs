//! Processes that could not be examined: never the same as processes that are not there.

use super::Pid;
use super::error::Unread;

/// How many processes could not be examined, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unexamined {
    /// The kernel keeps so many from us.
    pub denied: usize,
    /// So many could not be examined for another reason.
    pub others: usize,
    /// The first of the others, with the reason.
    pub first: Option<(Pid, Unread)>,
}

impl Unexamined {
    /// Count a process.
    pub fn add(&mut self, pid: Pid, reason: Unread) {
        if reason == Unread::Denied {
            self.denied += 1;
        } else {
            self.others += 1;
            self.first.get_or_insert((pid, reason));
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.denied + self.others
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_apart() {
        let mut unexamined = Unexamined::default();
        assert!(unexamined.is_empty());
        unexamined.add(7, Unread::Denied);
        unexamined.add(8, Unread::HeldUp { file: "cmdline" });
        unexamined.add(9, Unread::Absent("x"));
        assert_eq!((unexamined.count(), unexamined.denied, unexamined.others), (3, 1, 2));
        assert_eq!(unexamined.first, Some((8, Unread::HeldUp { file: "cmdline" })));
    }
}
