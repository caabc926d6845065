//! Runs of the program from outside, with nothing of our own environment.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The program.
pub const PROCTOOL: &str = match option_env!("PROCTOOL_TEST_BINARY") {
    // Such as the installed static one.
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_proctool"),
};

/// Time limit of every command: nothing that is tested takes so long, unless it hangs.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Returns a command with a scrubbed environment.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .env("TZ", "UTC");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Makes a command that heeds the signals which our parent may ignore, as under nohup or in the
/// background of a script.
pub fn heedful(program: impl AsRef<OsStr>) -> Command {
    let mut command = clean("env");
    command.arg("--default-signal=INT,TERM,HUP,QUIT").arg(program);
    command
}

/// Returns a command that runs the program with these arguments.
pub fn proctool<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = clean(PROCTOOL);
    command.args(arguments);
    command
}

/// Runs the program with some words.
pub fn run(words: &[&str]) -> Outcome {
    finish(proctool(words))
}

/// Returns the `id` that the program shows of a process; `None` where the kernel gives none.
#[track_caller]
pub fn identity(pid: u32) -> Option<String> {
    let pid = pid.to_string();
    let found = run(&["find", "--pid", &pid, "--fields", "id", "--json"]).succeeds().json();
    found[0]["id"].as_str().map(str::to_owned)
}

/// Returns the status of a command as its parent sees it: negative after a death by a signal.
/// `wrap` makes the command that runs where these words say.
#[track_caller]
pub fn status_for_parent(wrap: impl FnOnce(&[&str]) -> Command, words: &[&str]) -> i32 {
    let script = "import subprocess, sys; print(subprocess.run(sys.argv[1:]).returncode)";
    let outcome = finish(wrap(&[&["python3", "-c", script], words].concat()));
    outcome.exits(0).text().trim_end().parse().expect("parsing a status")
}

/// Runs a command to its end, which must come within the limit.
pub fn finish(mut command: Command) -> Outcome {
    let shown = format!("{command:?}");
    let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    wait(child, shown)
}

pub(super) fn wait(mut child: Child, command: String) -> Outcome {
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            stream
                .map(|mut stream| stream.read_to_end(&mut bytes))
                .transpose()
                .expect("reading its output");
            bytes
        })
    };
    let stdout = reader(child.stdout.take().map(|stream| Box::new(stream) as Box<_>));
    let stderr = reader(child.stderr.take().map(|stream| Box::new(stream) as Box<_>));
    let (ended, end) = mpsc::channel();
    let pid = child.id();
    thread::spawn(move || ended.send(child.wait()));
    let Ok(status) = end.recv_timeout(LIMIT) else {
        // It is ours and not reaped, so that the number is its own.
        let kill = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        panic!("{command} did not end within {LIMIT:?} (killed: {kill:?})");
    };
    Outcome {
        command,
        status: status.expect("waiting for its status"),
        stdout: stdout.join().expect("joining its standard output"),
        stderr: stderr.join().expect("joining its standard error"),
    }
}

impl Outcome {
    /// Returns the exit status; a death by a signal as a shell shows it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Checks that the run ended with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Outcome {
        assert!(self.code() == code, "expected status {code}\n{}", self.report());
        self
    }

    /// Checks that the run succeeded without a message.
    #[track_caller]
    pub fn succeeds(self) -> Outcome {
        let outcome = self.exits(0);
        assert!(outcome.stderr.is_empty(), "expected no message\n{}", outcome.report());
        outcome
    }

    /// Checks that the run ended with this status and one message, without a result.
    #[track_caller]
    pub fn refuses(self, code: i32, message: &str) -> Outcome {
        let outcome = self.exits(code);
        assert!(outcome.stdout.is_empty(), "expected no result\n{}", outcome.report());
        outcome.says(message)
    }

    /// Checks that its only message contains this.
    #[track_caller]
    pub fn says(self, message: &str) -> Outcome {
        let text = self.errors();
        let lines = text.lines().count();
        assert!(
            lines == 1 && text.contains(message),
            "expected one line with {message:?}\n{}",
            self.report()
        );
        self
    }

    /// Checks that the run printed exactly this.
    #[track_caller]
    pub fn prints(self, text: impl AsRef<[u8]>) -> Outcome {
        let expected = OsString::from(String::from_utf8_lossy(text.as_ref()).into_owned());
        assert!(
            self.stdout == text.as_ref(),
            "expected standard output\n{}\n{}",
            expected.display(),
            self.report()
        );
        self
    }

    /// Returns standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns standard error as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Returns the lines of standard output.
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Returns the pids that standard output lists.
    pub fn pids(&self) -> Vec<u32> {
        let pid = |line: &String| {
            line.parse().unwrap_or_else(|_| panic!("not a pid: {line:?}\n{}", self.report()))
        };
        self.lines().iter().map(pid).collect()
    }

    /// Returns standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON: {error}\n{}", self.report()))
    }

    /// Returns everything about the run, for the message of a failure.
    pub fn report(&self) -> String {
        let mut report = format!("command: {}\nstatus: {}\n", self.command, self.status);
        for (name, bytes) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let shown = &bytes[..bytes.len().min(4000)];
            writeln!(report, "{name} ({} bytes):\n{}", bytes.len(), String::from_utf8_lossy(shown))
                .expect("formatting a report");
        }
        report
    }
}
