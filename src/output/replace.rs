//! Replaces files as a whole: a reader sees the old content or the new one, never a part.

use std::ffi::OsString;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use crate::control::with_signals_blocked;

/// Replaces the content of a file. A symbolic link still leads to the file, and the file keeps its
/// mode and, as far as our rights allow, its owner. Errors: it is no regular file, a symbolic link
/// leads nowhere, or writing failed; the old file is then unchanged.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (path, old) = target(path)?;
    let name = path.file_name().ok_or_else(|| invalid("it names no file"))?;
    // Hidden, and without the suffix `.prom` that node_exporter reads.
    let mut new = OsString::from(".");
    new.push(name);
    new.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(new);
    // A signal that ends us in between would leave the new file behind.
    with_signals_blocked(|| {
        write(&new, content, old).and_then(|()| fs::rename(&new, &path)).inspect_err(|_| {
            // The new file may not exist. The first error is the one to report.
            let _ = fs::remove_file(&new);
        })
    })
}

/// Returns the path of the file behind symbolic links, and its metadata if it exists. Refuses
/// anything but a regular file: /dev/null must not become one.
fn target(path: &Path) -> io::Result<(PathBuf, Option<Metadata>)> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok((path.canonicalize()?, Some(found))),
        Ok(_) => Err(invalid("it is there and is not a regular file")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) if path.is_symlink() => Err(invalid("it is a symbolic link that leads nowhere")),
        Err(_) => Ok((path.to_owned(), None)),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn write(path: &Path, content: &[u8], old: Option<Metadata>) -> io::Result<()> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match create() {
        // An earlier run with our pid was killed and left the file behind.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path).and_then(|()| create())?
        }
        created => created?,
    };
    if let Some(old) = old {
        // Only the superuser can change an owner, and a file of another user is ours after the
        // rename.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        file.set_permissions(old.permissions())?;
    }
    file.write_all(content)?;
    // Without this, a crash of the machine could leave an empty file under the final name.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_and_links_but_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        replace(&path("a.prom"), b"old").unwrap();
        std::os::unix::fs::symlink("a.prom", path("link")).unwrap();
        fs::set_permissions(path("a.prom"), fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("nowhere.prom", path("dangling")).unwrap();
        fs::write(path(&format!(".a.prom.{}.new", std::process::id())), "left behind").unwrap();
        replace(&path("link"), b"new").unwrap();
        assert_eq!(fs::read(path("a.prom")).unwrap(), b"new");
        assert!(path("link").is_symlink());
        assert_eq!(fs::metadata(path("a.prom")).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
        for other in
            [Path::new("/dev/null"), directory.path(), &path("nowhere/b"), &path("dangling")]
        {
            assert!(replace(other, b"new").is_err(), "{}", other.display());
        }
    }
}
