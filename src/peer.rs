//! A connection to a server at a unix socket. It knows the owner of the server, and no call on it
//! lasts beyond a set time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::deadline::{in_time, pause, remaining};

/// Number of bytes that are sent at once. The kernel's timeout begins anew with each part of a
/// longer text.
const PART: usize = 16 * 1024;

/// A connection to a server.
pub struct Peer {
    stream: UnixStream,
    end: Instant,
    /// The effective user who began to listen at the socket, as the kernel remembers it
    /// (SO_PEERCRED in unix(7)).
    pub uid: u32,
    /// The process that began to listen; `None` when it is outside of our pid namespace.
    pub pid: Option<u32>,
}

impl Peer {
    /// Connects. Errors: `NotFound` or `ConnectionRefused` when there is no server.
    pub fn connect(address: &SocketAddrUnix, end: Instant) -> io::Result<Peer> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        loop {
            match connect(&socket, address) {
                Ok(()) => break,
                // The queue of the socket is full, and no event reports when there is room.
                Err(Errno::AGAIN) => pause(end)?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Peer::connected(UnixStream::from(socket), end)
    }

    /// Takes a connection. Where a server has accepted it, `uid` and `pid` are those of the client.
    pub fn connected(stream: UnixStream, end: Instant) -> io::Result<Peer> {
        let credentials = getsockopt(&stream, PeerCredentials)?;
        stream.set_nonblocking(false)?;
        let pid = u32::try_from(credentials.pid()).ok().filter(|&pid| pid != 0);
        Ok(Peer { stream, end, uid: credentials.uid(), pid })
    }

    /// Returns the connection if the server belongs to one of these users.
    pub fn owned_by(self, users: &[u32]) -> io::Result<Peer> {
        if users.contains(&self.uid) {
            Ok(self)
        } else {
            Err(io::Error::other(format!("it is of user {}", self.uid)))
        }
    }

    /// Returns the time at which all calls must be over.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// Sets the time at which all calls must be over.
    pub fn set_end(&mut self, end: Instant) {
        self.end = end;
    }

    /// Sends all of these bytes. Errors: `TimedOut` at the end of the time.
    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // A server that reads slowly would get the full time for each part otherwise.
            self.stream.set_write_timeout(Some(remaining(self.end)?))?;
            match self.stream.write(&bytes[..bytes.len().min(PART)]) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(in_time(error)),
            }
        }
        Ok(())
    }

    /// Waits for more bytes from the server, and appends them. Errors: `TimedOut` at the end of the
    /// time, `UnexpectedEof` when the server has closed the connection.
    pub fn receive(&mut self, received: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; 1024];
        loop {
            self.stream.set_read_timeout(Some(remaining(self.end)?))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "it has hung up")),
                Ok(length) => {
                    received.extend_from_slice(&buffer[..length]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(in_time(error)),
            }
        }
    }

    /// Waits for more bytes from the server, and appends them, unless `other` can be read before.
    /// Returns `false` then. Errors: as [`Peer::receive`].
    pub fn receive_unless(
        &mut self,
        other: BorrowedFd<'_>,
        received: &mut Vec<u8>,
    ) -> io::Result<bool> {
        loop {
            let time = Timespec::try_from(remaining(self.end)?).ok();
            let mut descriptors =
                [PollFd::new(&other, PollFlags::IN), PollFd::new(&self.stream, PollFlags::IN)];
            match poll(&mut descriptors, time.as_ref()) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            if descriptors[0].revents().contains(PollFlags::IN) {
                return Ok(false);
            }
            return self.receive(received).map(|()| true);
        }
    }

    /// Takes the next line out of the received bytes, without its end, and waits for more bytes
    /// where it needs them. Errors: `InvalidData` when the line is longer than `longest` bytes.
    pub fn line(&mut self, received: &mut Vec<u8>, longest: usize) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = received.iter().position(|&byte| byte == b'\n') {
                let line = received.drain(..=length).take(length).collect();
                return Ok(line);
            }
            if received.len() > longest {
                return Err(io::Error::new(ErrorKind::InvalidData, "it speaks another protocol"));
            }
            self.receive(received)?;
        }
    }
}
