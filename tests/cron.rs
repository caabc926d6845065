//! `cron-graceful` with real cron daemons: Debian's cron, busybox's crond, and cron.service under a
//! real systemd.

mod additions;
mod beside;
mod daemon;
mod documents;
mod earlier;
mod ended;
mod hold;
mod interrupted;
mod jobs;
mod kills;
mod listing;
mod metrics;
mod orphans;
mod outputs;
mod pausing;
mod readme;
mod refusals;
mod several;
mod start;
mod stopping;
mod summary;
mod supervised;
mod systemd;
mod timeout;
mod timers;
mod window;

use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::command::Outcome;
use super::support::cron::CronBox;

/// A cron with a faked clock: a minute of it takes a second.
const FAST: &str = "faketime -f '+0 x60' cron -f >/dev/null 2>&1 </dev/null &";

/// Makes a box, or skips the test and says why there is none.
#[macro_export]
macro_rules! cron_box {
    () => {
        $crate::cron_box!($crate::support::cron::CronBox::new())
    };
    ($made:expr) => {
        match $made {
            Ok(made) => made,
            Err(reason) => $crate::skip!(&reason),
        }
    };
}

/// Checks that the run ended well, without a message, and no cron runs any more.
#[track_caller]
fn stops(place: &CronBox, outcome: Outcome, daemon: u32) -> Outcome {
    let outcome = outcome.succeeds();
    place.is_stopped(daemon);
    outcome
}

/// Checks that the outcome contains all of these words, on either stream.
#[track_caller]
fn mentions(outcome: &Outcome, words: &[&str]) {
    let text = format!("{}{}", outcome.text(), outcome.errors());
    for word in words {
        assert!(text.contains(word), "expected {word:?}\n{}", outcome.report());
    }
}

/// Checks that the outcome contains none of these words.
#[track_caller]
fn avoids(outcome: &Outcome, words: &[&str]) {
    let text = format!("{}{}", outcome.text(), outcome.errors());
    for word in words {
        assert!(!text.contains(word), "not expected: {word:?}\n{}", outcome.report());
    }
}

/// Returns the entry of a process in a list of jobs, or of daemons.
#[track_caller]
fn entry<'list>(list: &'list Value, kind: &str, pid: u32) -> &'list Value {
    let entries = list[kind].as_array().unwrap_or_else(|| panic!("no {kind} in {list:#}"));
    let found = entries.iter().find(|entry| entry["pid"] == pid);
    found.unwrap_or_else(|| panic!("no process {pid} among the {kind} of {list:#}"))
}

/// Returns the pids of a list of jobs, or of daemons.
#[track_caller]
fn pids(list: &Value, kind: &str) -> Vec<u64> {
    let entries = list[kind].as_array().unwrap_or_else(|| panic!("no {kind} in {list:#}"));
    entries.iter().map(|entry| entry["pid"].as_u64().expect("finding a pid")).collect()
}

/// Checks the reason why a process counts as a job, and whether it is awaited.
#[track_caller]
fn counts(place: &CronBox, pid: u32, why: &str, awaited: bool) {
    let list = place.list();
    let job = entry(&list, "jobs", pid);
    assert!(
        job["why"] == why && job["awaited"] == awaited,
        "expected {why}, {awaited} of {pid}: {list:#}"
    );
}

/// Waits until this much time has passed since then.
fn let_pass(since: Instant, time: Duration) {
    std::thread::sleep(time.saturating_sub(since.elapsed()));
}
