//! The numbers, compared with those of the kernel and with statistics computed here.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::super::support::apache::{ApacheBox, blocks, only};
use super::super::support::command::finish;
use super::super::support::place::soon;
use super::{list, members, number, of_role, workers};
use crate::apache_box;

/// The memory of a process of the box, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    rss: u64,
    pss: u64,
    uss: u64,
    swap: u64,
    fair_swap: u64,
    page_tables: u64,
}

fn memory(place: &ApacheBox, pid: u32) -> Memory {
    let rollup = |field| {
        place.bytes(pid, "smaps_rollup", field).unwrap_or_else(|| panic!("no {field} of {pid}"))
    };
    Memory {
        rss: rollup("Rss"),
        pss: rollup("Pss"),
        uss: rollup("Private_Clean") + rollup("Private_Dirty") + rollup("Private_Hugetlb"),
        swap: rollup("Swap"),
        fair_swap: rollup("SwapPss"),
        page_tables: place
            .bytes(pid, "status", "VmPTE")
            .expect("reading the size of its page tables"),
    }
}

/// Returns the files that some processes have mapped.
fn mapped(place: &ApacheBox, pids: &[u32]) -> BTreeSet<String> {
    let maps = |pid: &u32| {
        fs::read_to_string(place.root(&format!("/proc/{pid}/maps"))).expect("reading its map")
    };
    let texts: Vec<String> = pids.iter().map(maps).collect();
    let path = |line: &str| Some(line[line.find(" /")? + 1..].to_owned());
    let paths = texts.iter().flat_map(|text| text.lines()).filter_map(path);
    paths.filter(|path| path.starts_with("/usr/") || path.starts_with("/lib")).collect()
}

/// Starts an Apache that shares no pages with processes outside the box: their start or exit would
/// change its memory.
fn apart(place: &ApacheBox) -> Vec<u32> {
    let site = place.site("one", "prefork", 8080);
    let all = |master: u32| [vec![master], place.children(master)].concat();
    let master = site.start(&super::super::support::apache::prefork());
    let files: Vec<String> = mapped(place, &all(master)).into_iter().collect();
    place.kill("TERM", master);
    soon("the end of Apache", || place.children(1).iter().all(|&pid| place.name(pid) != "apache2"));
    place.shell(&format!(
        "mkdir /run/own && at=0; for file in {}; do at=$((at + 1)); cp $file /run/own/$at && \
         mount --bind /run/own/$at $file || exit; done",
        files.join(" ")
    ));
    all(site.start_by("/usr/sbin/apache2 -d /mnt/one -f /mnt/one/httpd.conf"))
}

/// Returns the output of the tool between two equal answers of the kernel, which must come.
fn at_rest(place: &ApacheBox, pids: &[u32]) -> (Value, Vec<(u32, Memory)>) {
    let kernel = || pids.iter().map(|&pid| (pid, memory(place, pid))).collect::<Vec<_>>();
    let mut result = None;
    soon("processes at rest", || {
        let before = kernel();
        let outcome = place.memory_from_outside(&["--json"]).succeeds();
        result = Some((only(blocks(&outcome)), before.clone()));
        before == kernel()
    });
    result.expect("finding a result")
}

/// Returns the minimum, maximum, average and median, computed here.
fn statistics(mut values: Vec<u64>) -> [f64; 4] {
    values.sort_unstable();
    let (count, half) = (values.len(), values.len() / 2);
    let sum: u64 = values.iter().sum();
    let median = if count % 2 == 1 {
        values[half] as f64
    } else {
        (values[half - 1] + values[half]) as f64 / 2.0
    };
    [values[0] as f64, values[count - 1] as f64, sum as f64 / count as f64, median]
}

#[track_caller]
fn has_statistics(stat: &Value, values: Vec<u64>, total: Option<u64>) {
    let expected = statistics(values);
    for (name, expected) in ["min", "max", "average", "median"].into_iter().zip(expected) {
        let found = stat[name].as_f64().unwrap_or_else(|| panic!("no {name}: {stat:#}"));
        assert!((found - expected).abs() <= 0.5, "{name}: expected {expected} in {stat:#}");
    }
    assert_eq!(stat["total"].as_u64(), total, "{stat:#}");
}

#[test]
fn every_process_has_what_the_kernel_says_and_groups_are_their_sums() {
    let place = apache_box!(ApacheBox::needing(&["curl"]));
    let pids = apart(&place);
    let (block, kernel) = at_rest(&place, &pids);
    let kernel = |member: &Value| {
        let pid = number(&member["pid"]) as u32;
        kernel
            .iter()
            .find(|seen| seen.0 == pid)
            .unwrap_or_else(|| panic!("{pid} is not of this Apache"))
            .1
    };
    let all = members(&block);
    assert_eq!(all.len(), pids.len(), "{block:#}");
    for member in &all {
        let expected = kernel(member);
        assert_eq!(number(&member["rss"]), expected.rss, "{member:#}");
        // The vdso is shared with all processes of the machine, which come and go.
        assert!(number(&member["pss"]).abs_diff(expected.pss) <= 2048, "{expected:?}: {member:#}");
        assert_eq!(number(&member["uss"]), expected.uss, "{member:#}");
        assert_eq!(number(&member["swap"]), expected.swap, "{member:#}");
        assert_eq!(number(&member["page_tables"]), expected.page_tables, "{member:#}");
    }
    let sum = |kind: &str| all.iter().map(|member| number(&member[kind])).sum::<u64>();
    assert_eq!(number(&block["memory"]["pss"]), sum("pss"), "{block:#}");
    assert_eq!(number(&block["memory"]["uss"]), sum("uss"), "{block:#}");
    let fair_swap =
        |members: &[&Value]| members.iter().map(|member| kernel(member).fair_swap).sum::<u64>();
    assert_eq!(number(&block["memory"]["swap"]), fair_swap(&all), "{block:#}");
    // Groups of one, two and three processes.
    for group in list(&block["groups"]) {
        fits_its_members(group);
        let members: Vec<&Value> = list(&group["members"]).iter().collect();
        assert_eq!(group["swap"]["total"], fair_swap(&members), "{group:#}");
    }
    let cost = |kind: &str| {
        let of = |member: &Value| {
            number(&member[kind]) + number(&member["page_tables"]) + kernel(member).fair_swap
        };
        list(&workers(&block)["members"]).iter().map(of).collect::<Vec<u64>>()
    };
    let [_, _, average, _] = statistics(cost("uss"));
    let largest = cost("pss").into_iter().max();
    let one_more = &block["one_more"];
    assert!(
        (one_more["average"].as_f64().expect("finding an average") - average).abs() <= 1.0,
        "{average}: {block:#}"
    );
    assert_eq!(one_more["largest"].as_u64(), largest, "{block:#}");
}

/// Checks that the statistics of a group are those of its members.
#[track_caller]
fn fits_its_members(group: &Value) {
    for kind in ["rss", "pss", "uss", "swap"] {
        let values: Vec<u64> =
            list(&group["members"]).iter().map(|member| number(&member[kind])).collect();
        let total = match kind {
            "pss" | "uss" => Some(values.iter().sum()),
            // The proportional one, which members do not have.
            "swap" => group["swap"]["total"].as_u64(),
            _ => None,
        };
        has_statistics(&group[kind], values, total);
    }
}

#[test]
fn statistics_of_unequal_processes() {
    let place = apache_box!(ApacheBox::needing(&["curl"]));
    let site = place.site("one", "prefork", 8080);
    let alias = |name: &str| {
        format!(
            "WSGIScriptAlias /{name} /mnt/app.wsgi process-group={name} \
            application-group=%{{GLOBAL}}\n"
        )
    };
    let text = "WSGIDaemonProcess two processes=2 threads=1\nWSGIDaemonProcess three processes=3 \
    threads=1\n\
        WSGIDaemonProcess four processes=4 threads=1\n<Directory /mnt>\nRequire all granted\n</Directory>\n";
    let aliases = ["two", "three", "four"].map(alias).concat();
    site.start(&format!("{}{text}{aliases}", super::super::support::apache::PREFORK));
    for _ in 0..4 {
        for path in ["/two", "/three", "/four"] {
            place.request(8080, path);
        }
    }
    let block = place.block(&[]);
    assert_eq!(of_role(&block, "wsgi").len(), 3, "{block:#}");
    list(&block["groups"]).iter().for_each(fits_its_members);
    let uss = |group: &Value| (number(&group["uss"]["min"]), number(&group["uss"]["max"]));
    assert!(
        of_role(&block, "wsgi").iter().any(|group| uss(group).0 < uss(group).1),
        "all the same: {block:#}"
    );
}

#[test]
fn cheap_reads_nothing_that_stalls_a_process() {
    let place = apache_box!(ApacheBox::needing(&["strace"]));
    let master = place.prefork();
    let trace = ["strace", "-f", "-o", "/mnt/trace", "-e", "trace=open,openat,openat2"];
    place.memory_by(&trace, &["--json"]).succeeds();
    assert!(place.read("trace").contains("smaps_rollup"), "the trace shows nothing");
    let block = only(blocks(&place.memory_by(&trace, &["--cheap", "--json"]).succeeds()));
    let trace = place.read("trace");
    assert!(!trace.contains("smaps") && trace.contains("status"), "{trace}");
    assert_eq!(block["pid"], master);
    assert_eq!(block["unreadable"], 9, "{block:#}");
    for member in members(&block) {
        let pid = number(&member["pid"]) as u32;
        assert_eq!((&member["pss"], &member["uss"]), (&Value::Null, &Value::Null), "{member:#}");
        assert_eq!(
            Some(number(&member["swap"])),
            place.bytes(pid, "status", "VmSwap"),
            "{member:#}"
        );
        assert_eq!(
            Some(number(&member["page_tables"])),
            place.bytes(pid, "status", "VmPTE"),
            "{member:#}"
        );
    }
    for group in list(&block["groups"]) {
        assert_eq!((&group["pss"], &group["uss"]), (&Value::Null, &Value::Null), "{group:#}");
        let values = list(&group["members"]).iter().map(|member| number(&member["rss"])).collect();
        has_statistics(&group["rss"], values, None);
    }
    assert!(block["memory"]["pss"].is_null() && block["memory"]["uss"].is_null(), "{block:#}");
}

#[test]
fn cheap_takes_the_upper_bound_for_one_more_and_says_so() {
    let place = apache_box!();
    place.prefork();
    let block = place.block(&["--cheap"]);
    let values = list(&workers(&block)["members"]).iter().map(|member| {
        let part = |name| number(&member[name]);
        part("rss") + part("swap") + part("page_tables")
    });
    let values: Vec<u64> = values.collect();
    let average = values.iter().sum::<u64>() as f64 / values.len() as f64;
    let one_more = &block["one_more"];
    assert!(
        (one_more["average"].as_f64().expect("finding an average") - average).abs() <= 1.0,
        "{block:#}"
    );
    assert_eq!(one_more["largest"].as_u64(), values.into_iter().max(), "{block:#}");
    assert!(!super::notes(&block).is_empty(), "{block:#}");
}

#[test]
fn cheap_has_the_rss_of_status() {
    let place = apache_box!();
    place.prefork();
    soon("workers at rest", || {
        let block = place.block(&["--cheap"]);
        let is_so = |member: &&Value| {
            let pid = number(&member["pid"]) as u32;
            Some(number(&member["rss"])) == place.bytes(pid, "status", "VmRSS")
        };
        members(&block).iter().all(is_so)
    });
}

#[test]
fn the_strace_of_a_run_has_nothing_that_writes_or_signals() {
    let place = apache_box!(ApacheBox::needing(&["strace"]));
    let master = place.prefork();
    let trace = [
        "strace",
        "-f",
        "-o",
        "/mnt/trace",
        "-e",
        "trace=file,kill,tkill,tgkill,pidfd_send_signal,ptrace",
    ];
    place.memory_by(&trace, &["--json"]).succeeds();
    let trace = place.read("trace");
    let calls =
        trace.lines().filter_map(|line| line.split_once(' ').map(|line| line.1.trim_start()));
    let changes = calls.filter(|call| {
        ["O_WRONLY", "O_RDWR", "O_CREAT"]
            .iter()
            .any(|flag| call.contains(flag) && !call.contains("/dev/null"))
            || [
                "kill",
                "tkill",
                "tgkill",
                "pidfd_send",
                "ptrace",
                "unlink",
                "rename",
                "mkdir",
                "chmod",
            ]
            .iter()
            .any(|name| call.starts_with(name))
    });
    assert_eq!(changes.collect::<Vec<_>>(), Vec::<&str>::new(), "{trace}");
    assert!(place.is_alive(master));
}

#[test]
fn the_program_takes_no_notice_of_its_input() {
    let place = apache_box!();
    place.prefork();
    let mut command = place.tool(&[], &["--json"]);
    command.stdin(fs::File::open("/dev/zero").expect("opening /dev/zero"));
    finish(command).succeeds();
}
