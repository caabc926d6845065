//! The exit statuses, in one type. `main` is the only place that ends the program.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; something matched.
    Done = 0,
    /// Nothing matched, or it could not be done.
    Nothing = 1,
    /// Wrong usage, a bad pattern too.
    Usage = 2,
    /// /proc unreadable, out of descriptors, output failed.
    Fatal = 3,
    /// Some of the targets, not all.
    Some = 64,
}

impl Exit {
    /// The outcome of having done `done` of `wanted` things.
    pub fn of(done: usize, wanted: usize) -> Exit {
        match done {
            0 => Exit::Nothing,
            _ if done < wanted => Exit::Some,
            _ => Exit::Done,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error that the person who called can mend: a message, and the status that goes with it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What happened, why, and what to do.
    pub message: String,
    /// [`Exit::Usage`] or [`Exit::Nothing`].
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
        assert_eq!(Exit::of(0, 3), Exit::Nothing);
        assert_eq!(Exit::of(2, 3), Exit::Some);
        assert_eq!(Exit::of(3, 3), Exit::Done);
    }
}
