//! The words of `cron-jobs --help` and of its man page.

use crate::cli::ENVIRONMENT;
use crate::cli::exit_status::{AFTER_SIGINT, ExitRow, Status};
use crate::exit::Exit;
use crate::output::cron::{daemon_applets, daemon_names};

/// Returns the description.
pub fn long_about() -> String {
    let names = daemon_names();
    let (last, others) = names.split_last().map_or(("", &[][..]), |(last, names)| (*last, names));
    format!(
        "Follows the cron daemons, and prints a line when a job starts and when it ends: its user, \
         its command and the line of the crontab; at the end its exit status or the signal that \
         ended it, how long it ran, and its peak memory. Crontabs need no change, and cron \
         notices nothing. It goes on until a signal ends it, until nobody reads its output any \
         more or, with --pid, until that daemon and its jobs have ended. Jobs that run already \
         are printed as running, and their ends are printed too.\n\n\
         The kernel wakes it: it gives root an event for every fork, exec and exit on the machine \
         (the process connector, by netlink). With these events the exit status of every job is \
         known, however short the job is. The command is read from /proc as soon as the job has \
         become its shell. To be there in time, cron-jobs runs before other processes: with the \
         real-time policy SCHED_RR (sched(7)) or, where that is forbidden, with nice value -20. \
         Where a job has ended all the same before it was read, its command and its crontab are \
         unknown, and are printed as ?.\n\n\
         The kernel gives these events only in the initial pid, user and network namespaces, and \
         before Linux 6.6 only with CAP_NET_ADMIN. Elsewhere, as in a container, cron-jobs says so and looks at the children of the daemon: every 2 \
         milliseconds around the beginning of a minute and for a second after each new job, else \
         20 times a second. A job that starts and ends between two looks is missed; where its \
         worker was seen, a message says so. Busybox's crond and dcron have no workers, and there \
         nothing is said. Each job is held by a pidfd, through which the \
         kernel tells its exit status since Linux 6.15. An older kernel tells it only of a \
         zombie, so that mostly the status is unknown.\n\n\
         The line of a crontab is printed where only one line has this user and this command. \
         The start is that of the process that becomes the shell of the job; the user is its \
         real user, and unknown where the job ended before that was certain. A job that has left \
         processes behind has ended when its shell has. The peak \
         memory is the most resident memory (VmHWM) that one process of the job has had: it is \
         read 0.1 seconds after the start and then at intervals that grow up to 30 seconds. It is \
         therefore a lower bound, and unknown of shorter jobs. Before Linux 6.2 it may be some 100 \
         KiB too low, because the kernel's counters lag behind. What a daemon runs to send mail is \
         no job; the children of anacron are parts of one.\n\n\
         The daemon is a process called {} or {last}, or {}, that the superuser runs in our own \
         pid namespace, as for cron-graceful(8). When it ends, cron-jobs says so, and follows the \
         daemon that is started next, as in an upgrade. The jobs that a new daemon starts in its \
         first moments may be missed if they are shorter than that search, some hundredths of a \
         second. One that starts beside another is found within a minute. If the \
         kernel has too many events for us, it discards some: that is printed, and \
         cron-jobs looks for jobs that have started or ended meanwhile; their ends are those of \
         this look. The timers of systemd-cron \
         are no daemon; systemd itself logs how their services have ended.",
        others.join(", "),
        daemon_applets(" as "),
    )
}

/// Returns the sections behind the options.
pub fn notes() -> String {
    format!("{JSON}\n\n{JSON_EXAMPLE}\n\n{METRICS}\n\n{ENVIRONMENT}\n\n{FILES}\n\n{EXAMPLES}")
}

/// The rows of the exit statuses.
pub const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "nobody reads the output any more; with --pid, the daemon has ended"),
    Status(Exit::Nothing, "not root; with --pid, the process is no cron daemon"),
    Status(Exit::Usage, "wrong usage"),
    Status(
        Exit::Fatal,
        "fatal: no pidfds (before Linux 5.3, or in a sandbox), /proc unreadable, out of \
        descriptors, output failed",
    ),
    Status(AFTER_SIGINT, "ended by a signal (128 and the number of the signal)"),
];

const JSON: &str = "\
JSON:
  With --jsonl each line is an object. Times are in UTC (RFC 3339).
  event         started, ended; running: it ran already when its daemon was
                found; unseen: a worker has ended, and its job was too short to
                be seen; lost: the kernel has discarded events; following,
                daemon ended, no daemon
  time          when it happened
  pid, id       the process that runs the command, and PID:INODE (null before
                Linux 6.9, or where the job was gone at once); in following and
                daemon ended, those of the daemon
  name          in following and daemon ended, the name of the daemon
  by            in following: process events or looks
  worker        the process of cron between daemon and job; null where the
                daemon has no workers, or where it was not seen
  daemon        the pid of the daemon
  user          the real user; null if unknown
  command       the command; null if the job ended before it could be read
  crontab       the file and the line of the crontab; null unless one line
                alone has this user and this command
  start         the start of the job
  seconds       in ended: how long it ran
  exit_status   in ended: the exit status; null after a signal, or if unknown
  exit_signal   in ended: the name of the signal that ended it, else null
  peak_rss      in ended: the peak memory in bytes; null if it was never read";

const JSON_EXAMPLE: &str = "\
Example of JSON:
  {\"event\":\"ended\",\"time\":\"2026-11-28T03:40:03.214Z\",\"pid\":1234,
  \"id\":\"1234:112740\",\"daemon\":415,\"worker\":1233,\"user\":\"root\",
  \"command\":\"/usr/bin/backup\",\"crontab\":{\"file\":\"/etc/cron.d/backup\",
  \"line\":3},\"start\":\"2026-11-28T03:40:01.012Z\",\"seconds\":2.202,
  \"exit_status\":1,\"exit_signal\":null,\"peak_rss\":14680064}";

const METRICS: &str = "\
Metrics:
  With --openmetrics the file of --output is written at the start, and after events, once a second \
at most. All metrics are gauges, so that it is both the text format of Prometheus and OpenMetrics. \
Those of jobs have the labels user and command. The first 200 pairs of these have series of their \
own; further ones share those with the user (others), until a pair has not run for 40 days. When \
all places are taken, a user with many pairs gives places to users with fewer. If the file cannot \
be written after the first time, that is said once and tried again every 5 seconds. A \
label is cut after 200 columns; what is not known is (unknown). Counts begin with this process.
  proctool_cron_job_running, _runs, _failures
                jobs that run, that have ended, and that have failed or died by
                a signal
  proctool_cron_job_last_exit_status
                that of the last run; 128 and the number of a signal
  proctool_cron_job_last_duration_seconds, _last_peak_rss_bytes,
  _last_end_timestamp_seconds, _last_success_timestamp_seconds
                of the last run, and of the last one with status 0
  proctool_cron_followed_daemons
                daemons that are followed; 0 if cron does not run
  proctool_cron_process_events
                1 if the kernel tells of every process, 0 with looks
  proctool_cron_event_losses, proctool_cron_unseen_jobs
                how often the kernel has discarded events, and the jobs that
                were too short to be seen";

const FILES: &str = "\
Files:
  /etc/crontab, /etc/cron.d, /var/spool/cron
                the crontabs, to find the lines of jobs

Security:
  Any user can forge the command of a job of their own, but nobody can forge its user or exit \
status, nor anything of another user's job. The line of the crontab is found by user and command: \
a user can only choose among their own. In text, the command is what follows the first colon and \
blank. A job can start processes that look like further jobs of its \
user. In text, control characters are escaped. The file of --output is replaced \
as a whole, and so is a symbolic link, unless nobody else can have made it.";

const EXAMPLES: &str = "\
Examples:
  cron-jobs
  cron-jobs --quiet
  cron-jobs --jsonl \\
    | jq -c 'select(.event == \"ended\" and .exit_status != 0)'
  cron-jobs --openmetrics \\
    --output /var/lib/prometheus/node-exporter/cron-jobs.prom

See also:
  proctool(1), cron-graceful(8), cron(8), crontab(5)";
