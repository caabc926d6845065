//! Locks on files: lines of /proc/locks (proc_locks(5)), and those of the same form in
//! /proc/PID/fdinfo.

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::{Errno, read};

use super::below::open_at;
use super::directory::Directory;
use super::holding::{each_descriptor, link_text, or_here};
use super::inode::{Device, Inode};
use super::{Pid, Process, ReadError, ReadResult, number};

/// A lock, as the kernel describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lock<'l> {
    /// POSIX (fcntl(2)), FLOCK (flock(2)), OFDLCK (an open file description's) or LEASE.
    kind: &'l [u8],
    access: &'l [u8],
    /// The process that took it. The kernel gives none for the lock of an open file description,
    /// and 0 for a process outside of the pid namespace.
    taker: Option<Pid>,
    /// The inode, with the device of its superblock.
    inode: Inode,
    /// The first and the last byte, or `EOF`.
    range: (&'l [u8], &'l [u8]),
}

/// A lock with those who wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ContendedLock<'l> {
    lock: Lock<'l>,
    /// The processes that wait for it; 0 for one that the kernel does not name.
    waiters: Vec<Pid>,
}

impl<'l> Lock<'l> {
    /// Parses `FLOCK  ADVISORY  WRITE 31281 fe:00:10010639 0 EOF`.
    fn parse(text: &'l [u8]) -> Option<Lock<'l>> {
        let mut words = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let mut next = || words.next();
        let (kind, _strength) = (next()?, next()?);
        Some(Lock {
            kind,
            access: next()?,
            taker: number::parse(next()?).and_then(|pid| pid.try_into().ok()),
            inode: inode(next()?)?,
            range: (next()?, next()?),
        })
    }

    /// Makes it the lock of a process, on this file.
    fn held(&self, file: Vec<u8>, waiters: Vec<Pid>) -> HeldLock {
        let kind = if self.kind == b"OFDLCK" { b"OFD" } else { self.kind };
        let access = self.access.to_ascii_lowercase();
        HeldLock { kind: kind.to_vec(), access, file, waiters }
    }

    /// Reports whether both texts are about one lock. Two holders can share a lock for reading:
    /// then this holds for both.
    fn is_same(&self, other: &Lock<'_>) -> bool {
        // Whoever reads it through another descriptor table sees the same taker.
        (self.kind, self.access, self.inode, self.range, self.taker)
            == (other.kind, other.access, other.inode, other.range, other.taker)
    }
}

/// Parses `fe:00:10010639`: the device in hexadecimal digits.
fn inode(text: &[u8]) -> Option<Inode> {
    let mut parts = std::str::from_utf8(text).ok()?.split(':');
    let mut part = || u32::from_str_radix(parts.next()?, 16).ok();
    let device: Device = (part()?, part()?);
    Some(Inode { device, number: number::parse(parts.next()?.as_bytes())? })
}

/// Parses /proc/locks. A line with an arrow is about a process that waits for the lock above it.
fn locks(text: &[u8]) -> Vec<ContendedLock<'_>> {
    let mut locks: Vec<ContendedLock<'_>> = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let rest = line[colon + 1..].trim_ascii_start();
        match (rest.strip_prefix(b"->"), locks.last_mut()) {
            (Some(waiter), Some(above)) => {
                let waiter = Lock::parse(waiter).map(|lock| lock.taker.unwrap_or(0));
                above.waiters.extend(waiter);
            }
            (Some(_), None) => {}
            (None, _) => locks
                .extend(Lock::parse(rest).map(|lock| ContendedLock { lock, waiters: Vec::new() })),
        }
    }
    locks
}

/// Parses the locks in the fdinfo of a descriptor.
fn locks_of_descriptor(info: &[u8]) -> impl Iterator<Item = Lock<'_>> {
    info.split(|&byte| byte == b'\n').filter_map(|line| {
        let lock = line.strip_prefix(b"lock:")?.trim_ascii_start();
        let colon = lock.iter().position(|&byte| byte == b':')?;
        Lock::parse(&lock[colon + 1..])
    })
}

/// A lock that a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// POSIX (fcntl(2)), FLOCK (flock(2)), OFD (an open file description's) or LEASE.
    pub kind: Vec<u8>,
    /// `read` or `write`.
    pub access: Vec<u8>,
    /// The path of its file; `DEVICE:INODE` as in /proc/locks where the descriptors may not be
    /// read.
    pub file: Vec<u8>,
    /// The processes that wait for it; 0 for one that the kernel does not name.
    pub waiters: Vec<Pid>,
}

impl Process<'_> {
    /// Returns the locks that it holds. Each descriptor tells its own, also a lock that another
    /// process took before it passed the descriptor on, such as `flock 9` of a script.
    ///
    /// Where the descriptors may not be read, the locks are those that the process took itself, by
    /// /proc/locks, which names nobody for a lock of an open file description. Errors: denied, if
    /// it names none for this process.
    pub fn locks(&self) -> ReadResult<Vec<HeldLock>> {
        let own = match self.directory.descriptor_locks() {
            Err(ReadError::DENIED) => return self.locks_by_table(),
            own => own?,
        };
        if own.is_empty() {
            return Ok(Vec::new());
        }
        let table = self.proc().whole_file("/locks")?;
        let table = locks(&table);
        let held = own.iter().flat_map(|(file, info)| {
            locks_of_descriptor(info).map(|lock| {
                let waiters = table.iter().filter(|other| other.lock.is_same(&lock));
                let waiters = waiters.flat_map(|other| &other.waiters).copied().collect();
                lock.held(file.clone(), waiters)
            })
        });
        // A descriptor that was duplicated tells its locks again.
        let mut different: Vec<HeldLock> = Vec::new();
        for lock in held {
            if !different.contains(&lock) {
                different.push(lock);
            }
        }
        Ok(different)
    }

    /// Returns the locks that /proc/locks names for it.
    fn locks_by_table(&self) -> ReadResult<Vec<HeldLock>> {
        let table = self.proc().whole_file("/locks")?;
        let own: Vec<_> = locks(&table)
            .into_iter()
            .filter(|found| found.lock.taker == Some(self.pid()))
            .map(|found| {
                let Inode { device: (major, minor), number } = found.lock.inode;
                let file = format!("{major:02x}:{minor:02x}:{number}").into_bytes();
                found.lock.held(file, found.waiters)
            })
            .collect();
        if own.is_empty() { Err(ReadError::DENIED) } else { Ok(own) }
    }
}

impl Directory<'_> {
    /// Returns the path and the text of fdinfo of each descriptor that holds a lock.
    ///
    /// Only descriptors of files are looked at: fdinfo of some other kinds, such as epoll, waits
    /// for a lock that the process can hold for any time.
    fn descriptor_locks(&self) -> ReadResult<Vec<(Vec<u8>, Vec<u8>)>> {
        let path = self.path_of_threads("")?;
        let read = self.on_thread("fd", move |base| {
            let place = open_at(base, &or_here(path), OFlags::PATH | OFlags::DIRECTORY)?;
            let mut locked = Vec::new();
            let mut failed = None;
            let mut path = Vec::new();
            each_descriptor(place.as_fd(), |directory, name| {
                let info = link_text(directory, name, &mut path).and_then(|()| {
                    if path.starts_with(b"/") || path.starts_with(b"(unreachable)") {
                        descriptor_info(place.as_fd(), name)
                    } else {
                        Ok(Vec::new())
                    }
                });
                match info {
                    Ok(info) if locks_of_descriptor(&info).next().is_some() => {
                        locked.push((path.clone(), info));
                    }
                    Ok(_) | Err(Errno::NOENT | Errno::SRCH) => {}
                    Err(errno) => failed = failed.or(Some(errno)),
                }
                ControlFlow::Continue(())
            })?;
            failed.map_or(Ok(locked), Err)
        })?;
        self.answer("fdinfo", read)
    }
}

fn descriptor_info(place: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>, Errno> {
    let file = open_at(place, &[b"fdinfo/", name.to_bytes()].concat(), OFlags::RDONLY)?;
    let mut text = Vec::with_capacity(1024);
    loop {
        match read(&file, spare_capacity(&mut text)) {
            Ok(0) => return Ok(text),
            Ok(_) => text.reserve(1024),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &[u8] = b"\
1: FLOCK  ADVISORY  WRITE 3184 fe:00:6266955 0 EOF
1: -> FLOCK  ADVISORY  WRITE 3190 fe:00:6266955 0 EOF
1:  -> FLOCK  ADVISORY  WRITE 3191 fe:00:6266955 0 EOF
2: POSIX  ADVISORY  READ 1333 00:45:157 10 19
3: OFDLCK ADVISORY  WRITE -1 fe:00:762213 0 EOF
3: -> OFDLCK ADVISORY  WRITE -1 fe:00:762213 0 EOF
";

    #[test]
    fn locks_and_those_who_wait_for_them() {
        let held = |(kind, access): (&str, &str), waiters: &[Pid]| HeldLock {
            kind: kind.into(),
            access: access.into(),
            file: b"/f".to_vec(),
            waiters: waiters.to_vec(),
        };
        let locks = locks(LOCKS);
        let facts: Vec<_> = locks
            .iter()
            .map(|found| (found.lock.taker, found.lock.held(b"/f".to_vec(), found.waiters.clone())))
            .collect();
        assert_eq!(
            facts,
            [
                (Some(3184), held(("FLOCK", "write"), &[3190, 3191])),
                (Some(1333), held(("POSIX", "read"), &[])),
                (None, held(("OFD", "write"), &[0])),
            ]
        );
        assert_eq!(locks[1].lock.inode, Inode { device: (0, 0x45), number: 157 });
    }

    #[test]
    fn a_descriptor_tells_the_same_lock() {
        let info = b"pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 3184 fe:00:6266955 0 EOF\n";
        let own: Vec<_> = locks_of_descriptor(info).collect();
        let same: Vec<_> = locks(LOCKS).iter().map(|found| found.lock.is_same(&own[0])).collect();
        assert_eq!(same, [true, false, false]);
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[LOCKS], |text| {
            _ = (locks(text), locks_of_descriptor(text).count());
        });
    }
}
