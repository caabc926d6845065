//! The choice of targets: processes that are meant, and those that are refused.

use super::*;

#[test]
fn no_number_is_a_target_by_mistake() {
    let target = Program::new("unharmed").start();
    let other = Program::new("neither").start();
    let (pid, other_pid) = (&*target.pid().to_string(), &*other.pid().to_string());
    for (words, why) in [
        (&["-n", other_pid, pid][..], "-n beside process ids"),
        (&["-q", other_pid, "--signal", "USR1", pid], "-q beside process ids"),
        (&["-q", pid], "--quiet is written in full"),
        (&["-o", pid], "-o beside process ids"),
        (&["-s", "1", pid], "-s beside process ids"),
        (&["-qn", pid], "-n beside process ids"),
        (&["--exe", "neither", pid, "-n"], "-n beside process ids"),
        (&["--", "-1234"], "a process group with --pgroup 1234"),
        (&["-0", pid], "signal 0 sends nothing"),
    ] {
        for applet in ["kill", "terminate", "suspend", "resume"] {
            run(&[&[applet], words].concat()).refuses(2, why);
        }
    }
    lives(&target);
    lives(&other);
}

#[test]
fn processes_of_others_are_not_permitted() {
    let script = r#"
        # In another session: CONT is permitted to everybody in the same one.
        setsid sleep 100 & root=$!
        own sleep 100; own=$!
        for applet in suspend resume terminate kill; do
            nobody $applet --json $root | grep -o '"outcome":"[a-z ]*"'
            echo "status ${PIPESTATUS[0]}"
        done
        for applet in suspend terminate kill; do
            nobody $applet --dry-run --json $root | grep -o '"outcome":"[a-z ]*"'
            echo "status ${PIPESTATUS[0]}"
        done
        nobody terminate $root 2>&1 | sed "s/$root/ROOT/"
        nobody terminate --json $root $own | grep -o '"outcome":"[a-z ]*"' | sort
        echo "status ${PIPESTATUS[0]}"
        read -r line < /proc/$root/stat; line=${line##*) }; echo "state ${line%% *}""#;
    let Some(outcome) = inside_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let refused = ["\"outcome\":\"not permitted\"", "status 1"];
    let message = "proctool terminate: process ROOT (sleep): not permitted: it belongs to root: \
    try as root or as that user";
    let mixed =
        [message, "\"outcome\":\"ended\"", "\"outcome\":\"not permitted\"", "status 64", "state S"];
    says(outcome, &[&refused.repeat(7)[..], &mixed].concat());
}

#[test]
fn threads_of_the_kernel_are_refused_whatever_is_allowed() {
    const KERNEL_THREAD: u64 = 0x20_0000;
    let path = Path::new("/proc/2/stat");
    let flags = if path.exists() { fields(path)[6].parse().unwrap_or(0) } else { 0 };
    if flags & KERNEL_THREAD == 0 {
        skip!("process 2 is no thread of the kernel here");
    }
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in [&[][..], &["--force"], &["--tree", "--force"]] {
            let words = [&[applet, "2"], options].concat();
            run(&words).refuses(1, "process 2 (kthreadd): refused: it is a thread of the kernel");
        }
    }
}

#[test]
fn numbers_of_nobody_are_told_from_what_is_no_number() {
    for applet in ["suspend", "resume", "terminate", "kill"] {
        run(&[applet, "4194303"])
            .refuses(1, "process 4194303: gone before: there is no such process");
        for bad in ["4194304", "0", "-1", "x", "12:", "12:x", ":5", "99999999999999999999", ""] {
            run(&[applet, bad]).refuses(2, &format!("proctool {applet}: "));
        }
    }
    run(&["terminate", "x"]).refuses(2, "--exe x");
}

#[test]
fn nobody_is_signalled_when_one_word_is_wrong() {
    let target = Program::new("unharmed").start();
    on(&target, "kill", &["x"]).refuses(2, "'x'");
    on(&target, "kill", &["--exe", ""]).exits(2).prints("");
    lives(&target);
}

#[test]
fn one_process_that_is_named_twice_is_one_target() {
    let target = Program::new("twice").start();
    let pid = &target.pid().to_string();
    let outcome = run(&["terminate", "--json", pid, pid]).succeeds();
    assert_eq!(fates(&outcome), BTreeMap::from([(u64::from(target.pid()), "ended".to_owned())]));
    row(&outcome);
}

#[test]
fn one_process_that_is_named_by_number_and_by_identity_is_one_target() {
    let target = Program::new("twice").start();
    let Some(id) = identity(target.pid()) else { skip!("this kernel gives processes no ids") };
    let outcome = run(&["terminate", "--json", &target.pid().to_string(), &id]).succeeds();
    assert_eq!(row(&outcome)["outcome"], "ended");
}

#[test]
fn our_own_ancestors_are_refused() {
    let own = id().to_string();
    for applet in ["suspend", "resume", "terminate", "kill"] {
        run(&[applet, &own]).refuses(1, "refused: this command runs below it: --force allows it");
        run(&[applet, "--tree", &own]).refuses(1, "refused: this command runs below it");
    }
    run(&["terminate", "1"]).refuses(1, "refused: it is the first process");
}

#[test]
fn the_first_process_and_ancestors_are_refused_unless_forced() {
    let script = r#"
        "$P" terminate 1 2>&1
        echo "status $?"
        bash -c 'parent=$$ bash -c "\"\$P\" terminate \$parent \$\$; echo \"status \$?\""; :' 2>&1 |
            sed 's/process [0-9]*/process N/'
        bash -c 'trap "echo handled; exit 5" TERM; "$P" terminate --force --no-wait --quiet $$; :'
        echo "status $?""#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let first =
        "(bash): refused: it is the first process, and all others depend on it: --force allows it";
    let ancestor = "proctool terminate: process N (bash): refused: this command runs below it: \
    --force allows it";
    let lines = [
        &format!("proctool terminate: process 1 {first}"),
        "status 1",
        ancestor,
        ancestor,
        "status 1",
        "handled",
        "status 5",
    ];
    says(outcome, &lines);
}

#[test]
fn this_very_command_is_refused_unless_forced() {
    let itself = |words: &str| {
        let mut command = clean("sh");
        command.args(["-c", &format!("exec \"$0\" {words} $$"), PROCTOOL]);
        finish(command)
    };
    for applet in ["suspend", "resume", "terminate", "kill"] {
        itself(applet).refuses(1, "refused: it is this very command: --force allows it");
    }
    itself("kill --force").exits(128 + 9);
    itself("terminate --force").exits(128 + 15);
}

#[test]
fn an_identity_never_means_a_later_process_of_that_number() {
    let target = Program::new("later").start();
    let Some(right) = identity(target.pid()) else { skip!("this kernel gives processes no ids") };
    let (pid, inode) = right.split_once(':').expect("finding a colon");
    let wrong = format!("{pid}:{}", inode.parse::<u64>().expect("parsing an inode") - 1);
    // A process that was to exit has done so; a process that was to stop has not.
    for (applet, code) in [("terminate", 0), ("kill", 0), ("suspend", 1), ("resume", 1)] {
        let outcome = run(&[applet, "--json", &wrong]).exits(code);
        assert_eq!(row(&outcome)["outcome"], "gone before", "{}", outcome.report());
    }
    run(&["suspend", &wrong]).refuses(1, &format!("process {pid}: gone before: it has ended"));
    assert!(!thread_states(&target).contains('T'));
    lives(&target);
    let outcome = run(&["terminate", "--json", &right]).succeeds();
    assert_eq!((&row(&outcome)["outcome"], &row(&outcome)["id"]), (&"ended".into(), &right.into()));
}

#[test]
fn conditions_hold_for_process_ids_too() {
    let (program, other) = (Program::new("meant"), Program::new("other"));
    let target = program.start();
    let conditions = [
        &["--exe", &*other.name][..],
        &["--pattern", "nosuch"],
        &["--exe", &program.name, "--runstates", "Z"],
    ];
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in conditions {
            becomes(&target, applet, options, 1, "no match");
        }
    }
    on(&target, "terminate", &["--exe", &other.name])
        .refuses(1, "no match: it does not meet the conditions");
    lives(&target);
    let stranger = other.start();
    let both = [&*target.pid().to_string(), &stranger.pid().to_string(), "--exe", &program.name];
    let outcome = run(&[&["terminate", "--json"][..], &both].concat()).exits(64);
    let expected = [(target.pid(), "ended"), (stranger.pid(), "no match")];
    assert_eq!(fates(&outcome), expected.map(|(pid, fate)| (pid.into(), fate.to_owned())).into());
    lives(&stranger);
}

#[test]
fn without_process_ids_and_conditions_nobody_is_meant() {
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in [&[][..], &["--tree"], &["--force"], &["--dry-run"], &["--newest"]] {
            run(&[&[applet], options].concat()).refuses(2, "no process is named");
        }
        // Empty operands mean neither all processes nor all except these.
        for operands in [&[][..], &["1"]] {
            run(&[&[applet, "--inverse"], operands].concat())
                .refuses(2, "--inverse says what not to take");
        }
    }
}

#[test]
fn conditions_that_nobody_meets_are_told() {
    for applet in ["suspend", "resume", "terminate", "kill"] {
        for options in [&["--exe", "no-such-program"][..], &["--pattern", "^no-such-program$"]] {
            let words = [&[applet], options].concat();
            run(&words).refuses(1, &format!("proctool {applet}: no process matches"));
            let json = run(&[&words[..], &["--json"]].concat()).exits(1);
            assert_eq!(json.json(), json!([]));
        }
    }
}

#[test]
fn only_the_newest_or_the_oldest_is_ended() {
    let program = Program::new("aged");
    let mut targets = [program.start(), program.start(), program.start()];
    for option in ["--newest", "--oldest"] {
        let found = run(&["find", option, "--exe", &program.name]).succeeds().pids();
        let outcome = run(&["terminate", option, "--exe", &program.name]).succeeds();
        assert!(
            outcome.text() == format!("{} {}: ended\n", found[0], program.name),
            "{}",
            outcome.report()
        );
        let at = targets
            .iter()
            .position(|target| target.pid() == found[0])
            .expect("finding one of them");
        targets[at] = Program::new("replaced").start();
    }
    let left = run(&["find", "--exe", &program.name]).succeeds().pids();
    assert!(left.len() == 1 && targets.iter().any(|target| target.pid() == left[0]), "{left:?}");
}

/// A process that cannot be examined is not the beginning of a tree.
#[test]
fn nobody_below_a_process_that_cannot_be_judged_is_touched() {
    let script = "setpriv --reuid 65534 --regid 65534 --clear-groups sleep 100 & CHILD=$!\n\
                  until grep -q 65534 /proc/$CHILD/status; do :; done\n\
                  nobody terminate --tree --env NOSUCH=1 $$; echo $?; kill -0 $CHILD && echo lives";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    finish(command).exits(0).prints("1\nlives\n");
}

/// An ancestor may be hidden, and those above it are still ours.
#[test]
fn an_ancestor_above_a_hidden_one_is_refused() {
    if namespace::kernel() < (6, 13) {
        skip!("this kernel does not tell the parent of a hidden process");
    }
    let script = "mount -o remount,hidepid=2 /proc || exit 77\n\
                  cp /usr/bin/setpriv /mnt/raise; chmod 4755 /mnt/raise\n\
                  AS_NOBODY='setpriv --reuid 65534 --regid 65534 --clear-groups'\n\
                  printf '#!/bin/sh\\n/mnt/hidden $$; :\\n' >/mnt/top\n\
                  printf '#!/bin/sh\\n/mnt/raise --reuid 0 /mnt/root $1; :\\n' >/mnt/hidden\n\
                  printf '#!/bin/sh\\n%s /mnt/proctool terminate $1; echo $?\\n' \"$AS_NOBODY\" >/mnt/root\n\
                  chmod 755 /mnt/top /mnt/hidden /mnt/root; $AS_NOBODY /mnt/top; exit $?";
    let Some(command) = namespace::script_with_nobody(script) else {
        skip!("not root, or no private namespaces")
    };
    let outcome = finish(command);
    if outcome.code() == 77 {
        skip!("no hidepid");
    }
    outcome.exits(0).prints("1\n").says("(top): refused: this command runs below it");
}

/// Conditions come first, then which of those that meet them is the newest.
#[test]
fn the_newest_is_taken_of_those_that_match() {
    let (wanted, other) = (Program::new("wanted"), Program::new("other"));
    let (first, last) = (wanted.start(), other.start());
    let (first_pid, last_pid) = (first.pid().to_string(), last.pid().to_string());
    let outcome =
        run(&["kill", "--json", "--newest", "--exe", &wanted.name, &first_pid, &last_pid]).exits(0);
    assert_eq!(fates(&outcome), [(first.pid().into(), "killed".to_owned())].into());
    lives(&last);
}
