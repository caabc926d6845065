//! The names of environment variables that say something about a desktop session.

/// The variables that are set or removed.
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

/// Reports whether a variable of this name tells the language of the user.
pub fn is_locale(name: &str) -> bool {
    ["LANG", "LANGUAGE"].contains(&name) || name.starts_with("LC_")
}
