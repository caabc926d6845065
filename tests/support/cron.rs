//! Private places for real cron daemons, and the actions and checks of the tests.

use std::cell::Cell;
use std::fs::{self, OpenOptions};
use std::ops::Deref;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::OFlags;
use serde_json::Value;

use super::command::{Outcome, finish};
use super::place::{Own, Place, child_of, missing};
pub use super::place::{Seen, soon};
use super::running::Running;

/// A job of a test: it says that it has begun, waits until it is released, and then takes another
/// moment.
const JOB: &str = r#"[ -p "/mnt/$1.go" ] || mkfifo -m 666 "/mnt/$1.go"
echo $$ >"/mnt/$1.began"
read -r _ <"/mnt/$1.go"
sleep 0.2
echo >"/mnt/$1.ended"
"#;

/// Files of a box below /mnt.
const FILES: [(&str, &str); 2] = [("bin/cron-graceful", ""), ("job", JOB)];

/// A box: private namespaces with their own crontabs, pid files and processes. It ends when
/// dropped.
pub struct CronBox {
    place: Place,
    runs: Cell<u32>,
}

/// A run of cron-graceful that has not ended yet.
pub struct Run {
    pub running: Running,
    /// Its pid in the box.
    pub pid: u32,
}

impl Deref for CronBox {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

/// Returns the command of a job that waits until it is released.
pub fn job(name: &str) -> String {
    format!("sh /mnt/job {name}")
}

impl CronBox {
    /// Makes a box with an ordinary init and nothing else.
    pub fn new() -> Result<CronBox, String> {
        CronBox::with_first("tini -- sleep infinity")
    }

    /// Makes a box that needs further programs.
    pub fn needing(programs: &[&str]) -> Result<CronBox, String> {
        missing(programs)?;
        CronBox::new()
    }

    /// Makes a box whose first process is this command.
    pub fn with_first(command: &str) -> Result<CronBox, String> {
        CronBox::with_first_after("", command)
    }

    /// Makes a box whose first process is this command, after a preparation.
    pub fn with_first_after(preparation: &str, command: &str) -> Result<CronBox, String> {
        missing(&["unshare", "nsenter", "setpriv", "tini", "cron"])?;
        let script = format!("{}\n{preparation}\nexec {command}", include_str!("cron_box.sh"));
        let mut place = Place::start(&script, Own::default(), &FILES)?;
        place.await_ready();
        Ok(CronBox { place, runs: Cell::new(0) })
    }

    /// Makes a box with a real systemd that runs Debian's cron.service.
    pub fn with_systemd() -> Result<CronBox, String> {
        missing(&["unshare", "nsenter", "setpriv", "systemd-nspawn", "systemctl", "cron"])?;
        if !Path::new("/lib/systemd/system/cron.service").exists() {
            return Err("no cron.service".to_owned());
        }
        let own = Own { groups: true, ..Own::default() };
        let mut place = Place::start(include_str!("systemd_box.sh"), own, &FILES)?;
        let holder = place.first;
        place.await_that(|place| {
            let leader = child_of(holder).and_then(child_of);
            place.first = leader.unwrap_or(holder);
            leader.is_some() && place.exec("systemctl is-active cron").text() == "active\n"
        });
        Ok(CronBox { place, runs: Cell::new(0) })
    }

    /// Writes the crontab: jobs that run as soon as a cron starts, as root or, with `USER:
    /// COMMAND`, as another user.
    pub fn crontab(&self, jobs: &[&str]) {
        let line = |job: &&str| match job.split_once(": ") {
            Some((user, command)) => format!("@reboot {user} {command}\n"),
            None => format!("@reboot root {job}\n"),
        };
        self.raw_crontab(&format!("MAILTO=\"\"\n{}", jobs.iter().map(line).collect::<String>()));
    }

    /// Writes the crontab as cron reads it.
    pub fn raw_crontab(&self, text: &str) {
        fs::write(self.root("/etc/cron.d/jobs"), text).expect("writing a crontab");
    }

    /// Starts Debian's cron as a daemon. Returns its pid.
    #[track_caller]
    pub fn cron(&self) -> u32 {
        self.cron_by("cron")
    }

    /// Starts cron by a command, such as one that puts a process between it and init.
    #[track_caller]
    pub fn cron_by(&self, command: &str) -> u32 {
        self.shell(&format!("rm -f /run/crond.reboot /run/crond.pid; {command}"));
        self.locked()
    }

    /// Starts another cron, with a /run of its own and so without the lock of the first one.
    /// Returns its pid.
    #[track_caller]
    pub fn second_cron(&self) -> u32 {
        let command = "mount -t tmpfs none /run; exec setsid cron -f";
        let script =
            format!("unshare --mount sh -c '{command}' </dev/null >/dev/null 2>&1 & echo $!");
        let other = self.shell(&script).parse().expect("parsing a process id");
        self.await_lock(other);
        other
    }

    /// Waits until the daemon has locked its pid file, which only it may see, and written its pid.
    #[track_caller]
    pub fn await_lock(&self, daemon: u32) {
        let file = self.root(&format!("/proc/{daemon}/root/run/crond.pid"));
        soon("the lock of a cron", || {
            fs::read_to_string(&file).is_ok_and(|pid| pid.trim() == daemon.to_string())
        });
    }

    /// Waits for a cron with a locked pid file, and returns its pid.
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

    /// Starts a cron with one job, `a`, that waits until it is released. Returns their pids.
    #[track_caller]
    pub fn cron_with_job(&self) -> (u32, u32) {
        self.crontab(&[&job("a")]);
        (self.cron(), self.began("a"))
    }

    /// Waits until a job has begun, and returns the pid of its script.
    #[track_caller]
    pub fn began(&self, name: &str) -> u32 {
        let file = format!("{name}.began");
        soon(&format!("the start of job {name}"), || !self.read(&file).is_empty());
        self.read(&file).parse().expect("parsing a process id")
    }

    /// Lets a job go on to its end.
    #[track_caller]
    pub fn release(&self, name: &str) {
        let path = self.path(&format!("{name}.go"));
        self.feed(&path);
    }

    /// Opens a named pipe that a process waits at.
    #[track_caller]
    pub fn feed(&self, path: &Path) {
        soon(&format!("somebody who reads {}", path.display()), || {
            OpenOptions::new()
                .write(true)
                .custom_flags(OFlags::NONBLOCK.bits() as i32)
                .open(path)
                .is_ok()
        });
    }

    /// Reports whether a job has come to its end.
    pub fn ended(&self, name: &str) -> bool {
        self.has(&format!("{name}.ended"))
    }

    /// Runs cron-graceful to its end.
    pub fn graceful(&self, words: &[&str]) -> Outcome {
        self.graceful_by(&[], words)
    }

    /// Runs cron-graceful through another command, such as one that changes the user.
    pub fn graceful_by(&self, before: &[&str], words: &[&str]) -> Outcome {
        let outcome = finish(self.tool(before, words).0);
        let panicked = outcome.errors().contains("panicked");
        assert!(!panicked && outcome.code() != 137, "a crash, or no end\n{}", outcome.report());
        outcome
    }

    /// Runs cron-graceful as an ordinary user.
    pub fn graceful_as_nobody(&self, words: &[&str]) -> Outcome {
        self.graceful_by(
            &["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
            words,
        )
    }

    /// Starts cron-graceful.
    #[track_caller]
    pub fn begin(&self, words: &[&str]) -> Run {
        self.begin_by(&[], words)
    }

    /// Starts cron-graceful through another command.
    #[track_caller]
    pub fn begin_by(&self, before: &[&str], words: &[&str]) -> Run {
        let (command, file) = self.tool(before, words);
        let running = Running::start(command);
        soon("the start of cron-graceful", || !self.read(&file).is_empty());
        let pid = self.read(&file).parse().expect("parsing a process id");
        Run { running, pid }
    }

    /// Starts cron-graceful and waits until it has paused a daemon.
    #[track_caller]
    pub fn begin_and_pause(&self, words: &[&str], daemon: u32) -> Run {
        let run = self.begin(words);
        self.await_pause(&run, daemon);
        run
    }

    /// Runs cron-graceful, and lets a job end as soon as the daemon is paused. The run must wait for
    /// the job.
    #[track_caller]
    pub fn waits_for(&self, name: &str, words: &[&str], daemon: u32) -> Outcome {
        self.finishes_after(name, self.begin_and_pause(words, daemon))
    }

    /// Lets a job end, and waits for the end of a run. The run must wait for the job.
    #[track_caller]
    pub fn finishes_after(&self, name: &str, run: Run) -> Outcome {
        self.release(name);
        let outcome = run.finish();
        assert!(self.ended(name), "job {name} had not ended\n{}", outcome.report());
        outcome
    }

    /// Waits until a run has paused a daemon.
    #[track_caller]
    pub fn await_pause(&self, run: &Run, daemon: u32) {
        soon("a paused daemon", || {
            let has_ended = "ZX".contains(super::running::state(run.running.pid()));
            assert!(!has_ended, "it ended without having paused the daemon");
            self.state(daemon) == 'T'
        });
    }

    /// Returns the command, and the file that will hold its pid in the box.
    fn tool(&self, before: &[&str], words: &[&str]) -> (Command, String) {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let file = format!("run.{run}");
        let path = format!("/mnt/{file}");
        let script = "echo $$ >\"$0\"; exec \"$@\"";
        let defaults = ["sh", "-c", script, &path];
        let limited = [
            &["timeout", "--foreground", "-s", "KILL", "30"],
            &defaults[..],
            before,
            &["cron-graceful"],
            words,
        ];
        (self.inside(&limited.concat()), file)
    }

    /// Checks that a daemon runs as before, and that nothing stops it.
    #[track_caller]
    pub fn still_runs(&self, daemon: u32) {
        self.settles();
        assert!(self.goes_on(daemon), "cron: {:?}\n{:#?}", self.seen(daemon), self.processes());
    }

    /// Checks that a daemon has exited, and that no other one runs.
    #[track_caller]
    pub fn is_stopped(&self, daemon: u32) {
        let crons: Vec<Seen> =
            self.processes().into_iter().filter(|seen| seen.name.contains("cron")).collect();
        let running = crons
            .iter()
            .filter(|seen| seen.state != 'Z' && !seen.name.starts_with("cron-graceful"));
        let running: Vec<&Seen> = running.collect();
        assert!(!self.is_alive(daemon) && running.is_empty(), "cron still runs: {running:#?}");
        self.settles();
    }

    /// Runs `--list --json`, which must succeed, and returns its output.
    #[track_caller]
    pub fn list(&self) -> Value {
        self.graceful(&["--list", "--json"]).succeeds().json()
    }
}

impl Run {
    /// Waits for its end.
    #[track_caller]
    pub fn finish(self) -> Outcome {
        self.running.finish()
    }

    /// Waits for its next event of this kind; it must run with `--jsonl`.
    #[track_caller]
    pub fn event(&mut self, kind: &str) -> Value {
        loop {
            let line = self.running.line();
            let event: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if event["event"] == kind {
                return event;
            }
        }
    }
}
