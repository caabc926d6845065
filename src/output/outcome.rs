//! The outcome of each target: text for users, JSON for programs.

use std::fmt::Write as _;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::json::{self, Layout};
use super::message::message;
use super::outlet;
use super::progress::{MOST_NAMES, Progress, duration, names};
use super::reason;
use super::report_writer::ReportWriter;
use super::text::escaped;
use super::{Colour, Output, put, shown};
use crate::control::{
    Action, Conclusion, ExitStatus, Interrupts, Observer, Operation, Order, Outcome, Signal, Target,
};
use crate::process::{Pid, Proc, Unavailable};

/// The message when unknown descendants may have escaped.
const INCOMPLETE: &str = "not all descendants could be stopped or were found in time";

/// The form and the extent of a report.
pub struct OutcomeOptions {
    pub colour: Colour,
    /// The layout of JSON; `None` for text.
    pub layout: Option<Layout>,
    pub is_quiet: bool,
}

/// The report of an operation, written while it goes on.
///
/// Success is a result on standard output; anything else is a message too. A write error cannot
/// stop an operation that has begun: it is reported at the end. A closed pipe is no error.
pub struct OutcomeReport<'p> {
    name: &'p str,
    proc: &'p Proc,
    order: Order,
    writer: ReportWriter<'p>,
    layout: Option<Layout>,
    is_quiet: bool,
    progress: Progress,
    printed: usize,
}

impl<'p> OutcomeReport<'p> {
    /// Makes an empty report. Messages begin with `name`.
    pub fn new(
        name: &'p str,
        proc: &'p Proc,
        interrupts: &'p Interrupts,
        order: Order,
        options: OutcomeOptions,
    ) -> OutcomeReport<'p> {
        let OutcomeOptions { colour, layout, is_quiet } = options;
        let mut report = OutcomeReport {
            name,
            proc,
            order,
            writer: ReportWriter::new(Output::stdout(colour), interrupts),
            layout,
            is_quiet,
            progress: Progress::new(name, is_quiet),
            printed: 0,
        };
        report.writer.write(layout.map_or(b"", |layout| layout.begin()));
        report
    }

    /// Ends the report with the targets that are left. Errors: some of the output could not be
    /// written.
    pub fn finish(mut self, operation: &Operation<'_>, conclusion: Conclusion) -> io::Result<()> {
        if let Conclusion::Interrupted(_) = conclusion {
            outlet::limit(Some(Instant::now()));
        }
        let targets = operation.targets();
        if let Some(layout) = self.layout.filter(|_| !operation.is_tree_complete()) {
            let mut members = Vec::new();
            json::member(&mut members, "outcome", Some("incomplete"), json::string);
            json::member(&mut members, "reason", Some(INCOMPLETE), json::string);
            self.entry(layout, None, &members);
        }
        let end = self.layout.map_or(&b""[..], |layout| match layout {
            Layout::Document => layout.end(self.printed),
            // Each line has its end already.
            Layout::Lines => b"",
        });
        self.writer.write(end);
        self.writer.flush();
        let begin = match conclusion {
            Conclusion::Finished => "",
            Conclusion::TimedOut => "timed out",
            Conclusion::Interrupted(_) => "interrupted",
        };
        let is_left = |target: &&Target| {
            matches!(target.outcome, Some(Outcome::TimedOut | Outcome::StillRunning))
        };
        let left: Vec<_> = targets.iter().filter(is_left).collect();
        if !begin.is_empty() && !self.is_quiet {
            let what = match (self.order.action, left.len()) {
                (_, 0) => "none is left".to_owned(),
                (Action::Stop, count) => format!("{count} not stopped: {}", names_and_why(&left)),
                (_, count) => format!("{count} still running: {}", names_and_why(&left)),
            };
            message(
                self.name,
                format_args!("{begin} after {}: {what}", duration(elapsed(targets))),
            );
        }
        if !operation.is_tree_complete() && !self.is_quiet {
            message(self.name, format_args!("{INCOMPLETE}: look again with find"));
        }
        // A signal ends us while this waits for a reader.
        self.writer.finish()
    }

    /// Writes the line or the message about a target.
    fn text(&mut self, target: &Target) {
        let is_left =
            matches!(target.outcome, Some(Outcome::TimedOut | Outcome::StillRunning) | None);
        if self.is_quiet || is_left {
            return;
        }
        if !self.order.is_done(target) {
            let name = target.name.as_deref().map(|name| format!(" ({})", escaped(name)));
            let (name, pid) = (name.unwrap_or_default(), target.pid);
            // Earlier output must appear before the message.
            self.writer.flush();
            let outcome = target.outcome.map_or("", Outcome::name);
            return message(
                self.name,
                format_args!("process {pid}{name}: {outcome}: {}", self.complaint(target)),
            );
        }
        let mut line = target.pid.to_string().into_bytes();
        if let Some(name) = &target.name {
            line.push(b' ');
            line.extend_from_slice(&shown(name, self.writer.terminal()));
        }
        put(&mut line, format_args!(": {}\n", self.success(target)));
        self.writer.write(&line);
    }

    /// Returns the text for a target with the wanted outcome.
    fn success(&self, target: &Target) -> String {
        let words = target.outcome.map_or("", |outcome| self.order.words(outcome));
        let mut text = words.to_owned();
        match target.outcome {
            Some(Outcome::Spared) => text = self.intention(),
            Some(Outcome::Signalled) if words == Outcome::Signalled.name() => {
                let signal = target.sent.map_or(String::new(), |signal| format!(" with {signal}"));
                text.push_str(&signal);
            }
            Some(Outcome::Ended | Outcome::Killed | Outcome::GoneBefore)
                if self.order.wants_status =>
            {
                text.push_str(&status_words(target.status));
            }
            _ => {}
        }
        if let Some(why) = &target.why {
            let _ = write!(text, ": {}", reason::words(why));
        }
        text
    }

    /// Returns what would be done with a target.
    fn intention(&self) -> String {
        let Some(signal) = self.order.signal() else { return "would be waited for".to_owned() };
        let mut text = format!("would get {signal}");
        if self.order.continues() {
            let _ = write!(text, ", {} if it is stopped", Signal::CONT);
        }
        if let (true, Some(timeout)) = (self.order.kills_at_limit(), self.order.timeout) {
            let _ = write!(text, ", {} after {} s", Signal::KILL, timeout.as_secs_f64());
        }
        text
    }

    /// Returns the reason why a target has not the wanted outcome.
    fn complaint(&self, target: &Target) -> String {
        match target.outcome {
            Some(Outcome::Refused(refused)) => refused.to_string(),
            Some(Outcome::GoneBefore) if target.existed => "it has ended".to_owned(),
            Some(Outcome::GoneBefore) => "there is no such process".to_owned(),
            Some(Outcome::NotPermitted)
                if target.reason.is_some_and(|reason| reason != Unavailable::Denied) =>
            {
                target.reason.map_or_else(String::new, |reason| reason.to_string())
            }
            Some(Outcome::NotPermitted) if target.reference.is_none() => {
                "what has to be known of it is kept from us: try as root".to_owned()
            }
            Some(Outcome::NotPermitted) => match target.uid {
                Some(uid) => format!(
                    "it belongs to {}: try as root or as that user",
                    self.proc.users().user(uid)
                ),
                None => "it belongs to another user: try as root".to_owned(),
            },
            Some(Outcome::NoMatch) => "it does not meet the conditions".to_owned(),
            Some(Outcome::LeftAlone) => {
                "it may belong to the tree: it is an orphan that started after this command, and \
                 its session, control group or name is no proof"
                    .to_owned()
            }
            _ => "it takes no signal any more".to_owned(),
        }
    }

    /// Writes the JSON of a target.
    fn json(&mut self, layout: Layout, target: &Target) {
        let mut json = Vec::new();
        let id = target.reference.as_ref().and_then(|reference| reference.inode());
        json::member(&mut json, "id", id, |json, inode| {
            json::string(json, &format!("{}:{inode}", target.pid))
        });
        json::member(&mut json, "name", target.name.as_deref(), json::bytes);
        json::member(&mut json, "outcome", target.outcome, |json, outcome| {
            json::string(json, outcome.name())
        });
        let is_left = matches!(target.outcome, Some(Outcome::TimedOut | Outcome::StillRunning));
        let complaint = (!is_left && !self.order.is_done(target)).then(|| self.complaint(target));
        let reason = complaint.or_else(|| target.why.as_ref().map(reason::words));
        json::member(&mut json, "reason", reason, |json, reason: String| {
            json::string(json, &reason)
        });
        json::member(&mut json, "signal", target.sent, |json, signal| {
            json::string(json, &signal.to_string())
        });
        if self.order.wants_status {
            let code = target.status.and_then(|status| status.code());
            let signal = target.status.and_then(|status| Signal::from_number(status.signal()?));
            let dumped = target.status.map(|status| status.core_dumped());
            json::member(&mut json, "exit_status", code, |json, code| {
                put(json, format_args!("{code}"))
            });
            json::member(&mut json, "exit_signal", signal, |json, signal| {
                json::string(json, &signal.to_string())
            });
            json::member(&mut json, "core_dumped", dumped, |json, dumped| {
                put(json, format_args!("{dumped}"))
            });
        }
        json::member(&mut json, "seconds", target.after, |json, after| {
            put(json, format_args!("{:.3}", after.as_secs_f64()))
        });
        self.entry(layout, Some(target.pid), &json);
    }

    /// Writes an entry of JSON: a pid, or null where it is about no known process, and its members.
    fn entry(&mut self, layout: Layout, pid: Option<Pid>, members: &[u8]) {
        let mut json = if self.printed > 0 && layout == Layout::Document {
            layout.between().to_vec()
        } else {
            Vec::new()
        };
        json.extend_from_slice(b"{\"pid\":");
        json::optional(&mut json, pid, |json, pid| put(json, format_args!("{pid}")));
        json.extend_from_slice(members);
        json.push(b'}');
        if layout == Layout::Lines {
            json.push(b'\n');
        }
        self.writer.write(&json);
        self.printed += 1;
    }
}

impl Observer for OutcomeReport<'_> {
    fn decided(&mut self, target: &Target) {
        self.progress.clear();
        match self.layout {
            None => self.text(target),
            Some(layout) => self.json(layout, target),
        }
    }

    fn waiting(&mut self, targets: &[Target], since: Duration) -> Option<Instant> {
        self.progress
            .show(targets.iter().filter(|target| target.outcome.is_none()).map(pid_and_name), since)
    }

    fn idle(&mut self) {
        // Lines are written at once; a document has no parts.
        if self.layout != Some(Layout::Document) {
            self.writer.flush();
        }
    }

    fn waited(&mut self) {
        self.progress.clear();
    }
}

fn pid_and_name(target: &Target) -> (Pid, Option<&[u8]>) {
    (target.pid, target.name.as_deref())
}

/// Returns the names of targets, each with the reason why it still runs where there is one.
fn names_and_why(targets: &[&Target]) -> String {
    let whys: Vec<_> =
        targets.iter().map(|target| target.why.as_ref().map(reason::words)).collect();
    let all: Vec<_> = targets.iter().map(|target| pid_and_name(target)).collect();
    if whys.iter().take(MOST_NAMES).all(Option::is_none) {
        return names(&all);
    }
    let one = |(process, why): (&(Pid, Option<&[u8]>), &Option<String>)| {
        let name = names(&[*process]);
        why.as_ref().map_or(name.clone(), |why| format!("{name}: {why}"))
    };
    let mut list: Vec<String> = all.iter().zip(&whys).take(MOST_NAMES).map(one).collect();
    if all.len() > MOST_NAMES {
        list.push(format!("and {} more", all.len() - MOST_NAMES));
    }
    list.join("; ")
}

/// Returns the time after which the last target was decided.
fn elapsed(targets: &[Target]) -> Duration {
    targets.iter().filter_map(|target| target.after).max().unwrap_or_default()
}

/// Returns how a process ended, for the end of a line.
pub fn status_words(status: Option<ExitStatus>) -> String {
    let Some(status) = status else { return ", status unknown".to_owned() };
    let dumped = if status.core_dumped() { ", core dumped" } else { "" };
    match (status.code(), status.signal().and_then(Signal::from_number)) {
        (Some(code), _) => format!(", status {code}"),
        (_, Some(signal)) => format!(", signal {signal}{dumped}"),
        _ => ", status unknown".to_owned(),
    }
}
