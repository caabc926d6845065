//! The tree as JSON.

use super::*;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("finding an object").keys().map(String::as_str).collect()
}

const KEYS: [&str; 7] = ["pid", "ppid", "comm", "exe_name", "state", "user", "cmdline"];

#[test]
fn json_is_nested_like_the_tree() {
    let fake = cron();
    for words in [&[][..], &["--exe=cron"], &["-s", "30", "50"], &["10", "40", "--depth=0"]] {
        let pids: Vec<u64> =
            tree(&fake, words).lines().iter().map(|line| pid_of(line).into()).collect();
        let json = tree(&fake, &[words, &["--json"]].concat()).succeeds().json();
        let nested = nested(&json);
        assert_eq!(nested.iter().map(|&(pid, _)| pid).collect::<Vec<_>>(), pids, "{words:?}");
        let parents = [(10, 1), (20, 10), (21, 10), (30, 20), (31, 21), (40, 30), (50, 1)];
        for (pid, parent) in nested.into_iter().filter(|&(_, parent)| parent != 0) {
            assert!(parents.contains(&(pid, parent)), "{pid} below {parent}: {words:?}");
        }
    }
}

#[test]
fn json_has_these_members() {
    let json = tree(&cron(), &["30", "--json"]).succeeds().json();
    let sh = &json[0];
    let expected: BTreeSet<&str> = KEYS.into_iter().chain(["children"]).collect();
    assert_eq!(keys(sh), expected);
    assert_eq!(keys(&sh["children"][0]), expected);
    assert_eq!((sh["pid"].as_u64(), sh["ppid"].as_u64()), (Some(30), Some(20)));
    assert_eq!((sh["comm"].as_str(), sh["exe_name"].as_str()), (Some("sh"), Some("dash")));
    assert_eq!((sh["state"].as_str(), sh["user"].as_str()), (Some("S"), Some("3999999999")));
    assert_eq!(sh["cmdline"], serde_json::json!(["/bin/dash"]));
    assert_eq!(sh["children"][0]["children"], serde_json::json!([]));
}

#[test]
fn json_lines_are_flat() {
    let outcome = tree(&cron(), &["--exe=cron", "--jsonl"]).succeeds();
    let processes: Vec<Value> = outcome
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("parsing an object for each line"))
        .collect();
    assert!(
        processes.iter().all(|process| keys(process) == BTreeSet::from(KEYS)),
        "{}",
        outcome.report()
    );
    let pids: Vec<u64> = processes.iter().filter_map(|process| process["pid"].as_u64()).collect();
    assert_eq!(pids, [10, 20, 30, 40, 21, 31]);
}

#[test]
fn what_is_unavailable_is_null_in_json() {
    let fake = FakeProc::new();
    fake.process(5, 0, "bare");
    let json = tree(&fake, &["--json"]).succeeds().json();
    assert_eq!((&json[0]["user"], &json[0]["cmdline"]), (&Value::Null, &Value::Null));
    assert_eq!(json[0]["comm"], "bare");
}
