//! Private places for real gpg-agents, with users of their own, and the actions and checks of the
//! tests.

use std::fs;
use std::ops::Deref;
use std::process::Command;

use super::command::{Outcome, finish};
use super::place::{Own, Place, Seen, missing, soon};

/// Files of a box below /mnt.
const FILES: [(&str, &str); 2] =
    [("bin/proctool", ""), ("gpg_server.py", include_str!("gpg_server.py"))];

/// A box: private namespaces with their own home directories, users and runtime directories. It
/// ends when dropped.
pub struct GpgBox {
    place: Place,
}

/// A user of a box.
#[derive(Clone, Copy)]
pub struct User<'place> {
    pub place: &'place GpgBox,
    pub name: &'static str,
    uid: u32,
    variables: &'place [&'place str],
}

/// The parts of GPG_AGENT_INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub socket: String,
    pub pid: u32,
}

impl Deref for GpgBox {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl GpgBox {
    /// Makes a box with an ordinary init and nothing else.
    pub fn new() -> Result<GpgBox, String> {
        missing(&["gpg", "gpg-agent", "gpgconf"])?;
        let place = Place::private(include_str!("gpg_box.sh"), Own::default(), &FILES)?;
        Ok(GpgBox { place })
    }

    /// Makes a box that needs further programs.
    pub fn needing(programs: &[&str]) -> Result<GpgBox, String> {
        missing(programs)?;
        GpgBox::new()
    }

    /// Returns an ordinary user.
    pub fn user(&self) -> User<'_> {
        User { place: self, name: "pt1", uid: 7001, variables: &[] }
    }

    /// Returns another user.
    pub fn other(&self) -> User<'_> {
        User { place: self, name: "pt2", uid: 7002, variables: &[] }
    }

    /// Returns the superuser of the box.
    pub fn superuser(&self) -> User<'_> {
        User { place: self, name: "root", uid: 0, variables: &[] }
    }

    /// Returns the living processes that are called gpg-agent.
    pub fn agents(&self) -> Vec<u32> {
        let living = |seen: &Seen| seen.name == "gpg-agent" && !"ZX".contains(seen.state);
        self.processes().into_iter().filter(living).map(|seen| seen.pid).collect()
    }

    /// Returns the only agent of the box. The parent of a fork on its way to become a daemon exits
    /// soon.
    #[track_caller]
    pub fn agent(&self) -> u32 {
        soon("one gpg-agent", || self.agents().len() == 1);
        self.agents()[0]
    }

    /// Ends a process, which must be gone then but for its zombie.
    #[track_caller]
    pub fn end(&self, signal: &str, pid: u32) {
        self.kill(signal, pid);
        soon("the end of a process", || !self.is_alive(pid));
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

    /// Returns the socket of the user's agent without a runtime directory.
    pub fn socket(&self) -> String {
        format!("{}/.gnupg/S.gpg-agent", self.home())
    }

    /// Gives the user a runtime directory, as logind does. Returns its path.
    #[track_caller]
    pub fn make_runtime(&self) -> String {
        let uid = self.uid;
        self.place.shell(&format!("install -d -m 700 -o {uid} -g {uid} /run/user/{uid}"));
        format!("/run/user/{uid}")
    }

    /// Returns a command that runs as this user, with the environment after a login.
    pub fn command(&self, words: &[&str]) -> Command {
        let uid = self.uid.to_string();
        let limit = ["timeout", "--foreground", "-s", "KILL", "60"];
        let switch = ["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"];
        let home = format!("HOME={}", self.home());
        let mut environment =
            vec!["env", "-i", "-C", "/tmp", "PATH=/mnt/bin:/usr/bin:/bin", "LANG=C.UTF-8", &home];
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
        finish(self.command(&["bash", "-c", script]))
    }

    /// Runs a script, which must succeed, and returns its output.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        self.exec(script).exits(0).text().trim_end().to_owned()
    }

    /// Returns the command that runs with-gpg-agent.
    pub fn tool(&self, words: &[&str]) -> Command {
        self.command(&[&["with-gpg-agent"], words].concat())
    }

    /// Runs with-gpg-agent to its end.
    pub fn run(&self, words: &[&str]) -> Outcome {
        let outcome = finish(self.tool(words));
        let crashed = outcome.errors().contains("panicked") || outcome.code() == 101;
        assert!(!crashed, "a crash\n{}", outcome.report());
        outcome
    }

    /// Returns the output of --json about an agent, which must exist or start.
    #[track_caller]
    pub fn info(&self) -> Info {
        let json = self.run(&["--json"]).succeeds().json();
        info(json["GPG_AGENT_INFO"].as_str().unwrap_or_else(|| panic!("no agent: {json}")))
    }

    /// Returns the variables of an agent that a command gets.
    #[track_caller]
    pub fn given(&self) -> Info {
        info(self.run(&["printenv", "GPG_AGENT_INFO"]).succeeds().text().trim_end())
    }

    /// Starts a gpg-agent as GnuPG does. Returns its pid.
    #[track_caller]
    pub fn start_agent(&self) -> u32 {
        self.shell("gpg-agent --daemon >/dev/null 2>&1 </dev/null");
        let answer = self.shell("gpg-connect-agent 'GETINFO pid' /bye");
        let pid = answer.lines().find_map(|line| line.strip_prefix("D ")?.parse().ok());
        pid.unwrap_or_else(|| panic!("no pid: {answer}"))
    }

    /// Starts a listener at a socket, see `gpg_server.py`. Returns its pid.
    #[track_caller]
    pub fn serve(&self, socket: &str, kind: &str) -> u32 {
        self.shell(&format!("mkdir -m 700 -p \"$(dirname {socket})\""));
        let pid = self.shell(&format!("python3 /mnt/gpg_server.py {socket} {kind}"));
        let pid = pid.parse().expect("parsing a pid");
        if kind == "supervised" || kind == "kept" {
            soon("a supervised gpg-agent", || self.place.name(pid) == "gpg-agent");
        }
        pid
    }

    /// Checks that the agent of a box is the user's own one that this describes, and lives.
    #[track_caller]
    pub fn owns(&self, info: &Info) {
        let status = fs::read_to_string(self.place.root(&format!("/proc/{}/status", info.pid)));
        let status = status.unwrap_or_default();
        let uid = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse().ok());
        assert!(
            uid == Some(self.uid) && self.place.agents().contains(&info.pid),
            "{info:?}\n{status}"
        );
    }
}

/// Returns the parts of GPG_AGENT_INFO.
#[track_caller]
pub fn info(text: &str) -> Info {
    let parts: Vec<&str> = text.rsplitn(3, ':').collect();
    let [protocol, pid, socket] = parts[..] else { panic!("not SOCKET:PID:1: {text:?}") };
    assert_eq!(protocol, "1", "{text}");
    Info { socket: socket.to_owned(), pid: pid.parse().expect("parsing a pid") }
}
