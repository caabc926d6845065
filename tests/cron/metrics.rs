//! The state of cron as metrics, and the file that they go to.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::support::cron::{CronBox, job};
use super::super::support::metrics::{is_clean, value};
use crate::cron_box;

const METRICS: [&str; 2] = ["--list", "--openmetrics"];

fn needing() -> Result<CronBox, String> {
    CronBox::needing(&["promtool"])
}

#[track_caller]
fn metrics(place: &CronBox) -> String {
    let outcome = place.graceful(&METRICS).succeeds();
    is_clean(&outcome.stdout);
    outcome.text()
}

/// Returns the seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs_f64()
}

/// Checks the daemons called cron, those of them that are paused, and whether cron is held.
#[track_caller]
fn has(text: &str, daemons: f64, paused: f64, held: f64) {
    let cron = ["daemon=\"cron\""];
    assert_eq!(value(text, "proctool_cron_daemons", &cron), daemons, "{text}");
    assert_eq!(value(text, "proctool_cron_daemons_paused", &cron), paused, "{text}");
    assert_eq!(value(text, "proctool_cron_daemons", &["daemon=\"crond\""]), 0.0, "{text}");
    assert_eq!(value(text, "proctool_cron_held", &[]), held, "{text}");
}

#[test]
fn metrics_say_how_cron_is() {
    let place = cron_box!(needing());
    let none = metrics(&place);
    has(&none, 0.0, 0.0, 0.0);
    assert!(!none.contains("timestamp"), "{none}");
    let before = now();
    place.crontab(&[&job("a"), &format!("(setsid {} &); {}", job("b"), job("c"))]);
    let daemon = place.cron();
    ["a", "b", "c"].iter().for_each(|name| _ = place.began(name));
    let text = metrics(&place);
    has(&text, 1.0, 0.0, 0.0);
    assert_eq!(value(&text, "proctool_cron_jobs", &["awaited=\"true\""]), 2.0, "{text}");
    assert_eq!(value(&text, "proctool_cron_jobs", &["awaited=\"false\""]), 1.0, "{text}");
    let oldest = value(&text, "proctool_cron_oldest_job_start_timestamp_seconds", &[]);
    // Starts are counted in hundredths of a second, from a boot that is known to a second.
    assert!(oldest > before - 2.0 && oldest < now() + 2.0, "{before} {text}");
    let run = place.begin_and_pause(&[], daemon);
    has(&metrics(&place), 1.0, 1.0, 0.0);
    place.kill("INT", run.pid);
    run.finish().exits(130);
    place.release("a");
    place.release("c");
    let text = metrics(&place);
    place.graceful(&["--hold", "--lease", "1h"]).exits(0);
    let held = metrics(&place);
    has(&held, 1.0, 1.0, 1.0);
    let since = value(&held, "proctool_cron_held_since_timestamp_seconds", &[]);
    let until = value(&held, "proctool_cron_held_until_timestamp_seconds", &[]);
    assert!(since >= before && (until - since - 3600.0).abs() < 0.01, "{held}");
    place.graceful(&["--release"]).exits(0);
    has(&metrics(&place), 1.0, 0.0, 0.0);
    assert!(!text.contains("held_until"), "{text}");
}

#[test]
fn a_file_of_its_own_gets_them_whole() {
    let place = cron_box!(needing());
    place.cron();
    place.shell("mkdir -m 755 /run/textfile");
    let words = [&METRICS[..], &["-q", "--output", "/run/textfile/cron.prom"]].concat();
    place.graceful(&words).succeeds().prints("");
    is_clean(&fs::read(place.root("/run/textfile/cron.prom")).expect("reading the file"));
    assert_eq!(place.shell("ls -A /run/textfile"), "cron.prom");
    let missing = [&METRICS[..], &["--output", "/run/nowhere/cron.prom"]].concat();
    place.graceful(&missing).refuses(3, "'/run/nowhere/cron.prom'");
    // What another user's link leads to is not written.
    place.shell(
        "echo secret >/run/victim; mkdir /run/theirs; ln -s /run/victim /run/theirs/cron.prom
         chown -h 65534 /run/theirs /run/theirs/cron.prom",
    );
    place.graceful(&[&METRICS[..], &["--output", "/run/theirs/cron.prom"]].concat()).succeeds();
    assert_eq!(
        place.shell("cat /run/victim; stat -c %F /run/theirs/cron.prom"),
        "secret\nregular file"
    );
    for words in
        [&["--openmetrics"][..], &["--list", "--output", "/run/x"], &["--output", "/run/x"]]
    {
        assert_eq!(place.graceful(words).code(), 2);
    }
    for form in ["--json", "--summary"] {
        assert_eq!(place.graceful(&[&METRICS[..], &[form]].concat()).code(), 2);
    }
}

/// The units of README go on while cron is held.
#[test]
fn the_timer_of_readme_works_while_cron_stands_still() {
    let readme = include_str!("../../README.md");
    let mut blocks = readme.split("```ini\n").filter_map(|rest| rest.split("```").next());
    let units = blocks.find(|block| block.starts_with("# /etc/systemd/system/proctool-metrics"));
    let units = units.expect("finding the units");
    let place = cron_box!(CronBox::with_systemd());
    place.shell(
        "mkdir -p /usr/local/bin /var/lib/prometheus/node-exporter
         ln -sf /mnt/bin/cron-graceful /usr/local/bin/cron-graceful
         ln -sf /mnt/bin/cron-graceful /usr/local/bin/apache-mem",
    );
    let mut names = Vec::new();
    for unit in units.split("# ").skip(1) {
        let (path, text) = unit.split_once('\n').expect("finding the name of a unit");
        place.program(path, text);
        names.push(path.rsplit('/').next().expect("finding a name").to_owned());
    }
    let names = names.join(" ");
    place.shell(&format!(
        "cd /etc/systemd/system; chmod 644 {names}; systemd-analyze verify {names}"
    ));
    place.graceful(&["--hold", "--lease", "1m"]).exits(0);
    place.shell("systemctl daemon-reload; systemctl start proctool-metrics.service");
    let text = place.shell("cat /var/lib/prometheus/node-exporter/cron.prom");
    assert_eq!(value(&text, "proctool_cron_held", &[]), 1.0, "{text}");
    place.shell("systemctl enable --now proctool-metrics.timer");
    let next = place.shell(
        "systemctl show --value --property NextElapseUSecRealtime \
                            proctool-metrics.timer",
    );
    assert!(!next.is_empty() && next != "n/a", "{next}");
    place.graceful(&["--release"]).exits(0);
}
