//! A thread that writes for us, so that a reader that does not read delays nothing but its own
//! output.
//!
//! An applet that acts on processes opens the outlet first: its work must not wait for a terminal
//! that was stopped by ^S, for a full pipe, or for a file system that does not answer. From then
//! on, all bytes for standard output and standard error go through the outlet, in the order of
//! writing.

use std::collections::VecDeque;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::{Errno, write};
use rustix::stdio::{stderr, stdout};

use super::explained;
use crate::thread::{self, await_change, lock};

/// Time beyond the time limit in which output may still be read.
const GRACE: Duration = Duration::from_millis(500);

/// The one outlet of the program.
static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// Destination of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Output,
    Error,
}

/// Bytes with their destination.
type Piece = (Stream, Vec<u8>);

struct Outlet {
    /// `None` after the outlet was closed.
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// Data that we share with the thread.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when there is more to write, and when nothing will come any more.
    more: Condvar,
    /// Notified when all is written.
    settled: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Piece>,
    is_writing: bool,
    is_closed: bool,
    /// Error of standard output, after which nothing more is written to it.
    failure: Option<Errno>,
    /// End of the time that [`settle`] waits for the pieces; `None` is no limit.
    until: Option<Instant>,
}

impl State {
    fn is_settled(&self) -> bool {
        self.pieces.is_empty() && !self.is_writing
    }
}

/// Opens the outlet.
pub fn open() {
    let shared = Arc::new(Shared::default());
    let for_thread = Arc::clone(&shared);
    // If no thread can be started, each writer waits for its reader, as without an outlet.
    if let Ok(thread) = thread::start("outlet", move || for_thread.write_pieces()) {
        // An applet opens it once, and a run has one applet.
        let _ = OUTLET.set(Outlet { thread: Mutex::new(Some(thread)), shared });
    }
}

/// Limits the wait at the end for what is not written: to a moment after this time, or not at all
/// without one.
pub fn limit(until: Option<Instant>) {
    if let Some(outlet) = OUTLET.get() {
        outlet.shared.lock().until =
            until.and_then(|until| until.max(Instant::now()).checked_add(GRACE));
    }
}

/// Reports whether the outlet is open.
pub fn is_open() -> bool {
    OUTLET.get().is_some()
}

/// Passes bytes to the thread; returns `false` if there is no outlet. Errors: an earlier write to
/// standard output failed.
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

/// Reports whether something is not written yet.
pub fn is_behind() -> bool {
    OUTLET.get().is_some_and(|outlet| !outlet.shared.lock().is_settled())
}

/// Returns standard output if it is a pipe or a socket, whose reader may go. What leads to a
/// terminal, a file or nowhere needs no reader.
pub fn with_reader() -> Option<BorrowedFd<'static>> {
    let kind = rustix::fs::fstat(stdout()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket)).then(stdout)
}

/// Reports whether the reader of standard output has gone.
pub fn is_hung_up() -> bool {
    let Some(stdout) = with_reader() else { return false };
    let mut poll_fds = [PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
    poll(&mut poll_fds, Some(&Timespec::default())).is_ok()
        && poll_fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Most bytes that a pipe takes at once where it takes any (PIPE_BUF in pipe(7)).
pub const AT_ONCE: usize = 4096;

/// Reports whether a descriptor takes up to [`AT_ONCE`] bytes now, without waiting for a reader.
pub fn has_room(descriptor: BorrowedFd<'_>) -> bool {
    let mut poll_fds = [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)];
    poll(&mut poll_fds, Some(&Timespec::default())).is_ok() && !poll_fds[0].revents().is_empty()
}

/// Waits until all is written, but not longer than this.
pub fn settle_within(time: Duration) {
    if let Some(outlet) = OUTLET.get() {
        outlet.shared.settle(Instant::now().checked_add(time));
    }
}

/// Time to write a last message after the time limit.
pub const LAST_WORDS: Duration = Duration::from_millis(200);

/// Writes a last message to standard error, past what standard output has not taken: the reader of
/// that does not read, and another one may read this.
pub fn last_words(text: String) {
    if !is_behind() {
        // If standard error is closed, no other place is left for a message.
        let _ = write_all(Stream::Error, text.as_bytes());
        return;
    }
    let (sender, receiver) = mpsc::channel();
    let write = move || {
        // Nobody waits any more after the time limit.
        let _ = sender.send(write_all(Stream::Error, text.as_bytes()));
    };
    if thread::start("last words", write).is_ok() {
        // The program ends, whether that was written or not.
        let _ = receiver.recv_timeout(LAST_WORDS);
    }
}

/// Waits until all is written, or until the time limit. Errors: standard output did not take all of
/// it; `TimedOut` if it was not read in time.
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

/// Writes what is left, within the time limit, and ends the thread.
pub fn close() {
    let Some(outlet) = OUTLET.get() else { return };
    // The applet has asked for the result itself by now.
    let _ = settle();
    let mut state = outlet.shared.lock();
    state.is_closed = true;
    let is_settled = state.is_settled();
    drop(state);
    outlet.shared.more.notify_one();
    if let Some(thread) = lock(&outlet.thread).take().filter(|_| is_settled) {
        // join fails only after a panic, which ends the program.
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

    /// Writes pieces until the outlet is closed. Runs in the thread.
    fn write_pieces(&self) {
        while let Some((stream, bytes)) = self.next() {
            let has_failed = stream == Stream::Output && self.lock().failure.is_some();
            let written = if has_failed { Ok(()) } else { write_all(stream, &bytes) };
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

    /// Waits for the next piece; `None` when nothing will come any more.
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
            // Another process has made the shared descriptor non-blocking.
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
