//! The processes between a daemon and its jobs, and how each event changes them. Nothing is read
//! here.
//!
//! Debian's cron, cronie and fcron fork a worker for each job, which forks the process that makes a
//! session of its own and becomes the shell with the command. Busybox's crond and dcron fork that
//! process themselves, and so do the helpers of bcron. What a worker starts in the session of the
//! daemon sends mail.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::control::{ExitStatus, ProcessEvent, Reference};
use crate::process::Pid;

/// The most by which the start in /proc/PID/stat may differ from that of an event: it is in clock
/// ticks of 10 ms.
pub const START_ERROR: Duration = Duration::from_millis(50);

/// What a process is for its daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Daemon,
    /// A program that helps a daemon, and whose children are jobs.
    Helper,
    /// A child of a daemon, or of a helper, that has not become another program.
    Worker,
    /// A child of a worker that has not become another program.
    Begun,
    Job,
    /// It is no job, as a process that sends mail.
    Other,
}

/// A process of the family.
#[derive(Clone, Debug)]
pub struct Member {
    pub role: Role,
    pub parent: Pid,
    pub daemon: Pid,
    /// Its real user id, where an event or a look has told it.
    pub uid: Option<u32>,
    /// `true` if it has made a session of its own.
    pub has_session: bool,
    /// `true` if a job of this worker was seen.
    pub has_job: bool,
    /// Its start, since the boot.
    pub born: Duration,
    /// Only where its end is watched through a pidfd.
    pub reference: Option<Reference>,
}

/// What an event means for the family.
#[derive(Clone, Debug)]
pub enum Change {
    /// A process has become another program, and may be a job.
    MayBegin(Pid),
    /// A job has ended, unless threads of it are left.
    MayEnd(Pid, ExitStatus),
    /// A process that was to become a job has ended before that.
    NotBegun(Pid, Member, ExitStatus),
    DaemonEnded(Pid),
    /// A process outside of the family has become another program.
    Stranger(Pid),
}

/// The daemons and the processes below them, by pid.
#[derive(Default)]
pub struct Family {
    pub members: BTreeMap<Pid, Member>,
    /// Number of processes that events have added.
    pub births: u64,
}

impl Family {
    /// Adds a daemon with this real user id.
    pub fn add_daemon(&mut self, pid: Pid, parent: Pid, uid: Option<u32>, born: Duration) {
        let (role, daemon) = (Role::Daemon, pid);
        let (has_session, has_job, reference) = (false, false, None);
        let member = Member { role, parent, daemon, uid, has_session, has_job, born, reference };
        self.members.insert(pid, member);
    }

    /// Takes an event that happened at this time since the boot.
    pub fn note(&mut self, event: &ProcessEvent, time: Duration) -> Option<Change> {
        match *event {
            ProcessEvent::Fork { parent, child } => {
                self.fork(parent, child, time);
                None
            }
            ProcessEvent::Exec { pid } => match self.members.get(&pid) {
                None => Some(Change::Stranger(pid)),
                Some(member) if matches!(member.role, Role::Worker | Role::Begun) => {
                    Some(Change::MayBegin(pid))
                }
                Some(_) => None,
            },
            ProcessEvent::User { pid, uid } => {
                // A job that becomes another user later is still the job of this one.
                if let Some(member) = self.members.get_mut(&pid).filter(|member| !member.is_job()) {
                    member.uid = Some(uid);
                }
                None
            }
            ProcessEvent::Session { pid } => {
                if let Some(member) = self.members.get_mut(&pid) {
                    member.has_session = true;
                }
                None
            }
            ProcessEvent::Exit { pid, status } => self.exit(pid, status),
        }
    }

    fn fork(&mut self, parent: Pid, child: Pid, time: Duration) {
        let Some(found) = self.members.get(&parent) else { return };
        let role = match found.role {
            Role::Daemon | Role::Helper => Role::Worker,
            Role::Worker => Role::Begun,
            Role::Begun | Role::Job | Role::Other => return,
        };
        // A look may have found it before its event was read.
        let is_known =
            |member: &Member| member.parent == parent && member.born + START_ERROR >= time;
        if self.members.get(&child).is_some_and(is_known) {
            return;
        }
        let member = Member {
            role,
            parent,
            daemon: found.daemon,
            uid: found.uid,
            has_session: false,
            has_job: false,
            born: time,
            reference: None,
        };
        self.members.insert(child, member);
        self.births += 1;
    }

    fn exit(&mut self, pid: Pid, status: ExitStatus) -> Option<Change> {
        let role = self.members.get(&pid)?.role;
        match role {
            Role::Job => Some(Change::MayEnd(pid, status)),
            Role::Daemon => Some(Change::DaemonEnded(pid)),
            Role::Begun => {
                let member = self.members.remove(&pid)?;
                member.has_session.then_some(Change::NotBegun(pid, member, status))
            }
            Role::Helper | Role::Worker | Role::Other => {
                self.members.remove(&pid);
                None
            }
        }
    }

    /// Makes a process a job, and notes that its worker has one.
    pub fn make_job(&mut self, pid: Pid) {
        let Some(member) = self.members.get_mut(&pid) else { return };
        member.role = Role::Job;
        let parent = member.parent;
        self.note_job_of(parent);
    }

    /// Notes that a job of this worker was seen.
    pub fn note_job_of(&mut self, worker: Pid) {
        if let Some(worker) = self.members.get_mut(&worker) {
            worker.has_job = true;
        }
    }

    /// Returns the worker of a process, if its parent is one.
    pub fn worker_of(&self, member: &Member) -> Option<Pid> {
        self.members
            .get(&member.parent)
            .is_some_and(|parent| parent.role == Role::Worker)
            .then_some(member.parent)
    }
}

impl Member {
    pub fn is_job(&self) -> bool {
        self.role == Role::Job
    }

    /// Reports whether a later look can find out nothing more about it. The job of a worker is the
    /// only one.
    pub fn is_settled(&self) -> bool {
        match self.role {
            Role::Daemon | Role::Job | Role::Other => true,
            Role::Worker => self.has_job,
            Role::Helper | Role::Begun => false,
        }
    }
}
