//! Real processes to look at: with unique names, a bounded life, and nothing left of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::running::{state, until};

/// Set for a test binary that is started only to stay alive.
const ROLE: &str = "PROCTOOL_TEST_STAY_ALIVE";

/// A copy of the test binary under a name that no other process has.
pub struct Program {
    directory: TempDir,
    pub name: String,
}

/// A living process, killed and reaped when dropped.
pub struct Target {
    child: Child,
    /// Kept open: after a minute the test binary says that its test takes long, and ends if its
    /// output is closed.
    _output: ChildStdout,
}

impl Program {
    /// Makes a program with a unique name that begins with this.
    pub fn new(prefix: &str) -> Program {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("{prefix}{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Program::named(OsStr::new(&name))
    }

    /// Makes a program of exactly this name.
    pub fn named(name: &OsStr) -> Program {
        let directory = tempfile::tempdir().expect("making a directory for a program");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .expect("changing its permissions");
        let path = directory.path().join(name);
        let own = std::env::current_exe().expect("finding the test binary");
        // Another process makes the copy: a child that another test forks meanwhile would hold the
        // copy open for writing, and such a file cannot be started (ETXTBSY).
        let copied = Command::new("cp").arg(own).arg(&path).status().expect("running cp");
        assert!(copied.success(), "no copy of the test binary");
        Program { directory, name: name.to_string_lossy().into_owned() }
    }

    /// Returns its path.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    /// Starts it. The process lives until it is dropped, and not longer than we do.
    pub fn start(&self) -> Target {
        self.start_with(|_| {})
    }

    /// Starts it, with changes to the command.
    pub fn start_with(&self, change: impl FnOnce(&mut Command)) -> Target {
        let mut command = Command::new(self.path());
        command.args(["--exact", "support::target::stay_alive", "--nocapture"]);
        change(&mut command);
        Target::start(command.env(ROLE, "1"))
    }
}

impl Target {
    /// Starts a command that prints a line when it is ready and ends at the end of its input.
    pub fn start(command: &mut Command) -> Target {
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut output = BufReader::new(child.stdout.take().expect("taking its output"));
        let ready =
            output.by_ref().lines().map_while(Result::ok).any(|line| line.ends_with("ready"));
        assert!(ready, "{command:?} did not get ready");
        Target { child, _output: output.into_inner() }
    }

    /// Starts a shell script that says `echo ready`, keeps running, and ends at the end of its
    /// input.
    pub fn script(script: &str) -> Target {
        Target::start(Command::new("sh").args(["-c", script]))
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its process id as an argument.
    pub fn id(&self) -> OsString {
        self.pid().to_string().into()
    }

    /// Returns the content of a file of its /proc directory.
    pub fn proc(&self, name: &str) -> Vec<u8> {
        fs::read(Path::new("/proc").join(self.pid().to_string()).join(name))
            .expect("reading a file of a living process")
    }

    /// Returns the fields of /proc/PID/stat behind the name, from the state on: field 3 of
    /// proc_pid_stat(5) comes first.
    pub fn stat(&self) -> Vec<String> {
        super::running::stat_fields(&self.proc("stat"))
    }

    /// Lets it exit by itself, by the end of its input, and leaves its zombie until it is dropped.
    pub fn let_end(&mut self) {
        drop(self.child.stdin.take());
        until("the end of a target", || state(self.pid()) == 'Z');
    }

    /// Kills it, and leaves its zombie until it is dropped.
    pub fn become_zombie(&mut self) {
        self.child.kill().expect("killing a target");
        while state(self.pid()) != 'Z' {
            std::thread::yield_now();
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The signal goes to all of its group: the process is the leader and not reaped, so the
        // number is still its own.
        if let Some(group) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// This is no test: it is what a copy of this binary does to stay alive.
#[test]
fn stay_alive() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    println!("ready");
    std::io::stdout().flush().expect("writing to the test that waits");
    let mut line = String::new();
    // It ends when its parent closes the pipe, dead or alive.
    let _ = std::io::stdin().read_line(&mut line);
}
