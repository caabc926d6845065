//! The reasons why a process does not do what it was told, as far as the kernel shows them.

use super::reference::Life;
use super::{Signal, Target};
use crate::process::{
    Cgroups, File, Files, Freezers, Lookup, Pid, Proc, Process, ReadResult, if_available,
};

/// The reason why a process still runs, or stays a zombie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It ignores the signal.
    Ignores(Signal),
    /// Each of its threads blocks the signal.
    Blocks(Signal),
    /// It is the first process of a pid namespace, to which the kernel gives no signal that it has no
    /// handler for (pid_namespaces(7)).
    FirstWithoutHandler(Signal),
    /// A thread of it waits in the kernel for something that no signal interrupts, in this function.
    Uninterruptible { function: Option<Vec<u8>> },
    /// Its control group, or one above it, is frozen.
    Frozen,
    /// This process traces it.
    Traced { by: Neighbour },
    /// It is stopped.
    Stopped,
    /// It has ended, and this process, its parent, does not reap it.
    Unreaped { parent: Neighbour },
}

/// Another process that has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its pid; 0 where it is outside of our pid namespace.
    pub pid: Pid,
    pub name: Option<Vec<u8>>,
}

impl Neighbour {
    pub(super) fn find(proc: &Proc, pid: Pid) -> Neighbour {
        Neighbour { pid, name: proc.comm_of(pid) }
    }
}

/// What tells the reasons: made once for many processes.
pub(super) struct Reasons<'p> {
    proc: &'p Proc,
    freezers: Freezers,
}

impl<'p> Reasons<'p> {
    pub fn new(proc: &'p Proc) -> Reasons<'p> {
        Reasons { proc, freezers: Freezers::find() }
    }

    /// Returns the reason why a target has not done what this signal tells it, or goes on without one.
    /// The reason is no result: where it cannot be found out, there is none.
    pub fn of(&self, target: &Target, signal: Option<Signal>) -> Option<Reason> {
        let reference = target.reference.as_ref()?;
        if target.zombie_of.is_some() {
            return unreaped(self.proc, target);
        }
        let Ok(Lookup::Found(process)) = self.proc.process(target.pid, Files::NONE) else {
            return None;
        };
        let reason = self.look(&process, signal);
        // The process is still alive now, so that what was read by its number was its own.
        (reference.life() == Ok(Life::Alive)).then_some(reason.ok()?)?
    }

    fn look(&self, process: &Process<'_>, signal: Option<Signal>) -> ReadResult<Option<Reason>> {
        let groups = if_available(process.file(File::Cgroup))?.map(Cgroups);
        let is_deadly = match signal {
            Some(signal) => signal == Signal::KILL || !process.handles(signal.number())?,
            None => false,
        };
        if groups.is_some_and(|groups| self.freezers.hold(groups, is_deadly)) {
            return Ok(Some(Reason::Frozen));
        }
        let states = process.thread_states()?;
        let are_all_in =
            |letters: &[u8]| !states.is_empty() && states.iter().all(|at| letters.contains(at));
        let tracer = process.status()?.number("TracerPid").and_then(|pid| pid.try_into().ok());
        let traced = tracer
            .filter(|&pid| pid != 0)
            .map(|pid| Reason::Traced { by: Neighbour::find(self.proc, pid) });
        if traced.is_some() && states.contains(&b't') && are_all_in(b"Tt") {
            return Ok(traced);
        }
        if are_all_in(b"T") && !signal.is_some_and(Signal::is_certain) {
            return Ok(Some(Reason::Stopped));
        }
        if let Some(signal) = signal.filter(|&signal| !signal.is_certain())
            && let Some(reason) = disposition(process, signal)?
        {
            return Ok(Some(reason));
        }
        if states.contains(&b'D') {
            let function = if_available(process.uninterruptible_at())?;
            return Ok(function.map(|function| Reason::Uninterruptible { function }));
        }
        Ok(traced)
    }
}

/// Returns the reason why a target that was found as a zombie still is one.
pub(super) fn unreaped(proc: &Proc, target: &Target) -> Option<Reason> {
    let parent = Neighbour::find(proc, target.zombie_of?);
    let life = target.reference.as_ref()?.life();
    (life == Ok(Life::Zombie)).then_some(Reason::Unreaped { parent })
}

/// Returns the reason why a signal has no effect that lies in what the process does with it.
fn disposition(process: &Process<'_>, signal: Signal) -> ReadResult<Option<Reason>> {
    let number = signal.number();
    if process.ignores(number)? {
        return Ok(Some(Reason::Ignores(signal)));
    }
    if process.blocks(number)? {
        return Ok(Some(Reason::Blocks(signal)));
    }
    let is_first = process.status()?.numbers("NSpid").is_some_and(|pids| pids.last() == Some(1));
    Ok((is_first && !process.handles(number)?).then_some(Reason::FirstWithoutHandler(signal)))
}
