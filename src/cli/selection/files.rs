//! Options that select processes by the files that they hold.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use clap::{Args, ValueHint};

use crate::cli::absence;
use crate::exit::Refusal;
use crate::process::{Files, PathError, Proc, Sought, Unexamined};
use crate::select::{Criteria, Test, Verdict, sought_file, sought_file_system};

/// Notes on these options, for the help of the applets that have all conditions.
pub const HELD_FILES: &str = "\
Held files:
  --file     tells a file by its device and inode: it is found by each of its
             names, and in each mount namespace. Of a directory, only itself
             counts, not what is below. A removed file is found by its old path,
             even if there is a new file now. A device is found by each of its
             files, and a unix socket by that to which it is bound, in our own
             network namespace. Zombies and threads of the kernel hold nothing.
  --mount    takes a mount point, a path below it, or the block device. A mount
             point need not answer. Files are told by their device and, on btrfs
             and overlayfs, by the mounts in our own mount namespace.
  --deleted  leaves out what never had a name (memfd_create(2)), and shared
             memory.";

/// Options that select processes by the files that they hold.
#[derive(Args)]
pub struct FileOptions {
    /// Has this file open or mapped, runs it, or works in it; a removed file by its old name
    #[arg(
        long,
        value_name = "PATH",
        value_hint = ValueHint::AnyPath,
        help_heading = "Selection"
    )]
    file: Vec<OsString>,
    /// Uses the file system that this path is on, as fuser -m finds it
    #[arg(
        long,
        value_name = "PATH",
        value_hint = ValueHint::AnyPath,
        help_heading = "Selection"
    )]
    mount: Vec<OsString>,
    /// Its executable or a mapped library was removed or replaced
    #[arg(long, help_heading = "Selection")]
    deleted: bool,
}

impl FileOptions {
    /// Returns the options as tests. Errors: usage, or a path that cannot be resolved.
    pub fn tests(&self, proc: &Proc) -> anyhow::Result<Vec<Test>> {
        let mut tests = Vec::new();
        if !self.file.is_empty() {
            tests.push(file_test(proc, &self.file)?);
        }
        if !self.mount.is_empty() {
            let systems = sought("--mount", &self.mount, sought_file_system)?;
            tests.push(Test::HoldsFile(Arc::new(systems)));
        }
        tests.extend(self.deleted.then_some(Test::RunsDeleted));
        Ok(tests)
    }
}

/// Resolves the paths of an option.
fn sought(
    option: &str,
    paths: &[OsString],
    resolve: impl Fn(&OsStr) -> Result<Sought, PathError>,
) -> Result<Vec<Sought>, Refusal> {
    if paths.iter().any(|path| path.is_empty()) {
        return Err(Refusal::usage(format!("{option} has an empty path")));
    }
    let resolved = |path: &OsString| {
        resolve(path).map_err(|error| {
            let advice = match error {
                PathError::NoAnswer => {
                    ": use --mount with its mount point, as /proc/self/mountinfo names it"
                }
                _ => "",
            };
            let path = path.to_string_lossy();
            Refusal::nothing(format!("{option} '{path}': {error}{advice}"))
        })
    };
    paths.iter().map(resolved).collect()
}

/// Makes the condition of `--file`. A file that does not exist is an error, unless a process holds
/// a removed file of its name.
fn file_test(proc: &Proc, paths: &[OsString]) -> anyhow::Result<Test> {
    let files = sought("--file", paths, sought_file)?;
    for (file, path) in files.iter().zip(paths) {
        if !file.exists() {
            check_is_held(proc, path)?;
        }
    }
    Ok(Test::HoldsFile(Arc::new(files)))
}

/// Refuses the name of a missing file that nobody holds: most often it is a mistake.
fn check_is_held(proc: &Proc, path: &OsString) -> anyhow::Result<()> {
    let file = sought("--file", std::slice::from_ref(path), sought_file)?;
    let criteria = Criteria::new(vec![Test::HoldsFile(Arc::new(file))], false, Vec::new());
    let mut unexamined = Unexamined::default();
    let mut scan = proc.scan(Files::NONE)?.reading_ahead(criteria.first_file());
    while let Some(process) = scan.next()? {
        match criteria.judge(process)? {
            Verdict::Match => return Ok(()),
            Verdict::Unknown(reason) => unexamined.add(process.pid(), reason),
            Verdict::NoMatch | Verdict::Gone => {}
        }
    }
    let what = format!(
        "--file '{}': there is no such file, and no process holds a removed one of this name",
        path.to_string_lossy()
    );
    Err(Refusal::nothing(absence(&what, proc, &unexamined)?).into())
}
