//! What a process listens on, and its other sockets.

use super::*;

#[test]
fn ports_are_those_of_ss() {
    let script = r#"
        hold tcp:0.0.0.0:80 tcp:127.0.0.1:81 'tcp:[::]:82' 'v6only:[::]:83' 'tcp:[::1]:84' \
            'tcp:[::ffff:127.0.0.1]:85' udp:0.0.0.0:53 'udp:[::1]:53' udp:127.0.0.1:54 fork \
            connect:127.0.0.1:80 'connect:[::1]:84' connected:127.0.0.1:9 stream:@x pair
        hold tcp:127.0.0.1:8080 files:10000 udp:127.0.0.1:8080
        hold tcp:127.0.0.1:9090 pass close
        hold unshare tcp:127.0.0.1:80
        "$P" find --listening --jsonl --fields pid,ports
        unshare --fork true
        ss -H -ltunp
        nsenter --net=/proc/$held/ns/net ss -H -ltunp"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let outcome = outcome.succeeds();
    let (ours, theirs) = (ports(&outcome.lines()), ports_of_ss(&outcome.lines()));
    assert!(ours == theirs, "{ours:#?}\n{theirs:#?}\n{}", outcome.report());
    let counts: Vec<usize> = ours.values().map(BTreeSet::len).collect();
    assert_eq!(counts.len(), 5, "{}", outcome.report());
    assert!(counts.contains(&9), "{counts:?}");
}

#[test]
fn connections_are_those_of_ss() {
    let script = r#"
        hold tcp:127.0.0.1:80 connect:127.0.0.1:80 'tcp:[::1]:81' 'connect:[::1]:81' \
            connected:127.0.0.1:9 udp:127.0.0.1:53
        "$P" show --json --fields connections $held
        ss -H -tunp | sed 's/.*fd=\([0-9]*\).*/& \1/' |
            while read -r proto state _ _ local remote _ fd; do
            echo "ss $proto $local $remote $state $fd"; done"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let outcome = outcome.succeeds();
    let lines = outcome.lines();
    let (theirs, ours): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.starts_with("ss "));
    let document: Value =
        serde_json::from_str(&ours.iter().fold(String::new(), |all, line| all + line))
            .expect("parsing JSON");
    let records = document[0]["connections"].as_array().expect("finding connections");
    let mut ours: Vec<String> = records
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().expect("finding text").to_owned();
            let (proto, local, remote) = (text("proto"), text("local"), text("remote"));
            format!("ss {proto} {local} {remote} {} {}", text("state"), record["fd"])
        })
        .collect();
    ours.sort();
    let mut theirs: Vec<String> = theirs.into_iter().cloned().collect();
    theirs.sort();
    assert!(ours == theirs && ours.len() == 5, "{ours:#?}\n{theirs:#?}");
}

#[test]
fn unix_sockets_have_a_path_a_name_or_neither() {
    let script = r#"
        hold 'stream:/mnt/a b' dgram:/mnt/d stream:@name seqpacket:@other pair
        "$P" show --fields unix_sockets $held
        hold stream:"/mnt/caf"$'\xe9'
        "$P" show --json --fields unix_sockets $held"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    outcome.succeeds().prints(
        "  unix_sockets   stream LISTEN 3 /mnt/a b
    dgram UNCONN 4 /mnt/d
    stream LISTEN 5 @name
    seqpacket LISTEN 6 @other
    stream ESTAB 7 
    stream ESTAB 8 
[{\"unix_sockets\":[{\"type\":\"stream\",\"state\":\"LISTEN\",\"fd\":3,\
            \"path\":{\"bytes\":\"L21udC9jYWbp\"}}]}]
",
    );
}

#[test]
fn a_path_that_forges_a_line_is_not_believed() {
    let script = r#"
        hold stream:/mnt/honest
        inode=$(readlink /proc/$held/fd/3 | tr -dc 0-9)
        honest=$held
        hold "stream:/mnt/x"$'\n'"0: 00000002 00000000 00010000 0001 01 $inode @forged"
        "$P" show --fields unix_sockets $honest"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    outcome
        .succeeds()
        .prints("  unix_sockets   - (net/unix cannot be read: Bad message (os error 74))\n");
}

#[test]
fn denied_descriptors_and_the_kernel() {
    let script = r#"
        hold tcp:127.0.0.1:80
        nobody show --fields ports,connections,unix_sockets $held
        hold zombie
        "$P" show --fields ports $("$P" find --parent $held)
        "$P" show --fields ports $$"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    outcome.succeeds().prints(
        "  ports          - (permission denied)
  connections    - (permission denied)
  unix_sockets   - (permission denied)
  ports          - (a zombie has none)
  ports          (none)
",
    );
}
