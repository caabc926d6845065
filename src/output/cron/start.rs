//! What `cron-graceful --start` tells.

use std::time::UNIX_EPOCH;

use super::super::human;
use super::CronReport;
use super::words::quoted;
use crate::cron::{Daemon, StartFailure, StartMethod, StopRecord, StoppedDaemon, Timer};

/// Describes a stop.
fn stop(record: &StopRecord) -> String {
    let mut time = Vec::new();
    let seconds = record.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    human::date(&mut time, seconds.as_secs_f64(), " ");
    format!("cron was stopped by {} at {}", record.by, String::from_utf8_lossy(&time))
}

impl CronReport<'_> {
    /// Reports who has stopped cron, and when.
    pub fn stopped_by(&mut self, record: &StopRecord) {
        self.line(stop(record));
    }

    /// Reports the same, and how to start it again.
    pub fn can_be_started(&mut self, record: &StopRecord) {
        self.line(format_args!("{}: cron-graceful --start starts it again", stop(record)));
    }

    /// Writes how a daemon would be started.
    pub fn would_start(&mut self, stopped: &StoppedDaemon) {
        let name = String::from_utf8_lossy(&stopped.name);
        self.line(match method(&stopped.start) {
            Ok(by) => format!("would start {name} by {by}"),
            Err(why) => {
                format!("would not start {name}: it is not known how it was started: {why}")
            }
        });
    }

    /// Writes which timers would be started.
    pub fn would_start_timers(&mut self, timers: &[Timer]) {
        timers.iter().for_each(|timer| self.line(format_args!("would start {}", timer.unit)));
    }

    /// Reports that a daemon was started, also to the log of the system.
    pub fn started(&mut self, daemon: &Daemon, start: &StartMethod) {
        let (pid, by) = (daemon.pid, method(start).unwrap_or_default());
        tracing::info!(target: "proctool::control", "cron, process {pid}, is started by {by}");
        let name = String::from_utf8_lossy(&daemon.name);
        self.line(format_args!("{name} ({pid}) is started by {by}"));
    }

    /// Reports that a daemon runs already.
    pub fn runs(&mut self, daemon: &Daemon) {
        let name = String::from_utf8_lossy(&daemon.name);
        self.line(format_args!("{name} ({}) runs already", daemon.pid));
    }

    /// Warns that a daemon is there already, and paused.
    pub fn is_paused(&mut self, daemon: &Daemon) {
        let name = String::from_utf8_lossy(&daemon.name);
        let pid = daemon.pid;
        self.warn(&format!("process {pid} ({name}) is paused: --resume lets it run on"));
    }

    /// Warns that a daemon could not be started.
    pub fn not_started(&mut self, stopped: &StoppedDaemon, why: &StartFailure) {
        let name = String::from_utf8_lossy(&stopped.name);
        let by = method(&stopped.start).map_or_else(|_| String::new(), |by| format!(" by {by}"));
        let text = format!("{name} is not started{by}: {why}");
        tracing::info!(target: "proctool::control", "{text}");
        self.warn(&text);
    }
}

/// Returns the command by which a daemon is started. Errors: the reason why it is not known.
fn method(start: &StartMethod) -> Result<String, &str> {
    match start {
        StartMethod::Unit(unit) => Ok(format!("systemctl start {unit}")),
        StartMethod::Script(name) => Ok(format!("service {name} start")),
        StartMethod::Command(line) => {
            let arguments = line.arguments.iter().skip(1);
            let words = std::iter::once(&line.executable).chain(arguments);
            let words = words.map(|word| quoted(&String::from_utf8_lossy(word)));
            Ok(words.collect::<Vec<_>>().join(" "))
        }
        StartMethod::Unknown(why) => Err(why),
    }
}
