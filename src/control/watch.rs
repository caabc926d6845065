//! Waiting for many processes to exit, in one sleep in the kernel.
//!
//! Every process is watched through a pidfd of its own, which costs a descriptor. Processes beyond
//! the limit of descriptors are watched by threads that have descriptor tables of their own (see
//! [`helper`]), so that the exit of one of 30,000 is noticed as soon as that of one of three.

mod helper;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::descriptors::Room;
use super::kernel::{self, ExitInfo, ExitStatus};
use super::reference::{Identity, Life, life};
use super::{Error, Interrupts, Reference, Signal, unless_reaped};
use crate::process::{Files, Lookup, Pid, Proc, ReadError};

use helper::Helpers;

/// Time that the parent of a zombie has to reap it. Only after that does the kernel tell the exit
/// status to other processes.
const REAPED_WITHIN: Duration = Duration::from_secs(1);

/// The longest single sleep: epoll_wait(2) takes milliseconds in an int.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Number of events that are taken from the kernel at once.
const BATCH: usize = 256;

/// The token of the signals to us, which are watched besides the processes.
const INTERRUPTS: u64 = u64::MAX;

/// The token of the helper threads.
const HELPERS: u64 = u64::MAX - 1;

/// An event that a watch has noticed.
#[derive(Debug)]
pub enum WatchEvent {
    /// A process has exited.
    Ended(Ending),
    /// We received a signal to end.
    Interrupted(Signal),
    /// The time is over.
    Time,
}

/// The exit of a process.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// The token that it was added with.
    pub token: usize,
    /// Its exit status, if it was asked for and is known.
    pub status: Option<ExitStatus>,
}

/// The processes to watch, and how.
pub struct WatchConfig<'r> {
    /// References, each with a token.
    pub references: &'r [(usize, &'r Reference)],
    /// The room for descriptors.
    pub room: Room,
    /// `true` to wait, up to a second, until the kernel tells the exit status.
    pub wants_status: bool,
    /// `true` if only the exit of all of them matters.
    pub wants_all: bool,
}

/// The processes that are watched.
pub struct Watch<'w> {
    proc: &'w Proc,
    interrupts: Option<&'w Interrupts>,
    epoll: OwnedFd,
    watched: BTreeMap<usize, Watched>,
    wants_status: bool,
    /// Zombies whose exit status is waited for, the longest waiting first.
    lingering: VecDeque<(Instant, usize)>,
    /// Exits that were noticed and not reported yet.
    ready: VecDeque<Ending>,
    events: Vec<epoll::Event>,
    helpers: Option<Helpers>,
    /// Processes that there is no room for yet, where helper threads are not permitted.
    later: VecDeque<(usize, Identity)>,
}

struct Watched {
    pid: Pid,
    pidfd: Rc<OwnedFd>,
    is_lingering: bool,
}

impl<'w> Watch<'w> {
    /// Makes a watch without processes. See [`WatchConfig`] for `wants_status`.
    pub fn new(
        proc: &'w Proc,
        interrupts: Option<&'w Interrupts>,
        wants_status: bool,
    ) -> Result<Watch<'w>, Error> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(Error::kernel("wait for processes"))?;
        if let Some(interrupts) = interrupts {
            let token = epoll::EventData::new_u64(INTERRUPTS);
            epoll::add(&epoll, interrupts, token, epoll::EventFlags::IN)
                .map_err(Error::kernel("wait for signals"))?;
        }
        Ok(Watch {
            proc,
            interrupts,
            epoll,
            watched: BTreeMap::new(),
            wants_status,
            lingering: VecDeque::new(),
            ready: VecDeque::new(),
            events: Vec::with_capacity(BATCH),
            helpers: None,
            later: VecDeque::new(),
        })
    }

    /// Makes a watch over some processes.
    pub fn start(
        proc: &'w Proc,
        interrupts: &'w Interrupts,
        config: WatchConfig<'_>,
    ) -> Result<Watch<'w>, Error> {
        let WatchConfig { references, room, wants_status, wants_all } = config;
        let mut watch = Watch::new(proc, Some(interrupts), wants_status)?;
        if references.len() <= room.processes {
            watch.add_all(references)?;
            return Ok(watch);
        }
        let too_many = Error::too_many(references.len(), room);
        let Some(identities) = identities(references) else { return Err(too_many) };
        match Helpers::start(&identities, room.processes, wants_status, proc.path())? {
            Some(helpers) => {
                let (token, flags) = (epoll::EventData::new_u64(HELPERS), epoll::EventFlags::IN);
                epoll::add(&watch.epoll, &helpers, token, flags)
                    .map_err(Error::kernel("wait for processes"))?;
                watch.helpers = Some(helpers);
            }
            // They can be watched one after another, because only the exit of the last one matters.
            None if wants_all => {
                watch.later = identities.into();
                for _ in 0..room.processes {
                    watch.add_later()?;
                }
            }
            None if room.more().is_some_and(|room| references.len() <= room.processes) => {
                watch.add_all(references)?
            }
            None => return Err(too_many),
        }
        Ok(watch)
    }

    fn add_all(&mut self, references: &[(usize, &Reference)]) -> Result<(), Error> {
        references.iter().try_for_each(|&(token, reference)| self.add(token, reference))
    }

    /// Watches the next of the processes that there was no room for.
    fn add_later(&mut self) -> Result<(), Error> {
        while let Some((token, identity)) = self.later.pop_front() {
            match unless_reaped(self.proc, identity.pid, identity.open())? {
                Some(pidfd) => return self.add_pidfd(token, identity.pid, Rc::new(pidfd)),
                None => self.ready.push_back(Ending { token, status: None }),
            }
        }
        Ok(())
    }

    /// Takes out the processes that have exited before there was room to watch them.
    fn check_later(&mut self) -> Result<(), Error> {
        for (token, identity) in std::mem::take(&mut self.later) {
            let life = identity.open().and_then(|pidfd| life(&pidfd));
            match unless_reaped(self.proc, identity.pid, life)? {
                Some(Life::Alive) => self.later.push_back((token, identity)),
                _ => self.ready.push_back(Ending { token, status: None }),
            }
        }
        Ok(())
    }

    /// Watches another process.
    pub fn add(&mut self, token: usize, reference: &Reference) -> Result<(), Error> {
        match unless_reaped(self.proc, reference.pid(), reference.pidfd())? {
            Some(pidfd) => self.add_pidfd(token, reference.pid(), pidfd),
            None => {
                self.ready.push_back(Ending { token, status: None });
                Ok(())
            }
        }
    }

    fn add_pidfd(&mut self, token: usize, pid: Pid, pidfd: Rc<OwnedFd>) -> Result<(), Error> {
        let data = epoll::EventData::new_u64(token as u64);
        epoll::add(&self.epoll, &*pidfd, data, epoll::EventFlags::IN)
            .map_err(Error::kernel("wait for a process"))?;
        self.watched.insert(token, Watched { pid, pidfd, is_lingering: false });
        Ok(())
    }

    /// Returns the time at which something happens in any case.
    pub fn due(&self) -> Option<Instant> {
        self.lingering.front().map(|&(end, _)| end)
    }

    /// Reports whether the next event has happened already.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns the next event, or [`WatchEvent::Time`] at this time.
    pub fn next(&mut self, until: Option<Instant>) -> Result<WatchEvent, Error> {
        let mut has_slept = false;
        loop {
            if let Some(ending) = self.ready.pop_front() {
                return Ok(WatchEvent::Ended(ending));
            }
            let now = Instant::now();
            if let Some(&(_, token)) = self.lingering.front().filter(|(end, _)| *end <= now) {
                self.lingering.pop_front();
                self.finish(token, None)?;
                continue;
            }
            // Events that came in time are reported before the end of the time.
            if has_slept && until.is_some_and(|until| until <= now) {
                self.check_later()?;
                if self.ready.is_empty() {
                    return Ok(WatchEvent::Time);
                }
                continue;
            }
            let lingering = self.lingering.front().map(|&(end, _)| end);
            let wake = until.into_iter().chain(lingering).min();
            if let Some(signal) =
                self.sleep(wake.map(|wake| wake.saturating_duration_since(now)))?
            {
                return Ok(WatchEvent::Interrupted(signal));
            }
            has_slept = true;
        }
    }

    /// Sleeps until something happens or this time is over, and notes all events.
    fn sleep(&mut self, time: Option<Duration>) -> Result<Option<Signal>, Error> {
        let time = time.and_then(sleep_time);
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::kernel("wait for processes")(errno)),
        }
        let mut signal = None;
        let events = std::mem::take(&mut self.events);
        for event in &events {
            match event.data.u64() {
                INTERRUPTS => {
                    signal = self.interrupts.map(Interrupts::arrived).transpose()?.flatten()
                }
                HELPERS => self.take_reports()?,
                token => self.handle(token as usize, event.flags)?,
            }
        }
        self.events = events;
        Ok(signal)
    }

    /// Takes over the exits that the helper threads have noticed.
    fn take_reports(&mut self) -> Result<(), Error> {
        if let Some(helpers) = &self.helpers {
            helpers.take_reports(|ending| self.ready.push_back(ending))?;
        }
        Ok(())
    }

    /// Handles the event that all threads of a process have exited or, with HUP, that it was
    /// reaped.
    fn handle(&mut self, token: usize, flags: epoll::EventFlags) -> Result<(), Error> {
        let Some(watched) = self.watched.get_mut(&token) else { return Ok(()) };
        if !self.wants_status {
            return self.finish(token, None);
        }
        let info =
            kernel::exit_info(&watched.pidfd).map_err(Error::kernel("ask for an exit status"))?;
        let status = match info {
            ExitInfo::Known(status) => Some(status),
            _ if watched.is_lingering => None,
            _ => status_of_zombie(self.proc, watched)?,
        };
        // Before Linux 6.9 HUP does not report that the process was reaped, and no kernel before
        // 6.13 has an answer then.
        if status.is_some() || info == ExitInfo::Never || flags.contains(epoll::EventFlags::HUP) {
            return self.finish(token, status);
        }
        watched.is_lingering = true;
        // From now on only HUP matters, which epoll always reports.
        let data = epoll::EventData::new_u64(token as u64);
        epoll::modify(&self.epoll, &watched.pidfd, data, epoll::EventFlags::empty())
            .map_err(Error::kernel("wait for a process"))?;
        self.lingering.push_back((Instant::now() + REAPED_WITHIN, token));
        Ok(())
    }

    /// Reports the exit of a process, which is watched no longer, and fills its place.
    fn finish(&mut self, token: usize, status: Option<ExitStatus>) -> Result<(), Error> {
        let Some(watched) = self.watched.remove(&token) else { return Ok(()) };
        // This cannot fail for a pidfd that was added. One that stays would only be reported again.
        let _ = epoll::delete(&self.epoll, &watched.pidfd);
        if watched.is_lingering {
            self.lingering.retain(|&(_, lingering)| lingering != token);
        }
        self.ready.push_back(Ending { token, status });
        drop(watched);
        self.add_later()
    }
}

impl AsFd for Watch<'_> {
    /// It is readable when a process has ended, or a signal has arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Returns the identities of these references; `None` if one of them has none (before Linux 6.9).
fn identities(references: &[(usize, &Reference)]) -> Option<Vec<(usize, Identity)>> {
    references.iter().map(|&(token, reference)| Some((token, reference.identity()?))).collect()
}

/// Returns the time to sleep as epoll takes it. It is rounded up to the next millisecond, the
/// kernel's unit here: waking too early would only repeat the call.
fn sleep_time(time: Duration) -> Option<Timespec> {
    let time = Duration::from_millis((time.as_micros() as u64).div_ceil(1000));
    Timespec::try_from(time.min(LONGEST_SLEEP)).ok()
}

/// Returns the exit status of a zombie from /proc, before its parent reaps it.
fn status_of_zombie(proc: &Proc, watched: &Watched) -> Result<Option<ExitStatus>, Error> {
    let Lookup::Found(process) = proc.process(watched.pid, Files::NONE)? else { return Ok(None) };
    let read = match process.wait_status() {
        // It was reaped meanwhile, or is not shown to us.
        Err(unread) if unread == ReadError::Exited || unread.is_unavailable() => return Ok(None),
        read => process.lookup(read)?,
    };
    // It is not reaped yet, so that what was read by its number was its own.
    let is_its_own =
        matches!(proc.lookup(watched.pid, life(&watched.pidfd))?, Lookup::Found(Life::Zombie));
    Ok(match read {
        Lookup::Found(status) if is_its_own => Some(ExitStatus::from_raw(status)),
        _ => None,
    })
}
