//! Going on in the background. A child goes on with the work in a session of its own, and its parent
//! waits until the child lets it go, so that a user sees what is done until then.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Signal as RawSignal, WaitOptions, getpid, getppid, set_parent_process_death_signal, setsid,
    waitpid,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::descriptors::keep_descriptors;
use super::kernel::{close_given, divide_process};
use super::own_child::signal_child;
use super::{Error, Interrupts};
use crate::process::{Pid, leave_control_groups};

/// The byte with which the child lets its parent go.
const GO: u8 = b'g';

/// The two processes of which there was one before.
pub enum Divided {
    /// The child, which goes on with the work.
    Child(Background),
    /// The parent, which waits.
    Parent(Foreground),
}

/// The child's end of the connection.
#[derive(Debug)]
pub struct Background {
    parent: UnixStream,
}

/// The parent's end of the connection.
pub struct Foreground {
    child: Pid,
    stream: UnixStream,
}

/// The end of the parent's wait.
pub enum Parted {
    /// The child goes on without us.
    Left,
    /// The child has ended.
    Ended(ExitStatus),
}

/// Divides our process into a parent and a child, both of which return from here. We must have no
/// other thread yet. The child gets TERM when its parent ends before it has let that go. It has only the
/// standard descriptors: a lock or a pipe of the caller must not be held as long as the child runs.
pub fn divide() -> io::Result<Divided> {
    let (stream, parent) = UnixStream::pair()?;
    let own = getpid();
    match divide_process()? {
        Some(child) => {
            let child = Pid::try_from(child.as_raw()).unwrap_or_default();
            Ok(Divided::Parent(Foreground { child, stream }))
        }
        None => {
            setsid()?;
            close_given(&keep_descriptors()?);
            // HUP may be ignored, as under nohup(1).
            set_parent_process_death_signal(Some(RawSignal::TERM))?;
            if getppid() != Some(own) {
                return Err(io::Error::other("our parent has ended"));
            }
            Ok(Divided::Child(Background { parent }))
        }
    }
}

impl Background {
    /// Goes on without the parent: nobody can wait for our streams any more, and no signal to the
    /// session or the service in which we were started reaches us.
    pub fn leave(mut self) -> io::Result<()> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        std::env::set_current_dir("/")?;
        // Where it must stay in its group, everything else still works.
        let _ = leave_control_groups();
        set_parent_process_death_signal(None)?;
        self.parent.write_all(&[GO])
    }
}

impl Foreground {
    /// Waits until the child goes on without us, or has ended. Signals that should end us are passed
    /// on to it.
    pub fn wait(mut self, interrupts: &Interrupts) -> Result<Parted, Error> {
        let failed = |error: io::Error| Error::from_io("wait for a child", &error);
        loop {
            let mut polled = [
                PollFd::new(&self.stream, PollFlags::IN),
                PollFd::from_borrowed_fd(interrupts.as_fd(), PollFlags::IN),
            ];
            match poll(&mut polled, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::kernel("wait for a child")(errno)),
            }
            let has_news = !polled[0].revents().is_empty();
            if let Some(signal) = interrupts.arrived()? {
                signal_child(self.child, signal);
            }
            let mut byte = [0];
            if has_news {
                return match self.stream.read(&mut byte).map_err(failed)? {
                    1 if byte == [GO] => Ok(Parted::Left),
                    _ => self.reap().map(Parted::Ended),
                };
            }
        }
    }

    fn reap(&self) -> Result<ExitStatus, Error> {
        let pid = i32::try_from(self.child).ok().and_then(rustix::process::Pid::from_raw);
        loop {
            match waitpid(pid, WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
                Ok(None) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::kernel("wait for a child")(errno)),
            }
        }
    }
}
