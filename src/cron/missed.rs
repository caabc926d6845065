//! The jobs that were due while a daemon was paused, and whether it runs them afterwards.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Daemon;
use super::catch_up::Effect;
use super::crontab::{Crontabs, Entry, Unread};
use super::kinds::Habits;
use super::schedule::{Schedule, Times};
use crate::zone;

/// The result of a pause.
#[derive(Debug)]
pub struct Missed {
    /// The length of the pause.
    pub length: Duration,
    pub effect: Effect,
    /// The jobs that were due and will not run.
    pub lost: Vec<LostJob>,
    /// The crontabs that could not be read.
    pub unread: Vec<Unread>,
}

/// A job that was due while the daemon was paused, and will not run.
#[derive(Debug)]
pub struct LostJob {
    pub entry: Entry,
    /// The first and the last time at which it was due.
    pub due: (Timestamp, Timestamp),
    /// The number of times at which it was due.
    pub times: usize,
}

/// Finds what a daemon has missed from one time to another; `None` if no minute began meanwhile.
pub fn find(daemon: &Daemon, begin: SystemTime, end: SystemTime) -> Option<Missed> {
    missed(daemon.habits(), Path::new("/"), &zone::of_machine(), begin, end)
}

fn missed(
    habits: Option<&Habits>,
    root: &Path,
    zone: &TimeZone,
    begin: SystemTime,
    end: SystemTime,
) -> Option<Missed> {
    let minutes = minutes(begin, end)?;
    let count = u64::try_from(minutes.len()).unwrap_or(u64::MAX);
    let effect = habits.map_or(Effect::Unknown, |habits| habits.catches_up.effect(count));
    let crontabs = habits.filter(|_| matches!(effect, Effect::Fixed | Effect::Nothing));
    let crontabs = crontabs.map(|habits| Crontabs::read(&habits.crontabs, root));
    let Crontabs { entries, mut unread } = crontabs.unwrap_or_default();
    let mut lost = Vec::new();
    for entry in entries {
        let Schedule::Times(times) = entry.schedule else { continue };
        if !effect.loses(&times) {
            continue;
        }
        let Some(zone) = entry.zone.as_deref().map_or(Some(zone.clone()), zone::named) else {
            let reason = "CRON_TZ names no zone that is known here".to_owned();
            unread.push(Unread { file: entry.file, reason });
            continue;
        };
        lost.extend(lost_job(entry, &times, &zone, &minutes));
    }
    lost.sort_by_key(|job| job.due.0);
    let length = end.duration_since(begin).unwrap_or_default();
    Some(Missed { length, effect, lost, unread })
}

/// Returns the minutes that began after one time and not after another; `None` if there is none.
fn minutes(begin: SystemTime, end: SystemTime) -> Option<Vec<Timestamp>> {
    let minute =
        |time: SystemTime| Some(Timestamp::try_from(time).ok()?.as_second().div_euclid(60));
    let (first, last) = (minute(begin)? + 1, minute(end)?);
    let all: Option<Vec<Timestamp>> =
        (first..=last).map(|minute| Timestamp::from_second(minute * 60).ok()).collect();
    all.filter(|all| !all.is_empty())
}

/// Returns a job that was due in some of these minutes. In the last one the daemon runs again, and
/// runs the jobs that are due then.
fn lost_job(
    entry: Entry,
    times: &Times,
    zone: &TimeZone,
    minutes: &[Timestamp],
) -> Option<LostJob> {
    let (_, before) = minutes.split_last()?;
    let is_due = |minute: &&Timestamp| times.match_minute(zone.to_datetime(**minute));
    let mut due = before.iter().filter(is_due).copied();
    let first = due.next()?;
    let (last, more) = due.fold((first, 0), |(_, count), time| (time, count + 1));
    Some(LostJob { entry, due: (first, last), times: more + 1 })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::ToSpan;

    use super::super::catch_up::CatchUp;
    use super::super::crontab::{Ignored, Names, Places};
    use super::*;

    const PLACES: Places = Places {
        files: &["/etc/crontab"],
        directories: &[],
        users: &[],
        names: Names::Plain,
        has_zone: true,
        ignored: Ignored::Nothing,
    };

    const CRONTAB: &str = "\
        1 12 * * * root at-12-01\n\
        */5 * * * * root each-five\n\
        17 * * * * root hourly\n\
        0 14 * * * root at-14-00\n\
        @reboot root never\n\
        CRON_TZ=Asia/Tokyo\n\
        30 21 * * * root in-tokyo\n";

    /// Returns what is lost in a pause from 12:00:30 on, as command, first time and count.
    fn lost(catch_up: CatchUp, minutes: i64) -> (Effect, Vec<(String, String, usize)>) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/crontab"), CRONTAB).unwrap();
        let begin: Timestamp = "2026-03-04T12:00:30Z".parse().unwrap();
        let end = begin + minutes.minutes();
        let missed = missed(
            Some(&Habits { crontabs: PLACES, catches_up: catch_up }),
            root.path(),
            &TimeZone::UTC,
            begin.into(),
            end.into(),
        )
        .expect("minutes began");
        assert!(missed.unread.is_empty());
        let lost = missed.lost.iter().map(|job| {
            let command = String::from_utf8_lossy(&job.entry.command).into_owned();
            (command, job.due.0.strftime("%H:%M").to_string(), job.times)
        });
        (missed.effect, lost.collect())
    }

    fn jobs(jobs: &[(&str, &str, usize)]) -> Vec<(String, String, usize)> {
        jobs.iter().map(|&(job, time, count)| (job.to_owned(), time.to_owned(), count)).collect()
    }

    /// The table of what was measured with real daemons.
    #[test]
    fn each_daemon_loses_what_it_does_not_make_up_for() {
        let each_five = ("each-five", "12:05", 5);
        let hourly = ("hourly", "12:17", 1);
        for (catch_up, minutes, effect, expected) in [
            (CatchUp::ByLength, 3, Effect::All, vec![]),
            (CatchUp::ByLength, 30, Effect::Fixed, vec![each_five, hourly]),
            (
                CatchUp::ByLength,
                181,
                Effect::Nothing,
                vec![
                    ("at-12-01", "12:01", 1),
                    ("each-five", "12:05", 36),
                    ("hourly", "12:17", 3),
                    ("in-tokyo", "12:30", 1),
                    ("at-14-00", "14:00", 1),
                ],
            ),
            (CatchUp::OnceWithinAnHour, 30, Effect::Once, vec![]),
            (
                CatchUp::OnceWithinAnHour,
                70,
                Effect::Nothing,
                vec![
                    ("at-12-01", "12:01", 1),
                    ("each-five", "12:05", 13),
                    ("hourly", "12:17", 1),
                    ("in-tokyo", "12:30", 1),
                ],
            ),
        ] {
            assert_eq!(
                lost(catch_up, minutes),
                (effect, jobs(&expected)),
                "{minutes} {catch_up:?}"
            );
        }
    }

    #[test]
    fn a_pause_within_a_minute_misses_nothing() {
        let begin: Timestamp = "2026-03-04T12:00:01Z".parse().unwrap();
        assert!(minutes(begin.into(), (begin + 58.seconds()).into()).is_none());
        assert_eq!(
            minutes(begin.into(), (begin + 59.seconds()).into()).map(|all| all.len()),
            Some(1)
        );
    }
}
