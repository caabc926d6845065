//! Exit statuses as data: each applet has a table of them, which becomes a paragraph of its help
//! and of its man page here. [`GENERAL`] is the table of the whole program.

use super::wrapped;
use crate::exit::Exit;

/// A row of the exit statuses of an applet.
#[derive(Clone, Copy, Debug)]
pub enum ExitRow {
    /// A status, and its meaning.
    Status(Exit, &'static str),
    /// Each [`Exit::Interrupted`], as `128+n`, and its meaning.
    AnySignal(&'static str),
    /// A sentence by itself, or a title of the rows below it.
    Note(&'static str),
}

pub use ExitRow::{AnySignal, Note, Status};

/// The status after SIGINT, as an example of [`Exit::Interrupted`].
pub const AFTER_SIGINT: Exit = Exit::Interrupted(2);

/// The exit statuses of the whole program.
pub const GENERAL: &[ExitRow] = &[
    Status(Exit::Done, "done; something matched"),
    Status(Exit::Nothing, "nothing matched, or it could not be done"),
    Status(Exit::Usage, "wrong usage, a bad pattern too"),
    Status(Exit::Fatal, "fatal: /proc unreadable, out of descriptors, output failed"),
    Status(Exit::Absent, "cron-graceful --hold: there is no cron to hold"),
    Status(Exit::Supervised, "cron-graceful: it is for a supervisor to stop cron"),
    Status(Exit::Partial, "some of the targets, not all"),
    Status(Exit::TimedOut, "timed out"),
    Status(
        Exit::NotRun,
        "a command did not run, because of us (126: not executable, 127: not found)",
    ),
    Status(AFTER_SIGINT, "interrupted, after cleaning up (128 and the number of the signal)"),
];

/// Returns the paragraph of these rows in the help, with lines that fit into 80 columns.
pub fn paragraph(rows: &[ExitRow]) -> String {
    let width = label_width(rows);
    let lines = rows.iter().map(|row| match row {
        Status(exit, meaning) => line(&exit.status().to_string(), width, meaning),
        AnySignal(meaning) => line("128+n", width, meaning),
        Note(text) => format!("\n  {text}"),
    });
    format!("Exit status:{}", lines.collect::<String>())
}

/// Returns the columns of the longest number, but at least 2, so that short tables look alike.
fn label_width(rows: &[ExitRow]) -> usize {
    let widths = rows.iter().map(|row| match row {
        Status(exit, _) => exit.status().to_string().len(),
        AnySignal(_) | Note(_) => 0,
    });
    widths.max().unwrap_or_default().max(2)
}

fn line(label: &str, width: usize, meaning: &str) -> String {
    format!("\n  {label:width$}  {}", wrapped(meaning, 2 + width + 2))
}
