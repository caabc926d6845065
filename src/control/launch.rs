//! Starting a command in a child process, without a wait until it runs. std waits for that without a
//! limit: a file system that does not answer holds the child up, and so does a user who stops it when
//! it has that user's rights.

use std::io::{self, IoSlice, IoSliceMut, PipeReader, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::is_ready;
use super::kernel::{fork, fork_with_files};
use crate::process::Pid;

/// Becomes another user, in a child. Errors: a text.
pub type Entry<'e> = &'e dyn Fn() -> Result<(), String>;

/// Parts a child from our terminal: a process with the rights of another user, which that user can
/// trace, must not be able to write to it for us.
pub fn leave_terminal() -> Result<(), String> {
    rustix::process::setsid().map(drop).map_err(|errno| format!("no session of its own: {errno}"))
}

/// A command to start.
pub struct Launch<'l> {
    pub command: Command,
    /// What the child does before it becomes the command. Meanwhile it has none of our files, and no
    /// stream: whoever holds it up would hold up those who wait for these. The command sets no streams
    /// of its own then.
    pub entry: Option<Entry<'l>>,
}

impl From<Command> for Launch<'_> {
    fn from(command: Command) -> Self {
        Launch { command, entry: None }
    }
}

/// A child that was started.
pub struct Launched {
    pub pid: Pid,
    /// It ends when the command runs. Before, the child writes its failure there.
    outcome: PipeReader,
    /// The socket at which the streams of the command wait for the child.
    parked: Option<UnixStream>,
}

/// The first byte of a failure: the text of an [`Entry`], or the number of an error of execve(2).
const NOT_ENTERED: u8 = b'E';
const NOT_RUN: u8 = b'X';

impl Launch<'_> {
    /// Starts the command with these streams, or with ours.
    pub fn start(self, streams: Option<[OwnedFd; 3]>) -> io::Result<Launched> {
        let (outcome, mut child_outcome) = io::pipe()?;
        let Launch { mut command, entry } = self;
        let Some(entry) = entry else {
            if let Some([input, output, errors]) = streams {
                command.stdin(input).stdout(output).stderr(errors);
            }
            let child = fork_with_files(|| tell(&mut child_outcome, &not_run(&command.exec())))?;
            return Ok(Launched::new(child, outcome, None));
        };
        let parked = match &streams {
            Some(streams) => park(streams.each_ref().map(AsFd::as_fd))?,
            None => {
                park([rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()])?
            }
        };
        let kept = [child_outcome.as_raw_fd(), parked.as_raw_fd()];
        let child = fork(&kept, || {
            let failure = match entry() {
                Err(text) => [&[NOT_ENTERED], text.as_bytes()].concat(),
                Ok(()) => {
                    not_run(&take_streams(&parked).map_or_else(|error| error, |()| command.exec()))
                }
            };
            tell(&mut child_outcome, &failure)
        })?;
        Ok(Launched::new(child, outcome, Some(parked)))
    }
}

impl Launched {
    fn new(child: nix::unistd::Pid, outcome: PipeReader, parked: Option<UnixStream>) -> Launched {
        Launched { pid: Pid::try_from(child.as_raw()).unwrap_or_default(), outcome, parked }
    }

    /// Waits for this time until it is decided whether the command runs, and reports whether it is.
    pub fn is_decided(&self, within: Duration) -> bool {
        is_ready(self.outcome.as_fd(), PollFlags::IN, within)
    }

    /// Returns the reason why the command was not run, after the end of the child: an error with a
    /// number is one of execve(2).
    pub fn failure(&mut self) -> io::Result<Option<io::Error>> {
        let mut failure = Vec::new();
        self.outcome.read_to_end(&mut failure)?;
        Ok(failure.split_first().map(|(kind, rest)| match (kind, rest.first_chunk()) {
            (&NOT_RUN, Some(number)) => io::Error::from_raw_os_error(i32::from_ne_bytes(*number)),
            _ => io::Error::other(String::from_utf8_lossy(rest)),
        }))
    }

    /// Takes the streams back, if the child has not received them yet.
    pub fn take_back_streams(&self) {
        if let Some(parked) = &self.parked {
            // An error means that there are none.
            let _ = receive(parked, RecvFlags::DONTWAIT);
        }
    }
}

/// Returns the failure to run a program.
fn not_run(error: &io::Error) -> Vec<u8> {
    let number = error.raw_os_error().unwrap_or(nix::libc::EINVAL);
    [&[NOT_RUN][..], &number.to_ne_bytes()].concat()
}

/// Writes a failure, in the child. Returns its exit status.
fn tell(outcome: &mut impl Write, failure: &[u8]) -> u8 {
    // Nobody needs it if the reader has gone.
    let _ = outcome.write_all(failure);
    1
}

/// Sends streams into a socket, and returns its other end.
fn park(streams: [BorrowedFd<'_>; 3]) -> io::Result<UnixStream> {
    let (sender, receiver) = UnixStream::pair()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&streams));
    sendmsg(&sender, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(receiver)
}

/// Receives the streams that are in a socket.
fn receive(parked: &UnixStream, flags: RecvFlags) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    recvmsg(parked, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    Ok(rights.flatten().collect())
}

/// Puts the streams in their places, in the child.
fn take_streams(parked: &UnixStream) -> io::Result<()> {
    match &receive(parked, RecvFlags::empty())?[..] {
        [input, output, errors] => {
            dup2_stdin(input)?;
            dup2_stdout(output)?;
            Ok(dup2_stderr(errors)?)
        }
        // They were taken back.
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}
