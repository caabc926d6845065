//! Lists in an order, and groups.

use super::*;

/// Makes processes with sizes, of three users and with names in no order.
fn sizes() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, name, uid, swap) in
        [(10, "c", 0, 30), (20, "a", 7, 9), (30, "b", 7, 100), (40, "b", 3_999_999_999u32, 9)]
    {
        let status = format!(
            "Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t0\t0\t0\t0\nVmSwap:\t{swap} kB\n"
        );
        fake.process(pid, 1, name).file("status", status);
    }
    // It has no memory, and its user is unknown.
    fake.bare(50).stat(50, 1, b"z", 'Z', 500).file("status", "Name:\tz\n");
    fake
}

fn listed(fake: &FakeProc, words: &[&str]) -> Vec<u32> {
    find(fake, words).succeeds().pids()
}

#[test]
fn a_list_is_sorted_by_any_fields_in_both_directions() {
    let fake = sizes();
    assert_eq!(listed(&fake, &["--sort", "swap,pid"]), [20, 40, 10, 30, 50]);
    assert_eq!(listed(&fake, &["--sort", "-swap,-pid"]), [30, 10, 40, 20, 50]);
    assert_eq!(listed(&fake, &["--sort=-comm", "--sort", "swap"]), [50, 10, 40, 30, 20]);
    assert_eq!(listed(&fake, &["--sort", "pid", "[bc]"]), [10, 30, 40]);
    let json = find(&fake, &["--json", "--fields", "pid", "--sort", "-pid", "--limit", "2"]);
    assert_eq!(json.succeeds().json(), serde_json::json!([{"pid": 50}, {"pid": 40}]));
}

#[test]
fn the_first_ones_of_a_list_are_enough() {
    let fake = sizes();
    assert_eq!(listed(&fake, &["--limit", "2"]).len(), 2);
    assert_eq!(listed(&fake, &["--sort", "-swap", "--limit", "1"]), [30]);
    assert_eq!(listed(&fake, &["--sort", "-swap", "--limit", "99"]).len(), 5);
    find(&fake, &["--limit", "0"]).exits(1).prints("");
}

#[test]
fn groups_are_counted_and_added_up() {
    let fake = sizes();
    let words = ["--group-by", "comm", "--fields", "count,swap", "--sort", "-swap", "--json"];
    let expected = serde_json::json!([
        {"comm": "b", "count": 2, "swap": 109 * 1024},
        {"comm": "c", "count": 1, "swap": 30 * 1024},
        {"comm": "a", "count": 1, "swap": 9 * 1024},
        {"comm": "z", "count": 1, "swap": 0},
    ]);
    assert_eq!(find(&fake, &words).succeeds().json(), expected);
    let words = ["--group-by", "user", "--sort", "-count", "--limit", "1", "[abc]"];
    let lines = find(&fake, &words).succeeds().lines();
    let fields: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!((lines.len(), fields[1]), (2, "2"), "{lines:?}");
    // What nobody can tell is a group of its own.
    let outcome = find(&fake, &["--group-by", "user", "--jsonl"]).succeeds();
    assert!(outcome.text().contains("{\"user\":null,\"count\":1}"), "{}", outcome.report());
    find(&fake, &["--group-by", "comm", "nosuch"]).exits(1);
}

/// A sum that lacks a part must not look like a whole one.
#[test]
fn a_sum_without_all_its_values_is_marked() {
    let words = "find --group-by ppid --fields count,pss --pid $one,$!";
    let script = format!("sleep 60 & one=$!; sleep 60 & nobody {words}; nobody {words} --json");
    let Some(command) = namespace::script_with_nobody(&script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command).exits(0);
    assert!(outcome.text().contains("0+"), "{}", outcome.report());
    assert!(outcome.text().contains("\"pss\":null"), "{}", outcome.report());
    assert!(outcome.errors().contains("2 values could not be read"), "{}", outcome.report());
}

#[test]
fn what_cannot_be_an_order_is_refused() {
    let fake = sizes();
    for (words, text) in [
        (&["--sort", "nosuch"][..], "unknown field 'nosuch'"),
        (&["--sort", ""], "unknown field ''"),
        (&["--sort", "count"], "--group-by"),
        (&["--fields", "count"], "--group-by"),
        (&["--limit", "-1"], "unexpected argument '-1'"),
        (&["--limit", "x"], "--limit"),
        (&["--group-by", "user", "--fields", "comm"], "no 'comm'"),
        (&["--group-by", "user", "--sort", "-rss"], "name it in --fields"),
        (&["--group-by", "user,comm"], "unknown field 'user,comm'"),
        (&["--newest", "--sort", "pid"], "cannot be used with"),
        (&["--count", "--limit", "1"], "cannot be used with"),
        (&["--interval", "0"], "the shortest interval"),
        (&["--interval", "1", "--json"], "cannot be used with"),
    ] {
        find(&fake, words).refuses(2, text);
    }
}
