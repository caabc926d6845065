//! proctool: Linux process tools in one program. Start, dispatch, and the one place where it ends.
//!
//! # Glossary
//!
//! One word for one thing, in names, comments, messages and man pages.
//!
//! About processes:
//! - **process**: a thread group, as the kernel has it; `pid` is its number in one pid namespace.
//! - **thread**: one task of a process, `/proc/PID/task/TID`.
//! - **kernel thread**: a task that runs no program (`PF_KTHREAD`).
//! - **command**: a program that we run, or the arguments of one (`cmdline`).
//! - **comm**: the name that the kernel keeps of a process, at most 15 bytes.
//! - **executable**: the file that a process runs (`exe`); its base name is the *exe name*.
//! - **parent**, **child**: as the kernel has it now. **Ancestors** and **descendants** are the
//!   parents of parents and the children of children; **relatives** are any of these.
//! - **orphan**: a process whose parent has exited, and that init or a subreaper has adopted.
//! - **session**, **process group**, **control group**, **namespace**: as in setsid(2), setpgid(2),
//!   cgroups(7), namespaces(7).
//! - **running**, **sleeping**, **stopped**, **traced**, **uninterruptible**: states of a process.
//! - **exited**: all threads have ended. A **zombie** has exited and was not reaped.
//! - **reaped**: its parent has taken its exit status, and its pid is free for another process.
//! - **alive**: not exited; a stopped process is alive.
//!
//! About reading:
//! - **procfs**: a mount of /proc, of one pid namespace.
//! - **scan**: one pass over all processes of a procfs.
//! - **property**: one fact about a process, a row of a table of `process::SECTIONS`.
//! - **lookup**: an attempt to read something of a process: found, unavailable, or exited.
//! - **unavailable**: the process is alive, and this property of it cannot be read. **Denied** is
//!   one reason of several: the kernel forbids it.
//! - **held up**: reading waits in the kernel because of what the process has mapped.
//! - **unexamined**: a process of which we could not find out whether it matches.
//! - **pid reuse**: a later process has the pid of one that was reaped.
//! - **pinned**: held by a descriptor of its /proc directory, so that all that is read is of one
//!   process.
//!
//! About acting:
//! - **pidfd**: a descriptor that refers to one process (pidfd_open(2)). A **reference** holds one,
//!   or what it takes to open it again for the same process.
//! - **target**: a process that an operation acts on. An **operation** carries out one **order** on
//!   all targets, and each of them has an **outcome**.
//! - **refused**: a target that we do not touch, and why.
//! - **freeze**, **thaw**: stop a tree while its members are gathered, and continue it.
//! - **guardian**: a process of ours that continues what we have stopped, whatever becomes of us.
//! - **overseer**: a thread of ours that ends the program where it hangs.
//!
//! About applications:
//! - **daemon**: a server in the background, such as cron. A **supervisor** starts it again.
//! - **worker**: a process that a daemon forks to serve a request or to run a job.
//! - **job**: what cron runs for a line of a crontab, with all of its descendants.
//! - **pause**: stop a daemon so that it starts no new jobs. **drain**: wait until no job runs. The
//!   **window** is the time from the drain until the daemon runs on. A **newcomer** is a daemon
//!   that starts meanwhile.
//! - **master**: the process of a server that forks the workers. A **pool** is a master with its
//!   workers, a **worker group** those that do the same.
//! - **agent**: a gpg-agent. **Desktop session**: a session of logind with a display or a bus.

mod apache;
mod applets;
mod cli;
mod command;
mod control;
mod cron;
mod deadline;
mod deadlines;
mod desktop;
mod dispatch;
mod escape;
mod exit;
#[cfg(test)]
mod fuzz;
mod gpg;
#[cfg(test)]
mod manual;
mod output;
mod path;
mod peer;
mod process;
mod select;
mod small_file;
mod thread;
mod tree;
mod users;
mod zone;

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

use crate::applets::{APPLETS, Applet, Context};
use crate::cli::verbosity::Verbosity;
use crate::dispatch::{Request, dispatch};
use crate::exit::{Exit, Refusal};
use crate::output::message::message;

fn main() -> ExitCode {
    let begin = Instant::now();
    let argv: Vec<OsString> = env::args_os().collect();
    let request = dispatch(&argv, APPLETS);
    let name = match &request {
        Request::Run { name, .. } => name.clone(),
        _ => "proctool".to_owned(),
    };
    let reset = control::reset_sigchld().context("cannot heed children");
    let exit = match reset.and_then(|()| answer(request, begin)) {
        Ok(exit) => exit,
        Err(error) => report(&name, &error),
    };
    output::outlet::close();
    exit.into()
}

fn answer(request: Request<'_>, begin: Instant) -> anyhow::Result<Exit> {
    let text = match request {
        Request::Run { applet, name, arguments } => return run(applet, name, arguments, begin),
        Request::List => APPLETS.iter().map(|applet| format!("{}\n", applet.name)).collect(),
        Request::ListLinks => {
            APPLETS.iter().flat_map(|applet| applet.links).map(|link| format!("{link}\n")).collect()
        }
        Request::Help => applets::program().render_long_help().to_string(),
        Request::HelpOn(applet) => applets::documented(applet).render_long_help().to_string(),
        Request::Version => format!("proctool {}\n", env!("CARGO_PKG_VERSION")),
        Request::Wrong(message) => return Err(Refusal::usage(message).into()),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn run(
    applet: &Applet,
    name: String,
    arguments: &[OsString],
    begin: Instant,
) -> anyhow::Result<Exit> {
    let command = applets::named(applet);
    cli::spelling::check(&command, arguments)?;
    let parsed = match parse(command, &name, arguments) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            parse(applets::documented(applet), &name, arguments)
        }
        outcome => outcome,
    };
    let matches = match parsed {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => return Err(cli::usage::refusal(&name, &error).into()),
        // clap returns the texts of --help and --version as errors.
        Err(error) => {
            output::print(&error.render().to_string())?;
            return Ok(Exit::Done);
        }
    };
    let is_quiet = Verbosity::is_quiet_in(&matches);
    match (applet.run)(&matches, &Context { name, begin }) {
        // With --quiet, the exit status says enough.
        Err(error) if is_quiet && error.downcast_ref().is_some_and(Refusal::is_nothing) => {
            Ok(Exit::Nothing)
        }
        outcome => outcome,
    }
}

/// Parses the arguments of an applet. An applet without clap's help (notify-send-headless) passes
/// all arguments on, and an extra `--` keeps clap from taking theirs.
fn parse(command: Command, name: &str, arguments: &[OsString]) -> clap::error::Result<ArgMatches> {
    let separator = command.is_disable_help_flag_set().then(|| OsString::from("--"));
    let words =
        std::iter::once(OsString::from(name)).chain(separator).chain(arguments.iter().cloned());
    command.bin_name(name).display_name(name).try_get_matches_from(words)
}

/// Writes the message for an error, and returns its exit status.
fn report(name: &str, error: &anyhow::Error) -> Exit {
    if error.chain().any(is_closed_pipe) {
        return Exit::Done;
    }
    message(name, format_args!("{error:#}"));
    error.downcast_ref::<Refusal>().map_or(Exit::Fatal, |refusal| refusal.exit)
}

/// Reports whether an error is that the reader of our output has closed the pipe: it needs no more.
fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
