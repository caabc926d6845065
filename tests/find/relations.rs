//! Relatives: children, grandchildren, descendants and ancestors.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

#[test]
fn children() {
    let fake = cron();
    finds(&fake, &["--children-of", "10"], &[20, 21]);
    finds(&fake, &["--children-of", "20"], &[30]);
    finds(&fake, &["--children-of", "cron"], &[20, 21, 30, 31]);
    finds(&fake, &["--children-of", "/usr/sbin/cron"], &[20, 21, 30, 31]);
    finds(&fake, &["--children-of", "dash"], &[40]);
    finds_nothing(find(&fake, &["--children-of", "40"]));
}

#[test]
fn grandchildren_of_cron_are_the_jobs() {
    let fake = cron();
    finds(&fake, &["--grandchildren-of", "cron"], &[30, 31]);
    finds(&fake, &["--grandchildren-of", "/usr/sbin/cron"], &[30, 31]);
    finds(&fake, &["--grandchildren-of", "10"], &[30, 31]);
    finds(&fake, &["--grandchildren-of", "20"], &[40]);
    finds(&fake, &["--grandchildren-of", "1"], &[20, 21]);
    finds_nothing(find(&fake, &["--grandchildren-of", "30"]));
}

#[test]
fn descendants() {
    let fake = cron();
    finds(&fake, &["--descendants-of", "cron"], &[20, 21, 30, 31, 40]);
    finds(&fake, &["--descendants-of", "/sbin/init"], &[10, 20, 21, 30, 31, 40]);
    finds(&fake, &["--descendants-of", "20"], &[30, 40]);
    finds(&fake, &["--descendants-of", "cron", "backup"], &[40]);
    finds_nothing(find(&fake, &["--descendants-of", "backup"]));
}

#[test]
fn ancestors() {
    let fake = cron();
    finds(&fake, &["--ancestors-of", "40"], &[1, 10, 20, 30]);
    finds(&fake, &["--ancestors-of", "backup"], &[1, 10, 20, 30]);
    finds(&fake, &["--ancestors-of", "/opt/backup"], &[1, 10, 20, 30]);
    finds(&fake, &["--ancestors-of", "dash"], &[1, 10, 20, 21]);
    finds(&fake, &["--ancestors-of", "cron"], &[1, 10]);
    finds_nothing(find(&fake, &["--ancestors-of", "init"]));
}

#[test]
fn a_relation_starts_from_every_process_that_runs_the_executable() {
    let fake = cron();
    fake.process(60, 1, "cron").link("exe", "/usr/sbin/cron").file("cmdline", "cron\0");
    fake.process(61, 60, "cron").link("exe", "/usr/sbin/cron").file("cmdline", "cron\0");
    fake.process(62, 61, "sh").link("exe", "/usr/bin/dash").file("cmdline", "sh\0");
    finds(&fake, &["--children-of", "cron"], &[20, 21, 30, 31, 61, 62]);
    finds(&fake, &["--grandchildren-of", "cron"], &[30, 31, 62]);
}

#[test]
fn a_relation_to_nobody_is_told() {
    let fake = cron();
    for option in ["--children-of", "--grandchildren-of", "--descendants-of", "--ancestors-of"] {
        find(&fake, &[option, "7"]).refuses(1, "there is no process 7");
        find(&fake, &[option, "nosuch"]).refuses(1, "no process runs 'nosuch'");
        find(&fake, &[option, "/usr/bin/cron"]).refuses(1, "no process runs '/usr/bin/cron'");
        find(&fake, &[option, "sh"]).refuses(1, "no process runs 'sh'");
    }
}

#[test]
fn a_parent_that_started_later_is_not_the_parent() {
    let fake = FakeProc::new();
    fake.bare(10).stat(10, 20, b"child", 'S', 500);
    fake.bare(20).stat(20, 1, b"reused", 'S', 600);
    finds_nothing(find(&fake, &["--children-of", "20"]));
    finds_nothing(find(&fake, &["--ancestors-of", "10"]));
}

#[test]
fn relations_of_real_processes() {
    let target = Target::script("exec 3<&0; cat <&3 >/dev/null & echo ready; read line");
    let shell = target.pid();
    let children = run(&["find", "--children-of", &shell.to_string()]).succeeds().pids();
    assert_eq!(children.len(), 1, "{children:?}");
    run(&["find", "--grandchildren-of", &id().to_string(), "--pid", &children[0].to_string()])
        .succeeds()
        .prints(format!("{}\n", children[0]));
    let ancestors = run(&["find", "--ancestors-of", &children[0].to_string()]).succeeds().pids();
    assert!(ancestors.contains(&shell) && ancestors.contains(&id()), "{ancestors:?}");
}

#[test]
fn it_is_the_descendant_of_nobody() {
    let outcome = finish(shell(r#"echo $$; exec "$P" find --descendants-of $PPID"#, ""));
    let pids = outcome.pids();
    assert!(!pids[1..].contains(&pids[0]), "{}", outcome.report());
}

#[test]
fn a_relation_can_start_from_a_name_that_is_not_text() {
    let fake = FakeProc::new();
    fake.process(1, 0, "init").link("exe", b"/opt/caf\xe9");
    fake.process(2, 1, "child");
    for anchor in [&b"caf\xe9"[..], b"/opt/caf\xe9"] {
        let mut command = proctool(["find", &fake.option(), "--children-of"]);
        command.arg(OsStr::from_bytes(anchor));
        finish(command).succeeds().prints("2\n");
    }
}
