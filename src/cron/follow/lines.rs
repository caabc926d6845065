//! The lines of crontabs that jobs come from. A job does not say which line it is of: it is told
//! where one line alone has its user and its command.

use std::path::Path;
use std::time::{Duration, Instant};

use super::job::CrontabLine;
use crate::cron::Daemon;
use crate::cron::crontab::{Crontabs, Entry, Places};

/// Time for which the lines are remembered. A daemon reads changed crontabs at the beginning of a
/// minute, and then starts the jobs of it.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The lines of the crontabs of each kind of daemon that is followed.
#[derive(Default)]
pub struct Lines {
    read: Vec<(&'static Places, Instant, Vec<Entry>)>,
}

impl Lines {
    /// Returns the line of a job of this daemon.
    pub fn line(&mut self, daemon: &Daemon, user: &[u8], command: &[u8]) -> Option<CrontabLine> {
        let places = &daemon.habits()?.crontabs;
        self.read.retain(|(_, read, _)| read.elapsed() < REMEMBERED);
        if !self.read.iter().any(|(known, ..)| std::ptr::eq(*known, places)) {
            let entries = Crontabs::read(places, Path::new("/")).entries;
            self.read.push((places, Instant::now(), entries));
        }
        let (.., entries) = self.read.iter().find(|(known, ..)| std::ptr::eq(*known, places))?;
        only(entries, user, command)
    }
}

/// Returns the line with this user and this command, if there is only one.
fn only(entries: &[Entry], user: &[u8], command: &[u8]) -> Option<CrontabLine> {
    // A crontab is read without the blanks at the ends of its lines.
    let is_it =
        |entry: &&Entry| entry.user == user && entry.command.trim_ascii() == command.trim_ascii();
    let mut found = entries.iter().filter(is_it);
    let entry = found.next()?;
    let line = CrontabLine { file: entry.file.clone(), line: entry.line };
    found.next().is_none().then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron::schedule;

    #[test]
    fn a_line_is_told_where_it_is_the_only_one() {
        let entry = |user: &[u8], command: &[u8], line| Entry {
            schedule: schedule::read(b"* * * * * x").unwrap().0,
            zone: None,
            user: user.to_vec(),
            command: command.to_vec(),
            file: "/etc/crontab".into(),
            line,
        };
        let entries = [
            entry(b"root", b"backup", 3),
            entry(b"root", b"twice", 4),
            entry(b"root", b"twice", 5),
            entry(b"alice", b"backup", 6),
        ];
        let line = |user: &[u8], command: &[u8]| only(&entries, user, command).map(|at| at.line);
        assert_eq!(line(b"root", b"backup "), Some(3));
        assert_eq!(line(b"alice", b"backup"), Some(6));
        assert_eq!(line(b"root", b"twice"), None);
        assert_eq!(line(b"bob", b"backup"), None);
    }
}
