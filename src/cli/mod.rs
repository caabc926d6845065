//! Pieces of command lines that several applets share. They parse options into the types of the
//! rest of the program. Begin with `selection`, the conditions of `find`, and `targets`, the
//! processes that an applet acts on.

pub mod daemon;
pub mod desktop;
pub mod exit_status;
pub mod format;
pub mod interval;
pub mod nearest;
pub mod notification;
pub mod order;
pub mod output_file;
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

/// Environment variables that change what applets do, for the help of each.
pub const ENVIRONMENT: &str = "\
Environment:
  PROCTOOL_LOG  what to log on standard error, such as debug or
                proctool::select=trace
  NO_COLOR      no colour, unless --color=always
  COLUMNS       width of a terminal that does not tell its own
  LC_ALL, LC_CTYPE, LANG
                whether lines may be drawn in Unicode
  TZ            time zone of dates, instead of the machine's";

/// Files and notes on security, for the help of each applet that reads processes.
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

/// Returns the message that `count` processes could not be examined for lack of permission, with
/// advice.
pub fn denied(count: usize) -> String {
    format!("permission denied to examine {}{}", processes(count), advice())
}

fn processes(count: usize) -> String {
    format!("{count} process{}", if count == 1 { "" } else { "es" })
}

/// Returns the message that some processes could not be examined, with a reason and with advice.
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

/// Returns the reason why an empty answer is not certain, if there is one: some processes could not
/// be examined, or /proc hides those of other users, or it is unknown who holds a socket.
pub fn doubt(proc: &Proc, processes: &Unexamined) -> Result<Option<String>, process::Error> {
    let hidden = || format!("/proc hides the processes of other users (hidepid){}", advice());
    let why = match processes.count() {
        0 => proc.hides_others()?.then(hidden),
        _ => Some(unexamined(processes)),
    };
    let [socket, others @ ..] = &processes.sockets[..] else { return Ok(why) };
    let more = match others.len() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let why = why.unwrap_or_else(|| {
        "it belongs to the kernel, or its process is not in this /proc".to_owned()
    });
    Ok(Some(format!("{socket}{more} is open, and nobody knows who holds it: {why}")))
}

/// Wraps text to fit into 80 columns if it begins at `column`, with blanks before the later lines.
fn wrapped(text: &str, column: usize) -> String {
    let columns = 80 - column;
    let mut lines = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.len() > columns {
            lines.push('\n');
            lines.push_str(&" ".repeat(column));
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += word.len();
    }
    lines
}

/// Prints what may be missing from an answer. If the answer is empty, prints why it is not certain,
/// or else `nothing`.
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

/// Prints the processes that held up the readers of their files, and that we gave up.
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

/// Returns `what`, a message that something does not exist, with the doubt if there is any.
pub fn absence(what: &str, proc: &Proc, unexamined: &Unexamined) -> Result<String, process::Error> {
    Ok(match doubt(proc, unexamined)? {
        Some(doubt) => format!("{what}, as far as known: {doubt}"),
        None => what.to_owned(),
    })
}

/// Returns the exit status of an operation after its report. Output that was not read in time
/// counts as a timeout, unless the operation was interrupted. Errors: any other failure to write
/// the report.
pub fn told(exit: Exit, written: io::Result<()>) -> anyhow::Result<Exit> {
    match (written, exit) {
        (Err(error), Exit::Interrupted(_)) if error.kind() == io::ErrorKind::TimedOut => Ok(exit),
        // The reader that has gone is why it ended.
        (Err(error), Exit::Interrupted(_)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        (Err(error), _) if error.kind() == io::ErrorKind::TimedOut => Ok(Exit::TimedOut),
        (written, _) => Ok(written.map(|()| exit)?),
    }
}

/// Returns advice on a lack of permission; empty for the superuser, who has all permissions.
pub fn advice() -> &'static str {
    if nix::unistd::geteuid().is_root() { "" } else { ": try as root" }
}

/// Options of each applet that only reads.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    pub format: Format,
    /// Read this procfs instead, such as a host's mounted in a container
    // Applets that act on processes lack this option: a pid of another procfs may be another
    // process here.
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
    /// Starts the log, and opens the procfs to read from.
    pub fn start(&self) -> anyhow::Result<Proc> {
        self.verbosity.start()?;
        Ok(Proc::open(&self.proc)?)
    }
}
