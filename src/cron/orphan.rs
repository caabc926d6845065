//! Signs that a job has left a process behind after its worker has exited: nothing else connects
//! the two any more. All functions return `None` for a process that has exited meanwhile: it may
//! have started another one, so that the scan is uncertain.

use nix::unistd::User;

use super::Error;
use super::origin::JobOrigin;
use crate::process::{File, Files, Lookup, Pid, Proc, Process, ReadResult, items};

/// Classifies an orphaned session leader: `sh -c COMMAND`, as cron starts jobs, is a job; any other
/// program is a daemon.
pub fn of_leader(proc: &Proc, pid: Pid) -> Result<Option<JobOrigin>, Error> {
    let process = match proc.process(pid, Files::NONE)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(_) => return Ok(Some(JobOrigin::Daemon)),
        Lookup::Exited => return Ok(None),
    };
    let is_job = found_or_false(process.lookup(process.cmdline().map(runs_command_of_crontab))?);
    Ok(is_job.map(|is_job| if is_job { JobOrigin::Job } else { JobOrigin::Daemon }))
}

/// Reports whether these are the arguments with which cron starts a job: `sh -c COMMAND`, with any
/// shell.
fn runs_command_of_crontab(arguments: &[u8]) -> bool {
    let mut words = items(arguments);
    words.next().is_some_and(|shell| shell.ends_with(b"sh")) && words.next() == Some(b"-c")
}

/// Variables that cron sets for each job (crontab(5)).
const VARIABLES: [&[u8]; 3] = [b"HOME", USER, b"SHELL"];

/// The one of them with the name of the user.
const USER: &[u8] = b"LOGNAME";

/// Variables of users' sessions and of services, which no job of cron has unless its crontab sets
/// them.
const FOREIGN: [&[u8]; 7] = [
    b"TERM",
    b"DISPLAY",
    b"SSH_CONNECTION",
    b"INVOCATION_ID",
    b"RUNLEVEL",
    b"XDG_SESSION_TYPE",
    b"SUPERVISOR_ENABLED",
];

/// The user whose job a process looks like.
#[derive(Debug, PartialEq, Eq)]
pub enum JobLike {
    /// It has the environment of a job of the user of this name, and is no daemon.
    Of(Vec<u8>),
    /// The same, with variables of a terminal or of a service, or with another user than that.
    Foreign(Vec<u8>),
    Nobody,
}

/// Returns the user whose job a process looks like, as one that a job has left in the background
/// does; `None` if it has exited.
/// `usual` are variables that are not foreign: those of a daemon that passes its own on.
pub fn user_of_job(proc: &Proc, pid: Pid, usual: &[Vec<u8>]) -> Result<Option<JobLike>, Error> {
    let process = match proc.process(pid, Files::NONE)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(_) => return Ok(Some(JobLike::Nobody)),
        Lookup::Exited => return Ok(None),
    };
    let like = process.environ_start(ENVIRONMENT).map(|environment| user_of(&environment, usual));
    let like = match process.lookup(like)? {
        Lookup::Found(JobLike::Nobody) | Lookup::Unavailable(_) => {
            return Ok(Some(JobLike::Nobody));
        }
        Lookup::Found(like) => like,
        Lookup::Exited => return Ok(None),
    };
    let like = match like {
        JobLike::Of(user) if is_another(&process, &user)? => JobLike::Foreign(user),
        like => like,
    };
    let is_daemon = is_daemonized(&process)?;
    Ok(is_daemon.map(|is_daemon| if is_daemon { JobLike::Nobody } else { like }))
}

/// Reports whether a process is certainly not of the user of this name: anybody can put the name of
/// the superuser into an environment. A name that is not in the C library's reach may be anybody's.
fn is_another(process: &Process<'_>, user: &[u8]) -> Result<bool, Error> {
    let Lookup::Found([uid, ..]) = process.lookup(process.user_ids())? else { return Ok(false) };
    let named = str::from_utf8(user).ok().and_then(|user| User::from_name(user).ok().flatten());
    Ok(named.is_some_and(|user| user.uid.as_raw() != uid))
}

/// Returns the arguments of a process; none if they cannot be read, and `None` if it has exited.
pub fn arguments(proc: &Proc, pid: Pid) -> Result<Option<Vec<u8>>, Error> {
    let process = match proc.process(pid, Files::NONE)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(_) => return Ok(Some(Vec::new())),
        Lookup::Exited => return Ok(None),
    };
    Ok(match process.lookup(process.cmdline_start(ENVIRONMENT))? {
        Lookup::Found(arguments) => Some(arguments),
        Lookup::Unavailable(_) => Some(Vec::new()),
        Lookup::Exited => None,
    })
}

/// Most bytes of an environment that are looked at. Most daemons set their variables first, but
/// busybox's crond and dcron put them behind those that they have themselves.
const ENVIRONMENT: usize = 1 << 20;

/// Returns the foreign variables of an environment, with their values.
fn foreign(environment: &[u8]) -> impl Iterator<Item = &[u8]> {
    items(environment).filter(|item| {
        FOREIGN
            .iter()
            .any(|name| item.strip_prefix(*name).is_some_and(|rest| rest.starts_with(b"=")))
    })
}

/// Returns the foreign variables that a daemon has itself, and passes on to its jobs.
pub fn passed_on(proc: &Proc, daemon: Pid) -> Result<Vec<Vec<u8>>, Error> {
    let Lookup::Found(process) = proc.process(daemon, Files::NONE)? else { return Ok(Vec::new()) };
    let found = process
        .environ_start(ENVIRONMENT)
        .map(|environment| foreign(&environment).map(<[u8]>::to_vec).collect());
    Ok(if let Lookup::Found(found) = process.lookup(found)? { found } else { Vec::new() })
}

/// Returns the user whose job has this environment.
fn user_of(environment: &[u8], usual: &[Vec<u8>]) -> JobLike {
    let value = |name: &[u8]| {
        items(environment).find_map(|item| item.strip_prefix(name)?.strip_prefix(b"="))
    };
    let has = |name: &&[u8]| value(name).is_some();
    match value(USER).filter(|_| VARIABLES.iter().all(has)) {
        Some(user) if foreign(environment).any(|item| !usual.iter().any(|usual| usual == item)) => {
            JobLike::Foreign(user.to_vec())
        }
        Some(user) => JobLike::Of(user.to_vec()),
        None => JobLike::Nobody,
    }
}

/// Reports whether a process has become a daemon, as by daemon(3): its streams lead nowhere, and it
/// works in /. A job in the background works in the home directory of its user.
pub fn is_daemon(proc: &Proc, pid: Pid) -> Result<Option<bool>, Error> {
    match proc.process(pid, Files::NONE)? {
        Lookup::Found(process) => is_daemonized(&process),
        Lookup::Unavailable(_) => Ok(Some(false)),
        Lookup::Exited => Ok(None),
    }
}

fn is_daemonized(process: &Process<'_>) -> Result<Option<bool>, Error> {
    let streams = || -> ReadResult<bool> {
        for number in 0..=2 {
            if process.descriptor(number)?.is_some_and(|link| link != b"/dev/null") {
                return Ok(false);
            }
        }
        Ok(process.file(File::Cwd)? == b"/")
    };
    Ok(found_or_false(process.lookup(streams())?))
}

/// Reports whether all output of a process goes to one unnamed file of the superuser in /tmp, as
/// Debian's cron collects the output of a job (tmpfile(3)).
pub fn writes_to_tmpfile(proc: &Proc, pid: Pid) -> Result<Option<bool>, Error> {
    about_outputs(proc, pid, |process, [output, errors]| {
        if output != errors || !output.is_some_and(|link| is_tmpfile(&link)) {
            return Ok(false);
        }
        // In a namespace of his own, a user can give any file such a path, and open files of the
        // superuser for reading.
        let file = process.open_file(1)?;
        Ok(file.owner == 0 && file.links == 0 && file.is_writable)
    })
}

/// Reports whether the output of a process still goes to the place where cron collects that of
/// jobs: a pipe, or an unnamed file.
pub fn writes_to_cron(proc: &Proc, pid: Pid) -> Result<Option<bool>, Error> {
    about_outputs(proc, pid, |_, outputs| {
        Ok(outputs.into_iter().flatten().any(|link| is_collected(&link)))
    })
}

/// Reports whether the link of a descriptor is that of a file of tmpfile(3), which names no file.
fn is_tmpfile(link: &[u8]) -> bool {
    link.starts_with(b"/tmp/#") && link.ends_with(b" (deleted)")
}

/// Reports whether the link of a descriptor is one of those to which cron redirects its jobs.
fn is_collected(link: &[u8]) -> bool {
    link.starts_with(b"pipe:") || link.ends_with(b" (deleted)")
}

/// Decides by the links of standard output and standard error of a process.
fn about_outputs(
    proc: &Proc,
    pid: Pid,
    fact: impl FnOnce(&Process<'_>, [Option<Vec<u8>>; 2]) -> ReadResult<bool>,
) -> Result<Option<bool>, Error> {
    let process = match proc.process(pid, Files::NONE)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(_) => return Ok(Some(false)),
        Lookup::Exited => return Ok(None),
    };
    let outputs = match process
        .lookup(process.descriptor(1).and_then(|output| Ok([output, process.descriptor(2)?])))?
    {
        Lookup::Found(outputs) => outputs,
        Lookup::Unavailable(_) => return Ok(Some(false)),
        Lookup::Exited => return Ok(None),
    };
    // An exiting process closes its descriptors before it becomes a zombie.
    if outputs.contains(&None) && is_exiting(proc, pid)? {
        return Ok(None);
    }
    Ok(found_or_false(process.lookup(fact(&process, outputs))?))
}

/// Reports whether a process is exiting or has exited, as far as can be told.
fn is_exiting(proc: &Proc, pid: Pid) -> Result<bool, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(true);
    };
    let is_exiting = process.stat().map(|stat| !stat.is_alive() || stat.is_ending());
    Ok(!matches!(process.lookup(is_exiting)?, Lookup::Found(false)))
}

/// Turns an unavailable fact into `false`; `None` where the process has exited.
fn found_or_false(fact: Lookup<bool>) -> Option<bool> {
    match fact {
        Lookup::Found(fact) => Some(fact),
        Lookup::Unavailable(_) => Some(false),
        Lookup::Exited => None,
    }
}
