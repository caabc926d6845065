//! A process that lets others run on that were stopped for the time being, whatever becomes of us.
//!
//! It is this program once more, in a session of its own and deaf to all signals but KILL. Over a
//! socket it is given the processes and the time until when they may stay stopped. It continues
//! them when that time is over, when the socket closes, and when we hang: when a signal that should
//! end us is not heeded, or when we have ended but for a thread that waits in the kernel, and so
//! keep the socket open. Its command line is that of `resume`, so that whoever kills by our name
//! misses it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, IoSlice};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};

use super::{Error, Reference};

pub use child::stand;

mod child;

/// The arguments that make this program a guardian: see the applet `resume`.
pub const ARGUMENTS: [&str; 2] = ["resume", "--guard"];

/// For a guardian to be ready, and to end when it is dismissed.
const PATIENCE: Duration = Duration::from_secs(5);

/// For room in its socket.
const MOMENT: Duration = Duration::from_millis(200);

/// The first byte of each message, which says what it is about.
mod kind {
    /// From the guardian: it is ready.
    pub const READY: u8 = b'r';
    /// A process, by its pidfd.
    pub const PIDFD: u8 = b'p';
    /// A process, by its number and the inode of its pidfd.
    pub const IDENTITY: u8 = b'i';
    /// In how many milliseconds all have to run on, at the latest.
    pub const LIMIT: u8 = b'l';
    /// Nobody has to be continued any more.
    pub const DISMISSED: u8 = b'd';
}

/// No limit, as a number of milliseconds.
const NEVER: u64 = u64::MAX;

/// A guardian on duty.
pub struct Guardian {
    child: Child,
    line: OwnedFd,
}

impl Guardian {
    /// Set one up; it is ready on return.
    pub fn start() -> Result<Guardian, Error> {
        let (line, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(Error::kernel("set up a guardian"))?;
        let failed = |error: io::Error| Error::of_io("set up a guardian", &error);
        let child = Command::new("/proc/self/exe")
            .arg0("proctool")
            .args(ARGUMENTS)
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .env_clear()
            .spawn()
            .map_err(failed)?;
        let mut guardian = Guardian { child, line };
        let mut word = [0];
        let is_ready = is_ready(guardian.line.as_fd(), PollFlags::IN, PATIENCE)
            && matches!(rustix::io::read(&guardian.line, &mut word), Ok(1) if word == [kind::READY]);
        if !is_ready {
            guardian.child.kill().and_then(|()| guardian.child.wait()).map_err(failed)?;
            return Err(Error::Kernel { what: "set up a guardian", errno: Errno::TIMEDOUT });
        }
        Ok(guardian)
    }

    /// Have it continue this process, which is about to be stopped, unless it is dismissed.
    pub fn keep(&self, reference: &Reference) -> Result<(), Errno> {
        if let Some(identity) = reference.identity() {
            let words =
                [&[kind::IDENTITY][..], &identity.pid.to_ne_bytes(), &identity.inode.to_ne_bytes()];
            return self.send(&words.concat(), &[]);
        }
        // Gone by now is one that nobody has to continue.
        let Ok(pidfd) = reference.pidfd() else { return Ok(()) };
        self.send(&[kind::PIDFD], &[pidfd.as_fd()])
    }

    /// Have it continue all of them at this time, whether we live or not; without a time, only when
    /// we do not.
    pub fn limit(&self, until: Option<Instant>) -> Result<(), Errno> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()).as_millis());
        let left = left.map_or(NEVER, |left| u64::try_from(left).unwrap_or(NEVER));
        self.send(&[&[kind::LIMIT][..], &left.to_ne_bytes()].concat(), &[])
    }

    /// Whether somebody has ended it.
    pub fn has_ended(&mut self) -> bool {
        match self.child.try_wait() {
            Ok(status) => status.is_some(),
            // Only a sandbox refuses to tell of our own child. Its end of the line is closed with
            // it.
            Err(_) => is_ready(self.line.as_fd(), PollFlags::empty(), Duration::ZERO),
        }
    }

    /// Whether it has ended by itself, because a sandbox did not let it do its work. Another one
    /// would fare no better.
    pub fn has_failed(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.code().is_some_and(|code| code != 0))
    }

    /// It is not needed any more: it ends without doing anything.
    pub fn dismiss(mut self) {
        // One that has ended needs no word.
        let _ = self.send(&[kind::DISMISSED], &[]);
        let end = Instant::now() + PATIENCE;
        // One that somebody has stopped is left to its next parent.
        while !self.has_ended() && Instant::now() < end {
            is_ready(self.line.as_fd(), PollFlags::empty(), MOMENT);
        }
    }

    fn send(&self, word: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            match sendmsg(&self.line, &[IoSlice::new(word)], &mut ancillary, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if is_ready(self.line.as_fd(), PollFlags::OUT, MOMENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Whether a descriptor is ready, or hung up, within this time.
fn is_ready(descriptor: BorrowedFd<'_>, flags: PollFlags, within: Duration) -> bool {
    let within = Timespec::try_from(within).ok();
    matches!(poll(&mut [PollFd::from_borrowed_fd(descriptor, flags)], within.as_ref()), Ok(ready) if ready > 0)
}
