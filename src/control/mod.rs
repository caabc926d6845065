//! Everything that touches a live process. The rest of the program has no other way to do so.
//!
//! A [`Reference`] is proved to be the process that matched, and only a reference can be signalled:
//! a number never is. [`watch`] waits for many processes to exit without polling. [`Operation`]
//! carries out an [`Order`] on a set of targets, and continues whatever it has stopped.

mod ancestors;
pub mod background;
pub mod child;
mod descendants;
mod descriptors;
mod exit_signal;
mod freeze;
mod guardian;
mod interrupts;
mod kernel;
mod launch;
mod operation;
mod order;
mod orphan;
mod subprocess;

mod overseer;
mod own_child;
mod priority;
mod process_events;
mod reason;
mod reference;
mod relay;
pub mod signal;
mod target;
mod watch;

pub use ancestors::{ancestors, self_and_ancestors};
pub use descriptors::{keep_descriptors, most_held, raise_limit, spawn_daemon};
pub use guardian::{Guardian, stand as stand_guard};
pub use interrupts::{Interrupts, StopHold, with_signals_blocked};
pub use kernel::{ExitStatus, leave_real_time, new_session_keyring, reset_sigchld, reset_signals};
pub use launch::{Entry, Launch, leave_terminal};
pub use operation::Operation;
pub use order::{Action, AfterTerm, Conclusion, Observer, Order, Silent};
pub use overseer::Ended;
pub use own_child::{has_ended, signal_child};
pub use priority::run_first;
pub use process_events::{NoEvents, ProcessEvent, ProcessEvents, Received, clock_offset};
pub use reason::{Neighbour, Reason};
pub use reference::{Life, Reference, check_references};
pub use relay::Filter;
pub use signal::Signal;
pub use subprocess::{ChildServer, run_in_child};
pub use target::{Outcome, Refused, Target};
pub use watch::{Ending, Watch, WatchEvent};

use std::os::fd::BorrowedFd;
use std::time::Duration;

use descriptors::Room;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::process::{self, Lookup, Pid, Proc, ReadError, ReadResult, Unavailable};

/// An error that ends the whole run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// /proc could not be read, or descriptors ran out.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// There are more processes than descriptors. Before Linux 6.9 only an open descriptor tells a
    /// process from a later one of the same number, and waiting for more processes takes threads
    /// with descriptor tables of their own.
    #[error(
        "{wanted} processes at once need a descriptor each, as this kernel is older than Linux \
         6.9, or a sandbox forbids unshare(2); there is room for {room}: raise the limit with \
         ulimit -n {needed}"
    )]
    TooMany { wanted: usize, room: usize, needed: u64 },
    /// No reference to a process can be made, so that each signal could hit a later process of the
    /// same number.
    #[error("no process can be referred to safely: {0}: nothing was done")]
    NoReferences(&'static str),
    /// The kernel no longer tells whether a process that we hold has exited.
    #[error("process {pid} cannot be followed any more: {reason}")]
    Lost { pid: Pid, reason: Unavailable },
    /// No reference can be made even to our own process: descriptors or memory ran out.
    #[error("no process can be referred to: {0}")]
    Unreferenced(ReadError),
    /// The guardian of a paused process cannot do its work, and has continued the process at once.
    #[error(
        "process {pid} cannot be kept paused safely: the process that would continue it is \
        hindered by a sandbox"
    )]
    NoGuardian { pid: Pid },
    /// The kernel refused something that does not depend on a single process.
    #[error("cannot {what}: {errno}")]
    Kernel { what: &'static str, errno: Errno },
}

/// Returns the value that was read of a process that we hold; `None` when the process was reaped.
/// Errors: `Lost` where the value is unavailable, because the process may still be alive.
pub fn unless_reaped<T>(proc: &Proc, pid: Pid, read: ReadResult<T>) -> Result<Option<T>, Error> {
    match proc.lookup(pid, read)? {
        Lookup::Found(value) => Ok(Some(value)),
        Lookup::Exited => Ok(None),
        Lookup::Unavailable(reason) => Err(Error::Lost { pid, reason }),
    }
}

/// Reports whether a descriptor becomes ready, or is hung up, within this time.
fn is_ready(descriptor: BorrowedFd<'_>, flags: PollFlags, within: Duration) -> bool {
    let within = Timespec::try_from(within).ok();
    let mut polled = [PollFd::from_borrowed_fd(descriptor, flags)];
    poll(&mut polled, within.as_ref()).is_ok_and(|ready| ready > 0)
}

impl Error {
    /// Makes the error for more targets than this room holds.
    fn too_many(wanted: usize, room: Room) -> Error {
        Error::TooMany { wanted, room: room.processes, needed: room.limit_for(wanted) }
    }

    /// Converts an error of the standard library.
    pub fn from_io(what: &'static str, error: &std::io::Error) -> Error {
        Error::Kernel { what, errno: Errno::from_io_error(error).unwrap_or(Errno::IO) }
    }

    /// Returns a closure for `map_err` that makes a [`Error::Kernel`].
    fn kernel(what: &'static str) -> impl Fn(Errno) -> Error {
        move |errno| Error::Kernel { what, errno }
    }

    /// Returns a closure for `map_err`, as [`Error::kernel`], for errors of nix.
    fn kernel_by_nix(what: &'static str) -> impl Fn(nix::errno::Errno) -> Error {
        move |errno| Error::Kernel { what, errno: kernel::errno_of_nix(errno) }
    }
}
