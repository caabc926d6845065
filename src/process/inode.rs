//! The facts by which the kernel tells files apart. A file system is asked for none of them
//! (AT_STATX_DONT_SYNC), because it may not answer.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, StatxFlags, statx};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

/// AT_STATX_DONT_SYNC (include/uapi/linux/fcntl.h). rustix has no name for it where it calls the
/// kernel through musl, as on ppc64le and s390x.
pub(super) const DONT_SYNC: AtFlags = AtFlags::from_bits_retain(0x4000);

/// The number of a device: major and minor.
pub type Device = (u32, u32);

/// An inode: its device, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Where it is: its file system or, with btrfs, its subvolume.
    pub device: Device,
    pub number: u64,
}

/// The facts about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    pub inode: Inode,
    pub kind: FileType,
    /// The device that it stands for, if it is the file of one.
    pub device: Device,
    /// The mount through which it was opened; `None` before Linux 5.8.
    pub mount: Option<u64>,
}

impl FileIdentity {
    /// Reads the facts about a file that the kernel remembers. A link is followed. `flags` may be
    /// those of an empty path.
    pub fn read(dir: BorrowedFd<'_>, path: impl Arg + Copy, flags: AtFlags) -> Result<Self, Errno> {
        // The kernel always gives these facts. With no more asked for, FUSE gives the device even
        // where it refuses the rest to the superuser (fuse_update_attributes in fs/fuse/dir.c).
        let flags = flags | DONT_SYNC | AtFlags::NO_AUTOMOUNT;
        let found = retry_on_intr(|| statx(dir, path, flags, StatxFlags::empty()))?;
        let has_mount = found.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Ok(FileIdentity {
            inode: Inode {
                device: (found.stx_dev_major, found.stx_dev_minor),
                number: found.stx_ino,
            },
            kind: FileType::from_raw_mode(found.stx_mode.into()),
            device: (found.stx_rdev_major, found.stx_rdev_minor),
            mount: has_mount.then_some(found.stx_mnt_id),
        })
    }

    /// Returns it as text, for [`FileIdentity::from_text`].
    pub(super) fn to_text(self) -> String {
        let Inode { device: (major, minor), number } = self.inode;
        let (own_major, own_minor) = self.device;
        let mode = self.kind.as_raw_mode();
        let mount = self.mount.map_or_else(String::new, |mount| mount.to_string());
        format!("{major} {minor} {number} {mode} {own_major} {own_minor} {mount}")
    }

    /// Returns what [`FileIdentity::to_text`] made text of.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [major, minor, number, mode, own_major, own_minor, mount] = words[..] else {
            return None;
        };
        let device = |major: &str, minor: &str| Some((major.parse().ok()?, minor.parse().ok()?));
        Some(FileIdentity {
            inode: Inode { device: device(major, minor)?, number: number.parse().ok()? },
            kind: FileType::from_raw_mode(mode.parse().ok()?),
            device: device(own_major, own_minor)?,
            mount: mount.parse().ok(),
        })
    }

    /// Reports whether it is the file of a device.
    pub fn is_device(&self) -> bool {
        matches!(self.kind, FileType::BlockDevice | FileType::CharacterDevice)
    }

    /// Reports whether both are one file, or files of one device.
    pub fn is_same(&self, other: &FileIdentity) -> bool {
        self.inode == other.inode
            || self.is_device() && self.kind == other.kind && self.device == other.device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_all_facts() {
        for (kind, mount) in [(FileType::RegularFile, Some(27)), (FileType::Fifo, None)] {
            let inode = Inode { device: (254, 0), number: u64::MAX };
            let file = FileIdentity { inode, kind, device: (1, 3), mount };
            assert_eq!(FileIdentity::from_text(&file.to_text()), Some(file));
        }
        assert_eq!(FileIdentity::from_text("1 2 3"), None);
    }

    #[test]
    fn files_of_one_device_are_one() {
        let device = |number, minor| FileIdentity {
            inode: Inode { device: (0, 5), number },
            kind: FileType::CharacterDevice,
            device: (1, minor),
            mount: None,
        };
        assert!(device(1, 3).is_same(&device(2, 3)));
        assert!(!device(1, 3).is_same(&device(2, 5)));
        let file = |number| FileIdentity { kind: FileType::RegularFile, ..device(number, 3) };
        assert!(file(1).is_same(&file(1)) && !file(1).is_same(&file(2)));
    }
}
