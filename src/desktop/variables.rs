//! The environment variables that a command needs to reach the endpoints of a session: `environ`
//! reads what processes have, and `search` tries it. Each endpoint was tried before its variable is
//! passed on.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::Instant;

use super::address::Address;
use super::endpoints::Endpoints;
use super::environ::session_environs;
use super::names::{MORE, NAMES};
use super::search::EndpointSearch;
use super::values::is_plain;
use super::{Error, Session};
use crate::deadline::left_until;
use crate::deadlines;
use crate::process::Proc;

/// The variables of a session that can be reached.
pub struct Variables {
    /// Some of [`NAMES`] and [`MORE`], in their order.
    pub session: Vec<(&'static str, OsString)>,
    /// The locale of its user, for a command that has none yet.
    pub locale: Vec<(String, OsString)>,
    /// The address of its message bus.
    pub bus: Option<Address>,
    /// A display of it whose server did not answer in time.
    pub late_display: Option<OsString>,
}

impl Variables {
    /// Returns the value of one of [`NAMES`].
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.session.iter().find(|(found, _)| *found == name).map(|(_, value)| &**value)
    }
}

/// Finds the variables of a session, with the rights of its user. Errors: `Stranger` if the user is
/// unknown, and `Unusable` or `Nobody` if neither its bus nor its display answers.
pub fn variables(proc: &Proc, session: &Session) -> Result<Variables, Error> {
    if !session.account.is_known() {
        return Err(Error::Stranger(session.to_string()));
    }
    let (uid, id, path) = (session.account.uid, session.id.clone(), proc.path().to_owned());
    let end = Instant::now() + deadlines::ENDPOINT_SEARCH;
    // /proc/PID/environ is read from the process's own memory, which may be a file on a hung mount.
    let environs = session.account.with_timeout(deadlines::ENDPOINT_SEARCH, move || {
        session_environs(&Proc::open(&path)?, uid, id.as_deref())
    })??;
    tracing::debug!(session = %session, hints = environs.len(), "processes that may know it");
    let search = EndpointSearch::new(session, environs, proc.own_pid());
    let found =
        Endpoints::decoded(&session.account.run_as(left_until(end), || search.run().encoded())?);
    if found.display.is_none()
        && found.wayland.is_none()
        && (found.bus.is_none() || !session.may_lack_display)
        && found.late_display.is_none()
    {
        return Err(if session.id.is_some() || found.is_late {
            let why = found.hidden.map(|why| why.to_string_lossy().into_owned());
            Error::Unusable { session: session.to_string(), why }
        } else {
            Error::Nobody { user: Some(session.account.name.clone()) }
        });
    }
    Ok(found.variables(session))
}

impl Endpoints {
    fn variables(self, session: &Session) -> Variables {
        let kind = match (&session.kind, &self.wayland, &self.display) {
            (Some(kind), ..) => Some(OsString::from(kind)),
            (None, Some(_), _) => Some("wayland".into()),
            (None, None, Some(_)) => Some("x11".into()),
            (None, None, None) => None,
        };
        let recorded =
            session.desktop.clone().map(OsString::from).filter(|desktop| is_plain(desktop));
        let late_display = self.late_display;
        let mut values: BTreeMap<&str, OsString> =
            self.sockets.into_iter().chain(self.more).collect();
        let mut set =
            |name, value: Option<OsString>| values.extend(value.map(|value| (name, value)));
        set("DISPLAY", self.display);
        set("XAUTHORITY", self.authority.map(OsString::from));
        set("DBUS_SESSION_BUS_ADDRESS", self.bus.as_ref().map(|bus| bus.text.clone()));
        set("WAYLAND_DISPLAY", self.wayland);
        set("XDG_RUNTIME_DIR", self.runtime.map(OsString::from));
        set("XDG_SESSION_TYPE", kind);
        set("XDG_SESSION_ID", session.id.clone().map(OsString::from));
        set("XDG_CURRENT_DESKTOP", self.desktop.or(recorded));
        let more = MORE.iter().map(|(name, _)| name);
        let session = NAMES
            .iter()
            .chain(more)
            .filter_map(|name| values.remove(name).map(|value| (*name, value)))
            .collect();
        Variables { session, locale: self.locale, bus: self.bus, late_display }
    }
}
