//! Becoming another command. It takes our place, so that our parent sees its exit status or the
//! signal that ends it.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;

use crate::command::program;
use crate::exit::{Exit, Refusal};

/// The environment of a command.
#[derive(Clone, Default)]
pub struct Environment {
    /// `true` if it starts empty instead of inheriting ours.
    pub is_new: bool,
    /// Variables that are removed.
    pub without: Vec<&'static str>,
    /// Variables that are added or replaced.
    pub variables: Vec<(String, OsString)>,
}

/// Becomes a command. Returns only when this fails, with the exit status that env(1) uses.
///
/// It goes through std rather than execvp(3), because std restores SIGPIPE, which the Rust runtime
/// ignores.
pub fn become_command(command: &[OsString], environment: &Environment) -> Refusal {
    become_with(command, environment, |_| {})
}

/// Becomes a command that reads nothing, as [`become_command`] does.
pub fn become_command_without_input(command: &[OsString], environment: &Environment) -> Refusal {
    become_with(command, environment, |command| {
        command.stdin(Stdio::null());
    })
}

fn become_with(
    command: &[OsString],
    environment: &Environment,
    prepare: impl Fn(&mut Command),
) -> Refusal {
    let Some((program, arguments)) = command.split_first() else {
        return Refusal { message: "no command is given".to_owned(), exit: Exit::Usage };
    };
    let mut command = environment.command(program);
    prepare(&mut command);
    let mut error = command.args(arguments).exec();
    if let Some(mut command) = environment.by_shell(program, arguments, &error) {
        prepare(&mut command);
        error = command.exec();
    }
    not_run(program, &error)
}

/// Returns the reason why a program was not run, with the exit status that env(1) uses.
pub fn not_run(program: &OsStr, error: &io::Error) -> Refusal {
    let shown = program.display();
    match error.kind() {
        // The file of the program exists, so that the interpreter in its first line is missing.
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
    /// Makes a command that gets this environment.
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

    /// Makes a command that runs a script without a `#!` line by the shell: POSIX demands this of
    /// execvp(3), and not every C library does it.
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

    /// Returns the path of a program, which is searched for in the $PATH of this environment.
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
