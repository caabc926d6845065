//! The beginning of a job: what is read about it, and when that is complete.
//!
//! While the kernel makes a process another program, the process has no arguments, and other
//! processes may run in between for long. Until it has some, it is in [`Unread`], and nothing is
//! told of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Follow;
use super::family::{Member, Role, START_ERROR};
use super::job::{CrontabLine, FollowedJob, JobEvent};
use crate::control::Reference;
use crate::cron::daemon::is_system_directory;
use crate::cron::job::{LONGEST_COMMAND, command};
use crate::cron::{Daemon, Error, JobOrigin, kinds};
use crate::path::base_name;
use crate::process::{File, Files, Lookup, Pid, Process, ReadResult, if_available, items};

/// Longest time for which we wait for arguments: a process may have none for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two reads at least.
const INTERVAL: Duration = Duration::from_millis(1);

/// Time between two reads, as a part of the time since the first one.
const PART: u32 = 4;

/// How a new job is told.
pub type Tell = fn(Box<FollowedJob>) -> JobEvent;

/// What is read about a process that may be a job.
#[derive(Default)]
struct Facts {
    uid: Option<u32>,
    command: Option<Vec<u8>>,
    is_mailer: bool,
    is_helper: bool,
    is_zombie: bool,
    reference: Option<Reference>,
}

/// The processes that have become another program, and that have no arguments yet.
#[derive(Default)]
pub struct Unread {
    waiting: BTreeMap<Pid, Waiting>,
}

#[derive(Clone, Copy)]
struct Waiting {
    since: Instant,
    due: Instant,
    tell: Tell,
}

impl Unread {
    /// Notes that a process had no arguments at this time. Reports whether it is to be read again.
    fn note(&mut self, pid: Pid, now: Instant, tell: Tell) -> bool {
        let new = Waiting { since: now, due: now, tell };
        let waiting = self.waiting.entry(pid).or_insert(new);
        let since = now - waiting.since;
        waiting.due = now + INTERVAL.max(since / PART);
        since < PATIENCE
    }

    /// Removes a process, and returns how it is to be told.
    fn remove(&mut self, pid: Pid) -> Option<Tell> {
        self.waiting.remove(&pid).map(|waiting| waiting.tell)
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the time of the next read.
    pub fn next(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }

    /// Returns those that are to be read at this time.
    fn due(&self, now: Instant) -> Vec<(Pid, Tell)> {
        let due = self.waiting.iter().filter(|(_, waiting)| waiting.due <= now);
        due.map(|(&pid, waiting)| (pid, waiting.tell)).collect()
    }
}

impl Follow<'_> {
    /// Begins to follow a job, or finds out that a process is none, as soon as it has arguments.
    pub(super) fn begin(&mut self, pid: Pid, member: &Member, tell: Tell) -> Result<(), Error> {
        let facts = self.facts(pid, member)?;
        let may_come = facts.uid.is_some() && facts.command.is_none() && !facts.is_zombie;
        if may_come && self.unread.note(pid, Instant::now(), tell) {
            // Neither what it does nor what a look finds can make it something else meanwhile.
            self.family.make_job(pid);
            return Ok(());
        }
        self.unread.remove(pid);
        self.settle(pid, member, facts, tell);
        Ok(())
    }

    /// Reads those again that had no arguments.
    pub(super) fn begin_unread(&mut self, now: Instant) -> Result<(), Error> {
        for (pid, tell) in self.unread.due(now) {
            match self.family.members.get(&pid).cloned() {
                Some(member) => self.begin(pid, &member, tell)?,
                None => _ = self.unread.remove(pid),
            }
        }
        Ok(())
    }

    /// Begins to follow a job, also without arguments: it has ended.
    pub(super) fn begin_at_end(&mut self, pid: Pid) -> Result<(), Error> {
        let Some(tell) = self.unread.remove(pid) else { return Ok(()) };
        let Some(member) = self.family.members.get(&pid).cloned() else { return Ok(()) };
        let facts = self.facts(pid, &member)?;
        self.settle(pid, &member, facts, tell);
        Ok(())
    }

    /// The same for all of them.
    pub(super) fn begin_all_unread(&mut self) -> Result<(), Error> {
        let pids: Vec<Pid> = self.unread.waiting.keys().copied().collect();
        pids.into_iter().try_for_each(|pid| self.begin_at_end(pid))
    }

    /// Decides whether a process with these facts is a job, and begins to follow it then.
    fn settle(&mut self, pid: Pid, member: &Member, facts: Facts, tell: Tell) {
        // The children of a helper are jobs, whatever they have become.
        if member.parent == member.daemon && facts.is_helper {
            self.set_role(pid, Role::Helper);
            return;
        }
        // Busybox's crond, dcron and bcron start what sends mail in the same way as jobs. A job need
        // not be a shell: most shells become the only command of a job, or its last one.
        if facts.is_mailer && self.starts_mailers_as_jobs(member) {
            self.set_role(pid, Role::Other);
            return;
        }
        let job = self.make_job(pid, member, facts);
        self.family.make_job(pid);
        self.readings.add(pid, Instant::now());
        self.jobs.insert(pid, job.clone());
        self.ready.push_back(tell(Box::new(job)));
    }

    /// Reports whether what sends mail cannot be told from a job by its parent and its session.
    fn starts_mailers_as_jobs(&self, member: &Member) -> bool {
        let parent = self.family.members.get(&member.parent);
        parent.is_some_and(|parent| parent.role == Role::Helper)
            || self.daemon(member.daemon).is_some_and(Daemon::is_dcron)
    }

    fn make_job(&mut self, pid: Pid, member: &Member, facts: Facts) -> FollowedJob {
        let uid = member.uid.or(facts.uid);
        FollowedJob {
            pid,
            daemon: member.daemon,
            worker: self.family.worker_of(member),
            uid,
            line: self.line(member.daemon, uid, facts.command.as_deref()),
            command: facts.command,
            born: member.born,
            peak_rss: None,
            reference: member.reference.clone().or(facts.reference),
        }
    }

    /// Makes a job of which nothing but its member is known.
    pub(super) fn make_unknown_job(&mut self, pid: Pid, member: &Member) -> FollowedJob {
        self.make_job(pid, member, Facts::default())
    }

    /// Returns the line of a crontab that a job with this user and this command comes from.
    fn line(
        &mut self,
        daemon: Pid,
        uid: Option<u32>,
        command: Option<&[u8]>,
    ) -> Option<CrontabLine> {
        let (uid, command) = (uid?, command?);
        // Users come and go while we run, and their numbers are given again.
        self.proc.users().refresh();
        let user = self.proc.users().user(uid);
        let all = self.daemons.iter().chain(&self.former);
        let daemon = all.into_iter().find(|other| other.pid == daemon)?;
        self.lines.line(daemon, user.as_bytes(), command)
    }

    /// Reads the command of a job again, if it is unknown.
    pub(super) fn read_command(&mut self, pid: Pid) -> Result<(), Error> {
        if self.jobs.get(&pid).is_none_or(|job| job.command.is_some()) {
            return Ok(());
        }
        let Some(member) = self.family.members.get(&pid).cloned() else { return Ok(()) };
        let facts = self.facts(pid, &member)?;
        let Some(job) = self.jobs.get_mut(&pid) else { return Ok(()) };
        job.uid = job.uid.or(facts.uid);
        job.command = facts.command;
        let (daemon, uid, command) = (job.daemon, job.uid, job.command.clone());
        let line = self.line(daemon, uid, command.as_deref());
        if let Some(job) = self.jobs.get_mut(&pid) {
            job.line = line;
        }
        Ok(())
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

    pub(super) fn set_role(&mut self, pid: Pid, role: Role) {
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
    let is_zombie = !process.stat()?.is_alive();
    // A zombie has no arguments any more.
    let is_mailer = is_mailer(&arguments) || is_zombie && *process.comm()? == *MAILER;
    Ok(Facts {
        uid: Some(process.user_ids()?[0]),
        command: command(&arguments, JobOrigin::Job),
        is_mailer,
        is_helper,
        is_zombie,
        reference: if holds { Some(Reference::from_process(process)?) } else { None },
    })
}

/// The name of the program that sends mail.
const MAILER: &[u8] = b"sendmail";

/// Reports whether these are the arguments with which busybox's crond, dcron and bcron send mail:
/// `sendmail -ti`, `sendmail -t -oem -i` and `sendmail -FCronDaemon -i -odi -oem -oi -t`, behind an
/// interpreter where sendmail is a script.
fn is_mailer(arguments: &[u8]) -> bool {
    let words: Vec<&[u8]> = items(arguments).take(4).collect();
    words.windows(2).any(|pair| {
        base_name(pair[0]) == MAILER && matches!(pair[1], b"-ti" | b"-t" | b"-FCronDaemon")
    })
}

/// Reports whether a process has this start, since the boot.
pub fn is_same(process: &Process<'_>, born: Duration) -> ReadResult<bool> {
    let start = process.seconds(process.stat()?.start_ticks);
    let start = Duration::try_from_secs_f64(start).unwrap_or_default();
    Ok(start.abs_diff(born) <= START_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sendmail_sends_mail() {
        assert!(is_mailer(b"sendmail\0-ti\0"));
        assert!(is_mailer(b"/usr/sbin/sendmail\0-t\0-oem\0-i\0"));
        assert!(is_mailer(b"/bin/sh\0/usr/sbin/sendmail\0-ti\0"));
        assert!(is_mailer(b"/usr/sbin/sendmail\0-FCronDaemon\0-i\0-odi\0-oem\0-oi\0-t\0"));
        assert!(!is_mailer(b"/bin/sh\0-c\0sendmail -ti\0") && !is_mailer(b"sleep\x005\0"));
        assert!(!is_mailer(b"sendmail\0") && !is_mailer(b""));
    }

    #[test]
    fn arguments_are_waited_for_for_a_second() {
        let begin = Instant::now();
        let mut unread = Unread::default();
        assert!(unread.note(7, begin, JobEvent::Started));
        let mut reads = 0;
        let mut now = begin;
        while let Some(due) = unread.next().filter(|_| reads < 100) {
            now = due;
            assert_eq!(unread.due(now).len(), 1);
            reads += 1;
            if !unread.note(7, now, JobEvent::Started) {
                break;
            }
        }
        assert!(reads < 40 && now - begin >= PATIENCE && now - begin < PATIENCE * 2, "{reads}");
        assert!(unread.remove(7).is_some() && unread.is_empty());
    }
}
