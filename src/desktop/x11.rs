//! X servers of this machine: which of them a user runs, and a connection that shows whether one
//! accepts us, with which cookie.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use crate::deadline::remaining;
use crate::peer::Peer;

/// The directory with the sockets of X servers. They also have abstract names, which a private /tmp
/// does not hide.
const DIRECTORY: &str = "/tmp/.X11-unix";

/// Most bytes that are read of a file of cookies.
const LARGEST_AUTHORITY: u64 = 1 << 20;

/// The only kind of cookie that is in use.
const COOKIE: &[u8] = b"MIT-MAGIC-COOKIE-1";

/// `FamilyLocal` and `FamilyWild` of libXau: for connections on this machine, and for any
/// connection.
const LOCAL: u16 = 256;
const WILD: u16 = 65535;

/// Returns the number of a display on this machine, from values such as `:0` and `:0.1`. Displays
/// elsewhere, such as `localhost:10.0` of ssh, are not at the user's screen.
pub fn number(display: &[u8]) -> Option<u32> {
    let rest = std::str::from_utf8(display).ok()?.strip_prefix(':')?;
    let (number, screen) = rest.split_once('.').unwrap_or((rest, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(number) && is_number(screen) { number.parse().ok() } else { None }
}

/// Returns the numbers of the listening X servers whose sockets a user owns, with the processes
/// that listen. Any user can put any number of files there, so that the list ends with what was
/// found until `end`. Errors: `TimedOut` if that is nothing.
pub fn owned(uid: u32, end: Instant) -> io::Result<Vec<(u32, Option<u32>)>> {
    let entries = match fs::read_dir(DIRECTORY) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut owned = Vec::new();
    let mut late = None;
    for entry in entries {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.strip_prefix('X')?.parse().ok())
        else {
            continue;
        };
        match remaining(end).and_then(|_| connect(number, &[uid], end)) {
            Ok(peer) => owned.push((number, peer.pid)),
            Err(error) if error.kind() == ErrorKind::TimedOut => late = Some(error),
            Err(_) => {}
        }
        if late.is_some() && Instant::now() >= end {
            break;
        }
    }
    owned.sort_unstable();
    match late {
        Some(error) if owned.is_empty() => Err(error),
        _ => Ok(owned),
    }
}

/// Connects to the server of this number, which must belong to one of these users. Any user can put
/// anything into the directory: only a socket that these users own counts, not a link to a socket
/// of the superuser.
fn connect(number: u32, users: &[u32], end: Instant) -> io::Result<Peer> {
    let path = format!("{DIRECTORY}/X{number}");
    let peer = match rustix::fs::open(
        &*path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        // Where /tmp is private (PrivateTmp= in systemd.exec(5)), only the abstract name is left.
        Err(Errno::NOENT) => {
            let address = SocketAddrUnix::new_abstract_name(path.as_bytes())?;
            // Anybody may have the name: before the connection nobody knows who is late.
            Peer::connect(&address, end).map_err(|error| match error.kind() {
                ErrorKind::TimedOut => io::Error::other("it lets nobody in"),
                _ => error,
            })?
        }
        socket => {
            let socket = File::from(socket?);
            let found = socket.metadata()?;
            if !found.file_type().is_socket() || !users.contains(&found.uid()) {
                return Err(io::Error::other("it is no socket of the user's"));
            }
            // The path of the descriptor leads to this socket even if the name was replaced.
            Peer::connect(
                &SocketAddrUnix::new(format!("/proc/self/fd/{}", socket.as_raw_fd()))?,
                end,
            )?
        }
    };
    peer.owned_by(users)
}

/// Connects to the server of this number, with the cookie if there is one, and returns the process
/// that listens. The server must belong to the user or to the superuser, who runs it on many
/// machines. Errors: `PermissionDenied` if it does not accept us, `TimedOut` at `end`.
pub fn accepts(
    number: u32,
    cookie: Option<&[u8]>,
    uid: u32,
    end: Instant,
) -> io::Result<Option<u32>> {
    let mut peer = connect(number, &[uid, 0], end)?;
    peer.send(&setup(cookie))?;
    let mut answer = Vec::new();
    peer.receive(&mut answer)?;
    match answer.first() {
        Some(1) => Ok(peer.pid),
        _ => Err(io::Error::new(ErrorKind::PermissionDenied, "it does not let us in")),
    }
}

/// Encodes the first request of a client, in protocol 11.0 with little-endian numbers ("Connection
/// Setup" of the X Window System Protocol).
fn setup(cookie: Option<&[u8]>) -> Vec<u8> {
    let (name, data) = match cookie {
        Some(cookie) => (COOKIE, cookie),
        None => (&b""[..], &b""[..]),
    };
    let mut request = vec![b'l', 0, 11, 0, 0, 0];
    for part in [name, data] {
        // Both are short: the length of a cookie has 16 bits in its file.
        request.extend_from_slice(&(part.len() as u16).to_le_bytes());
    }
    request.extend_from_slice(&[0, 0]);
    for part in [name, data] {
        request.extend_from_slice(part);
        request.resize(request.len().next_multiple_of(4), 0);
    }
    request
}

/// A file of cookies, such as ~/.Xauthority, in the format of libXau.
pub struct Authority {
    pub path: PathBuf,
    bytes: Vec<u8>,
}

impl Authority {
    /// Reads a file. Errors: `InvalidInput` for anything else, such as a FIFO, which is opened
    /// without waiting.
    pub fn read(path: &Path) -> io::Result<Authority> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
        }
        let mut bytes = Vec::new();
        File::take(file, LARGEST_AUTHORITY).read_to_end(&mut bytes)?;
        Ok(Authority { path: path.to_owned(), bytes })
    }

    /// Returns the cookie for the display of this number on this machine.
    pub fn cookie(&self, number: u32) -> Option<&[u8]> {
        let host = rustix::system::uname();
        let mut rest = &self.bytes[..];
        loop {
            let family = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
            let [address, display, name, data] =
                [field(&mut rest)?, field(&mut rest)?, field(&mut rest)?, field(&mut rest)?];
            let is_here =
                family == WILD || family == LOCAL && address == host.nodename().to_bytes();
            let is_display = display.is_empty() || display == number.to_string().as_bytes();
            if is_here && is_display && name == COOKIE {
                return Some(data);
            }
        }
    }
}

/// Takes the next field, which is its length in two bytes and its content.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
    rest.split_off(..usize::from(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn displays_of_this_machine() {
        assert_eq!(number(b":0"), Some(0));
        assert_eq!(number(b":77.1"), Some(77));
        for elsewhere in [
            "",
            ":",
            "0",
            ":0.",
            ":.0",
            "localhost:10.0",
            "unix:0",
            ":-1",
            ":+1",
            ":99999999999",
            ":0 ",
        ] {
            assert_eq!(number(elsewhere.as_bytes()), None, "{elsewhere}");
        }
    }

    fn entry(family: u16, fields: [&[u8]; 4]) -> Vec<u8> {
        let mut bytes = family.to_be_bytes().to_vec();
        for field in fields {
            bytes.extend((field.len() as u16).to_be_bytes());
            bytes.extend(field);
        }
        bytes
    }

    #[test]
    fn cookies() {
        let host = rustix::system::uname();
        let host = host.nodename().to_bytes();
        let bytes = [
            entry(LOCAL, [b"elsewhere", b"7", COOKIE, b"no"]),
            entry(LOCAL, [host, b"8", COOKIE, b"other"]),
            entry(LOCAL, [host, b"7", b"XDM-AUTHORIZATION-1", b"no"]),
            entry(LOCAL, [host, b"7", COOKIE, b"seven"]),
            entry(WILD, [b"", b"", COOKIE, b"any"]),
        ]
        .concat();
        let authority = Authority { path: PathBuf::new(), bytes };
        assert_eq!(authority.cookie(7), Some(&b"seven"[..]));
        assert_eq!(authority.cookie(8), Some(&b"other"[..]));
        assert_eq!(authority.cookie(9), Some(&b"any"[..]));
    }

    #[test]
    fn the_first_request() {
        assert_eq!(setup(None), b"l\0\x0b\0\0\0\0\0\0\0\0\0");
        let request = setup(Some(b"abcde"));
        assert_eq!(&request[..12], b"l\0\x0b\0\0\0\x12\0\x05\0\0\0");
        assert_eq!(&request[12..], b"MIT-MAGIC-COOKIE-1\0\0abcde\0\0\0");
    }

    proptest! {
        #[test]
        fn any_file_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Authority { path: PathBuf::new(), bytes }.cookie(0);
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(
            &[b":0.0", b"unix:10", b"localhost:1.2", b"/tmp/launch/x:0"],
            |text| _ = number(text),
        );
        let file = [
            entry(256, [b"host", b"0", b"MIT-MAGIC-COOKIE-1", b"cookie"]),
            entry(0xffff, [b"", b"", b"x", b""]),
        ]
        .concat();
        crate::fuzz::survives(&[&file], |bytes| {
            _ = Authority { path: PathBuf::new(), bytes: bytes.to_vec() }.cookie(0)
        });
    }
}
