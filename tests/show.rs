//! `show`: every property against what /proc says, what is unavailable and why, and the forms of
//! the output.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::{Program, Target};
use crate::skip;

/// The sections of the text and what is in them.
const SECTIONS: [(&str, &[&str]); 8] = [
    (
        "Identity",
        &[
            "pid",
            "comm",
            "name",
            "id",
            "boot_id",
            "ppid",
            "pgrp",
            "session",
            "tty",
            "kernel_thread",
        ],
    ),
    ("Program", &["exe", "exe_path", "exe_name", "exe_deleted", "cmdline", "cwd"]),
    (
        "Owner",
        &[
            "user",
            "group",
            "user_ids",
            "group_ids",
            "capabilities",
            "label",
            "login",
            "loginuid",
            "audit_session",
        ],
    ),
    (
        "State",
        &[
            "state",
            "wchan",
            "is_alive",
            "starttime",
            "runtime",
            "start_ticks",
            "cpu_time",
            "cpu",
            "io_read",
            "io_written",
            "threads",
            "nice",
            "schedule",
            "signals_ignored",
            "signals_blocked",
            "oom_score",
            "fd_count",
        ],
    ),
    ("Memory", &["vsize", "rss", "peak_rss", "pss", "uss", "swap"]),
    ("Files", &["root", "locks", "deleted_libraries"]),
    ("Place", &["cgroup", "unit", "container", "container_name", "pid_namespace", "nspid"]),
    ("Network", &["ports"]),
];

/// Returns all properties of a process as JSON.
#[track_caller]
fn object(pid: u32) -> Value {
    run(&["show", "--json", &pid.to_string()]).succeeds().json()[0].take()
}

/// Shows some properties of a process as text, a line each.
#[track_caller]
fn fields(pid: u32, names: &str) -> Outcome {
    run(&["show", "--fields", names, &pid.to_string()]).succeeds()
}

fn proc(pid: u32, name: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(name)
}

fn link(pid: u32, name: &str) -> String {
    fs::read_link(proc(pid, name))
        .expect("reading a link of a process")
        .to_str()
        .expect("decoding its text")
        .to_owned()
}

fn canonical(path: &Path) -> String {
    fs::canonicalize(path)
        .expect("resolving a path")
        .into_os_string()
        .into_string()
        .expect("reading a path as text")
}

/// Returns a field of stat, by its number in proc_pid_stat(5).
fn stat_number(target: &Target, field: usize) -> i64 {
    target.stat()[field - 3].parse().expect("parsing a number")
}

/// Returns the value of a line of status.
fn status(target: &Target, name: &str) -> String {
    let text = String::from_utf8(target.proc("status")).expect("reading status as text");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().to_owned()
}

/// Returns what /proc says before and after a run of the program, as soon as both are the same,
/// with the output.
#[track_caller]
fn undisturbed<T: PartialEq>(target: &Target, read: impl Fn() -> T) -> (T, Value) {
    for _ in 0..1000 {
        let before = read();
        let object = object(target.pid());
        if read() == before {
            return (before, object);
        }
    }
    panic!("process {} does not come to rest", target.pid());
}

#[test]
fn the_identity_is_that_of_proc() {
    let program = Program::new("si");
    let target = program.start();
    let object = object(target.pid());
    assert_eq!(object["pid"], target.pid());
    assert_eq!(object["ppid"], std::process::id());
    assert_eq!(object["pgrp"], stat_number(&target, 5));
    assert_eq!(object["pgrp"], target.pid());
    assert_eq!(object["session"], stat_number(&target, 6));
    assert_eq!(object["comm"], program.name.as_str());
    assert_eq!(object["name"], program.name.as_str());
    assert_eq!(object["kernel_thread"], false);
    assert_eq!(object["tty"].is_null(), stat_number(&target, 7) == 0);
    let boot_id =
        fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("reading the boot's id");
    assert_eq!(object["boot_id"], boot_id.trim());
}

#[test]
fn a_name_that_the_kernel_cut_is_completed() {
    let program = Program::new("show-test-with-a-long-name-");
    let target = program.start();
    let object = object(target.pid());
    assert_eq!(object["comm"], "show-test-with-");
    assert_eq!(object["name"], program.name.as_str());
}

#[test]
fn the_program_is_that_of_proc() {
    let program = Program::new("sp");
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let target = program.start_with(|command| {
        command.current_dir(directory.path());
    });
    let object = object(target.pid());
    assert_eq!(object["exe"], link(target.pid(), "exe"));
    assert_eq!(object["exe"], canonical(&program.path()));
    assert_eq!(object["exe_path"], object["exe"]);
    assert_eq!(object["exe_name"], program.name.as_str());
    assert_eq!(object["exe_deleted"], false);
    let path = program.path();
    let path = path.to_str().expect("reading a path as text");
    assert_eq!(
        object["cmdline"],
        json!([path, "--exact", "support::target::stay_alive", "--nocapture"])
    );
    assert_eq!(object["cwd"], link(target.pid(), "cwd"));
    assert_eq!(object["cwd"], canonical(directory.path()));
}

#[test]
fn an_executable_that_was_removed_keeps_its_path_and_name() {
    let program = Program::new("sd");
    let target = program.start();
    let path = canonical(&program.path());
    fs::remove_file(&path).expect("removing a program");
    let object = object(target.pid());
    assert_eq!(object["exe"], format!("{path} (deleted)"));
    assert_eq!(object["exe_path"], path);
    assert_eq!(object["exe_name"], program.name.as_str());
    assert_eq!(object["exe_deleted"], true);
}

#[test]
fn the_owner_is_that_of_proc() {
    let program = Program::new("so");
    let target = program.start();
    let object = object(target.pid());
    for (property, line, names) in [("user_ids", "Uid", "user"), ("group_ids", "Gid", "group")] {
        let ids: Vec<u32> = status(&target, line)
            .split_whitespace()
            .map(|id| id.parse().expect("parsing an id"))
            .collect();
        let expected = json!({"real": ids[0], "effective": ids[1], "saved": ids[2], "fs": ids[3]});
        assert_eq!(object[property], expected);
        let mut id = clean("id");
        id.arg(if names == "user" { "-run" } else { "-rgn" });
        assert_eq!(object[names], finish(id).succeeds().text().trim());
    }
    let capabilities = object["capabilities"].as_array().expect("finding a list");
    let mask = u64::from_str_radix(&status(&target, "CapEff"), 16).expect("parsing a mask");
    assert_eq!(capabilities.len(), mask.count_ones() as usize);
    assert_eq!(capabilities.contains(&json!("chown")), mask & 1 != 0);
    if namespace::is_root() {
        assert!(!capabilities.is_empty());
    }
    for (property, file) in [("loginuid", "loginuid"), ("audit_session", "sessionid")] {
        let number = fs::read_to_string(proc(target.pid(), file))
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok());
        assert_eq!(
            object[property],
            json!(number.filter(|&number| number != u32::MAX)),
            "{property}"
        );
    }
}

#[test]
fn the_state_is_that_of_proc() {
    let program = Program::new("ss");
    let target = program.start_with(|command| {
        command.env("RUST_TEST_THREADS", "2");
    });
    let oom_score =
        || String::from_utf8(target.proc("oom_score")).expect("reading a number as text");
    let descriptors =
        || fs::read_dir(proc(target.pid(), "fd")).expect("listing its descriptors").count();
    let ((stat, oom_score, descriptors), object) =
        undisturbed(&target, || (target.stat(), oom_score(), descriptors()));
    assert_eq!(object["state"], stat[0]);
    assert_eq!(object["is_alive"], true);
    let number = |field: usize| stat[field - 3].parse::<i64>().expect("parsing a number");
    assert_eq!(object["threads"], number(20));
    assert!(number(20) > 1);
    assert_eq!(object["nice"], number(19));
    assert_eq!(object["start_ticks"], number(22));
    assert_eq!(object["oom_score"].to_string(), oom_score.trim());
    assert_eq!(object["fd_count"], descriptors);
    assert_eq!(object["vsize"], number(23));
}

#[test]
fn niceness_has_a_sign() {
    if !namespace::is_root() {
        skip!("only the superuser is served first");
    }
    // Less than the least, whatever ours is.
    let target = Target::start(Command::new("nice").args([
        "-n",
        "-40",
        "sh",
        "-c",
        "echo ready; read -r line",
    ]));
    assert_eq!(object(target.pid())["nice"], -20);
    assert_eq!(fields(target.pid(), "nice").text(), "  nice           -20\n");
}

#[test]
fn times_agree_with_the_clocks() {
    let target = Target::script("echo ready; read -r line");
    let uptime = || {
        let text = fs::read_to_string("/proc/uptime").expect("reading the uptime");
        text.split_whitespace()
            .next()
            .and_then(|seconds| seconds.parse::<f64>().ok())
            .expect("parsing seconds")
    };
    let statistics = fs::read_to_string("/proc/stat").expect("reading the boot's time");
    let boot = statistics
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .expect("finding the boot's time");
    let boot: f64 = boot.parse().expect("parsing seconds");
    let mut ticks = clean("getconf");
    ticks.arg("CLK_TCK");
    let ticks: f64 =
        finish(ticks).succeeds().text().trim().parse().expect("parsing the ticks per second");
    let started = stat_number(&target, 22) as f64 / ticks;
    let before = uptime();
    let object = object(target.pid());
    let after = uptime();
    let seconds =
        |name: &str| object[name].as_f64().unwrap_or_else(|| panic!("no {name} in {object}"));
    // btime is cut to whole seconds.
    assert!((-0.02..1.02).contains(&(seconds("starttime") - (boot + started))), "{object}");
    let runtime = seconds("runtime");
    assert!((before - started - 0.02..=after - started + 0.02).contains(&runtime), "{runtime}");
    assert!((0.0..=runtime + 0.05).contains(&seconds("cpu_time")), "{object}");
}

#[test]
fn the_start_is_the_same_at_every_read() {
    let target = Target::script("echo ready; read -r line");
    let first = fields(target.pid(), "start_ticks,id").stdout;
    let start = || object(target.pid())["starttime"].clone();
    let time = start();
    assert!(time.is_number());
    for _ in 0..20 {
        assert_eq!(fields(target.pid(), "start_ticks,id").stdout, first);
        assert_eq!(start(), time);
    }
}

#[test]
fn an_id_is_of_one_process_only() {
    let targets = [(); 2].map(|()| Target::script("echo ready; read -r line"));
    let ids = targets.each_ref().map(|target| object(target.pid())["id"].take());
    if ids[0].is_null() {
        skip!("the kernel is older than Linux 6.9");
    }
    let inodes = [0, 1].map(|at| {
        let id = ids[at].as_str().expect("finding an id as text");
        let (pid, inode) = id.split_once(':').expect("finding two parts");
        assert_eq!(pid, targets[at].pid().to_string());
        inode.parse::<u64>().expect("parsing an inode")
    });
    assert_ne!(inodes[0], inodes[1]);
    assert_eq!(object(targets[0].pid())["id"], ids[0]);
}

/// The counter of the kernel lags behind what the pages of a process add up to.
#[test]
fn resident_memory_is_not_less_than_its_parts() {
    let fake = FakeProc::new();
    let rollup = "1000-2000 ---p 00000000 00:00 0 [rollup]\nRss: 500 kB\nPss: 400 \
    kB\nPrivate_Dirty: 300 kB\n";
    fake.process(10, 1, "x").owner(0, 0).file("smaps_rollup", rollup);
    fake.process(11, 1, "x").owner(0, 0);
    let counted = 2 * rustix::param::page_size();
    let rss = |words: &str| {
        let option = fake.option();
        let outcome = finish(proctool(words.split(' ').chain(["--json", &option]))).succeeds();
        outcome.json()[0]["rss"].as_u64().unwrap_or_else(|| panic!("{}", outcome.report())) as usize
    };
    for words in ["show 10", "find --pid 10"] {
        assert_eq!(rss(&format!("{words} --fields rss,pss")), 500 << 10);
        assert_eq!(rss(&format!("{words} --fields uss,rss")), 500 << 10);
        assert_eq!(rss(&format!("{words} --fields rss")), counted);
    }
    // The pages of this process cannot be added up.
    assert_eq!(rss("show 11 --fields rss,pss"), counted);
}

#[test]
fn memory_is_in_bytes_and_its_parts_fit() {
    let target = Target::script("echo ready; read -r line");
    let object = object(target.pid());
    let size =
        |name: &str| object[name].as_u64().unwrap_or_else(|| panic!("no {name} in {object}"));
    assert_eq!(size("vsize"), stat_number(&target, 23) as u64);
    let swap: u64 =
        status(&target, "VmSwap").trim_end_matches(" kB").parse().expect("parsing a size");
    assert_eq!(size("swap"), swap * 1024);
    assert!(
        size("uss") > 0 && size("uss") <= size("pss") && size("rss") <= size("vsize"),
        "{object}"
    );
    assert!(size("rss") % 4096 == 0 && size("rss") > 0, "{object}");
}

#[test]
fn the_place_is_that_of_proc() {
    let target = Target::script("echo ready; read -r line");
    let object = object(target.pid());
    assert_eq!(format!("pid:[{}]", object["pid_namespace"]), link(target.pid(), "ns/pid"));
    let pids: Vec<u32> = status(&target, "NSpid")
        .split_whitespace()
        .map(|pid| pid.parse().expect("parsing a pid"))
        .collect();
    assert_eq!(object["nspid"], json!(pids));
    let cgroups = fs::read_to_string(proc(target.pid(), "cgroup")).unwrap_or_default();
    let paths: BTreeSet<&str> =
        cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).collect();
    match object["cgroup"].as_str() {
        Some(path) => assert!(paths.contains(path), "{path} in {cgroups}"),
        None => assert_eq!((&object["cgroup"], paths.len()), (&Value::Null, 0)),
    }
    for property in ["unit", "container"] {
        assert!(object[property].is_string() || object[property].is_null(), "{object}");
    }
}

#[test]
fn text_has_sections_with_a_line_for_every_property() {
    let target = Target::script("echo ready; read -r line");
    let outcome = run(&["show", &target.pid().to_string()]).succeeds();
    let mut expected = vec![format!("Process {}: sh", target.pid())];
    for (section, properties) in SECTIONS {
        expected.extend([String::new(), section.to_owned()]);
        expected.extend(properties.iter().map(|property| format!("  {property}")));
    }
    let names = outcome.lines().into_iter().map(|line| match line.strip_prefix("  ") {
        Some(entry) => format!("  {}", entry.split(' ').next().unwrap_or_default()),
        None => line,
    });
    assert_eq!(names.collect::<Vec<_>>(), expected, "{}", outcome.report());
    assert!(
        outcome.lines().iter().all(|line| !line.starts_with("  ") || line.len() > 17),
        "{}",
        outcome.report()
    );
}

#[test]
fn json_has_the_same_properties_as_text() {
    let object = object(std::process::id());
    let keys: BTreeSet<&str> =
        object.as_object().expect("finding an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        SECTIONS.iter().flat_map(|(_, properties)| properties.iter().copied()).collect()
    );
}

#[test]
fn values_are_for_people_in_text() {
    let fake = FakeProc::new();
    fake.file("stat", "btime 1000000000\n").file("uptime", "7265.00 1.00\n");
    fake.process(5, 0, "job").owner(3_999_999_999, 3_999_999_998).link("exe", "/opt/job (deleted)");
    let text = "  pid            5
  exe            /opt/job (deleted)
  exe_path       /opt/job
  exe_deleted    yes
  user           3999999999
  group          3999999998
  user_ids       3999999999 (effective 3999999999, saved 3999999999, file system 3999999999)
  state          S
  is_alive       yes
  starttime      2001-09-09 01:46:45 (2 h 1 min ago)
  runtime        2 h 1 min
  cpu_time       0.30 s
  vsize          3.9 MiB
  tty            - (it has no terminal)
  boot_id        - (this procfs does not have it)
";
    let names = "pid,exe,exe_path,exe_deleted,user,group,user_ids,state,is_alive,starttime,runtime,cpu_time,vsize,tty,boot_id";
    run(&["show", "5", "--fields", names, &fake.option()]).succeeds().prints(text);
}

#[test]
fn dates_are_in_the_time_zone_that_was_asked_for() {
    if !Path::new("/usr/share/zoneinfo/America/New_York").exists() {
        skip!("no time zones");
    }
    let fake = FakeProc::new();
    fake.file("stat", "btime 1000000000\n").process(5, 0, "job");
    let line = |zone: &str| {
        let mut command = proctool(["show", "5", "--fields", "starttime", &fake.option()]);
        command.env("TZ", zone);
        finish(command).exits(0).text()
    };
    assert!(line("UTC").contains(" 2001-09-09 01:46:45\n"), "{}", line("UTC"));
    for zone in ["America/New_York", ":America/New_York", "EST5EDT,M4.1.0,M10.5.0"] {
        assert!(line(zone).contains(" 2001-09-08 21:46:45\n"), "{zone}: {}", line(zone));
    }
}

fn with_two_variables() -> Target {
    let mut command = Command::new("/bin/sh");
    Target::start(
        command.args(["-c", "echo ready; read -r line"]).env_clear().env("A", "1").env("B", "2"),
    )
}

#[test]
fn the_environment_is_shown_only_on_request() {
    let target = with_two_variables();
    let pid = target.pid().to_string();
    assert!(!run(&["show", &pid]).succeeds().text().contains("environ"));
    assert_eq!(object(target.pid()).get("environ"), None);
    fields(target.pid(), "environ").prints("  environ        A=1\n    B=2\n");
    let text = run(&["show", "--environ", &pid]).succeeds().text();
    assert!(text.contains("\n  environ        A=1\n    B=2\n"), "{text}");
    for option in ["--environ", "--fields=environ"] {
        let json = run(&["show", "--json", option, &pid]).succeeds().json();
        assert_eq!(json[0]["environ"], json!(["A=1", "B=2"]));
    }
    let json = run(&["show", "--json", "--environ", "--fields=pid", &pid]).succeeds().json();
    assert_eq!(json, json!([{"pid": target.pid(), "environ": ["A=1", "B=2"]}]));
}

#[test]
fn the_environment_keeps_its_order_and_duplicates() {
    let fake = FakeProc::new();
    fake.process(5, 0, "job").file("environ", "Z=1\0A=2\0Z=3\0EMPTY=\0no equals sign\0");
    let option = fake.option();
    let json = run(&["show", "--json", "--fields=environ", "5", &option]).succeeds().json();
    assert_eq!(json[0]["environ"], json!(["Z=1", "A=2", "Z=3", "EMPTY=", "no equals sign"]));
    let text = "  environ        Z=1\n    A=2\n    Z=3\n    EMPTY=\n    no equals sign\n";
    run(&["show", "--fields=environ", "5", &option]).succeeds().prints(text);
}

#[test]
fn an_empty_environment_is_called_empty() {
    let mut command = Command::new("/bin/sh");
    let target = Target::start(command.args(["-c", "echo ready; read -r line"]).env_clear());
    assert_eq!(target.proc("environ"), b"");
    let json =
        run(&["show", "--json", "--fields=environ", &target.pid().to_string()]).succeeds().json();
    assert_eq!(json[0]["environ"], json!([]));
    fields(target.pid(), "environ").prints("  environ        (none)\n");
}

#[test]
fn arguments_are_quoted_as_a_shell_takes_them() {
    let arguments = [
        "name",
        "",
        "two words",
        "it's",
        "$HOME",
        "a\"b",
        "back\\slash",
        "*",
        "-x=1",
        "caf\u{e9}",
        "~",
    ];
    let mut command = Command::new("sh");
    let target = Target::start(command.args(["-c", "echo ready; read -r line"]).args(arguments));
    let outcome = fields(target.pid(), "cmdline");
    let line =
        outcome.stdout.strip_prefix(b"  cmdline        ").expect("finding a line of arguments");
    assert!(outcome.text().contains(" name '' 'two words' "), "{}", outcome.report());
    let script = [&b"printf '%s\\0' "[..], line].concat();
    let mut shell = clean("sh");
    shell.arg("-c").arg(OsString::from_vec(script));
    finish(shell).succeeds().prints(target.proc("cmdline"));
    assert_eq!(
        object(target.pid())["cmdline"].as_array().expect("finding a list")[3..],
        arguments.map(|item| json!(item))
    );
}

#[test]
fn arguments_that_are_not_text_are_kept() {
    let bytes = std::ffi::OsStr::from_bytes(b"a\xff\nb");
    let target =
        Target::start(Command::new("sh").args(["-c", "echo ready; read -r line", "x"]).arg(bytes));
    let json = object(target.pid());
    assert_eq!(json["cmdline"][4], json!({"bytes": "Yf8KYg=="}));
    assert!(fields(target.pid(), "cmdline").stdout.windows(4).any(|window| window == b"a\xff\nb"));
}

#[test]
fn only_the_fields_that_were_asked_for_are_shown_in_their_order() {
    let target = Target::script("echo ready; read -r line");
    let pid = target.pid();
    fields(pid, "ppid,pid,comm").prints(format!(
        "  ppid           {}\n  pid            {pid}\n  comm           sh\n",
        std::process::id()
    ));
    fields(pid, "pid").prints(format!("  pid            {pid}\n"));
    let json = run(&["show", "--json", "--fields", "comm, pid", &pid.to_string()]).succeeds();
    json.prints(format!("[{{\"comm\":\"sh\",\"pid\":{pid}}}]\n"));
}

#[test]
fn a_field_that_is_named_twice_is_one_member_of_json() {
    let target = Target::script("echo ready; read -r line");
    let pid = target.pid();
    let json = run(&["show", "--json", "--fields=pid,comm,pid", &pid.to_string()]).succeeds();
    json.prints(format!("[{{\"pid\":{pid},\"comm\":\"sh\"}}]\n"));
}

#[test]
fn bad_fields_are_wrong_usage() {
    for names in ["nosuch", "", "pid,,rss", "pid,", "PID", "pid rss"] {
        run(&["show", "--fields", names, "1"]).refuses(2, "unknown field");
    }
}

#[test]
fn the_kernel_s_own_fields_are_an_object() {
    let target = Target::script("echo ready; read -r line");
    let json = run(&["show", "--json", "--fields=status_fields", &target.pid().to_string()])
        .succeeds()
        .json();
    let found = json[0]["status_fields"].as_object().expect("finding an object");
    assert_eq!(found["Pid"], target.pid().to_string());
    assert_eq!(found["Name"], "sh");
    let text = String::from_utf8(target.proc("status")).expect("reading status as text");
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    let text = fields(target.pid(), "status_fields").text();
    assert!(text.starts_with("  status_fields  Name: sh\n    Umask: "), "{text}");
}

#[test]
fn self_is_the_program_itself() {
    let own = run(&["show", "self", "--json"]).succeeds().json()[0].take();
    assert_ne!(own["pid"], std::process::id());
    assert_eq!(own["ppid"], std::process::id());
    assert_eq!(own["comm"], "proctool");
    assert_eq!(own["exe"], canonical(Path::new(PROCTOOL)));
    assert_eq!(own["cmdline"], json!([PROCTOOL, "show", "self", "--json"]));
}

#[test]
fn self_is_nobody_in_a_procfs_without_us() {
    let fake = FakeProc::new();
    fake.process(5, 0, "job");
    run(&["show", "self", &fake.option()]).refuses(1, "we ourselves are not in");
}

/// Checks that these properties have no value, for this reason.
#[track_caller]
fn lacks(pid: u32, names: &[&str], reason: &str) {
    let lines: String = names.iter().map(|name| format!("  {name:14} - ({reason})\n")).collect();
    fields(pid, &names.join(",")).prints(lines);
    let object =
        run(&["show", "--json", "--fields", &names.join(","), &pid.to_string()]).succeeds().json();
    assert!(names.iter().all(|&name| object[0].get(name) == Some(&Value::Null)), "{object}");
}

const NO_MEMORY: &str = "a kernel thread or a zombie has none";

#[test]
fn a_zombie_tells_what_it_lacks() {
    let program = Program::new("sz");
    let mut target = program.start();
    target.become_zombie();
    let object = object(target.pid());
    assert_eq!((&object["state"], &object["is_alive"]), (&json!("Z"), &json!(false)));
    assert_eq!((&object["comm"], &object["name"]), (&json!(program.name), &json!(program.name)));
    assert_eq!((&object["ppid"], &object["cmdline"]), (&json!(std::process::id()), &json!([])));
    lacks(
        target.pid(),
        &["exe", "exe_path", "exe_deleted", "cwd", "pss", "uss", "swap"],
        NO_MEMORY,
    );
    fields(target.pid(), "cmdline").prints("  cmdline        (none)\n");
}

#[test]
fn a_zombie_has_no_environment() {
    if !namespace::is_root() {
        skip!("only the superuser may ask for the environment of a zombie");
    }
    let mut target = Target::script("echo ready; read -r line");
    target.become_zombie();
    lacks(target.pid(), &["environ"], NO_MEMORY);
}

fn is_kernel_thread_visible() -> bool {
    fs::read("/proc/2/comm").is_ok_and(|comm| comm == b"kthreadd\n")
}

#[test]
fn a_kernel_thread_tells_what_it_lacks() {
    if !is_kernel_thread_visible() {
        skip!("no kernel thread is visible");
    }
    if !namespace::is_root() {
        skip!("only the superuser may ask for the executable of a kernel thread");
    }
    let object = object(2);
    assert_eq!((&object["kernel_thread"], &object["comm"]), (&json!(true), &json!("kthreadd")));
    assert_eq!((&object["exe_name"], &object["cmdline"]), (&json!("kthreadd"), &json!([])));
    lacks(2, &["exe", "exe_path", "exe_deleted", "pss", "uss", "swap"], NO_MEMORY);
}

#[test]
fn a_kernel_thread_has_no_environment() {
    if !is_kernel_thread_visible() || !namespace::is_root() {
        skip!("no kernel thread is visible to the superuser");
    }
    lacks(2, &["environ"], NO_MEMORY);
}

/// Copies the program to a place where every user may run it.
fn public() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
        .expect("changing its permissions");
    let path = directory.path().join("proctool");
    // Another process makes the copy: a file that any process has open for writing cannot be
    // started, and programs that other tests start share our descriptors for a moment.
    let mut copy = clean("install");
    copy.args(["-m", "755", PROCTOOL]).arg(&path);
    finish(copy).succeeds();
    (directory, path)
}

fn as_nobody(program: &Path, words: &[&str]) -> Outcome {
    let mut command = clean("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(program)
        .args(words);
    finish(command)
}

#[test]
fn what_belongs_to_others_is_told_as_far_as_they_let_us() {
    if !namespace::is_root() {
        skip!("only the superuser can become somebody else");
    }
    let (_directory, program) = public();
    let target = Target::script("echo ready; read -r line");
    let pid = target.pid().to_string();
    let denied = ["exe", "cwd", "environ", "fd_count", "pss", "uss", "pid_namespace", "ports"];
    let lines: String =
        denied.iter().map(|name| format!("  {name:14} - (permission denied)\n")).collect();
    as_nobody(&program, &["show", "--fields", &denied.join(","), &pid]).succeeds().prints(lines);
    let object =
        as_nobody(&program, &["show", "--json", "--environ", &pid]).succeeds().json()[0].take();
    assert!(denied.iter().all(|&name| object.get(name) == Some(&Value::Null)), "{object}");
    assert_eq!((&object["pid"], &object["comm"]), (&json!(target.pid()), &json!("sh")));
    assert_eq!((&object["cmdline"][0], &object["user"]), (&json!("sh"), &json!("root")));
    assert_eq!((&object["exe_path"], &object["exe_name"]), (&Value::Null, &json!("sh")));
}

#[test]
fn a_process_that_is_hidden_is_denied_not_gone() {
    let script = "mount -o remount,hidepid=1 /proc || exit 77; nobody show 1; exit $?";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("/proc cannot be mounted with hidepid=1");
    }
    let outcome = outcome.succeeds();
    assert!(
        outcome.text().contains("  comm           - (permission denied)\n"),
        "{}",
        outcome.report()
    );
}

#[test]
fn several_processes_are_parted_by_an_empty_line_in_the_order_given() {
    let targets = [(); 2].map(|()| Target::script("echo ready; read -r line"));
    let [one, two] = targets.each_ref().map(Target::pid);
    let block = |pid| format!("  pid            {pid}\n  comm           sh\n");
    for (first, second) in [(one, two), (two, one)] {
        let outcome =
            run(&["show", "--fields=pid,comm", &first.to_string(), &second.to_string()]).succeeds();
        outcome.prints(format!("{}\n{}", block(first), block(second)));
    }
    let outcome = run(&["show", &one.to_string(), &two.to_string()]).succeeds();
    assert!(outcome.text().starts_with(&format!("Process {one}: sh\n")), "{}", outcome.report());
    assert!(
        outcome.text().contains(&format!("\n\nProcess {two}: sh\n\nIdentity\n")),
        "{}",
        outcome.report()
    );
}

#[test]
fn the_same_process_may_be_asked_for_twice() {
    let fake = FakeProc::new();
    fake.process(5, 0, "job");
    let option = fake.option();
    let text = "  pid            5\n\n  pid            5\n";
    run(&["show", "--fields=pid", "5", "5", &option]).succeeds().prints(text);
    let json = run(&["show", "--fields=pid", "--json", "5", "5", &option]).succeeds().json();
    assert_eq!(json, json!([{"pid": 5}, {"pid": 5}]));
}

#[test]
fn processes_that_are_gone_are_told_one_by_one() {
    let fake = FakeProc::new();
    fake.process(5, 0, "job");
    let option = fake.option();
    let messages = "proctool show: there is no process 7\nproctool show: there is no process 8\n";
    for (format, stdout) in [(&[][..], ""), (&["--json"], "[]\n"), (&["--jsonl"], "")] {
        let outcome = run(&[&["show", "7", "8", &option], format].concat()).exits(1).prints(stdout);
        assert_eq!(outcome.errors(), messages, "{}", outcome.report());
        let quiet =
            run(&[&["show", "-q", "7", "8", &option], format].concat()).exits(1).prints(stdout);
        assert!(quiet.stderr.is_empty(), "{}", quiet.report());
    }
}

#[test]
fn some_that_are_gone_leave_the_others_shown_in_order() {
    let fake = FakeProc::new();
    fake.process(5, 0, "job");
    fake.process(9, 0, "other");
    let option = fake.option();
    let words = ["show", "--fields=pid", "9", "7", "5", &option];
    let text = "  pid            9\n\n  pid            5\n";
    run(&words).exits(64).prints(text).says("there is no process 7");
    let json =
        run(&[&words[..], &["--json"]].concat()).exits(64).says("there is no process 7").json();
    assert_eq!(json, json!([{"pid": 9}, {"pid": 5}]));
    run(&["show", "--fields=pid", "7", "5", "8", &option]).exits(64).prints("  pid            5\n");
}

#[test]
fn a_thread_is_not_a_process() {
    let program = Program::new("st");
    let target = program.start_with(|command| {
        command.env("RUST_TEST_THREADS", "2");
    });
    let own = target.pid().to_string();
    let mut threads = fs::read_dir(proc(target.pid(), "task")).expect("listing its threads");
    let thread = threads
        .find_map(|thread| thread.ok()?.file_name().into_string().ok().filter(|id| *id != own));
    let thread = thread.expect("finding a second thread");
    assert!(Path::new("/proc").join(&thread).is_dir());
    run(&["show", &thread]).refuses(1, &format!("there is no process {thread}"));
    let outcome = run(&["show", "--fields=pid", &thread, &own]).exits(64);
    outcome
        .prints(format!("  pid            {own}\n"))
        .says(&format!("there is no process {thread}"));
}

#[test]
fn json_lines_are_one_process_each() {
    let targets = [(); 2].map(|()| Target::script("echo ready; read -r line"));
    let pids = targets.each_ref().map(|target| target.pid().to_string());
    let outcome = run(&["show", "--jsonl", &pids[0], &pids[1]]).succeeds();
    assert!(outcome.text().ends_with("}\n"), "{}", outcome.report());
    let objects: Vec<Value> = outcome
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("parsing an object for each line"))
        .collect();
    let found: Vec<String> = objects.iter().map(|object| object["pid"].to_string()).collect();
    assert_eq!(found, pids);
    let single = run(&["show", "--jsonl", "--fields=pid", &pids[0]]).succeeds();
    single.prints(format!("{{\"pid\":{}}}\n", pids[0]));
}

#[test]
fn a_pid_in_an_inner_namespace_is_listed_with_the_outer_one() {
    let script = "coproc unshare --pid --fork bash -c 'echo ready; read -r line; true'
        read -r -u \"${COPROC[0]}\" line
        read -r inner < /proc/$COPROC_PID/task/$COPROC_PID/children
        [ -n \"$inner\" ] || exit 77
        \"$P\" show --json --fields=pid,nspid,pid_namespace,ppid $inner; readlink /proc/$inner/ns/pid; exit 0";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("this kernel does not list children");
    }
    let lines = outcome.succeeds().lines();
    let found: Value = serde_json::from_str(&lines[0]).expect("parsing an object");
    assert_eq!(found[0]["nspid"], json!([found[0]["pid"], 1]));
    assert_eq!(lines[1], format!("pid:[{}]", found[0]["pid_namespace"]));
}
