//! The login that a process comes from, whoever it became since.

use super::error::{ReadError, ReadResult, if_available};
use super::file::{File, Files};
use super::{Pid, Process, cgroup::Cgroups, terminal};
use crate::users::{Session, TerminalLogin};

/// The number by which the kernel means "never set" (INVALID_UID, AUDIT_SID_UNSET).
const UNSET: u64 = u32::MAX as u64;

/// A login, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Login {
    /// Name of the user who logged in, or the number.
    pub user: String,
    /// The other machine that the user came from.
    pub from: Option<String>,
    /// The terminal, below /dev.
    pub terminal: Option<String>,
    /// The service that let the user in, such as `sshd`.
    pub service: Option<String>,
    /// Seconds from the epoch to the login.
    pub since: Option<f64>,
}

impl Login {
    fn of_session(session: Session) -> Option<Login> {
        Some(Login {
            user: session.user?,
            from: session.host,
            terminal: session.terminal,
            service: session.service,
            since: session.since.map(|since| since as f64 / 1e6),
        })
    }

    fn of_terminal(login: &TerminalLogin) -> Login {
        Login {
            user: login.user.clone(),
            from: login.host.clone(),
            terminal: Some(login.terminal.clone()),
            service: None,
            since: Some(login.since as f64),
        }
    }
}

impl Process<'_> {
    /// Returns `loginuid` or `sessionid`; `None` for a process that belongs to no login.
    pub fn audit_number(&self, file: File) -> ReadResult<Option<u64>> {
        Ok(Some(self.number_in(file)?).filter(|&number| number != UNSET))
    }

    /// Returns the login that it comes from: the session in logind that its audit session or its
    /// control group names, else the login in utmp at its terminal, else the user of the audit alone.
    pub fn login(&self) -> ReadResult<Login> {
        let user = self.audit_number(File::Loginuid);
        let audit = self.audit_number(File::Sessionid);
        let found = if self.proc().own_pid().is_some() {
            self.recorded_login(if_available(user)?.flatten(), if_available(audit)?.flatten())?
        } else {
            // The files of this machine tell nothing of another one's processes.
            None
        };
        match (found, user) {
            (Some(login), _) => Ok(login),
            (None, Ok(Some(uid))) => {
                let uid = u32::try_from(uid).map_err(|_| ReadError::malformed("loginuid"))?;
                Ok(Login { user: self.proc().users().user(uid).to_string(), ..Login::default() })
            }
            (None, Err(ReadError::DENIED)) => Err(ReadError::DENIED),
            (None, _) => Err(ReadError::absent("it comes from no login that is on record")),
        }
    }

    /// Returns the login that logind or utmp has on record. One of another user than the audit's is
    /// not the one.
    fn recorded_login(&self, uid: Option<u64>, audit: Option<u64>) -> ReadResult<Option<Login>> {
        let uid = uid.and_then(|uid| u32::try_from(uid).ok());
        let user = uid.map(|uid| self.proc().users().user(uid));
        let is_possible = |login: &Login| user.as_ref().is_none_or(|user| **user == *login.user);
        if let Some(login) = self.login_of_session(audit)?.filter(&is_possible) {
            return Ok(Some(login));
        }
        Ok(self.login_at_terminal()?.filter(is_possible))
    }

    /// Returns the login of its session in logind. Sessions have the numbers of the audit, where the
    /// kernel keeps it; others are told by the control group.
    fn login_of_session(&self, audit: Option<u64>) -> ReadResult<Option<Login>> {
        let session = |id: &str| {
            let session = self.proc().logins().session(id);
            session.map_err(|errno| ReadError::broken("the file of its session", errno))
        };
        if let Some(audit) = audit
            && let Some(found) = session(&audit.to_string())?
            // In a container this may be a session of another number.
            && found.audit == Some(audit)
        {
            return Ok(Login::of_session(found));
        }
        let groups = if_available(self.file(File::Cgroup))?.map(Cgroups);
        let Some(id) = groups.and_then(session_of_group) else { return Ok(None) };
        Ok(session(id)?.and_then(Login::of_session))
    }

    /// Returns the login in utmp at its terminal, or at that of the leader of its session.
    fn login_at_terminal(&self) -> ReadResult<Option<Login>> {
        let stat = *self.stat()?;
        let other;
        let device = if stat.tty == 0 && stat.session != self.pid() && stat.session != 0 {
            other = Process::pin(self.proc(), stat.session, Files::new(&[File::Stat]));
            other.and_then(|leader| Ok(leader.stat()?.tty)).unwrap_or(0)
        } else {
            stat.tty
        };
        let Some(terminal) = terminal::name(device) else { return Ok(None) };
        let logins = self.proc().logins().at_terminal(&terminal);
        let logins = logins.map_err(|errno| ReadError::broken("utmp", errno))?;
        let login = logins.into_iter().find(|login| {
            // The record of a login that was killed stays. A process that is older than the one that
            // let the user in belongs to an earlier login.
            self.start_of(login.pid).is_some_and(|start| start <= stat.start_ticks)
        });
        Ok(login.map(Login::of_terminal))
    }

    /// Returns the clock ticks from boot to the start of the process that has this number now.
    fn start_of(&self, pid: Pid) -> Option<u64> {
        let process = Process::pin(self.proc(), pid, Files::new(&[File::Stat])).ok()?;
        process.stat().ok().filter(|stat| stat.is_alive()).map(|stat| stat.start_ticks)
    }
}

/// Returns the id of the session whose scope holds the process: `3` of `session-3.scope`.
fn session_of_group(groups: Cgroups<'_>) -> Option<&str> {
    let parts = groups.path()?.split(|&byte| byte == b'/');
    let mut scopes =
        parts.filter_map(|part| part.strip_prefix(b"session-")?.strip_suffix(b".scope"));
    str::from_utf8(scopes.next()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_by_its_scope() {
        let session = |text: &'static str| session_of_group(Cgroups(text.as_bytes()));
        assert_eq!(session("0::/user.slice/user-0.slice/session-c12.scope/x"), Some("c12"));
        assert_eq!(session("0::/user.slice/user-0.slice/user@0.service/session.slice"), None);
        assert_eq!(session("0::/system.slice/session-.scope"), Some(""));
    }
}
