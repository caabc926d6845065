//! When `cron-graceful` refuses: where it is unknown which processes are daemons, or where
//! something else starts jobs.

use std::io;

use super::Options;
use super::beside::Beside;
use crate::cli::{doubt, unexamined};
use crate::control::Interrupts;
use crate::cron::{self, ActiveTimers, CronTarget, DaemonScan, DaemonSelector, Plan};
use crate::exit::{Exit, Refusal};
use crate::output::cron::{failure, no_daemon, of_failure, reject_reason, without_pids};
use crate::output::message::message;
use crate::output::print;
use crate::process::Proc;

/// Ends a run that an error has ended. A reader of JSON or of a summary gets one in any case,
/// unless the output itself has failed.
pub fn conclude(error: anyhow::Error, options: &Options, name: &str) -> anyhow::Result<Exit> {
    if error.downcast_ref::<io::Error>().is_some() {
        return Err(error);
    }
    let refusal = error.downcast_ref::<Refusal>();
    let outcome = if refusal.is_some() { "refused" } else { "failed" };
    let reason = format!("{error:#}");
    if let Some(layout) = options.format.json() {
        print(&failure(layout, outcome, &reason))?;
    }
    if options.summary {
        print(&of_failure(outcome, &reason))?;
    }
    // With --quiet, errors are told too.
    let Some(refusal) = refusal else {
        return Err(if options.summary {
            anyhow::Error::msg(without_pids(&reason))
        } else {
            error
        });
    };
    message(name, if options.summary { without_pids(&reason) } else { reason });
    Ok(refusal.exit)
}

/// Refuses to go on where it is unclear which daemons there are, or where something else starts
/// jobs.
pub fn what_is_unclear(
    options: &Options,
    proc: &Proc,
    interrupts: &Interrupts,
    plan: &Plan,
    found: &DaemonScan,
    beside: &Beside,
) -> anyhow::Result<()> {
    doubts(proc, &plan.wanted, found)?;
    other_name(proc, &plan.wanted, found)?;
    if plan.with_at {
        doubts(proc, &DaemonSelector::AT, &beside.at)?;
    }
    match &beside.timers {
        None if plan.wanted == DaemonSelector::USUAL => timers(proc, interrupts),
        // A list names them, and what is paused may run on in any case.
        Some(found) if !options.finds_paused() => timers_that_stay(proc, interrupts, found),
        _ => Ok(()),
    }
}

/// Refuses to go on where it is unknown whether there are other daemons.
fn doubts(proc: &Proc, wanted: &DaemonSelector, found: &DaemonScan) -> anyhow::Result<()> {
    if found.daemons.is_empty()
        && let Some(doubt) = doubt(proc, &found.unexamined)?
    {
        let none = no_daemon(wanted);
        return Err(Refusal::nothing(format!("{none}, as far as known: {doubt}")).into());
    }
    if !found.unexamined.is_empty() {
        let why = unexamined(&found.unexamined);
        return Err(Refusal::nothing(format!(
            "there may be another cron daemon: {why}: nothing was done"
        ))
        .into());
    }
    if let Some(process) = found.rejected.iter().find(|process| process.is_doubtful) {
        let (pid, name) = (process.pid, String::from_utf8_lossy(&process.name));
        let why = reject_reason(process.why);
        return Err(Refusal::nothing(format!(
            "process {pid} ({name}) may be another cron daemon: {why}, and yet it has children, \
             which may be jobs: nothing was done. If it is the daemon, --pid {pid} takes it; if it \
             is none, --pid of the daemon, or --daemon NAME with another name, leaves it out"
        ))
        .into());
    }
    Ok(())
}

/// Refuses to go on where no daemon has the name that the user gave, and another cron runs: the
/// name may be a mistake, and that one starts jobs.
fn other_name(proc: &Proc, wanted: &DaemonSelector, found: &DaemonScan) -> anyhow::Result<()> {
    if !matches!(wanted, DaemonSelector::Named(_)) || !found.daemons.is_empty() {
        return Ok(());
    }
    let others = cron::find(proc, &DaemonSelector::USUAL)?;
    let Some(other) = others.daemons.first() else { return Ok(()) };
    let (pid, name, none) = (other.pid, String::from_utf8_lossy(&other.name), no_daemon(wanted));
    Err(Refusal::nothing(format!(
        "{none}, but process {pid} ({name}) is one: nothing was done. Without --daemon it is the one \
         that is meant"
    ))
    .into())
}

/// Refuses to go on where the timers of systemd-cron start jobs: they are not paused.
fn timers(proc: &Proc, interrupts: &Interrupts) -> anyhow::Result<()> {
    let state = match cron::cron_target(proc, interrupts)? {
        CronTarget::Inactive => return Ok(()),
        CronTarget::Active => "cron.target is active",
        CronTarget::Untold => "systemd does not tell whether cron.target is active",
    };
    Err(Refusal::nothing(format!(
        "{state}: the timers of systemd-cron start jobs, and this command does not stop them: \
         nothing was done. --with timers stops them meanwhile; systemctl stop cron.target stops them \
         for good, and after that, this command waits for the jobs that still run"
    ))
    .into())
}

/// Refuses to go on where timers of systemd-cron would stay active: some of them cannot be stopped
/// by hand (RefuseManualStop in systemd.unit(5)).
fn timers_that_stay(
    proc: &Proc,
    interrupts: &Interrupts,
    found: &ActiveTimers,
) -> anyhow::Result<()> {
    let stays = found.fixed.iter().any(|timer| timer.is_of_systemd_cron());
    if !stays || cron::cron_target(proc, interrupts)? == CronTarget::Inactive {
        return Ok(());
    }
    Err(Refusal::nothing(
        "timers of systemd-cron would go on to start jobs, because they only stop with cron.target: \
         nothing was done. systemctl stop cron.target stops them for good, and after that, this \
         command waits for the jobs that still run",
    )
    .into())
}
