//! `--interval`: repeated output until the reader is gone.

use serde_json::Value;

use super::super::support::place::soon;
use super::super::support::running::Running;
use super::workers;
use crate::apache_box;

fn document(running: &mut Running) -> Value {
    let line = running.line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn documents_follow_each_other_and_a_closed_pipe_ends_them() {
    let place = apache_box!();
    let master = place.prefork();
    let mut running = Running::start(place.tool(&[], &["--interval", "0.05s", "--jsonl"]));
    for _ in 0..3 {
        let block = document(&mut running);
        assert_eq!((&block["pid"], &block["processes"]), (&master.into(), &9.into()), "{block:#}");
    }
    running.close_stdout();
    let outcome = running.finish().exits(0);
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn each_document_is_about_what_runs_then() {
    let place = apache_box!();
    let master = place.site("one", "prefork", 8080).start(super::super::support::apache::PREFORK);
    let mut running = Running::start(place.tool(&[], &["--interval", "0.02s", "--jsonl"]));
    let first = document(&mut running);
    let victim = super::pids(workers(&first))[0];
    place.kill("KILL", victim);
    soon("another worker", || {
        let pids = super::pids(workers(&document(&mut running)));
        pids.len() == 3 && !pids.contains(&victim)
    });
    assert!(place.is_alive(master));
}

#[test]
fn text_is_repeated_too() {
    let place = apache_box!();
    place.prefork();
    let mut running = Running::start(place.tool(&[], &["--interval", "0.05s"]));
    let mut headers = 0;
    soon("a third table", || {
        headers += usize::from(running.line().contains("PROCESSES"));
        headers == 3
    });
    running.close_stdout();
    let outcome = running.finish().exits(0);
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn it_goes_on_when_apache_ends_and_comes_back() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let master = site.start(super::super::support::apache::PREFORK);
    let mut running = Running::start(place.tool(&[], &["--interval", "0.02s", "--jsonl"]));
    assert_eq!(document(&mut running)["pid"], master);
    place.kill("TERM", master);
    soon("the end of Apache", || !place.is_alive(master) && !place.has("one/httpd.pid"));
    let again = site.start_by("/usr/sbin/apache2 -d /mnt/one -f /mnt/one/httpd.conf");
    soon("the new one", || document(&mut running)["pid"] == again);
}
