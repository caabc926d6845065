//! The texts in an executable of Apache that say how it was built: `apache2 -V` prints them, but
//! nothing of a server is run here.

use std::collections::BTreeSet;

use memchr::memmem;

use super::Mpm;

/// How an Apache was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Build {
    /// ServerRoot, and the file that the configuration begins with: HTTPD_ROOT and
    /// SERVER_CONFIG_FILE.
    pub main_file: Option<(Vec<u8>, Vec<u8>)>,
    /// The version, such as 2.4.71.
    pub version: Option<[u32; 3]>,
    /// Identifiers of the modules that are built in, such as `so_module`.
    modules: BTreeSet<Vec<u8>>,
}

impl Build {
    /// Reads the texts; `None` where this is no executable of Apache.
    pub fn from_executable(bytes: &[u8]) -> Option<Build> {
        let defined = |name: &str| {
            let begin = format!("-D {name}=\"");
            let at = memmem::find(bytes, begin.as_bytes())? + begin.len();
            let end = at + memchr::memchr(b'"', &bytes[at..])?;
            Some(bytes[at..end].to_vec())
        };
        let main_file = defined("HTTPD_ROOT").zip(defined("SERVER_CONFIG_FILE"));
        let version = memmem::find_iter(bytes, b"Apache/")
            .find_map(|at| version(text_at(&bytes[at + b"Apache/".len()..])));
        let is_apache = main_file.is_some() || version.is_some();
        is_apache.then(|| Build { main_file, version, modules: modules(bytes) })
    }

    /// Reports whether a module is built in, by identifier or by file.
    pub fn has_module(&self, name: &[u8]) -> bool {
        identifier(name).is_some_and(|name| name == b"core_module" || self.modules.contains(&name))
    }

    /// Returns the MPM that is built in.
    pub fn mpm(&self) -> Option<Mpm> {
        Mpm::find(|mpm| {
            self.has_module(format!("{mpm}.c").as_bytes())
                || self.has_module(format!("mpm_{mpm}_module").as_bytes())
        })
    }
}

/// Returns the identifier of a module, such as `so_module`, which may be called by its file, such as
/// `mod_so.c`; `None` where no module has this name. The text of a file name is no proof: `util.c`
/// and even `mpm_winnt.c` are texts of Debian's apache2, for its log.
fn identifier(name: &[u8]) -> Option<Vec<u8>> {
    if name.ends_with(b"_module") {
        return Some(name.to_vec());
    }
    let stem = name.strip_suffix(b".c")?;
    let stem = match stem {
        b"http_core" => &b"http"[..],
        b"mod_http" => return None,
        _ => stem.strip_prefix(b"mod_").unwrap_or(stem),
    };
    let mpm = Mpm::find(|mpm| mpm.as_bytes() == stem);
    Some([if mpm.is_some() { &b"mpm_"[..] } else { b"" }, stem, b"_module"].concat())
}

/// Returns the text up to the next zero byte, blank or parenthesis.
fn text_at(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().take(32).position(|byte| matches!(byte, 0 | b' ' | b'('));
    &bytes[..end.unwrap_or(0)]
}

/// Parses a version such as `2.4.71`; `None` where parts are missing.
fn version(text: &[u8]) -> Option<[u32; 3]> {
    let mut numbers = std::str::from_utf8(text).ok()?.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    let version = [next()?, next()?, next()?];
    numbers.next().is_none().then_some(version)
}

/// Returns the texts that look like the identifier of a module. An Apache has those of the modules
/// that it was built with (ap_prelinked_module_symbols).
fn modules(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    let ends = memmem::find_iter(bytes, b"_module\0").map(|at| at + b"_module".len());
    ends.filter_map(|end| {
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let length = bytes[..end].iter().rev().take_while(is_name).take(64).count();
        let begin = end - length;
        // `%s_module` is a format.
        (begin == 0 || bytes[begin - 1] == 0).then(|| bytes[begin..end].to_vec())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: &[u8] = b"\x7fELF\0 -D HTTPD_ROOT=\"/opt/lampp\"\0\
        -D AP_TYPES_CONFIG_FILE=\"mime.types\"\0 -D SERVER_CONFIG_FILE=\"etc/httpd.conf\"\0\
        Apache/2.4\0Apache/2.4.58 (Unix)\0mpm_winnt.c\0mpm_event_module\0so_module\0http_module\0%s_module\0";

    #[test]
    fn what_an_executable_says() {
        let build = Build::from_executable(TEXTS).unwrap();
        assert_eq!(build.main_file, Some((b"/opt/lampp".to_vec(), b"etc/httpd.conf".to_vec())));
        assert_eq!((build.version, build.mpm()), (Some([2, 4, 58]), Some(Mpm::Event)));
        assert!(build.has_module(b"mod_so.c") && build.has_module(b"so_module"));
        assert!(build.has_module(b"core.c"));
        assert!(build.has_module(b"http_core.c") && build.has_module(b"event.c"));
        for other in ["mod_ssl.c", "mpm_winnt.c", "mod_http.c", "s_module", "x.c", "prefork.c"] {
            assert!(!build.has_module(other.as_bytes()), "{other}");
        }
        assert_eq!(Build::from_executable(b"\x7fELF\0so_module\0"), None);
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[TEXTS], |bytes| {
            _ = Build::from_executable(bytes);
        });
    }
}
