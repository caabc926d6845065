//! Pools as metrics in the text format of Prometheus, which is also OpenMetrics as far as it is
//! used here: only gauges.

use std::collections::BTreeSet;

use crate::apache::{
    Capacity, Measure, Member, Pool, PoolKind, Role, Statistics, WorkerGroup, WorkerLimit, total,
};
use crate::output::put;
use crate::output::text::escaped;
use crate::process::Pid;

/// A metric: what its samples have in common.
struct Family {
    name: String,
    help: String,
    samples: Vec<u8>,
}

/// The samples by metric: those of one metric must stand together.
#[derive(Default)]
pub struct Metrics {
    families: Vec<Family>,
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
        let help = "Masters of the program that run.";
        self.sample("proctool_pools", help, &[("program", program)], running as f64);
        let mut sorted: Vec<&Pool> = pools.iter().collect();
        sorted.sort_by(|one, other| start_time(one).total_cmp(&start_time(other)));
        let mut seen = BTreeSet::new();
        for pool in sorted {
            let mut name = labels(program, pool);
            // One series cannot stand for two. The older one keeps its name.
            if !seen.insert(name.clone()) {
                name.extend(number_of(pool).map(|pid| ("pid", pid.to_string())));
                seen.insert(name.clone());
            }
            let labels: Vec<Label<'_>> =
                name.iter().map(|(label, value)| (*label, &value[..])).collect();
            self.pool(pool, &labels);
        }
    }

    /// Appends all samples.
    pub fn write(&self, text: &mut Vec<u8>) {
        for Family { name, help, samples } in &self.families {
            put(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            if name.ends_with("_bytes") {
                put(text, format_args!("# UNIT {name} bytes\n"));
            }
            text.extend_from_slice(samples);
        }
        text.extend_from_slice(b"# EOF\n");
    }

    fn pool(&mut self, pool: &Pool, labels: &[Label<'_>]) {
        self.sample(
            "proctool_pool_unreadable_processes",
            "Processes that keep from us what memory they share.",
            labels,
            pool.unreadable() as f64,
        );
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
            let labels = [labels, &[("role", role), ("group", &name)]].concat();
            self.processes(&members, &labels);
            if let Some(capacity) = &group.capacity {
                self.estimates("proctool_pool_group", capacity, &labels);
            }
            if let Some(maximum) = pool.maximum_of(group) {
                self.sample(
                    "proctool_pool_group_max_processes",
                    "Processes of the group that the configuration allows.",
                    &labels,
                    maximum.processes as f64,
                );
            }
        }
        if let Some(capacity) = &pool.capacity {
            self.sample(
                "proctool_pool_available_bytes",
                "Memory left for more workers, by the machine and by control groups.",
                labels,
                capacity.headroom.bytes as f64,
            );
            self.estimates("proctool_pool", capacity, labels);
        }
        if let Some(limit) =
            pool.configuration.as_ref().and_then(|configuration| configuration.limit.as_ref())
        {
            self.limit(limit, labels);
        }
    }

    /// Adds what one more worker takes, and how many more would fit.
    fn estimates(&mut self, prefix: &str, capacity: &Capacity, labels: &[Label<'_>]) {
        let estimates = [
            ("peak", "at its peak", capacity.peak, capacity.more_peak()),
            ("average", "like the average", capacity.average, capacity.more_average()),
            ("largest", "like the largest", capacity.largest, capacity.more_largest()),
        ];
        for (name, words, bytes, workers) in estimates {
            self.sample(
                &format!("{prefix}_one_more_{name}_bytes"),
                &format!("Memory that one more worker {words} would take."),
                labels,
                bytes as f64,
            );
            self.sample(
                &format!("{prefix}_more_workers_{name}"),
                &format!("How many more workers {words} would fit."),
                labels,
                workers as f64,
            );
        }
    }

    fn limit(&mut self, limit: &WorkerLimit, labels: &[Label<'_>]) {
        self.sample(
            "proctool_pool_max_request_workers",
            "Requests at a time that the configuration of Apache allows.",
            labels,
            limit.requests as f64,
        );
        self.sample(
            "proctool_pool_max_processes",
            "Worker processes that the configuration of Apache allows.",
            labels,
            limit.processes as f64,
        );
    }

    fn processes(&mut self, members: &[&Member], labels: &[Label<'_>]) {
        self.sample(
            "proctool_pool_processes",
            "Processes of the pool, by what they do.",
            labels,
            members.len() as f64,
        );
        self.sample(
            "proctool_pool_threads",
            "Threads of the pool, by what their processes do.",
            labels,
            members.iter().map(|member| member.threads).sum::<u64>() as f64,
        );
        for measure in Measure::ALL {
            let name = measure.name();
            if let Some(total) = total(members.iter().copied(), measure) {
                self.sample(
                    &format!("proctool_pool_{name}_bytes"),
                    &format!("The {name} of the processes together, no page counted twice."),
                    labels,
                    total as f64,
                );
            }
            let values = members.iter().filter_map(|member| member.usage.get(measure));
            let Some(found) = Statistics::from_numbers(values) else { continue };
            let statistics = [
                ("min", "smallest", found.min as f64),
                ("average", "average", found.average),
                ("median", "median", found.median),
                ("max", "largest", found.max as f64),
            ];
            for (statistic, word, value) in statistics {
                self.sample(
                    &format!("proctool_pool_process_{name}_{statistic}_bytes"),
                    &format!("The {word} {name} of the processes of a group."),
                    labels,
                    value,
                );
            }
        }
    }

    fn sample(&mut self, name: &str, help: &str, labels: &[Label<'_>], value: f64) {
        let at = self.families.iter().position(|family| family.name == name);
        let at = at.unwrap_or_else(|| {
            let (name, help) = (name.to_owned(), help.to_owned());
            self.families.push(Family { name, help, samples: Vec::new() });
            self.families.len() - 1
        });
        let samples = &mut self.families[at].samples;
        samples.extend_from_slice(name.as_bytes());
        for (at, (name, text)) in labels.iter().enumerate() {
            put(
                samples,
                format_args!("{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, label_value(text)),
            );
        }
        put(samples, format_args!("}} {value}\n"));
    }
}

/// Returns the start of a pool's master in seconds since the epoch; 0 where it is unknown.
fn start_time(pool: &Pool) -> f64 {
    pool.master.as_ref().and_then(|master| master.member.start_time).unwrap_or_default()
}

/// Returns the labels that identify a pool. They depend on the pool alone, so that no other one
/// changes the names of its series, and stay the same after a restart where it has a configuration
/// or a unit of systemd. Where it has neither, nothing but its pid tells it from others.
fn labels(program: &str, pool: &Pool) -> Vec<(&'static str, String)> {
    let mut labels = vec![("program", program.to_owned())];
    let configuration = pool.configuration.as_ref().map(|found| escaped(&found.path));
    let unit = pool.master.as_ref().and_then(|master| master.unit.as_deref()).map(escaped);
    let is_known = configuration.is_some() || unit.is_some();
    labels.extend(configuration.map(|path| ("config", path)));
    labels.extend(unit.map(|unit| ("unit", unit)));
    let container = pool.master.as_ref().and_then(|master| master.container.as_deref());
    labels.extend(container.map(|container| ("container", escaped(container))));
    if pool.master.is_none() {
        labels.push(("pool", pool.kind.name().to_owned()));
    }
    if !is_known {
        labels.extend(number_of(pool).map(|pid| ("pid", pid.to_string())));
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
