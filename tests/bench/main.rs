//! The benchmark: proctool beside the system calls that its questions cannot do without, and beside
//! the tools in use.
//!
//! It measures in a pid namespace of its own, filled with a load of known shape, and prints
//! Markdown tables. `cargo bench -- --help` lists the options. The first argument of a re-executed
//! process says which part it plays.

mod contest;
mod count;
mod limit;
mod load;
mod options;
mod question;
mod report;
mod sandbox;
mod waiting;

use anyhow::{Context, Result};
use contest::Contestant;
use load::Load;
use options::{Options, USAGE};
use question::Question;
use report::Measurement;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("proctool benchmark: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &[OsString]) -> Result<()> {
    let role = arguments.first().and_then(|role| role.to_str()).unwrap_or_default();
    match role {
        load::ROLE => load::node(&arguments[1..]),
        limit::ROLE => limit::ask(Question::named(arguments.get(1))?),
        count::ROLE => count::run_for_peak(&arguments[1..]),
        sandbox::ROLE => {
            let options = Options::parse(&arguments[1..])?;
            // Owned by this thread, which outlives the measuring one: removed also after an
            // interruption.
            let directory =
                tempfile::tempdir().context("making a directory for the load's programs")?;
            let path = directory.path().to_owned();
            sandbox::work(move || measure_all(&options, &path))
        }
        _ if arguments.iter().any(|argument| argument == "--help") => {
            Ok(write!(io::stdout().lock(), "{USAGE}")?)
        }
        _ => {
            let options = Options::parse(arguments)?;
            options.sizes.iter().try_for_each(|&size| load::check_size(size))?;
            if cfg!(debug_assertions) {
                note("nothing measured: this is a debug build, use `cargo bench`");
                return Ok(());
            }
            sandbox::enter(arguments)
        }
    }
}

fn measure_all(options: &Options, directory: &Path) -> Result<()> {
    load::install(directory)?;
    let tool = proctool()?;
    let out = &mut io::stdout().lock();
    report::heading(out)?;
    start_up(out, &tool)?;
    let mut measurements = Vec::new();
    for &size in options.sizes.iter().filter(|_| options.questions().next().is_some()) {
        let begun = Instant::now();
        let load = Load::start(directory, size)?;
        note(&format!("{size} processes started in {:.1} s", begun.elapsed().as_secs_f32()));
        for question in options.questions() {
            let measurement = measure(question, &tool, size, options.rounds(size))?;
            report::contest(out, &measurement)?;
            measurements.push(measurement);
        }
        load.end()?;
    }
    if options.waits {
        note("waiting for processes that end one by one");
        let waitings = waiting::SIZES.iter().map(|&size| waiting::measure(&tool, directory, size));
        report::waiting(out, &waitings.collect::<Result<Vec<_>>>()?)?;
    }
    if measurements.is_empty() {
        return Ok(());
    }
    report::costs(out, &measurements)?;
    report::memory(
        out,
        &measurements,
        count::peak_memory(&Contestant::proctool(&tool, &["--version"]))?,
    )?;
    report::growth(out, &measurements)
}

fn measure(
    question: &'static Question,
    tool: &Path,
    size: usize,
    rounds: usize,
) -> Result<Measurement> {
    note(&format!("{size} processes: {}, {rounds} rounds", question.name));
    let contestants = contest::contestants(question, tool, size)?;
    let outcome = contest::hold(contestants, rounds)?;
    let ours = Contestant::proctool(tool, question.arguments);
    Ok(Measurement {
        question,
        size,
        outcome,
        system_calls: count::system_calls(&ours)?,
        instructions: count::instructions(&ours)?,
        peak: count::peak_memory(&ours)?,
    })
}

fn start_up(out: &mut impl Write, tool: &Path) -> Result<()> {
    let ours = Contestant::proctool(tool, &["--version"]);
    let instructions = count::instructions(&ours)?;
    let outcome = contest::hold(vec![Contestant::new("true", &[]), ours], 201)?;
    report::start_up(out, &outcome, instructions)
}

/// Returns the binary to measure, by default the one that cargo has built with this benchmark.
fn proctool() -> Result<PathBuf> {
    let path = std::env::var_os("PROCTOOL_BENCH_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_proctool").into());
    std::fs::canonicalize(&path)
        .with_context(|| format!("looking for the binary to measure, {}", path.display()))
}

/// Writes a progress message to standard error; only results go to standard output. A closed
/// standard error does not end the benchmark.
fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
