//! Graphical sessions: `sessions` lists all that may be meant, and `choose` takes one of them.
//! Where logind runs, its records decide; elsewhere, users with a living server in their runtime
//! directory have a session each.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Instant;

use nix::unistd::geteuid;

use super::address::Address;
use super::environ::session_of;
use super::logind::{self, Record};
use super::{Error, runtime, wayland, x11};
use crate::deadline::left_until;
use crate::deadlines;
use crate::desktop::account::{self, Account};
use crate::process::{Files, Lookup, Pid, Proc};
use crate::users::Users;

/// A graphical session.
pub struct Session {
    /// The user of the session.
    pub account: Account,
    /// Its id in logind; `None` where logind does not know it.
    pub id: Option<String>,
    /// `x11`, `wayland` or `mir`, as in logind.
    pub kind: Option<String>,
    /// The seat that it is at; `None` for one of a remote desktop, and without logind.
    pub seat: Option<String>,
    /// `true` if its seat shows it now.
    pub is_foreground: bool,
    /// `true` if we are in it.
    is_own: bool,
    /// `true` for the session of its user to which programs without a session belong.
    is_main: bool,
    /// Its first process.
    pub leader: Option<Pid>,
    /// The desktop and the X display, as in logind.
    pub desktop: Option<String>,
    pub display: Option<String>,
    /// `true` if a message bus is enough to make it a session, without a display.
    pub may_lack_display: bool,
}

/// The session that the user of the command names, if any.
#[derive(Default)]
pub struct SessionSelector {
    /// The name or number of a user.
    pub user: Option<String>,
    /// The id of a session in logind.
    pub session: Option<String>,
}

/// Returns all sessions that may be meant. Errors: `NotYours` if an ordinary user names another
/// user or that user's session, `NoSession` and `NotTheirs` for a session that does not fit.
pub fn sessions(proc: &Proc, selector: &SessionSelector) -> Result<Vec<Session>, Error> {
    let account = match &selector.user {
        Some(user) => Some(Account::find(user)?),
        None if geteuid().is_root() => None,
        None => Some(ourselves()?),
    };
    if let Some(account) =
        account.as_ref().filter(|account| !geteuid().is_root() && !account.is_ours())
    {
        return Err(Error::NotYours { user: account.name.clone() });
    }
    let records = logind::records(proc)?;
    match (&selector.session, records) {
        (Some(id), records) => Ok(vec![session_by_id(id, records.unwrap_or_default(), account)?]),
        (None, Some(records)) => {
            let mut sessions = logind_sessions(records, account)?;
            let own_id = own_id(proc)?;
            sessions.iter_mut().for_each(|session| {
                session.is_own = session.account.is_ours() && session.id == own_id
            });
            Ok(sessions)
        }
        (None, None) => sessions_without_logind(account),
    }
}

/// Returns the id of our own session: that of our control group or, below the user's service
/// manager, that of our environment.
fn own_id(proc: &Proc) -> Result<Option<String>, Error> {
    let Some(pid) = proc.own_pid() else { return Ok(None) };
    let Lookup::Found(process) = proc.process(pid, Files::NONE)? else { return Ok(None) };
    let scope = match process.lookup(session_of(&process))? {
        Lookup::Found(scope) => scope,
        Lookup::Unavailable(_) | Lookup::Exited => None,
    };
    Ok(scope.or_else(|| std::env::var("XDG_SESSION_ID").ok()))
}

/// Returns the account whose rights we have.
fn ourselves() -> Result<Account, Error> {
    let uid = geteuid().as_raw();
    Account::for_uid(uid)?.ok_or_else(|| account::Error::Unknown(uid.to_string()).into())
}

/// Returns the session with this id in logind, which must be the user's if one is given.
fn session_by_id(
    id: &str,
    records: Vec<Record>,
    account: Option<Account>,
) -> Result<Session, Error> {
    let none = || Error::NoSession(id.to_owned());
    let record =
        records.into_iter().find(|record| record.id == id && record.is_living).ok_or_else(none)?;
    let account = match account {
        Some(account) if account.uid == record.uid => account,
        Some(account) if geteuid().is_root() => {
            return Err(Error::NotTheirs { session: id.to_owned(), user: account.name });
        }
        Some(_) => {
            return Err(Error::NotYours { user: Users::default().user(record.uid).to_string() });
        }
        None => account_of(record.uid)?,
    };
    let session = Session::from_record(record, account);
    let end = Instant::now() + deadlines::LIVING_DESKTOP;
    if session.kind.is_some() || session.is_living(false, end)? { Ok(session) } else { Err(none()) }
}

/// Returns the sessions of logind, of all users or of one. A named user may also have a desktop
/// that logind does not know, such as that of a VNC server. A session that is closing does not
/// count.
fn logind_sessions(records: Vec<Record>, account: Option<Account>) -> Result<Vec<Session>, Error> {
    let is_theirs =
        |record: &Record| account.as_ref().is_none_or(|account| account.uid == record.uid);
    let records: Vec<Record> = records.into_iter().filter(is_theirs).collect();
    let (graphical, terminal): (Vec<Record>, Vec<Record>) =
        records.into_iter().partition(|record| record.kind.is_some());
    let only_remote = graphical.iter().all(|record| record.is_remote);
    let with_screen: BTreeSet<u32> = graphical.iter().map(|record| record.uid).collect();
    let mut sessions = Vec::new();
    for record in graphical.into_iter().filter(|record| record.is_living) {
        let account = account_of(record.uid)?;
        sessions.push(Session::from_record(record, account));
    }
    // A desktop that was started from a terminal (startx) has the session of the terminal.
    let at_a_seat = |record: &Record| {
        record.is_living && record.seat.is_some() && !with_screen.contains(&record.uid)
    };
    let end = Instant::now() + deadlines::LIVING_DESKTOPS;
    for record in terminal.into_iter().filter(at_a_seat) {
        let account = account_of(record.uid)?;
        let session = Session::from_record(record, account);
        sessions.extend(session.is_living(false, end)?.then_some(session));
    }
    if let (Some(account), true, true) = (account, sessions.is_empty(), only_remote) {
        sessions.push(Session::without_logind(account, false));
    }
    Ok(sessions)
}

/// Returns the account with this uid, or a nameless one where it cannot be looked up, as while a
/// directory service is down. Its session may be the one that is meant, and must not be skipped in
/// favour of another user's.
fn account_of(uid: u32) -> Result<Account, Error> {
    match Account::for_uid(uid) {
        Err(error @ account::Error::Database(..)) => {
            tracing::debug!("{error}");
            Ok(Account::nameless(uid))
        }
        account => Ok(account?.unwrap_or_else(|| Account::nameless(uid))),
    }
}

/// Returns the sessions where logind does not run: one for the named user, else one for each user
/// with a runtime directory and a living server. Only servers count that are the user's own, as the
/// kernel reports their owners.
fn sessions_without_logind(account: Option<Account>) -> Result<Vec<Session>, Error> {
    if let Some(account) = account {
        return Ok(vec![Session::without_logind(account, true)]);
    }
    let mut sessions = Vec::new();
    let end = Instant::now() + deadlines::LIVING_DESKTOPS;
    for uid in runtime::users().map_err(|error| Error::of_file("/run/user".as_ref(), error))? {
        let session = Session::without_logind(account_of(uid)?, true);
        sessions.extend(session.is_living(true, end)?.then_some(session));
    }
    Ok(sessions)
}

/// Chooses the session that is meant: our own, else one that a seat shows, else any; of several
/// sessions of one user the main one. Errors: `Nobody` if there is none, `NoSeat` if all have to be
/// named, `Several` if it is not clear which one is meant.
pub fn choose(mut sessions: Vec<Session>, selector: &SessionSelector) -> Result<Session, Error> {
    if !geteuid().is_root() && sessions.iter().any(|session| session.is_own) {
        sessions.retain(|session| session.is_own);
    }
    if !sessions.iter().all(|session| session.is_reached_by(selector)) {
        let all = sessions.iter().map(Session::to_string).collect();
        sessions.retain(|session| session.is_reached_by(selector));
        if sessions.is_empty() {
            return Err(Error::NoSeat(all));
        }
    }
    if sessions.iter().any(|session| session.is_foreground) {
        sessions.retain(|session| session.is_foreground);
    }
    let is_of_one = sessions.iter().all(|session| session.account.uid == sessions[0].account.uid);
    if is_of_one && sessions.iter().filter(|session| session.is_main).count() == 1 {
        sessions.retain(|session| session.is_main);
    }
    match (sessions.pop(), &sessions[..]) {
        (None, _) => Err(Error::Nobody { user: selector.user.clone() }),
        (Some(session), []) => Ok(session),
        (Some(last), others) => {
            let all = others.iter().chain([&last]).map(Session::to_string).collect();
            Err(Error::Several(all))
        }
    }
}

impl Session {
    fn from_record(record: Record, account: Account) -> Session {
        Session {
            id: Some(record.id),
            may_lack_display: record.kind.is_some(),
            kind: record.kind,
            seat: record.seat,
            is_foreground: record.is_foreground,
            is_main: record.is_main,
            leader: Some(record.leader),
            desktop: record.desktop,
            display: record.display,
            ..Session::without_logind(account, true)
        }
    }

    fn without_logind(account: Account, may_lack_display: bool) -> Session {
        Session {
            account,
            id: None,
            kind: None,
            seat: None,
            is_foreground: false,
            is_own: false,
            is_main: false,
            leader: None,
            desktop: None,
            display: None,
            may_lack_display,
        }
    }

    /// Reports whether it may be meant. The superuser must name a session without a seat, or its
    /// user: any user can have logind open one and call it graphical then (SetType in
    /// org.freedesktop.login1(5)). No user can do that at a seat.
    pub fn is_reached_by(&self, selector: &SessionSelector) -> bool {
        let is_named =
            selector.user.is_some() || selector.session.is_some() || !geteuid().is_root();
        is_named || self.id.is_none() || self.seat.is_some()
    }

    /// Reports whether the user has a living desktop: a compositor in the runtime directory, an X
    /// server at a socket of the user's or, with `or_bus`, a message bus. Without a runtime
    /// directory there is none. A server that does not answer in time, or is not asked before `end`,
    /// counts: a slow one must not be skipped in favour of another user's.
    fn is_living(&self, or_bus: bool, end: Instant) -> Result<bool, Error> {
        const LIVING: &[u8] = b"there";
        let uid = self.account.uid;
        let limit = left_until(end).min(deadlines::LIVING_DESKTOP);
        let answer = self.account.run_as(limit, || {
            if has_living_server(uid, or_bus) { LIVING.to_vec() } else { Vec::new() }
        });
        match answer {
            Err(error @ account::Error::Late(_)) => {
                tracing::debug!(uid, "{error}");
                Ok(true)
            }
            answer => Ok(answer? == LIVING),
        }
    }
}

/// Reports whether a server of the user answers, or may still answer. Callers have the user's
/// rights.
fn has_living_server(uid: u32, or_bus: bool) -> bool {
    let Some(runtime) = runtime::directory(uid) else { return false };
    let compositors_end = Instant::now() + deadlines::COMPOSITORS;
    or_bus && has_bus(&runtime, uid)
        || has_x_server(uid)
        || has_compositor(&runtime, uid, compositors_end)
}

/// Reports whether the bus in the runtime directory answers, or may still answer.
fn has_bus(runtime: &Path, uid: u32) -> bool {
    let end = Instant::now() + deadlines::DESKTOP_PROBE;
    Address::at(&runtime.join("bus")).is_some_and(|bus| is_living(bus.connect(uid, end)))
}

/// Reports whether an X server listens at a socket of the user's, or may still answer.
fn has_x_server(uid: u32) -> bool {
    match x11::owned(uid, Instant::now() + deadlines::DESKTOP_PROBE) {
        Ok(servers) => !servers.is_empty(),
        Err(error) => is_late(&error),
    }
}

/// Reports whether a compositor in the runtime directory answers, or may still answer.
fn has_compositor(runtime: &Path, uid: u32, end: Instant) -> bool {
    let Ok(names) = wayland::names(runtime) else { return false };
    names.into_iter().any(|name| is_living(wayland::answers(&runtime.join(name), uid, end)))
}

/// Reports whether a server answered, or may still answer.
fn is_living<T>(answer: io::Result<T>) -> bool {
    answer.as_ref().map_or_else(is_late, |_| true)
}

/// Reports whether a server did not answer in time.
fn is_late(error: &io::Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}

/// Writes the session's name in messages.
impl std::fmt::Display for Session {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.id, &self.seat) {
            (Some(id), Some(seat)) => {
                write!(text, "session {id} of {} on {seat}", self.account.name)
            }
            (Some(id), None) => write!(text, "session {id} of {}", self.account.name),
            (None, _) => write!(text, "the desktop of {}", self.account.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, uid: u32, is_foreground: bool, is_main: bool) -> Session {
        let mut account = Account::for_uid(0).unwrap().unwrap();
        account.uid = uid;
        let session = Session::without_logind(account, true);
        Session {
            id: Some(id.to_owned()),
            seat: Some("seat0".to_owned()),
            is_foreground,
            is_main,
            ..session
        }
    }

    fn chosen(sessions: Vec<Session>) -> String {
        match choose(sessions, &SessionSelector::default()) {
            Ok(session) => session.id.unwrap(),
            Err(Error::Several(all) | Error::NoSeat(all)) => format!("{} of them", all.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_session_that_a_seat_shows_comes_first() {
        assert_eq!(chosen(vec![session("1", 1, false, true), session("2", 2, true, true)]), "2");
        assert_eq!(
            chosen(vec![session("1", 1, true, true), session("2", 2, true, true)]),
            "2 of them"
        );
    }

    #[test]
    fn of_one_user_the_main_session() {
        assert_eq!(chosen(vec![session("1", 1, false, false), session("2", 1, false, true)]), "2");
        assert_eq!(
            chosen(vec![session("1", 1, false, false), session("2", 1, false, false)]),
            "2 of them"
        );
        assert_eq!(
            chosen(vec![session("1", 1, false, false), session("2", 2, false, true)]),
            "2 of them"
        );
    }

    #[test]
    fn a_session_without_a_seat_counts_only_by_name() {
        let nowhere = || Session { seat: None, ..session("9", 9, false, true) };
        assert_eq!(chosen(vec![nowhere(), session("1", 1, false, false)]), "1");
        assert_eq!(chosen(vec![nowhere()]), "1 of them");
        let selector = SessionSelector { user: Some("x".to_owned()), session: None };
        assert!(choose(vec![nowhere()], &selector).is_ok());
    }

    #[test]
    fn no_session_at_all() {
        assert!(chosen(Vec::new()).contains("nobody is logged in graphically"));
    }
}
