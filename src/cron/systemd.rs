//! Questions and orders to systemd, by systemctl(1).

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Error, Warning};
use crate::command::program;
use crate::control::Interrupts;
use crate::control::child::{self, CommandEnd};
use crate::deadlines;
use crate::process::{Pid, Proc};

/// The directories of units (systemd.unit(5)).
const UNITS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The unit of systemd-cron, which runs crontabs by timers and has no daemon.
const CRON_TARGET: &str = "cron.target";

/// The state of systemd-cron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronTarget {
    /// It is not installed, or its timers are stopped.
    Inactive,
    /// Its timers start jobs.
    Active,
    /// It is installed, and systemd gives no answer.
    Untold,
}

/// Reports whether systemd runs this system, and systemd-cron is installed.
pub fn has_cron_target() -> bool {
    let is_unit = |directory: &&str| Path::new(directory).join(CRON_TARGET).exists();
    is_running() && UNITS.iter().any(is_unit)
}

/// The directory of the units that generators make (systemd.generator(7)). Only the superuser writes
/// there.
const GENERATED: &str = "/run/systemd/generator";

/// The services of systemd-cron itself, which run the directories such as /etc/cron.daily.
const OWN: [&str; 9] = [
    "boot",
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semi-annually",
    "yearly",
];

/// The directory of the units that programs make for one run (systemd-run(1)).
const TRANSIENT: &str = "/run/systemd/transient";

/// Whether a service is one of systemd-cron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerService {
    /// It is its own, or its generator has made it of a line of a crontab.
    Certain,
    /// It is called so, and has no file any more: its line may have been removed while it runs.
    Likely,
    /// systemd says that a timer has started it. The word of a user's service manager may be false,
    /// and somebody may have started it by hand in the same minute.
    Asked,
}

/// Reports whether this is the name of a service of systemd-cron, such as
/// `cron-backup-root-0.service`; `None` for one that only is called alike.
pub fn service_of_timer(name: &[u8]) -> Option<TimerService> {
    let stem = name.strip_prefix(b"cron-")?.strip_suffix(b".service")?;
    let exists = |directory: &str| Path::new(directory).join(OsStr::from_bytes(name)).exists();
    if OWN.iter().any(|own| own.as_bytes() == stem) || exists(GENERATED) {
        return Some(TimerService::Certain);
    }
    let has_file = UNITS.iter().chain([&TRANSIENT]).any(|directory| exists(directory));
    (!has_file).then_some(TimerService::Likely)
}

/// Returns the state of systemd-cron.
pub fn cron_target(proc: &Proc, interrupts: &Interrupts) -> Result<CronTarget, Error> {
    if !has_cron_target() {
        return Ok(CronTarget::Inactive);
    }
    Ok(match property(proc, "ActiveState", CRON_TARGET, interrupts)?.as_deref() {
        Some("inactive" | "failed") => CronTarget::Inactive,
        Some(_) => CronTarget::Active,
        None => CronTarget::Untold,
    })
}

/// Asks systemd to stop or to start a unit, by this word of systemctl. Returns the reason if it
/// could not be asked. The exit status does not matter: it only counts whether the daemon exits or
/// runs.
pub fn order(
    proc: &Proc,
    word: &str,
    unit: &str,
    interrupts: &Interrupts,
) -> Result<Option<Warning<'static>>, Error> {
    let Some(systemctl) = program::find("systemctl") else {
        return Ok(Some(Warning::NoSystemctl));
    };
    let mut command = Command::new(systemctl);
    command.args([word, "--", unit]).stdout(Stdio::null());
    let limit = Instant::now().checked_add(deadlines::SYSTEMCTL_ORDER);
    Ok(match child::run_to_end(proc, command, interrupts, limit)? {
        CommandEnd::Ended { .. } | CommandEnd::Terminated(_) => None,
        CommandEnd::NotRun(error) => Some(Warning::Systemctl(error)),
        CommandEnd::TimedOut => {
            let error = io::Error::new(io::ErrorKind::TimedOut, "it took too long");
            Some(Warning::Systemctl(error))
        }
    })
}

/// Reports whether systemd runs this system, by the test of sd_booted(3).
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Returns the main process of a service, 0 for none; `None` when systemd gives no answer.
pub fn main_process(
    proc: &Proc,
    service: &str,
    interrupts: &Interrupts,
) -> Result<Option<Pid>, Error> {
    let answer = property(proc, "MainPID", service, interrupts)?;
    Ok(answer.and_then(|answer| answer.parse().ok()))
}

/// Returns a property of a unit; `None` when systemd gives no answer.
fn property(
    proc: &Proc,
    property: &str,
    unit: &str,
    interrupts: &Interrupts,
) -> Result<Option<String>, Error> {
    let Some(systemctl) = program::find("systemctl") else { return Ok(None) };
    let mut command = Command::new(systemctl);
    command.args(["show", &format!("--property={property}"), "--value", "--", unit]);
    let answer = child::ask(proc, command, interrupts, deadlines::SYSTEMCTL_SHOW)?;
    Ok(answer.map(|answer| String::from_utf8_lossy(&answer).trim().to_owned()))
}
