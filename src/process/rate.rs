//! Rates: how much a process used of something between two looks at it.

use std::collections::HashMap;

use super::error::{ReadError, ReadResult};
use super::{Pid, Process};

/// The looks at processes in the present round and in the one before. A process is known by its pid
/// and its start: that two of them share both within a round is as good as impossible, and a rate
/// acts on nobody.
#[derive(Default)]
pub(super) struct Rounds {
    before: HashMap<(Pid, u64), Look>,
    now: HashMap<(Pid, u64), Look>,
    /// The seconds from boot to the begin of the round before; `None` in the first round.
    begin_before: Option<f64>,
    /// The seconds from boot to the begin of the present round.
    begin: Option<f64>,
}

/// What a look has found.
#[derive(Clone, Copy)]
struct Look {
    /// Seconds from boot.
    at: f64,
    /// Seconds of processor time that were used until then.
    cpu_time: f64,
}

impl Rounds {
    /// Begins a round at this time, in seconds from boot.
    pub fn begin(&mut self, now: f64) {
        self.before = std::mem::take(&mut self.now);
        self.begin_before = self.begin.replace(now);
    }

    /// Returns the begin of the present round, in seconds from boot.
    pub fn present(&self) -> Option<f64> {
        self.begin
    }

    /// Returns the part of the time since the round before in which one processor worked for a
    /// process. One that `started` since then, in seconds from boot, has used what it used since then.
    /// Errors: unavailable for another one that the round before did not look at, because it did not
    /// meet the conditions then.
    fn cpu_share(&mut self, id: (Pid, u64), started: f64, look: Look) -> ReadResult<f64> {
        let look = *self.now.entry(id).or_insert(look);
        let before = match (self.before.get(&id), self.begin_before) {
            (Some(before), _) => *before,
            (None, Some(at)) if started >= at => Look { at, cpu_time: 0.0 },
            (None, _) => return Err(ReadError::absent("it takes two looks")),
        };
        let time = look.at - before.at;
        if time <= 0.0 {
            return Err(ReadError::absent("no time has passed between two looks"));
        }
        Ok(((look.cpu_time - before.cpu_time) / time).max(0.0))
    }
}

impl Process<'_> {
    /// Returns the processor time that it used, in percent of one processor: since the last round
    /// where there are rounds, else since its start, as ps does.
    pub fn cpu_percent(&self) -> ReadResult<f64> {
        let stat = self.stat()?;
        let cpu_time = self.seconds(stat.user_ticks.saturating_add(stat.system_ticks));
        let share = match self.proc().rounds().as_mut() {
            Some(rounds) => {
                let look = Look { at: self.proc().uptime()?, cpu_time };
                let started = self.seconds(stat.start_ticks);
                rounds.cpu_share((self.pid(), stat.start_ticks), started, look)?
            }
            None => match self.runtime()? {
                age if age > 0.0 => cpu_time / age,
                _ => return Err(ReadError::absent("it has just started")),
            },
        };
        Ok(100.0 * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_time_between_two_looks() {
        let mut rounds = Rounds::default();
        let look = |at, cpu_time| Look { at, cpu_time };
        rounds.begin(100.0);
        assert!(rounds.cpu_share((7, 1), 1.0, look(100.1, 50.0)).is_err());
        rounds.begin(110.0);
        assert_eq!(rounds.cpu_share((7, 1), 1.0, look(110.1, 55.0)), Ok(0.5));
        // A second read in a round is the same.
        assert_eq!(rounds.cpu_share((7, 1), 1.0, look(110.2, 56.0)), Ok(0.5));
        // A process that started meanwhile, also with the pid of another one.
        assert_eq!(rounds.cpu_share((7, 2), 105.0, look(110.0, 1.0)), Ok(0.1));
        // An old process that only now meets the conditions.
        assert!(rounds.cpu_share((8, 1), 1.0, look(110.0, 50.0)).is_err());
        rounds.begin(120.0);
        assert_eq!(rounds.cpu_share((7, 1), 1.0, look(120.1, 55.0)), Ok(0.0));
    }
}
