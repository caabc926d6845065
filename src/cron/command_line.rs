//! The command line of a daemon with everything else that it was started with, so that it can be
//! started again as it was.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Mode;
use rustix::process::{Gid, setsid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid};

use crate::control::reset_signals;
use crate::process::{File, Process, ReadError, ReadResult, items, leave_control_groups};

/// How a daemon was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    pub executable: Vec<u8>,
    pub arguments: Vec<Vec<u8>>,
    /// NAME=value, in order.
    pub environment: Vec<Vec<u8>>,
    pub directory: Vec<u8>,
    /// The bits that new files do not get.
    pub umask: u32,
    /// Real, effective and saved group.
    pub group_ids: [u32; 3],
    /// The supplementary groups.
    pub groups: Vec<u32>,
}

/// The umask where the kernel does not tell it (before Linux 4.7): that of init scripts.
const USUAL_UMASK: u32 = 0o022;

impl CommandLine {
    /// Reads how a daemon was started, which may be of a kind that sets the rights of the superuser
    /// aside by itself. Errors: a value is unavailable, or the process has dropped these rights.
    pub fn read(process: &Process<'_>, may_set_user: bool) -> ReadResult<CommandLine> {
        let [real, effective, saved, file_system] = process.user_ids()?;
        let is_set_aside = may_set_user && (real == 0 || saved == 0);
        if [real, effective, saved, file_system] != [0; 4] && !is_set_aside {
            return Err(ReadError::absent("it has dropped the rights of the superuser"));
        }
        let owned = |text: &[u8]| items(text).map(<[u8]>::to_vec).collect();
        let arguments: Vec<Vec<u8>> = owned(process.cmdline()?);
        if arguments.is_empty() {
            return Err(ReadError::absent("it has no arguments"));
        }
        let status = process.status()?;
        let umask = status.field("Umask").and_then(|mask| std::str::from_utf8(mask).ok());
        let umask = umask.and_then(|mask| u32::from_str_radix(mask, 8).ok());
        // It will set them again by itself.
        let groups = status.numbers("Groups").filter(|_| !is_set_aside).into_iter().flatten();
        let [real, effective, saved, _] =
            if is_set_aside { [0; 4] } else { process.group_ids()? };
        Ok(CommandLine {
            executable: process.exe_path()?.to_vec(),
            arguments,
            environment: owned(process.environ()?),
            directory: process.file(File::Cwd)?.to_vec(),
            umask: umask.unwrap_or(USUAL_UMASK),
            group_ids: [real, effective, saved],
            groups: groups.filter_map(|group| group.try_into().ok()).collect(),
        })
    }

    /// Reports whether an init script may have started it: without an argument, by a path, and with
    /// no more in its environment than service(8) and init leave there.
    pub fn looks_like_a_script_s(&self) -> bool {
        const NAMES: [&[u8]; 12] = [
            b"PATH",
            b"TERM",
            b"PWD",
            b"LANG",
            b"LANGUAGE",
            b"RUNLEVEL",
            b"PREVLEVEL",
            b"runlevel",
            b"previous",
            b"INIT_VERSION",
            b"CONSOLE",
            b"SHLVL",
        ];
        let is_usual = |variable: &Vec<u8>| {
            let name = variable.split(|&byte| byte == b'=').next().unwrap_or_default();
            name.starts_with(b"LC_") || NAMES.contains(&name)
        };
        matches!(&self.arguments[..], [program] if program.starts_with(b"/"))
            && self.environment.iter().all(is_usual)
    }

    /// Returns the command. What it cannot say, [`CommandLine::enter`] does. std sorts the
    /// variables, and keeps the last one of a name.
    pub fn command(&self) -> Command {
        let mut command = Command::new(OsStr::from_bytes(&self.executable));
        if let Some((name, arguments)) = self.arguments.split_first() {
            command.arg0(OsStr::from_bytes(name));
            command.args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
        }
        command.env_clear().envs(self.environment.iter().filter_map(|item| {
            let at = item.iter().skip(1).position(|&byte| byte == b'=')? + 1;
            let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            Some((text(&item[..at]), text(&item[at + 1..])))
        }));
        command
    }

    /// Makes a child ready to become the command: apart from us, and as the daemon was.
    pub fn enter(&self) -> Result<(), String> {
        let groups: Vec<Gid> = self.groups.iter().map(|&group| Gid::from_raw(group)).collect();
        let [real, effective, saved] = self.group_ids.map(Gid::from_raw);
        part()?;
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(Some(real), effective, Some(saved)))
            .map_err(|errno| format!("its groups cannot be set: {errno}"))?;
        umask(Mode::from_raw_mode(self.umask));
        let directory = OsStr::from_bytes(&self.directory);
        std::env::set_current_dir(directory)
            .map_err(|error| format!("'{}': {error}", directory.display()))
    }

    /// Checks that nobody but the superuser can have changed the executable. Errors: the reason.
    pub fn check(&self) -> io::Result<()> {
        let path = PathBuf::from(OsString::from_vec(self.executable.clone()));
        let path = fs::canonicalize(path)?;
        match path.ancestors().find(|part| !is_of_superuser(part)) {
            None => Ok(()),
            Some(part) => Err(io::Error::new(
                ErrorKind::PermissionDenied,
                format!("others than the superuser may change '{}'", part.display()),
            )),
        }
    }
}

/// Reports whether a file or directory belongs to the superuser, and nobody else may write to it.
fn is_of_superuser(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|facts| facts.uid() == 0 && facts.mode() & 0o022 == 0)
}

/// Parts a child from us: a daemon must not end with the session or the service in which we run.
pub fn part() -> Result<(), String> {
    setsid().map_err(|errno| format!("no session of its own: {errno}"))?;
    // Where it must stay in its group, everything else still works.
    let _ = leave_control_groups();
    // nohup(1) and the like let us ignore signals, which a daemon would inherit.
    reset_signals();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(arguments: &[&str], environment: &[&str]) -> CommandLine {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        CommandLine {
            arguments: bytes(arguments),
            environment: bytes(environment),
            ..CommandLine::default()
        }
    }

    #[test]
    fn an_init_script_gives_no_argument_and_little_environment() {
        let little = ["LANG=C", "LC_ALL=", "PATH=/bin", "TERM=x"];
        assert!(with(&["/usr/sbin/cron"], &little).looks_like_a_script_s());
        assert!(!with(&["cron"], &little).looks_like_a_script_s());
        assert!(!with(&["/usr/sbin/cron", "-f"], &little).looks_like_a_script_s());
        assert!(!with(&["/usr/sbin/cron"], &["TZ=UTC"]).looks_like_a_script_s());
    }

    #[test]
    fn each_variable_has_its_own_value() {
        let line = with(&["cron"], &["A=1=2", "B=", "=C", "nothing"]);
        let command = line.command();
        let found: Vec<_> = command.get_envs().collect();
        let text = |text: &'static str| OsStr::new(text);
        assert_eq!(
            found,
            [(text("A"), Some(text("1=2"))), (text("B"), Some(text("")))],
            "{found:?}"
        );
    }

    #[test]
    fn an_executable_that_others_may_change_is_refused() {
        let of = |path: &str| CommandLine { executable: path.into(), ..CommandLine::default() };
        assert!(of("/nowhere").check().is_err_and(|error| error.kind() == ErrorKind::NotFound));
        let place = tempfile::tempdir().unwrap();
        let program = place.path().join("cron");
        fs::write(&program, "").unwrap();
        let refused = of(&program.to_string_lossy()).check().unwrap_err();
        assert!(refused.to_string().contains("may change"), "{refused}");
        assert!(of("/bin/sh").check().is_ok());
    }
}
