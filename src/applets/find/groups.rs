//! The groups of processes that `find --group-by` prints.

use std::io;

use super::search::Answer;
use crate::output::groups::GroupList;
use crate::process::{Files, Process, ReadResult, certain_files};
use crate::select::grouping::{Column, Grouping};
use crate::select::order::{Direction, Ranking};

/// Groups that are counted while the scan goes on, and printed at its end.
pub struct Groups<'o> {
    grouping: Grouping,
    list: GroupList<'o>,
}

impl<'o> Groups<'o> {
    /// Begins with no group.
    pub fn new(grouping: Grouping, list: GroupList<'o>) -> Groups<'o> {
        Groups { grouping, list }
    }

    /// Prints the groups, sorted by these columns, at most `limit` of them. Returns how many
    /// processes they have, and how many values could not be read.
    pub fn end(
        self,
        order: &[(Column, Direction)],
        limit: Option<usize>,
    ) -> io::Result<(u64, usize)> {
        let Groups { grouping, mut list } = self;
        let directions = order.iter().map(|&(_, direction)| direction).collect();
        let mut ranking = Ranking::new(directions, limit.unwrap_or(usize::MAX));
        let (mut processes, mut unread) = (0, 0);
        for (common, group) in grouping.into_groups() {
            processes += group.count;
            unread += group.sums.iter().map(|sum| sum.unread).sum::<usize>();
            let key = |&(column, _): &(Column, Direction)| group.key(column, common.as_ref());
            ranking.push(order.iter().map(key).collect(), group);
        }
        list.print(ranking.into_sorted())?;
        Ok((processes, unread))
    }
}

impl Answer for Groups<'_> {
    fn files(&self) -> Files {
        certain_files(&self.grouping.properties())
    }

    fn needs_pins(&self, is_selective: bool) -> bool {
        is_selective
    }

    fn read(&mut self, process: &Process<'_>) -> ReadResult<()> {
        self.grouping.add(process, |common| self.list.label(common))
    }

    fn keep(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_complete(&self) -> bool {
        false
    }
}
