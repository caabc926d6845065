//! The base of the tests: running the program, fake procfs directories, real processes, and private
//! namespaces.

pub mod apache;
pub mod command;
pub mod cron;
pub mod desktop;
pub mod desktop_systemd;
pub mod fake;
pub mod fleet;
pub mod gpg;
pub mod metrics;
pub mod namespace;
pub mod place;
pub mod running;
pub mod target;
pub mod terminal;

use std::fs::OpenOptions;
use std::io::Write;

/// Notes that a test could not run here, and why. `tests/run` shows it at the end.
pub fn skip(test: &str, reason: &str) {
    let note = format!("{test}: {reason}\n");
    if let Some(path) = std::env::var_os("PROCTOOL_SKIPPED") {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("opening the file of skipped tests");
        file.write_all(note.as_bytes()).expect("writing a note of the skipped test");
    }
    print!("skipped: {note}");
}

/// Skips the calling test for this reason.
#[macro_export]
macro_rules! skip {
    ($reason:expr) => {{
        let thread = std::thread::current();
        $crate::support::skip(thread.name().unwrap_or("?"), $reason);
        return;
    }};
}

/// A case of a table. It says its name when the test fails while it is held.
pub struct Case(pub &'static str);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed in the case: {}", self.0);
        }
    }
}
