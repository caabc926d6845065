//! A network namespace, seen through a process in it: its tables of sockets. Each is read once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::rc::Rc;

use rustix::fs::{AtFlags, readlinkat_raw, statat};
use rustix::io::retry_on_intr;

use super::super::path::Path;
use super::super::{File, Pid, Proc, Process, ReadError, ReadResult, Unavailable, namespace_inode};
use super::{Endpoint, InetSocket, Protocol, UnixSocket};

const TCP: [&str; 2] = ["net/tcp", "net/tcp6"];
const UDP: [&str; 2] = ["net/udp", "net/udp6"];

/// The identity of a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkId {
    /// The inode of the namespace.
    Namespace(u64),
    /// The inode of its table of TCP sockets. Everybody may ask for it, where the namespace of the
    /// processes of others is a secret.
    Table(u64),
}

/// The tables that were read, by their namespace.
#[derive(Default)]
pub struct Networks {
    listeners: Tables<Endpoint>,
    inet: Tables<InetSocket>,
    unix: Tables<Option<OwnedUnixSocket>>,
}

/// A table of each namespace: its sockets by their inodes.
type Tables<T> = RefCell<BTreeMap<NetworkId, Rc<BTreeMap<u64, T>>>>;

/// A unix socket that outlives its line.
pub struct OwnedUnixSocket {
    pub kind: &'static str,
    pub state: &'static str,
    pub path: Vec<u8>,
}

impl Proc {
    /// Returns the network namespaces of these processes; `None` where it must be asked for
    /// separately.
    pub fn networks_of(&self, pids: Vec<Pid>) -> Vec<(Pid, Option<NetworkId>)> {
        self.look_at_all(pids, |proc, pid| {
            let mut buffer = [MaybeUninit::uninit(); 64];
            let path = Path::new(pid, File::NsNet.name());
            let (link, _) = readlinkat_raw(proc, path.as_c_str(), &mut buffer).ok()?;
            namespace_inode(link).map(NetworkId::Namespace)
        })
    }
}

impl Process<'_> {
    /// Returns the identity of its network namespace.
    pub fn network(&self) -> ReadResult<NetworkId> {
        match self.namespace(File::NsNet) {
            Err(ReadError::Unavailable(Unavailable::Denied | Unavailable::Absent(_))) => {
                let path = self.directory.path("net/tcp");
                let file = retry_on_intr(|| {
                    statat(self.directory.base(), path.as_c_str(), AtFlags::empty())
                });
                let absent = || {
                    if self.exists() {
                        ReadError::absent("a zombie has no network")
                    } else {
                        ReadError::Exited
                    }
                };
                let file = file.map_err(|errno| ReadError::from_errno(errno, "net", absent))?;
                Ok(NetworkId::Table(file.st_ino))
            }
            namespace => namespace.map(NetworkId::Namespace),
        }
    }

    /// Returns the listening TCP sockets and the unconnected UDP sockets of its network namespace,
    /// by inode.
    pub fn listeners(&self) -> ReadResult<Rc<BTreeMap<u64, Endpoint>>> {
        self.table(&self.proc().networks().listeners, || {
            let mut sockets = BTreeMap::new();
            self.each_tcp_listener(|socket| _ = sockets.insert(socket.inode, socket.local))?;
            self.each_inet_socket(Protocol::Udp, |socket| {
                if socket.listens() {
                    sockets.insert(socket.inode, socket.local);
                }
                ControlFlow::Continue(())
            })?;
            sockets.remove(&0);
            Ok(sockets)
        })
    }

    /// Returns all TCP and UDP sockets of its network namespace, by inode.
    pub fn inet_sockets(&self) -> ReadResult<Rc<BTreeMap<u64, InetSocket>>> {
        self.table(&self.proc().networks().inet, || {
            let mut sockets = BTreeMap::new();
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                self.each_inet_socket(protocol, |socket| {
                    sockets.insert(socket.inode, socket);
                    ControlFlow::Continue(())
                })?;
            }
            sockets.remove(&0);
            Ok(sockets)
        })
    }

    /// Returns the unix sockets of its network namespace, by inode; `None` for one that two lines
    /// name: see [`Process::unix_listeners`].
    pub fn unix_sockets(&self) -> ReadResult<Rc<BTreeMap<u64, Option<OwnedUnixSocket>>>> {
        self.table(&self.proc().networks().unix, || {
            let mut sockets = BTreeMap::new();
            self.each_unix_socket(|socket| {
                let (kind, state) = (socket.kind(), socket.state());
                let owned = OwnedUnixSocket { kind, state, path: socket.path.to_vec() };
                sockets
                    .entry(socket.inode)
                    .and_modify(|known| *known = None)
                    .or_insert(Some(owned));
                ControlFlow::Continue(())
            })?;
            Ok(sockets)
        })
    }

    /// Returns a table of its namespace, which is read if that was not done before.
    fn table<T>(
        &self,
        tables: &Tables<T>,
        read: impl FnOnce() -> ReadResult<BTreeMap<u64, T>>,
    ) -> ReadResult<Rc<BTreeMap<u64, T>>> {
        match tables.borrow_mut().entry(self.network()?) {
            Entry::Occupied(known) => Ok(Rc::clone(known.get())),
            Entry::Vacant(place) => Ok(Rc::clone(place.insert(Rc::new(read()?)))),
        }
    }

    /// Passes on the listening TCP sockets of its network namespace.
    ///
    /// The kernel lists these before all connections (`tcp_get_idx` in net/ipv4/tcp_ipv4.c), so
    /// that ten thousand connections cost nothing here.
    pub(super) fn each_tcp_listener(&self, mut show: impl FnMut(InetSocket)) -> ReadResult<()> {
        self.each_inet_socket(Protocol::Tcp, |socket| {
            if !socket.listens() {
                return ControlFlow::Break(());
            }
            show(socket);
            ControlFlow::Continue(())
        })
    }

    /// Passes on the sockets of a protocol, those of IPv6 last; in each table until `show` has seen
    /// enough.
    fn each_inet_socket(
        &self,
        protocol: Protocol,
        mut show: impl FnMut(InetSocket) -> ControlFlow<()>,
    ) -> ReadResult<()> {
        let tables = match protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        };
        for table in tables {
            let read = self.directory.lines_below("net", table, |line| {
                InetSocket::parse(protocol, line).map_or(ControlFlow::Continue(()), &mut show)
            });
            match read {
                // The kernel has no IPv6, or was told not to use it.
                Err(ReadError::Unavailable(Unavailable::Absent(_))) => {}
                read => read?,
            }
        }
        Ok(())
    }

    /// Passes on the unix sockets of its network namespace, until `show` has seen enough.
    pub(super) fn each_unix_socket(
        &self,
        mut show: impl FnMut(UnixSocket<'_>) -> ControlFlow<()>,
    ) -> ReadResult<()> {
        self.directory.lines_below("net", "net/unix", |line| {
            UnixSocket::parse(line).map_or(ControlFlow::Continue(()), &mut show)
        })
    }
}
