//! The words of `cron-jobs --help` and of its man page.

use crate::cli::ENVIRONMENT;
use crate::cli::exit_status::{AFTER_SIGINT, ExitRow, Status};
use crate::exit::Exit;

/// Returns the description.
pub fn long_about() -> String {
    "Follows cron.".to_owned()
}

/// Returns the sections behind the options.
pub fn notes() -> String {
    format!("{ENVIRONMENT}\n\n{EXAMPLES}")
}

/// The rows of the exit statuses.
pub const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "the reader of the output has gone; or with --pid: the daemon has ended"),
    Status(Exit::Nothing, "you are not root; or with --pid: that process is no cron daemon"),
    Status(Exit::Usage, "wrong usage"),
    Status(
        Exit::Fatal,
        "fatal: no pidfds (before Linux 5.3, or in a sandbox), /proc unreadable, out of \
        descriptors, output failed",
    ),
    Status(AFTER_SIGINT, "ended by a signal (128 and the number of the signal)"),
];

const EXAMPLES: &str = "\
Examples:
  cron-jobs

See also:
  proctool(1), cron(8)";
