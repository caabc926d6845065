//! The search for the endpoints of a session: bus, compositor and X display. It tries those that
//! the environments of the user's processes name, and the usual ones, and believes only those that
//! answer. Processes that are nearer to the session come first, see [`Rank`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Instant;

use super::address::Address;
use super::endpoints::{Endpoints, SOCKETS};
use super::environ::SessionEnviron;
use super::names::{Check, MORE, is_locale};
use super::values::{is_list_of_paths, is_plain, is_safe_path};
use super::x11::{self, Authority};
use super::{Session, runtime, wayland};
use crate::deadlines;
use crate::process::Pid;

/// The locale where no process has one. Without any, programs that check encodings would refuse
/// text that is not ASCII.
const LOCALE: (&str, &str) = ("LANG", "C.UTF-8");

/// The nearness of a process to the session, the nearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    /// Our own process, and the leader of the session.
    First,
    /// A process that listens as a compositor or X server, and its descendants.
    Display,
    /// A process of the session, or any process where those cannot be told apart.
    Inside,
    /// Any other process of the user.
    Other,
}

/// A search, for one session.
pub struct EndpointSearch {
    uid: u32,
    home: PathBuf,
    runtime: Option<PathBuf>,
    /// The type of the session and its X display, as logind has them.
    kind: Option<String>,
    display: Option<OsString>,
    /// `true` if the session's processes can be separated from the user's other processes.
    has_own_processes: bool,
    /// The processes of [`Rank::First`].
    nearest: Vec<Pid>,
    /// The environments, the nearest first after [`EndpointSearch::rank`].
    environs: Vec<(SessionEnviron, Rank)>,
    /// The time at which all probes but those of X displays are over.
    probes_end: Instant,
    /// The time at which all probes are over.
    displays_end: Instant,
}

impl EndpointSearch {
    /// Prepares a search with these environments. `own` is our own process, if it is known.
    pub fn new(
        session: &Session,
        environs: Vec<SessionEnviron>,
        own: Option<Pid>,
    ) -> EndpointSearch {
        EndpointSearch {
            uid: session.account.uid,
            home: session.account.home.clone(),
            runtime: None,
            kind: session.kind.clone(),
            display: session.display.clone().map(OsString::from),
            has_own_processes: session.id.is_some(),
            nearest: own.into_iter().chain(session.leader).collect(),
            environs: environs.into_iter().map(|environ| (environ, Rank::Other)).collect(),
            probes_end: Instant::now() + deadlines::ENDPOINTS_WITHOUT_X,
            displays_end: Instant::now() + deadlines::ENDPOINTS,
        }
    }

    /// Tries all endpoints. Callers have the user's rights.
    pub fn run(mut self) -> Endpoints {
        self.runtime = self.runtime_directory();
        let mut found = Endpoints { runtime: self.runtime.clone(), ..Endpoints::default() };
        if self.runtime.is_none() {
            found.hidden = runtime::why_hidden(self.uid).map(OsString::from);
        }
        let usual = self.usual_bus().and_then(|bus| found.answered("bus", bus));
        // The usual bus has a limit of its own, so that the others begin after it.
        self.probes_end = Instant::now() + deadlines::ENDPOINTS_WITHOUT_X;
        self.displays_end = Instant::now() + deadlines::ENDPOINTS;
        let compositors = self.compositors(&mut found);
        let servers =
            found.answered("X servers", x11::owned(self.uid, self.probe_end())).unwrap_or_default();
        let listening =
            compositors.iter().map(|(_, pid)| pid).chain(servers.iter().map(|(_, pid)| pid));
        self.rank(&listening.flatten().copied().collect());
        found.bus = self.bus(usual);
        if self.kind.as_deref() != Some("x11") {
            found.wayland = self.wayland(compositors);
        }
        // Beside a compositor, an X server counts only if a process of the user names it.
        let servers = if found.wayland.is_some() { Vec::new() } else { servers };
        match self.x11(servers) {
            Displays::Accepted(display, path) => {
                (found.display, found.authority) = (Some(display), path);
            }
            Displays::Late(display) => found.late_display = Some(display),
            Displays::None => {}
        }
        found.desktop = self.first_good("XDG_CURRENT_DESKTOP", None, is_plain);
        for (name, check) in MORE {
            let mut values = self.values(name, NEAR).into_iter();
            let value = values.find(|value| self.is_good(name, check, value));
            found.more.extend(value.map(|value| (name, value.to_owned())));
        }
        for name in SOCKETS {
            let path = self.first_good(name, None, |path| self.accepts_connections(name, path));
            found.sockets.extend(path.map(|path| (name, path)));
        }
        found.locale = self.locale();
        found
    }

    /// Returns the user's runtime directory: the usual one, unless that has no server and a process
    /// of the user names another one, as where a session was started without a login service. Nobody
    /// else may enter it.
    fn runtime_directory(&self) -> Option<PathBuf> {
        let usual = runtime::directory(self.uid);
        if usual.as_deref().is_some_and(runtime::has_sockets) {
            return usual;
        }
        let own = |environ: &SessionEnviron| !self.nearest.contains(&environ.pid);
        let mut environs: Vec<&SessionEnviron> =
            self.environs.iter().map(|(environ, _)| environ).collect();
        environs.sort_by_key(|environ| own(environ));
        let named = environs.into_iter().filter_map(|environ| environ.get("XDG_RUNTIME_DIR"));
        let mut seen = BTreeSet::new();
        let elsewhere = named
            .filter(|path| seen.insert(*path) && is_safe_path(path))
            .map(PathBuf::from)
            .find(|path| runtime::is_of(path, self.uid) && runtime::has_sockets(path));
        elsewhere.or(usual)
    }

    /// Reports whether the value of a further variable means what it should.
    fn is_good(&self, name: &str, check: Check, value: &OsStr) -> bool {
        match check {
            Check::Plain => is_plain(value),
            Check::Paths => is_list_of_paths(value),
            Check::Socket => self.accepts_connections(name, value),
            Check::Hyprland => {
                is_plain(value)
                    && self.runtime.as_ref().is_some_and(|runtime| {
                        let socket = runtime.join("hypr").join(value).join(".socket.sock");
                        self.accepts_connections(name, socket.as_os_str())
                    })
            }
        }
    }

    /// Returns the bus in the runtime directory, or the reason why it does not answer; `None`
    /// without a runtime directory.
    fn usual_bus(&self) -> Option<io::Result<Address>> {
        let usual = Address::at(&self.runtime.as_ref()?.join("bus"))?;
        Some(usual.connect(self.uid, Instant::now() + deadlines::USUAL_BUS).map(|_| usual))
    }

    /// Returns the sockets at which compositors answer, and the processes that listen there.
    fn compositors(&self, found: &mut Endpoints) -> Vec<(OsString, Option<Pid>)> {
        let Some(runtime) = &self.runtime else { return Vec::new() };
        let names = found.answered("compositors", wayland::names(runtime)).unwrap_or_default();
        let mut compositors = Vec::new();
        for name in names {
            let answer = wayland::answers(&runtime.join(&name), self.uid, self.probe_end());
            compositors.extend(found.answered("compositor", answer).map(|pid| (name, pid)));
        }
        compositors
    }

    /// Ranks the environments, and sorts them, the nearest first. `servers` are the processes that
    /// listen as a compositor or X server.
    fn rank(&mut self, servers: &BTreeSet<Pid>) {
        let parents: BTreeMap<Pid, Pid> =
            self.environs.iter().map(|(environ, _)| (environ.pid, environ.parent)).collect();
        let below = descendants(&parents, servers);
        for (environ, rank) in &mut self.environs {
            *rank = if self.nearest.contains(&environ.pid) {
                Rank::First
            } else if below.contains(&environ.pid) {
                Rank::Display
            } else if environ.is_inside || !self.has_own_processes {
                Rank::Inside
            } else {
                Rank::Other
            };
        }
        self.environs.sort_by_key(|(_, rank)| *rank);
    }

    /// Returns the first bus that answers: one that near processes name, the usual one, else one
    /// that other processes name.
    fn bus(&self, usual: Option<Address>) -> Option<Address> {
        self.first_accepted("DBUS_SESSION_BUS_ADDRESS", usual, |list| {
            Address::list(list.as_bytes())
                .find(|bus| is_alive(bus.connect(self.uid, self.probe_end()), "bus", &bus.text))
        })
    }

    /// Returns the first value of $WAYLAND_DISPLAY whose compositor answers. The usual one is the
    /// first of these compositors, which have answered.
    fn wayland(&self, compositors: Vec<(OsString, Option<Pid>)>) -> Option<OsString> {
        let usual = compositors.into_iter().next().map(|(name, _)| name);
        self.first_good("WAYLAND_DISPLAY", usual, |name| self.compositor_answers(name))
    }

    /// Reports whether a compositor answers that a value of $WAYLAND_DISPLAY names.
    fn compositor_answers(&self, name: &OsStr) -> bool {
        let socket = wayland::socket(self.runtime.as_deref(), name)
            .filter(|path| is_safe_path(path.as_os_str()));
        let answer = socket.map(|path| wayland::answers(&path, self.uid, self.probe_end()));
        answer.is_some_and(|answer| is_alive(answer, "WAYLAND_DISPLAY", name))
    }

    /// Reports whether a server of the user listens at the socket that a variable names. A
    /// connection must do, because we do not speak the protocols of these servers.
    fn accepts_connections(&self, variable: &str, path: &OsStr) -> bool {
        is_safe_path(path)
            && is_alive(wayland::connect(path.as_ref(), self.uid, self.probe_end()), variable, path)
    }

    /// Returns the first display that accepts us, and the file with its cookie if it needs one. The
    /// display of logind is tried first, then those that near processes name, those of the user's
    /// own servers, and those that other processes name. A server that is only slow, as while it
    /// looks at a screen that was plugged in, gets all the time that is left if the session names it
    /// so.
    fn x11(&self, servers: Vec<(u32, Option<Pid>)>) -> Displays {
        let named = |ranks| self.values("DISPLAY", ranks).into_iter().map(OsStr::to_owned);
        let servers = servers.into_iter().map(|(number, _)| OsString::from(format!(":{number}")));
        let displays =
            self.display.clone().into_iter().chain(named(NEAR)).chain(servers).chain(named(FAR));
        let (mut tried, mut late) = (BTreeSet::new(), Vec::new());
        for display in displays.filter(|display| tried.insert(display.clone())) {
            match self.accepted(display, self.display_probe_end()) {
                Displays::None => {}
                Displays::Late(display) => late.push(display),
                accepted @ Displays::Accepted(..) => return accepted,
            }
        }
        let is_near = |display: &OsString| {
            self.display.as_ref() == Some(display)
                || self.values("DISPLAY", NEAR).contains(&display.as_os_str())
        };
        let Some(display) = late.into_iter().find(is_near) else { return Displays::None };
        match self.accepted(display.clone(), self.displays_end) {
            Displays::None => Displays::Late(display),
            answer => answer,
        }
    }

    /// Asks the server of a display whether it accepts us, until this time.
    fn accepted(&self, display: OsString, end: Instant) -> Displays {
        let Some(number) = x11::number(display.as_bytes()) else { return Displays::None };
        let mut is_late = false;
        let usual = (self.home.join(".Xauthority"), false);
        let named = self.authority_files(number).into_iter().map(|path| (path, true));
        for (path, is_named) in named.chain([usual]) {
            let authority = Authority::read(&path);
            if let Err(error) = &authority {
                tracing::debug!(XAUTHORITY = %path.display(), "{error}");
            }
            // A process that names the display may have a file that its server does not need.
            let cookie = authority.as_ref().ok().and_then(|authority| authority.cookie(number));
            let answer = x11::accepts(number, cookie, self.uid, end);
            is_late |= answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut);
            if is_alive(answer, "DISPLAY", &display) {
                let path = authority.ok().filter(|_| is_named).map(|authority| authority.path);
                return Displays::Accepted(display, path);
            }
            // It would not answer with another cookie either.
            if is_late {
                return Displays::Late(display);
            }
        }
        Displays::None
    }

    /// Returns the values of $XAUTHORITY in processes that name the display of this number, the
    /// nearest first, each of them once.
    fn authority_files(&self, number: u32) -> Vec<PathBuf> {
        let mut seen = BTreeSet::new();
        self.environs
            .iter()
            .filter(|(environ, _)| names_display(environ, number))
            .filter_map(|(environ, _)| environ.get("XAUTHORITY"))
            .filter(|path| seen.insert(*path) && is_safe_path(path))
            .map(PathBuf::from)
            .collect()
    }

    /// Returns the locale of the nearest process that has one.
    fn locale(&self) -> Vec<(String, OsString)> {
        self.environs
            .iter()
            .map(|(environ, _)| locale_of(environ))
            .find(|variables| variables.iter().any(|(name, _)| sets_encoding(name)))
            .unwrap_or_else(|| vec![(LOCALE.0.to_owned(), LOCALE.1.into())])
    }

    /// Returns the first value of a variable that is good, in the order of
    /// [`EndpointSearch::first_accepted`].
    fn first_good(
        &self,
        name: &str,
        usual: Option<OsString>,
        is_good: impl Fn(&OsStr) -> bool,
    ) -> Option<OsString> {
        self.first_accepted(name, usual, |value| is_good(value).then(|| value.to_owned()))
    }

    /// Returns what `accept` makes of the first value of a variable that it accepts. Values of near
    /// processes come first, then the usual one, which has been tried before, then values of
    /// processes that may belong elsewhere.
    fn first_accepted<T>(
        &self,
        name: &str,
        usual: Option<T>,
        accept: impl Fn(&OsStr) -> Option<T>,
    ) -> Option<T> {
        let find = |ranks| self.values(name, ranks).into_iter().find_map(&accept);
        find(NEAR).or(usual).or_else(|| find(FAR))
    }

    /// Returns the values of a variable in processes of these ranks, each of them once.
    fn values(&self, name: &str, ranks: RangeInclusive<Rank>) -> Vec<&OsStr> {
        let mut seen = BTreeSet::new();
        let environs = self.environs.iter().filter(|(_, rank)| ranks.contains(rank));
        environs
            .filter_map(|(environ, _)| environ.get(name))
            .filter(|value| seen.insert(*value))
            .collect()
    }

    /// Returns the time at which a probe that begins now must be over.
    fn probe_end(&self) -> Instant {
        self.probes_end.min(Instant::now() + deadlines::DESKTOP_PROBE)
    }

    /// Returns the time at which a probe of an X display that begins now must be over.
    fn display_probe_end(&self) -> Instant {
        self.displays_end.min(Instant::now() + deadlines::DESKTOP_PROBE)
    }
}

/// The result of asking X servers.
enum Displays {
    /// This display accepts us, with the cookie in this file if it needs one.
    Accepted(OsString, Option<PathBuf>),
    /// The server of this display does not answer in time.
    Late(OsString),
    None,
}

/// The ranks of processes of the session, and of those that may belong to it.
const NEAR: RangeInclusive<Rank> = Rank::First..=Rank::Inside;
const FAR: RangeInclusive<Rank> = Rank::Other..=Rank::Other;

/// Returns these processes and their descendants, in linear time. `parents` maps each process to
/// its parent.
fn descendants(parents: &BTreeMap<Pid, Pid>, of: &BTreeSet<Pid>) -> BTreeSet<Pid> {
    let mut below = of.clone();
    let mut beside = BTreeSet::new();
    for &pid in parents.keys() {
        let mut line = vec![pid];
        // Parents that were read at different times may form a cycle.
        while let Some(&last) = line.last()
            && !below.contains(&last)
            && beside.insert(last)
            && let Some(&parent) = parents.get(&last)
        {
            line.push(parent);
        }
        if line.last().is_some_and(|last| below.contains(last)) {
            below.extend(line);
        }
    }
    below
}

/// Reports whether a process names the display of this number, whatever the screen.
fn names_display(environ: &SessionEnviron, number: u32) -> bool {
    environ.get("DISPLAY").and_then(|display| x11::number(display.as_bytes())) == Some(number)
}

/// Returns the locale variables of a process. Values that could be paths are left out.
fn locale_of(environ: &SessionEnviron) -> Vec<(String, OsString)> {
    let mut variables = environ.all(is_locale);
    variables.retain(|(_, value)| is_plain(value));
    variables
}

/// Reports whether a locale variable sets the encoding. The locale of a process without any of
/// these would not help programs that check encodings.
fn sets_encoding(name: &str) -> bool {
    ["LANG", "LC_ALL", "LC_CTYPE"].contains(&name)
}

/// Reports whether an endpoint answered, and logs the error where it did not.
fn is_alive<T>(answer: Result<T, impl Display>, what: &str, value: &OsStr) -> bool {
    if let Err(error) = &answer {
        tracing::debug!(value = %value.display(), "{what}: {error}");
    }
    answer.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(environs: Vec<SessionEnviron>) -> EndpointSearch {
        EndpointSearch {
            uid: 1,
            home: "/nowhere".into(),
            runtime: None,
            kind: None,
            display: None,
            has_own_processes: true,
            nearest: vec![10],
            environs: environs.into_iter().map(|environ| (environ, Rank::Other)).collect(),
            probes_end: Instant::now() + deadlines::DESKTOP_PROBE,
            displays_end: Instant::now() + deadlines::DESKTOP_PROBE,
        }
    }

    #[test]
    fn the_nearest_come_first() {
        let environ = |pid, parent, is_inside| {
            SessionEnviron::new(pid, parent, is_inside, format!("DISPLAY=:{pid}\0").as_bytes())
        };
        // The server is 20. 22 descends from it through 21, which has no useful environment.
        let environs = vec![
            environ(5, 1, false),
            environ(7, 1, true),
            environ(22, 21, true),
            environ(21, 20, false),
            environ(10, 1, true),
        ];
        let mut search = search(environs);
        search.rank(&BTreeSet::from([20]));
        let values = |ranks| {
            search
                .values("DISPLAY", ranks)
                .into_iter()
                .map(|text| text.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (values(NEAR).join(" "), values(FAR).join(" ")),
            (":10 :22 :21 :7".to_owned(), ":5".to_owned())
        );
        assert_eq!(
            search.first_good("DISPLAY", Some(":0".into()), |value| value == ":5"),
            Some(":0".into())
        );
        assert_eq!(search.first_good("DISPLAY", None, |value| value == ":5"), Some(":5".into()));
    }

    #[test]
    fn circles_of_parents_end() {
        let parents = BTreeMap::from([(1, 2), (2, 3), (3, 1), (4, 3), (6, 5), (7, 6)]);
        assert_eq!(descendants(&parents, &BTreeSet::from([5])), BTreeSet::from([5, 6, 7]));
        assert_eq!(descendants(&parents, &BTreeSet::from([3])), BTreeSet::from([1, 2, 3, 4]));
    }

    #[test]
    fn the_language_is_one_process_s() {
        let mut search = search(vec![
            SessionEnviron::new(1, 0, true, b"LC_TIME=de_DE.UTF-8\0"),
            SessionEnviron::new(2, 0, true, b"LANG=fr_FR.UTF-8\0LC_TIME=../x\0"),
        ]);
        assert_eq!(search.locale(), [("LANG".to_owned(), "fr_FR.UTF-8".into())]);
        search.environs.clear();
        assert_eq!(search.locale(), [("LANG".to_owned(), "C.UTF-8".into())]);
    }
}
