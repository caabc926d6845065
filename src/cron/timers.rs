//! The timers of systemd: which are active, and which services they have started.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::service_manager::{Asker, Manager, Properties};
use super::{Error, systemd};
use crate::process::{Cgroups, File, Files, Lookup};

/// A timer.
#[derive(Clone, Debug)]
pub struct Timer {
    pub manager: Manager,
    /// The name of its unit.
    pub unit: String,
    /// `true` if it is started at each boot.
    pub is_enabled: bool,
    /// `true` if it makes up for what it has missed.
    pub is_persistent: bool,
    /// The time at which it is due next, in seconds since 1970, if it goes by the calendar.
    pub next: Option<i64>,
    /// The services that it starts.
    services: Vec<String>,
    /// The time of its latest start of them, in seconds since 1970.
    latest: Option<i64>,
    /// The time of the first question about it.
    asked: i64,
}

/// The timers that will start something.
#[derive(Clone, Debug, Default)]
pub struct ActiveTimers {
    pub timers: Vec<Timer>,
    /// Timers that stay active: those that would not come back after a stop (systemd-run(1)), or
    /// would take other units with them.
    pub fixed: Vec<Timer>,
    /// The users whose service manager gives no answer.
    pub silent: Vec<u32>,
}

/// A service that a timer has started, and that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRun {
    pub unit: String,
    /// Its control group; `None` as long as it has no process.
    pub cgroup: Option<Vec<u8>>,
}

/// The services that timers have started, and that have not ended.
#[derive(Debug, Default)]
pub struct TimerRuns {
    pub runs: Vec<TimerRun>,
    /// `true` if such a service runs us: that one is left out.
    pub runs_us: bool,
}

/// Most bytes of the name of a unit (systemd.unit(5)).
const LONGEST_NAME: usize = 255;

/// Most seconds from the elapse of a timer to the start of its service, which may wait for other
/// units. One that was started later was started by somebody else.
const DELAY: i64 = 60;

/// What is asked about timers.
const OF_TIMERS: &str = "Id,ActiveState,SubState,Triggers,LastTriggerUSec,NextElapseUSecRealtime,\
                         Persistent,UnitFileState,Transient,CanStart,CanStop,RequiredBy,BoundBy,\
                         ConsistsOf,PropagatesStopTo";

/// The properties that name units which a stop of this one stops too.
const FOLLOWERS: [&str; 4] = ["RequiredBy", "BoundBy", "ConsistsOf", "PropagatesStopTo"];

/// What is asked about the services that timers start.
const OF_SERVICES: &str = "Id,ActiveState,SubState,Job,ControlGroup,InactiveExitTimestamp";

impl Asker<'_> {
    /// Finds the timers that will start something. The managers of some users, which gave no answer
    /// before, are not asked. Errors: that of the system gives no answer. Where systemd does not run
    /// the system there are none.
    pub fn timers(&self, silent: &[u32]) -> Result<ActiveTimers, Error> {
        let mut found = ActiveTimers::default();
        if !systemd::is_running() {
            return Ok(found);
        }
        if !self.add_timers(&mut found, &Manager::System)? {
            return Err(Error::Timers);
        }
        if !nix::unistd::geteuid().is_root() {
            return Ok(found);
        }
        for (uid, manager) in self.users()? {
            let is_asked = !silent.contains(&uid);
            let answers = match manager.filter(|_| is_asked) {
                Some(manager) => self.add_timers(&mut found, &manager)?,
                None => !is_asked,
            };
            if !answers {
                found.silent.push(uid);
            }
        }
        found.timers.sort_by(|one, other| one.key().cmp(&other.key()));
        Ok(found)
    }

    /// Finds the timers of the system that will start something; `None` if systemd does not tell.
    pub fn system_timers(&self) -> Result<Option<Vec<Timer>>, Error> {
        let mut found = ActiveTimers::default();
        if systemd::is_running() {
            let Some(units) = self.show(&Manager::System, OF_TIMERS, &["*.timer"])? else {
                return Ok(None);
            };
            found.add(&Manager::System, units);
        }
        Ok(Some(found.timers))
    }

    /// Adds the timers of a manager, and reports whether it has answered.
    fn add_timers(&self, found: &mut ActiveTimers, manager: &Manager) -> Result<bool, Error> {
        let Some(units) = self.show(manager, OF_TIMERS, &["*.timer"])? else { return Ok(false) };
        let before = [found.timers.len(), found.fixed.len()];
        found.add(manager, units);
        // A timer may start a target, and with it other services.
        let (timers, fixed) = (&mut found.timers[before[0]..], &mut found.fixed[before[1]..]);
        for timer in timers.iter_mut().chain(fixed) {
            let (services, others): (Vec<String>, Vec<String>) =
                timer.services.drain(..).partition(|unit| unit.ends_with(".service"));
            timer.services = services;
            if others.is_empty() {
                continue;
            }
            let names: Vec<&str> = others.iter().map(String::as_str).collect();
            let Some(units) = self.show(manager, "Requires,Wants", &names)? else {
                return Ok(false);
            };
            let pulled = units.iter().flat_map(|unit| {
                unit.value("Requires").split(' ').chain(unit.value("Wants").split(' '))
            });
            let pulled = pulled.filter(|name| is_unit_name(name) && name.ends_with(".service"));
            timer.services.extend(pulled.map(str::to_owned));
        }
        Ok(true)
    }

    /// Notes what these timers have started since the first question. A manager that gives no answer
    /// tells nothing new.
    pub fn update(&self, timers: &mut [Timer]) -> Result<(), Error> {
        let asked = timers.to_vec();
        for (manager, units) in by_manager(&asked) {
            let found = self.show(&manager, "Id,LastTriggerUSec", &units)?;
            for unit in found.iter().flatten() {
                let latest = moment(unit.value("LastTriggerUSec"));
                let is_it =
                    |timer: &&mut Timer| timer.manager == manager && timer.unit == unit.value("Id");
                timers.iter_mut().filter(is_it).for_each(|timer| {
                    timer.latest = timer.latest.max(latest);
                });
            }
        }
        Ok(())
    }

    /// Returns what these timers have started and what has not ended. Errors: the manager of the
    /// system gives no answer. That of a user counts as one without services.
    pub fn runs(&self, timers: &[Timer]) -> Result<TimerRuns, Error> {
        let mut managers: BTreeMap<&Manager, Vec<&Timer>> = BTreeMap::new();
        for timer in timers.iter().filter(|timer| !timer.services.is_empty()) {
            managers.entry(&timer.manager).or_default().push(timer);
        }
        let own = self.own_cgroup()?;
        let mut found = TimerRuns::default();
        for (manager, timers) in managers {
            let names: Vec<&str> =
                timers.iter().flat_map(|timer| &timer.services).map(String::as_str).collect();
            let services = match self.show(manager, OF_SERVICES, &names)? {
                Some(services) => services,
                None if *manager == Manager::System => return Err(Error::Timers),
                None => continue,
            };
            for run in services.iter().filter_map(|service| run_of(service, manager, &timers)) {
                let is_ours = match (&run.cgroup, &own) {
                    (Some(cgroup), Some(own)) => Cgroups::is_in(own, cgroup),
                    _ => false,
                };
                found.runs_us |= is_ours;
                found.runs.extend((!is_ours).then_some(run));
            }
        }
        Ok(found)
    }

    /// Returns the control group of our own process.
    fn own_cgroup(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(pid) = self.proc.own_pid() else { return Ok(None) };
        let Lookup::Found(own) = self.proc.process(pid, Files::NONE)? else { return Ok(None) };
        let cgroup = own.file(File::Cgroup).map(|file| Cgroups(file).path().map(<[u8]>::to_vec));
        Ok(if let Lookup::Found(cgroup) = own.lookup(cgroup)? { cgroup } else { None })
    }
}

/// Returns the units of each manager.
pub fn by_manager(timers: &[Timer]) -> BTreeMap<Manager, Vec<&str>> {
    let mut units: BTreeMap<Manager, Vec<&str>> = BTreeMap::new();
    for timer in timers {
        units.entry(timer.manager.clone()).or_default().push(&timer.unit);
    }
    units
}

impl Timer {
    /// Makes a timer of which only this is known.
    pub fn named(manager: Manager, unit: &str, is_enabled: bool) -> Timer {
        Timer {
            manager,
            unit: unit.to_owned(),
            is_enabled,
            is_persistent: true,
            next: None,
            services: Vec::new(),
            latest: None,
            asked: now(),
        }
    }

    /// Reports whether it may be one of systemd-cron, by its name.
    pub fn is_of_systemd_cron(&self) -> bool {
        self.manager == Manager::System && self.unit.starts_with("cron-")
    }

    /// Reports whether two are the same timer.
    pub fn is(&self, other: &Timer) -> bool {
        self.key() == other.key()
    }

    /// Returns what identifies it, and by which timers are sorted.
    fn key(&self) -> (&Manager, &str) {
        (&self.manager, &self.unit)
    }

    /// Reports whether it was due meanwhile, and does not make up for that.
    pub fn has_missed(&self) -> bool {
        !self.is_persistent && self.next.is_some_and(|next| next <= now())
    }

    /// Reports whether it has started what began at this time.
    fn has_started(&self, begin: i64) -> bool {
        self.latest.is_some_and(|latest| (latest..=latest + DELAY).contains(&begin))
            // It may have been forgotten after its stop, with the time of its latest start.
            || begin >= self.asked
    }
}

impl PartialEq for Timer {
    /// Two are equal if the same has to be done to start them again.
    fn eq(&self, other: &Timer) -> bool {
        self.is(other) && self.is_enabled == other.is_enabled
    }
}

impl Eq for Timer {}

impl ActiveTimers {
    fn add(&mut self, manager: &Manager, units: Vec<Properties>) {
        for unit in units {
            // One that has elapsed for ever starts nothing, and would start all again after a stop.
            let is_waiting = unit.value("ActiveState") == "active";
            if !is_waiting || unit.value("SubState") == "elapsed" {
                continue;
            }
            let name = unit.value("Id");
            if !is_unit_name(name) {
                continue;
            }
            let is_fixed = unit.value("Transient") == "yes"
                || unit.value("CanStart") == "no"
                || unit.value("CanStop") == "no"
                || FOLLOWERS.iter().any(|property| !unit.value(property).is_empty());
            let services = unit.value("Triggers").split_ascii_whitespace();
            let timer = Timer {
                services: services.filter(|name| is_unit_name(name)).map(str::to_owned).collect(),
                latest: moment(unit.value("LastTriggerUSec")),
                next: moment(unit.value("NextElapseUSecRealtime")),
                is_persistent: unit.value("Persistent") == "yes",
                ..Timer::named(
                    manager.clone(),
                    name,
                    unit.value("UnitFileState").starts_with("enabled"),
                )
            };
            if is_fixed { &mut self.fixed } else { &mut self.timers }.push(timer);
        }
    }
}

/// Reports whether this can be the name of a unit. A user's manager may answer anything.
pub fn is_unit_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(is_plain)
}

/// Returns the run of a service that one of these timers has started and that has not ended.
fn run_of(service: &Properties, manager: &Manager, timers: &[&Timer]) -> Option<TimerRun> {
    let unit = service.value("Id");
    let has_job = !matches!(service.value("Job"), "" | "0");
    let (is_at_work, is_queued) = match service.value("ActiveState") {
        "activating" | "deactivating" | "reloading" => (true, false),
        // A service that stays active after its end has no process.
        "active" => (service.value("SubState") == "running", false),
        _ => (false, has_job),
    };
    if !is_at_work && !is_queued || !is_unit_name(unit) {
        return None;
    }
    let begin = moment(service.value("InactiveExitTimestamp"));
    let is_started_by = |timer: &&Timer| {
        timer.services.iter().any(|name| name == unit)
            && (is_queued || begin.is_some_and(|begin| timer.has_started(begin)))
    };
    if !timers.iter().any(is_started_by) {
        return None;
    }
    let cgroup = service.value("ControlGroup");
    let cgroup = manager.may_have(cgroup).then(|| cgroup.as_bytes().to_vec());
    Some(TimerRun { unit: unit.to_owned(), cgroup })
}

/// Returns a moment as systemd prints it in UTC, such as `Sat 2026-11-28 10:14:00 UTC`, in seconds
/// since 1970; `None` where it prints none.
fn moment(text: &str) -> Option<i64> {
    let [_, date, time, "UTC"] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let civil: DateTime = format!("{date}T{time}").parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The seconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::super::service_manager::{UserManager, blocks};
    use super::*;
    use crate::fuzz;

    const TIMERS: &[u8] = b"LastTriggerUSec=Sat 2026-11-28 10:14:00 UTC\nTriggers=backup.service\n\
        Id=backup.timer\nActiveState=active\nSubState=waiting\nTransient=no\nCanStart=yes\n\
        CanStop=yes\nUnitFileState=enabled\nPersistent=no\n\
        NextElapseUSecRealtime=Sat 2026-11-28 11:14:00 UTC\n\n\
        LastTriggerUSec=\nTriggers=once.service\nId=once.timer\n\
        ActiveState=active\nSubState=elapsed\n\nId=off.timer\nActiveState=inactive\n\n\
        Id=run-r1.timer\nActiveState=active\nSubState=waiting\nTransient=yes\n\n\
        Id=tied.timer\nActiveState=active\nSubState=waiting\nRequiredBy=tied.service\n\n\
        Id=$(evil).timer\nActiveState=active\nSubState=waiting\n";

    fn found() -> ActiveTimers {
        let mut found = ActiveTimers::default();
        found.add(&Manager::System, blocks(TIMERS));
        for timer in &mut found.timers {
            timer.asked = i64::MAX;
        }
        found
    }

    #[test]
    fn timers_that_will_start_something_are_found() {
        let found = found();
        let units: Vec<&str> = found.timers.iter().map(|timer| timer.unit.as_str()).collect();
        let fixed: Vec<&str> = found.fixed.iter().map(|timer| timer.unit.as_str()).collect();
        assert_eq!((units, fixed), (vec!["backup.timer"], vec!["run-r1.timer", "tied.timer"]));
        let timer = &found.timers[0];
        assert_eq!((timer.latest, timer.next), (Some(1_795_860_840), Some(1_795_864_440)));
        assert!(timer.is_enabled && !timer.is_persistent);
        assert_eq!(timer.has_missed(), now() >= 1_795_864_440);
    }

    #[test]
    fn a_service_counts_while_it_runs_and_if_a_timer_has_started_it() {
        let mut found = found();
        let timers: Vec<&Timer> = found.timers.iter().collect();
        let run = |text: &str, manager: &Manager, timers: &[&Timer]| {
            run_of(&blocks(text.as_bytes())[0], manager, timers).map(|run| run.cgroup)
        };
        let service = "Id=backup.service\nControlGroup=/system.slice/backup.service\n";
        let text = |state: &str, begin: &str| {
            format!("{service}{state}\nInactiveExitTimestamp=Sat 2026-11-28 {begin} UTC\n")
        };
        let at = |state: &str, begin: &str| run(&text(state, begin), &Manager::System, &timers);
        let group = Some(Some(b"/system.slice/backup.service".to_vec()));
        assert_eq!(at("ActiveState=activating", "10:14:00"), group);
        assert_eq!(at("ActiveState=active\nSubState=running", "10:14:59"), group);
        // Somebody has started it by hand.
        assert_eq!(at("ActiveState=active\nSubState=running", "10:15:01"), None);
        assert_eq!(at("ActiveState=activating", "10:13:59"), None);
        assert_eq!(at("ActiveState=active\nSubState=exited", "10:14:00"), None);
        assert_eq!(at("ActiveState=inactive", "10:14:00"), None);
        assert_eq!(at("ActiveState=inactive\nJob=7", "10:13:00"), group);
        let manager = UserManager { uid: 1000, gid: 1000, cgroup: "/user@1000.service".into() };
        let working = text("ActiveState=activating", "10:14:00");
        assert_eq!(run(&working, &Manager::User(manager), &timers), Some(None));
        // It has elapsed after the first question.
        found.timers[0].asked = 1_795_860_840 + 3600;
        let timers: Vec<&Timer> = found.timers.iter().collect();
        let later = text("ActiveState=activating", "11:14:00");
        assert_eq!(run(&later, &Manager::System, &timers), group);
    }

    #[test]
    fn any_answer_is_read() {
        fuzz::survives(&[TIMERS], |answer| {
            let mut found = ActiveTimers::default();
            found.add(&Manager::System, blocks(answer));
            assert!(found.timers.iter().all(|timer| is_unit_name(&timer.unit)));
        });
    }
}
