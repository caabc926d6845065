//! What happens to daemons and jobs: how each change is noted and told.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::family::{Change, Member, Role, START_ERROR};
use super::job::{FollowedJob, JobEnd, JobEvent};
use super::{Follow, look, memory};
use crate::control::{ExitStatus, Life, Reference};
use crate::cron::daemon::is_system_directory;
use crate::cron::job::{LONGEST_COMMAND, command};
use crate::cron::{Daemon, Error, JobOrigin, kinds};
use crate::path::base_name;
use crate::process::{
    File, Files, Lookup, Pid, Process, ReadResult, if_available, items, since_boot,
};

/// Most daemons that are remembered after their end.
const FORMER: usize = 8;

/// Most further reads of arguments that are empty, and the time between two of them. A process may
/// have none for ever, and must not hold us up.
const READS: usize = 5;
const BETWEEN_READS: Duration = Duration::from_micros(200);

/// What is read about a process that may be a job.
#[derive(Default)]
struct Facts {
    uid: Option<u32>,
    command: Option<Vec<u8>>,
    /// `true` if its arguments are those with which busybox's crond and dcron send mail.
    is_mailer: bool,
    is_helper: bool,
    reference: Option<Reference>,
}

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
        self.ready.push_back(JobEvent::Following(Box::new(daemon.clone())));
        self.daemons.push(daemon);
        Ok(())
    }

    /// Looks at the processes below the daemons, and reports whether one is new.
    pub(super) fn look(&mut self, tell: fn(Box<FollowedJob>) -> JobEvent) -> Result<bool, Error> {
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

    /// Begins to follow a job, or finds out that a process is none.
    fn begin(
        &mut self,
        pid: Pid,
        member: &Member,
        tell: fn(Box<FollowedJob>) -> JobEvent,
    ) -> Result<(), Error> {
        let mut facts = self.facts(pid, member)?;
        // A look may meet a process while it becomes its program, and has no arguments yet. An
        // event comes after that.
        for _ in 0..READS {
            if self.events.is_some() || facts.command.is_some() || facts.uid.is_none() {
                break;
            }
            std::thread::sleep(BETWEEN_READS);
            facts = self.facts(pid, member)?;
        }
        let is_of_daemon = member.role == Role::Worker || member.parent == member.daemon;
        if is_of_daemon && facts.is_helper {
            self.set_role(pid, Role::Helper);
            return Ok(());
        }
        // Busybox's crond and dcron start what sends mail in the same way as jobs. A job need not
        // be a shell: most shells become the only command of a job, or its last one.
        let is_dcron = self.daemon(member.daemon).is_some_and(Daemon::is_dcron);
        if is_dcron && facts.is_mailer {
            self.set_role(pid, Role::Other);
            return Ok(());
        }
        let job = self.make_job(pid, member, facts);
        self.family.make_job(pid);
        self.readings.add(pid, Instant::now());
        self.jobs.insert(pid, job.clone());
        self.ready.push_back(tell(Box::new(job)));
        Ok(())
    }

    fn make_job(&mut self, pid: Pid, member: &Member, facts: Facts) -> FollowedJob {
        let uid = member.uid.or(facts.uid);
        // Users come and go while we run, and their numbers are given again.
        self.proc.users().refresh();
        let line = match (uid, &facts.command) {
            (Some(uid), Some(command)) => {
                let user = self.proc.users().user(uid);
                let all = self.daemons.iter().chain(&self.former);
                let daemon = all.into_iter().find(|daemon| daemon.pid == member.daemon);
                daemon.and_then(|daemon| self.lines.line(daemon, user.as_bytes(), command))
            }
            _ => None,
        };
        FollowedJob {
            pid,
            daemon: member.daemon,
            worker: self.family.worker_of(member),
            uid,
            command: facts.command,
            line,
            born: member.born,
            peak_rss: None,
            reference: member.reference.clone().or(facts.reference),
        }
    }

    /// Reads what is known about a process; nothing where it is gone already, or keeps us from that:
    /// one job must not end the watch over the others.
    fn facts(&self, pid: Pid, member: &Member) -> Result<Facts, Error> {
        let files = Files::new(&[File::Stat, File::Status]);
        let Lookup::Found(process) = self.proc.process(pid, files)? else {
            return Ok(Facts::default());
        };
        // Without events there is no room any more for one that the look did not hold.
        let holds =
            self.events.is_some() && member.reference.is_none() && self.jobs.len() < self.room;
        match process.lookup(facts(&process, member, holds))? {
            Lookup::Found(facts) => Ok(facts),
            Lookup::Exited => Ok(Facts::default()),
            Lookup::Unavailable(reason) => {
                tracing::info!(pid, "the job could not be examined: {reason}");
                Ok(Facts::default())
            }
        }
    }

    /// Tells the end of a job, unless threads of it are left.
    fn may_end(&mut self, pid: Pid, status: ExitStatus, time: Duration) -> Result<(), Error> {
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
        let job = self.make_job(pid, member, Facts::default());
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
                let has_workers =
                    self.daemon(member.daemon).is_some_and(|daemon| !daemon.is_dcron());
                if has_workers && !member.has_job {
                    self.ready.push_back(JobEvent::Unseen(pid));
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

    /// Reads the memory of a job.
    pub(super) fn read_memory(&mut self, pid: Pid) -> Result<(), Error> {
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

    fn set_role(&mut self, pid: Pid, role: Role) {
        if let Some(member) = self.family.members.get_mut(&pid) {
            member.role = role;
        }
    }
}

/// Reads what is known about a process, if it is the member.
fn facts(process: &Process<'_>, member: &Member, holds: bool) -> ReadResult<Facts> {
    // They are gone as soon as the process ends, and so they come first.
    let arguments = if_available(process.cmdline_start(LONGEST_COMMAND))?.unwrap_or_default();
    if !is_same(process, member.born)? {
        return Ok(Facts::default());
    }
    let exe = if_available(process.exe_name())?.unwrap_or_default();
    let is_helper = kinds::is_helper(&exe)
        && if_available(process.exe_path())?.is_some_and(is_system_directory);
    Ok(Facts {
        uid: Some(process.user_ids()?[0]),
        command: command(&arguments, JobOrigin::Job),
        is_mailer: is_mailer(&arguments),
        is_helper,
        reference: if holds { Some(Reference::from_process(process)?) } else { None },
    })
}

/// Reports whether these are the arguments with which busybox's crond and dcron send mail:
/// `sendmail -ti` and `sendmail -t -oem -i`, behind an interpreter where sendmail is a script.
fn is_mailer(arguments: &[u8]) -> bool {
    let words: Vec<&[u8]> = items(arguments).take(4).collect();
    words
        .windows(2)
        .any(|pair| base_name(pair[0]) == b"sendmail" && matches!(pair[1], b"-ti" | b"-t"))
}

/// Reports whether a process has this start, since the boot.
fn is_same(process: &Process<'_>, born: Duration) -> ReadResult<bool> {
    let start = process.seconds(process.stat()?.start_ticks);
    let start = Duration::try_from_secs_f64(start).unwrap_or_default();
    Ok(start.abs_diff(born) <= START_ERROR)
}

#[cfg(test)]
mod tests {
    use super::is_mailer;

    #[test]
    fn only_sendmail_sends_mail() {
        assert!(is_mailer(b"sendmail\0-ti\0"));
        assert!(is_mailer(b"/usr/sbin/sendmail\0-t\0-oem\0-i\0"));
        assert!(is_mailer(b"/bin/sh\0/usr/sbin/sendmail\0-ti\0"));
        assert!(!is_mailer(b"/bin/sh\0-c\0sendmail -ti\0") && !is_mailer(b"sleep\x005\0"));
        assert!(!is_mailer(b"sendmail\0") && !is_mailer(b""));
    }
}
