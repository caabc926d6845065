//! The endpoints of a session: the result of `search`, and its encoding. The search runs in a child
//! process, which sends the result to us as bytes.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::address::Address;
use super::names::MORE;

/// Variables of compositors and window managers that hold the path of a socket.
pub const SOCKETS: [&str; 2] = ["SWAYSOCK", "I3SOCK"];

/// The endpoints of a session that answered, with its desktop and its locale.
#[derive(Debug, Default, PartialEq)]
pub struct Endpoints {
    /// The message bus.
    pub bus: Option<Address>,
    /// The value of $WAYLAND_DISPLAY for the compositor.
    pub wayland: Option<OsString>,
    /// The value of $DISPLAY for the X server.
    pub display: Option<OsString>,
    /// The file with the cookie of the X server, if it needs one.
    pub authority: Option<PathBuf>,
    /// The user's runtime directory.
    pub runtime: Option<PathBuf>,
    /// The value of $XDG_CURRENT_DESKTOP.
    pub desktop: Option<OsString>,
    /// Names and values of the variables of [`SOCKETS`].
    pub sockets: Vec<(&'static str, OsString)>,
    /// Names and values of some of [`MORE`].
    pub more: Vec<(&'static str, OsString)>,
    /// A display of the session whose server did not answer in all the time that there was.
    pub late_display: Option<OsString>,
    /// Names and values of the variables of the user's language.
    pub locale: Vec<(String, OsString)>,
    /// `true` if a usual endpoint did not answer in time, so that it may exist.
    pub is_late: bool,
    /// The reason why the runtime directory cannot be seen.
    pub hidden: Option<OsString>,
}

impl Endpoints {
    /// Returns the answer of a usual endpoint, or notes that it was late.
    pub fn answered<T>(&mut self, what: &str, answer: io::Result<T>) -> Option<T> {
        let error = match answer {
            Ok(answer) => return Some(answer),
            Err(error) => error,
        };
        tracing::debug!("{what}: {error}");
        self.is_late |= error.kind() == ErrorKind::TimedOut;
        None
    }

    /// Encodes all fields as names and values in turn, each with a zero byte at its end. The values
    /// have none, because they come from environments.
    pub fn encoded(self) -> Vec<u8> {
        let one = |name: &str, value: Option<OsString>| value.map(|value| (name.to_owned(), value));
        let bus = self.bus.map(|bus| bus.text);
        let late = self.is_late.then(OsString::new);
        let mut pairs: Vec<(String, OsString)> = [
            one("bus", bus),
            one("wayland", self.wayland),
            one("display", self.display),
            one("authority", self.authority.map(OsString::from)),
            one("runtime", self.runtime.map(OsString::from)),
            one("desktop", self.desktop),
            one("late", late),
            one("hidden", self.hidden),
            one("late display", self.late_display),
        ]
        .into_iter()
        .flatten()
        .collect();
        let named = self.sockets.into_iter().chain(self.more);
        pairs.extend(named.map(|(name, value)| (name.to_owned(), value)));
        pairs.extend(
            self.locale.into_iter().map(|(name, value)| (format!("{LOCALE}{name}"), value)),
        );
        let parts = pairs
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), b"\0", value.as_bytes(), b"\0"]);
        parts.flatten().copied().collect()
    }

    /// Decodes what [`Endpoints::encoded`] has made. Unknown names are skipped.
    pub fn decoded(bytes: &[u8]) -> Endpoints {
        let mut found = Endpoints::default();
        let mut parts = bytes.split(|&byte| byte == 0);
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            let name = String::from_utf8_lossy(name);
            let value = OsString::from_vec(value.to_vec());
            match &*name {
                "bus" => found.bus = Address::list(value.as_bytes()).next(),
                "wayland" => found.wayland = Some(value),
                "display" => found.display = Some(value),
                "authority" => found.authority = Some(PathBuf::from(value)),
                "runtime" => found.runtime = Some(PathBuf::from(value)),
                "desktop" => found.desktop = Some(value),
                "late" => found.is_late = true,
                "hidden" => found.hidden = Some(value),
                "late display" => found.late_display = Some(value),
                name => match name.strip_prefix(LOCALE) {
                    Some(name) => found.locale.push((name.to_owned(), value)),
                    None => {
                        let known = MORE.iter().map(|(name, _)| *name).find(|known| *known == name);
                        let socket = SOCKETS.into_iter().find(|known| *known == name);
                        found.sockets.extend(socket.zip(Some(value.clone())));
                        found.more.extend(known.zip(Some(value)));
                    }
                },
            }
        }
        found
    }
}

/// The prefix of the names of locale variables in the encoding.
const LOCALE: &str = "locale ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_returns_what_was_encoded() {
        let text = |text: &str| Some(OsString::from(text));
        let found = || Endpoints {
            bus: Address::list(b"unix:path=/run/user/1/bus").next(),
            wayland: text("wayland-1"),
            display: Some(OsString::from_vec(b":0\xff".to_vec())),
            authority: Some("/a".into()),
            runtime: Some("/run/user/1".into()),
            desktop: text(""),
            sockets: vec![("I3SOCK", "/b".into())],
            locale: vec![("LANG".to_owned(), "de_DE".into()), ("LC_ALL".to_owned(), "C".into())],
            is_late: true,
            hidden: text("it is away"),
            more: vec![("XMODIFIERS", "@im=x".into())],
            late_display: text(":1"),
        };
        assert_eq!(Endpoints::decoded(&found().encoded()), found());
        assert_eq!(Endpoints::decoded(&Endpoints::default().encoded()), Endpoints::default());
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(
            &[b"bus\0unix:path=/x\0wayland\0/run/w\0display\0:0\0authority\0/x\0runtime\0/r\0"],
            |bytes| _ = Endpoints::decoded(bytes),
        );
    }
}
