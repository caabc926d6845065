//! The exit status of processes that are not our children.

use super::*;

#[test]
fn the_status_of_a_zombie_is_told() {
    for (status, expected) in [(0, "status 0"), (7, "status 7"), (255, "status 255")] {
        let mut target = sleeper_that_exits_with(status);
        target.let_end();
        let pid = pid(&target);
        wait(&["--status", &pid])
            .succeeds()
            .prints(format!("{pid} sh: ended, {expected}{}\n", unreaped()));
    }
}

#[test]
fn the_signal_that_ended_a_zombie_is_told() {
    let mut target = sleeper();
    target.become_zombie();
    let pid = pid(&target);
    wait(&["--status", &pid])
        .succeeds()
        .prints(format!("{pid} sh: ended, signal KILL{}\n", unreaped()));
    let shown = wait(&["--status", "--json", &pid]).succeeds().json();
    let entry = &shown[0];
    let status = [&entry["exit_status"], &entry["exit_signal"], &entry["core_dumped"]];
    assert_eq!(status, [&Value::Null, &json!("KILL"), &json!(false)]);
}

#[test]
fn whether_a_core_was_dumped_is_told() {
    let directory = tempfile::tempdir().expect("making a directory for a core");
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited; echo ready; read line; kill -ABRT $$"])
        .current_dir(directory.path());
    let mut target = Target::start(&mut command);
    target.let_end();
    let stat = String::from_utf8_lossy(&target.proc("stat")).into_owned();
    let code: u32 = stat
        .split_whitespace()
        .last()
        .and_then(|code| code.parse().ok())
        .expect("parsing an exit code");
    let dumped = code & 0x80 != 0;
    let pid = pid(&target);
    let expected = if dumped { ", core dumped" } else { "" };
    wait(&["--status", &pid])
        .succeeds()
        .prints(format!("{pid} sh: ended, signal ABRT{expected}{}\n", unreaped()));
    let shown = wait(&["--status", "--json", &pid]).succeeds().json();
    assert_eq!(
        (&shown[0]["exit_signal"], &shown[0]["core_dumped"]),
        (&json!("ABRT"), &json!(dumped))
    );
}

#[test]
fn the_status_of_those_that_end_during_the_wait_is_told() {
    let (mut first, mut second) = (sleeper_that_exits_with(7), sleeper());
    let [one, two] = [&first, &second].map(pid);
    let mut running = waiting(&["--status", &one, &two]);
    first.let_end();
    assert_eq!(running.line(), format!("{one} sh: ended, status 7"));
    second.become_zombie();
    running.finish().succeeds().prints(format!("{two} sh: ended, signal KILL\n"));
}

#[test]
fn the_status_of_one_whose_parent_took_it_at_once_is_told() {
    if kernel() < (6, 15) {
        skip!("the kernel forgets the status of a process with it before Linux 6.15");
    }
    let mut parent = Target::script("sh -c 'echo ready; read line; exit 7'; exit 0");
    let child = run(&["find", "--children-of", &pid(&parent)]).succeeds().pids()[0].to_string();
    let running = waiting(&["--status", &child]);
    parent.let_end();
    running.finish().succeeds().prints(format!("{child} sh: ended, status 7\n"));
}

#[test]
fn an_ordinary_user_is_told_the_status_of_a_process_of_root() {
    if kernel() < (6, 15) {
        skip!("the kernel forgets the status of a process with it before Linux 6.15");
    }
    // Its parent, bash, reaps it at once.
    let text = r#"
        mkfifo /mnt/end; (read -r _ </mnt/end; exit 7) & pid=$!
        $as_nobody wait --status $pid & waiter=$!
        until_it_waits $waiter; echo >/mnt/end; wait $waiter; echo "status $? of $pid"
    "#;
    let Some(outcome) = script(text) else { skip!(NO_NAMESPACES) };
    let outcome = outcome.exits(0);
    let lines = outcome.lines();
    let pid = lines
        .last()
        .and_then(|line| line.strip_prefix("status 0 of "))
        .expect("parsing a status")
        .to_owned();
    assert_eq!(lines[0], format!("{pid} bash: ended, status 7"), "{}", outcome.report());
}
