//! The words of `cron-graceful --help` and of its man page.

use crate::cli::ENVIRONMENT;
use crate::cli::exit_status::{AFTER_SIGINT, ExitRow, Note, Status};
use crate::exit::Exit;
use crate::output::cron::{daemon_applets, daemon_names};

/// Returns the description.
pub fn long_about() -> String {
    let names = daemon_names();
    let (last, others) = names.split_last().map_or(("", &[][..]), |(last, names)| (*last, names));
    format!(
        "Stops cron without hurting a running job: when it returns, no cron job is running, \
             and none will start. It finds the daemon, pauses it so that it starts nothing new, \
             runs cron-graceful-additions if there is such a command, waits until all jobs have \
             ended, telling who they are and for how long they run, and stops the daemon: by \
             systemd where that runs it, else by TERM, with the init script to tidy up.\n\n\
             Cron is not left paused when this command ends, even by KILL of all that belongs to \
             it: the kernel lets cron run on in the same moment, unless it was stopped on purpose. \
             A guardian process (proctool resume --guard), in another control group where that is \
             permitted, lets it run on when this command hangs, as on a job that stands in a file \
             system that does not answer, or on an output that is not read: --timeout counts from \
             its start. Where a sandbox forbids F_SETOWN of fcntl(2), the guardian alone is there \
             for both, and KILL of this command and of the guardian in the same moment leaves cron \
             paused; --resume lets it run on then.\n\n\
             A cron that another process starts or continues meanwhile, as an upgrade does, is \
             paused too, with a message. At the end of a pause the jobs are listed that were due \
             and that cron does not make up for: Debian's cron and cronie run all that they have \
             missed in up to 5 minutes, the jobs at fixed times in up to 3 hours, and nothing \
             after that; busybox and dcron run each job once in up to an hour. Jobs that were \
             waited for and failed are listed too.\n\n\
             Where standard output is a pipe or socket that nobody reads any more, as after the \
             end of ssh, cron runs on, unless --detach. A command that runs already goes on.\n\n\
             --hold keeps cron paused when no job runs any more, so that many machines can stand \
             still together. With --lease it goes on in the background, in a session and a control \
             group of its own, and this command ends with status 0. At the end of the lease, or by \
             --release, cron runs on; --hold again makes the lease longer, and never shorter. \
             Without --lease, this command holds cron until its standard input ends, as it does \
             when ssh ends, or until a signal; it refuses a standard input that is at its end \
             already. Before cron is held, the end of this command ends all of it. --list tells \
             who holds cron, since when and until when. Nothing is held over a boot.\n\n\
             --with includes what else starts jobs. With at, the daemon of at(1) is paused and \
             stopped as cron is, and the jobs of at and batch are waited for. With timers, the active \
             timers of systemd are stopped, also those of users; the services that they have started \
             are waited for and never terminated, and exactly these timers are started again when cron \
             runs on, by the guardian if this command is killed. A timer that somebody has disabled or \
             removed meanwhile is not started again; a message names it. When cron is stopped for good, they stay \
             stopped until --start. \
             A timer that counts from the boot or from its own start (OnBootSec=, OnActiveSec=) may \
             run its service once more when it is started again. A timer that would not come back after a stop, as one of systemd-run, or that would \
             take other units with it stays active, with a message. all means at and timers. Without --with, one line tells what of this runs.\
             \n\n\
             {START}\n\n{SUMMARY}\n\n\
             A job is what cron's workers run, with everything below it and everything that it \
             left behind in its session, its audit session, the login session that pam_systemd(8) \
             opened for it, or cron's own control group. The jobs of a cron that has ended are \
             waited for too: those of busybox's crond and of dcron are known by their place and \
             their looks alone, and never terminated. Elsewhere, an orphan with the looks of a job \
             in the background is listed as perhaps of cron. Such orphans, and daemons that a job \
             has detached from itself, are listed, and not waited for unless \
             --wait-daemons.\n\n\
             --on-timeout terminate ends only what is certainly cron's, tells of each job that it \
             leaves alone, and takes up to 20 seconds more. If one is left then, cron runs on, and \
             the status is 124. A job that continues cron again and \
             again, as one of busybox's crond may, is waited for like any other.\n\n\
             The daemon is a process called {} or {last}, or {}, that the superuser runs in our \
             own pid namespace and that holds the lock on its pid file, where it is of a kind that \
             has one. If there are several, they are listed and nothing is done, unless --all. \
             The timers of systemd-cron are no daemon: where cron.target is active, nothing is \
             done either, unless --with timers. After systemctl stop cron.target, the jobs that its services still run \
             are waited for.",
        others.join(", "),
        daemon_applets(" as "),
    )
}

/// The part of the description about `--start`.
const START: &str = "\
--start starts again what has been stopped for good since the boot, and does not run: by systemd or the init \
script where that had started it, else by the same program with the same arguments, \
environment, directory, umask and groups, in a session of its own, without output. \
The program must be the superuser's, like all that leads to it. What runs already is \
as good. After a boot it refuses: the system then starts cron, or not, by its own \
rules.";

/// The part of the description about `--summary`.
const SUMMARY: &str = "\
--summary prints one line about cron, and a line for each job that is left, by user \
and command: no pid and no time is in them, so that clush -b and the like fold the \
answers of many machines. The line has the outcome, as JSON does: cron: stopped; \
cron: held by alice; cron: timed out; cron: supervised by runit; cron: refused: and \
the reason; or no cron. Failed jobs and missed ones are not in it. The fields of JSON \
are documented in the man page cron-graceful(8).";

/// Returns the sections behind the options.
pub fn notes() -> String {
    format!("{SUPERVISORS}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

/// The rows of the exit statuses.
pub const EXITS: &[ExitRow] = &[
    Status(
        Exit::Done,
        "cron is stopped and no job is running; or there was no cron; with --hold, cron is held, or \
        was held until its release or the end of standard input; with --start, cron runs",
    ),
    Status(
        Exit::Nothing,
        "it could not be done, or not safely; with --release, nobody held cron, or cron has \
        ended meanwhile",
    ),
    Status(Exit::Usage, "wrong usage"),
    Status(
        Exit::Fatal,
        "fatal: no pidfds (before Linux 5.3, or in a sandbox), /proc unreadable, out of \
        descriptors, output failed",
    ),
    Status(Exit::Absent, "with --hold: there is no cron that could be held"),
    Status(Exit::Supervised, "a supervisor would start cron again: nothing was done"),
    Status(
        Exit::TimedOut,
        "jobs were still running when the time was over; --timeout-status gives this another \
        number",
    ),
    Status(Exit::NotExecutable, "the command could not be executed"),
    Status(Exit::NotFound, "the command was not found"),
    Status(AFTER_SIGINT, "interrupted, and cron runs on (128 and the number of the signal)"),
    Note("141 (PIPE) says that nobody reads the output any more, and cron runs on: see --detach."),
    Note(
        "Output that nobody reads changes no status: standard error has what was done. Wrong usage \
        gives no document with --json.",
    ),
    Note(
        "With a command, its exit status is passed on. Where the status is that of the command, \
        the outcome in JSON is: ran. A command may end with 124 too: --timeout-status 75 tells our \
        own timeout from that.",
    ),
];

const SUPERVISORS: &str = "\
Supervisors:
  A supervisor such as runit, s6, daemontools, supervise-daemon or supervisord would start cron \
again after its end. Below one of them, also through a shell or another wrapper, this command \
refuses at once, with status 5, and names the command that stops cron there. Run that command in \
a window, so that the jobs are waited for first: see the examples. Where it is unknown whether the \
parent of cron starts it again, cron counts as stopped only after it has stayed away for 2 \
seconds. A run script has to become cron by exec: else the supervisor ends its shell, and not \
cron. In a container whose first process is cron, stop the container instead (docker stop).";

const FILES: &str = "\
Files:
  cron-graceful-additions
                a command that is run, if it is on $PATH, as soon as cron is
                paused, for 10 minutes at most and no longer than --timeout
  /run/cron-graceful.lock
                held while it works, so that there is one at a time
  /run/cron-graceful.sock
                where the one who holds cron listens for --release, --list and
                --hold of the superuser
  /run/cron-graceful.timers.PID
                a script that starts the timers again which this process has
                stopped; its guardian, or the next run, runs it if it is killed
  /run/cron-graceful.stopped
                what --start needs, written when cron is stopped: for the
                superuser alone, because cron's environment is in it
  /dev/log      where it exists, syslog is told of what is done

Security:
  It runs what is called cron-graceful-additions in an absolute directory of $PATH, as whoever \
calls it: keep those directories to trusted people. A process that only calls itself cron is never \
taken for it, nor is one in a container.";

const EXAMPLES: &str = "\
Examples:
  cron-graceful --list
  cron-graceful
  cron-graceful --timeout 1h --on-timeout terminate
  cron-graceful -- apt-get upgrade
  cron-graceful --with all -- apt-get upgrade
  cron-graceful --hold --lease 30m --timeout 10m
  cron-graceful --list --summary
  cron-graceful --list --openmetrics \\
    --output /var/lib/prometheus/node-exporter/cron.prom
  cron-graceful --release
  cron-graceful --start
  cron-graceful -- sv down /etc/service/cron
  cron-graceful -- s6-svc -wd -d /run/service/cron
  cron-graceful -- svc -d /etc/service/cron
  cron-graceful -- supervisorctl stop cron
  cron-graceful -- rc-service cron stop

See also:
  proctool(1), cron(8), systemctl(1)";
