//! Start times of processes, and their running times.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::skip;
use crate::support::command::run;
use crate::support::namespace;
use crate::support::target::Target;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("measuring a time after 1970").as_secs_f64()
}

/// Returns one field of a process from `find`.
fn number(pid: u32, field: &str) -> f64 {
    let outcome =
        run(&["find", "--jsonl", "--fields", field, "--pid", &pid.to_string()]).succeeds();
    let row: serde_json::Value = serde_json::from_str(&outcome.text()).expect("parsing JSON");
    row[field].as_f64().expect("finding a number")
}

#[test]
fn a_start_is_told_within_two_hundredths_of_a_second_and_the_same_each_time() {
    for _ in 0..20 {
        let before = now();
        let target = Target::start(Command::new("sh").args(["-c", "echo ready; read line"]));
        let after = now();
        let starts: Vec<f64> = (0..5).map(|_| number(target.pid(), "starttime")).collect();
        assert!((before - 0.02..=after + 0.02).contains(&starts[0]), "{before} {starts:?} {after}");
        assert!(starts.iter().all(|start| *start == starts[0]), "{starts:?}");
        let (begin, age, end) = (now(), number(target.pid(), "runtime"), now());
        assert!((begin - after - 0.02..=end - before + 0.02).contains(&age), "{begin} {age} {end}");
    }
}

#[test]
fn ages_are_right_where_the_uptime_is_that_of_a_container() {
    // lxcfs shows such values; once one was negative.
    for uptime in ["0.50 0.50", "-3.00 0.00", "99999999.00 1.00", ""] {
        let script = format!(
            r#"sleep 1000 & sleeper=$!
            echo '{uptime}' >/dev/shm/uptime.$$; mount --bind /dev/shm/uptime.$$ /proc/uptime; rm /dev/shm/uptime.$$
            until "$P" find --older 0.3 --pid $sleeper >/dev/null; do sleep 0.01; done
            "$P" find --older 1h --pid $sleeper; echo $?
            "$P" find --inverse --older 1h --pid $sleeper
            "$P" find --jsonl --fields runtime --pid $sleeper"#
        );
        let Some(script) = namespace::script(&script) else { skip!("no private namespaces") };
        let outcome = crate::support::command::finish(script).exits(0);
        let lines = outcome.lines();
        assert_eq!(lines[0], "1", "{outcome:?}");
        let age: serde_json::Value =
            serde_json::from_str(lines.last().expect("finding an age")).expect("parsing JSON");
        assert!(
            age["runtime"].as_f64().is_some_and(|age| (0.3..120.0).contains(&age)),
            "{outcome:?}"
        );
    }
}

#[test]
fn times_are_right_in_a_time_namespace() {
    let script = r#"unshare --time --boottime 1000000 bash -c '
        before=$(date +%s); sleep 1000 & "$P" find --jsonl --fields starttime,runtime --pid $!; echo "$before"; kill $!'"#;
    let Some(script) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = crate::support::command::finish(script);
    if outcome.code() != 0 || outcome.lines().len() < 2 {
        skip!("no time namespaces");
    }
    let lines = outcome.lines();
    let row: serde_json::Value = serde_json::from_str(&lines[0]).expect("parsing JSON");
    let before: f64 = lines[1].parse().expect("parsing a time");
    let start = row["starttime"].as_f64().expect("finding a start");
    assert!((before - 0.02..before + 60.0).contains(&start), "{lines:?}");
    assert!(row["runtime"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{lines:?}");
}
