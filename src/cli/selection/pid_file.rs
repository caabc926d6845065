//! The condition that a process is the one whose id is in a file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, stdin};
use std::os::fd::{AsFd, OwnedFd};

use clap::Args;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use crate::cli::parse;
use crate::exit::Refusal;
use crate::process::Pid;
use crate::select::Test;

/// Options about pid files.
#[derive(Args)]
pub struct PidFileOptions {
    /// The process whose id is in this file, alone on its first line and with no other number
    /// below; - is standard input
    #[arg(short = 'F', long, value_name = "FILE", help_heading = "Selection")]
    pidfile: Option<OsString>,
    /// Refuse a pid file that nobody has locked: its daemon does not run
    #[arg(short = 'L', long, requires = "pidfile", help_heading = "Selection")]
    logpidfile: bool,
}

impl PidFileOptions {
    /// Returns the options as a test. Errors: no readable file with one process id in it, or no
    /// lock.
    pub fn test(&self) -> Result<Option<Test>, Refusal> {
        let Some(path) = &self.pidfile else { return Ok(None) };
        let refuse =
            |why: String| Refusal::nothing(format!("pid file '{}': {why}", path.to_string_lossy()));
        let open = || {
            if path == "-" { stdin().as_fd().try_clone_to_owned() } else { open_file(path) }
        };
        let file = open().map_err(|error| refuse(error.to_string()))?;
        if self.logpidfile && !is_locked(&file).map_err(|errno| refuse(errno.to_string()))? {
            return Err(refuse("nobody has locked it, so its daemon does not run".to_owned()));
        }
        let mut text = Vec::new();
        let read = File::from(file).take(PID_FILE_BYTES + 1).read_to_end(&mut text);
        read.map_err(|error| refuse(error.to_string()))?;
        Ok(Some(Test::Pid(vec![pid_of_file(&text).map_err(refuse)?])))
    }
}

fn open_file(path: &OsString) -> io::Result<OwnedFd> {
    File::open(path).map(OwnedFd::from)
}

/// Reports whether somebody else holds a lock on a file that excludes others, of one of the kinds
/// that daemons take: fcntl(2) or flock(2). pgrep asks the same way.
fn is_locked(file: &OwnedFd) -> Result<bool, Errno> {
    let asked = Flock::from(FlockType::WriteLock);
    if fcntl_getlk(file, &asked)?.is_some() {
        return Ok(true);
    }
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => flock(file, FlockOperation::Unlock).map(|()| false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Bytes of a pid file at most.
const PID_FILE_BYTES: u64 = 4096;

/// Parses the process id in a pid file: alone on its first line. Some daemons write text below it,
/// such as their command line. A second number may be the one that was meant, and is refused.
fn pid_of_file(text: &[u8]) -> Result<Pid, String> {
    if text.len() as u64 > PID_FILE_BYTES {
        return Err(format!("it has more than {PID_FILE_BYTES} bytes, and no pid file has"));
    }
    let text = String::from_utf8_lossy(text);
    let mut numbers =
        text.split_whitespace().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    if let (Some(first), Some(second)) = (numbers.next(), numbers.next()) {
        return Err(format!("it holds more than one number: {first} and {second}"));
    }
    let word = text.trim_start().lines().next().unwrap_or_default().trim_end();
    parse::pid(word).map_err(|why| format!("'{}' is no process id: {why}", word.escape_debug()))
}
