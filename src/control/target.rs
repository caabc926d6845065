//! One process that something is to be done with, and what became of it.

use std::fmt;
use std::time::Duration;

use super::{ExitStatus, Reference, Signal};
use crate::process::{File, Files, Pid, Process, ReadError, ReadResult, if_available};

/// A process on the way to its outcome.
#[derive(Debug)]
pub struct Target {
    pub pid: Pid,
    /// As people know it; `None` where /proc does not show it.
    pub name: Option<Vec<u8>>,
    /// Real user id.
    pub uid: Option<u32>,
    pub is_kernel_thread: bool,
    /// Where it was when it was held, if that was read.
    pub(super) place: Option<SessionAndGroup>,
    /// Whether there certainly was such a process: it matched, or was named by its identity. A
    /// number that was typed may be a mistake.
    pub was_there: bool,
    /// Whether it was found only as a descendant of another target.
    pub is_kin: bool,
    /// `None` for one that could not be found.
    pub reference: Option<Reference>,
    /// The last signal that it was sent, but for those that stop and continue it meanwhile.
    pub sent: Option<Signal>,
    /// Whether it is stopped because of us and for the time being.
    pub(super) is_frozen: bool,
    pub outcome: Option<Outcome>,
    /// Why the outcome is that it is not permitted, where the kernel gave a reason.
    pub reason: Option<ReadError>,
    /// How it ended, where that was asked for and the kernel told.
    pub status: Option<ExitStatus>,
    /// From the beginning to its outcome.
    pub after: Option<Duration>,
}

/// The session and the process group of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionAndGroup {
    pub session: Pid,
    pub pgrp: Pid,
}

impl SessionAndGroup {
    pub fn from_process(process: &Process<'_>) -> ReadResult<SessionAndGroup> {
        let stat = process.stat()?;
        Ok(SessionAndGroup { session: stat.session, pgrp: stat.pgrp })
    }
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended, or had become a zombie before.
    Ended,
    /// It ended after we sent KILL.
    Killed,
    /// It got its signal; after STOP, it is stopped.
    Signalled,
    /// It was not there any more.
    GoneBefore,
    /// The kernel does not let us.
    NotPermitted,
    /// It had not come that far when the time was over.
    TimedOut,
    /// We do not do that.
    Refused(Refused),
    /// It was named, but does not meet the conditions that were given too.
    NoMatch,
    /// It was not waited for any longer.
    StillRunning,
    /// It may belong to the tree, which is not certain, and nothing was done with it.
    LeftAlone,
    /// Nothing was to be done yet: this is who would be concerned.
    Spared,
}

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    FirstProcess,
    Ourselves,
    /// Conditions matched it, or its id was given.
    Ancestor {
        is_matched: bool,
    },
    KernelThread,
    /// It would wait for itself.
    Waiter,
}

impl Target {
    /// What [`Target::found`] reads.
    pub const FILES: Files = Files::new(&[File::Stat, File::Status]);

    /// A process that was found, pinned.
    pub fn found(process: &Process<'_>) -> ReadResult<Target> {
        let name = if_available(process.name_or_comm())?.map(|name| name.into_owned());
        Ok(Target { name, ..Target::pinned(process)? })
    }

    /// A process that was found as a descendant of another target, pinned. Nothing is read that it
    /// can hold up, as others are stopped meanwhile.
    pub(super) fn kin(process: &Process<'_>) -> ReadResult<Target> {
        let name = if_available(process.name_by_link())?.map(|name| name.into_owned());
        Ok(Target { name, is_kin: true, ..Target::pinned(process)? })
    }

    fn pinned(process: &Process<'_>) -> ReadResult<Target> {
        Ok(Target {
            uid: if_available(process.user_ids())?.map(|ids| ids[0]),
            is_kernel_thread: if_available(process.is_kernel_thread())?.unwrap_or(false),
            place: if_available(SessionAndGroup::from_process(process))?,
            was_there: true,
            ..Target::new(process.pid(), Some(Reference::from_process(process)?))
        })
    }

    /// A process that is held already, without what /proc tells of it.
    pub fn held(reference: Reference) -> Target {
        Target { was_there: true, ..Target::new(reference.pid(), Some(reference)) }
    }

    /// Likewise, under a name.
    pub fn named(reference: Reference, name: &[u8]) -> Target {
        Target { name: Some(name.to_vec()), ..Target::held(reference) }
    }

    /// A process that can only be told of.
    pub fn decided(pid: Pid, outcome: Outcome) -> Target {
        Target { outcome: Some(outcome), ..Target::new(pid, None) }
    }

    /// A process that could not be held, for this reason.
    pub fn unavailable(pid: Pid, reason: ReadError) -> Target {
        Target { reason: Some(reason), ..Target::decided(pid, Outcome::NotPermitted) }
    }

    /// A process that certainly was there, and is not any more.
    pub fn gone(pid: Pid) -> Target {
        Target { was_there: true, ..Target::decided(pid, Outcome::GoneBefore) }
    }

    fn new(pid: Pid, reference: Option<Reference>) -> Target {
        Target {
            pid,
            name: None,
            uid: None,
            is_kernel_thread: false,
            place: None,
            was_there: false,
            is_kin: false,
            reference,
            sent: None,
            is_frozen: false,
            outcome: None,
            reason: None,
            status: None,
            after: None,
        }
    }

    /// Whether it was there, and is not any more.
    pub fn has_ended(&self) -> bool {
        match self.outcome {
            Some(Outcome::Ended | Outcome::Killed) => true,
            Some(Outcome::GoneBefore) => self.was_there,
            _ => false,
        }
    }
}

impl Outcome {
    /// Its name, in text and in JSON.
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
