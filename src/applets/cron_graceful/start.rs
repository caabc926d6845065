//! `cron-graceful --start`: starts again what an earlier run has stopped.

use super::Options;
use crate::control::Interrupts;
use crate::cron::{self, Daemon, DaemonSelector, RECORD, Started, StopRecord};
use crate::exit::{Exit, Refusal};
use crate::output::cron::CronReport;
use crate::process::Proc;

/// Starts the daemons of the record, or tells how it would be done. What runs already is as good.
pub fn start(
    options: &Options,
    proc: &Proc,
    interrupts: &Interrupts,
    mut report: CronReport<'_>,
) -> anyhow::Result<Exit> {
    let Some(record) = record(proc)? else { return without_record(proc, report) };
    report.stopped_by(&record);
    if options.dry_run {
        record.daemons.iter().for_each(|daemon| report.would_start(daemon));
        report.would_start_timers(&record.timers);
        report.finish("dry run", &[], &[])?;
        return Ok(Exit::Done);
    }
    let mut running = Vec::new();
    let mut any_now = !record.timers.is_empty();
    let mut all = cron::start_timers(proc, &record.timers, interrupts, &mut report)?;
    for stopped in &record.daemons {
        match cron::start(proc, stopped, &running, interrupts)? {
            Started::Now(daemon) => {
                report.started(&daemon, &stopped.start);
                any_now = true;
                running.push(daemon);
            }
            Started::Before(daemon) => {
                all &= tell_running(&daemon, &mut report);
                running.push(daemon);
            }
            Started::Failed(why) => {
                report.not_started(stopped, &why);
                all = false;
            }
            Started::Interrupted(signal) => {
                report.finish("interrupted", &running, &[])?;
                return Ok(Exit::Interrupted(signal.number() as u8));
            }
        }
    }
    if all {
        cron::forget_record()?;
    }
    let outcome = match (all, any_now) {
        (false, _) => "not started",
        (true, true) => "started",
        (true, false) => "running",
    };
    finish(report, outcome, &running, all)
}

/// Returns the record of the last stop since the boot; `None` if there is none. Errors: refusals,
/// for one that is of no use.
fn record(proc: &Proc) -> anyhow::Result<Option<StopRecord>> {
    let record = StopRecord::read().map_err(|error| {
        Refusal::nothing(format!("'{RECORD}' is of no use, so that nothing was done: {error}"))
    })?;
    let Some(record) = record else { return Ok(None) };
    if cron::boot(proc)?.as_ref() != Some(&record.boot) {
        return Err(Refusal::nothing(
            "the system has been started anew since cron was stopped, and starts cron, or not, by \
             its own rules: nothing was done",
        )
        .into());
    }
    Ok(Some(record))
}

/// Tells what an earlier run has stopped since the boot, where no daemon runs. Ordinary users are not
/// told.
pub fn tell_stop(proc: &Proc, report: &mut CronReport<'_>) -> anyhow::Result<()> {
    if let Ok(Some(record)) = StopRecord::read()
        && cron::boot(proc)?.as_ref() == Some(&record.boot)
    {
        report.can_be_started(&record);
    }
    Ok(())
}

fn without_record(proc: &Proc, mut report: CronReport<'_>) -> anyhow::Result<Exit> {
    let running = cron::find(proc, &DaemonSelector::USUAL)?.daemons;
    if running.is_empty() {
        return Err(Refusal::nothing(
            "no run of cron-graceful has stopped cron since the boot: nothing was done. Start it \
             by its service",
        )
        .into());
    }
    let mut all = true;
    for daemon in &running {
        all &= tell_running(daemon, &mut report);
    }
    finish(report, if all { "running" } else { "not started" }, &running, all)
}

/// Tells that a daemon runs already, and reports whether it starts jobs: it may be paused.
fn tell_running(daemon: &Daemon, report: &mut CronReport<'_>) -> bool {
    if daemon.is_stopped {
        report.is_paused(daemon);
    } else {
        report.runs(daemon);
    }
    !daemon.is_stopped
}

fn finish(
    report: CronReport<'_>,
    outcome: &str,
    running: &[Daemon],
    all: bool,
) -> anyhow::Result<Exit> {
    report.finish(outcome, running, &[])?;
    Ok(if all { Exit::Done } else { Exit::Nothing })
}
