//! The sockets of a process, and what its network namespace says about them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Process, ReadError, ReadResult, Unavailable, number};

/// State `TCP_LISTEN` in /proc/net/tcp, see proc_pid_net(5).
const TCP_LISTEN: &[u8] = b"0A";

/// The flag `__SO_ACCEPTCON` in /proc/net/unix: the socket listens.
const ACCEPTS: u64 = 0x10000;

/// What the open descriptors of a process lead to, as far as it is asked for.
#[derive(Default)]
pub struct OpenDescriptors {
    /// The inodes of its sockets.
    pub sockets: Vec<u64>,
    /// Whether one of them is an epoll(7) instance, by which servers wait for connections.
    pub has_epoll: bool,
}

impl Process<'_> {
    /// Returns the inodes of its open sockets.
    pub fn sockets(&self) -> ReadResult<Vec<u64>> {
        Ok(self.open_descriptors()?.sockets)
    }

    /// Returns what its open descriptors lead to.
    pub fn open_descriptors(&self) -> ReadResult<OpenDescriptors> {
        let mut descriptors = Vec::new();
        self.directory.list("fd", |name| descriptors.extend(number::parse(name.to_bytes())))?;
        let mut open = OpenDescriptors::default();
        for descriptor in descriptors {
            if let Some(link) = self.descriptor(descriptor)? {
                let inode = link.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
                open.sockets.extend(inode.and_then(number::parse));
                open.has_epoll |= link == b"anon_inode:[eventpoll]";
            }
        }
        Ok(open)
    }

    /// Reports whether `is_wanted` holds for any line of its memory map (proc_pid_maps(5)).
    pub fn maps_any(&self, is_wanted: fn(&[u8]) -> bool) -> ReadResult<bool> {
        self.directory.maps_any(is_wanted)
    }

    /// Returns the inodes of all listening TCP sockets in its network namespace.
    ///
    /// The kernel lists these before all connections (`tcp_get_idx` in net/ipv4/tcp_ipv4.c), so
    /// that ten thousand connections cost nothing here.
    pub fn tcp_listeners(&self) -> ReadResult<Vec<u64>> {
        let mut inodes = Vec::new();
        for table in ["net/tcp", "net/tcp6"] {
            let mut is_heading = true;
            let read = self.directory.lines_below("net", table, |line| {
                let mut fields =
                    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
                match (fields.nth(3), fields.nth(5)) {
                    _ if std::mem::take(&mut is_heading) => ControlFlow::Continue(()),
                    (Some(TCP_LISTEN), Some(inode)) => {
                        inodes.extend(number::parse(inode));
                        ControlFlow::Continue(())
                    }
                    _ => ControlFlow::Break(()),
                }
            });
            match read {
                // The kernel has no IPv6, or was told not to use it.
                Err(ReadError::Unavailable(Unavailable::Absent(_))) => {}
                read => read?,
            }
        }
        Ok(inodes)
    }

    /// Returns the paths of the listening unix sockets in its network namespace, by inode.
    ///
    /// Any user can bind a path with a newline in it. The kernel prints it as it is, so that a path
    /// can forge lines. Where two lines name one inode, neither is believed (`None`).
    pub fn unix_listeners(&self) -> ReadResult<BTreeMap<u64, Option<Vec<u8>>>> {
        let mut paths = BTreeMap::new();
        self.directory.lines_below("net", "net/unix", |line| {
            if let Some((inode, path)) = unix_listener(line) {
                paths.entry(inode).and_modify(|path| *path = None).or_insert(Some(path.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        Ok(paths)
    }
}

/// Parses the inode and the path of a line such as `…: 00000002 00000000 00010000 0001 01 6522878
/// /run/x.sock`.
fn unix_listener(line: &[u8]) -> Option<(u64, &[u8])> {
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
    let flags = std::str::from_utf8((0..4).map(|_| field()).last()??).ok()?;
    let accepts = u64::from_str_radix(flags, 16).ok()? & ACCEPTS != 0;
    let inode = (0..3).map(|_| field()).last()?.and_then(number::parse)?;
    let path = rest.strip_prefix(b" ")?;
    (accepts && !path.is_empty()).then_some((inode, path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::unix_listener;

    #[test]
    fn listening_sockets_with_a_path() {
        let line = b"000000006b6e17d1: 00000002 00000000 00010000 0001 01 6522878 /run/a b.sock";
        assert_eq!(unix_listener(line), Some((6_522_878, &b"/run/a b.sock"[..])));
        assert_eq!(
            unix_listener(b"0: 00000002 00000000 00010000 0001 01   878 /x"),
            Some((878, &b"/x"[..]))
        );
        for other in [
            &b"Num       RefCount Protocol Flags    Type St Inode Path"[..],
            b"000000003a087876: 00000003 00000000 00000000 0001 03  1058",
            b"000000003a087876: 00000003 00000000 00000000 0001 03  1058 /connected",
            b"000000003a087876: 00000003 00000000 00010000 0001 01  1058 ",
            b"000000003a087876: 00000003 00000000 00010000",
            b"",
        ] {
            assert_eq!(unix_listener(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = unix_listener(&line);
        }
    }

    #[test]
    fn any_change_is_survived() {
        let line =
            b"0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/wsgi.1.0.2.sock";
        crate::fuzz::survives(&[line, b"Num       RefCount Protocol Flags"], |line| {
            _ = unix_listener(line)
        });
    }
}
