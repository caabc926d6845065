//! The lock of `cron-graceful`: only one run at a time changes anything. Who has it, and who holds
//! cron meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::Options;
use super::caller::who;
use crate::cron::{self, Answer, Holder, Request};
use crate::deadline::pause;
use crate::exit::Refusal;
use crate::output::cron::{OtherRun, at_work, held_since};

/// The lock file. It has one line: a pid, who has ordered the run, and [`HOLD`] if it is to hold cron.
const LOCK: &str = "/run/cron-graceful.lock";
const HOLD: &str = "hold";

/// Most bytes of its line.
const LONGEST: u64 = 512;

/// Time in which a look at the lock ends: it takes the lock for a moment, as --list does.
const LOOK: Duration = Duration::from_millis(200);

/// Takes the lock that keeps a second run from working at the same time. A refusal has no times
/// where it is to be brief.
pub fn lock(options: &Options) -> anyhow::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
    let mut opening = File::options();
    opening.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = opening.open(LOCK).with_context(|| format!("cannot open '{LOCK}'"))?;
    let try_lock = || flock(&file, FlockOperation::NonBlockingLockExclusive);
    let end = Instant::now() + LOOK;
    let mut locked = try_lock();
    while locked == Err(Errno::WOULDBLOCK) && pause(end).is_ok() {
        locked = try_lock();
    }
    match locked {
        // If the directory was cleaned meanwhile, the next run would open another file.
        Ok(())
            if std::fs::metadata(LOCK)
                .is_ok_and(|named| file.metadata().is_ok_and(|own| own.ino() == named.ino())) =>
        {
            // The next run tells its user whom to ask.
            file.set_len(0)
                .and_then(|()| {
                    let purpose = if options.hold { HOLD } else { "" };
                    writeln!(&file, "{} {} {purpose}", std::process::id(), who())
                })
                .with_context(|| format!("cannot write '{LOCK}'"))?;
            Ok(file)
        }
        Ok(()) => bail!("'{LOCK}' was removed meanwhile: try again"),
        Err(Errno::WOULDBLOCK) => Err(refusal(options, &run(&file)).into()),
        Err(errno) => Err(errno).with_context(|| format!("cannot lock '{LOCK}'")),
    }
}

/// Refuses as [`lock`] does while somebody holds cron, as far as we may know.
pub fn check(options: &Options) -> Result<(), Refusal> {
    match asked_holder() {
        Ok(Some(holder)) => Err(held_by(options, &holder)),
        _ => Ok(()),
    }
}

/// Returns the refusal to work beside another run.
fn refusal(options: &Options, other: &OtherRun) -> Refusal {
    // Whoever does not answer is described by the file.
    if let Ok(Some(holder)) = asked_holder() {
        return held_by(options, &holder);
    }
    let other = at_work(other);
    Refusal::nothing(format!("{other} is at work and holds {LOCK}: nothing was done"))
}

fn held_by(options: &Options, holder: &Holder) -> Refusal {
    let held = if options.summary { format!("held by {}", holder.by) } else { held_since(holder) };
    Refusal::nothing(format!("cron is {held}: nothing was done"))
}

/// Returns another run that is at work; `None` if there is none, or if we may not know.
pub fn other_run() -> Option<OtherRun> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(LOCK).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Some(run(&file)),
        _ => None,
    }
}

/// Returns the run that holds the lock, as far as the file tells. It was written when the run began.
fn run(file: &File) -> OtherRun {
    let mut text = String::new();
    if file.take(LONGEST).read_to_string(&mut text).is_err() {
        return OtherRun::default();
    }
    let mut words = text.split_whitespace();
    OtherRun {
        pid: words.next().and_then(|pid| pid.parse().ok()),
        by: words.next().map(str::to_owned),
        since: file.metadata().and_then(|metadata| metadata.modified()).ok(),
        will_hold: words.next() == Some(HOLD),
    }
}

/// Returns the one who holds cron; `None` also for ordinary users, whom it does not tell. Errors:
/// it does not answer.
pub fn asked_holder() -> io::Result<Option<Holder>> {
    match cron::call_holder(&Request::Ask) {
        Ok(Some(Answer::Holding(holder))) => Ok(Some(holder)),
        Ok(Some(Answer::Released(_) | Answer::Gone(_)) | None) => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}
