//! Measures that do not depend on the load of the machine: system calls, instructions and memory of
//! one run.

use crate::contest::Contestant;
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The part of the process that runs one command for its memory.
pub const ROLE: &str = "role:peak";

/// Returns the number of system calls of a run with all its threads; `None` without strace.
pub fn system_calls(contestant: &Contestant) -> Result<Option<u64>> {
    let Some(summary) = traced(contestant, &["strace", "-f", "-c"])? else { return Ok(None) };
    // % time, seconds, usecs/call, calls, errors (or nothing), name. The last line has the totals,
    // by version with or without usecs/call.
    let rows = summary.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() >= 5 && row.last() != Some(&"total"));
    Ok(Some(rows.filter_map(|row| row[3].parse::<u64>().ok()).sum()))
}

/// Returns the number of instructions of a run outside of the kernel; `None` without valgrind.
pub fn instructions(contestant: &Contestant) -> Result<Option<u64>> {
    let prefix = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let Some(log) = traced(contestant, &prefix)? else { return Ok(None) };
    let number = log
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .map(|(_, number)| number.trim());
    Ok(Some(number.context("valgrind told no number of instructions")?.parse()?))
}

fn traced(contestant: &Contestant, prefix: &[&str]) -> Result<Option<String>> {
    let prefix: Vec<&OsStr> = prefix.iter().map(OsStr::new).collect();
    let output = match contestant.after(&prefix).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "{} {}: {}: {log}",
        prefix[0].display(),
        contestant.label,
        output.status
    );
    Ok(Some(log))
}

/// Returns the most memory that a run had resident, in KiB: the median of five, which differ by
/// some ten pages.
pub fn peak_memory(contestant: &Contestant) -> Result<u64> {
    let program = std::env::current_exe()?;
    let mut command = contestant.after(&[program.as_os_str(), OsStr::new(ROLE)]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut peaks = [0; 5];
    for peak in &mut peaks {
        let output = command.output()?;
        ensure!(
            output.status.success(),
            "measuring the memory of {}: {}",
            contestant.label,
            output.status
        );
        *peak = String::from_utf8(output.stdout)?.trim().parse()?;
    }
    peaks.sort_unstable();
    Ok(peaks[2])
}

/// Runs one command and prints its peak. The kernel keeps only the maximum over all children, so
/// this process has no other.
pub fn run_for_peak(command: &[OsString]) -> Result<()> {
    let program = command.first().context("no command to run")?;
    // A group makes the library fork. Its faster way shares our memory until exec, which would
    // count as the child's.
    let group = rustix::process::getgid().as_raw();
    let status =
        Command::new(program).args(&command[1..]).gid(group).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{}: {status}", program.display());
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    Ok(writeln!(std::io::stdout().lock(), "{peak}")?)
}
