//! Carrying out an order on a set of processes, and reporting the outcome of each.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use super::descendants::{self, Gathered};
use super::descriptors::Room;
use super::freeze::{self, RunState};
use super::interrupts::StopHold;
use super::order::{Action, AfterTerm, Conclusion, Observer, Order};
use super::orphan::{OrphanCandidate, TreeBonds};
use super::reason::{self, Reasons};
use super::reference::Life;
use super::target::SessionAndGroup;
use super::watch::{Ending, Watch, WatchConfig, WatchEvent};
use super::{
    Error, Guardian, Interrupts, Outcome, Reference, Refused, Signal, Target, descriptors, orphan,
};
use crate::process::{Files, Lookup, Pid, Proc, ReadError};

/// Time that the look for the reasons may take when the time of the order is over.
const LOOK: Duration = Duration::from_millis(200);

/// An order for a set of targets. No process stays frozen after it, however it ends, except by our
/// own death; then the guardian continues what is frozen.
pub struct Operation<'p> {
    proc: &'p Proc,
    order: Order,
    interrupts: &'p Interrupts,
    targets: Vec<Target>,
    room: Room,
    /// Number of targets that there was no room for.
    surplus: usize,
    begin: Instant,
    is_tree_complete: bool,
    /// The ties between orphans and the tree.
    bonds: TreeBonds,
    /// Orphans that may belong to the tree and were not taken.
    suspects: BTreeSet<Pid>,
    /// Processes that resemble those of the tree, without a tie to it.
    lookalikes: BTreeSet<Pid>,
    /// The guardian that continues what is frozen when we cannot.
    guardian: Option<Guardian>,
    /// The hold that keeps us from being stopped while other processes are frozen.
    stop_hold: Option<StopHold<'p>>,
    /// Messages about targets that were not logged yet.
    journal: Vec<(usize, String)>,
}

impl<'p> Operation<'p> {
    /// Makes an operation without targets. The procfs must be our own (see `Proc::is_ours`).
    pub fn new(proc: &'p Proc, order: Order, interrupts: &'p Interrupts) -> Operation<'p> {
        let room = descriptors::room(proc);
        Operation {
            proc,
            order,
            interrupts,
            targets: Vec::new(),
            room,
            surplus: 0,
            begin: Instant::now(),
            is_tree_complete: true,
            bonds: TreeBonds::new(proc.ticks_now()),
            suspects: BTreeSet::new(),
            lookalikes: BTreeSet::new(),
            guardian: None,
            stop_hold: None,
            journal: Vec::new(),
        }
    }

    /// Counts the time limit from `begin`, and takes orphans that started after it.
    pub fn begun(mut self, begin: Instant) -> Operation<'p> {
        self.begin = begin;
        // A moment earlier, because start times are given in whole ticks.
        let since = begin.elapsed().as_secs_f64() * self.proc.ticks_per_second();
        self.bonds = TreeBonds::new(self.proc.ticks_now().saturating_sub(since as u64 + 1));
        self
    }

    /// Adds a target. Where there are more targets than descriptors, and the kernel gives no other
    /// way to hold them (before Linux 6.9), the rest is only counted: see
    /// [`Operation::check_room`].
    pub fn add(&mut self, mut target: Target) -> Result<(), Error> {
        if self.surplus > 0 {
            self.surplus += 1;
            return Ok(());
        }
        if self.targets.len() >= self.room.processes && !self.release_all(&mut target) {
            match self.room.more() {
                Some(room) if room.processes > self.targets.len() => self.room = room,
                _ => {
                    self.surplus = 1;
                    return Ok(());
                }
            }
        }
        self.targets.push(target);
        Ok(())
    }

    /// Releases the descriptors of all targets and of this one: threads with tables of their own
    /// will open them again. Reports whether this is possible.
    fn release_all(&mut self, newest: &mut Target) -> bool {
        // All earlier targets are released when the room is full for the first time. Later ones
        // are released here as they come.
        let before =
            if self.targets.len() == self.room.processes { &mut self.targets[..] } else { &mut [] };
        before.iter_mut().fold(true, |all, target| release(target) & all) && release(newest)
    }

    /// Fails if there was no room for all targets.
    pub fn check_room(&self) -> Result<(), Error> {
        match self.surplus {
            0 => Ok(()),
            surplus => Err(Error::too_many(self.targets.len() + surplus, self.room)),
        }
    }

    /// Returns all targets.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Refuses the targets for which `reason` gives a reason.
    pub fn refuse(&mut self, reason: impl Fn(&Target) -> Option<Refused>) {
        for target in self.targets.iter_mut().filter(|target| target.outcome.is_none()) {
            target.outcome = reason(target).map(Outcome::Refused);
        }
    }

    /// Finds out which processes the order would affect, without touching them.
    pub fn rehearse(&mut self, observer: &mut dyn Observer) -> Result<Conclusion, Error> {
        let signal = if self.order.tree { self.gather(false)? } else { None };
        if self.order.signal().is_some_and(|signal| signal != Signal::CONT) {
            for at in self.undecided() {
                self.targets[at].outcome = self.refusal(at)?;
            }
        }
        self.find_reasons(self.order.signal(), None);
        self.decide_rest(Outcome::Spared);
        self.report(observer);
        Ok(signal.map_or(Conclusion::Finished, Conclusion::Interrupted))
    }

    /// Carries out the order.
    pub fn carry_out(&mut self, observer: &mut dyn Observer) -> Result<Conclusion, Error> {
        let conclusion = self.steps(observer);
        // This comes before the report, so that no process stays frozen longer than necessary.
        self.thaw();
        if let Ok(Conclusion::TimedOut | Conclusion::Interrupted(_)) = conclusion {
            self.find_last_reasons();
        }
        self.add_suspects()?;
        self.decide_rest(match conclusion {
            Ok(Conclusion::TimedOut) => Outcome::TimedOut,
            _ => Outcome::StillRunning,
        });
        self.report(observer);
        conclusion
    }

    /// Carries out the order, up to the point at which the targets are thawed and reported.
    fn steps(&mut self, observer: &mut dyn Observer) -> Result<Conclusion, Error> {
        self.check_room()?;
        if self.order.tree
            && let Some(signal) = self.gather(self.freezes())?
        {
            return Ok(Conclusion::Interrupted(signal));
        }
        // Here is the last moment at which a signal to us leaves all targets as they were.
        if let Some(signal) = self.interrupts.arrived()? {
            return Ok(Conclusion::Interrupted(signal));
        }
        match self.order.action {
            Action::Send(signal) => self.signal_all(signal),
            Action::Continue => self.signal_all(Signal::CONT),
            Action::Stop => self.await_stops(observer),
            Action::Wait { count, .. } => self.await_ends(count, observer),
            Action::Kill => self.end_tree(Signal::KILL, observer),
            Action::Terminate(AfterTerm::Nothing) => self.signal_all(Signal::TERM),
            Action::Terminate(AfterTerm::Wait) => self.end_tree(Signal::TERM, observer),
            Action::Terminate(AfterTerm::WaitAndKill) => {
                match self.end_tree(Signal::TERM, observer)? {
                    Conclusion::TimedOut => self.kill_rest(observer),
                    conclusion => Ok(conclusion),
                }
            }
        }
    }

    /// Sends a signal to every target, and waits for nothing.
    fn signal_all(&mut self, signal: Signal) -> Result<Conclusion, Error> {
        self.send_all(signal)?;
        self.decide_rest(Outcome::Signalled);
        Ok(Conclusion::Finished)
    }

    /// Reports whether descendants are frozen while they are searched for.
    fn freezes(&self) -> bool {
        self.order.action == Action::Stop
            || self.order.signal().is_some_and(|signal| !signal.is_job_control())
    }

    /// Sends a signal to every target, and waits until all have exited. With `tree`, repeats this
    /// until no process is left that they have started meanwhile.
    fn end_tree(
        &mut self,
        signal: Signal,
        observer: &mut dyn Observer,
    ) -> Result<Conclusion, Error> {
        loop {
            self.send_all(signal)?;
            let conclusion = self.await_ends(None, observer)?;
            if !self.order.tree || conclusion != Conclusion::Finished {
                return Ok(conclusion);
            }
            if let Some(signal) = self.gather(true)? {
                return Ok(Conclusion::Interrupted(signal));
            }
            if self.undecided().is_empty() {
                return Ok(conclusion);
            }
        }
    }

    /// Returns the targets without an outcome, our own process last.
    fn undecided(&self) -> Vec<usize> {
        let is_undecided = |&at: &usize| self.targets[at].outcome.is_none();
        let mut undecided: Vec<usize> = (0..self.targets.len()).filter(is_undecided).collect();
        let own = self.proc.own_pid();
        undecided.sort_by_key(|&at| own == Some(self.targets[at].pid));
        undecided
    }

    /// Finds out why the targets without an outcome do not do what this signal tells them, until `end`.
    fn find_reasons(&mut self, signal: Option<Signal>, end: Option<Instant>) {
        let reasons = Reasons::new(self.proc);
        for at in self.undecided() {
            let is_late = end.is_some_and(|end| end <= Instant::now());
            self.targets[at].why =
                if is_late { None } else { reasons.of(&self.targets[at], signal) };
        }
    }

    /// Finds out why the targets without an outcome still run after the last signal.
    fn find_last_reasons(&mut self) {
        let last = self.undecided().into_iter().find_map(|at| self.targets[at].sent);
        self.find_reasons(last.or(self.order.signal()), Some(Instant::now() + LOOK));
    }

    /// Gives this outcome to every target that has none.
    fn decide_rest(&mut self, outcome: Outcome) {
        for at in self.undecided() {
            self.targets[at].outcome = Some(outcome);
        }
    }

    /// Reports every outcome that was not reported yet.
    fn report(&mut self, observer: &mut dyn Observer) {
        for at in 0..self.targets.len() {
            self.report_one(at, observer);
        }
    }

    fn report_one(&mut self, at: usize, observer: &mut dyn Observer) {
        let target = &mut self.targets[at];
        if let (Some(outcome), None) = (target.outcome, target.after) {
            if outcome == Outcome::Ended {
                target.why = reason::unreaped(self.proc, target);
            }
            target.after = Some(self.begin.elapsed());
            observer.decided(target);
            self.log(at, self.order.words(outcome));
        }
    }

    /// Makes targets of all descendants of the targets. Returns a signal to end that arrived
    /// meanwhile.
    fn gather(&mut self, freezes: bool) -> Result<Option<Signal>, Error> {
        if freezes {
            self.stop_hold = Some(self.interrupts.hold_stops());
            self.learn_places()?;
            self.bonds.learn(&self.targets);
            // Where no guardian can be started, continuing what is frozen depends on us alone.
            self.guardian = self
                .guardian
                .take()
                .or_else(|| Guardian::start().ok())
                .filter(|_| self.order.action != Action::Stop);
        }
        // Half of the time remains for the order itself.
        let now = Instant::now();
        let half = self.deadline().map(|deadline| deadline.saturating_duration_since(now) / 2);
        let end = now + half.unwrap_or(descendants::LIMIT).min(descendants::LIMIT);
        let gathered = descendants::gather(self.proc, self.interrupts, freezes, end, self)?;
        self.is_tree_complete &= gathered != Gathered::Incomplete;
        Ok(match gathered {
            Gathered::Interrupted(signal) => Some(signal),
            Gathered::Complete | Gathered::Incomplete => None,
        })
    }

    /// Reads session and process group of targets that were added without them.
    fn learn_places(&mut self) -> Result<(), Error> {
        for target in self.targets.iter_mut().filter(|target| target.place.is_none()) {
            let Some(reference) = &target.reference else { continue };
            let Lookup::Found(process) = self.proc.process(target.pid, Files::NONE)? else {
                continue;
            };
            let place = process.lookup(SessionAndGroup::from_process(&process))?;
            if let Lookup::Found(place) = place
                && orphan::is_unreaped(self.proc, target.pid, reference)?
            {
                target.place = Some(place);
            }
        }
        Ok(())
    }

    /// Returns the ties between orphans and the tree.
    pub(super) fn bonds(&self) -> &TreeBonds {
        &self.bonds
    }

    /// Learns the ties between orphans and the tree from all processes.
    pub(super) fn learn_from_scan(
        &mut self,
        all: &BTreeMap<Pid, OrphanCandidate>,
        members: &BTreeMap<Pid, usize>,
    ) {
        self.bonds.learn_from_scan(all, members);
    }

    /// Finds the control groups that hold only the tree. Only the first call counts.
    pub(super) fn find_cgroups(&mut self, is_of_tree: impl Fn(Pid) -> bool) -> Result<(), Error> {
        self.bonds.find_cgroups(self.proc, &self.targets, is_of_tree)
    }

    /// Remembers processes that may belong to the tree.
    pub(super) fn suspect(&mut self, suspects: Vec<Pid>) {
        self.suspects.extend(suspects);
    }

    /// Remembers processes that resemble those of the tree.
    pub(super) fn suspect_lookalikes(&mut self, suspects: Vec<Pid>) {
        self.lookalikes.extend(suspects);
    }

    /// Adds the processes that may belong to the tree and are still alive, as targets that are left
    /// alone.
    fn add_suspects(&mut self) -> Result<(), Error> {
        let lookalikes = std::mem::take(&mut self.lookalikes);
        for pid in std::mem::take(&mut self.suspects).into_iter().chain(lookalikes.iter().copied())
        {
            let Lookup::Found(process) = self.proc.process(pid, Target::FILES)? else {
                // Before it exited, it may have started a process that we do not know.
                let is_target = self.targets.iter().any(|target| target.pid == pid);
                self.is_tree_complete &= is_target || !lookalikes.contains(&pid);
                continue;
            };
            let Lookup::Found(target) = process.lookup(Target::descendant(&process))? else {
                continue;
            };
            let life =
                target.reference.as_ref().map(|reference| self.proc.lookup(pid, reference.life()));
            let is_alive = life.transpose()? == Some(Lookup::Found(Life::Alive));
            if is_alive && !self.targets.iter().any(|other| is_same_process(other, &target)) {
                self.targets.push(Target { outcome: Some(Outcome::LeftAlone), ..target });
            }
        }
        Ok(())
    }

    /// Reports whether all descendants were found, if they were asked for.
    pub fn is_tree_complete(&self) -> bool {
        self.is_tree_complete
    }

    /// Sends a signal to every target. Continues those that were frozen for it, and those that
    /// would not see it otherwise.
    fn send_all(&mut self, signal: Signal) -> Result<(), Error> {
        self.bonds.begin_to_signal();
        for at in self.undecided() {
            self.targets[at].outcome = self.send(at, signal)?;
        }
        // They are continued after the last signal only, so that no target sees another one exit
        // and starts a new one.
        self.thaw();
        if self.order.continues() { self.continue_stopped() } else { Ok(()) }
    }

    /// Continues the targets that are stopped or may be.
    fn continue_stopped(&mut self) -> Result<(), Error> {
        for at in self.undecided() {
            let Some(reference) = &self.targets[at].reference else { continue };
            let (run_state, is_stop_pending) = freeze::run_state(self.proc, reference)?;
            let may_be_stopped =
                is_stop_pending || !matches!(run_state, RunState::Running | RunState::Ended);
            // The kernel permitted the signal, so that it permits CONT too. The wait finds out
            // whether the process has exited.
            if may_be_stopped && reference.send(Signal::CONT).is_ok() {
                self.log(at, "sent CONT");
            }
        }
        Ok(())
    }

    /// Returns the outcome of a target that would take no signal from us.
    fn refusal(&mut self, at: usize) -> Result<Option<Outcome>, Error> {
        let target = &mut self.targets[at];
        let Some(reference) = &target.reference else { return Ok(Some(Outcome::GoneBefore)) };
        let permitted = self.proc.lookup(target.pid, reference.permits())?;
        Ok(match permitted {
            Lookup::Found(()) => None,
            Lookup::Unavailable(reason) => {
                target.reason = Some(reason);
                Some(Outcome::NotPermitted)
            }
            Lookup::Exited => Some(gone(target)),
        })
    }

    /// Sends a signal to a target. Returns its outcome, if that is decided by it.
    fn send(&mut self, at: usize, signal: Signal) -> Result<Option<Outcome>, Error> {
        let target = &mut self.targets[at];
        let Some(reference) = &target.reference else { return Ok(Some(Outcome::GoneBefore)) };
        match self.proc.lookup(target.pid, reference.life())? {
            Lookup::Found(Life::Alive) => {}
            Lookup::Found(Life::Zombie) => return Ok(Some(Outcome::Ended)),
            Lookup::Found(Life::Reaped) | Lookup::Exited => return Ok(Some(gone(target))),
            Lookup::Unavailable(reason) => {
                target.reason = Some(reason);
                return Ok(Some(Outcome::NotPermitted));
            }
        }
        // Only the signal of the order carries a number, not one that stops or continues for it.
        let value = self.order.value.filter(|_| self.order.signal() == Some(signal));
        let sent = match value {
            Some(value) => reference.queue(signal, value),
            None => reference.send(signal),
        };
        match self.proc.lookup(target.pid, sent)? {
            Lookup::Found(()) => {
                target.sent = Some(signal);
                self.log(at, format_args!("sent {signal}"));
                Ok(None)
            }
            Lookup::Unavailable(reason) => {
                target.reason = Some(reason);
                Ok(Some(Outcome::NotPermitted))
            }
            Lookup::Exited => Ok(Some(gone(target))),
        }
    }

    /// Freezes all targets from this one on, except our own process.
    pub(super) fn freeze_from(&mut self, first: usize) -> Result<(), Error> {
        for at in first..self.targets.len() {
            let is_own = self.proc.own_pid() == Some(self.targets[at].pid);
            if self.targets[at].outcome.is_none() && !is_own {
                self.targets[at].outcome = self.freeze(at)?;
            }
        }
        Ok(())
    }

    /// Stops a process for a while, unless it is stopped already. Returns its outcome, if that is
    /// decided by it.
    fn freeze(&mut self, at: usize) -> Result<Option<Outcome>, Error> {
        let Some(reference) = &self.targets[at].reference else {
            return Ok(Some(Outcome::GoneBefore));
        };
        if self.targets[at].is_frozen
            || freeze::run_state(self.proc, reference)?.0 == RunState::Stopped
        {
            return Ok(None);
        }
        let before = self.targets[at].sent;
        if let Some(guardian) = &mut self.guardian {
            // If this fails, continuing it depends on us alone.
            let _ = guardian.keep(reference);
        }
        // This is set before the signal is sent, so that thawing includes the target in any case.
        self.targets[at].is_frozen = true;
        let outcome = self.send(at, Signal::STOP)?;
        self.targets[at].is_frozen = outcome.is_none();
        self.targets[at].sent = before;
        Ok(outcome)
    }

    /// Continues everything that is frozen, and dismisses the guardian.
    fn thaw(&mut self) {
        let mut are_all_continued = true;
        for at in 0..self.targets.len() {
            let target = &mut self.targets[at];
            if !std::mem::take(&mut target.is_frozen) {
                continue;
            }
            if self.order.action == Action::Stop {
                // The stop was not reported yet, and is undone here.
                (target.outcome, target.sent) = (None, None);
            }
            // The kernel permitted STOP, so that it permits CONT too. A process that has exited
            // needs none.
            let continued = target.reference.as_ref().map(|reference| reference.send(Signal::CONT));
            match continued {
                Some(Ok(())) => self.log(at, "sent CONT"),
                Some(Err(ReadError::Exited)) | None => {}
                Some(Err(_)) => are_all_continued = false,
            }
        }
        // Where a CONT failed, the guardian sees its socket close, and tries too.
        if let Some(guardian) = self.guardian.take()
            && are_all_continued
        {
            guardian.dismiss();
        }
        self.write_journal();
        self.stop_hold = None;
    }

    /// Logs what was done with a target. While processes are frozen the message is kept back: the
    /// program that reads the log may be one of them.
    fn log(&mut self, at: usize, what: impl Display) {
        self.journal.push((at, what.to_string()));
        if !self.targets.iter().any(|target| target.is_frozen) {
            self.write_journal();
        }
    }

    /// Writes the log messages that were kept back.
    fn write_journal(&mut self) {
        for (at, what) in std::mem::take(&mut self.journal) {
            let target = &self.targets[at];
            let name = target.name.as_deref().map_or(OsStr::new("?"), OsStr::from_bytes);
            tracing::info!(pid = target.pid, name = ?name, uid = target.uid, "{what}");
        }
    }

    /// Stops all targets, and waits until they have stopped.
    fn await_stops(&mut self, observer: &mut dyn Observer) -> Result<Conclusion, Error> {
        let end = self.deadline();
        for at in self.undecided() {
            self.targets[at].outcome = self.freeze(at)?;
        }
        let mut next_report = observer.waiting(&self.targets, self.begin.elapsed());
        let signal = freeze::poll_until(self.interrupts, end, || {
            self.decide_stopped()?;
            if next_report.is_some_and(|time| time <= Instant::now()) {
                next_report = observer.waiting(&self.targets, self.begin.elapsed());
            }
            Ok(self.undecided().is_empty())
        });
        observer.waited();
        if let Some(signal) = signal? {
            return Ok(Conclusion::Interrupted(signal));
        }
        // The targets stay stopped, and those that have not stopped yet will stop.
        for target in &mut self.targets {
            target.is_frozen = false;
        }
        self.write_journal();
        Ok(if self.undecided().is_empty() { Conclusion::Finished } else { Conclusion::TimedOut })
    }

    /// Decides the outcome of the targets that have stopped or exited. A traced process counts as
    /// stopped when STOP is no longer pending for it.
    fn decide_stopped(&mut self) -> Result<(), Error> {
        for at in self.undecided() {
            let target = &mut self.targets[at];
            let Some(reference) = &target.reference else { continue };
            match freeze::run_state(self.proc, reference)? {
                (RunState::Ended, _) => target.outcome = Some(Outcome::Ended),
                (RunState::Stopped, _) | (RunState::Traced, false) => {
                    target.sent = Some(Signal::STOP);
                    target.outcome = Some(Outcome::Signalled);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until all targets, or `count` of them, have exited.
    fn await_ends(
        &mut self,
        count: Option<usize>,
        observer: &mut dyn Observer,
    ) -> Result<Conclusion, Error> {
        self.report(observer);
        let end = self.deadline();
        let undecided = self.undecided();
        let mut left = undecided.len();
        let ended = self.targets.iter().filter(|target| target.has_ended()).count();
        let mut missing = count.map_or(left, |count| count.saturating_sub(ended));
        let with_reference = |&at: &usize| Some((at, self.targets[at].reference.as_ref()?));
        let references: Vec<_> = undecided.iter().filter_map(with_reference).collect();
        let config = WatchConfig {
            references: &references,
            room: self.room,
            wants_status: self.order.wants_status,
            wants_all: count.is_none(),
        };
        let mut watch = Watch::start(self.proc, self.interrupts, config)?;
        let mut next_report = observer.waiting(&self.targets, self.begin.elapsed());
        let conclusion = loop {
            if missing == 0 || left == 0 {
                break Conclusion::Finished;
            }
            if !watch.is_ready() {
                observer.idle();
            }
            match watch.next(end.into_iter().chain(next_report).min())? {
                WatchEvent::Ended(ending) => {
                    (missing, left) = (missing.saturating_sub(1), left - 1);
                    self.record_ending(ending, observer);
                }
                WatchEvent::Interrupted(signal) => {
                    self.record_ended(&mut watch, observer)?;
                    break Conclusion::Interrupted(signal);
                }
                WatchEvent::Time if end.is_some_and(|end| end <= Instant::now()) => {
                    break Conclusion::TimedOut;
                }
                WatchEvent::Time => {
                    next_report = observer.waiting(&self.targets, self.begin.elapsed());
                    if observer.wants_end() {
                        self.record_ended(&mut watch, observer)?;
                        break Conclusion::TimedOut;
                    }
                }
            }
        };
        observer.waited();
        Ok(conclusion)
    }

    /// Decides the outcome of the targets that have exited by now, so that they are reported as
    /// ended.
    fn record_ended(
        &mut self,
        watch: &mut Watch<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        while let WatchEvent::Ended(ending) = watch.next(Some(Instant::now()))? {
            self.record_ending(ending, observer);
        }
        Ok(())
    }

    /// Decides the outcome of a target that has exited.
    fn record_ending(&mut self, ending: Ending, observer: &mut dyn Observer) {
        let target = &mut self.targets[ending.token];
        target.status = ending.status;
        let is_killed = target.sent == Some(Signal::KILL);
        target.outcome = Some(if is_killed { Outcome::Killed } else { Outcome::Ended });
        self.report_one(ending.token, observer);
    }

    /// Kills the targets that have not exited by the time limit, and waits for them.
    fn kill_rest(&mut self, observer: &mut dyn Observer) -> Result<Conclusion, Error> {
        self.find_reasons(Some(Signal::TERM), Some(Instant::now() + LOOK));
        // After KILL they have the same time again.
        self.order.timeout = self.order.timeout.map(|timeout| timeout.saturating_mul(2));
        if self.order.tree
            && let Some(signal) = self.gather(true)?
        {
            return Ok(Conclusion::Interrupted(signal));
        }
        self.end_tree(Signal::KILL, observer)
    }

    fn deadline(&self) -> Option<Instant> {
        self.order.timeout.and_then(|timeout| self.begin.checked_add(timeout))
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.thaw();
    }
}

/// Reports whether two targets are one process. The inode of a pidfd is unique only since Linux
/// 6.9; before that the number decides.
fn is_same_process(one: &Target, other: &Target) -> bool {
    let inode = |target: &Target| target.reference.as_ref().and_then(Reference::inode);
    one.pid == other.pid && inode(one) == inode(other)
}

/// Closes the descriptor of a target, and reports whether it holds none any more.
fn release(target: &mut Target) -> bool {
    target.reference.as_mut().is_none_or(Reference::release)
}

/// Returns the outcome of a target that was reaped before this signal. If we had sent it another
/// one before, it exited because of that.
fn gone(target: &Target) -> Outcome {
    if target.sent.is_some() { Outcome::Ended } else { Outcome::GoneBefore }
}
