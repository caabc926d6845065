//! The place of a file that is written: a directory that is held open, and a name in it.
//!
//! A path is resolved once, part by part. Whoever owns a directory on the way can exchange what is
//! in it at any moment, and must not choose where the superuser writes. Therefore a symbolic link
//! is followed only if it belongs to the superuser or to ourselves, and so does all that leads to
//! it.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawMode, Stat, fstat, openat, readlinkat};
use rustix::fs::{renameat, unlinkat};
use rustix::io::Errno;

/// Most symbolic links on the way, as in the kernel (MAXSYMLINKS).
const MOST_LINKS: usize = 40;

/// A file, or the place for one.
pub struct Place {
    directory: OwnedFd,
    name: OsString,
    /// The file that is there; `None` where there is none, or a symbolic link that is not followed.
    pub old: Option<Stat>,
}

impl Place {
    /// Resolves a path. Errors: a directory is missing or closed to us; a symbolic link of another
    /// user leads to the directory; a link leads nowhere; something is there that is no regular
    /// file, as /dev/null.
    pub fn resolve(path: &Path) -> io::Result<Place> {
        if path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(invalid("it names no file"));
        }
        Walk::begin(path)?.resolve()
    }

    /// Makes a new file beside this one, for writing.
    pub fn create(&self, name: &OsStr) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let create = || openat(&self.directory, name, flags, Mode::from_raw_mode(0o666));
        match create() {
            // An earlier run with our pid was killed and left the file behind.
            Err(Errno::EXIST) => {
                self.remove(name)?;
                Ok(create()?)
            }
            created => Ok(created?),
        }
    }

    /// Gives a file beside this one the name of this one, which is replaced.
    pub fn replace_with(&self, name: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.directory, name, &self.directory, &self.name)?)
    }

    /// Removes a file beside this one.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    /// Returns its name in its directory.
    pub fn name(&self) -> &OsStr {
        &self.name
    }
}

/// The state of resolving a path.
struct Walk {
    directory: OwnedFd,
    /// Whether only the superuser and ourselves could have chosen what leads here.
    is_ours: bool,
    /// Whether nobody else can make an entry here. In a directory with the sticky bit everybody can:
    /// a link of the superuser that stands there may have been moved from a user's own directory.
    is_closed: bool,
    /// The parts that are left, the last one first.
    parts: Vec<OsString>,
    links: usize,
    /// Whether the last part was a link that was followed.
    is_behind_link: bool,
}

impl Walk {
    fn begin(path: &Path) -> io::Result<Walk> {
        let directory = open(CWD, ".")?;
        let found = fstat(&directory)?;
        let mut walk = Walk {
            directory,
            is_ours: keeps_others_out(&found),
            is_closed: is_closed(&found),
            parts: Vec::new(),
            links: 0,
            is_behind_link: false,
        };
        walk.push(path);
        Ok(walk)
    }

    fn push(&mut self, path: &Path) {
        let parts = path.components().rev().filter(|part| *part != Component::CurDir);
        self.parts.extend(parts.map(|part| part.as_os_str().to_owned()));
    }

    fn resolve(mut self) -> io::Result<Place> {
        while let Some(part) = self.parts.pop() {
            let is_last = self.parts.is_empty();
            let entry = match open(&self.directory, &part) {
                Err(Errno::NOENT) if is_last && !self.is_behind_link => {
                    return Ok(self.place(part, None));
                }
                Err(Errno::NOENT) if is_last => {
                    return Err(invalid("it is a symbolic link that leads nowhere"));
                }
                entry => entry?,
            };
            let found = fstat(&entry)?;
            match FileType::from_raw_mode(found.st_mode as RawMode) {
                FileType::Directory if !is_last => self.enter(entry, &part, &found),
                FileType::Symlink if self.is_ours && self.is_closed && is_own(&found) => {
                    self.follow(&entry)?
                }
                FileType::Symlink if is_last => return Ok(self.place(part, None)),
                FileType::Symlink => return Err(foreign_link(&part)),
                FileType::RegularFile if is_last => return Ok(self.place(part, Some(found))),
                _ if is_last => return Err(invalid("it is there and is not a regular file")),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Err(invalid("it names no file"))
    }

    fn place(self, name: OsString, old: Option<Stat>) -> Place {
        Place { directory: self.directory, name, old }
    }

    fn enter(&mut self, directory: OwnedFd, part: &OsStr, found: &Stat) {
        // What leads to the root directory is nobody's choice.
        let is_ours = part == "/" || self.is_ours;
        self.is_ours = is_ours && keeps_others_out(found);
        self.is_closed = is_closed(found);
        self.directory = directory;
    }

    fn follow(&mut self, link: &OwnedFd) -> io::Result<()> {
        self.links += 1;
        self.is_behind_link |= self.parts.is_empty();
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes());
        self.push(Path::new(&target));
        Ok(())
    }
}

fn open(directory: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    openat(directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Reports whether a file belongs to the superuser or to ourselves.
fn is_own(found: &Stat) -> bool {
    found.st_uid == 0 || found.st_uid == nix::unistd::geteuid().as_raw()
}

/// Reports whether no other user can exchange a directory of ours in a directory. In one with the
/// sticky bit, as /tmp, everybody may make entries and only their owners may exchange them. Nobody
/// can move a directory of ours there from elsewhere: that takes the right to write to it.
fn keeps_others_out(directory: &Stat) -> bool {
    let mode = Mode::from_raw_mode(directory.st_mode as RawMode);
    is_closed(directory) || is_own(directory) && mode.contains(Mode::SVTX)
}

/// Reports whether nobody else can make or exchange anything in a directory.
fn is_closed(directory: &Stat) -> bool {
    let mode = Mode::from_raw_mode(directory.st_mode as RawMode);
    is_own(directory) && !mode.intersects(Mode::WGRP | Mode::WOTH)
}

fn foreign_link(part: &OsStr) -> io::Error {
    let name = String::from_utf8_lossy(part.as_bytes());
    io::Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "'{name}' on the way is a symbolic link that another user can change: name the \
             directory that it leads to"
        ),
    )
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_lead_on_only_where_nobody_else_could_have_made_them() {
        let ours = tempfile::tempdir().unwrap();
        let path = |name: &str| ours.path().join(name);
        fs::create_dir(path("a")).unwrap();
        fs::create_dir(path("open")).unwrap();
        fs::write(path("a/file"), "").unwrap();
        symlink("a", path("directory")).unwrap();
        symlink("../directory/../a/file", path("a/link")).unwrap();
        symlink(path("a"), path("open/directory")).unwrap();
        symlink("../a/file", path("open/link")).unwrap();
        symlink("loop", path("loop")).unwrap();
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o777)).unwrap();
        let followed = Place::resolve(&path("directory/link")).unwrap();
        assert!(followed.name() == "file" && followed.old.is_some());
        let replaced = Place::resolve(&path("open/link")).unwrap();
        assert!(replaced.name() == "link" && replaced.old.is_none());
        let refused = Place::resolve(&path("open/directory/new")).err().unwrap();
        assert!(refused.to_string().contains("another user"), "{refused}");
        assert!(Place::resolve(&path("loop")).is_err());
        for none in ["a/file/below", "a", "new/", "a/file/", "nowhere/new", "a/.."] {
            assert!(Place::resolve(&path(none)).is_err(), "{none}");
        }
        let new = Place::resolve(&path("directory/new")).unwrap();
        assert!(new.name() == "new" && new.old.is_none());
        // In a sticky directory, a link of ours may have been moved there by another user. Our own
        // directory there is ours.
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(Place::resolve(&path("open/directory/file")).is_err());
        assert!(Place::resolve(&path("open/link")).unwrap().old.is_none());
        fs::create_dir(path("open/own")).unwrap();
        symlink("../../a/file", path("open/own/link")).unwrap();
        assert_eq!(Place::resolve(&path("open/own/link")).unwrap().name(), "file");
    }
}
