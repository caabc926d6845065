//! Lines of /proc/PID/mountinfo (proc_pid_mountinfo(5)), from which control groups and file systems
//! are found.

use super::inode::Device;
use super::number;
use crate::escape::unescaped;

/// A line about one mount.
pub(super) struct Mount<'m> {
    /// Its number, which no other mount of the machine has while it lasts.
    pub id: u64,
    /// The device of the file system.
    pub device: Device,
    /// The directory of the file system that is mounted.
    pub root: Vec<u8>,
    /// The place where it is mounted.
    pub point: Vec<u8>,
    /// The kind of file system, such as `cgroup2`.
    pub kind: &'m [u8],
    /// What is mounted, such as a device.
    pub source: Vec<u8>,
    /// The options of the file system.
    options: &'m [u8],
}

impl<'m> Mount<'m> {
    /// Parses a line such as `51 47 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup
    /// rw,memory`.
    pub fn parse(line: &'m [u8]) -> Option<Mount<'m>> {
        let mut fields = line.split(|&byte| byte == b' ');
        let id = number::parse(fields.next()?)?;
        let device = device(fields.nth(1)?)?;
        let root = path(fields.next()?);
        let point = path(fields.next()?);
        let mut fields = fields.skip_while(|&field| field != b"-").skip(1);
        let (kind, source, options) = (fields.next()?, path(fields.next()?), fields.next()?);
        Some(Mount { id, device, root, point, kind, source, options })
    }

    /// Reports whether it has this option.
    pub fn has(&self, option: &[u8]) -> bool {
        self.options.split(|&byte| byte == b',').any(|found| found == option)
    }
}

/// Returns the place of a path below the mounted directory `root`.
pub(super) fn below<'p>(root: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    match path.strip_prefix(root) {
        _ if root == b"/" => Some(path),
        Some(b"") => Some(b"/"),
        Some(rest) if rest.starts_with(b"/") => Some(rest),
        _ => None,
    }
}

/// Parses `254:0`.
fn device(text: &[u8]) -> Option<Device> {
    let (major, rest) = number::leading(text)?;
    let minor = number::parse(rest.strip_prefix(b":")?)?;
    Some((major.try_into().ok()?, minor.try_into().ok()?))
}

/// Restores blanks, tabs, newlines and backslashes, which are written as three octal digits.
fn path(text: &[u8]) -> Vec<u8> {
    unescaped(text, b'\\', 3, 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Mount, below};

    #[test]
    fn a_line_and_the_paths_below_it() {
        let line =
            b"30 24 0:26 /docker/abc /sys/fs/c\\040group rw shared:4 - cgroup cgroup rw,cpu,memory";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(
            (&mount.root[..], &mount.point[..], mount.kind),
            (&b"/docker/abc"[..], &b"/sys/fs/c group"[..], &b"cgroup"[..])
        );
        assert!(mount.has(b"memory") && !mount.has(b"mem"));
        assert_eq!((mount.id, mount.device, &mount.source[..]), (30, (0, 26), &b"cgroup"[..]));
        for (path, expected) in [
            (&b"/docker/abc/web"[..], Some(&b"/web"[..])),
            (b"/docker/abc", Some(b"/")),
            (b"/docker/abcd", None),
            (b"/other", None),
        ] {
            assert_eq!(below(&mount.root, path), expected);
        }
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Mount::parse(&line).map(|mount| below(&mount.root, &line).is_some());
        }
    }

    #[test]
    fn any_change_is_survived() {
        let line =
            b"36 35 98:0 /mnt1 /mnt2\\040x rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        crate::fuzz::survives(
            &[line, b"1 2 0:5 / / rw - proc proc rw,hidepid=invisible"],
            |line| {
                if let Some(mount) = Mount::parse(line) {
                    let _ = mount.has(b"hidepid=invisible");
                }
                let _ = (super::path(line), below(line, b"/mnt"));
            },
        );
    }
}
