//! What is known about one pool: its master, its processes in groups, and what they have in common.

use crate::process::{Headroom, Lookup, Pid};

use super::capacity::Capacity;
use super::configuration::Configuration;
use super::member::{Measure, Member};
use super::statistics::Statistics;

/// Processes that belong together.
pub struct Pool {
    /// The name of the program.
    pub program: Vec<u8>,
    pub kind: PoolKind,
    /// Who started the others, where there is one.
    pub master: Option<Master>,
    pub groups: Vec<WorkerGroup>,
    /// How many processes ended while they were read.
    pub ended: usize,
    /// How many processes kept their descriptors from us, and were told apart by their titles.
    pub unexamined: usize,
    pub configuration: Option<Configuration>,
    pub capacity: Option<Capacity>,
    /// What is not as it should be or could not be told.
    pub notes: Vec<String>,
}

/// What holds the processes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// A running Apache.
    Apache,
    /// What is left of one without its master, whose process group this was.
    Orphans(Pid),
    /// A pool of another program.
    Pool,
    /// Processes of the same program, none of them started by another.
    Processes,
}

/// The process that started the others.
pub struct Master {
    pub member: Member,
    /// All its arguments, each ended by a zero byte.
    pub arguments: Vec<u8>,
    pub exe_path: Option<Vec<u8>>,
    /// Whether the file of the executable was removed or replaced meanwhile.
    pub exe_deleted: bool,
    pub container: Option<Vec<u8>>,
    pub unit: Option<Vec<u8>>,
}

/// What the processes of a group do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// They answer requests.
    Worker,
    /// They are a daemon process group of mod_wsgi.
    Wsgi,
    /// They are children of an Apache that listen to nobody.
    Other,
    /// They have a name of their own.
    Pool,
}

/// Processes that do the same.
pub struct WorkerGroup {
    pub role: Role,
    pub name: Option<Vec<u8>>,
    /// Of a WSGI group: its place in the configuration, from 1.
    pub number: Option<u32>,
    /// Whether the end of the name is missing, so that these may be several groups.
    pub name_is_cut: bool,
    /// Then: the configured groups whose names begin so.
    pub may_be: Vec<Vec<u8>>,
    /// By pid.
    pub members: Vec<Member>,
}

impl Role {
    /// As in output.
    pub fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Wsgi => "wsgi",
            Role::Other => "other",
            Role::Pool => "pool",
        }
    }
}

impl PoolKind {
    /// As in output.
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
    /// A group of nobody yet.
    pub fn new(role: Role, name: Option<Vec<u8>>) -> WorkerGroup {
        WorkerGroup {
            role,
            name,
            number: None,
            name_is_cut: false,
            may_be: Vec::new(),
            members: Vec::new(),
        }
    }

    /// Whether another is the same group, for all that is known of its name.
    pub(super) fn is_same(&self, other: &WorkerGroup) -> bool {
        let is_whole = |group: &WorkerGroup| group.name.is_some() && !group.name_is_cut;
        is_whole(self) && is_whole(other) && self.role == other.role && self.name == other.name
    }

    /// Over those whose value is known.
    pub fn statistics(&self, measure: Measure) -> Option<Statistics> {
        Statistics::from_numbers(self.members.iter().filter_map(|member| member.usage.get(measure)))
    }

    /// See [`total`].
    pub fn total(&self, measure: Measure) -> Option<u64> {
        total(self.members.iter(), measure)
    }

    /// That its name is not whole, in words.
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

    /// Threads of all of them.
    pub fn threads(&self) -> u64 {
        self.members.iter().map(|member| member.threads).sum()
    }

    /// How many keep from us what they share.
    pub fn unreadable(&self) -> usize {
        unreadable(self.members.iter())
    }
}

impl Pool {
    /// Of these groups, with nothing else known yet.
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
            capacity,
            notes: Vec::new(),
        }
    }

    /// Everybody, the master first.
    pub fn everybody(&self) -> impl Iterator<Item = &Member> {
        let members = self.groups.iter().flat_map(|group| &group.members);
        self.master.iter().map(|master| &master.member).chain(members)
    }

    /// See [`total`].
    pub fn total(&self, measure: Measure) -> Option<u64> {
        total(self.everybody(), measure)
    }

    /// Threads of everybody.
    pub fn threads(&self) -> u64 {
        self.everybody().map(|member| member.threads).sum()
    }

    /// How many keep from us what they share.
    pub fn unreadable(&self) -> usize {
        unreadable(self.everybody())
    }

    /// Find out how many more workers would fit.
    pub(super) fn estimate(&mut self, headroom: Lookup<Headroom>) {
        match headroom {
            Lookup::Found(headroom) => {
                self.notes.extend(headroom.unread.iter().cloned());
                self.capacity = Capacity::estimate(self.workers(), headroom);
            }
            Lookup::Unavailable(why) => {
                self.notes.push(format!("how much memory is available is not known: {why}"))
            }
            Lookup::Exited => {}
        }
    }

    /// Note what could not be told.
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
                .flat_map(|configuration| configuration.doubts.iter().cloned()),
        );
        notes.extend(self.change().map(str::to_owned));
        self.notes.append(&mut notes);
    }

    /// That the configuration may not be what the server has read.
    fn change(&self) -> Option<&'static str> {
        let changed = self.configuration.as_ref()?.changed? as f64;
        // The kernel tells the time of its boot in whole seconds.
        let is_older = |start: &f64| start + 2.0 < changed;
        let mut starts = self.workers().filter_map(|member| member.start_time);
        if starts.any(|start| is_older(&start)) {
            return Some(
                "the configuration was changed after the oldest worker began: it may not be in \
                force yet",
            );
        }
        let start = self.master.as_ref().and_then(|master| master.member.start_time);
        start.filter(is_older).map(|_| {
            "the configuration was changed after the start: it is in force if Apache was \
            told so"
        })
    }

    /// Those whose like one may want more of: the workers of an Apache, else everybody but the
    /// master.
    pub fn workers(&self) -> impl Iterator<Item = &Member> {
        let is_apache = self.kind == PoolKind::Apache;
        let groups =
            self.groups.iter().filter(move |group| !is_apache || group.role == Role::Worker);
        groups.flat_map(|group| &group.members)
    }
}

/// A sum in which no page counts twice; `None` where somebody's part is not known, or where pages
/// that are shared cannot be told from others.
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
