//! What was done, told to syslog.
//!
//! By ourselves, and not through the C library: its socket blocks, so that whoever stops the
//! process that reads the log, or a process below that, would wait for it for ever. What cannot be
//! taken at once is dropped.

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
pub struct SyslogMessage<'s>(&'s Syslog);

impl Write for SyslogMessage<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // Not every syslogd keeps a newline in a name from beginning an entry of its own.
        let message = format!("{}{}", self.0.head, escaped(text.trim_ascii_end()));
        // A log that is full or has gone is no reason to stop.
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
