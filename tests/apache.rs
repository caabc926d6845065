//! `apache-mem` with real servers: Apache with its MPMs and mod_wsgi, php-fpm, nginx, and what
//! looks like them.

mod available;
mod configuration;
mod dump;
mod groups;
mod impostors;
mod interval;
mod masters;
mod memory;
mod metrics;
mod pools;
mod race;
mod text;
mod top;
mod users;

use serde_json::Value;

/// Makes a box, or skips the test and says why there is none.
#[macro_export]
macro_rules! apache_box {
    () => {
        $crate::apache_box!($crate::support::apache::ApacheBox::new())
    };
    ($made:expr) => {
        match $made {
            Ok(made) => made,
            Err(reason) => $crate::skip!(&reason),
        }
    };
}

/// Returns the elements of a JSON array.
#[track_caller]
fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value:#}"))
}

/// Returns a JSON number.
#[track_caller]
fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value:#}"))
}

/// Returns the groups with this role.
#[track_caller]
fn of_role<'block>(block: &'block Value, role: &str) -> Vec<&'block Value> {
    list(&block["groups"]).iter().filter(|group| group["role"] == role).collect()
}

/// Returns the group with this role and this name.
#[track_caller]
fn group<'block>(block: &'block Value, role: &str, name: impl Into<Value>) -> &'block Value {
    let name = name.into();
    let found: Vec<&Value> =
        of_role(block, role).into_iter().filter(|group| group["name"] == name).collect();
    assert!(found.len() == 1, "expected one group {role} {name}: {block:#}");
    found[0]
}

/// Returns the workers of an Apache.
#[track_caller]
fn workers(block: &Value) -> &Value {
    group(block, "worker", Value::Null)
}

/// Returns the processes of a group, in order.
#[track_caller]
fn pids(group: &Value) -> Vec<u32> {
    let mut pids: Vec<u32> =
        list(&group["members"]).iter().map(|member| number(&member["pid"]) as u32).collect();
    pids.sort_unstable();
    pids
}

/// Returns all processes of a block, the master first.
#[track_caller]
fn members(block: &Value) -> Vec<&Value> {
    let master = Some(&block["master"]).filter(|master| !master.is_null());
    let members = list(&block["groups"]).iter().flat_map(|group| list(&group["members"]));
    master.into_iter().chain(members).collect()
}

/// Checks that the numbers of processes and threads of a block are the sums of its parts.
#[track_caller]
fn adds_up(block: &Value) {
    let groups = list(&block["groups"]);
    for group in groups {
        assert_eq!(number(&group["processes"]), list(&group["members"]).len() as u64, "{block:#}");
    }
    let all = members(block);
    assert_eq!(number(&block["processes"]), all.len() as u64, "{block:#}");
    let threads: u64 = all.iter().map(|member| number(&member["threads"])).sum();
    assert_eq!(number(&block["threads"]), threads, "{block:#}");
    let mut pids: Vec<u64> = all.iter().map(|member| number(&member["pid"])).collect();
    pids.sort_unstable();
    pids.dedup();
    assert!(pids.len() == all.len(), "a process is there twice: {block:#}");
}

/// Returns the notes of a block for users, which must contain this.
#[track_caller]
fn notes(block: &Value) -> String {
    let notes = list(&block["notes"]).iter().map(|note| note.as_str().expect("finding a text"));
    notes.collect::<Vec<_>>().join("\n")
}
