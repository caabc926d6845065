//! The memory that processes of a kind could still take: the memory that the machine has left, and
//! the limits of control groups. `apache-mem` shows it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::cgroup::Cgroups;
use super::mount::{Mount, below};
use super::{File, Proc, Process, ReadError, ReadResult, Status, if_available, number};

/// The memory that is left, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headroom {
    /// The smallest of all limits.
    pub bytes: u64,
    /// Bytes that the machine could give without swapping (MemAvailable of /proc/meminfo, Linux
    /// 3.14).
    pub machine: u64,
    /// The control group that leaves less than the machine.
    pub group: Option<GroupLimit>,
    /// Sentences about control groups whose limit could not be read.
    pub unread: Vec<String>,
}

/// The memory limit of a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLimit {
    /// The path of the group, as in /proc/PID/cgroup.
    pub path: Vec<u8>,
    /// Bytes that its processes may use together.
    pub limit: u64,
    /// Bytes that are left of it. Its inactive file cache counts as free, because the kernel drops
    /// that first.
    pub left: u64,
}

/// A mounted hierarchy of control groups with a memory controller.
struct Hierarchy {
    files: &'static GroupFiles,
    /// The group that is mounted, and the place where it is.
    root: Vec<u8>,
    mount_point: Vec<u8>,
}

/// Names of the files of one version of control groups.
struct GroupFiles {
    limits: &'static [&'static str],
    usage: &'static str,
    inactive: &'static str,
}

/// Control groups v1 (memory.txt of the kernel's documentation).
static VERSION_1: GroupFiles = GroupFiles {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
};

/// Control groups v2. Above `high` processes are throttled, above `max` killed.
static VERSION_2: GroupFiles = GroupFiles {
    limits: &["memory.high", "memory.max"],
    usage: "memory.current",
    inactive: "inactive_file",
};

/// From this value on, v1 means "no limit": it writes the largest number of whole pages.
const UNLIMITED: u64 = 1 << 62;

impl Process<'_> {
    /// Returns the memory that processes like this one could still take.
    pub fn headroom(&self) -> ReadResult<Headroom> {
        let machine = self.proc().memory_available()?;
        let mut headroom = Headroom { bytes: machine, machine, group: None, unread: Vec::new() };
        let Some(text) = if_available(self.file(File::Cgroup))? else { return Ok(headroom) };
        let hierarchies = hierarchies().unwrap_or_else(|error| {
            headroom
                .unread
                .push(format!("the limits of control groups are not known: {MOUNTS}: {error}"));
            Vec::new()
        });
        if let Some(path) = unseen(Cgroups(text), &hierarchies, is_in_own_namespace()) {
            headroom.unread.push(format!(
                "the limit of control group {} is not known: it is not mounted here",
                String::from_utf8_lossy(path)
            ));
        }
        for hierarchy in hierarchies {
            let Some(path) = hierarchy.path_of(Cgroups(text)) else { continue };
            if path.starts_with(b"/..") {
                let path = String::from_utf8_lossy(path);
                headroom.unread.push(format!(
                    "the limit of control group {path} is not known: it is outside of ours"
                ));
                continue;
            }
            for group in above(path) {
                match hierarchy.limit(group) {
                    Ok(Some(limit)) if limit.left < headroom.bytes => {
                        headroom.bytes = limit.left;
                        headroom.group = Some(limit);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let group = String::from_utf8_lossy(group);
                        headroom.unread.push(format!(
                            "the limit of control group {group} could not be read: {error}"
                        ));
                    }
                }
            }
        }
        Ok(headroom)
    }
}

impl Proc {
    /// Returns the bytes that the machine could give without swapping.
    fn memory_available(&self) -> ReadResult<u64> {
        const NOT_SHOWN: ReadError = ReadError::absent("this procfs tells no MemAvailable");
        let text = self.whole_file("/meminfo")?;
        // The lines look like those of status. The parser of the crate procfs panics at characters
        // that no kernel writes.
        Status(&text).size("MemAvailable").ok_or(NOT_SHOWN)
    }
}

/// The mounts that we see, not those of the procfs that is read: the kernel shows paths of control
/// groups from where the reader is.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Returns the mounted hierarchies with a memory controller.
fn hierarchies() -> io::Result<Vec<Hierarchy>> {
    let mounts = fs::read(MOUNTS)?;
    Ok(mounts
        .split(|&byte| byte == b'\n')
        .filter_map(|line| Hierarchy::from_mount(Mount::parse(line)?))
        .collect())
}

/// Returns the group that may limit the memory of a process, where none of what is mounted has it.
/// The topmost group has no limit, but in a namespace of control groups any group is called `/`.
fn unseen<'c>(
    groups: Cgroups<'c>,
    hierarchies: &[Hierarchy],
    is_in_namespace: bool,
) -> Option<&'c [u8]> {
    let in_version_1 = groups.path_with(b"memory");
    // A process has its memory controller in one hierarchy, and may be in groups of the other.
    let files = if in_version_1.is_some() { &VERSION_1 } else { &VERSION_2 };
    let is_seen = hierarchies.iter().any(|hierarchy| {
        std::ptr::eq(hierarchy.files, files) && hierarchy.path_of(groups).is_some()
    });
    let path = in_version_1.or_else(|| groups.path_with(b""));
    path.filter(|path| !is_seen && (*path != b"/" || is_in_namespace))
}

/// The link to the first namespace of control groups of a machine (PROC_CGROUP_INIT_INO).
const FIRST_NAMESPACE: &str = "cgroup:[4026531835]";

/// Reports whether we see control groups from a namespace of our own. Before Linux 4.6 there is
/// none.
fn is_in_own_namespace() -> bool {
    fs::read_link("/proc/self/ns/cgroup").is_ok_and(|link| link != Path::new(FIRST_NAMESPACE))
}

impl Hierarchy {
    /// Makes the hierarchy of a mount; `None` for one without a memory controller.
    fn from_mount(mount: Mount<'_>) -> Option<Hierarchy> {
        let files = match mount.kind {
            b"cgroup2" => &VERSION_2,
            b"cgroup" if mount.has(b"memory") => &VERSION_1,
            _ => return None,
        };
        let Mount { root, point, .. } = mount;
        Some(Hierarchy { files, root, mount_point: point })
    }

    /// Returns the path of a process's group below the mounted group.
    fn path_of<'c>(&self, groups: Cgroups<'c>) -> Option<&'c [u8]> {
        let controller: &[u8] = if std::ptr::eq(self.files, &VERSION_2) { b"" } else { b"memory" };
        below(&self.root, groups.path_with(controller)?)
    }

    /// Returns the limit of one group, if it has one.
    fn limit(&self, path: &[u8]) -> io::Result<Option<GroupLimit>> {
        let directory =
            Path::new(OsStr::from_bytes(&self.mount_point)).join(OsStr::from_bytes(&path[1..]));
        // Every group has this file. Without it, something else covers the mount.
        if !directory.join("cgroup.procs").exists() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it cannot be seen here"));
        }
        let mut limit = None;
        for file in self.files.limits {
            let own = read(&directory.join(file))?.and_then(|text| number::parse(&text));
            limit = limit.into_iter().chain(own).min();
        }
        let Some(limit) = limit.filter(|&limit| limit < UNLIMITED) else { return Ok(None) };
        let usage = read(&directory.join(self.files.usage))?.and_then(|text| number::parse(&text));
        let statistics = read(&directory.join("memory.stat"))?.unwrap_or_default();
        let inactive = statistics.split(|&byte| byte == b'\n').find_map(|line| {
            number::parse(line.strip_prefix(self.files.inactive.as_bytes())?.strip_prefix(b" ")?)
        });
        let used = usage.unwrap_or(0).saturating_sub(inactive.unwrap_or(0));
        Ok(Some(GroupLimit { path: path.to_vec(), limit, left: limit.saturating_sub(used) }))
    }
}

/// Reads a file; `None` where it does not exist, as in the topmost group, which has no limits.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text.trim_ascii().to_vec())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a group and all groups above it, up to `/`.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(path.starts_with(b"/").then_some(path), |path| {
        match path.iter().rposition(|&byte| byte == b'/') {
            _ if *path == b"/" => None,
            Some(0) => Some(&b"/"[..]),
            slash => slash.map(|slash| &path[..slash]),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(files: &'static GroupFiles, root: &[u8], mount_point: &Path) -> Hierarchy {
        Hierarchy {
            files,
            root: root.to_vec(),
            mount_point: mount_point.as_os_str().as_bytes().to_vec(),
        }
    }

    #[test]
    fn hierarchies_that_know_about_memory() {
        let parse = |line: &'static [u8]| Hierarchy::from_mount(Mount::parse(line)?);
        let first =
            parse(b"51 47 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory")
                .unwrap();
        assert_eq!(
            (first.files.usage, &first.mount_point[..]),
            (VERSION_1.usage, &b"/sys/fs/cgroup/memory"[..])
        );
        let second =
            parse(b"30 24 0:26 /a\\040b /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw").unwrap();
        assert_eq!((second.files.usage, &second.root[..]), (VERSION_2.usage, &b"/a b"[..]));
        for other in [
            &b"48 47 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"[..],
            b"22 1 8:1 / / rw - ext4 /dev/sda rw",
            b"",
        ] {
            assert!(parse(other).is_none());
        }
    }

    #[test]
    fn where_a_process_is_in_what_is_mounted() {
        let groups = Cgroups(b"4:memory:/docker/abc/web\n0::/docker/abc/web\n");
        for (root, path) in [
            (&b"/"[..], Some(&b"/docker/abc/web"[..])),
            (b"/docker/abc", Some(b"/web")),
            (b"/docker/abc/web", Some(b"/")),
            (b"/docker/ab", None),
        ] {
            assert_eq!(hierarchy(&VERSION_1, root, Path::new("/x")).path_of(groups), path);
        }
        assert_eq!(
            hierarchy(&VERSION_2, b"/", Path::new("/x")).path_of(Cgroups(b"4:memory:/a\n")),
            None
        );
    }

    #[test]
    fn a_group_that_is_not_mounted_is_not_forgotten() {
        let groups = Cgroups(b"4:memory:/web\n0::/unified\n");
        assert_eq!(unseen(groups, &[], false), Some(&b"/web"[..]));
        let elsewhere = hierarchy(&VERSION_1, b"/other", Path::new("/x"));
        assert_eq!(unseen(groups, &[elsewhere], false), Some(&b"/web"[..]));
        assert_eq!(unseen(groups, &[hierarchy(&VERSION_1, b"/", Path::new("/x"))], true), None);
        // The other version has no memory controller there.
        let both = Cgroups(b"4:memory:/web\n0::/user\n");
        let other = hierarchy(&VERSION_2, b"/", Path::new("/x"));
        assert_eq!(unseen(both, &[other], false), Some(&b"/web"[..]));
        assert_eq!(unseen(Cgroups(b"0::/\n"), &[], false), None);
        assert_eq!(unseen(Cgroups(b"0::/\n"), &[], true), Some(&b"/"[..]));
        assert_eq!(unseen(Cgroups(b"0::/a.service\n"), &[], false), Some(&b"/a.service"[..]));
    }

    #[test]
    fn groups_from_the_inside_out() {
        assert_eq!(above(b"/a/b").collect::<Vec<_>>(), [&b"/a/b"[..], b"/a", b"/"]);
        assert_eq!(above(b"/").collect::<Vec<_>>(), [b"/"]);
    }

    #[test]
    fn limits_of_both_versions() {
        let directory = tempfile::tempdir().unwrap();
        let group = directory.path().join("web");
        fs::create_dir(&group).unwrap();
        let write = |name: &str, text: &str| fs::write(group.join(name), text).unwrap();
        let left = |files: &'static GroupFiles| {
            hierarchy(files, b"/", directory.path())
                .limit(b"/web")
                .unwrap()
                .map(|limit| (limit.limit, limit.left))
        };
        // Something else covers the mount.
        let covered = hierarchy(&VERSION_1, b"/", directory.path());
        assert!(covered.limit(b"/web").is_err() && covered.limit(b"/none").is_err());
        write("cgroup.procs", "");
        assert_eq!((left(&VERSION_1), left(&VERSION_2)), (None, None));
        write("memory.limit_in_bytes", "1000\n");
        write("memory.usage_in_bytes", "900\n");
        write("memory.stat", "inactive_file 100\ntotal_inactive_file 300\n");
        assert_eq!(left(&VERSION_1), Some((1000, 400)));
        write("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(left(&VERSION_1), None);
        write("memory.max", "max\n");
        write("memory.high", "max\n");
        assert_eq!(left(&VERSION_2), None);
        write("memory.current", "500\n");
        write("memory.max", "2000\n");
        assert_eq!(left(&VERSION_2), Some((2000, 1600)));
        write("memory.high", "400\n");
        assert_eq!(left(&VERSION_2), Some((400, 0)));
    }
}
