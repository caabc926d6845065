//! A thread that writes for us, so that a reader who does not read holds up nothing but what is to
//! be read.
//!
//! An applet that acts on processes opens the outlet first: a terminal that was stopped by ^S, a
//! pipe that nobody empties or a file system that does not answer must keep it from nothing else.
//! All that goes to standard output and standard error goes through the outlet from then on, in the
//! order in which it was written.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, write};
use rustix::stdio::{stderr, stdout};

use super::explained;
use crate::thread::{self, await_change, lock};

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
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// What we share with the thread.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when there is more to write, and when nothing will come any more.
    more: Condvar,
    /// Told when all is written.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Piece>,
    is_writing: bool,
    is_closed: bool,
    /// Why standard output takes nothing more.
    failure: Option<Errno>,
    /// Until when the pieces are waited for at the end.
    until: Option<Instant>,
}

impl State {
    fn is_settled(&self) -> bool {
        self.pieces.is_empty() && !self.is_writing
    }
}

/// Open the outlet.
pub fn open() {
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    // Without a thread, each writer waits, as everywhere else.
    if let Ok(thread) = thread::start("outlet", move || theirs.write_pieces()) {
        // There is one applet in a run, which opens it once.
        let _ = OUTLET.set(Outlet { thread: Mutex::new(Some(thread)), shared });
    }
}

/// At the end, wait for what is not written until a moment after this time; without one, for ever.
pub fn limit(until: Option<Instant>) {
    if let Some(outlet) = OUTLET.get() {
        outlet.shared.lock().until =
            until.and_then(|until| until.max(Instant::now()).checked_add(GRACE));
    }
}

/// Whether the outlet is open.
pub fn is_open() -> bool {
    OUTLET.get().is_some()
}

/// Have this written; `false` where there is no outlet. The error is one of an earlier write to
/// standard output.
pub fn send(stream: Stream, bytes: &[u8]) -> io::Result<bool> {
    let Some(outlet) = OUTLET.get() else { return Ok(false) };
    let mut state = outlet.shared.lock();
    if let (Stream::Output, Some(errno)) = (stream, state.failure) {
        return Err(errno.into());
    }
    if state.is_closed {
        return Ok(false);
    }
    state.pieces.push_back((stream, bytes.to_vec()));
    outlet.shared.more.notify_one();
    Ok(true)
}

/// Whether something is not written yet.
pub fn is_behind() -> bool {
    OUTLET.get().is_some_and(|outlet| !outlet.shared.lock().is_settled())
}

/// Wait until all is written, or for this long.
pub fn settle_within(time: Duration) {
    if let Some(outlet) = OUTLET.get() {
        outlet.shared.settle(Instant::now().checked_add(time));
    }
}

/// For what is said last, when the time that was set is over.
pub const LAST_WORDS: Duration = Duration::from_millis(200);

/// Wait until all is written, or the time that was set is over; learn whether standard output took
/// all of it.
pub fn settle() -> io::Result<()> {
    let Some(outlet) = OUTLET.get() else { return Ok(()) };
    let until = outlet.shared.lock().until.map(|until| until.max(Instant::now() + LAST_WORDS));
    outlet.shared.settle(until);
    let state = outlet.shared.lock();
    match state.failure {
        Some(errno) => Err(explained(errno.into())),
        None if state.is_settled() => Ok(()),
        None => {
            Err(explained(io::Error::new(io::ErrorKind::TimedOut, "nobody has read it in time")))
        }
    }
}

/// Write what is left, if that does not take too long, and end the thread.
pub fn close() {
    let Some(outlet) = OUTLET.get() else { return };
    // What became of it counts for the applet, which has asked by now.
    let _ = settle();
    let mut state = outlet.shared.lock();
    state.is_closed = true;
    let is_settled = state.is_settled();
    drop(state);
    outlet.shared.more.notify_one();
    if let Some(thread) = lock(&outlet.thread).take().filter(|_| is_settled) {
        // A thread that panics ends the program.
        let _ = thread.join();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn settle(&self, until: Option<Instant>) {
        let mut state = self.lock();
        while !state.is_settled() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            state = await_change(&self.settled, state, left);
        }
    }

    /// What the thread does.
    fn write_pieces(&self) {
        while let Some((stream, bytes)) = self.next() {
            let is_over = stream == Stream::Output && self.lock().failure.is_some();
            let written = if is_over { Ok(()) } else { write_all(stream, &bytes) };
            let mut state = self.lock();
            state.is_writing = false;
            if let (Stream::Output, Err(errno)) = (stream, written) {
                state.failure = Some(errno);
            }
            if state.is_settled() {
                self.settled.notify_all();
            }
        }
    }

    /// The next piece; `None` when nothing will come any more.
    fn next(&self) -> Option<Piece> {
        let mut state = self.lock();
        while state.pieces.is_empty() && !state.is_closed {
            state = await_change(&self.more, state, None);
        }
        let piece = state.pieces.pop_front();
        state.is_writing = piece.is_some();
        piece
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
