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

/// Further variables that programs of the session need, with the check of their values. They are
/// passed on as the session's own processes have them, and never removed.
pub const MORE: [(&str, Check); 12] = [
    ("XDG_SESSION_DESKTOP", Check::Plain),
    ("DESKTOP_SESSION", Check::Plain),
    // Handlers of files and addresses, also those of Flatpak and Snap.
    ("XDG_DATA_DIRS", Check::Paths),
    // xdg-open asks for KDE's programs by these.
    ("KDE_FULL_SESSION", Check::Plain),
    ("KDE_SESSION_VERSION", Check::Plain),
    // The names of sockets of compositors, for their own programs.
    ("HYPRLAND_INSTANCE_SIGNATURE", Check::Hyprland),
    ("NIRI_SOCKET", Check::Socket),
    // Input methods.
    ("XMODIFIERS", Check::Plain),
    ("GTK_IM_MODULE", Check::Plain),
    ("QT_IM_MODULE", Check::Plain),
    ("SDL_IM_MODULE", Check::Plain),
    ("CLUTTER_IM_MODULE", Check::Plain),
];

/// The check of a value of one of [`MORE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is a word such as the name of a desktop.
    Plain,
    /// It is a list of absolute paths.
    Paths,
    /// The user's server listens at this path.
    Socket,
    /// The user's server listens below `hypr/` in the runtime directory, in a directory of this
    /// name.
    Hyprland,
}

/// Reports whether a variable of this name sets the language of the user (locale(7)).
pub fn is_locale(name: &str) -> bool {
    ["LANG", "LANGUAGE"].contains(&name) || name.starts_with("LC_")
}
