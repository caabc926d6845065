//! Signs that a job has left a process behind after its worker has exited: nothing else connects
//! the two any more. All functions return `None` for a process that has exited meanwhile: it may
//! have started another one, so that the scan is uncertain.

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
