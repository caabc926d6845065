//! A path that a user names, to seek processes by it. It is resolved once, with the user's rights,
//! in a process of its own: a file system that does not answer would keep a thread of ours from
//! ending.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use crate::control::run_in_child;
use crate::process::{FileSystem, PathError, Resolved, Sought, SoughtFile};

/// Time that a file system may take for an answer about a path.
const PATIENCE: Duration = Duration::from_millis(900);

/// Time that it may take for an answer about another name in the same directory.
const SHORT_PATIENCE: Duration = Duration::from_millis(100);

/// Resolves the path of a file. Errors: it cannot be resolved; that it does not exist is none.
pub fn sought_file(path: &OsStr) -> Result<Sought, PathError> {
    let namesake =
        |name: &[u8]| resolve(OsStr::from_bytes(&SoughtFile::removed(name)), SHORT_PATIENCE).ok();
    let file = match resolve(path, PATIENCE) {
        Ok(found) => {
            let namesake = namesake(&found.name);
            SoughtFile::existing(found, namesake)?
        }
        Err(PathError::Missing) => {
            let name = name_of_missing(path)?;
            let namesake = namesake(&name);
            SoughtFile::new(name, None, namesake)
        }
        Err(error) => return Err(error),
    };
    Ok(Sought::File(file))
}

/// Finds the file system that a path is on. A mount point need not answer.
pub fn sought_file_system(path: &OsStr) -> Result<Sought, PathError> {
    FileSystem::find(&absolute(path)?, resolve(path, PATIENCE)).map(Sought::FileSystem)
}

/// Resolves a path within this time.
fn resolve(path: &OsStr, patience: Duration) -> Result<Resolved, PathError> {
    let answer = run_in_child(patience, || match Resolved::of(path) {
        Ok(resolved) => [b"+", &resolved.to_bytes()[..]].concat(),
        Err(errno) => format!("-{}", errno.raw_os_error()).into_bytes(),
    });
    let broken = || PathError::Failed("its lookup was ended".to_owned());
    match answer {
        Err(error) if error.kind() == ErrorKind::TimedOut => Err(PathError::NoAnswer),
        Err(error) => Err(PathError::Failed(error.to_string())),
        Ok(answer) => match answer.split_first() {
            Some((b'+', found)) => Resolved::from_bytes(found).ok_or_else(broken),
            Some((_, number)) => Err(error_of(number).unwrap_or_else(broken)),
            None => Err(broken()),
        },
    }
}

/// Returns the error for an error number in digits.
fn error_of(number: &[u8]) -> Option<PathError> {
    let errno = Errno::from_raw_os_error(std::str::from_utf8(number).ok()?.parse().ok()?);
    Some(match errno {
        Errno::NOENT | Errno::NOTDIR => PathError::Missing,
        errno => PathError::Failed(errno.to_string()),
    })
}

/// Returns the path from the root directory, with its symbolic links.
fn absolute(path: &OsStr) -> Result<Vec<u8>, PathError> {
    let failed = |error: io::Error| PathError::Failed(error.to_string());
    // A slash at the end is not part of a name.
    let absolute: PathBuf = std::path::absolute(path).map_err(failed)?.components().collect();
    Ok(absolute.into_os_string().into_vec())
}

/// Returns the name that a file which does not exist would have, as far as its directory exists.
fn name_of_missing(path: &OsStr) -> Result<Vec<u8>, PathError> {
    let absolute = absolute(path)?;
    let path = Path::new(OsStr::from_bytes(&absolute));
    let parent = path.parent().map(|parent| resolve(parent.as_os_str(), PATIENCE));
    Ok(match (parent, path.file_name()) {
        (Some(Ok(parent)), Some(name)) => {
            Path::new(OsStr::from_bytes(&parent.name)).join(name).into_os_string().into_vec()
        }
        _ => absolute,
    })
}
