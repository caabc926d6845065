//! Paths below a procfs, built without a heap.

use std::ffi::CStr;

use super::Pid;

/// The path "PID/file" or, below a pinned directory, "file", with its zero byte.
#[derive(Clone, Copy)]
pub(super) struct Path {
    bytes: [u8; 64],
    end: usize,
}

impl Path {
    /// Makes the path of a file of this process; an empty name gives its directory.
    pub fn new(pid: Pid, file: &str) -> Path {
        Path::EMPTY.number(pid).text("/").text(file)
    }

    /// Makes the path of a file below a pinned directory.
    pub fn below(file: &str) -> Path {
        Path::EMPTY.text(file)
    }

    /// Turns the path into that of one thread of the process.
    pub fn of_thread(self, thread: Pid, file: &str) -> Path {
        self.text("task/").number(thread).text("/").text(file)
    }

    /// Returns the path for a system call.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    const EMPTY: Path = Path { bytes: [0; 64], end: 0 };

    fn number(mut self, number: u32) -> Path {
        let digits = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = number;
        for byte in self.bytes[self.end..self.end + digits].iter_mut().rev() {
            *byte = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.end += digits;
        self
    }

    fn text(mut self, text: &str) -> Path {
        self.bytes[self.end..self.end + text.len()].copy_from_slice(text.as_bytes());
        self.end += text.len();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_processes_and_of_their_threads() {
        assert_eq!(Path::new(4_294_967_295, "smaps_rollup").as_c_str(), c"4294967295/smaps_rollup");
        assert_eq!(Path::new(7, "").as_c_str(), c"7/");
        assert_eq!(Path::below("ns/cgroup").as_c_str(), c"ns/cgroup");
        let longest = Path::new(4_294_967_295, "").of_thread(4_294_967_295, "smaps_rollup");
        assert_eq!(longest.as_c_str(), c"4294967295/task/4294967295/smaps_rollup");
    }
}
