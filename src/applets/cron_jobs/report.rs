//! Where the events of `cron-jobs` go: to standard output, or into a file of metrics.

use std::fmt::Display;
use std::io::Write as _;
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
use crate::output::replace::replace;
use crate::output::{Colour, Output, outlet};
use crate::users::Users;

/// Shortest time between two writes of the file of metrics.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time between two writes of it after one has failed.
const RETRY: Duration = Duration::from_secs(5);

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
        let Target::File { path, metrics, due, written, has_failed } = &mut self.target else {
            return Ok(());
        };
        let mut text = Vec::new();
        metrics.write(&mut text);
        let now = Instant::now();
        let is_first = written.replace(now).is_none();
        let failure = replace(path, &text)
            .with_context(|| format!("cannot write the metrics to '{}'", path.display()))
            .err();
        *due = failure.is_some().then_some(now + RETRY);
        let is_news = !std::mem::replace(has_failed, failure.is_some());
        match failure {
            Some(error) if is_first => return Err(error),
            Some(error) if is_news => self.say(format_args!("{error:#}: trying again")),
            _ => {}
        }
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        if self.due().is_some() { self.write() } else { Ok(()) }
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
