//! Users and groups, and the numbers that belong to their names. The C library answers first, then
//! getent(1), which also asks directory services.

pub mod getent;
mod names;

use nix::unistd::{Uid, User};

pub use names::Users;

/// Returns the primary group of a user; `None` if he is not known.
pub fn primary_group(uid: u32) -> Option<u32> {
    if let Some(user) = User::from_uid(Uid::from_raw(uid)).ok().flatten() {
        return Some(user.gid.as_raw());
    }
    let line = getent::line("passwd", &uid.to_string()).ok().flatten()?;
    let group = line.split(|&byte| byte == b':').nth(3)?;
    str::from_utf8(group).ok()?.parse().ok()
}
