//! The ties of a process to cron that its place, its output and its looks show, after the job that
//! started it has ended.

use super::Error;
use super::daemon::Daemon;
use super::job_candidate::JobCandidate;
use super::job_search::JobSearch;
use super::kinds;
use super::looks::{Look, Looks};
use super::origin::JobOrigin;
use super::orphan::{is_daemon, of_leader, writes_to_cron, writes_to_tmpfile};
use crate::process::{Pid, Proc};
use crate::tree::Node;

/// The relation between a process and the jobs that may have left it behind.
pub enum Leftover {
    /// No job has left it behind.
    Unrelated,
    /// It has exited meanwhile, and may have started others.
    Exited,
    /// It counts, for this reason.
    Of(JobOrigin),
}

impl From<Option<JobOrigin>> for Leftover {
    /// `None` stands for a process that has exited.
    fn from(origin: Option<JobOrigin>) -> Leftover {
        origin.map_or(Leftover::Exited, Leftover::Of)
    }
}

/// Decides by control group, output and appearance whether a job has left this process behind.
pub fn by_appearance(
    proc: &Proc,
    search: &JobSearch<'_>,
    daemons: &[Daemon],
    node: Node,
    looks: &mut Looks,
) -> Result<Leftover, Error> {
    let (pid, member) = (search.forest.pid(node), search.forest.data(node));
    if member.is_in_cgroup {
        return Ok(in_cgroup(proc, search, pid, member)?.into());
    }
    if has_tmpfile(daemons) && member.tty == 0 && is_orphan(search, node, daemons) {
        match writes_to_tmpfile(proc, pid)? {
            Some(true) if member.session == pid => return Ok(of_leader(proc, pid)?.into()),
            Some(true) => return Ok(Leftover::Of(JobOrigin::Output)),
            Some(false) => {}
            None => return Ok(Leftover::Exited),
        }
    }
    let Some(position) = position(search, node, daemons) else { return Ok(Leftover::Unrelated) };
    let leads_group = position == Position::Leader;
    Ok(match looks.look(proc, pid, member, daemons, leads_group)? {
        Some(Look::Job) => Leftover::Of(JobOrigin::Earlier),
        Some(Look::Environment) => Leftover::Of(JobOrigin::Perhaps),
        Some(Look::Stranger) => Leftover::Unrelated,
        None => Leftover::Exited,
    })
}

/// Classifies a process in a control group in which every process is cron's; `None` if it has
/// exited.
fn in_cgroup(
    proc: &Proc,
    search: &JobSearch<'_>,
    pid: Pid,
    member: &JobCandidate,
) -> Result<Option<JobOrigin>, Error> {
    if member.session == pid {
        return of_leader(proc, pid);
    }
    Ok(if has_leader(search, member) {
        writes_to_cron(proc, pid)?
            .map(|is_collected| if is_collected { JobOrigin::Cgroup } else { JobOrigin::Daemon })
    } else {
        // A daemon leads its session, unless it was made by two forks.
        is_daemon(proc, pid)?
            .map(|is_daemon| if is_daemon { JobOrigin::Daemon } else { JobOrigin::Session })
    })
}

/// Reports whether the leader of a process's session is alive.
fn has_leader(search: &JobSearch<'_>, member: &JobCandidate) -> bool {
    let leader = search.forest.find(member.session);
    leader.is_some_and(|leader| search.forest.data(leader).is_alive)
}

/// The place of an orphan among sessions and process groups.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// It leads a group in the session of another process, as a job of busybox's crond and of dcron
    /// does, also when that daemon has ended.
    Leader,
    /// It is where a job in the background would be after the end of its shell.
    Background,
}

/// Returns the place of an orphan without a terminal that a job may have left behind; `None` for
/// any other process. The session of a daemon in the foreground is that of what runs it.
fn position(search: &JobSearch<'_>, node: Node, daemons: &[Daemon]) -> Option<Position> {
    let (pid, member) = (search.forest.pid(node), search.forest.data(node));
    // 0 stands for a session whose leader is outside of our pid namespace.
    if member.session == 0 || member.tty != 0 || !is_orphan(search, node, daemons) {
        return None;
    }
    if member.session == pid {
        return Some(Position::Background);
    }
    if has_leader(search, member)
        && !(search.is_session_of_service(member.session) && member.pgrp != member.session)
    {
        return None;
    }
    Some(if member.pgrp == pid { Position::Leader } else { Position::Background })
}

/// Reports whether a process is in the session of a daemon that leads its own.
pub fn is_in_session_of(member: &JobCandidate, daemons: &[Daemon]) -> bool {
    daemons.iter().any(|daemon| daemon.session == daemon.pid && member.session == daemon.pid)
}

/// Reports whether one of the daemons collects the output of its jobs in unnamed files, as Debian's
/// does.
pub fn has_tmpfile(daemons: &[Daemon]) -> bool {
    daemons
        .iter()
        .any(|daemon| kinds::kind(&daemon.exe_name).is_some_and(|kind| kind.collects_in_files))
}

/// Reports whether the parent of a process does not count: no job holds on to it.
pub fn is_detached(search: &JobSearch<'_>, node: Node) -> bool {
    search.forest.parent(node).is_none_or(|parent| !search.counts(parent))
}

/// Reports whether a process has become a child of pid 1, or of an ancestor of the daemons: a
/// subreaper among them adopts orphans.
fn is_orphan(search: &JobSearch<'_>, node: Node, daemons: &[Daemon]) -> bool {
    let Some(parent) = search.forest.parent(node) else { return true };
    search.forest.pid(parent) == 1
        || daemons
            .iter()
            .filter_map(|daemon| search.forest.find(daemon.pid))
            .any(|daemon| search.forest.ancestors(daemon).any(|node| node == parent))
}
