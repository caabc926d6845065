//! Names of users and groups, asked for once each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User};

/// A cache over the system's user and group database.
///
/// An id without a name stays a number, and so does one whose name cannot be looked up now: a listing of
/// processes must not fail because a directory service does.
#[derive(Default)]
pub struct Users {
    users: RefCell<HashMap<u32, Rc<str>>>,
    groups: RefCell<HashMap<u32, Rc<str>>>,
}

impl Users {
    /// The name of a user.
    pub fn user(&self, uid: u32) -> Rc<str> {
        remembered(&self.users, uid, || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name))
    }

    /// The name of a group.
    pub fn group(&self, gid: u32) -> Rc<str> {
        remembered(&self.groups, gid, || Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name))
    }

    /// The id of a user given by name or number; `None` when there is no such name.
    pub fn uid(&self, user: &str) -> Result<Option<u32>, Errno> {
        if let Ok(uid) = user.parse() {
            return Ok(Some(uid));
        }
        Ok(User::from_name(user)?.map(|user| user.uid.as_raw()))
    }

    /// The id of a group given by name or number; `None` when there is no such name.
    pub fn gid(&self, group: &str) -> Result<Option<u32>, Errno> {
        if let Ok(gid) = group.parse() {
            return Ok(Some(gid));
        }
        Ok(Group::from_name(group)?.map(|group| group.gid.as_raw()))
    }
}

fn remembered(names: &RefCell<HashMap<u32, Rc<str>>>, id: u32, ask: impl FnOnce() -> Option<String>) -> Rc<str> {
    if let Some(name) = names.borrow().get(&id) {
        return Rc::clone(name);
    }
    let name: Rc<str> = ask().unwrap_or_else(|| id.to_string()).into();
    names.borrow_mut().insert(id, Rc::clone(&name));
    name
}

#[cfg(test)]
mod tests {
    use super::Users;

    #[test]
    fn names_and_numbers() {
        let users = Users::default();
        assert_eq!(&*users.user(0), "root");
        assert_eq!(&*users.group(0), "root");
        assert_eq!(users.uid("root"), Ok(Some(0)));
        assert_eq!(users.gid("0"), Ok(Some(0)));
    }

    #[test]
    fn an_unknown_id_stays_a_number_and_an_unknown_name_is_none() {
        let users = Users::default();
        assert_eq!(&*users.user(3_999_999_999), "3999999999");
        assert_eq!(&*users.group(3_999_999_999), "3999999999");
        assert_eq!(users.uid("no such user"), Ok(None));
        assert_eq!(users.gid("no such group"), Ok(None));
    }
}
