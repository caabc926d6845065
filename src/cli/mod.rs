//! Pieces of command lines that several applets share. What was typed becomes data of the rest of the program here.

pub mod act;
pub mod desktop;
pub mod format;
pub mod notification;
pub mod parse;
pub mod pattern;
pub mod selection;
pub mod targets;
pub mod usage;
pub mod verbosity;

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::process::{self, Proc};

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
  Every process chooses what it is called and which arguments and environment it shows: control characters in them \
are escaped on a terminal, and exact elsewhere. What the kernel keeps from us is told of as unavailable, never left \
out; where it hides whole processes of others (hidepid in proc(5)), that nothing was found is told with the doubt.";

/// That so many processes could not be judged, and what to do about it.
pub fn denied(count: usize) -> String {
    let plural = if count == 1 { "" } else { "es" };
    format!("permission denied to examine {count} process{plural}{}", advice())
}

/// Why nobody can tell that there is nothing, if so: these could not be judged, or those of others are hidden.
pub fn doubt(proc: &Proc, unknown: usize) -> Result<Option<String>, process::Error> {
    Ok(match unknown {
        0 if proc.hides_others()? => Some(format!("/proc hides the processes of other users (hidepid){}", advice())),
        0 => None,
        unknown => Some(denied(unknown)),
    })
}

/// That something is not there, with the doubt if there is any.
pub fn absence(what: &str, proc: &Proc, unknown: usize) -> Result<String, process::Error> {
    Ok(match doubt(proc, unknown)? {
        Some(doubt) => format!("{what}, as far as known: {doubt}"),
        None => what.to_owned(),
    })
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
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "/proc", hide_default_value = true, help_heading = "General")]
    proc: PathBuf,
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl Common {
    /// Begin to log, and open what to read from.
    pub fn start(&self) -> anyhow::Result<Proc> {
        self.verbosity.start()?;
        self.open()
    }

    /// Open what to read from once more, to see it as it is then.
    pub fn open(&self) -> anyhow::Result<Proc> {
        Ok(Proc::open(&self.proc)?)
    }
}
