//! The guardian's side: the main loop of the process that [`super::Guardian`] starts. "Parent" is
//! the process that started it.

use std::ffi::OsStr;
use std::fs;
use std::io::{IoSliceMut, stdin};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use rustix::cmsg_space;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use rustix::process::{Pid as RawPid, getppid};

use super::{LONGEST_PATH, NEVER, kind};
use crate::control::reference::{Identity, continue_through};
use crate::control::{Error, Signal, is_ready};
use crate::process::{Files, Lookup, Pid, Proc, leave_control_groups};

/// Time between two checks of the parent.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Time that the parent has to act on a signal, and by which it may exceed the limit.
const GRACE: Duration = Duration::from_secs(1);

/// The signals that should end the parent: HUP, INT, QUIT and TERM.
const ENDING: [i32; 4] = [1, 2, 3, 15];

/// A process that is to be continued.
enum Frozen {
    Pidfd(OwnedFd),
    Identity(Identity),
}

/// The state of a guardian.
#[derive(Default)]
struct Guarded {
    frozen: Vec<Frozen>,
    limit: Option<Instant>,
    /// The script to run.
    script: Option<PathBuf>,
    /// The time since which a signal is pending for the parent.
    pending_since: Option<Instant>,
}

/// The end of a guardian's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The parent needs it no longer.
    Dismissed,
    /// The parent has exited, hangs, or has exceeded the limit.
    Abandoned,
}

/// Runs the guardian: it receives processes at standard input until the parent dismisses it, exits,
/// or hangs.
pub fn stand() -> Result<(), Error> {
    SigSet::all().thread_block().map_err(Error::kernel_by_nix("be a guardian"))?;
    // This fails only for the leader of a process group, which a child is not.
    let _ = nix::unistd::setsid();
    let parent = getppid();
    // Without /proc, the closed socket and the limit still work.
    let proc = Proc::open(Path::new("/proc")).ok();
    let mut guarded = Guarded::default();
    let end = guarded.guard(proc.as_ref(), parent);
    if end != Ok(End::Dismissed) {
        guarded.continue_all();
        guarded.run_script();
    }
    end.map(drop).map_err(Error::kernel("be a guardian"))
}

impl Guarded {
    /// Receives processes until they have to be continued or the guardian is dismissed.
    fn guard(&mut self, proc: Option<&Proc>, parent: Option<RawPid>) -> Result<End, Errno> {
        rustix::io::write(stdin(), &[kind::READY])?;
        let mut last_check = Instant::now();
        loop {
            if is_ready(stdin().as_fd(), PollFlags::IN, CHECK_INTERVAL) {
                match self.receive()? {
                    Some(kind::DISMISSED) => return Ok(End::Dismissed),
                    // Where it must stay in the group, everything else still works.
                    Some(kind::APART) => drop(leave_control_groups()),
                    Some(kind::ASKED) => drop(rustix::io::write(stdin(), &[kind::READY])?),
                    Some(_) => {}
                    None => return Ok(End::Abandoned),
                }
            }
            if self.is_late() {
                return Ok(End::Abandoned);
            }
            // The check is not made after each message, because a tree sends thousands.
            if last_check.elapsed() >= CHECK_INTERVAL {
                last_check = Instant::now();
                if getppid() != parent || self.is_parent_hung(proc, parent) {
                    return Ok(End::Abandoned);
                }
            }
        }
    }

    /// Receives the next message and returns its kind; `None` when the socket is closed.
    fn receive(&mut self) -> Result<Option<u8>, Errno> {
        let mut message = [0; 1 + LONGEST_PATH];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            stdin(),
            &mut [IoSliceMut::new(&mut message)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        let length = match received {
            Ok(message) if message.flags.contains(ReturnFlags::CTRUNC) => {
                return Ok(Some(kind::READY));
            }
            Ok(message) => message.bytes,
            Err(Errno::INTR) => return Ok(Some(kind::READY)),
            Err(Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let pidfds = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
            _ => Vec::new(),
        });
        self.frozen.extend(pidfds.map(Frozen::Pidfd));
        let [kind, text @ ..] = &message[..length] else { return Ok(None) };
        match *kind {
            kind::IDENTITY => self.frozen.extend(identity(text).map(Frozen::Identity)),
            kind::LIMIT => self.limit = limit(text),
            kind::SCRIPT => self.script = Some(OsStr::from_bytes(text).into()),
            _ => {}
        }
        Ok(Some(*kind))
    }

    /// Reports whether the processes are stopped for longer than the limit.
    fn is_late(&self) -> bool {
        self.limit.is_some_and(|limit| Instant::now() >= limit + GRACE)
    }

    /// Reports whether the parent hangs: either only threads that wait in the kernel are left of
    /// it, or it does not act on a signal.
    fn is_parent_hung(&mut self, proc: Option<&Proc>, parent: Option<RawPid>) -> bool {
        let parent = parent.and_then(|parent| Pid::try_from(parent.as_raw_pid()).ok());
        let (Some(proc), Some(parent)) = (proc, parent) else { return false };
        let Ok(Lookup::Found(process)) = proc.process(parent, Files::NONE) else { return false };
        let Ok(status) = process.status() else { return false };
        let pending = ["SigPnd", "ShdPnd"]
            .iter()
            .filter_map(|name| status.mask(name))
            .fold(0, |all, mask| all | mask);
        let has = |signal: i32| pending >> (signal - 1) & 1 == 1;
        let is_ending = status
            .field("State")
            .is_some_and(|state| state.starts_with(b"Z") || state.starts_with(b"X"));
        if is_ending || has(Signal::KILL.number()) {
            return true;
        }
        if !ENDING.into_iter().any(has) {
            self.pending_since = None;
            return false;
        }
        self.pending_since.get_or_insert_with(Instant::now).elapsed() >= GRACE
    }

    /// Runs the script, and removes it if it has succeeded: else it stays for the next run. The
    /// program that is started has no signal blocked.
    fn run_script(&self) {
        let Some(script) = &self.script else { return };
        let status = Command::new("/bin/sh").arg(script).stdin(Stdio::null()).status();
        if status.is_ok_and(|status| status.success()) {
            let _ = fs::remove_file(script);
        }
    }

    /// Continues all processes. A process that has exited needs nothing.
    fn continue_all(&self) {
        for frozen in &self.frozen {
            match frozen {
                Frozen::Pidfd(pidfd) => continue_through(pidfd),
                Frozen::Identity(identity) => {
                    let _ = identity.open().map(continue_through);
                }
            }
        }
    }
}

/// Reads the identity from a message, after its kind.
fn identity(text: &[u8]) -> Option<Identity> {
    let (pid, inode) = text.split_first_chunk()?;
    Some(Identity {
        pid: Pid::from_ne_bytes(*pid),
        inode: u64::from_ne_bytes(*inode.first_chunk()?),
    })
}

/// Reads the time limit from a message, after its kind; `None` for no limit.
fn limit(text: &[u8]) -> Option<Instant> {
    match u64::from_ne_bytes(*text.first_chunk()?) {
        NEVER => None,
        left => Instant::now().checked_add(Duration::from_millis(left)),
    }
}
