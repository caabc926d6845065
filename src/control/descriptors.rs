//! How many descriptors there are to hold processes by.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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
