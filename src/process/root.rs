//! The file system as a process sees it: the files of a container are not ours. The configuration
//! of a server is read through it.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    Dir, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2, readlinkat,
};
use rustix::io::Errno;

use super::{Process, ReadError, ReadResult, Unavailable};

/// Maximum number of bytes that are read of a file. No configuration is larger, and an endless file
/// is no configuration.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The root directory of a process, for reading. Nothing that lies in it leads out of it, not even
/// a symbolic link.
pub struct Root {
    directory: OwnedFd,
    /// `true` if our own root is used, because the process's root may not be opened.
    pub is_guess: bool,
}

/// The content of a file or of a directory.
pub enum RootEntry {
    /// The bytes of a file, and the time of the latest change of its content or its place (ctime),
    /// in seconds since the epoch.
    File(Vec<u8>, i64),
    /// The names in a directory, sorted.
    Directory(Vec<Vec<u8>>),
}

impl Process<'_> {
    /// Opens the root directory of the process. Where this is not permitted, returns our own root
    /// for a process of our own pid namespace. That is only likely to be the same: see
    /// [`Root::is_guess`].
    pub fn root(&self) -> ReadResult<Root> {
        match self.directory.open_directory("root") {
            Err(ReadError::Unavailable(Unavailable::Denied)) if self.has_only_our_number()? => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let directory = rustix::fs::open("/", flags, Mode::empty());
                let directory = directory
                    .map_err(|errno| ReadError::from_errno(errno, "root", || ReadError::Exited))?;
                Ok(Root { directory, is_guess: true })
            }
            directory => directory.map(|directory| Root { directory, is_guess: false }),
        }
    }

    /// Reports whether the process has no other pid in a namespace below that of this procfs, as
    /// the processes of containers have.
    fn has_only_our_number(&self) -> ReadResult<bool> {
        Ok(self.status()?.numbers("NSpid").is_some_and(|numbers| numbers.count() == 1))
    }
}

/// Magic numbers of file systems without real files: procfs, sysfs, tracefs and debugfs
/// (include/uapi/linux/magic.h). Reading from them can take messages away from other readers.
const UNREAL: [u64; 4] = [0x9fa0, 0x6265_6572, 0x7472_6163, 0x6462_6720];

impl Root {
    /// Opens a directory that a test has laid out.
    #[cfg(test)]
    pub fn at(path: &std::path::Path) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Root { directory: rustix::fs::open(path, flags, Mode::empty())?, is_guess: false })
    }

    /// Reads the file or directory at an absolute path. Anything else is not even opened: opening
    /// can wait for another process, or start a device.
    pub fn read(&self, path: &[u8]) -> io::Result<RootEntry> {
        let found = self.find(path)?;
        if UNREAL.contains(&(fstatfs(&found)?.f_type as u64)) {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "it is on no file system for files",
            ));
        }
        let stat = fstat(&found)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let mut bytes = Vec::new();
                let file = std::fs::File::from(reopened(&found, OFlags::empty())?);
                if file.take(LARGEST + 1).read_to_end(&mut bytes)? as u64 > LARGEST {
                    return Err(io::Error::new(
                        ErrorKind::FileTooLarge,
                        "it is larger than 16 MiB",
                    ));
                }
                Ok(RootEntry::File(bytes, stat.st_ctime))
            }
            FileType::Directory => {
                Ok(RootEntry::Directory(names(reopened(&found, OFlags::DIRECTORY)?)?))
            }
            _ => {
                Err(io::Error::new(ErrorKind::InvalidInput, "it is neither a file nor a directory"))
            }
        }
    }

    /// Reports whether anything exists at an absolute path.
    pub fn has(&self, path: &[u8]) -> io::Result<bool> {
        match self.find(path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(false)
            }
            found => found.map(|_| true),
        }
    }

    /// Finds a path without opening the file for reading.
    fn find(&self, path: &[u8]) -> io::Result<OwnedFd> {
        match openat2(
            &self.directory,
            OsStr::from_bytes(path),
            PATH,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        ) {
            // openat2(2) is missing before Linux 5.6, and some sandboxes forbid it.
            Err(Errno::NOSYS | Errno::PERM) => Ok(self.walk(path)?),
            found => Ok(found?),
        }
    }

    /// Finds a path as openat2(2) does with the directory as the root of all links: part by part,
    /// each link resolved by its text.
    fn walk(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let mut parts: Vec<Vec<u8>> = reversed(path);
        // The directories from the root to the current place.
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        while let Some(part) = parts.pop() {
            let here = way.last().unwrap_or(&self.directory);
            match &part[..] {
                b"" | b"." => continue,
                // Nothing is above the root.
                b".." => {
                    way.pop();
                    continue;
                }
                name => {
                    let found = openat(
                        here,
                        OsStr::from_bytes(name),
                        PATH | OFlags::NOFOLLOW,
                        Mode::empty(),
                    )?;
                    if FileType::from_raw_mode(fstat(&found)?.st_mode) != FileType::Symlink {
                        way.push(found);
                        continue;
                    }
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = readlinkat(&found, "", Vec::new())?.into_bytes();
                    if target.starts_with(b"/") {
                        way.clear();
                    }
                    parts.extend(reversed(&target));
                }
            }
        }
        match way.pop() {
            Some(found) => Ok(found),
            None => openat(&self.directory, ".", PATH | OFlags::DIRECTORY, Mode::empty()),
        }
    }
}

impl AsRawFd for Root {
    fn as_raw_fd(&self) -> RawFd {
        self.directory.as_raw_fd()
    }
}

/// The flags of a descriptor that only refers to a file: nothing is opened for reading.
const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Maximum number of links in one path, as in the kernel (MAXSYMLINKS).
const MOST_LINKS: usize = 40;

/// Returns the parts of a path, the last one first.
fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec).collect()
}

/// Opens a file or directory for reading that was found as a path only (O_PATH).
fn reopened(found: &OwnedFd, flags: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    Ok(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | flags,
        Mode::empty(),
    )?)
}

/// Returns the names in a directory, sorted.
fn names(directory: OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::new(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// Returns the inode of what was found.
    fn inode(found: Result<OwnedFd, Errno>) -> Result<u64, Errno> {
        found.and_then(|found| Ok(fstat(&found)?.st_ino))
    }

    #[test]
    fn what_the_kernel_finds_is_found_without_it() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        let inside = directory.path().join("root");
        fs::create_dir_all(inside.join("etc/apache2")).unwrap();
        fs::write(&outside, "secret").unwrap();
        fs::write(inside.join("etc/apache2/conf"), "text").unwrap();
        for (target, link) in [
            ("/etc/apache2", "absolute"),
            ("../etc/apache2", "etc/relative"),
            ("../../../../outside", "etc/escape"),
            ("/outside", "etc/absolute-escape"),
            ("loop", "loop"),
            ("none", "dangling"),
            (outside.to_str().unwrap(), "whole"),
        ] {
            symlink(target, inside.join(link)).unwrap();
        }
        let root = Root::at(&inside).unwrap();
        for path in [
            "/",
            "",
            "/etc",
            "/etc/",
            "/etc/apache2/conf",
            "etc//apache2/./conf",
            "/absolute/conf",
            "/etc/relative/conf",
            "/etc/escape",
            "/etc/absolute-escape",
            "/loop",
            "/dangling",
            "/whole",
            "/../../outside",
            "/..",
            "/etc/../..",
            "/etc/apache2/conf/more",
            "/etc/apache2/conf/",
            "/none/..",
            "/absolute/..",
        ] {
            let by_kernel =
                openat2(&root.directory, path, PATH, Mode::empty(), ResolveFlags::IN_ROOT);
            if by_kernel.as_ref().err() == Some(&Errno::NOSYS) {
                return;
            }
            // The kernel refuses an empty path, and a slash behind the name of a file.
            if path.is_empty() || path.ends_with("conf/") {
                continue;
            }
            assert_eq!(inode(root.walk(path.as_bytes())), inode(by_kernel), "{path}");
        }
        assert_ne!(inode(root.walk(b"/etc/escape")), Ok(fs::metadata(&outside).unwrap().ino()));
    }
}
