//! What was done, told to syslog.
//!
//! By ourselves, and not through the C library: its socket blocks, so that whoever stops the process that reads the log,
//! or a process below that, would wait for it for ever. What cannot be taken at once is dropped.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

use tracing_subscriber::fmt::MakeWriter;

/// Facility user, severity notice (syslog(3)).
const PRIORITY: u8 = 8 | 5;

const SOCKET: &str = "/dev/log";

/// A connection to syslog.
pub struct Syslog {
    socket: UnixDatagram,
    /// What comes before each message: priority, who, pid.
    head: String,
}

impl Syslog {
    /// Connect, if there is one that listens. `name` is who tells.
    pub fn connect(name: &str) -> Option<Syslog> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(SOCKET).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Syslog { socket, head: format!("<{PRIORITY}>{name}[{}]: ", std::process::id()) })
    }
}

/// One message.
pub struct Message<'s>(&'s Syslog);

impl Write for Message<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let message = [self.0.head.as_bytes(), text.trim_ascii_end()].concat();
        // A log that is full or has gone is no reason to stop.
        let _ = self.0.socket.send(&message);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'s> MakeWriter<'s> for Syslog {
    type Writer = Message<'s>;

    fn make_writer(&'s self) -> Message<'s> {
        Message(self)
    }
}
