//! Targets of the applets that act on processes: process ids, and the options of `find`. Each
//! target is pinned, judged again, and then referred to by a pidfd.

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;

use super::parse;
use super::selection::SearchOptions;
use crate::control::{self, Outcome, Reference, Signal, Target};
use crate::exit::Refusal;
use crate::process::{Lookup, Pid, Proc, Process, Unexamined};
use crate::select::{Age, Criteria, Verdict, age};

/// A process id as a user types it: `PID`, or `PID:INODE` as `show` and `find --fields id` print
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operand {
    pub pid: Pid,
    /// Inode of its pidfd, which no other process ever has.
    pub inode: Option<u64>,
}

/// Operands and options that name the targets.
#[derive(Args)]
pub struct Targets {
    /// Process ids; as PID:INODE, which show and find --fields id print, never a later process of
    /// that number
    #[arg(value_name = "PID", value_parser = operand, allow_negative_numbers = true)]
    operands: Vec<Operand>,
    #[command(flatten)]
    search: SearchOptions,
}

/// The result of a search for targets.
#[derive(Default)]
pub struct FoundTargets {
    /// Processes that could not be examined.
    pub unexamined: Unexamined,
    best: Option<(Age, Target)>,
}

impl Targets {
    /// Reports whether the targets are selected by conditions, and not named by their ids.
    pub fn are_matched(&self) -> bool {
        self.operands.is_empty()
    }

    /// Finds the targets of this signal, and passes each to `add`. Conditions apply to process ids
    /// too: a stale id must not hit another process. Errors: usage, if neither an id nor a condition is given.
    pub fn find(
        &self,
        proc: &Proc,
        signal: Option<Signal>,
        mut add: impl FnMut(Target) -> Result<(), control::Error>,
    ) -> anyhow::Result<FoundTargets> {
        let criteria = self.search.criteria(proc, self.search.pattern(), signal)?;
        let mut found = FoundTargets::default();
        if criteria.is_empty() && self.search.is_inverted() {
            return Err(
                Refusal::usage("--inverse says what not to take, and needs a condition").into()
            );
        }
        if !self.operands.is_empty() {
            let mut seen = BTreeSet::new();
            for &operand in &self.operands {
                let (age, target) = find_operand(proc, &criteria, operand)?;
                let inode = target
                    .reference
                    .as_ref()
                    .and_then(|reference| reference.inode())
                    .or(operand.inode);
                // With and without its inode, one process is one target.
                if seen.insert((operand.pid, inode)) {
                    self.take(&mut found, (age, target), &mut add)?;
                }
            }
        } else if criteria.is_empty() {
            return Err(Refusal::usage(
                "no process is named: give process ids, or conditions as find takes them",
            )
            .into());
        } else {
            self.scan(proc, &criteria, &mut found, &mut add)?;
        }
        if let Some((_, target)) = found.best.take() {
            add(target)?;
        }
        Ok(found)
    }

    fn scan(
        &self,
        proc: &Proc,
        criteria: &Criteria,
        found: &mut FoundTargets,
        add: &mut impl FnMut(Target) -> Result<(), control::Error>,
    ) -> anyhow::Result<()> {
        let files = criteria.files();
        let mut is_empty = true;
        let mut scan = proc.scan(files)?.reading_ahead(criteria.first_file());
        while let Some(process) = scan.next()? {
            match criteria.judge(process)? {
                Verdict::NoMatch | Verdict::Gone => continue,
                Verdict::Unknown(reason) => {
                    found.unexamined.add(process.pid(), reason);
                    continue;
                }
                Verdict::Match => {}
            }
            is_empty = false;
            // After the scan, its pid may be reused. Judge the pinned process, which cannot change.
            match criteria.judge_pinned(proc, process.pid(), files | Target::FILES)? {
                (Verdict::Match, Some(pinned)) => self.take(found, pinned_target(&pinned)?, add)?,
                (Verdict::Match | Verdict::Gone, _) => {
                    self.take(found, (None, Target::gone(process.pid())), add)?
                }
                (Verdict::NoMatch, _) => {}
                (Verdict::Unknown(reason), _) => found.unexamined.add(process.pid(), reason),
            }
        }
        if is_empty {
            found.unexamined.sockets = criteria.unheld(proc)?;
        }
        Ok(())
    }

    /// Adds a target; with --newest or --oldest, keeps it while it is the best one.
    fn take(
        &self,
        found: &mut FoundTargets,
        (age, target): (Option<Age>, Target),
        add: &mut impl FnMut(Target) -> Result<(), control::Error>,
    ) -> Result<(), control::Error> {
        match (self.search.pick(), age) {
            (Some(pick), Some(age)) if target.outcome.is_none() => {
                if found.best.as_ref().is_none_or(|(best, _)| pick.prefers(age, *best)) {
                    found.best = Some((age, target));
                }
                Ok(())
            }
            // A process that is gone or does not match is neither the newest nor the oldest.
            (Some(_), _) if target.existed => Ok(()),
            _ => add(target),
        }
    }
}

/// Makes a target of a pinned process that matched; gone if the process has exited meanwhile.
fn pinned_target(process: &Process<'_>) -> Result<(Option<Age>, Target), control::Error> {
    let read = age(process).and_then(|age| Ok((age, Target::found(process)?)));
    Ok(match process.lookup(read)? {
        Lookup::Found((age, target)) => (Some(age), target),
        Lookup::Unavailable(reason) => (None, Target::unavailable(process.pid(), reason)),
        Lookup::Exited => (None, Target::gone(process.pid())),
    })
}

fn find_operand(
    proc: &Proc,
    criteria: &Criteria,
    operand: Operand,
) -> anyhow::Result<(Option<Age>, Target)> {
    let Operand { pid, inode } = operand;
    let (verdict, process) = criteria.judge_pinned(proc, pid, criteria.files() | Target::FILES)?;
    let (age, mut target) = match process {
        Some(process) => pinned_target(&process)?,
        None => (None, hidden_target(proc, pid)?),
    };
    if let (Some(expected), Some(reference)) = (inode, &target.reference) {
        let inode = reference.inode().ok_or_else(|| {
            Refusal::nothing(format!(
                "{operand}: this kernel gives processes no ids: it is older than Linux 6.9"
            ))
        })?;
        if inode != expected {
            return Ok((None, Target::gone(pid)));
        }
    }
    // An inode proves that the process existed.
    target.existed |= inode.is_some();
    if target.outcome.is_none() && !criteria.is_empty() {
        target.outcome = match verdict {
            Verdict::Match => None,
            Verdict::NoMatch => Some(Outcome::NoMatch),
            Verdict::Gone => Some(Outcome::GoneBefore),
            Verdict::Unknown(_) => Some(Outcome::NotPermitted),
        };
        // Without a reference, its descendants are not taken either.
        target.reference = target.reference.filter(|_| !matches!(verdict, Verdict::Unknown(_)));
    }
    Ok((age, target))
}

/// Finds a process that /proc does not show. One that hidepid hides can still be referred to; any
/// other does not exist.
fn hidden_target(proc: &Proc, pid: Pid) -> anyhow::Result<Target> {
    let reference = proc.lookup(pid, Reference::by_number(pid))?;
    // A process that shows up now is a later one of the same pid, not the one that was meant.
    let is_hidden = !matches!(proc.process(pid, Target::FILES)?, Lookup::Found(_));
    Ok(match reference {
        Lookup::Found(reference) if is_hidden => Target::held(reference),
        _ => Target::decided(pid, Outcome::GoneBefore),
    })
}

/// Parses `PID` or `PID:INODE`.
fn operand(text: &str) -> Result<Operand, String> {
    let (pid, inode) = match text.split_once(':') {
        Some((pid, inode)) => {
            let is_number = !inode.is_empty() && inode.bytes().all(|byte| byte.is_ascii_digit());
            let inode = inode.parse().ok().filter(|_| is_number);
            (pid, Some(inode.ok_or("behind the colon, the inode of a pidfd is a number")?))
        }
        None => (text, None),
    };
    let pid = parse::pid(pid).map_err(|why| format!("{why}{}", hint(text)))?;
    Ok(Operand { pid, inode })
}

/// Returns the option that was probably meant by an operand that is no process id.
fn hint(text: &str) -> String {
    match text.strip_prefix('-') {
        Some("0") => {
            ": signal 0 sends nothing: find --pid tells whether a process is there".to_owned()
        }
        Some(number) => match Signal::parse(number) {
            Some(_) => format!(
                ": name a signal with --signal {number}, a process group with --pgroup {number}"
            ),
            None => format!(": name a process group with --pgroup {number}"),
        },
        None if text.starts_with(|first: char| first.is_ascii_digit() || first == '+') => {
            String::new()
        }
        None => format!(": name a program with --exe {text} or --pattern {text}"),
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inode {
            Some(inode) => write!(f, "{}:{inode}", self.pid),
            None => write!(f, "{}", self.pid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_ids_with_and_without_their_inode() {
        assert_eq!(operand("12"), Ok(Operand { pid: 12, inode: None }));
        assert_eq!(operand("12:345"), Ok(Operand { pid: 12, inode: Some(345) }));
        for bad in ["", ":", "12:", ":5", "12:x", "12:+5", "12:5:6", "0:5", "-9", "sshd", "4194304"]
        {
            assert!(operand(bad).is_err(), "{bad:?}");
        }
        assert!(operand("-9").is_err_and(|why| why.contains("--signal 9,")));
        assert!(operand("-1234").is_err_and(|why| {
            why.ends_with("a process id is positive: name a process group with --pgroup 1234")
        }));
        assert!(operand("sshd").is_err_and(|why| why.contains("--exe sshd")));
    }
}
