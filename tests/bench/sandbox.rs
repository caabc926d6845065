//! A pid and mount namespace of our own, so that the load is alone with us and ends with us.

use anyhow::{Context, Result, anyhow, bail, ensure};
use std::ffi::OsString;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// The part of the process that measures, init of the namespace.
pub const ROLE: &str = "role:init";

/// Runs this program again inside of a new namespace, and waits for it.
pub fn enter(arguments: &[OsString]) -> Result<()> {
    let trial = unshare().arg("true").output().context("running unshare (package util-linux)")?;
    if !trial.status.success() {
        bail!(
            "cannot make a private pid namespace: {}; be root, or allow unprivileged user \
            namespaces",
            String::from_utf8_lossy(&trial.stderr).trim()
        );
    }
    let program = std::env::current_exe().context("finding this program")?;
    let mut child =
        unshare().arg(program).arg(ROLE).args(arguments).stdin(Stdio::piped()).spawn()?;
    // unshare ignores an interruption from the keyboard and so does the init of a namespace. This
    // pipe tells init when we are gone, however we went.
    let lifeline = child.stdin.take();
    let status = child.wait()?;
    drop(lifeline);
    ensure!(status.success(), "the measuring process failed: {status}");
    Ok(())
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args([
        "--pid",
        "--mount",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
        "--",
    ]);
    command
}

/// Works as init of the namespace until the work is done or the process outside has exited. When
/// this process exits, the kernel kills all others in the namespace.
pub fn work(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    ensure!(std::process::id() == 1, "{ROLE} runs only as init of a private pid namespace");
    let (done, outcome) = mpsc::channel();
    let gone = done.clone();
    thread::spawn(move || {
        // Joined in here, so that a panic too becomes an outcome.
        let result = thread::spawn(work)
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the measuring thread panicked")));
        let _ = done.send(result);
    });
    thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = gone.send(Err(anyhow!("interrupted")));
    });
    outcome.recv()?
}
