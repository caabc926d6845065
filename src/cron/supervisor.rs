//! Supervisors: programs that start a daemon again after its exit, and their own commands that stop
//! it for good. A new supervisor is one row of [`KINDS`].

use std::borrow::Cow;

use super::Error;
use crate::path::base_name;
use crate::process::{File, Files, Lookup, Pid, Proc, Process, ReadResult, if_available, items};

/// A process that would start a daemon again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervisor {
    pub pid: Pid,
    pub name: &'static str,
    /// The program that gives it orders, if that is known.
    pub control: Option<&'static str>,
    /// The command that makes it stop the daemon for good; `None` where the name of the service is
    /// unknown.
    pub stop: Option<Vec<Vec<u8>>>,
}

/// A kind of supervisor.
struct Kind {
    /// The name of its executable, or the comm of its script.
    name: &'static str,
    /// The command that stops a service, with [`SERVICE`] in place of the service.
    stop: &'static [&'static str],
    service: Service,
}

/// The word of a command that stands for the service.
const SERVICE: &str = "{}";

/// The place where the name of a service is found.
enum Service {
    /// The supervisor works in the directory of the service.
    Directory,
    /// The supervisor puts these variables into the environment of its children. They are joined by
    /// colons.
    Variables(&'static [&'static str]),
    /// It is the first argument of the supervisor.
    Argument,
    /// No place is known.
    Unknown,
}

const KINDS: [Kind; 10] = [
    Kind { name: "runsv", stop: &["sv", "down", SERVICE], service: Service::Directory },
    Kind {
        name: "s6-supervise",
        stop: &["s6-svc", "-wd", "-d", SERVICE],
        service: Service::Directory,
    },
    Kind { name: "supervise", stop: &["svc", "-d", SERVICE], service: Service::Directory },
    Kind {
        name: "supervise-daemon",
        stop: &["rc-service", SERVICE, "stop"],
        service: Service::Argument,
    },
    Kind {
        name: "supervisord",
        stop: &["supervisorctl", "stop", SERVICE],
        service: Service::Variables(&["SUPERVISOR_GROUP_NAME", "SUPERVISOR_PROCESS_NAME"]),
    },
    Kind { name: "perpd", stop: &["perpctl", "d", SERVICE], service: Service::Unknown },
    Kind { name: "dinit", stop: &["dinitctl", "stop", SERVICE], service: Service::Unknown },
    Kind { name: "monit", stop: &["monit", "stop", SERVICE], service: Service::Unknown },
    Kind { name: "circusd", stop: &["circusctl", "stop", SERVICE], service: Service::Unknown },
    Kind { name: "runit", stop: &[], service: Service::Unknown },
];

/// Most processes between a daemon and its supervisor. More are no wrapper.
const DEPTH: usize = 16;

/// Returns the supervisor of a daemon with this parent. It may start the daemon through other
/// programs, such as a shell, tini or flock.
pub fn find(proc: &Proc, daemon: Pid, parent: Pid) -> Result<Option<Supervisor>, Error> {
    let (mut child, mut pid) = (daemon, parent);
    for _ in 0..DEPTH {
        if pid == 0 {
            break;
        }
        let Lookup::Found(process) = proc.process(pid, Files::new(&[File::Stat]))? else { break };
        if let Lookup::Found(Some(kind)) = process.lookup(kind(&process))? {
            return supervisor(proc, &process, kind, child).map(Some);
        }
        let Lookup::Found(parent) = process.lookup(process.ppid())? else { break };
        (child, pid) = (pid, parent);
    }
    Ok(None)
}

/// Returns the kind of supervisor that a process is.
fn kind(process: &Process<'_>) -> ReadResult<Option<&'static Kind>> {
    let comm = process.comm()?.into_owned();
    let exe = if_available(process.exe_name())?.map(Cow::into_owned);
    Ok(KINDS.iter().find(|kind| {
        let name = kind.name.as_bytes();
        // A comm has fifteen bytes at most (TASK_COMM_LEN).
        comm == name[..name.len().min(15)] || exe.as_deref() == Some(name)
    }))
}

/// Describes a supervisor that has started `child`.
fn supervisor(
    proc: &Proc,
    process: &Process<'_>,
    kind: &'static Kind,
    child: Pid,
) -> Result<Supervisor, Error> {
    let service = match kind.service {
        Service::Directory => process.file(File::Cwd).map(|path| Some(path.to_vec())),
        Service::Argument => process.cmdline().map(|words| argument(words, kind.name)),
        Service::Variables(names) => {
            return with_variables(proc, process.pid(), kind, child, names);
        }
        Service::Unknown => Ok(None),
    };
    let Lookup::Found(service) = process.lookup(if_available(service))? else {
        return Ok(described(process.pid(), kind, None));
    };
    Ok(described(process.pid(), kind, service.flatten()))
}

/// Describes a supervisor that names its service in the environment of `child`.
fn with_variables(
    proc: &Proc,
    pid: Pid,
    kind: &'static Kind,
    child: Pid,
    names: &[&str],
) -> Result<Supervisor, Error> {
    let Lookup::Found(process) = proc.process(child, Files::NONE)? else {
        return Ok(described(pid, kind, None));
    };
    let service = process.environ().map(|environment| joined(environment, names));
    let service = match process.lookup(service)? {
        Lookup::Found(service) => service,
        Lookup::Unavailable(_) | Lookup::Exited => None,
    };
    let mut described = described(pid, kind, service);
    if let Some(stop) = &mut described.stop
        && let Lookup::Found(supervisor) = proc.process(pid, Files::NONE)?
        && let Lookup::Found(Some(file)) =
            supervisor.lookup(supervisor.cmdline().map(configuration))?
    {
        // Its orders are taken at the socket that this file names.
        stop.splice(1..1, [b"-c".to_vec(), file]);
    }
    Ok(described)
}

/// Returns the file in the arguments of supervisord, behind `-c` or `--configuration`.
fn configuration(arguments: &[u8]) -> Option<Vec<u8>> {
    let mut words = items(arguments);
    while let Some(word) = words.next() {
        if matches!(word, b"-c" | b"--configuration") {
            return words.next().map(<[u8]>::to_vec);
        }
        let joined = word.strip_prefix(b"--configuration=").or(word.strip_prefix(b"-c"));
        if let Some(file) = joined.filter(|file| !file.is_empty()) {
            return Some(file.to_vec());
        }
    }
    None
}

fn described(pid: Pid, kind: &'static Kind, service: Option<Vec<u8>>) -> Supervisor {
    let stop = service.map(|service| {
        let word = |word: &&str| {
            if *word == SERVICE { service.clone() } else { word.as_bytes().to_vec() }
        };
        kind.stop.iter().map(word).collect()
    });
    Supervisor { pid, name: kind.name, control: kind.stop.first().copied(), stop }
}

/// Returns the first argument behind the name of a program, which may be a script.
fn argument(arguments: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut words = items(arguments);
    words.find(|word| base_name(word) == name.as_bytes())?;
    words.next().filter(|word| !word.starts_with(b"-")).map(<[u8]>::to_vec)
}

/// Returns the values of these variables, joined by colons; `None` if one is missing.
fn joined(environment: &[u8], names: &[&str]) -> Option<Vec<u8>> {
    let value = |name: &&str| {
        items(environment).find_map(|item| item.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let values: Option<Vec<&[u8]>> = names.iter().map(value).collect();
    Some(values?.join(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_its_supervisor() {
        let environment = b"A=1\0SUPERVISOR_PROCESS_NAME=cron\0SUPERVISOR_GROUP_NAME=jobs\0";
        let names = ["SUPERVISOR_GROUP_NAME", "SUPERVISOR_PROCESS_NAME"];
        assert_eq!(joined(environment, &names), Some(b"jobs:cron".to_vec()));
        assert_eq!(joined(b"A=1\0", &names), None);
        let argument = |words| argument(words, "supervise-daemon");
        assert_eq!(argument(b"supervise-daemon\0cron\0--start\0"), Some(b"cron".to_vec()));
        assert_eq!(argument(b"sh\0/sbin/supervise-daemon\0cron\0"), Some(b"cron".to_vec()));
        assert_eq!(argument(b"supervise-daemon\0--start\0"), None);
    }

    #[test]
    fn each_command_names_the_service() {
        for kind in KINDS.iter().filter(|kind| !kind.stop.is_empty()) {
            assert!(kind.stop.contains(&SERVICE), "{}", kind.name);
        }
    }
}
