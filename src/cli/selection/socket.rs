//! The conditions about sockets that listen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;

use crate::process::{Error, Proc, Protocol};
use crate::select::{Port, Test, listeners};

/// Options that select by the sockets of a process.
#[derive(Args)]
pub struct SocketOptions {
    // Brackets would be a link in the documentation.
    #[arg(
        long,
        help = "Listens on this port, in any network namespace: 80, udp:53, 127.0.0.1:80, \
            tcp:[::1]:631",
        value_name = "[PROTO:][ADDRESS:]PORT",
        value_delimiter = ',',
        value_parser = port,
        allow_hyphen_values = true,
        help_heading = "Selection"
    )]
    port: Vec<Port>,
    /// Listens on any TCP or UDP port
    #[arg(long, help_heading = "Selection")]
    listening: bool,
}

impl SocketOptions {
    /// Returns the options as a test, if there are any. Errors: /proc cannot be read.
    pub fn test(&self, proc: &Proc) -> Result<Option<Test>, Error> {
        // A process that listens on a port listens.
        if self.port.is_empty() && !self.listening {
            return Ok(None);
        }
        Ok(Some(Test::Holds(listeners(proc, &self.port)?)))
    }
}

/// What `wait --until` waits for: that somebody listens on one of these ports; on any if none is
/// given.
#[derive(Clone)]
pub struct Condition(pub Vec<Port>);

/// Parses `listening` or `listening:PORT`.
pub fn condition(text: &str) -> Result<Condition, String> {
    match text.split_once(':') {
        None if text == "listening" => Ok(Condition(Vec::new())),
        Some(("listening", text)) => Ok(Condition(vec![port(text)?])),
        _ => Err("it waits until something is listening, or listening:PORT".to_owned()),
    }
}

/// Parses `[PROTO:][ADDRESS:]PORT`.
fn port(text: &str) -> Result<Port, String> {
    let (protocol, rest) = match text.split_once(':') {
        Some(("tcp", rest)) => (Some(Protocol::Tcp), rest),
        Some(("udp", rest)) => (Some(Protocol::Udp), rest),
        _ => (None, text),
    };
    let (address, number) = match rest.rsplit_once(':') {
        Some((address, number)) => (Some(self::address(address)?), number),
        None => (None, rest),
    };
    Ok(Port { protocol, address, number: self::number(number)? })
}

fn address(text: &str) -> Result<IpAddr, String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| {
            format!(
                "'{inner}' is no IPv6 address; inside the brackets one is wanted, as in [::1]:80"
            )
        }),
        None if text.contains(':') => {
            Err("an IPv6 address stands in brackets, as in [::1]:80 or tcp:[::1]:80".to_owned())
        }
        None if text == "*" => {
            Err("for any address leave it out; 0.0.0.0:80 and [::]:80 are those \
            of sockets that take connections from everywhere"
                .to_owned())
        }
        None => text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| {
            format!(
                "'{text}' is neither tcp nor udp nor an address in numbers, as in 127.0.0.1:80 or \
                [::1]:80"
            )
        }),
    }
}

fn number(text: &str) -> Result<u16, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(number) if is_number && number > 0 => Ok(number),
        _ if is_number => Err("ports are from 1 to 65535".to_owned()),
        _ if text.starts_with(|first: char| first.is_ascii_alphabetic()) => Err(format!(
            "a port is a number, and '{text}' is not: getent services {text} prints that of a \
            service"
        )),
        _ => Err("a port is a number, as in 80, udp:53 or [::1]:80".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::port;
    use crate::process::Protocol;

    #[test]
    fn ports_with_protocol_and_address() {
        for (text, protocol, address, number) in [
            ("80", None, None, 80),
            ("tcp:80", Some(Protocol::Tcp), None, 80),
            ("udp:0.0.0.0:53", Some(Protocol::Udp), Some("0.0.0.0"), 53),
            ("127.0.0.1:65535", None, Some("127.0.0.1"), 65535),
            ("[::1]:631", None, Some("::1"), 631),
            ("tcp:[::]:80", Some(Protocol::Tcp), Some("::"), 80),
            ("[::ffff:127.0.0.1]:80", None, Some("::ffff:127.0.0.1"), 80),
        ] {
            let port = port(text).unwrap();
            let address = address.map(|address| address.parse().unwrap());
            assert_eq!((port.protocol, port.address, port.number), (protocol, address, number));
        }
    }

    #[test]
    fn what_makes_no_sense_says_what_to_do() {
        for (text, why) in [
            ("", "a port is a number, as in 80"),
            ("0", "from 1 to 65535"),
            ("65536", "from 1 to 65535"),
            ("99999999999999999999", "from 1 to 65535"),
            ("http", "getent services http"),
            ("tcp:", "a port is a number"),
            ("tcp", "a port is a number"),
            ("+80", "a port is a number"),
            ("-80", "a port is a number"),
            ("8000-8080", "a port is a number"),
            ("::1:80", "in brackets"),
            ("tcp:::1:80", "in brackets"),
            ("[::1]", "in brackets"),
            ("[::1", "in brackets"),
            ("[]:80", "is no IPv6 address"),
            ("[127.0.0.1]:80", "is no IPv6 address"),
            ("*:80", "leave it out"),
            ("localhost:80", "neither tcp nor udp"),
            ("sctp:80", "neither tcp nor udp"),
            ("127.0.0.256:80", "neither tcp nor udp"),
            (":80", "neither tcp nor udp"),
            ("127.0.0.1:", "a port is a number"),
        ] {
            let answer = port(text);
            assert!(answer.as_ref().is_err_and(|told| told.contains(why)), "{text}: {answer:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,40}") {
            let _ = port(&text);
        }
    }
}
