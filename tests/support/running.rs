//! A command that runs while the test does something else.

use std::fs;
use std::io::Read;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use super::command::{LIMIT, Outcome, wait};

/// A command that was started. Killed and reaped when dropped.
pub struct Running {
    /// `None` once its end was waited for.
    child: Option<Child>,
    command: String,
}

/// Waits until a condition holds, which must come within the limit.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Returns the run state of a process; `X` for none.
pub fn state(pid: u32) -> char {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit(|&byte| byte == b')').next().unwrap_or_default();
    rest.get(1).map_or('X', |&state| state.into())
}

/// Returns the fields of a stat behind the name, from the state on: field 3 of proc_pid_stat(5)
/// comes first.
pub fn stat_fields(stat: &[u8]) -> Vec<String> {
    let rest = stat.rsplit(|&byte| byte == b')').next().unwrap_or_default();
    String::from_utf8_lossy(rest).split_whitespace().map(str::to_owned).collect()
}

/// Sends a signal to a child of ours that was not waited for.
pub fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).expect("converting a process id"), signal)
        .expect("sending a signal to a child");
}

impl Running {
    /// Starts a command.
    pub fn start(mut command: Command) -> Running {
        let shown = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Running { child: Some(child), command: shown }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("finding the child, which was not reaped")
    }

    /// Returns its process id, which is its own until it is reaped.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("finding the child, which was not reaped").id()
    }

    /// Reports whether it sleeps until one of several events: it has an epoll descriptor with
    /// something in it.
    pub fn is_watching(&self) -> bool {
        let pid = self.pid();
        let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
        let has_watched = |path| fs::read_to_string(path).is_ok_and(|text| text.contains("tfd:"));
        state(pid) == 'S' && files.map(|file| file.path()).any(has_watched)
    }

    /// Waits until it sleeps and watches. It must not end before.
    #[track_caller]
    pub fn watching(self) -> Running {
        until(&format!("{} waits", self.command), || {
            assert!(!"ZX".contains(state(self.pid())), "it has ended: {}", self.command);
            self.is_watching()
        });
        self
    }

    /// Waits for the next line of its standard output, and returns it.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let command = self.command.clone();
        let stdout = self.child().stdout.as_mut().expect("finding its standard output");
        let limit = Timespec::try_from(LIMIT).expect("converting the time limit");
        let mut line = Vec::new();
        // It reads byte by byte, and leaves the bytes behind the line for later.
        while line.last() != Some(&b'\n') {
            let ready = poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&limit))
                .expect("polling standard output");
            assert!(ready > 0, "no line within {LIMIT:?}: {command}");
            let mut byte = [0];
            assert!(
                stdout.read(&mut byte).expect("reading its output") == 1,
                "no line but the end of {command}"
            );
            line.push(byte[0]);
        }
        String::from_utf8_lossy(line.trim_ascii_end()).into_owned()
    }

    /// Closes its standard output for reading.
    pub fn close_stdout(&mut self) {
        drop(self.child().stdout.take());
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        drop(self.child().stdin.take());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end, which must come, and takes the rest of its output.
    pub fn finish(mut self) -> Outcome {
        let child = self.child.take().expect("taking the child, which was not reaped");
        wait(child, self.command.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
