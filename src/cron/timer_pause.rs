//! Stopping timers of systemd for a while. We start exactly these again at the end. A script in /run
//! does it too: a guardian runs it when we die or hang, and the next run when that was killed as
//! well.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::service_manager::{Asker, Manager, run_apart};
use super::timers::{ActiveTimers, Timer, by_manager};
use super::{Error, Event, EventSink, Warning};
use crate::control::{self, Guardian, Interrupts};
use crate::deadlines;
use crate::process::Proc;

/// The directory of the scripts, and the beginning of their names. The pid of the run follows.
const DIRECTORY: &str = "/run";
const NAME: &str = "cron-graceful.timers.";

/// The programs of the system, for a script that nobody's $PATH may lead elsewhere.
const PROGRAMS: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Time between two questions whether timers were started.
const LOOK: Duration = Duration::from_secs(5);

/// Timers that are stopped.
pub struct TimerPause {
    stopped: Vec<Timer>,
    script: PathBuf,
    guardian: Guardian,
    limit: Option<Instant>,
    /// Timers that stay active. What they have started is waited for too.
    fixed: Vec<Timer>,
    /// The control groups of what the timers had started. Processes may be left there after the end
    /// of their service.
    groups: BTreeSet<Vec<u8>>,
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
        let script = Path::new(DIRECTORY).join(format!("{NAME}{}", std::process::id()));
        let mut pause = TimerPause {
            stopped: Vec::new(),
            guardian: guardian(&script, limit)?,
            script,
            limit,
            fixed: found.fixed,
            groups: BTreeSet::new(),
            silent: found.silent,
            told: BTreeSet::new(),
            next: Instant::now() + LOOK,
            is_warned: false,
        };
        for timer in &pause.fixed {
            events.event(Event::Warning(Warning::FixedTimer(&timer.unit)));
        }
        for uid in &pause.silent {
            events.event(Event::Warning(Warning::SilentManager(*uid)));
        }
        if !pause.stop(proc, found.timers, interrupts, events)? {
            return Err(Error::TimersNotStopped);
        }
        let asker = Asker::new(proc, interrupts);
        // One may have elapsed between the question and its stop.
        asker.update(&mut pause.stopped)?;
        let found = asker.runs(&pause.watched())?;
        if found.runs_us {
            events.event(Event::Warning(Warning::RunByJob));
        }
        pause.groups.extend(found.runs.into_iter().filter_map(|run| run.cgroup));
        Ok(pause)
    }

    /// Stops further timers, and reports whether the manager of the system has. That of a user is
    /// his own affair, and a failure of it is reported.
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
        write_script(&self.script, &script(&self.stopped)).map_err(Error::TimerScript)?;
        let mut done = Vec::new();
        for (manager, units) in by_manager(&timers) {
            if manager.order(proc, "stop", &units, interrupts, self.limit)? {
                done.extend(timers.iter().filter(|timer| timer.manager == manager).cloned());
                continue;
            }
            match manager.uid() {
                None => return Ok(false),
                Some(uid) => {
                    self.silent.push(uid);
                    events.event(Event::Warning(Warning::SilentManager(uid)));
                }
            }
        }
        if !done.is_empty() {
            events.event(Event::TimersStopped(&done));
        }
        Ok(true)
    }

    /// Stops timers that somebody has started meanwhile, and replaces a guardian that has ended.
    pub fn keep(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<(), Error> {
        if self.guardian.has_ended() {
            self.guardian = guardian(&self.script, self.limit)?;
        }
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + LOOK;
        match Asker::in_passing(proc, interrupts).timers(&self.silent) {
            Ok(found) => {
                self.silent.extend(found.silent);
                if !self.stop(proc, found.timers, interrupts, events)? {
                    events.event(Event::Warning(Warning::TimersRun));
                }
            }
            // The next look asks again.
            Err(Error::Timers) => self.warn_once(events),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn warn_once(&mut self, events: &mut dyn EventSink) {
        if !std::mem::replace(&mut self.is_warned, true) {
            events.event(Event::Warning(Warning::Unwatched(&Error::Timers)));
        }
    }

    /// Returns the control groups of the services that the timers have started.
    pub fn groups(&self) -> impl Iterator<Item = &[u8]> {
        self.groups.iter().map(Vec::as_slice)
    }

    /// Returns the timers whose services are waited for.
    fn watched(&self) -> Vec<Timer> {
        [&self.stopped[..], &self.fixed].concat()
    }

    /// Returns the stopped timers.
    pub fn stopped(&self) -> &[Timer] {
        &self.stopped
    }

    /// Reports whether a service that the timers have started may not have ended, although no process
    /// of it was found: systemd may be about to start it, or to start it again.
    pub fn has_runs(
        &mut self,
        proc: &Proc,
        interrupts: &Interrupts,
        events: &mut dyn EventSink,
    ) -> Result<bool, Error> {
        let runs = match Asker::in_passing(proc, interrupts).runs(&self.watched()) {
            Ok(found) => found.runs,
            // Whether one runs is not known, and the next look asks again.
            Err(Error::Timers) => {
                self.warn_once(events);
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        for run in &runs {
            if self.told.insert(run.unit.clone()) {
                events.event(Event::Service(&run.unit));
            }
        }
        let any = !runs.is_empty();
        self.groups.extend(runs.into_iter().filter_map(|run| run.cgroup));
        Ok(any)
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
        for timer in self.stopped.iter().filter(|timer| timer.has_missed()) {
            events.event(Event::Warning(Warning::TimerMissed(&timer.unit)));
        }
        if start(proc, &self.stopped, interrupts, events)? {
            self.leave()?;
        }
        // Else the guardian sees the end of its socket, and tries too.
        Ok(())
    }

    /// Leaves the timers as they are. Without the script, the guardian has nothing to do if we are
    /// killed before it is dismissed; in the other order, the script would be left for the next run.
    pub fn leave(self) -> Result<(), Error> {
        remove(&self.script).map_err(Error::TimerScript)?;
        self.guardian.dismiss();
        Ok(())
    }
}

/// Starts timers, except those that are gone or that somebody has disabled meanwhile, and reports
/// whether that succeeded.
pub fn start(
    proc: &Proc,
    timers: &[Timer],
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<bool, Error> {
    let asker = Asker::new(proc, interrupts);
    let (mut started, mut all) = (Vec::new(), true);
    for (manager, units) in by_manager(timers) {
        let of_manager = timers.iter().filter(|timer| timer.manager == manager);
        // Without an answer, the order will tell.
        let now = asker.show(&manager, "Id,LoadState,UnitFileState", &units)?.unwrap_or_default();
        let is_wanted = |timer: &&Timer| {
            now.iter().find(|unit| unit.value("Id") == timer.unit).is_none_or(|unit| {
                let state = unit.value("UnitFileState");
                let was_disabled = timer.is_enabled && state.starts_with("disabled");
                unit.value("LoadState") == "loaded" && !was_disabled
            })
        };
        let (wanted, others): (Vec<&Timer>, Vec<&Timer>) = of_manager.partition(is_wanted);
        for timer in others {
            events.event(Event::Warning(Warning::TimerGone(&timer.unit)));
        }
        let names: Vec<&str> = wanted.iter().map(|timer| timer.unit.as_str()).collect();
        if names.is_empty() || manager.order(proc, "start", &names, interrupts, None)? {
            started.extend(wanted.into_iter().cloned());
        } else {
            all = false;
            events.event(Event::Warning(Warning::TimersNotStarted(&names)));
        }
    }
    if !started.is_empty() {
        events.event(Event::TimersStarted(&started));
    }
    Ok(all)
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

/// Starts the timers again that earlier runs have stopped for a while, which then were killed with
/// their guardians. The caller has the lock of cron-graceful. A script is run once: what it cannot
/// start may be gone.
pub fn start_left(
    proc: &Proc,
    interrupts: &Interrupts,
    events: &mut dyn EventSink,
) -> Result<LeftTimers, Error> {
    let mut left = LeftTimers::None;
    for script in scripts().map_err(Error::TimerScript)? {
        let mut command = Command::new("/bin/sh");
        command.arg(&script);
        let end = Instant::now() + deadlines::SYSTEMCTL_ORDER;
        if run_apart(proc, command, interrupts, end)? {
            events.event(Event::TimersStarted(&[]));
            left = if left == LeftTimers::None { LeftTimers::Started } else { left };
        } else {
            events.event(Event::Warning(Warning::LeftNotStarted(&script)));
            left = LeftTimers::NotStarted;
        }
        remove(&script).map_err(Error::TimerScript)?;
    }
    Ok(left)
}

/// Reports whether timers are stopped for a while, by a run that is at work or was killed.
pub fn are_left() -> bool {
    scripts().is_ok_and(|scripts| !scripts.is_empty())
}

/// Returns the scripts of all runs.
fn scripts() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(DIRECTORY)? {
        let path = entry?.path();
        let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        let pid = name.strip_prefix(NAME.as_bytes());
        if pid.is_some_and(|pid| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Starts a guardian that runs the script at this time, or when we die. Errors: it does not answer.
fn guardian(script: &Path, limit: Option<Instant>) -> Result<Guardian, Error> {
    let guardian = Guardian::start()?;
    let failed = |errno| control::Error::Kernel { what: "set up a guardian", errno };
    let orders = guardian
        .run_when_abandoned(script)
        .and_then(|()| guardian.limit(limit))
        .and_then(|()| guardian.move_apart());
    orders.map_err(failed)?;
    if !guardian.has_heard() {
        return Err(Error::TimerGuardian);
    }
    Ok(guardian)
}

/// Returns the script that starts timers. The names of units have no quotes. A user may hold up what
/// has his rights, and must not hold up the rest.
fn script(timers: &[Timer]) -> String {
    let mut text = format!(
        "# cron-graceful has stopped these timers, and this starts them again.\n{PROGRAMS}\n"
    );
    for (manager, units) in by_manager(timers) {
        let units: Vec<String> = units.iter().map(|unit| format!("'{unit}'")).collect();
        let start = format!("{} start -- {}", manager.systemctl().join(" "), units.join(" "));
        let line = match manager {
            Manager::System => start,
            Manager::User(_) => {
                format!("timeout -s KILL 10 {start} </dev/null >/dev/null 2>&1")
            }
        };
        text.push_str(&format!("{line} || failed=1\n"));
    }
    text + "[ -z \"$failed\" ]\n"
}

/// Writes a script as a whole. /run is the superuser's.
fn write_script(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    remove(&new)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = remove(&new);
    }
    written
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::service_manager::UserManager;
    use super::*;

    #[test]
    fn the_script_starts_the_timers_of_each_manager() {
        let timer = |manager: &Manager, unit: &str| Timer::named(manager.clone(), unit, true);
        let user = Manager::User(UserManager { uid: 1000, gid: 100, cgroup: String::new() });
        let text = script(&[
            timer(&user, "mail.timer"),
            timer(&Manager::System, "backup.timer"),
            timer(&Manager::System, "getty\\x2d.timer"),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "systemctl start -- 'backup.timer' 'getty\\x2d.timer' || failed=1");
        let of_user = lines[3];
        assert!(of_user.starts_with("timeout -s KILL 10 env -i PATH="), "{text}");
        assert!(of_user.contains(" setpriv --reuid=1000 --regid=100 --clear-groups "), "{text}");
        assert!(
            of_user.ends_with("start -- 'mail.timer' </dev/null >/dev/null 2>&1 || failed=1"),
            "{text}"
        );
    }
}
