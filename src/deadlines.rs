//! The time limits of everything that waits for a server or for a program of the machine. The code
//! that waits is where the server is; how to wait until a time is in `deadline`.

use std::time::Duration;

/// One probe of a bus, a compositor or an X server.
pub const DESKTOP_PROBE: Duration = Duration::from_secs(1);

/// The usual bus of a session, which may be started only by our connection.
pub const USUAL_BUS: Duration = Duration::from_secs(4);

/// All endpoints of a session that hints name. What is left of [`ENDPOINTS`] is for the usual ones.
pub const HINTED_ENDPOINTS: Duration = Duration::from_secs(3);

/// All endpoints of a session except the usual bus.
pub const ENDPOINTS: Duration = Duration::from_secs(5);

/// The whole search for a session: one that has not ended by itself hangs.
pub const ENDPOINT_SEARCH: Duration = Duration::from_secs(12);

/// An answer of the notification service, as in GLib. Services answer at once.
pub const NOTIFICATION: Duration = Duration::from_secs(25);

/// A run of notify-send, which waits as long as [`NOTIFICATION`] itself.
pub const NOTIFY_SEND: Duration = Duration::from_secs(30);

/// An answer of an agent of GnuPG before 2.1: it must not keep us from a new agent.
pub const LEGACY_AGENT: Duration = Duration::from_secs(1);

/// The exit of an agent: until then it accepts connections and closes them.
pub const AGENT_EXIT: Duration = Duration::from_millis(500);

/// A second agent that was started at the same time, after ours has given up.
pub const SECOND_AGENT: Duration = Duration::from_millis(500);

/// One answer of getent(1).
pub const GETENT: Duration = Duration::from_secs(5);

/// All names of one listing: containers have many numbers without a name.
pub const NAMES: Duration = Duration::from_secs(1);

/// An answer of systemd to `systemctl show`.
pub const SYSTEMCTL_SHOW: Duration = Duration::from_secs(5);

/// `systemctl stop`: systemd gives a service 90 seconds by default before it kills it.
pub const SYSTEMCTL_STOP: Duration = Duration::from_secs(100);
