//! How many workers there may be: what some directives set, and the arithmetic that the MPMs do
//! with it.

use std::collections::BTreeMap;

use super::Mpm;

/// How many workers there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerLimit {
    /// Requests at a time: MaxRequestWorkers, as far as ServerLimit lets it.
    pub requests: u64,
    /// Processes that this takes.
    pub processes: u64,
    /// Requests at a time of each: ThreadsPerChild.
    pub threads: u64,
    /// Where MaxRequestWorkers is set, as FILE:LINE; `None` for the default.
    pub at: Option<String>,
}

/// What directives that set a number have said.
#[derive(Default)]
pub(super) struct Numbers {
    /// By the name of the directive, with where it stands; no number where that is in doubt.
    found: BTreeMap<&'static str, (Option<u64>, String)>,
}

impl Numbers {
    /// Take a directive with its value, if it sets a number. Whether it is in force may not be
    /// certain.
    pub fn take(
        &mut self,
        name: &[u8],
        value: &[u8],
        is_certain: bool,
        at: impl FnOnce() -> String,
    ) {
        if let Some(directive) = numeric(name) {
            self.found.insert(directive, (number(value).filter(|_| is_certain), at()));
        }
    }

    /// As prefork.c, worker.c and event.c of Apache 2.4 have it. The error is a doubt, in words.
    pub fn limit(&self, mpm: Option<Mpm>, is_incomplete: bool) -> Result<WorkerLimit, String> {
        let Some(mpm) = mpm else { return Err("no MPM is loaded by name".to_owned()) };
        let most = self.number("maxrequestworkers")?;
        if most.is_none() && is_incomplete {
            return Err("MaxRequestWorkers is not set in what could be read".to_owned());
        }
        // What is built in as DEFAULT_SERVER_LIMIT, MAX_SERVER_LIMIT, DEFAULT_THREADS_PER_CHILD and
        // so on.
        let (default, servers, most_servers) =
            if mpm == Mpm::Prefork { (256, 256, 200_000) } else { (400, 16, 20_000) };
        let threads = match mpm {
            Mpm::Prefork => 1,
            Mpm::Worker | Mpm::Event => {
                let threads = self.number("threadsperchild")?.unwrap_or(25);
                threads.clamp(1, self.number("threadlimit")?.unwrap_or(64).clamp(1, 100_000))
            }
        };
        let wanted = most.unwrap_or(default).max(threads) / threads;
        let processes =
            wanted.clamp(1, self.number("serverlimit")?.unwrap_or(servers).clamp(1, most_servers));
        let at = most.and(self.found.get("maxrequestworkers")).map(|(_, at)| at.clone());
        Ok(WorkerLimit { requests: processes * threads, processes, threads, at })
    }

    /// The number that a directive sets; the error is that it may or may not be set, or to what.
    fn number(&self, directive: &'static str) -> Result<Option<u64>, String> {
        match self.found.get(directive) {
            None => Ok(None),
            Some((Some(number), _)) => Ok(Some(*number)),
            Some((None, at)) => {
                Err(format!("what is set at {at} depends on a condition, or is no number"))
            }
        }
    }
}

/// The name of a directive that sets a number, if this is one.
pub(super) fn numeric(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        // Its name until Apache 2.3.13, and still understood.
        b"maxrequestworkers" | b"maxclients" => "maxrequestworkers",
        b"serverlimit" => "serverlimit",
        b"threadlimit" => "threadlimit",
        b"threadsperchild" => "threadsperchild",
        _ => return None,
    })
}

/// A number as Apache takes it: less than nothing is nothing.
fn number(text: &[u8]) -> Option<u64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(number.max(0).unsigned_abs())
}
