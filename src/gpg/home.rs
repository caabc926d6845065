//! The home directory of GnuPG and the place of its agent's socket, as in GnuPG 2.1 and later
//! (common/homedir.c).

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha1::{Digest, Sha1};

use super::Error;
use crate::command::answer::answer;
use crate::command::program;
use crate::deadlines;
use crate::escape::unescaped;

/// The file name of the socket.
pub(super) const SOCKET: &str = "S.gpg-agent";

/// Directories that contain runtime directories, the likeliest first.
const BASES: [&str; 2] = ["/run/user", "/var/run/user"];

/// The alphabet of z-base-32, in which GnuPG writes hashes into names.
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// The home directory of GnuPG of one user.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its absolute path, with symbolic links unresolved.
    pub directory: PathBuf,
    /// `true` if it is another directory than `~/.gnupg`.
    is_unusual: bool,
    uid: u32,
}

impl Home {
    /// Finds our own: $GNUPGHOME, else `.gnupg` in $HOME or, without that, in the home directory of
    /// our user. Errors: `NoHome` without any of them, `NowhereToBegin` if the path is relative and
    /// the current directory unknown.
    pub fn ours() -> Result<Home, Error> {
        let uid = nix::unistd::geteuid();
        let recorded = || {
            nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.dir.into_os_string())
        };
        let chosen = env::var_os("GNUPGHOME").filter(|value| !value.is_empty());
        // An empty $HOME is used as it is.
        let of_user = env::var_os("HOME").or_else(recorded);
        Home::new(chosen, of_user, env::current_dir, uid.as_raw())
    }

    /// Makes it of $GNUPGHOME (`chosen`) and the home directory of the user. The text of the path
    /// is neither normalized nor resolved, because GnuPG compares and hashes it as it is.
    fn new(
        chosen: Option<OsString>,
        of_user: Option<OsString>,
        current: impl Fn() -> io::Result<PathBuf>,
        uid: u32,
    ) -> Result<Home, Error> {
        let absolute = |path| absolute(path, &current).map_err(Error::NowhereToBegin);
        let usual = of_user
            .as_ref()
            .map(|home| absolute([home.as_bytes(), b"/.gnupg"].concat()))
            .transpose()?;
        let directory = match chosen {
            None => usual.clone().ok_or(Error::NoHome(uid))?,
            Some(chosen) => {
                let chosen = without_slashes(chosen.into_vec());
                absolute(without_tilde(chosen, of_user.as_deref()))?
            }
        };
        let is_unusual = usual.as_ref() != Some(&directory);
        Ok(Home { directory: PathBuf::from(OsString::from_vec(directory)), is_unusual, uid })
    }

    /// Returns the path of its agent's socket: the one that gpgconf names where a file beside it sets
    /// other places (since GnuPG 2.3), else by the rules of GnuPG. It is in the runtime directory of
    /// the user if there is one, where the path is short for any home directory; else in the home
    /// directory itself.
    pub fn socket(&self) -> PathBuf {
        if let Some(socket) = told_by_gpgconf() {
            return socket;
        }
        let mut runtime = BASES.iter().map(|base| Path::new(base).join(self.uid.to_string()));
        let directory =
            runtime.find(|directory| self.owns(directory)).and_then(|found| self.below(&found));
        directory.unwrap_or_else(|| self.directory.clone()).join(SOCKET)
    }

    /// Reports whether agents of GnuPG 2.1 or later have their sockets in this directory: it is
    /// below the user's runtime directory.
    pub(super) fn is_runtime(&self, directory: &Path) -> bool {
        BASES.iter().any(|base| {
            directory.starts_with(Path::new(base).join(self.uid.to_string()).join("gnupg"))
        })
    }

    /// Returns the directory for the sockets of this home directory in a runtime directory, unless
    /// other users can enter it.
    fn below(&self, runtime: &Path) -> Option<PathBuf> {
        let directory = runtime.join("gnupg");
        let directory =
            if self.is_unusual { directory.join(format!("d.{}", self.hash())) } else { directory };
        (self.may_use(&runtime.join("gnupg")) && self.may_use(&directory)).then_some(directory)
    }

    /// Reports whether GnuPG uses a directory for sockets. It makes a missing directory, and
    /// accepts an existing one only if it is closed to other users.
    fn may_use(&self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(found) => found.is_dir() && found.uid() == self.uid && found.mode() & 0o077 == 0,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Reports whether a directory exists and belongs to the user.
    fn owns(&self, directory: &Path) -> bool {
        fs::metadata(directory).is_ok_and(|found| found.is_dir() && found.uid() == self.uid)
    }

    /// Returns the first 15 bytes of the SHA-1 of its path, as 24 letters of z-base-32.
    fn hash(&self) -> String {
        let digest = Sha1::digest(self.directory.as_os_str().as_bytes());
        (0..24).map(|at| char::from(ALPHABET[usize::from(five_bits(&digest, at))])).collect()
    }
}

/// Returns the socket that gpgconf names; `None` where no file beside it sets other places than the
/// usual ones.
fn told_by_gpgconf() -> Option<PathBuf> {
    let program = program::find("gpgconf")?;
    let directory = fs::canonicalize(&program).ok()?;
    if !directory.parent()?.join("gpgconf.ctl").exists() {
        return None;
    }
    let mut command = Command::new(program);
    command.args(["--list-dirs", "agent-socket"]);
    match answer(command, deadlines::GPGCONF) {
        Ok((text, status)) if status.success() => {
            // It escapes the separators of its own lists.
            let path = unescaped(text.trim_ascii_end(), b'%', 2, 16);
            Some(PathBuf::from(OsString::from_vec(path))).filter(|path| path.is_absolute())
        }
        Ok((_, status)) => {
            tracing::debug!("gpgconf: {status}");
            None
        }
        Err(error) => {
            tracing::debug!("gpgconf: {error}");
            None
        }
    }
}

/// Removes slashes at the end of a path, except that of the root directory.
fn without_slashes(mut path: Vec<u8>) -> Vec<u8> {
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    path
}

/// Replaces `~` for our user at the beginning of a path with the home directory. `~NAME` stays, and
/// so does `~` where the home directory is unknown.
fn without_tilde(path: Vec<u8>, home: Option<&OsStr>) -> Vec<u8> {
    match (&path[..], home) {
        ([b'~'], Some(home)) => home.as_bytes().to_vec(),
        ([b'~', rest @ ..], Some(home)) if rest.starts_with(b"/") => {
            [home.as_bytes(), rest].concat()
        }
        _ => path,
    }
}

/// Returns five bits of a hash, those of its letter at this place.
fn five_bits(hash: &[u8], letter: usize) -> u8 {
    (letter * 5..letter * 5 + 5).fold(0, |bits, at| bits << 1 | hash[at / 8] >> (7 - at % 8) & 1)
}

/// Puts the current directory before a relative path.
fn absolute(path: Vec<u8>, current: impl Fn() -> io::Result<PathBuf>) -> io::Result<Vec<u8>> {
    if path.starts_with(b"/") {
        return Ok(path);
    }
    Ok([current()?.as_os_str().as_bytes(), b"/", &path].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(chosen: Option<&str>) -> Home {
        Home::new(chosen.map(OsString::from), Some("/home/pt1".into()), || Ok("/work".into()), 1001)
            .unwrap()
    }

    #[test]
    fn which_directory() {
        for (chosen, directory, is_unusual) in [
            (None, "/home/pt1/.gnupg", false),
            (Some("/home/pt1/.gnupg/"), "/home/pt1/.gnupg", false),
            (Some("/home/pt1/gh//"), "/home/pt1/gh", true),
            (Some("~/gh"), "/home/pt1/gh", true),
            (Some("~"), "/home/pt1", true),
            (Some("/home/pt1//.gnupg"), "/home/pt1//.gnupg", true),
            (Some("gh"), "/work/gh", true),
        ] {
            let found = home(chosen);
            assert_eq!(
                (found.directory.as_os_str(), found.is_unusual),
                (directory.as_ref(), is_unusual),
                "{chosen:?}"
            );
        }
        assert!(Home::new(None, None, || Ok("/".into()), 1001).is_err());
        let nowhere = || Err(io::Error::from(io::ErrorKind::NotFound));
        assert!(Home::new(Some("gh".into()), Some("/home/pt1".into()), nowhere, 1001).is_err());
        assert!(Home::new(Some("/gh".into()), Some("/home/pt1".into()), nowhere, 1001).is_ok());
    }

    #[test]
    fn the_hash_is_that_of_gnupg() {
        assert_eq!(home(Some("/home/pt1/gh")).hash(), "gyfs4q95f4if6w75pihmam1j");
        assert_eq!(home(Some("/home/pt1/../pt1/gh")).hash(), "fw8touzecou1xk31hx3mdqbp");
    }
}
