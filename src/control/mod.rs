//! Everything that touches a live process. The rest of the program has no other way to do so.
//!
//! A [`Reference`] is proved to be the process that matched, and only a reference can be signalled:
//! no number ever is. [`watch`] waits for many of them to end, without looking. [`Operation`] does
//! with a set of targets what an [`Order`] says, and sees that nothing is left stopped that it
//! stopped.

mod ancestors;
pub mod child;
mod descendants;
mod descriptors;
mod freeze;
mod guardian;
mod interrupts;
mod kernel;
mod operation;
mod order;
mod orphan;
mod subprocess;

mod overseer;
mod own_child;
mod reference;
pub mod signal;
mod target;
mod watch;

pub use ancestors::self_and_ancestors;
pub use descriptors::{keep_descriptors, raise_limit, spawn_daemon};
pub use guardian::{Guardian, stand as stand_guard};
pub use interrupts::{Interrupts, StopHold, with_signals_blocked};
pub use kernel::{ExitStatus, new_session_keyring, reset_sigchld};
pub use operation::Operation;
pub use order::{Conclusion, Observer, Order, Silent, Until};
pub use overseer::Ended;
pub use own_child::{has_ended, signal_child};
pub use reference::{Life, Reference, check_references};
pub use signal::Signal;
pub use subprocess::{ChildServer, run_in_child};
pub use target::{Outcome, Refused, Target};

use descriptors::Room;
use rustix::io::Errno;

use crate::process::{self, Lookup, Pid, Proc, ReadError, ReadResult};

/// What ends a whole run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// /proc could not be read, or descriptors ran out.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// Before Linux 6.9 nothing but an open descriptor tells a process from a later one of the same
    /// number; and waiting for more of them takes threads with descriptors of their own.
    #[error(
        "{wanted} processes at once need a descriptor each, as this kernel is older than Linux \
         6.9, or a sandbox forbids unshare(2); there is room for {room}: raise the limit with \
         ulimit -n {needed}"
    )]
    TooMany { wanted: usize, room: usize, needed: u64 },
    /// There is no way to refer to processes, so that each signal could hit a later process of the
    /// same number.
    #[error("no process can be referred to safely: {0}: nothing was done")]
    NoReferences(&'static str),
    /// The kernel does not tell any more what becomes of a process that is held.
    #[error("process {pid} cannot be followed any more: {reason}")]
    Lost { pid: Pid, reason: ReadError },
    /// We cannot even refer to ourselves, for want of descriptors or memory.
    #[error("no process can be referred to: {0}")]
    Unreferenced(ReadError),
    /// What would continue a paused process whatever becomes of us cannot do its work, and has
    /// continued it at once.
    #[error(
        "process {pid} cannot be kept paused safely: the process that would continue it is \
        hindered by a sandbox"
    )]
    NoGuardian { pid: Pid },
    /// The kernel refused something that does not depend on any one process.
    #[error("cannot {what}: {errno}")]
    Kernel { what: &'static str, errno: Errno },
}

/// What the kernel tells of a process that is held; `None` when it is gone. What is not told is no
/// end of a process.
pub fn told<T>(proc: &Proc, pid: Pid, read: ReadResult<T>) -> Result<Option<T>, Error> {
    match proc.lookup(pid, read)? {
        Lookup::Found(value) => Ok(Some(value)),
        Lookup::Exited => Ok(None),
        Lookup::Unavailable(reason) => Err(Error::Lost { pid, reason }),
    }
}

impl Error {
    /// There are more targets than this room holds.
    fn too_many(wanted: usize, room: Room) -> Error {
        Error::TooMany { wanted, room: room.processes, needed: room.limit_for(wanted) }
    }

    /// What the standard library failed to do.
    pub fn of_io(what: &'static str, error: &std::io::Error) -> Error {
        Error::Kernel { what, errno: Errno::from_io_error(error).unwrap_or(Errno::IO) }
    }

    /// For `map_err`.
    fn kernel(what: &'static str) -> impl Fn(Errno) -> Error {
        move |errno| Error::Kernel { what, errno }
    }
}
