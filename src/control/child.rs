//! Commands that we run and wait for, while signals to us are watched.

mod daemon;

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{WaitOptions, waitpid};

use super::kernel::fork;
use super::launch::{Launch, Launched, leave_terminal};
use super::relay::{Filter, Relay};
use super::{
    Action, Conclusion, Error, Interrupts, Observer, Operation, Order, Reference, Signal, Silent,
    Target, has_ended, signal_child,
};
use crate::process::{Lookup, Pid, Proc};

pub use daemon::{run_starter, start_daemon};

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
    /// It could not be started.
    NotRun(io::Error),
    /// It was terminated at its time limit.
    TimedOut,
    /// It did not end after this signal, which we received and passed on, and was terminated.
    Terminated(Signal),
}

/// Time for a command to end after TERM.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Time for a command to end after KILL.
const KILLED: Duration = Duration::from_secs(1);

/// Time between two checks whether a command has ended, where no descriptor reports it.
const PAUSE: Duration = Duration::from_millis(10);

/// Most bytes of an answer, the largest pipe that any user may have by default (pipe(7)).
const LONGEST_ANSWER: usize = 1024 * 1024;

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
    match RunningChild::start(proc, interrupts, command.into(), None)? {
        Start::Running(started) => {
            started.run(proc, interrupts, end, observer, OnInterrupt::Terminate)
        }
        Start::Failed(error) => Ok(CommandResult::NotStarted(error)),
    }
}

/// Runs a command as [`run`] does, and passes INT on to it.
pub fn run_and_pass(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    end: Option<Instant>,
) -> Result<CommandResult, Error> {
    match RunningChild::start(proc, interrupts, command.into(), None)? {
        Start::Running(started) => {
            started.run(proc, interrupts, end, &mut Silent, OnInterrupt::Pass)
        }
        Start::Failed(error) => Ok(CommandResult::NotStarted(error)),
    }
}

/// Runs a command as [`run_and_pass`] does, apart from us: in a session of its own, which its entry
/// makes, and without a standard stream of ours. It reads nothing, and what it writes is passed on
/// through these filters.
pub fn run_apart(
    proc: &Proc,
    launch: Launch<'_>,
    interrupts: &Interrupts,
    end: Option<Instant>,
    filters: [Filter; 2],
) -> Result<CommandResult, Error> {
    let failed = |error: io::Error| Error::from_io("make a pipe", &error);
    let nothing = File::open("/dev/null").map_err(failed)?;
    let (ours, [output, errors]) = pipes()?;
    let theirs = [nothing.into(), output.into(), errors.into()];
    match RunningChild::start(proc, interrupts, launch, Some(theirs))? {
        Start::Running(started) => {
            let started = RunningChild { streams: Some((ours, filters)), ..started };
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

/// Runs a closure in a child process until it ends or its time is over, as [`run_apart`] does with a
/// command. The closure returns the exit status of the child.
pub fn run_closure(
    proc: &Proc,
    interrupts: &Interrupts,
    end: Option<Instant>,
    filters: [Filter; 2],
    act: impl FnOnce() -> u8,
) -> Result<CommandResult, Error> {
    let (ours, [output, errors]) = pipes()?;
    let kept = [output.as_raw_fd(), errors.as_raw_fd()];
    let child = fork(&kept, || {
        // Only the leader of a process group is refused a session, which a new child is not.
        let led = rustix::stdio::dup2_stdout(&output)
            .and_then(|()| rustix::stdio::dup2_stderr(&errors))
            .and_then(|()| rustix::process::setsid());
        if led.is_err() || interrupts.let_through().is_err() {
            return 1;
        }
        act()
    });
    let child = child.map_err(|error| Error::from_io("start a process", &error))?;
    drop((output, errors));
    let pid = Pid::try_from(child.as_raw()).unwrap_or_default();
    let child = RunningChild { streams: Some((ours, filters)), ..RunningChild::held(proc, pid)? };
    child.run(proc, interrupts, end, &mut Silent, OnInterrupt::Pass)
}

/// Runs a command to its end, or terminates it at its time limit. Signals that would end us are
/// passed on to it, except those from a keyboard, which reach it anyway. It is terminated
/// [`TIMEOUT`] after such a signal, except INT, which need not end a command, and at a second one.
pub fn run_to_end<'l>(
    proc: &Proc,
    launch: impl Into<Launch<'l>>,
    interrupts: &Interrupts,
    end: Option<Instant>,
) -> Result<CommandEnd, Error> {
    carry_through(proc, launch.into(), interrupts, end, None)
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
    carry_through(proc, command.into(), interrupts, None, Some((interval, look)))
}

/// An action to repeat while a command runs, and the interval.
type Look<'l> = (Duration, &'l mut dyn FnMut());

fn carry_through(
    proc: &Proc,
    launch: Launch<'_>,
    interrupts: &Interrupts,
    mut end: Option<Instant>,
    mut look: Option<Look<'_>>,
) -> Result<CommandEnd, Error> {
    let mut started = match RunningChild::start(proc, interrupts, launch, None)? {
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
                return Ok(first_signal.map_or(CommandEnd::TimedOut, CommandEnd::Terminated));
            }
            Conclusion::Interrupted(signal) => {
                if !interrupts.is_from_keyboard() {
                    started.send(signal);
                }
                let time = match (signal, first_signal) {
                    (_, Some(_)) => Some(Duration::ZERO),
                    (Signal::INT, None) => None,
                    (_, None) => Some(TIMEOUT),
                };
                if let (Some(time), None) = (time, &look) {
                    let soon = Instant::now() + time;
                    end = Some(end.map_or(soon, |end| end.min(soon)));
                }
                first_signal = first_signal.or(Some(signal));
            }
        }
    }
}

/// Runs a command that prints an answer, within this time; `None` when it gave none. The command may
/// have the rights of another user, who can hold it up and keep its output open: it is apart from
/// our terminal, and nothing waits for the end of the output.
pub fn ask(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    limit: Duration,
) -> Result<Option<Vec<u8>>, Error> {
    let failed = |error: io::Error| Error::from_io("read an answer", &error);
    let nothing = || File::options().read(true).write(true).open("/dev/null").map_err(failed);
    let (output, child_output) = io::pipe().map_err(failed)?;
    // Where that is not permitted, a longer answer counts as none.
    let _ = fcntl_setpipe_size(&output, LONGEST_ANSWER);
    let streams = [nothing()?.into(), child_output.into(), nothing()?.into()];
    let launch = Launch { command, entry: Some(&leave_terminal) };
    let Start::Running(mut started) = RunningChild::start(proc, interrupts, launch, Some(streams))?
    else {
        return Ok(None);
    };
    let conclusion = started.wait(proc, interrupts, Some(limit), &mut Silent)?;
    if conclusion != Conclusion::Finished {
        started.kill(proc, interrupts)?;
        if let Conclusion::Interrupted(signal) = conclusion {
            // The caller acts on it.
            interrupts.requeue(signal);
        }
        return Ok(None);
    }
    let has_succeeded = started.result()?.is_ok_and(|status| status.success());
    let answer = read_what_is_there(output).map_err(failed)?;
    Ok(has_succeeded.then_some(answer))
}

/// Reads what stands in a pipe now. The command has ended, and an answer that is too long for the
/// pipe would have kept it from ending.
fn read_what_is_there(output: PipeReader) -> io::Result<Vec<u8>> {
    rustix::fs::fcntl_setfl(&output, OFlags::NONBLOCK)?;
    let mut answer = Vec::new();
    match output.take(LONGEST_ANSWER as u64).read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(answer),
    }
}

/// A child that we have started. No other process has its pid before we reap it.
struct RunningChild {
    pid: Pid,
    /// `None` where the kernel has no pidfds (before Linux 5.3), or a sandbox forbids them.
    reference: Option<Reference>,
    /// What is known of its start; `None` for a closure.
    launched: Option<Launched>,
    /// Our ends of its standard output and standard error, where it is apart from us and we pass
    /// these on, through the filters.
    streams: Option<([PipeReader; 2], [Filter; 2])>,
}

fn begin_relay(
    ([output, errors], [to_output, to_errors]): ([PipeReader; 2], [Filter; 2]),
) -> io::Result<Relay> {
    Relay::begin([(output.into(), to_output), (errors.into(), to_errors)])
}

/// The result of starting a command.
enum Start {
    Running(RunningChild),
    /// The command could not be started, which is no error of ours.
    Failed(io::Error),
}

impl RunningChild {
    fn start(
        proc: &Proc,
        interrupts: &Interrupts,
        launch: Launch<'_>,
        streams: Option<[OwnedFd; 3]>,
    ) -> Result<Start, Error> {
        let launched = match interrupts.start(launch, streams) {
            Ok(launched) => launched,
            Err(error) => return Ok(Start::Failed(error)),
        };
        let child = RunningChild::held(proc, launched.pid)?;
        Ok(Start::Running(RunningChild { launched: Some(launched), ..child }))
    }

    /// Holds a child that was just started. Errors: it cannot be waited for, and was killed.
    fn held(proc: &Proc, pid: Pid) -> Result<RunningChild, Error> {
        let child = RunningChild { pid, reference: None, launched: None, streams: None };
        match proc.lookup(pid, Reference::by_number(pid)) {
            Ok(Lookup::Found(reference)) => {
                Ok(RunningChild { reference: Some(reference), ..child })
            }
            Ok(_) => Ok(child),
            Err(error) => {
                // It must not run on without us.
                child.send(Signal::KILL);
                child.reap_by(WaitOptions::NOHANG)?;
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
        let streams = self.streams.take();
        let is_apart = streams.is_some();
        let relay = match streams.map(begin_relay).transpose() {
            Ok(relay) => relay,
            Err(error) => {
                self.terminate(proc, interrupts)?;
                return Err(Error::from_io("pass on an output", &error));
            }
        };
        let timeout = end.map(|end| end.saturating_duration_since(Instant::now()));
        let mut conclusion = self.wait(proc, interrupts, timeout, observer)?;
        if conclusion == Conclusion::Interrupted(Signal::INT) && on_interrupt == OnInterrupt::Pass {
            // A keyboard reaches what has our terminal.
            if is_apart || !interrupts.is_from_keyboard() {
                self.send(Signal::INT);
            }
            let end = self.wait(proc, interrupts, Some(TIMEOUT), observer)?;
            conclusion = if end == Conclusion::TimedOut { conclusion } else { end };
        }
        let result = match conclusion {
            Conclusion::Finished => match self.result()? {
                Ok(status) => CommandResult::Ended(status),
                Err(error) => CommandResult::NotStarted(error),
            },
            Conclusion::Interrupted(signal) => {
                self.terminate(proc, interrupts)?;
                CommandResult::Interrupted(signal)
            }
            Conclusion::TimedOut => {
                self.terminate(proc, interrupts)?;
                CommandResult::TimedOut
            }
        };
        let passed_on = relay.map_or(Ok(()), Relay::finish);
        if let CommandResult::Ended(_) = result {
            passed_on.map_err(Error::kernel("pass on an output"))?;
        }
        Ok(result)
    }

    fn wait(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        timeout: Option<Duration>,
        observer: &mut dyn Observer,
    ) -> Result<Conclusion, Error> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(reference) = &self.reference {
            let mut operation = Operation::new(proc, Order::wait(timeout), interrupts);
            operation.add(Target::held(reference.clone()))?;
            let conclusion = operation.carry_out(observer)?;
            if conclusion != Conclusion::Finished {
                return Ok(conclusion);
            }
        }
        // The command may have an outcome, but not an exit that its pidfd reports. And when somebody
        // traces it, its end is ours only after its tracer has reaped it (ptrace(2)).
        self.poll_until_ended(interrupts, end)
    }

    /// Waits for the command where no descriptor reports its end.
    fn poll_until_ended(
        &self,
        interrupts: &Interrupts,
        end: Option<Instant>,
    ) -> Result<Conclusion, Error> {
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
                let soon = || Some(Instant::now() + TIMEOUT);
                self.send(Signal::TERM);
                if self.poll_until_ended(interrupts, soon())? != Conclusion::Finished {
                    self.send(Signal::KILL);
                    self.poll_until_ended(interrupts, soon())?;
                }
            }
        }
        // A command that is stuck in the kernel is not waited for: that would hold up everything.
        if let (None, Some(launched)) = (self.reap_by(WaitOptions::NOHANG)?, &self.launched) {
            launched.take_back_streams();
        }
        Ok(())
    }

    /// Kills it with its descendants.
    fn kill(&self, proc: &Proc, interrupts: &Interrupts) -> Result<(), Error> {
        let Some(reference) = self.reference.clone() else {
            return self.terminate(proc, interrupts);
        };
        let order = Order { tree: true, ..Order::new(Action::Kill, Some(KILLED)) };
        let mut operation = Operation::new(proc, order, interrupts);
        operation.add(Target::held(reference))?;
        if let Conclusion::Interrupted(signal) = operation.carry_out(&mut Silent)? {
            interrupts.requeue(signal);
        }
        // One that is stuck in the kernel is not waited for.
        self.reap_by(WaitOptions::NOHANG)?;
        Ok(())
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
        let failure = self.launched.as_mut().map_or(Ok(None), Launched::failure);
        let failure = failure.map_err(|error| Error::from_io("ask a child", &error))?;
        Ok(failure.map_or(Ok(status), Err))
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
