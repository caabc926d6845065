//! The jobs of a cron daemon: which processes they are, and why each of them counts as cron's.
//! [`Jobs::scan`] finds those that are tied to a daemon, and with `orphan.rs` those that earlier
//! jobs have left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use super::Error;
use super::daemon::{Daemon, audit_session, is_called_worker, is_system_directory};
use super::kinds;
use super::login_session;
use super::origin::JobOrigin;
use super::orphan::{is_daemon, is_like_job, of_leader, writes_to_cron, writes_to_tmpfile};
use crate::control::{Life, Reference, Target, most_held, self_and_ancestors};
use crate::path::base_name;
use crate::process::{
    Cgroups, File, Files, Lookup, Pid, Proc, Process, ReadResult, Stat, Unavailable, if_available,
    items, since_boot,
};
use crate::tree::{self, Forest, Node};

/// A process that counts as cron's.
#[derive(Clone, Debug)]
pub struct Job {
    /// The process as a target, to wait for or to terminate.
    pub target: Target,
    /// Its comm or exe name. Messages name a job by its command instead.
    pub name: Option<Vec<u8>>,
    /// The command of the crontab for a job, else the arguments or their beginning.
    pub command: Vec<u8>,
    pub parent: Pid,
    /// State of the process, one of RSDTtZ (proc_pid_stat(5)).
    pub state: u8,
    /// Seconds from the boot to its start.
    pub started: f64,
    pub origin: JobOrigin,
    /// `true` if it is certainly cron's, so that it may be terminated.
    pub is_certain: bool,
}

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
}

/// All processes, and those that count: the reason, and whether it is certain.
type Found = (Forest<JobCandidate>, Vec<(Node, JobOrigin, bool)>);

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

/// The record of a session or process group of a job.
struct GroupRecord {
    /// Start time of its leader, in clock ticks since boot.
    start_ticks: u64,
    /// The time since which scans have found no process in it.
    empty_since: Option<Instant>,
    /// `true` if it was empty in a scan, so that its number may have been reused.
    is_in_doubt: bool,
}

/// A session or process group that was empty for this time has ended. A scan can miss a process
/// that starts another one and exits.
const FORGET_AFTER: Duration = Duration::from_secs(2);

/// Number of attempts to catch a process with the latest pid.
const ATTEMPTS: usize = 100;

/// Most processes of which pidfds are kept open, and their part of the descriptors that there are.
const KEPT: usize = 256;
const KEPT_PART: usize = 4;

/// Most bytes of a command that are kept. No command of a crontab is longer (MAX_ARG_STRLEN in
/// execve(2)), while thousands of other processes may have longer arguments.
const LONGEST_COMMAND: usize = 128 * 1024;

/// The facts that a scan keeps about every process.
struct JobCandidate {
    session: Pid,
    pgrp: Pid,
    tty: u32,
    start_ticks: u64,
    is_alive: bool,
    is_kernel_thread: bool,
    exe_name: Vec<u8>,
    /// `true` if it has the name of a worker of the superuser in our pid namespace.
    is_worker: bool,
    /// `true` if it is a program of the system that runs jobs beside cron, such as anacron.
    is_runner: bool,
    /// The audit session of a process that has the name of a daemon. That of others is read when it
    /// is needed.
    audit: Option<u64>,
    /// `true` if it is in a control group in which every process is cron's.
    is_in_cgroup: bool,
}

impl Jobs {
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

    /// Does the same for a wait with many scans: processes that were returned before are not
    /// examined again, and descendants of jobs are returned only once.
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
        let forest = read(proc, daemons)?;
        let ended = forest
            .find_all(forest.all(), |member| !member.is_alive)
            .map(|node| forest.pid(node))
            .collect();
        self.may_have_missed = forest.vanished() > 0 || !self.ended.is_superset(&ended);
        self.ended = ended;
        self.forget_reused(&forest, Instant::now());
        let mut search = JobSearch {
            forest: &forest,
            origins: BTreeMap::new(),
            ours: ours(proc, &forest, daemons)?,
            of_service: of_service(&forest, daemons),
        };
        for daemon in daemons {
            // Until it is reaped, its pid cannot be reused.
            if !matches!(
                proc.lookup(daemon.pid, daemon.reference.life())?,
                Lookup::Found(Life::Reaped)
            ) {
                self.below_daemon(&mut search, daemon);
            }
        }
        self.earlier_workers(&mut search, daemons);
        self.runners(&mut search);
        search.add_descendants();
        self.left_behind(&mut search, proc, daemons)?;
        search.follow_daemons();
        search.add_descendants();
        let origins = search.origins.iter();
        let found =
            origins.map(|(&node, &origin)| (node, origin, search.is_certain(node))).collect();
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
            let may_be = stat.tty == 0 && has_tmpfile(daemons);
            if is_known || may_be && writes_to_tmpfile(proc, pid)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets sessions and groups whose number was reused: those with a new leader, and those that
    /// were empty for a while.
    fn forget_reused(&mut self, forest: &Forest<JobCandidate>, now: Instant) {
        let (sessions, groups): (BTreeSet<Pid>, BTreeSet<Pid>) = forest
            .all()
            .map(|node| forest.data(node))
            .map(|member| (member.session, member.pgrp))
            .unzip();
        for (known, present) in [(&mut self.sessions, sessions), (&mut self.groups, groups)] {
            known.retain(|pid, group| {
                let leader = forest.find(*pid).map(|node| forest.data(node));
                group.note_scan(present.contains(pid), now);
                group.is_led_by(leader) && !group.has_ended(now)
            });
        }
    }

    /// Adds the children of a daemon: workers with their jobs, and jobs.
    fn below_daemon(&mut self, search: &mut JobSearch<'_>, daemon: &Daemon) {
        let Some(node) = search.forest.find(daemon.pid) else { return };
        for child in search.forest.children(node) {
            let member = search.forest.data(child);
            if kinds::is_helper(&member.exe_name) {
                search.forest.children(child).for_each(|job| self.add_job(search, job));
            } else if member.is_worker || is_forked(member, daemon) {
                self.add_worker(search, child, daemon.audit);
            } else {
                self.add_job(search, child);
            }
        }
    }

    /// Adds workers that outlived their daemon: their jobs still run. Workers of another running
    /// daemon belong to that one.
    fn earlier_workers(&mut self, search: &mut JobSearch<'_>, daemons: &[Daemon]) {
        let audit = daemons.first().and_then(|daemon| daemon.audit);
        for node in search.forest.all() {
            let member = search.forest.data(node);
            let parent = search.forest.parent(node).map(|parent| search.forest.data(parent));
            let is_orphan = parent.is_none_or(|parent| parent.exe_name != member.exe_name);
            if member.is_worker && is_orphan && !search.counts(node) {
                self.add_worker(search, node, audit);
            }
        }
    }

    /// Adds the programs that run jobs beside cron, wherever they are: they are workers, and what
    /// they run are jobs.
    fn runners(&mut self, search: &mut JobSearch<'_>) {
        for node in search.forest.all() {
            if !search.forest.data(node).is_runner || !search.add(node, JobOrigin::Worker) {
                continue;
            }
            for child in search.forest.children(node) {
                if !search.forest.data(child).is_runner {
                    self.add_job(search, child);
                }
            }
        }
    }

    /// Adds a worker with its job and its mailer.
    fn add_worker(&mut self, search: &mut JobSearch<'_>, node: Node, daemons_audit: Option<u64>) {
        if !search.add(node, JobOrigin::Worker) {
            self.runs_us |= search.ours.contains(&node);
            return;
        }
        let worker = search.forest.data(node);
        self.audits.extend(worker.audit.filter(|audit| Some(*audit) != daemons_audit));
        for child in search.forest.children(node) {
            let member = search.forest.data(child);
            // A job gets a session of its own before it begins; the mailer stays in that of the
            // daemon.
            if member.session != worker.session {
                self.add_job(search, child);
            } else if member.exe_name == worker.exe_name {
                search.add(child, JobOrigin::Worker);
            } else {
                search.add(child, JobOrigin::Mail);
            }
        }
    }

    /// Adds a job, and records its session and process group.
    fn add_job(&mut self, search: &mut JobSearch<'_>, node: Node) {
        if !search.add(node, JobOrigin::Job) {
            self.runs_us |= search.ours.contains(&node);
            return;
        }
        let (pid, member) = (search.forest.pid(node), search.forest.data(node));
        if member.session == pid {
            self.sessions.insert(pid, GroupRecord::new(member));
        }
        if member.pgrp == pid {
            self.groups.insert(pid, GroupRecord::new(member));
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

    /// Decides whether a job has left this process behind, by the strongest tie first.
    fn leftover(
        &self,
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
        if is_in_session_of(member, daemons) && !kinds::is_helper(&member.exe_name) {
            return Ok(Leftover::Of(JobOrigin::Session));
        }
        if !self.audits.is_empty()
            && audit_of(proc, pid, member)?.is_some_and(|audit| self.audits.contains(&audit))
        {
            // The sessions of jobs in this audit session are known, and this process is in another
            // one.
            let is_detached = is_detached(search, node);
            let origin = if is_detached { JobOrigin::Daemon } else { JobOrigin::Audit };
            return Ok(Leftover::Of(origin));
        }
        if member.is_in_cgroup {
            let origin = if member.session == pid {
                of_leader(proc, pid)?
            } else if !has_leader(search, member) {
                // A daemon leads its session, unless it was made by two forks.
                is_daemon(proc, pid)?
                    .map(|is_daemon| if is_daemon { JobOrigin::Daemon } else { JobOrigin::Session })
            } else {
                writes_to_cron(proc, pid)?.map(|is_collected| {
                    if is_collected { JobOrigin::Cgroup } else { JobOrigin::Daemon }
                })
            };
            return Ok(origin.into());
        }
        if has_tmpfile(daemons) && member.tty == 0 && is_orphan(search, node, daemons) {
            return Ok(match writes_to_tmpfile(proc, pid)? {
                Some(true) if member.session == pid => of_leader(proc, pid)?.into(),
                Some(false) if is_in_background(search, node, daemons) => {
                    perhaps(is_like_job(proc, pid)?)
                }
                Some(false) => Leftover::Unrelated,
                collected => collected.map(|_| JobOrigin::Output).into(),
            });
        }
        if is_in_background(search, node, daemons) {
            return Ok(perhaps(is_like_job(proc, pid)?));
        }
        Ok(Leftover::Unrelated)
    }
}

/// Reports whether the leader of a process's session is alive.
fn has_leader(search: &JobSearch<'_>, member: &JobCandidate) -> bool {
    let leader = search.forest.find(member.session);
    leader.is_some_and(|leader| search.forest.data(leader).is_alive)
}

/// Reports whether a process is where a job in the background would be after the end of its shell:
/// an orphan without a terminal, in the session and the process group of a process that has exited.
/// It must have started after a daemon.
fn is_in_background(search: &JobSearch<'_>, node: Node, daemons: &[Daemon]) -> bool {
    let (pid, member) = (search.forest.pid(node), search.forest.data(node));
    let started_after = |daemon: &Daemon| {
        let daemon = search.forest.find(daemon.pid).map(|node| search.forest.data(node));
        daemon.is_some_and(|daemon| daemon.start_ticks <= member.start_ticks)
    };
    // 0 stands for a session whose leader is outside of our pid namespace.
    member.session != 0
        && member.session != pid
        && member.pgrp == member.session
        && member.tty == 0
        && !has_leader(search, member)
        && is_orphan(search, node, daemons)
        && daemons.iter().any(started_after)
}

/// Decides by its appearance; `None` stands for a process that has exited.
fn perhaps(is_like_job: Option<bool>) -> Leftover {
    match is_like_job {
        Some(true) => Leftover::Of(JobOrigin::Perhaps),
        Some(false) => Leftover::Unrelated,
        None => Leftover::Exited,
    }
}

/// Returns the number of processes of which pidfds are kept open.
fn kept(proc: &Proc) -> usize {
    KEPT.min(most_held(proc) / KEPT_PART)
}

/// The relation between a process and the jobs that may have left it behind.
enum Leftover {
    /// No job has left it behind.
    Unrelated,
    /// It has exited meanwhile, and may have started others.
    Exited,
    /// It counts, for this reason.
    Of(JobOrigin),
}

impl From<Option<JobOrigin>> for Leftover {
    /// `None` stands for a process that has exited.
    fn from(origin: Option<JobOrigin>) -> Leftover {
        origin.map_or(Leftover::Exited, Leftover::Of)
    }
}

impl GroupRecord {
    /// Begins the record of a session or process group with this leader.
    fn new(leader: &JobCandidate) -> GroupRecord {
        GroupRecord { start_ticks: leader.start_ticks, empty_since: None, is_in_doubt: false }
    }

    /// Updates the record after a scan that found processes in it, or none.
    fn note_scan(&mut self, has_members: bool, now: Instant) {
        self.empty_since = if has_members { None } else { self.empty_since.or(Some(now)) };
        self.is_in_doubt |= self.empty_since.is_some();
    }

    /// Reports whether the process that has the leader's pid, if there is one, is still the leader
    /// of then.
    fn is_led_by(&self, leader: Option<&JobCandidate>) -> bool {
        leader.is_none_or(|leader| leader.start_ticks == self.start_ticks)
    }

    /// Reports whether it was empty for so long that it has ended.
    fn has_ended(&self, now: Instant) -> bool {
        self.empty_since.is_some_and(|since| now.saturating_duration_since(since) >= FORGET_AFTER)
    }

    /// Returns the reason why its members count: it is weaker after it was empty.
    fn origin(&self, certain: JobOrigin) -> JobOrigin {
        if self.is_in_doubt { JobOrigin::Reappeared } else { certain }
    }
}

/// Reports whether a process is in the session of a daemon that leads its own.
fn is_in_session_of(member: &JobCandidate, daemons: &[Daemon]) -> bool {
    daemons.iter().any(|daemon| daemon.session == daemon.pid && member.session == daemon.pid)
}

/// Reports whether one of the daemons collects the output of its jobs in unnamed files, as Debian's
/// does.
fn has_tmpfile(daemons: &[Daemon]) -> bool {
    daemons
        .iter()
        .any(|daemon| kinds::kind(&daemon.exe_name).is_some_and(|kind| kind.collects_in_files))
}

/// Reports whether the parent of a process does not count: no job holds on to it.
fn is_detached(search: &JobSearch<'_>, node: Node) -> bool {
    search.forest.parent(node).is_none_or(|parent| !search.counts(parent))
}

/// Reports whether a process has become a child of pid 1, or of an ancestor of the daemons: a
/// subreaper among them adopts orphans.
fn is_orphan(search: &JobSearch<'_>, node: Node, daemons: &[Daemon]) -> bool {
    let Some(parent) = search.forest.parent(node) else { return true };
    search.forest.pid(parent) == 1
        || daemons
            .iter()
            .filter_map(|daemon| search.forest.find(daemon.pid))
            .any(|daemon| search.forest.ancestors(daemon).any(|node| node == parent))
}

/// Returns the facts of /proc/PID/stat, if the process can be read.
fn stat_of(proc: &Proc, pid: Pid) -> Result<Option<Stat>, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(None);
    };
    let stat = process.lookup(process.stat().copied())?;
    Ok(if let Lookup::Found(stat) = stat { Some(stat) } else { None })
}

/// Reports whether a child of a daemon is its worker: a fork of it that has not become a job yet.
fn is_forked(member: &JobCandidate, daemon: &Daemon) -> bool {
    // Daemons that are scripts share their executable with many programs, and busybox with all of
    // its applets.
    kinds::kind(&daemon.exe_name).is_some() && member.exe_name == daemon.exe_name
}

/// The state of a scan for jobs.
struct JobSearch<'f> {
    forest: &'f Forest<JobCandidate>,
    origins: BTreeMap<Node, JobOrigin>,
    /// Our own process, its ancestors and its descendants: we may be part of a job ourselves.
    ours: BTreeSet<Node>,
    /// The daemons, and the processes around them: see [`of_service`].
    of_service: BTreeSet<Node>,
}

impl JobSearch<'_> {
    /// Marks the descendants of a detached daemon as its own, wherever their output goes.
    fn follow_daemons(&mut self) {
        let uncertain = self
            .origins
            .iter()
            .filter(|(_, origin)| matches!(origin, JobOrigin::Cgroup | JobOrigin::Output));
        let below: Vec<Node> =
            uncertain.map(|(&node, _)| node).filter(|&node| self.is_below_daemon(node)).collect();
        for node in below {
            self.origins.insert(node, JobOrigin::Daemon);
        }
    }

    /// Reports whether an ancestor of a process is a daemon that a job started.
    fn is_below_daemon(&self, node: Node) -> bool {
        self.forest
            .ancestors(node)
            .any(|above| self.origins.get(&above) == Some(&JobOrigin::Daemon))
    }

    /// Reports whether a process counts, as far as the scan has come.
    fn counts(&self, node: Node) -> bool {
        self.origins.contains_key(&node)
    }

    /// Reports whether a process is certainly cron's: neither its own tie nor that of an ancestor
    /// is a mere likelihood.
    fn is_certain(&self, node: Node) -> bool {
        !self.is_only_likely(node)
            && !self.forest.ancestors(node).any(|above| self.is_only_likely(above))
    }

    /// Reports whether the tie of a process can be another's: any process may have such an output,
    /// and the number of an empty session may be reused.
    fn is_only_likely(&self, node: Node) -> bool {
        matches!(
            self.origins.get(&node),
            Some(JobOrigin::Output | JobOrigin::Reappeared | JobOrigin::Perhaps)
        )
    }

    /// Adds a process, and reports whether it counts. A process that has exited does not count:
    /// those that it left behind are found in other ways.
    fn add(&mut self, node: Node, origin: JobOrigin) -> bool {
        if !self.forest.data(node).is_alive
            || self.ours.contains(&node)
            || self.of_service.contains(&node)
        {
            return false;
        }
        self.origins.entry(node).or_insert(origin);
        true
    }

    /// Adds the descendants of all processes that count.
    fn add_descendants(&mut self) {
        let roots: Vec<(Node, JobOrigin)> =
            self.origins.iter().map(|(&node, &origin)| (node, origin)).collect();
        for (root, origin) in roots {
            let origin = if origin.is_detached() { origin } else { JobOrigin::Descendant };
            for node in self.forest.descendants(root) {
                match self.origins.get(&node) {
                    // A daemon below a job that is waited for is waited for too.
                    Some(known) if known.is_detached() && origin == JobOrigin::Descendant => {
                        self.origins.insert(node, origin);
                    }
                    _ => {
                        self.add(node, origin);
                    }
                }
            }
        }
    }
}

/// Reads all processes. Errors: one that may be a job cannot be examined.
fn read(proc: &Proc, daemons: &[Daemon]) -> Result<Forest<JobCandidate>, Error> {
    let groups = CronGroups::find(daemons)?;
    tree::read(proc.scan(Files::new(&[File::Exe]) | tree::FILES)?, |process, _| {
        match process.lookup(candidate(process, daemons, &groups))? {
            // A process that the kernel hides from an ordinary user is left out: ordinary users can
            // only list jobs.
            Lookup::Unavailable(reason)
                if reason != Unavailable::Denied || nix::unistd::geteuid().is_root() =>
            {
                Err(Error::Unexamined { pid: process.pid(), reason })
            }
            candidate => Ok(candidate),
        }
    })
}

/// Reads the facts about a process that a scan keeps.
fn candidate(
    process: &Process<'_>,
    daemons: &[Daemon],
    groups: &CronGroups<'_>,
) -> ReadResult<JobCandidate> {
    let stat = *process.stat()?;
    let exe_name =
        if_available(process.exe_name())?.map(|name| name.into_owned()).unwrap_or_default();
    let is_named = is_named(&exe_name, daemons);
    Ok(JobCandidate {
        session: stat.session,
        pgrp: stat.pgrp,
        tty: stat.tty,
        start_ticks: stat.start_ticks,
        is_alive: stat.is_alive(),
        is_kernel_thread: stat.is_kernel_thread(),
        is_worker: is_named && is_worker(process, &exe_name)?,
        is_runner: kinds::is_runner(&exe_name) && is_of_system(process)?,
        is_in_cgroup: groups.have(process)?,
        exe_name,
        audit: if is_named { audit_session(process)? } else { None },
    })
}

/// Returns the audit session of a process that a scan has shown; `None` if it has none or has
/// exited.
fn audit_of(proc: &Proc, pid: Pid, member: &JobCandidate) -> Result<Option<u64>, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(None);
    };
    let audit = audit_session(&process);
    let is_same = |stat: &Stat| stat.start_ticks == member.start_ticks;
    match process.lookup(process.stat().map(is_same).and_then(|same| Ok((same, audit?))))? {
        Lookup::Found((true, audit)) => Ok(audit),
        _ => Ok(None),
    }
}

/// Reports whether this is the name of a daemon, of these or of any kind.
fn is_named(exe_name: &[u8], daemons: &[Daemon]) -> bool {
    kinds::kind(exe_name).is_some() || daemons.iter().any(|daemon| daemon.exe_name == exe_name)
}

/// Reports whether a process with the name of a daemon is a worker. The name alone is no proof: any
/// user can give it to a process, and a container may have a cron of its own.
fn is_worker(process: &Process<'_>, exe_name: &[u8]) -> ReadResult<bool> {
    Ok(is_called_worker(if_available(process.cmdline())?.unwrap_or_default(), exe_name)
        && process.user_ids()?[0] == 0
        && process.status()?.numbers("NSpid").is_none_or(|numbers| numbers.count() == 1))
}

/// The control groups in which every process is cron's.
struct CronGroups<'d> {
    /// The paths of those of the daemons' units.
    units: Vec<&'d [u8]>,
    /// The names of those of the jobs' login sessions.
    scopes: BTreeSet<Vec<u8>>,
}

impl CronGroups<'_> {
    fn find(daemons: &[Daemon]) -> Result<CronGroups<'_>, Error> {
        let with_unit = daemons.iter().filter(|daemon| daemon.unit.is_some());
        let units = with_unit.filter_map(|daemon| daemon.cgroup.as_deref()).collect();
        Ok(CronGroups { units, scopes: login_session::scopes().map_err(Error::Sessions)? })
    }

    /// Reports whether a process is in one of them. Where there is none, nothing is read.
    fn have(&self, process: &Process<'_>) -> ReadResult<bool> {
        if self.units.is_empty() && self.scopes.is_empty() {
            return Ok(false);
        }
        let cgroup =
            if_available(process.file(File::Cgroup))?.and_then(|file| Cgroups(file).path());
        Ok(cgroup.is_some_and(|cgroup| {
            self.units.contains(&cgroup) || self.scopes.contains(base_name(cgroup))
        }))
    }
}

/// Returns the daemons with what runs them, such as a shell, tini or flock between systemd and
/// cron, and a logger at the end of a pipe. None of these is a job, whatever control group it is in.
fn of_service(forest: &Forest<JobCandidate>, daemons: &[Daemon]) -> BTreeSet<Node> {
    let mut found = BTreeSet::new();
    for daemon in daemons.iter().filter_map(|daemon| forest.find(daemon.pid)) {
        found.insert(daemon);
        for above in forest.ancestors(daemon).filter(|&above| forest.pid(above) != 1) {
            found.insert(above);
            // What it has adopted from a job is in the session of that job.
            let session = forest.data(above).session;
            let beside =
                forest.children(above).filter(|&child| forest.data(child).session == session);
            found.extend(beside);
        }
    }
    found
}

/// Reports whether the superuser runs a process from a directory of the system, in our pid
/// namespace.
fn is_of_system(process: &Process<'_>) -> ReadResult<bool> {
    Ok(process.user_ids()?[0] == 0
        && is_system_directory(if_available(process.exe_path())?.unwrap_or_default())
        && process.status()?.numbers("NSpid").is_none_or(|numbers| numbers.count() == 1))
}

/// Returns our own process, its ancestors and its descendants. If a daemon is among the ancestors,
/// the other processes of the job that runs us are included: they may wait for us.
fn ours(
    proc: &Proc,
    forest: &Forest<JobCandidate>,
    daemons: &[Daemon],
) -> Result<BTreeSet<Node>, Error> {
    let self_and_ancestors = self_and_ancestors(proc)?;
    let mut ours: BTreeSet<Node> =
        self_and_ancestors.iter().filter_map(|&pid| forest.find(pid)).collect();
    let Some(own) = self_and_ancestors.first().and_then(|&pid| forest.find(pid)) else {
        return Ok(ours);
    };
    ours.extend(forest.descendants(own));
    let (session, pgrp) = (forest.data(own).session, forest.data(own).pgrp);
    if let Some(daemon) = daemons.iter().find(|daemon| self_and_ancestors.contains(&daemon.pid)) {
        // In the session of the daemon itself, other jobs may run too.
        let is_own_session = session != daemon.session;
        ours.extend(forest.find_all(forest.all(), |member| {
            member.pgrp == pgrp || is_own_session && member.session == session
        }));
    }
    Ok(ours)
}

/// Pins the process of a node, and reads the rest about it; `None` if it has exited or its pid was
/// reused.
fn hold(
    proc: &Proc,
    forest: &Forest<JobCandidate>,
    node: Node,
    origin: JobOrigin,
) -> Result<Option<Job>, Error> {
    let pid = forest.pid(node);
    let process = match proc.process(pid, Target::FILES)? {
        Lookup::Found(process) => process,
        Lookup::Unavailable(reason) => return Err(Error::Unexamined { pid, reason }),
        Lookup::Exited => return Ok(None),
    };
    match process.lookup(describe(&process, forest.data(node).start_ticks, origin))? {
        Lookup::Found(job) => Ok(job),
        Lookup::Unavailable(reason) => Err(Error::Unexamined { pid: process.pid(), reason }),
        Lookup::Exited => Ok(None),
    }
}

/// Describes a pinned process; `None` if it is not the one that started at this time.
fn describe(process: &Process<'_>, start_ticks: u64, origin: JobOrigin) -> ReadResult<Option<Job>> {
    let stat = process.stat()?;
    if stat.start_ticks != start_ticks {
        return Ok(None);
    }
    let arguments = if_available(process.cmdline_start(LONGEST_COMMAND))?.unwrap_or_default();
    let mut target = Target::found(process)?;
    let name = target.name.clone();
    let command = command(&arguments, origin).or(name.clone()).unwrap_or_default();
    if origin == JobOrigin::Job {
        // Users know a job by its command.
        target.name = Some(command.clone());
    }
    Ok(Some(Job {
        target,
        name,
        command,
        parent: stat.ppid,
        state: stat.state,
        started: process.seconds(stat.start_ticks),
        origin,
        is_certain: false,
    }))
}

/// Returns the command of the crontab, `CMD` of `sh -c CMD`, for a job; else the arguments in one
/// line.
fn command(arguments: &[u8], origin: JobOrigin) -> Option<Vec<u8>> {
    let words: Vec<&[u8]> = items(arguments).collect();
    match words[..] {
        [_, b"-c", command] if origin == JobOrigin::Job => Some(command.to_vec()),
        [] => None,
        _ => Some(words.join(&b' ')),
    }
}

impl Job {
    /// Reports whether cron must not be stopped while this process runs.
    pub fn is_awaited(&self, with_daemons: bool) -> bool {
        with_daemons || !self.origin.is_detached()
    }

    /// Reports whether two are the same process.
    pub fn is(&self, other: &Job) -> bool {
        self.target.pid == other.target.pid && self.started == other.started
    }

    /// Closes its pidfd, if it can be opened again: there may be thousands of jobs.
    fn released(mut self) -> Job {
        self.target.reference.as_mut().map(Reference::release);
        self
    }

    /// Returns the seconds since its start, at this moment.
    pub fn runtime(&self) -> f64 {
        (since_boot().as_secs_f64() - self.started).max(0.0)
    }

    /// Returns the time of its start; `None` where the time of the boot is unknown.
    pub fn start(&self, proc: &Proc) -> Option<SystemTime> {
        let seconds = proc.boot_time().ok()? + self.started;
        SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    }

    /// Reports whether users want to see it in a list of `all`: not a worker whose job is shown,
    /// and not a descendant of a job, unless that will not exit by itself.
    pub fn is_of_interest(&self, all: &[Job]) -> bool {
        match self.origin {
            JobOrigin::Worker => !all.iter().any(|job| job.parent == self.target.pid),
            JobOrigin::Descendant => matches!(self.state, b'T' | b't' | b'D'),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            is_kernel_thread: false,
            exe_name: b"sleep".to_vec(),
            is_worker: false,
            is_runner: false,
            audit: None,
            is_in_cgroup: false,
        };
        Forest::new(links, sessions.iter().map(member).collect())
    }

    #[test]
    fn a_session_without_anybody_is_in_doubt_and_then_forgotten() {
        let remembered =
            || [(12, GroupRecord { start_ticks: 5, empty_since: None, is_in_doubt: false })].into();
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

    #[test]
    fn the_command_of_a_job_is_what_the_crontab_says() {
        assert_eq!(
            command(b"/bin/sh\0-c\0sleep 5; true\0", JobOrigin::Job),
            Some(b"sleep 5; true".to_vec())
        );
        assert_eq!(
            command(b"/bin/sh\0-c\0sleep 5\0", JobOrigin::Descendant),
            Some(b"/bin/sh -c sleep 5".to_vec())
        );
        assert_eq!(command(b"sleep\x005\0", JobOrigin::Job), Some(b"sleep 5".to_vec()));
        assert_eq!(command(b"", JobOrigin::Job), None);
    }
}
