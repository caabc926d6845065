//! The memory of jobs: the most that one of their processes has had, read again and again while
//! they run. The kernel keeps the peak of each process (VmHWM), and forgets it when the process
//! ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::cron::Error;
use crate::process::{Files, Lookup, Pid, Proc, Unavailable};

/// The first interval between two reads. Each is four times as long as the one before.
const FIRST: Duration = Duration::from_millis(100);

/// The longest interval.
const LAST: Duration = Duration::from_secs(30);

/// Most processes of a job that are read at a time.
const MOST_PROCESSES: usize = 64;

/// The times at which the jobs are read next.
#[derive(Default)]
pub struct Readings {
    due: BTreeSet<(Instant, Pid)>,
    jobs: BTreeMap<Pid, (Instant, Duration)>,
}

impl Readings {
    /// Adds a job.
    pub fn add(&mut self, pid: Pid, now: Instant) {
        self.remove(pid);
        self.set(pid, now + FIRST, FIRST);
    }

    /// Removes a job.
    pub fn remove(&mut self, pid: Pid) {
        if let Some((time, _)) = self.jobs.remove(&pid) {
            self.due.remove(&(time, pid));
        }
    }

    /// Returns the time of the next read.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|&(time, _)| time)
    }

    /// Returns a job that is to be read now.
    pub fn take(&mut self, now: Instant) -> Option<Pid> {
        let &(time, pid) = self.due.first().filter(|(time, _)| *time <= now)?;
        self.due.remove(&(time, pid));
        let interval = self.jobs.get(&pid).map_or(FIRST, |&(_, interval)| interval);
        let interval = (interval * 4).min(LAST);
        self.set(pid, now + interval, interval);
        Some(pid)
    }

    fn set(&mut self, pid: Pid, time: Instant, interval: Duration) {
        self.due.insert((time, pid));
        self.jobs.insert(pid, (time, interval));
    }
}

/// Returns the most resident memory that a process or one of its descendants has had so far, in
/// bytes; `None` where none could be read. Errors: /proc cannot be read.
pub fn peak_rss(proc: &Proc, pid: Pid) -> Result<Option<u64>, Error> {
    let mut processes = vec![pid];
    let mut peak = None;
    let mut at = 0;
    while let Some(&pid) = processes.get(at) {
        at += 1;
        let Lookup::Found(process) = proc.process(pid, Files::NONE)? else { continue };
        if let Lookup::Found(size) = process.lookup(process.size("VmHWM"))? {
            peak = peak.max(size);
        }
        match process.lookup(process.children())? {
            Lookup::Found(children) => processes.extend(children),
            // This kernel lists no children: the job itself has to do.
            Lookup::Unavailable(Unavailable::Absent(_)) => break,
            Lookup::Unavailable(_) | Lookup::Exited => {}
        }
        processes.truncate(MOST_PROCESSES);
    }
    Ok(peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intervals_grow() {
        let begin = Instant::now();
        let mut readings = Readings::default();
        readings.add(7, begin);
        let mut times = Vec::new();
        while let Some(time) = readings.next().filter(|_| times.len() < 12) {
            assert_eq!(readings.take(time), Some(7));
            times.push(time.duration_since(begin).as_millis());
        }
        assert_eq!(times[..5], [100, 500, 2100, 8500, 34_100]);
        assert_eq!(times[11] - times[10], 30_000);
        readings.remove(7);
        assert_eq!(readings.next(), None);
    }

    #[test]
    fn our_own_peak_is_read() {
        let proc = Proc::open(std::path::Path::new("/proc")).unwrap();
        let peak = peak_rss(&proc, std::process::id()).unwrap();
        assert!(peak.is_some_and(|peak| peak > 500_000), "{peak:?}");
    }
}
