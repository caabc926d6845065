//! The unix sockets that are bound to a file, by sock_diag(7): /proc/net/unix has only the text by
//! which each was bound.

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

use super::inode::{Device, Inode};

/// Types of messages (include/uapi/linux/netlink.h, include/uapi/linux/sock_diag.h).
const ERROR: u16 = 2;
const DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// NLM_F_REQUEST and NLM_F_DUMP.
const DUMP: u16 = 0x301;

/// AF_UNIX.
const UNIX: u8 = 1;

/// UDIAG_SHOW_VFS, and UNIX_DIAG_VFS that answers it (include/uapi/linux/unix_diag.h).
const SHOW_FILE: u32 = 2;
const FILE: u16 = 1;

/// Bytes of struct nlmsghdr, of it with struct unix_diag_msg, and of struct rtattr.
const HEADER: usize = 16;
const MESSAGE: usize = HEADER + 16;
const ATTRIBUTE: usize = 4;

/// Bytes that the kernel puts into one datagram at most.
const ROOM: usize = 32 * 1024;

/// Returns the numbers of the sockets of our network namespace that are bound to a file with one of
/// these devices and this number. Errors: also where the kernel does not list sockets.
pub(super) fn bound_to(devices: &[Device], number: u64) -> Result<Vec<u64>, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
    // Nobody but the kernel can send to it then.
    connect(&socket, &SocketAddrNetlink::new(0, 0))?;
    retry_on_intr(|| send(&socket, &request(), SendFlags::empty()))?;
    let mut sockets = Vec::new();
    let mut datagram = Vec::with_capacity(ROOM);
    loop {
        datagram.clear();
        retry_on_intr(|| recv(&socket, spare_capacity(&mut datagram), RecvFlags::empty()))?;
        for message in messages(&datagram) {
            match message.kind {
                DONE => return Ok(sockets),
                ERROR => return Err(message.errno()),
                _ => {}
            }
            let found = message.bound_socket().filter(|(_, file)| {
                devices.contains(&file.device) && file.number == number & u64::from(u32::MAX)
            });
            sockets.extend(found.map(|(socket, _)| socket));
        }
    }
}

/// Makes a request for all unix sockets with their files: struct nlmsghdr and struct unix_diag_req.
fn request() -> Vec<u8> {
    const LENGTH: u32 = (HEADER + 24) as u32;
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&LENGTH.to_ne_bytes());
    bytes.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&DUMP.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[UNIX, 0, 0, 0]);
    let all_states = u32::MAX;
    for number in [all_states, 0, SHOW_FILE, 0, 0] {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    bytes
}

/// A message of the kernel.
struct Message<'m> {
    kind: u16,
    /// All of it, with its header.
    bytes: &'m [u8],
}

/// Returns the messages in a datagram.
fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = number(rest, 0)? as usize;
        let bytes = rest.get(..length).filter(|bytes| bytes.len() >= HEADER)?;
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some(Message { kind: short(bytes, 4)?, bytes })
    })
}

impl Message<'_> {
    /// Returns the error that an error message tells.
    fn errno(&self) -> Errno {
        let errno = number(self.bytes, HEADER).and_then(|number| (number as i32).checked_neg());
        // These are all error numbers that there can be (MAX_ERRNO).
        let errno = errno.filter(|errno| (1..4096).contains(errno));
        errno.map_or(Errno::IO, Errno::from_raw_os_error)
    }

    /// Returns the number of a socket and its file, whose number the kernel cuts to 32 bits; `None`
    /// if it is bound to none.
    fn bound_socket(&self) -> Option<(u64, Inode)> {
        let socket = number(self.bytes, HEADER + 4)?;
        let mut rest = self.bytes.get(MESSAGE..)?;
        loop {
            let length = usize::from(short(rest, 0)?);
            if short(rest, 2)? == FILE {
                let (file, device) = (number(rest, ATTRIBUTE)?, number(rest, ATTRIBUTE + 4)?);
                // The kernel's own form of a device: 12 and 20 bits (MKDEV).
                let device = (device >> 20, device & 0xf_ffff);
                return Some((socket.into(), Inode { device, number: file.into() }));
            }
            rest = rest.get(aligned(length.max(ATTRIBUTE))..)?;
        }
    }
}

/// Returns the place behind this number of bytes where the next part begins.
fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_found_by_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let file = std::fs::metadata(&path).unwrap();
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&listener));
        let socket = std::fs::metadata(link).unwrap().ino();
        let device = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
        match bound_to(&[device], file.ino()) {
            Ok(found) => assert_eq!(found, [socket]),
            // This kernel does not list sockets.
            Err(Errno::NOENT | Errno::PROTONOSUPPORT | Errno::PERM | Errno::ACCESS) => {}
            Err(errno) => panic!("{errno}"),
        }
    }

    #[test]
    fn any_change_is_survived() {
        let mut sample = 44u32.to_ne_bytes().to_vec();
        sample.extend_from_slice(&[20, 0, 2, 0, 1, 0, 0, 0, 9, 9, 0, 0, 1, 1, 10, 0, 7, 0, 0, 0]);
        sample.extend_from_slice(&[0; 8]);
        sample.extend_from_slice(&[12, 0, 1, 0, 5, 0, 0, 0, 3, 0, 16, 0]);
        let file = Inode { device: (1, 3), number: 5 };
        let parsed: Vec<_> = messages(&sample).map(|message| message.bound_socket()).collect();
        assert_eq!(parsed, [Some((7, file))]);
        crate::fuzz::survives(&[&sample], |bytes| {
            messages(bytes).take(100).for_each(|message| {
                _ = (message.errno(), message.bound_socket());
            });
        });
    }
}
