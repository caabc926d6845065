//! `cron-graceful --list --openmetrics`: the state of cron as metrics.

use super::Options;
use crate::cli::output_file;
use crate::cron::{Daemon, Jobs};
use crate::exit::Exit;
use crate::output::cron::CronReport;
use crate::process::Proc;

/// Writes the metrics to where the user wants them.
pub fn tell(
    options: &Options,
    proc: &Proc,
    daemons: &[Daemon],
    mut report: CronReport<'_>,
) -> anyhow::Result<Exit> {
    let jobs = Jobs::default().list(proc, daemons, true)?;
    let text = report.metrics(proc, daemons, &jobs);
    match &options.output {
        Some(path) => output_file::write(path, &text)?,
        None => report.print_metrics(&text),
    }
    report.end()?;
    Ok(Exit::Done)
}
