//! The memory that a process takes.

use procfs::FromRead;

use super::Process;
use super::error::{ReadError, ReadResult};
use super::file::File;
use super::status::Status;

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All its pages (RSS), counted at this moment. The number in stat is updated in batches.
    pub resident: u64,
    /// Its own pages and its share of the shared ones (PSS), with its own huge pages, which the kernel
    /// leaves out.
    pub proportional: u64,
    /// Its own pages in files of hugetlbfs. They come from a pool of their own, and not from what
    /// the machine has available (hugetlbpage.rst).
    pub huge: u64,
    /// Memory that would become free if it exited (USS).
    pub unique: u64,
    /// Its pages in swap.
    pub swap: u64,
    /// Its own pages in swap, and its share of the shared ones.
    pub swap_share: u64,
}

impl Process<'_> {
    /// Returns a size from status in bytes, such as `VmSwap`; `None` where this process has no such
    /// line.
    pub fn size(&self, name: &str) -> ReadResult<Option<u64>> {
        match self.directory.other_thread()? {
            None => Ok(self.status()?.size(name)),
            Some(thread) => Ok(Status(&self.directory.thread_status(thread)?).size(name)),
        }
    }

    /// Returns the resident memory in bytes. The counters of the kernel lag behind, by up to 64
    /// pages per thread before Linux 6.2 and by those of each CPU since then (proc_pid_stat(5)).
    /// Where the exact sum is read too, it is used, so that no part of it is larger.
    pub fn resident(&self) -> ReadResult<u64> {
        let counted = self.stat()?.rss_pages.saturating_mul(self.proc().page_size());
        if !self.has(File::SmapsRollup) {
            return Ok(counted);
        }
        Ok(self.memory().map_or(counted, |memory| memory.resident))
    }

    /// Returns the parts of its memory. The kernel walks all its pages for the answer.
    pub fn memory(&self) -> ReadResult<Memory> {
        let text = self.file(File::SmapsRollup)?;
        let broken = ReadError::malformed("smaps_rollup");
        let rollup = procfs::process::SmapsRollup::from_read(text).map_err(|_| broken)?;
        let map = rollup.memory_map_rollup.0.first().ok_or(broken)?;
        let sum =
            |names: &[&str]| names.iter().filter_map(|&name| map.extension.map.get(name)).sum();
        let huge = sum(&["Private_Hugetlb"]);
        let proportional: u64 = sum(&["Pss"]);
        Ok(Memory {
            resident: sum(&["Rss"]),
            proportional: proportional.saturating_add(huge),
            huge,
            unique: sum(&["Private_Clean", "Private_Dirty", "Private_Hugetlb"]),
            swap: sum(&["Swap"]),
            swap_share: sum(&["SwapPss"]),
        })
    }
}
