//! The output of a process as a sign that a job has left it behind.

use super::super::support::cron::{CronBox, soon};
use super::{pids, stops};
use crate::cron_box;

/// Runs a command as an ordinary user.
const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// Becomes a program whose output goes to an unnamed file in /tmp; with `orphan`, one without a
/// parent in the box.
const UNNAMED: &str = "import os, sys, tempfile\n\
                       if 'orphan' in sys.argv and os.fork(): os._exit(0)\n\
                       file = tempfile.TemporaryFile(dir='/tmp')\n\
                       os.dup2(file.fileno(), 1)\n\
                       os.dup2(file.fileno(), 2)\n\
                       open('/mnt/other.began', 'w').write(f'{os.getpid()}\\n')\n\
                       os.execvp('sleep', ['sleep', '1000'])\n";

/// Runs a program with such an output, and waits for it.
const PARENT: &str = "import subprocess, tempfile\n\
                      file = tempfile.TemporaryFile(dir='/tmp')\n\
                      child = subprocess.Popen(['sleep', '1000'], stdout=file, stderr=file)\n\
                      open('/mnt/other.began', 'w').write(f'{child.pid}\\n')\n\
                      child.wait()\n";

/// Checks that the process that this command makes, without a terminal, is no job of cron's and not
/// touched.
#[track_caller]
fn is_no_job(text: &str, command: &str) {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program("other.py", text);
    place.shell(&format!("setsid {command} </dev/null >/dev/null 2>&1 &"));
    let other = place.began("other");
    soon("the other program", || place.sleeps(other));
    for descriptor in [1, 2] {
        let link = place.shell(&format!("readlink /proc/{other}/fd/{descriptor}"));
        assert!(link.starts_with("/tmp/") && link.ends_with(" (deleted)"), "{link}");
    }
    let daemon = place.cron();
    let list = place.list();
    assert!(pids(&list, "jobs").is_empty(), "{list:#}");
    let outcome = place.graceful(&["--timeout", "0.5", "--on-timeout", "terminate"]);
    assert!(place.goes_on(other), "it was touched\n{}", outcome.report());
    stops(&place, outcome, daemon);
}

/// In a private namespace, a user gives a file of the superuser the path of an unnamed one, and
/// opens it as output.
#[test]
fn a_user_s_process_that_forges_the_output_of_a_job_is_no_job() {
    let place = cron_box!(CronBox::needing(&["python3"]));
    place.program(
        "forger",
        "mount -t tmpfs none /tmp && : >'/tmp/#1 (deleted)' && mount --bind /etc/hostname '/tmp/#1 \
        (deleted)'\n\
         echo $$ >/mnt/forger.began\n\
         exec sleep 1000 1<'/tmp/#1 (deleted)' 2<&1\n",
    );
    place.shell("chmod 777 /mnt");
    place.shell(&format!(
        "{NOBODY} unshare -Urm setsid sh /mnt/bin/forger </dev/null >/dev/null 2>&1 &"
    ));
    let forger = place.began("forger");
    soon("the forger", || place.sleeps(forger));
    assert_eq!(place.shell(&format!("readlink /proc/{forger}/fd/1")).trim(), "/tmp/#1 (deleted)");
    let daemon = place.cron();
    let list = place.list();
    assert!(pids(&list, "jobs").is_empty(), "{list:#}");
    stops(&place, place.graceful(&["--timeout", "5"]), daemon);
    assert!(place.goes_on(forger));
}

#[test]
fn a_user_s_process_with_output_to_an_unnamed_file_is_no_job() {
    is_no_job(UNNAMED, &format!("{NOBODY} python3 /mnt/bin/other.py"));
}

#[test]
fn a_user_s_orphan_with_output_to_an_unnamed_file_is_no_job() {
    is_no_job(UNNAMED, &format!("{NOBODY} python3 /mnt/bin/other.py orphan"));
}

#[test]
fn a_child_of_the_superuser_s_process_with_output_to_an_unnamed_file_is_no_job() {
    is_no_job(PARENT, "python3 /mnt/bin/other.py");
}
