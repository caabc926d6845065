//! We ourselves and what we run below, which is not to be hit by accident.

use super::{Error, kernel};
use crate::process::{Files, Pid, Proc, Settled, open_pidfd};

/// We ourselves and our ancestors, nearest first. Where /proc hides one, the kernel is asked for
/// its parent.
pub fn own_line(proc: &Proc) -> Result<Vec<Pid>, Error> {
    let mut line: Vec<Pid> = proc.own_pid().into_iter().collect();
    while let Some(&last) = line.last() {
        let parent = match proc.process(last, Files::NONE)? {
            Settled::Known(process) => process.settle(process.ppid())?,
            Settled::Missing(reason) => Settled::Missing(reason),
            Settled::Gone => Settled::Gone,
        };
        match parent {
            Settled::Known(parent) if parent != 0 && !line.contains(&parent) => line.push(parent),
            Settled::Known(_) => break,
            _ => match hidden_parent(proc, last)? {
                Some(parent) if parent != 0 && !line.contains(&parent) => line.push(parent),
                _ => break,
            },
        }
    }
    Ok(line)
}

fn hidden_parent(proc: &Proc, pid: Pid) -> Result<Option<Pid>, Error> {
    // The numbers of another namespace's procfs mean others here.
    if !matches!(proc.is_ours(), Ok(true)) {
        return Ok(None);
    }
    match proc.settle(pid, open_pidfd(pid))? {
        Settled::Known(pidfd) => kernel::parent(pidfd).map_err(Error::kernel("ask for a parent")),
        _ => Ok(None),
    }
}
