//! `--port` and `--listening`.

use super::*;
use crate::support::fake::FakeProc;

#[test]
fn ports_of_every_kind() {
    let script = r#"
        hold tcp:0.0.0.0:80 udp:127.0.0.1:53; a=$held
        hold 'tcp:[::1]:81' 'tcp:[::ffff:127.0.0.1]:82' udp:127.0.0.1:80; b=$held
        name() { sed "s/^$a$/a/; s/^$b$/b/; s/^$((b + 1))$/c/" | xargs; }
        for port in 80 tcp:80 udp:80 0.0.0.0:80 127.0.0.1:80 udp:127.0.0.1:80 81 '[::1]:81' \
            'tcp:[::1]:81' \
            'udp:[::1]:81' '[::]:81' 127.0.0.1:82 '[::ffff:127.0.0.1]:82' 53,81 8 '53 --port 81' \
            '80 --exe nosuch'; do
            echo "$port: $("$P" find --port $port | name)"
        done
        echo "listening: $("$P" find --listening | name)"
        echo "inverse: $("$P" find --inverse --port 80,81 | name | grep -c '[ab]')""#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    outcome.prints(
        "80: a b
tcp:80: a
udp:80: b
0.0.0.0:80: a
127.0.0.1:80: b
udp:127.0.0.1:80: b
81: b
[::1]:81: b
tcp:[::1]:81: b
udp:[::1]:81: 
[::]:81: 
127.0.0.1:82: b
[::ffff:127.0.0.1]:82: b
53,81: a b
8: 
53 --port 81: a b
80 --exe nosuch: 
listening: a b
inverse: 0
",
    );
}

#[test]
fn whoever_holds_the_socket_listens() {
    let script = r#"
        hold tcp:127.0.0.1:80 fork; a=$held
        hold tcp:127.0.0.1:81 pass; b=$held
        hold tcp:127.0.0.1:82 pass close; c=$held
        hold tcp:127.0.0.1:83 unshare; d=$held
        hold unshare tcp:127.0.0.1:84; e=$held
        hold files:10000 tcp:127.0.0.1:85; f=$held
        hold tcp:127.0.0.1:86 leave; g=$held
        for port in 80 81 82 83 84 85; do "$P" find --count --port $port; done
        "$P" find --port 82 | grep -cx $c
        "$P" find --port 83,84,85,86 | xargs
        echo $d $e $f $g
        "$P" show --fields ports $g"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let lines = outcome.lines();
    assert_eq!(lines[..7], ["2", "2", "1", "1", "1", "1", "0"], "{}", outcome.report());
    assert!(lines.len() == 10 && lines[7] == lines[8], "{}", outcome.report());
    assert_eq!(lines[9], "  ports          tcp:127.0.0.1:86");
}

#[test]
fn every_applet_takes_them() {
    let script = r#"
        hold tcp:127.0.0.1:80
        for applet in kill terminate suspend resume wait; do
            "$P" $applet --dry-run --port 80 --json | grep -o '"outcome":"[a-z]*"'
        done
        "$P" tree --port 80 | sed "s/$held/ID/"
        "$P" tree --listening --json | grep -c "\"pid\":$held,"
        "$P" tree --port 81
        "$P" kill --dry-run --port 81
        "$P" kill --port 80 > /mnt/out; echo $?
        "$P" find --port 80; echo $?"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let spared = "\"outcome\":\"spared\"\n".repeat(5);
    let outcome = outcome.prints(format!("{spared}python3(ID)\n1\n0\n1\n"));
    let told = "proctool tree: no process matches\nproctool kill: no process matches\n";
    assert_eq!(outcome.errors(), told);
}

#[test]
fn nginx_and_its_workers() {
    if missing(&["nginx"]).is_err() {
        skip!("nginx is missing");
    }
    let script = r#"
        mkdir /mnt/logs
        cat > /mnt/conf <<'END'
user root; worker_processes 2; pid /mnt/pid; error_log /mnt/error; daemon on;
events {}
http { access_log off; server { listen 127.0.0.1:8080; listen [::1]:8081; } }
END
        nginx -p /mnt -e /mnt/error -c /mnt/conf || exit 76
        until [ -s /mnt/pid ] && [ "$("$P" find --count --exe nginx)" = 3 ]; do :; done
        "$P" find --port 8080 > /mnt/ours; pgrep nginx | cmp - /mnt/ours
        "$P" find --port '[::1]:8081' --count
        kill -QUIT "$(cat /mnt/pid)""#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    outcome.prints("3\n");
}

#[test]
fn another_procfs() {
    let fake = FakeProc::new();
    let heading =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
    // The kernel prints addresses in the byte order of the machine; 0 is the same in both.
    let line =
        "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1";
    for (pid, inode) in [(10, 77), (11, 78)] {
        let process = fake.process(pid, 1, "x").directory("net").directory("fd");
        process
            .file("net/tcp", format!("{heading}\n{line}\n"))
            .file("net/udp", heading)
            .link("fd/3", format!("socket:[{inode}]"))
            .link("fd/4", "/dev/null");
    }
    run(&["find", "--port", "80", &fake.option()]).succeeds().prints("10\n");
    run(&["find", "--listening", &fake.option()]).succeeds().prints("10\n");
    run(&["find", "--port", "81", &fake.option()]).exits(1).prints("");
    run(&["show", "--fields", "ports", "10", &fake.option()])
        .prints("  ports          tcp:0.0.0.0:80\n");
}

#[test]
fn mistakes() {
    for (port, why) in [
        ("", "a port is a number"),
        ("80,", "a port is a number"),
        ("http", "getent services http prints that of a service"),
        ("0", "ports are from 1 to 65535"),
        ("70000", "ports are from 1 to 65535"),
        ("-80", "a port is a number"),
        ("::1:80", "an IPv6 address stands in brackets, as in [::1]:80"),
        ("localhost:80", "neither tcp nor udp nor an address in numbers"),
        ("*:80", "for any address leave it out"),
    ] {
        for applet in ["find", "tree", "kill", "wait"] {
            run(&[applet, "--port", port]).refuses(2, why);
        }
    }
    run(&["find", "--port"]).exits(2);
}
