//! The files of a server: relative paths, patterns, and limits for what is read.

use std::io::ErrorKind;

use crate::apache::configuration::Source;
use crate::apache::pattern::{NamePattern, has_wildcard};
use crate::process::RootEntry;

/// More files and directories, and more bytes, than the configuration of any pool has.
const MOST_FILES: usize = 2_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Most parts of a path with wildcards.
const DEEPEST: usize = 30;

/// The files of one server.
pub struct ServerFiles<'f> {
    source: &'f Source<'f>,
    /// The present directory of the server, and the one that its environment names.
    directory: Option<&'f [u8]>,
    named: Option<&'f [u8]>,
    files: usize,
    bytes: usize,
    /// The latest change of the files, in seconds since the epoch.
    pub changed: Option<i64>,
}

impl<'f> ServerFiles<'f> {
    pub fn new(
        source: &'f Source<'f>,
        directory: Option<&'f [u8]>,
        named: Option<&'f [u8]>,
    ) -> ServerFiles<'f> {
        ServerFiles { source, directory, named, files: 0, bytes: 0, changed: None }
    }

    /// Reports whether our own file system is read instead.
    pub fn is_guess(&self) -> bool {
        self.source.is_guess
    }

    /// Returns a path as an absolute one. Errors: where the directory that it is relative to is
    /// unknown, because the server has changed its own since the start.
    pub fn absolute(&self, path: &[u8]) -> Result<Vec<u8>, String> {
        if path.starts_with(b"/") {
            return Ok(path.to_vec());
        }
        let directory = self.directory.filter(|directory| directory.starts_with(b"/"));
        match directory.filter(|directory| self.named.is_none_or(|named| named == *directory)) {
            Some(directory) => Ok([directory, b"/", path].concat()),
            None => Err(format!(
                "{} is relative to the directory of its start, which is not known",
                String::from_utf8_lossy(path)
            )),
        }
    }

    /// Reports whether a path exists, also one that is relative to the directory of the start. A
    /// missing one proves nothing in a directory that may not be that of the start.
    pub fn has(&self, path: &[u8]) -> Result<bool, String> {
        let absolute = self.absolute(path)?;
        let has = self.source.has(&absolute).map_err(|error| reason(&absolute, &error))?;
        if !has && absolute != path && self.named.is_none() {
            return Err("the directory of its start is not known".to_owned());
        }
        Ok(has)
    }

    /// Reads a file at an absolute path.
    pub fn text(&mut self, path: &[u8]) -> Result<Vec<u8>, String> {
        match self.entry(path)? {
            Some(RootEntry::File(text, _)) => Ok(text),
            Some(RootEntry::Directory(_)) => {
                Err(format!("{}: it is a directory", String::from_utf8_lossy(path)))
            }
            None => Err(format!("{}: there is no such file", String::from_utf8_lossy(path))),
        }
    }

    /// Reads an executable, whose size does not count.
    pub fn executable(&self, path: &[u8]) -> Option<Vec<u8>> {
        match self.source.read(path) {
            Ok(RootEntry::File(bytes, _)) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the existing paths that match an absolute pattern, in the order of glob(3).
    pub fn matching(&mut self, pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        if !has_wildcard(pattern) {
            let has = self.source.has(pattern).map_err(|error| reason(pattern, &error))?;
            return Ok(if has { vec![pattern.to_vec()] } else { Vec::new() });
        }
        let parts: Vec<&[u8]> =
            pattern.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect();
        if pattern.contains(&b'\\') || parts.len() > DEEPEST {
            return Err(misunderstood(pattern));
        }
        let mut found: Vec<Vec<u8>> = vec![Vec::new()];
        for part in parts {
            let mut next = Vec::new();
            for directory in found {
                self.match_part(&directory, part, &mut next)?;
            }
            found = next;
        }
        // Behind the last wildcard there may be a part that does not exist everywhere.
        let mut existing = Vec::new();
        for path in found {
            if self.source.has(&path).map_err(|error| reason(&path, &error))? {
                existing.push(path);
            }
        }
        Ok(existing)
    }

    /// Adds the paths in a directory that match one part of a pattern.
    fn match_part(
        &mut self,
        directory: &[u8],
        part: &[u8],
        found: &mut Vec<Vec<u8>>,
    ) -> Result<(), String> {
        let join = |name: &[u8]| [directory, b"/", name].concat();
        if !has_wildcard(part) {
            found.push(join(part));
            return Ok(());
        }
        let pattern = NamePattern::new(part).ok_or_else(|| misunderstood(part))?;
        let listed = self.entry(if directory.is_empty() { b"/" } else { directory })?;
        let Some(RootEntry::Directory(names)) = listed else { return Ok(()) };
        found.extend(names.iter().filter(|name| pattern.matches(name)).map(|name| join(name)));
        Ok(())
    }

    /// Reads a file or a directory; `None` if there is none.
    fn entry(&mut self, path: &[u8]) -> Result<Option<RootEntry>, String> {
        self.files += 1;
        if self.files > MOST_FILES || self.bytes > MOST_BYTES {
            return Err("there are too many files, or too large ones".to_owned());
        }
        match self.source.read(path) {
            Ok(entry) => {
                if let RootEntry::File(text, changed) = &entry {
                    self.bytes += text.len();
                    self.changed = self.changed.max(Some(*changed));
                }
                Ok(Some(entry))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(reason(path, &error)),
        }
    }
}

fn misunderstood(pattern: &[u8]) -> String {
    format!("{}: a pattern that is not understood", String::from_utf8_lossy(pattern))
}

fn reason(path: &[u8], error: &std::io::Error) -> String {
    format!("{} could not be read: {error}", String::from_utf8_lossy(path))
}
