//! The limit of descriptors, which bounds the number of processes that we hold, and the descriptors
//! that other programs inherit from us.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::{Child, Command};
use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::kernel::{DescriptorLimit, give_to_children, is_given_to_children};
use crate::process::{Files, Lookup, Proc};

/// Descriptors that are kept free for /proc, for waiting and for the log.
const RESERVE: u64 = 24;

/// Descriptors below this number may be open for purposes that we can do without.
const MOST_SPARE: u64 = 1024;

/// The limit with which we began. Programs that use select(2) fail above 1,024, so that commands do
/// not get the raised limit.
static GIVEN: OnceLock<DescriptorLimit> = OnceLock::new();

/// Raises the soft limit of descriptors to the hard one.
pub fn raise_limit() {
    let Ok(given) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let (_, hard) = GIVEN.get_or_init(|| given);
    // If this is refused, the present limit counts.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, *hard, *hard);
}

/// Returns the limit with which we began, if it was raised since.
pub fn given_limit() -> Option<DescriptorLimit> {
    GIVEN.get().cloned()
}

/// Raises the limit as far as the kernel allows for any process (proc(5), nr_open), which takes
/// CAP_SYS_RESOURCE. Reports whether it is higher now.
fn raise_hard_limit() -> bool {
    let most =
        fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    let Some(most): Option<u64> = most else { return false };
    soft_limit() < most && setrlimit(Resource::RLIMIT_NOFILE, most, most).is_ok()
}

/// The room for processes that are held at the same time, with a descriptor each.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Number of processes, at least one.
    pub processes: usize,
    /// Number of descriptors that are needed for other purposes.
    others: u64,
}

impl Room {
    fn within(limit: u64, others: u64) -> Room {
        Room {
            processes: usize::try_from(limit.saturating_sub(others)).unwrap_or(usize::MAX).max(1),
            others,
        }
    }

    /// Raises the limit as far as permitted and returns the new room; `None` if that gives no more.
    pub fn more(self) -> Option<Room> {
        raise_hard_limit().then(|| Room::within(soft_limit(), self.others))
    }

    /// Returns the limit of descriptors that holding this number of processes needs.
    pub fn limit_for(self, processes: usize) -> u64 {
        self.others.saturating_add(processes as u64)
    }
}

/// Returns how many processes can be held at the same time.
pub fn room(proc: &Proc) -> Room {
    raise_limit();
    // The caller may have left many descriptors open.
    let own = proc.own_pid().map(|pid| proc.process(pid, Files::NONE));
    let open = match own {
        Some(Ok(Lookup::Found(own))) => own.fd_count().unwrap_or(0),
        _ => 0,
    };
    Room::within(soft_limit(), open + RESERVE)
}

/// Returns how many processes can be held at the same time, all other work aside.
pub fn most_held(proc: &Proc) -> usize {
    room(proc).processes
}

/// Reports whether a new descriptor may be kept for a purpose that we can do without: fewer than a
/// quarter of those that we may have are open, and not so many that they fill the memory.
pub fn is_spare(descriptor: &OwnedFd) -> bool {
    u64::try_from(descriptor.as_raw_fd())
        .is_ok_and(|number| number < MOST_SPARE.min(soft_limit() / 4))
}

/// Returns the limit of our descriptors, or the number that POSIX promises where the kernel does
/// not tell.
fn soft_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(20, |(soft, _)| soft)
}

/// Starts a daemon that inherits only the standard descriptors. Another descriptor may hold a lock,
/// or let the caller wait for its end, and a daemon would keep it for its whole life.
pub fn spawn_daemon(command: &mut Command) -> io::Result<Child> {
    let kept = keep_descriptors()?;
    let child = command.spawn();
    give_to_children(&kept, true)?;
    child
}

/// Lets the programs that we start or become inherit only the standard descriptors. Returns the
/// others that they would have inherited.
pub fn keep_descriptors() -> io::Result<Vec<RawFd>> {
    let mut given: Vec<RawFd> = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        given.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    // Our own descriptors are closed in children anyway.
    given.retain(|&number| number > 2 && is_given_to_children(number));
    give_to_children(&given, false)?;
    Ok(given)
}
