//! Ordinary users: they get less, a message says so, and no number is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::super::support::apache::{ApacheBox, LONG, PREFORK, blocks, only, prefork};
use super::super::support::command::Outcome;
use super::{adds_up, group, list, number, of_role, workers};
use crate::apache_box;

/// Checks that the outcome is an answer, with the message that it is incomplete.
#[track_caller]
fn partial(outcome: Outcome) -> Outcome {
    let outcome = outcome.exits(0).says("permission denied");
    outcome.says("try as root")
}

#[track_caller]
fn block(place: &ApacheBox) -> Value {
    only(blocks(&partial(place.memory_as_nobody(&["--json"]))))
}

#[test]
fn an_ordinary_user_gets_counts_and_titles() {
    let place = apache_box!();
    let master = place.prefork();
    let block = block(&place);
    assert_eq!(
        (&block["pid"], &block["kind"], &block["user"]),
        (&json!(master), &json!("apache"), &json!("root"))
    );
    assert_eq!((&block["processes"], &block["unreadable"]), (&json!(9), &json!(9)), "{block:#}");
    assert!(number(&block["unexamined"]) >= 8, "{block:#}");
    assert_eq!(group(&block, "wsgi", "alpha")["processes"], 2, "{block:#}");
    // Without a title, a WSGI daemon cannot be told from a worker.
    assert!((4..=5).contains(&number(&workers(&block)["processes"])), "{block:#}");
    for kind in ["pss", "uss"] {
        assert!(
            workers(&block)[kind].is_null() && block["memory"][kind].is_null(),
            "{kind}: {block:#}"
        );
    }
    assert!(number(&workers(&block)["rss"]["min"]) > 0, "{block:#}");
    adds_up(&block);
}

#[test]
fn a_cut_title_that_fits_one_configured_name_is_completed() {
    let place = apache_box!();
    place.prefork();
    let block = block(&place);
    let long = group(&block, "wsgi", LONG);
    assert_eq!((&long["processes"], &long["name_is_cut"]), (&json!(1), &json!(false)), "{block:#}");
}

#[test]
fn a_cut_title_without_a_configuration_is_said_to_be_cut() {
    let place = apache_box!();
    place.prefork();
    fs::set_permissions(place.path("one/httpd.conf"), fs::Permissions::from_mode(0o600))
        .expect("changing its permissions");
    let block = block(&place);
    let cut = group(&block, "wsgi", "a-really-lo");
    assert_eq!((&cut["processes"], &cut["name_is_cut"]), (&json!(1), &json!(true)), "{block:#}");
    assert_eq!(group(&block, "wsgi", "alpha")["name_is_cut"], false, "{block:#}");
    assert!(block["configuration"]["max_request_workers"].is_null(), "{block:#}");
}

#[test]
fn a_cut_title_that_fits_several_names_says_which() {
    let place = apache_box!();
    let groups = "WSGIDaemonProcess a-really-long-one threads=1 display-name=%{GROUP}\n\
        WSGIDaemonProcess a-really-long-two processes=2 threads=1 display-name=%{GROUP}\n\
        WSGIDaemonProcess b-really-long-one threads=1 display-name=%{GROUP}\n";
    place.site("one", "prefork", 8080).start(&format!("{PREFORK}{groups}"));
    let block = block(&place);
    let cut = group(&block, "wsgi", "a-really-lo");
    assert_eq!((&cut["processes"], &cut["name_is_cut"]), (&json!(3), &json!(true)), "{block:#}");
    let mut names: Vec<&str> = list(&cut["may_be"]).iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["a-really-long-one", "a-really-long-two"], "{block:#}");
    assert_eq!(group(&block, "wsgi", "b-really-long-one")["processes"], 1, "{block:#}");
}

#[test]
fn titles_that_say_nothing_are_not_taken_for_a_name() {
    let place = apache_box!();
    let site = place.site("one", "prefork", 8080);
    site.write("httpd.conf", site.configuration(&prefork()));
    site.start_by(
        "cp /usr/sbin/apache2 /run/httpd; PATH=/run:$PATH; httpd -d /mnt/one -f \
    /mnt/one/httpd.conf",
    );
    let block = block(&place);
    assert_eq!(number(&block["processes"]), 9, "{block:#}");
    adds_up(&block);
    for found in of_role(&block, "wsgi") {
        let is_sure = found["name_is_cut"] == false && found["name"].is_string();
        assert!(!is_sure || found["processes"] == 0, "a name out of nothing: {block:#}");
    }
}

#[test]
fn text_and_metrics_of_an_ordinary_user_are_answers_too() {
    let place = apache_box!();
    place.prefork();
    for words in [&[][..], &["--workers"], &["--cheap"], &["--openmetrics"], &["--jsonl"]] {
        let outcome = place.memory_as_nobody(words).exits(0);
        assert!(!outcome.stdout.is_empty(), "{}", outcome.report());
    }
    let text = partial(place.memory_as_nobody(&[])).text();
    assert!(text.contains("alpha"), "{text}");
    let metrics = place.memory_as_nobody(&["--openmetrics"]).text();
    assert!(
        metrics
            .lines()
            .any(|line| line.starts_with("proctool_pool_unreadable_processes")
                && line.ends_with(" 9"))
    );
    assert!(!metrics.contains("_pss_") && metrics.contains("_rss_max_bytes"), "{metrics}");
}

#[test]
fn the_user_of_the_workers_reads_what_is_theirs() {
    let place = apache_box!();
    place.prefork();
    let before = ["setpriv", "--reuid", "www-data", "--regid", "www-data", "--clear-groups"];
    let outcome = place.memory_by(&before, &["--json"]).exits(0);
    let block = only(blocks(&outcome));
    // The master at least is root's; workers that changed their user may be closed as well.
    assert!((1..=9).contains(&number(&block["unreadable"])), "{block:#}");
    assert!(block["memory"]["pss"].is_null(), "{block:#}");
    adds_up(&block);
}

#[test]
fn nothing_is_running_for_an_ordinary_user_either() {
    let place = apache_box!();
    place.memory_as_nobody(&[]).refuses(1, "is running");
}

#[test]
fn hidden_processes_are_no_crash() {
    let place = apache_box!();
    place.prefork();
    place.shell("mount -o remount,hidepid=2 /proc");
    place
        .memory_as_nobody(&[])
        .refuses(1, "; /proc hides the processes of other users (hidepid): try as root");
    // It is unknown whether there are pools.
    let metrics = place.memory_as_nobody(&["--openmetrics"]).exits(1);
    assert!(
        metrics.text().ends_with("# EOF\n") && !metrics.text().contains("proctool_pools{"),
        "{}",
        metrics.report()
    );
    assert_eq!(place.block(&[])["processes"], 9);
}
