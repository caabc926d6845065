//! The guardian: a process that continues what we have frozen, whatever becomes of us.
//!
//! It is a second process of this program, in a session of its own, with all signals blocked but
//! KILL and STOP. Over a socket it receives the processes, and the time until when they may stay
//! stopped. It continues them when that time is over, when the socket closes, and when we hang:
//! when we do not act on a signal that should end us, or when only a thread that waits in the
//! kernel is left of us and keeps the socket open.
//!
//! The kernel continues them too when we end, by an [`ExitSignal`] for each: all processes of ours
//! may be killed in the same moment. The guardian is there for the rest.
//!
//! Its command line is that of `resume`, so that a pattern of our name does not hit it. [`child`]
//! has its main loop.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::PollFlags;
use rustix::io::{Errno, IoSlice};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};

use super::exit_signal::ExitSignal;
use super::{Error, Reference, Signal, is_ready};

pub use child::stand;

mod child;

/// The arguments that make this program a guardian: see the applet `resume`.
const ARGUMENTS: [&str; 2] = ["resume", "--guard"];

/// Time for a guardian to become ready, and to end when it is dismissed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time to wait for room in its socket.
const MOMENT: Duration = Duration::from_millis(200);

/// Most bytes of the path of a script.
const LONGEST_PATH: usize = 63;

/// The first byte of each message: its subject.
mod kind {
    /// From the guardian: it is ready.
    pub const READY: u8 = b'r';
    /// A process, by its pidfd.
    pub const PIDFD: u8 = b'p';
    /// A process, by its number and the inode of its pidfd.
    pub const IDENTITY: u8 = b'i';
    /// The number of milliseconds after which all of them must run on.
    pub const LIMIT: u8 = b'l';
    /// A question whether all earlier messages were received. The answer is [`READY`].
    pub const ASKED: u8 = b'a';
    /// The path of a script to run when we are not there any more to do it.
    pub const SCRIPT: u8 = b's';
    /// An order to leave the control groups of the parent.
    pub const APART: u8 = b'g';
    /// No process has to be continued any more.
    pub const DISMISSED: u8 = b'd';
}

/// The number of milliseconds that stands for no limit.
const NEVER: u64 = u64::MAX;

/// The handle of a guardian that is ready.
pub struct Guardian {
    child: Child,
    socket: OwnedFd,
    exit_signals: Vec<ExitSignal>,
}

impl Guardian {
    /// Starts a guardian, and waits until it is ready.
    pub fn start() -> Result<Guardian, Error> {
        let (socket, child_end) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(Error::kernel("set up a guardian"))?;
        let failed = |error: io::Error| Error::from_io("set up a guardian", &error);
        let child = Command::new("/proc/self/exe")
            .arg0("proctool")
            .args(ARGUMENTS)
            .stdin(child_end)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .env_clear()
            .spawn()
            .map_err(failed)?;
        let mut guardian = Guardian { child, socket, exit_signals: Vec::new() };
        if !guardian.says_ready() {
            guardian.child.kill().and_then(|()| guardian.child.wait()).map_err(failed)?;
            return Err(Error::Kernel { what: "set up a guardian", errno: Errno::TIMEDOUT });
        }
        Ok(guardian)
    }

    /// Makes it continue this process, which is about to be stopped, unless the guardian is
    /// dismissed.
    pub fn keep(&mut self, reference: &Reference) -> Result<(), Errno> {
        match ExitSignal::arm(reference, Signal::CONT) {
            Ok(exit_signal) => self.exit_signals.push(exit_signal),
            Err(errno) => {
                let pid = reference.pid();
                tracing::debug!(pid, "only a guardian continues it at our end: {errno}");
            }
        }
        if let Some(identity) = reference.identity() {
            let message =
                [&[kind::IDENTITY][..], &identity.pid.to_ne_bytes(), &identity.inode.to_ne_bytes()];
            return self.send(&message.concat(), &[]);
        }
        // A process that has exited needs no guardian.
        let Ok(pidfd) = reference.pidfd() else { return Ok(()) };
        self.send(&[kind::PIDFD], &[pidfd.as_fd()])
    }

    /// Makes it run this script, and remove it, wherever it continues processes by itself. Errors:
    /// the path is longer than [`LONGEST_PATH`].
    pub fn run_when_abandoned(&self, script: &Path) -> Result<(), Errno> {
        let script = script.as_os_str().as_bytes();
        if script.len() > LONGEST_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        self.send(&[&[kind::SCRIPT][..], script].concat(), &[])
    }

    /// Makes it continue all of them at this time, even if we are alive. Without a time, it
    /// continues them only when we are not.
    pub fn limit(&self, until: Option<Instant>) -> Result<(), Errno> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
        let left = left.map_or(NEVER, |left| u64::try_from(left).unwrap_or(NEVER));
        self.send(&[&[kind::LIMIT][..], &left.to_ne_bytes()].concat(), &[])
    }

    /// Makes it leave our control groups, as far as that is permitted. A signal to all processes of
    /// our service spares it then. This takes some milliseconds.
    pub fn move_apart(&self) -> Result<(), Errno> {
        self.send(&[kind::APART], &[])
    }

    /// Reports whether the guardian has received all earlier messages, and so does its work.
    pub fn has_heard(&self) -> bool {
        self.send(&[kind::ASKED], &[]).is_ok() && self.says_ready()
    }

    fn says_ready(&self) -> bool {
        let mut message = [0];
        is_ready(self.socket.as_fd(), PollFlags::IN, TIMEOUT)
            && rustix::io::read(&self.socket, &mut message) == Ok(1)
            && message == [kind::READY]
    }

    /// Reports whether the guardian has ended.
    pub fn has_ended(&mut self) -> bool {
        match self.child.try_wait() {
            Ok(status) => status.is_some(),
            // Only a sandbox forbids us to ask for our own child. The child's end of the socket
            // closes when it exits.
            Err(_) => is_ready(self.socket.as_fd(), PollFlags::empty(), Duration::ZERO),
        }
    }

    /// Reports whether the guardian has ended by itself because a sandbox kept it from its work.
    /// Another guardian would fail too.
    pub fn has_failed(&mut self) -> bool {
        let status = self.child.try_wait().ok().flatten();
        status.and_then(|status| status.code()).is_some_and(|code| code != 0)
    }

    /// Ends the guardian without continuing a process.
    pub fn dismiss(mut self) {
        self.exit_signals.drain(..).for_each(ExitSignal::disarm);
        // This fails for a guardian that has ended already.
        let _ = self.send(&[kind::DISMISSED], &[]);
        let end = Instant::now() + TIMEOUT;
        // A guardian that is stopped by another process is not waited for.
        while !self.has_ended() && Instant::now() < end {
            is_ready(self.socket.as_fd(), PollFlags::empty(), MOMENT);
        }
    }

    fn send(&self, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            match sendmsg(&self.socket, &[IoSlice::new(message)], &mut ancillary, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if is_ready(self.socket.as_fd(), PollFlags::OUT, MOMENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}
