//! Processes that could not be examined, and sockets whose processes are unknown. They are never the same as processes that do not exist.

use super::error::Unavailable;
use super::{Endpoint, Pid};

/// The processes that could not be examined, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unexamined {
    /// Number of processes that the kernel does not permit us to examine.
    pub denied: usize,
    /// Processes that could not be examined for another reason.
    pub others: Vec<(Pid, Unavailable)>,
    /// Sockets that were asked for and whose processes are unknown.
    pub sockets: Vec<Endpoint>,
}

impl Unexamined {
    /// Adds a process.
    pub fn add(&mut self, pid: Pid, reason: Unavailable) {
        match reason {
            Unavailable::Denied => self.denied += 1,
            reason => self.others.push((pid, reason)),
        }
    }

    /// Returns the number of processes.
    pub fn count(&self) -> usize {
        self.denied + self.others.len()
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.sockets.is_empty()
    }

    /// Returns those that are unusual: an ordinary user lacks many permissions, and processes that
    /// hold up their readers are listed separately.
    pub fn unusual(&self) -> Unexamined {
        let mut others = self.others.clone();
        others.retain(|(_, reason)| !matches!(reason, Unavailable::HeldUp { .. }));
        Unexamined { denied: 0, others, sockets: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_apart() {
        let mut unexamined = Unexamined::default();
        assert!(unexamined.is_empty());
        unexamined.add(7, Unavailable::Denied);
        assert!(unexamined.unusual().is_empty());
        unexamined.add(8, Unavailable::HeldUp { file: "cmdline" });
        unexamined.add(9, Unavailable::Absent("x"));
        assert_eq!((unexamined.count(), unexamined.denied, unexamined.others.len()), (3, 1, 2));
        assert_eq!(unexamined.unusual().others, [(9, Unavailable::Absent("x"))]);
    }
}
