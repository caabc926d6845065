//! What a command has to be told to be in a session: variables, of which each was tried before it is passed on.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::bus::Address;
use super::hint::{Hint, hints};
use super::x11::{self, Authority};
use super::{Error, Session, wayland};
use crate::process::{Pid, Proc};

/// For one server to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// For everything that hints lead to; what a session has without them is tried in any case.
const LIMIT: Duration = Duration::from_secs(4);

/// More than all of it takes.
const END: Duration = Duration::from_secs(12);

/// The variables that are set, or not left as they are.
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

/// Without a locale, text that is not ASCII would be refused by programs that know what it is encoded in.
const LOCALE: (&str, &str) = ("LANG", "C.UTF-8");

/// What is known of a session that somebody can be reached in.
pub struct Variables {
    /// Some of [`NAMES`], in their order.
    pub session: Vec<(&'static str, OsString)>,
    /// The language of its user, for who has none yet.
    pub locale: Vec<(String, OsString)>,
    /// Where its message bus is.
    pub bus: Option<Address>,
}

impl Variables {
    /// The value of one of [`NAMES`].
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.session.iter().find(|(found, _)| *found == name).map(|(_, value)| &**value)
    }
}

/// Find out, as the session's user. An error where neither a bus nor a display of it is alive.
pub fn variables(proc: &Proc, session: &Session) -> Result<Variables, Error> {
    let hints = hints(proc, session)?;
    tracing::debug!(session = %session, hints = hints.len(), "processes that may know it");
    let search = Search {
        uid: session.account.uid,
        home: session.account.home.clone(),
        runtime: session.runtime.clone(),
        kind: session.kind.clone(),
        display: session.display.clone().map(OsString::from),
        first: proc.own_pid().into_iter().chain(session.leader).collect(),
        hints,
        end: Instant::now() + LIMIT,
    };
    let found = session.account.act(END, move || search.run())?;
    if found.display.is_none() && found.wayland.is_none() && (found.bus.is_none() || !session.may_lack_display) {
        return Err(match session.id {
            Some(_) => Error::Unusable(session.to_string()),
            None => Error::Nobody { user: Some(session.account.name.clone()) },
        });
    }
    Ok(found.variables(session))
}

/// What is asked about a session, and of whom.
struct Search {
    uid: u32,
    home: PathBuf,
    runtime: Option<PathBuf>,
    kind: Option<String>,
    display: Option<OsString>,
    /// We ourselves, if it is our own session, and its leader.
    first: Vec<Pid>,
    hints: Vec<Hint>,
    end: Instant,
}

/// What was found.
#[derive(Default)]
struct Found {
    bus: Option<Address>,
    wayland: Option<OsString>,
    display: Option<OsString>,
    authority: Option<PathBuf>,
    desktop: Option<OsString>,
    sockets: Vec<(&'static str, OsString)>,
    locale: Vec<(String, OsString)>,
}

impl Search {
    fn run(mut self) -> Found {
        let compositors = self.compositors();
        let servers = x11::owned(self.uid, self.soon()).unwrap_or_else(|error| {
            tracing::debug!("the sockets of X servers: {error}");
            Vec::new()
        });
        self.rank(compositors.iter().chain(servers.iter().map(|(_, pid)| pid)).flatten().copied().collect());
        let mut found = Found { bus: self.bus(), ..Found::default() };
        if self.kind.as_deref() != Some("x11") {
            found.wayland = self.wayland();
        }
        // An X server beside a compositor is its own only if somebody says so.
        let servers = if found.wayland.is_some() { Vec::new() } else { servers };
        (found.display, found.authority) =
            self.x11(servers).map_or((None, None), |(display, path)| (Some(display), path));
        found.desktop = self.first("XDG_CURRENT_DESKTOP", is_plain);
        for name in ["SWAYSOCK", "I3SOCK"] {
            let answers =
                |path: &OsStr| self.is_alive(wayland::connect(path.as_ref(), self.uid, self.soon()), name, path);
            found.sockets.extend(self.first(name, answers).map(|path| (name, path)));
        }
        found.locale = self.locale();
        found
    }

    /// The processes that listen as compositors.
    fn compositors(&self) -> Vec<Option<Pid>> {
        let Some(runtime) = &self.runtime else { return Vec::new() };
        let names = wayland::names(runtime).unwrap_or_else(|error| {
            tracing::debug!(directory = %runtime.display(), "{error}");
            Vec::new()
        });
        let answer = |name| wayland::answers(&runtime.join(name), self.uid, self.soon()).ok();
        names.into_iter().filter_map(answer).collect()
    }

    /// We ourselves and the leader of the session, then compositors and X servers and whoever descends from them, then who is in the session
    /// otherwise, then the user's others.
    fn rank(&mut self, servers: HashSet<Pid>) {
        let parents: HashMap<Pid, Pid> = self.hints.iter().map(|hint| (hint.pid, hint.parent)).collect();
        let descends = |pid: Pid| {
            // What was read at different instants may make a circle.
            let line = std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(parents.len() + 1);
            line.into_iter().any(|pid| servers.contains(&pid))
        };
        let first = &self.first;
        self.hints.sort_by_cached_key(|hint| match () {
            () if first.contains(&hint.pid) => 0,
            () if descends(hint.pid) => 1,
            () if hint.is_inside => 2,
            () => 3,
        });
    }

    fn bus(&self) -> Option<Address> {
        let said = self
            .said("DBUS_SESSION_BUS_ADDRESS")
            .into_iter()
            .flat_map(|text| Address::list(text.as_bytes()).collect::<Vec<_>>());
        let usual = self.runtime.as_ref().and_then(|runtime| Address::at(&runtime.join("bus")));
        let answers = |bus: &Address, end| self.is_alive(bus.connect(self.uid, end), "bus", &bus.text);
        said.take_while(|_| Instant::now() < self.end)
            .find(|bus| answers(bus, self.soon()))
            .or_else(|| usual.filter(|bus| answers(bus, Instant::now() + PATIENCE)))
    }

    fn wayland(&self) -> Option<OsString> {
        let answers = |name: &OsStr, end| {
            let socket = wayland::socket(self.runtime.as_deref(), name);
            socket.is_some_and(|path| self.is_alive(wayland::answers(&path, self.uid, end), "WAYLAND_DISPLAY", name))
        };
        let usual = self.runtime.as_ref().and_then(|runtime| wayland::names(runtime).ok()).unwrap_or_default();
        self.first("WAYLAND_DISPLAY", |name| answers(name, self.soon()))
            .or_else(|| usual.into_iter().find(|name| answers(name, Instant::now() + PATIENCE)))
    }

    /// A display and the file with its cookie, which whoever knows the one knows too.
    fn x11(&self, servers: Vec<(u32, Option<Pid>)>) -> Option<(OsString, Option<PathBuf>)> {
        let mut tried = HashSet::new();
        let said = self.hints.iter().filter_map(|hint| Some((hint.get("DISPLAY")?, hint.get("XAUTHORITY"))));
        let said = said.filter(|pair| tried.insert(*pair)).take_while(|_| Instant::now() < self.end);
        let said: Vec<_> = said.map(|(display, path)| (display.to_owned(), path.map(PathBuf::from))).collect();
        let usual =
            self.display.clone().into_iter().chain(servers.into_iter().map(|(number, _)| format!(":{number}").into()));
        let usual = usual.map(|display| (display, None));
        said.into_iter().chain(usual).find_map(|(display, path)| self.accepted(display, path))
    }

    /// The display, and the file if it is needed, if the server accepts us.
    fn accepted(&self, display: OsString, path: Option<PathBuf>) -> Option<(OsString, Option<PathBuf>)> {
        let number = x11::number(display.as_bytes())?;
        let usual = self.home.join(".Xauthority");
        for (path, is_said) in path.into_iter().map(|path| (path, true)).chain([(usual, false)]) {
            let authority = Authority::read(&path);
            if let Err(error) = &authority {
                tracing::debug!(XAUTHORITY = %path.display(), "{error}");
            }
            // Who said so has a file that the server may not ask for.
            let cookie = authority.as_ref().ok().and_then(|authority| authority.cookie(number));
            let answer = x11::accepts(number, cookie, self.uid, Instant::now() + PATIENCE);
            if self.is_alive(answer, "DISPLAY", &display) {
                let path = authority.ok().filter(|_| is_said).map(|authority| authority.path);
                return Some((display, path));
            }
        }
        None
    }

    /// The language that the first process with any speaks.
    fn locale(&self) -> Vec<(String, OsString)> {
        let is_locale = |name: &str| ["LANG", "LANGUAGE"].contains(&name) || name.starts_with("LC_");
        let mut locales = self.hints.iter().map(|hint| {
            let mut variables = hint.all(is_locale);
            variables.retain(|(_, value)| is_plain(value));
            variables
        });
        let found = locales
            .find(|variables| variables.iter().any(|(name, _)| ["LANG", "LC_ALL", "LC_CTYPE"].contains(&&**name)));
        found.unwrap_or_else(|| vec![(LOCALE.0.to_owned(), LOCALE.1.into())])
    }

    /// The first value that is good, of those that processes have, while there is time.
    fn first(&self, name: &str, is_good: impl Fn(&OsStr) -> bool) -> Option<OsString> {
        let values = self.said(name).into_iter().take_while(|_| Instant::now() < self.end);
        values.into_iter().find(|value| is_good(value)).map(OsStr::to_owned)
    }

    /// What processes say, each thing once.
    fn said(&self, name: &str) -> Vec<&OsStr> {
        let mut seen = HashSet::new();
        self.hints.iter().filter_map(|hint| hint.get(name)).filter(|value| seen.insert(*value)).collect()
    }

    fn soon(&self) -> Instant {
        self.end.min(Instant::now() + PATIENCE)
    }

    fn is_alive<T>(&self, answer: Result<T, impl Display>, what: &str, value: &OsStr) -> bool {
        if let Err(error) = &answer {
            tracing::debug!(value = %value.display(), "{what}: {error}");
        }
        answer.is_ok()
    }
}

impl Found {
    fn variables(self, session: &Session) -> Variables {
        let kind = match (&session.kind, &self.wayland, &self.display) {
            (Some(kind), ..) => Some(OsString::from(kind)),
            (None, Some(_), _) => Some("wayland".into()),
            (None, None, Some(_)) => Some("x11".into()),
            (None, None, None) => None,
        };
        let logged = session.desktop.clone().map(OsString::from).filter(|desktop| is_plain(desktop));
        let mut values: HashMap<&str, OsString> = self.sockets.into_iter().collect();
        let mut set = |name, value: Option<OsString>| values.extend(value.map(|value| (name, value)));
        set("DISPLAY", self.display);
        set("XAUTHORITY", self.authority.map(OsString::from));
        set("DBUS_SESSION_BUS_ADDRESS", self.bus.as_ref().map(|bus| bus.text.clone()));
        set("WAYLAND_DISPLAY", self.wayland);
        set("XDG_RUNTIME_DIR", session.runtime.clone().map(OsString::from));
        set("XDG_SESSION_TYPE", kind);
        set("XDG_SESSION_ID", session.id.clone().map(OsString::from));
        set("XDG_CURRENT_DESKTOP", self.desktop.or(logged));
        let session = NAMES.iter().filter_map(|name| values.remove(name).map(|value| (*name, value))).collect();
        Variables { session, locale: self.locale, bus: self.bus }
    }
}

/// Whether a value is of the characters that names of desktops and languages are made of, and so means nothing else.
fn is_plain(value: &OsStr) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:;@+= ".contains(byte);
    !value.is_empty() && value.as_bytes().iter().all(is_plain)
}
