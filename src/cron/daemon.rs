//! A cron daemon, and the reasons why a process is one or none. `daemon_search.rs` finds them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::kinds::{self, Habits, NAME_OF_DCRON, OF_DCRON, PID_FILE_OF_DCRON, Scheduler};
use super::supervisor::Supervisor;
use crate::control::{Life, Reference};
use crate::path::base_name;
use crate::process::{File, Pid, Process, ReadError, ReadResult, Unexamined, if_available};

/// The directories where a system keeps its daemons.
const SYSTEM: [&[u8]; 4] = [b"/usr/sbin", b"/sbin", b"/usr/bin", b"/bin"];

/// The daemons that the user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonSelector {
    /// The daemons of this scheduler, by their usual names.
    Of(Scheduler),
    /// Daemons of this name.
    Named(Vec<u8>),
    /// The process with this pid, whatever its name is.
    Pid(Pid),
}

impl DaemonSelector {
    /// The daemons of cron.
    pub const USUAL: DaemonSelector = DaemonSelector::Of(Scheduler::Cron);
    /// The daemons of at(1).
    pub const AT: DaemonSelector = DaemonSelector::Of(Scheduler::At);

    /// Reports whether the user has named a daemon.
    pub fn is_named(&self) -> bool {
        !matches!(self, DaemonSelector::Of(_))
    }
}

/// A daemon of cron, or of at(1).
#[derive(Clone)]
pub struct Daemon {
    pub reference: Reference,
    pub pid: Pid,
    /// Name of the kind of daemon: `crond` for a busybox that runs as one.
    pub name: Vec<u8>,
    /// Base name of the executable, which the workers share.
    pub exe_name: Vec<u8>,
    pub exe_path: Option<Vec<u8>>,
    pub proof: DaemonProof,
    pub session: Pid,
    /// Audit session of the daemon. Jobs have others where pam_loginuid(8) gives them one.
    pub audit: Option<u64>,
    pub cgroup: Option<Vec<u8>>,
    /// The systemd service that has the daemon's control group for itself.
    pub service: Option<String>,
    /// The same service if it is one for cron: then every process in the group is cron's.
    pub unit: Option<String>,
    pub parent: Pid,
    /// The process that would start the daemon again.
    pub supervisor: Option<Supervisor>,
    /// `true` if the daemon was stopped when it was found.
    pub is_stopped: bool,
}

impl Daemon {
    /// Reports whether it has exited. A zombie takes signals too.
    pub fn has_ended(&self) -> bool {
        matches!(self.reference.life(), Ok(Life::Zombie | Life::Reaped) | Err(ReadError::Exited))
    }

    /// Returns its crontabs and what it does about missed jobs, where that is known.
    pub fn habits(&self) -> Option<&'static Habits> {
        if self.is_dcron() {
            return Some(&OF_DCRON);
        }
        kinds::kind(&self.name)?.habits.as_ref()
    }

    /// Reports whether it runs the jobs of at(1).
    pub fn runs_at_jobs(&self) -> bool {
        kinds::kind(&self.name).is_some_and(|kind| kind.scheduler == Scheduler::At)
    }

    /// Reports whether it is busybox's crond or dcron, which give jobs no session of their own.
    pub fn is_dcron(&self) -> bool {
        let is_dcron = self.name == NAME_OF_DCRON
            && match &self.proof {
                DaemonProof::Lock(path) | DaemonProof::PidFile(path) => {
                    base_name(path) == PID_FILE_OF_DCRON
                }
                // cronie holds the lock as long as it runs, and dcron since 4.6 none.
                DaemonProof::Place | DaemonProof::Named => true,
            };
        is_dcron || kinds::is_multi_call(&self.exe_name)
    }
}

/// The reason why a process is taken for a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonProof {
    /// The process holds the lock on this pid file.
    Lock(Vec<u8>),
    /// This pid file names the process, and we may not see the locks of the process.
    PidFile(Vec<u8>),
    /// The superuser runs the process from a system directory, or as a multi-call program.
    Place,
    /// The user named the process, and it has no other proof.
    Named,
}

/// A process that has the name of a daemon and is none.
pub struct Rejected {
    pub pid: Pid,
    pub name: Vec<u8>,
    pub why: RejectReason,
    /// `true` if it may be a daemon all the same: it has children, which may be workers or jobs.
    pub is_doubtful: bool,
}

/// The reason why a process is no daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// Another user than the superuser runs it.
    NotRoot,
    /// It is in a pid namespace below ours, as in a container.
    OtherNamespace,
    /// It is a worker of a daemon, for a job.
    Worker,
    /// It holds no lock on a pid file, as a daemon of that name does.
    NoLock,
    /// It has exited, and is a zombie.
    Ended,
    /// It is our own process or an ancestor of it.
    Ours,
}

/// The result of searching for daemons.
#[derive(Default)]
pub struct DaemonScan {
    pub daemons: Vec<Daemon>,
    pub rejected: Vec<Rejected>,
    /// Processes that may be daemons and could not be examined.
    pub unexamined: Unexamined,
}

impl DaemonScan {
    /// Returns the number of jobs that daemons run, of a kind that has a worker for each.
    pub fn jobs(&self) -> usize {
        self.rejected.iter().filter(|process| process.why == RejectReason::Worker).count()
    }
}

/// Reports whether a program is in a directory of the system.
pub fn is_system_directory(path: &[u8]) -> bool {
    let directory =
        path.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |slash| &path[..slash]);
    SYSTEM.contains(&directory)
}

/// Reports whether a daemon runs from a directory of the system.
pub fn is_in_system_directory(daemon: &Daemon) -> bool {
    is_system_directory(daemon.exe_path.as_deref().unwrap_or_default())
}

/// Reports whether a process has the daemon's name in capitals, as the workers of Debian's cron and
/// cronie do.
pub fn is_called_worker(arguments: &[u8], name: &[u8]) -> bool {
    let first = arguments
        .split(|&byte| byte == 0 || byte == b' ')
        .map(base_name)
        .next()
        .unwrap_or_default();
    !first.is_empty() && first == name.to_ascii_uppercase()
}

/// Reports whether a process is in a pid namespace below ours, as in a container: it has a number in
/// each of them.
pub fn is_foreign(process: &Process<'_>) -> ReadResult<bool> {
    Ok(process.status()?.numbers("NSpid").is_some_and(|numbers| numbers.count() > 1))
}

/// Reports whether the superuser runs a process from a directory of the system, in our pid
/// namespace. No other user can start one with these rights.
pub fn is_of_superuser(process: &Process<'_>) -> ReadResult<bool> {
    Ok(process.user_ids()?[0] == 0
        && is_system_directory(if_available(process.exe_path())?.unwrap_or_default())
        && !is_foreign(process)?)
}

/// Reports whether a process is a fork of a daemon of this name that shares the daemon's lock: the
/// pid file names another process.
pub fn is_fork(process: &Process<'_>, name: &[u8]) -> ReadResult<bool> {
    if !kinds::kind(name).is_some_and(|kind| kind.shares_lock) {
        return Ok(false);
    }
    let Some(link) = if_available(process.locked_file(is_pid_file))?.flatten() else {
        return Ok(false);
    };
    let path = without_deletion(link);
    let named = fs::read(OsStr::from_bytes(&path)).ok().and_then(|text| {
        let text = String::from_utf8(text).ok()?;
        text.trim().parse::<Pid>().ok()
    });
    Ok(named.is_some_and(|pid| pid != process.pid()))
}

/// Reports whether the file of a descriptor is a pid file, deleted or not.
pub fn is_pid_file(link: &[u8]) -> bool {
    kinds::is_pid_file(link.strip_suffix(DELETED).unwrap_or(link))
}

/// Returns the path in the link of a descriptor, without the mark of a deleted file.
pub fn without_deletion(mut link: Vec<u8>) -> Vec<u8> {
    if let Some(length) = link.strip_suffix(DELETED).map(<[u8]>::len) {
        link.truncate(length);
    }
    link
}

/// The text that the kernel appends to the path of a deleted file.
const DELETED: &[u8] = b" (deleted)";

/// Returns the audit session of a process, if it is in one.
pub fn audit_session(process: &Process<'_>) -> ReadResult<Option<u64>> {
    Ok(if_available(process.number_in(File::Sessionid))?
        .filter(|&session| session != u64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_called_in_capitals() {
        assert!(is_called_worker(b"CRON\0", b"cron"));
        assert!(is_called_worker(b"CRON -f\0", b"cron"));
        assert!(is_called_worker(b"/usr/sbin/CROND\0-n\0", b"crond"));
        assert!(!is_called_worker(b"/usr/sbin/cron\0-f\0", b"cron"));
        assert!(!is_called_worker(b"", b"cron"));
    }
}
