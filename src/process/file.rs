//! The table of the files below /proc/PID that are read: a new file is one more row of `files!`. The
//! cost of a property is a set of them.

use std::ops::BitOr;

/// The facts about a file: how it is read, and the meaning of its absence.
pub(super) struct FileFacts {
    /// Path below /proc/PID.
    pub name: &'static str,
    /// `true` for a symbolic link whose text is the answer.
    pub is_link: bool,
    /// Bytes of the first buffer: nearly every process fits, so that one read is enough.
    pub capacity: usize,
    /// The reason why a living process may lack the file.
    pub absent: &'static str,
    /// `true` if the kernel shows it for each thread and nothing for a thread that has exited: this
    /// holds for memory, directories and namespaces.
    pub is_of_threads: bool,
}

const NO_MEMORY: &str = "a kernel thread or a zombie has none";
const NO_AUDIT: &str = "this kernel keeps no audit information";
const NO_NAMESPACE: &str = "this kernel does not show it, or the process is a zombie";
const NO_ACCOUNT: &str = "this kernel keeps no such account";
const NO_LABEL: &str = "no security module labels it";
const NO_CHANNEL: &str = "this kernel does not show it";
const EVERY_KERNEL: &str = "the file is missing";

const fn text(name: &'static str, capacity: usize, absent: &'static str) -> FileFacts {
    FileFacts { name, is_link: false, capacity, absent, is_of_threads: false }
}

const fn memory(name: &'static str, capacity: usize, absent: &'static str) -> FileFacts {
    FileFacts { is_of_threads: true, ..text(name, capacity, absent) }
}

const fn link(name: &'static str, capacity: usize, absent: &'static str) -> FileFacts {
    FileFacts { is_link: true, is_of_threads: true, ..text(name, capacity, absent) }
}

/// Makes the enum [`File`] and the table of its facts from one list, so that no file can lack its
/// facts or have those of another one.
macro_rules! files {
    ($($file:ident = $facts:expr,)*) => {
        /// A file below /proc/PID.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum File {
            $($file,)*
        }

        /// The facts about each file, by its number.
        static FILES: [FileFacts; File::COUNT] = [$($facts,)*];

        impl File {
            /// Number of files.
            pub const COUNT: usize = [$(File::$file,)*].len();
        }
    };
}

// Cheapest first: a readlink takes 4 µs, comm 5, cmdline 7, stat 9, status 13.
files! {
    Exe = link("exe", 1024, NO_MEMORY),
    Comm = text("comm", 128, EVERY_KERNEL),
    Cmdline = memory("cmdline", 16 * 1024, EVERY_KERNEL),
    Stat = text("stat", 2048, EVERY_KERNEL),
    Status = text("status", 4096, EVERY_KERNEL),
    Environ = memory("environ", 64 * 1024, NO_MEMORY),
    Cwd = link("cwd", 1024, NO_MEMORY),
    Root = link("root", 1024, NO_MEMORY),
    Cgroup = text("cgroup", 4096, "this kernel has no control groups"),
    SmapsRollup = memory("smaps_rollup", 4096, NO_MEMORY),
    Limits = text("limits", 2048, EVERY_KERNEL),
    OomScore = text("oom_score", 64, EVERY_KERNEL),
    Loginuid = text("loginuid", 64, NO_AUDIT),
    Sessionid = text("sessionid", 64, NO_AUDIT),
    Label = text("attr/current", 256, NO_LABEL),
    Wchan = text("wchan", 64, NO_CHANNEL),
    Io = text("io", 512, NO_ACCOUNT),
    NsCgroup = link("ns/cgroup", 64, NO_NAMESPACE),
    NsIpc = link("ns/ipc", 64, NO_NAMESPACE),
    NsMnt = link("ns/mnt", 64, NO_NAMESPACE),
    NsNet = link("ns/net", 64, NO_NAMESPACE),
    NsPid = link("ns/pid", 64, NO_NAMESPACE),
    NsTime = link("ns/time", 64, NO_NAMESPACE),
    NsUser = link("ns/user", 64, NO_NAMESPACE),
    NsUts = link("ns/uts", 64, NO_NAMESPACE),
}

impl File {
    /// The namespaces of a process, in the order of namespaces(7).
    pub const NAMESPACES: [File; 8] = [
        File::NsCgroup,
        File::NsIpc,
        File::NsMnt,
        File::NsNet,
        File::NsPid,
        File::NsTime,
        File::NsUser,
        File::NsUts,
    ];

    /// The files that the kernel reads under a lock of the process, so that the process can hold up
    /// its readers (see [`super::reader`]); cheapest first. For `io` it is the lock of execve(2), under
    /// which the kernel closes descriptors (exec_update_lock); for the others that of the memory map.
    pub(super) const HELD_UP: [File; 4] =
        [File::Cmdline, File::Io, File::Environ, File::SmapsRollup];

    /// Returns the rank by cost, from 1: 0 is what costs nothing.
    pub fn rank(self) -> u8 {
        self as u8 + 1
    }

    /// Returns the name below /proc/PID.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns the reason why a living process may lack the file.
    pub(super) fn absent(self) -> &'static str {
        self.facts().absent
    }

    /// Returns the facts about the file.
    pub(super) fn facts(self) -> &'static FileFacts {
        &FILES[self as usize]
    }
}

/// A set of files, such as those that a question reads in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files(u32);

impl Files {
    /// The empty set: only the pid is needed.
    pub const NONE: Files = Files(0);

    /// Makes the set of these files.
    pub const fn new(files: &[File]) -> Files {
        let mut bits = 0;
        let mut at = 0;
        while at < files.len() {
            bits |= 1 << files[at] as u8;
            at += 1;
        }
        Files(bits)
    }

    /// Reports whether the set contains this file.
    pub fn contains(self, file: File) -> bool {
        self.0 & (1 << file as u8) != 0
    }

    /// Returns the ranks of the cheapest and of the most expensive file; 0 for the empty set.
    pub fn ranks(self) -> (u8, u8) {
        let mut ranks =
            (0..File::COUNT).filter(|at| self.0 & (1 << at) != 0).map(|at| at as u8 + 1);
        let cheapest = ranks.next().unwrap_or(0);
        (cheapest, ranks.next_back().unwrap_or(cheapest))
    }

    /// Returns the names of the files, cheapest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        FILES
            .iter()
            .enumerate()
            .filter(move |(at, _)| self.0 & (1 << at) != 0)
            .map(|(_, facts)| facts.name)
    }
}

impl BitOr for Files {
    type Output = Files;

    fn bitor(self, other: Files) -> Files {
        Files(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_own_row() {
        assert_eq!(File::Exe.name(), "exe");
        assert_eq!(File::Sessionid.name(), "sessionid");
        assert_eq!(File::NsUts.name(), "ns/uts");
    }

    #[test]
    fn a_set_names_its_files_cheapest_first() {
        let files = Files::new(&[File::Status]) | Files::new(&[File::Exe]);
        assert!(files.contains(File::Exe) && !files.contains(File::Stat));
        assert_eq!(files.names().collect::<Vec<_>>(), ["exe", "status"]);
    }
}
