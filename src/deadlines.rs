//! The time limits of everything that waits for a server or for a program of the machine, each with
//! what it bounds. The functions that wait until a time are in `deadline`.

use std::time::Duration;

/// Limit of one probe of a bus, a compositor or an X server.
pub const DESKTOP_PROBE: Duration = Duration::from_secs(1);

/// Limit of all probes of compositors where only the existence of a desktop is asked. It begins
/// with the probes of bus and X server, which come before, so that it is longer than
/// [`DESKTOP_PROBE`].
pub const COMPOSITORS: Duration = Duration::from_secs(2);

/// Limit of the whole question whether a user has a living desktop. It is longer than the probes of
/// bus, X server and compositors together.
pub const LIVING_DESKTOP: Duration = Duration::from_secs(4);

/// Limit of this question about all users. One who is slow leaves time for the others.
pub const LIVING_DESKTOPS: Duration = Duration::from_secs(8);

/// Limit of a probe of the usual bus of a session. It is longer than [`DESKTOP_PROBE`] because our
/// connection may be what starts the bus.
pub const USUAL_BUS: Duration = Duration::from_secs(4);

/// Limit of all probes of a search except those of the usual bus and of X displays. It is shorter
/// than [`ENDPOINTS`], so that time is left for X displays.
pub const ENDPOINTS_WITHOUT_X: Duration = Duration::from_secs(3);

/// Limit of all probes of a search except that of the usual bus.
pub const ENDPOINTS: Duration = Duration::from_secs(5);

/// Limit of a whole search, with reading the environments before it. It is longer than [`USUAL_BUS`]
/// and [`ENDPOINTS`] together: a search that has not ended by itself hangs.
pub const ENDPOINT_SEARCH: Duration = Duration::from_secs(12);

/// Limit of entering a home directory, which may be on another machine.
pub const HOME: Duration = Duration::from_secs(5);

/// Limit of all answers of logind over the bus of the system. Its files are read where it is late.
pub const LOGIN1: Duration = Duration::from_secs(2);

/// Limit of showing a notification. Services answer at once; GLib waits as long for an answer.
pub const NOTIFICATION: Duration = Duration::from_secs(25);

/// Limit of closing a notification that was shown. It is shorter than the time in which a process
/// has to end after an interrupt.
pub const CLOSE_NOTIFICATION: Duration = Duration::from_secs(3);

/// Limit of a run of notify-send, which itself waits as long as [`NOTIFICATION`] for an answer.
pub const NOTIFY_SEND: Duration = Duration::from_secs(30);

/// Limit of an answer of an agent of GnuPG before 2.1. Such an agent must not keep us from starting
/// a new one.
pub const LEGACY_AGENT: Duration = Duration::from_secs(1);

/// Limit of the exit of an agent, which accepts connections and closes them until it has gone.
pub const AGENT_EXIT: Duration = Duration::from_millis(500);

/// Limit of the answer of an agent after `gpg-agent --daemon` has failed, and of the exit of that
/// process after an agent has answered. If two agents are started at the same time, one of them
/// gives up, and the other may still need a moment.
pub const SECOND_AGENT: Duration = Duration::from_millis(500);

/// Time in which an agent whose socket was replaced notices it, and ends. It takes milliseconds, and
/// longer on a busy machine.
pub const REPLACED_AGENT: Duration = Duration::from_secs(2);

/// Limit of one run of gpgconf(1), which reads some files.
pub const GPGCONF: Duration = Duration::from_secs(5);

/// Limit of one run of getent(1), which may ask a directory service.
pub const GETENT: Duration = Duration::from_secs(5);

/// Limit of all runs of getent(1) for the names of one database. Containers have many ids without a
/// name, and each needs a run.
pub const NAMES: Duration = Duration::from_secs(1);

/// Limit of a request to the one who holds cron. It looks after the paused daemons meanwhile.
pub const HOLDER_REQUEST: Duration = Duration::from_millis(200);

/// Limit of the answer of the one who holds cron, which first ends what it is at.
pub const HOLDER_ANSWER: Duration = Duration::from_secs(10);

/// Limit of an answer of systemd to `systemctl show`.
pub const SYSTEMCTL_SHOW: Duration = Duration::from_secs(5);

/// Limit of such an answer that is wanted in passing.
pub const SYSTEMCTL_GLANCE: Duration = Duration::from_secs(1);

/// Limit of the answers of all service managers. A user's may answer late or never.
pub const ALL_MANAGERS: Duration = Duration::from_secs(10);

/// Limit of `systemctl stop` and `systemctl start`. systemd gives a service 90 seconds by default
/// before it kills it.
pub const SYSTEMCTL_ORDER: Duration = Duration::from_secs(100);

/// Limit of an init script that starts a daemon, and of a daemon's becoming its program.
pub const START: Duration = Duration::from_secs(10);

/// Limit of the time from its start until a daemon has the lock on its pid file.
pub const STARTED: Duration = Duration::from_secs(10);
