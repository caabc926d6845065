//! The exit statuses, in one type. `main` is the only place that ends the program.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; something matched.
    Done,
    /// Nothing matched, or it could not be done.
    Nothing,
    /// Wrong usage, a bad pattern too.
    Usage,
    /// /proc unreadable, out of descriptors, output failed.
    Fatal,
    /// Some of the targets, not all.
    Partial,
    /// The time that was given was over.
    TimedOut,
    /// A wrapper itself failed, and its command did not run.
    NotRun,
    /// A command could not be executed.
    NotExecutable,
    /// A command was not found.
    NotFound,
    /// What a command ended with.
    Command(u8),
    /// A signal of this number ended us, after cleaning up.
    Interrupted(u8),
}

impl Exit {
    /// The outcome of having done `done` of `wanted` things.
    pub fn from_counts(done: usize, wanted: usize) -> Exit {
        match done {
            0 => Exit::Nothing,
            _ if done < wanted => Exit::Partial,
            _ => Exit::Done,
        }
    }

    /// The number that the program ends with.
    fn status(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Nothing => 1,
            Exit::Usage => 2,
            Exit::Fatal => 3,
            Exit::Partial => 64,
            Exit::TimedOut => 124,
            Exit::NotRun => 125,
            Exit::NotExecutable => 126,
            Exit::NotFound => 127,
            Exit::Command(status) => status,
            Exit::Interrupted(signal) => 128 + signal,
        }
    }

    /// What a command ended with, as a shell has it.
    pub fn of_command(status: ExitStatus) -> Exit {
        Exit::Command(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)) as u8)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.status())
    }
}

/// End the program at once, from a thread that finds that the others hang.
pub fn leave(exit: Exit) -> ! {
    #[allow(clippy::exit)] // `main` will not come to its end.
    std::process::exit(exit.status().into())
}

/// An error that the person who called can mend: a message, and the status that goes with it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What happened, why, and what to do.
    pub message: String,
    /// [`Exit::Usage`], [`Exit::Nothing`] or, of a wrapper, why its command did not run.
    pub exit: Exit,
}

impl Refusal {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), exit: Exit::Usage }
    }

    /// Whether it only says that something is not there.
    pub fn is_nothing(&self) -> bool {
        self.exit == Exit::Nothing
    }

    /// Something that was named is not there.
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
