//! Reading from streams until a set time, and not longer: after it, everything here fails with
//! `TimedOut`.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Reads this number of bytes. Errors: `UnexpectedEof` when the stream ends before.
pub fn read_exactly(stream: &mut UnixStream, count: usize, end: Instant) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while bytes.len() < count {
        stream.set_read_timeout(Some(remaining(end)?))?;
        let room = buffer.len().min(count - bytes.len());
        match stream.read(&mut buffer[..room]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error)
                if [ErrorKind::Interrupted, ErrorKind::WouldBlock].contains(&error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Reads until the other end of the stream is closed.
pub fn read_to_end(mut stream: UnixStream, end: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        stream.set_read_timeout(Some(remaining(end)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error)
                if [ErrorKind::Interrupted, ErrorKind::WouldBlock].contains(&error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sleeps for a moment (5 ms), but not beyond `end`. Errors: `TimedOut` when it is past `end`.
pub fn pause(end: Instant) -> io::Result<()> {
    const MOMENT: Duration = Duration::from_millis(5);
    std::thread::sleep(remaining(end)?.min(MOMENT));
    Ok(())
}

/// Returns the remaining time, which may be none.
pub fn left_until(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

/// Returns the remaining time. Errors: `TimedOut` when there is none.
pub fn remaining(end: Instant) -> io::Result<Duration> {
    let rest = left_until(end);
    if rest.is_zero() { Err(late()) } else { Ok(rest) }
}

/// Turns the error of a socket whose timeout has passed, `WouldBlock`, into `TimedOut`.
pub fn in_time(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { late() } else { error }
}

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "it does not answer")
}
