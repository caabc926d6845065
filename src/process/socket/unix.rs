//! Unix sockets, as /proc/PID/net/unix shows them (proc_pid_net(5)).

use super::super::number;

/// The flag `__SO_ACCEPTCON`: the socket listens.
const ACCEPTS: u64 = 0x10000;
/// `SS_CONNECTED` (include/uapi/linux/net.h).
const CONNECTED: u64 = 3;

/// A unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixSocket<'l> {
    kind: u64,
    /// Whether it waits for connections.
    pub listens: bool,
    is_connected: bool,
    /// Its inode, which no other socket has.
    pub inode: u64,
    /// The path that it is bound to; `@` and a name for an abstract one; empty for none.
    pub path: &'l [u8],
}

impl<'l> UnixSocket<'l> {
    /// Returns its type: see socket(2).
    pub fn kind(&self) -> &'static str {
        match self.kind {
            1 => "stream",
            2 => "dgram",
            5 => "seqpacket",
            _ => "unknown",
        }
    }

    /// Returns its state, as ss(8) names it.
    pub fn state(&self) -> &'static str {
        match (self.listens, self.is_connected) {
            (true, _) => "LISTEN",
            (false, true) => "ESTAB",
            (false, false) => "UNCONN",
        }
    }

    /// Parses a line such as `…: 00000002 00000000 00010000 0001 01 6522878 /run/x.sock`; `None`
    /// for the heading.
    pub(super) fn parse(line: &'l [u8]) -> Option<UnixSocket<'l>> {
        // All columns have a fixed width except that of the inode, which is right-aligned in five
        // places.
        let mut rest = line;
        let mut field = || {
            let start = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
            let end = rest[start..]
                .iter()
                .position(u8::is_ascii_whitespace)
                .map_or(rest.len(), |length| start + length);
            let field = &rest[start..end];
            rest = &rest[end..];
            Some(field)
        };
        let flags = hexadecimal((0..4).map(|_| field()).last()??)?;
        let kind = hexadecimal(field()?)?;
        let state = hexadecimal(field()?)?;
        let inode = number::parse(field()?)?;
        let path = rest.strip_prefix(b" ").unwrap_or_default();
        let (listens, is_connected) = (flags & ACCEPTS != 0, state == CONNECTED);
        Some(UnixSocket { kind, listens, is_connected, inode, path })
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::UnixSocket;

    const LINE: &[u8] =
        b"0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/wsgi.1.0.2.sock";
    const HEADING: &[u8] = b"Num       RefCount Protocol Flags    Type St Inode Path";

    fn parsed(line: &[u8]) -> Option<(u64, &str, &str, &[u8])> {
        let socket = UnixSocket::parse(line)?;
        Some((socket.inode, socket.kind(), socket.state(), socket.path))
    }

    #[test]
    fn sockets_with_and_without_a_path() {
        for (line, expected) in [
            (
                &b"000000006b6e17d1: 00000002 00000000 00010000 0001 01 6522878 /run/a b.sock"[..],
                (6_522_878, "stream", "LISTEN", &b"/run/a b.sock"[..]),
            ),
            (
                b"0: 00000002 00000000 00010000 0005 01   878 @x",
                (878, "seqpacket", "LISTEN", b"@x"),
            ),
            (
                b"000000003a087876: 00000003 00000000 00000000 0001 03  1058",
                (1058, "stream", "ESTAB", b""),
            ),
            (
                b"000000003a087876: 00000003 00000000 00000000 0002 01  1058 ",
                (1058, "dgram", "UNCONN", b""),
            ),
        ] {
            assert_eq!(parsed(line), Some(expected), "{}", String::from_utf8_lossy(line));
        }
        for other in [HEADING, b"000000003a087876: 00000003 00000000 00010000", b""] {
            assert_eq!(parsed(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parsed(&line);
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[LINE, HEADING], |line| _ = parsed(line));
    }
}
