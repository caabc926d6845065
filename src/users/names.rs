//! Names of users and groups, each of them looked up once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use nix::unistd::{Gid, Group, Uid, User};

use super::getent;
use crate::deadlines;

/// A cache of the system's user and group databases.
///
/// An id without a name stays a number. So does an id whose name cannot be looked up now: a list of
/// processes must not fail because a directory service does.
pub struct Users {
    users: Names,
    groups: Names,
}

impl Default for Users {
    fn default() -> Users {
        Users { users: Names::new("passwd"), groups: Names::new("group") }
    }
}

impl Users {
    /// Returns the name of a user.
    pub fn user(&self, uid: u32) -> Rc<str> {
        self.users
            .name(uid, || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name))
    }

    /// Forgets all names if the database of users has changed since they were asked for. It is for
    /// a program that runs for long.
    pub fn refresh(&self) {
        self.users.refresh();
        self.groups.refresh();
    }

    /// Returns the name of a group.
    pub fn group(&self, gid: u32) -> Rc<str> {
        self.groups.name(gid, || {
            Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name)
        })
    }

    /// Returns the id of a user given by name or number; `None` when the name does not exist.
    pub fn uid(&self, user: &str) -> io::Result<Option<u32>> {
        self.users.id(user, || Ok(User::from_name(user)?.map(|user| user.uid.as_raw())))
    }

    /// Returns the id of a group given by name or number; `None` when the name does not exist.
    pub fn gid(&self, group: &str) -> io::Result<Option<u32>> {
        self.groups.id(group, || Ok(Group::from_name(group)?.map(|group| group.gid.as_raw())))
    }
}

/// The inode, the size and the time of the last change of a file.
type Stamp = (u64, u64, SystemTime);

/// The names in one of the two databases. Our own C library is asked first, then that of the
/// machine.
struct Names {
    database: &'static str,
    known: RefCell<BTreeMap<u32, Rc<str>>>,
    /// The state of the file before the first name was asked for.
    stamp: Cell<Option<Stamp>>,
    /// Time that getent(1) may still take; each lookup starts a process. `None` before the first
    /// lookup, zero after one has failed: none is tried again.
    patience: Cell<Option<Duration>>,
}

impl Names {
    fn new(database: &'static str) -> Names {
        let (known, stamp) = (RefCell::default(), Cell::new(None));
        Names { database, known, stamp, patience: Cell::new(None) }
    }

    fn refresh(&self) {
        let stamp = stamp(self.database);
        if self.stamp.replace(stamp) != stamp {
            self.known.borrow_mut().clear();
            self.patience.set(None);
        }
    }

    /// Returns the name of an id, or the id itself; `ask` asks our own C library.
    fn name(&self, id: u32, ask: impl FnOnce() -> Option<String>) -> Rc<str> {
        if let Some(name) = self.known.borrow().get(&id) {
            return Rc::clone(name);
        }
        let name = ask().or_else(|| self.by_getent(id)).unwrap_or_else(|| id.to_string());
        let name: Rc<str> = name.into();
        self.known.borrow_mut().insert(id, Rc::clone(&name));
        name
    }

    /// Returns the name of an id from getent(1), while there is time.
    fn by_getent(&self, id: u32) -> Option<String> {
        let patience = self.patience.get().unwrap_or_else(|| self.whole_patience());
        let begin = Instant::now();
        let answer = if patience.is_zero() { Ok(None) } else { self.entry(&id.to_string()) };
        let left =
            if answer.is_ok() { patience.saturating_sub(begin.elapsed()) } else { Duration::ZERO };
        self.patience.set(Some(left));
        answer.ok()?.filter(|&(_, found)| found == id).map(|(name, _)| name)
    }

    /// Returns the time for all lookups by getent(1): none where it reads only the file that our
    /// own C library reads too.
    fn whole_patience(&self) -> Duration {
        if getent::is_elsewhere(self.database) { deadlines::NAMES } else { Duration::ZERO }
    }

    /// Returns the id of a name or number; `ask` asks our own C library.
    fn id(
        &self,
        name: &str,
        ask: impl FnOnce() -> io::Result<Option<u32>>,
    ) -> io::Result<Option<u32>> {
        if let Ok(id) = name.parse() {
            return Ok(Some(id));
        }
        match ask().map_err(|error| self.with_file_name(error))? {
            None => Ok(self.entry(name)?.map(|(_, id)| id)),
            found => Ok(found),
        }
    }

    /// Names the missing file in an error about one that does not exist.
    fn with_file_name(&self, error: io::Error) -> io::Error {
        match error.kind() {
            kind @ io::ErrorKind::NotFound => {
                io::Error::new(kind, format!("there is no /etc/{}", self.database))
            }
            _ => error,
        }
    }

    /// Returns the name and the id that the machine's own C library knows.
    fn entry(&self, key: &str) -> io::Result<Option<(String, u32)>> {
        let Some(line) = getent::line(self.database, key)? else { return Ok(None) };
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().map(|name| String::from_utf8_lossy(name).into_owned());
        let id = fields.nth(1).and_then(|id| str::from_utf8(id).ok()?.parse().ok());
        let entry = name.zip(id);
        entry.map(Some).ok_or_else(|| {
            io::Error::other(format!("getent gives no line of the {} database", self.database))
        })
    }
}

/// Returns the state of the file of a database; `None` if there is none.
fn stamp(database: &str) -> Option<Stamp> {
    let found = fs::metadata(Path::new("/etc").join(database)).ok()?;
    Some((found.ino(), found.size(), found.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Users;

    #[test]
    fn names_and_numbers() {
        let users = Users::default();
        assert_eq!(&*users.user(0), "root");
        assert_eq!(&*users.group(0), "root");
        assert_eq!(users.uid("root").unwrap(), Some(0));
        assert_eq!(users.gid("0").unwrap(), Some(0));
    }

    #[test]
    fn an_unknown_id_stays_a_number_and_an_unknown_name_is_none() {
        let users = Users::default();
        assert_eq!(&*users.user(3_999_999_999), "3999999999");
        assert_eq!(&*users.group(3_999_999_999), "3999999999");
        assert_eq!(users.uid("no such user").unwrap(), None);
        assert_eq!(users.gid("no such group").unwrap(), None);
    }
}
