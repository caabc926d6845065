//! Available memory: that of the machine, and that of the memory cgroup of Apache.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::support::apache::{ApacheBox, blocks, only};
use super::super::support::command::finish;
use super::super::support::place::soon;
use super::{notes, number};
use crate::{apache_box, skip};

/// A memory cgroup of the test, removed when dropped.
struct Group {
    path: PathBuf,
    limit: &'static str,
    usage: &'static str,
    inactive: &'static str,
}

impl Group {
    /// Makes an empty cgroup, in the hierarchy that has the memory controller.
    fn new() -> Option<Group> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("proctool-test-{}-{count}", std::process::id());
        let v1 = (
            "/sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        );
        let v2 = ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file");
        [v1, v2].into_iter().find_map(|(root, limit, usage, inactive)| {
            let group = Group { path: Path::new(root).join(&name), limit, usage, inactive };
            fs::create_dir(&group.path).ok()?;
            // Dropped, and so removed, where memory is not counted.
            group.path.join(limit).exists().then_some(group)
        })
    }

    fn set(&self, file: &str, value: impl ToString) {
        fs::write(self.path.join(file), value.to_string())
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    fn limit(&self, bytes: u64) {
        self.set(self.limit, bytes);
    }

    fn usage(&self) -> u64 {
        let text = fs::read_to_string(self.path.join(self.usage)).expect("reading its usage");
        text.trim().parse().expect("parsing a number")
    }

    fn inactive(&self) -> u64 {
        let text =
            fs::read_to_string(self.path.join("memory.stat")).expect("reading its statistics");
        let line =
            text.lines().find_map(|line| line.strip_prefix(self.inactive)?.strip_prefix(' '));
        line.expect("finding its inactive files").parse().expect("parsing a number")
    }

    fn take(&self, pids: &[u32]) {
        pids.iter().for_each(|pid| self.set("cgroup.procs", pid));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.path.exists() {
            // Its processes have just been ended with their box.
            soon("the end of a cgroup", || fs::remove_dir(&self.path).is_ok());
        }
    }
}

#[test]
fn without_a_limit_it_is_what_the_machine_has() {
    let place = apache_box!();
    place.prefork();
    let block = place.block(&[]);
    let available = &block["available"];
    let bytes = number(&available["bytes"]);
    assert_eq!(bytes, number(&available["mem_available"]).min(bytes), "{block:#}");
    if available["from"] == "MemAvailable" {
        assert_eq!(available["bytes"], available["mem_available"], "{block:#}");
    }
    for estimate in ["average", "largest"] {
        let one_more = block["one_more"][estimate].as_f64().expect("finding an estimate");
        let expected = (bytes as f64 / one_more).floor();
        let found = number(&block["more_workers"][estimate]) as f64;
        assert!((found - expected).abs() <= 1.0, "{estimate}: expected {expected}: {block:#}");
    }
}

/// Starts an Apache in a cgroup with a limit.
fn enclose(place: &ApacheBox, group: &Group, limit: u64) {
    let master = place.prefork();
    let outer = |pid: u32| place.outer(pid).expect("finding its pid outside");
    let pids: Vec<u32> =
        [vec![master], place.children(master)].concat().into_iter().map(outer).collect();
    group.take(&pids);
    group.limit(limit);
}

/// Starts an Apache in a cgroup with a limit, and returns the output of the tool where the cgroup
/// is visible.
#[track_caller]
fn limited(place: &ApacheBox, group: &Group, limit: u64) -> Value {
    enclose(place, group, limit);
    only(blocks(&finish(place.tool_among_groups(&["--json"])).succeeds()))
}

#[test]
fn a_limit_of_its_cgroup_counts_when_it_is_the_lowest() {
    let Some(group) = namespace_root().and_then(|()| Group::new()) else {
        skip!("no memory cgroup")
    };
    let place = apache_box!();
    let limit = 512 << 20;
    let block = limited(&place, &group, limit);
    let available = &block["available"];
    assert_eq!(available["from"], "cgroup", "{block:#}");
    assert_eq!(number(&available["limit"]), limit, "{block:#}");
    let path = available["cgroup"].as_str().expect("finding its path");
    assert!(
        path.ends_with(
            group.path.file_name().and_then(|name| name.to_str()).expect("decoding a name")
        ),
        "{block:#}"
    );
    let expected = limit - group.usage() + group.inactive();
    let found = number(&available["bytes"]);
    // Usage moves by what the kernel charges in advance.
    assert!(
        found <= limit && found.abs_diff(expected) < 16 << 20,
        "expected {expected}: {block:#}"
    );
    let average = block["one_more"]["average"].as_f64().expect("finding an average");
    // Where its own cgroup is the root, the limit cannot be read anywhere.
    let blind = place.block(&[]);
    if place.shell("grep -c ' - cgroup' /proc/self/mountinfo || :") == "0" {
        assert!(notes(&blind).contains("it is not mounted here"), "{blind:#}");
    }
    assert!(
        number(&block["more_workers"]["average"]).abs_diff((found as f64 / average) as u64) <= 1,
        "{block:#}"
    );
}

#[test]
fn a_limit_of_an_enclosing_cgroup_counts_too() {
    let Some(outer) = namespace_root().and_then(|()| Group::new()) else {
        skip!("no memory cgroup")
    };
    let _ = fs::write(outer.path.join("cgroup.subtree_control"), "+memory");
    let inner = Group { path: outer.path.join("inner"), ..outer };
    fs::create_dir(&inner.path).expect("making a cgroup");
    let place = apache_box!();
    outer.limit(256 << 20);
    let block = limited(&place, &inner, 1 << 30);
    assert_eq!(block["available"]["from"], "cgroup", "{block:#}");
    assert_eq!(number(&block["available"]["limit"]), 256 << 20, "{block:#}");
    assert!(number(&block["available"]["bytes"]) <= 256 << 20, "{block:#}");
}

#[test]
fn a_limit_counts_where_the_processes_are_seen_through_another_procfs() {
    let Some(group) = namespace_root().and_then(|()| Group::new()) else {
        skip!("no memory cgroup")
    };
    let place = apache_box!();
    enclose(&place, &group, 512 << 20);
    let block = only(blocks(&place.memory_from_outside(&["--json"]).succeeds()));
    let is_told = !super::notes(&block).is_empty();
    assert!(
        block["available"]["from"] == "cgroup" || is_told,
        "a limit that nobody knows of: {block:#}"
    );
}

#[test]
fn a_limit_above_what_the_machine_has_does_not_count() {
    let Some(group) = namespace_root().and_then(|()| Group::new()) else {
        skip!("no memory cgroup")
    };
    let place = apache_box!();
    let block = limited(&place, &group, 1 << 50);
    assert_eq!(block["available"]["from"], "MemAvailable", "{block:#}");
}

fn namespace_root() -> Option<()> {
    super::super::support::namespace::is_root().then_some(())
}
