//! Private machines with a real systemd, where a real logind logs users in.

use std::ops::Deref;
use std::path::Path;

use serde_json::Value;

use super::command::{Outcome, finish};
use super::place::{Own, Place, child_of, missing, soon};

/// Files of a machine below /mnt.
const FILES: [(&str, &str); 2] =
    [("bin/proctool", ""), ("desktop_recorder.py", include_str!("desktop_recorder.py"))];

/// The settings of a session at the screen.
pub const SEAT0: [&str; 2] = ["--setenv=XDG_SEAT=seat0", "--setenv=XDG_SESSION_CLASS=user"];

/// A machine with two users, pt1 and pt2. It ends when dropped.
pub struct Machine {
    place: Place,
}

/// A session of logind, for any user.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its id in logind.
    pub id: String,
    /// The service that it began with.
    unit: String,
}

impl Deref for Machine {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Machine {
    /// Starts a machine without a login.
    pub fn new() -> Result<Machine, String> {
        Machine::needing(&[])
    }

    /// Starts a machine that needs further programs.
    pub fn needing(programs: &[&str]) -> Result<Machine, String> {
        let all = [
            "unshare",
            "nsenter",
            "setpriv",
            "systemd-nspawn",
            "systemctl",
            "loginctl",
            "systemd-run",
            "dbus-daemon",
        ];
        missing(&[&all[..], programs].concat())?;
        if !Path::new("/usr/share/pam-configs/systemd").exists() {
            return Err("no pam_systemd".to_owned());
        }
        let own = Own { groups: true, ..Own::default() };
        let mut place = Place::start(include_str!("desktop_systemd_box.sh"), own, &FILES)?;
        let holder = place.first;
        place.await_that(|place| {
            let leader = child_of(holder).and_then(child_of);
            place.first = leader.unwrap_or(holder);
            leader.is_some()
                && place.exec("systemctl is-active systemd-logind").text() == "active\n"
        });
        Ok(Machine { place })
    }

    /// Starts a machine for notifications that are recorded.
    pub fn recording() -> Result<Machine, String> {
        if !Path::new("/usr/lib/python3/dist-packages/gi").exists() {
            return Err("no gi module for python3".to_owned());
        }
        Machine::needing(&["notify-send"])
    }

    /// Logs a user in, at a seat or without one: a session of this type, with a command that gets
    /// its environment, and further settings (systemd-run(1)).
    #[track_caller]
    pub fn log_in(&self, user: &str, kind: &str, settings: &[&str], script: &str) -> Login {
        let begun = format!("login.{}", self.shell("cat /proc/sys/kernel/random/uuid"));
        let unit = format!("{begun}.service");
        let script = format!("echo $XDG_SESSION_ID >/tmp/{begun}; {script}");
        let kind = format!("--setenv=XDG_SESSION_TYPE={kind}");
        let command = [
            "systemd-run",
            "--quiet",
            "--unit",
            &unit,
            "--uid",
            user,
            "--property=PAMName=login",
            &kind,
        ];
        let words = [&command[..], settings, &["sh", "-c", &script]].concat();
        finish(self.place.inside(&words)).exits(0);
        let path = self.root(&format!("/tmp/{begun}"));
        let id = || std::fs::read_to_string(&path).unwrap_or_default();
        soon("a session", || id().ends_with('\n'));
        Login { id: id().trim_end().to_owned(), unit }
    }

    /// Ends the service that a session began with.
    #[track_caller]
    pub fn log_out(&self, login: &Login) {
        self.shell(&format!("systemctl stop {}", login.unit));
    }

    /// Returns what logind says about a session; nothing when there is none.
    pub fn state_of(&self, login: &Login) -> String {
        self.exec(&format!("loginctl show-session -P State {}", login.id))
            .text()
            .trim_end()
            .to_owned()
    }

    /// Runs with-gui-environment as the superuser, with words that a shell reads.
    pub fn tool(&self, words: &str) -> Outcome {
        checked(self.exec(&format!("with-gui-environment {words}")))
    }

    /// Runs the tool as a user who is not logged in, with an empty environment.
    pub fn tool_as(&self, user: &str, words: &str) -> Outcome {
        checked(self.exec_as(user, &format!("exec env -i /mnt/bin/with-gui-environment {words}")))
    }

    /// Runs a shell script as a user, as from cron.
    pub fn exec_as(&self, user: &str, script: &str) -> Outcome {
        let limit = ["timeout", "--foreground", "-s", "KILL", "30"];
        let switch = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"];
        let environment = ["env", "-i", "PATH=/mnt/bin:/usr/bin:/bin", "bash", "-c", script];
        finish(self.inside(&[&limit[..], &switch, &environment].concat()))
    }

    /// Installs a notification service for a user that the message bus starts when it is needed;
    /// see `desktop_recorder.py`.
    #[track_caller]
    pub fn offer_recorder(&self, user: &str) {
        let command = format!("/usr/bin/python3 /mnt/desktop_recorder.py /mnt/{user}.records");
        let service =
            format!("[D-BUS Service]\\nName=org.freedesktop.Notifications\\nExec={command}\\n");
        let path = "/usr/share/dbus-1/services/org.freedesktop.Notifications.service";
        self.shell(&format!("printf '{service}' >{path}"));
    }

    /// Returns the notifications that arrived there.
    pub fn records(&self, user: &str) -> Vec<Value> {
        let text = self.read(&format!("{user}.records"));
        text.lines().map(|line| serde_json::from_str(line).expect("parsing a record")).collect()
    }
}

/// Checks that the run has not crashed.
#[track_caller]
fn checked(outcome: Outcome) -> Outcome {
    let crashed = outcome.errors().contains("panicked") || [101, 137].contains(&outcome.code());
    assert!(!crashed, "a crash, or no end\n{}", outcome.report());
    outcome
}
