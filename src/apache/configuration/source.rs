//! Reading the files of a configuration in a child process with the rights of the server.
//!
//! Any user may run an Apache, and so choose what we read. Its paths are not resolved with our
//! rights, and a file system that does not answer holds up only a process that can be left behind.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::control::ChildServer;
use crate::process::{Process, ReadResult, Root, RootEntry};

/// Least time for each question after the budget of the run is used up.
const LEAST: Duration = Duration::from_millis(5);

/// The user and groups whose rights a server has; root by default.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// How long a run waits for file systems that do not answer, for all servers together.
pub struct ReadBudget(Cell<Duration>);

/// The files of a server.
pub struct Source<'p> {
    clerk: RefCell<Option<ChildServer>>,
    budget: &'p ReadBudget,
    /// Whether our own file system is read, because that of the server may not be opened.
    pub is_guess: bool,
}

impl Default for ReadBudget {
    fn default() -> ReadBudget {
        ReadBudget(Cell::new(Duration::from_secs(1)))
    }
}

impl Owner {
    /// Returns the effective user and groups of a process.
    pub fn from_process(process: &Process<'_>) -> ReadResult<Owner> {
        let groups = process.status()?.numbers("Groups").into_iter().flatten();
        let groups = groups.filter_map(|group| group.try_into().ok()).collect();
        Ok(Owner { uid: process.user_ids()?[1], gid: process.group_ids()?[1], groups })
    }

    /// Gives up all other rights. Only for a child process, because there is no way back.
    fn become_it(&self) -> io::Result<()> {
        if self.uid == 0 || !nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        let groups: Vec<Gid> = self.groups.iter().map(|&group| Gid::from_raw(group)).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(Some(gid), gid, Some(gid))?;
        Ok(set_thread_res_uid(Some(uid), uid, Some(uid))?)
    }
}

impl<'p> Source<'p> {
    /// Makes a source of the files below the root directory of a server.
    pub fn new(root: Root, owner: Owner, budget: &'p ReadBudget) -> io::Result<Source<'p>> {
        let (is_guess, descriptor) = (root.is_guess, root.as_raw_fd());
        let mut changed = None;
        let answer = move |question: &[u8]| match changed.get_or_insert_with(|| owner.become_it()) {
            Ok(()) => answer(&root, question),
            Err(error) => failure(error),
        };
        let clerk = RefCell::new(Some(ChildServer::start(&[descriptor], answer)?));
        Ok(Source { clerk, budget, is_guess })
    }

    /// Reads an absolute path.
    pub fn read(&self, path: &[u8]) -> io::Result<RootEntry> {
        match self.ask(b'r', path)? {
            (b'f', text) => {
                let (changed, bytes) = text.split_first_chunk().ok_or(ErrorKind::InvalidData)?;
                Ok(RootEntry::File(bytes.to_vec(), i64::from_ne_bytes(*changed)))
            }
            (_, names) => {
                let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
                Ok(RootEntry::Directory(names.map(<[u8]>::to_vec).collect()))
            }
        }
    }

    /// Reports whether anything exists at an absolute path.
    pub fn has(&self, path: &[u8]) -> io::Result<bool> {
        Ok(self.ask(b'h', path)?.0 == b'y')
    }

    fn ask(&self, what: u8, path: &[u8]) -> io::Result<(u8, Vec<u8>)> {
        let mut clerk = self.clerk.borrow_mut();
        let late = || io::Error::new(ErrorKind::TimedOut, "its file system does not answer");
        let asked = clerk.as_mut().ok_or_else(late)?;
        let begin = Instant::now();
        let mut answer = match asked.ask(&[&[what], path].concat(), self.budget.0.get().max(LEAST))
        {
            Ok(answer) => answer,
            Err(error) => {
                *clerk = None;
                self.budget.0.set(self.budget.0.get().saturating_sub(begin.elapsed()));
                return Err(if error.kind() == ErrorKind::TimedOut { late() } else { error });
            }
        };
        match answer.first().copied() {
            Some(b'e') => Err(error_of(&answer[1..])),
            Some(kind) => Ok((kind, answer.split_off(1))),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Returns the child's answer to a question: a letter for its kind, and the content.
fn answer(root: &Root, question: &[u8]) -> Vec<u8> {
    let Some((&what, path)) = question.split_first() else { return Vec::new() };
    match what {
        b'h' => root
            .has(path)
            .map_or_else(|error| failure(&error), |has| vec![if has { b'y' } else { b'n' }]),
        _ => match root.read(path) {
            Ok(RootEntry::File(bytes, changed)) => {
                [b"f", &changed.to_ne_bytes()[..], &bytes].concat()
            }
            Ok(RootEntry::Directory(names)) => [b"d", &names.join(&0)[..]].concat(),
            Err(error) => failure(&error),
        },
    }
}

/// Encodes an error as its number, or as 0 and its text.
fn failure(error: &io::Error) -> Vec<u8> {
    let text = if error.raw_os_error().is_none() { error.to_string() } else { String::new() };
    [b"e", &error.raw_os_error().unwrap_or(0).to_ne_bytes()[..], text.as_bytes()].concat()
}

fn error_of(answer: &[u8]) -> io::Error {
    match answer.split_first_chunk() {
        Some((number, text)) if i32::from_ne_bytes(*number) == 0 => {
            io::Error::new(ErrorKind::InvalidInput, String::from_utf8_lossy(text).into_owned())
        }
        Some((number, _)) => io::Error::from_raw_os_error(i32::from_ne_bytes(*number)),
        None => ErrorKind::UnexpectedEof.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_directories_and_errors_arrive() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), b"text\0\xff").unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        let budget = ReadBudget::default();
        let source =
            Source::new(Root::at(directory.path()).unwrap(), Owner::default(), &budget).unwrap();
        assert!(
            matches!(source.read(b"/file"), Ok(RootEntry::File(bytes, changed)) if bytes == b"text\0\xff" && changed > 0)
        );
        let Ok(RootEntry::Directory(names)) = source.read(b"/") else {
            panic!("it is a directory")
        };
        assert_eq!(names, [b"file".to_vec(), b"sub".to_vec()]);
        assert!(
            matches!(source.read(b"/sub"), Ok(RootEntry::Directory(names)) if names.is_empty())
        );
        assert_eq!(
            source.read(b"/none").err().map(|error| error.kind()),
            Some(ErrorKind::NotFound)
        );
        assert!(source.has(b"/file").unwrap() && !source.has(b"/none").unwrap());
    }
}
