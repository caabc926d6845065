//! The sockets of a process, and what the tables of its network namespace say about them.

mod held;
mod inet;
mod network;
mod unix;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{Process, ReadResult, number};

pub use inet::{Endpoint, InetSocket, Protocol};
pub use network::NetworkId;
pub(super) use network::Networks;
pub use unix::UnixSocket;

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
                open.sockets.extend(held::socket_inode(&link));
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
    pub fn tcp_listeners(&self) -> ReadResult<Vec<u64>> {
        let mut inodes = Vec::new();
        self.each_tcp_listener(|socket| inodes.push(socket.inode))?;
        Ok(inodes)
    }

    /// Returns the paths of the listening unix sockets in its network namespace, by inode.
    ///
    /// Any user can bind a path with a newline in it. The kernel prints it as it is, so that a path
    /// can forge lines. Where two lines name one inode, neither is believed (`None`).
    pub fn unix_listeners(&self) -> ReadResult<BTreeMap<u64, Option<Vec<u8>>>> {
        let mut paths = BTreeMap::new();
        self.each_unix_socket(|socket| {
            if socket.listens && !socket.path.is_empty() {
                let path = socket.path.to_vec();
                paths.entry(socket.inode).and_modify(|path| *path = None).or_insert(Some(path));
            }
            ControlFlow::Continue(())
        })?;
        Ok(paths)
    }
}
