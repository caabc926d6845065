//! What a user's own processes say about the user's session: their environments. Hints, which are checked before they are
//! believed, and about nobody else's session.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::Session;
use crate::process::items;
use crate::process::{self, Cgroups, File, Files, Pid, Proc, Process, Read, Settled, known};

/// What one process says.
pub struct Hint {
    pub pid: Pid,
    pub parent: Pid,
    /// Whether it is known to belong to the session.
    pub is_inside: bool,
    environment: Vec<u8>,
}

impl Hint {
    /// The value of a variable; nothing where it is empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = |item| <[u8]>::strip_prefix(item, name.as_bytes())?.strip_prefix(b"=");
        items(&self.environment).find_map(value).filter(|value| !value.is_empty()).map(OsStr::from_bytes)
    }

    /// All variables whose names this accepts.
    pub fn all(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<(String, OsString)> {
        let pair = |item: &[u8]| {
            let at = memchr::memchr(b'=', item)?;
            let name = std::str::from_utf8(&item[..at]).ok().filter(|name| is_wanted(name))?;
            Some((name.to_owned(), OsString::from_vec(item[at + 1..].to_vec())))
        };
        items(&self.environment).filter_map(pair).collect()
    }
}

/// Hints about a session from all processes that are its user's in every respect, and of no other session.
pub fn hints(proc: &Proc, session: &Session) -> Result<Vec<Hint>, process::Error> {
    let files = Files::of(&[File::Status]);
    let mut hints = Vec::new();
    let mut scan = proc.scan(files)?;
    while let Some(process) = scan.next()? {
        if process.settle(is_theirs(process, session))? != Settled::Known(true) {
            continue;
        }
        // Once more, of one that cannot become another between two looks.
        if let Settled::Known(process) = proc.process(process.pid(), files)?
            && let Settled::Known(Some(hint)) = process.settle(hint(&process, session))?
        {
            hints.push(hint);
        }
    }
    Ok(hints)
}

/// Not of programs that run with somebody else's rights, whoever started them.
fn is_theirs(process: &Process<'_>, session: &Session) -> Read<bool> {
    Ok(process.user_ids()? == [session.account.uid; 4])
}

fn hint(process: &Process<'_>, session: &Session) -> Read<Option<Hint>> {
    let Some(environment) = known(process.environ())? else { return Ok(None) };
    let scope = session_of(process)?;
    let hint = Hint {
        pid: process.pid(),
        parent: process.ppid()?,
        is_inside: scope.is_some() && scope == session.id,
        environment: environment.to_vec(),
    };
    // Where logind has the session, who is of another one has nothing to say.
    let is_of_it = |id: &OsStr| session.id.as_deref().is_none_or(|own| id == own);
    let is_elsewhere = !hint.is_inside
        && (scope.is_some_and(|scope| !is_of_it(scope.as_ref()))
            || hint.get("XDG_SESSION_ID").is_some_and(|id| !is_of_it(id)));
    Ok((is_theirs(process, session)? && !is_elsewhere).then_some(hint))
}

/// The session whose control group a process is in.
pub fn session_of(process: &Process<'_>) -> Read<Option<String>> {
    let groups = known(process.file(File::Cgroup))?.unwrap_or_default();
    Ok(Cgroups(groups).path().and_then(session_in).map(str::to_owned))
}

/// The session in a path such as `/user.slice/user-1000.slice/session-3.scope`.
fn session_in(path: &[u8]) -> Option<&str> {
    let part =
        path.split(|&byte| byte == b'/').find_map(|part| part.strip_prefix(b"session-")?.strip_suffix(b".scope"))?;
    std::str::from_utf8(part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_in_paths() {
        assert_eq!(session_in(b"/user.slice/user-1000.slice/session-c3.scope"), Some("c3"));
        assert_eq!(session_in(b"/user.slice/user-1000.slice/session-3.scope/inner"), Some("3"));
        assert_eq!(session_in(b"/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope"), None);
    }

    #[test]
    fn variables() {
        let environment = b"DISPLAY=:1\0DISPLAYS=x\0EMPTY=\0LC_TIME=C\0odd\0".to_vec();
        let hint = Hint { pid: 1, parent: 0, is_inside: true, environment };
        assert_eq!(hint.get("DISPLAY"), Some(OsStr::new(":1")));
        assert_eq!((hint.get("EMPTY"), hint.get("DISPLA"), hint.get("odd")), (None, None, None));
        assert_eq!(hint.all(|name| name.starts_with("LC_")), [("LC_TIME".to_owned(), "C".into())]);
    }
}
