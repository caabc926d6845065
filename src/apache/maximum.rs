//! The configured largest number of workers of the pools of other programs, where their
//! configuration says it.
//!
//! Nothing is run for this and nothing is guessed: a value that is computed, or that something
//! unread may change, is unknown, and the reason is given in words.

mod files;
mod gunicorn;
mod nginx;
mod options;
mod php;
mod ruby;
mod uwsgi;

use super::configuration::Source;
use files::ServerFiles;

/// The largest number of processes that a configuration allows to one group of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMaximum {
    /// The name of a pool of php-fpm; `None` for the workers of other programs.
    pub group: Option<Vec<u8>>,
    /// The largest number of its processes.
    pub processes: u64,
    /// The place where the number stands: FILE:LINE, `the command line`, the name of a variable of
    /// the environment, or `the default`.
    pub at: String,
}

/// The result of reading a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Maxima {
    pub groups: Vec<GroupMaximum>,
    /// The names of all pools of php-fpm, also of those whose number is unknown.
    pub pools: Vec<Vec<u8>>,
    /// Why further numbers are unknown, or those that were found are uncertain.
    pub doubts: Vec<String>,
    /// The latest change of the files, in seconds since the epoch.
    pub changed: Option<i64>,
}

/// The server process whose configuration is read.
pub struct Started<'s> {
    /// Its arguments, or its title as the only one.
    pub arguments: Vec<&'s [u8]>,
    /// Its environment, NAME=value, as far as it may be read.
    pub environment: Vec<&'s [u8]>,
    /// The path of the executable.
    pub exe: &'s [u8],
    /// The present working directory, if it is known.
    pub directory: Option<&'s [u8]>,
}

/// A program whose configuration can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownProgram {
    Php,
    Nginx,
    Gunicorn,
    Uwsgi,
    Unicorn,
    Puma,
}

/// The words for values that are set by code or by variables.
const COMPUTED: &str = "it is computed";

/// The places of values that stand in no file.
const COMMAND_LINE: &str = "the command line";
const DEFAULT: &str = "the default";

impl KnownProgram {
    const ALL: [(KnownProgram, &[u8]); 6] = [
        (KnownProgram::Php, b"php-fpm"),
        (KnownProgram::Nginx, b"nginx"),
        (KnownProgram::Gunicorn, b"gunicorn"),
        (KnownProgram::Uwsgi, b"uwsgi"),
        (KnownProgram::Unicorn, b"unicorn"),
        (KnownProgram::Puma, b"puma"),
    ];

    /// Returns the program of this name, which may end in a version, or in the variant of a
    /// distribution (`unicorn_rails`, `uwsgi-core`).
    pub fn from_name(name: &[u8]) -> Option<KnownProgram> {
        let is_it = |begin: &[u8]| {
            let rest = name.strip_prefix(begin)?;
            rest.first().is_none_or(|byte| !byte.is_ascii_alphabetic()).then_some(())
        };
        KnownProgram::ALL.into_iter().find_map(|(known, begin)| is_it(begin).map(|()| known))
    }

    /// Reports whether an argument is its script or its executable.
    fn is_named_by(self, argument: &[u8]) -> bool {
        KnownProgram::from_name(crate::path::base_name(argument)) == Some(self)
    }
}

impl GroupMaximum {
    /// Makes the maximum of a program whose workers are one group.
    fn of_workers(processes: u64, at: impl Into<String>) -> GroupMaximum {
        GroupMaximum { group: None, processes, at: at.into() }
    }

    /// Reports whether it is that of a group of this name. Workers have the command line of their
    /// master, and so no name, or are called workers in their titles.
    pub fn is_of(&self, name: Option<&[u8]>) -> bool {
        match (&self.group, name) {
            (Some(group), name) => name == Some(group),
            (None, None) => true,
            (None, Some(name)) => {
                let mut words = name.split(|byte| !byte.is_ascii_alphanumeric());
                words.any(|word| word == b"worker")
                    && memchr::memmem::find(name, b"shutting down").is_none()
            }
        }
    }
}

impl Maxima {
    /// Reports whether a running pool may be one that was read. Its name may be cut in titles.
    pub fn may_name(&self, group: &[u8]) -> bool {
        self.pools.is_empty() || self.pools.iter().any(|pool| pool.starts_with(group))
    }
}

impl From<GroupMaximum> for Maxima {
    fn from(found: GroupMaximum) -> Maxima {
        Maxima { groups: vec![found], ..Maxima::default() }
    }
}

/// Reads the configured maximum of each group. Errors: the reason why nothing is known.
pub fn read(
    program: KnownProgram,
    started: &Started<'_>,
    files: &Source<'_>,
) -> Result<Maxima, String> {
    let mut files = ServerFiles::new(files, started.directory, started.variable(b"PWD"));
    let mut maxima = match program {
        KnownProgram::Php => php::read(started, &mut files)?,
        KnownProgram::Nginx => nginx::read(started, &mut files)?,
        KnownProgram::Gunicorn => gunicorn::read(started, &mut files)?.into(),
        KnownProgram::Uwsgi => uwsgi::read(started, &mut files)?.into(),
        KnownProgram::Unicorn => ruby::unicorn(started, &mut files)?.into(),
        KnownProgram::Puma => ruby::puma(started, &mut files)?.into(),
    };
    maxima.changed = files.changed;
    if files.is_guess() {
        maxima.doubts.push(
            "the configuration is read from our own file system: that of the server may not be \
            read"
                .to_owned(),
        );
    }
    Ok(maxima)
}

impl<'s> Started<'s> {
    /// Returns its title, if it wrote one over its arguments.
    fn title(&self) -> Option<&'s [u8]> {
        let (first, rest) = self.arguments.split_first()?;
        let is_title = first.contains(&b' ') && rest.iter().all(|rest| rest.is_empty());
        is_title.then_some(first.trim_ascii())
    }

    /// Returns the options behind the name of the program. Errors: where a title took their place.
    fn options(&self, program: KnownProgram) -> Result<&[&'s [u8]], String> {
        let at = self.arguments.iter().position(|argument| program.is_named_by(argument));
        match at {
            Some(at) if self.title().is_none() => Ok(&self.arguments[at + 1..]),
            _ => Err("the process shows a title instead of its command line".to_owned()),
        }
    }

    /// Returns a variable of its environment.
    fn variable(&self, name: &[u8]) -> Option<&'s [u8]> {
        self.environment.iter().find_map(|variable| variable.strip_prefix(name)?.strip_prefix(b"="))
    }
}

/// Parses a number that consists of digits only.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// Parses a number that was given at a place. Errors: that it is no number.
fn number_at(text: &[u8], at: &str) -> Result<u64, String> {
    let unknown = || format!("{at}: '{}' is not a plain number", String::from_utf8_lossy(text));
    number(text.trim_ascii()).ok_or_else(unknown)
}

/// Returns the number of workers in the variable that several programs take it from.
fn web_concurrency(started: &Started<'_>) -> Option<Result<GroupMaximum, String>> {
    let (name, value) = ("WEB_CONCURRENCY", started.variable(b"WEB_CONCURRENCY")?);
    Some(number_at(value, name).map(|processes| GroupMaximum::of_workers(processes, name)))
}

/// Returns the lines of a text with their numbers, without the ends of lines.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    lines.map(|(at, line)| (at + 1, line.strip_suffix(b"\r").unwrap_or(line)))
}

/// Reports whether a text contains a word that is not a part of a longer name.
fn has_word(text: &[u8], word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    memchr::memmem::find_iter(text, word).any(|at| {
        !text[..at].last().is_some_and(is_part)
            && !text[at + word.len()..].first().is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::configuration::{Owner, ReadBudget};
    use super::*;
    use crate::process::Root;

    /// Returns a server with these arguments in /srv.
    pub fn started<'s>(arguments: &[&'s [u8]]) -> Started<'s> {
        let (environment, directory) = (Vec::new(), Some(&b"/srv"[..]));
        Started { arguments: arguments.to_vec(), environment, exe: b"/exe", directory }
    }

    /// Reads these files of a server.
    pub fn configured(
        program: KnownProgram,
        files: &[(&str, &[u8])],
        started: &Started<'_>,
    ) -> Result<Maxima, String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let (root, budget) = (Root::at(directory.path()).unwrap(), ReadBudget::default());
        let source = Source::new(root, Owner::default(), &budget).unwrap();
        read(program, started, &source)
    }

    /// Reads the only group of a server with this environment: its number and the place of it.
    pub fn only(
        program: KnownProgram,
        files: &[(&str, &[u8])],
        arguments: &[&[u8]],
        environment: &[&[u8]],
    ) -> Result<(u64, String), String> {
        let started = Started { environment: environment.to_vec(), ..started(arguments) };
        let mut found = configured(program, files, &started)?.groups;
        let group = found.pop().unwrap();
        assert_eq!(found, []);
        Ok((group.processes, group.at))
    }

    #[test]
    fn names_of_programs() {
        for (name, known) in [
            ("php-fpm8.2", Some(KnownProgram::Php)),
            ("nginx", Some(KnownProgram::Nginx)),
            ("gunicorn-3", Some(KnownProgram::Gunicorn)),
            ("uwsgi-core", Some(KnownProgram::Uwsgi)),
            ("unicorn_rails", Some(KnownProgram::Unicorn)),
            ("puma", Some(KnownProgram::Puma)),
            ("pumas", None),
            ("postgres", None),
            ("", None),
        ] {
            assert_eq!(KnownProgram::from_name(name.as_bytes()), known, "{name}");
        }
    }

    #[test]
    fn groups_that_a_maximum_concerns() {
        let workers = GroupMaximum::of_workers(4, DEFAULT);
        for (name, is_of) in [
            (None, true),
            (Some("worker process"), true),
            (Some("worker process is shutting down"), false),
            (Some("uWSGI worker"), true),
            (Some("cache manager process"), false),
        ] {
            assert_eq!(workers.is_of(name.map(str::as_bytes)), is_of, "{name:?}");
        }
        let pool = GroupMaximum { group: Some(b"www".to_vec()), ..workers };
        assert!(pool.is_of(Some(b"www")) && !pool.is_of(Some(b"worker")) && !pool.is_of(None));
    }

    #[test]
    fn plain_numbers_and_whole_words() {
        assert_eq!(
            ["7", "07", "+7", "", "7a", "18446744073709551616"].map(|text| number(text.as_bytes())),
            [Some(7), Some(7), None, None, None, None]
        );
        assert!(has_word(b"x=workers;", b"workers") && has_word(b"workers_a workers", b"workers"));
        assert!(!has_word(b"workers2 my_workers \xffworkers", b"workers"));
    }
}
