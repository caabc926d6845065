//! A look at processes and all that is below them: does one of them listen?

use std::iter::once;
use std::ops::ControlFlow;

use super::Port;
use crate::process::{
    Endpoint, Error, Files, Lookup, Pid, Proc, Process, ReadError, ReadResult, Unavailable,
    Unexamined,
};
use crate::tree;

/// The result of a look.
#[derive(Debug, Default)]
pub struct Look {
    /// The first that listens.
    pub found: Option<Listening>,
    /// Those that could not be examined.
    pub unexamined: Unexamined,
}

/// A process that listens.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    pub pid: Pid,
    /// Where it listens, or one of these places.
    pub endpoint: Endpoint,
    /// The process that it was found below; it may be this one itself.
    pub root: Pid,
}

/// Looks whether one of these processes, or one below them, listens on one of these ports; on any
/// port if none is given. The tables of sockets must be new: `proc` was not asked for them before.
pub fn look_for_listener(proc: &Proc, roots: &[Pid], ports: &[Port]) -> Result<Look, Error> {
    let forest = tree::read(proc.scan(tree::FILES)?, |_, _| Ok::<_, Error>(Lookup::Found(())))?;
    let mut look = Look::default();
    for &root in roots {
        let Some(node) = forest.find(root) else { continue };
        for node in once(node).chain(forest.descendants(node)) {
            let pid = forest.pid(node);
            let process = match proc.process(pid, Files::NONE)? {
                Lookup::Found(process) => process,
                Lookup::Unavailable(reason) => {
                    look.unexamined.add(pid, reason);
                    continue;
                }
                Lookup::Exited => continue,
            };
            let parent = forest.parent(node).filter(|_| pid != root);
            let parent = parent.map(|parent| forest.pid(parent));
            match process.lookup(endpoint(&process, parent, ports))? {
                Lookup::Found(Some(endpoint)) => {
                    look.found = Some(Listening { pid, endpoint, root });
                    return Ok(look);
                }
                Lookup::Unavailable(Unavailable::Absent(_)) => {}
                Lookup::Unavailable(reason) => look.unexamined.add(pid, reason),
                Lookup::Found(None) | Lookup::Exited => {}
            }
        }
    }
    Ok(look)
}

/// Returns where a process listens. Its parent must still be this one: else its number may be that
/// of a later process by now.
fn endpoint(
    process: &Process<'_>,
    parent: Option<Pid>,
    ports: &[Port],
) -> ReadResult<Option<Endpoint>> {
    if parent.is_some() && parent != Some(process.ppid()?) {
        return Err(ReadError::Exited);
    }
    let mut held = Vec::new();
    process.each_socket(|_, inode| {
        held.push(inode);
        ControlFlow::Continue(())
    })?;
    if held.is_empty() {
        return Ok(None);
    }
    let listeners = process.listeners()?;
    let is_wanted =
        |endpoint: &Endpoint| ports.is_empty() || ports.iter().any(|port| port.includes(endpoint));
    Ok(held.iter().filter_map(|inode| listeners.get(inode)).copied().find(is_wanted))
}
