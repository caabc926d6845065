//! The ways in which a daemon that was stopped is started again: the same as it was run and
//! stopped.

use super::command_line::CommandLine;
use super::kinds::Kind;
use super::{Daemon, Error, StopMethod, kinds};
use crate::process::{File, Files, Lookup, Proc, Process, ReadError, ReadResult};

/// The way in which a daemon is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartMethod {
    /// By systemd, which runs it as this unit.
    Unit(String),
    /// By the init script of this name.
    Script(String),
    /// By its own command line.
    Command(CommandLine),
    /// It is not known, for this reason.
    Unknown(String),
}

impl StartMethod {
    /// Finds out how a daemon that is going to be stopped in some way can be started again; `None`
    /// for one that is not stopped, or has ended by itself.
    pub fn find(
        proc: &Proc,
        daemon: &Daemon,
        way: &StopMethod,
    ) -> Result<Option<StartMethod>, Error> {
        match way {
            StopMethod::Unit(unit) => Ok(Some(StartMethod::Unit(unit.clone()))),
            StopMethod::Signal { .. } if !daemon.has_ended() => of_process(proc, daemon),
            StopMethod::Signal { .. }
            | StopMethod::Supervised(_)
            | StopMethod::First
            | StopMethod::Untold => Ok(None),
        }
    }
}

fn of_process(proc: &Proc, daemon: &Daemon) -> Result<Option<StartMethod>, Error> {
    let files = Files::new(&[File::Status, File::Cmdline, File::Environ]);
    let process = match proc.process(daemon.pid, files)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => {
            return Ok(Some(StartMethod::Unknown(reason.to_string())));
        }
        Lookup::Exited => return Ok(None),
    };
    let line = match process.lookup(command_line(proc, &process, daemon))? {
        Lookup::Found(line) => line,
        Lookup::Unavailable(reason) => {
            return Ok(Some(StartMethod::Unknown(reason.to_string())));
        }
        Lookup::Exited => return Ok(None),
    };
    // A daemon in the background of the first process: init scripts leave it so, as its own command
    // line does.
    let is_apart = daemon.session == daemon.pid && daemon.parent == 1;
    let script =
        kinds::init_script(&daemon.name).filter(|_| is_apart && line.looks_like_a_script_s());
    Ok(Some(script.map_or(StartMethod::Command(line), StartMethod::Script)))
}

/// Returns the command line of a process. Errors: it is unavailable, or means something else here:
/// its paths are those of other mounts.
fn command_line(proc: &Proc, process: &Process<'_>, daemon: &Daemon) -> ReadResult<CommandLine> {
    let own = proc.own_pid().map(|pid| proc.process(pid, Files::new(&[File::NsMnt])));
    if let Some(Ok(Lookup::Found(own))) = own
        && own.namespace(File::NsMnt)? != process.namespace(File::NsMnt)?
    {
        return Err(ReadError::absent("it sees other mounts than this command"));
    }
    let may_set_user = kinds::kind(&daemon.name).is_some_and(Kind::may_set_user);
    CommandLine::read(process, may_set_user)
}
