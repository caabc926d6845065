//! Private places for daemons: namespaces that end with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use tempfile::TempDir;

use super::command::{Outcome, PROCTOOL, finish, heedful};
use super::namespace;
use super::running::state;

/// Time limit for everything that is waited for.
const SOON: Duration = Duration::from_secs(30);

/// The $PATH of the programs of a box. The first directory belongs to the test.
pub const PATH: &str = "/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Private parts of a place, besides the mounts, processes, shared memory and names that every
/// place has.
#[derive(Clone, Copy, Default)]
pub struct Own {
    /// Control groups that a systemd in it takes for the root.
    pub groups: bool,
    /// A network, with nothing but a loopback device that is down.
    pub network: bool,
}

/// Private namespaces, with a directory of the test as /mnt. They end when dropped.
pub struct Place {
    /// Ends the place at the end of its input.
    keeper: Child,
    input: Option<ChildStdin>,
    /// The first process of the place, by its number outside.
    pub first: u32,
    scratch: TempDir,
}

/// A process in a box.
#[derive(Debug)]
pub struct Seen {
    pub pid: u32,
    pub name: String,
    pub state: char,
    pub parent: u32,
}

impl Seen {
    /// Reports whether it is sleep(1) and really sleeps.
    pub fn sleeps(&self) -> bool {
        self.name == "sleep" && self.state == 'S'
    }
}

/// Waits until a condition holds, which must come soon.
#[track_caller]
pub fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Checks that a box with these programs can be made. The error says why not.
pub fn missing(programs: &[&str]) -> Result<(), String> {
    if !namespace::is_root() {
        return Err("not root".to_owned());
    }
    let directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let is_there = |program: &&&str| {
        directories.iter().any(|directory| Path::new(directory).join(program).exists())
    };
    match programs.iter().find(|program| !is_there(program)) {
        Some(program) => Err(format!("no {program}")),
        None if !namespace::are_permitted() => Err("no private namespaces".to_owned()),
        None => Ok(()),
    }
}

impl Place {
    /// Makes a place where a script runs, with these files below /mnt. It is not ready before the
    /// script says so.
    pub fn start(script: &str, own: Own, files: &[(&str, &str)]) -> Result<Place, String> {
        // Files in it are for other users too, whatever umask we were started with.
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        let scratch = tempfile::tempdir().expect("making a directory for a box");
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777))
            .expect("changing its permissions");
        fs::create_dir(scratch.path().join("bin")).expect("making a directory for programs");
        for (name, text) in files {
            fs::write(scratch.path().join(name), text).expect("writing a file of the box");
        }
        let mut command = heedful("bash");
        command.args(["-c", include_str!("keep_box.sh"), "keep_box", script]);
        let flag = |is_set| if is_set { "1" } else { "" };
        command.env("SCRATCH", scratch.path()).env("PROCTOOL", PROCTOOL);
        command.env("GROUPED", flag(own.groups)).env("NETWORK", flag(own.network));
        command.stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut keeper = command.spawn().expect("starting bash");
        let input = keeper.stdin.take();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("taking its output"))
            .read_line(&mut line)
            .expect("reading a line of it");
        let mut place = Place { keeper, input, first: 0, scratch };
        place.first = line.trim_end().parse().map_err(|_| "no control groups")?;
        Ok(place)
    }

    /// Makes a place with an ordinary init, which this script turns into a box of some kind, and
    /// waits until the script says that it is ready.
    pub fn private(kind: &str, own: Own, files: &[(&str, &str)]) -> Result<Place, String> {
        missing(&["unshare", "nsenter", "setpriv", "tini", "python3"])?;
        let script = format!("{}{kind}exec tini -s -- sleep infinity", include_str!("own_box.sh"));
        let mut place = Place::start(&script, own, files)?;
        place.await_ready();
        Ok(place)
    }

    /// Waits until it is ready. Its first process is then the one that says so.
    #[track_caller]
    pub fn await_ready(&mut self) {
        self.await_that(|place| place.has("ready"));
        self.first = child_of(self.first).expect("finding the first process of a box");
    }

    /// Waits until a condition holds. A box that can be made and is not fails the test.
    #[track_caller]
    pub fn await_that(&mut self, mut is_so: impl FnMut(&mut Place) -> bool) {
        let holder = self.first;
        let end = Instant::now() + SOON;
        while !is_so(self) {
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(!"ZX".contains(state(holder)), "the box has ended\n{}", log());
            assert!(Instant::now() < end, "the box is not ready within {SOON:?}\n{}", log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns the path of a file below /mnt of the box.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Returns the path of any file of the box.
    pub fn root(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// Returns the content of a file below /mnt, without the newline; empty if it does not exist or
    /// is not written yet.
    pub fn read(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        if text.ends_with('\n') { text.trim_end().to_owned() } else { String::new() }
    }

    /// Reports whether a file below /mnt exists.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Writes a program below /mnt/bin of the box, or anywhere else.
    pub fn program(&self, path: &str, text: &str) {
        // Another process writes it: a file that any process has open for writing cannot be
        // started.
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/mnt/bin/{path}") };
        let mut command = self.inside(&["sh", "-c", "cat >\"$0\" && chmod 755 \"$0\"", &path]);
        command.stdin(Stdio::piped());
        let mut child = command.spawn().expect("starting a shell");
        child
            .stdin
            .take()
            .expect("taking its input")
            .write_all(text.as_bytes())
            .expect("writing a program");
        assert!(child.wait().is_ok_and(|status| status.success()), "no program {path}");
    }

    /// Returns a command that runs in the box.
    pub fn inside(&self, words: &[&str]) -> Command {
        let mut command = heedful("nsenter");
        command.args([
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--net",
            "--cgroup",
            "--target",
            &self.first.to_string(),
            "--",
        ]);
        command.args(words).env("PATH", PATH);
        command
    }

    /// Runs a shell script in the box to its end.
    pub fn exec(&self, script: &str) -> Outcome {
        finish(self.inside(&["timeout", "--foreground", "-s", "KILL", "30", "bash", "-c", script]))
    }

    /// Runs a script, which must succeed, and returns its output.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        self.exec(script).exits(0).text().trim_end().to_owned()
    }

    /// Sends a signal to a process of the box, or to a process group when it is negative. It waits
    /// until a process has stopped, which takes a moment on a busy machine.
    #[track_caller]
    pub fn kill(&self, signal: &str, pid: impl std::fmt::Display) {
        let wait = format!(
            "; for _ in $(seq 500); do \
             grep -qs '^State:.T' /proc/{pid}/status && break; sleep 0.01; done"
        );
        let wait = if signal == "STOP" { &wait } else { "" };
        self.shell(&format!("kill -{signal} -- {pid}{wait}"));
    }

    /// Returns the run state of a process of the box; `X` for none.
    pub fn state(&self, pid: u32) -> char {
        self.seen(pid).map_or('X', |seen| seen.state)
    }

    /// Reports whether a process of the box is alive.
    pub fn is_alive(&self, pid: u32) -> bool {
        !"ZX".contains(self.state(pid))
    }

    /// Reports whether a process of the box has neither exited nor been stopped. It may wait for a
    /// page, or handle a signal.
    pub fn goes_on(&self, pid: u32) -> bool {
        "SRD".contains(self.state(pid))
    }

    /// Reports whether a process of the box has become sleep(1). It has that name before it has its
    /// environment.
    pub fn sleeps(&self, pid: u32) -> bool {
        self.seen(pid).is_some_and(|seen| seen.sleeps())
    }

    /// Returns the name of a process of the box.
    pub fn name(&self, pid: u32) -> String {
        self.seen(pid).map_or_else(String::new, |seen| seen.name)
    }

    /// Returns a process of the box.
    pub fn seen(&self, pid: u32) -> Option<Seen> {
        let stat = fs::read(self.root(&format!("/proc/{pid}/stat"))).ok()?;
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let (before, after) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = after.split(' ').collect();
        Some(Seen {
            pid,
            name: before.split_once('(')?.1.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
        })
    }

    /// Returns all processes of the box.
    pub fn processes(&self) -> Vec<Seen> {
        let entries = fs::read_dir(self.root("/proc")).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.seen(entry.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// Returns the processes of the box that run the program, such as a guardian.
    pub fn of_the_program(&self) -> Vec<Seen> {
        let own = fs::metadata(PROCTOOL).expect("reading the program");
        let has_it = |seen: &Seen| {
            let exe = fs::metadata(self.root(&format!("/proc/{}/exe", seen.pid)));
            exe.is_ok_and(|exe| (exe.dev(), exe.ino()) == (own.dev(), own.ino()))
        };
        self.processes().into_iter().filter(has_it).collect()
    }

    /// Waits until no process of the program runs any more.
    #[track_caller]
    pub fn settles(&self) {
        soon("nothing of the program runs", || self.of_the_program().is_empty());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.keeper.wait();
    }
}

/// Returns the first child of a process.
pub fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
