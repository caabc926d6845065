//! A thread that writes for us, so that a reader who does not read holds up nothing but what is to be read.
//!
//! An applet that acts on processes opens the outlet first: a terminal that was stopped by ^S, a pipe that nobody empties
//! or a file system that does not answer must keep it from nothing else. All that goes to standard output and standard
//! error goes through the outlet from then on, in the order in which it was written.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, write};
use rustix::stdio::{stderr, stdout};

use super::explained;
use crate::thread;

/// What is to be read has so much more than the time limit.
const GRACE: Duration = Duration::from_millis(500);

/// The one outlet of the program.
static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// Where bytes go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Output,
    Error,
}

/// Bytes, and where they go to.
type Piece = (Stream, Vec<u8>);

struct Outlet {
    /// `None` when it is closed.
    writer: Mutex<Option<Writer>>,
    shared: Arc<Shared>,
}

/// The thread, and the way to it.
struct Writer {
    pieces: Sender<Piece>,
    thread: JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when all is written.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    /// The pieces that are not written yet.
    pending: usize,
    /// Why standard output takes nothing more.
    failure: Option<Errno>,
    /// Until when the pending ones are waited for at the end.
    until: Option<Instant>,
}

/// Open the outlet.
pub fn open() {
    let shared = Arc::new(Shared { state: Mutex::default(), settled: Condvar::new() });
    let (pieces, received) = channel();
    let theirs = Arc::clone(&shared);
    // Without a thread, each writer waits, as everywhere else.
    let work = move || write_pieces(&received, &theirs);
    if let Ok(thread) = thread::start("outlet", work) {
        // There is one applet in a run, which opens it once.
        let _ = OUTLET.set(Outlet { writer: Mutex::new(Some(Writer { pieces, thread })), shared });
    }
}

/// At the end, wait for what is pending until a moment after this time; without one, for ever.
pub fn limit(until: Option<Instant>) {
    if let Some(outlet) = OUTLET.get() {
        outlet.shared.lock().until = until.and_then(|until| until.max(Instant::now()).checked_add(GRACE));
    }
}

/// Whether the outlet is open.
pub fn is_open() -> bool {
    OUTLET.get().is_some()
}

/// Have this written; `false` where there is no outlet. The error is one of an earlier write to standard output.
pub fn send(stream: Stream, bytes: &[u8]) -> io::Result<bool> {
    let Some(outlet) = OUTLET.get() else { return Ok(false) };
    let mut state = outlet.shared.lock();
    if let (Stream::Output, Some(errno)) = (stream, state.failure) {
        return Err(errno.into());
    }
    let writer = lock(&outlet.writer);
    let Some(writer) = writer.as_ref() else { return Ok(false) };
    state.pending += 1;
    // The thread receives for as long as there is a sender.
    let _ = writer.pieces.send((stream, bytes.to_vec()));
    Ok(true)
}

/// Whether something is not written yet.
pub fn is_behind() -> bool {
    OUTLET.get().is_some_and(|outlet| outlet.shared.lock().pending > 0)
}

/// Wait until all is written, or for this long.
pub fn settle_within(time: Duration) {
    if let Some(outlet) = OUTLET.get() {
        outlet.shared.settle(Instant::now().checked_add(time));
    }
}

/// Wait until all is written, or the time that was set is over; learn whether standard output took all of it.
pub fn settle() -> io::Result<()> {
    let Some(outlet) = OUTLET.get() else { return Ok(()) };
    let until = outlet.shared.lock().until;
    outlet.shared.settle(until);
    let state = outlet.shared.lock();
    match state.failure {
        Some(errno) => Err(explained(errno.into())),
        None if state.pending > 0 => {
            Err(explained(io::Error::new(io::ErrorKind::TimedOut, "nobody has read it in time")))
        }
        None => Ok(()),
    }
}

/// Write what is pending, if that does not take too long, and end the thread.
pub fn close() {
    let Some(outlet) = OUTLET.get() else { return };
    // What became of it counts for the applet, which has asked by now.
    let _ = settle();
    let is_settled = outlet.shared.lock().pending == 0;
    if let Some(Writer { pieces, thread }) = lock(&outlet.writer).take().filter(|_| is_settled) {
        drop(pieces);
        // A thread that panics ends the program.
        let _ = thread.join();
    }
}

/// A thread that panics ends the program, and so leaves no lock behind.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn settle(&self, until: Option<Instant>) {
        let mut state = self.lock();
        while state.pending > 0 {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return,
                Some(left) => {
                    self.settled.wait_timeout(state, left).map_or_else(|error| error.into_inner().0, |waited| waited.0)
                }
                None => self.settled.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn write_pieces(pieces: &Receiver<Piece>, shared: &Shared) {
    for (stream, bytes) in pieces {
        let is_over = stream == Stream::Output && shared.lock().failure.is_some();
        let written = if is_over { Ok(()) } else { write_all(stream, &bytes) };
        let mut state = shared.lock();
        if let (Stream::Output, Err(errno)) = (stream, written) {
            state.failure = Some(errno);
        }
        state.pending -= 1;
        if state.pending == 0 {
            shared.settled.notify_all();
        }
    }
}

fn write_all(stream: Stream, mut bytes: &[u8]) -> Result<(), Errno> {
    let descriptor = match stream {
        Stream::Output => stdout(),
        Stream::Error => stderr(),
    };
    while !bytes.is_empty() {
        match write(descriptor, bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(Errno::INTR) => {}
            // Somebody else has made it non-blocking.
            Err(Errno::AGAIN) => await_room(descriptor)?,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn await_room(descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    match poll(&mut [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}
