//! Places of their own for real cron daemons, and what the tests do and see in them.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde_json::Value;
use tempfile::TempDir;

use super::command::{Outcome, PROCTOOL, clean, finish};
use super::namespace;
use super::running::Running;

/// What is waited for comes sooner than this, or never.
const SOON: Duration = Duration::from_secs(30);

/// Where the box's programs look for programs. The first of them is the test's own.
const PATH: &str = "/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a job of a test does: it says that it has begun, waits until it is let go, and then still takes a moment.
const JOB: &str = r#"[ -p "/mnt/$1.go" ] || mkfifo -m 666 "/mnt/$1.go"
echo $$ >"/mnt/$1.began"
read -r _ <"/mnt/$1.go"
sleep 0.2
echo >"/mnt/$1.ended"
"#;

/// A box: namespaces of their own with crontabs, pid files and processes of their own. It ends when dropped.
pub struct CronBox {
    /// Ends the box at the end of its input.
    keeper: Child,
    input: Option<ChildStdin>,
    /// The first process of the box, by its number outside.
    first: u32,
    scratch: TempDir,
    runs: Cell<u32>,
}

/// A run of cron-graceful that goes on.
pub struct Run {
    pub running: Running,
    /// Its number in the box.
    pub pid: u32,
}

/// A process in a box.
#[derive(Debug)]
pub struct Seen {
    pub pid: u32,
    pub name: String,
    pub state: char,
    pub parent: u32,
}

/// Wait until something is so, which must come soon.
#[track_caller]
pub fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The command of a job that waits to be let go.
pub fn job(name: &str) -> String {
    format!("sh /mnt/job {name}")
}

/// Why a box with these programs cannot be had.
fn missing(programs: &[&str]) -> Result<(), String> {
    if !namespace::is_root() {
        return Err("not root".to_owned());
    }
    let directories = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let is_there = |program: &&&str| directories.iter().any(|directory| Path::new(directory).join(program).exists());
    match programs.iter().find(|program| !is_there(program)) {
        Some(program) => Err(format!("no {program}")),
        None => Ok(()),
    }
}

impl CronBox {
    /// A box with an ordinary init and nothing else.
    pub fn new() -> Result<CronBox, String> {
        CronBox::with_first("tini -- sleep infinity")
    }

    /// Likewise, with further programs.
    pub fn needing(programs: &[&str]) -> Result<CronBox, String> {
        missing(programs)?;
        CronBox::new()
    }

    /// A box whose first process is this command.
    pub fn with_first(command: &str) -> Result<CronBox, String> {
        CronBox::with_first_after("", command)
    }

    /// Likewise, after a preparation.
    pub fn with_first_after(preparation: &str, command: &str) -> Result<CronBox, String> {
        missing(&["unshare", "nsenter", "setpriv", "tini", "cron"])?;
        let script = format!("{}\n{preparation}\nexec {command}", include_str!("cron_box.sh"));
        let mut made = CronBox::start(&script, false)?;
        made.await_ready(|made| made.path("ready").exists())?;
        made.first = child_of(made.first).ok_or("the box has ended")?;
        Ok(made)
    }

    /// A box with a real systemd that runs Debian's cron.service.
    pub fn with_systemd() -> Result<CronBox, String> {
        missing(&["unshare", "nsenter", "setpriv", "systemd-nspawn", "systemctl", "cron"])?;
        if !Path::new("/lib/systemd/system/cron.service").exists() {
            return Err("no cron.service".to_owned());
        }
        let mut made = CronBox::start(include_str!("systemd_box.sh"), true)?;
        let holder = made.first;
        made.await_ready(|made| {
            let leader = child_of(holder).and_then(child_of);
            made.first = leader.unwrap_or(holder);
            leader.is_some() && made.exec("systemctl is-active cron").text() == "active\n"
        })?;
        Ok(made)
    }

    fn start(script: &str, grouped: bool) -> Result<CronBox, String> {
        let scratch = tempfile::tempdir().expect("a directory for a box");
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).expect("its permissions");
        fs::create_dir(scratch.path().join("bin")).expect("a directory for programs");
        fs::write(scratch.path().join("bin/cron-graceful"), "").expect("a place for the program");
        fs::write(scratch.path().join("job"), JOB).expect("a job");
        let mut command = clean("bash");
        command.args(["-c", include_str!("keep_box.sh"), "keep_box", script]);
        command.env("SCRATCH", scratch.path()).env("PROCTOOL", PROCTOOL).env("GROUPED", if grouped { "1" } else { "" });
        command.stdin(Stdio::piped()).stderr(Stdio::inherit());
        let mut keeper = command.spawn().expect("bash");
        let input = keeper.stdin.take();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("its output")).read_line(&mut line).expect("a line of it");
        let mut made = CronBox { keeper, input, first: 0, scratch, runs: Cell::new(0) };
        made.first = line.trim_end().parse().map_err(|_| made.log())?;
        Ok(made)
    }

    /// What the box said while it was made.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        format!("no box: {}", log.lines().last().unwrap_or("it has ended"))
    }

    fn await_ready(&mut self, mut is_ready: impl FnMut(&mut CronBox) -> bool) -> Result<(), String> {
        let holder = self.first;
        let end = Instant::now() + SOON;
        while !is_ready(self) {
            let has_ended = !fs::read_to_string(format!("/proc/{holder}/comm")).is_ok_and(|_| !is_zombie(holder));
            if has_ended || Instant::now() > end {
                return Err(self.log());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Where a file below /mnt of the box is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Where any file of the box is.
    pub fn root(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// What a file below /mnt holds, without the newline; nothing if it is not there or not yet written.
    pub fn read(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        if text.ends_with('\n') { text.trim_end().to_owned() } else { String::new() }
    }

    /// Whether there is such a file below /mnt.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A program below /mnt/bin of the box, or anywhere else.
    pub fn program(&self, path: &str, text: &str) {
        // Written by a process of its own: what is open for writing anywhere cannot be started.
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/mnt/bin/{path}") };
        let mut command = self.inside(&["sh", "-c", "cat >\"$0\" && chmod 755 \"$0\"", &path]);
        command.stdin(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("a program");
        assert!(child.wait().is_ok_and(|status| status.success()), "no program {path}");
    }

    /// A command in the box.
    pub fn inside(&self, words: &[&str]) -> Command {
        let mut command = clean("nsenter");
        command.args(["--mount", "--pid", "--ipc", "--uts", "--cgroup", "--target", &self.first.to_string(), "--"]);
        command.args(words).env("PATH", PATH);
        command
    }

    /// A shell script in the box, to its end.
    pub fn exec(&self, script: &str) -> Outcome {
        finish(self.inside(&["timeout", "--foreground", "-s", "KILL", "30", "bash", "-c", script]))
    }

    /// Likewise, which must end well; what it printed.
    #[track_caller]
    pub fn shell(&self, script: &str) -> String {
        self.exec(script).exits(0).text().trim_end().to_owned()
    }

    /// Send a signal to a process of the box, or to a process group when it is negative.
    #[track_caller]
    pub fn kill(&self, signal: &str, pid: impl std::fmt::Display) {
        self.shell(&format!("kill -{signal} -- {pid}"));
    }

    /// The crontab: jobs that run as soon as a cron starts, of root or, as `USER: COMMAND`, of somebody else.
    pub fn crontab(&self, jobs: &[&str]) {
        let line = |job: &&str| match job.split_once(": ") {
            Some((user, command)) => format!("@reboot {user} {command}\n"),
            None => format!("@reboot root {job}\n"),
        };
        self.raw_crontab(&format!("MAILTO=\"\"\n{}", jobs.iter().map(line).collect::<String>()));
    }

    /// The crontab, as cron reads it.
    pub fn raw_crontab(&self, text: &str) {
        fs::write(self.root("/etc/cron.d/jobs"), text).expect("a crontab");
    }

    /// Start Debian's cron, as a daemon; its pid.
    #[track_caller]
    pub fn cron(&self) -> u32 {
        self.cron_by("cron")
    }

    /// Likewise by a command, such as one that puts something between it and init.
    #[track_caller]
    pub fn cron_by(&self, command: &str) -> u32 {
        self.shell(&format!("rm -f /run/crond.reboot /run/crond.pid; {command}"));
        self.locked()
    }

    /// Another cron, which has a /run of its own and so does not meet the lock of the first one.
    #[track_caller]
    pub fn second_cron(&self) -> u32 {
        let command = "mount -t tmpfs none /run; exec setsid cron -f";
        let script = format!("unshare --mount sh -c '{command}' </dev/null >/dev/null 2>&1 & echo $!");
        let other = self.shell(&script).parse().expect("a process id");
        soon("another cron", || self.name(other) == "cron");
        other
    }

    /// The cron that has the lock on its pid file, which must come.
    #[track_caller]
    pub fn locked(&self) -> u32 {
        let mut daemon = 0;
        soon("a cron that runs", || {
            daemon = fs::read_to_string(self.root("/run/crond.pid"))
                .ok()
                .and_then(|pid| pid.trim().parse().ok())
                .unwrap_or(0);
            daemon != 0 && self.name(daemon) == "cron"
        });
        daemon
    }

    /// A running cron with one job, `a`, that waits to be let go; their pids.
    #[track_caller]
    pub fn cron_with_job(&self) -> (u32, u32) {
        self.crontab(&[&job("a")]);
        (self.cron(), self.began("a"))
    }

    /// A job has begun, which must come; the pid of its script.
    #[track_caller]
    pub fn began(&self, name: &str) -> u32 {
        let file = format!("{name}.began");
        soon(&format!("the start of job {name}"), || !self.read(&file).is_empty());
        self.read(&file).parse().expect("a process id")
    }

    /// Let a job go on to its end.
    #[track_caller]
    pub fn release(&self, name: &str) {
        let path = self.path(&format!("{name}.go"));
        self.feed(&path);
    }

    /// Open a named pipe that somebody waits at.
    #[track_caller]
    pub fn feed(&self, path: &Path) {
        soon(&format!("somebody who reads {}", path.display()), || {
            OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path).is_ok()
        });
    }

    /// Whether a job came to its end.
    pub fn ended(&self, name: &str) -> bool {
        self.has(&format!("{name}.ended"))
    }

    /// Run cron-graceful to its end.
    pub fn graceful(&self, words: &[&str]) -> Outcome {
        self.graceful_by(&[], words)
    }

    /// Likewise through another command, such as one that changes the user.
    pub fn graceful_by(&self, before: &[&str], words: &[&str]) -> Outcome {
        let outcome = finish(self.tool(before, words).0);
        let panicked = outcome.errors().contains("panicked");
        assert!(!panicked && outcome.code() != 137, "a crash, or no end\n{}", outcome.report());
        outcome
    }

    /// Likewise as an ordinary user.
    pub fn graceful_as_nobody(&self, words: &[&str]) -> Outcome {
        self.graceful_by(&["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"], words)
    }

    /// Start cron-graceful.
    #[track_caller]
    pub fn begin(&self, words: &[&str]) -> Run {
        self.begin_by(&[], words)
    }

    /// Likewise through another command.
    #[track_caller]
    pub fn begin_by(&self, before: &[&str], words: &[&str]) -> Run {
        let (command, file) = self.tool(before, words);
        let running = Running::start(command);
        soon("the start of cron-graceful", || !self.read(&file).is_empty());
        let pid = self.read(&file).parse().expect("a process id");
        Run { running, pid }
    }

    /// Start cron-graceful and let it come so far that it has paused a daemon.
    #[track_caller]
    pub fn begin_and_pause(&self, words: &[&str], daemon: u32) -> Run {
        let run = self.begin(words);
        self.await_pause(&run, daemon);
        run
    }

    /// Let a run come so far that it has paused a daemon.
    #[track_caller]
    pub fn await_pause(&self, run: &Run, daemon: u32) {
        soon("a paused daemon", || {
            let has_ended = "ZX".contains(super::running::state(run.running.pid()));
            assert!(!has_ended, "it ended without having paused the daemon");
            self.state(daemon) == 'T'
        });
    }

    /// The command, and the file that will hold its pid in the box.
    fn tool(&self, before: &[&str], words: &[&str]) -> (Command, String) {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let file = format!("run.{run}");
        let path = format!("/mnt/{file}");
        let script = "echo $$ >\"$0\"; exec \"$@\"";
        let defaults = ["env", "--default-signal=INT,TERM,HUP,QUIT", "sh", "-c", script, &path];
        let limited =
            [&["timeout", "--foreground", "-s", "KILL", "30"], &defaults[..], before, &["cron-graceful"], words];
        (self.inside(&limited.concat()), file)
    }

    /// The run state of a process of the box; X when there is none.
    pub fn state(&self, pid: u32) -> char {
        self.seen(pid).map_or('X', |seen| seen.state)
    }

    /// Whether a process of the box is alive.
    pub fn is_alive(&self, pid: u32) -> bool {
        !"ZX".contains(self.state(pid))
    }

    /// The name of a process of the box.
    pub fn name(&self, pid: u32) -> String {
        self.seen(pid).map_or_else(String::new, |seen| seen.name)
    }

    /// A process of the box.
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

    /// All processes of the box.
    pub fn processes(&self) -> Vec<Seen> {
        let entries = fs::read_dir(self.root("/proc")).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.seen(entry.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// The processes of the box that have the program, such as a guardian.
    pub fn of_the_program(&self) -> Vec<Seen> {
        let own = fs::metadata(PROCTOOL).expect("the program");
        let has_it = |seen: &Seen| {
            let exe = fs::metadata(self.root(&format!("/proc/{}/exe", seen.pid)));
            exe.is_ok_and(|exe| (exe.dev(), exe.ino()) == (own.dev(), own.ino()))
        };
        self.processes().into_iter().filter(has_it).collect()
    }

    /// Nothing of the program runs any more, which must come.
    #[track_caller]
    pub fn settles(&self) {
        soon("nothing of the program runs", || self.of_the_program().is_empty());
    }

    /// A daemon is as it was: it runs, and nothing stops it.
    #[track_caller]
    pub fn still_runs(&self, daemon: u32) {
        self.settles();
        assert!("SR".contains(self.state(daemon)), "cron: {:?}\n{:#?}", self.seen(daemon), self.processes());
    }

    /// A daemon runs no more, and none has taken its place.
    #[track_caller]
    pub fn is_stopped(&self, daemon: u32) {
        let crons: Vec<Seen> = self.processes().into_iter().filter(|seen| seen.name.contains("cron")).collect();
        let running = crons.iter().filter(|seen| seen.state != 'Z' && !seen.name.starts_with("cron-graceful"));
        let running: Vec<&Seen> = running.collect();
        assert!(!self.is_alive(daemon) && running.is_empty(), "cron still runs: {running:#?}");
        self.settles();
    }

    /// `--list --json`, which must succeed.
    #[track_caller]
    pub fn list(&self) -> Value {
        self.graceful(&["--list", "--json"]).succeeds().json()
    }
}

impl Run {
    /// Wait for its end.
    #[track_caller]
    pub fn finish(self) -> Outcome {
        self.running.finish()
    }

    /// Its next event of this kind, when it runs with `--jsonl`.
    #[track_caller]
    pub fn event(&mut self, kind: &str) -> Value {
        loop {
            let line = self.running.line();
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if event["event"] == kind {
                return event;
            }
        }
    }
}

impl Drop for CronBox {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.keeper.wait();
    }
}

/// The first child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn is_zombie(pid: u32) -> bool {
    super::running::state(pid) == 'Z'
}
