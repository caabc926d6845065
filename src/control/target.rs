//! A process that an operation acts on, and its outcome.

use std::fmt;
use std::time::Duration;

use super::{ExitStatus, Reason, Reference, Signal};
use crate::process::{File, Files, Pid, Process, ReadResult, Unavailable, if_available};

/// A process that an operation acts on, and its outcome as soon as there is one.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its number.
    pub pid: Pid,
    /// Its name for users; `None` where /proc does not show it.
    pub name: Option<Vec<u8>>,
    /// Real user id.
    pub uid: Option<u32>,
    pub is_kernel_thread: bool,
    /// Its session and process group when it was added, if they were read.
    pub(super) place: Option<SessionAndGroup>,
    /// `true` if the process certainly existed: it matched, or was named by its identity. A number
    /// that a user typed may be a mistake.
    pub existed: bool,
    /// `true` if it was found only as a descendant of another target.
    pub is_descendant: bool,
    /// Its reference; `None` for a process that could not be found.
    pub reference: Option<Reference>,
    /// The last signal that it was sent, except those that only freeze and thaw it.
    pub sent: Option<Signal>,
    /// `true` while it is frozen by us.
    pub(super) is_frozen: bool,
    /// Its outcome; `None` before it is decided.
    pub outcome: Option<Outcome>,
    /// The kernel's reason for the outcome "not permitted".
    pub reason: Option<Unavailable>,
    /// The reason why it still ran when its time was over, or would be.
    pub why: Option<Reason>,
    /// The parent that had not reaped it when it was found as a zombie.
    pub(super) zombie_of: Option<Pid>,
    /// Its exit status, if it was asked for and the kernel reported it.
    pub status: Option<ExitStatus>,
    /// Time from the beginning to its outcome.
    pub after: Option<Duration>,
}

/// The session and the process group of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionAndGroup {
    /// The number of its session.
    pub session: Pid,
    /// The number of its process group.
    pub pgrp: Pid,
}

impl SessionAndGroup {
    /// Reads both from one file, so that they belong together.
    pub fn from_process(process: &Process<'_>) -> ReadResult<SessionAndGroup> {
        let stat = process.stat()?;
        Ok(SessionAndGroup { session: stat.session, pgrp: stat.pgrp })
    }
}

/// The outcome of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has exited, or was a zombie already.
    Ended,
    /// It exited after we sent KILL.
    Killed,
    /// The signal was sent; after STOP, it is stopped.
    Signalled,
    /// It did not exist any more.
    GoneBefore,
    /// The kernel does not permit it.
    NotPermitted,
    /// It was not finished at the time limit.
    TimedOut,
    /// We refuse to act on it.
    Refused(Refused),
    /// It was named, but does not meet the additional conditions.
    NoMatch,
    /// We stopped waiting for it.
    StillRunning,
    /// It may belong to the tree. Because that is uncertain, we did nothing with it.
    LeftAlone,
    /// It would be affected, but this was a rehearsal.
    Spared,
}

/// The reason why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is pid 1, on which all others depend.
    FirstProcess,
    /// It is our own process.
    Ourselves,
    /// It is one of our ancestors. Either conditions matched it, or its pid was given.
    Ancestor { is_matched: bool },
    /// It is a kernel thread, which takes no signal.
    KernelThread,
    /// It is our own process, which would wait for itself.
    Waiter,
}

impl Target {
    /// The files that [`Target::found`] reads.
    pub const FILES: Files = Files::new(&[File::Stat, File::Status]);

    /// Makes a target of a pinned process.
    pub fn found(process: &Process<'_>) -> ReadResult<Target> {
        let name = if_available(process.name_or_comm())?.map(|name| name.into_owned());
        Ok(Target { name, ..Target::pinned(process)? })
    }

    /// Makes a target of a pinned descendant of another target. It reads nothing with which the
    /// process could hold us up, because other processes are stopped meanwhile.
    pub(super) fn descendant(process: &Process<'_>) -> ReadResult<Target> {
        let name = if_available(process.name_by_link())?.map(|name| name.into_owned());
        Ok(Target { name, is_descendant: true, ..Target::pinned(process)? })
    }

    fn pinned(process: &Process<'_>) -> ReadResult<Target> {
        Ok(Target {
            uid: if_available(process.user_ids())?.map(|ids| ids[0]),
            is_kernel_thread: if_available(process.is_kernel_thread())?.unwrap_or(false),
            place: if_available(SessionAndGroup::from_process(process))?,
            zombie_of: if_available(process.stat())?
                .filter(|stat| !stat.is_alive())
                .map(|stat| stat.ppid),
            existed: true,
            ..Target::new(process.pid(), Some(Reference::from_process(process)?))
        })
    }

    /// Makes a target of a reference, without facts from /proc.
    pub fn held(reference: Reference) -> Target {
        Target { existed: true, ..Target::new(reference.pid(), Some(reference)) }
    }

    /// Makes a target of a reference and a name.
    pub fn named(reference: Reference, name: &[u8]) -> Target {
        Target { name: Some(name.to_vec()), ..Target::held(reference) }
    }

    /// Makes a target that can only be reported.
    pub fn decided(pid: Pid, outcome: Outcome) -> Target {
        Target { outcome: Some(outcome), ..Target::new(pid, None) }
    }

    /// Makes a target of a process that could not be pinned, for this reason.
    pub fn unavailable(pid: Pid, reason: Unavailable) -> Target {
        Target { reason: Some(reason), ..Target::decided(pid, Outcome::NotPermitted) }
    }

    /// Makes a target of a process that certainly existed and has exited.
    pub fn gone(pid: Pid) -> Target {
        Target { existed: true, ..Target::decided(pid, Outcome::GoneBefore) }
    }

    fn new(pid: Pid, reference: Option<Reference>) -> Target {
        Target {
            pid,
            name: None,
            uid: None,
            is_kernel_thread: false,
            place: None,
            existed: false,
            is_descendant: false,
            reference,
            sent: None,
            is_frozen: false,
            outcome: None,
            reason: None,
            why: None,
            zombie_of: None,
            status: None,
            after: None,
        }
    }

    /// Reports whether it existed and has exited.
    pub fn has_ended(&self) -> bool {
        match self.outcome {
            Some(Outcome::Ended | Outcome::Killed) => true,
            Some(Outcome::GoneBefore) => self.existed,
            _ => false,
        }
    }
}

impl Outcome {
    /// Returns its name in text and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ended => "ended",
            Outcome::Killed => "killed",
            Outcome::Signalled => "signalled",
            Outcome::GoneBefore => "gone before",
            Outcome::NotPermitted => "not permitted",
            Outcome::TimedOut => "timed out",
            Outcome::Refused(_) => "refused",
            Outcome::NoMatch => "no match",
            Outcome::StillRunning => "still running",
            Outcome::LeftAlone => "left alone",
            Outcome::Spared => "spared",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::FirstProcess => {
                "it is the first process, and all others depend on it: --force allows it"
            }
            Refused::Ourselves => "it is this very command: --force allows it",
            Refused::Ancestor { is_matched: true } => {
                "this command runs below it: -A leaves such out"
            }
            Refused::Ancestor { is_matched: false } => {
                "this command runs below it: --force allows it"
            }
            Refused::Waiter => "it is this very command, which would wait for ever",
            Refused::KernelThread => "it is a thread of the kernel, which takes no signal",
        })
    }
}
