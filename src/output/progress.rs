//! Shows which processes we wait for, and for how long: a line that is redrawn on a terminal, a
//! line now and then elsewhere.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use rustix::termios::tcgetwinsize;

use super::human::long_duration;
use super::message::{Errors, message};
use super::outlet;
use super::terminal::charset_of_messages;
use super::text::{escaped, escaped_for};
use crate::process::Pid;

/// Time before the first display: a shorter wait is not shown.
const DELAY: Duration = Duration::from_millis(300);
/// Time between two frames of the spinner.
const FRAME: Duration = Duration::from_millis(250);
/// Time before the first line where standard error is no terminal. The time to each later one is
/// twice as long, up to `LONGEST_INTERVAL`.
const FIRST_LINE: Duration = Duration::from_secs(60);
const LONGEST_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Number of names in a line at most.
pub const MOST_NAMES: usize = 8;

/// The display of a wait on standard error.
pub struct Progress {
    name: String,
    place: Place,
}

enum Place {
    Terminal(Option<ProgressBar>),
    Lines {
        next: Duration,
    },
    /// Nothing is shown.
    Nowhere,
}

impl Progress {
    /// Returns a display that shows nothing yet. `name` is the name of the applet in messages.
    pub fn new(name: &str, is_quiet: bool) -> Progress {
        let is_terminal = stderr().is_terminal();
        let place = if is_quiet {
            Place::Nowhere
        } else if is_terminal {
            Place::Terminal(None)
        } else {
            Place::Lines { next: FIRST_LINE }
        };
        Progress { name: name.to_owned(), place }
    }

    /// Shows the processes that we wait for, if it is time. Returns the time at which to call
    /// again; `None` if nothing will ever be shown.
    pub fn show<'a>(
        &mut self,
        processes: impl Iterator<Item = (Pid, Option<&'a [u8]>)>,
        since: Duration,
    ) -> Option<Instant> {
        let now = Instant::now();
        match &mut self.place {
            Place::Nowhere => None,
            Place::Terminal(_) if since < DELAY => Some(now + (DELAY - since)),
            // A frame would only queue up, as behind a terminal that was stopped by ^S.
            _ if outlet::is_behind() => Some(now + FRAME),
            Place::Terminal(bar) => {
                let bar = bar.get_or_insert_with(spinner);
                bar.set_message(escaped_for(
                    summary(processes, since).as_bytes(),
                    charset_of_messages(),
                ));
                bar.tick();
                Some(now + FRAME)
            }
            Place::Lines { next } => {
                if since >= *next {
                    message(&self.name, summary(processes, since));
                    *next = (2 * *next).min(*next + LONGEST_INTERVAL);
                }
                Some(now + next.saturating_sub(since))
            }
        }
    }

    /// Removes the line from the terminal, as before another line is printed.
    pub fn clear(&mut self) {
        if let Place::Terminal(bar) = &mut self.place
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The terminal at standard error. indicatif draws on it through the outlet.
#[derive(Debug)]
struct Canvas;

impl Canvas {
    fn put(text: impl Display) -> io::Result<()> {
        Errors.write_all(text.to_string().as_bytes())
    }
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        const DEFAULT_WIDTH: u16 = 80;
        tcgetwinsize(stderr())
            .map_or(DEFAULT_WIDTH, |size| if size.ws_col > 0 { size.ws_col } else { DEFAULT_WIDTH })
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        if lines > 0 { Canvas::put(format_args!("\x1b[{lines}A")) } else { Ok(()) }
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        if lines > 0 { Canvas::put(format_args!("\x1b[{lines}B")) } else { Ok(()) }
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        if columns > 0 { Canvas::put(format_args!("\x1b[{columns}C")) } else { Ok(()) }
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        if columns > 0 { Canvas::put(format_args!("\x1b[{columns}D")) } else { Ok(()) }
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        Canvas::put(format_args!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Canvas::put(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Canvas::put("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(Canvas)));
    match ProgressStyle::with_template("{spinner} {wide_msg}") {
        // These characters exist in every character set.
        Ok(style) => bar.with_style(style.tick_chars("-\\|/ ")),
        Err(_) => bar,
    }
}

fn summary<'a>(
    processes: impl Iterator<Item = (Pid, Option<&'a [u8]>)>,
    since: Duration,
) -> String {
    let processes: Vec<_> = processes.collect();
    let plural = if processes.len() == 1 { "" } else { "es" };
    let time =
        if since.as_secs() < 60 { format!("{} s", since.as_secs()) } else { duration(since) };
    format!("waiting for {} process{plural} for {time}: {}", processes.len(), names(&processes))
}

/// Returns processes with their names, in one line.
pub fn names(processes: &[(Pid, Option<&[u8]>)]) -> String {
    let name = |&(pid, name): &(Pid, Option<&[u8]>)| match name {
        Some(name) => format!("{pid} ({})", escaped(name)),
        None => pid.to_string(),
    };
    let mut names: Vec<String> = processes.iter().take(MOST_NAMES).map(name).collect();
    if processes.len() > MOST_NAMES {
        names.push(format!("and {} more", processes.len() - MOST_NAMES));
    }
    names.join(", ")
}

/// Formats a duration for people.
pub fn duration(time: Duration) -> String {
    let mut text = Vec::new();
    long_duration(&mut text, time.as_secs_f64());
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_names_and_the_number_of_the_rest() {
        let processes: Vec<(Pid, Option<&[u8]>)> =
            (1..=10).map(|pid| (pid, (pid != 2).then_some(&b"a\n"[..]))).collect();
        assert_eq!(names(&processes[..2]), "1 (a\\n), 2");
        assert!(names(&processes).ends_with(", 8 (a\\n), and 2 more"));
        assert_eq!(
            summary(processes.iter().take(1).copied(), Duration::from_millis(2900)),
            "waiting for 1 process for 2 s: 1 (a\\n)"
        );
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
    }
}
