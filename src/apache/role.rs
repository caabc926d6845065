//! The role of a process of an Apache: decided by its open sockets or, where these are unavailable,
//! by its title.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use crate::path::base_name;
use crate::process::{File, Process, ReadResult, if_available, items};

use super::title;

/// How long and how often a process is waited for that was forked a moment ago, and how often in a
/// whole run, because any user may run workers that stay in this state.
const MOMENT: Duration = Duration::from_millis(5);
const MOMENTS: usize = 20;
const MOST_MOMENTS: usize = 100;

/// The sockets of the network namespaces that were met. Each namespace is read once.
#[derive(Default)]
pub struct SocketTables {
    namespaces: RefCell<BTreeMap<u64, Rc<NamespaceSockets>>>,
    /// Number of times that processes were waited for.
    moments: Cell<usize>,
}

/// The listening sockets of a network namespace.
struct NamespaceSockets {
    tcp: BTreeSet<u64>,
    unix: BTreeMap<u64, Option<Vec<u8>>>,
}

/// The listening sockets that a process has open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenSockets {
    /// The TCP sockets on which it listens, as masters and workers do.
    pub listeners: Vec<u64>,
    /// The sockets of WSGI daemon process groups, each once, sorted. A daemon has that of its group.
    pub wsgi: Vec<WsgiSocket>,
    /// Whether it listens on another unix socket too.
    pub has_other: bool,
    /// Whether it has an instance of epoll(7), by which workers wait for connections.
    pub has_epoll: bool,
}

/// The identity of a WSGI daemon process group. The newest generation sorts first, then the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WsgiSocket {
    /// Number of times that the configuration was read since the start of the master.
    pub generation: Reverse<u32>,
    /// Its place in the configuration, from 1.
    pub number: u32,
}

/// The role of a process of an Apache.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProcessRole {
    /// It answers requests.
    Worker,
    /// It runs the applications of this group.
    Group(WsgiSocket),
    /// It is in a group that is known only by its title. The flag says whether the title is cut.
    Titled(Vec<u8>, bool),
    /// It does not listen: a worker that finishes, or a helper of a module.
    Other,
}

impl SocketTables {
    /// Returns the listening sockets of a process; `None` where its descriptors are unavailable, or
    /// where they are disputed.
    pub fn held_by(&self, process: &Process<'_>) -> ReadResult<Option<OpenSockets>> {
        let Some(open) = if_available(process.open_descriptors())? else { return Ok(None) };
        let held = match open.sockets.is_empty() {
            true => Some(OpenSockets::default()),
            false => self.around(process)?.held(open.sockets),
        };
        Ok(held.map(|held| OpenSockets { has_epoll: open.has_epoll, ..held }))
    }

    /// Returns the listening sockets of a process below a master. A process that was forked a
    /// moment ago still has all sockets of its master open, and gets time to close the others.
    pub fn held_below(
        &self,
        process: &Process<'_>,
        master: MasterContext<'_>,
    ) -> ReadResult<Option<OpenSockets>> {
        let mut held = self.held_by(process)?;
        for _ in 0..MOMENTS {
            let is_forked_now =
                held.as_ref().is_some_and(|held| !held.wsgi.is_empty() && held.serves(master.held));
            if !is_forked_now || self.moments.get() == MOST_MOMENTS {
                break;
            }
            self.moments.update(|moments| moments + 1);
            std::thread::sleep(MOMENT);
            held = self.held_by(process)?;
        }
        Ok(held)
    }

    fn around(&self, process: &Process<'_>) -> ReadResult<Rc<NamespaceSockets>> {
        let namespace = process.namespace(File::NsNet)?;
        if let Some(sockets) = self.namespaces.borrow().get(&namespace) {
            return Ok(Rc::clone(sockets));
        }
        let tcp = process.tcp_listeners()?.into_iter().collect();
        let sockets = Rc::new(NamespaceSockets { tcp, unix: process.unix_listeners()? });
        self.namespaces.borrow_mut().insert(namespace, Rc::clone(&sockets));
        Ok(sockets)
    }
}

impl NamespaceSockets {
    fn held(&self, inodes: Vec<u64>) -> Option<OpenSockets> {
        // A socket in the table of TCP sockets cannot be forged in that of unix sockets.
        let (tcp, other): (Vec<u64>, Vec<u64>) =
            inodes.into_iter().partition(|inode| self.tcp.contains(inode));
        let mut is_disputed = false;
        let mut held = OpenSockets { listeners: tcp, ..OpenSockets::default() };
        for path in other.iter().filter_map(|inode| self.unix.get(inode)) {
            match path.as_deref().map(wsgi_socket) {
                None => is_disputed = true,
                Some(Some(socket)) => held.wsgi.push(socket),
                Some(None) => held.has_other = true,
            }
        }
        held.wsgi.sort_unstable();
        held.wsgi.dedup();
        let is_told = !is_disputed || !held.wsgi.is_empty();
        is_told.then_some(held)
    }
}

/// Parses a path such as `/run/apache2/wsgi.23.0.2.sock`: master, generation and number.
/// WSGISocketPrefix sets the beginning. With WSGISocketRotation Off, the user id of the daemons
/// stands in place of the generation: `wsgi.23.u33.2.sock`.
fn wsgi_socket(path: &[u8]) -> Option<WsgiSocket> {
    let name = base_name(path).strip_suffix(b".sock")?;
    let mut parts = name.rsplit(|&byte| byte == b'.');
    let mut next = || std::str::from_utf8(parts.next()?).ok();
    let number = next()?.parse().ok()?;
    let generation = next()?;
    let generation = match generation.strip_prefix('u') {
        Some(user) => user.parse::<u32>().ok().map(|_| 0)?,
        None => generation.parse().ok()?,
    };
    let _master: u32 = next()?.parse().ok()?;
    parts.next().map(|_| WsgiSocket { generation: Reverse(generation), number })
}

impl OpenSockets {
    /// Reports whether it listens on any TCP socket.
    pub fn listens(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Returns the group that it is a daemon of. A process that has the sockets of several groups has
    /// inherited them, as the daemon of mod_cgid does at a graceful restart. So has a process of one
    /// thread with a socket of its own: a WSGI daemon has at least a second thread.
    fn group(&self, threads: u64) -> Option<WsgiSocket> {
        match self.wsgi[..] {
            [group] if threads > 1 || !self.has_other => Some(group),
            _ => None,
        }
    }

    /// Reports whether it listens on a socket of its master or, where these are unknown, on any.
    fn serves(&self, master: Option<&OpenSockets>) -> bool {
        match master {
            Some(master) => self.listeners.iter().any(|inode| master.listeners.contains(inode)),
            None => self.listens(),
        }
    }
}

/// The facts about the master of a process.
#[derive(Clone, Copy)]
pub struct MasterContext<'a> {
    pub arguments: &'a [u8],
    pub held: Option<&'a OpenSockets>,
}

impl ProcessRole {
    /// Decides the role of a process: by its sockets, else by its arguments and those of its
    /// master, else as the role of its parent.
    ///
    /// The application in a WSGI daemon may listen too, but not on the sockets of the server.
    pub fn from_sockets_and_title(
        held: Option<&OpenSockets>,
        threads: u64,
        arguments: &[u8],
        master: Option<MasterContext<'_>>,
        parent: Option<&ProcessRole>,
    ) -> ProcessRole {
        let Some(held) = held else {
            return ProcessRole::titled(arguments, master.map(|master| master.arguments));
        };
        match held.group(threads) {
            _ if held.serves(master.and_then(|master| master.held)) => ProcessRole::Worker,
            Some(socket) => ProcessRole::Group(socket),
            None => parent.cloned().unwrap_or(ProcessRole::Other),
        }
    }

    /// Returns the role among the other processes, some of which may wait for connections by
    /// epoll(7). Then a worker that does not is none: the process manager of mod_fcgid keeps the
    /// sockets of the server open. A worker that has begun a moment ago may not have got so far.
    pub fn among(self, held: Option<&OpenSockets>, any_waits: bool, is_new: bool) -> ProcessRole {
        let waits = held.is_none_or(|held| held.has_epoll);
        match self {
            ProcessRole::Worker if any_waits && !waits && !is_new => ProcessRole::Other,
            role => role,
        }
    }

    fn titled(arguments: &[u8], master: Option<&[u8]>) -> ProcessRole {
        if let Some(name) = title::wsgi(arguments) {
            return ProcessRole::Titled(name.text.to_vec(), name.is_cut);
        }
        // Only a WSGI daemon with a display-name overwrites its first argument, within its length.
        let first = |arguments| items(arguments).next().unwrap_or_default();
        match master.map(first) {
            Some(room) if room != first(arguments) => {
                let name = first(arguments).trim_ascii_end();
                ProcessRole::Titled(name.to_vec(), name.len() >= room.len())
            }
            _ => ProcessRole::Worker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(generation: u32, number: u32) -> WsgiSocket {
        WsgiSocket { generation: Reverse(generation), number }
    }

    #[test]
    fn sockets_of_groups() {
        assert_eq!(wsgi_socket(b"/run/apache2/wsgi.23.0.2.sock"), Some(socket(0, 2)));
        assert_eq!(wsgi_socket(b"/srv/my.prefix.23.1.14.sock"), Some(socket(1, 14)));
        assert_eq!(wsgi_socket(b"/tmp/localhost:8000.23.u33.2.sock"), Some(socket(0, 2)));
        let others = [
            &b"/run/cgisock.23"[..],
            b"/run/23.0.2.sock",
            b"/run/wsgi.23.0.x.sock",
            b"/run/wsgi.23.ux.2.sock",
            b"/run/wsgi.x.u33.2.sock",
            b"/run/wsgi.23.0.2.lock",
            b"",
        ];
        assert!(others.into_iter().all(|other| wsgi_socket(other).is_none()));
    }

    #[test]
    fn lines_that_contradict_each_other_prove_nothing() {
        let unix = BTreeMap::from([(7, None), (8, Some(b"/run/wsgi.1.0.2.sock".to_vec()))]);
        let sockets = NamespaceSockets { tcp: BTreeSet::from([5]), unix };
        assert_eq!(sockets.held(vec![7]), None);
        assert_eq!(
            sockets.held(vec![7, 8]),
            Some(OpenSockets { wsgi: vec![socket(0, 2)], ..OpenSockets::default() })
        );
        assert_eq!(
            sockets.held(vec![5, 6]),
            Some(OpenSockets { listeners: vec![5], ..OpenSockets::default() })
        );
    }

    #[test]
    fn who_listens_without_waiting_is_no_worker() {
        let waits = OpenSockets { has_epoll: true, ..OpenSockets::default() };
        let idle = OpenSockets::default();
        for (held, any_waits, is_new, expected) in [
            (Some(&waits), true, false, ProcessRole::Worker),
            (Some(&idle), true, false, ProcessRole::Other),
            (Some(&idle), true, true, ProcessRole::Worker),
            (Some(&idle), false, false, ProcessRole::Worker),
            (None, true, false, ProcessRole::Worker),
        ] {
            assert_eq!(ProcessRole::Worker.among(held, any_waits, is_new), expected);
        }
        let group = ProcessRole::Group(socket(0, 1));
        assert_eq!(group.clone().among(Some(&idle), true, false), group);
    }

    #[test]
    fn sockets_decide_and_titles_help_out() {
        let plain = &b"/usr/sbin/apache2\0-k\0start\0"[..];
        let held = |listeners: &[u64], wsgi: Option<WsgiSocket>| OpenSockets {
            listeners: listeners.to_vec(),
            wsgi: wsgi.into_iter().collect(),
            ..OpenSockets::default()
        };
        let group = Some(socket(0, 4));
        let all = held(&[5], group);
        let master = Some(MasterContext { arguments: plain, held: Some(&all) });
        let of = |held: &OpenSockets, arguments| {
            ProcessRole::from_sockets_and_title(Some(held), 4, arguments, master, None)
        };
        assert_eq!(of(&held(&[5], None), b"(wsgi:forged)\0"), ProcessRole::Worker);
        assert_eq!(of(&held(&[5], group), plain), ProcessRole::Worker);
        assert_eq!(of(&held(&[], group), plain), ProcessRole::Group(socket(0, 4)));
        assert_eq!(of(&held(&[6], group), plain), ProcessRole::Group(socket(0, 4)));
        assert_eq!(of(&held(&[], None), plain), ProcessRole::Other);
        let inherited = OpenSockets { wsgi: vec![socket(0, 1), socket(0, 2)], ..held(&[], None) };
        assert_eq!(of(&inherited, plain), ProcessRole::Other);
        let with_own = OpenSockets { has_other: true, ..held(&[], group) };
        assert_eq!(of(&with_own, plain), ProcessRole::Group(socket(0, 4)));
        assert_eq!(with_own.group(1), None);
        assert_eq!(
            ProcessRole::from_sockets_and_title(
                Some(&held(&[], None)),
                1,
                plain,
                master,
                Some(&ProcessRole::Worker)
            ),
            ProcessRole::Worker
        );
        let titled =
            |arguments| ProcessRole::from_sockets_and_title(None, 1, arguments, master, None);
        assert_eq!(titled(plain), ProcessRole::Worker);
        assert_eq!(
            titled(b"(wsgi:alpha)     \0-k\0"),
            ProcessRole::Titled(b"alpha".to_vec(), false)
        );
        assert_eq!(
            titled(b"my-site          \0-k\0"),
            ProcessRole::Titled(b"my-site".to_vec(), false)
        );
        assert_eq!(
            titled(b"my-site-my-site-m\0-k\0"),
            ProcessRole::Titled(b"my-site-my-site-m".to_vec(), true)
        );
        assert_eq!(
            ProcessRole::from_sockets_and_title(None, 1, b"my-site\0", None, None),
            ProcessRole::Worker
        );
    }
}
