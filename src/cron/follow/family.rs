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
    /// Its real user id, where an event or a look has told it, or where it can have no other one.
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
    /// Adds a daemon with this real user id; `None` where its children need not have it, as they
    /// are jobs themselves and can start processes with the same parent.
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
        // A job can start a process that has the parent of the job (CLONE_PARENT), not its user.
        let may_be_of_job = found.role == Role::Helper || found.has_job;
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
            uid: found.uid.filter(|_| !may_be_of_job),
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

    /// Reports whether a job may begin without a new process of a daemon.
    pub fn may_begin(&self) -> bool {
        let may_begin = |member: &Member| match member.role {
            Role::Worker => !member.has_job,
            role => role == Role::Begun,
        };
        self.members.values().any(may_begin)
    }

    /// Reports whether a look can find out more about a process that is known.
    pub fn is_unsettled(&self) -> bool {
        self.members.values().any(|member| !member.is_settled())
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
        if let Some(worker) =
            self.members.get_mut(&worker).filter(|found| found.role == Role::Worker)
        {
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
    /// Reports whether it is a job.
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn family() -> Family {
        let mut family = Family::default();
        family.add_daemon(10, 1, Some(0), Duration::ZERO);
        family
    }

    fn note(family: &mut Family, event: ProcessEvent) -> Option<Change> {
        family.note(&event, Duration::from_secs(1))
    }

    fn fork(family: &mut Family, parent: Pid, child: Pid) {
        assert!(note(family, ProcessEvent::Fork { parent, child }).is_none());
    }

    fn exit(pid: Pid, status: i32) -> ProcessEvent {
        ProcessEvent::Exit { pid, status: ExitStatus::from_raw(status) }
    }

    #[test]
    fn a_worker_starts_a_job_and_what_sends_mail() {
        let mut family = family();
        fork(&mut family, 10, 20);
        fork(&mut family, 20, 21);
        fork(&mut family, 20, 22);
        note(&mut family, ProcessEvent::Session { pid: 21 });
        note(&mut family, ProcessEvent::User { pid: 21, uid: 1000 });
        let begin = note(&mut family, ProcessEvent::Exec { pid: 21 });
        assert!(matches!(begin, Some(Change::MayBegin(21))), "{begin:?}");
        family.make_job(21);
        let members = &family.members;
        assert!(members[&20].has_job && members[&21].uid == Some(1000));
        assert!(!members[&22].has_session && members[&22].uid == Some(0));
        // What the job starts is no member, and neither is what it becomes.
        fork(&mut family, 21, 30);
        assert!(!family.members.contains_key(&30));
        assert!(note(&mut family, ProcessEvent::Exec { pid: 21 }).is_none());
        note(&mut family, ProcessEvent::User { pid: 21, uid: 0 });
        assert_eq!(family.members[&21].uid, Some(1000));
        let end = note(&mut family, exit(21, 0x0300));
        assert!(matches!(end, Some(Change::MayEnd(21, status)) if status.code() == Some(3)));
    }

    #[test]
    fn a_job_whose_shell_cannot_be_started_has_an_end() {
        let mut family = family();
        fork(&mut family, 10, 20);
        fork(&mut family, 20, 21);
        note(&mut family, ProcessEvent::Session { pid: 21 });
        let end = note(&mut family, exit(21, 0x0100));
        assert!(matches!(end, Some(Change::NotBegun(21, ..))), "{end:?}");
        // What writes the input of a job, and never becomes another program, is no job.
        fork(&mut family, 20, 22);
        assert!(note(&mut family, exit(22, 0)).is_none());
        assert!(note(&mut family, exit(20, 0)).is_none());
        assert_eq!(family.members.len(), 1);
    }

    #[test]
    fn a_job_cannot_give_another_process_the_user_of_the_daemon() {
        let mut family = family();
        fork(&mut family, 10, 20);
        fork(&mut family, 20, 21);
        assert_eq!(family.members[&21].uid, Some(0));
        family.make_job(21);
        // The job has started it, or the worker: nobody can tell.
        fork(&mut family, 20, 22);
        assert_eq!(family.members[&22].uid, None);
        note(&mut family, ProcessEvent::User { pid: 22, uid: 1000 });
        assert_eq!(family.members[&22].uid, Some(1000));
        // The children of this daemon, and of helpers, are jobs themselves.
        family.add_daemon(30, 1, None, Duration::ZERO);
        fork(&mut family, 30, 31);
        fork(&mut family, 31, 32);
        assert_eq!((family.members[&31].uid, family.members[&32].uid), (None, None));
        fork(&mut family, 10, 40);
        family.members.get_mut(&40).unwrap().role = Role::Helper;
        fork(&mut family, 40, 41);
        assert_eq!((family.members[&40].uid, family.members[&41].uid), (Some(0), None));
    }

    #[test]
    fn strangers_leave_nothing_behind() {
        let mut family = family();
        fork(&mut family, 99, 100);
        let met = note(&mut family, ProcessEvent::Exec { pid: 100 });
        assert!(matches!(met, Some(Change::Stranger(100))), "{met:?}");
        assert!(note(&mut family, exit(100, 0)).is_none());
        assert_eq!(family.members.len(), 1);
        assert!(matches!(note(&mut family, exit(10, 0)), Some(Change::DaemonEnded(10))));
    }

    #[test]
    fn a_process_that_a_look_has_found_before_its_event_is_the_same() {
        let mut family = family();
        fork(&mut family, 10, 20);
        family.make_job(20);
        fork(&mut family, 10, 20);
        assert!(family.members[&20].is_job());
        // Another one has the number later.
        family.note(&ProcessEvent::Fork { parent: 10, child: 20 }, Duration::from_secs(9));
        assert_eq!(family.members[&20].role, Role::Worker);
    }
}
