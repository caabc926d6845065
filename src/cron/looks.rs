//! What a process looks like, as a sign that a job has left it behind. Processes keep their looks,
//! so that each of them is looked at once in a wait with many scans.

use std::collections::BTreeSet;
use std::path::Path;

use super::Error;
use super::crontab::Crontabs;
use super::daemon::Daemon;
use super::job_candidate::JobCandidate;
use super::kinds::OF_DCRON;
use super::orphan::{JobLike, arguments, user_of_job};
use crate::process::{Pid, Proc, items};

/// The looks of the orphans that scans have met.
#[derive(Default)]
pub struct Looks {
    /// The orphans of the present scan that look like no job, by pid and start time.
    strangers: BTreeSet<(Pid, u64)>,
    /// Those of the scan before it.
    before: BTreeSet<(Pid, u64)>,
    /// The jobs of the crontabs, when they were needed.
    crontabs: Option<CrontabJobs>,
}

/// The result of a look at an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A job of busybox's crond or of dcron looks like that, and hardly anything else.
    Job,
    /// It has the environment of a job, as after su(1), and is no daemon.
    Environment,
    Stranger,
}

impl Looks {
    /// Begins another scan, so that processes that have ended are forgotten.
    pub fn begin_scan(&mut self) {
        self.before = std::mem::take(&mut self.strangers);
    }

    /// Looks at an orphan; `None` if it has exited. `leads_group` says that it leads a process group
    /// in the session of another process, as the jobs of busybox's crond and of dcron do.
    pub fn look(
        &mut self,
        proc: &Proc,
        pid: Pid,
        member: &JobCandidate,
        daemons: &[Daemon],
        leads_group: bool,
    ) -> Result<Option<Look>, Error> {
        let id = (pid, member.start_ticks);
        let look = if self.before.contains(&id) {
            Some(Look::Stranger)
        } else {
            self.look_anew(proc, pid, daemons, leads_group)?
        };
        if look == Some(Look::Stranger) {
            self.strangers.insert(id);
        }
        Ok(look)
    }

    fn look_anew(
        &mut self,
        proc: &Proc,
        pid: Pid,
        daemons: &[Daemon],
        leads_group: bool,
    ) -> Result<Option<Look>, Error> {
        let Some(like) = user_of_job(proc, pid)? else { return Ok(None) };
        // Where another kind of cron runs, nothing of these two has run before it.
        if leads_group && daemons.iter().all(is_dcron) {
            let Some(arguments) = arguments(proc, pid)? else { return Ok(None) };
            let crontabs = self.crontabs.get_or_insert_with(CrontabJobs::read);
            let is_user = matches!(&like, JobLike::Of(user) if crontabs.users.contains(user));
            // A crond that was started in a terminal passes on what that has set. The environment
            // alone says less: su(1) makes the same one.
            let is_crond_here = !daemons.is_empty();
            if crontabs.have(&arguments) || is_crond_here && is_user {
                return Ok(Some(Look::Job));
            }
        }
        Ok(Some(match like {
            JobLike::Of(_) => Look::Environment,
            JobLike::Nobody => Look::Stranger,
        }))
    }
}

/// Reports whether a daemon is busybox's crond or dcron, which give jobs no session.
fn is_dcron(daemon: &Daemon) -> bool {
    daemon.habits().is_some_and(|habits| std::ptr::eq(habits, &raw const OF_DCRON))
}

/// What the crontabs of busybox's crond and of dcron say about their jobs. A user may have thousands.
#[derive(Default)]
struct CrontabJobs {
    /// The commands in order, so that one is found without a look at all of them.
    commands: Vec<Vec<u8>>,
    users: BTreeSet<Vec<u8>>,
}

/// The beginnings of redirections, which are no arguments.
const REDIRECTIONS: [&[u8]; 12] =
    [b">", b" >", b"<", b" <", b" 1>", b" 2>", b" 0<", b" &>", b"  >", b"  <", b"  1>", b"  2>"];

impl CrontabJobs {
    fn read() -> CrontabJobs {
        let mut jobs = CrontabJobs::default();
        for entry in Crontabs::read(&OF_DCRON.crontabs, Path::new("/")).entries {
            jobs.add(&entry.command, entry.user);
        }
        jobs.commands.sort_unstable();
        jobs
    }

    fn add(&mut self, command: &[u8], user: Vec<u8>) {
        self.commands.push(command.trim_ascii().to_vec());
        self.users.insert(user);
    }

    /// Reports whether these are the arguments of a process that runs one of the commands: those of
    /// the shell, or those of the program that the shell has become, which may be a script.
    fn have(&self, arguments: &[u8]) -> bool {
        let words: Vec<&[u8]> = items(arguments).collect();
        if let [_, b"-c", text] = words[..] {
            return self.has(text.trim_ascii());
        }
        (0..words.len().min(2)).any(|first| {
            let program = words[first..].join(&b' ');
            self.has(&program)
                || REDIRECTIONS.iter().any(|begin| self.has_prefix(&[&program[..], begin].concat()))
        })
    }

    fn has(&self, command: &[u8]) -> bool {
        self.commands.binary_search_by(|known| known[..].cmp(command)).is_ok()
    }

    /// Reports whether a command begins with these bytes.
    fn has_prefix(&self, prefix: &[u8]) -> bool {
        let at = self.commands.partition_point(|known| known[..] < *prefix);
        self.commands.get(at).is_some_and(|command| command.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_the_arguments_of_its_shell_or_of_what_that_has_become() {
        let mut jobs = CrontabJobs::default();
        for command in ["other", "/opt/job fg 200 >/dev/null 2>&1", "sleep 300", "/opt/job"] {
            jobs.add(command.as_bytes(), b"root".to_vec());
        }
        jobs.commands.sort_unstable();
        for arguments in [
            &b"/bin/sh\0-c\0/opt/job fg 200 >/dev/null 2>&1\0"[..],
            b"/opt/job\0fg\x00200\0",
            b"/bin/sh\0/opt/job\0fg\x00200\0",
            b"sleep\x00300\0",
        ] {
            assert!(jobs.have(arguments), "{}", arguments.escape_ascii());
        }
        for arguments in [
            &b"/bin/sh\0-c\0/opt/job fg\0"[..],
            b"/opt/job\0fg\0",
            b"/opt/job\0fg\x0020\0",
            b"/usr/bin/env\0sh\0/opt/job\0fg\x00200\0",
            b"",
        ] {
            assert!(!jobs.have(arguments), "{}", arguments.escape_ascii());
        }
    }
}
