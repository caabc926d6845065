//! The setting of GnuPG that forbids to start an agent, and the owner of the place where one would be
//! started.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::Home;

/// Files of settings in the home directory, and in the directory of the machine.
const FILES: [&str; 3] = ["gpg.conf", "gpg.conf-2", "common.conf"];
const OF_MACHINE: &str = "/etc/gnupg";

/// The setting, which is told wherever an agent is forwarded from another machine.
const NO_AUTOSTART: &[u8] = b"no-autostart";

/// Most bytes of a file that are read.
const LONGEST: u64 = 1 << 20;

/// Returns the file that forbids to start an agent, if there is one.
pub fn forbids_start(home: &Home) -> Option<PathBuf> {
    let directories = [home.directory.as_path(), Path::new(OF_MACHINE)];
    let files = directories.iter().flat_map(|directory| FILES.map(|file| directory.join(file)));
    files.into_iter().find(|file| text(file).is_some_and(|text| is_set(&text)))
}

/// Returns the text of a file; `None` where it cannot be read. A FIFO is not waited for.
fn text(file: &Path) -> Option<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Reports whether a text has the setting, with or without hyphens in front of it.
fn is_set(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        let line = line.trim_ascii();
        let name = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        name.strip_prefix(b"--").unwrap_or(name) == NO_AUTOSTART
    })
}

/// Returns the owner of a home directory that is not ours: of the directory itself, or of the one
/// that it would be made in. Only the superuser can make files in one.
pub fn foreign_owner(home: &Home) -> Option<u32> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let found = home.directory.ancestors().find_map(|directory| fs::metadata(directory).ok())?;
    Some(found.uid()).filter(|&owner| owner != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_a_word_of_its_own() {
        for text in ["no-autostart", "# x\nno-autostart # y\n", "\t--no-autostart\r\n"] {
            assert!(is_set(text.as_bytes()), "{text:?}");
        }
        for text in ["", "#no-autostart", "no-autostart-x", "comment no-autostart"] {
            assert!(!is_set(text.as_bytes()), "{text:?}");
        }
    }
}
