//! Letters of pgrep that came later than most: -H, -L, -p, -Q and -w.

use super::*;

#[test]
fn processes_with_a_handler_of_a_signal() {
    let fake = FakeProc::new();
    // TERM is signal 15, so that its bit is 1 << 14; that of HUP is 1.
    for (pid, handled) in [(10, "0000000000004000"), (11, "0000000000000001"), (12, "0")] {
        fake.process(pid, 1, "x").file("status", format!("Name:\tx\nSigCgt:\t{handled}\n"));
    }
    finds(&fake, &["-H"], &[10]);
    finds(&fake, &["--require-handler", "--signal", "HUP"], &[11]);
    finds(&fake, &["--not", "require-handler"], &[11, 12]);
    finds_nothing(find(&fake, &["-H", "--signal", "64"]));
    find(&fake, &["-H", "--signal", "KILL"]).refuses(2, "no process can handle KILL");
    find(&fake, &["-H", "--signal", "nosuch"]).refuses(2, "no such signal");
    find(&fake, &["--signal", "HUP"]).refuses(2, "--require-handler");
    run(&["suspend", "-H", "--exe", "x"]).refuses(2, "no process can handle STOP");
    run(&["kill", "-H", "--exe", "x"]).refuses(2, "no process can handle KILL");
}

#[test]
fn handlers_of_real_processes() {
    let handles = Target::script("trap : USR1; echo ready; read -r line");
    let pid = &handles.pid().to_string();
    let of = |signal: &str| run(&["find", "-p", pid, "-H", "--signal", signal]);
    of("USR1").succeeds().prints(format!("{pid}\n"));
    finds_nothing(of("USR2"));
    for (applet, signal, code) in [("kill", "USR1", 0), ("kill", "USR2", 1)] {
        run(&[applet, "--dry-run", "-H", "--signal", signal, "--pid", pid]).exits(code);
    }
    run(&["terminate", "--dry-run", "-H", "--pid", pid]).exits(1);
}

#[test]
fn pid_files_that_must_be_locked() {
    let script = r#"
        mount -t tmpfs none /mnt && cd /mnt || exit
        ask() { "$P" find -F file "$@" >found 2>told; echo "$? $(xargs <found) $(cat told)"; }
        echo $$ >file
        ask; ask -L
        python3 -c 'import fcntl, time; f = open("file", "a"); fcntl.LOCK(f, fcntl.LOCK_EX)
print(flush=True); time.sleep(1000)' >locked &
        until [ -s locked ]; do :; done
        ask -L; ask --logpidfile --exe nosuch
        kill $!; wait $! 2>/dev/null
        ask -L
        "$P" find -L -F - <file; echo $?
    "#;
    for kind in ["flock", "lockf"] {
        let script = script.replace("LOCK(", &format!("{kind}("));
        let Some(command) = namespace::script(&script) else { skip!("no private namespaces") };
        let outcome = finish(command).exits(0);
        let unlocked = "1  proctool find: pid file 'file': nobody has locked it, so its daemon \
                        does not run";
        let lines = outcome.lines();
        let expected = ["0 1 ", unlocked, "0 1 ", "1  ", unlocked, "1"];
        assert_eq!(lines, expected, "{kind}\n{}", outcome.report());
    }
    run(&["find", "-L"]).refuses(2, "--pidfile <FILE>");
}

#[test]
fn arguments_quoted_for_a_shell() {
    let fake = FakeProc::new();
    fake.process(10, 1, "x").file("cmdline", "/bin/x\0a b\0\0it's\0");
    fake.process(11, 1, "y").file("cmdline", "");
    let quoted = find(&fake, &["-a", "-Q"]).succeeds();
    let lines: BTreeSet<String> = quoted.lines().into_iter().collect();
    let expected = [r#"10 /bin/x 'a b' '' "it's""#.to_owned(), "11 [y]".to_owned()];
    assert_eq!(lines, expected.into(), "{}", quoted.report());
    find(&fake, &["-Q"]).refuses(2, "--list-full");
}

#[test]
fn all_threads_of_each_process() {
    let threads = "import threading, sys
for _ in range(3): threading.Thread(target=threading.Event().wait, daemon=True).start()
print('ready', flush=True)
sys.stdin.read()";
    let mut command = clean("python3");
    let target = Target::start(command.args(["-c", threads]));
    let pid = target.pid().to_string();
    let mut expected: Vec<String> = fs::read_dir(format!("/proc/{pid}/task"))
        .expect("listing threads")
        .map(|thread| thread.expect("reading an entry").file_name().into_string().expect("a name"))
        .collect();
    let mut found = run(&["find", "-w", "--pid", &pid]).succeeds().lines();
    assert_eq!(found.len(), 4);
    assert_eq!(found[0], pid);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let named = run(&["find", "-w", "-l", "-d", ",", "--pid", &pid]).succeeds().text();
    assert!(named.trim().split(',').all(|item| item.ends_with(" python3")), "{named}");
    for option in ["-c", "--json", "-n"] {
        run(&["find", "-w", option]).refuses(2, "cannot be used with");
    }
    run(&["find", "-w", "--fields", "pid"]).refuses(2, "cannot be used with");
}

#[test]
fn a_literal_text_has_no_special_characters() {
    let fake = FakeProc::new();
    fake.process(10, 1, "a.b").file("cmdline", "/bin/a.b\0x|y\0");
    fake.process(11, 1, "axb").file("cmdline", "/bin/axb\0x\0");
    finds(&fake, &["--literal", "a.b"], &[10]);
    finds(&fake, &["--literal", "."], &[10]);
    finds(&fake, &["--literal", "A.B", "-i", "-x"], &[10]);
    finds_nothing(find(&fake, &["--literal", "a.", "-x"]));
    finds(&fake, &["-f", "--literal", "x|y"], &[10]);
    finds(&fake, &["-f", "--literal", "x|"], &[10]);
    finds(&fake, &["--not", "literal=a.b"], &[11]);
    find(&fake, &["--literal", ""]).refuses(2, "--literal has an empty text");
    find(&fake, &["--literal", "a", "b"]).refuses(2, "cannot be used with");
}

#[test]
fn namespaces_by_kind() {
    let script = r#"
        unshare --uts sleep 1000 & other=$!
        until [ "$(cat /proc/$other/comm)" = sleep ]; do :; done
        ask() { "$P" find --pid $other --ns $$ "$@" >/dev/null; echo $?; }
        ask; ask --nslist uts; ask --nslist pid,net; ask --nslist pid,uts
        kill $other
    "#;
    let Some(command) = namespace::script(script) else { skip!("no private namespaces") };
    finish(command).prints("1\n1\n0\n1\n");
    run(&["find", "--ns", "1", "--nslist", "nett"]).refuses(2, "did you mean 'net'?");
    run(&["find", "--nslist", "net"]).refuses(2, "--ns <PID>");
}
