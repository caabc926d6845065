//! What processes are sought by: a file that they hold, or a file system that they use.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, open, readlinkat};
use rustix::io::{Errno, retry_on_intr};

use super::bound_socket::bound_to;
use super::inode::{Device, FileIdentity, Inode};
use super::mapping::Mapping;
use super::mount::Mount;
use super::program::DELETED;

/// The beginning of the link to a socket.
const SOCKET: &[u8] = b"socket:[";

/// Our own mounts.
const MOUNTS: &str = "/proc/self/mountinfo";

/// A file or a file system that processes are sought by.
#[derive(Debug)]
pub enum Sought {
    File(SoughtFile),
    FileSystem(FileSystem),
}

/// A file, whatever it is called where a process sees it.
#[derive(Debug)]
pub struct SoughtFile {
    /// `None` if it does not exist: a process may still hold a removed file of this name.
    identity: Option<FileIdentity>,
    /// Its absolute path without symbolic links.
    name: Vec<u8>,
    /// The text that the kernel has for a removed file of that name.
    removed_name: Vec<u8>,
    /// The file that really has `removed_name` as its name.
    namesake: Option<Inode>,
    /// The numbers of the sockets that are bound to it.
    sockets: Vec<u64>,
    /// Our mount namespace, as a link names it.
    mounts: Vec<u8>,
}

/// A mounted file system.
#[derive(Debug)]
pub struct FileSystem {
    /// Its devices: that of its superblock and, where they differ, that which stat(2) tells of the
    /// path (btrfs, overlayfs).
    devices: Vec<Device>,
    /// The numbers of its mounts in our mount namespace.
    mounts: Vec<u64>,
}

/// An error about the path that a user named.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PathError {
    #[error("its file system does not answer")]
    NoAnswer,
    #[error("there is no such file or directory")]
    Missing,
    #[error("the device is not mounted")]
    NotMounted,
    #[error("{0}")]
    Failed(String),
}

/// What a link of a process leads to.
pub(super) struct Found<'f> {
    /// The text of the link; `None` if it is longer than the kernel can tell.
    pub text: Option<&'f [u8]>,
    pub file: FileIdentity,
}

/// A path after it was resolved.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub file: FileIdentity,
    /// The absolute path without symbolic links.
    pub name: Vec<u8>,
}

impl Resolved {
    /// Resolves a path as any program would. This can wait without limit for a file system, and
    /// belongs into a process of its own.
    pub fn of(path: &OsStr) -> Result<Resolved, Errno> {
        // The file itself is not opened.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = retry_on_intr(|| open(path, flags, Mode::empty()))?;
        let name = link_text(&format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        Ok(Resolved { file: FileIdentity::read(file.as_fd(), "", AtFlags::EMPTY_PATH)?, name })
    }

    /// Returns it as bytes, for [`Resolved::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.file.to_text().as_bytes(), b"\n", &self.name].concat()
    }

    /// Returns what [`Resolved::to_bytes`] made bytes of.
    pub fn from_bytes(bytes: &[u8]) -> Option<Resolved> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let file = FileIdentity::from_text(std::str::from_utf8(&bytes[..end]).ok()?)?;
        Some(Resolved { file, name: bytes[end + 1..].to_vec() })
    }
}

impl SoughtFile {
    /// Makes what a file is sought by. `identity` is `None` if it does not exist; `namesake` is a
    /// file that really has the name by which the kernel names a removed one.
    pub fn new(name: Vec<u8>, identity: Option<FileIdentity>, namesake: Option<Resolved>) -> Self {
        SoughtFile {
            identity,
            removed_name: SoughtFile::removed(&name),
            name,
            namesake: namesake.map(|namesake| namesake.file.inode),
            sockets: Vec::new(),
            mounts: link_text("/proc/self/ns/mnt").unwrap_or_default(),
        }
    }

    /// Makes what a file is sought by that exists. If it is the file of a unix socket, the sockets
    /// that are bound to it in our network namespace count. Errors: they cannot be listed.
    pub fn existing(found: Resolved, namesake: Option<Resolved>) -> Result<Self, PathError> {
        let Inode { device, number } = found.file.inode;
        let mut sockets = Vec::new();
        if found.file.kind == FileType::Socket {
            // With btrfs, the kernel knows the socket by the device of the superblock.
            let system = FileSystem::find(&found.name, Ok(found.clone()))?;
            let devices = [&system.devices[..], &[device]].concat();
            sockets = bound_to(&devices, number).map_err(|errno| {
                PathError::Failed(format!("the sockets of the machine cannot be listed: {errno}"))
            })?;
        }
        let Resolved { file, name } = found;
        Ok(SoughtFile { sockets, ..SoughtFile::new(name, Some(file), namesake) })
    }

    /// Returns the name that the kernel gives to a removed file.
    pub fn removed(name: &[u8]) -> Vec<u8> {
        [name, DELETED].concat()
    }
}

impl FileSystem {
    /// Finds the file system that an absolute path is on or, if it is the file of a device, the one
    /// that is mounted from it. If it is a mount point, it need not have been resolved.
    pub fn find(path: &[u8], resolved: Result<Resolved, PathError>) -> Result<Self, PathError> {
        let text = std::fs::read(MOUNTS).map_err(|error| PathError::Failed(error.to_string()))?;
        let mounts: Vec<Mount<'_>> =
            text.split(|&byte| byte == b'\n').filter_map(Mount::parse).collect();
        // The last one covers the others.
        let point = mounts.iter().rfind(|mount| mount.point == path);
        let mut devices = Vec::new();
        let mount = match (point, resolved) {
            (point, Ok(found)) if found.file.kind != FileType::BlockDevice => {
                devices.push(found.file.inode.device);
                let is_mount = |mount: &&Mount<'_>| match found.file.mount {
                    Some(id) => mount.id == id,
                    None => mount.device == found.file.inode.device,
                };
                mounts.iter().find(is_mount).or(point)
            }
            (_, Ok(found)) => {
                let is_mount = |mount: &&Mount<'_>| {
                    mount.device == found.file.device || mount.source == found.name
                };
                Some(mounts.iter().find(is_mount).ok_or(PathError::NotMounted)?)
            }
            (Some(point), Err(_)) => Some(point),
            (None, Err(error)) => return Err(error),
        };
        devices.extend(mount.map(|mount| mount.device));
        let is_same = |other: &&Mount<'_>| mount.is_some_and(|mount| other.device == mount.device);
        let mounts = mounts.iter().filter(is_same).map(|mount| mount.id).collect();
        Ok(FileSystem { devices, mounts })
    }
}

impl Sought {
    /// Reports whether it exists. If not, a removed file of its name may still be held.
    pub fn exists(&self) -> bool {
        match self {
            Sought::File(file) => file.identity.is_some(),
            Sought::FileSystem(_) => true,
        }
    }

    /// Reports whether a process can have it mapped to its memory.
    pub(super) fn can_be_mapped(&self) -> bool {
        match self {
            Sought::FileSystem(_) => true,
            Sought::File(file) => file.identity.is_none_or(|identity| {
                identity.kind == FileType::RegularFile || identity.is_device()
            }),
        }
    }

    /// Reports whether a link of this text can lead to it. Descriptors without a file are passed
    /// over without a further look.
    pub(super) fn may_be_at(&self, text: &[u8]) -> bool {
        let is_of_kind = |kind| match self {
            Sought::File(file) => file.identity.is_some_and(|identity| identity.kind == kind),
            Sought::FileSystem(_) => false,
        };
        if text.starts_with(b"/") {
            true
        } else if text.starts_with(SOCKET) {
            is_of_kind(FileType::Socket)
        } else if text.starts_with(b"pipe:[") {
            is_of_kind(FileType::Fifo)
        } else {
            !text.starts_with(b"anon_inode:")
        }
    }

    /// Reports whether a link leads to it.
    pub(super) fn is_at(&self, found: &Found<'_>) -> bool {
        match self {
            Sought::FileSystem(system) => {
                system.devices.contains(&found.file.inode.device)
                    || found.file.mount.is_some_and(|id| system.mounts.contains(&id))
            }
            Sought::File(file) => {
                file.identity.is_some_and(|own| own.is_same(&found.file))
                    || found.file.kind == FileType::Socket
                        && file.sockets.contains(&found.file.inode.number)
                        && found.text.is_some_and(|text| text.starts_with(SOCKET))
                    || found.text == Some(&file.removed_name[..])
                        && file.namesake != Some(found.file.inode)
            }
        }
    }

    /// Reports whether a mapping is of it. `opened` is the file behind the mapping, where that may
    /// be looked at, and `mounts` the mount namespace of the process.
    ///
    /// The numbers in the line are those of the superblock: with btrfs the device is another one
    /// than that of stat(2), and with overlayfs, before Linux 6.7, the whole inode. There, the path
    /// decides in our own mount namespace.
    pub(super) fn is_mapped(
        &self,
        mapping: &Mapping<'_>,
        opened: impl FnOnce() -> Option<FileIdentity>,
        mounts: impl FnOnce() -> Option<Vec<u8>>,
    ) -> bool {
        let file = match self {
            Sought::FileSystem(system) => return system.devices.contains(&mapping.inode.device),
            Sought::File(file) => file,
        };
        let path = mapping.path();
        if *path == *file.removed_name && file.namesake != Some(mapping.inode) {
            return true;
        }
        let Some(own) = file.identity else { return false };
        let has_name = *path == *file.name;
        if !has_name && mapping.inode.number != own.inode.number {
            return false;
        }
        match opened() {
            Some(opened) => own.is_same(&opened),
            None => {
                mapping.inode == own.inode
                    || has_name && mounts().is_some_and(|mounts| mounts == file.mounts)
            }
        }
    }
}

fn link_text(path: &str) -> Result<Vec<u8>, Errno> {
    readlinkat(CWD, path, Vec::new()).map(|text| text.into_bytes())
}
