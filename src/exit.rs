//! The exit statuses, in one type. `main` is the only place that ends the program.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done; something matched.
    Done,
    /// No process matched, or the thing could not be done.
    Nothing,
    /// The usage is wrong; this includes a bad pattern.
    Usage,
    /// /proc is unreadable, descriptors ran out, or output failed.
    Fatal,
    /// What was to be held is not there.
    Absent,
    /// It is for a supervisor to do.
    Supervised,
    /// Some of the targets were done, not all.
    Partial,
    /// The time limit was reached.
    TimedOut,
    /// A wrapper itself failed, and its command did not run.
    NotRun,
    /// A command could not be executed.
    NotExecutable,
    /// A command was not found.
    NotFound,
    /// The exit status of a command.
    Command(u8),
    /// A signal of this number ended us, after cleaning up.
    Interrupted(u8),
}

impl Exit {
    /// Returns the status for `done` of `wanted` things that were done.
    pub fn from_counts(done: usize, wanted: usize) -> Exit {
        match done {
            0 => Exit::Nothing,
            _ if done < wanted => Exit::Partial,
            _ => Exit::Done,
        }
    }

    /// Returns the exit status of the program.
    pub fn status(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Nothing => 1,
            Exit::Usage => 2,
            Exit::Fatal => 3,
            Exit::Absent => 4,
            Exit::Supervised => 5,
            Exit::Partial => 64,
            Exit::TimedOut => 124,
            Exit::NotRun => 125,
            Exit::NotExecutable => 126,
            Exit::NotFound => 127,
            Exit::Command(status) => status,
            Exit::Interrupted(signal) => 128 + signal,
        }
    }

    /// Returns the exit status of a command, as a shell shows it.
    pub fn from_status(status: ExitStatus) -> Exit {
        Exit::Command(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)) as u8)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}

/// Ends the program at once, from a thread that has found the others hanging.
pub fn leave(exit: Exit) -> ! {
    #[allow(clippy::exit)] // `main` will not come to its end.
    std::process::exit(exit.status().into())
}

/// An error that the user can correct: a message and its exit status.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The message: what happened, why, and what to do.
    pub message: String,
    /// [`Exit::Usage`], [`Exit::Nothing`] or, for a wrapper, the reason why its command did not
    /// run.
    pub exit: Exit,
}

impl Refusal {
    /// Makes an error of wrong usage.
    pub fn usage(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), exit: Exit::Usage }
    }

    /// Reports whether it says only that something does not exist.
    pub fn is_nothing(&self) -> bool {
        self.exit == Exit::Nothing
    }

    /// Makes an error that something named does not exist.
    pub fn nothing(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), exit: Exit::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn some_is_not_all() {
        assert_eq!(Exit::from_counts(0, 3), Exit::Nothing);
        assert_eq!(Exit::from_counts(2, 3), Exit::Partial);
        assert_eq!(Exit::from_counts(3, 3), Exit::Done);
    }
}
