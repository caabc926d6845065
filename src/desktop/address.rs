//! Addresses of message buses (D-Bus). They are parsed, those that cannot be trusted are dropped,
//! and a connection goes through the handshake here; `bus` has what follows it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Instant;

use rustix::net::SocketAddrUnix;

use super::bus::Bus;
use crate::escape::unescaped;
use crate::peer::Peer;

/// Longest line of the handshake, in bytes.
const LONGEST_LINE: usize = 1024;

/// An address that can be trusted: a socket on this machine, whose owner the kernel reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    socket: SocketAddrUnix,
    /// The address as in $DBUS_SESSION_BUS_ADDRESS.
    pub text: OsString,
}

impl Address {
    /// Makes the address of the socket at this path; `None` if no socket can have it.
    pub fn at(path: &Path) -> Option<Address> {
        Address::parse(&[b"unix:path=", path.as_os_str().as_bytes()].concat())
    }

    /// Parses a list such as `unix:path=/run/user/1000/bus,guid=…;tcp:host=…`. Addresses of other
    /// kinds are dropped, because `unixexec:` would run a command. Of each address only the socket
    /// is kept.
    pub fn list(text: &[u8]) -> impl Iterator<Item = Address> {
        text.split(|&byte| byte == b';').filter_map(Address::parse)
    }

    /// Parses one address. It must name exactly one place.
    fn parse(text: &[u8]) -> Option<Address> {
        let mut places = text.strip_prefix(b"unix:")?.split(|&byte| byte == b',').filter(|pair| {
            let key = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
            [&b"path"[..], b"abstract", b"dir", b"tmpdir", b"runtime"].contains(&key)
        });
        let (place, None) = (places.next()?, places.next()) else { return None };
        let text = OsString::from_vec([b"unix:", place].concat());
        let unescaped = |name| Some(unescaped(name, b'%', 2, 16)).filter(|name| !name.is_empty());
        let socket = match place.strip_prefix(b"path=") {
            Some(path) => {
                SocketAddrUnix::new(&*unescaped(path).filter(|path| path.starts_with(b"/"))?)
            }
            None => {
                SocketAddrUnix::new_abstract_name(&unescaped(place.strip_prefix(b"abstract=")?)?)
            }
        };
        Some(Address { socket: socket.ok()?, text })
    }

    /// Connects as the user who owns the bus, whose rights we have, and completes the handshake.
    /// Errors: `TimedOut` at `end`, `PermissionDenied` if the bus does not accept us, and another
    /// error if the socket is not of this user.
    pub fn connect(&self, uid: u32, end: Instant) -> io::Result<Bus> {
        self.connect_as(uid, &[uid], end)
    }

    /// Connects as this user to a bus that belongs to one of `owners`, and completes the handshake.
    pub fn connect_as(&self, uid: u32, owners: &[u32], end: Instant) -> io::Result<Bus> {
        let mut peer = Peer::connect(&self.socket, end)?.owned_by(owners)?;
        let name: String = uid.to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        peer.send(format!("\0AUTH EXTERNAL {name}\r\n").as_bytes())?;
        let mut received = Vec::new();
        let answer = peer.line(&mut received, LONGEST_LINE)?;
        if !answer.starts_with(b"OK ") {
            return Err(io::Error::new(ErrorKind::PermissionDenied, "it does not let us in"));
        }
        Ok(Bus::new(peer, received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &str) -> Vec<String> {
        Address::list(list.as_bytes())
            .map(|address| address.text.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn addresses_that_can_be_believed() {
        assert_eq!(
            texts("unix:path=/run/user/1/bus,guid=ab;unix:abstract=x%2fy"),
            ["unix:path=/run/user/1/bus", "unix:abstract=x%2fy"]
        );
        for other in [
            "",
            ";",
            "unix:",
            "unix:path=",
            "unix:path=bus",
            "unix:abstract=",
            "unix:guid=ab",
            "unix:path=/a,abstract=b",
            "unix:dir=/tmp",
            "unix:runtime=yes",
            "unixexec:path=/bin/sh,argv1=-c,argv2=id",
            "tcp:host=127.0.0.1,port=1",
            "autolaunch:",
            "launchd:env=X",
            "systemd:",
        ] {
            assert_eq!(texts(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn escapes_in_addresses() {
        let address = Address::list(b"unix:path=/run/a%20b").next().unwrap();
        assert_eq!(address.socket.path_bytes(), Some(&b"/run/a b"[..]));
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 2] = [
            b"unix:path=/run/user/1000/bus,guid=0a;tcp:host=x,port=1",
            b"unix:abstract=/tmp/%2fdbus-x;unix:runtime=yes",
        ];
        crate::fuzz::survives(&samples, |text| _ = Address::list(text).count());
    }
}
