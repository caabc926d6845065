//! Replaces files as a whole: a reader sees the old content or the new one, never a part.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::Stat;

use crate::control::with_signals_blocked;

use super::place::Place;

/// Replaces the content of a file. The file keeps its mode and, as far as our rights allow, its
/// owner. A symbolic link is followed where nobody else can have made it, and else replaced by the
/// file: see [`Place`]. Errors: those of [`Place::resolve`], or writing failed; the old file is then
/// unchanged.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let place = Place::resolve(path)?;
    // Hidden, and without the suffix `.prom` that node_exporter reads.
    let mut new = OsString::from(".");
    new.push(place.name());
    new.push(format!(".{}.new", std::process::id()));
    // A signal that ends us in between would leave the new file behind.
    with_signals_blocked(|| {
        let file = File::from(place.create(&new)?);
        write(file, content, place.old.as_ref())
            .and_then(|()| place.replace_with(&new))
            .inspect_err(|_| {
                // The first error is the one to report.
                let _ = place.remove(&new);
            })
    })
}

fn write(mut file: File, content: &[u8], old: Option<&Stat>) -> io::Result<()> {
    if let Some(old) = old {
        // Only the superuser can change an owner, and a file of another user is ours after the
        // rename.
        let _ = fchown(&file, Some(old.st_uid), Some(old.st_gid));
        // The owner of the directory may have put a set-user-ID program there, as a hard link.
        file.set_permissions(Permissions::from_mode(old.st_mode & 0o777))?;
    }
    file.write_all(content)?;
    // Without this, a crash of the machine could leave an empty file under the final name.
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn files_and_links_but_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        replace(&path("a.prom"), b"old").unwrap();
        std::os::unix::fs::symlink("a.prom", path("link")).unwrap();
        fs::set_permissions(path("a.prom"), Permissions::from_mode(0o4640)).unwrap();
        std::os::unix::fs::symlink("nowhere.prom", path("dangling")).unwrap();
        fs::write(path(&format!(".a.prom.{}.new", std::process::id())), "left behind").unwrap();
        replace(&path("link"), b"new").unwrap();
        assert_eq!(fs::read(path("a.prom")).unwrap(), b"new");
        assert!(path("link").is_symlink());
        assert_eq!(fs::metadata(path("a.prom")).unwrap().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for other in [&path("socket"), directory.path(), &path("nowhere/b"), &path("dangling")] {
            assert!(replace(other, b"new").is_err(), "{}", other.display());
        }
    }
}
