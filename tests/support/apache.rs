//! Private places for real web servers, and the actions and checks of the tests.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::command::{Outcome, clean, finish, proctool};
use super::place::{Own, Place, missing, soon};

/// Apache's own program.
pub const APACHE: &str = "/usr/sbin/apache2";

pub const MODULES: &str = "/usr/lib/apache2/modules";

/// Three workers, always.
pub const PREFORK: &str =
    "StartServers 3\nMinSpareServers 3\nMaxSpareServers 3\nMaxRequestWorkers 5\n";

/// Two processes of five threads, always.
pub const EVENT: &str = "StartServers 2\nThreadsPerChild 5\nServerLimit 4\nMinSpareThreads \
5\nMaxSpareThreads 20\n\
    MaxRequestWorkers 20\n";

/// A name that no title has room for.
pub const LONG: &str = "a-really-long-process-group-name-that-exceeds-the-original-argv";

/// An application that answers requests in every group. A process grows with its number of
/// requests.
const APPLICATION: &str = "blob = []
def application(environ, start_response):
    blob.append(b'x' * 1000000)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'ok\\n']
";

/// A box: private namespaces with their own web servers and network. It ends when dropped.
pub struct ApacheBox {
    place: Place,
}

/// An Apache with a directory of its own below /mnt.
pub struct Site<'place> {
    place: &'place ApacheBox,
    pub name: &'static str,
    pub mpm: &'static str,
    pub port: u16,
}

impl Deref for ApacheBox {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

/// Returns four groups: an ordinary one, one whose name is cut in titles, one with a title of its
/// own, and one without a title.
pub fn groups() -> String {
    format!(
        "WSGIDaemonProcess alpha processes=2 threads=2 display-name=%{{GROUP}}\n\
         WSGIDaemonProcess {LONG} processes=1 threads=1 display-name=%{{GROUP}}\n\
         WSGIDaemonProcess custom processes=1 threads=1 display-name=my-site\n\
         WSGIDaemonProcess noname processes=1 threads=1\n"
    )
}

/// Workers of prefork and the four groups.
pub fn prefork() -> String {
    format!("{PREFORK}{}", groups())
}

impl ApacheBox {
    /// Makes a box with an ordinary init and nothing else.
    pub fn new() -> Result<ApacheBox, String> {
        missing(&["apache2"])?;
        match Path::new(MODULES).join("mod_wsgi.so").exists() {
            true => ApacheBox::without_apache(),
            false => Err("no mod_wsgi".to_owned()),
        }
    }

    /// Makes a box that needs further programs.
    pub fn needing(programs: &[&str]) -> Result<ApacheBox, String> {
        missing(programs)?;
        ApacheBox::new()
    }

    /// Makes a box for other servers.
    pub fn without_apache() -> Result<ApacheBox, String> {
        let own = Own { network: true, ..Own::default() };
        let files = [("bin/proctool", ""), ("app.wsgi", APPLICATION)];
        let place = Place::private(include_str!("apache_box.sh"), own, &files)?;
        Ok(ApacheBox { place })
    }

    /// Makes an Apache that is not started yet.
    pub fn site(&self, name: &'static str, mpm: &'static str, port: u16) -> Site<'_> {
        fs::create_dir_all(self.path(name).join("htdocs")).expect("making a directory for a site");
        Site { place: self, name, mpm, port }
    }

    /// Starts an Apache with prefork and the four groups. Returns its pid.
    #[track_caller]
    pub fn prefork(&self) -> u32 {
        self.site("one", "prefork", 8080).start(&prefork())
    }

    /// Runs apache-mem in the box to its end.
    pub fn memory(&self, words: &[&str]) -> Outcome {
        self.memory_by(&[], words)
    }

    /// Runs the tool through another command, such as one that changes the user.
    pub fn memory_by(&self, before: &[&str], words: &[&str]) -> Outcome {
        ends(finish(self.tool(before, words)))
    }

    /// Runs the tool as an ordinary user.
    pub fn memory_as_nobody(&self, words: &[&str]) -> Outcome {
        self.memory_by(
            &["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
            words,
        )
    }

    /// Returns the command that runs apache-mem in the box.
    pub fn tool(&self, before: &[&str], words: &[&str]) -> Command {
        let limit = ["timeout", "--foreground", "-s", "KILL", "30"];
        self.inside(&[&limit[..], before, &["proctool", "apache-mem"], words].concat())
    }

    /// Returns the command that runs apache-mem in the box with the control groups of the machine.
    pub fn tool_among_groups(&self, words: &[&str]) -> Command {
        let mut command = clean("nsenter");
        command.args(["--mount", "--pid", "--net", "--target", &self.first.to_string(), "--"]);
        command
            .args([
                "timeout",
                "--foreground",
                "-s",
                "KILL",
                "30",
                "/mnt/bin/proctool",
                "apache-mem",
            ])
            .args(words);
        command
    }

    /// Runs apache-mem outside the box, on the processes in it.
    pub fn memory_from_outside(&self, words: &[&str]) -> Outcome {
        ends(finish(self.tool_from_outside(words)))
    }

    /// Returns the command that runs the tool from outside the box.
    pub fn tool_from_outside(&self, words: &[&str]) -> Command {
        let mut command = proctool(["apache-mem", "--proc"]);
        command.arg(self.root("/proc")).args(words);
        command
    }

    /// Runs the tool with `--json` and further words, which must succeed without a message, and
    /// returns the blocks.
    #[track_caller]
    pub fn blocks(&self, words: &[&str]) -> Vec<Value> {
        blocks(&self.memory(&[&["--json"], words].concat()).succeeds())
    }

    /// Returns the only block.
    #[track_caller]
    pub fn block(&self, words: &[&str]) -> Value {
        only(self.blocks(words))
    }

    /// Returns the children of a process of the box.
    pub fn children(&self, pid: u32) -> Vec<u32> {
        let seen =
            self.processes().into_iter().filter(|seen| seen.parent == pid && seen.state != 'Z');
        let mut pids: Vec<u32> = seen.map(|seen| seen.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Returns a field of a file of a process of the box, such as status or smaps_rollup, in bytes.
    pub fn bytes(&self, pid: u32, file: &str, field: &str) -> Option<u64> {
        let text = fs::read_to_string(self.root(&format!("/proc/{pid}/{file}"))).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// Returns the number of threads of a process of the box.
    pub fn threads(&self, pid: u32) -> u64 {
        fs::read_dir(self.root(&format!("/proc/{pid}/task")))
            .map_or(0, |tasks| tasks.count() as u64)
    }

    /// Reports whether a process of the box has become an ordinary user.
    pub fn is_ordinary(&self, pid: u32) -> bool {
        let text =
            fs::read_to_string(self.root(&format!("/proc/{pid}/status"))).unwrap_or_default();
        text.lines()
            .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) != Some("0"))
    }

    /// Returns the arguments of a process of the box, joined by blanks.
    pub fn arguments(&self, pid: u32) -> String {
        let bytes = fs::read(self.root(&format!("/proc/{pid}/cmdline"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    /// Returns the outer pid of a process of the box.
    pub fn outer(&self, pid: u32) -> Option<u32> {
        let space = fs::read_link(self.root(&format!("/proc/{pid}/ns/pid"))).ok()?;
        let is_it = |outer: &u32| {
            let status = fs::read_to_string(format!("/proc/{outer}/status")).unwrap_or_default();
            let own = status
                .lines()
                .find_map(|line| line.strip_prefix("NSpid:")?.split_whitespace().last());
            own == Some(&pid.to_string())
                && fs::read_link(format!("/proc/{outer}/ns/pid")).is_ok_and(|own| own == space)
        };
        let entries = fs::read_dir("/proc").expect("listing /proc").flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_it)
    }

    /// Sends a request to a server of the box.
    #[track_caller]
    pub fn request(&self, port: u16, path: &str) {
        let address = format!("http://127.0.0.1:{port}{path}");
        soon(&format!("an answer from {address}"), || {
            finish(self.inside(&["curl", "-sf", "-o", "/dev/null", &address])).code() == 0
        });
    }
}

impl Site<'_> {
    /// Returns the path of its main configuration in the box.
    pub fn path(&self) -> String {
        format!("/mnt/{}/httpd.conf", self.name)
    }

    /// Writes a file in its directory.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.place.path(self.name).join(name);
        fs::create_dir_all(path.parent().expect("finding a directory"))
            .expect("making a directory of a site");
        fs::write(&path, text).expect("writing a file of a site");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
            .expect("changing its permissions");
    }

    /// Returns the configuration with this text at its end.
    pub fn configuration(&self, text: &str) -> String {
        let Site { name, mpm, port, .. } = self;
        format!(
            "ServerRoot /mnt/{name}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile \
            /mnt/{name}/httpd.pid\n\
             DefaultRuntimeDir /mnt/{name}\nMutex file:/mnt/{name} default\nErrorLog /mnt/{name}/error.log\n\
             User www-data\nGroup www-data\nLoadModule mpm_{mpm}_module {MODULES}/mod_mpm_{mpm}.so\n\
             LoadModule authz_core_module {MODULES}/mod_authz_core.so\n\
             LoadModule alias_module {MODULES}/mod_alias.so\nLoadModule wsgi_module {MODULES}/mod_wsgi.so\n\
             DocumentRoot /mnt/{name}/htdocs\nWSGISocketPrefix /mnt/{name}/wsgi\n{text}"
        )
    }

    /// Returns the line of the configuration that has this text, as `FILE:LINE`.
    pub fn at(&self, text: &str) -> String {
        let conf = fs::read_to_string(self.place.path(self.name).join("httpd.conf"))
            .expect("reading the configuration");
        let line = conf
            .lines()
            .position(|line| line.contains(text))
            .expect("finding a line of the configuration");
        format!("{}:{}", self.path(), line + 1)
    }

    /// Starts it with this configuration, and waits until all its workers run. Returns the pid of
    /// its master.
    #[track_caller]
    pub fn start(&self, text: &str) -> u32 {
        self.write("httpd.conf", self.configuration(text));
        self.start_by(&format!("{APACHE} -d /mnt/{0} -f /mnt/{0}/httpd.conf", self.name))
    }

    /// Starts it by a command, with the configuration that is there.
    #[track_caller]
    pub fn start_by(&self, command: &str) -> u32 {
        self.place.shell(&format!("{command} -k start </dev/null >/mnt/{}/output 2>&1", self.name));
        self.started()
    }

    /// Starts it by a script that runs on.
    #[track_caller]
    pub fn start_beside(&self, script: &str) -> u32 {
        self.place.shell(&format!(
            "setsid bash -c '{script}' </dev/null >/mnt/{}/output 2>&1 &",
            self.name
        ));
        self.started()
    }

    /// Waits until it has started, and returns the pid of its master.
    #[track_caller]
    pub fn started(&self) -> u32 {
        let file = format!("{}/httpd.pid", self.name);
        let mut answer = 0;
        soon(&format!("an Apache for {}", self.name), || {
            answer = self.place.read(&file).parse().unwrap_or(0);
            answer != 0 && self.settled(answer)
        });
        answer
    }

    /// Reports whether the master has the children and threads that the configuration of the test
    /// asks for.
    fn settled(&self, master: u32) -> bool {
        let conf =
            fs::read_to_string(self.place.path(self.name).join("httpd.conf")).unwrap_or_default();
        let wsgi = conf.lines().filter(|line| line.starts_with("WSGIDaemonProcess")).map(|line| {
            let number =
                |name: &str| line.split(name).nth(1)?.split(' ').next()?.parse::<u64>().ok();
            (number("processes=").unwrap_or(1), number("threads=").unwrap_or(15) + 3)
        });
        let (processes, threads) =
            wsgi.fold((0, 0), |sum, group| (sum.0 + group.0, sum.1 + group.0 * group.1));
        let workers = self.workers(&conf);
        let children = self.place.children(master);
        let running: u64 = children.iter().map(|&pid| self.place.threads(pid)).sum();
        // A process that was only forked still runs as root and looks like a master.
        let have_begun = children.iter().all(|&pid| self.place.is_ordinary(pid));
        have_begun
            && children.len() as u64 >= processes + workers.0
            && running >= threads + workers.0 * workers.1
    }

    /// Returns the least number of workers at the start, and of their threads.
    fn workers(&self, conf: &str) -> (u64, u64) {
        let setting = |name: &str| {
            conf.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
        };
        let processes = setting("StartServers ").unwrap_or(1);
        match self.mpm {
            "prefork" => (processes, 1),
            _ => (processes, setting("ThreadsPerChild ").unwrap_or(25) + 2),
        }
    }
}

/// Checks that the run has ended by itself.
#[track_caller]
fn ends(outcome: Outcome) -> Outcome {
    let crashed = outcome.errors().contains("panicked")
        || [101, 124, 134, 137, 139].contains(&outcome.code());
    assert!(!crashed, "a crash, or no end\n{}", outcome.report());
    outcome
}

/// Returns the blocks of `--json`.
#[track_caller]
pub fn blocks(outcome: &Outcome) -> Vec<Value> {
    outcome.json().as_array().unwrap_or_else(|| panic!("not a list\n{}", outcome.report())).clone()
}

/// Returns the only one of some blocks.
#[track_caller]
pub fn only(mut blocks: Vec<Value>) -> Value {
    assert!(blocks.len() == 1, "expected one block: {blocks:#?}");
    blocks.remove(0)
}
