//! What a process looks like, as a sign that a job has left it behind. Processes keep their looks,
//! so that each of them is looked at once in a wait with many scans.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use memchr::memmem;

use super::Error;
use super::crontab::Crontabs;
use super::daemon::Daemon;
use super::job_candidate::JobCandidate;
use super::kinds::{self, OF_DCRON};
use super::orphan::{JobLike, arguments, passed_on, user_of_job};
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
    /// The users with a crontab of any kind that is known, when they were needed.
    users: Option<BTreeSet<Vec<u8>>>,
    /// What is known about busybox's crond and dcron that run now, by pid.
    daemons: BTreeMap<Pid, DaemonLook>,
}

/// The facts about a daemon by which its jobs are known.
struct DaemonLook {
    /// The variables that it passes on.
    passed_on: Vec<Vec<u8>>,
    /// `true` if its crontabs are not in the usual directories.
    reads_elsewhere: bool,
}

/// Variables that a daemon has that was started with the machine: Linux gives `TERM` to the first
/// process, and sysvinit `RUNLEVEL` to all. One that was started anew by hand has others.
const OF_BOOT: [&[u8]; 5] =
    [b"TERM=linux", b"RUNLEVEL=2", b"RUNLEVEL=3", b"RUNLEVEL=4", b"RUNLEVEL=5"];

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
        let (mut usual, mut is_read_elsewhere) = (Vec::new(), false);
        for daemon in daemons.iter().filter(|daemon| daemon.is_dcron()) {
            let look = self.daemon(proc, daemon)?;
            usual.extend_from_slice(&look.passed_on);
            is_read_elsewhere |= look.reads_elsewhere;
        }
        if leads_group {
            usual.extend(OF_BOOT.map(<[u8]>::to_vec));
        }
        let Some(like) = user_of_job(proc, pid, &usual)? else { return Ok(None) };
        // Where another kind of cron runs, nothing of these two has run before it.
        if leads_group && daemons.iter().all(Daemon::is_dcron) {
            let Some(arguments) = arguments(proc, pid)? else { return Ok(None) };
            let crontabs = self.crontabs.get_or_insert_with(CrontabJobs::read);
            if crontabs.have(&arguments) {
                return Ok(Some(Look::Job));
            }
            // A crond that was started in a terminal passes on what that has set. So does a shell
            // there. Without that, su(1) makes the same environment.
            let is_crond_here = !daemons.is_empty();
            match &like {
                JobLike::Of(user)
                    if is_crond_here && (is_read_elsewhere || crontabs.users.contains(user)) =>
                {
                    return Ok(Some(Look::Job));
                }
                JobLike::Foreign(user) if is_crond_here && crontabs.users.contains(user) => {
                    return Ok(Some(Look::Environment));
                }
                _ => {}
            }
        }
        Ok(Some(match like {
            JobLike::Of(user) if is_read_elsewhere || self.may_have_jobs(&user, daemons) => {
                Look::Environment
            }
            JobLike::Of(_) | JobLike::Foreign(_) | JobLike::Nobody => Look::Stranger,
        }))
    }

    /// Looks at a running daemon, once.
    fn daemon(&mut self, proc: &Proc, daemon: &Daemon) -> Result<&DaemonLook, Error> {
        Ok(match self.daemons.entry(daemon.pid) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(DaemonLook {
                passed_on: passed_on(proc, daemon.pid)?,
                reads_elsewhere: arguments(proc, daemon.pid)?
                    .is_some_and(|arguments| names_directory(&arguments)),
            }),
        })
    }

    /// Reports whether a user may have jobs: a crontab names the user, or the crontabs of a daemon
    /// are not known.
    fn may_have_jobs(&mut self, user: &[u8], daemons: &[Daemon]) -> bool {
        if daemons.iter().any(|daemon| daemon.habits().is_none()) {
            return true;
        }
        let users = self.users.get_or_insert_with(|| {
            let places = kinds::all_crontabs();
            let read = places.map(|places| Crontabs::read(places, Path::new("/")).entries);
            read.flatten().map(|entry| entry.user).collect()
        });
        users.contains(user)
    }
}

/// Reports whether these arguments of busybox's crond or of dcron name a directory of crontabs: `-c`
/// in both, `-s` in dcron. Behind the other letters stands their own value.
fn names_directory(arguments: &[u8]) -> bool {
    let options = items(arguments).skip(1).filter_map(|word| word.strip_prefix(b"-"));
    let letters = |option: &[u8]| {
        let letters = option.iter().take_while(|letter| !b"LlMmt".contains(letter));
        letters.copied().any(|letter| letter == b'c' || letter == b's')
    };
    options.into_iter().any(letters)
}

/// What the crontabs of busybox's crond and of dcron say about their jobs.
#[derive(Default)]
struct CrontabJobs {
    /// All commands, each between two newlines: a user may have thousands, and one search must do.
    commands: Vec<u8>,
    users: BTreeSet<Vec<u8>>,
}

impl CrontabJobs {
    fn read() -> CrontabJobs {
        let mut jobs = CrontabJobs::default();
        for entry in Crontabs::read(&OF_DCRON.crontabs, Path::new("/")).entries {
            jobs.add(&entry.command, entry.user);
        }
        jobs
    }

    fn add(&mut self, command: &[u8], user: Vec<u8>) {
        self.commands.push(b'\n');
        self.commands.extend_from_slice(command.trim_ascii());
        self.commands.push(b'\n');
        self.users.insert(user);
    }

    /// Reports whether these are the arguments of a process that runs one of the commands: those of
    /// the shell, or those of the program that the shell has become. That may be a script, and may
    /// stand behind others, as in `nice -n 5 backup >>log`.
    fn have(&self, arguments: &[u8]) -> bool {
        let words: Vec<&[u8]> = items(arguments).collect();
        if let [_, b"-c", text] = words[..] {
            return self.has_line(text);
        }
        (0..words.len().min(2)).any(|first| {
            let program = &words[first..];
            // A single word, such as `sh`, is part of too many commands.
            let is_telling = program.len() > 1 || program[0].contains(&b'/');
            let text = program.join(&b' ');
            self.has_line(&text) || is_telling && self.has_part(&text)
        })
    }

    fn has_line(&self, text: &[u8]) -> bool {
        memmem::find(&self.commands, &[b"\n", text.trim_ascii(), b"\n"].concat()).is_some()
    }

    /// Reports whether a command contains this text between blanks or operators of the shell.
    fn has_part(&self, text: &[u8]) -> bool {
        let is_border = |byte: u8| b"\n \t;&|()<>".contains(&byte);
        memmem::find_iter(&self.commands, text).any(|at| {
            let after = self.commands.get(at + text.len()).copied();
            at > 0 && is_border(self.commands[at - 1]) && after.is_none_or(is_border)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_crontabs_is_named_by_an_option() {
        for arguments in [
            &b"crond\0-c\0/etc/c\0"[..],
            b"busybox\0crond\0-f\0-c/etc/c\0",
            b"crond\0-bs\0/etc/c\0",
        ] {
            assert!(names_directory(arguments), "{}", arguments.escape_ascii());
        }
        for arguments in [
            &b"crond\0"[..],
            b"crond\0-f\0-l\x008\0",
            b"crond\0-L/var/log/cron\0",
            b"crond\0-S\0-b\0/etc/c\0",
            b"",
        ] {
            assert!(!names_directory(arguments), "{}", arguments.escape_ascii());
        }
    }

    #[test]
    fn a_command_is_known_by_the_arguments_of_its_shell_or_of_what_that_has_become() {
        let mut jobs = CrontabJobs::default();
        for command in [
            "other",
            "/opt/job fg 200 >/dev/null 2>&1",
            "sleep 300",
            "X=1 nice -n 5 /opt/nice me; true",
            "backup",
        ] {
            jobs.add(command.as_bytes(), b"root".to_vec());
        }
        for arguments in [
            &b"/bin/sh\0-c\0/opt/job fg 200 >/dev/null 2>&1\0"[..],
            b"/opt/job\0fg\x00200\0",
            b"/bin/sh\0/opt/job\0fg\x00200\0",
            b"sleep\x00300\0",
            b"/bin/sh\0/opt/nice\0me\0",
            b"backup\0",
        ] {
            assert!(jobs.have(arguments), "{}", arguments.escape_ascii());
        }
        for arguments in [
            &b"/bin/sh\0-c\0/opt/job fg\0"[..],
            b"/opt/job\0fg\x0020\0",
            b"true\0",
            b"/usr/bin/env\0sh\0/opt/job\0fg\x00200\0",
            b"",
        ] {
            assert!(!jobs.have(arguments), "{}", arguments.escape_ascii());
        }
    }
}
