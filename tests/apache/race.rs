//! Processes that end and begin while they are counted.

use super::super::support::apache::{ApacheBox, blocks};
use super::super::support::command::Outcome;
use super::super::support::place::soon;
use super::{list, members, number};
use crate::apache_box;

/// Starts workers that exit after one request, and a client that sends requests as long as the box
/// exists.
fn restless(place: &ApacheBox) -> u32 {
    let text = "StartServers 4\nMinSpareServers 4\nMaxSpareServers 4\nMaxRequestWorkers \
    8\nMaxConnectionsPerChild 1\n\
        WSGIDaemonProcess one processes=2 threads=1 maximum-requests=1 display-name=%{GROUP}\n\
        WSGIScriptAlias /one /mnt/app.wsgi process-group=one application-group=%{GLOBAL}\n\
        <Directory /mnt>\nRequire all granted\n</Directory>\n";
    let master = place.site("one", "prefork", 8080).start(text);
    let first = place.children(master);
    let requests =
        "while :; do curl -s http://127.0.0.1:8080/one; curl -s http://127.0.0.1:8080/; done";
    for _ in 0..2 {
        place.shell(&format!("setsid bash -c '{requests}' >/dev/null 2>&1 </dev/null &"));
    }
    soon("workers that end", || !place.children(master).iter().any(|pid| first.contains(pid)));
    master
}

/// Checks that each process that is counted exists, and is counted once.
#[track_caller]
fn is_consistent(outcome: &Outcome, master: u32) {
    let blocks = blocks(outcome);
    let block = blocks.iter().find(|block| block["pid"] == master);
    let block = block.unwrap_or_else(|| panic!("no master\n{}", outcome.report()));
    super::adds_up(block);
    for group in list(&block["groups"]) {
        if group["processes"] == 0 {
            assert!(group["rss"].is_null() && group["pss"].is_null(), "{block:#}");
        }
    }
    assert!(members(block).iter().all(|member| number(&member["pid"]) > 0), "{block:#}");
    number(&block["ended"]);
}

#[test]
fn workers_that_come_and_go_are_never_an_error() {
    let place = apache_box!(ApacheBox::needing(&["curl"]));
    let master = restless(&place);
    for _ in 0..40 {
        let outcome = place.memory(&["--json"]).exits(0);
        is_consistent(&outcome, master);
    }
}

#[test]
fn nor_in_any_other_way_of_asking() {
    let place = apache_box!(ApacheBox::needing(&["curl"]));
    let master = restless(&place);
    for _ in 0..8 {
        is_consistent(&place.memory(&["--json", "--cheap"]).exits(0), master);
        is_consistent(&place.memory_as_nobody(&["--json"]).exits(0), master);
        for words in [&[][..], &["--workers"], &["--openmetrics"], &["--jsonl"]] {
            let outcome = place.memory(words).exits(0);
            assert!(!outcome.stdout.is_empty(), "{}", outcome.report());
        }
    }
}

#[test]
fn an_apache_that_is_restarted_again_and_again() {
    let place = apache_box!();
    let master = place.prefork();
    place.shell(&format!(
        "setsid bash -c 'while kill -USR1 {master}; do sleep 0.05; done' >/dev/null 2>&1 &"
    ));
    for _ in 0..20 {
        is_consistent(&place.memory(&["--json"]).exits(0), master);
    }
}
