//! Time zones: that of the user, and that of the machine.

use std::sync::LazyLock;

use jiff::tz::TimeZone;

/// The zone that $TZ names, else that of the machine.
static LOCAL: LazyLock<TimeZone> = LazyLock::new(|| {
    let is_set = std::env::var_os("TZ").is_some_and(|zone| !zone.is_empty());
    if is_set { TimeZone::system() } else { of_machine() }
});

/// Returns the zone of dates for the user.
pub fn local() -> TimeZone {
    LOCAL.clone()
}

/// Returns the zone of the machine. It is read from /etc/localtime, because jiff would walk through
/// all zones to find its name.
pub fn of_machine() -> TimeZone {
    let file = std::fs::read("/etc/localtime").ok();
    file.and_then(|file| TimeZone::tzif("", &file).ok()).unwrap_or_else(TimeZone::system)
}

/// Returns the zone of this name, such as `Europe/Berlin`; `None` if there is none. The C library
/// accepts a colon before it (tzset(3)).
pub fn named(name: &[u8]) -> Option<TimeZone> {
    let name = std::str::from_utf8(name).ok()?;
    TimeZone::get(name.strip_prefix(':').unwrap_or(name)).ok()
}
