//! The runtime directory of a user, which the login service makes and which contains the sockets of
//! the user's bus and compositor (XDG Base Directory Specification).

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::wayland;

/// The directory with the runtime directories of all users.
const DIRECTORY: &str = "/run/user";

/// Returns the runtime directory of a user; `None` if another user can enter it, or there is none.
/// Callers have the user's rights, because a user may have mounted anything there.
pub fn directory(uid: u32) -> Option<PathBuf> {
    let path = Path::new(DIRECTORY).join(uid.to_string());
    is_of(&path, uid).then_some(path)
}

/// Reports whether a directory is a user's, and no other user can enter it.
pub fn is_of(path: &Path, uid: u32) -> bool {
    let found =
        facts(path).inspect_err(|error| tracing::debug!(directory = %path.display(), "{error}"));
    found
        .ok()
        .flatten()
        .is_some_and(|found| found.uid() == uid && found.permissions().mode() & 0o077 == 0)
}

/// Reports whether a runtime directory has the socket of a bus or of a compositor.
pub fn has_sockets(path: &Path) -> bool {
    path.join("bus").exists() || wayland::names(path).is_ok_and(|names| !names.is_empty())
}

/// Returns the reason why the runtime directory of a user cannot be seen from here; `None` if it can
/// be, or if that is not known.
pub fn why_hidden(uid: u32) -> Option<String> {
    let path = Path::new(DIRECTORY).join(uid.to_string());
    let why = match facts(&path) {
        Ok(Some(_)) => return None,
        // A service with ProtectHome=tmpfs has an empty directory there, and others have none.
        Ok(None) if facts(Path::new(DIRECTORY)).ok()?.is_none() => return None,
        Ok(None) => "it does not exist here".to_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("'{}' cannot be seen: {why}", path.display()))
}

/// Returns the uids of the users who seem to have a runtime directory. The list is empty where any
/// user could make such a directory.
pub fn users() -> io::Result<Vec<u32>> {
    let is_safe = |found: Metadata| found.uid() == 0 && found.permissions().mode() & 0o022 == 0;
    if !facts(Path::new(DIRECTORY))?.is_some_and(is_safe) {
        return Ok(Vec::new());
    }
    let mut users = Vec::new();
    for entry in fs::read_dir(DIRECTORY)? {
        users.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    users.sort_unstable();
    Ok(users)
}

/// Returns the metadata of a directory; `None` if there is none, or only a link to one.
fn facts(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found).filter(Metadata::is_dir)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
