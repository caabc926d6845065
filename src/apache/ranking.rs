//! All programs of a machine, by the memory that they really take.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::process::{
    Cgroups, Error, File, Files, Lookup, Proc, Process, ReadResult, Unexamined, if_available,
};

use super::member::{Depth, Member, Usage};

/// The kernel holds up a process while it walks its pages, for about 25 ms per GiB. A process with
/// more resident memory than this is not walked, so that nobody waits for more than 0.1 s.
const LONGEST_WALK: u64 = 4 << 30;

/// What belongs together in a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankBy {
    /// Processes of the same name, which is that of the script where there is one.
    Program,
    /// Processes of the same systemd unit.
    Unit,
    /// Processes of the same container.
    Container,
}

/// Processes that belong together, with their memory in bytes. No page counts twice, but those of
/// processes that are only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    /// The program, unit or container; `None` for the processes that are in none.
    pub name: Option<Vec<u8>>,
    pub processes: usize,
    pub threads: u64,
    /// Own pages, and the shares of shared ones.
    pub pss: u64,
    /// Own pages.
    pub uss: u64,
    /// Own pages in swap, and the shares of shared ones.
    pub swap: u64,
    /// What `pss` would be if all were at their peak at once.
    pub peak: u64,
    /// Number of processes of which only the kernel's counters are known. Their anonymous pages stand
    /// for `pss` and `uss`: those that are shared since a fork count again, and files not at all.
    pub approximate: usize,
}

/// The result of a ranking.
#[derive(Debug, Default)]
pub struct Ranking {
    /// All of them, the largest first.
    pub consumers: Vec<Consumer>,
    /// Processes that could not be examined.
    pub hidden: Unexamined,
}

impl RankBy {
    fn name(self, process: &Process<'_>) -> ReadResult<Option<Vec<u8>>> {
        if self == RankBy::Program {
            return Ok(Some(process.name_or_comm()?.into_owned()));
        }
        let groups = if_available(process.file(File::Cgroup))?.map(Cgroups);
        Ok(match self {
            RankBy::Container => groups.and_then(Cgroups::container),
            _ => groups.and_then(Cgroups::unit).map(<[u8]>::to_vec),
        })
    }
}

impl Consumer {
    fn add(&mut self, member: &Member) {
        let Usage { private, swap, swap_share, pss, uss, .. } = member.usage;
        let pss = pss.unwrap_or(private);
        self.processes += 1;
        self.threads = self.threads.saturating_add(member.threads);
        self.pss = self.pss.saturating_add(pss);
        self.uss = self.uss.saturating_add(uss.unwrap_or(private));
        self.swap = self.swap.saturating_add(swap_share.unwrap_or(swap));
        self.peak = self.peak.saturating_add(pss.saturating_add(member.usage.growth()));
        self.approximate += usize::from(member.usage.pss.is_none());
    }
}

/// Ranks all processes but kernel threads. Errors: this procfs cannot be read.
pub fn ranking(proc: &Proc, by: RankBy, depth: Depth) -> Result<Ranking, Error> {
    let mut ranking = Ranking::default();
    let mut found: BTreeMap<Option<Vec<u8>>, Consumer> = BTreeMap::new();
    let mut scan = proc.scan(Files::new(&[File::Stat, File::Status]))?;
    while let Some(process) = scan.next()? {
        match process.lookup(read(process, by, depth))? {
            Lookup::Found(Some((name, member))) => {
                found.entry(name).or_default().add(&member);
            }
            Lookup::Found(None) | Lookup::Exited => {}
            Lookup::Unavailable(reason) => ranking.hidden.add(process.pid(), reason),
        }
    }
    let named = found.into_iter().map(|(name, consumer)| Consumer { name, ..consumer });
    ranking.consumers = named.collect();
    ranking.consumers.sort_by(|one, other| {
        let key = |consumer: &Consumer| Reverse(consumer.pss.saturating_add(consumer.swap));
        (key(one), &one.name).cmp(&(key(other), &other.name))
    });
    Ok(ranking)
}

/// Reads a process; `None` for a kernel thread and for what has ended and was not waited for.
fn read(
    process: &Process<'_>,
    by: RankBy,
    depth: Depth,
) -> ReadResult<Option<(Option<Vec<u8>>, Member)>> {
    if process.is_kernel_thread()? || process.stat()?.is_zombie() {
        return Ok(None);
    }
    let is_large = process.size("VmRSS")?.is_some_and(|rss| rss > LONGEST_WALK);
    let depth = if is_large { Depth::Cheap } else { depth };
    Ok(Some((by.name(process)?, Member::read(process, depth)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(usage: Usage) -> Member {
        let (name, arguments) = (b"x".to_vec(), Vec::new());
        Member { pid: 1, uid: 33, name, threads: 2, start_time: None, age: None, arguments, usage }
    }

    #[test]
    fn sums_count_what_is_known_and_mark_the_rest() {
        let exact = Usage {
            rss: 100,
            peak: 150,
            private: 30,
            pss: Some(50),
            uss: Some(40),
            swap: 9,
            swap_share: Some(5),
            ..Usage::default()
        };
        let counted = Usage { rss: 1000, peak: 1000, private: 700, swap: 3, ..Usage::default() };
        let mut consumer = Consumer::default();
        consumer.add(&member(exact));
        consumer.add(&member(counted));
        let expected = Consumer {
            name: None,
            processes: 2,
            threads: 4,
            pss: 750,
            uss: 740,
            swap: 8,
            peak: 791,
            approximate: 1,
        };
        assert_eq!(consumer, expected);
    }
}
