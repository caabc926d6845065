//! The environments of a user's own processes, which name the endpoints of the user's session.
//! `search` tries their values before it uses them. They say nothing about sessions of other users.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use super::names::{MORE, NAMES, is_locale};
use crate::process::{
    self, Cgroups, File, Files, Lookup, Pid, Proc, Process, ReadResult, if_available, items,
};

/// Most bytes that are read of one environment. Nothing useful comes later.
const LONGEST_ENVIRONMENT: usize = 128 << 10;

/// Longest useful value, in bytes (PATH_MAX).
const LONGEST_VALUE: usize = 4096;

/// Most bytes of environments that are kept in all: a user must not exhaust our memory.
const MOST: usize = 4 << 20;

/// The variables of one process that say something about its session.
pub struct SessionEnviron {
    pub pid: Pid,
    pub parent: Pid,
    /// `true` if the process certainly belongs to the session, by its control group.
    pub is_inside: bool,
    variables: Vec<(String, OsString)>,
}

impl SessionEnviron {
    /// Returns the value of a variable; `None` where it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// Returns all variables whose names satisfy a test.
    pub fn all(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, OsString)> {
        self.variables.iter().filter(|(name, _)| is_wanted(name)).cloned().collect()
    }

    /// Makes one for tests.
    #[cfg(test)]
    pub fn new(pid: Pid, parent: Pid, is_inside: bool, environment: &[u8]) -> SessionEnviron {
        SessionEnviron { pid, parent, is_inside, variables: variables(environment) }
    }

    /// Returns about how many bytes of memory it needs.
    fn size(&self) -> usize {
        let variables = self.variables.iter().map(|(name, value)| name.len() + value.len() + 64);
        size_of::<SessionEnviron>() + variables.sum::<usize>()
    }
}

/// Returns the environments of all processes that have only the rights of the user and belong to no
/// other session. `session` is the id of the session, where logind has one.
pub fn session_environs(
    proc: &Proc,
    uid: u32,
    session: Option<&str>,
) -> Result<Vec<SessionEnviron>, process::Error> {
    let files = Files::new(&[File::Status]);
    let mut environs = Vec::new();
    let mut size = 0;
    let mut scan = proc.scan(files)?;
    while size < MOST
        && let Some(process) = scan.next()?
    {
        if process.lookup(is_theirs(process, uid))? != Lookup::Found(true) {
            continue;
        }
        // The process is pinned and read again: another one may have taken its pid in between.
        if let Lookup::Found(process) = proc.process(process.pid(), files)?
            && let Lookup::Found(Some(environ)) =
                process.lookup(session_environ(&process, uid, session))?
        {
            size += environ.size();
            environs.push(environ);
        }
    }
    Ok(environs)
}

/// Reports whether all user ids of a process are the user's. A process with the rights of another
/// user does not count, even if the user started it.
fn is_theirs(process: &Process<'_>, uid: u32) -> ReadResult<bool> {
    Ok(process.user_ids()? == [uid; 4])
}

/// Returns the environment of one process; `None` if it cannot be read, or belongs to another user
/// or session.
fn session_environ(
    process: &Process<'_>,
    uid: u32,
    session: Option<&str>,
) -> ReadResult<Option<SessionEnviron>> {
    let Some(environment) = if_available(process.environ_start(LONGEST_ENVIRONMENT))? else {
        return Ok(None);
    };
    let scope = session_of(process)?;
    let environ = SessionEnviron {
        pid: process.pid(),
        parent: process.ppid()?,
        is_inside: scope.is_some() && scope.as_deref() == session,
        variables: variables(&environment),
    };
    Ok((is_theirs(process, uid)? && !is_elsewhere(&environ, scope.as_deref(), session))
        .then_some(environ))
}

/// Reports whether a process certainly belongs to another session: by its control group, or by its
/// own $XDG_SESSION_ID.
fn is_elsewhere(environ: &SessionEnviron, scope: Option<&str>, session: Option<&str>) -> bool {
    let is_other = |id: &OsStr| session.is_some_and(|session| id != session);
    !environ.is_inside
        && (scope.is_some_and(|scope| is_other(scope.as_ref()))
            || environ.get("XDG_SESSION_ID").is_some_and(is_other))
}

/// Reports whether a variable of this name may name something of a session.
fn is_useful(name: &str) -> bool {
    NAMES.contains(&name) || MORE.iter().any(|(more, _)| *more == name) || is_locale(name)
}

/// Returns the useful variables of an environment that have a plausible value.
fn variables(environment: &[u8]) -> Vec<(String, OsString)> {
    let pair = |item: &[u8]| {
        let at = memchr::memchr(b'=', item)?;
        let name = std::str::from_utf8(&item[..at]).ok().filter(|name| is_useful(name))?;
        let value = &item[at + 1..];
        // Paths and names in use contain no control characters.
        let is_good = !value.is_empty()
            && value.len() <= LONGEST_VALUE
            && !value.iter().any(u8::is_ascii_control);
        is_good.then(|| (name.to_owned(), OsString::from_vec(value.to_vec())))
    };
    items(environment).filter_map(pair).collect()
}

/// Returns the id of the session whose control group a process is in.
pub fn session_of(process: &Process<'_>) -> ReadResult<Option<String>> {
    let groups = if_available(process.file(File::Cgroup))?.unwrap_or_default();
    Ok(Cgroups(groups).path().and_then(session_in).map(str::to_owned))
}

/// Returns the id of the session in a path such as `/user.slice/user-1000.slice/session-3.scope`.
fn session_in(path: &[u8]) -> Option<&str> {
    let part = path
        .split(|&byte| byte == b'/')
        .find_map(|part| part.strip_prefix(b"session-")?.strip_suffix(b".scope"))?;
    std::str::from_utf8(part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_in_paths() {
        assert_eq!(session_in(b"/user.slice/user-1000.slice/session-c3.scope"), Some("c3"));
        assert_eq!(session_in(b"/user.slice/user-1000.slice/session-3.scope/inner"), Some("3"));
        assert_eq!(
            session_in(b"/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope"),
            None
        );
    }

    #[test]
    fn useful_variables_of_an_environment() {
        let environ = SessionEnviron::new(
            1,
            0,
            true,
            b"DISPLAY=:1\0DISPLAYS=x\0XAUTHORITY=\0LC_TIME=C\0odd\0SWAYSOCK=/a\x1b[m\0PATH=/bin\0",
        );
        assert_eq!(environ.get("DISPLAY"), Some(OsStr::new(":1")));
        assert_eq!(
            (
                environ.get("XAUTHORITY"),
                environ.get("odd"),
                environ.get("SWAYSOCK"),
                environ.get("PATH")
            ),
            (None, None, None, None)
        );
        assert_eq!(
            environ.all(|name| name.starts_with("LC_")),
            [("LC_TIME".to_owned(), "C".into())]
        );
    }

    #[test]
    fn processes_of_another_session() {
        let plain = SessionEnviron::new(1, 0, false, b"");
        let named = SessionEnviron::new(1, 0, false, b"XDG_SESSION_ID=4\0");
        assert!(!is_elsewhere(&plain, None, Some("3")) && !is_elsewhere(&named, Some("4"), None));
        assert!(
            is_elsewhere(&plain, Some("4"), Some("3")) && is_elsewhere(&named, None, Some("3"))
        );
        assert!(!is_elsewhere(
            &SessionEnviron::new(1, 0, true, b"XDG_SESSION_ID=4\0"),
            Some("3"),
            Some("3")
        ));
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(
            &[b"DISPLAY=:0\0WAYLAND_DISPLAY=wayland-0\0LC_ALL=C\0\
                DBUS_SESSION_BUS_ADDRESS=unix:path=/x\0"],
            |text| {
                let _ = SessionEnviron::new(1, 2, true, text);
            },
        );
        crate::fuzz::survives(
            &[b"/user.slice/user-1000.slice/session-2.scope", b"/a/session-c1.scope/b"],
            |text| _ = session_in(text),
        );
    }
}
