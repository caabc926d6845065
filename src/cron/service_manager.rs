//! Service managers, each asked and ordered by systemctl(1): that of the system, and that of each
//! user. A user decides what his own answers, and may hold up or trace the process that asks it:
//! that has his rights, nothing of our environment, none of our files, and no terminal.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Error;
use crate::command::program;
use crate::control::child::{self, CommandResult};
use crate::control::{Interrupts, Launch, leave_terminal};
use crate::deadlines;
use crate::process::Proc;
use crate::users::primary_group;

/// A service manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    System,
    User(UserManager),
}

/// The service manager of a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserManager {
    pub uid: u32,
    pub gid: u32,
    /// Its control group, as the manager of the system tells it.
    pub cgroup: String,
}

/// The properties of a unit.
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Returns a property; an empty text where there is none.
    pub fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Reads the answer of `systemctl show`: a block of lines `NAME=VALUE` for each unit, with an empty
/// line between two.
pub fn blocks(answer: &[u8]) -> Vec<Properties> {
    let text = String::from_utf8_lossy(answer);
    let blocks = text.split("\n\n").map(|block| {
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    });
    blocks.map(Properties).filter(|block| !block.0.is_empty()).collect()
}

impl Manager {
    /// Returns the words that run systemctl(1) for this manager.
    pub fn systemctl(&self) -> Vec<String> {
        let Manager::User(UserManager { uid, gid, .. }) = self else {
            return vec!["systemctl".to_owned()];
        };
        [
            "env",
            "-i",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "LC_ALL=C",
            "TZ=UTC",
            &format!("XDG_RUNTIME_DIR=/run/user/{uid}"),
            "setpriv",
            &format!("--reuid={uid}"),
            &format!("--regid={gid}"),
            "--clear-groups",
            "systemctl",
            "--user",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Returns the user whose manager it is.
    pub fn uid(&self) -> Option<u32> {
        match self {
            Manager::System => None,
            Manager::User(user) => Some(user.uid),
        }
    }

    /// Reports whether a control group can be that of a service of this manager. A user must not
    /// pass off other control groups as those of his services.
    pub fn may_have(&self, cgroup: &str) -> bool {
        match self {
            Manager::System => cgroup.starts_with('/'),
            Manager::User(user) => {
                !user.cgroup.is_empty()
                    && cgroup
                        .strip_prefix(&user.cgroup)
                        .is_some_and(|rest| rest.starts_with('/') && !rest.contains("/../"))
            }
        }
    }

    /// Returns systemctl(1) for this manager; `None` where a program is missing.
    fn command(&self) -> Option<Command> {
        let words = self.systemctl();
        let mut command = Command::new(program::find(&words[0])?);
        // Times are read as texts.
        command.args(&words[1..]).env("TZ", "UTC").env("LC_ALL", "C");
        Some(command)
    }

    /// Gives an order about units, and reports whether it was carried out by this time.
    pub fn order(
        &self,
        proc: &Proc,
        verb: &str,
        units: &[&str],
        interrupts: &Interrupts,
        end: Option<Instant>,
    ) -> Result<bool, Error> {
        let Some(mut command) = self.command() else { return Ok(false) };
        command.args([verb, "--"]).args(units);
        let limit = match self {
            Manager::System => deadlines::SYSTEMCTL_ORDER,
            Manager::User(_) => deadlines::SYSTEMCTL_SHOW,
        };
        let limit = Instant::now() + limit;
        let end = end.map_or(limit, |end| end.min(limit));
        run_apart(proc, command, interrupts, end)
    }
}

/// Runs a command apart from us, and reports whether it has succeeded by this time.
pub fn run_apart(
    proc: &Proc,
    command: Command,
    interrupts: &Interrupts,
    end: Instant,
) -> Result<bool, Error> {
    let launch = Launch { command, entry: Some(&leave_terminal) };
    Ok(match child::run_starter(proc, launch, interrupts, end)? {
        CommandResult::Ended(status) => status.success(),
        CommandResult::Interrupted(signal) => {
            // What comes after this acts on it.
            interrupts.requeue(signal);
            false
        }
        CommandResult::NotStarted(_) | CommandResult::TimedOut => false,
    })
}

/// The means of asking service managers.
pub struct Asker<'a> {
    pub proc: &'a Proc,
    interrupts: &'a Interrupts,
    /// The end of all questions.
    end: Instant,
    /// The limit of one.
    limit: Duration,
}

impl<'a> Asker<'a> {
    pub fn new(proc: &'a Proc, interrupts: &'a Interrupts) -> Asker<'a> {
        let end = Instant::now() + deadlines::ALL_MANAGERS;
        Asker { proc, interrupts, end, limit: deadlines::SYSTEMCTL_SHOW }
    }

    /// Makes one for a look in between, which must not hold up anything.
    pub fn in_passing(proc: &'a Proc, interrupts: &'a Interrupts) -> Asker<'a> {
        Asker { limit: deadlines::SYSTEMCTL_GLANCE, ..Asker::new(proc, interrupts) }
    }

    /// Asks a manager for properties of units; `None` when it gives no answer.
    pub fn show(
        &self,
        manager: &Manager,
        properties: &str,
        units: &[&str],
    ) -> Result<Option<Vec<Properties>>, Error> {
        let Some(mut command) = manager.command() else { return Ok(None) };
        command.args(["show", "--no-pager", &format!("--property={properties}"), "--"]).args(units);
        let limit = self.end.saturating_duration_since(Instant::now()).min(self.limit);
        let answer = child::ask(self.proc, command, self.interrupts, limit)?;
        Ok(answer.map(|answer| blocks(&answer)))
    }

    /// Returns the managers of users, or the user alone where his group is not known. Errors: the
    /// manager of the system gives no answer.
    pub fn users(&self) -> Result<Vec<(u32, Option<Manager>)>, Error> {
        let wanted = "Id,ActiveState,ControlGroup";
        let units = self.show(&Manager::System, wanted, &["user@*.service"])?;
        let active = units.ok_or(Error::Timers)?.into_iter();
        let active = active.filter(|unit| unit.value("ActiveState") == "active");
        Ok(active
            .filter_map(|unit| {
                let uid = unit.value("Id").strip_prefix("user@")?.strip_suffix(".service")?;
                let (uid, cgroup) = (uid.parse().ok()?, unit.value("ControlGroup").to_owned());
                let manager =
                    primary_group(uid).map(|gid| Manager::User(UserManager { uid, gid, cgroup }));
                Some((uid, manager))
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_only_control_groups_below_that_of_his_manager() {
        let cgroup = "/user.slice/user-1000.slice/user@1000.service".to_owned();
        let user = Manager::User(UserManager { uid: 1000, gid: 1000, cgroup: cgroup.clone() });
        assert!(user.may_have(&format!("{cgroup}/app.slice/mail.service")));
        for other in [
            "",
            "/system.slice/ssh.service",
            &cgroup,
            &format!("{cgroup}x/a.service"),
            &format!("/other{cgroup}/a.service"),
            &format!("{cgroup}/../ssh.service"),
        ] {
            assert!(!user.may_have(other), "{other}");
        }
        assert!(Manager::System.may_have("/system.slice/backup.service"));
        let nobody = Manager::User(UserManager { uid: 1, gid: 1, cgroup: String::new() });
        assert!(!nobody.may_have("/system.slice/backup.service"));
    }
}
