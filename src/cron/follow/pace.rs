//! When to look: for daemons that start, and for jobs where the kernel has no process events.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Delays of the searches after a sign of a new daemon: it has to become one first.
const SOON: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Time between two searches while no daemon is followed, and while one is.
const WITHOUT_DAEMON: Duration = Duration::from_secs(5);
const WITH_DAEMON: Duration = Duration::from_secs(60);

/// Time between two searches at least, as a multiple of the time that a search takes.
const COST_OF_SEARCH: u32 = 10;

/// Time after the end of a daemon in which another one is expected.
const SUCCESSION: Duration = Duration::from_secs(60);

/// The times of the searches for daemons.
pub struct Search {
    due: Instant,
    /// The earliest time of the next search.
    earliest: Instant,
    /// Number of searches since the last sign of a new daemon.
    since_sign: usize,
    expects_until: Option<Instant>,
}

impl Search {
    pub fn new(now: Instant) -> Search {
        Search { due: now, earliest: now, since_sign: SOON.len(), expects_until: None }
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    /// Notes that a search was made, which began at this time.
    pub fn note_search(&mut self, begin: Instant, now: Instant, has_daemon: bool) {
        self.earliest = now + (now - begin) * COST_OF_SEARCH;
        self.since_sign = (self.since_sign + 1).min(SOON.len());
        let usual = if has_daemon { WITH_DAEMON } else { WITHOUT_DAEMON };
        let due = now + SOON.get(self.since_sign).copied().unwrap_or(usual);
        self.due = due.max(self.earliest);
    }

    /// Notes a sign that a daemon starts. Any user can give it, and as often as they want: it must
    /// neither delay a search nor keep us busy.
    pub fn note_sign(&mut self, now: Instant) {
        self.since_sign = 0;
        self.due = self.due.min(now + SOON[0]).max(self.earliest);
    }

    /// Notes that a daemon has ended.
    pub fn note_end(&mut self, now: Instant) {
        self.expects_until = Some(now + SUCCESSION);
        self.note_sign(now);
    }

    /// Reports whether another daemon may start at any moment.
    pub fn expects(&self, now: Instant) -> bool {
        self.expects_until.is_some_and(|until| now < until)
    }
}

/// Time between two looks while jobs may start, and between the others.
const QUICK: Duration = Duration::from_millis(2);
const SLOW: Duration = Duration::from_millis(50);

/// Time for which the events of other processes may wait.
const PATIENCE: Duration = Duration::from_millis(5);

/// Time between two looks while jobs may start, as a multiple of the time that a look takes. With
/// hundreds of new workers, a look takes some milliseconds.
const COST: u32 = 1;

/// Milliseconds of a minute in which daemons start jobs. They wake at its beginning; Debian's cron
/// sleeps whole seconds, and wakes up to one second later.
const BEGIN: u64 = 2_500;
const BEFORE: u64 = 59_800;
const MINUTE: u64 = 60_000;

/// Time after the start of a job in which others may start.
const AFTER: Duration = Duration::from_secs(1);

/// The times of the looks for jobs.
pub struct Looks {
    due: Instant,
    newest: Option<Instant>,
}

impl Looks {
    pub fn new(now: Instant) -> Looks {
        Looks { due: now, newest: None }
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    /// Notes that a process was new.
    pub fn note_new(&mut self) {
        self.newest = Some(Instant::now());
    }

    /// Notes a look that began at this time.
    pub fn note_look(&mut self, begin: Instant) {
        let now = Instant::now();
        let quick = QUICK.max((now - begin) * COST);
        self.due = now + if self.is_after() { quick } else { pause(millisecond(), quick) };
    }

    /// Returns the time for which events of other processes may wait: none while jobs may start.
    pub fn patience(&self) -> Duration {
        let is_beginning = matches!(millisecond(), BEFORE.. | ..BEGIN);
        if self.is_after() || is_beginning { Duration::ZERO } else { PATIENCE }
    }

    fn is_after(&self) -> bool {
        self.newest.is_some_and(|newest| newest.elapsed() < AFTER)
    }
}

/// Returns the present millisecond of its minute.
fn millisecond() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_millis() % u128::from(MINUTE)) as u64
}

/// Returns the time until the next look, at this millisecond of a minute.
fn pause(millisecond: u64, quick: Duration) -> Duration {
    match millisecond {
        BEFORE.. | ..BEGIN => quick,
        _ => SLOW.min(Duration::from_millis(BEFORE - millisecond)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_quick_at_the_beginning_of_a_minute() {
        for (millisecond, expected) in
            [(0, 2), (2_400, 2), (2_500, 50), (59_780, 20), (59_799, 1), (59_999, 2)]
        {
            assert_eq!(pause(millisecond, QUICK), Duration::from_millis(expected), "{millisecond}");
        }
    }

    #[test]
    fn a_sign_of_a_daemon_is_followed_by_quick_searches() {
        let now = Instant::now();
        let mut search = Search::new(now);
        search.note_search(now, now, true);
        assert_eq!(search.due() - now, WITH_DAEMON);
        search.note_end(now);
        let mut delays = vec![search.due() - now];
        while delays.len() < 7 {
            search.note_search(now, now, false);
            delays.push(search.due() - now);
        }
        assert_eq!(delays[..5], SOON);
        assert_eq!(delays[5..], [WITHOUT_DAEMON; 2]);
        assert!(search.expects(now) && !search.expects(now + SUCCESSION));
    }

    #[test]
    fn signs_neither_delay_a_search_nor_make_it_constant() {
        let now = Instant::now();
        let millisecond = |number: u32| now + Duration::from_millis(1) * number;
        let mut search = Search::new(now);
        search.note_search(now, now, false);
        (0..30).for_each(|number| search.note_sign(millisecond(number)));
        assert_eq!(search.due(), millisecond(20));
        // That took long.
        search.note_search(millisecond(20), millisecond(60), false);
        search.note_sign(millisecond(61));
        assert_eq!(search.due(), millisecond(460));
    }
}
