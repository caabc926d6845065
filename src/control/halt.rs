//! Stopping a process, and knowing when it has really stopped.

use std::time::{Duration, Instant};

use super::{Error, Interrupts, Reference, Signal};
use crate::process::{File, Files, Proc, Settled};

/// What a process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// All its threads are stopped.
    Stopped,
    /// It runs, or will see its signals as soon as it wants to.
    Moving,
    /// It waits in the kernel for something that no signal interrupts, and will stop when that is over. It starts no
    /// new process before.
    Stuck,
    Ended,
}

/// Between two looks: nobody but a parent or a tracer is told that a process has stopped, so that we have to look.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// What a process is about now.
pub fn motion(proc: &Proc, reference: &Reference) -> Result<Motion, Error> {
    let pid = reference.pid();
    let states = match proc.process(pid, Files::of(&[File::Stat]))? {
        Settled::Known(process) => process.settle(process.thread_states())?,
        Settled::Missing(reason) => Settled::Missing(reason),
        Settled::Gone => Settled::Gone,
    };
    // Still alive now, so that what was read by its number was of it.
    if !is_alive(proc, reference)? {
        return Ok(Motion::Ended);
    }
    Ok(match states {
        Settled::Known(states) if states.iter().all(|state| b"Tt".contains(state)) => Motion::Stopped,
        Settled::Known(states) if states.iter().all(|state| b"TtD".contains(state)) => Motion::Stuck,
        Settled::Known(_) => Motion::Moving,
        // Not even its state is shown to us (hidepid), and it will not be later.
        Settled::Gone | Settled::Missing(_) => Motion::Stuck,
    })
}

/// Whether a process runs, stopped or not.
pub fn is_alive(proc: &Proc, reference: &Reference) -> Result<bool, Error> {
    use super::reference::Life;
    let life = proc.settle(reference.pid(), reference.life())?;
    Ok(matches!(life, Settled::Known(Life::Alive)))
}

/// Look again and again, ever more seldom, until `look` is content or the time is over; or a signal tells us to end.
pub fn until(
    interrupts: &Interrupts,
    end: Option<Instant>,
    mut look: impl FnMut() -> Result<bool, Error>,
) -> Result<Option<Signal>, Error> {
    let mut pause = SHORTEST_PAUSE;
    while !look()? && end.is_none_or(|end| Instant::now() < end) {
        if let Some(signal) = interrupts.wait(pause)? {
            return Ok(Some(signal));
        }
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
    Ok(None)
}
