//! Where the events of `cron-jobs` go: to standard output, or into a file of metrics.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::stdio::{stderr, stdout};

use super::Options;
use crate::control::{Interrupts, NoEvents};
use crate::cron::JobEvent;
use crate::output::cron::job_lines;
use crate::output::cron::job_metrics::JobMetrics;
use crate::output::message::message;
use crate::output::replacement::Replacement;
use crate::output::{Colour, Output, outlet};
use crate::users::Users;

/// Shortest time between two writes of the file of metrics.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time between two writes of it after one has failed.
const RETRY: Duration = Duration::from_secs(5);

/// Longest time for which a write of it holds us up; the first one, which shows whether it can be
/// written at all; and the last ones.
const WITHIN: Duration = Duration::from_millis(20);
const FIRST_WITHIN: Duration = Duration::from_secs(10);
const LAST_WITHIN: Duration = Duration::from_secs(2);

/// Time between two looks at a write that goes on, and the time after which that is told.
const POLL: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_secs(10);

/// The receiver of events.
pub struct Report<'r> {
    name: &'r str,
    users: &'r Users,
    interrupts: &'r Interrupts,
    is_quiet: bool,
    target: Target,
    /// Lines that are not written yet.
    pending: Vec<u8>,
}

enum Target {
    Text(Output),
    Json(Output),
    File {
        path: PathBuf,
        metrics: Box<JobMetrics>,
        /// The time of the next write; `None` if nothing has changed.
        due: Option<Instant>,
        written: Option<Instant>,
        /// `true` if the last write has failed.
        has_failed: bool,
        /// A write that has not ended yet.
        running: Option<Replacement>,
    },
}

impl<'r> Report<'r> {
    pub fn new(
        name: &'r str,
        options: &Options,
        users: &'r Users,
        interrupts: &'r Interrupts,
    ) -> Report<'r> {
        let target = match &options.output {
            Some(path) => Target::File {
                path: path.clone(),
                metrics: Box::default(),
                due: Some(Instant::now()),
                written: None,
                has_failed: false,
                running: None,
            },
            None if options.jsonl => Target::Json(Output::stdout(Colour::Never)),
            None => Target::Text(Output::stdout(Colour::Never)),
        };
        let is_quiet = options.verbosity.is_quiet();
        Report { name, users, interrupts, is_quiet, target, pending: Vec::new() }
    }

    /// Returns the descriptor whose reader may go.
    pub fn reader(&self) -> Option<BorrowedFd<'static>> {
        if let Target::File { .. } = self.target { None } else { outlet::with_reader() }
    }

    /// Says that there are no process events, and what that means.
    pub fn without_events(&mut self, reason: &NoEvents) {
        if let Target::File { metrics, .. } = &mut self.target {
            metrics.by_looks = true;
        }
        if !self.is_quiet {
            self.say(format_args!(
                "{reason}: looking at the children of cron instead. Jobs of some milliseconds may \
                 be missed, and before Linux 6.15 exit statuses may be unknown"
            ));
        }
    }

    /// Tells an event, of which the line is written by [`Report::flush`].
    pub fn tell(&mut self, event: &JobEvent) -> anyhow::Result<()> {
        if let JobEvent::Ended(_, end) = event
            && self.is_quiet
            && !end.has_failed()
            && !matches!(self.target, Target::File { .. })
        {
            return Ok(());
        }
        let is_start = matches!(event, JobEvent::Running(_) | JobEvent::Started(_));
        let line = match &mut self.target {
            Target::File { metrics, due, written, .. } => {
                metrics.note(event, self.users);
                let now = Instant::now();
                due.get_or_insert(written.map_or(now, |written| written + INTERVAL));
                self.note(event);
                return self.write_if_due();
            }
            _ if is_start && self.is_quiet => return Ok(()),
            Target::Json(_) => Some(job_lines::object(event, self.users)),
            Target::Text(_) => job_lines::text(event, self.users),
        };
        self.pending.extend(line.unwrap_or_default());
        self.note(event);
        Ok(())
    }

    /// Writes the lines of the events that were told.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        let (Target::Text(output) | Target::Json(output)) = &mut self.target else { return Ok(()) };
        if self.pending.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.pending);
        for part in lines.chunks(outlet::AT_ONCE) {
            let write = || output.write_all(part).and_then(|()| output.flush());
            interruptibly(self.interrupts, stdout(), write)?;
        }
        Ok(())
    }

    /// Writes a message about what is no job.
    fn note(&self, event: &JobEvent) {
        let is_news = !matches!(event, JobEvent::Following(..) | JobEvent::DaemonEnded(_));
        if let Some(text) = job_lines::note(event).filter(|_| is_news || !self.is_quiet) {
            self.say(text);
        }
    }

    fn say(&self, text: impl Display) {
        interruptibly(self.interrupts, stderr(), || message(self.name, text));
    }

    /// Returns the time at which the file is to be written.
    pub fn due(&self) -> Option<Instant> {
        if let Target::File { due, .. } = &self.target { *due } else { None }
    }

    fn write_if_due(&mut self) -> anyhow::Result<()> {
        if self.due().is_some_and(|due| due <= Instant::now()) { self.write() } else { Ok(()) }
    }

    /// Writes the file, if it is one. Errors: it could not be written the first time. Later it is
    /// tried again: a disk that is full for a moment must not end the watch.
    pub fn write(&mut self) -> anyhow::Result<()> {
        self.write_within(WITHIN)
    }

    /// Writes the file, and waits for it for this time at most. One that takes longer goes on, and
    /// no other write begins before its end.
    fn write_within(&mut self, time: Duration) -> anyhow::Result<()> {
        let Target::File { path, metrics, due, written, has_failed, running } = &mut self.target
        else {
            return Ok(());
        };
        let earlier = running.take();
        let is_earlier = earlier.is_some();
        let write = earlier.unwrap_or_else(|| {
            let mut text = Vec::new();
            metrics.write(&mut text);
            Replacement::start(path.clone(), text)
        });
        let is_first = written.replace(Instant::now()).is_none();
        let outcome = write.outcome_within(if is_first { FIRST_WITHIN } else { time });
        let now = Instant::now();
        let outcome = match outcome {
            Some(outcome) => outcome,
            None if !is_first && write.age() < LATE => {
                (*running, *due) = (Some(write), Some(now + POLL));
                return Ok(());
            }
            None => {
                *running = Some(write);
                Err(io::Error::new(ErrorKind::TimedOut, "the file system does not answer"))
            }
        };
        let failure = outcome
            .with_context(|| format!("cannot write the metrics to '{}'", path.display()))
            .err();
        *due = match failure {
            Some(_) => Some(now + RETRY),
            // It has written what was known at its beginning.
            None if is_earlier => Some(now),
            None => None,
        };
        let is_news = !std::mem::replace(has_failed, failure.is_some());
        match failure {
            Some(error) if is_first => return Err(error),
            Some(error) if is_news => self.say(format_args!("{error:#}: trying again")),
            _ => {}
        }
        Ok(())
    }

    /// Writes what is left. The file may first have to be written by an earlier write.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        for _ in 0..2 {
            if self.due().is_some() {
                self.write_within(LAST_WITHIN)?;
            }
        }
        Ok(())
    }
}

/// Writes to a descriptor. A reader that does not read must not keep a signal from ending us. Where
/// nothing has to be waited for, a signal that has come already ends us after that.
fn interruptibly<T>(
    interrupts: &Interrupts,
    descriptor: BorrowedFd<'_>,
    write: impl FnOnce() -> T,
) -> T {
    if outlet::has_room(descriptor) { write() } else { interrupts.with_signals_unblocked(write) }
}
