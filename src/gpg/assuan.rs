//! The protocol of GnuPG's daemons (libassuan), as far as it is needed here: commands and answers
//! in lines. No call waits beyond a set time.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use crate::escape::{expanded, unescaped};
use crate::peer::Peer;

/// Longest line, in bytes (ASSUAN_LINELENGTH).
const LONGEST_LINE: usize = 1000;

/// Most bytes of a file that names the place of a socket.
const LONGEST_REDIRECTION: u64 = 4096;

/// Most lines of an answer: a server that sends more is broken.
const MOST_LINES: usize = 100;

/// A connection to a server after its greeting.
pub struct Connection {
    peer: Peer,
    received: Vec<u8>,
}

/// The answer to a command: its data, or the text of an error.
type Answer = Result<Vec<u8>, String>;

impl Connection {
    /// Connects and reads the greeting. Errors: `NotFound` or `ConnectionRefused` if there is no
    /// server, `InvalidData` if it has another protocol, `TimedOut` at `end`.
    pub fn open(path: &Path, end: Instant) -> io::Result<Connection> {
        let mut connection = Connection { peer: open(path, end)?, received: Vec::new() };
        let greeting = connection.line()?;
        if !greeting.starts_with(b"OK") {
            let why = "it does not speak the protocol of gpg-agent";
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        Ok(connection)
    }

    /// Returns the uid of the user who made the socket.
    pub fn uid(&self) -> u32 {
        self.peer.uid
    }

    /// Returns the time at which all calls must be over.
    pub fn end(&self) -> Instant {
        self.peer.end()
    }

    /// Sends a command, and returns its answer. Errors: `TimedOut` at the end of the time,
    /// `InvalidData` if the answer has no end.
    pub fn ask(&mut self, command: &[u8]) -> io::Result<Answer> {
        self.peer.send(&[command, b"\n"].concat())?;
        let mut data = Vec::new();
        for _ in 0..MOST_LINES {
            let line = self.line()?;
            match &line[..] {
                [b'D', b' ', rest @ ..] => data.extend(unescaped(rest, b'%', 2, 16)),
                [b'O', b'K', ..] => return Ok(Ok(data)),
                [b'E', b'R', b'R', rest @ ..] => {
                    return Ok(Err(String::from_utf8_lossy(rest.trim_ascii()).into_owned()));
                }
                // Comments and status lines are skipped.
                _ => {}
            }
        }
        Err(io::Error::new(ErrorKind::InvalidData, "it answers without an end"))
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        self.peer.line(&mut self.received, LONGEST_LINE)
    }
}

/// Connects to a socket, or to the socket that a file in its place names.
pub fn open(path: &Path, end: Instant) -> io::Result<Peer> {
    Peer::connect(&SocketAddrUnix::new(&*redirected(path)?)?, end)
}

/// Returns the path of a socket. Some file systems have no sockets: there a file in its place names
/// another path.
fn redirected(path: &Path) -> io::Result<PathBuf> {
    // Another user may choose what is there and replace it at any time: opening a FIFO must not
    // wait.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // open(2) fails so for a socket.
        Err(Errno::NXIO) => return Ok(path.to_owned()),
        Err(error) => return Err(error.into()),
    };
    let found = file.metadata()?;
    if !found.is_file() || found.len() > LONGEST_REDIRECTION {
        return Ok(path.to_owned());
    }
    let mut text = Vec::new();
    file.take(LONGEST_REDIRECTION).read_to_end(&mut text)?;
    Ok(redirection(&text).unwrap_or_else(|| path.to_owned()))
}

/// Returns the path from a text such as `%Assuan%`, newline, `socket=${HOME}/elsewhere`.
fn redirection(text: &[u8]) -> Option<PathBuf> {
    let mut lines = text.split(|&byte| byte == b'\n');
    lines.next().filter(|&first| first == b"%Assuan%")?;
    let target = lines.next()?.strip_prefix(b"socket=")?;
    let variable = |name: &[u8]| {
        Some(std::env::var_os(OsStr::from_bytes(name)).unwrap_or_default().into_vec())
    };
    Some(PathBuf::from(OsString::from_vec(expanded(target, LONGEST_LINE, variable))))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Talks to a server that sends these texts: the first one at once, each other one after a line
    /// from us.
    fn talk(says: &'static [&'static str], time: Duration) -> io::Result<Answer> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("S");
        let listener = UnixListener::bind(&path)?;
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            for text in says {
                stream.write_all(text.as_bytes())?;
                let _ = stream.read(&mut [0; 1000])?;
            }
            Ok::<_, io::Error>(())
        });
        let outcome = Connection::open(&path, Instant::now() + time)
            .and_then(|mut server| server.ask(b"GETINFO pid"));
        let _ = server.join();
        outcome
    }

    #[test]
    fn a_file_in_place_of_a_socket_is_read_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        std::fs::write(path("file"), "%Assuan%\nsocket=/elsewhere\n").unwrap();
        std::fs::write(path("long"), [b"%Assuan%\nsocket=/", &[b'x'; 5000][..]].concat()).unwrap();
        let _listener = UnixListener::bind(path("socket")).unwrap();
        for name in ["pipe", "long", "socket"] {
            assert_eq!(redirected(&path(name)).unwrap(), path(name));
        }
        assert_eq!(redirected(&path("file")).unwrap(), Path::new("/elsewhere"));
        assert_eq!(redirected(&path("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn questions_and_answers() {
        let minute = Duration::from_secs(60);
        assert_eq!(
            talk(&["OK hello\n", "# x\nD 12%0A\nD 3\nOK\n"], minute).unwrap(),
            Ok(b"12\n3".to_vec())
        );
        assert_eq!(
            talk(&["OK hello\n", "ERR 1 Forbidden\n"], minute).unwrap(),
            Err("1 Forbidden".to_owned())
        );
        assert_eq!(talk(&["HTTP/1.1\n"], minute).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(
            talk(&["OK"], Duration::from_millis(50)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        assert_eq!(
            talk(&["OK\n", ""], Duration::from_millis(50)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    }

    #[test]
    fn no_server_listens() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("S");
        let end = Instant::now() + Duration::from_secs(60);
        let kind = |path: &Path| Connection::open(path, end).err().map(|error| error.kind());
        assert_eq!(kind(&path), Some(ErrorKind::NotFound));
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(kind(&path), Some(ErrorKind::ConnectionRefused));
    }

    #[test]
    fn a_file_in_place_of_the_socket() {
        let path = redirection(b"%Assuan%\nsocket=/run/x y\n");
        assert_eq!(path.as_deref(), Some(Path::new("/run/x y")));
        assert_eq!(redirection(b"socket=/run/x\n"), None);
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(
            &[b"%Assuan%\nsocket=${HOME}/x\n", b"%Assuan%\r\nsocket=/run/a\r\nfoo=1\n"],
            |text| _ = redirection(text),
        );
    }
}
