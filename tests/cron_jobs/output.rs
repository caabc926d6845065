//! Text, metrics, and the end of `cron-jobs`.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use super::super::support::command::{clean, finish, run};
use super::super::support::cron::{CronBox, job, soon};
use super::super::support::namespace::kernel;
use super::super::support::place::missing;
use super::{follow, follow_by, follow_json};
use crate::{cron_box, skip};

#[test]
fn a_line_is_printed_at_the_start_and_at_the_end_of_a_job() {
    let place = cron_box!();
    let bad = format!("{}; exit 3", job("b"));
    // A command cannot pass for one of another line.
    let forged = format!("{}; true ' (/etc/cron.d/jobs:9)'", job("a"));
    place.crontab(&[&forged, &bad]);
    let daemon = place.cron();
    ["a", "b"].iter().for_each(|name| _ = place.began(name));
    let pid = daemon.to_string();
    let all = follow(&place, &["--pid", &pid]);
    let failures = follow(&place, &["--pid", &pid, "--quiet"]);
    for follower in [&all, &failures] {
        soon("the jobs", || follower.watches(&place) > 2);
    }
    place.release("a");
    place.release("b");
    place.kill("TERM", daemon);
    let (all, failures) = (all.running.finish().exits(0), failures.running.finish().exits(0));
    let is_known = kernel() >= (6, 15);
    let expected = |name: &str, code: &str| {
        let how = if is_known { format!("exit {code}") } else { "status unknown".to_owned() };
        (" root running ".to_owned(), format!(" {how} after "), name.to_owned())
    };
    for (command, code, line) in [(forged, "0", 2), (bad.clone(), "3", 3)] {
        let (start, how, command) = expected(&command, code);
        let place = format!(" (/etc/cron.d/jobs:{line})");
        let lines = all.lines();
        let is_of_job = |line: &&String| {
            line.split_once(": ")
                .is_some_and(|(before, after)| before.contains(&place) && after == command)
        };
        let of_job: Vec<&String> = lines.iter().filter(is_of_job).collect();
        assert!(of_job.len() == 2 && of_job[0].contains(&start), "{}", all.report());
        assert!(of_job[1].contains(" root ended ") && of_job[1].contains(&how), "{}", all.report());
    }
    assert!(
        all.errors().contains(&format!("cron-jobs: following cron ({pid}) by looks\n")),
        "{}",
        all.report()
    );
    if is_known {
        assert_eq!(failures.lines().len(), 1, "{}", failures.report());
        assert!(failures.text().contains(&bad), "{}", failures.report());
    }
}

/// Returns the value of a series.
#[track_caller]
fn value<'t>(metrics: &'t str, series: &str) -> &'t str {
    let found = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in\n{metrics}"))
}

#[test]
fn metrics_are_written_to_a_file() {
    let place = cron_box!();
    let bad = format!("{}; exit 3", job("b"));
    place.crontab(&[&job("a"), &bad]);
    place.cron();
    ["a", "b"].iter().for_each(|name| _ = place.began(name));
    let follower = follow(&place, &["--openmetrics", "--output", "/mnt/jobs.prom"]);
    let labels = |command: &str| format!("{{user=\"root\",command=\"{command}\"}}");
    let metrics = || std::fs::read_to_string(place.path("jobs.prom")).unwrap_or_default();
    let running = |command: &str, count: u32| {
        let series = format!("proctool_cron_job_running{} {count}\n", labels(command));
        soon("the metrics", || metrics().contains(&series));
    };
    running(&job("a"), 1);
    place.release("a");
    running(&job("a"), 0);
    running(&bad, 1);
    place.release("b");
    running(&bad, 0);
    let text = metrics();
    assert_eq!(value(&text, "proctool_cron_followed_daemons"), "1");
    assert_eq!(value(&text, "proctool_cron_process_events"), "0");
    if kernel() >= (6, 15) {
        let of = |name: &str, command: &str| {
            value(&text, &format!("proctool_cron_job_{name}{}", labels(command))).to_owned()
        };
        assert_eq!(of("last_exit_status", &job("a")), "0");
        assert_eq!(of("last_exit_status", &bad), "3");
        assert_eq!((of("failures", &job("a")), of("failures", &bad)), ("0".into(), "1".into()));
        assert!(of("last_success_timestamp_seconds", &job("a")).parse::<f64>().is_ok());
        assert!(!text.contains(&format!("success_timestamp_seconds{}", labels(&bad))), "{text}");
        assert!(of("last_duration_seconds", &bad).parse::<f64>().is_ok_and(|time| time > 0.0));
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    // README asks for metrics that there are.
    let readme = include_str!("../../README.md");
    let words = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<&str> =
        words.filter(|word| word.starts_with("proctool_cron_job_")).collect();
    assert!(asked.len() >= 2, "{asked:?}");
    for name in asked {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}: {text}");
    }
    let outcome = follower.end(&place);
    assert!(outcome.stdout.is_empty(), "{}", outcome.report());
    if missing(&["promtool"]).is_ok() {
        is_clean(&text);
    }
    // A collector that reads both files refuses a metric with two different helps.
    let state = place.graceful(&["--list", "--openmetrics"]).exits(0).text();
    let names = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.to_owned())).collect()
    };
    assert!(names(&text).is_disjoint(&names(&state)), "{text}{state}");
}

/// The disk is full for a moment, as any user can make it.
#[test]
fn metrics_that_cannot_be_written_are_written_later() {
    let place = cron_box!();
    place.crontab(&[&job("a")]);
    place.cron();
    place.began("a");
    place.shell("mkdir /mnt/metrics");
    let file = "/mnt/metrics/jobs.prom";
    let follower = follow_by(&place, &TO_ERRORS, &["--openmetrics", "--output", file]);
    let metrics = || std::fs::read_to_string(place.root(file)).unwrap_or_default();
    soon("the metrics", || metrics().contains("proctool_cron_job_running{"));
    place.shell(
        "mount -t tmpfs -o size=4k none /mnt/metrics; head -c 4096 /dev/zero >/mnt/metrics/full",
    );
    place.release("a");
    soon("the end of the job", || place.ended("a"));
    let errors = || std::fs::read_to_string(place.path("errors")).unwrap_or_default();
    soon("a message", || errors().contains("No space left on device"));
    place.shell("mount -o remount,size=1m /mnt/metrics");
    soon("the metrics", || metrics().contains("proctool_cron_job_runs{"));
    place.kill("TERM", follower.pid);
    follower.running.finish().exits(143);
    assert_eq!(errors().matches("trying again").count(), 1, "{}", errors());
}

/// A file system that is frozen until it is dropped: nobody else could thaw it after the test.
struct Frozen<'p>(&'p CronBox);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        self.0.exec("fsfreeze --unfreeze /mnt/metrics");
    }
}

/// Every write to this file system waits until it is thawed.
#[test]
fn a_file_system_that_does_not_answer_does_not_end_the_watch() {
    let place = cron_box!(CronBox::needing(&["mkfs.ext4", "fsfreeze"]));
    let mount = "head -c 16M /dev/zero >/mnt/disk && mkfs.ext4 -q /mnt/disk &&
        mkdir /mnt/metrics && mount -o loop /mnt/disk /mnt/metrics";
    if place.exec(mount).code() != 0 {
        skip!("no loop devices");
    }
    place.crontab(&[&job("a")]);
    place.cron();
    place.began("a");
    let file = "/mnt/metrics/jobs.prom";
    let follower = follow_by(&place, &TO_ERRORS, &["--openmetrics", "--output", file]);
    let metrics = || std::fs::read_to_string(place.root(file)).unwrap_or_default();
    soon("the metrics", || metrics().contains("proctool_cron_job_running{"));
    let frozen = Frozen(&place);
    place.shell("fsfreeze --freeze /mnt/metrics");
    place.release("a");
    let errors = || std::fs::read_to_string(place.path("errors")).unwrap_or_default();
    soon("a message", || errors().contains("the file system does not answer: trying again"));
    drop(frozen);
    soon("the metrics", || metrics().contains("proctool_cron_job_runs{"));
    place.kill("TERM", follower.pid);
    follower.running.finish().exits(143);
    place.shell("umount /mnt/metrics");
}

/// Nobody reads the messages, and the pipe is full.
#[test]
fn messages_that_nobody_reads_do_not_keep_a_signal_from_ending_it() {
    let place = cron_box!();
    place.cron();
    place.shell(
        "mkfifo /mnt/errors; sleep 1000 <>/mnt/errors >/dev/null 2>&1 &
         until dd if=/dev/zero of=/mnt/errors bs=4096 oflag=nonblock 2>&1 | grep -q temporarily
         do sleep 0.02; done",
    );
    let follower = follow_by(&place, &TO_ERRORS, &[]);
    let place_of_sleep = place.root(&format!("/proc/{}/wchan", follower.pid));
    soon("a message that waits", || {
        std::fs::read_to_string(&place_of_sleep).is_ok_and(|name| name.contains("pipe_write"))
    });
    follower.end(&place);
}

/// The beginning of a command whose messages go to a file of the box.
const TO_ERRORS: [&str; 4] = ["sh", "-c", "exec \"$@\" 2>>/mnt/errors", "sh"];

/// Checks metrics with promtool, which must find no fault.
#[track_caller]
fn is_clean(metrics: &str) {
    let mut command = clean("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("starting promtool");
    let mut input = child.stdin.take().expect("taking its input");
    input.write_all(metrics.as_bytes()).expect("writing metrics");
    drop(input);
    let output = child.wait_with_output().expect("waiting for promtool");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{metrics}");
}

#[test]
fn it_ends_when_nobody_reads() {
    let place = cron_box!();
    let daemon = place.cron();
    let mut follower = follow_json(&place, &[]);
    follower.running.close_stdout();
    follower.running.finish().exits(0);
    place.still_runs(daemon);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let place = cron_box!();
    place.shell("ln -s cron-graceful /mnt/bin/cron-jobs");
    place
        .exec("cron-jobs --pid 99999")
        .exits(1)
        .says("process 99999 is no cron daemon: there is no such process");
    place.exec("cron-jobs --pid $$; exit $?").exits(1).says("is no cron daemon: this very command");
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups cron-jobs";
    place.exec(nobody).exits(1).says("root");
    run(&["cron-jobs", "--openmetrics"]).exits(2);
}

/// The second job has never succeeded, and the third one not for long; the fourth one is fine.
#[test]
fn the_query_of_readme_finds_what_has_not_succeeded_for_a_day() {
    if missing(&["promtool"]).is_err() {
        skip!("no promtool");
    }
    let readme = include_str!("../../README.md");
    let queries = readme
        .split("```promql\n")
        .skip(1)
        .flat_map(|rest| rest.split("```").next().unwrap_or_default().split("\n\n"));
    let mut queries = queries.filter(|query| query.contains("last_success"));
    let query = queries.next().expect("finding the query");
    let series = |name: &str, command: &str, values: &str| {
        let series = format!("proctool_cron_job_{name}{{command=\"{command}\"}}");
        serde_json::json!({"series": series, "values": values})
    };
    let success = "last_success_timestamp_seconds";
    let input = [
        series("failures", "never", "2 2"),
        series("failures", "late", "1 1"),
        series(success, "late", "-90000 -90000"),
        series("failures", "fine", "1 1"),
        series(success, "fine", "0 0"),
    ];
    let never = r#"proctool_cron_job_failures{command="never"}"#;
    let expected = serde_json::json!([
        {"labels": never, "value": 2},
        {"labels": r#"{command="late"}"#, "value": 90_060},
    ]);
    let test = serde_json::json!({"interval": "1m", "input_series": input, "promql_expr_test":
        [{"expr": query, "eval_time": "1m", "exp_samples": expected}]});
    let tests = serde_json::json!({"evaluation_interval": "1m", "tests": [test]});
    let directory = tempfile::tempdir().expect("making a directory for a test");
    let path = directory.path().join("test.yml");
    std::fs::write(&path, tests.to_string()).expect("writing a test");
    let mut command = clean("promtool");
    command.args(["test", "rules"]).arg(path);
    finish(command).exits(0);
}

/// The unit of README, with its paths.
#[test]
fn the_unit_of_readme_runs_as_it_stands() {
    let readme = include_str!("../../README.md");
    let unit = readme.split("```ini\n").find(|block| block.contains("cron-jobs.prom"));
    let command =
        unit.and_then(|unit| unit.lines().find_map(|line| line.strip_prefix("ExecStart=")));
    let command = command.expect("finding the command of the unit");
    // A directory that is missing for a moment does not end it for ever.
    let rests = |line: &str| unit.is_some_and(|unit| unit.lines().any(|other| other == line));
    assert!(rests("Restart=on-failure") && rests("RestartSec=10"));
    assert!(rests("StartLimitIntervalSec=0"));
    let output = command.split("--output ").nth(1).expect("finding the output");
    let place = cron_box!();
    place.shell(
        "mount -t tmpfs none /usr/local; mkdir /usr/local/bin
         ln -s /mnt/bin/cron-graceful /usr/local/bin/cron-jobs
         mount -t tmpfs none /var/lib; mkdir -p /var/lib/prometheus/node-exporter",
    );
    place.crontab(&["exit 3"]);
    place.shell(&format!("{command} 2>/dev/null >/dev/null </dev/null & echo $! >/mnt/service"));
    place.cron();
    let metrics = || std::fs::read_to_string(place.root(output)).unwrap_or_default();
    soon("the metrics of a daemon", || metrics().contains("proctool_cron_followed_daemons 1\n"));
    place.kill("TERM", place.read("service"));
    place.settles();
}
