//! The facts about each process that decide whether it is a job, read in one scan.

use std::collections::BTreeSet;

use super::daemon::{
    Daemon, audit_session, is_called_worker, is_foreign, is_fork, is_of_superuser,
    is_system_directory,
};
use super::systemd::TimerService;
use super::{Error, kinds, login_session, systemd};
use crate::path::base_name;
use crate::process::{
    Cgroups, File, Files, Lookup, Pid, Proc, Process, ReadResult, Stat, Unavailable, if_available,
};
use crate::tree::{self, Forest};

/// The facts that a scan keeps about every process.
pub struct JobCandidate {
    pub session: Pid,
    pub pgrp: Pid,
    pub tty: u32,
    pub start_ticks: u64,
    pub is_alive: bool,
    /// State of its first thread, one of RSDTtZ (proc_pid_stat(5)).
    pub state: u8,
    pub is_kernel_thread: bool,
    pub exe_name: Vec<u8>,
    /// `true` if it has the name of a worker of the superuser in our pid namespace.
    pub is_worker: bool,
    /// `true` if it is a program of the system that runs jobs beside cron, such as anacron.
    pub is_runner: bool,
    /// `true` if it is a program of the system that helps a daemon, and whose children are jobs. A
    /// job may have a program of that name elsewhere.
    pub is_helper: bool,
    /// `true` if the superuser runs it as such a helper: then its children are jobs also after the
    /// end of the daemon.
    pub is_helper_of_root: bool,
    /// The audit session of a process that has the name of a daemon. That of others is read when it
    /// is needed.
    pub audit: Option<u64>,
    /// `true` if it is in a control group in which every process is cron's.
    pub is_in_cgroup: bool,
    /// Whether it is in the control group of a service that a timer has started.
    pub timer: Option<TimerService>,
}

impl JobCandidate {
    /// Reports whether it is a fork of a daemon that has not become another program.
    pub fn is_forked_from(&self, daemon: &Daemon) -> bool {
        // Daemons that are scripts share their executable with many programs, and busybox with all
        // of its applets.
        kinds::kind(&daemon.exe_name).is_some() && self.exe_name == daemon.exe_name
    }
}

/// Reads all processes. Errors: one that may be a job cannot be examined.
pub fn read(
    proc: &Proc,
    daemons: &[Daemon],
    services: &[Vec<u8>],
) -> Result<Forest<JobCandidate>, Error> {
    let groups = CronGroups::find(proc, daemons, services)?;
    tree::read(proc.scan(Files::new(&[File::Exe]) | tree::FILES)?, |process, _| {
        match process.lookup(candidate(process, daemons, &groups))? {
            // A process that the kernel hides from an ordinary user is left out: ordinary users can
            // only list jobs.
            Lookup::Unavailable(reason)
                if reason != Unavailable::Denied || nix::unistd::geteuid().is_root() =>
            {
                Err(Error::Unexamined { pid: process.pid(), reason })
            }
            candidate => Ok(candidate),
        }
    })
}

/// Reads the facts about a process that a scan keeps.
fn candidate(
    process: &Process<'_>,
    daemons: &[Daemon],
    groups: &CronGroups<'_>,
) -> ReadResult<JobCandidate> {
    let stat = *process.stat()?;
    let exe_name =
        if_available(process.exe_name())?.map(|name| name.into_owned()).unwrap_or_default();
    let is_named = is_named(&exe_name, daemons);
    let group = groups.group(process)?;
    // A path that is kept from an ordinary user is believed: he can only list jobs.
    let is_helper = kinds::is_helper(&exe_name)
        && if_available(process.exe_path())?.is_none_or(is_system_directory);
    Ok(JobCandidate {
        session: stat.session,
        pgrp: stat.pgrp,
        tty: stat.tty,
        start_ticks: stat.start_ticks,
        is_alive: stat.is_alive(),
        state: stat.state,
        is_kernel_thread: stat.is_kernel_thread(),
        is_worker: is_named && is_worker(process, &exe_name)?,
        is_runner: kinds::is_runner(&exe_name) && is_of_superuser(process)?,
        is_helper,
        is_helper_of_root: is_helper && is_of_superuser(process)?,
        is_in_cgroup: group == Some(Group::Daemon),
        timer: if let Some(Group::Timer(service)) = group { Some(service) } else { None },
        exe_name,
        audit: if is_named { audit_session(process)? } else { None },
    })
}

/// Returns the audit session of a process that a scan has shown; `None` if it has none or has
/// exited.
pub fn audit_of(proc: &Proc, pid: Pid, member: &JobCandidate) -> Result<Option<u64>, Error> {
    let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else {
        return Ok(None);
    };
    let audit = audit_session(&process);
    let is_same = |stat: &Stat| stat.start_ticks == member.start_ticks;
    match process.lookup(process.stat().map(is_same).and_then(|same| Ok((same, audit?))))? {
        Lookup::Found((true, audit)) => Ok(audit),
        _ => Ok(None),
    }
}

/// Reports whether this is the name of a daemon, of these or of any kind.
fn is_named(exe_name: &[u8], daemons: &[Daemon]) -> bool {
    kinds::kind(exe_name).is_some() || daemons.iter().any(|daemon| daemon.exe_name == exe_name)
}

/// Reports whether a process with the name of a daemon is a worker. The name alone is no proof: any
/// user can give it to a process, and a container may have a cron of its own.
fn is_worker(process: &Process<'_>, exe_name: &[u8]) -> ReadResult<bool> {
    Ok(process.user_ids()?[0] == 0
        && !is_foreign(process)?
        && (is_called_worker(if_available(process.cmdline())?.unwrap_or_default(), exe_name)
            || is_fork(process, exe_name)?))
}

/// The control groups in which every process is cron's.
struct CronGroups<'d> {
    /// The paths of those of the daemons' units.
    units: Vec<&'d [u8]>,
    /// The names of those of the jobs' login sessions.
    scopes: BTreeSet<Vec<u8>>,
    /// The control group of the system's service manager, where systemd-cron makes services for jobs.
    system: Option<Vec<u8>>,
    /// The paths of those of services that other timers have started.
    services: &'d [Vec<u8>],
}

/// The reason why every process of a control group is cron's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    /// It is that of a daemon, or of a login session for a job.
    Daemon,
    /// It is that of a service that a timer has started.
    Timer(TimerService),
}

impl CronGroups<'_> {
    fn find<'d>(
        proc: &Proc,
        daemons: &'d [Daemon],
        services: &'d [Vec<u8>],
    ) -> Result<CronGroups<'d>, Error> {
        let with_unit = daemons.iter().filter(|daemon| daemon.unit.is_some());
        let units = with_unit.filter_map(|daemon| daemon.cgroup.as_deref()).collect();
        Ok(CronGroups {
            units,
            scopes: login_session::scopes(daemons).map_err(Error::Sessions)?,
            system: if systemd::has_cron_target() { system(proc)? } else { None },
            services,
        })
    }

    /// Returns the one that a process is in. Where there is none, nothing is read.
    fn group(&self, process: &Process<'_>) -> ReadResult<Option<Group>> {
        let has_any =
            !(self.units.is_empty() && self.scopes.is_empty() && self.services.is_empty());
        if !has_any && self.system.is_none() {
            return Ok(None);
        }
        let cgroup =
            if_available(process.file(File::Cgroup))?.and_then(|file| Cgroups(file).path());
        Ok(cgroup.and_then(|cgroup| {
            let name = base_name(cgroup);
            if self.units.contains(&cgroup) || self.scopes.contains(name) {
                Some(Group::Daemon)
            } else if self.services.iter().any(|service| Cgroups::is_in(cgroup, service)) {
                Some(Group::Timer(TimerService::Asked))
            } else {
                let is_of_system = self
                    .system
                    .as_deref()
                    .and_then(|root| cgroup.strip_prefix(root)?.strip_suffix(name))
                    .is_some_and(are_slices);
                let service = if is_of_system { systemd::service_of_timer(name) } else { None };
                service.map(Group::Timer)
            }
        }))
    }
}

/// Returns the control group of the system's service manager, which has a part for itself in it.
fn system(proc: &Proc) -> Result<Option<Vec<u8>>, Error> {
    let Lookup::Found(init) = proc.process(1, Files::NONE)? else { return Ok(None) };
    let own = init.file(File::Cgroup).map(|file| Cgroups(file).path().map(<[u8]>::to_vec));
    let Lookup::Found(Some(own)) = init.lookup(own)? else { return Ok(None) };
    Ok(Some(own.strip_suffix(b"/init.scope").unwrap_or(&own).to_vec()))
}

/// Reports whether a path leads through slices only (systemd.slice(5)), in any of which the
/// administrator may put a service. In a service or a scope, another service manager may have such
/// names: that of a user, or of a container.
fn are_slices(path: &[u8]) -> bool {
    path.starts_with(b"/")
        && path
            .split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
            .all(|name| name.ends_with(b".slice"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_of_other_managers_are_below_a_service_or_a_scope() {
        assert!(are_slices(b"/system.slice/") && are_slices(b"/batch.slice/batch-night.slice/"));
        for path in [
            &b"/user.slice/user-1000.slice/user@1000.service/app.slice/"[..],
            b"/machine.slice/machine-web.scope/system.slice/",
            b"/lxc.payload.web/system.slice/",
            b"-web/",
            b"",
        ] {
            assert!(!are_slices(path), "{}", path.escape_ascii());
        }
    }
}
