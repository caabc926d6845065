//! Stopping timers of systemd for a while. A script in /run starts exactly these again: we run it at
//! the end, or a guardian does when we die or hang.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::timers::{ActiveTimers, Asker, LOOK, Manager, Timer, TimerRun};
use super::{Error, Event, EventSink, Warning};
use crate::command::program;
use crate::control::child::{self, CommandEnd};
use crate::control::{self, Guardian, Interrupts};
use crate::deadlines;
use crate::process::Proc;

/// The script, as long as the timers are to be started again.
pub const SCRIPT: &str = "/run/cron-graceful.timers";

/// The script of timers that were stopped together with cron, for good.
pub const STOPPED: &str = "/run/cron-graceful.timers-stopped";

/// The programs of the system, for a script that nobody's $PATH may lead elsewhere.
const PROGRAMS: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Timers that are stopped.
pub struct TimerPause {
    stopped: Vec<Timer>,
    guardian: Guardian,
    limit: Option<Instant>,
    /// What the timers had started when they were stopped and had not ended at the last question.
    runs: Vec<TimerRun>,
    /// The users whose service manager gives no answer.
    silent: Vec<u32>,
    /// The units that were reported as queued.
    told: BTreeSet<String>,
    /// The time of the next question whether timers were started.
    next: Instant,
    /// `true` if it was reported that systemd gives no answer.
    is_warned: bool,
}

impl TimerPause {
    /// Stops these timers. `limit` is the time at which a guardian starts them again in any case.
    /// Errors: they cannot be stopped, or a signal has come meanwhile; then they are started again.
    pub fn begin(
        proc: &Proc,
        found: ActiveTimers,
        limit: Option<Instant>,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<TimerPause, Error> {
        let guardian = guardian(limit)?;
        let mut pause = TimerPause {
            stopped: Vec::new(),
            guardian,
            limit,
            runs: Vec::new(),
            silent: found.silent,
            told: BTreeSet::new(),
            next: Instant::now() + LOOK,
            is_warned: false,
        };
        for unit in &found.fixed {
            events.event(Event::Warning(Warning::FixedTimer(unit)));
        }
        for uid in &pause.silent {
            events.event(Event::Warning(Warning::SilentManager(*uid)));
        }
        if !pause.stop(proc, found.timers, interrupts, events)? {
            return Err(Error::TimersNotStopped);
        }
        pause.runs = Asker::new(proc, interrupts).runs(&pause.stopped)?;
        Ok(pause)
    }

    /// Stops further timers, and reports whether systemd says that it has.
    fn stop(
        &mut self,
        proc: &Proc,
        timers: Vec<Timer>,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<bool, Error> {
        if timers.is_empty() {
            return Ok(true);
        }
        let is_known = |timer: &Timer| self.stopped.iter().any(|other| other.is(timer));
        let fresh: Vec<Timer> = timers.iter().filter(|timer| !is_known(timer)).cloned().collect();
        self.stopped.extend(fresh);
        write_script(SCRIPT, &script(&self.stopped)).map_err(Error::TimerScript)?;
        let mut all = true;
        for (manager, units) in by_manager(&timers) {
            all &= order(proc, &manager.systemctl(), "stop", &units, interrupts)?;
        }
        events.event(Event::TimersStopped(&timers));
        Ok(all)
    }

    /// Stops timers that somebody has started meanwhile, and replaces a guardian that has ended.
    pub fn keep(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        if self.guardian.has_ended() {
            self.guardian = guardian(self.limit)?;
        }
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + LOOK;
        let found = match Asker::in_passing(proc, interrupts).timers(&self.silent) {
            Ok(found) => found,
            // The next look asks again.
            Err(Error::Timers) => {
                if !std::mem::replace(&mut self.is_warned, true) {
                    events.event(Event::Warning(Warning::Unwatched(&Error::Timers)));
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.silent.extend(found.silent);
        if !self.stop(proc, found.timers, interrupts, events)? {
            events.event(Event::Warning(Warning::TimersRun));
        }
        Ok(())
    }

    /// Returns the control groups of the services that the timers have started.
    pub fn groups(&self) -> impl Iterator<Item = &[u8]> {
        self.runs.iter().filter_map(|run| run.cgroup.as_deref())
    }

    /// Reports whether a service that the timers have started may not have ended, although no process
    /// of it was found: systemd may be about to start it, or to start it again.
    pub fn has_runs(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<bool, Error> {
        match Asker::in_passing(proc, interrupts).runs(&self.stopped) {
            Ok(runs) => self.runs = runs,
            // Whether one runs is not known, and the next look asks again.
            Err(Error::Timers) => return Ok(true),
            Err(error) => return Err(error),
        }
        for run in &self.runs {
            if self.told.insert(run.unit.clone()) {
                events.event(Event::Service(&run.unit));
            }
        }
        Ok(!self.runs.is_empty())
    }

    /// Changes the time at which the timers are started again in any case.
    pub fn extend(&mut self, limit: Option<Instant>) {
        self.limit = limit;
        // A guardian that has ended is replaced when that is noticed.
        let _ = self.guardian.limit(limit);
    }

    /// Starts the timers again.
    pub fn start_again(
        self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        if self.stopped.is_empty() {
            self.guardian.dismiss();
            return Ok(());
        }
        if run_script(proc, SCRIPT, interrupts)? {
            self.guardian.dismiss();
            events.event(Event::TimersStarted(&self.stopped));
        } else {
            // The guardian sees the end of its socket and tries too.
            events.event(Event::Warning(Warning::TimersNotStarted(SCRIPT)));
        }
        Ok(())
    }

    /// Leaves the timers stopped, as cron is, and keeps the script that starts them.
    pub fn leave(self) -> Result<(), Error> {
        let kept = fs::read_to_string(STOPPED).unwrap_or_default();
        let text =
            if kept.is_empty() { script(&self.stopped) } else { kept + &lines(&self.stopped) };
        if !self.stopped.is_empty() {
            write_script(STOPPED, &text).map_err(Error::TimerScript)?;
            fs::remove_file(SCRIPT).map_err(Error::TimerScript)?;
        }
        self.guardian.dismiss();
        Ok(())
    }
}

/// The timers that an earlier run has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftTimers {
    /// There are none.
    None,
    /// They are active again.
    Started,
    /// Not all of them could be started.
    NotStarted,
}

/// Starts the timers again that an earlier run has stopped for a while, which then was killed with
/// its guardians. The caller has the lock of cron-graceful.
pub fn start_left(
    proc: &Proc,
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<LeftTimers, Error> {
    start_by(SCRIPT, proc, interrupts, events)
}

/// Starts the timers again that an earlier run has stopped for good.
pub fn start_stopped(
    proc: &Proc,
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<LeftTimers, Error> {
    start_by(STOPPED, proc, interrupts, events)
}

/// Reports whether an earlier run has stopped timers for good.
pub fn are_stopped() -> bool {
    fs::symlink_metadata(STOPPED).is_ok()
}

/// Reports whether timers are stopped for a while, by a run that is at work or was killed.
pub fn are_left() -> bool {
    fs::symlink_metadata(SCRIPT).is_ok()
}

fn start_by(
    script: &'static str,
    proc: &Proc,
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<LeftTimers, Error> {
    match fs::symlink_metadata(script) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LeftTimers::None),
        Err(error) => return Err(Error::TimerScript(error)),
    }
    if run_script(proc, script, interrupts)? {
        events.event(Event::TimersStarted(&[]));
        Ok(LeftTimers::Started)
    } else {
        events.event(Event::Warning(Warning::TimersNotStarted(script)));
        Ok(LeftTimers::NotStarted)
    }
}

/// Starts a guardian that runs the script at this time, or when we die. Errors: it does not answer.
fn guardian(limit: Option<Instant>) -> Result<Guardian, Error> {
    let guardian = Guardian::start()?;
    let failed = |errno| control::Error::Kernel { what: "set up a guardian", errno };
    let orders = guardian
        .run_when_abandoned(SCRIPT)
        .and_then(|()| guardian.limit(limit))
        .and_then(|()| guardian.move_apart());
    orders.map_err(failed)?;
    if !guardian.has_heard() {
        return Err(Error::TimerGuardian);
    }
    Ok(guardian)
}

/// Returns the units of each manager.
fn by_manager(timers: &[Timer]) -> BTreeMap<&Manager, Vec<&str>> {
    let mut units: BTreeMap<&Manager, Vec<&str>> = BTreeMap::new();
    for timer in timers {
        units.entry(&timer.manager).or_default().push(&timer.unit);
    }
    units
}

/// Gives an order about units to a service manager, and reports whether it was carried out.
fn order(
    proc: &Proc,
    words: &[OsString],
    verb: &str,
    units: &[&str],
    interrupts: &Interrupts,
) -> Result<bool, Error> {
    let Some(found) = program::find(&words[0].to_string_lossy()) else { return Ok(false) };
    let mut command = Command::new(found);
    command.args(&words[1..]).args([verb, "--"]).args(units).stdout(Stdio::null());
    is_done(proc, command, interrupts)
}

/// Runs a script and removes it, and reports whether it has succeeded.
fn run_script(proc: &Proc, path: &str, interrupts: &Interrupts) -> Result<bool, Error> {
    let mut command = Command::new("/bin/sh");
    command.arg(path).stdout(Stdio::null());
    let is_done = is_done(proc, command, interrupts)?;
    if is_done {
        fs::remove_file(path).map_err(Error::TimerScript)?;
    }
    Ok(is_done)
}

fn is_done(proc: &Proc, command: Command, interrupts: &Interrupts) -> Result<bool, Error> {
    let limit = Instant::now().checked_add(deadlines::SYSTEMCTL_ORDER);
    let end = child::run_to_end(proc, command, interrupts, limit)?;
    Ok(match end {
        CommandEnd::Ended { status, signal } => {
            // What comes after this acts on it.
            signal.into_iter().for_each(|signal| interrupts.requeue(signal));
            status.success()
        }
        CommandEnd::Terminated(signal) => {
            interrupts.requeue(signal);
            false
        }
        CommandEnd::NotRun(_) | CommandEnd::TimedOut => false,
    })
}

/// Returns the script that starts timers.
fn script(timers: &[Timer]) -> String {
    format!("# cron-graceful has stopped these timers, and this starts them again.\n{PROGRAMS}\n")
        + &lines(timers)
}

/// Returns the lines that start timers. The names of units have no quotes.
fn lines(timers: &[Timer]) -> String {
    let mut text = String::new();
    for (manager, units) in by_manager(timers) {
        let words = manager.systemctl();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        text.push_str(&format!("{} start --", words.join(" ")));
        units.iter().for_each(|unit| text.push_str(&format!(" '{unit}'")));
        text.push_str(" || failed=1\n");
    }
    text + "[ -z \"$failed\" ]\n"
}

/// Writes a script as a whole. /run is the superuser's.
fn write_script(path: &str, text: &str) -> io::Result<()> {
    let new = format!("{path}.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_starts_the_timers_of_each_manager() {
        let timer = |manager: Manager, unit: &str| Timer::named(manager, unit);
        let user = Manager::User { uid: 1000, gid: 100 };
        let text = script(&[
            timer(user, "mail.timer"),
            timer(Manager::System, "backup.timer"),
            timer(Manager::System, "getty\\x2d.timer"),
        ]);
        assert!(
            text.contains("\nsystemctl start -- 'backup.timer' 'getty\\x2d.timer' ||"),
            "{text}"
        );
        assert!(text.contains("\nsetpriv --reuid=1000 --regid=100 --clear-groups env "), "{text}");
        assert!(text.contains(" systemctl --user start -- 'mail.timer' ||"), "{text}");
    }
}
