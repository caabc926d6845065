//! What becomes a job, and when its command is read.

use super::super::support::cron::{CronBox, soon};
use super::super::support::namespace::kernel;
use super::by_events::{events, run};
use super::{Follower, end, follow, follow_json};
use crate::{cron_box, skip};

/// While the kernel makes a process another program, it has no arguments. This one hides them in
/// the same way until it is released.
const HIDDEN: &str = "\
import ctypes, struct, time
libc = ctypes.CDLL(None)
libc.sbrk.restype = ctypes.c_void_p
fields = [0] * 3 + open('/proc/self/stat').read().rsplit(')', 1)[1].split()
PR_SET_MM, PR_SET_MM_MAP = 35, 14
def set_end(end):
    at = lambda *numbers: [int(fields[number]) for number in numbers]
    places = at(26, 27, 45, 46, 47) + [libc.sbrk(0)] + at(28, 48) + [end] + at(50, 51)
    new = struct.pack('11QQIi', *places, 0, 0, -1)
    size = ctypes.c_ulong(len(new))
    assert libc.prctl(PR_SET_MM, ctypes.c_ulong(PR_SET_MM_MAP), new, size, ctypes.c_ulong(0)) == 0
set_end(int(fields[48]))
open('/mnt/a.began', 'w').write('1\\n')
open('/mnt/a.go').read()
set_end(int(fields[49]))
open('/mnt/a.shown', 'w').write('1\\n')
open('/mnt/b.go').read()
time.sleep(4)
";

const COMMAND: &str = "python3 /mnt/bin/hidden.py";

/// Starts a cron with a job that hides its arguments.
fn hidden() -> Result<CronBox, String> {
    let place = CronBox::needing(&["python3"])?;
    place.program("hidden.py", HIDDEN);
    place.shell("mkfifo /mnt/a.go /mnt/b.go");
    place.raw_crontab(&format!("MAILTO=\"\"\n@reboot root exec {COMMAND}\n"));
    place.cron();
    place.began("a");
    Ok(place)
}

/// Lets the job show its arguments.
fn show(place: &CronBox) {
    place.release("a");
    soon("the arguments of the job", || place.has("a.shown"));
}

#[test]
fn a_job_is_told_when_it_has_arguments() {
    let place = cron_box!(hidden());
    let mut follower = follow(&place, &["--jsonl"]);
    soon("the job", || follower.watches(&place) > 2);
    // It waits for no longer than a second.
    place.kill("STOP", follower.pid);
    show(&place);
    place.kill("CONT", follower.pid);
    assert_eq!(follower.event("running")["command"], COMMAND);
    follower.end(&place);
}

#[test]
fn a_command_that_was_unknown_at_the_start_is_read_while_the_job_runs() {
    let place = cron_box!(hidden());
    let mut json = follow_json(&place, &[]);
    let metrics = follow(&place, &["--openmetrics", "--output", "/mnt/jobs.prom"]);
    let text = || std::fs::read_to_string(place.path("jobs.prom")).unwrap_or_default();
    assert!(json.event("running")["command"].is_null());
    soon("the metrics", || text().contains("command=\"(unknown)\""));
    show(&place);
    place.release("b");
    assert_eq!(json.event("ended")["command"], COMMAND);
    let series = format!("proctool_cron_job_runs{{user=\"root\",command=\"{COMMAND}\"}} 1\n");
    soon("the metrics", || text().contains(&series));
    assert!(!text().contains("(unknown)"), "{}", text());
    metrics.end(&place);
    json.end(&place);
}

/// A program with the name of a daemon whose helper starts a job, and then what sends mail, as that
/// of bcron does. The process of the job waits before it becomes the shell.
const BCRON: &str = "cp $(command -v perl) /usr/sbin/bcron-sched; \
    cp $(command -v perl) /usr/sbin/bcron-exec; mkfifo /mnt/a.go; \
    setsid bcron-sched -e 'unless (fork) { exec qw(/usr/sbin/bcron-exec -e), \
    q(unless (fork) { open my $go, q(<), q(/mnt/a.go); <$go>; \
    exec qw(sh -c), q(sleep 1; sleep 1; exit 3) } wait; \
    unless (fork) { exec qw(/usr/sbin/sendmail -FCronDaemon -i -odi -oem -oi -t) } wait; \
    sleep 1000) } ($<, $>) = (999, 999); sleep 1000' </dev/null >/dev/null 2>&1 &";

#[test]
fn a_job_of_bcron_is_its_shell_and_what_sends_mail_is_none() {
    let place = cron_box!();
    place.program("/usr/sbin/sendmail", "#!/bin/sh\nsleep 2\necho >/mnt/mailed\nexit 7\n");
    place.shell(BCRON);
    let mut follower: Follower = follow_json(&place, &[]);
    soon("the process before it is the shell", || follower.watches(&place) > 2);
    place.release("a");
    let start = follower.event("started");
    assert_eq!(start["command"], "sleep 1; sleep 1; exit 3");
    let ended = follower.event("ended");
    assert_eq!(ended["pid"], start["pid"]);
    if kernel() >= (6, 15) {
        assert_eq!(end(&ended), 3);
    }
    soon("the mail", || place.has("mailed"));
    let rest = follower.end(&place);
    assert!(rest.stdout.is_empty(), "{}", rest.report());
}

/// What sends mail has ended before anybody could look, and nobody has reaped it.
const ZOMBIE: &str = r#"
mkdir /run/new /run/work
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/new,workdir=/run/work /usr/sbin
for name in bcron-sched bcron-exec; do cp "$(command -v perl)" /usr/sbin/$name; done
printf '#!/bin/sh\nexit 75\n' >/usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail
cat >/run/exec.pl <<'X'
open my $go, '<', '/run/go'; <$go>;
for my $command (['/usr/sbin/sendmail', '-FCronDaemon'], ['sh', '-c', 'exit 3']) {
    unless (fork) { exec @$command }
}
sleep 1000
X
mkfifo /run/go
setpriv --pdeathsig KILL bcron-sched -e 'unless (fork) {
    exec qw(setpriv --pdeathsig KILL bcron-exec /run/exec.pl) } sleep 1000' &
cron=$!
until helper=$(tr -d ' ' </proc/$cron/task/$cron/children) && [ -n "$helper" ] &&
    grep -qx bcron-exec /proc/$helper/comm; do kill -0 $cron || exit 1; sleep 0.02; done
follow --pid $cron
until_told following
kill -STOP $follower
echo >/run/go
until [ "$(cat /proc/$helper/task/$helper/children | wc -w)" = 2 ]; do sleep 0.02; done
for pid in $(cat /proc/$helper/task/$helper/children); do
    until grep -q '^State:.Z' /proc/$pid/status; do sleep 0.02; done
done
kill -CONT $follower
until_told '"exit_status":3'
kill $helper $cron
wait $follower
cat /run/out"#;

#[test]
fn mail_that_was_sent_at_once_is_no_job() {
    let Some(outcome) = run(ZOMBIE) else { skip!("no process events here, or no faketime") };
    let ends = events(&outcome, "ended");
    assert!(ends.len() == 1 && end(&ends[0]) == 3, "{}", outcome.report());
}
