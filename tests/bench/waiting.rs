//! Waiting: how soon the end of a process is noticed, and what waiting costs while nothing ends.

use crate::load;
use crate::options::number;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Numbers of processes that are waited for together.
pub const SIZES: [usize; 2] = [1_000, 5_000];

/// Pause between two exits, so that each is noticed by itself.
const PAUSE: Duration = Duration::from_millis(1);

/// One measurement.
pub struct Waiting {
    /// Number of processes that were waited for.
    pub size: usize,
    /// Time from the kill to the line in the pipe, including the exit itself.
    pub median: Duration,
    pub p99: Duration,
    /// Processor time and wake-ups of a second in which nothing ends.
    pub idle_ticks: u64,
    pub idle_switches: u64,
    /// Processor time while all ended, in clock ticks (10 ms).
    pub busy_ticks: u64,
}

/// Waits for this many children of ours, and ends them one by one.
pub fn measure(tool: &Path, directory: &Path, size: usize) -> Result<Waiting> {
    let (reader, lifeline) = std::io::pipe()?;
    let mut targets = Vec::with_capacity(size + 1);
    for _ in 0..=size {
        targets.push(load::leaf_process(directory, reader.try_clone()?)?);
    }
    let mut waiter = Command::new(tool);
    waiter.args([
        "wait",
        "--jsonl",
        "--children-of",
        &std::process::id().to_string(),
        "--comm",
        load::PLAIN,
    ]);
    let mut waiter = waiter.stdout(Stdio::piped()).spawn().context("starting proctool wait")?;
    let mut lines = BufReader::new(waiter.stdout.take().context("no standard output")?).lines();
    // The first one shows that it waits by now.
    end(&mut targets, &mut lines)?;
    let before = Costs::of(&waiter)?;
    std::thread::sleep(Duration::from_secs(1));
    let idle = Costs::of(&waiter)?;
    let mut latencies = Vec::with_capacity(size);
    while targets.len() > 1 {
        latencies.push(end(&mut targets, &mut lines)?);
        std::thread::sleep(PAUSE);
    }
    let busy = Costs::of(&waiter)?;
    latencies.push(end(&mut targets, &mut lines)?);
    ensure!(waiter.wait()?.success(), "proctool wait failed");
    drop(lifeline);
    latencies.sort_unstable();
    Ok(Waiting {
        size,
        median: latencies[size / 2],
        p99: latencies[size * 99 / 100],
        idle_ticks: idle.ticks - before.ticks,
        idle_switches: idle.switches - before.switches,
        busy_ticks: busy.ticks - idle.ticks,
    })
}

/// Ends the last target, and returns the time until its line arrived.
fn end(targets: &mut Vec<Child>, lines: &mut Lines<BufReader<ChildStdout>>) -> Result<Duration> {
    let mut target = targets.pop().context("no target is left")?;
    let begin = Instant::now();
    target.kill()?;
    let line = lines.next().context("proctool wait ended early")??;
    let taken = begin.elapsed();
    ensure!(
        line.starts_with(&format!("{{\"pid\":{},", target.id())),
        "not about {}: {line}",
        target.id()
    );
    target.wait()?;
    Ok(taken)
}

/// The resources that a process has used so far.
struct Costs {
    ticks: u64,
    switches: u64,
}

impl Costs {
    fn of(child: &Child) -> Result<Costs> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let switches =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Ok(Costs {
            ticks: number::<u64>(fields[11])? + number::<u64>(fields[12])?,
            switches: number(switches.context("no count of switches")?.trim())?,
        })
    }
}
