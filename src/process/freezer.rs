//! Frozen control groups: their processes run no more until they are thawed, and those of version 1
//! do not even end (cgroups(7)).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::cgroup::Cgroups;
use super::mount::{Mount, below};
use crate::small_file;

/// The mounts that we see: the kernel shows paths of control groups from where the reader is.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Most bytes of a file of a control group that are read. It has a few words.
const LONGEST: u64 = 4096;

/// The mounted hierarchies of control groups that can be frozen.
#[derive(Debug, Default)]
pub struct Freezers {
    mounts: Vec<u8>,
}

impl Freezers {
    /// Reads the mounts. Where they cannot be read, nothing seems to be frozen.
    pub fn find() -> Freezers {
        Freezers { mounts: fs::read(MOUNTS).unwrap_or_default() }
    }

    /// Reports whether a group of these, or one above it, is frozen. A signal that ends a process without
    /// its doing ends even frozen ones in groups of version 2: with `is_deadly`, these do not count.
    pub fn hold(&self, groups: Cgroups<'_>, is_deadly: bool) -> bool {
        let is_version_2 = |mount: &Mount<'_>| mount.kind == b"cgroup2";
        let is_version_1 = |mount: &Mount<'_>| mount.kind == b"cgroup" && mount.has(b"freezer");
        !is_deadly && self.is_frozen(groups.path_with(b""), "cgroup.events", is_version_2)
            || self.is_frozen(groups.path_with(b"freezer"), "freezer.state", is_version_1)
    }

    /// Reports whether this file of the group, in the hierarchy of the mount, says that it is frozen.
    fn is_frozen(
        &self,
        group: Option<&[u8]>,
        file: &str,
        is_hierarchy: impl Fn(&Mount<'_>) -> bool,
    ) -> bool {
        // A group outside of our own namespace of control groups begins so, and is not mounted here.
        let Some(group) = group.filter(|group| !group.starts_with(b"/..")) else { return false };
        let mut mounts = self.mounts.split(|&byte| byte == b'\n').filter_map(Mount::parse);
        let Some(mount) = mounts.find(is_hierarchy) else { return false };
        let Some(group) = below(&mount.root, group) else { return false };
        let group = OsStr::from_bytes(group.strip_prefix(b"/").unwrap_or(group));
        let path = Path::new(OsStr::from_bytes(&mount.point)).join(group).join(file);
        small_file::read(&path, LONGEST).ok().flatten().is_some_and(|text| says_frozen(&text))
    }
}

/// Reports whether the text of cgroup.events (version 2) or of freezer.state (version 1) says so.
fn says_frozen(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n')
        .any(|line| [&b"frozen 1"[..], b"FROZEN", b"FREEZING"].contains(&line))
}

#[cfg(test)]
mod tests {
    use super::says_frozen;

    #[test]
    fn both_versions_say_it() {
        assert!(says_frozen(b"populated 1\nfrozen 1\n") && says_frozen(b"FROZEN\n"));
        assert!(says_frozen(b"FREEZING\n"));
        assert!(!says_frozen(b"populated 1\nfrozen 0\n") && !says_frozen(b"THAWED\n"));
    }
}
