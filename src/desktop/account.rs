//! A user account of this machine, and ways to act as its user: for a moment in a child process
//! (`run_as`), or for good ([`UserChange`]). All that a user may hang or forge is done with that
//! user's rights and with a time limit.

use std::ffi::{CString, OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno as NixErrno;
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist, getgroups, getresgid, getresuid};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::control::{new_session_keyring, run_in_child};
use crate::users::getent;

/// The $PATH that login(1) gives to ordinary users, without directories of a single user.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An account, as in passwd(5).
#[derive(Clone, Debug)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    gid: u32,
    pub home: PathBuf,
    shell: PathBuf,
    source: AccountSource,
}

/// The user database that has an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccountSource {
    /// Our own C library, which reads /etc/passwd.
    Here,
    /// Only the machine's own C library, which getent(1) asks.
    Elsewhere,
    /// None: only the uid is known.
    Nowhere,
}

/// The group of an account whose group is unknown (nogroup, nobody).
const NO_GROUP: u32 = 65534;

/// A reason why we cannot act as a user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no user '{0}'")]
    Unknown(String),
    #[error("user '{0}' cannot be looked up: {1}")]
    Database(String, String),
    #[error("cannot become user '{name}': {why}")]
    NotBecome { name: String, why: String },
    #[error("what belongs to user '{0}' did not answer in time")]
    Late(String),
}

impl Account {
    /// Returns the account with this name, else with this uid. Errors: `Unknown` if there is none,
    /// `Database` if the lookup fails.
    pub fn find(user: &str) -> Result<Account, Error> {
        let unknown = || Error::Unknown(user.to_owned());
        let failed = |errno: NixErrno| Error::Database(user.to_owned(), errno.to_string());
        if !getent::is_key(user) {
            return Err(unknown());
        }
        let found = match (User::from_name(user).map_err(failed)?, user.parse()) {
            (None, Ok(uid)) => User::from_uid(Uid::from_raw(uid)).map_err(failed)?,
            (found, _) => found,
        };
        match found {
            Some(user) => Ok(user.into()),
            None => Account::from_getent(user)?.ok_or_else(unknown),
        }
    }

    /// Returns the account with this uid; `None` if there is none. Errors: `Database` if the lookup
    /// fails.
    pub fn for_uid(uid: u32) -> Result<Option<Account>, Error> {
        let failed = |errno: NixErrno| Error::Database(uid.to_string(), errno.to_string());
        match User::from_uid(Uid::from_raw(uid)).map_err(failed)? {
            Some(user) => Ok(Some(user.into())),
            None => {
                Ok(Account::from_getent(&uid.to_string())?.filter(|account| account.uid == uid))
            }
        }
    }

    /// Makes an account of which only the uid is known. We cannot become this user for good.
    pub fn nameless(uid: u32) -> Account {
        let (home, shell) = ("/".into(), "/bin/sh".into());
        Account {
            name: uid.to_string(),
            uid,
            gid: NO_GROUP,
            home,
            shell,
            source: AccountSource::Nowhere,
        }
    }

    /// Returns an account that only the machine's own C library knows, by name or uid.
    fn from_getent(user: &str) -> Result<Option<Account>, Error> {
        let Some(line) = line_of("passwd", user)? else { return Ok(None) };
        let unreadable =
            || Error::Database(user.to_owned(), "getent gives no line of passwd(5)".to_owned());
        Account::parse(&line).map(Some).ok_or_else(unreadable)
    }

    /// Parses a line of passwd(5).
    fn parse(line: &[u8]) -> Option<Account> {
        let fields: Vec<&[u8]> =
            line.strip_suffix(b"\n").unwrap_or(line).split(|&byte| byte == b':').collect();
        let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
        let text = |field| std::str::from_utf8(field).ok();
        let path = |field| PathBuf::from(OsStr::from_bytes(field));
        Some(Account {
            name: text(name)?.to_owned(),
            uid: text(uid)?.parse().ok()?,
            gid: text(gid)?.parse().ok()?,
            home: non_empty(path(home), "/"),
            shell: non_empty(path(shell), "/bin/sh"),
            source: AccountSource::Elsewhere,
        })
    }

    /// Reports whether more than its uid is known.
    pub fn is_known(&self) -> bool {
        self.source != AccountSource::Nowhere
    }

    /// Reports whether we have the rights of this user.
    pub fn is_ours(&self) -> bool {
        geteuid().as_raw() == self.uid
    }

    /// Returns the environment for a command of this user.
    pub fn environment(&self) -> [(&'static str, OsString); 5] {
        [
            ("HOME", self.home.clone().into()),
            ("USER", self.name.clone().into()),
            ("LOGNAME", self.name.clone().into()),
            ("SHELL", self.shell.clone().into()),
            ("PATH", PATH.into()),
        ]
    }

    /// Runs a closure with the user's rights, in a child process, and returns its result. Servers
    /// see the user connect, and the closure can open only files that the user can open. Errors:
    /// `Late` after `limit`, `NotBecome` if we cannot get the user's rights.
    ///
    /// A child that is late is left behind. Its real user stays ours, so that the user cannot
    /// signal it; a file system of the user (FUSE) refuses the child for that reason.
    pub fn run_as(&self, limit: Duration, act: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, Error> {
        const DONE: &[u8] = b"+";
        let groups = if self.is_ours() { None } else { Some(self.groups()?) };
        let answer = run_in_child(limit, || {
            match groups.map_or(Ok(()), |groups| self.switch(&groups, false)) {
                Ok(()) => [DONE, &act()].concat(),
                Err(Error::NotBecome { why, .. }) => why.into_bytes(),
                Err(error) => error.to_string().into_bytes(),
            }
        });
        let answer = answer.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => Error::Late(self.name.clone()),
            _ => self.not_become(error),
        })?;
        match answer.strip_prefix(DONE) {
            Some(answer) => Ok(answer.to_vec()),
            None if answer.is_empty() => Err(self.not_become("the process that did has ended")),
            None => Err(self.not_become(String::from_utf8_lossy(&answer))),
        }
    }

    /// Runs a closure with our own rights, in a thread, where the user could make it last without
    /// limit. Errors: `Late` after `limit`, and then the thread is left behind.
    pub fn with_timeout<T: Send + 'static>(
        &self,
        limit: Duration,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (done, outcome) = channel();
        let begin = move || {
            // There is no receiver any more after the time limit.
            let _ = done.send(act());
        };
        thread::Builder::new().spawn(begin).map_err(|error| self.not_become(error))?;
        outcome.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => Error::Late(self.name.clone()),
            RecvTimeoutError::Disconnected => self.not_become("its thread has ended"),
        })
    }

    /// Prepares to become the user. Errors: `Unknown` if only the uid is known, `Database` and
    /// `NotBecome` if the groups are not known.
    pub fn change(&self) -> Result<UserChange, Error> {
        if !self.is_known() {
            return Err(Error::Unknown(self.name.clone()));
        }
        Ok(UserChange { account: self.clone(), groups: self.groups()? })
    }

    /// Drops the capabilities that would survive the change of user.
    fn drop_capabilities(&self) -> Result<(), Errno> {
        let sets = capabilities(None)?;
        set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..sets })?;
        match clear_ambient_capability_set() {
            // Linux before 4.3 has no ambient capabilities.
            Err(Errno::INVAL) => Ok(()),
            cleared => cleared,
        }
    }

    /// Changes the supplementary groups, the group and the user, in this order: without the rights
    /// of the old user the groups cannot be changed. The real and saved ids change only `for_good`.
    fn switch(&self, groups: &[Gid], for_good: bool) -> Result<(), Error> {
        let groups: Vec<_> =
            groups.iter().map(|group| rustix::process::Gid::from_raw(group.as_raw())).collect();
        let uid = rustix::process::Uid::from_raw(self.uid);
        let gid = rustix::process::Gid::from_raw(self.gid);
        let (other_uid, other_gid) = (for_good.then_some(uid), for_good.then_some(gid));
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(other_gid, gid, other_gid))
            .and_then(|()| set_thread_res_uid(other_uid, uid, other_uid))
            .map_err(|errno| self.not_become(errno))
    }

    /// Returns the supplementary groups, with the account's own group.
    fn groups(&self) -> Result<Vec<Gid>, Error> {
        let own = Gid::from_raw(self.gid);
        match self.source {
            AccountSource::Nowhere => Ok(vec![own]),
            AccountSource::Elsewhere => Ok([self.groups_from_getent()?, vec![own]].concat()),
            AccountSource::Here => {
                let name =
                    CString::new(self.name.as_bytes()).map_err(|error| self.not_become(error))?;
                getgrouplist(&name, own).map_err(|errno| self.not_become(errno))
            }
        }
    }

    /// Returns the supplementary groups that getent(1) knows.
    fn groups_from_getent(&self) -> Result<Vec<Gid>, Error> {
        let line = line_of("initgroups", &self.name)?;
        // The line begins with the name, which may contain blanks and digits.
        let numbers = line
            .as_deref()
            .and_then(|line| line.strip_prefix(self.name.as_bytes()))
            .and_then(|numbers| std::str::from_utf8(numbers).ok())
            .ok_or_else(|| self.not_become("getent tells no groups"))?;
        let parse = |number: &str| number.parse().map(Gid::from_raw);
        numbers
            .split_ascii_whitespace()
            .map(parse)
            .collect::<Result<_, _>>()
            .map_err(|error| self.not_become(format_args!("groups of getent: {error}")))
    }

    fn not_become(&self, why: impl std::fmt::Display) -> Error {
        Error::NotBecome { name: self.name.clone(), why: why.to_string() }
    }
}

/// A prepared change to a user: nothing has to be looked up any more.
#[derive(Clone)]
pub struct UserChange {
    account: Account,
    groups: Vec<Gid>,
}

impl UserChange {
    /// Becomes the user in all respects, without a way back. Only the calling thread changes: the
    /// process has no other threads that continue, or it becomes a command next, which ends them.
    /// Errors: `NotBecome` if something of ours would be left.
    pub fn carry_out(&self) -> Result<(), Error> {
        let UserChange { account, groups } = self;
        account.drop_capabilities().map_err(|errno| account.not_become(errno))?;
        account.switch(groups, true)?;
        // The keys of our session keyring are the caller's, not the user's (session-keyring(7)).
        new_session_keyring().map_err(|errno| account.not_become(errno))?;
        let is_user = getresuid()
            .is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [account.uid.into(); 3])
            && getresgid()
                .is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [account.gid.into(); 3])
            && getgroups().is_ok_and(|ours| sorted(ours) == sorted(groups.clone()));
        if !is_user {
            return Err(account.not_become("the kernel did not change who we are"));
        }
        // The caller may have told the kernel to keep capabilities (SECBIT_NO_SETUID_FIXUP in
        // capabilities(7)).
        let has_none = capabilities(None).is_ok_and(|sets| {
            sets.effective.is_empty() && sets.permitted.is_empty() && sets.inheritable.is_empty()
        });
        if account.uid != 0 && !has_none {
            return Err(account.not_become("capabilities of the superuser would be left"));
        }
        Ok(())
    }
}

impl From<User> for Account {
    /// Replaces empty fields with their meaning in passwd(5).
    fn from(user: User) -> Account {
        Account {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            home: non_empty(user.dir, "/"),
            shell: non_empty(user.shell, "/bin/sh"),
            source: AccountSource::Here,
        }
    }
}

/// Returns the path of a field, or `default` where the field is empty.
fn non_empty(path: PathBuf, default: &str) -> PathBuf {
    if path.as_os_str().is_empty() { default.into() } else { path }
}

/// Returns the line of a database of getent(1) with this key; `None` if there is none.
fn line_of(database: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    getent::line(database, key).map_err(|error| Error::Database(key.to_owned(), error.to_string()))
}

/// Returns the groups in order and without duplicates, so that they can be compared.
fn sorted(mut groups: Vec<Gid>) -> Vec<u32> {
    groups.sort_unstable_by_key(|group| group.as_raw());
    groups.dedup();
    groups.into_iter().map(Gid::as_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_passwd() {
        let account =
            Account::parse(b"EXAMPLE\\jo doe:*:70001:70002:J\xf6,,:/home/j\xf6:\n").unwrap();
        assert_eq!(
            (account.name.as_str(), account.uid, account.gid),
            ("EXAMPLE\\jo doe", 70001, 70002)
        );
        assert_eq!(
            (account.home, account.shell),
            (OsStr::from_bytes(b"/home/j\xf6").into(), "/bin/sh".into())
        );
        for wrong in ["", "a:b", "a:x:1:2:g:/h", "a:x:-1:2:g:/h:/s", "a:x:1:2:g:/h:/s:more"] {
            assert!(Account::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(Account::find("0").unwrap().name, "root");
        for wrong in ["", " 0", "+0", "-0", "4294967296", "0x0"] {
            assert!(matches!(Account::find(wrong), Err(Error::Unknown(_))), "{wrong}");
        }
    }

    #[test]
    fn a_late_closure_is_not_waited_for() {
        let account = Account::for_uid(0).unwrap().unwrap();
        let (keep, kept) = channel::<()>();
        let outcome = account.with_timeout(Duration::from_millis(10), move || kept.recv().is_ok());
        assert!(matches!(outcome, Err(Error::Late(_))));
        drop(keep);
        assert_eq!(account.with_timeout(Duration::from_secs(60), || 7).unwrap(), 7);
    }
}
