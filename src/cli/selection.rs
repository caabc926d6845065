//! Options that select processes, and the criteria that they stand for. `Selection` is what all
//! applets have that select, `SearchOptions` is all that `find` has.

mod age;
mod expression;
mod files;
mod handler;
mod namespace;
pub mod negation;
mod pid_file;
mod place;
mod quantity;
pub mod socket;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use anyhow::Context as _;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, Args};

use super::{absence, parse, pattern};
use crate::control::{Signal, self_and_ancestors};
use crate::exit::Refusal;
use crate::process::{Files, Lookup, Pid, Proc, Process, ReadResult};
use crate::select::{Anchor, Criteria, Pick, Relation, Relatives, Test, relatives};

use age::AgeOptions;
use expression::ExpressionOptions;
use files::FileOptions;
use handler::HandlerOptions;
use namespace::NamespaceOptions;
use negation::NegationOptions;
use pid_file::PidFileOptions;
use place::PlaceOptions;
use socket::SocketOptions;

pub use expression::EXPRESSIONS;
pub use files::HELD_FILES;

/// Long options of each applet that selects. All of them must be true; of a list in one of them,
/// one item must be true.
#[derive(Args)]
pub struct Selection {
    /// Executable's name: the base name of its path, "(deleted)" or not
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Selection")]
    exe: Vec<OsString>,
    /// Executable's absolute path, as the kernel tells it: with no symbolic link in it
    #[arg(long, value_name = "PATH", help_heading = "Selection")]
    exe_path: Vec<OsString>,
    /// Process id
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        value_parser = parse::pid,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    pub pid: Vec<Pid>,
    /// Real user, by name or number
    #[arg(long, value_name = "USER", value_delimiter = ',', help_heading = "Selection")]
    user: Vec<String>,
    /// Name that the kernel keeps, exactly
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Selection")]
    comm: Vec<OsString>,
    #[command(flatten)]
    files: FileOptions,
    #[command(flatten)]
    sockets: SocketOptions,
    #[command(flatten)]
    place: PlaceOptions,
    #[command(flatten)]
    age: AgeOptions,
    #[command(flatten)]
    expression: ExpressionOptions,
}

impl Selection {
    /// Reports whether processes are named by id, executable or name, not only described.
    pub fn names_processes(&self) -> bool {
        !(self.pid.is_empty()
            && self.exe.is_empty()
            && self.exe_path.is_empty()
            && self.comm.is_empty())
    }

    /// Returns the options as tests. Errors: usage, or a failed lookup of a user.
    pub fn tests(&self, proc: &Proc) -> anyhow::Result<Vec<Test>> {
        let mut tests = Vec::new();
        if !self.pid.is_empty() {
            tests.push(Test::Pid(self.pid.clone()));
        }
        add(&mut tests, Test::ExeName, exe_names(&self.exe)?);
        add(&mut tests, Test::ExePath, exe_paths(&self.exe_path)?);
        add(&mut tests, Test::Comm, names("--comm", &self.comm)?);
        add(&mut tests, Test::RealUser, users(proc, &self.user)?);
        tests.extend(self.files.tests(proc)?);
        tests.extend(self.sockets.test(proc)?);
        tests.extend(self.place.tests(proc)?);
        tests.extend(self.age.tests(proc)?);
        tests.extend(self.expression.tests()?);
        Ok(tests)
    }
}

/// Options of pgrep, with pgrep's letters, and more conditions.
// What --full and the like apply to: a pattern, or an inverted one.
#[derive(Args)]
#[command(group(ArgGroup::new("read").multiple(true)))]
pub struct SearchOptions {
    /// Regular expression on the process name; a name that the kernel cut is completed first
    #[arg(long, value_name = "PATTERN", groups = ["patterns", "read"], help_heading = "Pattern")]
    pattern: Option<OsString>,
    /// Text that is in the process name, without any character that means more
    #[arg(long, value_name = "TEXT", groups = ["patterns", "read"], help_heading = "Pattern")]
    literal: Option<OsString>,
    /// Match the whole command line instead of the name
    #[arg(short, long, requires = "read", help_heading = "Pattern")]
    full: bool,
    /// The pattern must match all of it
    #[arg(short = 'x', long, requires = "read", help_heading = "Pattern")]
    exact: bool,
    /// Ignore case
    #[arg(short, long, requires = "read", help_heading = "Pattern")]
    ignore_case: bool,
    /// Select what does not match the pattern and the options
    #[arg(short = 'v', long, help_heading = "Pattern")]
    inverse: bool,
    #[command(flatten)]
    selection: Selection,
    /// Parent's process id; 0 is one outside of the pid namespace
    #[arg(
        short = 'P',
        long,
        value_name = "PID",
        value_delimiter = ',',
        value_parser = parse::pid_or_zero,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    parent: Vec<Pid>,
    /// Process group; 0 is our own
    #[arg(
        short = 'g',
        long,
        value_name = "PGRP",
        value_delimiter = ',',
        value_parser = parse::pid_or_zero,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    pgroup: Vec<Pid>,
    /// Session; 0 is our own
    #[arg(
        short,
        long,
        value_name = "SESSION",
        value_delimiter = ',',
        value_parser = parse::pid_or_zero,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    session: Vec<Pid>,
    /// Controlling terminal, such as pts/0; ? is none
    #[arg(short, long, value_name = "TTY", value_delimiter = ',', help_heading = "Selection")]
    terminal: Vec<String>,
    /// Effective user, by name or number
    #[arg(
        short = 'u',
        long,
        value_name = "USER",
        value_delimiter = ',',
        help_heading = "Selection"
    )]
    euid: Vec<String>,
    /// Real user, by name or number
    #[arg(
        short = 'U',
        long,
        value_name = "USER",
        value_delimiter = ',',
        help_heading = "Selection"
    )]
    uid: Vec<String>,
    /// Real group, by name or number
    #[arg(
        short = 'G',
        long,
        value_name = "GROUP",
        value_delimiter = ',',
        help_heading = "Selection"
    )]
    group: Vec<String>,
    /// Run states, such as D,Z
    #[arg(
        short,
        long,
        value_name = "STATES",
        value_parser = parse::states,
        help_heading = "Selection"
    )]
    runstates: Vec<parse::States>,
    /// Only the one that started last
    #[arg(short, long, conflicts_with_all = ["oldest", "inverse"], help_heading = "Selection")]
    newest: bool,
    /// Only the one that started first
    #[arg(short, long, conflicts_with = "inverse", help_heading = "Selection")]
    oldest: bool,
    /// Started with this variable, of this value if one is given
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "Selection")]
    env: Vec<OsString>,
    #[command(flatten)]
    pid_file: PidFileOptions,
    #[command(flatten)]
    namespace: NamespaceOptions,
    #[command(flatten)]
    handler: HandlerOptions,
    #[command(flatten)]
    negation: NegationOptions,
    /// Only threads of the kernel
    #[arg(long, help_heading = "Selection")]
    kernel: bool,
    /// Children of a process: a process id, or the name or path of an executable
    #[arg(
        long,
        value_name = "PROCESS",
        value_parser = OsStringValueParser::new().try_map(parse::anchor),
        allow_negative_numbers = true,
        help_heading = "Relations"
    )]
    children_of: Option<Anchor>,
    /// Children of the children of a process (the running jobs of a cron)
    #[arg(
        long,
        value_name = "PROCESS",
        value_parser = OsStringValueParser::new().try_map(parse::anchor),
        allow_negative_numbers = true,
        help_heading = "Relations"
    )]
    grandchildren_of: Option<Anchor>,
    /// Everything below a process
    #[arg(
        long,
        value_name = "PROCESS",
        value_parser = OsStringValueParser::new().try_map(parse::anchor),
        allow_negative_numbers = true,
        help_heading = "Relations"
    )]
    descendants_of: Option<Anchor>,
    /// Everything above a process
    #[arg(
        long,
        value_name = "PROCESS",
        value_parser = OsStringValueParser::new().try_map(parse::anchor),
        allow_negative_numbers = true,
        help_heading = "Relations"
    )]
    ancestors_of: Option<Anchor>,
    /// Leave out our own ancestors, such as the shell
    #[arg(short = 'A', long, help_heading = "Selection")]
    ignore_ancestors: bool,
}

impl SearchOptions {
    /// Returns the pattern that was given as an option.
    pub fn pattern(&self) -> Option<&OsStr> {
        self.pattern.as_deref()
    }

    /// Reports whether `--inverse` was given.
    pub fn is_inverted(&self) -> bool {
        self.inverse
    }

    /// Returns the options, with this pattern, as criteria. They never match our own process.
    /// `signal` is what --require-handler is about. Errors: usage, a pid file or process that does
    /// not exist, or a failed lookup.
    pub fn criteria(
        &self,
        proc: &Proc,
        pattern: Option<&OsStr>,
        signal: Option<Signal>,
    ) -> anyhow::Result<Criteria> {
        let tests = self.tests(proc, pattern, signal)?;
        Ok(Criteria::new(tests, self.inverse, self.excluded(proc)?))
    }

    fn tests(
        &self,
        proc: &Proc,
        pattern: Option<&OsStr>,
        signal: Option<Signal>,
    ) -> anyhow::Result<Vec<Test>> {
        let mut tests = self.selection.tests(proc)?;
        tests.extend(self.pattern_test(pattern)?);
        tests.extend(self.pid_file.test()?);
        tests.extend(self.namespace.test(proc)?);
        tests.extend(self.handler.test(signal)?);
        add(&mut tests, Test::Parent, self.parent.clone());
        add(
            &mut tests,
            Test::ProcessGroup,
            or_own(proc, &self.pgroup, |process| Ok(process.stat()?.pgrp))?,
        );
        add(
            &mut tests,
            Test::Session,
            or_own(proc, &self.session, |process| Ok(process.stat()?.session))?,
        );
        add(&mut tests, Test::Terminal, self.terminals()?);
        add(&mut tests, Test::EffectiveUser, users(proc, &self.euid)?);
        add(&mut tests, Test::RealUser, users(proc, &self.uid)?);
        add(&mut tests, Test::RealGroup, groups(proc, &self.group)?);
        add(
            &mut tests,
            Test::State,
            self.runstates.iter().flat_map(|states| &states.0).copied().collect(),
        );
        tests.extend(self.kernel.then_some(Test::IsKernelThread));
        for variable in &self.env {
            tests.push(variable_test(variable)?);
        }
        for (relation, anchor) in self.relations() {
            tests.push(relation_test(proc, relation, anchor)?);
        }
        let inverted = |options: &SearchOptions| options.tests(proc, options.pattern(), signal);
        tests.extend(self.negation.tests(&self.pattern_flags(), inverted)?);
        Ok(tests)
    }

    /// Returns which one of several matches is wanted, if only one is.
    pub fn pick(&self) -> Option<Pick> {
        if self.newest {
            Some(Pick::Newest)
        } else if self.oldest {
            Some(Pick::Oldest)
        } else {
            None
        }
    }

    fn pattern_test(&self, pattern: Option<&OsStr>) -> Result<Option<Test>, Refusal> {
        let (exact, ignore_case) = (self.exact, self.ignore_case);
        let regex = match (pattern, &self.literal) {
            (Some(pattern), _) => pattern::compile(pattern, exact, ignore_case)?,
            (None, Some(text)) => pattern::literal(text, exact, ignore_case)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(if self.full { Test::CommandLine(regex) } else { Test::Name(regex) }))
    }

    /// Returns the options that say how a pattern is read, for the patterns of --not.
    fn pattern_flags(&self) -> Vec<&'static str> {
        let flags =
            [(self.full, "--full"), (self.exact, "--exact"), (self.ignore_case, "--ignore-case")];
        flags.into_iter().filter_map(|(is_given, flag)| is_given.then_some(flag)).collect()
    }

    fn terminals(&self) -> Result<Vec<String>, Refusal> {
        if self.terminal.iter().any(String::is_empty) {
            return Err(Refusal::usage("--terminal has an empty name"));
        }
        Ok(self.terminal.iter().map(|name| name.trim_start_matches("/dev/").to_owned()).collect())
    }

    fn relations(&self) -> impl Iterator<Item = (Relation, &Anchor)> {
        [
            (Relation::Children, &self.children_of),
            (Relation::Grandchildren, &self.grandchildren_of),
            (Relation::Descendants, &self.descendants_of),
            (Relation::Ancestors, &self.ancestors_of),
        ]
        .into_iter()
        .filter_map(|(relation, anchor)| Some((relation, anchor.as_ref()?)))
    }

    fn excluded(&self, proc: &Proc) -> anyhow::Result<Vec<Pid>> {
        let mut excluded = self_and_ancestors(proc)?;
        if !self.ignore_ancestors {
            excluded.truncate(1);
        }
        Ok(excluded)
    }
}

fn add<T>(tests: &mut Vec<Test>, test: impl FnOnce(Vec<T>) -> Test, values: Vec<T>) {
    if !values.is_empty() {
        tests.push(test(values));
    }
}

/// Returns names as bytes. Refuses an empty one: most often it is an unset variable of a script,
/// and must not select anything.
fn names(option: &str, typed: &[OsString]) -> Result<Vec<Vec<u8>>, Refusal> {
    if typed.iter().any(|name| name.is_empty()) {
        return Err(Refusal::usage(format!("{option} has an empty name")));
    }
    Ok(typed.iter().map(|name| name.clone().into_vec()).collect())
}

/// Returns names of executables. Refuses a path, which no name can match: that would look like an
/// answer that nothing runs.
fn exe_names(typed: &[OsString]) -> Result<Vec<Vec<u8>>, Refusal> {
    let names = names("--exe", typed)?;
    match names.iter().find(|name| name.starts_with(b"/")) {
        Some(path) => Err(Refusal::usage(format!(
            "--exe '{}' is a path: use --exe-path",
            String::from_utf8_lossy(path)
        ))),
        None => Ok(names),
    }
}

fn exe_paths(typed: &[OsString]) -> Result<Vec<Vec<u8>>, Refusal> {
    let paths = names("--exe-path", typed)?;
    match paths.iter().find(|path| !is_path_of_kernel(path)) {
        Some(name) => Err(Refusal::usage(format!(
            "--exe-path '{}' is no absolute path: use --exe",
            String::from_utf8_lossy(name)
        ))),
        None => Ok(paths),
    }
}

/// Reports whether the kernel may name an executable by this path. It begins with "(unreachable)"
/// if the executable is not below our root directory.
fn is_path_of_kernel(path: &[u8]) -> bool {
    path.starts_with(b"/") || path.starts_with(b"(unreachable)")
}

fn users(proc: &Proc, typed: &[String]) -> anyhow::Result<Vec<u32>> {
    let uid = |name: &String| {
        let uid =
            proc.users().uid(name).with_context(|| format!("cannot look up user '{name}'"))?;
        Ok(uid.ok_or_else(|| Refusal::usage(format!("unknown user '{name}'")))?)
    };
    typed.iter().map(uid).collect()
}

fn groups(proc: &Proc, typed: &[String]) -> anyhow::Result<Vec<u32>> {
    let gid = |name: &String| {
        let gid =
            proc.users().gid(name).with_context(|| format!("cannot look up group '{name}'"))?;
        Ok(gid.ok_or_else(|| Refusal::usage(format!("unknown group '{name}'")))?)
    };
    typed.iter().map(gid).collect()
}

/// Replaces 0 by the group or the session of our own process.
fn or_own(
    proc: &Proc,
    pids: &[Pid],
    own: impl Fn(&Process<'_>) -> ReadResult<Pid>,
) -> anyhow::Result<Vec<Pid>> {
    pids.iter().map(|&pid| if pid == 0 { of_ourselves(proc, &own) } else { Ok(pid) }).collect()
}

/// Reads an id of our own process. Errors: `Refusal`, if another procfs does not show us.
fn of_ourselves(proc: &Proc, own: impl Fn(&Process<'_>) -> ReadResult<Pid>) -> anyhow::Result<Pid> {
    let absent = || Refusal::nothing("0 means our own, but we are not in this procfs");
    let pid = proc.own_pid().ok_or_else(absent)?;
    let Lookup::Found(process) = proc.process(pid, Files::NONE)? else {
        return Err(absent().into());
    };
    own(&process).context("cannot read our own process")
}

fn variable_test(typed: &OsStr) -> Result<Test, Refusal> {
    let mut parts = typed.as_bytes().splitn(2, |&byte| byte == b'=').map(<[u8]>::to_vec);
    match parts.next() {
        Some(name) if name.contains(&b',') => {
            let name = String::from_utf8_lossy(&name).into_owned();
            Err(Refusal::usage(format!(
                "--env '{name}': one variable at a time; --env A --env B wants both"
            )))
        }
        Some(name) if !name.is_empty() => Ok(Test::Environ { name, value: parts.next() }),
        _ => Err(Refusal::usage("--env wants NAME or NAME=VALUE")),
    }
}

fn relation_test(proc: &Proc, relation: Relation, anchor: &Anchor) -> anyhow::Result<Test> {
    let unexamined = match relatives(proc, relation, anchor)? {
        Relatives::Found(test) => return Ok(test),
        Relatives::NoAnchor(unexamined) => unexamined,
    };
    let absent = match anchor {
        Anchor::Pid(pid) => format!("there is no process {pid}"),
        Anchor::ExeName(name) | Anchor::ExePath(name) => {
            format!("no process runs '{}'", String::from_utf8_lossy(name))
        }
    };
    Err(Refusal::nothing(absence(&absent, proc, &unexamined)?).into())
}
