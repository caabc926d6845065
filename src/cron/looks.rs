//! What a process looks like, as a sign that a job has left it behind. Processes keep their looks,
//! so that each of them is looked at once in a wait with many scans.

use std::collections::BTreeSet;
use std::path::Path;

use super::Error;
use super::crontab::Crontabs;
use super::job_candidate::JobCandidate;
use super::kinds::OF_DCRON;
use super::orphan::{arguments, is_like_job};
use crate::process::{Pid, Proc, items};

/// The looks of the orphans that scans have met.
#[derive(Default)]
pub struct Looks {
    /// The orphans of the present scan that look like no job, by pid and start time.
    strangers: BTreeSet<(Pid, u64)>,
    /// Those of the scan before it.
    before: BTreeSet<(Pid, u64)>,
    /// The commands of the crontabs, when one was needed.
    commands: Option<Vec<Vec<u8>>>,
}

impl Looks {
    /// Begins another scan, so that processes that have ended are forgotten.
    pub fn begin_scan(&mut self) {
        self.before = std::mem::take(&mut self.strangers);
    }

    /// Reports whether a process has the environment of a job and is no daemon; `None` if it has
    /// exited.
    pub fn are_of_job(
        &mut self,
        proc: &Proc,
        pid: Pid,
        member: &JobCandidate,
    ) -> Result<Option<bool>, Error> {
        self.remember(pid, member, |_| is_like_job(proc, pid))
    }

    /// Reports whether a process leads a process group as a job of busybox's crond or of dcron does,
    /// and has the environment of a job, or runs a command of their crontabs: a crond that was
    /// started in a terminal passes on what that has set. `None` if it has exited.
    pub fn are_of_leader(
        &mut self,
        proc: &Proc,
        pid: Pid,
        member: &JobCandidate,
    ) -> Result<Option<bool>, Error> {
        self.remember(pid, member, |looks| match is_like_job(proc, pid)? {
            Some(false) => {
                Ok(arguments(proc, pid)?.map(|arguments| looks.are_in_crontabs(&arguments)))
            }
            answer => Ok(answer),
        })
    }

    /// Returns an answer about a process, from the scan before if that has met it.
    fn remember(
        &mut self,
        pid: Pid,
        member: &JobCandidate,
        answer: impl FnOnce(&mut Looks) -> Result<Option<bool>, Error>,
    ) -> Result<Option<bool>, Error> {
        let id = (pid, member.start_ticks);
        let is_like = if self.before.contains(&id) { Some(false) } else { answer(self)? };
        if is_like == Some(false) {
            self.strangers.insert(id);
        }
        Ok(is_like)
    }

    /// Reports whether these are the arguments of a command of a crontab.
    fn are_in_crontabs(&mut self, arguments: &[u8]) -> bool {
        let commands = self.commands.get_or_insert_with(|| {
            let crontabs = Crontabs::read(&OF_DCRON.crontabs, Path::new("/"));
            crontabs.entries.into_iter().map(|entry| entry.command).collect()
        });
        commands.iter().any(|command| runs(arguments, command))
    }
}

/// Reports whether these are the arguments of a process that runs this command of a crontab: those
/// of the shell, or those of the program that the shell has become, which may be a script.
fn runs(arguments: &[u8], command: &[u8]) -> bool {
    let words: Vec<&[u8]> = items(arguments).collect();
    let command = command.trim_ascii();
    if let [_, b"-c", text] = words[..] {
        return text.trim_ascii() == command;
    }
    (0..words.len().min(2)).any(|first| {
        let program = words[first..].join(&b' ');
        // What follows may be a redirection, which is no argument.
        command.strip_prefix(&program[..]).is_some_and(|rest| {
            let rest = rest.trim_ascii_start();
            rest.is_empty() || is_redirection(rest)
        })
    })
}

/// Reports whether a text begins with a redirection of a shell, such as `2>&1`.
fn is_redirection(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    matches!(text.get(digits), Some(b'>' | b'<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_the_arguments_of_its_shell_or_of_what_that_has_become() {
        let command = b"/opt/job fg 200 >/dev/null 2>&1";
        assert!(runs(b"/bin/sh\0-c\0/opt/job fg 200 >/dev/null 2>&1\0", command));
        assert!(runs(b"/opt/job\0fg\x00200\0", command));
        assert!(runs(b"/bin/sh\0/opt/job\0fg\x00200\0", command));
        assert!(runs(b"sleep\x00300\0", b"sleep 300"));
        for other in [
            &b"/bin/sh\0-c\0/opt/job fg\0"[..],
            b"/opt/job\0",
            b"/opt/job\0fg\x0020\0",
            b"/usr/bin/env\0sh\0/opt/job\0fg\x00200\0",
            b"",
        ] {
            assert!(!runs(other, command), "{}", other.escape_ascii());
        }
    }
}
