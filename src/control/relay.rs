//! Passing on what a child of ours writes, so that it does not hold our standard streams: whoever
//! may trace the child could take them from it (pidfd_getfd(2)).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
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
    /// Receives an item when a thread has come to the end of its stream, or failed to write to ours.
    ended: Receiver<Result<(), Errno>>,
    threads: usize,
    /// Number of threads that are writing to our streams now.
    writers: Arc<AtomicUsize>,
}

impl Relay {
    /// Begins to pass on these streams, which are the child's standard output and standard error,
    /// each through its filter.
    pub fn begin(streams: [(OwnedFd, Filter); 2]) -> io::Result<Relay> {
        let (sender, ended) = channel();
        let mut relay = Relay { ended, threads: 0, writers: Arc::default() };
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
        ended: Sender<Result<(), Errno>>,
    ) -> io::Result<()> {
        let writers = Arc::clone(&self.writers);
        thread::start("relay", move || {
            let to = if is_error { stderr() } else { stdout() };
            let passed = pass_on(&from, &filter, to, &writers);
            // Nobody waits any more after the time limit.
            let _ = ended.send(passed);
        })?;
        self.threads += 1;
        Ok(())
    }

    /// Waits until all is passed on, for a moment. Errors: our stream could not be written to, or
    /// its reader does not read.
    pub fn finish(self) -> Result<(), Errno> {
        let end = Instant::now() + READER;
        let (mut ended, mut outcome) = (0, Ok(()));
        while ended < self.threads {
            match self.ended.recv_timeout(REST) {
                Ok(passed) => {
                    ended += 1;
                    outcome = outcome.and(passed);
                }
                Err(_) if self.writers.load(Ordering::Relaxed) == 0 => break,
                Err(_) if end <= Instant::now() => return Err(Errno::TIMEDOUT),
                Err(_) => {}
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
    writers: &AtomicUsize,
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
        writers.fetch_add(1, Ordering::Relaxed);
        let written = write_lines(&text, filter, to);
        writers.fetch_sub(1, Ordering::Relaxed);
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
