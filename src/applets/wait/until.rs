//! `wait --until`: waits until a target or a process below it listens. The kernel tells nobody that
//! a socket listens, so that this looks again and again, and less often as time passes.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::cli::{tell_doubts, unexamined};
use crate::control::{ExitStatus, Interrupts, Life, Target, Watch, WatchEvent, check_references};
use crate::exit::Exit;
use crate::output::message::message;
use crate::output::outcome::status_words;
use crate::output::{Output, outlet, shown};
use crate::process::{Lookup, Proc};
use crate::select::{Listening, Port, look_for_listener};

use super::super::signalling::{Acting, leave, open_own_procfs};

/// The time between two looks, at the beginning and at most.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(250);

/// The time that all looks may take together, beside one hundredth of all time.
const FREE: Duration = Duration::from_millis(100);

/// What the user asked for.
pub struct Until<'u> {
    /// The name of the applet, for messages.
    pub name: &'u str,
    pub begin: Instant,
    pub timeout: Option<Duration>,
    /// The ports; any port if there are none.
    pub ports: &'u [Port],
}

impl Until<'_> {
    /// Waits until a target or a process below it listens, or until all targets have ended. Errors:
    /// wrong usage, or a fatal error.
    pub fn run(&self, acting: &Acting) -> anyhow::Result<Exit> {
        acting.verbosity().start()?;
        check_references()?;
        let proc = open_own_procfs()?;
        let interrupts = Interrupts::catch(&proc)?;
        let is_quiet = acting.verbosity().is_quiet();
        let limit = self.timeout.and_then(|timeout| self.begin.checked_add(timeout));
        outlet::open();
        outlet::limit(limit);
        let overseer = interrupts.oversee(limit, {
            let name = self.name.to_owned();
            move |ended| leave(&name, ended, Exit::TimedOut, "anything listened", is_quiet)
        })?;
        let mut targets = Vec::new();
        let found = acting.targets().find(&proc, None, |target| {
            targets.push(target);
            Ok(())
        })?;
        overseer.iter().for_each(|overseer| overseer.trust(limit));
        let is_told = targets.iter().any(|target| target.outcome.is_some());
        targets.retain(|target| match target.outcome {
            None => target.reference.is_some(),
            Some(outcome) => {
                if !is_quiet {
                    message(self.name, format_args!("process {}: {}", target.pid, outcome.name()));
                }
                false
            }
        });
        if targets.is_empty() {
            if !is_quiet && !is_told {
                tell_doubts(self.name, &proc, &found.unexamined, true, Some("no process matches"))?;
            }
            return Ok(Exit::Nothing);
        }
        let conclusion = self.watch(&proc, &interrupts, &targets, limit, is_quiet)?;
        drop(overseer);
        // From here on, a signal ends us at once.
        drop(interrupts);
        self.tell(&proc, acting, &targets, conclusion, is_quiet)
    }

    /// Looks until something happens.
    fn watch(
        &self,
        proc: &Proc,
        interrupts: &Interrupts,
        targets: &[Target],
        limit: Option<Instant>,
        is_quiet: bool,
    ) -> anyhow::Result<Conclusion> {
        let mut watch = Watch::new(proc, Some(interrupts), true)?;
        let mut left: Vec<usize> = (0..targets.len()).collect();
        let mut last = None;
        for (token, target) in targets.iter().enumerate() {
            if let Some(reference) = &target.reference {
                watch.add(token, reference)?;
            }
        }
        let mut pace = Pace::new();
        while !left.is_empty() {
            let begin = Instant::now();
            // Opened anew, because the tables of sockets are read once.
            let new = Proc::open(proc.path())?;
            let roots: Vec<_> = left.iter().map(|&token| targets[token].pid).collect();
            let look = look_for_listener(&new, &roots, self.ports)?;
            if let Some(listening) = look.found
                && lives(&new, targets, listening)?
            {
                return Ok(Conclusion::Listens(listening));
            }
            if pace.is_first() && !look.unexamined.is_empty() && !is_quiet {
                message(self.name, unexamined(&look.unexamined));
            }
            let next = pace.next(begin);
            let until = limit.map_or(next, |limit| limit.min(next));
            match watch.next(Some(until))? {
                WatchEvent::Ended(ending) => {
                    left.retain(|&token| token != ending.token);
                    last = ending.status;
                }
                WatchEvent::Interrupted(signal) => {
                    return Ok(Conclusion::Left(Exit::Interrupted(signal.number() as u8)));
                }
                WatchEvent::Time if limit.is_some_and(|limit| limit <= Instant::now()) => {
                    return Ok(Conclusion::Left(Exit::TimedOut));
                }
                WatchEvent::Time => {}
            }
        }
        Ok(Conclusion::AllEnded(last))
    }

    fn tell(
        &self,
        proc: &Proc,
        acting: &Acting,
        targets: &[Target],
        conclusion: Conclusion,
        is_quiet: bool,
    ) -> anyhow::Result<Exit> {
        let names: Vec<String> = targets.iter().map(|target| target.pid.to_string()).collect();
        let (what, how, exit) = match conclusion {
            Conclusion::Listens(Listening { pid, endpoint, .. }) => {
                if !is_quiet {
                    let mut output = Output::stdout(acting.colour());
                    let name = proc.comm_of(pid).map(|name| [&b" "[..], &name].concat());
                    let name = name.unwrap_or_default();
                    write!(output, "{pid}")?;
                    let shown = shown(&name, &output.terminal).into_owned();
                    output.write_all(&shown)?;
                    writeln!(output, ": listens on {endpoint}")?;
                    output.finish()?;
                }
                return Ok(Exit::Done);
            }
            Conclusion::AllEnded(status) if targets.len() == 1 => {
                let failed = status.filter(|status| !status.success());
                let exit = failed.map_or(Exit::Nothing, Exit::from_status);
                ("it has ended", status_words(status), exit)
            }
            Conclusion::AllEnded(_) => ("all have ended", String::new(), Exit::Nothing),
            Conclusion::Left(Exit::TimedOut) => ("timed out", String::new(), Exit::TimedOut),
            Conclusion::Left(exit) => ("interrupted", String::new(), exit),
        };
        if !is_quiet {
            let processes = if names.len() == 1 { "process" } else { "processes" };
            let names = names.join(", ");
            message(
                self.name,
                format_args!("{processes} {names}: {what} before anything listened{how}"),
            );
        }
        Ok(exit)
    }
}

/// The end of the wait.
enum Conclusion {
    Listens(Listening),
    /// All targets have ended, the last one with this status.
    AllEnded(Option<ExitStatus>),
    /// The time is over, or we received a signal.
    Left(Exit),
}

/// Reports whether the target still lives that a listener was found below: its number was its own
/// during the look then.
fn lives(proc: &Proc, targets: &[Target], found: Listening) -> anyhow::Result<bool> {
    for target in targets.iter().filter(|target| target.pid == found.root) {
        if let Some(reference) = &target.reference {
            let life = proc.lookup(target.pid, reference.life())?;
            return Ok(life == Lookup::Found(Life::Alive));
        }
    }
    Ok(false)
}

/// The times of the looks.
struct Pace {
    begin: Instant,
    interval: Duration,
    /// The time that all looks have taken.
    spent: Duration,
}

impl Pace {
    fn new() -> Pace {
        Pace { begin: Instant::now(), interval: Duration::ZERO, spent: Duration::ZERO }
    }

    fn is_first(&self) -> bool {
        self.interval.is_zero()
    }

    /// Returns the time of the next look after one that began at this time.
    fn next(&mut self, begin: Instant) -> Instant {
        let now = Instant::now();
        self.spent += now - begin;
        self.interval = (self.interval * 3 / 2).clamp(SHORTEST, LONGEST);
        // Looks take less than one hundredth of a processor, however many processes there are.
        let earned = self.spent.saturating_sub(FREE) * 100;
        (now + self.interval).max(self.begin + earned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rarer_and_cost_little() {
        let mut pace = Pace::new();
        assert!(pace.is_first());
        let first = pace.next(Instant::now()) - Instant::now();
        assert!(first <= SHORTEST && !pace.is_first());
        for _ in 0..20 {
            pace.next(Instant::now());
        }
        assert_eq!(pace.interval, LONGEST);
        pace.spent = Duration::from_secs(1);
        assert!(pace.next(Instant::now()) - pace.begin >= Duration::from_secs(90));
    }
}
