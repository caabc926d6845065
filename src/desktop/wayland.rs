//! Wayland compositors of a user: where their sockets are, and a request that shows that one
//! answers.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::net::SocketAddrUnix;

use crate::peer::Peer;

/// The number of the object that every connection begins with (wl_display), and one of our own.
const DISPLAY: u32 = 1;
const CALLBACK: u32 = 2;

/// Returns the path of the socket that a value of $WAYLAND_DISPLAY names; `None` for an empty
/// value, and for a relative one without a runtime directory.
pub fn socket(runtime: Option<&Path>, display: &OsStr) -> Option<PathBuf> {
    let path = Path::new(display);
    if path.is_absolute() {
        Some(path.to_owned())
    } else if display.is_empty() {
        None
    } else {
        Some(runtime?.join(path))
    }
}

/// Returns the names of sockets in a runtime directory that look like those of compositors.
pub fn names(runtime: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(runtime)? {
        let name = entry?.file_name();
        if name.as_bytes().starts_with(b"wayland-") && !name.as_bytes().ends_with(b".lock") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Asks the compositor at a socket, which must be of this user, and returns the process that
/// listens. Errors: `TimedOut` at `end`, `InvalidData` from a server that is no compositor.
pub fn answers(path: &Path, uid: u32, end: Instant) -> io::Result<Option<u32>> {
    let mut peer = connect(path, uid, end)?;
    // The request wl_display.sync: its object, its size and opcode, and the object that receives
    // the answer.
    let request = [DISPLAY, 12 << 16, CALLBACK].map(u32::to_ne_bytes).concat();
    peer.send(&request)?;
    let mut answer = Vec::new();
    while answer.len() < 8 {
        peer.receive(&mut answer)?;
    }
    match answer.first_chunk() {
        Some(object) if u32::from_ne_bytes(*object) == CALLBACK => Ok(peer.pid),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "it speaks another protocol")),
    }
}

/// Connects to a socket, which must belong to this user.
pub fn connect(path: &Path, uid: u32, end: Instant) -> io::Result<Peer> {
    Peer::connect(&SocketAddrUnix::new(path)?, end)?.owned_by(&[uid])
}
