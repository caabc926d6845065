//! Notifications: a real message bus, with a service that records what arrives.

use serde_json::Value;

use super::super::support::command::finish;
use super::super::support::desktop::{DesktopBox, User};
use super::super::support::place::soon;
use super::super::support::running::Running;
use crate::desktop_box;

/// Makes a box with a user whose notifications are recorded in a file.
fn recorded(answer: &str) -> Result<(DesktopBox, String), String> {
    let place = DesktopBox::recording()?;
    place.user().start_bus();
    let file = place.user().record(answer);
    Ok((place, file))
}

/// Returns the latest record.
#[track_caller]
fn last(place: &DesktopBox, file: &str) -> Value {
    place
        .recorded(file)
        .into_iter()
        .rfind(|record| record["summary"].is_string())
        .expect("finding a notification")
}

/// Removes the fields about the sender, which differ between two runs.
fn without_sender(mut record: Value) -> Value {
    if let Some(hints) = record["hints"].as_object_mut() {
        let pid = hints.remove("sender-pid").unwrap_or_default();
        assert!(pid.as_str().is_some_and(|pid| pid.starts_with("int64 ")), "sender-pid: {pid}");
    }
    record
}

/// Arguments that notify-send accepts.
const CALLS: &[&[&str]] = &[
    &["summary"],
    &["summary", "body"],
    &["-u", "low", "summary"],
    &["-u", "normal", "-t", "5000", "summary", "body"],
    &["--urgency=critical", "--expire-time=0", "summary", "body"],
    &["-a", "backup", "-i", "dialog-warning", "-c", "device.error,im", "summary", "body"],
    &["--app-name=a b", "--icon=/usr/share/icons/x.png", "--category=x", "summary", "body"],
    &[
        "-h",
        "string:x-one:a:b",
        "-h",
        "int:x-two:5",
        "-h",
        "byte:x-three:7",
        "-h",
        "double:x-four:1.5",
        "summary",
    ],
    &[
        "--hint=boolean:x-five:true",
        "--hint=BOOLEAN:x-six:false",
        "--hint=STRING:x-seven:ü",
        "summary",
    ],
    &["-e", "summary"],
    &["--transient", "-r", "17", "summary"],
    &["--replace-id=18", "summary", "body"],
    &["Größe 数 🎉 e\u{301}", "<b>fett</b> &amp; <i>kursiv</i> <a href=\"x\">é</a> & <"],
    &["summary", ""],
    &["$(touch /tmp/lured) `id` \"'\\", "two\nlines\tand a tab"],
    &["summary", "escapes: a\\nb\\tc\\\\d\\101"],
    &["summary\\nnot", "body"],
    &["-i", "", "-c", "", "summary"],
    &["--", "--summary", "-body"],
    &["summary", "-u", "low", "body", "-t", "7"],
    &["-h", "string:desktop-entry:org.example", "-h", "string:sound-name:x", "summary"],
    &["-u", "critical", "-h", "byte:urgency:0", "summary"],
    &["-tabc", "summary"],
    &["-t", "-5", "summary"],
    &["-h", "int:value:2147483647", "summary"],
    &["-h", "int:x:5abc", "-h", "int:y:010", "-h", "double:z:1.5x", "summary"],
    &["-h", "boolean:a:2", "-h", "boolean:b:xyz", "-h", "boolean:c:TRUE", "-h", "boolean:d:0", "s"],
    &["-h", "boolean:a:", "-h", "boolean:b:yes", "-h", "boolean:c:00", "summary"],
    &["-t", "010", "-r", "0x10", "summary"],
    &["-h", "variant:a:5", "-h", "variant:b:uint32 7", "-h", "variant:c:'x:y'", "summary"],
    &["-h", "variant:a:['b', \"c\"]", "-h", "variant:b:(1, true, 'x')", "summary"],
    &["-h", "variant:a:{'k': <int64 -3>}", "-h", "variant:b:@as []", "summary"],
    &["-h", "variant:a:[byte 1, 0xff]", "-h", "variant:b:double 3", "-h", "variant:c:010", "s"],
    &["-h", "variant:a:b'ab'", "-h", "variant:b:[1, 2.5]", "-h", "variant:c:true", "summary"],
    &["-h", "variant:a:@(yas) (1, [])", "-h", "variant:b:<'x'>", "-h", "variant:c:-7", "summary"],
    &["-h", "variant:a:'\\u00e9\\n'", "-h", "variant:b:objectpath '/a'", "summary"],
];

#[test]
fn what_the_user_and_the_superuser_send_arrives_as_with_notify_send() {
    let (place, file) = desktop_box!(recorded(""));
    let user = place.user();
    let bus = format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus());
    let inside = [&bus[..]];
    for words in CALLS {
        let plain = finish(user.with(&inside).command(&[&["notify-send"], *words].concat()));
        let mut expected = place.recorded(&file);
        for caller in [user, place.superuser()] {
            let outcome = caller.notify(words);
            assert_eq!(
                (outcome.code(), &outcome.stderr),
                (plain.code(), &plain.stderr),
                "{words:?}\n{}",
                outcome.report()
            );
            let mut arrived = place.recorded(&file);
            if plain.code() == 0 {
                assert_eq!(arrived.len(), expected.len() + 1, "{words:?}");
                let record = arrived.pop().expect("finding a record");
                assert_eq!(record["sender"], 7001);
                assert_eq!(
                    without_sender(record.clone()),
                    without_sender(expected[expected.len() - 1].clone()),
                    "{words:?}"
                );
                expected.push(record);
            } else {
                assert_eq!(arrived.len(), expected.len(), "{words:?}");
            }
        }
    }
    place.shell("[ ! -e /tmp/lured ]");
}

#[test]
fn without_notify_send_the_same_arrives() {
    let (place, file) = desktop_box!(recorded(""));
    let user = place.user();
    let mut with = Vec::new();
    for words in CALLS {
        let code = user.notify(words).code();
        with.push((code == 0).then(|| without_sender(last(&place, &file))));
    }
    place.uninstall("notify-send");
    let mut different = Vec::new();
    for (words, expected) in CALLS.iter().zip(&with) {
        for caller in [user, place.superuser()] {
            let before = place.recorded(&file).len();
            let outcome = caller.notify(words);
            let arrived = place.recorded(&file).split_off(before);
            let arrived: Vec<Value> = arrived.into_iter().map(without_sender).collect();
            let is_plain =
                outcome.stdout.is_empty() && (outcome.code() == 0) == outcome.stderr.is_empty();
            if !is_plain || arrived != expected.iter().cloned().collect::<Vec<_>>() {
                different.push(format!(
                    "{}arrived: {arrived:#?}\nexpected: {expected:#?}",
                    outcome.report()
                ));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Checks that without notify-send, the option is refused in one line, and nothing arrives.
#[track_caller]
fn is_refused(place: &DesktopBox, file: &str, words: &[&str]) {
    for caller in [place.user(), place.superuser()] {
        let outcome = caller.notify(words);
        assert!([1, 2].contains(&outcome.code()), "{words:?}\n{}", outcome.report());
        assert!(
            outcome.stdout.is_empty() && outcome.errors().lines().count() == 1,
            "{words:?}\n{}",
            outcome.report()
        );
        assert!(place.recorded(file).is_empty(), "{words:?}");
    }
}

#[test]
fn without_notify_send_wrong_usage_is_told() {
    let (place, file) = desktop_box!(recorded(""));
    place.uninstall("notify-send");
    for words in [
        &[][..],
        &["one", "two", "three"],
        &["-u", "none", "summary"],
        &["--none", "summary"],
        &["-x", "summary"],
        &["-u"],
        &["-h", "int:x:y", "summary"],
        &["-h", "x", "summary"],
        &["-h", "variant:x:y", "summary"],
        &["-h", "variant:x:[]", "summary"],
        &["-h", "byte:x:256", "summary"],
        &["-t", "soon", "summary"],
        &["-r", "x", "summary"],
        &["Temp", "-5"],
    ] {
        is_refused(&place, &file, words);
    }
    let outcome = place.user().notify(&["Temp", "-5"]).exits(2);
    assert!(!outcome.errors().contains("signal"), "{}", outcome.report());
}

#[test]
fn a_number_is_printed_when_asked_for_with_and_without_notify_send() {
    let (place, _) = desktop_box!(recorded(""));
    for (number, caller) in [("42\n", place.user()), ("44\n", place.superuser())] {
        caller.notify(&["-p", "summary"]).succeeds().prints(number);
    }
    place.uninstall("notify-send");
    for (number, caller) in [("46\n", place.user()), ("48\n", place.superuser())] {
        caller.notify(&["--print-id", "summary"]).succeeds().prints(number);
    }
}

#[test]
fn actions_arrive_and_what_was_chosen_is_printed_with_and_without_notify_send() {
    let (place, file) = desktop_box!(recorded("later"));
    let mut seen = Vec::new();
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [place.user(), place.superuser()] {
            let words = [
                "-A",
                " now = Do it now",
                "-A",
                "later=Möglichst später ",
                "-A",
                " Plain",
                "summary",
            ];
            caller.notify(&words).succeeds().prints("later\n");
            seen.push(without_sender(last(&place, &file)));
        }
    }
    assert_eq!(
        seen[0]["actions"],
        serde_json::json!(["now", "Do it now", "later", "Möglichst später", "2", "Plain"])
    );
    assert!(seen.iter().all(|record| *record == seen[0]), "{seen:#?}");
}

#[test]
fn waiting_ends_when_the_notification_is_closed_with_and_without_notify_send() {
    let (place, _) = desktop_box!(recorded("close"));
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [place.user(), place.superuser()] {
            caller.notify(&["--wait", "summary"]).succeeds().prints("");
        }
    }
}

#[test]
fn waiting_without_notify_send_ends_when_the_time_is_over() {
    let (place, file) = desktop_box!(recorded(""));
    place.uninstall("notify-send");
    for caller in [place.user(), place.superuser()] {
        let outcome = caller.notify(&["-w", "-t", "300", "summary"]).exits(0).prints("");
        outcome.says("the time to wait is over");
        // The notification is closed when the wait has ended.
        let closed = place.recorded(&file).pop().expect("finding a record");
        assert!(closed["closed"].is_number(), "{closed}");
    }
}

/// Of notify-send, which runs apart, the superuser sees what it says, and whether that was read.
#[test]
fn what_notify_send_says_to_the_superuser_is_passed_on() {
    let place = desktop_box!(DesktopBox::needing(&["script", "python3"]));
    let root = place.superuser();
    place.user().start_bus();
    place.uninstall("notify-send");
    place
        .program("/usr/bin/notify-send", "#!/bin/sh\nprintf 'a\\033[2Jb\\n\\302\\2331m'; exit 4\n");
    let exact = root.notify(&["summary"]).exits(4);
    assert_eq!(exact.stdout, b"a\x1b[2Jb\n\xc2\x9b1m");
    let shown = root.exec("script -qec 'notify-send-headless summary' /dev/null </dev/null").text();
    assert!(!shown.contains(['\x1b', '\u{9b}']), "{shown:?}");
    assert!(shown.contains("a\\x1b[2Jb"), "{shown:?}");
    root.exec("notify-send-headless summary >/dev/full").refuses(3, "cannot pass on an output");
    place.uninstall("notify-send");
    place.user().record("");
    root.exec("notify-send-headless -p summary >/dev/full").refuses(3, "cannot pass on an output");
}

/// notify-send closes what it waits for at Ctrl-C. As another user it is not reached by the keyboard.
#[test]
fn an_interrupt_from_the_keyboard_closes_what_the_superuser_waits_for() {
    let (place, file) = desktop_box!(recorded(""));
    let script = "import os, pty, sys, time\n\
        pid, terminal = pty.fork()\n\
        if pid == 0: os.execvp('notify-send-headless', ['notify-send-headless', '-w', 'summary'])\n\
        while '\"summary\"' not in open(sys.argv[1]).read(): time.sleep(0.01)\n\
        name = sys.argv[2]\n\
        while os.system(f\"grep -l ^SigCgt:.*[2367abef]$ /proc/$(pgrep -n -x {name})/status >/dev/null 2>&1\"): \
        time.sleep(0.01)\n\
        os.write(terminal, b'\\x03')\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    std::fs::write(place.path("keyboard.py"), script).expect("writing a script");
    for caller in [place.user(), place.superuser()] {
        place.shell(&format!(": >{file}"));
        caller.exec(&format!("python3 /mnt/keyboard.py {file} notify-send")).exits(0);
        assert!(place.recorded(&file).iter().any(|record| record["closed"].is_number()));
    }
}

/// Showing may take 25 seconds, but what was shown is closed soon, or not at all.
#[test]
fn a_service_that_does_not_close_what_it_shows_holds_nobody_up() {
    let (place, file) = desktop_box!(recorded("keep"));
    place.uninstall("notify-send");
    for caller in [place.user(), place.superuser()] {
        let script = "timeout -s KILL 20 notify-send-headless -w -t 300 summary";
        caller.exec(script).refuses(1, "not what became of it");
        let (running, own) = waiting(&place, caller, &file, "notify-send-hea");
        place.kill("INT", own);
        running.finish().refuses(1, "not what became of it");
    }
}

#[test]
fn waiting_without_notify_send_goes_on_until_the_service_ends() {
    let (place, file) = desktop_box!(recorded(""));
    place.uninstall("notify-send");
    let user = place.user();
    let run = Running::start(user.command(&["notify-send-headless", "--wait", "-p", "summary"]));
    soon("the notification", || place.recorded(&file).len() == 1);
    let bus = place
        .processes()
        .into_iter()
        .find(|seen| seen.name == "dbus-daemon")
        .expect("finding a bus");
    assert!(!place.of_the_program().is_empty());
    place.end("KILL", bus.pid);
    let outcome = run.finish();
    assert!(outcome.code() != 0 && outcome.errors().lines().count() == 1, "{}", outcome.report());
}

#[test]
fn help_and_version_are_those_of_notify_send_and_need_no_session() {
    let place = desktop_box!(DesktopBox::recording());
    for caller in [place.user(), place.superuser()] {
        for question in ["--help", "-?", "--help-all", "--version", "-v"] {
            let plain = finish(caller.command(&["notify-send", question]));
            let outcome = caller.notify(&[question]).exits(plain.code());
            let (text, plain) = (outcome.text(), plain.text());
            let added = text.strip_prefix(&*plain).expect("finding the answer of notify-send");
            let is_help = !["--version", "-v"].contains(&question);
            let names = ["PROCTOOL_USER", "PROCTOOL_SESSION"];
            assert!(names.iter().all(|name| added.contains(name) == is_help), "{text}");
        }
    }
    place.uninstall("notify-send");
    for caller in [place.user(), place.superuser()] {
        for question in ["--help", "-?", "--help-all"] {
            let text = caller.notify(&[question]).succeeds().text();
            for word in ["--urgency", "--replace-id", "PROCTOOL_USER", "PROCTOOL_SESSION"] {
                assert!(text.contains(word), "{text}");
            }
        }
        for question in ["--version", "-v"] {
            assert_eq!(caller.notify(&[question]).succeeds().lines().len(), 1);
        }
    }
}

#[test]
fn nobody_to_notify_is_a_line() {
    let place = desktop_box!(DesktopBox::recording());
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [place.user(), place.superuser()] {
            for words in
                [&["summary"][..], &["--help", "body"], &["-u", "critical", "summary", "body"]]
            {
                caller.notify(words).refuses(1, "nobody is logged in graphically");
            }
        }
    }
}

#[test]
fn a_bus_without_a_service_is_a_line() {
    let place = desktop_box!(DesktopBox::recording());
    let user = place.user();
    user.start_bus();
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [user, place.superuser()] {
            let outcome = caller.notify(&["summary"]).exits(1);
            assert!(
                outcome.stdout.is_empty() && outcome.errors().lines().count() == 1,
                "{}",
                outcome.report()
            );
            assert!(
                outcome.errors().contains("org.freedesktop.Notifications"),
                "{}",
                outcome.report()
            );
        }
    }
}

#[test]
fn a_service_that_refuses_is_a_line() {
    let (place, file) = desktop_box!(recorded("refuse"));
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [place.user(), place.superuser()] {
            caller.notify(&["summary"]).refuses(1, "the wall is full");
        }
    }
    assert_eq!(place.recorded(&file).len(), 4);
}

#[test]
fn a_service_that_ends_without_an_answer_is_a_line() {
    let (place, file) = desktop_box!(recorded("silence"));
    place.uninstall("notify-send");
    let run = Running::start(place.user().command(&["notify-send-headless", "summary"]));
    soon("the notification", || place.recorded(&file).len() == 1);
    let recorder = place
        .processes()
        .into_iter()
        .find(|seen| seen.name == "python3")
        .expect("finding a recorder");
    place.end("KILL", recorder.pid);
    let outcome = run.finish().exits(1);
    assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
}

#[test]
fn a_session_whose_bus_is_dead_is_a_line() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info", "notify-send"]));
    let user = place.user();
    user.start_weston("wayland-1");
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [user, place.superuser()] {
            caller.notify(&["summary"]).refuses(1, "bus");
        }
    }
}

#[test]
fn who_is_notified_is_chosen_by_the_environment() {
    let (place, file) = desktop_box!(recorded(""));
    let other = place.other();
    other.start_bus();
    let others = other.record("");
    let root = place.superuser();
    let counts = |expected: (usize, usize)| {
        assert_eq!((place.recorded(&file).len(), place.recorded(&others).len()), expected);
    };
    let outcome = root.notify(&["summary"]).refuses(1, "pt1");
    let errors = outcome.errors();
    assert!(errors.contains("pt2") && errors.contains("PROCTOOL_USER"), "{}", outcome.report());
    counts((0, 0));
    root.with(&["PROCTOOL_USER=pt2"]).notify(&["summary"]).succeeds();
    counts((0, 1));
    root.with(&["PROCTOOL_USER=7001"]).notify(&["summary"]).succeeds();
    counts((1, 1));
    root.with(&["PROCTOOL_USER=none"]).notify(&["summary"]).refuses(1, "'none'");
    root.with(&["PROCTOOL_SESSION=5"]).notify(&["summary"]).refuses(1, "'5'");
    place.user().with(&["PROCTOOL_USER=pt2"]).notify(&["summary"]).refuses(1, "not yours");
    place.user().with(&["PROCTOOL_USER=", "PROCTOOL_SESSION="]).notify(&["summary"]).succeeds();
    counts((2, 1));
    place.login("5", &other, other.program(&[]), &[]);
    root.with(&["PROCTOOL_SESSION=5"]).notify(&["summary"]).succeeds();
    root.with(&["PROCTOOL_SESSION=5", "PROCTOOL_USER="]).notify(&["summary"]).succeeds();
    root.with(&["PROCTOOL_SESSION=5", "PROCTOOL_USER=pt1"]).notify(&["summary"]).refuses(1, "pt1");
    place.user().with(&["PROCTOOL_SESSION=5"]).notify(&["summary"]).refuses(1, "not yours");
    counts((2, 3));
}

#[test]
fn a_user_is_notified_from_an_empty_environment() {
    let (place, file) = desktop_box!(recorded(""));
    let user = place.user();
    user.exec("env -i PATH=/usr/bin:/bin /mnt/bin/notify-send-headless summary body").succeeds();
    user.exec("env -i /mnt/bin/proctool notify-send-headless summary body").succeeds();
    assert_eq!(place.recorded(&file).len(), 2);
    // The same holds from inside the session, with an older environment.
    let bus = format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus());
    user.with(&[&bus, "DISPLAY=:9"]).notify(&["summary"]).succeeds();
    user.with(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/none", "DISPLAY=:9"])
        .notify(&["summary"])
        .succeeds();
    assert_eq!(place.recorded(&file).len(), 4);
}

#[test]
fn a_bus_elsewhere_is_reached_with_and_without_notify_send() {
    let place = desktop_box!(DesktopBox::recording());
    let user = place.user();
    user.start_bus();
    user.start_bus_at("unix:abstract=/tmp/dbus-x");
    let file = user.record_at("unix:abstract=/tmp/dbus-x", "");
    user.program(&[
        "DBUS_SESSION_BUS_ADDRESS=unix:abstract=/tmp/dbus-x,guid=00112233445566778899aabbccddeeff",
    ]);
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [user, place.superuser()] {
            caller.notify(&["summary"]).succeeds();
        }
    }
    assert_eq!(place.recorded(&file).len(), 4);
}

#[test]
fn bytes_that_are_not_utf8_are_refused_or_mended_without_notify_send() {
    let (place, file) = desktop_box!(recorded(""));
    place.uninstall("notify-send");
    for caller in [place.user(), place.superuser()] {
        // There is no way to say them on a bus, and one of them would end the connection.
        let outcome =
            caller.exec("notify-send-headless \"$(printf 'a\\377b')\" \"$(printf '\\376')\"");
        let arrived = place.recorded(&file).len();
        let (code, lines) = (outcome.code(), outcome.errors().lines().count());
        let is_refused = [1, 2].contains(&code) && lines == 1 && arrived == 0;
        assert!(is_refused || code == 0 && lines == 0 && arrived > 0, "{}", outcome.report());
    }
}

#[test]
fn long_texts_arrive_with_and_without_notify_send() {
    let (place, file) = desktop_box!(recorded(""));
    let body = "é<b>&".repeat(12_000);
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [place.user(), place.superuser()] {
            caller.notify(&["summary", &body]).succeeds();
            assert!(last(&place, &file)["body"] == body.as_str(), "{is_installed}");
        }
    }
}

#[test]
fn what_the_superuser_sends_is_sent_by_the_user() {
    let (place, file) = desktop_box!(recorded(""));
    place.uninstall("notify-send");
    // The bus lets no other user in, and the user id of the process is the user's.
    let root = place.superuser();
    root.notify(&["summary"]).succeeds();
    assert_eq!(last(&place, &file)["sender"], 7001);
    let run = Running::start(root.command(&["notify-send-headless", "--wait", "summary"]));
    soon("the notification", || place.recorded(&file).len() == 2);
    // The one that waits for the other stays the superuser: the user cannot stop it.
    let [waiting, seen] = &place.of_the_program()[..] else {
        panic!("{:?}", place.of_the_program())
    };
    assert_eq!(seen.parent, waiting.pid);
    let uid = |pid: u32| place.shell(&format!("grep ^Uid /proc/{pid}/status"));
    assert_eq!(uid(waiting.pid), "Uid:\t0\t0\t0\t0");
    assert_ne!(place.user().exec(&format!("kill -STOP {}", waiting.pid)).code(), 0);
    let status = place
        .shell(&format!("grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/{}/status", seen.pid));
    let groups = status
        .lines()
        .find(|line| line.starts_with("Groups"))
        .expect("finding groups")
        .trim_end()
        .to_owned();
    let status = status.replace(&groups, "");
    assert!(!groups.contains(" 0 ") && groups.contains("7101"), "{groups}");
    assert!(
        status.contains("Uid:\t7001\t7001\t7001\t7001")
            && status.contains("CapEff:\t0000000000000000"),
        "{status}"
    );
    place.end("TERM", seen.pid);
    assert_eq!(run.finish().code(), 143);
}

#[test]
fn the_options_of_notify_send_are_not_ours() {
    let (place, file) = desktop_box!(recorded(""));
    let user = place.user();
    for words in [
        &["--user", "pt2", "summary"][..],
        &["--session=5", "summary"],
        &["--list"],
        &["-q", "summary"],
    ] {
        let plain = finish(user.command(&[&["notify-send"], words].concat()));
        let outcome = user.notify(words);
        assert_eq!((outcome.code(), &outcome.stderr), (plain.code(), &plain.stderr), "{words:?}");
    }
    assert!(place.recorded(&file).is_empty());
}

#[test]
fn a_bus_that_lets_in_only_us_does_not_hold_up_notify_send() {
    let place = desktop_box!(DesktopBox::needing(&["notify-send", "python3"]));
    let user = place.user();
    user.make_runtime();
    user.listen("stuck", "/tmp/log", "/run/user/7001/bus");
    place.superuser().notify(&["summary"]).refuses(1, "the message bus does not go on");
    let left: Vec<_> =
        place.processes().into_iter().filter(|seen| seen.name == "notify-send").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn questions_beside_other_words_are_answered_without_notify_send() {
    let (place, file) = desktop_box!(recorded(""));
    place.uninstall("notify-send");
    for (words, answer) in [(["--help", "body"], "--urgency"), (["-v", "summary"], "proctool ")] {
        let outcome = place.user().notify(&words).succeeds();
        assert!(outcome.text().contains(answer), "{}", outcome.report());
    }
    // A missing service cannot lack actions that were not asked for.
    place.user().notify(&["-A", "=x", "summary"]).succeeds();
    assert_eq!(place.recorded(&file).len(), 1);
}

#[test]
fn a_signal_ends_the_wait_for_a_service_without_notify_send() {
    let (place, file) = desktop_box!(recorded("silence"));
    place.uninstall("notify-send");
    for (options, signal, status) in [("", "TERM", 143), ("--wait", "INT", 130)] {
        for caller in [place.user(), place.superuser()] {
            let before = place.recorded(&file).len();
            let script = format!("echo $$ >/tmp/own; exec notify-send-headless {options} summary");
            let running = Running::start(caller.command(&["sh", "-c", &script]));
            soon("a notification", || place.recorded(&file).len() > before);
            let own: u32 = place.shell("cat /tmp/own").parse().expect("parsing a pid");
            place.kill(signal, own);
            running.finish().exits(status);
            place.shell("rm /tmp/own");
        }
    }
}

/// Starts a notification that is waited for, until signals to it are caught. Returns the pid.
#[track_caller]
fn waiting(place: &DesktopBox, caller: User<'_>, file: &str, program: &str) -> (Running, u32) {
    let before = place.recorded(file).len();
    let script = "echo $$ >/tmp/own; exec notify-send-headless --wait summary";
    place.shell("rm -f /tmp/own");
    let running = Running::start(caller.command(&["sh", "-c", script]));
    soon("a notification", || place.recorded(file).len() > before);
    soon("a program that catches signals", || {
        let is_ready = |pid: u32| {
            // SigCgt of a handler, or SigBlk of a signalfd.
            let mask = "sed -n 's/^Sig[CB][gl][tk]:.//p'";
            let masks = place.shell(&format!("{mask} /proc/{pid}/status 2>/dev/null || true"));
            masks.lines().any(|mask| u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 2 != 0))
        };
        place.processes().iter().any(|seen| seen.name == program && is_ready(seen.pid))
    });
    let own = place.shell("cat /tmp/own").parse().expect("parsing a pid");
    (running, own)
}

/// As Ctrl-C does where notify-send runs in a terminal.
#[test]
fn an_interrupt_closes_what_is_waited_for_with_and_without_notify_send() {
    let (place, file) = desktop_box!(recorded(""));
    for program in ["notify-send", "notify-send-hea"] {
        if program != "notify-send" {
            place.uninstall("notify-send");
        }
        for caller in [place.user(), place.superuser()] {
            let before = place.recorded(&file).len();
            let (running, own) = waiting(&place, caller, &file, program);
            place.kill("INT", own);
            running.finish().exits(0);
            let records = place.recorded(&file).split_off(before);
            assert!(records.iter().any(|record| record["closed"].is_number()), "{records:?}");
        }
    }
    // Another signal ends the wait, and the notification stays.
    for caller in [place.user(), place.superuser()] {
        let before = place.recorded(&file).len();
        let (running, own) = waiting(&place, caller, &file, "notify-send-hea");
        place.kill("TERM", own);
        running.finish().exits(143);
        assert_eq!(place.recorded(&file).len(), before + 1);
    }
}

/// Since libnotify 0.8.4 there may be none, and its next version has another icon.
#[test]
fn what_later_versions_of_notify_send_have_arrives_without_it() {
    let (place, file) = desktop_box!(recorded("later"));
    place.uninstall("notify-send");
    for caller in [place.user(), place.superuser()] {
        caller.notify(&["", "body"]).succeeds();
        assert_eq!(last(&place, &file)["summary"], "");
        caller.notify(&["-n", "application", "-i", "own", "summary"]).succeeds();
        let record = last(&place, &file);
        assert_eq!(record["app_icon"], "application", "{record}");
        assert_eq!(record["hints"]["image-path"], "'own'", "{record}");
    }
    let script = "notify-send-headless --id-fd 5 --selected-action-fd 6 --activation-token-fd 7 \
                  -A later=Later summary 5>/tmp/id 6>/tmp/action 7>/tmp/token";
    place.user().shell(script);
    assert!(!place.shell("cat /tmp/id").is_empty());
    assert_eq!(place.shell("cat /tmp/action"), "later");
    assert_eq!(place.shell("wc -l </tmp/token"), "1");
    // Another user gets no descriptor of the superuser's.
    let before = place.recorded(&file).len();
    for option in ["--id-fd", "--selected-action-fd", "--activation-token-fd"] {
        place.superuser().notify(&[option, "2", "summary"]).refuses(2, option);
    }
    place.user().notify(&["--id-fd", "99", "summary"]).refuses(2, "--id-fd 99");
    assert_eq!(place.recorded(&file).len(), before);
    // A pipe too, which nobody can open again.
    let id = place.user().shell("notify-send-headless --id-fd 5 summary 5>&1 | cat");
    assert!(id.parse::<u32>().is_ok(), "{id}");
}

#[test]
fn a_notify_send_without_a_first_line_is_run_by_the_shell() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.program("notify-send", "echo \"$@\" >/tmp/words\n");
    for words in ["summary", "-w summary"] {
        user.notify(&words.split(' ').collect::<Vec<_>>()).succeeds();
        assert_eq!(place.shell("cat /tmp/words"), words);
    }
}
