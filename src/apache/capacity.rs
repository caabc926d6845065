//! How many more workers would fit: the memory that one more takes, and the memory that is left for
//! it.

use crate::process::Headroom;

use super::member::Member;

/// The estimate, in bytes and processes.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Bytes that one more worker takes at its peak, if that is like the average of the peaks of
    /// those that run: most requests take memory and give it back.
    pub peak: u64,
    /// Bytes that the present workers would take more, if all were at their peak.
    pub growth: u64,
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
        let (mut count, mut sum, mut growth) = (0, 0, 0);
        let (mut largest, mut is_upper_bound) = (0, false);
        for usage in workers.map(|worker| &worker.usage) {
            count += 1;
            sum += u128::from(usage.own());
            growth += u128::from(usage.growth());
            let share = usage.pss.map_or(usage.rss, |pss| pss.saturating_sub(usage.huge));
            largest = largest.max(share.saturating_add(usage.besides()));
            is_upper_bound |= usage.uss.is_none();
        }
        let average = |sum: u128| sum.div_ceil(u128::max(count, 1)) as u64;
        (count > 0).then(|| Capacity {
            peak: average(sum + growth),
            growth: growth as u64,
            average: average(sum),
            largest,
            is_upper_bound,
            headroom,
        })
    }

    /// Returns how many more workers would fit if all were at their peak at once.
    pub fn more_peak(&self) -> u64 {
        self.headroom.bytes.saturating_sub(self.growth) / self.peak.max(1)
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
            huge: 0,
            peak: 0,
            private: 0,
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
    fn what_is_in_swap_now_counts_once_at_the_peak() {
        let half_in_swap = Usage {
            rss: 100,
            uss: Some(100),
            pss: Some(100),
            swap: 100,
            swap_share: Some(100),
            peak: 200,
            ..Usage::default()
        };
        let workers = [worker(half_in_swap)];
        let capacity = Capacity::estimate(workers.iter(), headroom(10_000)).unwrap();
        assert_eq!(capacity.peak, 200);
    }

    #[test]
    fn peaks_count_for_those_that_run_too() {
        let at = |rss, peak| Usage { rss, peak, uss: Some(100), ..Usage::default() };
        let workers = [worker(at(500, 700)), worker(at(500, 1100))];
        let capacity = Capacity::estimate(workers.iter(), headroom(2800)).unwrap();
        assert_eq!((capacity.peak, capacity.growth, capacity.more_peak()), (500, 800, 4));
        let without_room = Capacity::estimate(workers.iter(), headroom(700)).unwrap();
        assert_eq!((without_room.more_peak(), without_room.more_average()), (0, 7));
    }

    #[test]
    fn huge_pages_come_from_elsewhere() {
        let usage =
            Usage { rss: 50, pss: Some(120), uss: Some(110), huge: 100, ..Usage::default() };
        let capacity = Capacity::estimate([worker(usage)].iter(), headroom(100)).unwrap();
        assert_eq!((capacity.average, capacity.largest, capacity.peak), (10, 20, 10));
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
