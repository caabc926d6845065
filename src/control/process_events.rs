//! The kernel's events about processes: it tells of every fork, exec and exit on the machine, with
//! the exit status, through a netlink socket (the process connector, drivers/connector/cn_proc.c).
//!
//! The kernel numbers processes as the initial pid namespace does, and serves nobody elsewhere. It
//! does not refuse there: it is silent, or the events for another listener arrive. Therefore only
//! its answer to our own request proves that the events are for us.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};
use rustix::io::Errno;
use rustix::net::netlink::{CONNECTOR, SocketAddrNetlink};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, send, socket_with};
use rustix::time::{ClockId, clock_gettime};

use super::kernel::{self, ExitStatus, FilterStep, errno_of_nix};
use crate::process::{Pid, since_boot};

/// CN_IDX_PROC and CN_VAL_PROC of include/uapi/linux/connector.h: the identity of this connector.
/// The first one is also the multicast group.
const CONNECTOR_ID: [u32; 2] = [1, 1];

/// The operations of enum proc_cn_mcast_op.
const LISTEN: u32 = 1;
const IGNORE: u32 = 2;

/// The events of enum proc_cn_event.
const ANSWER: u32 = 0;
const FORK: u32 = 0x1;
const EXEC: u32 = 0x2;
const USER: u32 = 0x4;
const SESSION: u32 = 0x80;
const EXIT: u32 = 0x8000_0000;

/// Bytes before the data of a message: struct nlmsghdr and struct cn_msg.
const HEADERS: usize = 16 + 20;

/// NLMSG_DONE, the type of all messages of a connector.
const DONE: u16 = 3;

/// Bytes of events that the kernel keeps for us. A message takes about a kilobyte there, and a
/// minute may begin with thousands of jobs on a machine without an idle processor.
const BUFFER: usize = 8 << 20;

/// Most reads while the answer to a request is looked for.
const MOST_BEFORE_ANSWER: usize = 10_000;

/// Most messages that are read at once, and the bytes of the longest: one that matters has 76.
const AT_ONCE: usize = 32;
const LONGEST: usize = 128;

/// An event about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// A process has started another one. That of a thread is left out.
    Fork { parent: Pid, child: Pid },
    /// A process has become another program.
    Exec { pid: Pid },
    /// A process has another real user id.
    User { pid: Pid, uid: u32 },
    /// A process has made a session of its own.
    Session { pid: Pid },
    /// The first thread of a process has ended, and with it the process, unless other threads are
    /// left.
    Exit { pid: Pid, status: ExitStatus },
}

/// An event, with its time by CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    pub event: ProcessEvent,
    time: Duration,
}

impl TimedEvent {
    /// Returns the time of the event since the boot, with this offset: see [`clock_offset`].
    pub fn since_boot(&self, offset: Duration) -> Duration {
        self.time + offset
    }
}

/// Returns the difference between the time since the boot and CLOCK_MONOTONIC, which stands still
/// while the machine sleeps.
pub fn clock_offset() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32);
    since_boot().saturating_sub(now)
}

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Events(Vec<TimedEvent>),
    /// The kernel has discarded events, because its buffer for us was full.
    Lost,
    /// Nothing is left to read.
    Nothing,
}

/// The reason why there are no events.
#[derive(Debug, thiserror::Error)]
pub enum NoEvents {
    #[error("the kernel has no process events: {}", words(*.0))]
    Refused(Errno),
    #[error("the kernel tells process events only in the initial pid, user and network namespaces")]
    Silent,
}

/// Says why the kernel has refused.
fn words(errno: Errno) -> String {
    match errno {
        // Nobody receives requests there: the kernel's socket is in the initial one.
        Errno::CONNREFUSED => "it tells them only in the initial network namespace".to_owned(),
        Errno::PERM => "before Linux 6.6 they take CAP_NET_ADMIN".to_owned(),
        Errno::PROTONOSUPPORT => "it was built without connectors".to_owned(),
        other => nix::errno::Errno::from_raw(other.raw_os_error()).desc().to_owned(),
    }
}

/// A socket that gets the events.
pub struct ProcessEvents {
    socket: OwnedFd,
}

impl ProcessEvents {
    /// Begins to listen. It takes CAP_NET_ADMIN before Linux 6.6.
    pub fn listen() -> Result<ProcessEvents, NoEvents> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let family = AddressFamily::NETLINK;
        let socket = socket_with(family, SocketType::DGRAM, flags, Some(CONNECTOR))
            .map_err(NoEvents::Refused)?;
        bind(&socket, &SocketAddrNetlink::new(0, CONNECTOR_ID[0])).map_err(NoEvents::Refused)?;
        // Without the filter more messages have to be read, and nothing else changes.
        let _ = kernel::attach_filter(&socket, &filter());
        // Without CAP_NET_ADMIN it keeps the usual buffer, and loses events sooner.
        let _ = set_socket_recv_buffer_size_force(&socket, BUFFER);
        let events = ProcessEvents { socket };
        let number = std::process::id();
        events.request(number, &[LISTEN]).map_err(NoEvents::Refused)?;
        if !events.is_answered(number)? {
            return Err(NoEvents::Silent);
        }
        // The kernel filters since Linux 6.6. An older one ignores the longer request.
        let wanted = FORK | EXEC | USER | SESSION | EXIT;
        events.request(number, &[LISTEN, wanted]).map_err(NoEvents::Refused)?;
        Ok(events)
    }

    /// Returns the next events, several in one call of the kernel.
    pub fn next(&self) -> Result<Received, Errno> {
        loop {
            match self.read() {
                Ok(messages) => {
                    let events: Vec<TimedEvent> =
                        messages.iter().filter_map(|message| message.event).collect();
                    if !events.is_empty() {
                        return Ok(Received::Events(events));
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(Errno::NOBUFS) => return Ok(Received::Lost),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Reads messages. Those that are not the kernel's are left out.
    fn read(&self) -> Result<Vec<Message>, Errno> {
        let mut buffers = [[0; LONGEST]; AT_ONCE];
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let mut headers = MultiHeaders::<NetlinkAddr>::preallocate(AT_ONCE, None);
        let socket = self.socket.as_raw_fd();
        let received =
            recvmmsg(socket, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)
                .map_err(errno_of_nix)?;
        // A process that may send to the group has another port than the kernel's 0.
        let of_kernel =
            received.filter(|message| message.address.is_some_and(|sender| sender.pid() == 0));
        Ok(of_kernel.filter_map(|message| parse(message.iovs().next()?)).collect())
    }

    /// Looks for the kernel's answer to a request of this number. It is there when the request has
    /// been sent: the kernel handles a request in send(2).
    fn is_answered(&self, number: u32) -> Result<bool, NoEvents> {
        for _ in 0..MOST_BEFORE_ANSWER {
            let messages = match self.read() {
                Ok(messages) => messages,
                Err(Errno::INTR | Errno::NOBUFS) => continue,
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(NoEvents::Refused(errno)),
            };
            let answers = messages.into_iter().filter_map(|message| message.answer);
            match answers.filter(|&(of, _)| of == number).map(|(_, error)| error).next() {
                Some(0) => return Ok(true),
                Some(error) => {
                    return Err(NoEvents::Refused(Errno::from_raw_os_error(error as i32)));
                }
                None => {}
            }
        }
        Ok(false)
    }

    /// Sends a request of this number to the kernel.
    fn request(&self, number: u32, data: &[u32]) -> Result<(), Errno> {
        let length = (HEADERS + size_of_val(data)) as u32;
        let mut message = Vec::with_capacity(length as usize);
        message.extend(length.to_ne_bytes());
        message.extend(DONE.to_ne_bytes());
        // No flags, number 0, from the port that the kernel has given us.
        message.extend([0; 10]);
        CONNECTOR_ID.iter().for_each(|id| message.extend(id.to_ne_bytes()));
        message.extend(0u32.to_ne_bytes());
        message.extend(number.to_ne_bytes());
        message.extend((size_of_val(data) as u16).to_ne_bytes());
        message.extend(0u16.to_ne_bytes());
        data.iter().for_each(|word| message.extend(word.to_ne_bytes()));
        send(&self.socket, &message, SendFlags::empty()).map(drop)
    }
}

impl Drop for ProcessEvents {
    fn drop(&mut self) {
        // Before Linux 6.6, the kernel would count us as a listener for ever.
        let _ = self.request(std::process::id(), &[IGNORE]);
    }
}

impl AsFd for ProcessEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The parts of a message that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    event: Option<TimedEvent>,
    /// The number of a request, and the error of the kernel about it.
    answer: Option<(u32, u32)>,
}

/// Parses a message; `None` for one that is no process event. Its data is struct proc_event of
/// include/uapi/linux/cn_proc.h: the kind, the processor, the time and up to six numbers.
fn parse(message: &[u8]) -> Option<Message> {
    if [word(message, 16)?, word(message, 20)?] != CONNECTOR_ID {
        return None;
    }
    let number = |at: usize| word(message, HEADERS + 16 + 4 * at);
    let kind = word(message, HEADERS)?;
    let time = message.get(HEADERS + 8..HEADERS + 16)?.try_into().ok()?;
    let time = Duration::from_nanos(u64::from_ne_bytes(time));
    let event = match kind {
        ANSWER => {
            // The kernel answers with the next number (cn_proc_ack).
            let answer = Some((word(message, 28)?.wrapping_sub(1), number(0)?));
            return Some(Message { answer, event: None });
        }
        // The numbers are thread and process of the parent, and of the child.
        FORK if number(2)? == number(3)? => {
            ProcessEvent::Fork { parent: number(1)?, child: number(3)? }
        }
        EXEC => ProcessEvent::Exec { pid: number(1)? },
        USER => ProcessEvent::User { pid: number(1)?, uid: number(2)? },
        SESSION => ProcessEvent::Session { pid: number(1)? },
        EXIT if number(0)? == number(1)? => ProcessEvent::Exit {
            pid: number(1)?,
            status: ExitStatus::from_raw(number(2)?.cast_signed()),
        },
        _ => return Some(Message::default()),
    };
    Some(Message { event: Some(TimedEvent { event, time }), answer: None })
}

/// Returns the program that leaves out the events of threads, and those that nobody needs here. A
/// busy machine has thousands of them in a second.
fn filter() -> [FilterStep; 17] {
    const LOAD: u16 = 0x20;
    const TO_INDEX: u16 = 0x07;
    const IF_EQUAL: u16 = 0x15;
    const IF_EQUAL_INDEX: u16 = 0x1d;
    const RETURN: u16 = 0x06;
    const NUMBERS: u32 = HEADERS as u32 + 16;
    // The program sees numbers in the order of bytes in the network.
    let kind = |kind: u32| kind.to_be();
    [
        (LOAD, 0, 0, HEADERS as u32),
        (IF_EQUAL, 0, 4, kind(FORK)),
        // Thread and process of the child.
        (LOAD, 0, 0, NUMBERS + 8),
        (TO_INDEX, 0, 0, 0),
        (LOAD, 0, 0, NUMBERS + 12),
        (IF_EQUAL_INDEX, 10, 9, 0),
        (IF_EQUAL, 0, 4, kind(EXIT)),
        // Thread and process.
        (LOAD, 0, 0, NUMBERS),
        (TO_INDEX, 0, 0, 0),
        (LOAD, 0, 0, NUMBERS + 4),
        (IF_EQUAL_INDEX, 5, 4, 0),
        (IF_EQUAL, 4, 0, kind(EXEC)),
        (IF_EQUAL, 3, 0, kind(USER)),
        (IF_EQUAL, 2, 0, kind(SESSION)),
        (IF_EQUAL, 1, 0, kind(ANSWER)),
        (RETURN, 0, 0, 0),
        (RETURN, 0, 0, u32::MAX),
    ]
}

/// Returns the number at this place.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Makes a message as the kernel sends it.
    fn message(kind: u32, numbers: [u32; 6]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS];
        bytes[16..20].copy_from_slice(&CONNECTOR_ID[0].to_ne_bytes());
        bytes[20..24].copy_from_slice(&CONNECTOR_ID[1].to_ne_bytes());
        bytes[28..32].copy_from_slice(&78u32.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(1u32.to_ne_bytes());
        bytes.extend(2_000_000_001u64.to_ne_bytes());
        numbers.iter().for_each(|number| bytes.extend(number.to_ne_bytes()));
        bytes
    }

    fn event(kind: u32, numbers: [u32; 6]) -> Option<ProcessEvent> {
        let event = parse(&message(kind, numbers)).unwrap().event?;
        assert_eq!(event.time, Duration::from_nanos(2_000_000_001));
        Some(event.event)
    }

    #[test]
    fn every_kind_of_event() {
        let fork = ProcessEvent::Fork { parent: 2, child: 5 };
        assert_eq!(event(FORK, [1, 2, 5, 5, 0, 0]), Some(fork));
        assert_eq!(event(FORK, [1, 2, 6, 5, 0, 0]), None, "a thread");
        assert_eq!(event(EXEC, [1, 2, 0, 0, 0, 0]), Some(ProcessEvent::Exec { pid: 2 }));
        let user = ProcessEvent::User { pid: 2, uid: 1000 };
        assert_eq!(event(USER, [1, 2, 1000, 0, 0, 0]), Some(user));
        assert_eq!(event(SESSION, [2, 2, 0, 0, 0, 0]), Some(ProcessEvent::Session { pid: 2 }));
        let exit = ProcessEvent::Exit { pid: 2, status: ExitStatus::from_raw(0x0300) };
        assert_eq!(event(EXIT, [2, 2, 0x0300, 17, 1, 1]), Some(exit));
        assert_eq!(event(EXIT, [3, 2, 0x0300, 17, 1, 1]), None, "a thread");
        assert_eq!(event(0x200, [1, 2, 3, 4, 5, 6]), None);
        let answer = parse(&message(ANSWER, [1, 0, 0, 0, 0, 0])).unwrap().answer;
        assert_eq!(answer, Some((77, 1)));
    }

    #[test]
    fn a_refusal_is_explained() {
        let said = |errno| NoEvents::Refused(errno).to_string();
        assert!(said(Errno::CONNREFUSED).contains("only in the initial network namespace"));
        assert!(said(Errno::PERM).contains("CAP_NET_ADMIN"));
        assert!(!said(Errno::NOMEM).contains("os error"), "{}", said(Errno::NOMEM));
    }

    #[test]
    fn a_message_of_another_connector_is_none() {
        let mut other = message(EXEC, [1; 6]);
        other[16] = 9;
        assert_eq!(parse(&other), None);
    }

    #[test]
    fn any_change_is_survived() {
        let samples = [FORK, EXEC, EXIT, ANSWER].map(|kind| message(kind, [5; 6]));
        let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
        crate::fuzz::survives(&samples, |bytes| _ = parse(bytes));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes);
        }
    }
}
