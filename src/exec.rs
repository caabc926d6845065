//! Becoming another command: it takes our place, so that its exit status and its death by a signal are its own.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

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

/// Become a command. Returns only when that was not possible, with the status that env(1) has for it.
///
/// By std rather than execvp(3) itself: it sets SIGPIPE back, which Rust's runtime ignores.
pub fn become_command(command: &[OsString], environment: &Environment) -> Refusal {
    let Some((program, arguments)) = command.split_first() else {
        return Refusal { message: "no command is given".to_owned(), exit: Exit::Usage };
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if environment.is_new {
        command.env_clear();
    }
    for name in &environment.without {
        command.env_remove(name);
    }
    let error = command.envs(environment.variables.iter().map(|(name, value)| (name, value))).exec();
    let shown = program.display();
    match error.kind() {
        // A path that is there, then: what was not found is what it names in its first line.
        ErrorKind::NotFound if program.as_bytes().contains(&b'/') && Path::new(program).exists() => {
            Refusal { message: format!("'{shown}': its interpreter was not found"), exit: Exit::NotFound }
        }
        ErrorKind::NotFound => Refusal { message: format!("'{shown}' was not found"), exit: Exit::NotFound },
        _ => Refusal { message: format!("'{shown}' cannot be executed: {error}"), exit: Exit::NotExecutable },
    }
}
