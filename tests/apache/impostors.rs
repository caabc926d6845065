//! Processes with the name of Apache that are none.

use super::super::support::apache::{ApacheBox, PREFORK};
use super::super::support::place::soon;
use crate::apache_box;

const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// Makes copies of these programs with the name apache2, as any user can.
fn copies(place: &ApacheBox, program: &str) {
    place.shell(&format!("mkdir -p /run/fake && cp $(type -P {program}) /run/fake/apache2"));
}

/// Waits for this number of processes called apache2 below children of init.
fn await_names(place: &ApacheBox, count: usize) {
    soon("impostors", || {
        place.processes().iter().filter(|seen| seen.name == "apache2").count() == count
    });
}

#[test]
fn a_program_of_somebody_else_with_its_name_is_no_master() {
    let place = apache_box!();
    copies(&place, "sleep");
    place.shell(&format!("setsid {NOBODY} /run/fake/apache2 1000 >/dev/null 2>&1 &"));
    await_names(&place, 1);
    place.memory(&[]).refuses(1, "is running");
    let outcome = place.memory(&["-v"]).exits(1);
    assert!(outcome.errors().lines().count() > 1, "no word about why\n{}", outcome.report());
    // An ordinary user cannot see it either.
    let outcome = place.memory_as_nobody(&["--json"]).exits(1);
    assert_eq!(outcome.json(), serde_json::json!([]), "{}", outcome.report());
}

/// A shell that is called apache2 and has a child that is called so.
const FAMILY: &str = "/run/fake/apache2 -c \"/run/fake/apache2 -c \\\"sleep 1000; :\\\" & wait\"";

#[test]
fn a_family_of_somebody_else_with_its_name_is_no_master() {
    let place = apache_box!();
    copies(&place, "bash");
    place.shell(&format!("setsid {NOBODY} {FAMILY} >/dev/null 2>&1 &"));
    await_names(&place, 2);
    place.memory(&[]).refuses(1, "is running");
}

#[test]
fn impostors_do_not_disturb_the_real_one() {
    let place = apache_box!();
    copies(&place, "bash");
    place.shell(&format!("setsid {NOBODY} {FAMILY} >/dev/null 2>&1 &"));
    place.shell(&format!(
        "setsid {NOBODY} /run/fake/apache2 -c \"sleep 1000; :\" >/dev/null 2>&1 &"
    ));
    await_names(&place, 3);
    let master = place.site("one", "prefork", 8080).start(PREFORK);
    let block = place.block(&[]);
    assert_eq!((&block["pid"], &block["processes"]), (&master.into(), &4.into()), "{block:#}");
}

#[test]
fn others_that_cannot_be_examined_are_not_listed_but_counted() {
    let place = apache_box!();
    copies(&place, "sleep");
    place.shell(
        "setsid setpriv --reuid 1 --regid 1 --clear-groups /run/fake/apache2 1000 \
    >/dev/null 2>&1 &",
    );
    await_names(&place, 1);
    let outcome = place.memory_as_nobody(&["--json"]).exits(1);
    assert_eq!(outcome.json(), serde_json::json!([]), "{}", outcome.report());
    assert!(!outcome.errors().is_empty(), "{}", outcome.report());
}

#[test]
fn a_check_of_the_configuration_is_no_master() {
    let place = apache_box!();
    // It hangs at the named pipe before it has opened anything.
    place.shell(
        "mkfifo /mnt/pipe; setsid /usr/sbin/apache2 -t -d /mnt -f /mnt/pipe >/dev/null \
    2>&1 </dev/null &",
    );
    await_names(&place, 1);
    place.memory(&[]).refuses(1, "is running");
    let site = place.site("one", "prefork", 8080);
    let master = site.start(PREFORK);
    assert_eq!(place.block(&[])["pid"], master);
}

#[test]
fn a_script_with_its_name_is_no_apache() {
    let place = apache_box!();
    place.program("apache2", "#!/bin/bash\nsleep 1000\n");
    place.shell(&format!("setsid {NOBODY} /mnt/bin/apache2 >/dev/null 2>&1 &"));
    await_names(&place, 1);
    place.memory(&[]).refuses(1, "is running");
}

#[test]
fn a_zombie_with_its_name_is_no_apache() {
    let place = apache_box!();
    copies(&place, "true");
    let start = "import subprocess, time\nchild = \
    subprocess.Popen(['/run/fake/apache2'])\ntime.sleep(1000)\n";
    place.program("parent", &format!("#!/usr/bin/python3\n{start}"));
    place.shell("setsid parent >/dev/null 2>&1 &");
    soon("a zombie", || {
        place.processes().iter().any(|seen| seen.name == "apache2" && seen.state == 'Z')
    });
    place.memory(&[]).refuses(1, "is running");
}
