//! Pools as metrics in the text format of Prometheus, which is also OpenMetrics as far as it is
//! used here: only gauges (see [`Families`]).
//!
//! A series keeps its name for as long as its instance lives, whatever else starts or ends: the
//! labels of an instance ([`identity`]) depend on nothing but itself. Instances whose labels are
//! equal share their series, which count the processes of all of them.

use std::collections::BTreeMap;

use crate::apache::{
    Capacity, GroupMaximum, Measure, Member, Pool, PoolKind, Role, Statistics, WorkerGroup,
    WorkerLimit, total,
};
use crate::output::metrics::{Families, Label};
use crate::output::text::escaped;
use crate::process::Pid;

/// A dashboard for Grafana that shows these metrics, as JSON.
pub const DASHBOARD: &str = include_str!("dashboard.json");

/// The samples by metric.
#[derive(Default)]
pub struct Metrics {
    families: Families,
}

/// The names and values of labels, in order.
type Labels = Vec<(&'static str, String)>;

impl Metrics {
    /// Adds the pools of a program.
    pub fn add(&mut self, program: &[u8], pools: &[Pool]) {
        let program = &escaped(program)[..];
        let running = pools
            .iter()
            .filter(|pool| matches!(pool.kind, PoolKind::Apache | PoolKind::Pool))
            .count();
        let help = "Running instances of the program, each with a master.";
        self.sample("proctool_pools", help, &[("program", program)], running as f64);
        let mut instances: BTreeMap<Labels, Vec<&Pool>> = BTreeMap::new();
        for pool in pools {
            instances.entry(identity(program, pool)).or_default().push(pool);
        }
        for (labels, alike) in &instances {
            let labels: Vec<Label<'_>> =
                labels.iter().map(|(label, value)| (*label, &value[..])).collect();
            self.instance(alike, &labels);
        }
    }

    /// Appends all samples.
    pub fn write(&self, text: &mut Vec<u8>) {
        self.families.write(text);
    }

    /// Adds an instance, or several whose labels are equal as if they were one.
    fn instance(&mut self, alike: &[&Pool], labels: &[Label<'_>]) {
        self.sample(
            "proctool_pool_unreadable_processes",
            "Processes whose shared memory you may not read.",
            labels,
            alike.iter().map(|pool| pool.unreadable()).sum::<usize>() as f64,
        );
        let masters = alike.iter().filter_map(|pool| pool.master.as_ref());
        let masters: Vec<&Member> = masters.map(|master| &master.member).collect();
        if !masters.is_empty() {
            self.processes(&masters, &[labels, &[("role", "master"), ("group", "")]].concat());
        }
        self.groups(alike, labels);
        let capacities = alike.iter().filter_map(|pool| pool.capacity.as_ref());
        let workers = alike.iter().flat_map(|pool| pool.workers());
        if let Some(capacity) = together(capacities, workers) {
            self.sample(
                "proctool_pool_available_bytes",
                "Memory left for more workers, by the machine and by control groups.",
                labels,
                capacity.headroom.bytes as f64,
            );
            self.estimates("proctool_pool", "worker", &capacity, labels);
        }
        let limits = alike.iter().map(|pool| pool.configuration.as_ref()?.limit.as_ref());
        if let Some(limits) = limits.collect::<Option<Vec<&WorkerLimit>>>() {
            self.limit(&limits, labels);
        }
    }

    /// Adds the groups. Those with the same role and name, such as two whose names are cut at the
    /// same place, count as one.
    fn groups(&mut self, alike: &[&Pool], labels: &[Label<'_>]) {
        let mut groups: BTreeMap<(&str, String), Vec<(&Pool, &WorkerGroup)>> = BTreeMap::new();
        for pool in alike {
            for group in &pool.groups {
                let key = (role_name(pool, group), group_name(group));
                groups.entry(key).or_default().push((pool, group));
            }
        }
        for ((role, name), same) in &groups {
            let members = || same.iter().flat_map(|(_, group)| &group.members);
            let labels = [labels, &[("role", *role), ("group", name)]].concat();
            self.processes(&members().collect::<Vec<&Member>>(), &labels);
            let capacities = same.iter().filter_map(|(_, group)| group.capacity.as_ref());
            if let Some(capacity) = together(capacities, members()) {
                self.estimates("proctool_pool_group", "process of the group", &capacity, &labels);
            }
            let maxima = same.iter().map(|(pool, group)| pool.maximum_of(group));
            if let Some(maxima) = maxima.collect::<Option<Vec<&GroupMaximum>>>() {
                self.sample(
                    "proctool_pool_group_max_processes",
                    "Processes of the group that the configuration allows.",
                    &labels,
                    maxima.iter().map(|maximum| maximum.processes as f64).sum(),
                );
            }
        }
    }

    /// Adds what one more worker takes, and how many more would fit.
    fn estimates(&mut self, prefix: &str, what: &str, capacity: &Capacity, labels: &[Label<'_>]) {
        let estimates = [
            ("peak", "at its peak", capacity.peak, capacity.more_peak()),
            ("average", "like the average", capacity.average, capacity.more_average()),
            ("largest", "like the largest", capacity.largest, capacity.more_largest()),
        ];
        for (name, words, bytes, workers) in estimates {
            self.sample(
                &format!("{prefix}_one_more_{name}_bytes"),
                &format!("Memory that one more {what} takes if it is {words}."),
                labels,
                bytes as f64,
            );
            self.sample(
                &format!("{prefix}_more_workers_{name}"),
                &format!("How many times one more {what} would fit if it is {words}."),
                labels,
                workers as f64,
            );
        }
    }

    fn limit(&mut self, limits: &[&WorkerLimit], labels: &[Label<'_>]) {
        self.sample(
            "proctool_pool_max_request_workers",
            "Requests at a time that the configuration of Apache allows.",
            labels,
            limits.iter().map(|limit| limit.requests as f64).sum(),
        );
        self.sample(
            "proctool_pool_max_processes",
            "Worker processes that the configuration of Apache allows.",
            labels,
            limits.iter().map(|limit| limit.processes as f64).sum(),
        );
    }

    fn processes(&mut self, members: &[&Member], labels: &[Label<'_>]) {
        self.sample(
            "proctool_pool_processes",
            "Processes of the group.",
            labels,
            members.len() as f64,
        );
        self.sample(
            "proctool_pool_threads",
            "Threads of the processes of the group.",
            labels,
            members.iter().map(|member| member.threads).sum::<u64>() as f64,
        );
        for measure in Measure::ALL {
            let (name, words) = (measure.name(), meaning(measure));
            if let Some(total) = total(members.iter().copied(), measure) {
                self.sample(
                    &format!("proctool_pool_{name}_bytes"),
                    &format!("{words}: the sum of the group, which counts no page twice."),
                    labels,
                    total as f64,
                );
            }
            let values = members.iter().filter_map(|member| member.usage.get(measure));
            let Some(found) = Statistics::from_numbers(values) else { continue };
            let statistics = [
                ("min", "minimum", found.min as f64),
                ("average", "average", found.average),
                ("median", "median", found.median),
                ("max", "maximum", found.max as f64),
            ];
            for (statistic, which, value) in statistics {
                self.sample(
                    &format!("proctool_pool_process_{name}_{statistic}_bytes"),
                    &format!("{words}: the {which} of the processes of the group."),
                    labels,
                    value,
                );
            }
        }
    }

    fn sample(&mut self, name: &str, help: &str, labels: &[Label<'_>], value: f64) {
        self.families.sample(name, help, labels, value);
    }
}

/// Returns the labels that identify an instance: its program and, where it has them, its
/// configuration, its unit of systemd and its container. These are the same after a restart. The
/// pid of its master is a label only of an instance that has no configuration, no container and no
/// unit that tells what it runs.
///
/// The labels depend on the instance alone. A rule that looks at the others too, for example one
/// that gives a pid to the younger one of two that are alike, would rename its series when the
/// older one ends.
fn identity(program: &str, pool: &Pool) -> Labels {
    let configuration = pool.configuration.as_ref().map(|found| &found.path[..]);
    let unit = pool.master.as_ref().and_then(|master| master.unit.as_deref());
    let container = pool.master.as_ref().and_then(|master| master.container.as_deref());
    let mut labels = vec![("program", program.to_owned())];
    let found = [("config", configuration), ("unit", unit), ("container", container)];
    labels.extend(found.into_iter().filter_map(|(label, value)| Some((label, escaped(value?)))));
    if pool.master.is_none() {
        labels.push(("pool", pool.kind.name().to_owned()));
    }
    let is_known =
        configuration.is_some() || container.is_some() || unit.is_some_and(is_of_a_service);
    if !is_known {
        labels.extend(number_of(pool).map(|pid| ("pid", pid.to_string())));
    }
    labels
}

/// Reports whether a unit tells what it runs. The scope of a login session does not, nor does the
/// service manager of a user: these hold anything that the user starts.
fn is_of_a_service(unit: &[u8]) -> bool {
    unit.ends_with(b".service") && !unit.starts_with(b"user@")
}

/// Returns the number of an instance that nothing else identifies: the pid of its master, running
/// or not.
fn number_of(pool: &Pool) -> Option<Pid> {
    match (&pool.master, pool.kind) {
        (Some(master), _) => Some(master.member.pid),
        (None, PoolKind::Orphans(process_group)) => Some(process_group),
        _ => None,
    }
}

/// Estimates how many more of these workers would fit in the least memory that one of the estimates
/// found; `None` without estimates. For a single pool this is its own estimate.
fn together<'m>(
    capacities: impl Iterator<Item = &'m Capacity>,
    workers: impl Iterator<Item = &'m Member>,
) -> Option<Capacity> {
    let headrooms = capacities.map(|capacity| &capacity.headroom);
    let least = headrooms.min_by_key(|headroom| headroom.bytes)?;
    Capacity::estimate(workers, least.clone())
}

/// Returns what a measure counts, as the beginning of a sentence.
fn meaning(measure: Measure) -> &'static str {
    match measure {
        Measure::Rss => "Resident memory with all shared pages (rss)",
        Measure::Pss => "Resident memory with a share of the shared pages (pss)",
        Measure::Uss => "Resident memory that is not shared (uss)",
        Measure::Swap => "Memory in swap",
    }
}

fn role_name(pool: &Pool, group: &WorkerGroup) -> &'static str {
    match (pool.kind, group.role) {
        (PoolKind::Orphans(_), Role::Worker) => "orphan",
        (_, role) => role.name(),
    }
}

/// Returns the name of a group or, where only that is known, its number.
fn group_name(group: &WorkerGroup) -> String {
    match (&group.name, group.number) {
        (Some(name), Some(number)) if group.name_is_cut => format!("{}#{number}", escaped(name)),
        (Some(name), _) => escaped(name),
        (None, Some(number)) => format!("#{number}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::apache::{Configuration, Master};
    use crate::process::Headroom;

    #[test]
    fn nothing_runs() {
        let mut metrics = Metrics::default();
        metrics.add(b"apache", &[]);
        let mut text = Vec::new();
        metrics.write(&mut text);
        let expected = "\
            # HELP proctool_pools Running instances of the program, each with a master.\n\
            # TYPE proctool_pools gauge\n\
            proctool_pools{program=\"apache\"} 0\n\
            # EOF\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    /// Builds what is left of a server, with groups whose names are cut at the same place.
    fn orphans(process_group: Pid) -> Pool {
        let group = |number| WorkerGroup {
            number,
            name_is_cut: true,
            ..WorkerGroup::new(Role::Wsgi, Some(b"shop-".to_vec()))
        };
        let numbers = [Some(1), Some(2), Some(2), None, None];
        let groups = numbers.map(group).into_iter().chain([WorkerGroup::new(Role::Worker, None)]);
        Pool {
            program: b"apache2".to_vec(),
            kind: PoolKind::Orphans(process_group),
            master: None,
            groups: groups.collect(),
            ended: 0,
            unexamined: 0,
            configuration: None,
            maximum: Vec::new(),
            capacity: None,
            notes: Vec::new(),
        }
    }

    fn member(pid: Pid, uss: u64) -> Member {
        let mut member = Member {
            pid,
            uid: 33,
            name: b"apache2".to_vec(),
            threads: 2,
            start_time: Some(f64::from(pid)),
            age: None,
            arguments: Vec::new(),
            usage: Default::default(),
        };
        (member.usage.uss, member.usage.pss) = (Some(uss), Some(uss));
        member
    }

    /// Builds an instance with a configuration, a unit and a container, each as far as it is not
    /// empty. It has two workers, which allow two more, and memory for 100 bytes.
    fn instance(pid: Pid, [config, unit, container]: [&str; 3]) -> Pool {
        let some = |text: &str| Some(text.as_bytes().to_vec()).filter(|text| !text.is_empty());
        let members = vec![member(pid + 1, 10), member(pid + 2, 20)];
        let limit = WorkerLimit { requests: 8, processes: 4, threads: 2, at: None };
        let configuration = |path| Configuration {
            path,
            mpm: None,
            limit: Some(limit),
            groups: None,
            changed: None,
            doubts: Vec::new(),
        };
        let headroom = Headroom { bytes: 100, machine: 100, group: None, unread: Vec::new() };
        Pool {
            kind: PoolKind::Apache,
            master: Some(Master {
                member: member(pid, 1),
                arguments: Vec::new(),
                exe_path: None,
                exe_deleted: false,
                container: some(container),
                unit: some(unit),
            }),
            capacity: Capacity::estimate(members.iter(), headroom),
            groups: vec![WorkerGroup { members, ..WorkerGroup::new(Role::Worker, None) }],
            configuration: some(config).map(configuration),
            maximum: vec![GroupMaximum { group: None, processes: 4, at: String::new() }],
            ..orphans(0)
        }
    }

    /// Returns the samples by the names of their series, each of which must be there once.
    fn samples(pools: &[Pool]) -> BTreeMap<String, String> {
        let mut metrics = Metrics::default();
        metrics.add(b"apache", pools);
        let mut text = Vec::new();
        metrics.write(&mut text);
        let text = String::from_utf8(text).unwrap();
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let before = samples.insert(series.to_owned(), value.to_owned());
            assert_eq!(before, None, "{line}:\n{text}");
        }
        samples
    }

    #[test]
    fn every_series_is_there_once() {
        let all = samples(&[orphans(7), orphans(8)]);
        let processes = all.keys().filter(|series| series.starts_with("proctool_pool_processes{"));
        let groups = ["", "shop-", "shop-#1", "shop-#2"].map(|group| format!("group=\"{group}\""));
        let pids = ["7", "8"].map(|pid| format!("pid=\"{pid}\""));
        assert_eq!(processes.count(), groups.len() * pids.len(), "{all:#?}");
        for (pid, group) in pids.iter().flat_map(|pid| groups.iter().map(move |group| (pid, group)))
        {
            assert!(all.keys().any(|series| series.contains(pid) && series.contains(group)));
        }
    }

    /// Instances by their configuration, unit and container, and the labels that identify them.
    const IDENTITIES: [([&str; 3], &str); 8] = [
        (["", "", ""], r#"pid="7""#),
        (["/a", "", ""], r#"config="/a""#),
        (["", "a.service", ""], r#"unit="a.service""#),
        (["", "", "docker:a"], r#"container="docker:a""#),
        (["/a", "a.service", "lxc:a"], r#"config="/a",unit="a.service",container="lxc:a""#),
        (["/a", "session-1.scope", ""], r#"config="/a",unit="session-1.scope""#),
        (["", "session-1.scope", ""], r#"unit="session-1.scope",pid="7""#),
        (["", "user@1000.service", ""], r#"unit="user@1000.service",pid="7""#),
    ];

    #[test]
    fn a_pid_is_a_label_only_where_nothing_else_identifies() {
        for (facts, labels) in IDENTITIES {
            let all = samples(&[instance(7, facts)]);
            let series = format!("proctool_pool_available_bytes{{program=\"apache\",{labels}}}");
            assert_eq!(all.get(&series).map(|value| &value[..]), Some("100"), "{all:#?}");
        }
    }

    #[test]
    fn no_other_instance_renames_a_series() {
        let all = || IDENTITIES.into_iter().map(|(facts, _)| facts);
        for (one, other) in all().flat_map(|one| all().map(move |other| (one, other))) {
            let names = |pools: &[Pool]| samples(pools).into_keys().collect::<BTreeSet<String>>();
            let (first, second) = (instance(7, one), instance(70, other));
            let alone = [&first, &second].map(|pool| names(std::slice::from_ref(pool)));
            let both = names(&[first, second]);
            assert_eq!(both, &alone[0] | &alone[1], "{one:?} and {other:?}");
        }
    }

    #[test]
    fn alike_instances_count_as_one() {
        let facts = ["/a", "", ""];
        let alike = [instance(7, facts), instance(70, facts)];
        let all = samples(&alike);
        let value = |name: &str, labels: &str| {
            &all[&format!("{name}{{program=\"apache\",config=\"/a\"{labels}}}")][..]
        };
        let worker = r#",role="worker",group="""#;
        assert_eq!(all["proctool_pools{program=\"apache\"}"], "2");
        assert_eq!(value("proctool_pool_processes", r#",role="master",group="""#), "2");
        assert_eq!(value("proctool_pool_processes", worker), "4");
        assert_eq!(value("proctool_pool_threads", worker), "8");
        assert_eq!(value("proctool_pool_uss_bytes", worker), "60");
        assert_eq!(value("proctool_pool_process_uss_median_bytes", worker), "15");
        assert_eq!(value("proctool_pool_group_max_processes", worker), "8");
        assert_eq!(value("proctool_pool_max_processes", ""), "8");
        assert_eq!(value("proctool_pool_max_request_workers", ""), "16");
        assert_eq!(value("proctool_pool_one_more_average_bytes", ""), "15");
        assert_eq!(value("proctool_pool_more_workers_largest", ""), "5");
    }

    #[test]
    fn the_limit_of_alike_instances_is_known_if_all_are() {
        let facts = ["/a", "", ""];
        let mut alike = [instance(7, facts), instance(70, facts)];
        alike[1].configuration.as_mut().unwrap().limit = None;
        alike[1].maximum.clear();
        let all = samples(&alike);
        assert!(!all.keys().any(|series| series.contains("_max_processes")), "{all:#?}");
    }

    #[test]
    fn bytes_and_nothing_else_have_a_unit() {
        let mut metrics = Metrics::default();
        metrics.add(b"apache", &[instance(7, ["/a", "", ""])]);
        let mut text = Vec::new();
        metrics.write(&mut text);
        let text = String::from_utf8(text).unwrap();
        for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = family.strip_suffix(" gauge").unwrap();
            let unit = format!("\n# UNIT {name} bytes\n");
            assert_eq!(text.contains(&unit), name.ends_with("_bytes"), "{name}:\n{text}");
        }
    }
}
