//! The timers of systemd: which are active, and which services they have started. Each service
//! manager is asked by systemctl(1): that of the system, and as the superuser that of each user.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Error, systemd};
use crate::command::program;
use crate::control::{Interrupts, child};
use crate::deadlines;
use crate::process::Proc;
use crate::users::primary_group;

/// A service manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    System,
    /// That of the user with this id, and the id of his group.
    User {
        uid: u32,
        gid: u32,
    },
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    pub manager: Manager,
    /// The name of its unit.
    pub unit: String,
    /// The units that it starts.
    services: Vec<String>,
    /// The time of its latest start of them, as systemd prints it in UTC; empty for none.
    latest: String,
}

/// The timers that will start something.
#[derive(Clone, Debug, Default)]
pub struct ActiveTimers {
    pub timers: Vec<Timer>,
    /// Timers that would not come back after a stop, by their units: those that exist only until
    /// then (systemd-run(1)), and those that nobody may start by hand.
    pub fixed: Vec<String>,
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

/// Most bytes of the name of a unit (systemd.unit(5)).
const LONGEST_NAME: usize = 255;

impl Manager {
    /// Returns the words that run systemctl(1) for this manager. A user decides what his own answers,
    /// so that it is asked with his rights.
    pub fn systemctl(&self) -> Vec<OsString> {
        let Manager::User { uid, gid } = self else { return vec!["systemctl".into()] };
        [
            "setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={gid}"),
            "--clear-groups",
            "env",
            "-i",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "LC_ALL=C",
            "TZ=UTC",
            &format!("XDG_RUNTIME_DIR=/run/user/{uid}"),
            "systemctl",
            "--user",
        ]
        .map(OsString::from)
        .to_vec()
    }

    /// Returns the user whose manager it is.
    pub fn uid(&self) -> Option<u32> {
        match self {
            Manager::System => None,
            Manager::User { uid, .. } => Some(*uid),
        }
    }

    /// Asks for properties of units; `None` when the manager gives no answer.
    fn show(
        &self,
        asker: &Asker<'_>,
        properties: &str,
        units: &[&str],
    ) -> Result<Option<Vec<Properties>>, Error> {
        let words = self.systemctl();
        let Some(found) = program::find(&words[0].to_string_lossy()) else { return Ok(None) };
        let mut command = Command::new(found);
        command.args(&words[1..]).args(["show", "--no-pager", properties, "--"]).args(units);
        // Times are compared as texts.
        command.env("TZ", "UTC").env("LC_ALL", "C");
        let limit = asker.end.saturating_duration_since(Instant::now());
        let limit = limit.min(asker.limit);
        let answer = child::ask(asker.proc, command, asker.interrupts, limit)?;
        Ok(answer.map(|answer| blocks(&answer)))
    }
}

/// The means of asking service managers.
pub struct Asker<'a> {
    proc: &'a Proc,
    interrupts: &'a Interrupts,
    /// The end of all questions.
    end: Instant,
    /// The limit of one.
    limit: Duration,
}

impl<'a> Asker<'a> {
    pub fn new(proc: &'a Proc, interrupts: &'a Interrupts) -> Asker<'a> {
        let end = Instant::now() + deadlines::ALL_MANAGERS;
        Asker { proc, interrupts, end, limit: deadlines::SYSTEMCTL_SHOW }
    }

    /// Makes one for a look in between, which must not hold up anything.
    pub fn in_passing(proc: &'a Proc, interrupts: &'a Interrupts) -> Asker<'a> {
        Asker { limit: deadlines::SYSTEMCTL_GLANCE, ..Asker::new(proc, interrupts) }
    }

    /// Finds the timers that will start something. The managers of some users, which gave no answer
    /// before, are not asked. Errors: that of the system gives no answer. Where systemd does not run
    /// the system there are none.
    pub fn timers(&self, silent: &[u32]) -> Result<ActiveTimers, Error> {
        let mut found = ActiveTimers::default();
        if !systemd::is_running() {
            return Ok(found);
        }
        let system = self.timers_of(&Manager::System)?.ok_or(Error::Timers)?;
        found.add(Manager::System, system);
        if !nix::unistd::geteuid().is_root() {
            return Ok(found);
        }
        for uid in self.users()?.into_iter().filter(|uid| !silent.contains(uid)) {
            let manager = primary_group(uid).map(|gid| Manager::User { uid, gid });
            let answer = match &manager {
                Some(manager) => self.timers_of(manager)?,
                None => None,
            };
            match (manager, answer) {
                (Some(manager), Some(answer)) => found.add(manager, answer),
                _ => found.silent.push(uid),
            }
        }
        found.timers.sort_by(|one, other| one.key().cmp(&other.key()));
        Ok(found)
    }

    /// Finds the timers of the system that will start something; `None` if systemd does not tell.
    pub fn system_timers(&self) -> Result<Option<Vec<Timer>>, Error> {
        let mut found = ActiveTimers::default();
        if systemd::is_running() {
            let Some(units) = self.timers_of(&Manager::System)? else { return Ok(None) };
            found.add(Manager::System, units);
        }
        Ok(Some(found.timers))
    }

    fn timers_of(&self, manager: &Manager) -> Result<Option<Vec<Properties>>, Error> {
        const WANTED: &str = "--property=Id,ActiveState,SubState,Triggers,LastTriggerUSec,\
                              Transient,CanStart,CanStop";
        manager.show(self, WANTED, &["*.timer"])
    }

    /// Returns the users that have a service manager.
    fn users(&self) -> Result<Vec<u32>, Error> {
        let units = Manager::System.show(self, "--property=Id,ActiveState", &["user@*.service"])?;
        let units = units.ok_or(Error::Timers)?;
        let active = units.iter().filter(|unit| unit.value("ActiveState") == "active");
        Ok(active
            .filter_map(|unit| {
                let uid = unit.value("Id").strip_prefix("user@")?.strip_suffix(".service")?;
                uid.parse().ok()
            })
            .collect())
    }

    /// Returns what these timers have started and what has not ended. Errors: the manager of the
    /// system gives no answer. That of a user counts as one without services.
    pub fn runs(&self, timers: &[Timer]) -> Result<Vec<TimerRun>, Error> {
        const WANTED: &str =
            "--property=Id,ActiveState,SubState,Job,ControlGroup,InactiveExitTimestamp";
        let mut managers: BTreeMap<&Manager, Vec<&Timer>> = BTreeMap::new();
        for timer in timers.iter().filter(|timer| !timer.services.is_empty()) {
            managers.entry(&timer.manager).or_default().push(timer);
        }
        let mut runs = Vec::new();
        for (manager, timers) in managers {
            let names: Vec<&str> =
                timers.iter().flat_map(|timer| &timer.services).map(String::as_str).collect();
            let services = match manager.show(self, WANTED, &names)? {
                Some(services) => services,
                None if *manager == Manager::System => return Err(Error::Timers),
                None => continue,
            };
            runs.extend(services.iter().filter_map(|service| run_of(service, manager, &timers)));
        }
        Ok(runs)
    }
}

impl Timer {
    /// Reports whether two are the same timer.
    pub fn is(&self, other: &Timer) -> bool {
        self.key() == other.key()
    }

    /// Returns what identifies it, and by which timers are sorted.
    fn key(&self) -> (&Manager, &str) {
        (&self.manager, &self.unit)
    }
}

#[cfg(test)]
impl Timer {
    /// Makes a timer that starts nothing.
    pub fn named(manager: Manager, unit: &str) -> Timer {
        Timer { manager, unit: unit.to_owned(), services: Vec::new(), latest: String::new() }
    }
}

impl ActiveTimers {
    fn add(&mut self, manager: Manager, units: Vec<Properties>) {
        for unit in units {
            // One that has elapsed for ever starts nothing, and would start all again after a stop.
            let is_waiting = unit.value("ActiveState") == "active";
            if !is_waiting || unit.value("SubState") == "elapsed" {
                continue;
            }
            let name = unit.value("Id").to_owned();
            if !is_unit_name(&name) {
                continue;
            }
            let is_fixed = unit.value("Transient") == "yes"
                || unit.value("CanStart") == "no"
                || unit.value("CanStop") == "no";
            if is_fixed {
                self.fixed.push(name);
                continue;
            }
            let services = unit.value("Triggers").split_ascii_whitespace();
            self.timers.push(Timer {
                manager: manager.clone(),
                unit: name,
                services: services.filter(|name| is_unit_name(name)).map(str::to_owned).collect(),
                latest: moment(unit.value("LastTriggerUSec")),
            });
        }
    }
}

/// Reports whether this can be the name of a unit. A user's manager may answer anything.
fn is_unit_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first != '-')
        && name.bytes().all(is_plain)
}

/// Returns the run of a service that one of these timers has started and that has not ended.
fn run_of(service: &Properties, manager: &Manager, timers: &[&Timer]) -> Option<TimerRun> {
    let unit = service.value("Id");
    let has_job = !matches!(service.value("Job"), "" | "0");
    let is_at_work = match service.value("ActiveState") {
        "activating" | "deactivating" | "reloading" => true,
        // A service that stays active after its end has no process.
        "active" => service.value("SubState") == "running",
        _ => false,
    };
    if !is_at_work && !has_job || !is_unit_name(unit) {
        return None;
    }
    let begin = moment(service.value("InactiveExitTimestamp"));
    let is_started_by = |timer: &&Timer| {
        timer.services.iter().any(|name| name == unit)
            && !timer.latest.is_empty()
            && (has_job || begin >= timer.latest)
    };
    if !timers.iter().any(is_started_by) {
        return None;
    }
    let cgroup = service.value("ControlGroup");
    let is_of_manager = match manager {
        Manager::System => true,
        // A user must not pass off other control groups as those of his services.
        Manager::User { uid, .. } => cgroup.contains(&format!("/user@{uid}.service/")),
    };
    let cgroup = (!cgroup.is_empty() && is_of_manager).then(|| cgroup.as_bytes().to_vec());
    Some(TimerRun { unit: unit.to_owned(), cgroup })
}

/// Returns date and time of a moment as systemd prints it, such as `Sat 2026-11-28 10:14:00 UTC`.
/// Such texts have the order of the moments. Without a moment the text is empty.
fn moment(text: &str) -> String {
    match text.split(' ').collect::<Vec<_>>()[..] {
        [_, date, time, "UTC"] => format!("{date} {time}"),
        _ => String::new(),
    }
}

/// The properties of a unit.
struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Returns a property; an empty text where there is none.
    fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Reads the answer of `systemctl show`: a block of lines `NAME=VALUE` for each unit, with an empty
/// line between two.
fn blocks(answer: &[u8]) -> Vec<Properties> {
    let text = String::from_utf8_lossy(answer);
    let blocks = text.split("\n\n").map(|block| {
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    });
    blocks.map(Properties).filter(|block| !block.0.is_empty()).collect()
}

/// Time between two questions whether timers were started.
pub const LOOK: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz;

    const TIMERS: &[u8] = b"LastTriggerUSec=Sat 2026-11-28 10:14:00 UTC\nTriggers=backup.service\n\
        Id=backup.timer\nActiveState=active\nSubState=waiting\nTransient=no\nCanStart=yes\n\
        CanStop=yes\n\nLastTriggerUSec=\nTriggers=once.service\nId=once.timer\n\
        ActiveState=active\nSubState=elapsed\n\nId=off.timer\nActiveState=inactive\n\n\
        Id=run-r1.timer\nActiveState=active\nSubState=waiting\nTransient=yes\n\n\
        Id=$(evil).timer\nActiveState=active\nSubState=waiting\n";

    #[test]
    fn timers_that_will_start_something_are_found() {
        let mut found = ActiveTimers::default();
        found.add(Manager::System, blocks(TIMERS));
        let units: Vec<&str> = found.timers.iter().map(|timer| timer.unit.as_str()).collect();
        assert_eq!((units, found.fixed), (vec!["backup.timer"], vec!["run-r1.timer".to_owned()]));
        assert_eq!(found.timers[0].latest, "2026-11-28 10:14:00");
    }

    #[test]
    fn a_service_counts_while_it_runs_and_if_a_timer_has_started_it() {
        let mut found = ActiveTimers::default();
        found.add(Manager::System, blocks(TIMERS));
        let timers: Vec<&Timer> = found.timers.iter().collect();
        let run = |text: &str, manager: &Manager| {
            run_of(&blocks(text.as_bytes())[0], manager, &timers).map(|run| run.cgroup)
        };
        let service = "Id=backup.service\nControlGroup=/system.slice/backup.service\n";
        let at = |state: &str, begin: &str| {
            run(
                &format!("{service}{state}\nInactiveExitTimestamp=Sat 2026-11-28 {begin} UTC\n"),
                &Manager::System,
            )
        };
        let group = Some(Some(b"/system.slice/backup.service".to_vec()));
        assert_eq!(at("ActiveState=activating", "10:14:00"), group);
        assert_eq!(at("ActiveState=active\nSubState=running", "10:15:00"), group);
        assert_eq!(at("ActiveState=active\nSubState=exited", "10:15:00"), None);
        assert_eq!(at("ActiveState=inactive", "10:15:00"), None);
        assert_eq!(at("ActiveState=inactive\nJob=7", "10:13:00"), group);
        assert_eq!(at("ActiveState=activating", "10:13:59"), None);
        let user = Manager::User { uid: 1000, gid: 1000 };
        let text = format!(
            "{service}ActiveState=activating\nInactiveExitTimestamp=Sat 2026-11-28 10:15:00 UTC\n"
        );
        assert_eq!(run(&text, &user), Some(None));
    }

    #[test]
    fn any_answer_is_read() {
        fuzz::survives(&[TIMERS], |answer| {
            let mut found = ActiveTimers::default();
            found.add(Manager::System, blocks(answer));
            assert!(found.timers.iter().all(|timer| is_unit_name(&timer.unit)));
        });
    }
}
