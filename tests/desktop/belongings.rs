//! What of the superuser's is within reach of the user of a session: nothing that the user could not
//! have anyway.

use std::time::{Duration, Instant};

use super::super::support::desktop::DesktopBox;
use super::super::support::place::soon;
use super::super::support::running::Running;
use crate::{desktop_box, skip};

/// Makes a box with a user who has a session, and with secrets of the superuser.
fn with_secrets() -> Result<DesktopBox, String> {
    let place = DesktopBox::needing(&["python3"])?;
    place.user().start_bus();
    place.shell(
        "mkdir -m 700 /run/secret; mkdir /run/secret/backup; echo hunter2 >/run/secret/backup/dump
         echo list >/run/secret/list; chmod 600 /run/secret/list",
    );
    Ok(place)
}

/// Replaces notify-send by a program that waits until it is released.
fn waiting_notify_send(place: &DesktopBox) {
    place.uninstall("notify-send");
    place.program(
        "/usr/bin/notify-send",
        "#!/bin/sh\necho $$ >/tmp/sender\nuntil [ -e /tmp/go ]; do sleep 0.02; done\n\
         echo printed; echo told >&2\n",
    );
}

/// Returns the pid of the sender.
fn sender(place: &DesktopBox) -> u32 {
    soon("a sender", || !place.shell("cat /tmp/sender 2>/dev/null || :").is_empty());
    place.shell("cat /tmp/sender").trim().parse().expect("parsing a pid")
}

/// The user reads what the kernel shows of the sender, and takes its descriptors.
const TAKE: &str = "import ctypes, os, sys\n\
    pid = int(sys.argv[1])\n\
    print('cwd', os.readlink(f'/proc/{pid}/cwd'))\n\
    pidfd = os.pidfd_open(pid)\n\
    for number in range(0, 64):\n    \
        taken = ctypes.CDLL(None).syscall(438, pidfd, number, 0)\n    \
        if taken >= 0: print(number, os.readlink(f'/proc/self/fd/{taken}'))\n";

#[test]
fn a_notification_of_the_superuser_gives_no_file_away() {
    let place = desktop_box!(with_secrets());
    waiting_notify_send(&place);
    std::fs::write(place.path("take.py"), TAKE).expect("writing a script");
    for words in ["summary", "--wait summary"] {
        place.shell("rm -f /tmp/go /tmp/sender; : >/run/secret/out; chmod 600 /run/secret/out");
        let script = format!(
            "cd /run/secret/backup; exec notify-send-headless {words} 3</run/secret/list \
             </run/secret/list >/run/secret/out 2>&1"
        );
        let running = Running::start(place.superuser().command(&["sh", "-c", &script]));
        let pid = sender(&place);
        let taken = place.user().shell(&format!("python3 /mnt/take.py {pid}"));
        // The shell of the stub has its script open.
        let is_ours = |line: &&str| !line.ends_with("/usr/bin/notify-send");
        let mut lines: Vec<&str> = taken.lines().filter(is_ours).collect();
        lines.sort_unstable();
        assert!(
            lines.len() == 4
                && lines[0] == "0 /dev/null"
                && lines[1].starts_with("1 pipe:")
                && lines[2].starts_with("2 pipe:")
                && lines[3] == "cwd /",
            "{taken}"
        );
        let session = place.shell(&format!("ps -o sid= -p {pid}"));
        assert_eq!(session.trim(), pid.to_string(), "it has the terminal of the superuser");
        place.shell(": >/tmp/go");
        running.finish().exits(0);
        assert_eq!(place.shell("sort /run/secret/out"), "printed\ntold");
    }
}

#[test]
fn a_command_of_the_superuser_begins_elsewhere_and_has_only_the_standard_streams() {
    let place = desktop_box!(with_secrets());
    let root = place.superuser();
    let script = "cd /run/secret/backup; with-gui-environment sh -c 'cat dump; ls /proc/self/fd' \
                  3</run/secret/list 9</run/secret";
    let outcome = root.exec(script).exits(0);
    assert!(!outcome.text().contains("hunter2"), "{}", outcome.report());
    assert_eq!(outcome.text().lines().count(), 4, "{}", outcome.report());
}

/// A stopped command holds up nobody who has set a limit: what waits has the rights of the
/// superuser.
#[test]
fn a_command_that_its_user_stops_is_ended_in_time() {
    let place = desktop_box!(with_secrets());
    let stop = ["--timeout", "1", "sh", "-c", "kill -STOP $$"];
    for words in [&stop[..], &[&["--all"], &stop[..]].concat()] {
        let began = Instant::now();
        let outcome = place.superuser().run(words);
        assert!(began.elapsed() < Duration::from_secs(20), "{}", outcome.report());
        assert_eq!(outcome.code(), if words[0] == "--all" { 1 } else { 124 }, "{words:?}");
        assert!(outcome.errors().contains("took too long"), "{}", outcome.report());
    }
    // In its own session, the status of the command is passed on.
    for caller in [place.user(), place.superuser()] {
        assert_eq!(caller.run(&["--timeout", "30", "sh", "-c", "exit 7"]).code(), 7);
        assert_eq!(caller.run(&["--timeout", "30", "no-such-command"]).code(), 127);
    }
}

#[test]
fn a_home_that_does_not_answer_is_told_and_nothing_runs() {
    let place = desktop_box!(with_secrets());
    if place.exec("python3 /mnt/desktop_fuse.py /home/pt1").code() != 0 {
        skip!("no file systems of users (FUSE)");
    }
    let root = place.superuser();
    root.run(&["touch", "/tmp/ran"]).refuses(125, "'/home/pt1', could not be entered in time");
    root.run(&["--all", "touch", "/tmp/ran"])
        .refuses(1, "'/home/pt1', could not be entered in time");
    place.shell("[ ! -e /tmp/ran ]");
    assert_eq!(root.run(&["--same-directory", "pwd"]).succeeds().text(), "/\n");
}

/// The child has the rights of the user already when it goes to that user's home directory.
#[test]
fn a_home_that_ceases_to_answer_holds_up_nobody_who_has_set_a_limit() {
    let place = desktop_box!(with_secrets());
    // The first question is that of the trial.
    let mount = "umount -l /home/pt1 2>/dev/null; python3 /mnt/desktop_fuse.py /home/pt1 1";
    if place.exec(mount).code() != 0 {
        skip!("no file systems of users (FUSE)");
    }
    let root = place.superuser();
    // The child cannot end, but it has nothing of ours: no stream that somebody reads to its end, and
    // no lock.
    let outcome = |tool: &str| {
        let script = format!(
            "{mount} >/dev/null; (exec 9>/run/lock; flock -n 9; {tool} 2>&1 | cat; exit \
             ${{PIPESTATUS[0]}}); echo $?; flock -n /run/lock echo free"
        );
        root.exec(&script).text()
    };
    let late = outcome("with-gui-environment --timeout 0.5 true");
    assert!(late.contains("took too long") && late.ends_with("\n124\nfree\n"), "{late}");
    let late = outcome("with-gui-environment --all --timeout 0.5 true");
    assert!(late.contains("took too long") && late.ends_with("\n1\nfree\n"), "{late}");
    // Without a limit, a signal ends the wait.
    let ended = outcome("timeout --preserve-status 2 with-gui-environment --all true");
    assert_eq!(ended, "143\nfree\n");
}

/// Traces a process of this name, and never waits for it.
const TRACE: &str = "import ctypes, os, sys, time\n\
    libc = ctypes.CDLL(None)\n\
    while True:\n    \
        for pid in filter(str.isdigit, os.listdir('/proc')):\n        \
            try: name = open(f'/proc/{pid}/comm').read().strip()\n        \
            except OSError: continue\n        \
            if name == sys.argv[1] and libc.ptrace(0x4206, int(pid), 0, 0) == 0:\n            \
                open('/tmp/traced', 'w').close()\n            \
                time.sleep(1000)\n";

/// The end of a process that somebody traces is not its parent's before its tracer has seen it.
#[test]
fn a_user_who_traces_the_command_holds_up_nobody_who_has_set_a_limit() {
    let place = desktop_box!(with_secrets());
    std::fs::write(place.path("trace.py"), TRACE).expect("writing a script");
    place.shell("cp /usr/bin/sleep /mnt/bin/traced");
    for words in [&["--timeout", "2"][..], &["--all", "--timeout", "2"]] {
        place.shell("rm -f /tmp/traced");
        let tracer = place.user().start("python3 /mnt/trace.py traced");
        let outcome = place.superuser().run(&[words, &["/mnt/bin/traced", "1"]].concat());
        assert_eq!(outcome.code(), if words[0] == "--all" { 1 } else { 124 }, "{words:?}");
        assert!(place.root("/tmp/traced").exists(), "nothing was traced");
        place.end("KILL", tracer);
    }
}

/// The user can stop the child from the moment at which it has the user's rights.
#[test]
fn a_user_who_stops_every_process_holds_up_nobody() {
    let place = desktop_box!(with_secrets());
    let root = place.superuser();
    // Process ids are given in turn.
    root.start(
        "setpriv --reuid 7001 --regid 7001 --clear-groups \
         perl -e 'while (1) { kill STOP => $$ + 1 .. $$ + 200 }'",
    );
    let stopped = (0..15).filter(|_| match root.run(&["--timeout", "0.2", "true"]).code() {
        0 => false,
        code => {
            // The trial of the home directory can be stopped too.
            assert!([124, 125].contains(&code), "{code}");
            true
        }
    });
    // Each one that was stopped takes ten seconds.
    assert!(stopped.take(2).count() > 0, "the user has stopped nothing");
}

#[test]
fn a_command_that_goes_on_after_a_signal_is_ended() {
    let place = desktop_box!(with_secrets());
    let root = place.superuser();
    let script = "trap '' TERM INT; : >/tmp/ready; while :; do sleep 0.05; done";
    for (options, signals) in [("--all", &["INT", "INT"][..]), ("--timeout=50", &["TERM"])] {
        place.shell("rm -f /tmp/ready");
        let running = Running::start(root.tool(&[options, "sh", "-c", script]));
        soon("a command", || place.root("/tmp/ready").exists());
        let waiting = place.shell("pgrep -o -x with-gui-enviro");
        for signal in signals {
            place.kill(signal, waiting.trim());
            soon("a signal that was taken", || {
                let status = std::fs::read_to_string(
                    place.root(&format!("/proc/{}/status", waiting.trim())),
                );
                let pending = |line: &&str| line.starts_with("ShdPnd:");
                status.is_ok_and(|text| {
                    text.lines().find(pending).is_some_and(|line| line.ends_with("0000"))
                })
            });
        }
        running.finish().exits(if signals.len() == 2 { 130 } else { 143 });
    }
}

/// Real-time scheduling, a negative nice value, and protection when memory is short.
#[test]
fn privileges_of_processes_are_left_behind() {
    let place = desktop_box!(with_secrets());
    let root = place.superuser();
    let show = "with-gui-environment sh -c 'nice; cut -d\" \" -f1 /proc/self/oom_score_adj; \
                chrt -p $$ | head -1; ulimit -n; ulimit -c'";
    let shown = |before: &str| {
        let outcome = root.exec(&format!("ulimit -n 777; ulimit -c 0; {before} {show}"));
        outcome.exits(0).text()
    };
    let usual = |nice: &str, score: &str, text: &str| {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(nice), "{text}");
        assert_eq!(lines.next(), Some(score), "{text}");
        assert!(lines.next().is_some_and(|line| line.ends_with("SCHED_OTHER")), "{text}");
        // Limits stay, as with su(1).
        assert_eq!((lines.next(), lines.next()), (Some("777"), Some("0")), "{text}");
    };
    usual("0", "0", &shown("nice -n -5"));
    // What is less than usual stays: the caller wants it so.
    usual("7", "0", &shown("nice -n 7"));
    usual("0", "300", &shown("echo 300 >/proc/self/oom_score_adj;"));
    if root.exec("chrt -f 1 true").code() == 0 {
        usual("0", "0", &shown("chrt -f 1"));
    }
    if root.exec("echo -300 >/proc/self/oom_score_adj").code() == 0 {
        usual("0", "0", &shown("echo -300 >/proc/self/oom_score_adj;"));
    }
}

#[test]
fn a_runtime_directory_that_cannot_be_seen_is_named() {
    let place = desktop_box!(with_secrets());
    let user = place.user();
    let leader = user.program(&[]);
    place.login("5", &user, leader, &[]);
    for mount in ["mount -t tmpfs -o mode=000 none /run/user", "mount -t tmpfs none /run/user"] {
        let outcome = place.superuser().exec(&format!(
            "unshare --mount sh -c '{mount}; with-gui-environment --user pt1 true'"
        ));
        let errors = outcome.errors();
        assert!(outcome.code() == 1 && errors.contains("/run/user/7001"), "{}", outcome.report());
        assert!(errors.contains("ProtectHome="), "{}", outcome.report());
    }
}

/// A bus that announces a message of 2 MiB as its first answer.
const FLOOD: &str = "import os, socket, struct\n\
    server = socket.socket(socket.AF_UNIX)\n\
    server.bind('/run/user/7001/bus')\n\
    server.listen()\n\
    while True:\n    \
        client = server.accept()[0]\n    \
        if os.fork(): continue\n    \
        client.recv(1000)\n    \
        client.sendall(b'OK 1234\\r\\n')\n    \
        client.recv(1000)\n    \
        head = struct.pack('<cBBBIII', b'l', 2, 0, 1, 2 << 20, 1, 0)\n    \
        try:\n        \
            client.sendall(head)\n        \
            while True: client.sendall(b'x' * 65536)\n    \
        except OSError: os._exit(0)\n";

#[test]
fn a_bus_that_floods_us_is_left_at_once() {
    let place = desktop_box!(DesktopBox::needing(&["python3"]));
    let user = place.user();
    user.make_runtime();
    std::fs::write(place.path("flood.py"), FLOOD).expect("writing a script");
    user.start("python3 /mnt/flood.py");
    soon("a bus", || place.root("/run/user/7001/bus").exists());
    place.uninstall("notify-send");
    let began = Instant::now();
    place.superuser().notify(&["summary"]).refuses(1, "too long");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
