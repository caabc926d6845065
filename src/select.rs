//! Criteria: the one place that decides which processes match, for reading and for acting.
//! `crate::cli::selection` makes them from options; [`relatives()`] finds the processes that are
//! related to another one.

mod container;
mod expression;
pub mod grouping;
mod listeners;
mod listening;
mod logic;
mod named_path;
pub mod order;
mod relatives;

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::bytes::Regex;

use crate::process::{
    Cgroups, Endpoint, Error, File, Files, Lookup, Pid, Proc, Process, ReadResult, Sought,
    Unavailable, items, terminal,
};

pub use container::ContainerName;
pub use expression::{Comparison, Expression, Operand, Operator};
pub use listeners::{Listeners, Port, listeners};
pub use listening::{Listening, look_for_listener};
pub use named_path::{sought_file, sought_file_system};
pub use relatives::{Anchor, Relation, RelativeIdentity, Relatives, relatives};

/// One condition that a process must meet.
#[derive(Debug)]
pub enum Test {
    /// Its pid is one of these.
    Pid(Vec<Pid>),
    /// It is one of these processes. Where there is a reason instead of an identity, it may be one
    /// or not: this is unknown, for this reason.
    Relatives(BTreeMap<Pid, Result<RelativeIdentity, Unavailable>>),
    /// exe_name is one of these.
    ExeName(Vec<Vec<u8>>),
    /// exe_path is one of these.
    ExePath(Vec<Vec<u8>>),
    /// comm is exactly one of these.
    Comm(Vec<Vec<u8>>),
    /// The completed name matches.
    Name(Regex),
    /// The arguments, joined by blanks, match; for a process without arguments its name.
    CommandLine(Regex),
    /// Its parent is one of these; 0 means that no parent is visible.
    Parent(Vec<Pid>),
    /// It is in one of these process groups.
    ProcessGroup(Vec<Pid>),
    /// It is in one of these sessions.
    Session(Vec<Pid>),
    /// The controlling terminal is one of these, named as below /dev; `?` is none.
    Terminal(Vec<String>),
    /// Its state is one of these letters.
    State(Vec<u8>),
    /// It has run for more than this number of seconds.
    OlderThan(f64),
    /// It has run for less than this number of seconds.
    NewerThan(f64),
    /// It is a kernel thread.
    IsKernelThread,
    /// One of these users started it (real user id).
    RealUser(Vec<u32>),
    /// It acts with the rights of one of these users (effective user id).
    EffectiveUser(Vec<u32>),
    /// Its real group is one of these.
    RealGroup(Vec<u32>),
    /// It was started with this variable, and with this value if one is given.
    Environ { name: Vec<u8>, value: Option<Vec<u8>> },
    /// One of its control groups has one of these paths. A path that ends in a slash means also
    /// what is below it.
    Cgroup(Vec<Vec<u8>>),
    /// It is in a systemd unit whose name matches one of these.
    Unit(Vec<Regex>),
    /// It is in a slice of systemd whose name matches one of these.
    Slice(Vec<Regex>),
    /// It is in one of these containers.
    Container(Vec<ContainerName>),
    /// It is in these namespaces.
    Namespaces(Vec<(File, u64)>),
    /// It holds one of these files, or a file of one of these file systems.
    HoldsFile(Arc<Vec<Sought>>),
    /// Its executable or a mapped library was removed or replaced.
    RunsDeleted,
    /// It holds one of these sockets.
    Holds(Listeners),
    /// It handles the signal of this number.
    Handles(i32),
    /// This expression holds.
    Where(Expression),
    /// It does not meet all of these.
    Not(Vec<Test>),
}

/// The decision about a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Match,
    NoMatch,
    /// The process has exited.
    Gone,
    /// The decision needs something that is unavailable, for this reason. Such a process never
    /// matches, not even with an inverted condition.
    Unknown(Unavailable),
}

/// The choice of one among several matching processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    Newest,
    Oldest,
}

/// Start time and pid, by which the newest and the oldest process are chosen.
pub type Age = (u64, Pid);

/// Returns the age of a process.
pub fn age(process: &Process<'_>) -> ReadResult<Age> {
    Ok((process.stat()?.start_ticks, process.pid()))
}

/// The conditions that a process must meet together.
#[derive(Debug, Default)]
pub struct Criteria {
    /// Cheapest first, so that one system call rejects most processes.
    tests: Vec<Test>,
    inverted: bool,
    /// Processes that never match: we ourselves.
    except: Vec<Pid>,
}

impl Criteria {
    /// Makes criteria that match when all conditions are met or, with `inverted`, when one is not.
    /// Processes in `except` never match.
    pub fn new(mut tests: Vec<Test>, inverted: bool, except: Vec<Pid>) -> Criteria {
        tests.sort_by_key(Test::cost);
        for test in tests.iter_mut().skip(1) {
            if let Test::Holds(listeners) = test {
                listeners.expect_few();
            }
        }
        Criteria { tests, inverted, except }
    }

    /// Reports whether there are no conditions, so that everything matches.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Returns the files that a decision reads in any case, unless an earlier condition fails.
    pub fn files(&self) -> Files {
        self.tests.iter().map(Test::certain_files).fold(Files::NONE, |all, files| all | files)
    }

    /// Returns the file that a decision reads of every process, if there is one.
    pub fn first_file(&self) -> Files {
        self.tests.first().map_or(Files::NONE, Test::certain_files)
    }

    /// Decides about a process. Errors: those that end the run.
    pub fn judge(&self, process: &Process<'_>) -> Result<Verdict, Error> {
        if self.except.contains(&process.pid()) {
            return Ok(Verdict::NoMatch);
        }
        let mut unknown = None;
        for test in &self.tests {
            match process.lookup(test.holds(process))? {
                Lookup::Found(true) => {}
                Lookup::Found(false) | Lookup::Unavailable(Unavailable::Absent(_)) => {
                    return Ok(verdict(self.inverted));
                }
                Lookup::Unavailable(reason) => unknown = unknown.or(Some(reason)),
                Lookup::Exited => return Ok(Verdict::Gone),
            }
        }
        Ok(unknown.map_or_else(|| verdict(!self.inverted), Verdict::Unknown))
    }

    /// Returns the listening sockets that are asked for and that no process holds which we may
    /// examine. Their process is unknown.
    pub fn unheld(&self, proc: &Proc) -> Result<Vec<Endpoint>, Error> {
        let mut unheld = Vec::new();
        for test in self.tests.iter().filter(|_| !self.inverted) {
            if let Test::Holds(listeners) = test {
                unheld.extend(listeners.unheld(proc)?);
            }
        }
        Ok(unheld)
    }

    /// Pins the process of this number and decides about it; returns both. `files` as in
    /// [`Proc::process`].
    pub fn judge_pinned<'p>(
        &self,
        proc: &'p Proc,
        pid: Pid,
        files: Files,
    ) -> Result<(Verdict, Option<Process<'p>>), Error> {
        match proc.process(pid, files)? {
            Lookup::Found(process) => Ok((self.judge(&process)?, Some(process))),
            Lookup::Unavailable(reason) => Ok((Verdict::Unknown(reason), None)),
            Lookup::Exited => Ok((Verdict::Gone, None)),
        }
    }
}

fn verdict(matches: bool) -> Verdict {
    if matches { Verdict::Match } else { Verdict::NoMatch }
}

impl Pick {
    /// Reports whether the first of two processes is preferred.
    pub fn prefers(self, this: Age, other: Age) -> bool {
        match self {
            Pick::Newest => this > other,
            Pick::Oldest => this < other,
        }
    }
}

impl Test {
    /// Returns the rank of the condition by its cost: the cheapest ones are tried first.
    fn cost(&self) -> u8 {
        /// Reading the descriptors.
        const DESCRIPTORS: u8 = 200;
        /// Reading the descriptors and the memory map.
        const MEMORY_MAP: u8 = 220;
        match self {
            Test::Holds(_) => DESCRIPTORS,
            Test::HoldsFile(_) | Test::RunsDeleted => MEMORY_MAP,
            Test::Where(expression) => expression.cost(),
            Test::Not(tests) => tests.iter().map(Test::cost).max().unwrap_or(0),
            _ => self.file().map_or(0, File::rank),
        }
    }

    /// Returns the most expensive file that the condition reads. Files are numbered by cost.
    fn file(&self) -> Option<File> {
        match self {
            Test::Pid(_) | Test::Relatives(_) | Test::Holds(_) | Test::Where(_) | Test::Not(_) => {
                None
            }
            Test::ExeName(_) | Test::ExePath(_) => Some(File::Exe),
            Test::Comm(_) | Test::Name(_) => Some(File::Comm),
            Test::CommandLine(_) => Some(File::Cmdline),
            Test::Parent(_)
            | Test::ProcessGroup(_)
            | Test::Session(_)
            | Test::Terminal(_)
            | Test::State(_) => Some(File::Stat),
            Test::OlderThan(_) | Test::NewerThan(_) | Test::IsKernelThread => Some(File::Stat),
            Test::RealUser(_) | Test::EffectiveUser(_) | Test::RealGroup(_) | Test::Handles(_) => {
                Some(File::Status)
            }
            Test::Environ { .. } => Some(File::Environ),
            Test::Cgroup(_) | Test::Unit(_) | Test::Slice(_) | Test::Container(_) => {
                Some(File::Cgroup)
            }
            Test::Namespaces(_) => Some(File::NsPid),
            Test::HoldsFile(_) | Test::RunsDeleted => Some(File::Exe),
        }
    }

    /// Returns the files that the condition reads in any case.
    fn certain_files(&self) -> Files {
        match self {
            // These stand in several files: see `Process::comm`, `Process::state`.
            Test::Comm(_) | Test::Name(_) | Test::Parent(_) | Test::State(_) => Files::NONE,
            Test::Where(expression) => expression.certain_files(),
            Test::Not(tests) => tests.first().map_or(Files::NONE, Test::certain_files),
            _ => self.file().map_or(Files::NONE, |file| Files::new(&[file])),
        }
    }

    /// Reports whether a process meets the condition.
    fn holds(&self, process: &Process<'_>) -> ReadResult<bool> {
        Ok(match self {
            Test::Pid(pids) => pids.contains(&process.pid()),
            Test::Relatives(relatives) => match relatives.get(&process.pid()) {
                Some(Ok(identity)) => identity.matches(process)?,
                Some(Err(reason)) => return Err((*reason).into()),
                None => false,
            },
            Test::ExeName(names) => contains(names, &process.exe_name()?),
            Test::ExePath(paths) => contains(paths, process.exe_path()?),
            Test::Comm(names) => contains(names, &process.comm()?),
            Test::Name(pattern) => pattern.is_match(&process.name()?),
            Test::CommandLine(pattern) => match process.command_line()? {
                line if line.is_empty() => pattern.is_match(&process.name()?),
                line => pattern.is_match(&line),
            },
            Test::Parent(pids) => pids.contains(&process.ppid()?),
            Test::ProcessGroup(pids) => pids.contains(&process.stat()?.pgrp),
            Test::Session(pids) => pids.contains(&process.stat()?.session),
            Test::Terminal(names) => names
                .contains(&terminal::name(process.stat()?.tty).unwrap_or_else(|| "?".to_owned())),
            Test::State(letters) => letters.contains(&process.state()?),
            Test::OlderThan(seconds) => process.runtime()? > *seconds,
            Test::NewerThan(seconds) => process.runtime()? < *seconds,
            Test::IsKernelThread => process.is_kernel_thread()?,
            Test::RealUser(ids) => ids.contains(&process.user_ids()?[0]),
            Test::EffectiveUser(ids) => ids.contains(&process.user_ids()?[1]),
            Test::RealGroup(ids) => ids.contains(&process.group_ids()?[0]),
            Test::Environ { name, value } => {
                has_variable(process.environ()?, name, value.as_deref())
            }
            Test::Cgroup(paths) => {
                let is_in = |path| paths.iter().any(|wanted| Cgroups::is_meant(path, wanted));
                cgroups(process)?.paths().any(is_in)
            }
            Test::Unit(names) => {
                cgroups(process)?.units().any(|unit| is_named(names, unit, b".service"))
            }
            Test::Slice(names) => {
                cgroups(process)?.slices().any(|slice| is_named(names, slice, b".slice"))
            }
            Test::Container(names) => cgroups(process)?
                .container()
                .is_some_and(|container| names.iter().any(|name| name.means(&container))),
            Test::Namespaces(namespaces) => is_in_all(process, namespaces)?,
            Test::HoldsFile(sought) => process.holds(sought)?,
            Test::RunsDeleted => process.runs_deleted()?,
            Test::Holds(listeners) => listeners.are_held_by(process)?,
            Test::Handles(signal) => process.handles(*signal)?,
            Test::Where(expression) => expression.holds(process)?,
            Test::Not(tests) => !logic::all(tests.iter().map(|test| test.holds(process)))?,
        })
    }
}

fn contains(expected: &[Vec<u8>], found: &[u8]) -> bool {
    expected.iter().any(|each| each == found)
}

fn cgroups<'a>(process: &'a Process<'_>) -> ReadResult<Cgroups<'a>> {
    process.file(File::Cgroup).map(Cgroups)
}

/// Reports whether a name matches one of these, with or without its ending.
fn is_named(wanted: &[Regex], name: &[u8], ending: &[u8]) -> bool {
    let short = name.strip_suffix(ending);
    wanted
        .iter()
        .any(|wanted| wanted.is_match(name) || short.is_some_and(|short| wanted.is_match(short)))
}

/// Reports whether a process is in each of these namespaces. Those after the first that differs are
/// not read.
fn is_in_all(process: &Process<'_>, namespaces: &[(File, u64)]) -> ReadResult<bool> {
    for &(file, inode) in namespaces {
        if process.namespace(file)? != inode {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reports whether an environment has this variable, with this value if one is given.
fn has_variable(environ: &[u8], name: &[u8], value: Option<&[u8]>) -> bool {
    items(environ).any(|item| {
        let rest = item.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"="));
        rest.is_some_and(|found| value.is_none_or(|wanted| wanted == found))
    })
}
