//! Cron daemons: how they are recognised, and which processes are one.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::{Habits, OF_DCRON, PID_FILE_OF_DCRON};
use super::supervisor::Supervisor;
use super::{Error, kinds, supervisor};
use crate::control::{Reference, self_and_ancestors};
use crate::path::base_name;
use crate::process::{
    Cgroups, File, Files, Lookup, Pid, Proc, Process, ReadResult, Unexamined, if_available,
};

/// The directories where a system keeps its daemons.
const SYSTEM: [&[u8]; 4] = [b"/usr/sbin", b"/sbin", b"/usr/bin", b"/bin"];

/// The daemons that the user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonSelector {
    /// Daemons of the usual names.
    Usual,
    /// Daemons of this name.
    Named(Vec<u8>),
    /// The process with this pid, whatever its name is.
    Pid(Pid),
}

/// A cron daemon.
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
    /// Returns its crontabs and what it does about missed jobs, where that is known.
    pub fn habits(&self) -> Option<&'static Habits> {
        let is_dcron = match &self.proof {
            DaemonProof::Lock(path) | DaemonProof::PidFile(path) => {
                base_name(path) == PID_FILE_OF_DCRON
            }
            DaemonProof::Place | DaemonProof::Named => false,
        };
        if is_dcron || kinds::is_multi_call(&self.exe_name) {
            return Some(&OF_DCRON);
        }
        kinds::kind(&self.name)?.habits.as_ref()
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

/// A process with the name of a daemon, and the facts by which it is judged.
struct Candidate {
    daemon: Daemon,
    /// Real user id.
    uid: u32,
    is_foreign: bool,
    is_alive: bool,
    has_terminal: bool,
    /// The pid file that it has locked. The outer `None` means that we may not see its locks.
    lock: Option<Option<Vec<u8>>>,
}

impl Candidate {
    fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Reports whether it is of a kind that drops its rights and keeps a helper of the superuser,
    /// as bcron-sched does. Its user may have any uid: the helper is the proof.
    fn may_have_dropped_rights(&self) -> bool {
        let kind = kinds::kind(&self.daemon.name);
        !self.is_root()
            && kind.is_some_and(|kind| !kind.helpers.is_empty())
            && is_in_system_directory(&self.daemon)
    }

    /// Reports whether it runs a program of the system as the superuser or as a user of the system.
    /// Any other user may give a process this name, and children.
    fn is_of_system(&self) -> bool {
        self.uid < FIRST_USER && is_in_system_directory(&self.daemon)
    }
}

/// The first uid of people (login.defs(5)).
const FIRST_USER: u32 = 1000;

/// The result of examining a process with the name of a daemon.
enum Examined {
    Candidate(Box<Candidate>),
    /// It is called a worker. There may be hundreds of them.
    Worker {
        rejected: Rejected,
        /// Base name of its executable.
        exe_name: Vec<u8>,
    },
}

/// The processes that have the name of a daemon.
#[derive(Default)]
struct Candidates {
    candidates: Vec<Candidate>,
    workers: Vec<Rejected>,
    /// Base names of the executables, by pid.
    names: BTreeMap<Pid, Vec<u8>>,
    unexamined: Unexamined,
}

impl Candidates {
    /// Finds them. Errors: /proc cannot be read.
    fn find(proc: &Proc, wanted: &DaemonSelector) -> Result<Candidates, Error> {
        let mut found = Candidates::default();
        if let DaemonSelector::Pid(pid) = wanted {
            found.add(*pid, candidate(proc, *pid, wanted)?);
            return Ok(found);
        }
        let mut scan = proc.scan(Files::new(&[File::Exe]))?;
        while let Some(process) = scan.next()? {
            let pid = process.pid();
            match process.lookup(name(process, wanted))? {
                Lookup::Found(Some(_)) => found.add(pid, candidate(proc, pid, wanted)?),
                Lookup::Unavailable(reason) => found.unexamined.add(pid, reason),
                Lookup::Found(None) | Lookup::Exited => {}
            }
        }
        Ok(found)
    }

    fn add(&mut self, pid: Pid, examined: Lookup<Option<Examined>>) {
        match examined {
            Lookup::Found(Some(Examined::Candidate(candidate))) => {
                self.names.insert(pid, candidate.daemon.exe_name.clone());
                self.candidates.push(*candidate);
            }
            Lookup::Found(Some(Examined::Worker { rejected, exe_name })) => {
                self.names.insert(pid, exe_name);
                self.workers.push(rejected);
            }
            Lookup::Unavailable(reason) => self.unexamined.add(pid, reason),
            Lookup::Found(None) | Lookup::Exited => {}
        }
    }

    /// Returns the names of those that hold a lock on a pid file.
    fn locked(&self) -> BTreeSet<Vec<u8>> {
        let has_lock =
            |candidate: &&Candidate| matches!(candidate.lock, Some(Some(_))) && candidate.is_root();
        let locked = self.candidates.iter().filter(has_lock);
        locked.map(|candidate| candidate.daemon.exe_name.clone()).collect()
    }
}

/// Finds the daemons. No process is changed. Errors: /proc cannot be read. A process that cannot be
/// examined is no error, but counted.
pub fn find(proc: &Proc, wanted: &DaemonSelector) -> Result<DaemonScan, Error> {
    let self_and_ancestors =
        if *wanted == DaemonSelector::Usual { Vec::new() } else { self_and_ancestors(proc)? };
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
        let is_trusted = candidate.is_root()
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

/// Reports whether the superuser runs a helper of a daemon from a system directory, in our pid
/// namespace. No other user can start it with these rights.
fn is_helper_of_root(process: &Process<'_>) -> ReadResult<bool> {
    Ok(process.user_ids()?[0] == 0
        && kinds::is_helper(&process.exe_name()?)
        && is_system_directory(process.exe_path()?)
        && process.status()?.numbers("NSpid").is_none_or(|numbers| numbers.count() == 1))
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
    let is_named = *wanted != DaemonSelector::Usual;
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

/// Reports whether a program is in a directory of the system.
pub fn is_system_directory(path: &[u8]) -> bool {
    let directory =
        path.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |slash| &path[..slash]);
    SYSTEM.contains(&directory)
}

/// Reports whether a daemon runs from a directory of the system.
fn is_in_system_directory(daemon: &Daemon) -> bool {
    is_system_directory(daemon.exe_path.as_deref().unwrap_or_default())
}

/// Reports whether a daemon runs from a system directory, as a multi-call program, or is of a kind
/// that locks no pid file.
fn is_placed(daemon: &Daemon) -> bool {
    is_in_system_directory(daemon)
        || kinds::is_multi_call(&daemon.exe_name)
        || kinds::kind(&daemon.name).is_none_or(|kind| kind.pid_files.is_empty())
}

/// Returns the name of a process as a daemon, if it is a wanted one. For a multi-call program, this
/// is the name of the applet.
fn name(process: &Process<'_>, wanted: &DaemonSelector) -> ReadResult<Option<Vec<u8>>> {
    let exe = match process.exe_name() {
        // A daemon belongs to the superuser. A process of another user that hides its name by
        // holding up its readers is none.
        Err(unread)
            if unread.is_unavailable()
                && !matches!(wanted, DaemonSelector::Pid(_))
                && process.user_ids()?[0] != 0 =>
        {
            return Ok(None);
        }
        exe => exe?,
    };
    Ok(match wanted {
        DaemonSelector::Pid(_) => Some(exe.into_owned()),
        DaemonSelector::Named(name) => {
            (*exe == name[..] || *process.comm()? == name[..]).then(|| name.clone())
        }
        DaemonSelector::Usual if kinds::kind(&exe).is_some() => Some(exe.into_owned()),
        DaemonSelector::Usual if kinds::is_multi_call(&exe) => {
            let kind = kinds::kind_of_applet(&exe, arguments_of_root(process)?);
            kind.map(|kind| kind.name.as_bytes().to_vec())
        }
        DaemonSelector::Usual => None,
    })
}

/// Returns the arguments of a process of the superuser. Processes of other users may hold up their
/// readers, and are no daemons.
fn arguments_of_root<'p>(process: &'p Process<'_>) -> ReadResult<&'p [u8]> {
    match process.cmdline() {
        Err(unread) if unread.is_unavailable() && process.user_ids()?[0] != 0 => Ok(b""),
        arguments => arguments,
    }
}

/// Pins a process, and reads everything that decides whether it is a daemon; `None` if it has not
/// one of the wanted names.
fn candidate(
    proc: &Proc,
    pid: Pid,
    wanted: &DaemonSelector,
) -> Result<Lookup<Option<Examined>>, Error> {
    let files = Files::new(&[File::Stat, File::Status, File::Exe]);
    let process = match proc.process(pid, files)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => return Ok(Lookup::Unavailable(reason)),
        Lookup::Exited => return Ok(Lookup::Exited),
    };
    Ok(process.lookup(examine(&process, wanted))?)
}

/// Examines a process; `None` if it has not one of the wanted names.
fn examine(process: &Process<'_>, wanted: &DaemonSelector) -> ReadResult<Option<Examined>> {
    let Some(name) = name(process, wanted)? else { return Ok(None) };
    let uid = process.user_ids()?[0];
    // A process of another user may hold up its readers, and has no lock that counts.
    let is_examined = uid == 0 || matches!(wanted, DaemonSelector::Pid(_));
    if is_examined && is_called_worker(if_available(process.cmdline())?.unwrap_or_default(), &name)
    {
        let why = RejectReason::Worker;
        let rejected = Rejected { pid: process.pid(), name, why, is_doubtful: false };
        let exe_name = process.exe_name()?.into_owned();
        return Ok(Some(Examined::Worker { rejected, exe_name }));
    }
    let candidate = describe(process, name, uid, is_examined)?;
    Ok(Some(Examined::Candidate(Box::new(candidate))))
}

/// Describes a process of this name. Its locks are looked for only if it is to be examined.
fn describe(
    process: &Process<'_>,
    name: Vec<u8>,
    uid: u32,
    is_examined: bool,
) -> ReadResult<Candidate> {
    let stat = *process.stat()?;
    let cgroup = if_available(process.file(File::Cgroup))?
        .and_then(|file| Cgroups(file).path())
        .map(<[u8]>::to_vec);
    let lock = if is_examined { if_available(process.locked_file(is_pid_file))? } else { None };
    let daemon = Daemon {
        reference: Reference::from_process(process)?,
        pid: process.pid(),
        exe_name: process.exe_name()?.into_owned(),
        exe_path: if_available(process.exe_path())?.map(<[u8]>::to_vec),
        proof: DaemonProof::Named,
        session: stat.session,
        audit: audit_session(process)?,
        service: cgroup.as_deref().and_then(service),
        unit: cgroup.as_deref().and_then(service).filter(|service| is_for_cron(service, &name)),
        cgroup,
        parent: stat.ppid,
        supervisor: None,
        is_stopped: stat.state == b'T',
        name,
    };
    Ok(Candidate {
        uid,
        // A process of a namespace below ours has a number in each of them.
        is_foreign: process.status()?.numbers("NSpid").is_some_and(|numbers| numbers.count() > 1),
        is_alive: stat.is_alive(),
        has_terminal: stat.tty != 0,
        lock: lock.map(|file| file.map(without_deletion)),
        daemon,
    })
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

/// Returns the audit session of a process, if it is in one.
pub fn audit_session(process: &Process<'_>) -> ReadResult<Option<u64>> {
    Ok(if_available(process.number_in(File::Sessionid))?
        .filter(|&session| session != u64::from(u32::MAX)))
}

/// Reports whether the file of a descriptor is a pid file, deleted or not.
fn is_pid_file(link: &[u8]) -> bool {
    kinds::is_pid_file(link.strip_suffix(DELETED).unwrap_or(link))
}

/// Returns the path in the link of a descriptor, without the mark of a deleted file.
fn without_deletion(mut link: Vec<u8>) -> Vec<u8> {
    if let Some(length) = link.strip_suffix(DELETED).map(<[u8]>::len) {
        link.truncate(length);
    }
    link
}

/// The text that the kernel appends to the path of a deleted file.
const DELETED: &[u8] = b" (deleted)";

/// Returns the first pid file that contains this pid.
fn pid_file_of(pid: Pid) -> Option<Vec<u8>> {
    let pid = pid.to_string();
    let path = kinds::pid_files()
        .into_iter()
        .find(|path| std::fs::read(path).is_ok_and(|text| text.trim_ascii() == pid.as_bytes()))?;
    Some(path.as_bytes().to_vec())
}

/// Returns the systemd service that this control group belongs to: the last part of its path.
fn service(cgroup: &[u8]) -> Option<String> {
    let leaf = base_name(cgroup);
    leaf.ends_with(b".service").then(|| String::from_utf8_lossy(leaf).into_owned())
}

/// Reports whether a service is one for this daemon. A daemon that was started by hand is in the
/// group of the program that started it.
fn is_for_cron(service: &str, name: &[u8]) -> bool {
    service.contains("cron") || service.contains(&*String::from_utf8_lossy(name))
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

    #[test]
    fn a_service_is_the_leaf_of_a_control_group() {
        assert_eq!(service(b"/system.slice/cron.service").as_deref(), Some("cron.service"));
        assert_eq!(service(b"/user.slice/user-0.slice/session-1.scope"), None);
        assert_eq!(service(b"/system.slice/cron.service/below"), None);
        assert!(is_for_cron("cron.service", b"crond") && is_for_cron("jobs.service", b"jobs"));
        assert!(!is_for_cron("ssh.service", b"cron"));
    }

    #[test]
    fn pid_files_that_were_removed_count() {
        assert!(is_pid_file(b"/run/crond.pid (deleted)") && is_pid_file(b"/var/run/cron.pid"));
        assert!(!is_pid_file(b"/tmp/lock"));
        assert_eq!(without_deletion(b"/run/crond.pid (deleted)".to_vec()), b"/run/crond.pid");
    }
}
