//! The summary: lines that depend only on what is true, so that many machines give the same ones.
//! No pid, no time and no path of a machine is in them.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use super::super::text::escaped;
use super::CronReport;
use super::words::signal_name;
use crate::cron::{Daemon, Holder, Job, ShutdownResult};

impl CronReport<'_> {
    /// Reports whether lines of text are wanted.
    pub(super) fn has_text(&self) -> bool {
        self.options.layout.is_none() && !self.options.is_summary
    }

    /// Writes the end of a run, with more about it where there is more, and the jobs that are left.
    pub(super) fn summary(
        &mut self,
        outcome: &str,
        more: Option<&str>,
        daemons: &[Daemon],
        left: &[Job],
    ) {
        if !self.options.is_summary {
            return;
        }
        let mut text = line(outcome, more, !daemons.is_empty());
        let is_rehearsal = outcome == "dry run";
        let heading = |job: &Job| match (is_rehearsal, job.is_awaited(self.options.with_daemons)) {
            (false, _) => "left",
            (true, true) => "would wait for",
            (true, false) => "would not wait for",
        };
        text += &self.jobs_without_pids(left, heading);
        self.writer.write(text.as_bytes());
    }

    /// Writes that cron is held.
    pub(super) fn summary_of_hold(&mut self, holder: &Holder) {
        if self.options.is_summary {
            self.writer.write(of_hold(holder).as_bytes());
            self.writer.flush();
        }
    }

    /// Returns the states of daemons, and the jobs that run, for a list.
    pub(super) fn summary_of_list(&self, daemons: &[Daemon], jobs: &[Job]) -> String {
        let state = |daemon: &Daemon| match (&self.options.holder, &self.options.other_run) {
            _ if !daemon.is_stopped => line("running", None, true),
            (Some(holder), _) => of_hold(holder),
            (None, Some(_)) => line("paused", Some(" by another cron-graceful"), true),
            (None, None) => line("paused", None, true),
        };
        let states: BTreeSet<String> = daemons.iter().map(state).collect();
        let mut text: String = states.into_iter().collect();
        if daemons.is_empty() {
            text += &line("none", None, false);
        }
        text + &self.jobs_without_pids(jobs, |_| "job")
    }

    /// Returns a line for each user and command, below a heading each, in order.
    fn jobs_without_pids(&self, jobs: &[Job], heading: impl Fn(&Job) -> &'static str) -> String {
        let line = |job: &&Job| {
            let user = job.target.uid.map_or_else(|| "?".into(), |uid| self.users.user(uid));
            // The number of a job of at(1) is that of this machine.
            let is_at = job.command.starts_with(b"at job ");
            let command = if is_at { "at job".into() } else { escaped(&job.command) };
            format!("{}: {user} {command}\n", heading(job))
        };
        let of_interest = jobs.iter().filter(|job| job.is_of_interest(jobs));
        let lines: BTreeSet<String> = of_interest.map(|job| line(&job)).collect();
        lines.into_iter().collect()
    }

    /// Returns more about the result of a shutdown: the supervisor, or how the command ended.
    pub(super) fn more_about(&self, result: &ShutdownResult) -> Option<String> {
        match result {
            ShutdownResult::Supervised => self.by_supervisors(),
            ShutdownResult::TimedOut { is_stopped: true, .. } => Some(", stopped".to_owned()),
            ShutdownResult::Ran(status) => Some(match (status.code(), status.signal()) {
                (None, Some(number)) => format!(", signal {}", signal_name(number)),
                (code, _) => format!(", exit status {}", code.unwrap_or_default()),
            }),
            _ => None,
        }
    }

    /// Returns the supervisors that would start cron again; `None` where none is known.
    pub(super) fn by_supervisors(&self) -> Option<String> {
        let names: Vec<&str> = self.supervisors.iter().copied().collect();
        (!names.is_empty()).then(|| format!(" by {}", names.join(", ")))
    }
}

/// Returns the line of an outcome, which is the one of JSON. What there is more about it begins
/// with a blank or a comma.
fn line(outcome: &str, more: Option<&str>, has_daemon: bool) -> String {
    let more = more.unwrap_or_default();
    match (has_daemon, outcome) {
        (true, _) => format!("cron: {outcome}{more}\n"),
        (false, "none" | "stopped") => format!("no cron{more}\n"),
        (false, _) => format!("no cron: {outcome}{more}\n"),
    }
}

/// Returns the line about a cron that is held.
pub fn of_hold(holder: &Holder) -> String {
    line("held", Some(&format!(" by {}", holder.by)), true)
}

/// Returns the line about a cron that was held, and runs on.
pub fn of_release() -> String {
    line("released", None, true)
}

/// Returns the line of a run that an error has ended before its report.
pub fn of_failure(outcome: &str, reason: &str) -> String {
    format!("cron: {outcome}: {}\n", escaped(without_pids(reason).as_bytes()))
}

/// Returns a message without the numbers of processes, which differ from machine to machine.
pub fn without_pids(text: &str) -> String {
    let mut rest = text;
    let mut found = String::with_capacity(text.len());
    while let Some(at) = NUMBERED.iter().filter_map(|(before, _)| rest.find(before)).min() {
        let Some((before, instead)) =
            NUMBERED.iter().find(|(before, _)| rest[at..].starts_with(before))
        else {
            break;
        };
        let (start, end) = rest.split_at(at);
        let after = &end[before.len()..];
        let number = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        found += start;
        if number == 0 {
            found += before;
            rest = after;
            continue;
        }
        found += instead;
        rest = &after[number..];
        if instead.is_empty() {
            // The rest in the parentheses tells of the process too, such as for how long it runs.
            rest = rest.find(')').map_or("", |end| &rest[end + 1..]);
        }
    }
    found + rest
}

/// The words before the number of a process, and what stands in place of both.
const NUMBERED: [(&str, &str); 3] =
    [(" (process ", ""), ("process ", "a process"), ("--pid ", "--pid PID")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_their_pids_and_nothing_else() {
        for (text, expected) in [
            ("process 31 (cron) has not ended by TERM", "a process (cron) has not ended by TERM"),
            ("it is run by runsv (process 7), which", "it is run by runsv, which"),
            ("another cron-graceful (process 9, for 3 s) is", "another cron-graceful is"),
            ("--pid 12 takes it, a process", "--pid PID takes it, a process"),
            ("2 processes, a process and --pid of", "2 processes, a process and --pid of"),
            ("", ""),
        ] {
            assert_eq!(without_pids(text), expected);
        }
    }

    #[test]
    fn a_line_names_the_outcome() {
        assert_eq!(line("stopped", None, true), "cron: stopped\n");
        assert_eq!(line("stopped", None, false), "no cron\n");
        assert_eq!(line("timed out", None, false), "no cron: timed out\n");
        assert_eq!(line("held", Some(" by alice"), true), "cron: held by alice\n");
    }
}
