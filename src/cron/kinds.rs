//! The kinds of daemon that are known: those of cron, and that of at(1). A new daemon is one row of
//! [`KINDS`]; the search for daemons and jobs, the messages and the help are made from it.

use std::path::Path;

use super::catch_up::CatchUp;
use super::crontab::{Ignored, Names, Places};
use crate::path::base_name;

/// What a daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// The lines of crontabs.
    Cron,
    /// The jobs of at(1) and batch(1), each of them once.
    At,
}

/// A kind of daemon that runs jobs.
pub struct Kind {
    /// The name of its executable, by which it is searched for.
    pub name: &'static str,
    pub scheduler: Scheduler,
    /// Name of a multi-call program that has this daemon as an applet, such as `busybox crond`.
    pub multi_call: Option<&'static str>,
    /// Paths of the pid files that it may lock. Where there are some, a process of this name
    /// without a lock is something else.
    pub pid_files: &'static [&'static str],
    /// Names of programs that it runs as children: they are no jobs, but their children are.
    pub helpers: &'static [&'static str],
    /// `true` if its workers keep the lock on the pid file, which names the daemon. They look like
    /// the daemon in everything else.
    pub shares_lock: bool,
    /// `true` if it collects the output of its jobs in unnamed files (tmpfile(3)).
    pub collects_in_files: bool,
    /// `true` if the init script of the same name may tidy up after it. That of bcron must not: it
    /// kills every process but bcron.
    pub has_init_script: bool,
    /// Its crontabs, and what it does about missed jobs, where they are known.
    pub habits: Option<Habits>,
}

/// The crontabs of a daemon, and what it does about the jobs that it has missed.
pub struct Habits {
    pub crontabs: Places,
    pub catches_up: CatchUp,
}

/// The habits of dcron and of busybox, which descends from it. Both are called crond, as cronie is.
pub static OF_DCRON: Habits = Habits {
    crontabs: Places {
        files: &[],
        directories: &["/etc/cron.d"],
        users: &["/var/spool/cron/crontabs"],
        names: Names::NoBackups,
        has_zone: false,
        ignored: Ignored::Nothing,
    },
    catches_up: CatchUp::OnceWithinAnHour,
};

/// The name of dcron's executable.
pub const NAME_OF_DCRON: &[u8] = b"crond";

/// The name of dcron's pid file before version 4.6, which locks it.
pub const PID_FILE_OF_DCRON: &[u8] = b"cron.pid";

impl Kind {
    /// Reports whether it may run as another user, and keep the rights of the superuser for later.
    pub fn may_set_user(&self) -> bool {
        self.scheduler == Scheduler::At
    }

    /// Reports whether its jobs stay in its own session and process group, below a worker.
    pub fn keeps_session(&self) -> bool {
        self.scheduler == Scheduler::At
    }

    /// Reports whether this multi-call program can run as this daemon.
    fn is_applet_of(&self, program: &[u8]) -> bool {
        self.multi_call.is_some_and(|name| name.as_bytes() == program)
    }
}

/// All kinds, in the order in which messages name them.
pub static KINDS: [Kind; 5] = [
    // Debian's cron, a descendant of Vixie's.
    Kind {
        name: "cron",
        scheduler: Scheduler::Cron,
        multi_call: None,
        pid_files: &["/run/crond.pid", "/var/run/crond.pid"],
        helpers: &[],
        shares_lock: false,
        collects_in_files: true,
        has_init_script: true,
        habits: Some(Habits {
            crontabs: Places {
                files: &["/etc/crontab"],
                directories: &["/etc/cron.d"],
                users: &["/var/spool/cron/crontabs"],
                names: Names::Plain,
                has_zone: false,
                ignored: Ignored::ExposedOrBroken,
            },
            catches_up: CatchUp::ByLength,
        }),
    },
    // The crond of cronie, of dcron and of busybox.
    Kind {
        name: "crond",
        scheduler: Scheduler::Cron,
        multi_call: Some("busybox"),
        pid_files: &["/run/crond.pid", "/var/run/crond.pid", "/run/cron.pid"],
        helpers: &[],
        shares_lock: false,
        collects_in_files: false,
        has_init_script: true,
        habits: Some(Habits {
            crontabs: Places {
                files: &["/etc/crontab"],
                directories: &["/etc/cron.d"],
                users: &["/var/spool/cron"],
                names: Names::NoBackups,
                has_zone: true,
                ignored: Ignored::Exposed,
            },
            catches_up: CatchUp::ByLength,
        }),
    },
    Kind {
        name: "bcron-sched",
        scheduler: Scheduler::Cron,
        multi_call: None,
        pid_files: &[],
        helpers: &["bcron-exec", "bcron-spool", "bcron-update"],
        shares_lock: false,
        collects_in_files: false,
        has_init_script: false,
        habits: None,
    },
    Kind {
        name: "fcron",
        scheduler: Scheduler::Cron,
        multi_call: None,
        pid_files: &["/run/fcron.pid", "/var/run/fcron.pid"],
        helpers: &[],
        shares_lock: true,
        collects_in_files: false,
        has_init_script: false,
        habits: None,
    },
    // Debian's takes the effective user id of the user daemon, and keeps that of the superuser beside.
    Kind {
        name: "atd",
        scheduler: Scheduler::At,
        multi_call: None,
        pid_files: &["/run/atd.pid", "/var/run/atd.pid"],
        helpers: &[],
        shares_lock: false,
        collects_in_files: false,
        has_init_script: true,
        habits: None,
    },
];

/// Returns the kinds of cron.
pub fn of_cron() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|kind| kind.scheduler == Scheduler::Cron)
}

/// Programs that the superuser runs beside cron and that run jobs themselves, such as the daily
/// ones. A job of cron starts them, or systemd, and they leave its session.
const RUNNERS: [&str; 1] = ["anacron"];

/// Reports whether this is the name of a program that runs jobs beside cron.
pub fn is_runner(name: &[u8]) -> bool {
    RUNNERS.iter().any(|runner| runner.as_bytes() == name)
}

/// Returns the kind of daemon that has this name.
pub fn kind(name: &[u8]) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name.as_bytes() == name)
}

/// Returns the name of the init script of a daemon, if it has one that may be called.
pub fn init_script(name: &[u8]) -> Option<String> {
    let kind = kind(name).filter(|kind| kind.has_init_script)?;
    Path::new("/etc/init.d").join(kind.name).is_file().then(|| kind.name.to_owned())
}

/// Returns the kind that a multi-call program runs as. Its arguments begin with the applet, as in
/// `crond`, or with the program, as in `busybox crond`.
pub fn kind_of_applet(program: &[u8], arguments: &[u8]) -> Option<&'static Kind> {
    let mut names = arguments.split(|&byte| byte == 0).map(base_name);
    let first = names.next()?;
    let applet = if first == program { names.next()? } else { first };
    kind(applet).filter(|kind| kind.is_applet_of(program))
}

/// Reports whether this is the name of a multi-call program with a daemon among its applets.
pub fn is_multi_call(program: &[u8]) -> bool {
    KINDS.iter().any(|kind| kind.is_applet_of(program))
}

/// Reports whether this is the name of a helper, whose children are jobs.
pub fn is_helper(name: &[u8]) -> bool {
    KINDS.iter().flat_map(|kind| kind.helpers).any(|helper| helper.as_bytes() == name)
}

/// Returns the places of the crontabs of all kinds, as far as they are known.
pub fn all_crontabs() -> impl Iterator<Item = &'static Places> {
    let habits = KINDS.iter().filter_map(|kind| kind.habits.as_ref());
    habits.chain([&OF_DCRON]).map(|habits| &habits.crontabs)
}

/// Returns the paths of all pid files, each of them once.
pub fn pid_files() -> Vec<&'static str> {
    let mut paths = Vec::new();
    for path in KINDS.iter().flat_map(|kind| kind.pid_files) {
        if !paths.contains(path) {
            paths.push(path);
        }
    }
    paths
}

/// Reports whether a file has the name of a known pid file, in any directory.
pub fn is_pid_file(path: &[u8]) -> bool {
    path.starts_with(b"/")
        && pid_files().iter().any(|file| base_name(file.as_bytes()) == base_name(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busybox_is_a_daemon_only_as_crond() {
        let is_crond = |arguments| kind_of_applet(b"busybox", arguments).is_some();
        assert!(is_crond(b"crond\0-f\0") && is_crond(b"/bin/busybox\0crond\0"));
        assert!(!is_crond(b"busybox\0sh\0") && !is_crond(b"sh\0crond\0") && !is_crond(b""));
        assert!(kind_of_applet(b"toybox", b"crond\0").is_none());
    }

    #[test]
    fn names_are_unique_and_pid_files_absolute() {
        let mut names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
        assert!(pid_files().iter().all(|path| path.starts_with('/')));
        assert!(is_pid_file(b"/var/run/cron.pid") && !is_pid_file(b"/tmp/lock"));
    }
}
