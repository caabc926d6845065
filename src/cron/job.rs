//! A process that counts as cron's, with all facts that reports show.

use std::time::{Duration, SystemTime};

use super::Error;
use super::job_candidate::JobCandidate;
use super::origin::JobOrigin;
use crate::control::{Reference, Target};
use crate::path::base_name;
use crate::process::{Lookup, Pid, Proc, Process, ReadResult, if_available, items, since_boot};
use crate::tree::{Forest, Node};

/// A process that counts as cron's.
#[derive(Clone, Debug)]
pub struct Job {
    /// The process as a target, to wait for or to terminate.
    pub target: Target,
    /// Its comm or exe name. Messages name a job by its command instead.
    pub name: Option<Vec<u8>>,
    /// The command of the crontab for a job, else the arguments or their beginning.
    pub command: Vec<u8>,
    pub parent: Pid,
    /// State of the process, one of RSDTtZ (proc_pid_stat(5)).
    pub state: u8,
    /// Seconds from the boot to its start.
    pub started: f64,
    pub origin: JobOrigin,
    /// `true` if it is certainly cron's, so that it may be terminated.
    pub is_certain: bool,
}

/// Most bytes of a command that are kept. No command of a crontab is longer (MAX_ARG_STRLEN in
/// execve(2)), while thousands of other processes may have longer arguments.
pub const LONGEST_COMMAND: usize = 128 * 1024;

/// Pins the process of a node, and reads the rest about it; `None` if it has exited or its pid was
/// reused.
pub fn hold(
    proc: &Proc,
    forest: &Forest<JobCandidate>,
    node: Node,
    origin: JobOrigin,
) -> Result<Option<Job>, Error> {
    let pid = forest.pid(node);
    let process = match proc.process(pid, Target::FILES)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => return Err(Error::Unexamined { pid, reason }),
        Lookup::Exited => return Ok(None),
    };
    match process.lookup(describe(&process, forest.data(node).start_ticks, origin))? {
        Lookup::Found(job) => Ok(job),
        Lookup::Unavailable(reason) => Err(Error::Unexamined { pid: process.pid(), reason }),
        Lookup::Exited => Ok(None),
    }
}

/// Describes a pinned process; `None` if it is not the one that started at this time.
fn describe(process: &Process<'_>, start_ticks: u64, origin: JobOrigin) -> ReadResult<Option<Job>> {
    let stat = process.stat()?;
    if stat.start_ticks != start_ticks {
        return Ok(None);
    }
    let arguments = if_available(process.cmdline_start(LONGEST_COMMAND))?.unwrap_or_default();
    let mut target = Target::found(process)?;
    let name = target.name.clone();
    let at_job = if origin == JobOrigin::Job && items(&arguments).count() == 1 {
        if_available(process.descriptor(0))?.flatten().as_deref().and_then(at_job)
    } else {
        None
    };
    let command = at_job.or_else(|| command(&arguments, origin)).or(name.clone());
    let command = command.unwrap_or_default();
    if origin == JobOrigin::Job {
        // Users know a job by its command.
        target.name = Some(command.clone());
    }
    Ok(Some(Job {
        target,
        name,
        command,
        parent: stat.ppid,
        state: stat.state,
        started: process.seconds(stat.start_ticks),
        origin,
        is_certain: false,
    }))
}

/// Returns the command of the crontab, `CMD` of `sh -c CMD`, for a job; else the arguments in one
/// line.
pub fn command(arguments: &[u8], origin: JobOrigin) -> Option<Vec<u8>> {
    let words: Vec<&[u8]> = items(arguments).collect();
    match words[..] {
        [_, b"-c", command] if origin == JobOrigin::Job => Some(command.to_vec()),
        [] => None,
        _ => Some(words.join(&b' ')),
    }
}

/// Returns the name of a job of at(1), such as `at job 12`, by the file that its shell reads. The
/// name of that file is the queue, five digits of the number, and eight of the time.
fn at_job(input: &[u8]) -> Option<Vec<u8>> {
    let name = base_name(input.strip_suffix(b" (deleted)").unwrap_or(input));
    let (&queue, digits) = name.split_first()?;
    let is_hex = digits.len() == 13 && digits.iter().all(u8::is_ascii_hexdigit);
    if !is_hex || !(queue.is_ascii_alphabetic() || queue == b'=') {
        return None;
    }
    let number = u32::from_str_radix(str::from_utf8(&digits[..5]).ok()?, 16).ok()?;
    Some(format!("at job {number}").into_bytes())
}

impl Job {
    /// Reports whether cron must not be stopped while this process runs.
    pub fn is_awaited(&self, with_daemons: bool) -> bool {
        with_daemons || !self.origin.is_detached()
    }

    /// Reports whether two are the same process.
    pub fn is(&self, other: &Job) -> bool {
        self.target.pid == other.target.pid && self.started == other.started
    }

    /// Closes its pidfd, if it can be opened again: there may be thousands of jobs.
    pub fn released(mut self) -> Job {
        self.target.reference.as_mut().map(Reference::release);
        self
    }

    /// Returns the seconds since its start, at this moment.
    pub fn runtime(&self) -> f64 {
        (since_boot().as_secs_f64() - self.started).max(0.0)
    }

    /// Returns the time of its start; `None` where the time of the boot is unknown.
    pub fn start(&self, proc: &Proc) -> Option<SystemTime> {
        let seconds = proc.boot_time().ok()? + self.started;
        SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    }

    /// Reports whether users want to see it in a list of `all`: not a worker whose job is shown,
    /// and not a descendant of a job, unless that will not exit by itself.
    pub fn is_of_interest(&self, all: &[Job]) -> bool {
        match self.origin {
            JobOrigin::Worker => !all.iter().any(|job| job.parent == self.target.pid),
            JobOrigin::Descendant => is_stuck(self.state),
            _ => true,
        }
    }
}

/// Reports whether a process in this state will not end by itself soon.
pub fn is_stuck(state: u8) -> bool {
    matches!(state, b'T' | b't' | b'D')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_job_is_what_the_crontab_says() {
        assert_eq!(
            command(b"/bin/sh\0-c\0sleep 5; true\0", JobOrigin::Job),
            Some(b"sleep 5; true".to_vec())
        );
        assert_eq!(
            command(b"/bin/sh\0-c\0sleep 5\0", JobOrigin::Descendant),
            Some(b"/bin/sh -c sleep 5".to_vec())
        );
        assert_eq!(command(b"sleep\x005\0", JobOrigin::Job), Some(b"sleep 5".to_vec()));
        assert_eq!(command(b"", JobOrigin::Job), None);
    }

    #[test]
    fn a_job_of_at_has_its_number_in_the_name_of_its_file() {
        let name = |input: &[u8]| at_job(input);
        let path = b"/var/spool/cron/atjobs/a0001f01c8b606 (deleted)";
        assert_eq!(name(path).as_deref(), Some(&b"at job 31"[..]));
        assert_eq!(name(b"/var/spool/at/=0000101c8b606").as_deref(), Some(&b"at job 1"[..]));
        for other in [&b"/dev/null"[..], b"", b"pipe:[1]", b"/a0000101c8b60", b"/10000101c8b606"] {
            assert_eq!(name(other), None);
        }
    }
}
