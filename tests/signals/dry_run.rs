//! Rehearsals: they say what would be done, and do nothing.

use super::*;

#[test]
fn a_dry_run_lists_what_find_finds() {
    let program = Program::new("listed");
    let targets = [program.start(), program.start(), program.start()];
    stop(&targets[0]);
    let (own, name, prefix) =
        (id().to_string(), &*program.name, &program.name[..program.name.len() - 1]);
    for options in [
        &["--exe", name][..],
        &["--pattern", name, "-x"],
        &["--pattern", prefix, "--exe", name],
        &["--pattern", &format!("/{name} --exact"), "-f"],
        &["--pattern", &name.to_uppercase(), "-i", "-x"],
        &["--children-of", &own, "--exe", name],
        &["--descendants-of", &own, "--pattern", name],
        &["--parent", &own, "--exe", name],
        &["--exe-path", program.path().to_str().expect("decoding UTF-8")],
        &["--exe", name, "--newest"],
        &["--exe", name, "--oldest"],
        &["--exe", name, "--runstates", "T"],
        &["--pid", &targets[1].pid().to_string(), "--exe", name],
    ] {
        let mut found = run(&[&["find"], options].concat()).succeeds().pids();
        found.sort_unstable();
        for applet in ["suspend", "resume", "terminate", "kill"] {
            let outcome = run(&[&[applet, "--dry-run", "--json"], options].concat()).succeeds();
            let expected = found.iter().map(|&pid| (pid.into(), "spared".to_owned())).collect();
            assert!(fates(&outcome) == expected, "expected {expected:?}\n{}", outcome.report());
        }
    }
    targets.iter().for_each(lives);
}

#[test]
fn a_dry_run_inverts_conditions_as_find_does() {
    let script = r#"
        mount -t tmpfs none /mnt
        mkfifo /mnt/pipe
        sleep 100 & other=$!
        cat <> /mnt/pipe & spared=$!
        for process in "$other sleep" "$spared cat"; do
            until read -r name < /proc/${process% *}/comm && [ "$name" = ${process#* } ]; do :; done
        done
        "$P" find --inverse --exe sleep > /mnt/found
        "$P" kill --dry-run --inverse --exe sleep > /mnt/spared 2> /mnt/refused
        grep -vx 1 /mnt/found
        grep -o '^[0-9]*' /mnt/spared
        echo $spared
        grep -c 'process 1 (bash): refused' /mnt/refused"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    let lines = outcome.lines();
    assert!(
        lines.len() == 4 && lines[..3].iter().all(|line| *line == lines[2]) && lines[3] == "1",
        "{}",
        outcome.report()
    );
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_not() {
    let program = Program::new("would");
    let target = program.start();
    for (words, would) in [
        ("terminate", "would get TERM, CONT if it is stopped, KILL after 10 s"),
        ("terminate --timeout 1.5s", "would get TERM, CONT if it is stopped, KILL after 1.5 s"),
        ("terminate --no-kill", "would get TERM, CONT if it is stopped"),
        ("kill", "would get KILL"),
        ("kill --signal HUP", "would get HUP"),
        ("suspend", "would get STOP"),
        ("resume", "would get CONT"),
        ("terminate --tree --timeout 0", "would get TERM, CONT if it is stopped"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let line = format!("{} {}: {would}\n", target.pid(), program.name);
        on(&target, words[0], &[&words[1..], &["--dry-run"]].concat()).succeeds().prints(line);
        assert!(!thread_states(&target).contains('T'));
        lives(&target);
    }
    let row = becomes(&target, "kill", &["--dry-run"], 0, "spared");
    assert_eq!(row["signal"], Value::Null);
    run(&["terminate", "--dry-run", &id().to_string()]).refuses(1, "refused");
}

#[test]
fn a_dry_run_lists_the_tree() {
    let script = r#"
        bash -c 'sleep 100 & sleep 100 & wait' & family=$!
        sleep 100 &
        await_asleep 4
        "$P" terminate --tree --dry-run --json $family | grep -o '"outcome":"spared"' | grep -c .
        states=$(others)
        echo $states"#;
    let Some(outcome) = inside(script) else { skip!("no private namespaces") };
    says(outcome, &["3", "S S S S"]);
}
