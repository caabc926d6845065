//! TCP and UDP sockets, as the tables in /proc/PID/net show them (proc_pid_net(5)).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::number;

/// The states of a socket by their numbers (include/net/tcp_states.h), as ss(8) names them.
const STATES: [&str; 12] = [
    "UNKNOWN",
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];
const LISTEN: u8 = 10;
const UNCONNECTED: u8 = 7;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Returns its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// The local end of a socket. It is shown as `tcp:0.0.0.0:80` or `udp:[::1]:53`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    pub protocol: Protocol,
    pub address: SocketAddr,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.protocol.name(), self.address)
    }
}

/// A TCP or UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InetSocket {
    pub local: Endpoint,
    pub remote: SocketAddr,
    state: u8,
    /// Its inode, which no other socket has; 0 for one that no process holds.
    pub inode: u64,
}

impl InetSocket {
    /// Returns its state, as ss(8) names it.
    pub fn state(&self) -> &'static str {
        STATES.get(usize::from(self.state)).copied().unwrap_or(STATES[0])
    }

    /// Reports whether anybody can reach it: it listens, or takes datagrams from all.
    pub fn listens(&self) -> bool {
        match self.local.protocol {
            Protocol::Tcp => self.state == LISTEN,
            Protocol::Udp => {
                self.state == UNCONNECTED
                    && self.remote.port() == 0
                    && self.remote.ip().is_unspecified()
            }
        }
    }

    /// Parses a line of a table; `None` for its heading.
    pub(super) fn parse(protocol: Protocol, line: &[u8]) -> Option<InetSocket> {
        // The number of the line, local and remote address, state, two queues and a timer,
        // retransmissions, user, timeout, inode, and more.
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let address = address(fields.nth(1)?)?;
        let remote = self::address(fields.next()?)?;
        let state = hexadecimal(fields.next()?)?.try_into().ok()?;
        let inode = number::parse(fields.nth(5)?)?;
        Some(InetSocket { local: Endpoint { protocol, address }, remote, state, inode })
    }
}

/// Parses an address and a port, such as `0100007F:0050`. The kernel prints an address as numbers
/// of 32 bits in the byte order of the machine, and the port as a number.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let colon = text.iter().position(|&byte| byte == b':')?;
    let port = hexadecimal(&text[colon + 1..])?.try_into().ok()?;
    let word = |at: usize| Some(hexadecimal(text[..colon].get(8 * at..8 * at + 8)?)?.to_ne_bytes());
    let ip = match colon {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Parses a hexadecimal number of 32 bits, without a sign.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADING: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when";
    const TCP: &[u8] = b"   0: 0100007F:07E8 00000000:0000 0A 00000000:00000000 00:00000000 \
        00000000     0        0 638 1 00000000ef72490e 100 0 0 10 0";
    const TCP6: &[u8] = b"   1: 00000000000000000000000001000000:0277 \
        00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0      \
        0 77 1 0000000000000000 100 0 0 10 0";

    /// Writes an address as the kernel does.
    fn printed(address: SocketAddr) -> String {
        let bytes = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let words = bytes.chunks_exact(4).map(|word| {
            format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
        });
        format!("{}:{:04X}", words.collect::<String>(), address.port())
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn lines_of_the_tables() {
        let socket = InetSocket::parse(Protocol::Tcp, TCP).unwrap();
        assert_eq!(socket.local.to_string(), "tcp:127.0.0.1:2024");
        assert_eq!((socket.state(), socket.listens(), socket.inode), ("LISTEN", true, 638));
        let socket = InetSocket::parse(Protocol::Tcp, TCP6).unwrap();
        assert_eq!(socket.local.to_string(), "tcp:[::1]:631");
        for bad in [HEADING, b"", b"   0: 0100007F:07E8", b"0: 0100007:07E8 00000000:0000 0A"] {
            assert_eq!(InetSocket::parse(Protocol::Tcp, bad), None);
        }
    }

    #[test]
    fn addresses_are_shown_as_people_write_them() {
        for shown in ["0.0.0.0:80", "[::]:80", "[::1]:631", "[::ffff:127.0.0.1]:80"] {
            let address: SocketAddr = shown.parse().unwrap();
            assert_eq!(super::address(printed(address).as_bytes()), Some(address));
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn datagram_sockets_listen_until_they_are_connected() {
        let line = |remote: &str, state: &str| {
            let line = format!(
                " 5: {} {} {state} 0:0 00:0 0 0 0 9 2 0 0",
                printed("10.0.0.1:53".parse().unwrap()),
                printed(remote.parse().unwrap())
            );
            InetSocket::parse(Protocol::Udp, line.as_bytes()).unwrap().listens()
        };
        assert!(line("0.0.0.0:0", "07"));
        assert!(!line("10.0.0.2:53", "01"));
        assert!(!line("0.0.0.0:0", "0A"));
    }

    proptest! {
        #[test]
        fn any_address_is_read_as_it_was_printed(
            ip in any::<std::net::IpAddr>(), port in any::<u16>(),
            remote in any::<std::net::IpAddr>(), state in 0u8..20, inode in any::<u64>()
        ) {
            let remote = SocketAddr::new(remote, 9);
            let local = SocketAddr::new(ip, port);
            let line = format!(
                "  12: {} {} {state:02X} 00000000:00000000 00:00000000 00000000  1000  0 {inode} 1",
                printed(local), printed(remote)
            );
            let socket = InetSocket::parse(Protocol::Udp, line.as_bytes());
            let local = Endpoint { protocol: Protocol::Udp, address: local };
            prop_assert_eq!(socket, Some(InetSocket { local, remote, state, inode }));
        }

        #[test]
        fn any_line_is_survived(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = InetSocket::parse(Protocol::Tcp, &line).map(|socket| socket.state());
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[TCP, TCP6, HEADING], |line| {
            _ = InetSocket::parse(Protocol::Tcp, line).map(|socket| socket.state());
        });
    }
}
