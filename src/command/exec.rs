//! Becoming another command: it takes our place, so that its exit status and its death by a signal
//! are its own.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;

use crate::command::program;
use crate::exit::{Exit, Refusal};

/// What a command finds in its environment.
#[derive(Default)]
pub struct Environment {
    /// Whether it has nothing of ours.
    pub is_new: bool,
    /// What of ours it has not.
    pub without: Vec<&'static str>,
    /// What it has beside.
    pub variables: Vec<(String, OsString)>,
}

/// Become a command. Returns only when that was not possible, with the status that env(1) has for
/// it.
///
/// By std rather than execvp(3) itself: it sets SIGPIPE back, which Rust's runtime ignores.
pub fn become_command(command: &[OsString], environment: &Environment) -> Refusal {
    let Some((program, arguments)) = command.split_first() else {
        return Refusal { message: "no command is given".to_owned(), exit: Exit::Usage };
    };
    let mut error = environment.command(program).args(arguments).exec();
    if let Some(mut command) = environment.by_shell(program, arguments, &error) {
        error = command.exec();
    }
    not_run(program, &error)
}

/// Why a program did not run, with the status that env(1) has for it.
pub fn not_run(program: &OsStr, error: &io::Error) -> Refusal {
    let shown = program.display();
    match error.kind() {
        // A path that is there, then: what was not found is what it names in its first line.
        ErrorKind::NotFound
            if program.as_bytes().contains(&b'/') && Path::new(program).exists() =>
        {
            Refusal {
                message: format!("'{shown}': its interpreter was not found"),
                exit: Exit::NotFound,
            }
        }
        ErrorKind::NotFound => {
            Refusal { message: format!("'{shown}' was not found"), exit: Exit::NotFound }
        }
        _ => Refusal {
            message: format!("'{shown}' cannot be executed: {error}"),
            exit: Exit::NotExecutable,
        },
    }
}

impl Environment {
    /// A program that will have it.
    pub fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        if self.is_new {
            command.env_clear();
        }
        for name in &self.without {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What did not run because it is a script without a first line, by the shell: POSIX has
    /// execvp(3) do so, and not every C library does.
    pub fn by_shell(
        &self,
        program: &OsStr,
        arguments: &[OsString],
        error: &io::Error,
    ) -> Option<Command> {
        let script =
            self.find(program).filter(|_| error.raw_os_error() == Some(Errno::ENOEXEC as i32))?;
        let mut command = self.command("/bin/sh".as_ref());
        command.arg(script).args(arguments);
        Some(command)
    }

    /// Where a program is: a path, or in a directory of the $PATH that it will have.
    fn find(&self, program: &OsStr) -> Option<PathBuf> {
        if program.as_bytes().contains(&b'/') {
            return Some(program.into());
        }
        let own =
            self.variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        let path = own.or_else(|| std::env::var_os("PATH"))?;
        program::find_in(&path, program)
    }
}
