//! What a cron daemon looks like, and which processes are one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Error;
use crate::control::{Reference, self_and_ancestors};
use crate::process::{
    Cgroups, File, Files, Lookup, Pid, Proc, Process, ReadResult, Unexamined, if_available,
};

/// The names of daemons that are looked for. That of busybox is `crond` too, but its executable is
/// busybox.
pub const NAMES: [&str; 4] = ["cron", "crond", "bcron-sched", "fcron"];

/// Daemons that lock a pid file, so that one without is something else of that name.
const LOCKING: [&[u8]; 2] = [b"cron", b"crond"];

/// The pid files that are locked, by how their names end.
const PID_FILE: [&[u8]; 2] = [b"/crond.pid", b"/cron.pid"];

/// Where a system keeps its daemons.
const SYSTEM: [&[u8]; 4] = [b"/usr/sbin", b"/sbin", b"/usr/bin", b"/bin"];

/// What starts a daemon again that has ended.
const SUPERVISORS: [&str; 10] = [
    "runsv",
    "s6-supervise",
    "supervise",
    "supervise-daemon",
    "supervisord",
    "perpd",
    "dinit",
    "monit",
    "circusd",
    "runit",
];

/// Which daemons are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonSelector {
    /// Those of the usual names.
    Usual,
    /// Those of this name.
    Named(Vec<u8>),
    /// This process, whatever its name.
    Pid(Pid),
}

/// A cron daemon.
pub struct Daemon {
    pub reference: Reference,
    pub pid: Pid,
    /// What it is called: `crond` for busybox.
    pub name: Vec<u8>,
    /// The executable, as it is matched with that of its workers.
    pub exe_name: Vec<u8>,
    pub exe_path: Option<Vec<u8>>,
    pub proof: DaemonProof,
    pub session: Pid,
    /// Its audit session; jobs have their own where pam_loginuid makes them.
    pub audit: Option<u64>,
    pub cgroup: Option<Vec<u8>>,
    /// The service that its control group is the very one of, if it is in such a one.
    pub service: Option<String>,
    /// Likewise, if that is one for cron, so that everything in the group is cron's.
    pub unit: Option<String>,
    pub parent: Pid,
    /// Its parent, if that would start it again.
    pub supervisor: Option<String>,
    /// Whether it was stopped when it was found.
    pub is_stopped: bool,
}

/// RejectReason a process is taken for a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DaemonProof {
    /// It holds the lock on this pid file.
    Lock(Vec<u8>),
    /// This pid file names it, and we may not see its locks.
    PidFile(Vec<u8>),
    /// The superuser runs it from where a system keeps its daemons, or as a busybox.
    Place,
    /// It was named.
    Named,
}

/// A process that is called like a daemon, and is none.
pub struct Rejected {
    pub pid: Pid,
    pub name: Vec<u8>,
    pub why: RejectReason,
}

/// RejectReason a process is no daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    NotRoot,
    OtherNamespace,
    Worker,
    NoLock,
    Ended,
    Ours,
}

/// What was found.
#[derive(Default)]
pub struct DaemonScan {
    pub daemons: Vec<Daemon>,
    pub rejected: Vec<Rejected>,
    /// Processes that do not show whether they are one.
    pub unexamined: Unexamined,
}

struct Candidate {
    daemon: Daemon,
    is_root: bool,
    is_foreign: bool,
    is_called_worker: bool,
    is_alive: bool,
    /// `None` where we may not see.
    lock: Option<Option<Vec<u8>>>,
}

/// Find the daemons. Nothing is done to anybody.
pub fn find(proc: &Proc, wanted: &DaemonSelector) -> Result<DaemonScan, Error> {
    let self_and_ancestors =
        if *wanted == DaemonSelector::Usual { Vec::new() } else { self_and_ancestors(proc)? };
    let mut candidates = Vec::new();
    let mut unexamined = Unexamined::default();
    let mut add = |pid: Pid, candidate: Lookup<Option<Candidate>>| match candidate {
        Lookup::Found(candidate) => candidates.extend(candidate),
        Lookup::Unavailable(reason) => unexamined.add(pid, reason),
        Lookup::Exited => {}
    };
    match wanted {
        DaemonSelector::Pid(pid) => add(*pid, candidate(proc, *pid, wanted)?),
        _ => {
            let mut scan = proc.scan(Files::new(&[File::Exe]))?;
            while let Some(process) = scan.next()? {
                match process.lookup(name(process, wanted))? {
                    Lookup::Found(Some(_)) => {
                        add(process.pid(), candidate(proc, process.pid(), wanted)?)
                    }
                    Lookup::Unavailable(reason) => add(process.pid(), Lookup::Unavailable(reason)),
                    Lookup::Found(None) | Lookup::Exited => {}
                }
            }
        }
    }
    let names: BTreeMap<Pid, Vec<u8>> = candidates
        .iter()
        .map(|candidate| (candidate.daemon.pid, candidate.daemon.exe_name.clone()))
        .collect();
    let has_lock: BTreeSet<Vec<u8>> = candidates
        .iter()
        .filter(|candidate| matches!(candidate.lock, Some(Some(_))) && candidate.is_root)
        .map(|candidate| candidate.daemon.exe_name.clone())
        .collect();
    let mut found = DaemonScan { unexamined, ..DaemonScan::default() };
    for candidate in candidates {
        let is_child = names.get(&candidate.daemon.parent) == Some(&candidate.daemon.exe_name);
        // A job may call us, but what was named is not to be what we run below.
        let is_ours = self_and_ancestors.contains(&candidate.daemon.pid);
        match judge(candidate, wanted, is_child, is_ours, &has_lock) {
            Ok(daemon) => found.daemons.push(daemon),
            Err(rejected) => found.rejected.push(rejected),
        }
    }
    Ok(found)
}

fn judge(
    candidate: Candidate,
    wanted: &DaemonSelector,
    is_child: bool,
    is_ours: bool,
    has_lock: &BTreeSet<Vec<u8>>,
) -> Result<Daemon, Rejected> {
    let Candidate { mut daemon, is_root, is_foreign, is_called_worker, is_alive, lock } = candidate;
    let is_named = *wanted != DaemonSelector::Usual;
    let pid_file = lock.is_none().then(|| pid_file_of(daemon.pid)).flatten();
    let why = match () {
        () if !is_alive => Some(RejectReason::Ended),
        () if is_ours => Some(RejectReason::Ours),
        () if is_foreign => Some(RejectReason::OtherNamespace),
        () if !is_root && !matches!(wanted, DaemonSelector::Pid(_)) => Some(RejectReason::NotRoot),
        () if is_called_worker || is_child => Some(RejectReason::Worker),
        () => None,
    };
    daemon.proof = match (why, lock, pid_file) {
        (Some(why), ..) => return Err(Rejected { pid: daemon.pid, name: daemon.name, why }),
        (None, Some(Some(path)), _) => DaemonProof::Lock(path),
        (None, _, Some(path)) => DaemonProof::PidFile(path),
        (None, ..) if is_named => DaemonProof::Named,
        (None, ..) if has_lock.contains(&daemon.exe_name) || !is_placed(&daemon) => {
            return Err(Rejected { pid: daemon.pid, name: daemon.name, why: RejectReason::NoLock });
        }
        (None, ..) => DaemonProof::Place,
    };
    Ok(daemon)
}

/// Whether it is where a system keeps its daemons, or is one of those that lock no pid file.
fn is_placed(daemon: &Daemon) -> bool {
    let path = daemon.exe_path.as_deref().unwrap_or_default();
    let directory =
        path.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |slash| &path[..slash]);
    SYSTEM.contains(&directory)
        || daemon.exe_name == b"busybox"
        || !LOCKING.contains(&&daemon.name[..])
}

/// What a process is called, if it is one of those that are looked for.
fn name(process: &Process<'_>, wanted: &DaemonSelector) -> ReadResult<Option<Vec<u8>>> {
    let exe = match process.exe_name() {
        // A daemon is the superuser's. Of others, what keeps its name to itself by holding up its
        // readers is none.
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
        DaemonSelector::Usual if NAMES.iter().any(|name| *exe == *name.as_bytes()) => {
            Some(exe.into_owned())
        }
        DaemonSelector::Usual
            if *exe == *b"busybox" && is_busybox_crond(arguments_of_root(process)?) =>
        {
            Some(b"crond".to_vec())
        }
        DaemonSelector::Usual => None,
    })
}

/// The arguments of a process, if the superuser runs it: others may hold up whoever reads theirs,
/// and are no daemons.
fn arguments_of_root<'p>(process: &'p Process<'_>) -> ReadResult<&'p [u8]> {
    match process.cmdline() {
        Err(unread) if unread.is_unavailable() && process.user_ids()?[0] != 0 => Ok(b""),
        arguments => arguments,
    }
}

/// `crond`, or `busybox crond`.
fn is_busybox_crond(arguments: &[u8]) -> bool {
    let mut names = arguments.split(|&byte| byte == 0).map(base_name);
    let first = names.next().unwrap_or_default();
    first == b"crond" || first == b"busybox" && names.next() == Some(b"crond")
}

/// Everything about a process that tells whether it is a daemon, read while it is held.
fn candidate(
    proc: &Proc,
    pid: Pid,
    wanted: &DaemonSelector,
) -> Result<Lookup<Option<Candidate>>, Error> {
    let files = Files::new(&[File::Stat, File::Status, File::Exe]);
    let process = match proc.process(pid, files)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => return Ok(Lookup::Unavailable(reason)),
        Lookup::Exited => return Ok(Lookup::Exited),
    };
    let mut described = process.lookup(describe(&process, wanted))?;
    if let Lookup::Found(Some(candidate)) = &mut described {
        candidate.daemon.supervisor = supervisor(proc, candidate.daemon.parent)?;
    }
    Ok(described)
}

fn describe(process: &Process<'_>, wanted: &DaemonSelector) -> ReadResult<Option<Candidate>> {
    let Some(name) = name(process, wanted)? else { return Ok(None) };
    let stat = *process.stat()?;
    let cgroup = if_available(process.file(File::Cgroup))?
        .and_then(|file| Cgroups(file).path())
        .map(<[u8]>::to_vec);
    let is_root = process.user_ids()?[0] == 0;
    // One of another user is no daemon, and may hold up whoever looks closer.
    let (lock, arguments) = match is_root || matches!(wanted, DaemonSelector::Pid(_)) {
        true => (
            if_available(process.locked_file(is_pid_file))?,
            if_available(process.cmdline())?.unwrap_or_default(),
        ),
        false => (None, &b""[..]),
    };
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
    Ok(Some(Candidate {
        is_called_worker: is_called_worker(arguments, &daemon.name),
        is_root,
        // A process of a namespace below ours has a number in each of them.
        is_foreign: process.status()?.numbers("NSpid").is_some_and(|numbers| numbers.count() > 1),
        is_alive: stat.is_alive(),
        lock: lock.map(|file| file.map(without_deletion)),
        daemon,
    }))
}

/// Debian's cron and cronie call their workers by the daemon's name in capitals.
pub fn is_called_worker(arguments: &[u8], name: &[u8]) -> bool {
    let first = arguments
        .split(|&byte| byte == 0 || byte == b' ')
        .map(base_name)
        .next()
        .unwrap_or_default();
    !first.is_empty() && first == name.to_ascii_uppercase()
}

/// The audit session of a process, if it is in one.
pub fn audit_session(process: &Process<'_>) -> ReadResult<Option<u64>> {
    Ok(if_available(process.number_in(File::Sessionid))?
        .filter(|&session| session != u64::from(u32::MAX)))
}

/// Whether a file that a descriptor is open on is a pid file, removed or not.
fn is_pid_file(link: &[u8]) -> bool {
    let path = link.strip_suffix(DELETED).unwrap_or(link);
    PID_FILE.iter().any(|end| path.ends_with(end))
}

/// The path that a link names, whether its file was removed or not.
fn without_deletion(mut link: Vec<u8>) -> Vec<u8> {
    if let Some(length) = link.strip_suffix(DELETED).map(<[u8]>::len) {
        link.truncate(length);
    }
    link
}

/// What the kernel appends to the path of a file that was removed.
const DELETED: &[u8] = b" (deleted)";

/// The pid file that names this process.
fn pid_file_of(pid: Pid) -> Option<Vec<u8>> {
    let names = |path: &&str| {
        std::fs::read(path).is_ok_and(|text| text.trim_ascii() == pid.to_string().as_bytes())
    };
    ["/run/crond.pid", "/var/run/crond.pid", "/run/cron.pid"]
        .iter()
        .find(|path| names(path))
        .map(|path| path.as_bytes().to_vec())
}

/// The service whose own control group this is.
fn service(cgroup: &[u8]) -> Option<String> {
    let leaf = base_name(cgroup);
    leaf.ends_with(b".service").then(|| String::from_utf8_lossy(leaf).into_owned())
}

/// Whether a service is one for this daemon: started by hand, that is in the group of whatever it
/// was started from.
fn is_for_cron(service: &str, name: &[u8]) -> bool {
    service.contains("cron") || service.contains(&*String::from_utf8_lossy(name))
}

/// The name of a process, if it is known to start its children again.
fn supervisor(proc: &Proc, pid: Pid) -> Result<Option<String>, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::NONE)? else { return Ok(None) };
    let names =
        process.comm().and_then(|comm| Ok([comm.into_owned(), process.exe_name()?.into_owned()]));
    let Lookup::Found(names) = process.lookup(names)? else { return Ok(None) };
    let found = SUPERVISORS
        .iter()
        .find(|supervisor| names.iter().any(|name| name == supervisor.as_bytes()));
    Ok(found.map(|name| (*name).to_owned()))
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RejectReason::NotRoot => "the superuser does not run it",
            RejectReason::OtherNamespace => "it is in another pid namespace, as in a container",
            RejectReason::Worker => "it is a worker of a cron, for a job",
            RejectReason::NoLock => "it holds no lock on a pid file, as a daemon of that name does",
            RejectReason::Ours => "this very command runs below it",
            RejectReason::Ended => "it has ended, and waits for its parent to ask for its status",
        })
    }
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
    fn busybox_is_a_daemon_only_as_crond() {
        assert!(is_busybox_crond(b"crond\0-f\0") && is_busybox_crond(b"/bin/busybox\0crond\0"));
        assert!(
            !is_busybox_crond(b"busybox\0sh\0")
                && !is_busybox_crond(b"sh\0crond\0")
                && !is_busybox_crond(b"")
        );
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
