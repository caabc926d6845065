//! Conditions on everything but names and relatives.

use super::*;

#[test]
fn parents() {
    let fake = cron();
    finds(&fake, &["-P", "10"], &[20, 21]);
    finds(&fake, &["--parent", "20,21"], &[30, 31]);
    finds(&fake, &["-P", "1", "-P", "30"], &[10, 40]);
    finds_nothing(find(&fake, &["-P", "40"]));
}

#[test]
fn parent_0_is_outside_as_in_pgrep() {
    finds(&cron(), &["-P", "0"], &[1]);
}

#[test]
fn process_groups_and_sessions() {
    let fake = FakeProc::new();
    let line = |pid: u32, group: u32, session: u32| {
        format!(
            "{pid} (x) S 1 {group} {session} 0 -1 4194304 0 0 0 0 10 20 0 0 20 0 1 0 500 4096000 2 \
            0 0 0\n"
        )
    };
    for (pid, group, session) in [(10, 10, 10), (11, 10, 10), (12, 12, 10), (20, 20, 20)] {
        fake.process(pid, 1, "x").file("stat", line(pid, group, session));
    }
    finds(&fake, &["-g", "10"], &[10, 11]);
    finds(&fake, &["--pgroup", "12,20"], &[12, 20]);
    finds(&fake, &["-s", "10"], &[10, 11, 12]);
    finds(&fake, &["--session", "10", "-s", "20"], &[10, 11, 12, 20]);
    finds(&fake, &["-s", "10", "-g", "12"], &[12]);
    finds_nothing(find(&fake, &["-g", "11"]));
}

#[test]
fn group_0_is_our_own() {
    let outcome = finish({
        let mut command = clean("setsid");
        command
            .args(["--wait", "sh", "-c", r#"echo $$; "$P" find -g 0; exec "$P" find -g 0"#])
            .env("P", PROCTOOL);
        command
    });
    let pids = outcome.exits(1).pids();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pids:?}");
}

#[test]
fn session_0_is_our_own() {
    let outcome = finish({
        let mut command = clean("setsid");
        command
            .args(["--wait", "sh", "-c", r#"echo $$; "$P" find -s 0; exec "$P" find -s 0"#])
            .env("P", PROCTOOL);
        command
    });
    let pids = outcome.exits(1).pids();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pids:?}");
}

#[test]
fn group_0_needs_a_procfs_with_us_in_it() {
    let fake = cron();
    find(&fake, &["-g", "0"]).refuses(1, "0 means our own, but we are not in this procfs");
    find(&fake, &["-s", "0"]).refuses(1, "0 means our own, but we are not in this procfs");
}

#[test]
fn a_group_of_a_real_process() {
    let program = Program::new("group");
    let target = program.start();
    run(&["find", "-g", &target.pid().to_string()])
        .succeeds()
        .prints(format!("{}\n", target.pid()));
}

#[test]
fn terminals() {
    let fake = FakeProc::new();
    for (pid, tty) in
        [(10, 0x8803), (11, 0x0010_8803), (12, 0x0402), (13, 0x0441), (14, 0x0501), (15, 0)]
    {
        fake.process(pid, 1, "x").terminal(pid, "x", tty);
    }
    finds(&fake, &["-t", "pts/3"], &[10]);
    finds(&fake, &["-t", "/dev/pts/259"], &[11]);
    finds(&fake, &["--terminal", "tty2,ttyS1"], &[12, 13]);
    finds(&fake, &["-t", "console", "-t", "pts/3"], &[10, 14]);
    finds(&fake, &["-v", "-t", "pts/3,pts/259,tty2,ttyS1,console"], &[15]);
    finds(&fake, &["-t", "?"], &[15]);
    finds_nothing(find(&fake, &["-t", "pts/4"]));
}

#[test]
fn an_empty_terminal_selects_nothing_not_even_inverted() {
    let fake = cron();
    find(&fake, &["-t", ""]).refuses(2, "empty");
    find(&fake, &["-v", "-t", ""]).refuses(2, "empty");
    find(&fake, &["-t", "pts/0,"]).refuses(2, "empty");
}

/// Makes processes whose real and effective ids differ.
fn owners() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, uids, gids) in [
        (10, "0 0 0 0", "0 0 0 0"),
        (11, "54321 0 0 0", "54322 0 0 0"),
        (12, "0 54321 0 0", "0 54322 0 0"),
    ] {
        let tabbed = |ids: &str| ids.replace(' ', "\t");
        let status = format!("Name:\tx\nUid:\t{}\nGid:\t{}\n", tabbed(uids), tabbed(gids));
        fake.process(pid, 1, "x").file("status", status);
    }
    fake
}

#[test]
fn effective_users_by_name_and_number() {
    let fake = owners();
    finds(&fake, &["-u", "root"], &[10, 11]);
    finds(&fake, &["-u", "54321"], &[12]);
    finds(&fake, &["--euid", "0,54321"], &[10, 11, 12]);
    finds(&fake, &["-u", "root", "-u", "54321"], &[10, 11, 12]);
    finds_nothing(find(&fake, &["-u", "54322"]));
}

#[test]
fn real_users_by_name_and_number() {
    let fake = owners();
    finds(&fake, &["-U", "root"], &[10, 12]);
    finds(&fake, &["--uid", "54321"], &[11]);
    finds(&fake, &["-U", "54321,root"], &[10, 11, 12]);
    finds(&fake, &["--user", "root"], &[10, 12]);
    finds(&fake, &["--user", "54321"], &[11]);
    finds(&fake, &["--user", "54321,root"], &[10, 11, 12]);
    finds(&fake, &["-U", "54321", "-u", "0"], &[11]);
    finds_nothing(find(&fake, &["--user", "54321", "-U", "0"]));
}

#[test]
fn real_groups_by_name_and_number() {
    let fake = owners();
    finds(&fake, &["-G", "root"], &[10, 12]);
    finds(&fake, &["--group", "54322"], &[11]);
    finds(&fake, &["-G", "54322,0"], &[10, 11, 12]);
    finds_nothing(find(&fake, &["-G", "54321"]));
}

#[test]
fn run_states() {
    let fake = FakeProc::new();
    for (pid, state) in
        [(10, 'R'), (11, 'S'), (12, 'D'), (13, 'T'), (14, 't'), (15, 'Z'), (16, 'I')]
    {
        fake.bare(pid).stat(pid, 1, b"x", state, 500);
    }
    finds(&fake, &["-r", "R"], &[10]);
    finds(&fake, &["-r", "D,Z"], &[12, 15]);
    finds(&fake, &["--runstates", "Tt"], &[13, 14]);
    finds(&fake, &["-rI"], &[16]);
    finds(&fake, &["-v", "-r", "S,I"], &[10, 12, 13, 14, 15]);
    finds_nothing(find(&fake, &["-r", "X"]));
}

#[test]
fn a_zombie_is_found() {
    let program = Program::new("zombie-of-a-test-");
    let mut target = program.start();
    target.become_zombie();
    let pid = target.pid().to_string();
    run(&["find", "-r", "Z", "--pid", &pid]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "-a", "--pid", &pid])
        .succeeds()
        .prints(format!("{pid} [{}]\n", &program.name[..15]));
}

#[test]
fn a_pid_file_names_one_process() {
    let fake = cron();
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let path = directory.path().join("cron.pid");
    let path = path.to_str().expect("reading its name as text");
    for content in ["10\n", "10", "  10\n", "10\ncron\n"] {
        fs::write(path, content).expect("writing a pid file");
        finds(&fake, &["-F", path], &[10]);
        finds(&fake, &["--pidfile", path, "cron"], &[10]);
        finds_nothing(find(&fake, &["-F", path, "sh"]));
    }
    fs::write(path, "7\n").expect("writing a pid file");
    finds_nothing(find(&fake, &["-F", path]));
}

#[test]
fn a_pid_file_may_be_standard_input() {
    let fake = cron();
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let path = directory.path().join("pid");
    fs::write(&path, "40\n").expect("writing a pid file");
    let mut command = proctool(["find", &fake.option(), "-F", "-"]);
    command.stdin(File::open(&path).expect("opening the pid file"));
    finish(command).succeeds().prints("40\n");
    let mut command = proctool(["find", &fake.option(), "-F", "-"]);
    command.stdin(Stdio::null());
    finish(command).refuses(1, "pid file '-': '' is no process id");
}

#[test]
fn a_pid_file_that_is_missing_or_wrong_is_told() {
    let fake = cron();
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let path = directory.path().join("pid");
    let path = path.to_str().expect("reading its name as text");
    find(&fake, &["-F", path]).refuses(1, &format!("pid file '{path}': No such file or directory"));
    for content in ["", "\n", "cron\n", "10x\n", "0\n", "-10\n", "1.5\n", "99999999999\n"] {
        fs::write(path, content).expect("writing a pid file");
        find(&fake, &["-F", path])
            .refuses(1, &format!("pid file '{path}': '{}' is no process id", content.trim()));
    }
    fs::write(path, b"\xff\xfe").expect("writing a pid file");
    find(&fake, &["-F", path]).refuses(1, &format!("pid file '{path}': "));
    find(&fake, &["-F", "/dev/zero"]).refuses(1, "pid file '/dev/zero': ");
    let place = directory.path().to_str().expect("reading its name as text");
    find(&fake, &["-F", place]).refuses(1, &format!("pid file '{place}': "));
}

#[test]
fn executables_by_name() {
    let fake = cron();
    finds(&fake, &["--exe", "cron"], &[10, 20, 21]);
    finds(&fake, &["--exe", "dash"], &[30, 31]);
    finds(&fake, &["--exe", "init,backup"], &[1, 40]);
    finds(&fake, &["--exe", "init", "--exe", "backup"], &[1, 40]);
    for name in ["sh", "cro", "Cron", "sbin/cron"] {
        finds_nothing(find(&fake, &["--exe", name]));
    }
    find(&fake, &["--exe", "cron,/usr/sbin/cron"])
        .refuses(2, "'/usr/sbin/cron' is a path: use --exe-path");
}

#[test]
fn executables_by_path() {
    let fake = cron();
    finds(&fake, &["--exe-path", "/usr/bin/dash"], &[30, 31]);
    finds(&fake, &["--exe-path", "/sbin/init", "--exe-path", "/opt/backup"], &[1, 40]);
    for path in ["/bin/sh", "/usr/bin", "/usr/bin/dash/"] {
        finds_nothing(find(&fake, &["--exe-path", path]));
    }
    find(&fake, &["--exe-path", "dash"]).refuses(2, "'dash' is no absolute path: use --exe");
}

#[test]
fn a_comma_is_a_part_of_a_path() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").link("exe", "/opt/a,b");
    finds(&fake, &["--exe-path", "/opt/a,b"], &[10]);
}

#[test]
fn a_fake_deleted_executable_is_still_its_name() {
    let fake = FakeProc::new();
    fake.process(10, 1, "server").link("exe", "/opt/server (deleted)");
    finds(&fake, &["--exe", "server"], &[10]);
    finds(&fake, &["--exe-path", "/opt/server"], &[10]);
    finds_nothing(find(&fake, &["--exe", "server (deleted)"]));
}

#[test]
fn a_deleted_executable_is_found_while_it_runs() {
    let program = Program::new("removed");
    let target = program.start();
    let printed = format!("{}\n", target.pid());
    let path = program.path().canonicalize().expect("resolving its path");
    run(&["find", "--exe", &program.name]).succeeds().prints(&printed);
    fs::remove_file(program.path()).expect("removing the file");
    run(&["find", "--exe", &program.name]).succeeds().prints(&printed);
    run(&["find", "--exe-path", path.to_str().expect("decoding UTF-8")])
        .succeeds()
        .prints(&printed);
    run(&["find", "-x", &program.name]).succeeds().prints(&printed);
}

#[test]
fn pids() {
    let fake = cron();
    finds(&fake, &["--pid", "10"], &[10]);
    finds(&fake, &["--pid", "40,10,7"], &[10, 40]);
    finds(&fake, &["--pid", "40", "--pid", "1"], &[1, 40]);
    finds_nothing(find(&fake, &["--pid", "7,4194303"]));
}

#[test]
fn kernel_names_are_matched_exactly() {
    let fake = cron();
    let cut = "a-name-of-15-by";
    fake.process(50, 1, cut).link("exe", "/opt/a-name-of-15-bytes-and-more");
    finds(&fake, &["--comm", "cron"], &[10, 20, 21]);
    finds(&fake, &["--comm", "sh,backup"], &[30, 31, 40]);
    finds(&fake, &["--comm", cut], &[50]);
    finds_nothing(find(&fake, &["--comm", "a-name-of-15-bytes-and-more"]));
    finds_nothing(find(&fake, &["--comm", "cro"]));
    finds_nothing(find(&fake, &["--comm", "c.on"]));
}

#[test]
fn variables_of_the_environment() {
    let fake = FakeProc::new();
    fake.process(10, 1, "a").file("environ", "HOME=/root\0EMPTY=\0PAIR=x=y\0");
    fake.process(11, 1, "b").file("environ", "HOME=/home/b\0HOMER=x\0");
    fake.process(12, 1, "c").file("environ", "");
    finds(&fake, &["--env", "HOME"], &[10, 11]);
    finds(&fake, &["--env", "HOME=/root"], &[10]);
    finds(&fake, &["--env", "HOMER"], &[11]);
    finds(&fake, &["--env", "EMPTY"], &[10]);
    finds(&fake, &["--env", "EMPTY="], &[10]);
    finds(&fake, &["--env", "PAIR=x=y"], &[10]);
    finds(&fake, &["--env", "HOME", "--env", "HOMER=x"], &[11]);
    finds(&fake, &["-v", "--env", "HOME"], &[12]);
    for variable in ["HOM", "HOME=", "HOME=/", "home", "PAIR=x", "root"] {
        finds_nothing(find(&fake, &["--env", variable]));
    }
}

#[test]
fn variables_of_a_real_process() {
    let program = Program::new("env");
    let name = format!("PROCTOOL_TEST_OF_{}", id());
    let target = program.start_with(|command| {
        command.env(&name, "a b\n=c");
    });
    let printed = format!("{}\n", target.pid());
    run(&["find", "--env", &name]).succeeds().prints(&printed);
    run(&["find", "--env", &format!("{name}=a b\n=c")]).succeeds().prints(&printed);
    finds_nothing(run(&[
        "find",
        "--env",
        &format!("{name}=a b"),
        "--pid",
        &target.pid().to_string(),
    ]));
}

#[test]
fn control_groups_by_path() {
    let fake = FakeProc::new();
    fake.process(10, 1, "a").file("cgroup", "0::/system.slice/cron.service\n");
    fake.process(11, 1, "b")
        .file("cgroup", "2:cpu,cpuacct:/batch\n1:name=systemd:/user.slice\n0::/\n");
    finds(&fake, &["--cgroup", "/system.slice/cron.service"], &[10]);
    finds(&fake, &["--cgroup", "/batch"], &[11]);
    finds(&fake, &["--cgroup", "/user.slice,/system.slice/cron.service"], &[10, 11]);
    finds(&fake, &["--cgroup", "/system.slice/"], &[10]);
    for path in ["/system.slice", "/system.slice/cron", "/system/", "/nosuch"] {
        finds_nothing(find(&fake, &["--cgroup", path]));
    }
    find(&fake, &["--cgroup", "cron.service"]).refuses(2, "begins with a slash");
}

#[test]
fn namespaces_of_a_fake_process() {
    let fake = FakeProc::new();
    let procfs = fake.option();
    let procfs = Path::new(procfs.trim_start_matches("--proc="));
    let process = |pid: u32, number: u32| {
        let process = fake.process(pid, 1, "x");
        fs::create_dir(procfs.join(pid.to_string()).join("ns")).expect("making a directory");
        let same = ["cgroup", "ipc", "mnt", "net", "time", "user", "uts"];
        let process = same.iter().fold(process, |process, name| {
            process.link(&format!("ns/{name}"), format!("{name}:[1]"))
        });
        process.link("ns/pid", format!("pid:[{number}]"));
    };
    process(10, 5);
    process(11, 5);
    process(12, 6);
    finds(&fake, &["--ns", "10"], &[10, 11]);
    finds(&fake, &["--ns", "12"], &[12]);
    finds(&fake, &["-v", "--ns", "12"], &[10, 11]);
}

#[test]
fn namespaces_of_real_processes() {
    // Files, since the subshell of `$( )` is in the same namespaces.
    let script = r#"
        mount -t tmpfs none /mnt && cd /mnt || exit
        unshare --pid --fork --kill-child sleep 1000 &
        outer=$!
        until "$P" find -q -P $outer -x sleep; do :; done
        inner=$("$P" find -P $outer)
        "$P" find --ns $$ > found; printf '1\n%s\n' $outer | cmp - found
        "$P" find --ns $inner > found; echo $inner | cmp - found
        "$P" find --ns $inner -v > found; printf '1\n%s\n' $outer | cmp - found
        echo compared
    "#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    finish(command).succeeds().prints("compared\n");
}

#[test]
fn threads_of_the_kernel() {
    let fake = cron();
    fake.process(2, 0, "kthreadd").flags(2, "kthreadd", 2_097_152).file("cmdline", "");
    fake.process(3, 2, "kworker").flags(3, "kworker", 2_097_152 | 64).file("cmdline", "");
    finds(&fake, &["--kernel"], &[2, 3]);
    finds(&fake, &["--kernel", "^kthr"], &[2]);
    finds(&fake, &["-v", "--kernel"], &[1, 10, 20, 21, 30, 31, 40]);
    finds_nothing(find(&cron(), &["--kernel"]));
}

#[test]
fn several_options_are_and_ed() {
    let fake = cron();
    finds(&fake, &["-P", "20,21", "-U", "1000", "--exe", "dash", "-f", "report"], &[31]);
    finds(&fake, &["cron", "-P", "10"], &[20, 21]);
    finds(&fake, &["--children-of", "cron", "--pid", "21,40"], &[21]);
    finds(&fake, &["--descendants-of", "10", "--ancestors-of", "40"], &[20, 30]);
    finds_nothing(find(&fake, &["cron", "-P", "20"]));
    finds_nothing(find(&fake, &["--exe", "dash", "--comm", "cron"]));
}

#[test]
fn what_is_kept_from_us_never_matches_not_even_inverted() {
    if !namespace::is_root() {
        skip!("only root can be somebody else");
    }
    let directory = tempfile::tempdir().expect("making a temporary directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
        .expect("changing its permissions");
    let copy = directory.path().join("proctool");
    copy_from(PROCTOOL.as_ref(), &copy);
    let as_nobody = |words: &[&str]| {
        let mut command = clean("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy)
            .arg("find")
            .args(words);
        finish(command)
    };
    let target = Program::new("kept").start();
    let pid = target.pid().to_string();
    as_nobody(&["--pid", &pid]).succeeds().prints(format!("{pid}\n"));
    as_nobody(&["--env", "PATH", "--pid", &pid])
        .refuses(1, "permission denied to examine 1 process");
    finds_nothing(as_nobody(&["-q", "--env", "PATH", "--pid", &pid]));
    let others = as_nobody(&["-v", "--env", "PATH", "--pid", &pid]).succeeds().pids();
    assert!(others.contains(&1) && !others.contains(&target.pid()), "{others:?}");
}

#[test]
fn ancestors_can_be_left_out() {
    let word = marker("shell");
    let listed = finish(shell(&format!(r#"echo $$; "$P" find -f {word}; exit"#), "")).succeeds();
    let pids = listed.pids();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{}", listed.report());
    finds_nothing(finish(shell(&format!(r#""$P" find -A -f {word}; exit"#), "")));
    let all = finish(shell(r#"echo $$; "$P" find -A; exit"#, "")).succeeds();
    let pids: BTreeSet<u32> = all.pids()[1..].iter().copied().collect();
    assert!(
        !pids.contains(&all.pids()[0]) && !pids.contains(&id()) && !pids.contains(&1),
        "{}",
        all.report()
    );
}
