//! Commands that we run and wait for, while we can be told to end.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::control::{Conclusion, Error, Interrupts, Observer, Operation, Order, Reference, Signal, Silent, Target};
use crate::process::{Proc, Settled};

/// How a command ended, or why it did not.
pub enum Ran {
    Ended(ExitStatus),
    NotStarted(io::Error),
    /// We were told to end, and it was terminated.
    Interrupted(Signal),
    /// It was terminated when its time was over.
    TimedOut,
}

/// For a command to end when it is told to.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Run a command until it ends or this time is over. With whatever it started, it is terminated when we are told to end.
pub fn run(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    end: Option<Instant>,
    observer: &mut dyn Observer,
) -> Result<Ran, Error> {
    let (mut child, reference) = match start(proc, interrupts, command)? {
        Ok(started) => started,
        Err(error) => return Ok(Ran::NotStarted(error)),
    };
    let timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
    match wait(proc, &reference, interrupts, timeout, observer)? {
        Conclusion::Finished => reap(&mut child).map(Ran::Ended),
        Conclusion::Interrupted(signal) => {
            terminate(proc, reference, interrupts, &mut child)?;
            Ok(Ran::Interrupted(signal))
        }
        Conclusion::TimedOut => {
            terminate(proc, reference, interrupts, &mut child)?;
            Ok(Ran::TimedOut)
        }
    }
}

/// Run a command to its end. The signals that would end us are passed on to it, but for those of a keyboard, which reach
/// it by themselves. With its status, the first signal that came.
pub fn run_to_end(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
) -> Result<(Result<ExitStatus, io::Error>, Option<Signal>), Error> {
    let (mut child, reference) = match start(proc, interrupts, command)? {
        Ok(started) => started,
        Err(error) => return Ok((Err(error), None)),
    };
    let mut came = None;
    while let Conclusion::Interrupted(signal) = wait(proc, &reference, interrupts, None, &mut Silent)? {
        came = came.or(Some(signal));
        if !interrupts.is_from_keyboard() {
            // Gone by now is what was wanted.
            let _ = reference.send(signal);
        }
    }
    Ok((Ok(reap(&mut child)?), came))
}

/// Run a command that prints an answer, for as long; `None` when it gave none.
pub fn ask(
    proc: &Proc,
    mut command: Command,
    interrupts: &Interrupts,
    limit: Duration,
) -> Result<Option<Vec<u8>>, Error> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok((mut child, reference)) = start(proc, interrupts, command)? else { return Ok(None) };
    let conclusion = wait(proc, &reference, interrupts, Some(limit), &mut Silent)?;
    if conclusion != Conclusion::Finished {
        terminate(proc, reference, interrupts, &mut child)?;
        if let Conclusion::Interrupted(signal) = conclusion {
            // For who can heed it.
            interrupts.put_back(signal);
        }
        return Ok(None);
    }
    // It has ended, so that this does not block. An answer too long for the pipe would have kept it from that.
    let output = child.wait_with_output().map_err(|error| Error::of_io("read an answer", &error))?;
    Ok(output.status.success().then_some(output.stdout))
}

fn start(proc: &Proc, interrupts: &Interrupts, command: Command) -> Result<io::Result<(Child, Reference)>, Error> {
    let mut child = match interrupts.spawn(command) {
        Ok(child) => child,
        Err(error) => return Ok(Err(error)),
    };
    // It is our child and not waited for, so that its number is its own.
    let reference = proc.settle(child.id(), Reference::by_number(child.id()));
    if let Ok(Settled::Known(reference)) = reference {
        return Ok(Ok((child, reference)));
    }
    // Nobody could wait for it, and it must not run on by itself.
    child.kill().and_then(|()| child.wait()).map_err(|error| Error::of_io("end a command", &error))?;
    reference?;
    Ok(Err(io::Error::other("the kernel gives no descriptor for it")))
}

fn wait(
    proc: &Proc,
    reference: &Reference,
    interrupts: &Interrupts,
    timeout: Option<Duration>,
    observer: &mut dyn Observer,
) -> Result<Conclusion, Error> {
    let mut operation = Operation::new(proc, Order::wait(timeout), interrupts);
    operation.add(Target::held(reference.clone()))?;
    operation.carry_out(observer)
}

/// End a command with all that it has started. It gets no second chance when we are told to end once more.
fn terminate(proc: &Proc, reference: Reference, interrupts: &Interrupts, child: &mut Child) -> Result<(), Error> {
    let order = Order { tree: true, ..Order::termination(Some(TIMEOUT)) };
    let mut operation = Operation::new(proc, order, interrupts);
    operation.add(Target::held(reference.clone()))?;
    if let Conclusion::Interrupted(_) = operation.carry_out(&mut Silent)? {
        // Gone is as good, and more is not permitted.
        operation.targets().iter().filter_map(|target| target.reference.as_ref()).for_each(|reference| {
            let _ = reference.send(Signal::KILL);
        });
        wait(proc, &reference, interrupts, Some(TIMEOUT), &mut Silent)?;
    }
    // One that is stuck in the kernel is left to it: whoever waits for it holds up everything.
    child.try_wait().map_err(|error| Error::of_io("wait for a command", &error)).map(drop)
}

fn reap(child: &mut Child) -> Result<ExitStatus, Error> {
    child.wait().map_err(|error| Error::of_io("wait for a command", &error))
}
