//! The facts about one pool: its master, its processes in groups, and their statistics.

use crate::process::{Headroom, Lookup, Pid};

use super::capacity::Capacity;
use super::configuration::Configuration;
use super::maximum::GroupMaximum;
use super::member::{Measure, Member};
use super::statistics::Statistics;

/// Processes that belong together.
pub struct Pool {
    /// The name of the program.
    pub program: Vec<u8>,
    pub kind: PoolKind,
    /// The process that forked the others, if there is one.
    pub master: Option<Master>,
    pub groups: Vec<WorkerGroup>,
    /// Number of processes that exited while they were read.
    pub ended: usize,
    /// Number of processes whose descriptors are unavailable, and whose role was decided by their
    /// titles.
    pub unexamined: usize,
    pub configuration: Option<Configuration>,
    /// The configured maximum of each group of a pool of another program, as far as it is known.
    pub maximum: Vec<GroupMaximum>,
    pub capacity: Option<Capacity>,
    /// Remarks about things that are wrong or uncertain.
    pub notes: Vec<String>,
}

/// The tie between the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// A running Apache.
    Apache,
    /// Processes of an Apache whose master, the leader of this process group, has exited.
    Orphans(Pid),
    /// A pool of another program.
    Pool,
    /// Processes of the same program, none of which started another.
    Processes,
}

/// The process that forked the others.
pub struct Master {
    pub member: Member,
    /// All its arguments, each ended by a zero byte.
    pub arguments: Vec<u8>,
    pub exe_path: Option<Vec<u8>>,
    /// Whether the file of its executable was removed or replaced since its start.
    pub exe_deleted: bool,
    pub container: Option<Vec<u8>>,
    pub unit: Option<Vec<u8>>,
}

/// The work of the processes of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// They answer requests.
    Worker,
    /// They are a daemon process group of mod_wsgi.
    Wsgi,
    /// They are children of an Apache that do not listen.
    Other,
    /// They share a title.
    Pool,
    /// They help the others of a pool, and answer no requests.
    Helper,
}

/// Processes with the same role and name.
pub struct WorkerGroup {
    pub role: Role,
    pub name: Option<Vec<u8>>,
    /// For a WSGI group its place in the configuration, from 1.
    pub number: Option<u32>,
    /// Whether the end of the name is missing, so that these may be several groups.
    pub name_is_cut: bool,
    /// The configured groups whose names begin with a cut name.
    pub may_be: Vec<Vec<u8>>,
    /// Its processes, by pid.
    pub members: Vec<Member>,
    /// How many more of them would fit, where a pool has several groups that differ in what they
    /// serve.
    pub capacity: Option<Capacity>,
}

impl Role {
    /// Returns its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Wsgi => "wsgi",
            Role::Other => "other",
            Role::Pool => "pool",
            Role::Helper => "helper",
        }
    }
}

impl PoolKind {
    /// Returns its name in output.
    pub fn name(self) -> &'static str {
        match self {
            PoolKind::Apache => "apache",
            PoolKind::Orphans(_) => "orphans",
            PoolKind::Pool => "pool",
            PoolKind::Processes => "processes",
        }
    }
}

impl WorkerGroup {
    /// Makes an empty group.
    pub fn new(role: Role, name: Option<Vec<u8>>) -> WorkerGroup {
        WorkerGroup {
            role,
            name,
            number: None,
            name_is_cut: false,
            may_be: Vec::new(),
            members: Vec::new(),
            capacity: None,
        }
    }

    /// Reports whether another group is the same one, as far as names are known.
    pub(super) fn is_same(&self, other: &WorkerGroup) -> bool {
        let is_whole = |group: &WorkerGroup| group.name.is_some() && !group.name_is_cut;
        is_whole(self) && is_whole(other) && self.role == other.role && self.name == other.name
    }

    /// Returns the statistics of those processes whose value is known.
    pub fn statistics(&self, measure: Measure) -> Option<Statistics> {
        Statistics::from_numbers(self.members.iter().filter_map(|member| member.usage.get(measure)))
    }

    /// Returns the sum as [`total`] makes it.
    pub fn total(&self, measure: Measure) -> Option<u64> {
        total(self.members.iter(), measure)
    }

    /// Returns the remark that its name is cut.
    fn doubt(&self) -> String {
        let name = String::from_utf8_lossy(self.name.as_deref().unwrap_or_default());
        if let Some(number) = self.number {
            return format!("the name of the WSGI group #{number} '{name}' is cut off");
        }
        let may_be: Vec<_> = self.may_be.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let of =
            if may_be.is_empty() { String::new() } else { format!(", of {}", may_be.join(", ")) };
        format!("the WSGI group '{name}' may be several: its name is cut off{of}")
    }

    /// Returns the number of threads of all its processes.
    pub fn threads(&self) -> u64 {
        self.members.iter().map(|member| member.threads).sum()
    }

    /// Returns the number of processes whose shared pages are unknown.
    pub fn unreadable(&self) -> usize {
        unreadable(self.members.iter())
    }
}

impl Pool {
    /// Makes a pool of these groups, without further facts.
    pub(super) fn new(program: Vec<u8>, kind: PoolKind, groups: Vec<WorkerGroup>) -> Pool {
        let (master, configuration, capacity) = (None, None, None);
        Pool {
            program,
            kind,
            master,
            groups,
            ended: 0,
            unexamined: 0,
            configuration,
            maximum: Vec::new(),
            capacity,
            notes: Vec::new(),
        }
    }

    /// Returns all processes, the master first.
    pub fn everybody(&self) -> impl Iterator<Item = &Member> {
        let members = self.groups.iter().flat_map(|group| &group.members);
        self.master.iter().map(|master| &master.member).chain(members)
    }

    /// Returns the sum as [`total`] makes it.
    pub fn total(&self, measure: Measure) -> Option<u64> {
        total(self.everybody(), measure)
    }

    /// Returns the number of threads of all processes.
    pub fn threads(&self) -> u64 {
        self.everybody().map(|member| member.threads).sum()
    }

    /// Returns the number of processes whose shared pages are unknown.
    pub fn unreadable(&self) -> usize {
        unreadable(self.everybody())
    }

    /// Returns the configured maximum of a group.
    pub fn maximum_of(&self, group: &WorkerGroup) -> Option<&GroupMaximum> {
        let is_alone = self.groups.len() == 1;
        self.maximum.iter().find(|maximum| {
            maximum.is_of(group.name.as_deref()) || maximum.group.is_none() && is_alone
        })
    }

    /// Estimates how many more workers would fit.
    pub(super) fn estimate(&mut self, headroom: Lookup<Headroom>) {
        match headroom {
            Lookup::Found(headroom) => {
                self.notes.extend(headroom.unread.iter().cloned());
                let serves = |group: &&mut WorkerGroup| {
                    matches!(group.role, Role::Worker | Role::Wsgi | Role::Pool)
                };
                if self.groups.iter_mut().filter(serves).count() > 1 {
                    for group in self.groups.iter_mut().filter(serves) {
                        group.capacity = Capacity::estimate(group.members.iter(), headroom.clone());
                    }
                }
                self.capacity = Capacity::estimate(self.workers(), headroom);
            }
            Lookup::Unavailable(why) => {
                self.notes.push(format!("how much memory is available is not known: {why}"))
            }
            Lookup::Exited => {}
        }
    }

    /// Adds remarks about uncertain facts.
    pub(super) fn note_doubts(&mut self) {
        let mut notes = Vec::new();
        if self.ended > 0 {
            notes.push(format!("{} ended while they were read", processes(self.ended)));
        }
        if self.unexamined > 0 {
            notes.push(format!(
                "{} could only be told apart by their titles: helpers, and WSGI daemons without a \
                 display-name, count as workers",
                processes(self.unexamined)
            ));
        }
        for group in self.groups.iter().filter(|group| group.name_is_cut) {
            notes.push(group.doubt());
        }
        if self.capacity.as_ref().is_some_and(|capacity| capacity.is_upper_bound) {
            notes.push(
                "what one more worker takes is an upper bound: pages that it would share are \
                counted"
                    .to_owned(),
            );
        }
        notes.extend(
            self.configuration
                .iter()
                .flat_map(|configuration| configuration.doubts.iter().map(ToString::to_string)),
        );
        notes.extend(self.change().map(str::to_owned));
        self.notes.append(&mut notes);
    }

    /// Returns the remark that the server may not have read the present configuration.
    fn change(&self) -> Option<&'static str> {
        let configuration = self.configuration.as_ref()?;
        let changed = configuration.changed? as f64;
        // The kernel gives the time of its boot in whole seconds.
        let is_older = |start: &f64| start + 2.0 < changed;
        let mut starts = self.workers().filter_map(|member| member.start_time);
        if starts.any(|start| is_older(&start)) {
            return Some(
                "the configuration was changed after the oldest worker began: it may not be in \
                force yet",
            );
        }
        let start = self.master.as_ref().and_then(|master| master.member.start_time);
        // The two limits may also have stood there before. A graceful restart keeps the memory that
        // the processes share.
        start.filter(is_older).map(|_| {
            "the configuration was changed after the start: it is in force if Apache was told so, \
             except for ServerLimit and ThreadLimit, whose change needs a restart"
        })
    }

    /// Returns the processes of which there could be more: the workers of an Apache, else all
    /// except the master and helpers.
    pub fn workers(&self) -> impl Iterator<Item = &Member> {
        let is_apache = self.kind == PoolKind::Apache;
        let groups = self.groups.iter().filter(move |group| match group.role {
            Role::Worker => true,
            Role::Helper => false,
            Role::Wsgi | Role::Other | Role::Pool => !is_apache,
        });
        groups.flat_map(|group| &group.members)
    }
}

/// Returns a sum in which no page counts twice; `None` where a part is unknown, or where shared
/// pages cannot be separated.
pub fn total<'m>(mut members: impl Iterator<Item = &'m Member>, measure: Measure) -> Option<u64> {
    let parts = members.try_fold((0, 0u64), |(count, sum), member| {
        Some((count + 1, sum.saturating_add(member.usage.part(measure)?)))
    });
    parts.filter(|&(count, _)| count > 0).map(|(_, sum)| sum)
}

fn unreadable<'m>(members: impl Iterator<Item = &'m Member>) -> usize {
    members.filter(|member| member.usage.pss.is_none()).count()
}

fn processes(count: usize) -> String {
    format!("{count} process{}", if count == 1 { "" } else { "es" })
}
