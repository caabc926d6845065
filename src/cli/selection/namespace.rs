//! The condition that a process is in the namespaces of another one.

use std::fmt::Display;

use clap::Args;

use crate::cli::nearest::hint;
use crate::cli::parse;
use crate::exit::Refusal;
use crate::process::{File, Files, Lookup, Pid, Proc, Unavailable};
use crate::select::Test;

/// Options about namespaces.
#[derive(Args)]
pub struct NamespaceOptions {
    /// In all the namespaces of this process
    #[arg(
        long,
        value_name = "PID",
        value_parser = parse::pid,
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    ns: Option<Pid>,
    /// With --ns, only in these: cgroup, ipc, mnt, net, pid, time, user, uts
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        value_parser = kind,
        requires = "ns",
        help_heading = "Selection"
    )]
    nslist: Vec<File>,
}

/// Parses the kind of a namespace.
fn kind(text: &str) -> Result<File, String> {
    let name = |file: File| file.name().trim_start_matches("ns/");
    let names = || File::NAMESPACES.into_iter().map(name);
    File::NAMESPACES.into_iter().find(|&file| name(file) == text).ok_or_else(|| {
        let names_with_commas = names().collect::<Vec<_>>().join(", ");
        format!("the namespaces are {names_with_commas}{}", hint(text, names()))
    })
}

impl NamespaceOptions {
    /// Returns the options as a test. Errors: a process that does not exist, or that keeps its
    /// namespaces from us.
    pub fn test(&self, proc: &Proc) -> anyhow::Result<Option<Test>> {
        self.ns.map(|pid| self.namespaces_of(proc, pid)).transpose()
    }

    fn namespaces_of(&self, proc: &Proc, pid: Pid) -> anyhow::Result<Test> {
        let refuse =
            |why: &dyn Display| Refusal::nothing(format!("namespaces of process {pid}: {why}"));
        let process = match proc.process(pid, Files::NONE)? {
            Lookup::Found(process) => process,
            Lookup::Unavailable(reason) => return Err(refuse(&reason).into()),
            Lookup::Exited => return Err(refuse(&"there is no such process").into()),
        };
        let mut namespaces = Vec::new();
        let is_wanted = |file: &File| self.nslist.is_empty() || self.nslist.contains(file);
        for file in File::NAMESPACES.into_iter().filter(is_wanted) {
            match process.lookup(process.namespace(file))? {
                Lookup::Found(inode) => namespaces.push((file, inode)),
                // An older kernel lacks some namespaces; a zombie lacks all.
                Lookup::Unavailable(Unavailable::Absent(why)) if !self.nslist.is_empty() => {
                    return Err(refuse(&format_args!("{}: {why}", file.name())).into());
                }
                Lookup::Unavailable(Unavailable::Absent(_)) => {}
                Lookup::Unavailable(reason) => return Err(refuse(&reason).into()),
                Lookup::Exited => return Err(refuse(&"it ended meanwhile").into()),
            }
        }
        if namespaces.is_empty() {
            return Err(refuse(&"it has none").into());
        }
        Ok(Test::Namespaces(namespaces))
    }
}
