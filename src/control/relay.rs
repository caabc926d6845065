//! Passing on what a child of ours writes, so that it does not hold our standard streams: whoever
//! may trace the child could take them from it (pidfd_getfd(2)).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::io::{Errno, read, write};
use rustix::stdio::{stderr, stdout};

use crate::thread;

/// Time after the end of the child in which the rest of its output is passed on. A process that it
/// left behind may keep its streams open.
const REST: Duration = Duration::from_millis(500);

/// Bytes that are passed on at once.
const PART: usize = 4096;

/// The threads that pass on the two streams of a child.
pub struct Relay {
    /// Receives an item when a thread has come to the end of its stream.
    ended: Receiver<()>,
    threads: usize,
}

impl Relay {
    /// Begins to pass on these streams, which are the child's standard output and standard error.
    pub fn begin(streams: [Option<OwnedFd>; 2]) -> io::Result<Relay> {
        let (sender, ended) = channel();
        let mut relay = Relay { ended, threads: 0 };
        for (stream, is_error) in streams.into_iter().zip([false, true]) {
            if let Some(stream) = stream {
                relay.start(stream, is_error, sender.clone())?;
            }
        }
        Ok(relay)
    }

    fn start(&mut self, from: OwnedFd, is_error: bool, ended: Sender<()>) -> io::Result<()> {
        thread::start("relay", move || {
            let to = if is_error { stderr() } else { stdout() };
            // An error ends this stream: the child gets SIGPIPE, as with our own stream.
            let _ = pass_on(&from, to);
            // Nobody waits any more after the time limit.
            let _ = ended.send(());
        })?;
        self.threads += 1;
        Ok(())
    }

    /// Waits until all is passed on, for a moment.
    pub fn finish(self) {
        let end = Instant::now() + REST;
        for _ in 0..self.threads {
            if self.ended.recv_timeout(end.saturating_duration_since(Instant::now())).is_err() {
                return;
            }
        }
    }
}

/// Passes on everything until the end of a stream.
fn pass_on(from: &OwnedFd, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut buffer = [0; PART];
    loop {
        let length = match read(from, &mut buffer) {
            Ok(0) => return Ok(()),
            Err(Errno::INTR) => continue,
            length => length?,
        };
        let mut bytes = &buffer[..length];
        while !bytes.is_empty() {
            match write(to, bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}
