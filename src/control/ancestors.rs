//! The ancestors of a process. No pattern may hit our own by accident.

use super::{Error, kernel};
use crate::process::{Files, Lookup, Pid, Proc, open_pidfd};

/// Returns our own process and its ancestors, nearest first. Where /proc hides one, the kernel is
/// asked for its parent.
pub fn self_and_ancestors(proc: &Proc) -> Result<Vec<Pid>, Error> {
    proc.own_pid().map_or(Ok(Vec::new()), |own| ancestors(proc, own))
}

/// Returns a process and its ancestors, nearest first.
pub fn ancestors(proc: &Proc, pid: Pid) -> Result<Vec<Pid>, Error> {
    let mut line = vec![pid];
    while let Some(&last) = line.last() {
        let parent = match proc.process(last, Files::NONE)? {
            Lookup::Found(process) => process.lookup(process.ppid())?,
            Lookup::Unavailable(reason) => Lookup::Unavailable(reason),
            Lookup::Exited => Lookup::Exited,
        };
        match parent {
            Lookup::Found(parent) if parent != 0 && !line.contains(&parent) => line.push(parent),
            Lookup::Found(_) => break,
            _ => match hidden_parent(proc, last)? {
                Some(parent) if parent != 0 && !line.contains(&parent) => line.push(parent),
                _ => break,
            },
        }
    }
    Ok(line)
}

/// Returns the parent of a process that /proc hides, where the kernel tells it (Linux 6.13).
fn hidden_parent(proc: &Proc, pid: Pid) -> Result<Option<Pid>, Error> {
    // In the procfs of another pid namespace, the numbers mean other processes.
    if !matches!(proc.is_ours(), Ok(true)) {
        return Ok(None);
    }
    match proc.lookup(pid, open_pidfd(pid))? {
        Lookup::Found(pidfd) => kernel::parent(pidfd).map_err(Error::kernel("ask for a parent")),
        _ => Ok(None),
    }
}
