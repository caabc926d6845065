//! The sockets that listen, in all network namespaces, and the processes that hold them.
//!
//! A process may hold a socket of another network namespace than its own: systemd opens the sockets
//! of a service with PrivateNetwork= in its own one. Therefore the sockets are gathered from all
//! namespaces first, and each process is asked for any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use once_cell::unsync::OnceCell;

use crate::process::{
    Endpoint, Error, Files, Lookup, NetworkId, Pid, Proc, Process, Protocol, ReadError, ReadResult,
    Unavailable, if_available,
};

/// A port that may be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The protocol; `None` for any.
    pub protocol: Option<Protocol>,
    /// The local address; `None` for any. An IPv4 address is also its mapping into IPv6.
    pub address: Option<IpAddr>,
    pub number: u16,
}

impl Port {
    /// Reports whether a socket with this local end listens there.
    pub fn includes(&self, endpoint: &Endpoint) -> bool {
        let ip = endpoint.address.ip().to_canonical();
        self.number == endpoint.address.port()
            && self.protocol.is_none_or(|protocol| protocol == endpoint.protocol)
            && self.address.is_none_or(|address| address.to_canonical() == ip)
    }
}

/// Listening sockets, and the network namespaces that were searched for them.
#[derive(Debug, Default)]
pub struct Listeners {
    /// The sockets by their inodes.
    sockets: Arc<BTreeMap<u64, Endpoint>>,
    searched: BTreeSet<NetworkId>,
    /// Whether no process was in a namespace that could not be searched.
    is_complete: bool,
    /// All processes, if each of them will be asked for, so that it is worth to look at all of them
    /// at once.
    crowd: Option<Vec<Pid>>,
    /// Those of the crowd that hold none of the sockets.
    without: OnceCell<BTreeSet<Pid>>,
}

/// Gathers the sockets that listen on one of these ports; on any port if none is given.
pub fn listeners(proc: &Proc, ports: &[Port]) -> Result<Listeners, Error> {
    let mut pids = Vec::new();
    let mut scan = proc.scan(Files::NONE)?;
    while let Some(process) = scan.next()? {
        pids.push(process.pid());
    }
    let mut sockets = BTreeMap::new();
    let mut found = Listeners { is_complete: true, ..Listeners::default() };
    for (pid, network) in proc.networks_of(pids.clone()) {
        if network.is_none_or(|network| !found.searched.contains(&network)) {
            found.search(proc, pid, |inode, endpoint| {
                if ports.is_empty() || ports.iter().any(|port| port.includes(&endpoint)) {
                    sockets.insert(inode, endpoint);
                }
            })?;
        }
    }
    Ok(Listeners { sockets: Arc::new(sockets), crowd: Some(pids), ..found })
}

impl Listeners {
    /// Searches the network namespace of a process, if that was not done. The process is pinned, so
    /// that the tables are not those of a later process.
    fn search(
        &mut self,
        proc: &Proc,
        pid: Pid,
        mut add: impl FnMut(u64, Endpoint),
    ) -> Result<(), Error> {
        let process = match proc.process(pid, Files::NONE)? {
            Lookup::Found(process) => process,
            Lookup::Unavailable(_) => {
                self.is_complete = false;
                return Ok(());
            }
            Lookup::Exited => return Ok(()),
        };
        let network = match process.lookup(process.network())? {
            Lookup::Found(network) if !self.searched.contains(&network) => network,
            Lookup::Unavailable(reason) if !matches!(reason, Unavailable::Absent(_)) => {
                self.is_complete = false;
                return Ok(());
            }
            _ => return Ok(()),
        };
        match process.lookup(process.listeners())? {
            Lookup::Found(sockets) => {
                sockets.iter().for_each(|(&inode, &endpoint)| add(inode, endpoint));
                self.searched.insert(network);
            }
            Lookup::Unavailable(_) => self.is_complete = false,
            Lookup::Exited => {}
        }
        Ok(())
    }

    /// Tells that a cheaper condition comes first, so that most processes will not be asked for.
    pub fn expect_few(&mut self) {
        self.crowd = None;
    }

    /// Reports whether a process holds one of them. Errors: unavailable if this cannot be examined,
    /// or if the process is in a namespace that could not be searched.
    pub fn are_held_by(&self, process: &Process<'_>) -> ReadResult<bool> {
        if self.is_complete && self.sockets.is_empty() {
            return Ok(false);
        }
        let holds = if self.sockets.is_empty() || self.is_known_without(process) {
            Ok(false)
        } else {
            process.holds_socket(|inode| self.sockets.contains_key(&inode))
        };
        match holds {
            Err(ReadError::DENIED) if has_no_descriptors(process)? => Ok(false),
            Ok(false) if !self.is_complete && !self.searched.contains(&process.network()?) => {
                // Its namespace could not be searched, or is new.
                process.listeners().map(|_| false)
            }
            holds => holds,
        }
    }

    /// Reports whether a look at all processes has shown that this one holds none of them. A pinned
    /// process is always asked for itself.
    fn is_known_without(&self, process: &Process<'_>) -> bool {
        let Some(pids) = self.crowd.as_ref().filter(|_| !process.is_pinned()) else { return false };
        let without = self.without.get_or_init(|| {
            let sockets = Arc::clone(&self.sockets);
            process.proc().without_sockets(pids.clone(), move |inode| sockets.contains_key(&inode))
        });
        without.contains(&process.pid())
    }

    /// Returns those that no process holds which we may examine.
    pub fn unheld(&self, proc: &Proc) -> Result<BTreeSet<Endpoint>, Error> {
        let mut unheld = (*self.sockets).clone();
        let mut scan = proc.scan(Files::NONE)?;
        while !unheld.is_empty()
            && let Some(process) = scan.next()?
        {
            let looked = process.each_socket(|_, inode| {
                unheld.remove(&inode);
                ControlFlow::Continue(())
            });
            process.lookup(looked)?;
        }
        Ok(unheld.into_values().collect())
    }
}

/// Reports whether a process is known to have no descriptors, though we may not look: threads of
/// the kernel and zombies have none.
fn has_no_descriptors(process: &Process<'_>) -> ReadResult<bool> {
    let stat = if_available(process.stat())?;
    Ok(stat.is_some_and(|stat| stat.is_kernel_thread() || !stat.is_alive()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(protocol: Option<Protocol>, address: Option<&str>, number: u16) -> Port {
        Port { protocol, address: address.map(|address| address.parse().unwrap()), number }
    }

    #[test]
    fn a_port_may_be_of_any_protocol_and_address() {
        let tcp = Endpoint { protocol: Protocol::Tcp, address: "127.0.0.1:80".parse().unwrap() };
        let mapped = Endpoint { address: "[::ffff:127.0.0.1]:80".parse().unwrap(), ..tcp };
        for (port, included) in [
            (port(None, None, 80), true),
            (port(Some(Protocol::Tcp), None, 80), true),
            (port(Some(Protocol::Udp), None, 80), false),
            (port(None, None, 8080), false),
            (port(None, Some("127.0.0.1"), 80), true),
            (port(None, Some("::ffff:127.0.0.1"), 80), true),
            (port(None, Some("0.0.0.0"), 80), false),
            (port(None, Some("::1"), 80), false),
        ] {
            assert_eq!(port.includes(&tcp), included, "{port:?}");
            assert_eq!(port.includes(&mapped), included, "{port:?}");
        }
    }
}
