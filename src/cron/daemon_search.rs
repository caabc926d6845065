//! The search for daemons: which of the processes with the name of a daemon are one.

use std::collections::BTreeSet;

use super::daemon::{
    Daemon, DaemonProof, DaemonScan, DaemonSelector, RejectReason, Rejected,
    is_in_system_directory, is_of_superuser,
};
use super::daemon_candidate::{Candidate, Candidates};
use super::{Error, kinds, supervisor};
use crate::control::self_and_ancestors;
use crate::process::{File, Files, Lookup, Pid, Proc, Process, ReadResult};

/// Finds the daemons. No process is changed. Errors: /proc cannot be read. A process that cannot be
/// examined is no error, but counted.
pub fn find(proc: &Proc, wanted: &DaemonSelector) -> Result<DaemonScan, Error> {
    let self_and_ancestors = if wanted.is_named() { self_and_ancestors(proc)? } else { Vec::new() };
    let all = Candidates::find(proc, wanted)?;
    let has_lock = all.locked();
    let helped = if all.candidates.iter().any(Candidate::may_have_dropped_rights) {
        parents(proc, is_helper_of_root)?
    } else {
        BTreeSet::new()
    };
    let Candidates { candidates, workers, names, unexamined } = all;
    let mut found = DaemonScan { unexamined, rejected: workers, daemons: Vec::new() };
    for candidate in candidates {
        let has_terminal = candidate.has_terminal;
        let is_child = names.get(&candidate.daemon.parent) == Some(&candidate.daemon.exe_name);
        // A job may have called us. A named daemon must still not be one of our ancestors.
        let is_ours = self_and_ancestors.contains(&candidate.daemon.pid);
        let is_trusted = candidate.is_root
            || candidate.may_have_dropped_rights() && helped.contains(&candidate.daemon.pid);
        let is_of_system = candidate.is_of_system();
        match judge(candidate, wanted, is_child, is_ours, is_trusted, &has_lock) {
            // A daemon that a user has started in a terminal is no service.
            Ok(daemon) if has_terminal => found.daemons.push(daemon),
            Ok(daemon) => {
                let supervisor = supervisor::find(proc, daemon.pid, daemon.parent)?;
                found.daemons.push(Daemon { supervisor, ..daemon });
            }
            Err(rejected) => {
                let may_be = matches!(rejected.why, RejectReason::NotRoot | RejectReason::NoLock);
                let is_doubtful = may_be && is_of_system;
                found.rejected.push(Rejected { is_doubtful, ..rejected });
            }
        }
    }
    // Beside a daemon that is one for certain, another user's process is only called so: the users
    // of services must not keep us from work.
    if !found.daemons.is_empty() {
        for rejected in &mut found.rejected {
            rejected.is_doubtful &= rejected.why != RejectReason::NotRoot;
        }
    }
    clear_doubts(proc, &mut found.rejected)?;
    Ok(found)
}

/// Takes back the doubts about processes without children.
fn clear_doubts(proc: &Proc, rejected: &mut [Rejected]) -> Result<(), Error> {
    if rejected.iter().any(|rejected| rejected.is_doubtful) {
        let parents = parents(proc, |_| Ok(true))?;
        for rejected in rejected {
            rejected.is_doubtful &= parents.contains(&rejected.pid);
        }
    }
    Ok(())
}

/// Returns the parents of the living processes that satisfy a condition.
fn parents(
    proc: &Proc,
    is_wanted: impl Fn(&Process<'_>) -> ReadResult<bool>,
) -> Result<BTreeSet<Pid>, Error> {
    let mut parents = BTreeSet::new();
    let mut scan = proc.scan(Files::new(&[File::Stat, File::Status, File::Exe]))?;
    while let Some(process) = scan.next()? {
        let stat = process.lookup(process.stat().copied())?;
        if let Lookup::Found(stat) = stat
            && stat.is_alive()
            && matches!(process.lookup(is_wanted(process))?, Lookup::Found(true))
        {
            parents.insert(stat.ppid);
        }
    }
    Ok(parents)
}

/// Reports whether the superuser runs a process as a helper of a daemon.
fn is_helper_of_root(process: &Process<'_>) -> ReadResult<bool> {
    Ok(kinds::is_helper(&process.exe_name()?) && is_of_superuser(process)?)
}

fn judge(
    candidate: Candidate,
    wanted: &DaemonSelector,
    is_child: bool,
    is_ours: bool,
    is_trusted: bool,
    has_lock: &BTreeSet<Vec<u8>>,
) -> Result<Daemon, Rejected> {
    let Candidate { mut daemon, is_foreign, is_alive, lock, .. } = candidate;
    let is_named = wanted.is_named();
    let pid_file = lock.is_none().then(|| pid_file_of(daemon.pid)).flatten();
    let why = if !is_alive {
        Some(RejectReason::Ended)
    } else if is_ours {
        Some(RejectReason::Ours)
    } else if is_foreign {
        Some(RejectReason::OtherNamespace)
    } else if !is_trusted && !matches!(wanted, DaemonSelector::Pid(_)) {
        Some(RejectReason::NotRoot)
    } else if is_child {
        Some(RejectReason::Worker)
    } else {
        None
    };
    daemon.proof = match (why, lock, pid_file) {
        (Some(why), ..) => return Err(rejected(daemon, why)),
        (None, Some(Some(path)), _) => DaemonProof::Lock(path),
        (None, _, Some(path)) => DaemonProof::PidFile(path),
        (None, ..) if is_named => DaemonProof::Named,
        (None, ..) if has_lock.contains(&daemon.exe_name) || !is_placed(&daemon) => {
            return Err(rejected(daemon, RejectReason::NoLock));
        }
        (None, ..) => DaemonProof::Place,
    };
    Ok(daemon)
}

fn rejected(daemon: Daemon, why: RejectReason) -> Rejected {
    Rejected { pid: daemon.pid, name: daemon.name, why, is_doubtful: false }
}

/// Reports whether a daemon runs from a system directory, as a multi-call program, or is of a kind
/// that locks no pid file.
fn is_placed(daemon: &Daemon) -> bool {
    is_in_system_directory(daemon)
        || kinds::is_multi_call(&daemon.exe_name)
        || kinds::kind(&daemon.name).is_none_or(|kind| kind.pid_files.is_empty())
}

/// Returns the first pid file that contains this pid.
fn pid_file_of(pid: Pid) -> Option<Vec<u8>> {
    let pid = pid.to_string();
    let path = kinds::pid_files()
        .into_iter()
        .find(|path| std::fs::read(path).is_ok_and(|text| text.trim_ascii() == pid.as_bytes()))?;
    Some(path.as_bytes().to_vec())
}
