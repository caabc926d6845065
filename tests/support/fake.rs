//! Directories that are laid out like a procfs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A fake procfs, gone when dropped.
pub struct FakeProc(TempDir);

/// One process of it.
pub struct FakeProcess(PathBuf);

impl FakeProc {
    /// Makes an empty one, in memory where that is possible.
    pub fn new() -> FakeProc {
        let memory = Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        FakeProc(directory.expect("creating a temporary directory"))
    }

    /// Returns the argument that makes the program read it.
    pub fn option(&self) -> String {
        format!("--proc={}", self.0.path().display())
    }

    /// Adds a directory for a process, without files.
    pub fn bare(&self, pid: u32) -> FakeProcess {
        let path = self.0.path().join(pid.to_string());
        fs::create_dir(&path).expect("making a directory for a process");
        FakeProcess(path)
    }

    /// Adds a sleeping process that started at tick 500 after boot, with stat and comm.
    pub fn process(&self, pid: u32, ppid: u32, comm: impl AsRef<[u8]>) -> FakeProcess {
        self.bare(pid).stat(pid, ppid, comm.as_ref(), 'S', 500)
    }

    /// Adds a file beside the processes.
    pub fn file(&self, name: &str, content: &str) -> &FakeProc {
        fs::write(self.0.path().join(name), content).expect("writing a file");
        self
    }
}

impl FakeProcess {
    /// Writes stat and comm. Its group and session are its own.
    pub fn stat(
        self,
        pid: u32,
        ppid: u32,
        comm: &[u8],
        state: char,
        start_ticks: u64,
    ) -> FakeProcess {
        let line = stat_line(pid, ppid, comm, state, (0, USER_PROCESS), start_ticks);
        self.file("stat", line).file("comm", [comm, b"\n"].concat())
    }

    /// Writes the stat of a sleeping child of init that has this controlling terminal (`tty_nr` of
    /// proc_pid_stat(5)).
    pub fn terminal(self, pid: u32, comm: &str, tty: u32) -> FakeProcess {
        self.file("stat", stat_line(pid, 1, comm.as_bytes(), 'S', (tty, USER_PROCESS), 500))
    }

    /// Writes the stat of a sleeping child of init with these `PF_*` flags.
    pub fn flags(self, pid: u32, comm: &str, flags: u32) -> FakeProcess {
        self.file("stat", stat_line(pid, 1, comm.as_bytes(), 'S', (0, flags), 500))
    }

    /// Writes a status with these user and group ids.
    pub fn owner(self, uid: u32, gid: u32) -> FakeProcess {
        self.file(
            "status",
            format!(
                "Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\n"
            ),
        )
    }

    /// Makes a directory.
    pub fn directory(self, name: &str) -> FakeProcess {
        fs::create_dir(self.0.join(name)).expect("making a directory of a process");
        self
    }

    /// Writes any file.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> FakeProcess {
        fs::write(self.0.join(name), content).expect("writing a file of a process");
        self
    }

    /// Makes any link.
    pub fn link(self, name: &str, target: impl AsRef<[u8]>) -> FakeProcess {
        symlink(OsStr::from_bytes(target.as_ref()), self.0.join(name))
            .expect("making a link of a process");
        self
    }
}

/// Flags of an ordinary process: `PF_RANDOMIZE`.
const USER_PROCESS: u32 = 0x0040_0000;

/// Returns the content of /proc/PID/stat, with a terminal and flags.
fn stat_line(
    pid: u32,
    ppid: u32,
    comm: &[u8],
    state: char,
    (tty, flags): (u32, u32),
    start_ticks: u64,
) -> Vec<u8> {
    let head = format!("{pid} (");
    let tail = format!(
        ") {state} {ppid} {pid} {pid} {tty} -1 {flags} 0 0 0 0 10 20 0 0 20 0 1 0 {start_ticks} \
        4096000 2 0 0 0\n"
    );
    [head.as_bytes(), comm, tail.as_bytes()].concat()
}
