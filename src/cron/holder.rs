//! The one who holds cron, and the socket at which it answers: who it is, until when it holds, and
//! whether it holds for longer or lets go.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::net::SocketAddrUnix;

use crate::deadlines;
use crate::peer::Peer;
use crate::process::Pid;

/// The socket. Only the superuser may connect to it, and only one holder has it, because only one
/// run of cron-graceful works at a time.
const SOCKET: &str = "/run/cron-graceful.sock";

/// Most bytes of a request or an answer.
const LONGEST: usize = 512;

/// Who holds cron, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: Pid,
    /// Who has ordered it.
    pub by: String,
    pub since: SystemTime,
    /// The end of the lease; `None` where it has none.
    pub until: Option<SystemTime>,
    /// What is held beside cron.
    pub with: HeldToo,
}

/// What is held beside cron.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldToo {
    /// The daemons of at(1).
    pub at: bool,
    /// The timers of systemd.
    pub timers: bool,
}

impl HeldToo {
    /// Returns the names of what is held, as the command line has them.
    pub fn names(self) -> Vec<&'static str> {
        let names = [(self.at, "at"), (self.timers, "timers")];
        names.into_iter().filter(|(is_held, _)| *is_held).map(|(_, name)| name).collect()
    }

    /// Reports whether all that the other wants is held.
    pub fn includes(self, other: HeldToo) -> bool {
        (self.at || !other.at) && (self.timers || !other.timers)
    }
}

/// What a client wants of the holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To know who it is.
    Ask,
    /// To hold for at least so long from now.
    Extend { lease: Duration, by: String },
    /// To let go.
    Release { by: String },
}

/// The answer of the holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Holding(Holder),
    /// Cron runs on.
    Released(Holder),
    /// Cron has ended while it was held.
    Gone(Holder),
}

impl Request {
    fn to_line(&self) -> String {
        match self {
            Request::Ask => "ask\n".to_owned(),
            Request::Extend { lease, by } => format!("extend {} {by}\n", lease.as_millis()),
            Request::Release { by } => format!("release {by}\n"),
        }
    }

    fn parse(line: &str) -> Option<Request> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "ask" => Some(Request::Ask),
            "extend" => {
                let (lease, by) = rest.split_once(' ')?;
                let lease = Duration::from_millis(lease.parse().ok()?);
                Some(Request::Extend { lease, by: by.to_owned() })
            }
            "release" => Some(Request::Release { by: rest.to_owned() }),
            _ => None,
        }
    }
}

impl Answer {
    fn to_line(&self) -> String {
        let (word, holder) = match self {
            Answer::Holding(holder) => ("holding", holder),
            Answer::Released(holder) => ("released", holder),
            Answer::Gone(holder) => ("gone", holder),
        };
        let until = holder.until.map_or("-".to_owned(), |until| milliseconds(until).to_string());
        let Holder { pid, by, since, with, .. } = holder;
        let names = with.names().join(",");
        format!("{word} {pid} {} {until} -{names} {by}\n", milliseconds(*since))
    }

    fn parse(line: &str) -> Option<Answer> {
        let [word, pid, since, until, with, by] = line.splitn(6, ' ').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let moment = |text: &str| UNIX_EPOCH.checked_add(Duration::from_millis(text.parse().ok()?));
        let holder = Holder {
            pid: pid.parse().ok()?,
            by: by.to_owned(),
            since: moment(since)?,
            until: if until == "-" { None } else { Some(moment(until)?) },
            with: HeldToo { at: with.contains("at"), timers: with.contains("timers") },
        };
        match word {
            "holding" => Some(Answer::Holding(holder)),
            "released" => Some(Answer::Released(holder)),
            "gone" => Some(Answer::Gone(holder)),
            _ => None,
        }
    }
}

/// Milliseconds since 1970.
fn milliseconds(moment: SystemTime) -> u128 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// The holder's end of the socket. The socket is removed when this is dropped.
pub struct HolderSocket {
    listener: UnixListener,
}

/// A request that waits for its answer.
pub struct Caller {
    pub request: Request,
    peer: Peer,
}

impl HolderSocket {
    /// Begins to listen. The caller has the lock of cron-graceful, so that a socket which is there
    /// already is one of a holder that has ended.
    pub fn listen() -> io::Result<HolderSocket> {
        match fs::remove_file(SOCKET) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(SOCKET)?;
        let socket = HolderSocket { listener };
        // Others could connect before this. They are not heard.
        fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o600))?;
        socket.listener.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Returns the next request of the superuser, if there is one.
    pub fn next(&self) -> io::Result<Option<Caller>> {
        let stream = match self.listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut peer =
            Peer::connected(stream, Instant::now() + deadlines::HOLDER_REQUEST)?.owned_by(&[0])?;
        let line = peer.line(&mut Vec::new(), LONGEST)?;
        let request = Request::parse(&String::from_utf8_lossy(&line));
        let request = request.ok_or_else(|| io::Error::from(ErrorKind::InvalidData))?;
        Ok(Some(Caller { request, peer }))
    }
}

impl AsFd for HolderSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for HolderSocket {
    fn drop(&mut self) {
        // A socket that stays is removed by the next holder.
        let _ = fs::remove_file(SOCKET);
    }
}

impl Caller {
    /// Answers. A caller who has gone needs no answer.
    pub fn answer(mut self, answer: &Answer) {
        self.peer.set_end(Instant::now() + deadlines::HOLDER_REQUEST);
        let _ = self.peer.send(answer.to_line().as_bytes());
    }
}

/// Asks the holder; `None` if nobody holds cron. Errors: it does not answer.
pub fn call(request: &Request) -> io::Result<Option<Answer>> {
    const ENDS: [ErrorKind; 3] =
        [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
    match call_once(request) {
        // It has ended before it could answer. Then nobody is there any more, or another one.
        Err(error) if ENDS.contains(&error.kind()) => call_once(request),
        answer => answer,
    }
}

fn call_once(request: &Request) -> io::Result<Option<Answer>> {
    let address = SocketAddrUnix::new(SOCKET)?;
    let mut peer = match Peer::connect(&address, Instant::now() + deadlines::HOLDER_ANSWER) {
        Ok(peer) => peer.owned_by(&[0])?,
        Err(error)
            if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&error.kind()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    peer.send(request.to_line().as_bytes())?;
    let line = peer.line(&mut Vec::new(), LONGEST)?;
    let answer = Answer::parse(&String::from_utf8_lossy(&line));
    answer.map(Some).ok_or_else(|| io::Error::from(ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_are_read_as_they_were_written() {
        for request in [
            Request::Ask,
            Request::Extend {
                lease: Duration::from_secs(1800),
                by: "alice of the night".to_owned(),
            },
            Request::Release { by: "root".to_owned() },
        ] {
            assert_eq!(Request::parse(request.to_line().trim_end()), Some(request));
        }
        let since = UNIX_EPOCH + Duration::from_millis(1_790_000_000_123);
        for until in [None, Some(since + Duration::from_secs(60))] {
            let by = "alice of the night".to_owned();
            let with = HeldToo { at: until.is_some(), timers: true };
            let holder = Holder { pid: 7, by, since, until, with };
            for answer in [Answer::Holding, Answer::Released, Answer::Gone] {
                let answer = answer(holder.clone());
                assert_eq!(Answer::parse(answer.to_line().trim_end()), Some(answer));
            }
        }
    }

    #[test]
    fn other_texts_are_no_requests_and_no_answers() {
        for text in ["", "ask me", "extend", "extend x root", "extend 1", "hold"] {
            let request = Request::parse(text);
            assert!(request.is_none() || text == "ask me", "{text}: {request:?}");
        }
        for text in ["", "holding", "holding 1 2 3", "holding x 1 - - root", "lost 1 2 - - root"] {
            assert_eq!(Answer::parse(text), None, "{text}");
        }
    }
}
