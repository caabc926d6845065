//! Conditions on the place of a process: its systemd unit and slice, its container, and its control
//! group.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Args;
use regex::bytes::Regex;

use super::names;
use crate::cli::pattern;
use crate::exit::Refusal;
use crate::process::{Cgroups, File, Files, Lookup, Proc};
use crate::select::{ContainerName, Test};

/// Options about places.
#[derive(Args)]
pub struct PlaceOptions {
    /// In this systemd unit, also of a user; .service may be left out, and * ? [..] work
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Selection")]
    unit: Vec<OsString>,
    /// In this slice of systemd or below it; .slice may be left out, and * ? [..] work
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = "Selection")]
    slice: Vec<OsString>,
    /// In this container: its name, its id or 4 digits of that, or ENGINE:ID
    #[arg(long, value_name = "ID|NAME", value_delimiter = ',', help_heading = "Selection")]
    container: Vec<OsString>,
    /// In this control group, by its path; with a slash at the end, also in those below
    #[arg(long, value_name = "PATH", value_delimiter = ',', help_heading = "Selection")]
    cgroup: Vec<OsString>,
}

impl PlaceOptions {
    /// Returns the options as tests. Errors: usage, or an id that begins several containers.
    pub fn tests(&self, proc: &Proc) -> anyhow::Result<Vec<Test>> {
        let mut tests = Vec::new();
        super::add(&mut tests, Test::Unit, patterns("--unit", &self.unit)?);
        super::add(&mut tests, Test::Slice, slices(&self.slice)?);
        super::add(&mut tests, Test::Container, self.containers(proc)?);
        super::add(&mut tests, Test::Cgroup, paths(&self.cgroup)?);
        Ok(tests)
    }

    fn containers(&self, proc: &Proc) -> anyhow::Result<Vec<ContainerName>> {
        let typed = names("--container", &self.container)?;
        let names = typed.into_iter().map(container).collect::<Result<Vec<_>, _>>()?;
        for name in names.iter().filter(|name| name.is_short()) {
            let found = containers_of(proc, name)?;
            if found.len() > 1 {
                let id = String::from_utf8_lossy(&name.id);
                let found = found.iter().map(|name| String::from_utf8_lossy(name));
                return Err(Refusal::usage(format!(
                    "--container '{id}': several containers begin so: {}: more digits tell them \
                    apart",
                    found.collect::<Vec<_>>().join(", ")
                ))
                .into());
            }
        }
        Ok(names)
    }
}

/// Parses the name of a container: ENGINE:ID, or an id or name alone.
fn container(typed: Vec<u8>) -> Result<ContainerName, Refusal> {
    let Some(colon) = typed.iter().position(|&byte| byte == b':') else {
        return Ok(ContainerName { engine: None, id: typed });
    };
    let (engine, id) = (&typed[..colon], &typed[colon + 1..]);
    let refuse = |why: String| {
        Refusal::usage(format!("--container '{}': {why}", String::from_utf8_lossy(&typed)))
    };
    if !ContainerName::ENGINES.iter().any(|known| known.as_bytes() == engine) {
        return Err(refuse(format!("the engines are {}", ContainerName::ENGINES.join(", "))));
    }
    if id.is_empty() {
        return Err(refuse("the id behind the engine is missing".to_owned()));
    }
    Ok(ContainerName { engine: Some(engine.to_vec()), id: id.to_vec() })
}

/// Returns the containers with processes that a name means.
fn containers_of(proc: &Proc, name: &ContainerName) -> anyhow::Result<BTreeSet<Vec<u8>>> {
    let files = Files::new(&[File::Cgroup]);
    let mut scan = proc.scan(files)?.reading_ahead(files);
    let mut found = BTreeSet::new();
    while let Some(process) = scan.next()? {
        // Of a process that cannot be examined, the condition itself is unknown later.
        if let Lookup::Found(groups) = process.lookup(process.file(File::Cgroup))? {
            found.extend(Cgroups(groups).container().filter(|container| name.means(container)));
        }
    }
    Ok(found)
}

fn patterns(option: &str, typed: &[OsString]) -> Result<Vec<Regex>, Refusal> {
    names(option, typed)?.iter().map(|name| pattern::shell(option, name)).collect()
}

/// Returns patterns of slices. Refuses the root slice, of which all others are parts.
fn slices(typed: &[OsString]) -> Result<Vec<Regex>, Refusal> {
    match typed.iter().find(|name| *name == "-" || *name == "-.slice") {
        Some(_) => Err(Refusal::usage("--slice '-': every process is in the root slice")),
        None => patterns("--slice", typed),
    }
}

fn paths(typed: &[OsString]) -> Result<Vec<Vec<u8>>, Refusal> {
    let paths = names("--cgroup", typed)?;
    match paths.iter().find(|path| !path.starts_with(b"/")) {
        Some(name) => Err(Refusal::usage(format!(
            "--cgroup '{}': the path of a control group begins with a slash; --unit and --slice \
            take names",
            String::from_utf8_lossy(name)
        ))),
        None => Ok(paths),
    }
}
