//! Masters of any name at any place.

use serde_json::{Value, json};

use super::super::support::apache::{APACHE, ApacheBox, EVENT, PREFORK, blocks, only, prefork};
use super::super::support::command::{clean, finish};
use super::super::support::place::soon;
use super::{adds_up, number, workers};
use crate::apache_box;

#[test]
fn two_instances_are_two_blocks() {
    let place = apache_box!();
    let one = place.prefork();
    let two = place.site("two", "event", 8081).start(EVENT);
    let found = place.blocks(&[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    for (pid, path, count) in [(one, "/mnt/one/httpd.conf", 3), (two, "/mnt/two/httpd.conf", 2)] {
        let block = found.iter().find(|block| block["pid"] == pid).expect("finding its block");
        assert_eq!(block["configuration"]["path"], path, "{block:#}");
        assert_eq!(workers(block)["processes"], count, "{block:#}");
        adds_up(block);
    }
    let lines = place.memory(&["--jsonl"]).succeeds().lines();
    let pids: Vec<u64> =
        lines
            .iter()
            .map(|line| {
                number(
                    &serde_json::from_str::<Value>(line).expect("parsing a document for each line")
                        ["pid"],
                )
            })
            .collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.contains(&one.into()) && pids.contains(&two.into()), "{pids:?}");
    let text = place.memory(&[]).succeeds();
    for path in ["/mnt/one/httpd.conf", "/mnt/two/httpd.conf"] {
        assert!(text.text().contains(path), "{}", text.report());
    }
}

/// Checks that the only block is of this master, with three workers.
#[track_caller]
fn is(block: &Value, master: u32) {
    assert_eq!((&block["kind"], &block["pid"]), (&json!("apache"), &json!(master)), "{block:#}");
    assert_eq!(workers(block)["processes"], 3, "{block:#}");
    assert_eq!(block["processes"], 4, "{block:#}");
    adds_up(block);
}

#[test]
fn a_master_below_a_supervisor() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(PREFORK));
    let master = site
        .start_beside(&format!("{APACHE} -d /mnt/one -f /mnt/one/httpd.conf -DFOREGROUND & wait"));
    let parent = place.seen(master).expect("finding the master").parent;
    assert!(parent != 1 && place.name(parent) == "bash", "no supervisor");
    is(&place.block(&[]), master);
}

#[test]
fn a_master_that_is_the_first_process() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(PREFORK));
    let apache = format!("{APACHE} -d /mnt/one -f /mnt/one/httpd.conf -DFOREGROUND");
    let command = format!(
        "unshare --pid --fork --kill-child --mount-proc {apache} </dev/null >/mnt/one/output 2>&1"
    );
    place.shell(&format!("setsid {command} & echo $! >/mnt/holder"));
    let holder = || place.read("holder").parse::<u32>().unwrap_or(0);
    let master = || place.children(holder()).first().copied().unwrap_or(0);
    soon("an Apache that is the first process", || place.children(master()).len() == 3);
    is(&place.block(&[]), master());
    // The same holds for one that is seen next to it.
    let target = master().to_string();
    let inside = ["nsenter", "--pid", "--mount", "--target", &target];
    let outcome =
        finish(place.inside(&[&inside[..], &["proctool", "apache-mem", "--json"]].concat()))
            .succeeds();
    is(&only(blocks(&outcome)), 1);
}

#[test]
fn a_copy_that_is_called_httpd() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(PREFORK));
    let master = site
        .start_by("cp /usr/sbin/apache2 /run/httpd; /run/httpd -d /mnt/one -f /mnt/one/httpd.conf");
    let block = place.block(&[]);
    is(&block, master);
    assert_eq!(
        (&block["program"], &block["exe_path"]),
        (&json!("httpd"), &json!("/run/httpd")),
        "{block:#}"
    );
}

#[test]
fn names_with_the_mpm_behind() {
    let place = apache_box!();
    for (name, port, program) in [("one", 8080, "httpd.prefork"), ("two", 8081, "apache2-prefork")]
    {
        let site = place.site(name, "prefork", port);
        site.write("httpd.conf", site.configuration(PREFORK));
        let command = format!(
            "cp /usr/sbin/apache2 /run/{program}; /run/{program} -d /mnt/{name} -f {}",
            site.path()
        );
        let master = site.start_by(&command);
        let found = place.blocks(&[]);
        is(found.iter().find(|block| block["pid"] == master).expect("finding its block"), master);
    }
}

#[test]
fn a_program_that_was_replaced_or_removed_since() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(PREFORK));
    let command = "mkdir -p /run/sbin; cp /usr/sbin/apache2 /run/sbin; /run/sbin/apache2";
    let master = site.start_by(&format!("{command} -d /mnt/one -f /mnt/one/httpd.conf"));
    for script in [
        "cp /run/sbin/apache2 /run/sbin/new; mv /run/sbin/new /run/sbin/apache2",
        "rm /run/sbin/apache2",
    ] {
        place.shell(script);
        let block = place.block(&[]);
        is(&block, master);
        assert_eq!(
            (&block["exe_path"], &block["exe_deleted"]),
            (&json!("/run/sbin/apache2"), &json!(true)),
            "{block:#}"
        );
        assert_eq!(block["program"], "apache2", "{block:#}");
    }
    place.memory(&[]).succeeds();
}

#[test]
fn another_name_is_found_when_asked_for_and_is_still_an_apache() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(PREFORK));
    let master = site.start_by(
        "cp /usr/sbin/apache2 /run/web-server; /run/web-server -d /mnt/one -f /mnt/one/httpd.conf",
    );
    place.memory(&["--json"]).exits(1);
    let block = place.block(&["--exe", "web-server"]);
    is(&block, master);
    assert_eq!(block["program"], "web-server", "{block:#}");
    assert_eq!(block["configuration"]["max_request_workers"], 5, "{block:#}");
}

#[test]
fn several_names_of_which_not_all_run() {
    let place = apache_box!();
    let master = place.prefork();
    for words in [["--exe", "apache2", "--exe", "nosuch"], ["--exe", "nosuch", "--exe", "apache2"]]
    {
        let outcome = place.memory(&[&["--json"], &words[..]].concat()).exits(64);
        assert_eq!(only(blocks(&outcome))["pid"], master, "{}", outcome.report());
        assert!(outcome.errors().contains("nosuch"), "{}", outcome.report());
    }
    place.memory(&["--exe", "nosuch"]).refuses(1, "nosuch");
    place.memory(&["--exe", "nosuch", "--exe", "neither"]).exits(1);
}

#[test]
fn processes_of_a_namespace_as_others_see_them() {
    let place = apache_box!();
    let master = place.prefork();
    place.shell("mkdir /run/proc && mount --rbind /proc /run/proc");
    let block = place.block(&["--proc", "/run/proc"]);
    assert_eq!((&block["pid"], &block["processes"]), (&json!(master), &json!(9)), "{block:#}");
    let outcome = place.memory_from_outside(&["--json"]).succeeds();
    let block = only(blocks(&outcome));
    assert_eq!((&block["pid"], &block["processes"]), (&json!(master), &json!(9)), "{block:#}");
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    assert_eq!(block["configuration"]["max_request_workers"], 5, "{block:#}");
}

#[test]
fn an_apache_in_a_container_is_seen_from_outside() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    let text = site.configuration(&prefork()).replace("/mnt/one", "/srv");
    site.write("httpd.conf", text);
    // Its files are nowhere but in its own mounts.
    let inner = "mount -t tmpfs none /srv && cp -r /mnt/one/. /srv && apache2 -d /srv -f \
    /srv/httpd.conf; sleep 1000";
    let namespaces = "unshare --pid --mount --fork --kill-child --mount-proc --propagation private";
    place.shell(&format!(
        "setsid {namespaces} tini -s -- sh -c '{inner}' </dev/null >/mnt/one/output 2>&1 &"
    ));
    let mut master = 0;
    soon("an Apache in a container", || {
        let seen = place.processes().into_iter().filter(|seen| seen.name == "apache2");
        master = seen.map(|seen| seen.pid).find(|&pid| place.children(pid).len() == 8).unwrap_or(0);
        master != 0
    });
    let block = place.block(&[]);
    assert_eq!((&block["pid"], &block["processes"]), (&json!(master), &json!(9)), "{block:#}");
    assert_eq!(workers(&block)["processes"], 3, "{block:#}");
    assert_eq!(block["configuration"]["path"], "/srv/httpd.conf", "{block:#}");
    assert_eq!(block["configuration"]["max_request_workers"], 5, "{block:#}");
    assert_eq!(super::of_role(&block, "wsgi").len(), 4, "{block:#}");
    adds_up(&block);
}

#[test]
fn nothing_is_running() {
    let place = apache_box!();
    place.memory(&[]).refuses(1, "is running");
    place.memory(&["--cheap"]).refuses(1, "is running");
    place.memory(&["--jsonl"]).refuses(1, "is running");
    let quiet = place.memory(&["-q"]).exits(1).prints("");
    assert!(quiet.stderr.is_empty(), "{}", quiet.report());
    let outcome = place.memory(&["--json"]).exits(1).says("is running");
    assert!(blocks(&outcome).is_empty(), "{}", outcome.report());
    let outcome = place.memory(&["--openmetrics"]).exits(1);
    let is_none = |line: &String| line.starts_with("proctool_pools") && line.ends_with(" 0");
    assert!(outcome.lines().iter().any(is_none), "{}", outcome.report());
    assert!(outcome.text().ends_with("# EOF\n"), "{}", outcome.report());
}

#[test]
fn a_message_begins_with_the_name_of_the_program() {
    let place = apache_box!();
    let outcome = place.memory(&[]).exits(1);
    assert!(outcome.errors().starts_with("proctool apache-mem: "), "{}", outcome.report());
    let outcome = finish(place.inside(&["apache-mem"])).exits(1).says("is running");
    assert!(outcome.errors().starts_with("apache-mem: "), "{}", outcome.report());
}

#[test]
fn a_link_is_the_applet() {
    let place = apache_box!();
    let master = place.prefork();
    let outcome = finish(place.inside(&["apache-mem", "--json"])).succeeds();
    assert_eq!(only(blocks(&outcome))["pid"], master, "{}", outcome.report());
}

/// Kills the master of a box, which its workers do not notice, and returns their pids.
fn orphaned(place: &ApacheBox) -> Vec<u32> {
    let master = place.site("one", "prefork", 8080).start(PREFORK);
    let workers = place.children(master);
    place.kill("KILL", master);
    soon("workers without a master", || {
        let is_orphan = |&pid: &u32| place.seen(pid).is_some_and(|seen| seen.parent == 1);
        !place.is_alive(master) && workers.iter().all(is_orphan)
    });
    workers
}

#[test]
fn workers_whose_master_is_gone() {
    let place = apache_box!();
    let orphans = orphaned(&place);
    let block = place.block(&[]);
    assert_eq!(
        (&block["kind"], &block["program"]),
        (&json!("orphans"), &json!("apache2")),
        "{block:#}"
    );
    for name in ["pid", "master", "exe_path", "cmdline", "user", "start_time", "unit"] {
        assert!(block[name].is_null(), "{name}: {block:#}");
    }
    assert_eq!(block["processes"], 3, "{block:#}");
    let mut pids: Vec<u32> = super::list(&block["groups"]).iter().flat_map(super::pids).collect();
    pids.sort_unstable();
    assert_eq!(pids, orphans, "{block:#}");
    let text = place.memory(&[]).succeeds();
    assert!(text.text().contains("apache2"), "{}", text.report());
    place.memory(&["--workers"]).succeeds();
}

#[test]
fn whoever_is_left_of_an_apache_with_groups_is_counted_once() {
    let place = apache_box!();
    let master = place.prefork();
    place.kill("KILL", master);
    soon("an end of the master", || !place.is_alive(master));
    let left = || {
        let seen = place
            .processes()
            .into_iter()
            .filter(|seen| seen.name == "apache2" && seen.state != 'Z');
        seen.map(|seen| seen.pid).collect::<Vec<_>>()
    };
    // WSGI daemons may end by themselves.
    soon("the same before and after", || {
        let before = left();
        let block = place.block(&[]);
        let mut pids: Vec<u32> =
            super::list(&block["groups"]).iter().flat_map(super::pids).collect();
        pids.sort_unstable();
        adds_up(&block);
        let mut after = left();
        let is_at_rest = before == after;
        after.sort_unstable();
        assert!(!is_at_rest || pids == after, "expected {after:?}: {block:#}");
        is_at_rest
    });
}

#[test]
fn orphans_next_to_a_running_master() {
    let place = apache_box!();
    let orphans = orphaned(&place);
    let master = place.site("two", "event", 8081).start(EVENT);
    let found = place.blocks(&[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    let of_kind =
        |kind: &str| found.iter().find(|block| block["kind"] == kind).expect("finding a block");
    assert_eq!(of_kind("apache")["pid"], master);
    assert_eq!(number(&of_kind("orphans")["processes"]), orphans.len() as u64);
    assert_eq!(workers(of_kind("apache"))["processes"], 2);
}

#[test]
fn a_fake_directory_without_any_process_is_nothing() {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let mut command = clean(super::super::support::command::PROCTOOL);
    command.arg("apache-mem").arg("--proc").arg(directory.path());
    let outcome = finish(command);
    assert!(
        [1, 3].contains(&outcome.code()) && !outcome.errors().contains("panicked"),
        "{}",
        outcome.report()
    );
}
