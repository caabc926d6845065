//! A connection to a user's message bus (D-Bus), and calls to the services on it. `address` makes
//! the connection.
//!
//! The wire format comes from the zbus library. Its connections are not used, because they need a
//! runtime for asynchronous code.

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use zbus::Variant;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, LE};

use crate::peer::Peer;

/// A method of a service on the bus.
pub struct Method<'m> {
    /// The name of the service.
    pub service: &'m str,
    pub path: &'m str,
    pub interface: &'m str,
    pub name: &'m str,
    /// `true` if the bus may start the service for it.
    pub may_start: bool,
}

/// The method that announces us to the bus.
const HELLO: Method<'_> = Method::of_bus("Hello");
/// The method that subscribes to signals.
const ADD_MATCH: Method<'_> = Method::of_bus("AddMatch");

impl Method<'static> {
    const fn of_bus(name: &'static str) -> Method<'static> {
        Method {
            service: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            name,
            may_start: false,
        }
    }
}

/// The flag of a call for which no service is started (NO_AUTO_START).
const NO_START: u8 = 2;

/// The kinds of messages ("Header Format" of the D-Bus specification).
const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

/// The codes of the header fields that are used here.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The longest message that is read, in bytes. The specification allows 128 MiB, which a user could
/// make us hold; what we ask for has some hundred bytes.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Length of the part of a header before its fields, in bytes.
const FIXED: usize = 16;

/// The names of errors about an object that does not exist (sd-bus-errors(3), and logind's own).
const GONE: [&[u8]; 3] = [
    b"org.freedesktop.DBus.Error.UnknownObject",
    b"org.freedesktop.login1.NoSuchSession",
    b"org.freedesktop.login1.NoSuchUser",
];

/// A connection to a bus after the handshake.
pub struct Bus {
    peer: Peer,
    /// Bytes of messages that were not read yet.
    received: Vec<u8>,
    /// The number of the last call.
    serial: u32,
}

/// A received message.
pub struct BusMessage {
    kind: u8,
    /// The number of the call that it answers.
    reply_to: Option<u32>,
    member: Vec<u8>,
    /// `true` for an error about an object that does not exist.
    is_gone: bool,
    body: Data<'static, 'static>,
}

/// A reason why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text of the service's error.
    #[error("{0}")]
    Refused(String),
    /// The same, because the object of the call does not exist any more.
    #[error("{0}")]
    Gone(String),
    #[error("the message bus: {0}")]
    Lost(#[from] io::Error),
    #[error("the message bus: {0}")]
    Unreadable(#[from] zbus::Error),
}

impl Bus {
    /// Makes a bus of a connection after the handshake, with the bytes that came after it.
    pub fn new(peer: Peer, received: Vec<u8>) -> Bus {
        Bus { peer, received, serial: 0 }
    }

    /// Announces us to the bus, which must come before any other message.
    pub fn begin(&mut self) -> Result<(), Error> {
        self.peer.send(b"BEGIN\r\n")?;
        self.call(&HELLO, "", None).map(drop)
    }

    /// Subscribes to the signals that this rule describes.
    pub fn listen(&mut self, rule: &str) -> Result<(), Error> {
        let body = encoded(&rule)?;
        self.call(&ADD_MATCH, "s", Some(&body)).map(drop)
    }

    /// Sets the time from which every call fails with `TimedOut`.
    pub fn set_end(&mut self, end: Instant) {
        self.peer.set_end(end);
    }

    /// Calls a method with values of this signature, and waits for its result. Other messages are
    /// skipped. Errors: `Refused` with the text of the service's error, `Lost` if the connection
    /// ends or is late.
    pub fn call(
        &mut self,
        method: &Method<'_>,
        signature: &str,
        body: Option<&[u8]>,
    ) -> Result<BusMessage, Error> {
        self.serial += 1;
        self.peer.send(&method.message(self.serial, signature, body.unwrap_or_default()))?;
        loop {
            let message = self.next()?;
            match message.kind {
                RETURN if message.reply_to == Some(self.serial) => return Ok(message),
                ERROR if message.reply_to == Some(self.serial) => return Err(message.refusal()),
                _ => {}
            }
        }
    }

    /// Waits for a signal, and skips other messages. Returns `None` when `other` can be read before.
    pub fn signal(&mut self, other: BorrowedFd<'_>) -> Result<Option<BusMessage>, Error> {
        loop {
            while !self.has_message() {
                if !self.peer.receive_unless(other, &mut self.received)? {
                    return Ok(None);
                }
            }
            let message = self.next()?;
            if message.kind == SIGNAL {
                return Ok(Some(message));
            }
        }
    }

    /// Reports whether the next message has been received, or a part that cannot become one.
    fn has_message(&self) -> bool {
        let length = length(&self.received).filter(|&length| length <= LONGEST_MESSAGE);
        self.received.len() >= length.unwrap_or(FIXED)
    }

    /// Waits for the next message.
    fn next(&mut self) -> Result<BusMessage, Error> {
        self.fill(FIXED)?;
        let length = length(&self.received).filter(|&length| length <= LONGEST_MESSAGE);
        let length = length.ok_or_else(|| {
            io::Error::new(ErrorKind::InvalidData, "it sends what is no message, or too long")
        })?;
        self.fill(length)?;
        let bytes: Vec<u8> = self.received.drain(..length).collect();
        Ok(BusMessage::parse(bytes)?)
    }

    /// Waits until this number of bytes has been received.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.received.len() < length {
            self.peer.receive(&mut self.received)?;
        }
        Ok(())
    }
}

/// Encodes a value as the body of a message.
pub fn encoded<T: zbus::wire::export::serde::Serialize + zbus::DynamicType>(
    value: &T,
) -> Result<Vec<u8>, Error> {
    Ok(zbus::wire::to_bytes(Context::new(LE, 0), value)?.to_vec())
}

impl Method<'_> {
    /// Encodes a call. The library cannot make the header, because it would put the signature of
    /// several values in brackets.
    fn message(&self, serial: u32, signature: &str, body: &[u8]) -> Vec<u8> {
        let fields = [
            (PATH, b'o', self.path),
            (INTERFACE, b's', self.interface),
            (MEMBER, b's', self.name),
            (DESTINATION, b's', self.service),
            (SIGNATURE, b'g', signature),
        ];
        let number = |number: usize| (number as u32).to_le_bytes();
        let flags = if self.may_start { 0 } else { NO_START };
        let mut message = vec![b'l', CALL, flags, 1];
        message.extend(number(body.len()));
        message.extend(serial.to_le_bytes());
        message.extend([0; 4]);
        let mut end = message.len();
        for (code, kind, text) in fields.iter().filter(|(_, _, text)| !text.is_empty()) {
            message.resize(message.len().next_multiple_of(8), 0);
            message.extend([*code, 1, *kind, 0]);
            match kind {
                // All our signatures are shorter than 255 bytes.
                b'g' => message.push(text.len() as u8),
                _ => message.extend(number(text.len())),
            }
            message.extend(text.as_bytes());
            message.push(0);
            end = message.len();
        }
        message[FIXED - 4..FIXED].copy_from_slice(&number(end - FIXED));
        message.resize(end.next_multiple_of(8), 0);
        message.extend(body);
        message
    }
}

impl BusMessage {
    fn parse(bytes: Vec<u8>) -> Result<BusMessage, zbus::Error> {
        let endian = if bytes.first() == Some(&b'l') { LE } else { BE };
        let message = Data::new(bytes, Context::new(endian, 0));
        let (header, length): (Header<'_>, usize) = message.deserialize()?;
        let (_, kind, _, _, _, _, fields) = header;
        let field = |code| fields.iter().find(|(found, _)| *found == code).map(|(_, value)| value);
        let text = |code| match field(code) {
            Some(Variant::Str(text)) => text.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let reply_to = match field(REPLY_SERIAL) {
            Some(Variant::U32(serial)) => Some(*serial),
            _ => None,
        };
        let is_gone = GONE.contains(&text(ERROR_NAME).as_slice());
        let body = message.get(length.next_multiple_of(8)..).unwrap_or_default().to_vec();
        let body = Data::new(body, Context::new(endian, 0));
        Ok(BusMessage { kind, reply_to, member: text(MEMBER), is_gone, body })
    }

    /// Returns the name of the signal or method; empty if there is none.
    pub fn member(&self) -> &[u8] {
        &self.member
    }

    /// Returns the number at the beginning of the body.
    pub fn number(&self) -> Result<u32, Error> {
        Ok(self.body.deserialize::<u32>()?.0)
    }

    /// Returns the body, which is a number and a text.
    pub fn number_and_text(&self) -> Result<(u32, &str), Error> {
        Ok(self.body.deserialize::<(u32, &str)>()?.0)
    }

    /// Reports whether the body is a list of texts that contains this one.
    pub fn has_text(&self, text: &str) -> Result<bool, Error> {
        Ok(self.body.deserialize::<Vec<&str>>()?.0.contains(&text))
    }

    /// Decodes the body. Errors: it has another form.
    pub fn body<'b, T>(&'b self) -> Result<T, Error>
    where
        T: zbus::wire::export::serde::Deserialize<'b> + zbus::wire::Type,
    {
        Ok(self.body.deserialize::<T>()?.0)
    }

    /// Turns an error message into an error. Its body begins with the text.
    fn refusal(&self) -> Error {
        let why = match self.body.deserialize::<&str>() {
            Ok((text, _)) if !text.is_empty() => text.to_owned(),
            _ => "it refused without a reason".to_owned(),
        };
        if self.is_gone { Error::Gone(why) } else { Error::Refused(why) }
    }
}

/// The parts of a header: byte order, kind, flags, version, length of the body, serial number,
/// fields.
type Header<'m> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'m>)>);

/// Returns the length of the message that begins with these bytes; `None` if they begin no message.
fn length(start: &[u8]) -> Option<usize> {
    let number = |at: usize| -> Option<usize> {
        let bytes = *start.get(at..)?.first_chunk()?;
        let number = match start.first()? {
            b'l' => u32::from_le_bytes(bytes),
            b'B' => u32::from_be_bytes(bytes),
            _ => return None,
        };
        usize::try_from(number).ok()
    };
    let fields = number(FIXED - 4)?.checked_add(FIXED)?.checked_next_multiple_of(8)?;
    fields.checked_add(number(4)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_what_the_library_reads() {
        let body = encoded(&("a", 7u32)).unwrap();
        let message = ADD_MATCH.message(3, "su", &body);
        assert_eq!(length(&message), Some(message.len()));
        let message = BusMessage::parse(message).unwrap();
        assert_eq!((message.kind, message.member()), (CALL, &b"AddMatch"[..]));
        assert_eq!(message.body.deserialize::<(&str, u32)>().unwrap().0, ("a", 7));
    }

    #[test]
    fn only_an_object_that_does_not_exist_is_gone() {
        let error = |name: &str| {
            let fields = vec![(REPLY_SERIAL, Variant::from(1_u32)), (ERROR_NAME, name.into())];
            let mut message = encoded(&(b'l', 3_u8, 0_u8, 1_u8, 8_u32, 7_u32, fields)).unwrap();
            message.resize(message.len().next_multiple_of(8), 0);
            message.extend(encoded(&"why").unwrap());
            BusMessage::parse(message).unwrap().refusal()
        };
        for name in ["DBus.Error.UnknownObject", "login1.NoSuchSession"] {
            let refusal = error(&format!("org.freedesktop.{name}"));
            assert!(matches!(refusal, Error::Gone(ref why) if why == "why"), "{refusal:?}");
        }
        for name in ["ServiceUnknown", "NoReply", "AccessDenied", "LimitsExceeded"] {
            let refusal = error(&format!("org.freedesktop.DBus.Error.{name}"));
            assert!(matches!(refusal, Error::Refused(ref why) if why == "why"), "{refusal:?}");
        }
    }

    proptest! {
        #[test]
        fn any_message_is_survived(mut bytes in proptest::collection::vec(any::<u8>(), 16..200)) {
            bytes[0] = b'l';
            let _ = length(&bytes);
            if let Ok(message) = BusMessage::parse(bytes) {
                let _ = (message.number(), message.number_and_text(), message.refusal());
            }
        }
    }
}
