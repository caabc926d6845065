//! Crontabs: which files a daemon reads, and the jobs in them. Nothing is guessed: a file or a line
//! that cannot be read is reported.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::schedule::{self, Schedule};

/// Most bytes of a crontab that are read.
const LONGEST: u64 = 1 << 20;

/// The places where a kind of daemon reads crontabs.
pub struct Places {
    /// Crontabs of the system, whose lines name the user.
    pub files: &'static [&'static str],
    /// Directories of such crontabs.
    pub directories: &'static [&'static str],
    /// Directories of the users' own crontabs, which have the names of their users.
    pub users: &'static [&'static str],
    /// The names of files that are left out in `directories`.
    pub names: Names,
    /// `true` if the variable CRON_TZ sets the zone of the lines below it.
    pub has_zone: bool,
    /// The crontabs that the daemon ignores.
    pub ignored: Ignored,
}

/// The rule by which a daemon ignores whole crontabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// None.
    Nothing,
    /// Those that others than their owner may write to, or that have several names
    /// (process_crontab in cronie's database.c).
    Exposed,
    /// Also those with a line that cannot be read, or whose last line does not end (Debian's cron,
    /// user.c and database.c).
    ExposedOrBroken,
}

/// The rule by which files in a directory are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Only letters, digits, `_` and `-` (Debian's cron(8), run-parts(8)).
    Plain,
    /// No names of backups and packages (not_a_crontab in cronie's database.c).
    NoBackups,
}

impl Names {
    fn permit(self, name: &[u8]) -> bool {
        match self {
            Names::Plain => {
                name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            }
            Names::NoBackups => {
                let endings: [&[u8]; 6] =
                    [b"~", b".rpmsave", b".rpmorig", b".rpmnew", b".bak", b".cron-backup"];
                !name.starts_with(b".")
                    && !name.starts_with(b"#")
                    && !endings.iter().any(|ending| name.ends_with(ending))
            }
        }
    }
}

/// A line of a crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub schedule: Schedule,
    /// The name of the zone that CRON_TZ sets; `None` for that of the daemon.
    pub zone: Option<Vec<u8>>,
    pub user: Vec<u8>,
    pub command: Vec<u8>,
    pub file: PathBuf,
    /// Number of the line in the file, from 1.
    pub line: usize,
}

/// A crontab, or a line of one, that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub file: PathBuf,
    pub reason: String,
}

/// The jobs of all crontabs.
#[derive(Debug, Default)]
pub struct Crontabs {
    pub entries: Vec<Entry>,
    pub unread: Vec<Unread>,
}

impl Crontabs {
    /// Reads the crontabs in these places, below `root`.
    pub fn read(places: &Places, root: &Path) -> Crontabs {
        let below = |path: &&str| root.join(path.trim_start_matches('/'));
        let mut found = Crontabs::default();
        for file in places.files.iter().map(below) {
            found.add_file(&file, None, places);
        }
        for directory in places.directories.iter().map(below) {
            for file in found.list(&directory) {
                let name = file.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
                if places.names.permit(name) {
                    found.add_file(&file, None, places);
                }
            }
        }
        for directory in places.users.iter().map(below) {
            for file in found.list(&directory) {
                let user = file.file_name().map(OsStrExt::as_bytes).unwrap_or_default().to_vec();
                if !user.starts_with(b".") && !user.starts_with(b"tmp.") {
                    found.add_file(&file, Some(&user), places);
                }
            }
        }
        found
    }

    /// Returns the files of a directory, sorted by name. A directory that does not exist has none.
    fn list(&mut self, directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).and_then(|entries| {
            let mut files = Vec::new();
            for entry in entries {
                let entry = entry?;
                // A link is not followed here: that of a user may lead to where nothing answers.
                if !entry.file_type()?.is_dir() {
                    files.push(entry.path());
                }
            }
            Ok(files)
        });
        match entries {
            Ok(mut files) => {
                files.sort();
                files
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.fail(directory, error);
                Vec::new()
            }
        }
    }

    fn fail(&mut self, file: &Path, reason: impl std::fmt::Display) {
        self.unread.push(Unread { file: file.to_owned(), reason: reason.to_string() });
    }

    /// Reads a crontab, of this user or of the system.
    fn add_file(&mut self, file: &Path, user: Option<&[u8]>, places: &Places) {
        let ignores_exposed = places.ignored != Ignored::Nothing;
        let read = text(file, user.is_none()).and_then(|(text, found)| {
            match reason_to_ignore(&found, user.is_none()).filter(|_| ignores_exposed) {
                Some(reason) => Err(io::Error::other(reason)),
                None => Ok(text),
            }
        });
        match read {
            Ok(text) => self.add_whole(&text, file, user, places),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.fail(file, error),
        }
    }

    /// Adds the lines of a crontab, or none where the daemon ignores one with an error.
    fn add_whole(&mut self, text: &[u8], file: &Path, user: Option<&[u8]>, places: &Places) {
        let (entries, unread) = (self.entries.len(), self.unread.len());
        self.add_lines(text, file, user, places);
        if places.ignored != Ignored::ExposedOrBroken {
            return;
        }
        if !text.is_empty() && !text.ends_with(b"\n") {
            self.fail(file, "its last line does not end, so that cron ignores all of it");
        } else if self.unread.len() > unread {
            self.fail(file, "cron ignores all of it");
        } else {
            return;
        }
        self.entries.truncate(entries);
    }

    fn add_lines(&mut self, text: &[u8], file: &Path, user: Option<&[u8]>, places: &Places) {
        let mut zone = None;
        for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if let Some((name, value)) = setting(line) {
                if name == b"CRON_TZ" && places.has_zone {
                    zone = Some(value.to_vec()).filter(|value| !value.is_empty());
                }
                continue;
            }
            match entry(line, user) {
                Ok((schedule, user, command)) => self.entries.push(Entry {
                    schedule,
                    zone: zone.clone(),
                    user,
                    command,
                    file: file.to_owned(),
                    line: at + 1,
                }),
                Err(reason) => self.fail(file, format!("line {}: {reason}", at + 1)),
            }
        }
    }
}

/// Returns the text of a crontab. The superuser's own files may be links. Those of users may not,
/// because a user could lead us anywhere. A FIFO is not waited for.
fn text(file: &Path, may_be_link: bool) -> io::Result<(Vec<u8>, Metadata)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = if may_be_link { fs::canonicalize(file)? } else { file.to_owned() };
    let file = File::options().read(true).custom_flags(flags).open(file)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok((text, found))
}

/// Returns the reason why a daemon ignores a crontab, if it does: others could have written it.
fn reason_to_ignore(found: &Metadata, is_of_system: bool) -> Option<&'static str> {
    if found.nlink() != 1 {
        return Some("it has several names (hard links), so that cron ignores it");
    }
    if is_of_system && found.uid() != 0 {
        return Some("it is not the superuser's, so that cron ignores it");
    }
    let is_open = found.mode() & if is_of_system { 0o022 } else { 0o077 } != 0;
    is_open.then_some("its mode lets others in, so that cron ignores it")
}

/// Returns name and value, if a line sets a variable.
fn setting(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&byte| byte == b'=')?;
    let name = unquoted(line[..at].trim_ascii());
    let is_name = !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !name[0].is_ascii_digit();
    is_name.then(|| (name, unquoted(line[at + 1..].trim_ascii())))
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        text => text,
    }
}

/// Reads a line: schedule, user and command. A minus before the schedule only keeps cron from
/// logging.
fn entry(line: &[u8], user: Option<&[u8]>) -> Result<(Schedule, Vec<u8>, Vec<u8>), String> {
    let line = line.strip_prefix(b"-").unwrap_or(line);
    let (schedule, rest) = schedule::read(line).map_err(|error| error.to_string())?;
    let (user, rest) = match user {
        Some(user) => (user, rest),
        None => schedule::word(rest).ok_or("it names no user")?,
    };
    let command = command(rest);
    if command.is_empty() {
        return Err("it has no command".to_owned());
    }
    Ok((schedule, user.to_vec(), command))
}

/// Returns the command of a line. What follows a percent sign is its input.
fn command(text: &[u8]) -> Vec<u8> {
    let mut command = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => break,
            b'\\' if bytes.peek() == Some(&b'%') => command.extend(bytes.next()),
            byte => command.push(byte),
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places {
        files: &["/etc/crontab"],
        directories: &["/etc/cron.d"],
        users: &["/var/spool/cron"],
        names: Names::Plain,
        has_zone: true,
        ignored: Ignored::Nothing,
    };

    #[test]
    fn what_the_daemon_ignores_has_no_jobs() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mode = |path: &str, mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(root.join(path), mode).unwrap();
        };
        write(root, "etc/cron.d/good", b"* * * * * root good\n");
        write(root, "etc/cron.d/broken", b"* * * * * root before\nx\n* * * * * root behind\n");
        write(root, "etc/cron.d/endless", b"* * * * * root endless");
        for name in ["open", "given", "linked"] {
            write(root, &format!("etc/cron.d/{name}"), b"* * * * * root exposed\n");
        }
        mode("etc/cron.d/open", 0o664);
        // The files of an ordinary user are no crontabs of the system at all.
        let is_root = nix::unistd::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(root.join("etc/cron.d/given"), Some(7), None).unwrap();
        }
        fs::hard_link(root.join("etc/cron.d/linked"), root.join("other")).unwrap();
        for (name, bits) in [("alice", 0o600), ("bob", 0o644)] {
            write(root, &format!("var/spool/cron/{name}"), b"* * * * * own\n");
            mode(&format!("var/spool/cron/{name}"), bits);
        }
        let commands = |ignored| {
            let found = Crontabs::read(&Places { ignored, ..PLACES }, root);
            let commands = found.entries.iter().map(|entry| entry.command.clone());
            let text = |command| String::from_utf8(command).unwrap();
            (commands.map(text).collect::<Vec<_>>(), found.unread.len())
        };
        let (sound, unread) = commands(Ignored::ExposedOrBroken);
        assert_eq!(sound, if is_root { vec!["good", "own"] } else { vec!["own"] });
        assert_eq!(unread, 7);
        let (with_lines, unread) = commands(Ignored::Exposed);
        let expected = if is_root { (5, 5) } else { (1, 7) };
        assert_eq!((with_lines.len(), unread), expected, "{with_lines:?}");
        assert_eq!(commands(Ignored::Nothing).0.len(), 9);
    }

    fn write(root: &Path, path: &str, text: &[u8]) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn all_crontabs_are_read_and_what_cannot_be_is_said() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "etc/crontab", b"SHELL = /bin/sh\n# c\n\n-5 4 * * * root run --date=\\%F%in\n");
        write(
            root,
            "etc/cron.d/jobs",
            b"CRON_TZ=\"Asia/Tokyo\"\n@daily nobody x=1 y\xff\nnonsense\n",
        );
        write(root, "etc/cron.d/jobs.dpkg-old", b"* * * * * root old\n");
        write(root, "var/spool/cron/alice", b"0 0 * * * backup\n0 0 * * *\n");
        let secret = root.join("etc/crontab");
        std::os::unix::fs::symlink(&secret, root.join("var/spool/cron/mallory")).unwrap();
        std::os::unix::fs::symlink(&secret, root.join("etc/cron.d/linked")).unwrap();
        let found = Crontabs::read(&PLACES, root);
        let entries: Vec<_> = found
            .entries
            .iter()
            .map(|entry| (&entry.user[..], &entry.command[..], entry.zone.as_deref()))
            .collect();
        assert_eq!(
            entries,
            [
                (&b"root"[..], &b"run --date=%F"[..], None),
                (b"nobody", b"x=1 y\xff", Some(&b"Asia/Tokyo"[..])),
                (b"root", b"run --date=%F", None),
                (b"alice", b"backup", None),
            ]
        );
        let unread: Vec<_> = found
            .unread
            .iter()
            .map(|unread| format!("{}: {}", unread.file.display(), unread.reason))
            .collect();
        assert_eq!(unread.len(), 3, "{unread:?}");
        assert!(unread[0].ends_with("cron.d/jobs: line 3: it has fewer than five times"));
        assert!(unread[1].ends_with("alice: line 2: it has no command"), "{unread:?}");
        assert!(unread[2].contains("mallory: "), "{unread:?}");
    }

    #[test]
    fn names_of_backups_are_left_out() {
        assert!(Names::Plain.permit(b"php-fpm_1") && !Names::Plain.permit(b"job.sh"));
        assert!(Names::NoBackups.permit(b"job.sh") && !Names::NoBackups.permit(b"job.rpmsave"));
        assert!(!Names::NoBackups.permit(b"job~") && !Names::NoBackups.permit(b".job"));
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[b"A=b\n* * * * * root x%y\n@daily root z\n"], |text| {
            let mut found = Crontabs::default();
            found.add_lines(text, Path::new("/x"), None, &PLACES);
            found.add_lines(text, Path::new("/x"), Some(b"root"), &PLACES);
        });
    }
}
