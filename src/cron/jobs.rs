//! The jobs of a cron daemon: which processes they are, and why each of them counts as cron's.
//! [`Jobs::scan`] finds those that are tied to a daemon, and with `orphan.rs` those that earlier
//! jobs have left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::Error;
use super::daemon::Daemon;
use super::group_record::GroupRecord;
use super::job::{Job, hold, is_stuck};
use super::job_candidate::{JobCandidate, audit_of, read};
use super::job_search::JobSearch;
use super::kinds::{self, Kind};
use super::leftover::{self, Leftover};
use super::looks::Looks;
use super::origin::JobOrigin;
use super::orphan::writes_to_tmpfile;
use super::systemd::TimerService;
use crate::control::{Life, most_held};
use crate::process::{File, Files, Lookup, Pid, Proc, Stat};
use crate::tree::{Forest, Node};

/// The record of all jobs that were seen, including those that have exited. Processes that jobs
/// left behind are recognised by it.
#[derive(Default)]
pub struct Jobs {
    /// Sessions of jobs, by the pid of their leader.
    sessions: BTreeMap<Pid, GroupRecord>,
    /// Process groups of jobs, for a daemon that gives jobs no session.
    groups: BTreeMap<Pid, GroupRecord>,
    /// Audit sessions of jobs, except that of the daemon.
    audits: BTreeSet<u64>,
    /// `true` if a job runs us: we cannot wait for it.
    pub runs_us: bool,
    /// The zombies of the last scan.
    ended: BTreeSet<Pid>,
    /// `true` if processes exited during the last scan: they may have started others that the scan
    /// missed.
    pub may_have_missed: bool,
    /// The processes that [`Jobs::watch`] has returned, by pid.
    known: BTreeMap<Pid, KnownJob>,
    /// The control groups of services that timers have started: every process in them is a job.
    services: Vec<Vec<u8>>,
    looks: Looks,
}

/// All processes, and those that count: the reason, and whether it is certain.
type Found = (Forest<JobCandidate>, Vec<(Node, JobOrigin, bool)>);

/// The processes of a session or process group, by pid and start time.
type Members = BTreeSet<(Pid, u64)>;

/// A process that was returned before, and the facts by which it is known again.
struct KnownJob {
    start_ticks: u64,
    exe_name: Vec<u8>,
    origin: JobOrigin,
    /// `None` for a descendant of a job, which is not waited for by itself.
    job: Option<Job>,
}

impl KnownJob {
    /// Reports whether this is the same process, in the same program and with the same tie.
    fn is(&self, member: &JobCandidate, origin: JobOrigin) -> bool {
        self.start_ticks == member.start_ticks
            && self.exe_name == member.exe_name
            && self.origin == origin
    }
}

/// Number of looks of a listing that finds nothing while processes start or end. Each takes some
/// milliseconds.
const LOOKS: usize = 60;

/// Number of attempts to catch a process with the latest pid.
const ATTEMPTS: usize = 100;

/// Most processes of which pidfds are kept open, and their part of the descriptors that there are.
const KEPT: usize = 256;

const KEPT_PART: usize = 4;

impl Jobs {
    /// Counts every process in these control groups, or below them, from now on.
    pub fn set_services(&mut self, groups: Vec<Vec<u8>>) {
        self.services = groups;
    }

    /// Returns the processes that count now, and updates the record. Errors: a process that may be
    /// a job cannot be examined.
    pub fn scan(&mut self, proc: &Proc, daemons: &[Daemon]) -> Result<Vec<Job>, Error> {
        let (forest, origins) = self.search(proc, daemons)?;
        let kept = kept(proc);
        let mut jobs = Vec::new();
        for (node, origin, is_certain) in origins {
            if let Some(job) = self.hold(proc, &forest, node, origin, is_certain)? {
                jobs.push(if jobs.len() < kept { job } else { job.released() });
            }
        }
        jobs.sort_by_key(|job| job.target.pid);
        Ok(jobs)
    }

    /// Returns only what users want to see in a list, so that nothing else is examined.
    pub fn brief(&mut self, proc: &Proc, daemons: &[Daemon]) -> Result<Vec<Job>, Error> {
        let (forest, mut origins) = self.search(proc, daemons)?;
        let counted: BTreeSet<Node> = origins.iter().map(|(node, ..)| *node).collect();
        origins.retain(|&(node, origin, _)| match origin {
            JobOrigin::Worker => !forest.children(node).any(|child| counted.contains(&child)),
            JobOrigin::Descendant => is_stuck(forest.data(node).state),
            _ => true,
        });
        let mut jobs = Vec::new();
        for (node, origin, is_certain) in origins {
            let job = self.hold(proc, &forest, node, origin, is_certain)?;
            jobs.extend(job.map(Job::released));
        }
        jobs.sort_by_key(|job| job.target.pid);
        Ok(jobs)
    }

    /// Returns what [`Jobs::brief`] or [`Jobs::scan`] finds. It looks again where nothing is found and
    /// a process has ended meanwhile: a job that replaces itself can end before a scan comes to it.
    pub fn list(
        &mut self,
        proc: &Proc,
        daemons: &[Daemon],
        is_brief: bool,
    ) -> Result<Vec<Job>, Error> {
        for _ in 1..LOOKS {
            let found = self.look(proc, daemons, is_brief)?;
            if !found.is_empty() || !self.may_have_missed && !self.is_passed_on(proc, daemons)? {
                return Ok(found);
            }
        }
        self.look(proc, daemons, is_brief)
    }

    fn look(&mut self, proc: &Proc, daemons: &[Daemon], is_brief: bool) -> Result<Vec<Job>, Error> {
        if is_brief { self.brief(proc, daemons) } else { self.scan(proc, daemons) }
    }

    /// Returns the processes that count, for a wait with many scans: processes that were returned
    /// before are not examined again, and descendants of jobs are returned only once.
    pub fn watch(&mut self, proc: &Proc, daemons: &[Daemon]) -> Result<Vec<Job>, Error> {
        let (forest, origins) = self.search(proc, daemons)?;
        let kept = kept(proc);
        let mut before = std::mem::take(&mut self.known);
        let mut jobs = Vec::new();
        for (node, origin, is_certain) in origins {
            let (pid, member) = (forest.pid(node), forest.data(node));
            if let Some(known) = before.remove(&pid).filter(|known| known.is(member, origin)) {
                jobs.extend(known.job.clone());
                self.known.insert(pid, known);
            } else if let Some(job) = self.hold(proc, &forest, node, origin, is_certain)? {
                // The status of a process that was reaped is told only through an open pidfd.
                let keeps = origin != JobOrigin::Descendant && self.known.len() < kept;
                let job = if keeps { job } else { job.released() };
                let known = KnownJob {
                    start_ticks: member.start_ticks,
                    exe_name: member.exe_name.clone(),
                    origin,
                    job: (origin != JobOrigin::Descendant).then(|| job.clone()),
                };
                self.known.insert(pid, known);
                jobs.push(job);
            }
        }
        jobs.sort_by_key(|job| job.target.pid);
        Ok(jobs)
    }

    /// Holds a process that counts; `None` if it has exited.
    fn hold(
        &mut self,
        proc: &Proc,
        forest: &Forest<JobCandidate>,
        node: Node,
        origin: JobOrigin,
        is_certain: bool,
    ) -> Result<Option<Job>, Error> {
        let job = hold(proc, forest, node, origin)?;
        self.may_have_missed |= job.is_none();
        Ok(job.map(|job| Job { is_certain, ..job }))
    }

    /// Finds the processes that count, with the reason and whether it is certain.
    fn search(&mut self, proc: &Proc, daemons: &[Daemon]) -> Result<Found, Error> {
        let forest = read(proc, daemons, &self.services)?;
        let ended = forest
            .find_all(forest.all(), |member| !member.is_alive)
            .map(|node| forest.pid(node))
            .collect();
        self.may_have_missed = forest.vanished() > 0 || !self.ended.is_superset(&ended);
        self.ended = ended;
        self.forget_reused(&forest, Instant::now());
        let mut search = JobSearch::begin(proc, &forest, daemons)?;
        for daemon in daemons {
            // Until it is reaped, its pid cannot be reused.
            if !matches!(
                proc.lookup(daemon.pid, daemon.reference.life())?,
                Lookup::Found(Life::Reaped)
            ) {
                self.below_daemon(&mut search, daemon);
            }
        }
        self.earlier_workers(&mut search);
        self.runners(&mut search);
        self.services(&mut search);
        search.add_descendants();
        self.looks.begin_scan();
        self.left_behind(&mut search, proc, daemons)?;
        for session in search.follow_earlier_jobs() {
            self.sessions.entry(session).or_insert_with(GroupRecord::of_ended);
        }
        search.follow_daemons();
        search.add_descendants();
        let origins = search.origins.iter();
        let found =
            origins.map(|(&node, &origin)| (node, origin, search.is_certain(node))).collect();
        self.remember_members(&forest);
        Ok((forest, found))
    }

    /// Reports whether a job has left behind the process with the latest pid. Where a job replaces
    /// itself by new processes, each has exited before a scan comes to it.
    pub fn is_passed_on(&self, proc: &Proc, daemons: &[Daemon]) -> Result<bool, Error> {
        let own = match proc.own_pid() {
            Some(pid) => stat_of(proc, pid)?,
            None => None,
        };
        for _ in 0..ATTEMPTS {
            let Some(pid) = proc.latest_pid() else { return Ok(false) };
            let Some(stat) = stat_of(proc, pid)? else { continue };
            // A process that we run ourselves is no job, even if a job runs us.
            if own.is_some_and(|own| own.session == stat.session) {
                continue;
            }
            let is_known =
                self.sessions.contains_key(&stat.session) || self.groups.contains_key(&stat.pgrp);
            let may_be = stat.tty == 0 && leftover::has_tmpfile(daemons);
            if is_known || may_be && writes_to_tmpfile(proc, pid)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets sessions and groups whose number was reused: those with a new leader, and those that
    /// were empty for a while.
    fn forget_reused(&mut self, forest: &Forest<JobCandidate>, now: Instant) {
        let [mut sessions, mut groups] = self.members(forest);
        for (known, present) in
            [(&mut self.sessions, &mut sessions), (&mut self.groups, &mut groups)]
        {
            known.retain(|pid, group| {
                let leader = forest.find(*pid).map(|node| forest.data(node));
                group.note_scan(present.remove(pid).unwrap_or_default(), now);
                group.is_led_by(leader) && !group.has_ended(now)
            });
        }
    }

    /// Records the processes of the sessions and groups that this scan was the first to find.
    fn remember_members(&mut self, forest: &Forest<JobCandidate>) {
        let [mut sessions, mut groups] = self.members(forest);
        for (known, present) in
            [(&mut self.sessions, &mut sessions), (&mut self.groups, &mut groups)]
        {
            for (pid, group) in known {
                group.members = present.remove(pid).unwrap_or_default();
            }
        }
    }

    /// Returns the processes in the sessions and in the groups of the record.
    fn members(&self, forest: &Forest<JobCandidate>) -> [BTreeMap<Pid, Members>; 2] {
        let [mut sessions, mut groups] = [BTreeMap::new(), BTreeMap::new()];
        for node in forest.all() {
            let (pid, member) = (forest.pid(node), forest.data(node));
            for (known, present, number) in [
                (&self.sessions, &mut sessions, member.session),
                (&self.groups, &mut groups, member.pgrp),
            ] {
                if known.contains_key(&number) {
                    let members: &mut Members = present.entry(number).or_default();
                    members.insert((pid, member.start_ticks));
                }
            }
        }
        [sessions, groups]
    }

    /// Adds the children of a daemon: workers with their jobs, and jobs.
    fn below_daemon(&mut self, search: &mut JobSearch<'_>, daemon: &Daemon) {
        let Some(node) = search.forest.find(daemon.pid) else { return };
        let keeps_session = kinds::kind(&daemon.exe_name).is_some_and(Kind::keeps_session);
        for child in search.forest.children(node) {
            let member = search.forest.data(child);
            if member.is_helper {
                search.forest.children(child).for_each(|job| self.add_job(search, job));
            } else if member.is_worker || member.is_forked_from(daemon) {
                self.add_worker(search, child, keeps_session);
                // A worker opens an audit session for its job, where pam_loginuid(8) does so.
                let own = member.audit.filter(|audit| Some(*audit) != daemon.audit);
                self.audits.extend(own.filter(|_| search.counts(child)));
            } else {
                self.add_job(search, child);
            }
        }
    }

    /// Adds workers that outlived their daemon, and the jobs of helpers that did: they still run.
    /// Workers of another running daemon belong to that one.
    fn earlier_workers(&mut self, search: &mut JobSearch<'_>) {
        for node in search.forest.all() {
            let member = search.forest.data(node);
            let parent = search.forest.parent(node).map(|parent| search.forest.data(parent));
            let is_orphan = parent.is_none_or(|parent| parent.exe_name != member.exe_name);
            if member.is_worker && is_orphan && !search.counts(node) {
                // Its audit session may be that of its daemon, and so of whoever started that one:
                // nothing else in there is a job for that.
                self.add_worker(search, node, false);
            } else if member.is_helper_of_root {
                search.forest.children(node).for_each(|job| self.add_job(search, job));
            }
        }
    }

    /// Adds the programs that run jobs beside cron, wherever they are: they are workers, and what
    /// they run are jobs.
    fn runners(&mut self, search: &mut JobSearch<'_>) {
        for node in search.forest.all() {
            if !search.forest.data(node).is_runner {
                continue;
            }
            if !search.add(node, JobOrigin::Worker) {
                self.runs_us |= search.ours.contains(&node);
                continue;
            }
            for child in search.forest.children(node) {
                if !search.forest.data(child).is_runner {
                    self.add_job(search, child);
                }
            }
        }
    }

    /// Adds what the services run that timers of systemd-cron have started: they run on after the
    /// end of the timers.
    fn services(&mut self, search: &mut JobSearch<'_>) {
        for node in search.forest.all() {
            let timer = search.forest.data(node).timer;
            let parent = search.forest.parent(node);
            if parent.is_some_and(|parent| search.forest.data(parent).timer.is_some()) {
                continue;
            }
            match timer {
                Some(TimerService::Certain) => self.add_job(search, node),
                Some(TimerService::Asked) => _ = search.add(node, JobOrigin::Service),
                Some(TimerService::Likely) => _ = search.add(node, JobOrigin::Earlier),
                None => {}
            }
        }
    }

    /// Adds a worker with its job and its mailer. The flag says whether its job is in its session.
    fn add_worker(&mut self, search: &mut JobSearch<'_>, node: Node, keeps_session: bool) {
        if !search.add(node, JobOrigin::Worker) {
            self.runs_us |= search.ours.contains(&node);
            return;
        }
        let worker = search.forest.data(node);
        for child in search.forest.children(node) {
            let member = search.forest.data(child);
            // A job of cron gets a session of its own before it begins; the mailer stays in that of
            // the daemon.
            if member.session != worker.session {
                self.add_job(search, child);
            } else if member.exe_name == worker.exe_name {
                search.add(child, JobOrigin::Worker);
            } else if keeps_session {
                self.add_job(search, child);
            } else {
                search.add(child, JobOrigin::Mail);
            }
        }
    }

    /// Adds a job, and records its session and process group. A job that has exited leaves them to
    /// what it started.
    fn add_job(&mut self, search: &mut JobSearch<'_>, node: Node) {
        let (pid, member) = (search.forest.pid(node), search.forest.data(node));
        if !search.add(node, JobOrigin::Job) && member.is_alive {
            self.runs_us |= search.ours.contains(&node);
            return;
        }
        if member.session == pid {
            self.sessions.entry(pid).or_insert_with(|| GroupRecord::new(member));
        }
        if member.pgrp == pid {
            self.groups.entry(pid).or_insert_with(|| GroupRecord::new(member));
        }
    }

    /// Adds the processes that jobs have left behind.
    fn left_behind(
        &mut self,
        search: &mut JobSearch<'_>,
        proc: &Proc,
        daemons: &[Daemon],
    ) -> Result<(), Error> {
        for node in search.forest.all() {
            let (pid, member) = (search.forest.pid(node), search.forest.data(node));
            let is_daemon = daemons.iter().any(|daemon| daemon.pid == pid);
            if search.counts(node) || is_daemon || member.is_kernel_thread || !member.is_alive {
                continue;
            }
            match self.leftover(search, proc, daemons, node)? {
                Leftover::Unrelated => {}
                Leftover::Exited => self.may_have_missed = true,
                Leftover::Of(JobOrigin::Job) => self.add_job(search, node),
                Leftover::Of(origin) => {
                    search.add(node, origin);
                }
            }
        }
        Ok(())
    }

    /// Decides whether a job has left this process behind, by the strongest tie first: those that the
    /// record knows, and then its appearance.
    fn leftover(
        &mut self,
        search: &JobSearch<'_>,
        proc: &Proc,
        daemons: &[Daemon],
        node: Node,
    ) -> Result<Leftover, Error> {
        let (pid, member) = (search.forest.pid(node), search.forest.data(node));
        if let Some(session) = self.sessions.get(&member.session) {
            return Ok(Leftover::Of(session.origin(JobOrigin::Session)));
        }
        if let Some(group) = self.groups.get(&member.pgrp) {
            return Ok(Leftover::Of(group.origin(JobOrigin::Group)));
        }
        if leftover::is_in_session_of(member, daemons) && !member.is_helper {
            return Ok(Leftover::Of(JobOrigin::Session));
        }
        if !self.audits.is_empty()
            && audit_of(proc, pid, member)?.is_some_and(|audit| self.audits.contains(&audit))
        {
            // The sessions of jobs in this audit session are known, and this process is in another
            // one.
            let is_detached = leftover::is_detached(search, node);
            let origin = if is_detached { JobOrigin::Daemon } else { JobOrigin::Audit };
            return Ok(Leftover::Of(origin));
        }
        leftover::by_appearance(proc, search, daemons, node, &mut self.looks)
    }
}

/// Returns the number of processes of which pidfds are kept open.
fn kept(proc: &Proc) -> usize {
    KEPT.min(most_held(proc) / KEPT_PART)
}

/// Returns the facts of /proc/PID/stat, if the process can be read.
fn stat_of(proc: &Proc, pid: Pid) -> Result<Option<Stat>, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(None);
    };
    let stat = process.lookup(process.stat().copied())?;
    Ok(if let Lookup::Found(stat) = stat { Some(stat) } else { None })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tree;

    /// Processes of these sessions, which lead none.
    fn forest(sessions: &[Pid]) -> Forest<JobCandidate> {
        let links = (0..sessions.len() as Pid)
            .map(|at| tree::ProcessLink { pid: 100 + at, ppid: 0, start_ticks: 9 })
            .collect();
        let member = |&session: &Pid| JobCandidate {
            session,
            pgrp: session,
            tty: 0,
            start_ticks: 9,
            is_alive: true,
            state: b'S',
            is_kernel_thread: false,
            exe_name: b"sleep".to_vec(),
            is_worker: false,
            is_runner: false,
            is_helper: false,
            is_helper_of_root: false,
            audit: None,
            is_in_cgroup: false,
            timer: None,
        };
        Forest::new(links, sessions.iter().map(member).collect())
    }

    #[test]
    fn a_session_without_anybody_is_in_doubt_and_then_forgotten() {
        let remembered = || {
            let members = [(100, 9)].into();
            let record =
                GroupRecord { start_ticks: 5, empty_since: None, members, is_in_doubt: false };
            [(12, record)].into()
        };
        let mut jobs = Jobs { sessions: remembered(), groups: remembered(), ..Jobs::default() };
        let begin = Instant::now();
        let mut is_in_doubt = |sessions: &[Pid], seconds: u64| {
            jobs.forget_reused(&forest(sessions), begin + Duration::from_secs(seconds));
            let doubt =
                |known: &BTreeMap<Pid, GroupRecord>| known.get(&12).map(|known| known.is_in_doubt);
            (doubt(&jobs.sessions), doubt(&jobs.groups))
        };
        assert_eq!(is_in_doubt(&[12, 13], 100), (Some(false), Some(false)));
        assert_eq!(is_in_doubt(&[13], 100), (Some(true), Some(true)));
        // The session of that number has a process again, and its origin is unknown.
        assert_eq!(is_in_doubt(&[12], 103), (Some(true), Some(true)));
        assert_eq!(is_in_doubt(&[], 104), (Some(true), Some(true)));
        assert_eq!(is_in_doubt(&[], 106), (None, None));
    }
}
