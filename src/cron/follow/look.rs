//! A look at the processes below a daemon, through /proc: what each is for the daemon. It is for
//! jobs that ran before, and for all jobs where the kernel has no process events.

use std::time::Duration;

use super::family::{Family, Member, Role, START_ERROR};
use crate::control::Reference;
use crate::cron::daemon::is_system_directory;
use crate::cron::{Daemon, Error, kinds};
use crate::process::{
    File, Files, Lookup, Pid, Proc, Process, ReadResult, Unavailable, if_available,
};

/// Files of each process that is looked at.
const FILES: Files = Files::new(&[File::Stat, File::Status, File::Exe]);

/// A process that a look has found.
#[derive(Clone)]
pub struct Sight {
    pub pid: Pid,
    /// `true` if no look or event has found it before.
    pub is_new: bool,
    pub member: Member,
}

/// Looks at the children of the daemons, of their helpers, and of the workers without a job.
/// Returns those that are new, or of which more is known now. Each is held by a pidfd until the
/// family has so many of them as there is room for. Errors: /proc cannot be read.
pub fn look(
    proc: &Proc,
    daemons: &[Daemon],
    family: &mut Family,
    room: usize,
) -> Result<Vec<Sight>, Error> {
    let mut sights = Vec::new();
    let mut held = family.members.values().filter(|member| member.reference.is_some()).count();
    let mut parents: Vec<Pid> = daemons.iter().map(|daemon| daemon.pid).collect();
    // Those that are found now may have children too.
    while !parents.is_empty() {
        let children = children(proc, &parents)?;
        parents.clear();
        for (parent, child) in children {
            match family.members.get(&child) {
                Some(known) if known.is_settled() => {
                    if known.is_job() {
                        family.note_job_of(parent);
                    }
                    continue;
                }
                Some(known) if known.role == Role::Helper || is_lasting(known, daemons) => {
                    parents.push(child);
                    continue;
                }
                _ => {}
            }
            let sight = see(proc, daemons, family, parent, child, held < room)?;
            let Some(sight) = sight else { continue };
            let role = sight.member.role;
            held += usize::from(sight.is_new && sight.member.reference.is_some());
            if role == Role::Helper || is_lasting(&sight.member, daemons) {
                parents.push(child);
            }
            if sight.is_new || family.members.get(&child).is_some_and(|known| known.role != role) {
                sights.push(sight.clone());
            }
            family.members.insert(child, sight.member);
            if role == Role::Job {
                family.note_job_of(parent);
            }
        }
    }
    Ok(sights)
}

/// Reports whether a worker stays one. That of busybox's crond, of dcron or of a helper becomes the
/// job itself.
fn is_lasting(member: &Member, daemons: &[Daemon]) -> bool {
    let is_of_dcron = |daemon: &Daemon| daemon.pid == member.daemon && daemon.is_dcron();
    member.role == Role::Worker
        && member.parent == member.daemon
        && !daemons.iter().any(is_of_dcron)
}

/// Returns the children of these processes, each with its parent.
fn children(proc: &Proc, parents: &[Pid]) -> Result<Vec<(Pid, Pid)>, Error> {
    let mut found = Vec::new();
    for &parent in parents {
        match proc.children(parent)? {
            Lookup::Found(children) => {
                found.extend(children.into_iter().map(|child| (parent, child)));
            }
            Lookup::Exited => {}
            Lookup::Unavailable(Unavailable::Absent(_)) => return children_by_scan(proc, parents),
            Lookup::Unavailable(reason) => return Err(Error::Unexamined { pid: parent, reason }),
        }
    }
    Ok(found)
}

/// Returns the same from a look at every process.
fn children_by_scan(proc: &Proc, parents: &[Pid]) -> Result<Vec<(Pid, Pid)>, Error> {
    let mut found = Vec::new();
    let mut scan = proc.scan(Files::new(&[File::Stat]))?;
    while let Some(process) = scan.next()? {
        let parent = process.lookup(process.ppid())?;
        if let Lookup::Found(parent) = parent
            && parents.contains(&parent)
        {
            found.push((parent, process.pid()));
        }
    }
    Ok(found)
}

/// Looks at a child of a member; `None` for one that has ended, for one of which nothing new can be
/// found out, and for one that keeps us from that: it must not end the watch over the others, and
/// the next look tries it again.
fn see(
    proc: &Proc,
    daemons: &[Daemon],
    family: &Family,
    parent: Pid,
    child: Pid,
    holds: bool,
) -> Result<Option<Sight>, Error> {
    let of = family.members.get(&parent).map(|member| (member.role, member.daemon));
    let Some((role, daemon)) = of else { return Ok(None) };
    let Some(daemon) = daemons.iter().find(|other| other.pid == daemon) else { return Ok(None) };
    let Lookup::Found(process) = proc.process(child, FILES)? else { return Ok(None) };
    let known = family.members.get(&child);
    let read = member(&process, daemon, role, known, parent, holds);
    Ok(match process.lookup(read)? {
        Lookup::Found(member) => {
            member.map(|member| Sight { pid: child, is_new: known.is_none(), member })
        }
        Lookup::Exited => None,
        Lookup::Unavailable(reason) => {
            tracing::info!(pid = child, "the process could not be examined: {reason}");
            None
        }
    })
}

/// Decides what a child of a process with this role is; `None` for a zombie.
fn member(
    process: &Process<'_>,
    daemon: &Daemon,
    parent_role: Role,
    known: Option<&Member>,
    parent: Pid,
    holds: bool,
) -> ReadResult<Option<Member>> {
    let stat = *process.stat()?;
    if !stat.is_alive() {
        return Ok(None);
    }
    let born = Duration::try_from_secs_f64(process.seconds(stat.start_ticks)).unwrap_or_default();
    let known = known.filter(|known| known.born.abs_diff(born) <= START_ERROR);
    let has_session = stat.session == process.pid();
    let is_copy = is_copy(process, daemon)?;
    let role = match parent_role {
        Role::Daemon | Role::Helper if is_copy => Role::Worker,
        Role::Daemon if is_helper(process)? => Role::Helper,
        // A fork of the helper, which becomes the job.
        Role::Helper if is_helper(process)? => Role::Worker,
        Role::Daemon | Role::Helper => Role::Job,
        _ if is_copy => Role::Begun,
        // A job gets a session of its own before it begins; the mailer stays in that of the daemon.
        _ if stat.session != daemon.session => Role::Job,
        _ => Role::Other,
    };
    let reference = match known {
        Some(known) if known.reference.is_some() => known.reference.clone(),
        None if holds && role != Role::Other => Some(Reference::from_process(process)?),
        _ => None,
    };
    Ok(Some(Member {
        role,
        parent,
        daemon: daemon.pid,
        uid: Some(process.user_ids()?[0]),
        has_session,
        has_job: known.is_some_and(|known| known.has_job),
        born: known.map_or(born, |known| known.born),
        reference,
    }))
}

/// Reports whether a process is a fork of the daemon that has not become another program.
fn is_copy(process: &Process<'_>, daemon: &Daemon) -> ReadResult<bool> {
    let Some(exe) = if_available(process.exe_path())? else { return Ok(true) };
    if daemon.exe_path.as_deref() != Some(exe) {
        return Ok(false);
    }
    // The shell of a job may be the same multi-call program.
    if !kinds::is_multi_call(&daemon.exe_name) {
        return Ok(true);
    }
    let own = if_available(process.cmdline())?.unwrap_or_default();
    Ok(kinds::kind_of_applet(&daemon.exe_name, own).is_some())
}

/// Reports whether a process runs a program of the system that helps a daemon.
fn is_helper(process: &Process<'_>) -> ReadResult<bool> {
    Ok(kinds::is_helper(&process.exe_name()?)
        && if_available(process.exe_path())?.is_some_and(is_system_directory))
}
