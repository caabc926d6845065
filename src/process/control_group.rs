//! Control groups as directories, with the processes in them. [`super::cgroup`] parses their paths.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::cgroup::Cgroups;
use super::mount::{Mount, below};
use super::{Pid, number};

/// The mounts that we see: the kernel shows paths of control groups from where the reader is.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The hierarchies by which a service manager or the kernel ends and freezes all processes of a
/// service at once, where each has its own mount (version 1).
const OF_SERVICES: [&[u8]; 3] = [b"name=systemd", b"memory", b"freezer"];

/// The place of the first process below the topmost group, where systemd runs.
const INIT: &str = "init.scope";

/// Moves our process out of its control groups, into the topmost ones that are mounted here. What
/// ends its service then spares it. Errors: the mounts cannot be read. A group that we may not
/// enter is no error, because then the process stays where it is.
pub fn leave_control_groups() -> io::Result<()> {
    let mounts = fs::read(MOUNTS)?;
    let is_of_services = |mount: &Mount<'_>| {
        mount.kind == b"cgroup2"
            || mount.kind == b"cgroup" && OF_SERVICES.iter().any(|option| mount.has(option))
    };
    let mounts = mounts.split(|&byte| byte == b'\n').filter_map(Mount::parse);
    for mount in mounts.filter(is_of_services) {
        let top = Path::new(OsStr::from_bytes(&mount.point));
        // Only the real root may have processes beside groups (cgroups(7)).
        for group in [top.to_owned(), top.join(INIT)] {
            if fs::write(group.join("cgroup.procs"), b"0").is_ok() {
                break;
            }
        }
    }
    Ok(())
}

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlGroup {
    /// Its path, as in /proc/PID/cgroup.
    pub path: Vec<u8>,
    directory: PathBuf,
    /// The inode of its directory: a later group of this path has another one.
    inode: u64,
}

impl ControlGroup {
    /// Returns the group that decides where a process belongs; `None` where no such hierarchy is
    /// mounted.
    pub fn innermost(groups: Cgroups<'_>) -> io::Result<Option<ControlGroup>> {
        let Some(path) = groups.path() else { return Ok(None) };
        let mounts = fs::read(MOUNTS)?;
        let mut mounts = mounts.split(|&byte| byte == b'\n').filter_map(Mount::parse);
        let is_version_1 = groups.path_with(b"name=systemd").is_some();
        let Some(mount) = mounts.find(|mount| {
            if is_version_1 {
                mount.kind == b"cgroup" && mount.has(b"name=systemd")
            } else {
                mount.kind == b"cgroup2"
            }
        }) else {
            return Ok(None);
        };
        let Some(path_below) = below(&mount.root, path) else { return Ok(None) };
        let path_below = OsStr::from_bytes(path_below.strip_prefix(b"/").unwrap_or(path_below));
        let directory = Path::new(OsStr::from_bytes(&mount.point)).join(path_below);
        let inode = fs::metadata(&directory)?.ino();
        Ok(Some(ControlGroup { path: path.to_vec(), directory, inode }))
    }

    /// Returns the processes in it now. A process outside of our pid namespace counts as 0. Errors:
    /// `NotFound` if the group does not exist any more.
    pub fn processes(&self) -> io::Result<Vec<Pid>> {
        let text = fs::read(self.directory.join("cgroup.procs"))?;
        if fs::metadata(&self.directory)?.ino() != self.inode {
            return Err(io::ErrorKind::NotFound.into());
        }
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| number::parse(line)?.try_into().ok()).collect())
    }
}
