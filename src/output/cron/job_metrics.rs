//! Jobs as metrics, by user and command.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::control::ExitStatus;
use crate::cron::{FollowedJob, JobEnd, JobEvent};
use crate::output::metrics::{Families, Label};
use crate::output::text::{cut, escaped};
use crate::process::Pid;
use crate::users::Users;

/// Most pairs of user and command that have series of their own. Further ones share the series of
/// [`OTHERS`]. A user with many pairs gives places to those with fewer: nobody can take all.
const MOST: usize = 200;

/// Most columns of a label. Longer ones are cut, with a mark.
const COLUMNS: usize = 200;

/// The user and the command of all jobs that have no series of their own.
const OTHERS: (&str, &str) = ("(others)", "(others)");

/// The label of what is not known.
const UNKNOWN: &str = "(unknown)";

/// Time without a run after which a pair gives its place to a new one: a monthly job keeps its own.
const KEPT: Duration = Duration::from_secs(40 * 24 * 60 * 60);

/// A user and a command, as labels.
type Pair = (String, String);

/// What is known about the jobs of a pair.
#[derive(Clone, Default)]
struct Record {
    runs: u64,
    failures: u64,
    last: Option<LastRun>,
    last_success: Option<SystemTime>,
}

/// The run that has ended last.
#[derive(Clone, Copy)]
struct LastRun {
    noticed: Instant,
    /// The time of its end. It stays the same when somebody sets the clock.
    ended: SystemTime,
    status: Option<ExitStatus>,
    runtime: Duration,
    peak_rss: Option<u64>,
}

/// The numbers of all jobs since the start.
#[derive(Default)]
pub struct JobMetrics {
    records: BTreeMap<Pair, Record>,
    others: Record,
    /// The pairs of the jobs that run; `None` for one of the others.
    running: BTreeMap<Pid, Option<Pair>>,
    daemons: u64,
    unseen: u64,
    losses: u64,
    /// `true` if the kernel has no process events for us.
    pub by_looks: bool,
}

impl JobMetrics {
    /// Counts an event.
    pub fn note(&mut self, event: &JobEvent, users: &Users) {
        match event {
            JobEvent::Following(..) => self.daemons += 1,
            JobEvent::DaemonEnded(_) => self.daemons = self.daemons.saturating_sub(1),
            JobEvent::NoDaemon => {}
            JobEvent::Running(job) | JobEvent::Started(job) => {
                let pair = self.place(pair(job, users));
                self.running.insert(job.pid, pair);
            }
            JobEvent::Ended(job, end) => self.note_end(job, end, pair(job, users)),
            JobEvent::Unseen { .. } => self.unseen += 1,
            JobEvent::Lost => self.losses += 1,
        }
    }

    fn note_end(&mut self, job: &FollowedJob, end: &JobEnd, last: Pair) {
        let pair = match self.running.remove(&job.pid).flatten() {
            // Its command was read later.
            Some(first) if first.1 == UNKNOWN && first != last => {
                self.forget_if_unused(&first);
                self.place(last)
            }
            first => first,
        };
        let record = pair.and_then(|pair| self.records.get_mut(&pair));
        let record = record.unwrap_or(&mut self.others);
        record.runs += 1;
        record.failures += u64::from(end.has_failed());
        let ended = end.time();
        if end.status.is_some_and(|status| status.success()) {
            record.last_success = Some(ended);
        }
        record.last = Some(LastRun {
            noticed: Instant::now(),
            ended,
            status: end.status,
            runtime: end.runtime(job),
            peak_rss: job.peak_rss,
        });
    }

    /// Gives up the series of a pair that has never run to an end.
    fn forget_if_unused(&mut self, pair: &Pair) {
        let is_running = self.running.values().flatten().any(|other| other == pair);
        if !is_running && self.records.get(pair).is_some_and(|record| record.runs == 0) {
            self.records.remove(pair);
        }
    }

    /// Returns the pair if it has series of its own, or gets them now.
    fn place(&mut self, pair: Pair) -> Option<Pair> {
        if !self.records.contains_key(&pair) {
            if self.records.len() >= MOST {
                let old = self.oldest().or_else(|| self.crowding(&pair.0))?;
                let record = self.records.remove(&old)?;
                self.others.runs += record.runs;
                self.others.failures += record.failures;
            }
            self.records.insert(pair.clone(), Record::default());
        }
        Some(pair)
    }

    /// Returns the pair that has not run for the longest time, if that is long enough.
    fn oldest(&self) -> Option<Pair> {
        let (noticed, pair) = self.ended().min()?;
        (noticed.elapsed() >= KEPT).then(|| pair.clone())
    }

    /// Returns the pair that gives its place to one of this user: that of the user with the most
    /// pairs that has not run for the longest time.
    fn crowding(&self, user: &str) -> Option<Pair> {
        let mut pairs: BTreeMap<&str, usize> = BTreeMap::new();
        for (user, _) in self.records.keys() {
            *pairs.entry(user).or_default() += 1;
        }
        let own = pairs.get(user).copied().unwrap_or(0);
        let (most, count) = pairs.into_iter().max_by_key(|&(_, count)| count)?;
        let (_, pair) = self.ended().filter(|(_, pair)| pair.0 == most).min()?;
        (count > own + 1).then(|| pair.clone())
    }

    /// Returns the pairs that do not run now, each with the end of its last run.
    fn ended(&self) -> impl Iterator<Item = (Instant, &Pair)> {
        let running: BTreeSet<&Pair> = self.running.values().flatten().collect();
        let ended = self.records.iter().filter(move |(pair, _)| !running.contains(pair));
        ended.filter_map(|(pair, record)| Some((record.last?.noticed, pair)))
    }

    /// Appends all metrics.
    pub fn write(&self, text: &mut Vec<u8>) {
        let mut families = Families::default();
        let counts = [
            ("proctool_cron_followed_daemons", "Cron daemons that are followed.", self.daemons),
            (
                "proctool_cron_process_events",
                "1 if the kernel tells of every process, 0 if cron-jobs looks at those of cron.",
                u64::from(!self.by_looks),
            ),
            (
                "proctool_cron_event_losses",
                "Times that the kernel has discarded events since cron-jobs was started.",
                self.losses,
            ),
            (
                "proctool_cron_unseen_jobs",
                "Jobs that were too short to be seen since cron-jobs was started.",
                self.unseen,
            ),
        ];
        for (name, help, value) in counts {
            families.sample(name, help, &[], value as f64);
        }
        let mut running: BTreeMap<Option<&Pair>, u64> = BTreeMap::new();
        for pair in self.running.values() {
            *running.entry(pair.as_ref()).or_default() += 1;
        }
        for (pair, record) in &self.records {
            let labels = [("user", &pair.0[..]), ("command", &pair.1[..])];
            let running = running.get(&Some(pair)).copied().unwrap_or(0);
            counters(&mut families, record, running, &labels);
            last_run(&mut families, record, &labels);
        }
        let running = running.get(&None).copied().unwrap_or(0);
        if running > 0 || self.others.runs > 0 {
            let labels = [("user", OTHERS.0), ("command", OTHERS.1)];
            counters(&mut families, &self.others, running, &labels);
        }
        families.write(text);
    }
}

/// Adds the numbers that can be summed up.
fn counters(families: &mut Families, record: &Record, running: u64, labels: &[Label<'_>]) {
    let counts = [
        ("proctool_cron_job_running", "Running jobs.", running),
        (
            "proctool_cron_job_runs",
            "Jobs that have ended since cron-jobs was started.",
            record.runs,
        ),
        (
            "proctool_cron_job_failures",
            "Jobs that have failed, or died by a signal, since cron-jobs was started.",
            record.failures,
        ),
    ];
    for (name, help, value) in counts {
        families.sample(name, help, labels, value as f64);
    }
}

/// Adds the facts about the last run.
fn last_run(families: &mut Families, record: &Record, labels: &[Label<'_>]) {
    let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
    let facts = [
        (
            "proctool_cron_job_last_exit_status",
            "Exit status of the last run; 128 and the number of a signal that ended it.",
            record.last.and_then(|last| shell_status(last.status?)).map(f64::from),
        ),
        (
            "proctool_cron_job_last_duration_seconds",
            "Time from the start to the end of the last run.",
            record.last.map(|last| last.runtime.as_secs_f64()),
        ),
        (
            "proctool_cron_job_last_peak_rss_bytes",
            "Most resident memory of one process of the last run that was read.",
            record.last.and_then(|last| last.peak_rss).map(|peak| peak as f64),
        ),
        (
            "proctool_cron_job_last_end_timestamp_seconds",
            "Time of the end of the last run.",
            record.last.and_then(|last| since_epoch(last.ended)).map(|at| at.as_secs_f64()),
        ),
        (
            "proctool_cron_job_last_success_timestamp_seconds",
            "Time of the last end with exit status 0.",
            record.last_success.and_then(since_epoch).map(|at| at.as_secs_f64()),
        ),
    ];
    for (name, help, value) in facts {
        if let Some(value) = value {
            families.sample(name, help, labels, value);
        }
    }
}

/// Returns an exit status as a shell shows it.
fn shell_status(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| Some(128 + status.signal()?))
}

/// Returns the user and the command of a job, as labels.
fn pair(job: &FollowedJob, users: &Users) -> Pair {
    let label = |text: Option<&[u8]>| {
        let mut label = text.map_or_else(|| UNKNOWN.to_owned(), escaped).into_bytes();
        cut(&mut label, COLUMNS, "...");
        String::from_utf8_lossy(&label).into_owned()
    };
    let user = job.uid.map(|uid| users.user(uid));
    (label(user.as_ref().map(|user| user.as_bytes())), label(job.command.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the metrics after these jobs have started and, where they have a status, ended.
    fn after(jobs: &[(Pid, &[u8], Option<i32>)]) -> String {
        let users = Users::default();
        let mut metrics = JobMetrics::default();
        for &(pid, command, status) in jobs {
            let job = Box::new(FollowedJob::sample(pid, command));
            metrics.note(&JobEvent::Started(job.clone()), &users);
            if let Some(status) = status {
                let at = job.born + Duration::from_secs(2);
                let end = JobEnd { at, status: Some(ExitStatus::from_raw(status)) };
                metrics.note(&JobEvent::Ended(job, end), &users);
            }
        }
        let mut text = Vec::new();
        metrics.write(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_last_run_and_all_runs_are_counted() {
        let text = after(&[
            (1, b"a \"b\"", Some(0)),
            (2, b"a \"b\"", Some(0x0300)),
            (3, b"a \"b\"", Some(9)),
            (4, b"a \"b\"", None),
        ]);
        let labels = r#"{user="root",command="a \"b\""}"#;
        for (name, value) in [
            ("running", "1"),
            ("runs", "3"),
            ("failures", "2"),
            ("last_exit_status", "137"),
            ("last_duration_seconds", "2"),
        ] {
            let sample = format!("proctool_cron_job_{name}{labels} {value}\n");
            assert!(text.contains(&sample), "{sample}{text}");
        }
        assert!(text.contains("# UNIT proctool_cron_job_last_duration_seconds seconds\n"));
        assert!(text.contains("proctool_cron_followed_daemons 0\n"), "{text}");
    }

    #[test]
    fn the_time_of_an_end_stays_the_same() {
        let (users, mut metrics) = (Users::default(), JobMetrics::default());
        let job = Box::new(FollowedJob::sample(1, b"a"));
        metrics.note(&JobEvent::Started(job.clone()), &users);
        let end = JobEnd { at: job.born, status: Some(ExitStatus::from_raw(0)) };
        metrics.note(&JobEvent::Ended(job, end), &users);
        let texts: Vec<Vec<u8>> = (0..20)
            .map(|_| {
                let mut text = Vec::new();
                metrics.write(&mut text);
                text
            })
            .collect();
        assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn the_number_of_series_and_their_length_are_bounded() {
        let commands: Vec<Vec<u8>> =
            (0..MOST + 50).map(|number| format!("job {number}").into_bytes()).collect();
        let jobs: Vec<(Pid, &[u8], Option<i32>)> = commands
            .iter()
            .enumerate()
            .map(|(at, command)| (at as Pid, &command[..], (at % 2 == 0).then_some(0x0100)))
            .collect();
        let text = after(&jobs);
        let runs = text.lines().filter(|line| line.starts_with("proctool_cron_job_runs{"));
        assert_eq!(runs.count(), MOST + 1);
        let others = r#"{user="(others)",command="(others)"}"#;
        for (name, value) in [("running", 25), ("runs", 25), ("failures", 25)] {
            let sample = format!("proctool_cron_job_{name}{others} {value}\n");
            assert!(text.contains(&sample), "{sample}{text}");
        }
        // Those of another user have places all the same, as long as they are fewer.
        let users = Users::default();
        let mut metrics = JobMetrics::default();
        for (at, command) in commands.iter().enumerate() {
            let mut job = Box::new(FollowedJob::sample(at as Pid, command));
            job.uid = Some(if at < MOST + 20 { 4_000_000_000 } else { 0 });
            metrics.note(&JobEvent::Started(job.clone()), &users);
            let end = JobEnd { at: job.born, status: Some(ExitStatus::from_raw(0)) };
            metrics.note(&JobEvent::Ended(job, end), &users);
        }
        let pairs = |user: &str| metrics.records.keys().filter(|pair| pair.0 == user).count();
        assert_eq!((pairs("root"), pairs("4000000000"), metrics.others.runs), (30, 170, 50));
        let long = after(&[(1, &[b'x'; 1000], Some(0)), (2, b"\xff\n", Some(0))]);
        assert!(long.lines().all(|line| line.len() < 300), "{long}");
        assert!(long.contains(r#"command="\\xff\\n"}"#), "{long}");
    }
}
