//! The largest number of workers: some directives, and the arithmetic of the MPMs.

use std::collections::BTreeMap;

use super::Mpm;
use super::directives::is_space;
use super::doubt::Doubt;

/// The largest number of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerLimit {
    /// Requests at the same time: MaxRequestWorkers, as far as ServerLimit allows.
    pub requests: u64,
    /// Processes that they take.
    pub processes: u64,
    /// Requests at the same time in each process: ThreadsPerChild.
    pub threads: u64,
    /// The place of MaxRequestWorkers as FILE:LINE; `None` for the default.
    pub at: Option<String>,
}

/// The directives so far that set a number.
#[derive(Default)]
pub(super) struct Numbers {
    /// By the name of the directive, the value with its place; without a value where that is in
    /// doubt.
    found: BTreeMap<&'static str, (Option<u64>, String)>,
}

impl Numbers {
    /// Takes a directive with its value, if it sets a number. `truth` says whether it is certainly
    /// in force.
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

    /// Computes the limit as prefork.c, worker.c and event.c of Apache 2.4 do. Errors: where
    /// it is uncertain.
    pub fn limit(&self, mpm: Option<Mpm>, is_incomplete: bool) -> Result<WorkerLimit, Doubt> {
        let Some(mpm) = mpm else { return Err(Doubt::NoMpm) };
        let most = self.number("maxrequestworkers")?;
        if most.is_none() && is_incomplete {
            return Err(Doubt::NoLimit);
        }
        // The values built in as DEFAULT_SERVER_LIMIT, MAX_SERVER_LIMIT, DEFAULT_THREADS_PER_CHILD
        // and so on.
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

    /// Returns the number that a directive sets. Errors: where it is uncertain.
    fn number(&self, directive: &'static str) -> Result<Option<u64>, Doubt> {
        match self.found.get(directive) {
            None => Ok(None),
            Some((Some(number), _)) => Ok(Some(*number)),
            Some((None, at)) => Err(Doubt::Number(at.clone())),
        }
    }
}

/// Returns the name of the directive, if it sets a number.
pub(super) fn numeric(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        // Its name until Apache 2.3.13, which later versions still accept.
        b"maxrequestworkers" | b"maxclients" => "maxrequestworkers",
        b"serverlimit" => "serverlimit",
        b"threadlimit" => "threadlimit",
        b"threadsperchild" => "threadsperchild",
        _ => return None,
    })
}

/// Parses a number as Apache does, by atoi(3): `7abc` is 7, `many` is 0, and a negative number
/// counts as 0. A variable that was not replaced, and a number that is too large, are in doubt.
fn number(text: &[u8]) -> Option<u64> {
    if memchr::memmem::find(text, b"${").is_some() {
        return None;
    }
    let begin = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let text = &text[begin..];
    let digits = text.strip_prefix(b"+").or(text.strip_prefix(b"-")).unwrap_or(text);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, _) = digits.split_at(end);
    let number: i32 = match digits {
        [] => 0,
        digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    Some(if text.starts_with(b"-") { 0 } else { number.unsigned_abs().into() })
}
