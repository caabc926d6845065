//! Descriptors: how many there are to hold processes by, and which of them others get.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::process::{Child, Command};
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use super::kernel::{give_to_children, is_given_to_children};
use crate::process::{Files, Lookup, Proc};

/// Kept free for /proc, for waiting and for the log.
const RESERVE: u64 = 24;

/// The limit with which we began. Programs that use select(2) fail above 1,024, so that others do
/// not get the raised one.
static GIVEN: OnceLock<DescriptorLimit> = OnceLock::new();

/// The soft and the hard limit of descriptors.
pub type DescriptorLimit = (rlim_t, rlim_t);

/// Raise the soft limit to the hard one.
pub fn raise_limit() {
    let Ok(given) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let (_, hard) = GIVEN.get_or_init(|| given);
    // Refused at worst; what is allowed is what counts.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, *hard, *hard);
}

/// The limit with which we began, if it was raised since.
pub fn given_limit() -> Option<DescriptorLimit> {
    GIVEN.get().cloned()
}

/// Raise the limit as far as the kernel allows for any process (proc(5), nr_open), which takes
/// CAP_SYS_RESOURCE; whether it is higher now.
fn raise_hard_limit() -> bool {
    let most =
        fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    let Some(most): Option<u64> = most else { return false };
    allowed() < most && setrlimit(Resource::RLIMIT_NOFILE, most, most).is_ok()
}

/// How many processes may be held at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// At least one.
    pub processes: usize,
    /// What else descriptors are needed for.
    others: u64,
}

impl Room {
    fn within(limit: u64, others: u64) -> Room {
        Room {
            processes: usize::try_from(limit.saturating_sub(others)).unwrap_or(usize::MAX).max(1),
            others,
        }
    }

    /// The room after the limit was raised as far as we may; `None` where that gives no more.
    pub fn more(self) -> Option<Room> {
        raise_hard_limit().then(|| Room::within(allowed(), self.others))
    }

    /// The limit of descriptors that it takes to hold so many.
    pub fn limit_for(self, processes: usize) -> u64 {
        self.others.saturating_add(processes as u64)
    }
}

/// How many processes may be held at once.
pub fn room(proc: &Proc) -> Room {
    raise_limit();
    // Who called may have left many open to us.
    let own = proc.own_pid().map(|pid| proc.process(pid, Files::NONE));
    let open = match own {
        Some(Ok(Lookup::Found(own))) => own.fd_count().unwrap_or(0),
        _ => 0,
    };
    Room::within(allowed(), open + RESERVE)
}

/// How many descriptors we may have. As many as POSIX promises where that is not told.
fn allowed() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(20, |(soft, _)| soft)
}

/// Start a daemon: of our descriptors it gets the standard ones only. Whoever called us may hold a
/// lock by another, or wait for its end, and a daemon keeps what it was given for life.
pub fn spawn_daemon(command: &mut Command) -> io::Result<Child> {
    let kept = keep_descriptors()?;
    let child = command.spawn();
    give_to_children(&kept, true)?;
    child
}

/// Keep all descriptors but the standard ones from what we start or become. Those that it would
/// have got.
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
