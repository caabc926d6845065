//! Conditions on the age of a process.

use anyhow::Context as _;
use clap::Args;

use crate::cli::parse;
use crate::exit::Refusal;
use crate::process::{Proc, if_available};
use crate::select::Test;

/// Options about ages.
#[derive(Args)]
pub struct AgeOptions {
    /// Running for longer than this (10, 1.5s, 2m, 1h30m)
    #[arg(
        short = 'O',
        long,
        value_name = "DURATION",
        value_parser = parse::duration,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    older: Option<f64>,
    /// Running for less long than this
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::duration,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    newer: Option<f64>,
}

impl AgeOptions {
    /// Returns the options as tests. Errors: usage, or a procfs without an uptime.
    pub fn tests(&self, proc: &Proc) -> anyhow::Result<Vec<Test>> {
        if self.newer == Some(0.0) {
            return Err(Refusal::usage("--newer 0: no process runs for less than no time").into());
        }
        let tests = [self.older.map(Test::OlderThan), self.newer.map(Test::NewerThan)];
        let tests: Vec<Test> = tests.into_iter().flatten().collect();
        if !tests.is_empty() {
            if_available(proc.uptime()).context("cannot tell any age")?.ok_or_else(|| {
                Refusal::nothing("cannot tell any age: this procfs tells no uptime")
            })?;
        }
        Ok(tests)
    }
}
