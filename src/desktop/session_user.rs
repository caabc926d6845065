//! Becoming the user of a session, and the environment of a command that runs in it. What would be a
//! gain for the user, or a leak, is left behind; the rest stays as with su(1).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::{chdir, getpriority_process, setpriority_process, setsid, umask};

use super::account::{Account, UserChange};
use super::{Error, NAMES, Session, Variables};
use crate::command::exec::Environment;
use crate::control::{keep_descriptors, leave_real_time, reset_signals, run_in_child};
use crate::deadlines;

/// The file mode creation mask of a login (login.defs(5)).
const MASK: Mode = Mode::from_raw_mode(0o022);

/// The wish of the kernel to end a process when memory is short (proc_pid_oom_score_adj(5)).
const OOM_SCORE_ADJ: &str = "/proc/self/oom_score_adj";

/// The working directory of a command in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// That of the caller.
    Same,
    /// The home directory of the user, or the root directory where that cannot be entered.
    Home,
    /// The root directory.
    Root,
}

/// The way into a session.
pub struct SessionUser {
    environment: Environment,
    /// `None` where we are the user already.
    entry: Option<Entry>,
}

/// All that is to be done to become another user. Nothing has to be looked up any more.
#[derive(Clone)]
struct Entry {
    change: UserChange,
    directory: Option<PathBuf>,
}

impl SessionUser {
    /// Prepares the way into a session. If we are another user, the environment contains nothing of
    /// ours, and programs that we start do not inherit our open files any more.
    pub fn new(
        session: &Session,
        variables: &Variables,
        directory: Directory,
    ) -> Result<SessionUser, Error> {
        let found =
            variables.session.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        if session.account.is_ours() {
            // A variable of ours that leads elsewhere would mislead the command.
            let environment = Environment {
                without: NAMES.to_vec(),
                variables: found.collect(),
                ..Environment::default()
            };
            return Ok(SessionUser { environment, entry: None });
        }
        keep_descriptors().map_err(Error::Descriptors)?;
        let own =
            session.account.environment().into_iter().map(|(name, value)| (name.to_owned(), value));
        let variables = own.chain(variables.locale.iter().cloned()).chain(found).collect();
        let entry = Entry {
            change: session.account.change()?,
            directory: match directory {
                Directory::Same => None,
                Directory::Home => Some(session.account.home.clone()),
                Directory::Root => Some("/".into()),
            },
        };
        if directory == Directory::Home {
            entry.try_once(&session.account)?;
        }
        Ok(SessionUser {
            environment: Environment { is_new: true, variables, ..Environment::default() },
            entry: Some(entry),
        })
    }

    /// Reports whether we are another user.
    pub fn is_other(&self) -> bool {
        self.entry.is_some()
    }

    /// Becomes the user, if we are another one, without a way back. Returns the environment for a
    /// command.
    pub fn enter(&self) -> Result<&Environment, Error> {
        if let Some(entry) = &self.entry {
            entry.carry_out()?;
        }
        Ok(&self.environment)
    }

    /// Returns the environment for a command in the session.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Returns what a child does to become the user; `None` where we are the user already. With
    /// `is_apart` it has no terminal: its user cannot type there for us (TIOCSTI in ioctl_tty(2)).
    pub fn entry(&self, is_apart: bool) -> Option<impl Fn() -> Result<(), String>> {
        let entry = self.entry.as_ref()?;
        Some(move || {
            if is_apart {
                // Only the leader of a process group is refused, which a new child is not.
                setsid().map_err(|errno| errno.to_string())?;
            }
            entry.carry_out().map_err(|error| error.to_string())
        })
    }
}

impl Entry {
    /// Tries it in a process of its own. A home directory on a machine that does not answer would
    /// hold up the command for ever, with all the streams that it has. Errors: `LateHome`.
    fn try_once(&self, account: &Account) -> Result<(), Error> {
        let tried = run_in_child(deadlines::HOME, || {
            // The command fails in the same way, and tells why.
            let _ = self.carry_out();
            Vec::new()
        });
        match tried {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(Error::LateHome { user: account.name.clone(), path: account.home.clone() })
            }
            tried => tried.map(drop).map_err(Error::Privileges),
        }
    }

    fn carry_out(&self) -> Result<(), Error> {
        leave_privileges().map_err(Error::Privileges)?;
        self.change.carry_out()?;
        umask(MASK);
        reset_signals();
        if let Some(directory) = &self.directory
            && chdir(directory).is_err()
        {
            chdir("/").map_err(|errno| Error::Privileges(errno.into()))?;
        }
        Ok(())
    }
}

/// Leaves what puts our processes before those of others: real-time scheduling, a negative nice
/// value, and the protection from the kernel's search for memory.
fn leave_privileges() -> io::Result<()> {
    leave_real_time()?;
    if getpriority_process(None)? < 0 {
        setpriority_process(None, 0)?;
    }
    let score = match fs::read_to_string(OOM_SCORE_ADJ) {
        Ok(score) => score,
        // /proc may belong to another pid namespace, where we have no number.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if score.starts_with('-') {
        fs::write(Path::new(OOM_SCORE_ADJ), "0")?;
    }
    Ok(())
}
