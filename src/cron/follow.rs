//! Following the daemons: every job that starts and ends, with its exit status, while nothing is
//! changed.
//!
//! Where the kernel tells of every fork, exec and exit ([`ProcessEvents`]), no job is too short.
//! Elsewhere, as in a container, the children of the daemons are looked at again and again, most of
//! all when a minute begins, and each is held by a pidfd, through which the kernel tells its exit
//! status since Linux 6.15.

mod begin;
mod changes;
mod family;
mod job;
mod lines;
mod look;
mod memory;
mod pace;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Daemon, DaemonSelector, Error, find, kinds};
use crate::control::{
    self, Ending, Interrupts, NoEvents, ProcessEvents, Received, Signal, Watch, WatchEvent,
    clock_offset, most_held,
};
use crate::process::{Pid, Proc};

use begin::{Tell, Unread};
use family::Family;
pub use job::{CrontabLine, FollowedJob, JobEnd, JobEvent, Way};
use lines::Lines;
use memory::Readings;
use pace::{Looks, Search};

/// Most reads of events of the kernel before we look for a signal to us.
const BATCH: usize = 256;

/// Most readings of the memory of jobs before we look for events.
const READINGS: usize = 4;

/// The next thing that has happened.
pub enum Step {
    Event(JobEvent),
    /// The time that was given has come.
    Time,
    /// We received a signal to end.
    Interrupted(Signal),
    /// The reader of our output has gone.
    Unheard,
    /// The only process that was to be followed has ended, and so have its jobs.
    Over,
}

/// The daemons that are followed, with their jobs.
pub struct Follow<'f> {
    proc: &'f Proc,
    wanted: DaemonSelector,
    /// `None` where the kernel has none for us.
    events: Option<ProcessEvents>,
    /// Signals to us and, without events, the ends of processes.
    watch: Watch<'f>,
    daemons: Vec<Daemon>,
    /// Daemons that have ended. Their jobs go on.
    former: VecDeque<Daemon>,
    family: Family,
    unread: Unread,
    jobs: BTreeMap<Pid, FollowedJob>,
    lines: Lines,
    readings: Readings,
    search: Search,
    looks: Looks,
    /// A signal to end that we have received.
    interrupted: Option<Signal>,
    /// `true` if the kernel has discarded events, and what happened meanwhile is not found out yet.
    has_lost: bool,
    /// The latest pid of the machine before the last look.
    latest: Option<Pid>,
    /// Until then, the events of the kernel wait: on a busy machine most are of other processes.
    rests_until: Instant,
    /// Most processes of which a pidfd is held.
    room: usize,
    ready: VecDeque<JobEvent>,
}

impl<'f> Follow<'f> {
    /// Begins to follow the daemons that run now, and their jobs. The second result says why the
    /// kernel has no process events, if it has none.
    pub fn start(
        proc: &'f Proc,
        interrupts: &'f Interrupts,
        wanted: DaemonSelector,
    ) -> Result<(Follow<'f>, Option<NoEvents>), Error> {
        // Before the first look, so that nothing between the two is missed.
        let (events, reason) = match ProcessEvents::listen() {
            Ok(events) => (Some(events), None),
            Err(reason) => (None, Some(reason)),
        };
        let now = Instant::now();
        let mut follow = Follow {
            proc,
            wanted,
            events,
            watch: Watch::new(proc, Some(interrupts), true)?,
            daemons: Vec::new(),
            former: VecDeque::new(),
            family: Family::default(),
            unread: Unread::default(),
            jobs: BTreeMap::new(),
            lines: Lines::default(),
            readings: Readings::default(),
            search: Search::new(now),
            looks: Looks::new(now),
            interrupted: None,
            has_lost: false,
            latest: None,
            rests_until: now,
            room: most_held(proc),
            ready: VecDeque::new(),
        };
        follow.search(JobEvent::Running)?;
        if follow.daemons.is_empty() {
            follow.ready.push_back(JobEvent::NoDaemon);
        }
        Ok((follow, reason))
    }

    /// Reports whether nothing can happen any more.
    fn is_over(&self) -> bool {
        let is_for_one = matches!(self.wanted, DaemonSelector::Pid(_));
        let has_jobs = !self.jobs.is_empty() || !self.unread.is_empty();
        is_for_one && !self.has_daemon() && !has_jobs && !self.family.may_begin()
    }

    /// Reports whether a daemon is followed.
    pub fn has_daemon(&self) -> bool {
        !self.daemons.is_empty()
    }

    /// Reports whether the next event has happened already.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Waits for the next event, until this time or until this reader of our output has gone.
    pub fn next(
        &mut self,
        until: Option<Instant>,
        reader: Option<BorrowedFd<'_>>,
    ) -> Result<Step, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Step::Event(event));
            }
            // What has happened before the signal is told first.
            if let Some(signal) = self.interrupted {
                return Ok(Step::Interrupted(signal));
            }
            let now = Instant::now();
            if until.is_some_and(|until| until <= now) {
                return Ok(Step::Time);
            }
            if self.is_over() {
                return Ok(Step::Over);
            }
            self.do_what_is_due(now)?;
            if self.ready.is_empty()
                && let Some(step) = self.sleep(until, reader)?
            {
                return Ok(step);
            }
        }
    }

    /// Does what is due at this time.
    fn do_what_is_due(&mut self, now: Instant) -> Result<(), Error> {
        if self.search.due() <= now {
            self.search(JobEvent::Started)?;
        }
        if self.events.is_none() && self.looks.due() <= now {
            // Without a new process there is no new job. The list of children is long where many
            // jobs run, and this is not.
            let latest = self.proc.latest_pid();
            if latest.is_none() || latest != self.latest || self.family.is_unsettled() {
                self.latest = latest;
                if self.look(JobEvent::Started)? {
                    self.looks.note_new();
                }
            }
            self.check_unheld()?;
            self.looks.note_look(now);
        }
        self.begin_unread(now)?;
        // Events do not wait for all of them: what they tell of may be gone soon.
        for _ in 0..READINGS {
            let Some(pid) = self.readings.take(now) else { break };
            self.read_memory(pid)?;
        }
        Ok(())
    }

    /// Sleeps until something happens, and notes it.
    fn sleep(
        &mut self,
        until: Option<Instant>,
        reader: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Step>, Error> {
        let look = self.events.is_none().then(|| self.looks.due());
        let search = Some(self.search.due());
        let reads = [self.unread.next(), self.readings.next()];
        let due = [until, search, look, self.watch.due()].into_iter().chain(reads);
        let wake = due.flatten().min();
        let now = Instant::now();
        let mut time = wake.map(|wake| wake.saturating_duration_since(now));
        let rest = self.rests_until.saturating_duration_since(now);
        if !rest.is_zero() {
            time = time.map(|time| time.min(rest)).or(Some(rest));
        }
        let [has_ended, has_events, is_unheard] = self.wait(time, reader, rest.is_zero())?;
        if is_unheard {
            return Ok(Some(Step::Unheard));
        }
        if has_events {
            self.take_events()?;
        }
        if !has_ended && self.watch.due().is_none_or(|due| due > Instant::now()) {
            return Ok(None);
        }
        loop {
            match self.watch.next(Some(Instant::now()))? {
                WatchEvent::Ended(Ending { token, status }) => self.note_end(token, status)?,
                WatchEvent::Interrupted(signal) => {
                    // They may have waited while we rested.
                    self.take_events()?;
                    self.interrupted = Some(signal);
                }
                WatchEvent::Time => return Ok(None),
            }
        }
    }

    /// Waits for this time at most. Reports whether a watched process has ended, or a signal has
    /// come; whether there are events of the kernel; and whether the reader has gone.
    fn wait(
        &self,
        time: Option<Duration>,
        reader: Option<BorrowedFd<'_>>,
        heeds_events: bool,
    ) -> Result<[bool; 3], Error> {
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        let mut polled = vec![PollFd::new(&self.watch, PollFlags::IN)];
        let events = self.events.iter().filter(|_| heeds_events);
        polled.extend(events.map(|events| PollFd::new(events, PollFlags::IN)));
        let with_events = polled.len();
        polled.extend(reader.map(|reader| PollFd::from_borrowed_fd(reader, PollFlags::empty())));
        match poll(&mut polled, time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                return Err(control::Error::Kernel { what: "wait for processes", errno }.into());
            }
        }
        let has = |at: usize| polled.get(at).is_some_and(|polled| !polled.revents().is_empty());
        Ok([has(0), with_events > 1 && has(1), has(with_events)])
    }

    /// Takes the events that the kernel has for us.
    fn take_events(&mut self) -> Result<(), Error> {
        let (offset, births) = (clock_offset(), self.family.births);
        for _ in 0..BATCH {
            let Some(events) = &self.events else { break };
            let received = events.next().map_err(|errno| control::Error::Kernel {
                what: "receive the kernel's process events",
                errno,
            })?;
            match received {
                Received::Events(events) => {
                    for event in events {
                        let time = event.since_boot(offset);
                        if let Some(change) = self.family.note(&event.event, time) {
                            self.change(change, time)?;
                        }
                    }
                }
                Received::Lost => self.has_lost = true,
                // The kernel discards all further events until the last one that it kept is read
                // (NETLINK_S_CONGESTED in net/netlink/af_netlink.c): this is the time to look.
                Received::Nothing if self.has_lost => {
                    self.has_lost = false;
                    self.mend()?;
                }
                Received::Nothing => break,
            }
        }
        if self.family.births > births {
            self.looks.note_new();
        }
        self.rests_until = Instant::now() + self.looks.patience();
        Ok(())
    }

    /// Searches for daemons, and follows those that are new. `tell` is for the jobs that they run
    /// already.
    fn search(&mut self, tell: Tell) -> Result<(), Error> {
        let begin = Instant::now();
        let found = find(self.proc, &self.wanted)?;
        let mut is_new = false;
        for daemon in found.daemons {
            let is_known = |known: &Daemon| {
                (known.pid, known.reference.inode()) == (daemon.pid, daemon.reference.inode())
            };
            if !self.daemons.iter().any(is_known) {
                self.follow(daemon)?;
                is_new = true;
            }
        }
        self.search.note_search(begin, Instant::now(), self.has_daemon());
        if is_new {
            self.look(tell)?;
        }
        Ok(())
    }

    /// Reports whether a daemon may have an executable of this name.
    fn is_wanted(&self, exe_name: &[u8]) -> bool {
        match &self.wanted {
            DaemonSelector::Of(scheduler) => {
                kinds::kind(exe_name).is_some_and(|kind| kind.scheduler == *scheduler)
                    || kinds::is_multi_call(exe_name)
            }
            DaemonSelector::Named(name) => name == exe_name,
            DaemonSelector::Pid(_) => false,
        }
    }

    /// Returns a daemon, also one that has ended.
    fn daemon(&self, pid: Pid) -> Option<&Daemon> {
        self.daemons.iter().chain(&self.former).find(|daemon| daemon.pid == pid)
    }
}
