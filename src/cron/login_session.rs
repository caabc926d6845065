//! Login sessions of cron: pam_systemd(8) gives each job a control group of its own, the scope of a
//! session, and logind says whose session it is.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};

use super::Daemon;
use super::kinds::{self, Scheduler};

/// The directory in which logind keeps a file for each session. Only the superuser writes there.
const SESSIONS: &str = "/run/systemd/sessions";

/// Most bytes of such a file that are read. It has some hundred.
const LONGEST: u64 = 16 * 1024;

/// Returns the names of the control groups of cron's sessions, and of those of at(1) where its
/// daemons are among these. Errors: a file could not be read. Without logind there are none.
pub fn scopes(daemons: &[Daemon]) -> io::Result<BTreeSet<Vec<u8>>> {
    let with_at = daemons.iter().any(Daemon::runs_at_jobs);
    let mut scopes = BTreeSet::new();
    let directory = match fs::read_dir(SESSIONS) {
        Ok(directory) => directory,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(scopes),
        Err(error) => return Err(error),
    };
    for entry in directory {
        let entry = entry?;
        // Beside each file there may be a FIFO, which belongs to the session's leader.
        if !entry.file_type()?.is_file() {
            continue;
        }
        let mut text = Vec::new();
        match File::open(entry.path()).and_then(|file| file.take(LONGEST).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        if is_of_scheduler(&text, Scheduler::Cron)
            || with_at && is_of_scheduler(&text, Scheduler::At)
        {
            let name = entry.file_name();
            scopes.insert([b"session-", name.as_encoded_bytes(), b".scope"].concat());
        }
    }
    Ok(scopes)
}

/// Reports whether a daemon of this scheduler has opened the session of this file: the PAM service
/// has the name of the daemon.
fn is_of_scheduler(text: &[u8], scheduler: Scheduler) -> bool {
    text.split(|&byte| byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"SERVICE="))
        .any(|service| kinds::kind(service).is_some_and(|kind| kind.scheduler == scheduler))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_of_cron_by_its_service() {
        let is_of_cron = |text: &[u8]| is_of_scheduler(text, Scheduler::Cron);
        assert!(is_of_cron(b"UID=0\nSERVICE=crond\nTYPE=unspecified\n"));
        assert!(is_of_cron(b"SERVICE=cron") && !is_of_cron(b"SERVICE=atd"));
        assert!(is_of_scheduler(b"SERVICE=atd", Scheduler::At));
        assert!(!is_of_cron(b"UID=0\nSERVICE=sshd\nDESKTOP=cron\n") && !is_of_cron(b""));
    }
}
