//! The words of `cron-graceful`: names in JSON, remarks and warnings, each made from one type of
//! `cron`.

use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt;
use std::time::UNIX_EPOCH;

use super::super::{human, put};
use super::OtherRun;
use crate::control::Signal;
use crate::cron::kinds::{self, Scheduler};
use crate::cron::{
    AdditionsFailure, Daemon, DaemonProof, DaemonSelector, Effect, EndedJob, Event, HoldEnd,
    Holder, Job, JobOrigin, Missed, OnTimeout, Plan, RejectReason, Rejected, Repaused,
    ShutdownResult, StopMethod, Supervisor, Timer, Warning,
};
use crate::output::progress::duration;
use crate::process::Pid;

/// Returns the names of all kinds of cron.
pub fn daemon_names() -> Vec<&'static str> {
    kinds::of_cron().map(|kind| kind.name).collect()
}

/// Returns the daemons that run as an applet of another program, such as `busybox crond`.
pub fn daemon_applets(between: &str) -> String {
    let applets = kinds::of_cron().filter_map(|kind| Some((kind.multi_call?, kind.name)));
    let applets: Vec<String> =
        applets.map(|(program, name)| format!("{program}{between}{name}")).collect();
    applets.join(", ")
}

/// Returns the message that no daemon runs, with the names that were searched for.
pub fn no_daemon(wanted: &DaemonSelector) -> String {
    let names = match wanted {
        DaemonSelector::Of(Scheduler::Cron) => {
            format!("called {} or {}", daemon_names().join(", "), daemon_applets(" "))
        }
        DaemonSelector::Of(Scheduler::At) => return "no atd is running".to_owned(),
        DaemonSelector::Named(name) => format!("called {}", String::from_utf8_lossy(name)),
        DaemonSelector::Pid(pid) => format!("as process {pid}"),
    };
    format!("no cron daemon is running {names}")
}

/// Returns the text of a list without jobs. What earlier daemons have left behind is known by its
/// environment and output, which only the superuser sees.
pub fn no_job() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        "no cron job is running"
    } else {
        "no cron job is running, as far as an ordinary user sees"
    }
}

/// Returns the message about a result that the user did not wish for. `NotStopped` and
/// `Supervised` have none, because the reason was reported.
pub fn ending(result: &ShutdownResult, plan: &Plan, daemons: &[Daemon]) -> Option<String> {
    let has_daemon = !daemons.is_empty();
    // What runs cron may end it when it is paused, as a script with job control does that ends itself
    // then.
    let left_alone = if has_daemon && daemons.iter().all(Daemon::has_ended) {
        "cron has ended"
    } else {
        "cron runs on"
    };
    match result {
        ShutdownResult::Stopped
        | ShutdownResult::Supervised
        | ShutdownResult::NotStopped
        | ShutdownResult::Ran(_) => None,
        ShutdownResult::Held(end) => Some(match end {
            HoldEnd::Released(by) => format!("{by} has released cron, and {left_alone}"),
            HoldEnd::LeaseOver => format!("the lease is over, and {left_alone}"),
            HoldEnd::InputEnded => format!("standard input has ended, and {left_alone}"),
        }),
        ShutdownResult::Terminated if has_daemon => {
            Some("timed out: the remaining jobs were terminated, and cron is stopped".to_owned())
        }
        ShutdownResult::Terminated => {
            Some("timed out: the remaining jobs were terminated".to_owned())
        }
        ShutdownResult::TimedOut { left, .. } if !has_daemon => {
            Some(format!("timed out: {}", still_running(left)))
        }
        ShutdownResult::TimedOut { left, is_stopped } => {
            let cron = match (is_stopped, plan.on_timeout) {
                (true, _) => "cron is stopped".to_owned(),
                (false, OnTimeout::Stop) => "cron could not be stopped".to_owned(),
                (false, OnTimeout::Resume | OnTimeout::Terminate) if plan.command.is_empty() => {
                    left_alone.to_owned()
                }
                (false, OnTimeout::Resume | OnTimeout::Terminate) => {
                    format!("{left_alone}, and the command did not run")
                }
            };
            Some(format!("timed out, and {cron}: {}", still_running(left)))
        }
        ShutdownResult::Interrupted(Signal::PIPE, _) => {
            Some(format!("nobody reads the output any more: {left_alone} (see --detach)"))
        }
        ShutdownResult::Interrupted(_, left) if left.is_empty() => {
            Some(format!("interrupted, and {left_alone}"))
        }
        ShutdownResult::Interrupted(_, left) => {
            Some(format!("interrupted, and {left_alone}: {}", still_running(left)))
        }
        ShutdownResult::NotRun(error) => {
            let program = plan.command.first();
            let program = program.map(|program| program.display().to_string()).unwrap_or_default();
            Some(format!("cannot run '{program}': {error}"))
        }
    }
}

/// Returns the text about jobs when the time limit has passed. Their number is unknown where
/// processes of a job exit too fast, or another process continues cron.
fn still_running(left: &[Job]) -> String {
    if left.is_empty() {
        return "whether jobs are still running could not be found out in time".to_owned();
    }
    // As many as are listed below.
    match left.iter().filter(|job| job.is_of_interest(left)).count() {
        1 => "1 process of a job is still running".to_owned(),
        count => format!("{count} processes of jobs are still running"),
    }
}

/// Returns the end of the run in a word.
pub fn outcome(result: &ShutdownResult) -> &'static str {
    match result {
        ShutdownResult::Stopped => "stopped",
        ShutdownResult::Terminated => "terminated",
        ShutdownResult::Supervised => "supervised",
        ShutdownResult::NotStopped => "not stopped",
        ShutdownResult::TimedOut { .. } => "timed out",
        ShutdownResult::Interrupted(..) => "interrupted",
        ShutdownResult::Held(HoldEnd::Released(_) | HoldEnd::InputEnded) => "released",
        ShutdownResult::Held(HoldEnd::LeaseOver) => "lease over",
        ShutdownResult::Ran(_) => "ran",
        ShutdownResult::NotRun(_) => "not run",
    }
}

/// Returns the name of an event in JSON.
pub fn event_name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Paused(_) => "paused",
        Event::WasPaused(_) => "was paused",
        Event::Newcomer(_) => "newcomer",
        Event::Additions(_) => "additions",
        Event::Job(..) => "job",
        Event::Terminating(..) => "terminating",
        Event::NotTerminated(_) => "not terminated",
        Event::Ended(_) => "ended",
        Event::TimersStopped(_) => "timers stopped",
        Event::TimersStarted(_) => "timers started",
        Event::Service(_) => "service",
        Event::Drained(_) => "drained",
        Event::Held(..) => "held",
        Event::Command(_) => "command",
        Event::Resumed(_) => "resumed",
        Event::Missed(..) => "missed",
        Event::HasEnded(_) => "has ended",
        Event::Stopping(..) => "stopping",
        Event::Stopped(_) => "stopped",
        Event::Warning(_) => "warning",
    }
}

/// Returns the text about an event for the log, if it is something that we do. Signals are logged
/// where they are sent.
pub fn deed(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Newcomer(daemon) => Some(newcomer(daemon)),
        Event::Additions(path) => Some(format!("running {}", path.display())),
        Event::Command(command) => {
            Some(format!("running {} while no cron job does", command.display()))
        }
        Event::Held(holder, _) => Some(format!("cron is {}", held(holder))),
        Event::Stopping(daemon, way) => {
            Some(format!("stopping cron, process {}, by {}", daemon.pid, method(way)))
        }
        Event::Resumed(daemon) => Some(format!("cron, process {}, runs on", daemon.pid)),
        Event::HasEnded(daemon) => Some(format!("cron, process {}, has ended", daemon.pid)),
        Event::Stopped(daemon) => Some(format!("cron, process {}, is stopped", daemon.pid)),
        Event::TimersStopped(timers) => Some(timers_stopped(timers)),
        Event::TimersStarted(timers) => Some(timers_started(timers)),
        Event::Warning(warning) => Some(warning_text(warning)),
        _ => None,
    }
}

/// Returns the text about timers that are stopped.
pub fn timers_stopped(timers: &[Timer]) -> String {
    format!("{} stopped: {}", counted(timers.len(), "timer is", "timers are"), units(timers))
}

/// Returns the text about timers that are active.
pub fn timers_active(timers: &[Timer]) -> String {
    format!("{} active: {}", counted(timers.len(), "timer is", "timers are"), units(timers))
}

fn units(timers: &[Timer]) -> String {
    let names: Vec<&str> = timers.iter().map(|timer| timer.unit.as_str()).collect();
    names.join(", ")
}

/// Returns the text about timers that are active again.
pub fn timers_started(timers: &[Timer]) -> String {
    match timers.len() {
        0 => "the timers are active again that an earlier run had stopped".to_owned(),
        number => counted(number, "timer is", "timers are") + " active again",
    }
}

/// Returns a number with one of two nouns.
fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// What starts jobs beside cron and is not included.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotIncluded {
    /// Number of jobs of at(1) that run.
    pub at_jobs: usize,
    /// Number of active timers of the system; `None` where systemd does not tell.
    pub timers: Option<usize>,
}

impl NotIncluded {
    /// Returns the line about it, if there is anything.
    pub fn text(&self) -> Option<String> {
        let (mut what, mut names) = (Vec::new(), Vec::new());
        if self.at_jobs > 0 {
            what.push(counted(self.at_jobs, "at job runs", "at jobs run"));
            names.push("at");
        }
        if self.timers != Some(0) {
            what.push(match self.timers {
                Some(timers) => counted(timers, "timer is active", "timers are active"),
                None => "systemd does not tell whether timers are active".to_owned(),
            });
            names.push("timers");
        }
        let verb = if self.at_jobs + self.timers.unwrap_or_default() == 1 { "it" } else { "them" };
        let (what, names) = (what.join(", "), names.join(","));
        (!what.is_empty()).then(|| format!("{what}: --with {names} includes {verb}"))
    }
}

/// Returns until when cron is held, and who has ordered it.
pub fn held(holder: &Holder) -> String {
    let mut text = b"held".to_vec();
    if !holder.with.names().is_empty() {
        put(&mut text, format_args!(" with {}", holder.with.names().join(" and ")));
    }
    if let Some(until) = holder.until {
        text.extend_from_slice(b" until ");
        let seconds = until.duration_since(UNIX_EPOCH).unwrap_or_default();
        human::date(&mut text, seconds.as_secs_f64(), " ");
    }
    format!("{} by {}", String::from_utf8_lossy(&text), holder.by)
}

/// Returns the same with the time since when it is held.
pub fn held_since(holder: &Holder) -> String {
    let mut since = Vec::new();
    let seconds = holder.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    human::date(&mut since, seconds.as_secs_f64(), " ");
    let (held, since, pid) = (held(holder), String::from_utf8_lossy(&since), holder.pid);
    format!("{held} since {since} (process {pid}); --release lets it run on")
}

/// Describes another run that is at work.
pub fn at_work(run: &OtherRun) -> String {
    let lasting = run.since.and_then(|since| since.elapsed().ok());
    let known = [
        run.pid.map(|pid| format!("process {pid}")),
        lasting.map(|lasting| format!("for {}", duration(lasting))),
        run.by.as_ref().map(|by| format!("by {by}")),
        run.will_hold.then(|| "to hold it".to_owned()),
    ];
    let known = known.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let details = if known.is_empty() { known } else { format!(" ({known})") };
    format!("another cron-graceful{details}")
}

/// Returns the message about a daemon that was started meanwhile.
pub fn newcomer(daemon: &Daemon) -> String {
    format!("somebody has started {}: it is paused too", process(daemon))
}

/// Returns the name of a proof in JSON.
pub fn proof(proof: &DaemonProof) -> &'static str {
    match proof {
        DaemonProof::Lock(_) => "lock",
        DaemonProof::PidFile(_) => "pid file",
        DaemonProof::Place => "place",
        DaemonProof::Named => "named",
    }
}

/// Returns the name of an origin in JSON.
pub fn origin_name(origin: JobOrigin) -> &'static str {
    match origin {
        JobOrigin::Job => "job",
        JobOrigin::Worker => "worker",
        JobOrigin::Mail => "mail",
        JobOrigin::Descendant => "descendant",
        JobOrigin::Session => "session",
        JobOrigin::Group => "process group",
        JobOrigin::Reappeared => "reappeared",
        JobOrigin::Cgroup => "cgroup",
        JobOrigin::Audit => "audit session",
        JobOrigin::Output => "output",
        JobOrigin::Earlier => "earlier cron",
        JobOrigin::Daemon => "daemon",
        JobOrigin::Perhaps => "perhaps",
        JobOrigin::Service => "service",
    }
}

/// Returns the remark about an origin that is shown beside a command.
pub fn origin_note(origin: JobOrigin) -> Option<&'static str> {
    match origin {
        JobOrigin::Job => None,
        JobOrigin::Worker => Some("its job has not begun yet, or its output is waited for"),
        JobOrigin::Mail => Some("sends mail"),
        JobOrigin::Descendant => Some("run by a job"),
        JobOrigin::Session => Some("left behind in a job's session"),
        JobOrigin::Group => Some("left behind in a job's process group"),
        JobOrigin::Reappeared => {
            Some("in the session of a job that has ended: left behind by it, or not of it")
        }
        JobOrigin::Cgroup => Some("left behind in cron's control group"),
        JobOrigin::Audit => Some("left behind in a job's audit session"),
        JobOrigin::Output => Some("left behind by a job, and its output still goes to cron"),
        JobOrigin::Earlier => {
            Some("a job of a cron that has ended: it looks like one, and is never terminated")
        }
        JobOrigin::Daemon => Some("a daemon that a job started"),
        JobOrigin::Service => Some("of a service that a timer has started"),
        JobOrigin::Perhaps => {
            Some("perhaps of cron: its parent has ended, and it has the environment of a job")
        }
    }
}

/// Returns the name of an effect in JSON.
pub fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::All => "all",
        Effect::Once => "once",
        Effect::Fixed => "fixed",
        Effect::Nothing => "none",
        Effect::Unknown => "unknown",
    }
}

/// Returns the text about what a daemon does with the jobs that it has missed.
pub fn catching_up(daemon: &Daemon, missed: &Missed) -> String {
    let (who, time) = (process(daemon), duration(missed.length));
    match missed.effect {
        Effect::All => format!("{who} was paused for {time}, and runs all jobs that it has missed"),
        Effect::Once => {
            format!("{who} was paused for {time}, and runs each job that it has missed once")
        }
        Effect::Fixed => format!(
            "{who} was paused for {time}: it runs once each job that it has missed at a fixed \
             time, and no job with * in minute or hour"
        ),
        Effect::Nothing => format!(
            "{who} was paused for {time}: after so long it runs none of the jobs that it has missed"
        ),
        Effect::Unknown => format!(
            "{who} was paused for {time}: whether it runs the jobs that it has missed is not known"
        ),
    }
}

/// Returns how an awaited job has ended: by its exit status, a signal, or unknown.
pub fn how_it_ended(ended: &EndedJob) -> String {
    let by_us = if ended.is_killed { "KILL" } else { "TERM" };
    match ended.status {
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(number)) => format!("signal {}", signal_name(number)),
            (None, None) => "an unknown status".to_owned(),
        },
        None if ended.is_terminated => format!("signal {by_us}"),
        None => "an unknown status".to_owned(),
    }
}

/// Returns the name of a signal, or its number if it has none.
pub fn signal_name(number: i32) -> String {
    Signal::from_number(number).map_or_else(|| number.to_string(), |signal| signal.to_string())
}

/// Returns the remark about a state in which a job will not end soon.
pub fn state_note(state: u8) -> Option<&'static str> {
    match state {
        b'T' | b't' => Some("stopped: it will not end by itself"),
        b'D' => Some("stuck in the kernel"),
        _ => None,
    }
}

/// Returns the text about how a daemon is stopped, or why it is not.
pub fn method(method: &StopMethod) -> Cow<'static, str> {
    match method {
        StopMethod::Unit(unit) => format!("systemctl stop {unit}").into(),
        StopMethod::Signal { .. } => "TERM".into(),
        StopMethod::Supervised(supervisor) => {
            format!("nothing: {} would start it again", supervisor.name).into()
        }
        StopMethod::First => "nothing: it is the first process".into(),
        StopMethod::Untold => "nothing: systemd does not tell whether it runs it".into(),
    }
}

/// Returns the text about how a daemon is stopped after its jobs, for a rehearsal.
pub fn stop_later(daemon: &Daemon, way: &StopMethod) -> String {
    let by = method(way);
    if *way == (StopMethod::Signal { may_return: true }) {
        format!(
            "{by} when no job runs any more, and look whether its parent, process {}, starts it \
             again",
            daemon.parent
        )
    } else {
        format!("{by} when no job runs any more")
    }
}

/// Says why the process that the user named is no daemon.
pub fn not_a_daemon(pid: Pid, rejected: Option<&Rejected>) -> String {
    let why = rejected.map_or("there is no such process", |process| reject_reason(process.why));
    format!("process {pid} is no cron daemon: {why}")
}

/// Returns the text about why a process is no daemon.
pub fn reject_reason(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::NotRoot => "the superuser does not run it",
        RejectReason::OtherNamespace => "it is in another pid namespace, as in a container",
        RejectReason::Worker => "it is a worker of a cron that waits for a job",
        RejectReason::NoLock => "it holds no lock on a pid file, as a daemon of that name does",
        RejectReason::Ours => "this very command runs below it",
        RejectReason::Ended => "it has ended, and waits for its parent to ask for its status",
    }
}

/// Returns the message of a warning.
pub fn warning_text(warning: &Warning<'_>) -> String {
    match warning {
        Warning::FirstNotHeld => {
            "cron is the first process here and cannot be paused from inside: \
                                  it cannot be held"
                .to_owned()
        }
        Warning::FirstNotRun => "cron is the first process here and cannot be paused from inside: \
                                 the command is not run"
            .to_owned(),
        Warning::InputEnded => {
            "standard input has ended before cron was held, and cron runs on".to_owned()
        }
        Warning::FirstNotPaused => {
            "cron is the first process here and cannot be paused from inside: only the jobs that \
             run now are waited for"
                .to_owned()
        }
        Warning::NotPaused(pid) => format!("process {pid} could not be paused"),
        Warning::Continued(pid, repaused) => {
            let what = match repaused {
                Repaused::Paused => "it is paused again",
                Repaused::PausedEachTime => {
                    "it is paused again, as each time, and this is not told any more"
                }
                Repaused::Exited => "it has ended",
                Repaused::NotPaused => {
                    "it cannot be paused as long as that goes on, and may start jobs"
                }
            };
            format!("somebody has continued process {pid}: {what}")
        }
        Warning::RanMeanwhile(pid) => {
            format!("somebody has continued process {pid}: jobs may have run meanwhile")
        }
        Warning::Unwatched(error) => {
            format!("whether another cron was started meanwhile is unknown: {error}")
        }
        Warning::NotContinued(pid) => format!("process {pid} could not be continued"),
        Warning::FixedTimer(unit) => format!(
            "{unit} stays active, and may start a job: after a stop it would not come back, or other \
             units would be stopped with it"
        ),
        Warning::SilentManager(uid) => format!(
            "the service manager of user {uid} does not answer: timers of that user may start jobs"
        ),
        Warning::TimersRun => {
            "somebody has started timers, and they could not be stopped".to_owned()
        }
        Warning::Timers(error) => error.to_string(),
        Warning::TimerMissed(unit) => {
            format!("{unit} was due meanwhile, and does not make up for it (Persistent=no)")
        }
        Warning::TimerGone(unit) => {
            format!("{unit} is not started again: it was disabled or removed meanwhile")
        }
        Warning::TimersNotStarted(units) => {
            format!("timers could not be started again: {}", units.join(", "))
        }
        Warning::LeftNotStarted(script) => format!(
            "not all timers of '{}' could be started again: see systemctl list-timers --all",
            script.display()
        ),
        Warning::NotTold => "processes of jobs start and end again and again: further ones are \
                             waited for, and not told of one by one"
            .to_owned(),
        Warning::RunByJob => {
            "this command is run by a cron job itself, which is not waited for".to_owned()
        }
        Warning::AdditionsTooLate(path) => {
            format!("{} took too long, and was terminated", path.display())
        }
        Warning::Additions(path, failure) => {
            format!("{} {}: going on without it", path.display(), additions_failure(failure))
        }
        Warning::LeftRunning(daemon, method) => left_running(daemon, method),
        Warning::NoSystemctl => "there is no systemctl on $PATH".to_owned(),
        Warning::Systemctl(error) => format!("systemctl could not be run: {error}"),
        Warning::NotStopped(daemon, by) => {
            format!("{} has not ended by {}: it is left running", process(daemon), method(by))
        }
        Warning::Replaced(daemon, successor) => format!(
            "{} has ended, but process {successor} runs in its place: whoever started that would \
             do so again",
            process(daemon)
        ),
        Warning::NotRecorded(error) => format!(
            "how cron can be started again could not be recorded, so that --start will not do it: \
             {error}"
        ),
        Warning::InitScript(daemon) => {
            let name = String::from_utf8_lossy(&daemon.name);
            format!("service {name} stop failed, after the daemon had ended")
        }
    }
}

fn additions_failure(failure: &AdditionsFailure) -> String {
    match failure {
        AdditionsFailure::TimedOut => "took too long, and was terminated".to_owned(),
        AdditionsFailure::Failed(status) => format!("failed ({status})"),
        AdditionsFailure::NotStarted(error) => format!("could not be run ({error})"),
    }
}

/// Returns the text about why a daemon is not stopped, and what to do.
pub fn left_running(daemon: &Daemon, method: &StopMethod) -> String {
    let who = process(daemon);
    match method {
        StopMethod::First => format!(
            "{who} is the first process here and cannot be stopped from inside: stop the \
             container instead"
        ),
        StopMethod::Supervised(supervisor) => format!(
            "{who} is run by {} (process {}), which would start it again: nothing was done. {}",
            supervisor.name,
            supervisor.pid,
            stop_there(supervisor)
        ),
        StopMethod::Untold => format!(
            "{who} is in a service, and systemd does not tell whether it runs it: see systemctl \
             status"
        ),
        StopMethod::Unit(_) | StopMethod::Signal { .. } => format!("{who} is left running"),
    }
}

/// Returns the advice how a supervisor is made to stop its daemon.
fn stop_there(supervisor: &Supervisor) -> String {
    match (&supervisor.stop, supervisor.control) {
        (Some(command), _) if command.iter().all(|word| std::str::from_utf8(word).is_ok()) => {
            let words = command.iter().map(|word| String::from_utf8_lossy(word));
            let words: Vec<String> = words.map(|word| quoted(&word)).collect();
            format!("To have it stopped while no job runs: cron-graceful -- {}", words.join(" "))
        }
        // A name that is no text cannot be shown so that it could be typed.
        (_, Some(control)) => format!(
            "To have it stopped while no job runs, give cron-graceful the command for that: \
             cron-graceful -- {control} ..."
        ),
        (_, None) => "Stop it there".to_owned(),
    }
}

/// Returns a word as a shell reads it.
pub fn quoted(word: &str) -> String {
    // This fails only for a word with a zero byte, which no argument has.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}

fn process(daemon: &Daemon) -> String {
    format!("process {} ({})", daemon.pid, String::from_utf8_lossy(&daemon.name))
}
