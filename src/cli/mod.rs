//! Pieces of command lines that several applets share. What was typed becomes data of the rest of
//! the program here.

pub mod desktop;
pub mod format;
pub mod notification;
pub mod parse;
pub mod pattern;
pub mod selection;
pub mod spelling;
pub mod targets;
pub mod usage;
pub mod verbosity;

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::exit::Exit;
use crate::output::message::message;
use crate::process::{self, HeldUp, Proc, Unexamined};

use format::Format;
use verbosity::Verbosity;

/// The exit statuses of the program, for its help.
pub const EXIT_STATUS: &str = "\
Exit status:
  0    done; something matched
  1    nothing matched, or it could not be done
  2    wrong usage, a bad pattern too
  3    fatal: /proc unreadable, out of descriptors, output failed
  64   some of the targets, not all
  124  timed out
  125  a command did not run, because of us (126: not executable, 127: not
       found)
  130  interrupted, after cleaning up (128 and the number of the signal)";

/// What the environment changes, for the help of every applet.
pub const ENVIRONMENT: &str = "\
Environment:
  PROCTOOL_LOG  what to log on standard error, such as debug or
                proctool::select=trace
  NO_COLOR      no colour, unless --color=always
  COLUMNS       width of a terminal that does not tell its own
  LC_ALL, LC_CTYPE, LANG
                whether lines may be drawn in Unicode
  TZ            time zone of dates, instead of the machine's";

/// What whoever reads processes should know, for the help of every applet that does.
pub const FILES_AND_SECURITY: &str = "\
Files:
  /proc         the processes, see proc(5); --proc DIR reads another one
  /etc/passwd, /etc/group
                names of users and groups; getent(1) is asked for others, such
                as those of a directory service, where nsswitch.conf(5) has more
                than files

Security:
  Every process chooses what it is called and which arguments and environment it shows: control \
characters in them are escaped on a terminal, and exact elsewhere. What the kernel keeps from us \
is told of as unavailable, never left out; where it hides whole processes of others (hidepid in \
proc(5)), that nothing was found is told with the doubt.";

/// That so many processes could not be judged, and what to do about it.
pub fn denied(count: usize) -> String {
    format!("permission denied to examine {}{}", processes(count), advice())
}

fn processes(count: usize) -> String {
    format!("{count} process{}", if count == 1 { "" } else { "es" })
}

/// Why some processes could not be examined, and what to do about it.
pub fn unexamined(unexamined: &Unexamined) -> String {
    match unexamined.others.first() {
        None => denied(unexamined.denied),
        Some((pid, reason)) => {
            format!(
                "{} could not be examined: process {pid}: {reason}",
                processes(unexamined.count())
            )
        }
    }
}

/// Why nobody can tell that there is nothing, if so: some processes could not be examined, or those
/// of others are hidden.
pub fn doubt(proc: &Proc, processes: &Unexamined) -> Result<Option<String>, process::Error> {
    Ok(match processes.is_empty() {
        true if proc.hides_others()? => {
            Some(format!("/proc hides the processes of other users (hidepid){}", advice()))
        }
        true => None,
        false => Some(unexamined(processes)),
    })
}

/// Tell what may be missing from an answer. Of an empty one, tell why nobody can be sure of it, or
/// else `nothing`.
pub fn tell_doubts(
    name: &str,
    proc: &Proc,
    processes: &Unexamined,
    is_empty: bool,
    nothing: Option<&str>,
) -> Result<(), process::Error> {
    let unusual = processes.unusual();
    if is_empty {
        doubt(proc, processes)?.as_deref().or(nothing).iter().for_each(|text| message(name, text));
    } else if !unusual.is_empty() {
        message(name, unexamined(&unusual));
    }
    tell_held_up(name, proc);
    Ok(())
}

/// Name the processes that held up the readers of their files, and were given up.
pub fn tell_held_up(name: &str, proc: &Proc) {
    const MOST: usize = 8;
    let held_up = proc.held_up();
    for HeldUp { pid, file } in held_up.iter().take(MOST) {
        let what = match *file {
            "cmdline" => "its arguments",
            "environ" => "its environment",
            "fd" => "its descriptors",
            _ => "its memory map",
        };
        let process = proc
            .comm_of(*pid)
            .map_or_else(String::new, |comm| format!(" ({})", String::from_utf8_lossy(&comm)));
        message(
            name,
            format_args!(
                "process {pid}{process}: {what} cannot be read: it holds up its readers, in the \
                kernel"
            ),
        );
    }
    if held_up.len() > MOST {
        message(
            name,
            format_args!(
                "{} more hold up their readers, in the kernel",
                processes(held_up.len() - MOST)
            ),
        );
    }
}

/// That something is not there, with the doubt if there is any.
pub fn absence(what: &str, proc: &Proc, unexamined: &Unexamined) -> Result<String, process::Error> {
    Ok(match doubt(proc, unexamined)? {
        Some(doubt) => format!("{what}, as far as known: {doubt}"),
        None => what.to_owned(),
    })
}

/// The status of what was done, and told: that it was not read in time counts as any other delay.
pub fn told(exit: Exit, written: io::Result<()>) -> anyhow::Result<Exit> {
    match (written, exit) {
        (Err(error), Exit::Interrupted(_)) if error.kind() == io::ErrorKind::TimedOut => Ok(exit),
        (Err(error), _) if error.kind() == io::ErrorKind::TimedOut => Ok(Exit::TimedOut),
        (written, _) => Ok(written.map(|()| exit)?),
    }
}

/// What to do about a lack of permission, where something can be done.
pub fn advice() -> &'static str {
    if nix::unistd::geteuid().is_root() { "" } else { ": try as root" }
}

/// What every applet that only reads has.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    pub format: Format,
    /// Read this procfs instead, such as a host's mounted in a container
    // Not for an applet that acts on processes: a number from there may mean another one here.
    #[arg(
        long,
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        default_value = "/proc",
        hide_default_value = true,
        help_heading = "General"
    )]
    proc: PathBuf,
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl Common {
    /// Begin to log, and open what to read from.
    pub fn start(&self) -> anyhow::Result<Proc> {
        self.verbosity.start()?;
        Ok(Proc::open(&self.proc)?)
    }
}
