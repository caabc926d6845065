//! What shows that a process was left behind by a job whose worker has ended: nothing else connects the two any more.

use super::Error;
use super::job::Why;
use crate::process::{Files, Pid, Proc, Settled, items};

/// What the leader of a session is whose worker, if it had one, has ended: a job, which a shell is, or a daemon.
pub fn of_leader(proc: &Proc, pid: Pid) -> Result<Why, Error> {
    let Settled::Known(process) = proc.process(pid, Files::NONE)? else { return Ok(Why::Daemon) };
    let is_shell = process.cmdline().map(|arguments| {
        let mut words = items(arguments);
        words.next().is_some_and(|shell| shell.ends_with(b"sh")) && words.next() == Some(b"-c")
    });
    Ok(if matches!(process.settle(is_shell)?, Settled::Known(true)) { Why::Job } else { Why::Daemon })
}

/// Whether all output of a process goes to one file in /tmp that has no name and is the superuser's: Debian's cron
/// collects that of a job so (tmpfile(3)).
pub fn writes_to_tmpfile(proc: &Proc, pid: Pid) -> Result<bool, Error> {
    let Settled::Known(process) = proc.process(pid, Files::NONE)? else { return Ok(false) };
    let read = || {
        let (output, errors) = (process.descriptor(1)?, process.descriptor(2)?);
        let is_tmpfile = |link: &[u8]| link.starts_with(b"/tmp/#") && link.ends_with(b" (deleted)");
        if output != errors || !output.is_some_and(|link| is_tmpfile(&link)) {
            return Ok(false);
        }
        // In a namespace of his own, a user can give any file such a path, and open those of the superuser for reading.
        let file = process.open_file(1)?;
        Ok(file.owner == 0 && file.links == 0 && file.is_writable)
    };
    Ok(matches!(process.settle(read())?, Settled::Known(true)))
}

/// Whether the output of a process still goes to where cron collects that of jobs: a pipe, or a file without a name.
pub fn writes_to_cron(proc: &Proc, pid: Pid) -> Result<bool, Error> {
    let Settled::Known(process) = proc.process(pid, Files::NONE)? else { return Ok(false) };
    let is_collected =
        |link: Option<Vec<u8>>| link.is_some_and(|link| link.starts_with(b"pipe:") || link.ends_with(b" (deleted)"));
    let read =
        process.descriptor(1).and_then(|output| Ok(is_collected(output) || is_collected(process.descriptor(2)?)));
    Ok(matches!(process.settle(read)?, Settled::Known(true)))
}
