//! Commands that we run and wait for, while signals to us are watched.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, waitpid};

use super::kernel::fork;
use super::relay::Relay;
use super::{
    Conclusion, Error, Interrupts, Observer, Operation, Order, Reference, Signal, Silent, Target,
    has_ended, signal_child,
};
use crate::process::{Lookup, Pid, Proc};

/// The end of a command, or the reason why it was not run.
pub enum CommandResult {
    /// It exited with this status.
    Ended(ExitStatus),
    /// It could not be started.
    NotStarted(io::Error),
    /// We received a signal to end, and the command was terminated.
    Interrupted(Signal),
    /// The command was terminated at its time limit.
    TimedOut,
}

/// The end of a command that was run to its end, whatever signals came.
pub enum CommandEnd {
    /// It exited with this status. `signal` is the first signal that we received meanwhile.
    Ended { status: ExitStatus, signal: Option<Signal> },
    /// It could not be started, or it was terminated at its time limit (`TimedOut`).
    NotRun(io::Error),
    /// It did not end after this signal, which we received and passed on, and was terminated.
    Terminated(Signal),
}

/// Time for a command to end after TERM.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two checks whether a command has ended, where no descriptor reports it.
const PAUSE: Duration = Duration::from_millis(10);

/// The way of a child when we receive the signal INT.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnInterrupt {
    Terminate,
    /// It gets the signal too, and the time [`TIMEOUT`] to end in its own way.
    Pass,
}

/// Runs a command until it ends or its time is over. It is terminated with its descendants when we
/// receive a signal to end.
pub fn run(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    end: Option<Instant>,
    observer: &mut dyn Observer,
) -> Result<CommandResult, Error> {
    match RunningChild::start(proc, interrupts, command)? {
        Start::Running(started) => {
            started.run(proc, interrupts, end, observer, OnInterrupt::Terminate)
        }
        Start::Failed(error) => Ok(CommandResult::NotStarted(error)),
    }
}

/// Runs a command as [`run`] does, and passes INT on to it. With `is_apart` it gets no standard
/// stream of ours: it reads nothing, and what it writes is passed on.
pub fn run_and_pass(
    proc: &Proc,
    mut command: Command,
    interrupts: &Interrupts,
    end: Option<Instant>,
    is_apart: bool,
) -> Result<CommandResult, Error> {
    let mut streams = [None, None];
    if is_apart {
        let ([output, errors], [child_output, child_errors]) = pipes()?;
        command.stdin(Stdio::null()).stdout(child_output).stderr(child_errors);
        streams = [Some(output), Some(errors)];
    }
    match RunningChild::start(proc, interrupts, command)? {
        Start::Running(started) => {
            let started = RunningChild { streams, ..started };
            started.run(proc, interrupts, end, &mut Silent, OnInterrupt::Pass)
        }
        Start::Failed(error) => Ok(CommandResult::NotStarted(error)),
    }
}

/// Makes pipes for the standard output and the standard error of a child. Returns our ends and those
/// of the child.
fn pipes() -> Result<([PipeReader; 2], [PipeWriter; 2]), Error> {
    let failed = |error: io::Error| Error::from_io("make a pipe", &error);
    let (output, child_output) = io::pipe().map_err(failed)?;
    let (errors, child_errors) = io::pipe().map_err(failed)?;
    Ok(([output, errors], [child_output, child_errors]))
}

/// Runs a closure in a child process until it ends or its time is over, as [`run_and_pass`] does with
/// a command. The closure returns the exit status of the child, whose output comes out of our own
/// streams.
pub fn run_closure(
    proc: &Proc,
    interrupts: &Interrupts,
    end: Option<Instant>,
    act: impl FnOnce() -> u8,
) -> Result<CommandResult, Error> {
    let ([output, errors], [child_output, child_errors]) = pipes()?;
    let kept = [child_output.as_raw_fd(), child_errors.as_raw_fd()];
    let child = fork(&kept, || {
        let led = rustix::stdio::dup2_stdout(&child_output)
            .and_then(|()| rustix::stdio::dup2_stderr(&child_errors));
        if led.is_err() || interrupts.let_through().is_err() {
            return 1;
        }
        act()
    });
    let child = child.map_err(|error| Error::from_io("start a process", &error))?;
    drop((child_output, child_errors));
    let pid = Pid::try_from(child.as_raw()).unwrap_or_default();
    let streams = [Some(output), Some(errors)];
    let child = RunningChild { streams, ..RunningChild::held(proc, pid)? };
    child.run(proc, interrupts, end, &mut Silent, OnInterrupt::Pass)
}

/// Runs a command to its end, or terminates it at its time limit. Signals that would end us are
/// passed on to it, except those from a keyboard, which reach it anyway. It is terminated
/// [`TIMEOUT`] after such a signal, or after a second one where the first was INT, which need not
/// end a command.
pub fn run_to_end(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    end: Option<Instant>,
) -> Result<CommandEnd, Error> {
    carry_through(proc, command, interrupts, end, None)
}

/// Runs a command to its end like [`run_to_end`], and calls `look` at this interval meanwhile. What
/// the command does at a signal is its own affair.
pub fn run_and_look(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    interval: Duration,
    look: &mut dyn FnMut(),
) -> Result<CommandEnd, Error> {
    carry_through(proc, command, interrupts, None, Some((interval, look)))
}

/// An action to repeat while a command runs, and the interval.
type Look<'l> = (Duration, &'l mut dyn FnMut());

fn carry_through(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    mut end: Option<Instant>,
    mut look: Option<Look<'_>>,
) -> Result<CommandEnd, Error> {
    let mut started = match RunningChild::start(proc, interrupts, command)? {
        Start::Running(started) => started,
        Start::Failed(error) => return Ok(CommandEnd::NotRun(error)),
    };
    let mut first_signal = None;
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let interval = look.as_ref().map(|(interval, _)| *interval);
        let timeout = left.into_iter().chain(interval).min();
        match started.wait(proc, interrupts, timeout, &mut Silent)? {
            Conclusion::Finished => {
                return Ok(match started.result()? {
                    Ok(status) => CommandEnd::Ended { status, signal: first_signal },
                    Err(error) => CommandEnd::NotRun(error),
                });
            }
            Conclusion::TimedOut if end.is_none_or(|end| Instant::now() < end) => {
                if let Some((_, look)) = &mut look {
                    look();
                }
            }
            Conclusion::TimedOut => {
                started.terminate(proc, interrupts)?;
                let late = || io::Error::new(io::ErrorKind::TimedOut, "it took too long");
                return Ok(
                    first_signal.map_or_else(|| CommandEnd::NotRun(late()), CommandEnd::Terminated)
                );
            }
            Conclusion::Interrupted(signal) => {
                if !interrupts.is_from_keyboard() {
                    started.send(signal);
                }
                if look.is_none() && (signal != Signal::INT || first_signal.is_some()) {
                    let soon = Instant::now() + TIMEOUT;
                    end = Some(end.map_or(soon, |end| end.min(soon)));
                }
                first_signal = first_signal.or(Some(signal));
            }
        }
    }
}

/// Runs a command that prints an answer, within this time; `None` when it gave none.
pub fn ask(
    proc: &Proc,
    mut command: Command,
    interrupts: &Interrupts,
    limit: Duration,
) -> Result<Option<Vec<u8>>, Error> {
    let failed = |error: io::Error| Error::from_io("read an answer", &error);
    let (mut output, child_output) = io::pipe().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(child_output).stderr(Stdio::null());
    let Start::Running(mut started) = RunningChild::start(proc, interrupts, command)? else {
        return Ok(None);
    };
    let conclusion = started.wait(proc, interrupts, Some(limit), &mut Silent)?;
    if conclusion != Conclusion::Finished {
        started.terminate(proc, interrupts)?;
        if let Conclusion::Interrupted(signal) = conclusion {
            // The caller acts on it.
            interrupts.requeue(signal);
        }
        return Ok(None);
    }
    // The command has ended, so that this does not block: an answer that is too long for the pipe
    // would have kept it from ending.
    let mut answer = Vec::new();
    output.read_to_end(&mut answer).map_err(failed)?;
    Ok(started.result()?.is_ok_and(|status| status.success()).then_some(answer))
}

/// A child that we have started. No other process has its pid before we reap it.
struct RunningChild {
    pid: Pid,
    /// `None` where the kernel has no pidfds (before Linux 5.3), or a sandbox forbids them.
    reference: Option<Reference>,
    /// The pipe of [`Interrupts::start`]; `None` for a closure.
    outcome: Option<PipeReader>,
    /// Our ends of its standard output and standard error, where we pass these on.
    streams: [Option<PipeReader>; 2],
}

/// The result of starting a command.
enum Start {
    Running(RunningChild),
    /// The command could not be started, which is no error of ours.
    Failed(io::Error),
}

impl RunningChild {
    fn start(proc: &Proc, interrupts: &Interrupts, command: Command) -> Result<Start, Error> {
        let (pid, outcome) = match interrupts.start(command) {
            Ok(started) => started,
            Err(error) => return Ok(Start::Failed(error)),
        };
        let child = RunningChild::held(proc, pid)?;
        Ok(Start::Running(RunningChild { outcome: Some(outcome), ..child }))
    }

    /// Holds a child that was just started. Errors: it cannot be waited for, and was killed.
    fn held(proc: &Proc, pid: Pid) -> Result<RunningChild, Error> {
        let child = RunningChild { pid, reference: None, outcome: None, streams: [None, None] };
        match proc.lookup(pid, Reference::by_number(pid)) {
            Ok(Lookup::Found(reference)) => {
                Ok(RunningChild { reference: Some(reference), ..child })
            }
            Ok(_) => Ok(child),
            Err(error) => {
                // It must not run on without us.
                child.send(Signal::KILL);
                child.reap()?;
                Err(error.into())
            }
        }
    }

    /// Waits until it ends or its time is over, and passes on what it writes to pipes of ours. It is
    /// terminated with its descendants when we receive a signal to end.
    fn run(
        mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        end: Option<Instant>,
        observer: &mut dyn Observer,
        on_interrupt: OnInterrupt,
    ) -> Result<CommandResult, Error> {
        let streams = std::mem::take(&mut self.streams).map(|stream| stream.map(OwnedFd::from));
        let relay =
            Relay::begin(streams).map_err(|error| Error::from_io("pass on an output", &error));
        let timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
        let mut conclusion = self.wait(proc, interrupts, timeout, observer)?;
        if conclusion == Conclusion::Interrupted(Signal::INT) && on_interrupt == OnInterrupt::Pass {
            if !interrupts.is_from_keyboard() {
                self.send(Signal::INT);
            }
            let end = self.wait(proc, interrupts, Some(TIMEOUT), observer)?;
            conclusion = if end == Conclusion::TimedOut { conclusion } else { end };
        }
        let result = match conclusion {
            Conclusion::Finished => self
                .result()
                .map(|status| status.map_or_else(CommandResult::NotStarted, CommandResult::Ended)),
            Conclusion::Interrupted(signal) => {
                self.terminate(proc, interrupts)?;
                Ok(CommandResult::Interrupted(signal))
            }
            Conclusion::TimedOut => {
                self.terminate(proc, interrupts)?;
                Ok(CommandResult::TimedOut)
            }
        };
        relay?.finish();
        result
    }

    fn wait(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        timeout: Option<Duration>,
        observer: &mut dyn Observer,
    ) -> Result<Conclusion, Error> {
        match &self.reference {
            Some(reference) => {
                let mut operation = Operation::new(proc, Order::wait(timeout), interrupts);
                operation.add(Target::held(reference.clone()))?;
                let conclusion = operation.carry_out(observer)?;
                if conclusion == Conclusion::Finished
                    && !operation.targets().iter().all(Target::has_ended)
                {
                    // The command has an outcome, but not an exit: its pidfd reports none.
                    return self.poll_until_ended(interrupts, timeout);
                }
                Ok(conclusion)
            }
            None => self.poll_until_ended(interrupts, timeout),
        }
    }

    /// Waits for the command where no descriptor reports its end.
    fn poll_until_ended(
        &self,
        interrupts: &Interrupts,
        timeout: Option<Duration>,
    ) -> Result<Conclusion, Error> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if has_ended(self.pid)? {
                return Ok(Conclusion::Finished);
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                return Ok(Conclusion::TimedOut);
            }
            if let Some(signal) = interrupts.wait(PAUSE)? {
                return Ok(Conclusion::Interrupted(signal));
            }
        }
    }

    /// Sends a signal to the command. Errors are ignored: a command that has exited needs none.
    fn send(&self, signal: Signal) {
        match &self.reference {
            Some(reference) => _ = reference.send(signal),
            None => signal_child(self.pid, signal),
        }
    }

    /// Terminates the command with all its descendants, and kills them after [`TIMEOUT`]. A second
    /// signal to us kills them at once.
    fn terminate(&self, proc: &Proc, interrupts: &Interrupts) -> Result<(), Error> {
        match self.reference.clone() {
            Some(reference) => self.terminate_tree(proc, interrupts, reference)?,
            None => {
                self.send(Signal::TERM);
                if self.poll_until_ended(interrupts, Some(TIMEOUT))? != Conclusion::Finished {
                    self.send(Signal::KILL);
                    self.poll_until_ended(interrupts, Some(TIMEOUT))?;
                }
            }
        }
        // A command that is stuck in the kernel is not waited for: that would hold up everything.
        self.reap_by(WaitOptions::NOHANG).map(drop)
    }

    fn terminate_tree(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        reference: Reference,
    ) -> Result<(), Error> {
        let order = Order { tree: true, ..Order::termination(Some(TIMEOUT)) };
        let mut operation = Operation::new(proc, order, interrupts);
        operation.add(Target::held(reference))?;
        if let Conclusion::Interrupted(_) = operation.carry_out(&mut Silent)? {
            // An error is ignored: a process that has exited needs no signal.
            operation.targets().iter().filter_map(|target| target.reference.as_ref()).for_each(
                |reference| {
                    let _ = reference.send(Signal::KILL);
                },
            );
            self.wait(proc, interrupts, Some(TIMEOUT), &mut Silent)?;
        }
        Ok(())
    }

    /// Returns its exit status after its end, or the error for which the command was not run.
    fn result(&mut self) -> Result<io::Result<ExitStatus>, Error> {
        let status = self.reap()?;
        let mut number = [0; size_of::<i32>()];
        // The pipe is empty where the command was run, or the child was killed before.
        let is_failure =
            self.outcome.as_mut().is_some_and(|outcome| outcome.read_exact(&mut number).is_ok());
        let error = io::Error::from_raw_os_error(i32::from_ne_bytes(number));
        Ok(if is_failure { Err(error) } else { Ok(status) })
    }

    /// Waits for its end without a limit, and returns its exit status.
    fn reap(&self) -> Result<ExitStatus, Error> {
        loop {
            if let Some(status) = self.reap_by(WaitOptions::empty())? {
                return Ok(status);
            }
        }
    }

    /// Returns its exit status; `None` while it runs.
    fn reap_by(&self, options: WaitOptions) -> Result<Option<ExitStatus>, Error> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        match waitpid(pid, options) {
            Ok(waited) => Ok(waited.map(|(_, status)| ExitStatus::from_raw(status.as_raw()))),
            Err(rustix::io::Errno::INTR) => Ok(None),
            Err(errno) => Err(Error::kernel("wait for a command")(errno)),
        }
    }
}
