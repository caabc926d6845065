//! The checks of values from the environments of processes. Any program may have set these, and
//! other programs will read them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Reports whether a path means the same for every process: it is absolute and not below /proc,
/// where `self` depends on the reader.
pub fn is_safe_path(path: &OsStr) -> bool {
    let path = Path::new(path);
    path.is_absolute()
        && path.components().nth(1).is_some_and(|first| first.as_os_str() != "proc")
        && !path.components().any(|part| part == Component::ParentDir)
}

/// Reports whether a value consists of the characters that names of desktops and locales have, so
/// that it cannot mean anything else.
pub fn is_plain(value: &OsStr) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:;@+= ".contains(byte);
    !value.is_empty() && value.as_bytes().iter().all(is_plain)
}

/// Reports whether a value is a list of paths as in $XDG_DATA_DIRS, each of which means the same for
/// every process.
pub fn is_list_of_paths(value: &OsStr) -> bool {
    let mut paths = value.as_bytes().split(|&byte| byte == b':');
    !value.is_empty()
        && paths.all(|path| {
            let is_plain = |part: &[u8]| part.is_empty() || is_plain(OsStr::from_bytes(part));
            is_safe_path(OsStr::from_bytes(path)) && path.split(|&byte| byte == b'/').all(is_plain)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_the_same_to_every_process() {
        let is_safe = |path: &str| is_safe_path(OsStr::new(path));
        assert!(is_safe("/run/user/1/bus") && is_safe("/process/x"));
        for path in [
            "",
            "x",
            "/",
            "/proc/self/fd/3",
            "//proc/self",
            "/./proc/1/root",
            "/run/../proc/self",
            "./x",
        ] {
            assert!(!is_safe(path), "{path}");
        }
    }

    #[test]
    fn lists_of_paths() {
        let is_list = |text: &str| is_list_of_paths(OsStr::new(text));
        assert!(is_list("/usr/share") && is_list("/usr/local/share/:/usr/share:/var/a_b-c.d"));
        for text in ["", ":", "/usr/share:", "share", "/usr/share:../x", "/proc/self/x", "/$(x)"] {
            assert!(!is_list(text), "{text}");
        }
    }

    #[test]
    fn values_that_mean_nothing_else() {
        assert!(is_plain(OsStr::new("ubuntu:GNOME")) && is_plain(OsStr::new("de_DE.UTF-8@euro")));
        assert!(
            !is_plain(OsStr::new(""))
                && !is_plain(OsStr::new("../x"))
                && !is_plain(OsStr::new("$(x)"))
        );
    }
}
