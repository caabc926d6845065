//! Small facts about a process, against what other programs and /proc say of it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::skip;
use crate::support::command::{clean, finish, run};
use crate::support::fake::FakeProc;
use crate::support::namespace;
use crate::support::target::{Program, Target};

/// Returns these properties of a process.
#[track_caller]
fn shown(pid: u32, names: &str) -> Value {
    run(&["show", "--json", "--fields", names, &pid.to_string()]).succeeds().json()[0].take()
}

/// Returns what ps says of a process, in the words of this format.
fn ps(pid: u32, format: &str) -> Vec<String> {
    let mut command = clean("ps");
    command.args(["-o", format, "-p", &pid.to_string()]);
    finish(command).exits(0).text().split_whitespace().map(str::to_owned).collect()
}

/// Starts a target that runs Python; `None` where that is not installed.
fn python(script: &str) -> Option<Target> {
    clean("python3").arg("-V").output().ok()?;
    Some(Target::start(clean("python3").args(["-c", script])))
}

#[test]
fn the_schedule_is_that_of_chrt_and_ps() {
    let mut count = 0;
    for (options, text, class, priority) in [
        (&["-o", "0"][..], "other", "TS", "-"),
        (&["-b", "0"], "batch", "B", "-"),
        (&["-i", "0"], "idle", "IDL", "-"),
        (&["-f", "50"], "fifo 50", "FF", "50"),
        (&["-r", "7"], "rr 7", "RR", "7"),
        (
            &["-d", "--sched-runtime", "100000", "--sched-period", "1000000000", "0"],
            "deadline",
            "DLN",
            "-",
        ),
    ] {
        let probe = Command::new("chrt").args(options).arg("true").output();
        if !probe.is_ok_and(|probe| probe.status.success()) {
            continue;
        }
        let script = "echo ready; read -r line";
        let target = Target::start(Command::new("chrt").args(options).args(["sh", "-c", script]));
        assert_eq!(shown(target.pid(), "schedule"), json!({ "schedule": text }));
        let said = ps(target.pid(), "cls=,rtprio=");
        assert_eq!(said[0], class, "{said:?}");
        // ps shows a priority of 0 for some policies that have none.
        assert!(said[1] == priority || priority == "-", "{said:?}");
        count += 1;
    }
    if count < 4 {
        skip!("not all policies may be set here, or there is no chrt");
    }
}

#[test]
fn bytes_of_storage_and_the_peak_of_memory_are_those_of_proc() {
    let script = "import os,sys,tempfile\n\
                  file = tempfile.TemporaryFile(dir='/var/tmp')\n\
                  file.write(bytes(3 << 20)); file.flush(); os.fsync(file.fileno())\n\
                  big = bytearray(30 << 20); del big\n\
                  print('ready', flush=True); sys.stdin.read()\n";
    let Some(target) = python(script) else { skip!("no python3") };
    let number = |file: &str, name: &str| {
        let text = String::from_utf8(target.proc(file)).expect("reading text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let found = shown(target.pid(), "io_read,io_written,peak_rss,rss");
    assert_eq!(found["io_read"], number("io", "read_bytes"));
    assert_eq!(found["io_written"], number("io", "write_bytes"));
    assert_eq!(found["peak_rss"], number("status", "VmHWM") * 1024);
    assert!(found["peak_rss"].as_u64() > found["rss"].as_u64().map(|rss| rss + (20 << 20)));
    let text = run(&["show", "--fields", "io_written,peak_rss", &target.pid().to_string()]);
    assert!(text.succeeds().text().contains("peak_rss       "), "no line of the peak");
}

#[test]
fn the_signals_of_a_process_have_names() {
    let script = "import signal,sys\n\
                  for number in (signal.SIGHUP, signal.SIGRTMIN + 3): signal.signal(number, signal.SIG_IGN)\n\
                  signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMAX])\n\
                  print('ready', flush=True); sys.stdin.read()\n";
    let Some(target) = python(script) else { skip!("no python3") };
    let found = shown(target.pid(), "signals_ignored,signals_blocked");
    // Python ignores PIPE and XFSZ itself. Our parent may ignore others.
    let ignored = found["signals_ignored"].as_array().expect("finding a list");
    assert!(["HUP", "PIPE", "XFSZ", "RTMIN+3"].iter().all(|name| ignored.contains(&json!(name))));
    let text = String::from_utf8(target.proc("status")).expect("reading text");
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:\t"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).expect("parsing a mask");
    assert_eq!(ignored.len(), mask.count_ones() as usize, "{found}");
    assert_eq!(found["signals_blocked"], json!(["USR1", "TERM", "RTMAX"]));
    let text = run(&["show", "--fields", "signals_blocked", &target.pid().to_string()]);
    text.succeeds().prints("  signals_blocked USR1 TERM RTMAX\n");
    let pid = target.pid().to_string();
    let table = run(&["find", "--fields", "signals_ignored", "--pid", &pid]).succeeds();
    assert!(table.lines()[1].starts_with("HUP,"), "{}", table.report());
}

#[test]
fn the_place_where_it_waits_is_that_of_proc() {
    let target = Program::new("waits").start();
    let wchan = || String::from_utf8(target.proc("wchan")).expect("reading a name as text");
    let (before, found, after) = (wchan(), shown(target.pid(), "wchan"), wchan());
    if before == after && before != "0" {
        assert_eq!(found, json!({ "wchan": before }));
    }
    // What runs waits nowhere: we ourselves.
    let text = clean("sh")
        .args(["-c", "exec \"$0\" show --fields wchan $$"])
        .arg(env!("CARGO_BIN_EXE_proctool"))
        .output()
        .expect("running a shell");
    assert_eq!(String::from_utf8_lossy(&text.stdout), "  wchan          - (it waits nowhere)\n");
}

#[test]
fn what_others_may_not_read_is_unknown() {
    let script = "sleep 1000 & pid=$!
        until read -r name </proc/$pid/comm && [ $name = sleep ]; do :; done
        nobody show --fields wchan,io_read,io_written,schedule,peak_rss,signals_ignored $pid";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("no private namespaces, or no superuser")
    };
    let lines = finish(command).succeeds().lines();
    let denied = |name: &str| format!("  {name:14} - (permission denied)");
    assert_eq!(lines[..3], ["wchan", "io_read", "io_written"].map(denied));
    assert_eq!(lines[3], "  schedule       other");
    assert!(lines[4].starts_with("  peak_rss ") && lines[4].contains("iB"), "{lines:?}");
}

#[test]
fn a_label_is_what_the_security_module_writes() {
    let fake = FakeProc::new();
    for (pid, text) in [
        (5, &b"unconfined\n"[..]),
        (6, b"system_u:system_r:crond_t:s0\0"),
        (7, b"/usr/sbin/cups (enforce)\n"),
        (8, b""),
    ] {
        let process = fake.process(pid, 1, "job");
        let directory = format!("{}/{pid}/attr", fake.option().trim_start_matches("--proc="));
        fs::create_dir(&directory).expect("making a directory");
        process.file("attr/current", text);
    }
    let found = run(&["find", "--json", "--fields", "label", &fake.option()]).succeeds().json();
    assert_eq!(
        found,
        json!([
            { "label": "unconfined" },
            { "label": "system_u:system_r:crond_t:s0" },
            { "label": "/usr/sbin/cups (enforce)" },
            { "label": null },
        ])
    );
    // ps prints a hyphen where there is none.
    let target = Program::new("label").start();
    let said = ps(target.pid(), "label=").join(" ");
    let found = shown(target.pid(), "label");
    assert_eq!(found["label"].as_str().unwrap_or("-"), said);
}

/// Makes /run/utmp and prints what `show` says, in a namespace of its own: Python writes a record of each
/// argument LINE,PID,USER,HOST.
const UTMP: &str = r#"
    mount -t tmpfs none /run && mount -t tmpfs none /mnt || exit 77
    utmp() {
        python3 -I -S -c '
import struct, sys
with open("/run/utmp", "wb") as file:
    for record in sys.argv[1:]:
        line, pid, user, host = record.split(",")
        file.write(struct.pack("hi32s4s32s256shhiii16s20x", 7, int(pid), line.encode(), b"", user.encode(),
            host.encode(), 0, 0, 0, 1700000000, 0, b""))' "$@" || exit 77
    }
    # A shell with a terminal of its own, and a child without one.
    script -qfc 'tty >/mnt/tty.new; (exec setsid sleep 1001) & sleep 1000; :' /dev/null >/dev/null 2>&1 </dev/null &
    login=$!
    until [ -s /mnt/tty.new ]; do :; done
    read -r tty </mnt/tty.new; tty=${tty#/dev/}
    until pid=$("$P" find --comm sleep --args 'sleep 1000' 2>/dev/null || "$P" find -f --pattern '^sleep 1000'); do :; done
    until other=$("$P" find -f --pattern '^sleep 1001'); do :; done
    login() { "$P" show --json --fields login "$1"; echo; }
"#;

fn with_utmp(script: &str) -> Option<Vec<Value>> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let outcome = finish(namespace::script(&format!("{UTMP}{script}"))?);
    if outcome.code() == 77 {
        return None;
    }
    let outcome = outcome.exits(0);
    let lines = outcome.lines();
    let lines = lines.iter().filter(|line| !line.is_empty());
    Some(
        lines
            .map(|line| {
                let found: Value = serde_json::from_str(line).expect("parsing JSON");
                found[0]["login"].clone()
            })
            .collect(),
    )
}

#[test]
fn a_login_is_found_by_its_terminal() {
    let Some(found) = with_utmp(
        r#"utmp "pts/999,$login,bob," "$tty,$login,alice,10.0.0.5"
        login $pid; login $other
        # The record of a login that was killed, and one of a later login at the same terminal.
        utmp "$tty,4194303,bob,"; login $pid
        sleep 0.05; sleep 1002 & later=$!
        utmp "$tty,$later,bob,"; login $pid"#,
    ) else {
        skip!("no private namespaces, or no python3")
    };
    let login = json!({
        "user": "alice", "from": "10.0.0.5", "service": null, "since": 1_700_000_000.0,
        "terminal": found[0]["terminal"],
    });
    assert_eq!(found, [login, Value::Null, Value::Null, Value::Null]);
    assert!(
        found[0]["terminal"].as_str().is_some_and(|name| name.starts_with("pts/")),
        "{found:?}"
    );
}

#[test]
fn a_session_of_logind_is_found_by_its_control_group() {
    let fake = FakeProc::new();
    fake.process(5, 1, "job").file("cgroup", "0::/user.slice/user-0.slice/session-c9.scope\n");
    // The files of this machine tell nothing of the processes of another one.
    let text = run(&["show", "--fields", "login", "5", &fake.option()]).succeeds().text();
    assert_eq!(text, "  login          - (it comes from no login that is on record)\n");
}

#[test]
fn the_user_of_the_audit_is_known_without_files() {
    let fake = FakeProc::new();
    fake.process(5, 1, "job").file("loginuid", "0").file("sessionid", "7");
    fake.process(6, 1, "job").file("loginuid", "4294967295").file("sessionid", "4294967295");
    let found = run(&["find", "--json", "--fields", "login", &fake.option()]).succeeds().json();
    let login =
        json!({"user": "root", "from": null, "terminal": null, "service": null, "since": null});
    assert_eq!(found, json!([{ "login": login }, { "login": null }]));
    let text = run(&["show", "--fields", "login", "5", &fake.option()]).succeeds().text();
    assert_eq!(text, "  login          root\n");
}

#[test]
fn containers_have_the_names_of_their_engines() {
    let ids = ["a", "b", "c", "d", "e"].map(|digit| digit.repeat(64));
    let script = format!(
        r#"mount -t tmpfs none /var/lib && mount -t tmpfs none /run || exit 77
        put() {{ mkdir -p "${{1%/*}}" && printf '%s' "$2" >"$1"; }}
        put /var/lib/docker/containers/{0}/config.v2.json '{{"ID":"{0}","Name":"/web"}}'
        put /var/lib/containers/storage/overlay-containers/containers.json '[{{"id":"{1}","names":["db"]}}]'
        put /run/containerd/io.containerd.runtime.v2.task/k8s.io/{2}/config.json '{{"annotations":{{"io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"web-1","io.kubernetes.cri.container-name":"nginx"}}}}'
        mkfifo /var/lib/docker/containers/fifo; mkdir /var/lib/docker/containers/{3}
        ln -s ../fifo /var/lib/docker/containers/{3}/config.v2.json
        "$P" find --json --fields container_name "$1"
        "$P" find --fields pid --json "$1" >/dev/null"#,
        ids[0], ids[1], ids[2], ids[3]
    );
    let fake = FakeProc::new();
    for (pid, group) in [
        (5, format!("docker-{}.scope", ids[0])),
        (6, format!("libpod-{}.scope", ids[1])),
        (7, format!("a.slice:cri-containerd:{}", ids[2])),
        (8, format!("docker-{}.scope", ids[3])),
        (9, format!("docker-{}.scope", ids[4])),
        (10, "lxc.payload.mail".to_owned()),
        (11, "cron.service".to_owned()),
    ] {
        fake.process(pid, 1, "job").file("cgroup", format!("0::/system.slice/{group}\n"));
    }
    let Some(mut command) = namespace::script(&script) else { skip!("no private namespaces") };
    command.args(["sh", &fake.option()]);
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("nothing can be mounted");
    }
    let found = outcome.exits(0).json();
    let names: Vec<&Value> = found
        .as_array()
        .expect("finding an array")
        .iter()
        .map(|process| &process["container_name"])
        .collect();
    let null = Value::Null;
    let text = ["web", "db", "shop/web-1/nginx", "mail"].map(Value::from);
    assert_eq!(names, [&text[0], &text[1], &text[2], &null, &null, &text[3], &null]);
}
