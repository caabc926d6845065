//! Processes with the name of a daemon, and the facts by which they are judged.

use std::collections::{BTreeMap, BTreeSet};

use super::Error;
use super::daemon::{
    Daemon, DaemonProof, DaemonSelector, RejectReason, Rejected, audit_session, is_called_worker,
    is_foreign, is_fork, is_in_system_directory, is_pid_file, without_deletion,
};
use super::kinds::{self, Kind};
use crate::control::Reference;
use crate::path::base_name;
use crate::process::{
    Cgroups, File, Files, Lookup, Pid, Proc, Process, ReadResult, Unexamined, if_available,
};

/// A process with the name of a daemon, and the facts by which it is judged.
pub struct Candidate {
    pub daemon: Daemon,
    /// Real user id.
    pub uid: u32,
    /// `true` if it has the rights of the superuser.
    pub is_root: bool,
    pub is_foreign: bool,
    pub is_alive: bool,
    pub has_terminal: bool,
    /// The pid file that it has locked. The outer `None` means that we may not see its locks.
    pub lock: Option<Option<Vec<u8>>>,
}

impl Candidate {
    /// Reports whether it is of a kind that drops its rights and keeps a helper of the superuser,
    /// as bcron-sched does. Its user may have any uid: the helper is the proof.
    pub fn may_have_dropped_rights(&self) -> bool {
        let kind = kinds::kind(&self.daemon.name);
        !self.is_root
            && kind.is_some_and(|kind| !kind.helpers.is_empty())
            && is_in_system_directory(&self.daemon)
    }

    /// Reports whether it runs a program of the system as the superuser or as a user of the system.
    /// Any other user may give a process this name, and children.
    pub fn is_of_system(&self) -> bool {
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
pub struct Candidates {
    pub candidates: Vec<Candidate>,
    pub workers: Vec<Rejected>,
    /// Base names of the executables, by pid.
    pub names: BTreeMap<Pid, Vec<u8>>,
    pub unexamined: Unexamined,
}

impl Candidates {
    /// Finds them. Errors: /proc cannot be read.
    pub fn find(proc: &Proc, wanted: &DaemonSelector) -> Result<Candidates, Error> {
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
    pub fn locked(&self) -> BTreeSet<Vec<u8>> {
        let has_lock =
            |candidate: &&Candidate| matches!(candidate.lock, Some(Some(_))) && candidate.is_root;
        let locked = self.candidates.iter().filter(has_lock);
        locked.map(|candidate| candidate.daemon.exe_name.clone()).collect()
    }
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
        DaemonSelector::Of(scheduler) if kinds::is_multi_call(&exe) => {
            let kind = kinds::kind_of_applet(&exe, arguments_of_root(process)?);
            let kind = kind.filter(|kind| kind.scheduler == *scheduler);
            kind.map(|kind| kind.name.as_bytes().to_vec())
        }
        DaemonSelector::Of(scheduler) => kinds::kind(&exe)
            .filter(|kind| kind.scheduler == *scheduler)
            .map(|kind| kind.name.as_bytes().to_vec()),
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
    let [uid, _, saved, _] = process.user_ids()?;
    // Only the superuser can start a process with this saved id that is no known program of his.
    let is_root = uid == 0 || saved == 0 && kinds::kind(&name).is_some_and(Kind::may_set_user);
    // A process of another user may hold up its readers, and has no lock that counts.
    let is_examined = is_root || matches!(wanted, DaemonSelector::Pid(_));
    let arguments = if is_examined { if_available(process.cmdline())? } else { None };
    if is_called_worker(arguments.unwrap_or_default(), &name)
        || is_examined && is_fork(process, &name)?
    {
        let why = RejectReason::Worker;
        let rejected = Rejected { pid: process.pid(), name, why, is_doubtful: false };
        let exe_name = process.exe_name()?.into_owned();
        return Ok(Some(Examined::Worker { rejected, exe_name }));
    }
    let candidate = Candidate { is_root, ..describe(process, name, uid, is_examined)? };
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
        is_root: uid == 0,
        is_foreign: is_foreign(process)?,
        is_alive: stat.is_alive(),
        has_terminal: stat.tty != 0,
        lock: lock.map(|file| file.map(without_deletion)),
        daemon,
    })
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
