//! Tables and JSON: every property, its unit, what is unavailable, and that no byte is lost.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::support::command::{Outcome, run};
use super::support::fake::{FakeProc, FakeProcess};
use super::support::target::{Program, Target};

fn find(fake: &FakeProc, words: &[&str]) -> Outcome {
    run(&[&["find", &fake.option()], words].concat())
}

/// Returns the only object of a JSON document.
#[track_caller]
fn only(outcome: &Outcome) -> Value {
    let document = outcome.json();
    let objects = document.as_array().unwrap_or_else(|| panic!("no array\n{}", outcome.report()));
    assert!(objects.len() == 1, "expected one object\n{}", outcome.report());
    objects[0].clone()
}

/// Returns one property of the only process of a fake.
#[track_caller]
fn value(fake: &FakeProc, property: &str) -> Value {
    let object = only(&find(fake, &["--json", "--fields", property]).succeeds());
    object.get(property).unwrap_or_else(|| panic!("no {property} in {object}")).clone()
}

/// Returns the bytes of a JSON value.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => BASE64_STANDARD
            .decode(other["bytes"].as_str().expect("finding bytes"))
            .expect("decoding base64"),
    }
}

/// Makes one process with all that JSON shows by default.
fn sshd() -> FakeProc {
    let fake = FakeProc::new();
    with_status(fake.process(10, 1, "sshd"), 0)
        .link("exe", "/usr/sbin/sshd")
        .file("cmdline", "sshd\0-D\0");
    fake
}

fn with_status(process: FakeProcess, uid: u32) -> FakeProcess {
    let ids = format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
    process.file(
        "status",
        format!(
            "Name:\tsshd\nState:\tS (sleeping)\nTgid:\t10\nPPid:\t1\n{ids}VmSwap:\t      12 kB\n"
        ),
    )
}

fn page() -> u64 {
    rustix::param::page_size() as u64
}

#[test]
fn a_table_has_a_header_and_a_line_for_each_process() {
    let outcome = find(&sshd(), &["--fields", "pid,ppid,comm,cmdline"]).succeeds();
    outcome.prints(
        "    PID    PPID COMM            CMDLINE\n     10       1 sshd            sshd -D\n",
    );
}

#[test]
fn a_table_has_its_columns_in_the_order_asked_for() {
    find(&sshd(), &["--fields", "comm,pid"])
        .succeeds()
        .prints("COMM                PID\nsshd                 10\n");
    find(&sshd(), &["--fields", "user, state"])
        .succeeds()
        .prints("USER       STATE\nroot       S\n");
}

#[test]
fn columns_are_aligned_with_their_headers() {
    let fake = FakeProc::new();
    for (pid, name) in
        [(1, "a"), (20, "bb"), (300, "a name"), (4000, "caf\u{e9}"), (4_194_303, "exactly-15-byte")]
    {
        with_status(fake.process(pid, 1, name), pid).file("cmdline", "one\0two\0");
    }
    let outcome = find(&fake, &["--fields", "pid,comm,vsize,user,state,runtime,cmdline"]).exits(0);
    let lines = outcome.lines();
    let columns = |line: &str, word: &str| {
        let at = line.find(word).unwrap_or_else(|| panic!("no {word} in {line:?}"));
        line[..at].chars().count()
    };
    assert_eq!(lines.len(), 6, "{}", outcome.report());
    for line in &lines[1..] {
        assert_eq!(columns(line, "one two"), columns(&lines[0], "CMDLINE"), "{}", outcome.report());
        assert_eq!(columns(line, " S "), columns(&lines[0], " STATE "), "{}", outcome.report());
        assert_eq!(
            columns(line, "3.9M") + "3.9M".len(),
            columns(&lines[0], "VSIZE") + "VSIZE".len()
        );
        let pid = line.split_whitespace().next().expect("finding a pid");
        assert_eq!(columns(line, pid) + pid.len(), columns(&lines[0], "PID") + "PID".len());
        assert!(
            line[columns(&lines[0], "COMM")..]
                .starts_with(|first: char| first.is_ascii_lowercase()),
            "{line:?}"
        );
    }
}

#[test]
fn what_is_unavailable_is_a_dash_in_a_table() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("cmdline", "");
    let outcome = find(&fake, &["--fields", "exe,cwd,tty,cmdline"]).succeeds();
    let row = &outcome.lines()[1];
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>(),
        ["-", "-", "-", "-"],
        "{}",
        outcome.report()
    );
}

#[test]
fn a_table_without_rows_exits_with_1() {
    let outcome =
        find(&sshd(), &["--fields", "pid,comm", "nosuch"]).exits(1).prints("    PID COMM\n");
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn json_is_one_array_with_the_keys_asked_for_in_their_order() {
    let fake = sshd();
    find(&fake, &["--json", "--fields", "state,pid,comm"])
        .succeeds()
        .prints("[{\"state\":\"S\",\"pid\":10,\"comm\":\"sshd\"}]\n");
    find(&fake, &["--json", "--fields", "ppid"]).succeeds().prints("[{\"ppid\":1}]\n");
}

#[test]
fn what_is_asked_for_twice_is_told_once() {
    find(&sshd(), &["--fields", "pid,comm,pid"]).succeeds().prints("    PID COMM\n     10 sshd\n");
    find(&sshd(), &["--jsonl", "--fields", "pid,comm,pid"])
        .succeeds()
        .prints("{\"pid\":10,\"comm\":\"sshd\"}\n");
}

#[test]
fn json_tells_the_most_important_properties_unasked() {
    find(&sshd(), &["--json"]).succeeds().prints(
        "[{\"pid\":10,\"ppid\":1,\"comm\":\"sshd\",\"exe_name\":\"sshd\",\"state\":\"S\",\"user\":\"root\",\
         \"cmdline\":[\"sshd\",\"-D\"]}]\n",
    );
}

#[test]
fn several_processes_are_one_document() {
    let fake = sshd();
    fake.process(20, 10, "sh");
    fake.process(30, 20, "ls");
    let outcome = find(&fake, &["--json", "--fields", "pid,comm"]).succeeds();
    let mut objects = outcome.json().as_array().expect("finding an array").clone();
    objects.sort_by_key(|object| object["pid"].as_u64());
    let expected = [
        json!({"pid": 10, "comm": "sshd"}),
        json!({"pid": 20, "comm": "sh"}),
        json!({"pid": 30, "comm": "ls"}),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn json_without_a_match_is_an_empty_array() {
    let outcome = find(&sshd(), &["--json", "nosuch"]).exits(1).prints("[]\n");
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn jsonl_is_one_object_a_line() {
    let fake = sshd();
    fake.process(20, 10, b"a\nb");
    let outcome = find(&fake, &["--jsonl", "--fields", "pid,comm"]).succeeds();
    let mut lines = outcome.lines();
    lines.sort();
    assert_eq!(lines, ["{\"pid\":10,\"comm\":\"sshd\"}", "{\"pid\":20,\"comm\":\"a\\nb\"}"]);
    assert!(outcome.stdout.ends_with(b"}\n"), "{}", outcome.report());
}

#[test]
fn jsonl_without_a_match_prints_nothing() {
    let outcome = find(&sshd(), &["--jsonl", "nosuch"]).exits(1).prints("");
    assert!(outcome.stderr.is_empty(), "{}", outcome.report());
}

#[test]
fn newest_and_oldest_print_one_object() {
    let fake = sshd();
    fake.bare(20).stat(20, 10, b"late", 'S', 900);
    find(&fake, &["--json", "-n", "--fields=comm"]).succeeds().prints("[{\"comm\":\"late\"}]\n");
    find(&fake, &["--jsonl", "-o", "--fields=comm"]).succeeds().prints("{\"comm\":\"sshd\"}\n");
}

#[test]
fn bytes_that_are_not_utf_8_come_as_base64() {
    let fake = FakeProc::new();
    fake.process(10, 1, b"caf\xe9")
        .file("cmdline", b"caf\xe9\0plain\0\xff\xfe\0")
        .file("environ", b"A=\xf0\x28\0B=b\0")
        .link("exe", b"/opt/\xc3\x28");
    let fields = "comm,name,cmdline,environ,exe,exe_name";
    let object = only(&find(&fake, &["--json", "--fields", fields]).succeeds());
    assert_eq!(object["comm"], json!({"bytes": "Y2Fm6Q=="}));
    assert_eq!(bytes(&object["comm"]), b"caf\xe9");
    assert_eq!(bytes(&object["name"]), b"caf\xe9");
    assert_eq!(object["cmdline"], json!([{"bytes": "Y2Fm6Q=="}, "plain", {"bytes": "//4="}]));
    assert_eq!(bytes(&object["cmdline"][2]), b"\xff\xfe");
    assert_eq!(bytes(&object["environ"][0]), b"A=\xf0\x28");
    assert_eq!(object["environ"][1], "B=b");
    assert_eq!(bytes(&object["exe"]), b"/opt/\xc3\x28");
    assert_eq!(bytes(&object["exe_name"]), b"\xc3\x28");
}

#[test]
fn every_byte_of_an_argument_is_kept() {
    let fake = FakeProc::new();
    let all: Vec<u8> = (1..=255).collect();
    let text = "gr\u{fc}n \u{6f22}\u{1f600}";
    fake.process(10, 1, "x").file("cmdline", [&all, &b"\0"[..], text.as_bytes(), b"\0"].concat());
    let found = value(&fake, "cmdline");
    assert_eq!(bytes(&found[0]), all);
    assert_eq!(found[1], text);
}

#[test]
fn empty_arguments_are_kept() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("cmdline", "x\0\0a\0\0\0");
    assert_eq!(value(&fake, "cmdline"), json!(["x", "", "a", "", ""]));
}

#[test]
fn an_argument_that_lacks_its_end_is_kept() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("cmdline", "a title that was written over");
    assert_eq!(value(&fake, "cmdline"), json!(["a title that was written over"]));
}

#[test]
fn arguments_of_a_real_process_are_exact() {
    let odd = OsStr::from_bytes(b"\x1b[31m\xff\n");
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; read line", "", "\"quoted\" \\ back", "gr\u{fc}n"]).arg(odd);
    let target = Target::start(&mut command);
    let pid = target.pid().to_string();
    let object = only(&run(&["find", "--pid", &pid, "--json", "--fields=cmdline"]).succeeds());
    let arguments: Vec<Vec<u8>> =
        object["cmdline"].as_array().expect("finding an array").iter().map(bytes).collect();
    let expected = [&b""[..], b"\"quoted\" \\ back", "gr\u{fc}n".as_bytes(), b"\x1b[31m\xff\n"];
    assert_eq!(arguments[3..], expected);
    let plain = run(&["find", "--pid", &pid, "-a"]).succeeds();
    let tail = [b"  \"quoted\" \\ back ", "gr\u{fc}n".as_bytes(), b" \x1b[31m\xff\n\n"].concat();
    assert!(plain.stdout.ends_with(&tail), "{}", plain.report());
}

#[test]
fn control_characters_are_escaped_in_json_and_exact_in_pipes() {
    let fake = FakeProc::new();
    let text = "a\x1b[31m\n\t\"\\\x7f\x01";
    fake.process(10, 1, "x\x1b\n").file("cmdline", format!("{text}\0b\0"));
    let json = find(&fake, &["--json", "--fields", "comm,cmdline"]).succeeds();
    let lines = json.stdout.iter().filter(|&&byte| byte < b' ').count();
    assert!(lines == 1 && json.stdout.ends_with(b"\n"), "{}", json.report());
    assert_eq!(only(&json), json!({"comm": "x\x1b\n", "cmdline": [text, "b"]}));
    find(&fake, &["-a"]).succeeds().prints(format!("10 {text} b\n"));
    find(&fake, &["-l"]).succeeds().prints("10 x\x1b\n\n");
    find(&fake, &["--null", "-l"]).succeeds().prints("10 x\x1b\n\0");
}

#[test]
fn what_is_unavailable_is_null() {
    let fake = FakeProc::new();
    with_status(fake.process(10, 1, "x"), 0)
        .file("cgroup", "0::/\n")
        .file("loginuid", "4294967295");
    for property in [
        "exe",
        "exe_path",
        "exe_deleted",
        "cwd",
        "tty",
        "unit",
        "container",
        "loginuid",
        "audit_session",
    ] {
        assert_eq!(value(&fake, property), Value::Null, "{property}");
    }
    for property in [
        "starttime",
        "runtime",
        "boot_id",
        "id",
        "pss",
        "uss",
        "capabilities",
        "nspid",
        "pid_namespace",
    ] {
        assert_eq!(value(&fake, property), Value::Null, "{property}");
    }
}

#[test]
fn a_kernel_thread_has_no_arguments_and_no_executable() {
    let fake = FakeProc::new();
    let stat = "2 (kthreadd) S 0 0 0 0 -1 2097152 0 0 0 0 0 1 0 0 20 0 1 0 5 0 0 0 0 0\n";
    with_status(fake.process(2, 0, "kthreadd"), 0)
        .file("stat", stat)
        .file("cmdline", "")
        .file("environ", "");
    assert_eq!(value(&fake, "cmdline"), json!([]));
    assert_eq!(value(&fake, "environ"), Value::Null);
    assert_eq!(value(&fake, "exe"), Value::Null);
    assert_eq!(value(&fake, "exe_name"), "kthreadd");
    assert_eq!(value(&fake, "kernel_thread"), true);
}

#[test]
fn the_environment_is_told_only_by_name() {
    let program = Program::new("secret");
    let target = program.start_with(|command| {
        command.env("PROCTOOL_TEST_SECRET", "x");
    });
    let pid = target.pid().to_string();
    for words in [
        &["find", "--pid", &pid, "--json"][..],
        &["find", "--pid", &pid, "--jsonl"],
        &["show", &pid, "--json"],
    ] {
        let outcome = run(words).succeeds();
        let text = outcome.text();
        assert!(
            !text.contains("environ") && !text.contains("PROCTOOL_TEST_SECRET"),
            "{}",
            outcome.report()
        );
    }
    let object = only(&run(&["find", "--pid", &pid, "--json", "--fields=environ"]).succeeds());
    let variables = object["environ"].as_array().expect("finding an array");
    assert!(variables.contains(&json!("PROCTOOL_TEST_SECRET=x")), "{object}");
}

#[test]
fn an_environment_keeps_its_order_and_its_duplicates() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("environ", "B=1\0A=2\0B=3\0odd\0=\0\0");
    assert_eq!(value(&fake, "environ"), json!(["B=1", "A=2", "B=3", "odd", "=", ""]));
}

#[test]
fn sizes_are_bytes() {
    let fake = sshd();
    assert_eq!(value(&fake, "vsize"), 4_096_000);
    assert_eq!(value(&fake, "rss"), 2 * page());
    assert_eq!(value(&fake, "swap"), 12 * 1024);
}

#[test]
fn shared_memory_is_counted_in_bytes() {
    let fake = FakeProc::new();
    let rollup = "55e0c0000000-7fff00000000 ---p 00000000 00:00 \
    0                          [rollup]\n\
                  Rss:                1000 kB\nPss:                 300 kB\nShared_Clean:        500 kB\n\
                  Shared_Dirty:          0 kB\nPrivate_Clean:       100 kB\nPrivate_Dirty:        50 kB\n\
                  Referenced:         1000 kB\nAnonymous:            50 kB\nPrivate_Hugetlb:       8 kB\n";
    fake.process(10, 1, "x").file("smaps_rollup", rollup);
    // The kernel does not count huge pages in Pss.
    assert_eq!(value(&fake, "pss"), 308 * 1024);
    assert_eq!(value(&fake, "uss"), 158 * 1024);
}

#[test]
fn times_are_seconds() {
    let fake = sshd();
    fake.file("stat", "cpu  1 2 3 4\nintr 5\nctxt 6\nbtime 1700000000\nprocesses 7\n")
        .file("uptime", "65.50 120.00\n");
    assert_eq!(value(&fake, "starttime"), 1_700_000_005.0);
    assert_eq!(value(&fake, "runtime"), 60.5);
    assert_eq!(value(&fake, "cpu_time"), 0.3);
    assert_eq!(value(&fake, "start_ticks"), 500);
}

#[test]
fn a_start_is_exact_to_the_hundredth() {
    let fake = FakeProc::new();
    fake.bare(10).stat(10, 1, b"x", 'S', 12_345);
    fake.file("stat", "btime 1700000000\n").file("uptime", "123.46 0.00\n");
    find(&fake, &["--jsonl", "--fields=starttime,runtime"])
        .succeeds()
        .prints("{\"starttime\":1700000123.45,\"runtime\":0.01}\n");
}

#[test]
fn a_process_that_started_after_the_uptime_was_read_runs_for_0_seconds() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x");
    fake.file("uptime", "4.99 0.00\n");
    assert_eq!(value(&fake, "runtime"), 0.0);
}

#[test]
fn a_table_shows_times_and_sizes_for_people() {
    let fake = sshd();
    fake.file("stat", "btime 1700000000\n").file("uptime", "3730.00 0.00\n");
    let outcome = find(&fake, &["--fields", "starttime,runtime,cpu_time,vsize,swap"]).succeeds();
    let row = outcome.lines()[1].split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        row,
        ["2023-11-14T22:13:25", "01:02:05", "00:00", "3.9M", "12K"],
        "{}",
        outcome.report()
    );
}

#[test]
fn owners_are_named_or_numbered() {
    let fake = FakeProc::new();
    with_status(fake.process(10, 1, "x"), 0);
    assert_eq!(value(&fake, "user"), "root");
    assert_eq!(value(&fake, "group"), "root");
    assert_eq!(value(&fake, "user_ids"), json!({"real": 0, "effective": 0, "saved": 0, "fs": 0}));
    let fake = FakeProc::new();
    with_status(fake.process(10, 1, "x"), 54321);
    assert_eq!(value(&fake, "user"), "54321");
    assert_eq!(value(&fake, "group"), "54321");
    assert_eq!(
        value(&fake, "group_ids"),
        json!({"real": 54321, "effective": 54321, "saved": 54321, "fs": 54321})
    );
}

#[test]
fn a_status_is_told_by_the_kernels_names() {
    let fields = value(&sshd(), "status_fields");
    assert_eq!(fields["Name"], "sshd");
    assert_eq!(fields["State"], "S (sleeping)");
    assert_eq!(fields["VmSwap"], "12 kB");
}

#[test]
fn numbers_and_flags_are_not_strings() {
    let fake = sshd();
    let fields = "pid,ppid,pgrp,session,threads,nice,is_alive,kernel_thread,exe_deleted";
    find(&fake, &["--jsonl", "--fields", fields]).succeeds().prints(
        "{\"pid\":10,\"ppid\":1,\"pgrp\":10,\"session\":10,\"threads\":1,\"nice\":0,\"is_alive\":true,\
         \"kernel_thread\":false,\"exe_deleted\":false}\n",
    );
}

#[test]
fn a_deleted_executable_is_told() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").link("exe", "/opt/server (deleted)");
    find(&fake, &["--jsonl", "--fields=exe,exe_path,exe_name,exe_deleted"]).succeeds().prints(
        "{\"exe\":\"/opt/server (deleted)\",\"exe_path\":\"/opt/server\",\"exe_name\":\"server\",\
         \"exe_deleted\":true}\n",
    );
}

#[test]
fn a_zombie_is_not_alive() {
    let fake = FakeProc::new();
    fake.bare(10).stat(10, 1, b"dead", 'Z', 500).file("cmdline", "").file("environ", "");
    find(&fake, &["--jsonl", "--fields=state,is_alive,cmdline,environ,exe_name"])
        .succeeds()
        .prints("{\"state\":\"Z\",\"is_alive\":false,\"cmdline\":[],\"environ\":null,\"exe_name\":\"dead\"}\n");
}

#[test]
fn a_process_that_ended_is_no_half_object() {
    let fake = sshd();
    fake.bare(20);
    find(&fake, &["--jsonl", "--fields=pid,comm"])
        .succeeds()
        .prints("{\"pid\":10,\"comm\":\"sshd\"}\n");
    let rows = find(&fake, &["--fields=pid,comm"]).succeeds().lines();
    assert_eq!(rows, ["    PID COMM", "     10 sshd"]);
}

#[test]
fn control_groups_units_and_containers() {
    let fake = FakeProc::new();
    let id = "0123456789abcdef".repeat(4);
    fake.process(10, 1, "x").file("cgroup", format!("0::/system.slice/docker-{id}.scope\n"));
    assert_eq!(value(&fake, "cgroup"), format!("/system.slice/docker-{id}.scope"));
    assert_eq!(value(&fake, "unit"), format!("docker-{id}.scope"));
    assert_eq!(value(&fake, "container"), format!("docker:{id}"));
}

#[test]
fn every_property_can_be_asked_for_alone() {
    let shown = run(&["show", "--json", "self"]).succeeds();
    let mut names: Vec<String> =
        only(&shown).as_object().expect("finding an object").keys().cloned().collect();
    names.extend(["environ".to_owned(), "status_fields".to_owned()]);
    assert!(names.len() > 40, "{names:?}");
    let target = Program::new("fields").start();
    let pid = target.pid().to_string();
    for name in &names {
        let table = run(&["find", "--pid", &pid, "--fields", name]).succeeds();
        assert_eq!(table.lines()[0].trim(), name.to_uppercase(), "{}", table.report());
        let object = only(&run(&["find", "--pid", &pid, "--json", "--fields", name]).succeeds());
        let keys: Vec<_> = object.as_object().expect("finding an object").keys().collect();
        assert_eq!(keys, [name]);
    }
    let all = names.join(",");
    let object = only(&run(&["find", "--pid", &pid, "--json", "--fields", &all]).succeeds());
    assert_eq!(object.as_object().expect("finding an object").len(), names.len());
}

#[test]
fn what_is_told_of_a_real_process_is_what_the_kernel_says() {
    let program = Program::new("real");
    let target = program.start();
    let fields = "pid,comm,exe,cmdline,cwd,start_ticks,status_fields,pid_namespace";
    let object = only(
        &run(&["find", "--pid", &target.pid().to_string(), "--json", "--fields", fields])
            .succeeds(),
    );
    let text = |name: &str| String::from_utf8(target.proc(name)).expect("decoding UTF-8");
    let link = |name: &str| {
        let path = format!("/proc/{}/{name}", target.pid());
        std::fs::read_link(path)
            .expect("reading a link")
            .to_str()
            .expect("decoding UTF-8")
            .to_owned()
    };
    assert_eq!(object["pid"], target.pid());
    assert_eq!(object["comm"], text("comm").trim_end());
    assert_eq!(object["exe"], link("exe"));
    assert_eq!(object["cwd"], link("cwd"));
    assert_eq!(
        object["cmdline"],
        json!(text("cmdline").split_terminator('\0').collect::<Vec<_>>())
    );
    assert_eq!(format!("pid:[{}]", object["pid_namespace"]), link("ns/pid"));
    assert_eq!(object["status_fields"]["PPid"], std::process::id().to_string());
    let stat = text("stat");
    assert_eq!(
        object["start_ticks"].to_string(),
        stat.rsplit(')')
            .next()
            .expect("finding fields")
            .split(' ')
            .nth(20)
            .expect("finding a field")
    );
}
