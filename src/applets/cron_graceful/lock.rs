//! The lock of `cron-graceful`: only one run at a time changes anything. Who has it, and who holds
//! cron meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::cron::{self, Answer, Holder, Request};
use crate::exit::Refusal;
use crate::output::cron::{duration, held_since};
use crate::process::Pid;

/// The lock file.
const LOCK: &str = "/run/cron-graceful.lock";

/// Takes the lock that keeps a second run from working at the same time. A refusal has no times
/// where it is to be brief.
pub fn lock(is_brief: bool) -> anyhow::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = options.open(LOCK).with_context(|| format!("cannot open '{LOCK}'"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // If the directory was cleaned meanwhile, the next run would open another file.
        Ok(())
            if std::fs::metadata(LOCK)
                .is_ok_and(|named| file.metadata().is_ok_and(|own| own.ino() == named.ino())) =>
        {
            // The next run tells its user whom to ask.
            file.set_len(0)
                .and_then(|()| writeln!(&file, "{}", std::process::id()))
                .with_context(|| format!("cannot write '{LOCK}'"))?;
            Ok(file)
        }
        Ok(()) => bail!("'{LOCK}' was removed meanwhile: try again"),
        Err(Errno::WOULDBLOCK) => {
            // Whoever does not answer is described by the file.
            if let Ok(Some(holder)) = asked_holder() {
                let held =
                    if is_brief { format!("held by {}", holder.by) } else { held_since(&holder) };
                return Err(Refusal::nothing(format!("cron is {held}: nothing was done")).into());
            }
            let holder = holder(&file).unwrap_or_else(|| "another cron-graceful".to_owned());
            let why = format!("{holder} is at work and holds {LOCK}: nothing was done");
            Err(Refusal::nothing(why).into())
        }
        Err(errno) => Err(errno).with_context(|| format!("cannot lock '{LOCK}'")),
    }
}

/// Describes another run that is at work; `None` if there is none, or if we may not know.
pub fn other_run() -> Option<String> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(LOCK).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => {
            Some(holder(&file).unwrap_or_else(|| "another cron-graceful".to_owned()))
        }
        _ => None,
    }
}

/// Describes the run that holds the lock: its pid, and how long it has held the lock; `None` where
/// the file does not tell.
fn holder(file: &File) -> Option<String> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    let pid: Pid = text.trim().parse().ok()?;
    let time = file.metadata().ok()?.modified().ok()?.elapsed().ok()?;
    Some(format!("another cron-graceful (process {pid}, for {})", duration(time)))
}

/// Returns the one who holds cron; `None` also for ordinary users, whom it does not tell. Errors:
/// it does not answer.
pub fn asked_holder() -> io::Result<Option<Holder>> {
    match cron::call_holder(&Request::Ask) {
        Ok(Some(Answer::Holding(holder))) => Ok(Some(holder)),
        Ok(Some(Answer::Released(_)) | None) => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}
