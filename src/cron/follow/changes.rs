//! What happens to daemons and jobs: how each change is noted and told.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::begin::{Tell, is_same};
use super::family::{Change, Member, Role, START_ERROR};
use super::job::{JobEnd, JobEvent, Way};
use super::{Follow, look, memory};
use crate::control::{ExitStatus, Life};
use crate::cron::{Daemon, Error};
use crate::process::{File, Files, Lookup, Pid, since_boot};

/// Most daemons that are remembered after their end.
const FORMER: usize = 8;

impl Follow<'_> {
    /// Follows another daemon.
    pub(super) fn follow(&mut self, daemon: Daemon) -> Result<(), Error> {
        let files = Files::new(&[File::Stat, File::Status]);
        let Lookup::Found(process) = self.proc.process(daemon.pid, files)? else { return Ok(()) };
        let uid = process.lookup(process.user_ids())?;
        let uid = match uid {
            Lookup::Found([uid, ..]) if !daemon.is_dcron() => Some(uid),
            _ => None,
        };
        if self.events.is_none() {
            self.watch.add(daemon.pid as usize, &daemon.reference)?;
        }
        self.family.add_daemon(daemon.pid, daemon.parent, uid, since_boot());
        let way = if self.events.is_some() { Way::Events } else { Way::Looks };
        self.ready.push_back(JobEvent::Following(Box::new(daemon.clone()), way));
        self.daemons.push(daemon);
        Ok(())
    }

    /// Looks at the processes below the daemons, and reports whether one is new.
    pub(super) fn look(&mut self, tell: Tell) -> Result<bool, Error> {
        let room = if self.events.is_none() { self.room } else { 0 };
        let sights = look::look(self.proc, &self.daemons, &mut self.family, room)?;
        for sight in &sights {
            if let Some(reference) = sight.member.reference.as_ref().filter(|_| sight.is_new) {
                self.watch.add(sight.pid as usize, reference)?;
            }
            if sight.member.role == Role::Job {
                self.begin(sight.pid, &sight.member, tell)?;
            }
        }
        Ok(!sights.is_empty())
    }

    /// Handles a change of the family at this time since the boot.
    pub(super) fn change(&mut self, change: Change, time: Duration) -> Result<(), Error> {
        match change {
            Change::MayBegin(pid) => {
                let Some(member) = self.family.members.get(&pid).cloned() else { return Ok(()) };
                // A job gets a session of its own before it begins; the mailer does not.
                if member.role == Role::Begun && !member.has_session {
                    self.family.members.remove(&pid);
                    return Ok(());
                }
                self.begin(pid, &member, JobEvent::Started)
            }
            Change::MayEnd(pid, status) => self.may_end(pid, status, time),
            Change::NotBegun(pid, member, status) => {
                self.end_unbegun(pid, &member, JobEnd { at: time, status: Some(status) });
                Ok(())
            }
            Change::DaemonEnded(pid) => {
                self.end_daemon(pid);
                Ok(())
            }
            Change::Stranger(pid) => self.meet(pid),
        }
    }

    /// Tells the end of a job, unless threads of it are left.
    fn may_end(&mut self, pid: Pid, status: ExitStatus, time: Duration) -> Result<(), Error> {
        self.begin_at_end(pid)?;
        let Some(job) = self.jobs.get(&pid) else {
            self.family.members.remove(&pid);
            return Ok(());
        };
        // An earlier process of this number.
        if time + START_ERROR < job.born {
            return Ok(());
        }
        if let Some(reference) = job.reference.clone()
            && matches!(self.proc.lookup(pid, reference.life())?, Lookup::Found(Life::Alive))
        {
            // Other threads of it are left.
            return Ok(self.watch.add(pid as usize, &reference)?);
        }
        self.end(pid, JobEnd { at: time, status: Some(status) });
        Ok(())
    }

    /// Tells the end of a job.
    fn end(&mut self, pid: Pid, end: JobEnd) {
        self.family.members.remove(&pid);
        self.readings.remove(pid);
        if let Some(job) = self.jobs.remove(&pid) {
            self.ready.push_back(JobEvent::Ended(Box::new(job), end));
        }
    }

    /// Tells the end of a job that has not become its command, or not for long enough to be seen.
    fn end_unbegun(&mut self, pid: Pid, member: &Member, end: JobEnd) {
        let job = self.make_unknown_job(pid, member);
        self.family.note_job_of(member.parent);
        self.ready.push_back(JobEvent::Started(Box::new(job.clone())));
        self.ready.push_back(JobEvent::Ended(Box::new(job), end));
    }

    fn end_daemon(&mut self, pid: Pid) {
        self.family.members.remove(&pid);
        let Some(at) = self.daemons.iter().position(|daemon| daemon.pid == pid) else { return };
        let daemon = self.daemons.remove(at);
        self.ready.push_back(JobEvent::DaemonEnded(Box::new(daemon.clone())));
        self.former.push_front(daemon);
        self.former.truncate(FORMER);
        self.search.note_end(Instant::now());
    }

    /// Notes the end of a process that was watched through a pidfd.
    pub(super) fn note_end(
        &mut self,
        token: usize,
        status: Option<ExitStatus>,
    ) -> Result<(), Error> {
        let pid = token as Pid;
        let end = JobEnd { at: since_boot(), status };
        self.begin_at_end(pid)?;
        let Some(member) = self.family.members.get(&pid).cloned() else { return Ok(()) };
        match member.role {
            Role::Daemon => self.end_daemon(pid),
            Role::Job => self.end(pid, end),
            Role::Begun if member.has_session => {
                self.family.members.remove(&pid);
                self.end_unbegun(pid, &member, end);
            }
            Role::Worker => {
                self.family.members.remove(&pid);
                self.family
                    .members
                    .retain(|_, other| other.role != Role::Other || other.parent != pid);
                let daemon = self.daemon(member.daemon).filter(|daemon| !daemon.is_dcron());
                if let Some(daemon) = daemon.cloned().filter(|_| !member.has_job) {
                    let daemon = Box::new(daemon);
                    self.ready.push_back(JobEvent::Unseen { worker: pid, daemon });
                }
            }
            Role::Begun | Role::Helper | Role::Other => {
                self.family.members.remove(&pid);
            }
        }
        Ok(())
    }

    /// Notes that the program of a process outside of the family is that of a daemon.
    fn meet(&mut self, pid: Pid) -> Result<(), Error> {
        let now = Instant::now();
        if self.has_daemon() && !self.search.expects(now) {
            return Ok(());
        }
        let Lookup::Found(process) = self.proc.process(pid, Files::NONE)? else { return Ok(()) };
        let is_daemon = process.exe_name().map(|name| self.is_wanted(&name));
        if matches!(process.lookup(is_daemon)?, Lookup::Found(true)) {
            self.search.note_sign(now);
        }
        Ok(())
    }

    /// Finds out what has happened while events of the kernel were lost.
    pub(super) fn mend(&mut self) -> Result<(), Error> {
        self.ready.push_back(JobEvent::Lost);
        self.begin_all_unread()?;
        self.family.members.retain(|_, member| matches!(member.role, Role::Daemon | Role::Job));
        let gone: Vec<Pid> =
            self.daemons.iter().filter(|daemon| daemon.has_ended()).map(|gone| gone.pid).collect();
        gone.into_iter().for_each(|pid| self.end_daemon(pid));
        let jobs: Vec<Pid> = self.jobs.keys().copied().collect();
        for pid in jobs {
            self.check(pid)?;
        }
        self.look(JobEvent::Started)?;
        Ok(())
    }

    /// Notes the ends of the processes that are not held by a pidfd, for want of descriptors.
    pub(super) fn check_unheld(&mut self) -> Result<(), Error> {
        let is_unheld = |member: &Member| {
            member.reference.is_none() && !matches!(member.role, Role::Daemon | Role::Other)
        };
        let unheld: Vec<(Pid, Duration)> = self
            .family
            .members
            .iter()
            .filter(|(_, member)| is_unheld(member))
            .map(|(&pid, member)| (pid, member.born))
            .collect();
        for (pid, born) in unheld {
            if self.jobs.contains_key(&pid) {
                self.check(pid)?;
            } else if !self.is_alive(pid, born)?.0 {
                self.note_end(pid as usize, None)?;
            }
        }
        Ok(())
    }

    /// Reports whether the process of this number with this start is alive, and returns its exit
    /// status if it is a zombie.
    fn is_alive(&self, pid: Pid, born: Duration) -> Result<(bool, Option<ExitStatus>), Error> {
        let Lookup::Found(process) = self.proc.process(pid, Files::new(&[File::Stat]))? else {
            return Ok((false, None));
        };
        let read = is_same(&process, born).and_then(|same| {
            let status = process.wait_status().ok().map(ExitStatus::from_raw);
            Ok((same && process.stat()?.is_alive(), status.filter(|_| same)))
        });
        Ok(match process.lookup(read)? {
            Lookup::Found(found) => found,
            Lookup::Exited | Lookup::Unavailable(_) => (false, None),
        })
    }

    /// Tells the end of a job if it has ended.
    fn check(&mut self, pid: Pid) -> Result<(), Error> {
        let Some(job) = self.jobs.get(&pid) else { return Ok(()) };
        let (is_alive, status) = match &job.reference {
            Some(reference) => {
                let life = self.proc.lookup(pid, reference.life())?;
                let status = match self.proc.lookup(pid, reference.exit_status())? {
                    Lookup::Found(status) => status,
                    Lookup::Exited | Lookup::Unavailable(_) => None,
                };
                (matches!(life, Lookup::Found(Life::Alive)), status)
            }
            None => self.is_alive(pid, job.born)?,
        };
        if !is_alive {
            self.end(pid, JobEnd { at: since_boot(), status });
        }
        Ok(())
    }

    /// Reads the memory of a job, and its command if that is still unknown.
    pub(super) fn read_memory(&mut self, pid: Pid) -> Result<(), Error> {
        self.read_command(pid)?;
        let peak = memory::peak_rss(self.proc, pid)?;
        let Some(job) = self.jobs.get_mut(&pid) else { return Ok(()) };
        // Otherwise another process may have its number by now.
        let is_its_own = job
            .reference
            .as_ref()
            .is_some_and(|reference| matches!(reference.life(), Ok(Life::Alive | Life::Zombie)));
        if is_its_own {
            job.peak_rss = job.peak_rss.max(peak);
        }
        Ok(())
    }
}
