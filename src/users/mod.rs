//! Users and groups, and the numbers that belong to their names. The C library answers first, then
//! getent(1), which also asks directory services. Also the logins that logind and utmp record.

pub mod getent;
mod logins;
mod names;
mod session;
mod utmp;

use nix::unistd::{Uid, User};

pub use logins::Logins;
pub use names::Users;
pub use session::Session;
pub use utmp::TerminalLogin;

/// Returns the primary group of a user; `None` if he is not known.
pub fn primary_group(uid: u32) -> Option<u32> {
    if let Some(user) = User::from_uid(Uid::from_raw(uid)).ok().flatten() {
        return Some(user.gid.as_raw());
    }
    let line = getent::line("passwd", &uid.to_string()).ok().flatten()?;
    let group = line.split(|&byte| byte == b':').nth(3)?;
    str::from_utf8(group).ok()?.parse().ok()
}
