//! Pools as metrics in the text format of Prometheus, which is also OpenMetrics as far as it is
//! used here: only gauges.

use std::collections::BTreeMap;

use crate::apache::{Measure, Member, Pool, PoolKind, Role, Statistics, WorkerGroup, total};
use crate::output::put;
use crate::output::text::escaped;
use crate::process::Pid;

/// Name and help of each metric, in the order of [`Metric`].
const FAMILIES: [(&str, &str); 11] = [
    ("proctool_pools", "Masters of the program that run."),
    ("proctool_pool_processes", "Processes of the pool, by what they do."),
    ("proctool_pool_threads", "Threads of the pool, by what their processes do."),
    ("proctool_pool_unreadable_processes", "Processes that keep from us what memory they share."),
    ("proctool_pool_process_memory_bytes", "Memory of one process, over those of a group."),
    ("proctool_pool_memory_bytes", "Memory of the processes together, no page counted twice."),
    ("proctool_pool_one_more_bytes", "Memory that one more worker would take."),
    (
        "proctool_pool_available_bytes",
        "Memory left for more workers, by the machine and by control groups.",
    ),
    ("proctool_pool_more_workers", "How many more workers would fit."),
    (
        "proctool_pool_max_request_workers",
        "Requests at a time that the configuration of Apache allows.",
    ),
    ("proctool_pool_max_processes", "Worker processes that the configuration of Apache allows."),
];

/// Places in [`FAMILIES`].
#[derive(Clone, Copy)]
enum Metric {
    Pools,
    Processes,
    Threads,
    Unreadable,
    ProcessMemory,
    Memory,
    OneMore,
    Available,
    MoreWorkers,
    MaxRequestWorkers,
    MaxProcesses,
}

/// The samples by metric: those of one metric must stand together.
#[derive(Default)]
pub struct Metrics {
    samples: [Vec<u8>; FAMILIES.len()],
}

type Label<'l> = (&'static str, &'l str);

impl Metrics {
    /// Adds the pools of a program.
    pub fn add(&mut self, program: &[u8], pools: &[Pool]) {
        let program = &escaped(program)[..];
        let running = pools
            .iter()
            .filter(|pool| matches!(pool.kind, PoolKind::Apache | PoolKind::Pool))
            .count();
        self.sample(Metric::Pools, &[("program", program)], running as f64);
        let mut names: Vec<Vec<(&'static str, String)>> =
            pools.iter().map(|pool| labels(program, pool)).collect();
        let mut seen = BTreeMap::new();
        for name in &names {
            *seen.entry(name.clone()).or_insert(0) += 1;
        }
        for (pool, name) in pools.iter().zip(&mut names) {
            // Two pools with the same labels need another one, because one series cannot stand for
            // both.
            if seen[name] > 1 {
                name.extend(number_of(pool).map(|pid| ("pid", pid.to_string())));
            }
            let labels: Vec<Label<'_>> =
                name.iter().map(|(label, value)| (*label, &value[..])).collect();
            self.pool(pool, &labels);
        }
    }

    /// Appends all samples.
    pub fn write(&self, text: &mut Vec<u8>) {
        for ((name, help), samples) in
            FAMILIES.iter().zip(&self.samples).filter(|(_, samples)| !samples.is_empty())
        {
            put(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            text.extend_from_slice(samples);
        }
        text.extend_from_slice(b"# EOF\n");
    }

    fn pool(&mut self, pool: &Pool, labels: &[Label<'_>]) {
        self.sample(Metric::Unreadable, labels, pool.unreadable() as f64);
        if let Some(master) = &pool.master {
            self.processes(
                &[&master.member],
                &[labels, &[("role", "master"), ("group", "")]].concat(),
            );
        }
        let is_orphaned = matches!(pool.kind, PoolKind::Orphans(_));
        for (at, group) in pool.groups.iter().enumerate() {
            let role = if is_orphaned && group.role == Role::Worker {
                "orphan"
            } else {
                group.role.name()
            };
            let mut name = group_name(group);
            // Names that are cut may be the same for several groups of a pool.
            let is_same =
                |other: &WorkerGroup| other.role == group.role && group_name(other) == name;
            if pool.groups[..at].iter().any(is_same) {
                name = format!("{name} ({})", at + 1);
            }
            let members: Vec<&Member> = group.members.iter().collect();
            self.processes(&members, &[labels, &[("role", role), ("group", &name)]].concat());
        }
        if let Some(capacity) = &pool.capacity {
            self.sample(Metric::Available, labels, capacity.headroom.bytes as f64);
            let estimates = [
                ("average", capacity.average, capacity.more_average()),
                ("largest", capacity.largest, capacity.more_largest()),
            ];
            for (estimate, bytes, workers) in estimates {
                let labels = [labels, &[("estimate", estimate)]].concat();
                self.sample(Metric::OneMore, &labels, bytes as f64);
                self.sample(Metric::MoreWorkers, &labels, workers as f64);
            }
        }
        if let Some(limit) =
            pool.configuration.as_ref().and_then(|configuration| configuration.limit.as_ref())
        {
            self.sample(Metric::MaxRequestWorkers, labels, limit.requests as f64);
            self.sample(Metric::MaxProcesses, labels, limit.processes as f64);
        }
    }

    fn processes(&mut self, members: &[&Member], labels: &[Label<'_>]) {
        self.sample(Metric::Processes, labels, members.len() as f64);
        self.sample(
            Metric::Threads,
            labels,
            members.iter().map(|member| member.threads).sum::<u64>() as f64,
        );
        for measure in Measure::ALL {
            let labels = [labels, &[("kind", measure.name())]].concat();
            if let Some(total) = total(members.iter().copied(), measure) {
                self.sample(Metric::Memory, &labels, total as f64);
            }
            let values = members.iter().filter_map(|member| member.usage.get(measure));
            let Some(found) = Statistics::from_numbers(values) else { continue };
            let statistics = [
                ("min", found.min as f64),
                ("average", found.average),
                ("median", found.median),
                ("max", found.max as f64),
            ];
            for (statistic, value) in statistics {
                let labels = [&labels[..], &[("statistic", statistic)]].concat();
                self.sample(Metric::ProcessMemory, &labels, value);
            }
        }
    }

    fn sample(&mut self, metric: Metric, labels: &[Label<'_>], value: f64) {
        let samples = &mut self.samples[metric as usize];
        samples.extend_from_slice(FAMILIES[metric as usize].0.as_bytes());
        for (at, (name, text)) in labels.iter().enumerate() {
            put(
                samples,
                format_args!("{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, label_value(text)),
            );
        }
        put(samples, format_args!("}} {value}\n"));
    }
}

/// Returns the labels that identify a pool and stay the same after a restart.
fn labels(program: &str, pool: &Pool) -> Vec<(&'static str, String)> {
    let mut labels = vec![("program", program.to_owned())];
    labels.extend(pool.configuration.as_ref().map(|found| ("config", escaped(&found.path))));
    let container = pool.master.as_ref().and_then(|master| master.container.as_deref());
    labels.extend(container.map(|container| ("container", escaped(container))));
    if pool.master.is_none() {
        labels.push(("pool", pool.kind.name().to_owned()));
    }
    labels
}

/// Returns the label that separates similar pools: the pid of the master, running or not.
fn number_of(pool: &Pool) -> Option<Pid> {
    match (&pool.master, pool.kind) {
        (Some(master), _) => Some(master.member.pid),
        (None, PoolKind::Orphans(process_group)) => Some(process_group),
        _ => None,
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

/// Escapes backslashes, quotes and newlines as the format demands.
fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs() {
        let mut metrics = Metrics::default();
        metrics.add(b"apache", &[]);
        let mut text = Vec::new();
        metrics.write(&mut text);
        let expected = "# HELP proctool_pools Masters of the program that run.\n# TYPE \
        proctool_pools gauge\n\
                        proctool_pools{program=\"apache\"} 0\n# EOF\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    /// Builds what is left of two servers, each with two groups whose names are cut at the same
    /// place.
    fn orphans() -> Vec<Pool> {
        let group = |number| WorkerGroup {
            number,
            name_is_cut: true,
            ..WorkerGroup::new(Role::Wsgi, Some(b"shop-".to_vec()))
        };
        let pool = |process_group| Pool {
            program: b"apache2".to_vec(),
            kind: PoolKind::Orphans(process_group),
            master: None,
            groups: vec![
                WorkerGroup::new(Role::Worker, None),
                group(Some(1)),
                group(Some(2)),
                group(None),
                group(None),
            ],
            ended: 0,
            unexamined: 0,
            configuration: None,
            maximum: Vec::new(),
            capacity: None,
            notes: Vec::new(),
        };
        vec![pool(7), pool(8)]
    }

    #[test]
    fn every_series_is_there_once() {
        let mut metrics = Metrics::default();
        metrics.add(b"apache", &orphans());
        let mut text = Vec::new();
        metrics.write(&mut text);
        let text = String::from_utf8(text).unwrap();
        let series = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '));
        let mut names: Vec<&str> = series.map(|(name, _)| name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), all > 20), (all, true), "{text}");
    }

    #[test]
    fn values_of_labels() {
        assert_eq!(label_value("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
