//! Conditions of sections such as `<IfModule>`.

use std::collections::{BTreeMap, BTreeSet};

use super::Mpm;
use super::executable::Build;

/// The value of a condition. In a conjunction the smallest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    pub fn from_bool(is_true: bool) -> Truth {
        if is_true { Truth::Yes } else { Truth::No }
    }

    pub fn opposite(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Unknown => Truth::Unknown,
            Truth::Yes => Truth::No,
        }
    }
}

/// The names that conditions ask about.
pub(super) struct Definitions {
    /// Defined names, with their values if they have any.
    pub defines: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Loaded modules, by identifier (`ssl_module`) and by file (`mod_ssl.c`).
    pub modules: BTreeSet<Vec<u8>>,
    /// How the server was built; `None` where its executable does not tell.
    pub build: Option<Build>,
}

/// Modules that Debian builds in, for servers whose executable does not tell. Where they are not
/// built in, they are loaded by name.
const BUILT_IN: [&str; 8] = [
    "core",
    "http_core",
    "mod_so",
    "mod_watchdog",
    "mod_log_config",
    "mod_logio",
    "mod_version",
    "mod_unixd",
];

impl Definitions {
    /// Reports whether a module of this name is present. A module that is not loaded by name might
    /// be built in. For an MPM this is usual, for others it is not.
    pub fn has_module(&self, name: &[u8], mpm: Option<Mpm>) -> Truth {
        let is_of = |mpm: &str| {
            name == format!("mpm_{mpm}_module").as_bytes() || name == format!("{mpm}.c").as_bytes()
        };
        match (Mpm::find(is_of), mpm) {
            (Some(wanted), Some(mpm)) => Truth::from_bool(wanted == mpm),
            (Some(_), None) if self.build.is_some() => Truth::No,
            (Some(_), None) => Truth::Unknown,
            (None, _) => {
                let is_built_in = match &self.build {
                    Some(build) => build.has_module(name),
                    None => BUILT_IN.into_iter().any(|module| is_called(name, module)),
                };
                Truth::from_bool(is_built_in || self.modules.contains(name))
            }
        }
    }
}

/// Reports whether this is the file (`mod_so.c`) or the identifier (`so_module`) of a module.
fn is_called(name: &[u8], module: &str) -> bool {
    let stem = module.strip_prefix("mod_").unwrap_or(module);
    name == format!("{module}.c").as_bytes() || name == format!("{stem}_module").as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules() {
        let modules = BTreeSet::from([b"wsgi_module".to_vec(), b"mod_wsgi.c".to_vec()]);
        let words = Definitions { defines: BTreeMap::new(), modules, build: None };
        assert_eq!(words.has_module(b"mod_wsgi.c", None), Truth::Yes);
        assert_eq!(words.has_module(b"mod_ssl.c", None), Truth::No);
        for built_in in [&b"core.c"[..], b"core_module", b"so_module", b"mod_log_config.c"] {
            assert_eq!(words.has_module(built_in, None), Truth::Yes);
        }
        assert_eq!(words.has_module(b"prefork.c", None), Truth::Unknown);
        assert_eq!(words.has_module(b"prefork.c", Some(Mpm::Prefork)), Truth::Yes);
        assert_eq!(words.has_module(b"mpm_event_module", Some(Mpm::Prefork)), Truth::No);
    }
}
