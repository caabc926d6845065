//! The names of environment variables that say something about a desktop session.

/// The variables that are set for a command in a session, or removed where they are unknown.
pub const NAMES: [&str; 10] = [
    "DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_SESSION_ID",
    "XDG_CURRENT_DESKTOP",
    "SWAYSOCK",
    "I3SOCK",
];

/// Reports whether a variable of this name sets the language of the user (locale(7)).
pub fn is_locale(name: &str) -> bool {
    ["LANG", "LANGUAGE"].contains(&name) || name.starts_with("LC_")
}
