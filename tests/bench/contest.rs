//! Commands that run in turn, as whole processes, and the medians of their costs.

use crate::limit;
use crate::question::{Bound, Question};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that takes part.
pub struct Contestant {
    /// Its name in the report.
    pub label: String,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Upper bound of proctool's time divided by this command's.
    pub bound: Option<Bound>,
    /// The fewest words that its answer has.
    words: usize,
    /// `true` if the contest goes on without it.
    optional: bool,
}

/// The medians of one command.
pub struct Standing {
    /// Its name in the report.
    pub label: String,
    /// Time from start to end.
    pub wall: Duration,
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Upper bound of proctool's time divided by this command's.
    pub bound: Option<Bound>,
}

/// The result of a contest.
pub struct Outcome {
    /// The participants, in the order of [`contestants`].
    pub standings: Vec<Standing>,
    /// The commands that could not take part, and why.
    pub left_out: Vec<String>,
}

impl Contestant {
    /// Makes a command without a bound. Its answer may be empty.
    pub fn new(program: impl AsRef<OsStr>, arguments: &[&str]) -> Contestant {
        let program = program.as_ref();
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let label = format!("`{}`", [&[&*name], arguments].concat().join(" "));
        let command = [program]
            .into_iter()
            .chain(arguments.iter().map(OsStr::new))
            .map(OsStr::to_owned)
            .collect();
        Contestant { label, command, bound: None, words: 0, optional: false }
    }

    /// Makes the contestant proctool, under this name whatever the file is called.
    pub fn proctool(tool: &Path, arguments: &[&str]) -> Contestant {
        let label = format!("`proctool {}`", arguments.join(" "));
        Contestant { label, ..Contestant::new(tool, arguments) }
    }

    /// Returns the command with a prefix, such as that of a tracer.
    pub fn after(&self, prefix: &[&OsStr]) -> Command {
        let mut words = prefix.iter().copied().chain(self.command.iter().map(OsString::as_os_str));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Returns the reason why it cannot take part, if there is one. A command that fails at once
    /// would win.
    fn obstacle(&self) -> Result<Option<String>> {
        let output = match self.after(&[]).stdout(Stdio::piped()).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Some("not installed".to_owned()));
            }
            output => output.with_context(|| format!("running {}", self.label))?,
        };
        if !output.status.success() {
            return Ok(Some(format!(
                "{}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        let words =
            output.stdout.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        Ok((words < self.words).then(|| format!("{words} words are less than an answer has")))
    }

    fn run(&self) -> Result<(Duration, Duration)> {
        let mut command = self.after(&[]);
        command.stderr(Stdio::null());
        let cpu = children_cpu()?;
        let begun = Instant::now();
        let status = command.status().with_context(|| format!("running {}", self.label))?;
        let wall = begun.elapsed();
        ensure!(status.success(), "{} failed after it had succeeded: {status}", self.label);
        Ok((wall, children_cpu()?.saturating_sub(cpu)))
    }
}

/// Returns the limit, proctool and the peers, in this order.
pub fn contestants(question: &Question, tool: &Path, size: usize) -> Result<Vec<Contestant>> {
    let limit = Contestant::new(std::env::current_exe()?, &[limit::ROLE, question.name]);
    let label = format!("limit: {}", question.limit);
    let ours = Contestant::proctool(tool, question.arguments);
    let words = question.words(size);
    let mut all = vec![
        Contestant { label, bound: Some(question.bound), ..limit },
        Contestant { words, ..ours },
    ];
    for peer in question.peers {
        let bare = Contestant::new(peer.command[0], &peer.command[1..]);
        all.push(Contestant { bound: peer.bound, words, optional: true, ..bare });
    }
    Ok(all)
}

/// Runs all of them in turn, so that other work of the machine disturbs all of them alike. Each has
/// run once before, as a check that it can.
pub fn hold(contestants: Vec<Contestant>, rounds: usize) -> Result<Outcome> {
    let mut able = Vec::new();
    let mut left_out = Vec::new();
    for contestant in contestants {
        match contestant.obstacle()? {
            None => able.push((contestant, Vec::new(), Vec::new())),
            Some(why) if contestant.optional => {
                left_out.push(format!("{} ({why})", contestant.label))
            }
            Some(why) => bail!("{}: {why}", contestant.label),
        }
    }
    for round in 0..rounds {
        for index in order(round, able.len()) {
            let (contestant, walls, cpus) = &mut able[index];
            let (wall, cpu) = contestant.run()?;
            walls.push(wall);
            cpus.push(cpu);
        }
    }
    let standings = able.into_iter().map(|(contestant, walls, cpus)| {
        let Contestant { label, bound, .. } = contestant;
        Standing { label, wall: median(walls), cpu: median(cpus), bound }
    });
    Ok(Outcome { standings: standings.collect(), left_out })
}

/// Returns the order of a round. Over all rounds each command follows each other one equally often
/// (a Williams design). In a fixed order, some commands would always find the processor's caches as
/// the largest program has left them: this makes a third of the time at 1,000 processes.
fn order(round: usize, count: usize) -> Vec<usize> {
    let zigzag = |turn: usize| if turn % 2 == 1 { turn.div_ceil(2) } else { count - turn / 2 };
    let mut order: Vec<usize> = (0..count).map(|turn| (zigzag(turn) + round) % count).collect();
    // An odd count is balanced only together with its mirror image.
    if (round / count) % 2 == 1 {
        order.reverse();
    }
    order
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// Returns the CPU time of the children that were reaped: each run adds one, because no other child
/// is reaped meanwhile.
fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(Duration::from_micros(
        (usage.user_time() + usage.system_time()).num_microseconds().unsigned_abs(),
    ))
}
