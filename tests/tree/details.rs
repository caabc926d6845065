//! The details beside a name.

use super::*;

#[test]
fn arguments_are_shown_without_the_program_itself() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init").file("cmdline", "/sbin/init\0");
    fake.process(2, 1, "sh").file("cmdline", "/bin/sh\0-c\0echo hi\0");
    fake.process(3, 1, "bare");
    let lines = ["init(1)", "├─ sh(2) -c echo hi", "└─ bare(3)"];
    shows(&fake, &["-a"], &lines);
    shows(&fake, &["--arguments"], &lines);
}

#[test]
fn a_title_that_a_process_gave_itself_is_shown_whole() {
    let fake = FakeProc::new();
    fake.process(5, 0, "nginx").file("cmdline", "nginx: worker process\0");
    fake.process(6, 0, "nginx").file("cmdline", "nginx: master process nginx -g");
    shows(
        &fake,
        &["-a"],
        &["nginx(5) nginx: worker process", "nginx(6) nginx: master process nginx -g"],
    );
}

/// PostgreSQL and sshd do this: the room of the arguments is filled with zero bytes.
#[test]
fn a_title_padded_with_zero_bytes_is_shown_whole() {
    let fake = FakeProc::new();
    fake.process(5, 0, "postgres").file("cmdline", "postgres: checkpointer\0\0\0\0\0\0\0\0");
    shows(&fake, &["-a"], &["postgres(5) postgres: checkpointer"]);
}

#[test]
fn process_groups_stand_behind_the_pid() {
    let fake = FakeProc::new();
    Stat { pgrp: 1, ..PLAIN }.in_proc(&fake);
    Stat { pid: 7, ppid: 1, comm: "sh", pgrp: 7, ..PLAIN }.in_proc(&fake);
    Stat { pid: 8, ppid: 7, comm: "sort", pgrp: 7, ..PLAIN }.in_proc(&fake);
    let lines = ["init(1,1)", "└─ sh(7,7)", "   └─ sort(8,7)"];
    shows(&fake, &["-g"], &lines);
    shows(&fake, &["--show-pgids"], &lines);
}

#[test]
fn the_user_is_shown_where_it_changes() {
    let fake = cron();
    fake.process(60, 40, "sudo").owner(0, 0);
    let lines = [
        "init(1)",
        "├─ cron(10)",
        "│  ├─ cron(20)",
        "│  │  └─ sh(30,3999999999)",
        "│  │     └─ backup(40)",
        "│  │        └─ sudo(60,root)",
        "│  └─ cron(21)",
        "│     └─ sh(31)",
        "└─ sshd(50)",
    ];
    shows(&fake, &["-u"], &lines);
    shows(&fake, &["--uid-changes"], &lines);
}

#[test]
fn a_root_that_is_not_the_superuser_s_shows_its_user() {
    let fake = FakeProc::new();
    fake.process(5, 0, "shell").owner(3_999_999_999, 0);
    fake.process(6, 5, "child").owner(3_999_999_999, 0);
    fake.process(7, 0, "other").owner(0, 0);
    shows(&fake, &["-u"], &["shell(5,3999999999)", "└─ child(6)", "other(7)"]);
}

#[test]
fn details_come_in_a_fixed_order() {
    let fake = FakeProc::new();
    fake.process(5, 0, "sh")
        .owner(3_999_999_999, 0)
        .file("cmdline", "sh\0-i\0")
        .link("exe", "/bin/sh (deleted)");
    shows(&fake, &["-a", "-g", "-u"], &["sh(5,5,3999999999) (deleted) -i"]);
}

#[test]
fn threads_are_shown_by_name_and_id() {
    let program = Program::new("tt");
    let target = program.start_with(|command| {
        command.env("RUST_TEST_THREADS", "2");
    });
    let pid = target.pid();
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).expect("listing its threads") {
        let entry = entry.expect("reading a directory entry of a thread");
        let id = entry.file_name().into_string().expect("reading its id as text");
        if id != pid.to_string() {
            let name = fs::read_to_string(entry.path().join("comm")).expect("reading its name");
            threads.push(format!("{{{}}}({id})", name.trim_end()));
        }
    }
    assert!(!threads.is_empty(), "process {pid} has one thread");
    let mut lines = vec![format!("{}({pid})", program.name)];
    let last = threads.len() - 1;
    lines.extend(
        threads
            .iter()
            .enumerate()
            .map(|(at, line)| format!("{} {line}", if at < last { "├─" } else { "└─" })),
    );
    for option in ["-t", "--thread-names"] {
        let outcome = run(&["tree", option, &pid.to_string()]).succeeds();
        assert_eq!(outcome.lines(), lines);
    }
    assert_eq!(run(&["tree", &pid.to_string()]).succeeds().lines(), lines[..1]);
}

#[test]
fn threads_stand_before_children_and_join_them() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    for (pid, comm) in [(10, "daemon"), (20, "lonely")] {
        Stat { pid, ppid: 1, comm, threads: 2, ..PLAIN }.in_proc(&fake);
        for (id, name) in [(pid, comm), (pid + 1, "io")] {
            let thread = directory(&fake).join(format!("{pid}/task/{id}"));
            fs::create_dir_all(&thread).expect("making a directory for a thread");
            fs::write(thread.join("comm"), format!("{name}\n")).expect("writing its name");
        }
    }
    fake.process(30, 10, "child");
    let lines = [
        "init(1)",
        "├─ daemon(10)",
        "│  ├─ {io}(11)",
        "│  └─ child(30)",
        "└─ lonely(20)",
        "   └─ {io}(21)",
    ];
    shows(&fake, &["-t"], &lines);
}

#[test]
fn namespaces_are_named_where_they_change() {
    let script = "coproc unshare --uts --net bash -c 'echo ready; read -r line; true'
        read -r -u \"${COPROC[0]}\" line
        for option in -S --ns-changes; do \"$P\" tree $option \"$$\" \"$COPROC_PID\" || exit; done";
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    let outcome = finish(command).succeeds();
    outcome.prints(
        "bash(1)\n├─ bash(2,net,uts)\n└─ proctool(3)\nbash(1)\n├─ bash(2,net,uts)\n└─ \
    proctool(4)\n",
    );
}

#[test]
fn a_zombie_is_marked_and_keeps_its_children() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init");
    fake.bare(5).stat(5, 1, b"leader", 'Z', 500);
    fake.process(6, 5, "child");
    shows(&fake, &[], &["init(1)", "└─ leader(5) <defunct>", "   └─ child(6)"]);
}

#[test]
fn a_real_zombie_is_marked() {
    let program = Program::new("tz");
    let mut target = program.start();
    target.become_zombie();
    let pid = target.pid();
    run(&["tree", "-a", &pid.to_string()])
        .succeeds()
        .prints(format!("{}({pid}) <defunct>\n", program.name));
}

#[test]
fn stopped_and_traced_processes_are_marked() {
    let fake = FakeProc::new();
    fake.bare(5).stat(5, 0, b"job", 'T', 500);
    fake.bare(6).stat(6, 5, b"child", 't', 500);
    fake.bare(7).stat(7, 5, b"disk", 'D', 500);
    shows(&fake, &[], &["job(5) <stopped>", "├─ child(6) <stopped>", "└─ disk(7)"]);
}

#[test]
fn an_executable_that_was_removed_is_marked() {
    let fake = FakeProc::new();
    fake.process(5, 0, "daemon")
        .link("exe", "/usr/sbin/daemon (deleted)")
        .file("cmdline", "daemon\0-f\0");
    fake.process(6, 5, "daemon").link("exe", "/usr/sbin/daemon");
    shows(&fake, &[], &["daemon(5) (deleted)", "└─ daemon(6)"]);
    shows(&fake, &["-a", "--exe=daemon"], &["daemon(5) (deleted) -f", "└─ daemon(6)"]);
}

#[test]
fn a_real_process_whose_executable_was_replaced_is_marked_and_found() {
    let program = Program::new("td");
    let target = program.start();
    let name = format!("{}({})", program.name, target.pid());
    run(&["tree", "--exe", &program.name]).succeeds().prints(format!("{name}\n"));
    let newer = program.path().with_extension("new");
    fs::copy(program.path(), &newer).expect("copying a newer program");
    fs::rename(newer, program.path()).expect("renaming the newer program in its place");
    run(&["tree", "--exe", &program.name]).succeeds().prints(format!("{name} (deleted)\n"));
}
