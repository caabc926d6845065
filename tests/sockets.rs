//! Sockets: `--port`, `--listening`, and the properties `ports`, `connections` and `unix_sockets`,
//! compared with ss, in network namespaces of their own.

mod conditions;
mod doubt;
mod properties;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::support::command::{Outcome, finish, run};
use super::support::namespace;
use super::support::place::missing;
use crate::skip;

/// `hold WHAT…` starts a process as sockets.py says, and sets `$held` to its id.
const BEGIN: &str = r#"
ip link set lo up && mount -t tmpfs none /mnt && cp "$SUPPORT/sockets.py" "$P" /mnt || exit 77
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups /mnt/proctool "$@"; }
started=0
hold() {
    started=$((started + 1))
    mkfifo /mnt/ready.$started
    python3 -I -S /mnt/sockets.py "$@" > /mnt/ready.$started & held=$!
    disown $held; read -r word < /mnt/ready.$started && [ "$word" = ready ] || exit 76
}
"#;

/// Runs a script in private namespaces with a network of its own; `None` where this is not
/// possible.
fn inside(script: &str) -> Option<Outcome> {
    if !namespace::is_root() || missing(&["ip", "ss", "python3", "setpriv"]).is_err() {
        return None;
    }
    let mut command = namespace::script(r#"unshare --net bash -c "$SCRIPT"; exit $?"#)?;
    command.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
    command.env("SCRIPT", format!("{BEGIN}{script}"));
    Some(finish(command)).filter(|outcome| outcome.code() != 77)
}

const NO_NETWORK: &str = "it takes the superuser, iproute2, python3 and private namespaces";

/// Returns the ports of each process, as lines of JSON with `pid` and `ports` tell them.
fn ports(lines: &[String]) -> BTreeMap<u64, BTreeSet<String>> {
    let objects = lines.iter().filter(|line| line.starts_with('{'));
    objects
        .map(|line| {
            let object: Value = serde_json::from_str(line).expect("parsing JSON");
            let ports = object["ports"].as_array().expect("finding ports").iter();
            let ports = ports.map(|port| port.as_str().expect("finding text").to_owned());
            (object["pid"].as_u64().expect("finding a pid"), ports.collect())
        })
        .collect()
}

/// Returns the ports of each process, as lines of `ss -H -ltunp` tell them.
fn ports_of_ss(lines: &[String]) -> BTreeMap<u64, BTreeSet<String>> {
    let mut ports: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.starts_with("tcp") || line.starts_with("udp")) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // A socket for both IPv6 and IPv4.
        let local = columns[4].replace("*:", "[::]:");
        for user in columns[6].split("pid=").skip(1) {
            let pid = user.split(',').next().and_then(|pid| pid.parse().ok());
            let port = format!("{}:{local}", columns[0]);
            ports.entry(pid.expect("finding a pid")).or_default().insert(port);
        }
    }
    ports
}
