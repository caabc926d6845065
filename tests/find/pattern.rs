//! Patterns on names and arguments.

use super::*;

#[test]
fn no_pattern_lists_everything() {
    finds(&cron(), &[], &[1, 10, 20, 21, 30, 31, 40]);
}

#[test]
fn no_pattern_lists_every_process_of_the_machine_but_itself() {
    let outcome = finish(shell(r#"echo $$; exec "$P" find"#, "")).succeeds();
    let pids = outcome.pids();
    assert!(!pids[1..].contains(&pids[0]), "{}", outcome.report());
    assert!(pids[1..].contains(&1) && pids[1..].contains(&id()), "{}", outcome.report());
}

#[test]
fn a_pattern_is_a_regular_expression_on_the_name() {
    let fake = cron();
    finds(&fake, &["cron"], &[10, 20, 21]);
    finds(&fake, &["^.ro"], &[10, 20, 21]);
    finds(&fake, &["sh|back"], &[30, 31, 40]);
    finds(&fake, &["^[bi]"], &[1, 40]);
    finds(&fake, &["(up|it)$"], &[1, 40]);
    finds(&fake, &["p"], &[40]);
    finds_nothing(find(&fake, &["usr"]));
    finds_nothing(find(&fake, &["CRON"]));
}

#[test]
fn a_pattern_may_begin_with_a_dash_after_two_dashes() {
    let fake = FakeProc::new();
    fake.process(10, 1, "-bash");
    finds(&fake, &["--", "-bash"], &[10]);
}

#[test]
fn a_pattern_matches_bytes_that_are_not_utf_8() {
    let fake = FakeProc::new();
    fake.process(10, 1, b"caf\xe9");
    finds(&fake, &["-x", "caf."], &[10]);
}

#[test]
fn exact_means_the_whole_name() {
    let fake = cron();
    finds(&fake, &["-x", "cron"], &[10, 20, 21]);
    finds(&fake, &["-x", "sh|cr.n"], &[10, 20, 21, 30, 31]);
    finds(&fake, &["--exact", "back.*"], &[40]);
    finds_nothing(find(&fake, &["-x", "cro"]));
    finds_nothing(find(&fake, &["-x", "h"]));
}

#[test]
fn full_matches_the_arguments_joined_by_blanks() {
    let fake = cron();
    finds(&fake, &["-f", "^/bin/sh -c backup$"], &[30]);
    finds(&fake, &["-f", "backup"], &[30, 40]);
    finds(&fake, &["--full", "n/cron -f"], &[10, 20, 21]);
    finds(&fake, &["-fx", "/opt/backup --all"], &[40]);
    finds_nothing(find(&fake, &["-fx", "/opt/backup"]));
}

#[test]
fn full_matches_the_name_of_a_process_without_arguments() {
    let fake = FakeProc::new();
    fake.process(2, 0, "kthreadd").file("cmdline", "");
    fake.process(10, 1, "renamed").file("cmdline", "other\0");
    finds(&fake, &["-f", "^kthreadd$"], &[2]);
    finds_nothing(find(&fake, &["-f", "renamed"]));
}

#[test]
fn case_can_be_ignored() {
    let fake = cron();
    finds(&fake, &["-i", "CRON"], &[10, 20, 21]);
    finds(&fake, &["-xi", "Sh"], &[30, 31]);
    finds(&fake, &["--ignore-case", "--full", "c BACKUP"], &[30]);
}

#[test]
fn inverse_lists_everything_else() {
    let fake = cron();
    finds(&fake, &["-v", "cron"], &[1, 30, 31, 40]);
    finds(&fake, &["--inverse", "-x", "sh"], &[1, 10, 20, 21, 40]);
    finds(&fake, &["-v", "-P", "10", "cron"], &[1, 10, 30, 31, 40]);
    finds(&fake, &["-v", "--descendants-of", "10"], &[1, 10]);
    finds_nothing(find(&fake, &["-v", "."]));
    finds_nothing(find(&fake, &["-v"]));
}

#[test]
fn inverse_takes_what_lacks_a_property_for_not_matching() {
    let fake = cron();
    fake.process(2, 0, "kthreadd").file("cmdline", "");
    finds(&fake, &["--exe-path", "/usr/sbin/cron"], &[10, 20, 21]);
    finds(&fake, &["-v", "--exe-path", "/usr/sbin/cron"], &[1, 2, 30, 31, 40]);
}

#[test]
fn a_long_name_is_matched_whole() {
    let program = Program::new("a-name-that-the-kernel-cuts-");
    let target = program.start();
    let pid = target.pid();
    assert_eq!(target.proc("comm"), b"a-name-that-the\n");
    run(&["find", "-x", &program.name]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "-l", &program.name]).succeeds().prints(format!("{pid} {}\n", program.name));
    run(&[
        "find",
        &format!("kernel-cuts-{}", &program.name["a-name-that-the-kernel-cuts-".len()..]),
    ])
    .succeeds()
    .prints(format!("{pid}\n"));
    finds_nothing(run(&["find", "-x", "a-name-that-the", "--pid", &pid.to_string()]));
}

#[test]
fn a_long_name_of_a_script_is_matched_whole() {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let name = format!("a-script-with-a-long-name-{}.sh", id());
    for first in ["#!/bin/sh", "#!/bin/sh -e"] {
        let path = directory.path().join(&name);
        let draft = directory.path().join("draft");
        fs::write(&draft, format!("{first}\necho ready\nread line\n")).expect("writing a script");
        copy_from(&draft, &path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .expect("changing its permissions");
        let target = Target::start(&mut Command::new(&path));
        assert_eq!(target.proc("comm"), b"a-script-with-a\n");
        run(&["find", "-x", &name]).succeeds().prints(format!("{}\n", target.pid()));
        run(&["find", "-l", "-x", &name]).succeeds().prints(format!("{} {name}\n", target.pid()));
        finds_nothing(run(&["find", "--exe", &name, "--pid", &target.pid().to_string()]));
    }
}

#[test]
fn a_name_of_15_bytes_that_was_not_cut_stays() {
    let fake = FakeProc::new();
    fake.process(10, 1, "exactly-15-byte")
        .link("exe", "/opt/exactly-15-byte")
        .file("cmdline", "exactly-15-byte\0");
    fake.process(11, 1, "renamed-by-itse").link("exe", "/opt/other").file("cmdline", "other\0");
    find(&fake, &["-l", "-x", "exactly-15-byte"]).succeeds().prints("10 exactly-15-byte\n");
    find(&fake, &["-l", "-x", "renamed-by-itse"]).succeeds().prints("11 renamed-by-itse\n");
}

#[test]
fn it_never_lists_itself_by_its_own_pattern() {
    let word = marker("myself");
    finds_nothing(run(&["find", "-f", &word]));
    finds_nothing(run(&["find", "-af", &word]));
    run(&["find", "-cf", &word]).exits(1).prints("0\n");
}

#[test]
fn it_never_lists_itself_inverted() {
    let outcome =
        finish(shell(r#"echo $$; exec "$P" find -v -f "$M""#, &marker("inverted"))).succeeds();
    let pids = outcome.pids();
    assert!(!pids[1..].contains(&pids[0]) && pids[1..].contains(&id()), "{}", outcome.report());
}

#[test]
fn it_never_lists_itself_by_its_number() {
    finds_nothing(finish(shell(r#"exec "$P" find --pid $$"#, "")));
    finds_nothing(finish(shell(r#"exec "$P" find -P $PPID --pid $$"#, "")));
    finds_nothing(finish(shell(r#"exec "$P" find -P $PPID -n --pid $$"#, "")));
}

#[test]
fn a_pattern_that_is_only_valid_inside_of_a_group_is_refused() {
    let fake = FakeProc::new();
    fake.process(1, 0, "b");
    let option = fake.option();
    run(&["find", "a)|(b", &option]).refuses(2, "bad regular expression 'a)|(b'");
    run(&["find", "-x", "a)|(b", &option]).refuses(2, "bad regular expression 'a)|(b'");
    run(&["find", "-x", "(?x) b # a comment", &option]).succeeds().prints("1\n");
}
