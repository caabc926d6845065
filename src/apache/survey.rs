//! One look at all pools of a program: from the tree of processes to the masters, and from each
//! master to its processes.

use std::collections::BTreeMap;

use crate::path::base_name;
use crate::process::{
    Cgroups, Error, File, Files, Headroom, Lookup, Pid, Proc, Process, ReadError, ReadResult,
    Unexamined, if_available, items,
};
use crate::tree::{self, Forest, Node};

use super::configuration::{self, Configuration, Owner, ReadBudget, ServerProcess, Source};
use super::evidence::{Classification, Evidence, Rejection};
use super::maximum::{self, KnownProgram, Maxima, Started};
use super::member::{Depth, Member};
use super::pool::{Master, Pool, PoolKind, Role, WorkerGroup};
use super::program::ServerProgram;
use super::role::{MasterContext, OpenSockets, ProcessRole, SocketTables};
use super::{naming, title};

/// The result of a survey.
#[derive(Default)]
pub struct Survey {
    pub pools: Vec<Pool>,
    /// Processes of the right name that are not the master of a pool.
    pub rejected: Vec<(Pid, Rejection)>,
    /// Processes whose program is unavailable.
    pub hidden: Unexamined,
    /// Whether there may be processes that are invisible.
    hides_others: bool,
}

impl Survey {
    /// Returns how many processes of the right name may be a master.
    pub fn unproved(&self) -> usize {
        self.rejected.iter().filter(|(_, rejection)| rejection.is_unproved).count()
    }

    /// Reports whether there are certainly no other pools.
    pub fn is_complete(&self) -> bool {
        self.unproved() == 0 && self.hidden.is_empty() && !self.hides_others
    }
}

/// The facts about every process that the first pass keeps.
struct PoolCandidate {
    is_wanted: bool,
    start_ticks: u64,
}

/// Processes without a master.
#[derive(Default)]
struct Strays {
    /// By process group, which is that of the master that has exited.
    orphans: BTreeMap<Pid, Vec<(ProcessRole, Member)>>,
    singles: Vec<Member>,
    headroom: Option<Headroom>,
}

/// Surveys all pools of a program.
pub fn survey(proc: &Proc, program: &ServerProgram, depth: Depth) -> Result<Survey, Error> {
    let mut survey = Survey { hides_others: proc.hides_others()?, ..Survey::default() };
    let forest = tree::read(proc.scan(program.files() | tree::FILES)?, |process, kin| {
        let seen =
            |is_wanted| Lookup::Found(PoolCandidate { is_wanted, start_ticks: kin.start_ticks });
        Ok::<_, Error>(match process.lookup(program.is_run_by(process))? {
            Lookup::Found(is_wanted) => seen(is_wanted),
            Lookup::Unavailable(reason) => {
                survey.hidden.add(process.pid(), reason);
                // It may still be the parent of one.
                seen(false)
            }
            Lookup::Exited => Lookup::Exited,
        })
    })?;
    let (strays, sockets, budget) =
        (Strays::default(), SocketTables::default(), ReadBudget::default());
    let mut surveyor =
        Surveyor { proc, program, depth, forest: &forest, sockets, budget, strays, survey };
    let is_wanted = |node| forest.data(node).is_wanted;
    for node in
        forest.all().filter(|&node| is_wanted(node) && !forest.parent(node).is_some_and(is_wanted))
    {
        surveyor.visit(node)?;
    }
    Ok(surveyor.conclude())
}

struct Surveyor<'s> {
    proc: &'s Proc,
    program: &'s ServerProgram,
    depth: Depth,
    forest: &'s Forest<PoolCandidate>,
    sockets: SocketTables,
    budget: ReadBudget,
    strays: Strays,
    survey: Survey,
}

impl<'s> Surveyor<'s> {
    /// Examines a process whose parent does not run the same program.
    fn visit(&mut self, node: Node) -> Result<(), Error> {
        let Some(process) = self.pin(node, None)? else { return Ok(()) };
        let has_children = self.wanted_children(node).next().is_some();
        let evidence = Evidence::collect(&process, self.program, &self.sockets);
        let Some(evidence) = self.settled(&process, evidence)? else { return Ok(()) };
        match evidence.classification(has_children) {
            Classification::Server => self.server(&process, node, &evidence),
            Classification::Orphan => self.orphan(&process, &evidence),
            Classification::Pool => self.pool(&process, node),
            Classification::Single => self.single(&process),
            Classification::Rejected(rejection) => {
                self.survey.rejected.push((process.pid(), rejection));
                Ok(())
            }
        }
    }

    /// Returns what was read of a process; `None` if it has exited, or is unavailable. Both are
    /// counted.
    fn settled<T>(
        &mut self,
        process: &Process<'_>,
        read: ReadResult<T>,
    ) -> Result<Option<T>, Error> {
        let settled = process.lookup(read)?;
        Ok(self.count(process.pid(), settled))
    }

    /// Returns a value; `None` for a process that has exited or could not be examined. Both are
    /// counted.
    fn count<T>(&mut self, pid: Pid, settled: Lookup<T>) -> Option<T> {
        match settled {
            Lookup::Found(value) => Some(value),
            Lookup::Unavailable(reason) => {
                self.survey.hidden.add(pid, reason);
                None
            }
            Lookup::Exited => None,
        }
    }

    fn wanted_children(&self, node: Node) -> impl Iterator<Item = Node> + use<'s> {
        let forest = self.forest;
        forest.children(node).filter(|&child| forest.data(child).is_wanted)
    }

    /// Pins the process of a node, if it is still the one of the first pass.
    fn pin(&mut self, node: Node, parent: Option<Pid>) -> Result<Option<Process<'s>>, Error> {
        let expected = Files::new(&[File::Stat, File::Status, File::Exe]);
        let pid = self.forest.pid(node);
        let pinned = self.proc.process(pid, expected)?;
        let Some(process) = self.count(pid, pinned) else { return Ok(None) };
        let is_same = || {
            let stat = process.stat()?;
            let is_related = parent.is_none_or(|parent| stat.ppid == parent);
            let is_as_old = stat.start_ticks == self.forest.data(node).start_ticks;
            Ok(is_related && is_as_old && self.program.is_run_by(&process)?)
        };
        let is_same = self.settled(&process, is_same())?;
        Ok(if is_same == Some(true) { Some(process) } else { None })
    }

    /// Returns a process below a master with its sockets; `None` if it has exited meanwhile.
    fn below(
        &mut self,
        node: Node,
        parent: Node,
        master: Option<MasterContext<'_>>,
    ) -> Result<Option<(Option<OpenSockets>, Member)>, Error> {
        let Some(process) = self.pin(node, Some(self.forest.pid(parent)))? else { return Ok(None) };
        let held = master.map_or(Ok(None), |master| self.sockets.held_below(&process, master));
        let read = held.and_then(|held| Ok((held, Member::read(&process, self.depth)?)));
        self.settled(&process, read)
    }

    /// Adds an Apache: all descendants of its master that run the same program without a gap.
    /// Workers of mpm_itk have children, and so may WSGI daemons.
    fn server(
        &mut self,
        process: &Process<'_>,
        top: Node,
        evidence: &Evidence,
    ) -> Result<(), Error> {
        let Some(master) = self.settled(process, Master::read(process, self.depth))? else {
            return Ok(());
        };
        let above = MasterContext { arguments: &master.arguments, held: evidence.held.as_ref() };
        let (mut members, mut ended, mut unexamined) = (Vec::new(), 0, 0);
        let mut parents: Vec<(Node, Option<ProcessRole>)> = vec![(top, None)];
        while let Some((parent, parents_duty)) = parents.pop() {
            for child in self.wanted_children(parent) {
                let Some((held, member)) = self.below(child, parent, Some(above))? else {
                    ended += 1;
                    continue;
                };
                unexamined += usize::from(held.is_none());
                let role = ProcessRole::from_sockets_and_title(
                    held.as_ref(),
                    member.threads,
                    &member.arguments,
                    Some(above),
                    parents_duty.as_ref(),
                );
                parents.push((child, Some(role.clone())));
                members.push((role, member, held));
            }
        }
        let members = with_roles(members);
        let configuration = configuration_of(process, &master, &self.budget);
        let configured = configuration.as_ref().ok().and_then(|found| found.groups.as_deref());
        let mut pool = Pool::new(
            master.program(self.program),
            PoolKind::Apache,
            naming::groups(members, configured),
        );
        match configuration {
            Ok(configuration) => pool.configuration = Some(configuration),
            Err(doubt) => pool.notes.push(format!("the configuration is not known: {doubt}")),
        }
        (pool.master, pool.ended, pool.unexamined) = (Some(master), ended, unexamined);
        pool.estimate(process.lookup(process.headroom())?);
        self.survey.pools.push(pool);
        Ok(())
    }

    fn orphan(&mut self, process: &Process<'_>, evidence: &Evidence) -> Result<(), Error> {
        if let Some(member) = self.settled(process, Member::read(process, self.depth))? {
            let role = ProcessRole::from_sockets_and_title(
                evidence.held.as_ref(),
                member.threads,
                &member.arguments,
                None,
                None,
            );
            self.strays.orphans.entry(evidence.process_group).or_default().push((role, member));
        }
        Ok(())
    }

    fn single(&mut self, process: &Process<'_>) -> Result<(), Error> {
        let Some(member) = self.settled(process, Member::read(process, self.depth))? else {
            return Ok(());
        };
        self.strays.singles.push(member);
        if let Lookup::Found(headroom) = process.lookup(process.headroom())? {
            // They need not be in the same control group: the one with the least room counts.
            let least = self
                .strays
                .headroom
                .take()
                .into_iter()
                .chain([headroom])
                .min_by_key(|headroom| headroom.bytes);
            self.strays.headroom = least;
        }
        Ok(())
    }

    /// Adds a pool of another program: all descendants of its master that run the same program
    /// without a gap.
    fn pool(&mut self, process: &Process<'_>, top: Node) -> Result<(), Error> {
        let Some(master) = self.settled(process, Master::read(process, self.depth))? else {
            return Ok(());
        };
        let (mut members, mut ended) = (Vec::new(), 0);
        let mut parents = vec![top];
        while let Some(parent) = parents.pop() {
            for child in self.wanted_children(parent) {
                parents.push(child);
                match self.below(child, parent, None)? {
                    Some((_, member)) => members.push(member),
                    None => ended += 1,
                }
            }
        }
        let groups = by_name(members, Some(&master.member));
        let mut pool = Pool::new(master.program(self.program), PoolKind::Pool, groups);
        let known = KnownProgram::from_name(self.program.name());
        let read = known.map(|known| maximum_of(known, process, &master, &self.budget));
        (pool.master, pool.ended) = (Some(master), ended);
        read.into_iter().for_each(|read| set_maximum(&mut pool, read));
        pool.estimate(process.lookup(process.headroom())?);
        self.survey.pools.push(pool);
        Ok(())
    }

    fn conclude(mut self) -> Survey {
        let Strays { orphans, singles, headroom } = self.strays;
        for (process_group, orphans) in orphans {
            let mut groups = naming::groups(orphans, None);
            groups.retain(|group| !group.members.is_empty());
            let mut pool =
                Pool::new(self.program.name().to_vec(), PoolKind::Orphans(process_group), groups);
            pool.notes.push(
                "their master has ended: nobody replaces them, and they keep its port".to_owned(),
            );
            self.survey.pools.push(pool);
        }
        if !singles.is_empty() {
            let groups = by_name(singles, None);
            let mut pool = Pool::new(self.program.name().to_vec(), PoolKind::Processes, groups);
            pool.estimate(headroom.map_or(Lookup::Exited, Lookup::Found));
            self.survey.pools.push(pool);
        }
        self.survey.pools.iter_mut().for_each(Pool::note_doubts);
        self.survey
    }
}

impl Master {
    fn read(process: &Process<'_>, depth: Depth) -> ReadResult<Master> {
        let groups = if_available(process.file(File::Cgroup))?.map(Cgroups);
        Ok(Master {
            member: Member::read(process, depth)?,
            arguments: if_available(process.cmdline())?.unwrap_or_default().to_vec(),
            exe_path: if_available(process.exe_path())?.map(<[u8]>::to_vec),
            exe_deleted: if_available(process.exe_deleted())?.unwrap_or(false),
            container: groups.and_then(Cgroups::container),
            unit: groups.and_then(Cgroups::unit).map(<[u8]>::to_vec),
        })
    }

    /// Returns the name of the pool: the one that the user gave or, among the names of Apache, the
    /// one that is used here.
    fn program(&self, program: &ServerProgram) -> Vec<u8> {
        match (program, &self.exe_path) {
            (ServerProgram::Apache, Some(path)) => base_name(path).to_vec(),
            _ => program.name().to_vec(),
        }
    }
}

/// Returns the configuration of an Apache, or the reason why it is unknown.
fn configuration_of(
    process: &Process<'_>,
    master: &Master,
    budget: &ReadBudget,
) -> Result<Configuration, configuration::Error> {
    let (root, owner) = (process.root()?, Owner::from_process(process)?);
    let source = Source::new(root, owner, budget).map_err(configuration::Error::NoReader)?;
    let exe = master.exe_path.as_deref().unwrap_or_default();
    let environment = if_available(process.environ())?.unwrap_or_default();
    let (arguments, environment) =
        (items(&master.arguments).collect(), items(environment).collect());
    let exe_is_deleted = master.exe_deleted;
    configuration::read(&source, &ServerProcess { exe, exe_is_deleted, arguments, environment })
}

/// Returns the configured maximum of each group of another program, or the reason why it is
/// unknown.
fn maximum_of(
    known: KnownProgram,
    process: &Process<'_>,
    master: &Master,
    budget: &ReadBudget,
) -> Result<Maxima, String> {
    let unread = |error: ReadError| error.to_string();
    let (root, owner) =
        (process.root().map_err(unread)?, Owner::from_process(process).map_err(unread)?);
    let source = Source::new(root, owner, budget)
        .map_err(|error| configuration::Error::NoReader(error).to_string())?;
    let environment = if_available(process.environ()).map_err(unread)?.unwrap_or_default();
    let started = Started {
        arguments: items(&master.arguments).collect(),
        environment: items(environment).filter(|variable| !variable.is_empty()).collect(),
        exe: master.exe_path.as_deref().unwrap_or_default(),
        directory: if_available(process.file(File::Cwd)).map_err(unread)?,
    };
    maximum::read(known, &started, &source)
}

/// Sets the configured maximum of each group. A configured pool without processes becomes an empty
/// group.
fn set_maximum(pool: &mut Pool, read: Result<Maxima, String>) {
    let mut names = pool.groups.iter().filter_map(|group| group.name.as_deref());
    let read = read.and_then(|maxima| match names.find(|name| !maxima.may_name(name)) {
        // php-fpm was given another prefix, or has not read its present configuration.
        Some(name) => {
            let name = String::from_utf8_lossy(name);
            Err(format!("what could be read does not name the running pool {name}"))
        }
        None => Ok(maxima),
    });
    match read {
        Ok(Maxima { groups, doubts, changed, .. }) => {
            for name in groups.iter().filter_map(|maximum| maximum.group.as_ref()) {
                if !pool.groups.iter().any(|group| group.name.as_ref() == Some(name)) {
                    pool.groups.push(WorkerGroup::new(Role::Pool, Some(name.clone())));
                }
            }
            pool.groups.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
            pool.maximum = groups;
            pool.notes.extend(doubts);
            let start = pool.master.as_ref().and_then(|master| master.member.start_time);
            // The kernel gives the time of its boot in whole seconds.
            if start.zip(changed).is_some_and(|(start, changed)| start + 2.0 < changed as f64) {
                pool.notes.push(
                    "the configuration was changed after the start: it is in force if the server \
                    was told so"
                        .to_owned(),
                );
            }
        }
        Err(why) => pool.notes.push(format!("the configured maximum is not known: {why}")),
    }
}

/// Time in seconds in which a worker has begun to wait for connections.
const BEGINNING: f64 = 2.0;

/// Returns the processes of an Apache with their roles among each other.
fn with_roles(
    members: Vec<(ProcessRole, Member, Option<OpenSockets>)>,
) -> Vec<(ProcessRole, Member)> {
    let any_waits = members.iter().any(|(role, _, held)| {
        *role == ProcessRole::Worker && held.as_ref().is_some_and(|held| held.has_epoll)
    });
    let settled = members.into_iter().map(|(role, member, held)| {
        let is_new = member.age.is_some_and(|age| age < BEGINNING);
        (role.among(held.as_ref(), any_waits, is_new), member)
    });
    settled.collect()
}

/// Makes groups by the titles of processes. A process with the command line of its master has no
/// title.
fn by_name(members: Vec<Member>, master: Option<&Member>) -> Vec<WorkerGroup> {
    let mut groups: BTreeMap<(Role, Option<Vec<u8>>), Vec<Member>> = BTreeMap::new();
    for member in members {
        let name = title::pool(&member.arguments);
        let key = match (name, master) {
            (_, Some(master)) if master.arguments == member.arguments => (Role::Worker, None),
            (Some(name), _) if title::is_helper(&name) => (Role::Helper, Some(name)),
            (Some(name), _) => (Role::Pool, Some(name)),
            (None, _) => (Role::Pool, Some(member.name.clone())),
        };
        groups.entry(key).or_default().push(member);
    }
    let group = |((role, name), mut members): (_, Vec<Member>)| {
        members.sort_by_key(|member| member.pid);
        WorkerGroup { members, ..WorkerGroup::new(role, name) }
    };
    groups.into_iter().map(group).collect()
}
