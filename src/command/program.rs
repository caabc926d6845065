//! Finding programs in $PATH.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    found.iter().find(|path| is_executable(path)).or(found.first()).cloned()
}

/// Tells in advance how an attempt to execute a program would fail, as far as the place and the mode
/// of its file say. Errors: `NotFound`, and `PermissionDenied` for what is no executable file.
pub fn check(program: &OsStr) -> io::Result<()> {
    let paths: Vec<PathBuf> = if program.as_bytes().contains(&b'/') {
        vec![program.into()]
    } else if program.is_empty() {
        Vec::new()
    } else {
        // Without $PATH, execvp(3) has directories of its own.
        let Some(directories) = std::env::var_os("PATH") else { return Ok(()) };
        // An empty element is the working directory.
        std::env::split_paths(&directories).map(|directory| directory.join(program)).collect()
    };
    if paths.iter().any(|path| is_executable(path)) {
        return Ok(());
    }
    let is_there = paths.iter().any(|path| path.exists());
    Err(if is_there { ErrorKind::PermissionDenied } else { ErrorKind::NotFound }.into())
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
