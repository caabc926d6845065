//! Metrics for Prometheus, and the file that they go to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use super::super::support::apache::{ApacheBox, EVENT, PREFORK, groups};
use super::super::support::command::{Outcome, clean, finish};
use super::super::support::metrics::{is_clean, parsing, value};
use super::super::support::place::soon;
use super::super::support::running::{Running, until};
use crate::apache_box;

fn needing() -> Result<ApacheBox, String> {
    ApacheBox::needing(&["promtool"])
}

#[track_caller]
fn metrics(place: &ApacheBox) -> String {
    let outcome = place.memory(&["--openmetrics"]).succeeds();
    is_clean(&outcome.stdout);
    outcome.text()
}

#[test]
fn metrics_say_what_json_says() {
    let place = apache_box!(needing());
    place.prefork();
    let text = metrics(&place);
    assert_eq!(value(&text, "proctool_pools", &[]), 1.0);
    let config = "config=\"/mnt/one/httpd.conf\"";
    let worker = [config, "role=\"worker\"", "group=\"\""];
    let alpha = [config, "role=\"wsgi\"", "group=\"alpha\""];
    assert_eq!(value(&text, "proctool_pool_processes", &worker), 3.0);
    assert_eq!(value(&text, "proctool_pool_processes", &alpha), 2.0);
    assert_eq!(value(&text, "proctool_pool_threads", &alpha), 10.0);
    assert_eq!(value(&text, "proctool_pool_processes", &[config, "role=\"master\""]), 1.0);
    assert_eq!(value(&text, "proctool_pool_unreadable_processes", &[config]), 0.0);
    assert_eq!(value(&text, "proctool_pool_max_request_workers", &[config]), 5.0);
    assert_eq!(value(&text, "proctool_pool_max_processes", &[config]), 5.0);
    for measure in ["rss", "pss", "uss", "swap"] {
        let statistic = |name: &str| {
            value(&text, &format!("proctool_pool_process_{measure}_{name}_bytes"), &alpha)
        };
        assert!(
            statistic("min") <= statistic("median") && statistic("median") <= statistic("max"),
            "{text}"
        );
        assert_eq!(statistic("average"), statistic("median"), "of two: {text}");
        if measure != "rss" {
            value(&text, &format!("proctool_pool_{measure}_bytes"), &alpha);
        }
    }
    for estimate in ["average", "largest"] {
        let one = value(&text, &format!("proctool_pool_one_more_{estimate}_bytes"), &[config]);
        let available = value(&text, "proctool_pool_available_bytes", &[config]);
        let more = value(&text, &format!("proctool_pool_more_workers_{estimate}"), &[config]);
        assert!((available / one - more).abs() <= 1.0, "{text}");
        value(&text, &format!("proctool_pool_group_more_workers_{estimate}"), &alpha);
    }
    value(&text, "proctool_pool_one_more_peak_bytes", &[config]);
    value(&text, "proctool_pool_more_workers_peak", &[config]);
    for label in ["kind=", "statistic=", "estimate="] {
        assert!(!text.contains(label), "{text}");
    }
}

#[test]
fn the_parser_of_openmetrics_takes_them() {
    let place = apache_box!();
    place.prefork();
    let outcome = place.memory(&["--openmetrics"]).succeeds();
    match parsing(&outcome.stdout) {
        Some(said) => assert_eq!(said, "", "{}", outcome.report()),
        None => crate::skip!("no prometheus_client for /usr/bin/python3"),
    }
    let faulty = b"# TYPE a_bytes gauge\n# UNIT a_bytes seconds\na_bytes 1\n# EOF\n";
    assert_ne!(parsing(faulty).as_deref(), Some(""));
}

/// Returns the names of all series.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// Starts what looks like a gunicorn with one of three workers.
fn start_gunicorn(place: &ApacheBox) {
    place.program("gunicorn", "#!/usr/bin/python3\nimport os, time\nos.fork()\ntime.sleep(1000)\n");
    let count = || place.processes().iter().filter(|seen| seen.name == "gunicorn").count();
    let before = count();
    place.shell("setsid gunicorn -w 3 app </dev/null >/dev/null 2>&1 &");
    soon("one more", || count() == before + 2);
}

#[test]
fn another_one_of_the_same_program_renames_no_series() {
    let place = apache_box!(needing());
    let read = || {
        let outcome = place.memory(&["--openmetrics", "--exe", "gunicorn"]).succeeds();
        is_clean(&outcome.stdout);
        series(&outcome.text())
    };
    start_gunicorn(&place);
    let first = read();
    let running = || place.processes().into_iter().filter(|seen| seen.name == "gunicorn");
    let group = running().map(|seen| seen.pid).min().expect("finding the first one");
    start_gunicorn(&place);
    let both = read();
    assert!(first.is_subset(&both), "{first:#?}\n{both:#?}");
    place.kill("KILL", format!("-{group}"));
    soon("the end of the first one", || running().count() == 2);
    let second = read();
    assert!(second.is_subset(&both), "{second:#?}\n{both:#?}");
    assert_eq!(both, &first | &second, "a series that neither has alone");
}

/// Returns the words of a query that look like metrics of ours.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let is_end = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_');
    query.split(is_end).filter(|word| word.starts_with("proctool_"))
}

/// Returns the content of a file of the source.
fn source(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).expect("reading a file of the source")
}

/// Returns all expressions and queries of a dashboard.
fn queries(board: &serde_json::Value) -> Vec<&str> {
    match board {
        serde_json::Value::Array(items) => items.iter().flat_map(queries).collect(),
        serde_json::Value::Object(fields) => {
            let named =
                ["expr", "definition"].iter().filter_map(|&name| fields.get(name)?.as_str());
            named.chain(fields.values().flat_map(queries)).collect()
        }
        _ => Vec::new(),
    }
}

/// Checks a query by promtool, as a rule.
#[track_caller]
fn is_well_formed(query: &str) {
    let rule = serde_json::json!({"record": "checked", "expr": query});
    let rules = serde_json::json!({"groups": [{"name": "checked", "rules": [rule]}]});
    let directory = tempfile::tempdir().expect("making a directory for a rule");
    let path = directory.path().join("rules.yml");
    fs::write(&path, rules.to_string()).expect("writing a rule");
    let mut command = clean("promtool");
    command.args(["check", "rules"]).arg(path);
    finish(command).exits(0);
}

#[test]
fn the_dashboard_and_the_readme_ask_for_metrics_that_there_are() {
    let place = apache_box!(needing());
    place.prefork();
    start_gunicorn(&place);
    let other = place.memory(&["--openmetrics", "--exe", "gunicorn"]).succeeds();
    is_clean(&other.stdout);
    let text = metrics(&place) + &other.text();
    let board = place.memory(&["--dashboard"]).succeeds().json();
    let readme = source("README.md");
    let examples = readme.split("```promql\n").skip(1).filter_map(|rest| rest.split("```").next());
    // Those of cron have a test of their own.
    let is_of_pools = |query: &&str| query.contains("proctool_pool");
    let examples = examples.flat_map(|example| example.split("\n\n")).filter(is_of_pools);
    let examples: Vec<&str> = examples.collect();
    place.memory(&["--dashboard", "--openmetrics"]).exits(2);
    for (queries, least) in [(queries(&board), 5), (examples, 2)] {
        assert!(queries.len() >= least, "{queries:#?}");
        for query in queries {
            assert!(names(query).next().is_some(), "{query}");
            for name in names(query) {
                assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
            }
            if !query.starts_with("label_values(") {
                is_well_formed(query);
            }
        }
    }
}

#[test]
fn no_pid_is_a_label_where_there_is_something_better() {
    let place = apache_box!(needing());
    place.prefork();
    assert!(!metrics(&place).contains("pid=\""));
    place.site("two", "event", 8081).start(&format!("{EVENT}{}", groups()));
    let text = metrics(&place);
    assert!(!text.contains("pid=\""), "{text}");
    assert_eq!(value(&text, "proctool_pools", &[]), 2.0);
    assert_eq!(
        value(&text, "proctool_pool_max_processes", &["config=\"/mnt/two/httpd.conf\""]),
        4.0
    );
}

#[test]
fn two_of_the_same_configuration_are_added_up() {
    let place = apache_box!(needing());
    let site = place.site("one", "prefork", 8080);
    let text =
        site.configuration(PREFORK).replace("8080", "${PORT}").replace("httpd.pid", "${PORT}.pid");
    site.write("httpd.conf", text);
    let start = |port: &str| {
        place.shell(&format!("PORT={port} /usr/sbin/apache2 -d /mnt/one -f /mnt/one/httpd.conf"));
        let mut master = 0;
        soon("another Apache", || {
            master = place.read(&format!("one/{port}.pid")).parse().unwrap_or(0);
            let workers = if master == 0 { Vec::new() } else { place.children(master) };
            workers.len() == 3 && workers.iter().all(|&pid| place.is_ordinary(pid))
        });
        master
    };
    let older = start("8080");
    let alone = metrics(&place);
    start("8081");
    let text = metrics(&place);
    assert_eq!(series(&text), series(&alone));
    assert_eq!(value(&text, "proctool_pools", &[]), 2.0);
    assert_eq!(value(&text, "proctool_pool_processes", &["role=\"master\""]), 2.0);
    assert_eq!(value(&text, "proctool_pool_processes", &["role=\"worker\""]), 6.0);
    assert_eq!(value(&text, "proctool_pool_max_processes", &[]), 10.0);
    place.kill("TERM", older);
    soon("the end of the older one", || !place.is_alive(older));
    let text = metrics(&place);
    assert_eq!(series(&text), series(&alone));
    assert_eq!(value(&text, "proctool_pools", &[]), 1.0);
}

#[test]
fn orphans_and_nothing_at_all_are_metrics_too() {
    let place = apache_box!(needing());
    let outcome = place.memory(&["--openmetrics"]).exits(1);
    is_clean(&outcome.stdout);
    let master = place.site("one", "prefork", 8080).start(PREFORK);
    let workers = place.children(master);
    place.kill("KILL", master);
    soon("the end of the master", || {
        workers.iter().all(|&pid| place.seen(pid).is_some_and(|seen| seen.parent == 1))
    });
    // A process that the master has forked last may exit because it is not needed.
    soon("metrics of all who are left", || {
        let left = workers.iter().filter(|&&pid| place.is_alive(pid)).count();
        let outcome = place.memory(&["--openmetrics"]).succeeds();
        is_clean(&outcome.stdout);
        left > 0
            && value(&outcome.text(), "proctool_pool_processes", &["role=\"orphan\""])
                == left as f64
    });
}

#[test]
fn names_are_escaped_and_are_text() {
    let place = apache_box!(needing());
    let site = place.site("one", "prefork", 8080);
    let mut text = site.configuration(PREFORK).into_bytes();
    for name in [
        &br#""a \"quoted\" one""#[..],
        br#""back\\slash""#,
        b"\"caf\xe9\"",
        "\"ümläut\"".as_bytes(),
    ] {
        text.extend([b"WSGIDaemonProcess ", name, b" threads=1 display-name=%{GROUP}\n"].concat());
    }
    site.write("httpd.conf", text);
    site.start_by("/usr/sbin/apache2 -d /mnt/one -f /mnt/one/httpd.conf");
    let text = metrics(&place);
    assert!(text.contains(r#"group="a \"quoted\" one""#), "{text}");
    assert!(text.contains(r#"group="back\\slash""#), "{text}");
    assert!(text.contains("group=\"ümläut\""), "{text}");
    assert!(text.contains("group=\"caf"), "{text}");
    assert_eq!(super::of_role(&place.block(&[]), "wsgi").len(), 4);
}

#[test]
fn a_path_with_odd_characters_is_a_label() {
    let place = apache_box!(needing());
    let site = place.site("one", "prefork", 8080);
    site.write("od\"d\\ \n.conf", site.configuration(PREFORK));
    site.start_by("/usr/sbin/apache2 -d /mnt/one -f $'/mnt/one/od\"d\\\\ \\n.conf'");
    let text = metrics(&place);
    // The line feed may have been made visible before.
    let labels = [r#"config="/mnt/one/od\"d\\ \n.conf""#, r#"config="/mnt/one/od\"d\\ \\n.conf""#];
    assert!(labels.iter().any(|label| text.contains(label)), "{text}");
}

#[test]
fn a_file_of_its_own_gets_them_whole() {
    let place = apache_box!(needing());
    place.prefork();
    place.shell("mkdir -m 755 /run/textfile");
    let outcome =
        place.memory(&["--openmetrics", "--output", "/run/textfile/apache.prom"]).succeeds();
    assert!(outcome.stdout.is_empty(), "{}", outcome.report());
    is_clean(&fs::read(place.root("/run/textfile/apache.prom")).expect("reading the file"));
    assert_eq!(place.shell("ls -A /run/textfile"), "apache.prom");
    for (words, start) in [(&["--json"][..], "["), (&["--jsonl"], "{"), (&[], "")] {
        place.memory(&[words, &["--output", "/run/textfile/other"]].concat()).succeeds().prints("");
        let text = fs::read_to_string(place.root("/run/textfile/other")).expect("reading the file");
        assert!(text.starts_with(start) && text.contains("apache2"), "{text}");
    }
    assert_eq!(place.shell("ls -A /run/textfile"), "apache.prom\nother");
}

#[test]
fn the_mask_for_new_files_holds() {
    let place = apache_box!();
    place.prefork();
    for (mask, mode) in [("022", "644"), ("077", "600"), ("027", "640")] {
        let file = format!("/run/{mask}.prom");
        let script = format!(
            "umask {mask}; proctool apache-mem --openmetrics --output {file}; stat -c %a {file}"
        );
        assert_eq!(place.shell(&script), mode);
    }
}

/// Exchanges a file and a directory with links to those of the superuser, as fast as it can, until
/// the file `stop` is there.
const FLIPPER: &str = r#"
import os
os.chdir("/run/theirs")
while not os.path.exists("/run/stop"):
    for name, target in (("x.prom", "/run/secret/victim"), ("d", "/run/secret")):
        try:
            os.symlink(target, "link")
            if name == "d" and not os.path.islink(name):
                os.rename(name, "kept")
            os.rename("link", name)
            os.unlink(name)
        except OSError:
            pass
        try:
            os.rename("kept", "d") if name == "d" else open(name, "x").close()
        except OSError:
            pass
"#;

#[test]
fn whoever_owns_the_directory_gets_nothing_of_root() {
    let place = apache_box!(ApacheBox::without_apache());
    place.shell(
        "mkdir -m 700 /run/secret; echo secret >/run/secret/victim; chmod 600 /run/secret/victim",
    );
    place.shell("mkdir -p /run/theirs/d; chown -R 65534:65534 /run/theirs");
    fs::write(place.root("/run/flipper.py"), FLIPPER).expect("writing the script");
    let flip = "setpriv --reuid 65534 --regid 65534 --clear-groups python3 /run/flipper.py";
    let flipper = Running::start(place.inside(&["sh", "-c", flip]));
    let before = "stat -c '%u %a %i' /run/secret/victim; cat /run/secret/victim; ls -A /run/secret";
    let (before, state) = (place.shell(before), before);
    let script = "end=$(($(date +%s) + 20)); runs=0; while [ $(date +%s) -lt $end ]; do
        for file in x.prom d/x.prom victim d/victim; do
            proctool apache-mem --openmetrics --output /run/theirs/$file >/dev/null 2>&1
            runs=$((runs + 1))
        done
    done; echo $runs";
    let runs: u32 = place.shell(script).parse().expect("counting the runs");
    place.shell("touch /run/stop");
    drop(flipper);
    assert!(runs > 100, "{runs} runs are too few");
    assert_eq!(place.shell(state), before, "after {runs} runs");
}

/// Checks that the run could not write there, said so, and left no file.
#[track_caller]
fn refuses(outcome: Outcome, path: &str) {
    outcome.refuses(3, path);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let place = apache_box!();
    place.prefork();
    refuses(place.memory(&["--openmetrics", "--output", "/nosuch/x.prom"]), "/nosuch/x.prom");
    refuses(place.memory(&["--openmetrics", "--output", "/proc/x.prom"]), "/proc/x.prom");
    place.shell("mkdir -p /run/taken.prom");
    refuses(place.memory(&["--openmetrics", "--output", "/run/taken.prom"]), "/run/taken.prom");
    assert_eq!(place.shell("ls -A /run/taken.prom; ls -A /run | grep -c taken"), "1");
    place.shell("mkdir -m 755 /run/closed");
    let outcome =
        place.memory_as_nobody(&["--openmetrics", "--output", "/run/closed/x.prom"]).exits(3);
    assert!(outcome.errors().contains("/run/closed/x.prom"), "{}", outcome.report());
    assert_eq!(place.shell("ls -A /run/closed"), "");
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let place = apache_box!();
    place.prefork();
    place.shell(
        "mkdir /run/small && mount -t tmpfs -o size=4k,nr_inodes=10 none /run/small && \
    echo old >/run/small/x",
    );
    let outcome = place.memory(&["--openmetrics", "--output", "/run/small/x"]).exits(3);
    assert!(outcome.errors().contains("/run/small/x"), "{}", outcome.report());
    assert_eq!(place.shell("ls -A /run/small; cat /run/small/x"), "x\nold");
}

#[test]
fn whoever_reads_the_file_finds_it_complete_at_any_time() {
    let place = apache_box!();
    place.prefork();
    place.shell("mkdir /run/textfile");
    let options =
        ["--openmetrics", "--interval", "0.001s", "--output", "/run/textfile/apache.prom"];
    let running = Running::start(place.tool(&[], &options));
    let path = place.root("/run/textfile/apache.prom");
    until("the first metrics", || path.exists());
    let mut changes = 0;
    let mut last = Vec::new();
    until("a file that is written again and again", || {
        let text = fs::read(&path).expect("reading the file");
        assert!(
            text.starts_with(b"# ") && text.ends_with(b"# EOF\n"),
            "{}",
            String::from_utf8_lossy(&text)
        );
        for entry in
            fs::read_dir(place.root("/run/textfile")).expect("listing its directory").flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(
                name == "apache.prom" || name.starts_with('.') && !name.ends_with(".prom"),
                "{name}"
            );
        }
        let identity = fs::metadata(&path)
            .map(|file| std::os::unix::fs::MetadataExt::ino(&file))
            .expect("reading the file");
        changes += usize::from(last.last() != Some(&identity));
        last.push(identity);
        changes > 10
    });
    drop(running);
}

#[test]
fn an_end_by_a_signal_leaves_no_temporary_file() {
    let place = apache_box!();
    place.prefork();
    place.shell("mkdir /run/textfile");
    // A shell starts what is in the background without SIGINT.
    let tool = "env --default-signal=INT proctool apache-mem --openmetrics --interval 0.001s";
    for signal in ["TERM", "INT"] {
        place.shell(&format!("{tool} --output /run/textfile/apache.prom >/dev/null 2>&1 &"));
        let writers = || place.of_the_program();
        soon("a file", || {
            !writers().is_empty() && place.root("/run/textfile/apache.prom").exists()
        });
        writers().iter().for_each(|seen| place.kill(signal, seen.pid));
        soon("its end", || writers().is_empty());
        assert_eq!(place.shell("ls -A /run/textfile"), "apache.prom", "after {signal}");
    }
}

#[test]
fn permissions_of_a_file_that_was_there_are_no_obstacle() {
    let place = apache_box!();
    place.prefork();
    place.shell("umask 022; echo old >/run/x.prom; chmod 444 /run/x.prom");
    place.memory(&["--openmetrics", "--output", "/run/x.prom"]).succeeds();
    let path = place.root("/run/x.prom");
    assert!(fs::read_to_string(&path).expect("reading the file").ends_with("# EOF\n"));
    assert_ne!(fs::metadata(path).expect("reading the file").permissions().mode() & 0o444, 0);
}

#[test]
fn several_writers_do_not_meet() {
    let place = apache_box!();
    place.prefork();
    let command = || place.tool(&[], &["--openmetrics", "--output", "/run/x.prom"]);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..6).map(|_| scope.spawn(|| finish(command()))).collect();
        writers
            .into_iter()
            .for_each(|writer| drop(writer.join().expect("joining a writer").succeeds()));
    });
    let text = fs::read_to_string(place.root("/run/x.prom")).expect("reading the file");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(place.shell("ls -A /run | grep -c prom"), "1");
}
