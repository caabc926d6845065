//! Private places for real desktops, with users of their own, and the actions and checks of the
//! tests.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use super::command::{Outcome, finish};
use super::place::{Own, Place, missing, soon};

/// Files of a box below /mnt.
const FILES: [(&str, &str); 5] = [
    ("bin/proctool", ""),
    ("bus.conf", include_str!("desktop_bus.conf")),
    ("desktop_fuse.py", include_str!("desktop_fuse.py")),
    ("desktop_listener.py", include_str!("desktop_listener.py")),
    ("desktop_recorder.py", include_str!("desktop_recorder.py")),
];

/// The library that the recorder of notifications needs.
const GLIB: &str = "/usr/lib/python3/dist-packages/gi";

/// A box: private namespaces with their own home directories, users, runtime directories and
/// network. It ends when dropped.
pub struct DesktopBox {
    place: Place,
}

/// A user of a box.
#[derive(Clone, Copy)]
pub struct User<'place> {
    pub place: &'place DesktopBox,
    pub name: &'static str,
    pub uid: u32,
    variables: &'place [&'place str],
}

impl Deref for DesktopBox {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl DesktopBox {
    /// Makes a box with an ordinary init and nothing else.
    pub fn new() -> Result<DesktopBox, String> {
        missing(&["dbus-daemon"])?;
        let own = Own { network: true, ..Own::default() };
        let place = Place::private(include_str!("desktop_box.sh"), own, &FILES)?;
        Ok(DesktopBox { place })
    }

    /// Makes a box that needs further programs.
    pub fn needing(programs: &[&str]) -> Result<DesktopBox, String> {
        missing(programs)?;
        DesktopBox::new()
    }

    /// Makes a box for notifications that are recorded.
    pub fn recording() -> Result<DesktopBox, String> {
        if !Path::new(GLIB).exists() {
            return Err("no gi module for python3".to_owned());
        }
        DesktopBox::needing(&["notify-send"])
    }

    /// Returns an ordinary user.
    pub fn user(&self) -> User<'_> {
        User { place: self, name: "pt1", uid: 7001, variables: &[] }
    }

    /// Returns another user.
    pub fn other(&self) -> User<'_> {
        User { place: self, name: "pt2", uid: 7002, variables: &[] }
    }

    /// Returns the user who attacks others.
    pub fn attacker(&self) -> User<'_> {
        User { place: self, name: "pt3", uid: 7003, variables: &[] }
    }

    /// Returns the superuser of the box.
    pub fn superuser(&self) -> User<'_> {
        User { place: self, name: "root", uid: 0, variables: &[] }
    }

    /// Makes the files of a logind with one seat.
    #[track_caller]
    pub fn has_logind(&self) {
        self.shell(
            "cd /run/systemd 2>/dev/null || { mkdir /run/systemd; cd /run/systemd; }; mkdir -p \
            sessions seats users
             [ -e seats/seat0 ] || echo IS_SEAT0=1 >seats/seat0",
        );
    }

    /// Writes the file of a session as logind would: of a user at seat0, in the background, with
    /// these lines in place of the usual ones: KEY=VALUE, or KEY for none of that name.
    #[track_caller]
    pub fn login(&self, id: &str, user: &User<'_>, leader: u32, changes: &[&str]) {
        self.has_logind();
        let time = clock_gettime(ClockId::Monotonic);
        let time = time.tv_sec * 1_000_000 + time.tv_nsec / 1000;
        let (uid, name) = (user.uid, user.name);
        let text = format!(
            "UID={uid}\nUSER={name}\nACTIVE=0\nIS_DISPLAY=1\nSTATE=online\nREMOTE=0\nTYPE=x11\nORIGINAL_TYPE=x11\n\
             CLASS=user\nSCOPE=session-{id}.scope\nFIFO=/run/systemd/sessions/{id}.ref\nSEAT=seat0\nSERVICE=login\n\
             POSITION=2\nLEADER={leader}\nAUDIT={id}\nREALTIME=1700000000000000\nMONOTONIC={time}\n"
        );
        let name_of = |line: &str| line.split('=').next().unwrap_or_default().to_owned();
        let is_changed =
            |line: &&str| changes.iter().any(|change| name_of(change) == name_of(line));
        let kept = text.lines().filter(|line| !is_changed(line));
        let mut lines: Vec<&str> = kept.collect();
        for change in changes {
            lines.retain(|line| name_of(line) != name_of(change));
            lines.extend(Some(*change).filter(|change| change.contains('=')));
        }
        let text = format!("# This is private data. Do not parse.\n{}\n", lines.join("\n"));
        self.shell(&format!("cat >/run/systemd/sessions/{id} <<'END'\n{text}END\n"));
    }

    /// Logs a user in, in the foreground of a seat.
    #[track_caller]
    pub fn login_in_front(&self, id: &str, user: &User<'_>, leader: u32, seat: &str) {
        let seat_line = format!("SEAT={seat}");
        self.login(id, user, leader, &["ACTIVE=1", "STATE=active", &seat_line]);
        self.seat(seat, id, user);
    }

    /// Sets the session that a seat shows.
    #[track_caller]
    pub fn seat(&self, seat: &str, id: &str, user: &User<'_>) {
        let uid = user.uid;
        let text = format!(
            "IS_SEAT0=1\nCAN_MULTI_SESSION=1\nCAN_TTY=0\nCAN_GRAPHICAL=1\nACTIVE={id}\nACTIVE_UID={uid}\n\
             SESSIONS={id}\nUIDS={uid}\n"
        );
        self.shell(&format!(
            "cat >/run/systemd/seats/{seat} <<'END'\n# This is private data. Do not \
            parse.\n{text}END\n"
        ));
    }

    /// Takes a program away from all of the box.
    #[track_caller]
    pub fn uninstall(&self, program: &str) {
        self.shell(&format!(
            "mkdir -p /run/upper /run/worked && mount -t overlay overlay -o \
             lowerdir=/usr/bin,upperdir=/run/upper,workdir=/run/worked /usr/bin && rm \
             /usr/bin/{program}"
        ));
    }

    /// Ends a process, which must be gone then but for its zombie.
    #[track_caller]
    pub fn end(&self, signal: &str, pid: u32) {
        self.kill(signal, pid);
        soon("the end of a process", || !self.is_alive(pid));
    }

    /// Returns the notifications that were recorded in a file.
    #[track_caller]
    pub fn recorded(&self, file: &str) -> Vec<Value> {
        let text = self.shell(&format!("cat {file}"));
        text.lines().map(|line| serde_json::from_str(line).expect("parsing a record")).collect()
    }
}

impl<'place> User<'place> {
    /// Sets these variables, as NAME=VALUE, or removes one, as NAME.
    pub fn with(self, variables: &'place [&'place str]) -> User<'place> {
        User { variables, ..self }
    }

    /// Returns the home directory of the user.
    pub fn home(&self) -> String {
        if self.uid == 0 { "/root".to_owned() } else { format!("/home/{}", self.name) }
    }

    /// Returns the runtime directory of the user.
    pub fn runtime(&self) -> String {
        format!("/run/user/{}", self.uid)
    }

    /// Returns the address of the user's message bus.
    pub fn bus(&self) -> String {
        format!("unix:path={}/bus", self.runtime())
    }

    /// Gives the user a runtime directory, as logind does.
    #[track_caller]
    pub fn make_runtime(&self) {
        let (uid, runtime) = (self.uid, self.runtime());
        self.place.shell(&format!("install -d -m 700 -o {uid} -g {uid} {runtime}"));
    }

    /// Returns a command that runs as this user, with the environment of a job of a daemon.
    pub fn command(&self, words: &[&str]) -> Command {
        let uid = self.uid.to_string();
        let limit = ["timeout", "--foreground", "-s", "KILL", "60"];
        let switch = ["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"];
        let home = format!("HOME={}", self.home());
        let mut environment =
            vec!["env", "-i", "-C", "/", "PATH=/mnt/bin:/usr/bin:/bin", "LANG=C.UTF-8", &home];
        for variable in self.variables {
            environment.retain(|known| {
                variable.split('=').next() != known.split('=').next() || *known == "env"
            });
            environment.extend(Some(*variable).filter(|variable| variable.contains('=')));
        }
        self.place.inside(&[&limit[..], &switch, &environment, words].concat())
    }

    /// Runs a shell script to its end.
    pub fn exec(&self, script: &str) -> Outcome {
        let outcome = finish(self.command(&["bash", "-c", script]));
        let crashed = outcome.errors().contains("panicked");
        assert!(!crashed, "a crash\n{}", outcome.report());
        outcome
    }

    /// Runs a script, which must succeed, and returns its output.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        self.exec(script).exits(0).text().trim_end().to_owned()
    }

    /// Starts a command in the background, in an environment without a session. Returns its pid.
    #[track_caller]
    pub fn start(&self, command: &str) -> u32 {
        let environment = "env -i HOME=\"$HOME\" PATH=\"$PATH\"";
        let script = format!(
            "{environment} setsid {command} </dev/null >/tmp/{}.log 2>&1 & echo $!",
            self.name
        );
        self.shell(&script).parse().expect("parsing a pid")
    }

    /// Starts a program of the user with just these variables. Returns its pid.
    #[track_caller]
    pub fn program(&self, variables: &[&str]) -> u32 {
        let variables: Vec<String> =
            variables.iter().map(|variable| format!("'{variable}'")).collect();
        let pid = self.start(&format!("env -i {} /usr/bin/sleep infinity", variables.join(" ")));
        soon("a program", || self.place.sleeps(pid));
        pid
    }

    /// Starts a message bus at its usual place, in a runtime directory. Returns its pid.
    #[track_caller]
    pub fn start_bus(&self) -> u32 {
        self.make_runtime();
        let socket = format!("{}/bus", self.runtime());
        self.start_bus_at(&format!("unix:path={socket}"))
    }

    /// Starts a message bus at an address. Returns its pid.
    #[track_caller]
    pub fn start_bus_at(&self, address: &str) -> u32 {
        let options = format!(
            "--config-file=/mnt/bus.conf --nofork --nopidfile --address={address} --print-address=3"
        );
        let file = format!("/tmp/{}.bus", self.name);
        self.shell(&format!("rm -f {file}"));
        let pid = self.start(&format!("dbus-daemon {options} 3>{file}"));
        soon("a message bus", || self.exec(&format!("[ -s {file} ]")).code() == 0);
        pid
    }

    /// Records the notifications on the user's message bus, see `desktop_recorder.py`. Returns the
    /// file with the records.
    #[track_caller]
    pub fn record(&self, answer: &str) -> String {
        self.record_at(&self.bus(), answer)
    }

    /// Records notifications at the bus of this address.
    #[track_caller]
    pub fn record_at(&self, address: &str, answer: &str) -> String {
        let file = format!("{}/record", self.home());
        self.shell(&format!("rm -f {file}"));
        self.start(&format!(
            "env DBUS_SESSION_BUS_ADDRESS={address} python3 \
        /mnt/desktop_recorder.py {file} {answer}"
        ));
        soon("a recorder", || self.exec(&format!("[ -e {file} ]")).code() == 0);
        file
    }

    /// Starts an X server with a cookie that is in a file of the user's. Returns its pid.
    #[track_caller]
    pub fn start_x(&self, number: u32, authority: &str) -> u32 {
        self.shell(&format!("xauth -q -f {authority} add :{number} . $(mcookie) 2>/dev/null"));
        let ready = format!("/tmp/{}.ready", self.name);
        self.shell(&format!("rm -f {ready}"));
        let options =
            format!("-screen 0 320x200x24 -nolisten tcp -noreset -auth {authority} -displayfd 3");
        let pid = self.start(&format!("Xvfb :{number} {options} 3>{ready}"));
        soon("an X server", || self.exec(&format!("[ -s {ready} ]")).code() == 0);
        pid
    }

    /// Starts a compositor with a socket of this name. Returns its pid.
    #[track_caller]
    pub fn start_weston(&self, name: &str) -> u32 {
        self.make_runtime();
        let runtime = self.runtime();
        let options =
            format!("--backend=headless-backend.so --shell=fullscreen-shell.so --socket={name}");
        let pid = self.start(&format!("env XDG_RUNTIME_DIR={runtime} weston {options}"));
        let check = format!("XDG_RUNTIME_DIR={runtime} WAYLAND_DISPLAY={name} wayland-info");
        soon("a compositor", || self.exec(&check).code() == 0);
        pid
    }

    /// Listens at sockets, see `desktop_listener.py`. Returns its pid.
    #[track_caller]
    pub fn listen(&self, kind: &str, log: &str, addresses: &str) -> u32 {
        let pid = self.shell(&format!("python3 /mnt/desktop_listener.py {kind} {log} {addresses}"));
        pid.parse().expect("parsing a pid")
    }

    /// Returns the command that runs with-gui-environment.
    pub fn tool(&self, words: &[&str]) -> Command {
        self.command(&[&["with-gui-environment"], words].concat())
    }

    /// Runs with-gui-environment to its end.
    pub fn run(&self, words: &[&str]) -> Outcome {
        checked(finish(self.tool(words)))
    }

    /// Runs notify-send-headless to its end.
    pub fn notify(&self, words: &[&str]) -> Outcome {
        checked(finish(self.command(&[&["notify-send-headless"], words].concat())))
    }

    /// Returns the environment that a command gets with these options.
    #[track_caller]
    pub fn environment(&self, options: &[&str]) -> BTreeMap<String, String> {
        let outcome = self.run(&[options, &["cat", "/proc/self/environ"]].concat()).succeeds();
        let text = outcome.text();
        let pair = |item: &str| {
            item.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        text.split_terminator('\0').map(|item| pair(item).expect("splitting NAME=VALUE")).collect()
    }

    /// Returns the output of `--list --json`, which must succeed.
    #[track_caller]
    pub fn list(&self) -> Vec<Value> {
        let json = self.run(&["--list", "--json"]).succeeds().json();
        json.as_array().expect("finding an array").clone()
    }

    /// Checks that a command runs as this user when the caller asks for it with these options.
    #[track_caller]
    pub fn is_reached_by(&self, caller: User<'_>, options: &[&str]) {
        caller
            .run(&[options, &["id", "-un"]].concat())
            .succeeds()
            .prints(format!("{}\n", self.name));
    }

    /// Checks that a caller who asks with these options is refused in one line with this message,
    /// and nothing runs.
    #[track_caller]
    pub fn refused(&self, options: &[&str], message: &str) -> Outcome {
        let place = self.place;
        place.shell("rm -rf /tmp/ran; mkdir -m 777 /tmp/ran");
        let outcome = self.run(&[options, &["touch", "/tmp/ran/it"]].concat()).refuses(1, message);
        assert!(place.shell("ls /tmp/ran").is_empty(), "the command ran\n{}", outcome.report());
        outcome
    }
}

#[track_caller]
fn checked(outcome: Outcome) -> Outcome {
    let crashed = outcome.errors().contains("panicked") || [101, 137].contains(&outcome.code());
    assert!(!crashed, "a crash, or no end\n{}", outcome.report());
    outcome
}
