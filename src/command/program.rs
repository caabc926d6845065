//! Finding programs in $PATH.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Returns the path of a command of this name in an absolute directory of $PATH: the first
/// executable file, else the first file of any kind.
pub fn find(name: &str) -> Option<PathBuf> {
    find_in(&std::env::var_os("PATH")?, name.as_ref())
}

/// Returns a command of this name as [`find`] does, in the directories of `path`.
pub fn find_in(path: &OsStr, name: &OsStr) -> Option<PathBuf> {
    let found: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .collect();
    let executable = |path: &&PathBuf| {
        path.metadata()
            .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    found.iter().find(executable).or(found.first()).cloned()
}
