//! The options behind `cargo bench --`.

use crate::question::{QUESTIONS, Question};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::str::FromStr;

/// Printed for `--help`.
pub const USAGE: &str = "\
Usage: cargo bench -- [--sizes N[,N...]] [--rounds R] [--only QUESTION]

  --sizes N[,N...]  numbers of processes to measure with (100,1000,10000)
  --rounds R        how often each command is run (51 down to 7, by size)
  --only QUESTION   find, list, full, tree or waiting

PROCTOOL_BENCH_BINARY names another binary to measure. Name the static release build for start-up and memory: in the one
that cargo builds for a benchmark, the dependencies of the tests turn on features of shared crates, and it weighs more.
";

/// The parsed options.
pub struct Options {
    /// Numbers of processes, ascending.
    pub sizes: Vec<usize>,
    /// `true` to measure waiting.
    pub waits: bool,
    rounds: Option<usize>,
    only: Option<OsString>,
}

impl Options {
    /// Parses the arguments. Cargo adds `--bench`, which says nothing here.
    pub fn parse(arguments: &[OsString]) -> Result<Options> {
        let mut options =
            Options { sizes: vec![100, 1_000, 10_000], waits: true, rounds: None, only: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.to_str().unwrap_or_default() {
                "--bench" => {}
                "--sizes" => options.sizes = sizes(text(arguments.next())?)?,
                "--rounds" => options.rounds = Some(number(text(arguments.next())?)?),
                "--only" => options.only = arguments.next().cloned(),
                _ => bail!("unknown argument '{}'\n{USAGE}", argument.display()),
            }
        }
        if let Some(only) = &options.only {
            options.waits = only == "waiting";
            ensure!(
                options.waits || Question::named(Some(only)).is_ok(),
                "unknown question '{}'\n{USAGE}",
                only.display()
            );
        }
        ensure!(options.rounds != Some(0), "--rounds must be at least 1");
        Ok(options)
    }

    /// Returns the questions to ask.
    pub fn questions(&self) -> impl Iterator<Item = &'static Question> {
        let only = self.only.as_ref();
        QUESTIONS.iter().filter(move |question| only.is_none_or(|name| name == question.name))
    }

    /// Returns how often each command is run: less often where slow peers take seconds.
    pub fn rounds(&self, size: usize) -> usize {
        self.rounds.unwrap_or(match size {
            ..=300 => 51,
            301..=3_000 => 25,
            3_001..=15_000 => 11,
            _ => 7,
        })
    }
}

fn sizes(text: &str) -> Result<Vec<usize>> {
    let mut sizes = text.split(',').map(number).collect::<Result<Vec<usize>>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}

fn text(argument: Option<&OsString>) -> Result<&str> {
    argument
        .and_then(|argument| argument.to_str())
        .with_context(|| format!("an option lacks its value\n{USAGE}"))
}

/// Parses a number of an argument.
pub fn number<T: FromStr>(text: &str) -> Result<T> {
    text.parse().ok().with_context(|| format!("'{text}' is not a number that can be used here"))
}
