//! One process of a pool, and the memory that it takes.

use crate::process::{File, Pid, Process, ReadError, ReadResult, Unavailable, if_available};

/// Most bytes of arguments that are kept of a process: a user may run thousands of processes with
/// megabytes of them.
const NAMING: usize = 4096;

/// How exactly memory is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The kernel walks all pages of a process, which has to wait meanwhile: about 13 ms per GiB.
    Exact,
    /// Only counters of the kernel are read: they do not tell which pages are shared.
    Cheap,
}

/// A process, as it was when it was read.
#[derive(Clone, Debug)]
pub struct Member {
    pub pid: Pid,
    /// Its effective user id.
    pub uid: u32,
    /// Its comm.
    pub name: Vec<u8>,
    pub threads: u64,
    /// Seconds from the epoch to its start, where this procfs tells.
    pub start_time: Option<f64>,
    /// Seconds since its start, where this procfs tells.
    pub age: Option<f64>,
    /// Its arguments, each ended by a zero byte, as far as its name may need them.
    pub arguments: Vec<u8>,
    pub usage: Usage,
}

/// Memory in bytes; `None` where it is unavailable or was not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All its pages in memory. Pages that it shares with others count in full.
    pub rss: u64,
    /// Its own pages, and its share of the shared ones.
    pub pss: Option<u64>,
    /// Its own pages.
    pub uss: Option<u64>,
    /// Its pages that belong to no file (RssAnon, Linux 4.5): own pages and, after a fork, shared
    /// ones.
    pub private: u64,
    /// Of its own pages, those that are huge and come from a pool of their own.
    pub huge: u64,
    /// The largest number of bytes that `rss` ever was (VmHWM).
    pub peak: u64,
    /// Pages in swap.
    pub swap: u64,
    /// Its own pages in swap, and its share of the shared ones.
    pub swap_share: Option<u64>,
    /// The page tables in which the kernel keeps the places of its pages.
    pub page_tables: u64,
}

/// One measure of the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Rss,
    Pss,
    Uss,
    Swap,
}

impl Measure {
    /// All measures.
    pub const ALL: [Measure; 4] = [Measure::Rss, Measure::Pss, Measure::Uss, Measure::Swap];

    /// Returns its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Rss => "rss",
            Measure::Pss => "pss",
            Measure::Uss => "uss",
            Measure::Swap => "swap",
        }
    }
}

impl Usage {
    /// Returns a measure in bytes.
    pub fn get(&self, measure: Measure) -> Option<u64> {
        match measure {
            Measure::Rss => Some(self.rss),
            Measure::Pss => self.pss,
            Measure::Uss => self.uss,
            Measure::Swap => Some(self.swap),
        }
    }

    /// Returns the part of a measure that can be added up without counting a page twice.
    pub fn part(&self, measure: Measure) -> Option<u64> {
        match measure {
            Measure::Rss => None,
            Measure::Pss => self.pss,
            Measure::Uss => self.uss,
            Measure::Swap if self.swap == 0 => Some(0),
            Measure::Swap => self.swap_share,
        }
    }

    /// Returns what another process like it takes: its own pages and page tables, without the huge
    /// ones. Pages that are shared exist already.
    pub fn own(&self) -> u64 {
        let uss = self.uss.map_or(self.rss, |uss| uss.saturating_sub(self.huge));
        uss.saturating_add(self.besides())
    }

    /// Returns the bytes by which it was larger at its peak than it is now. What is in swap now was
    /// in memory then.
    pub fn growth(&self) -> u64 {
        self.peak.saturating_sub(self.rss.saturating_add(self.swap))
    }

    /// Returns its share of swap, and its page tables.
    pub fn besides(&self) -> u64 {
        self.swap_share.unwrap_or(self.swap).saturating_add(self.page_tables)
    }

    fn read(process: &Process<'_>, depth: Depth) -> ReadResult<Usage> {
        let size = |name| process.size(name)?.ok_or(ReadError::Exited);
        // An exiting process has given its memory back already.
        let (rss, swap, page_tables) = (size("VmRSS")?, size("VmSwap")?, size("VmPTE")?);
        let peak = size("VmHWM")?;
        let private = process.size("RssAnon")?.unwrap_or(rss);
        let counted = Usage { rss, peak, private, swap, page_tables, ..Usage::default() };
        if depth == Depth::Cheap {
            return Ok(counted);
        }
        match process.memory() {
            Ok(memory) => Ok(Usage {
                rss: memory.resident,
                pss: Some(memory.proportional),
                uss: Some(memory.unique),
                huge: memory.huge,
                // The kernel updates VmHWM only when memory shrinks.
                peak: peak.max(memory.resident),
                private,
                swap: memory.swap,
                swap_share: Some(memory.swap_share),
                page_tables,
            }),
            // The file is missing before Linux 4.14, and where the kernel was built without it.
            // Otherwise a process without it has given its memory back.
            Err(ReadError::Unavailable(Unavailable::Absent(_)))
                if process.has_file(File::SmapsRollup) =>
            {
                Err(ReadError::Exited)
            }
            Err(unread) if unread.is_unavailable() => Ok(counted),
            Err(unread) => Err(unread),
        }
    }
}

impl Member {
    /// Reads a pinned process.
    pub fn read(process: &Process<'_>, depth: Depth) -> ReadResult<Member> {
        let stat = process.stat()?;
        if stat.is_zombie() {
            return Err(ReadError::Exited);
        }
        let arguments = if_available(process.cmdline())?.unwrap_or_default();
        Ok(Member {
            pid: process.pid(),
            uid: process.user_ids()?[1],
            name: process.name_or_comm()?.into_owned(),
            threads: stat.threads,
            start_time: if_available(process.start_time())?,
            age: if_available(process.runtime())?,
            arguments: arguments[..arguments.len().min(NAMING)].to_vec(),
            usage: Usage::read(process, depth)?,
        })
    }
}
