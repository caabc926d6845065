//! Finding out whether a process has really stopped: after STOP, a thread that waits in the kernel
//! stops later. [`Operation`](super::Operation) sends the signals.

use std::time::{Duration, Instant};

use super::reference::Life;
use super::{Error, Interrupts, Reference, Signal, unless_reaped};
use crate::process::{File, Files, Lookup, Proc, Process, ReadResult};

/// The state of a process with regard to STOP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// All its threads are stopped.
    Stopped,
    /// All its threads are stopped by a tracer, which may continue them at any time.
    Traced,
    /// It runs, or sees its signals as soon as it runs again.
    Running,
    /// It waits in the kernel for something that no signal interrupts, and will stop after that.
    Uninterruptible,
    /// It has exited.
    Ended,
}

/// Time between two checks of a process, the first and the longest one. The kernel reports a stop
/// only to the parent and to a tracer, so that we must poll.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Returns the state of a process now, and whether a STOP is pending for it.
pub fn run_state(proc: &Proc, reference: &Reference) -> Result<(RunState, bool), Error> {
    let pid = reference.pid();
    let seen = match proc.process(pid, Files::new(&[File::Stat]))? {
        Lookup::Found(process) => {
            let states = process.thread_states();
            process.lookup(states.and_then(|states| Ok((states, is_stop_pending(&process)?))))?
        }
        Lookup::Unavailable(reason) => Lookup::Unavailable(reason),
        Lookup::Exited => Lookup::Exited,
    };
    // The process is still alive now, so that what was read by its number was its own.
    if !is_alive(proc, reference)? {
        return Ok((RunState::Ended, false));
    }
    Ok(match seen {
        Lookup::Found((states, is_pending)) => (run_state_of(&states), is_pending),
        // Its state is invisible to us (hidepid), and will stay so.
        Lookup::Exited | Lookup::Unavailable(_) => (RunState::Uninterruptible, false),
    })
}

/// Returns the state of a process with threads in these states (proc_pid_stat(5)).
fn run_state_of(states: &[u8]) -> RunState {
    if are_all_in(states, b"T") {
        RunState::Stopped
    } else if are_all_in(states, b"Tt") {
        RunState::Traced
    } else if are_all_in(states, b"TtD") {
        RunState::Uninterruptible
    } else {
        RunState::Running
    }
}

/// Reports whether every thread is in one of these states. A process without a thread is just
/// exiting, and in none of them.
fn are_all_in(states: &[u8], letters: &[u8]) -> bool {
    !states.is_empty() && states.iter().all(|state| letters.contains(state))
}

fn is_stop_pending(process: &Process<'_>) -> ReadResult<bool> {
    let status = process.status()?;
    let pending = ["ShdPnd", "SigPnd"]
        .iter()
        .filter_map(|name| status.mask(name))
        .fold(0, |all, mask| all | mask);
    Ok(pending >> (Signal::STOP.number() - 1) & 1 == 1)
}

/// Reports whether a process is alive, stopped or not.
fn is_alive(proc: &Proc, reference: &Reference) -> Result<bool, Error> {
    Ok(unless_reaped(proc, reference.pid(), reference.life())? == Some(Life::Alive))
}

/// Calls `check` at growing intervals until it succeeds or the time is over. Returns a signal to
/// end that arrived meanwhile.
pub fn poll_until(
    interrupts: &Interrupts,
    end: Option<Instant>,
    mut check: impl FnMut() -> Result<bool, Error>,
) -> Result<Option<Signal>, Error> {
    let mut pause = SHORTEST_PAUSE;
    while !check()? && end.is_none_or(|end| Instant::now() < end) {
        if let Some(signal) = interrupts.wait(pause)? {
            return Ok(Some(signal));
        }
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_stopped_when_all_its_threads_are() {
        for (states, run_state) in [
            (&b"T"[..], RunState::Stopped),
            (b"TT", RunState::Stopped),
            (b"Tt", RunState::Traced),
            (b"TD", RunState::Uninterruptible),
            (b"TS", RunState::Running),
            // The last thread is just exiting.
            (b"", RunState::Running),
        ] {
            assert_eq!(run_state_of(states), run_state, "{states:?}");
        }
    }
}
