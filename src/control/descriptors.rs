//! Descriptors: how many there are to hold processes by, and which of them others get.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::process::{Child, Command};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::kernel::{give_to_children, is_given_to_children};
use crate::process::{Files, Proc, Settled};

/// Kept free for /proc, for waiting and for the log.
const RESERVE: u64 = 24;

/// Raise the soft limit to the hard one.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refused at worst; what is allowed is what counts.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// How many processes may be held at once: at least one.
pub fn room(proc: &Proc) -> usize {
    raise_limit();
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Who called may have left many open to us.
    let own = proc.own_pid().map(|pid| proc.process(pid, Files::NONE));
    let open = match own {
        Some(Ok(Settled::Known(own))) => own.fd_count().unwrap_or(0),
        _ => 0,
    };
    usize::try_from(allowed.saturating_sub(open + RESERVE)).unwrap_or(usize::MAX).max(1)
}

/// Start a daemon: of our descriptors it gets the standard ones only. Whoever called us may hold a lock by another, or
/// wait for its end, and a daemon keeps what it was given for life.
pub fn spawn_daemon(command: &mut Command) -> io::Result<Child> {
    let kept = keep_descriptors()?;
    let child = command.spawn();
    give_to_children(&kept, true)?;
    child
}

/// Keep all descriptors but the standard ones from what we start or become. Those that it would have got.
pub fn keep_descriptors() -> io::Result<Vec<RawFd>> {
    let mut given: Vec<RawFd> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        given.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // Our own are closed in children anyway.
    given.retain(|&number| number > 2 && is_given_to_children(number));
    give_to_children(&given, false)?;
    Ok(given)
}
