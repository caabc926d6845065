//! Writes to syslog what was done to processes.
//!
//! It does not use syslog(3): the C library's socket blocks, so that we would wait for ever if the
//! process that reads the log is stopped. Here a message that cannot be sent at once is dropped.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

use tracing_subscriber::fmt::MakeWriter;

use super::text::escaped;

/// Facility user, severity notice (syslog(3)).
const PRIORITY: u8 = 8 | 5;

const SOCKET: &str = "/dev/log";

/// A connection to syslog.
pub struct Syslog {
    socket: UnixDatagram,
    /// Start of each message: priority, name, pid.
    head: String,
}

impl Syslog {
    /// Connects to syslog; `None` if no daemon listens. `name` is the sender in the log.
    pub fn connect(name: &str) -> Option<Syslog> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(SOCKET).ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Syslog { socket, head: format!("<{PRIORITY}>{name}[{}]: ", std::process::id()) })
    }
}

/// A writer of one message.
pub struct SyslogMessage<'s>(&'s Syslog);

impl Write for SyslogMessage<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // Some syslog daemons begin a new entry at a newline, so that a name could forge one.
        let message = format!("{}{}", self.0.head, escaped(text.trim_ascii_end()));
        // Work goes on if the log is full or its daemon has gone.
        let _ = self.0.socket.send(message.as_bytes());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'s> MakeWriter<'s> for Syslog {
    type Writer = SyslogMessage<'s>;

    fn make_writer(&'s self) -> SyslogMessage<'s> {
        SyslogMessage(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_it_tells_of() {
        let (socket, log) = UnixDatagram::pair().unwrap();
        let syslog = Syslog { socket, head: "<13>proctool-kill[7]: ".to_owned() };
        syslog
            .make_writer()
            .write_all("running x\n<0>kernel: \x1b[31m\u{9b}caf\u{e9}\n".as_bytes())
            .unwrap();
        let mut entry = [0; 100];
        let length = log.recv(&mut entry).unwrap();
        let expected = "<13>proctool-kill[7]: running x\\n<0>kernel: \\x1b[31m\\u{9b}caf\u{e9}";
        assert_eq!(String::from_utf8_lossy(&entry[..length]), expected);
    }
}
