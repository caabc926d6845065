//! `--top`: all programs of a machine by the memory that they take.

use serde_json::Value;

use super::super::support::apache::ApacheBox;
use super::super::support::place::soon;
use super::{list, number};
use crate::apache_box;

/// Three processes that share 40 MiB, and have 10 MiB each of their own.
const SHARING: &str = "#!/usr/bin/python3
import mmap, os, time
shared = mmap.mmap(-1, 40 << 20)
shared.write(b'x' * (40 << 20))
for number in (1, 2):
    if os.fork() == 0:
        break
own = bytearray(b'y' * (10 << 20))
for page in range(0, 40 << 20, 4096):
    shared[page]
open(f'/mnt/ready{os.getpid()}', 'w').close()
time.sleep(1000)
";

/// Starts the three, and returns their pids.
fn sharing(place: &ApacheBox) -> Vec<u32> {
    place.program("sharing", SHARING);
    place.shell("setsid sharing </dev/null >/dev/null 2>&1 &");
    let named = || -> Vec<u32> {
        let seen = place.processes().into_iter().filter(|seen| seen.name == "sharing");
        seen.map(|seen| seen.pid).filter(|pid| place.has(&format!("ready{pid}"))).collect()
    };
    soon("all three", || named().len() == 3);
    named()
}

fn find<'v>(block: &'v Value, key: &str, name: &str) -> Option<&'v Value> {
    list(block).iter().find(|each| each[key] == name)
}

#[test]
fn programs_are_ranked_and_no_page_counts_twice() {
    let place = apache_box!(ApacheBox::without_apache());
    let pids = sharing(&place);
    let block = place.memory(&["--top", "0", "--json"]).succeeds().json();
    let found = find(&block, "program", "sharing").unwrap_or_else(|| panic!("{block:#}"));
    assert_eq!((number(&found["processes"]), number(&found["approximate"])), (3, 0), "{block:#}");
    let sum: u64 = pids.iter().filter_map(|&pid| place.bytes(pid, "smaps_rollup", "Pss")).sum();
    let pss = number(&found["pss"]);
    assert!(pss.abs_diff(sum) < 1 << 20, "{sum}: {block:#}");
    assert!((70 << 20..100 << 20).contains(&pss), "{block:#}");
    assert!(number(&found["uss"]) >= 30 << 20 && number(&found["peak"]) >= pss, "{block:#}");
    let all: Vec<u64> =
        list(&block).iter().map(|each| number(&each["pss"]) + number(&each["swap"])).collect();
    assert!(all.is_sorted_by(|one, other| one >= other), "{block:#}");
    assert_eq!(list(&block)[0]["program"], "sharing", "{block:#}");
}

#[test]
fn the_table_has_the_first_ones_and_the_sum_of_all() {
    let place = apache_box!(ApacheBox::without_apache());
    sharing(&place);
    let outcome = place.memory(&["--top", "1"]).succeeds();
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{}", outcome.report());
    assert!(lines[0].ends_with("PROGRAM") && lines[1].ends_with(" 3 sharing"), "{lines:?}");
    assert!(lines[2].contains("all ("), "{lines:?}");
    assert!(place.memory(&["--top"]).succeeds().text().lines().count() > 2);
}

#[test]
fn units_and_containers_are_ranked_too() {
    let place = apache_box!(ApacheBox::without_apache());
    sharing(&place);
    for by in ["unit", "container"] {
        let block = place.memory(&["--top", "0", "--by", by, "--json"]).succeeds().json();
        let count: u64 = list(&block).iter().map(|each| number(&each["processes"])).sum();
        assert!(count >= 3 && list(&block).iter().all(|each| each.get(by).is_some()), "{block:#}");
        let outcome = place.memory(&["--top", "--by", by]).succeeds();
        assert!(outcome.text().contains(&by.to_uppercase()), "{}", outcome.report());
    }
    for wrong in [&["--by", "unit"][..], &["--top", "-1"], &["--top", "--exe", "x"]] {
        place.memory(wrong).exits(2);
    }
}

#[test]
fn what_is_only_counted_is_marked() {
    let place = apache_box!(ApacheBox::without_apache());
    sharing(&place);
    let denied = place.memory_as_nobody(&["--top", "--json"]);
    assert!(
        denied.errors().contains("only the anonymous pages are counted"),
        "{}",
        denied.report()
    );
    for outcome in [denied, place.memory(&["--top", "--cheap", "--json"]).succeeds()] {
        let block = outcome.json();
        let found = find(&block, "program", "sharing").unwrap_or_else(|| panic!("{block:#}"));
        assert_eq!(number(&found["approximate"]), 3, "{block:#}");
        assert!(number(&found["pss"]) >= 30 << 20, "{block:#}");
    }
    let outcome = place.memory(&["--top", "1", "--cheap"]).succeeds();
    assert!(outcome.text().contains('~'), "{}", outcome.report());
    let outcome = place.memory(&["--top", "1", "--output", "/run/top"]).succeeds();
    assert_eq!(outcome.text(), "");
    assert!(place.shell("cat /run/top").contains("sharing"));
}
