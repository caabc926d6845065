//! The state of cron as metrics. Their number does not grow with that of jobs or users.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::metrics::Families;
use super::super::text::escaped;
use super::CronReport;
use super::words::daemon_names;
use crate::cron::{Daemon, Job};
use crate::process::Proc;

impl CronReport<'_> {
    /// Writes metrics to standard output.
    pub fn print_metrics(&mut self, text: &[u8]) {
        self.writer.write(text);
    }

    /// Returns the metrics of these daemons and jobs.
    pub fn metrics(&self, proc: &Proc, daemons: &[Daemon], jobs: &[Job]) -> Vec<u8> {
        let mut families = Families::default();
        add_daemons(&mut families, daemons);
        self.add_hold(&mut families);
        self.add_jobs(&mut families, proc, jobs);
        let mut text = Vec::new();
        families.write(&mut text);
        text
    }

    fn add_hold(&self, families: &mut Families) {
        let holder = self.options.holder.as_ref();
        let help = "Whether cron-graceful holds cron: 1, or 0.";
        families.sample("proctool_cron_held", help, &[], f64::from(u8::from(holder.is_some())));
        let times = [
            (
                "proctool_cron_held_since_timestamp_seconds",
                "Since when cron is held; there is none where it is not.",
                holder.map(|holder| holder.since),
            ),
            (
                "proctool_cron_held_until_timestamp_seconds",
                "The end of the lease for which cron is held; there is none without a lease.",
                holder.and_then(|holder| holder.until),
            ),
        ];
        for (name, help, time) in times {
            if let Some(time) = time {
                families.sample(name, help, &[], seconds(time));
            }
        }
    }

    /// Adds the jobs that a list shows: those that a stop would wait for, and others, such as
    /// daemons that jobs have started.
    fn add_jobs(&self, families: &mut Families, proc: &Proc, jobs: &[Job]) {
        let of_interest = jobs.iter().filter(|job| job.is_of_interest(jobs));
        let (awaited, others): (Vec<&Job>, Vec<&Job>) =
            of_interest.partition(|job| job.is_awaited(self.options.with_daemons));
        for (label, jobs) in [("true", &awaited), ("false", &others)] {
            families.sample(
                "proctool_cron_jobs",
                "Running jobs of cron, by whether a stop of cron would wait for them.",
                &[("awaited", label)],
                jobs.len() as f64,
            );
        }
        if let Some(oldest) = awaited.iter().filter_map(|job| job.start(proc)).min() {
            families.sample(
                "proctool_cron_oldest_job_start_timestamp_seconds",
                "The start of the oldest job that a stop of cron would wait for; there is none \
                 without a job.",
                &[],
                seconds(oldest),
            );
        }
    }
}

/// Adds the daemons by name. A kind of which none runs has 0, so that its series do not come and
/// go.
fn add_daemons(families: &mut Families, daemons: &[Daemon]) {
    let mut counts: BTreeMap<String, [f64; 2]> =
        daemon_names().into_iter().map(|name| (name.to_owned(), [0.0, 0.0])).collect();
    for daemon in daemons {
        let [running, paused] = counts.entry(escaped(&daemon.name)).or_default();
        *running += 1.0;
        *paused += if daemon.is_stopped { 1.0 } else { 0.0 };
    }
    let metrics = [
        ("proctool_cron_daemons", "Cron daemons that are there, paused or not."),
        ("proctool_cron_daemons_paused", "Cron daemons that are paused, and start no jobs."),
    ];
    for (at, (metric, help)) in metrics.into_iter().enumerate() {
        for (name, values) in &counts {
            families.sample(metric, help, &[("daemon", name)], values[at]);
        }
    }
}

/// Seconds since 1970, rounded to milliseconds: more digits would be noise of the arithmetic.
fn seconds(time: SystemTime) -> f64 {
    let milliseconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    milliseconds as f64 / 1000.0
}
