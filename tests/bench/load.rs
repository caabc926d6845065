//! The load: N sleeping processes in the shapes that make process tools slow.
//!
//! One chain, one process with N/2 children, hubs of 16, 10 processes to be found by name, and some
//! with many arguments, a big environment or a long name. Each is this program under another name.
//! A process starts its children, says so with a byte on standard output, and sleeps in a read from
//! standard input: one pipe for all, so that closing it ends all.

use crate::options::number;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::WaitOptions;
use std::ffi::OsString;
use std::io::{PipeReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The part of a process of the load.
pub const ROLE: &str = "role:load";
/// Number of processes with the name that is searched for.
pub const NEEDLES: usize = 10;

const NEEDLE: &str = "needle";
/// The name of most processes.
pub const PLAIN: &str = "worker";
const LONG: &str = "a-name-of-more-than-fifteen-bytes";
const HUB: usize = 16;
const READY: u8 = b'.';
const FAILED: u8 = b'!';
/// Time limit between two processes that become ready; it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running load.
pub struct Load {
    lifeline: ChildStdin,
}

/// Puts the programs of the load into a directory.
pub fn install(directory: &Path) -> Result<()> {
    let program = std::env::current_exe()?;
    for name in [NEEDLE, PLAIN, LONG] {
        let path = directory.join(name);
        // A link needs the same file system.
        if std::fs::hard_link(&program, &path).is_err() {
            std::fs::copy(&program, &path)
                .with_context(|| format!("copying to {}", path.display()))?;
        }
    }
    Ok(())
}

/// Refuses a size that the shape or the kernel does not allow.
pub fn check_size(size: usize) -> Result<()> {
    ensure!(size >= 50, "a load has at least 50 processes");
    let most: usize = number(std::fs::read_to_string("/proc/sys/kernel/pid_max")?.trim())?;
    ensure!(
        size + 1_000 <= most,
        "{size} processes are too many for /proc/sys/kernel/pid_max, {most}"
    );
    Ok(())
}

impl Load {
    /// Starts this many processes and waits until all of them sleep.
    pub fn start(directory: &Path, size: usize) -> Result<Load> {
        let mut command = Command::new(directory.join(PLAIN));
        command
            .args([ROLE, "root", &size.to_string()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut root = command.spawn().context("starting the load")?;
        let lifeline = root.stdin.take().context("the load has no standard input")?;
        wait_until_ready(root.stdout.take().context("the load has no standard output")?, size)?;
        Ok(Load { lifeline })
    }

    /// Ends all processes and reaps them. As init, we are the parent of every orphan.
    pub fn end(self) -> Result<()> {
        drop(self.lifeline);
        loop {
            match rustix::process::wait(WaitOptions::empty()) {
                Err(rustix::io::Errno::CHILD) => return Ok(()),
                other => other.context("waiting for the end of the load")?,
            };
        }
    }
}

fn wait_until_ready(mut pipe: ChildStdout, size: usize) -> Result<()> {
    let (sender, bytes) = mpsc::channel();
    // A thread of its own because a read has no timeout. It ends with the last byte that is waited
    // for, or with us.
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut ready = 0;
        while ready < size {
            let news = pipe.read(&mut buffer).unwrap_or(0);
            let failed = news == 0 || buffer[..news].contains(&FAILED);
            ready += news;
            if sender.send(if failed { None } else { Some(ready) }).is_err() || failed {
                return;
            }
        }
    });
    let mut ready = 0;
    while ready < size {
        let news = bytes
            .recv_timeout(PATIENCE)
            .with_context(|| format!("only {ready} of {size} processes started"))?;
        ready =
            news.with_context(|| format!("a process of the load failed after {ready} of {size}"))?;
    }
    Ok(())
}

/// Runs as a process of the load until it ends.
pub fn node(arguments: &[OsString]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let started = start_children(&arguments);
    let byte = if started.is_ok() { READY } else { FAILED };
    rustix::io::write(std::io::stdout(), &[byte])?;
    started?;
    rustix::io::retry_on_intr(|| rustix::io::read(std::io::stdin(), &mut [0_u8; 1]))?;
    Ok(())
}

fn start_children(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["root", size] => root(number(size)?),
        ["chain", "1"] => Ok(()),
        ["chain", length] => start(PLAIN, &format!("chain {}", number::<usize>(length)? - 1)),
        ["fan", first, count, size] => fan(number(first)?, number(count)?, number(size)?),
        ["leaf", ..] => Ok(()),
        _ => bail!("{ROLE} is not for use by hand"),
    }
}

fn root(size: usize) -> Result<()> {
    let chain = (size / 10).min(1_000);
    start(PLAIN, &format!("chain {chain}"))?;
    let wide = size / 2;
    start(PLAIN, &format!("fan 0 {wide} {size}"))?;
    for _ in 0..NEEDLES {
        start(NEEDLE, "leaf")?;
    }
    let mut leaves = wide;
    // This process, the one with the many children, and what was started so far.
    let mut rest = size - 2 - chain - wide - NEEDLES;
    while rest > 0 {
        let count = HUB.min(rest - 1);
        start(PLAIN, &format!("fan {leaves} {count} {size}"))?;
        leaves += count;
        rest -= count + 1;
    }
    Ok(())
}

fn fan(first: usize, count: usize, size: usize) -> Result<()> {
    (first..first + count).try_for_each(|index| leaf(index, size))
}

/// Leaves are numbered. 1 % of the load gets 200 arguments, 1 % an environment of 32 KiB, 5 % a
/// long name.
fn leaf(index: usize, size: usize) -> Result<()> {
    match (index % 50, index / 50 < size / 100) {
        (0, true) => start(PLAIN, &format!("leaf{}", " argument".repeat(199))),
        (1, true) => spawn(command(PLAIN, "leaf")?.env("LOAD", "x".repeat(32 * 1024))),
        _ if index % 10 == 2 && index / 10 < size / 20 => start(LONG, "leaf"),
        _ => start(PLAIN, "leaf"),
    }
}

/// Starts a process that sleeps until it is killed, or until the other end of this pipe is closed.
pub fn leaf_process(directory: &Path, lifeline: PipeReader) -> Result<Child> {
    let mut command = Command::new(directory.join(PLAIN));
    command.args([ROLE, "leaf"]).env_clear().stdin(lifeline).stdout(Stdio::null());
    command.spawn().context("starting a process to wait for")
}

fn start(program: &str, arguments: &str) -> Result<()> {
    spawn(&mut command(program, arguments)?)
}

fn command(program: &str, arguments: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?.with_file_name(program));
    command.arg(ROLE).args(arguments.split(' '));
    Ok(command)
}

/// Starts a child that is never waited for: it lives as long as the load.
fn spawn(command: &mut Command) -> Result<()> {
    command.spawn().map(drop).context("starting a process of the load")
}
