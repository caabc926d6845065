//! Passing on what a child of ours writes, so that it does not hold our standard streams: whoever
//! may trace the child could take them from it (pidfd_getfd(2)).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::io::{Errno, read, write};
use rustix::stdio::{stderr, stdout};

use crate::thread;

/// Makes a line, without its end, fit for one of our streams.
pub type Filter = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// Time after the end of the child in which the rest of its output is passed on. A process that it
/// left behind may keep its streams open.
const REST: Duration = Duration::from_millis(500);

/// Time for the reader of our streams to read what is passed on, after the end of the child.
const READER: Duration = Duration::from_secs(5);

/// Bytes that are passed on at once.
const PART: usize = 4096;

/// The threads that pass on the two streams of a child.
pub struct Relay {
    events: Receiver<Event>,
    threads: usize,
}

/// What a thread tells.
enum Event {
    /// It begins to write to our stream.
    Writes,
    /// It has written.
    Wrote,
    /// It has come to the end of its stream, or failed to write to ours.
    Ended(Result<(), Errno>),
}

impl Relay {
    /// Begins to pass on these streams, which are the child's standard output and standard error,
    /// each through its filter.
    pub fn begin(streams: [(OwnedFd, Filter); 2]) -> io::Result<Relay> {
        let (sender, events) = channel();
        let mut relay = Relay { events, threads: 0 };
        for ((stream, filter), is_error) in streams.into_iter().zip([false, true]) {
            relay.start(stream, filter, is_error, sender.clone())?;
        }
        Ok(relay)
    }

    fn start(
        &mut self,
        from: OwnedFd,
        filter: Filter,
        is_error: bool,
        events: Sender<Event>,
    ) -> io::Result<()> {
        thread::start("relay", move || {
            let to = if is_error { stderr() } else { stdout() };
            let passed = pass_on(&from, &filter, to, &events);
            // Nobody waits any more after the time limit.
            let _ = events.send(Event::Ended(passed));
        })?;
        self.threads += 1;
        Ok(())
    }

    /// Waits until all is passed on, for a moment. Errors: our stream could not be written to, or
    /// its reader does not read.
    pub fn finish(self) -> Result<(), Errno> {
        let (mut writers, mut ended, mut outcome) = (0_usize, 0, Ok(()));
        let began = Instant::now();
        while ended < self.threads {
            let limit = if writers > 0 { READER } else { REST };
            match self.events.recv_timeout(limit.saturating_sub(began.elapsed())) {
                Ok(Event::Writes) => writers += 1,
                Ok(Event::Wrote) => writers = writers.saturating_sub(1),
                Ok(Event::Ended(passed)) => {
                    ended += 1;
                    outcome = outcome.and(passed);
                }
                Err(RecvTimeoutError::Timeout) if writers > 0 => return Err(Errno::TIMEDOUT),
                Err(_) => break,
            }
        }
        outcome
    }
}

/// Passes on everything until the end of a stream, line by line.
fn pass_on(
    from: &OwnedFd,
    filter: &Filter,
    to: BorrowedFd<'_>,
    events: &Sender<Event>,
) -> Result<(), Errno> {
    let mut buffer = [0; PART];
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let length = match read(from, &mut buffer) {
            Err(Errno::INTR) => continue,
            length => length?,
        };
        pending.extend_from_slice(&buffer[..length]);
        // A line without an end goes on when there is enough of it.
        let end = match memchr::memrchr(b'\n', &pending) {
            Some(at) => at + 1,
            None if length == 0 || pending.len() >= PART => pending.len(),
            None => 0,
        };
        let text: Vec<u8> = pending.drain(..end).collect();
        let _ = events.send(Event::Writes);
        let written = write_lines(&text, filter, to);
        let _ = events.send(Event::Wrote);
        match written {
            // The child gets SIGPIPE, as with our own stream.
            Err(Errno::PIPE) => return Ok(()),
            written => written?,
        }
        if length == 0 && pending.is_empty() {
            return Ok(());
        }
    }
}

fn write_lines(text: &[u8], filter: &Filter, to: BorrowedFd<'_>) -> Result<(), Errno> {
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let shown = match line.strip_suffix(b"\n") {
            Some(line) => [&filter(line)[..], b"\n"].concat(),
            None => filter(line),
        };
        let mut bytes = &shown[..];
        while !bytes.is_empty() {
            match write(to, bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}
