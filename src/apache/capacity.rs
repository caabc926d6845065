//! How many more workers would fit: the memory that one more takes, and the memory that is left for
//! it.

use crate::process::Headroom;

use super::member::Member;

/// The estimate, in bytes and processes.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Bytes that one more worker takes if it becomes like the average: its own pages in memory and
    /// swap, and its page tables. Pages that it shares with others exist already.
    pub average: u64,
    /// Bytes that it takes if it becomes like the largest one. Its share of the shared pages is
    /// counted once more.
    pub largest: u64,
    /// Whether the numbers are resident memory, because it is unknown which pages are shared.
    pub is_upper_bound: bool,
    pub headroom: Headroom,
}

impl Capacity {
    /// Makes the estimate; `None` without workers to judge by.
    pub fn estimate<'m>(
        workers: impl Iterator<Item = &'m Member>,
        headroom: Headroom,
    ) -> Option<Capacity> {
        let (mut count, mut sum, mut largest, mut is_upper_bound) = (0, 0, 0, false);
        for worker in workers {
            let usage = &worker.usage;
            let besides = usage.swap_share.unwrap_or(usage.swap).saturating_add(usage.page_tables);
            count += 1;
            sum += u128::from(usage.uss.unwrap_or(usage.rss).saturating_add(besides));
            largest = largest.max(usage.pss.unwrap_or(usage.rss).saturating_add(besides));
            is_upper_bound |= usage.uss.is_none();
        }
        let average = sum.div_ceil(u128::max(count, 1)) as u64;
        (count > 0).then_some(Capacity { average, largest, is_upper_bound, headroom })
    }

    /// Returns how many more workers like the average would fit.
    pub fn more_average(&self) -> u64 {
        self.headroom.bytes / self.average.max(1)
    }

    /// Returns how many more workers like the largest would fit.
    pub fn more_largest(&self) -> u64 {
        self.headroom.bytes / self.largest.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apache::member::Usage;

    fn worker(usage: Usage) -> Member {
        let (name, arguments) = (b"apache2".to_vec(), Vec::new());
        Member { pid: 1, uid: 33, name, threads: 1, start_time: None, age: None, arguments, usage }
    }

    fn headroom(bytes: u64) -> Headroom {
        Headroom { bytes, machine: bytes, group: None, unread: Vec::new() }
    }

    #[test]
    fn one_more_worker() {
        let exact = |rss, pss, uss, swap_share| Usage {
            rss,
            pss: Some(pss),
            uss: Some(uss),
            swap: 99,
            swap_share: Some(swap_share),
            page_tables: 10,
        };
        let workers = [worker(exact(1000, 400, 300, 0)), worker(exact(1000, 500, 405, 20))];
        let capacity = Capacity::estimate(workers.iter(), headroom(10_000)).unwrap();
        assert_eq!(
            (capacity.average, capacity.largest, capacity.is_upper_bound),
            (373, 530, false)
        );
        assert_eq!((capacity.more_average(), capacity.more_largest()), (26, 18));
    }

    #[test]
    fn what_is_shared_counts_where_it_is_not_known() {
        let workers = [worker(Usage { rss: 1000, swap: 5, page_tables: 10, ..Usage::default() })];
        let capacity = Capacity::estimate(workers.iter(), headroom(100)).unwrap();
        assert_eq!(
            (capacity.average, capacity.largest, capacity.is_upper_bound),
            (1015, 1015, true)
        );
        assert_eq!(capacity.more_average(), 0);
        assert!(Capacity::estimate([].iter(), headroom(1)).is_none());
    }
}
