//! What an Apache was configured to do, as far as it is about processes: which MPM, how many workers at most, and which
//! WSGI daemon process groups, in the order that numbers them.
//!
//! Nothing is run to find out, and nothing is guessed: what cannot be told is a doubt, in words.

mod arguments;
mod condition;
mod directives;

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};

use crate::escape::expanded;
use crate::process::{Entry, Root};

use arguments::Arguments;
use condition::{Truth, Words};
use directives::{Line, lines};

/// How deep files include files, as Apache has it (AP_MAX_INCLUDE_DEPTH).
const DEEPEST: usize = 20;

/// More files and directories than any server has, and more bytes in them: whoever runs a container writes what is in
/// it, and a file may include itself twice.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// So many are told.
const MOST_DOUBTS: usize = 10;

/// Longer than any value; a definition may contain itself twice.
const LONGEST_VALUE: usize = 64 * 1024;

/// What was configured.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The file that it begins with.
    pub path: Vec<u8>,
    /// Which module makes the workers.
    pub mpm: Option<Mpm>,
    /// How many workers there may be; `None` where that is in doubt.
    pub limit: Option<Limit>,
    /// The names of the WSGI daemon process groups, in order; `None` where one of them is in doubt.
    pub groups: Option<Vec<Vec<u8>>>,
    /// When its files were last changed, in seconds since the epoch.
    pub changed: Option<i64>,
    /// What could not be told, and why.
    pub doubts: Vec<String>,
}

/// A multi-processing module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// A worker is a process.
    Prefork,
    /// Workers are threads of processes.
    Worker,
    /// Likewise.
    Event,
}

/// How many workers there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Requests at a time: MaxRequestWorkers, as far as ServerLimit lets it.
    pub requests: u64,
    /// Processes that this takes.
    pub processes: u64,
    /// Requests at a time of each: ThreadsPerChild.
    pub threads: u64,
    /// Where MaxRequestWorkers is set, as FILE:LINE; `None` for the default.
    pub at: Option<String>,
}

/// Who was started, and how.
pub struct Started<'s> {
    /// The path of the executable.
    pub exe: &'s [u8],
    /// Its arguments.
    pub arguments: Vec<&'s [u8]>,
    /// Its environment, NAME=value, as far as it may be read.
    pub environment: Vec<&'s [u8]>,
}

impl Mpm {
    const ALL: [Mpm; 3] = [Mpm::Prefork, Mpm::Worker, Mpm::Event];

    /// As in `mpm_prefork_module`.
    pub fn name(self) -> &'static str {
        match self {
            Mpm::Prefork => "prefork",
            Mpm::Worker => "worker",
            Mpm::Event => "event",
        }
    }

    /// The one that a module is, or the name of an executable ends with.
    pub(super) fn find(wanted: impl Fn(&str) -> bool) -> Option<Mpm> {
        Mpm::ALL.into_iter().find(|mpm| wanted(mpm.name()))
    }
}

/// Read the configuration of a server, or say why that is not possible.
pub fn read(root: &Root, started: &Started<'_>) -> Result<Configuration, String> {
    let arguments = Arguments::parse(&started.arguments)?;
    let (server_root, path) = arguments.main_file(started.exe, |path| root.has(path))?;
    let mut reader = Reader::new(root, started, server_root);
    if root.is_guess {
        reader
            .doubt("the configuration is read from our own file system: that of the server is kept from us".to_owned());
    }
    arguments.defines.iter().for_each(|name| reader.define(name, None));
    reader.directives(&arguments.before, b"-C", Truth::Yes, 0);
    match reader.load(&path) {
        Ok(Entry::File(text, _)) => reader.directives(&text, &path, Truth::Yes, 0),
        Ok(Entry::Directory(_)) => return Err(format!("{}: it is a directory", shown(&path))),
        Err(error) => return Err(format!("{}: {error}", shown(&path))),
    }
    reader.directives(&arguments.after, b"-c", Truth::Yes, 0);
    Ok(reader.conclude(path))
}

/// Reads files in the order that Apache does.
struct Reader<'r> {
    root: &'r Root,
    environment: HashMap<&'r [u8], &'r [u8]>,
    server_root: Vec<u8>,
    mpm: Option<Mpm>,
    words: Words,
    /// Numbers by the lower-case name of their directive, and where they stand; no number where it is in doubt.
    numbers: HashMap<&'static str, (Option<u64>, String)>,
    groups: Vec<Vec<u8>>,
    groups_are_certain: bool,
    /// A file is missing from what was read.
    is_incomplete: bool,
    files: usize,
    bytes: usize,
    has_given_up: bool,
    changed: Option<i64>,
    doubts: Vec<String>,
}

impl<'r> Reader<'r> {
    fn new(root: &'r Root, started: &Started<'r>, server_root: Vec<u8>) -> Reader<'r> {
        let name = started.exe.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        // Built-in where the executable is called so (httpd.worker of old Red Hats, httpd-prefork of SUSE).
        let mpm = Mpm::find(|mpm| {
            name.ends_with(format!(".{mpm}").as_bytes()) || name.ends_with(format!("-{mpm}").as_bytes())
        });
        let variables = started.environment.iter().filter_map(|variable| {
            let equals = variable.iter().position(|&byte| byte == b'=')?;
            Some((&variable[..equals], &variable[equals + 1..]))
        });
        Reader {
            root,
            environment: variables.collect(),
            server_root,
            mpm,
            words: Words { defines: HashMap::new(), modules: HashSet::new() },
            numbers: HashMap::new(),
            groups: Vec::new(),
            groups_are_certain: true,
            is_incomplete: false,
            files: 0,
            bytes: 0,
            has_given_up: false,
            changed: None,
            doubts: Vec::new(),
        }
    }

    fn define(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.words.defines.insert(name.to_vec(), value.map(<[u8]>::to_vec));
    }

    /// Read what is at a path, unless there was too much already.
    fn load(&mut self, path: &[u8]) -> io::Result<Entry> {
        self.files += 1;
        if self.files > MOST_FILES || self.bytes > MOST_BYTES {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "there are too many files, or too large ones"));
        }
        let entry = self.root.read(path)?;
        if let Entry::File(text, changed) = &entry {
            self.bytes += text.len();
            self.changed = self.changed.max(Some(*changed));
        }
        Ok(entry)
    }

    /// Go through the directives of a file, which is in force as far as this is true.
    fn directives(&mut self, text: &[u8], path: &[u8], outside: Truth, depth: usize) {
        // With what is true of all that they are in.
        let mut sections: Vec<(Vec<u8>, Truth)> = Vec::new();
        for line in lines(text) {
            let truth = sections.last().map_or(outside, |(_, truth)| *truth);
            if let Some(name) = line.section_end() {
                // Apache would not have started with one that ends another.
                sections.pop_if(|(open, _)| *open == name);
            } else if let Some((name, condition)) = line.section_begin() {
                let own = if truth == Truth::No { Truth::No } else { self.condition(&name, &condition) };
                sections.push((name, own.min(truth)));
            } else if truth != Truth::No {
                self.directive(&line, path, truth, depth);
            }
        }
    }

    fn condition(&self, name: &[u8], condition: &[u8]) -> Truth {
        let condition = self.expanded(condition);
        let (wanted, condition) = match condition.strip_prefix(b"!") {
            Some(rest) => (Truth::No, rest),
            None => (Truth::Yes, &condition[..]),
        };
        let truth = match name {
            b"ifmodule" => self.words.has_module(condition, self.mpm),
            b"ifdefine" => Truth::of(self.words.defines.contains_key(condition)),
            b"iffile" => self.root.has(&self.absolute(condition)).map_or(Truth::Unknown, Truth::of),
            // Not for us to judge: they depend on what Apache knows.
            b"ifversion" | b"ifdirective" | b"ifsection" => return Truth::Unknown,
            // Nor what becomes of these.
            b"macro" | b"perl" => return Truth::Unknown,
            // No condition, but a place such as a virtual host.
            _ => return Truth::Yes,
        };
        if wanted == Truth::Yes { truth } else { truth.opposite() }
    }

    fn directive(&mut self, line: &Line<'_>, path: &[u8], truth: Truth, depth: usize) {
        let mut words = line.words().into_iter().map(|word| self.expanded(&word));
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let words: Vec<Vec<u8>> = words.collect();
        let first = words.first().map(Vec::as_slice).unwrap_or_default();
        let at = || format!("{}:{}", shown(path), line.number);
        let (name, second) = (&name[..], words.get(1).map(Vec::as_slice));
        if truth == Truth::Unknown && matches!(name, b"define" | b"undefine" | b"serverroot" | b"loadmodule") {
            return self.missing(format!("what follows {} depends on a condition", at()));
        }
        match name {
            b"include" | b"includeoptional" => self.include(first, name == b"includeoptional", truth, depth),
            b"define" => self.define(first, second),
            b"undefine" => drop(self.words.defines.remove(first)),
            b"serverroot" => self.server_root = first.to_vec(),
            b"loadmodule" => self.module(first),
            b"wsgidaemonprocess" => {
                self.groups.push(first.to_vec());
                if truth == Truth::Unknown {
                    self.groups_are_certain = false;
                    self.doubt(format!("whether the WSGI group at {} exists depends on a condition", at()));
                }
            }
            _ => {
                if let Some(directive) = numeric(name) {
                    self.numbers.insert(directive, (number(first).filter(|_| truth == Truth::Yes), at()));
                }
            }
        }
    }

    /// A module is known by its identifier (`wsgi_module`) and by the file of its source (`mod_wsgi.c`), which need not
    /// be the name of what is loaded.
    fn module(&mut self, identifier: &[u8]) {
        let of_mpm = |mpm: &str| identifier == format!("mpm_{mpm}_module").as_bytes();
        self.mpm = Mpm::find(of_mpm).or(self.mpm);
        self.words.modules.insert(identifier.to_vec());
        let source = identifier.strip_suffix(b"_module").map(|stem| [b"mod_", stem, b".c"].concat());
        self.words.modules.extend(source.filter(|source| !source.starts_with(b"mod_mpm_")));
    }

    /// Go on in other files: one, all in a directory, or all of a pattern, in the order of their names.
    fn include(&mut self, pattern: &[u8], is_optional: bool, truth: Truth, depth: usize) {
        let pattern = self.absolute(pattern);
        if !has_wildcard(&pattern) {
            return self.include_path(&pattern, is_optional, truth, depth);
        }
        let parts: Vec<&[u8]> = pattern.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect();
        if pattern.contains(&b'\\') || parts.len() > DEEPEST {
            return self.missing(format!("{}: a pattern that is not understood", shown(&pattern)));
        }
        self.include_matching(Vec::new(), &parts, truth, depth);
    }

    /// Everything below a directory that is named so, part by part; any of them may have wildcards.
    fn include_matching(&mut self, directory: Vec<u8>, parts: &[&[u8]], truth: Truth, depth: usize) {
        let Some((part, rest)) = parts.split_first() else {
            return self.include_path(&directory, true, truth, depth);
        };
        let join = |name: &[u8]| [&directory, &b"/"[..], name].concat();
        if !has_wildcard(part) {
            return self.include_matching(join(part), rest, truth, depth);
        }
        let Ok(pattern) = glob::Pattern::new(&shown(part).replace("[^", "[!")) else {
            return self.missing(format!("{}: a pattern that is not understood", shown(part)));
        };
        // As apr_fnmatch does with APR_FNM_PERIOD: a name that begins with a dot needs one in the pattern.
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        match self.load(if directory.is_empty() { b"/" } else { &directory }) {
            Ok(Entry::Directory(names)) => {
                for name in names.iter().filter(|name| pattern.matches_with(&shown(name), options)) {
                    self.include_matching(join(name), rest, truth, depth);
                }
            }
            Ok(Entry::File(..)) => {}
            Err(error) => self.unread(&directory, true, &error),
        }
    }

    fn include_path(&mut self, path: &[u8], is_optional: bool, truth: Truth, depth: usize) {
        if depth >= DEEPEST {
            return self.missing(format!("{}: files are included too deeply", shown(path)));
        }
        match self.load(path) {
            Ok(Entry::File(text, _)) => self.directives(&text, path, truth, depth + 1),
            Ok(Entry::Directory(names)) => {
                for name in names {
                    self.include_path(&[path, b"/", &name[..]].concat(), is_optional, truth, depth + 1);
                }
            }
            Err(error) => self.unread(path, is_optional, &error),
        }
    }

    fn unread(&mut self, path: &[u8], is_optional: bool, error: &io::Error) {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if is_optional => {}
            // Said once.
            ErrorKind::QuotaExceeded if self.has_given_up => {}
            _ => self.missing(format!("{} could not be read: {error}", shown(path))),
        }
    }

    /// What a file that could not be read says is not known, and the groups in it are not counted.
    fn missing(&mut self, doubt: String) {
        self.has_given_up |= self.files > MOST_FILES || self.bytes > MOST_BYTES;
        self.is_incomplete = true;
        self.groups_are_certain = false;
        self.doubt(doubt);
    }

    /// Enough of them are not better than some.
    fn doubt(&mut self, doubt: String) {
        if self.doubts.len() < MOST_DOUBTS && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") { path.to_vec() } else { [&self.server_root, &b"/"[..], path].concat() }
    }

    /// What stands for `${NAME}`: something defined with a value, else a variable of the environment.
    fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let defined = self.words.defines.get(name).and_then(Option::as_deref);
        defined.or_else(|| self.environment.get(name).copied())
    }

    /// With `${NAME}` replaced.
    fn expanded(&self, text: &[u8]) -> Vec<u8> {
        expanded(text, LONGEST_VALUE, |name| self.value(name))
    }

    fn conclude(mut self, path: Vec<u8>) -> Configuration {
        let limit = self.limit().map_err(|doubt| self.doubts.push(doubt)).ok();
        let groups = self.groups_are_certain.then_some(self.groups);
        Configuration { path, mpm: self.mpm, limit, groups, changed: self.changed, doubts: self.doubts }
    }

    /// The arithmetic of the MPMs (prefork.c, worker.c, event.c of Apache 2.4).
    fn limit(&self) -> Result<Limit, String> {
        let Some(mpm) = self.mpm else { return Err("no MPM is loaded by name".to_owned()) };
        let most = self.number("maxrequestworkers")?;
        if most.is_none() && self.is_incomplete {
            return Err("MaxRequestWorkers is not set in what could be read".to_owned());
        }
        // What is built in as DEFAULT_SERVER_LIMIT, MAX_SERVER_LIMIT, DEFAULT_THREADS_PER_CHILD and so on.
        let (default, servers, most_servers) =
            if mpm == Mpm::Prefork { (256, 256, 200_000) } else { (400, 16, 20_000) };
        let threads = match mpm {
            Mpm::Prefork => 1,
            Mpm::Worker | Mpm::Event => {
                let threads = self.number("threadsperchild")?.unwrap_or(25);
                threads.clamp(1, self.number("threadlimit")?.unwrap_or(64).clamp(1, 100_000))
            }
        };
        let wanted = most.unwrap_or(default).max(threads) / threads;
        let processes = wanted.clamp(1, self.number("serverlimit")?.unwrap_or(servers).clamp(1, most_servers));
        let at = most.and(self.numbers.get("maxrequestworkers")).map(|(_, at)| at.clone());
        Ok(Limit { requests: processes * threads, processes, threads, at })
    }

    /// The number that a directive sets; the error is that it may or may not be set, or to what.
    fn number(&self, directive: &'static str) -> Result<Option<u64>, String> {
        match self.numbers.get(directive) {
            None => Ok(None),
            Some((Some(number), _)) => Ok(Some(*number)),
            Some((None, at)) => Err(format!("what is set at {at} depends on a condition, or is no number")),
        }
    }
}

/// The name of a directive that sets a number, if this is one.
fn numeric(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        // Its name until Apache 2.3.13, and still understood.
        b"maxrequestworkers" | b"maxclients" => "maxrequestworkers",
        b"serverlimit" => "serverlimit",
        b"threadlimit" => "threadlimit",
        b"threadsperchild" => "threadsperchild",
        _ => return None,
    })
}

/// A number as Apache takes it: less than nothing is nothing.
fn number(text: &[u8]) -> Option<u64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(number.max(0).unsigned_abs())
}

fn has_wildcard(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| b"*?[".contains(byte))
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// The configuration that these files below /etc/apache2 are.
    fn configured(files: &[(&str, &str)], arguments: &[&str]) -> Configuration {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join("etc/apache2").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::at(directory.path()).unwrap();
        let arguments = arguments.iter().map(|word| word.as_bytes()).collect();
        let environment = vec![&b"MANY=77"[..], b"APACHE_CONFDIR=/etc/apache2"];
        read(&root, &Started { exe: b"/usr/sbin/apache2", arguments, environment }).unwrap()
    }

    fn limit(text: &str) -> Option<(u64, u64, u64)> {
        let found = configured(&[("apache2.conf", text)], &["apache2", "-D", "GIVEN"]);
        found.limit.map(|limit| (limit.requests, limit.processes, limit.threads))
    }

    const PREFORK: &str = "LoadModule mpm_prefork_module m/mod_mpm_prefork.so\n";
    const EVENT: &str = "LoadModule mpm_event_module m/mod_mpm_event.so\n";

    #[test]
    fn the_arithmetic_of_workers() {
        for (mpm, text, expected) in [
            (PREFORK, "", (256, 256, 1)),
            (PREFORK, "MaxRequestWorkers 5", (5, 5, 1)),
            (PREFORK, "maxclients 7", (7, 7, 1)),
            (PREFORK, "MaxRequestWorkers 500", (256, 256, 1)),
            (PREFORK, "ServerLimit 1000\nMaxRequestWorkers 500", (500, 500, 1)),
            (PREFORK, "ServerLimit 3", (3, 3, 1)),
            (PREFORK, "MaxRequestWorkers 0", (1, 1, 1)),
            (PREFORK, "MaxRequestWorkers ${MANY}", (77, 77, 1)),
            (PREFORK, "Define N 12\nMaxRequestWorkers \"${N}3\"", (123, 123, 1)),
            (EVENT, "", (400, 16, 25)),
            (EVENT, "ThreadsPerChild 5\nServerLimit 4\nMaxRequestWorkers 20", (20, 4, 5)),
            (EVENT, "ThreadsPerChild 5\nMaxRequestWorkers 23", (20, 4, 5)),
            (EVENT, "ThreadsPerChild 5\nMaxRequestWorkers 200", (80, 16, 5)),
            (EVENT, "ThreadsPerChild 100\nMaxRequestWorkers 128", (128, 2, 64)),
            (EVENT, "ThreadsPerChild 10\nServerLimit 32", (320, 32, 10)),
            (EVENT, "ThreadsPerChild 64", (384, 6, 64)),
            (PREFORK, "MaxRequestWorkers -5", (1, 1, 1)),
            (EVENT, "MaxRequestWorkers 3", (25, 1, 25)),
        ] {
            assert_eq!(limit(&format!("{mpm}{text}\n")), Some(expected), "{text}");
        }
    }

    #[test]
    fn sections_that_are_in_force() {
        for (text, expected) in [
            ("<IfModule mpm_prefork_module>\nMaxRequestWorkers 6\n</IfModule>", 6),
            ("<IfModule prefork.c>\nMaxRequestWorkers 6\n</IfModule>", 6),
            ("<IfModule !mpm_prefork_module>\nMaxRequestWorkers 6\n</IfModule>", 256),
            ("<IfModule mod_ssl.c>\n<IfModule core.c>\nMaxRequestWorkers 6\n</IfModule>\n</IfModule>", 256),
            ("<IfDefine GIVEN>\nMaxRequestWorkers 6\n</IfDefine>", 6),
            ("<IfDefine !GIVEN>\nMaxRequestWorkers 6\n</IfDefine>", 256),
            ("UnDefine GIVEN\n<IfDefine GIVEN>\nMaxRequestWorkers 6\n</IfDefine>", 256),
            ("<IfFile apache2.conf>\nMaxRequestWorkers 6\n</IfFile>", 6),
            ("<IfModule a.c>\n</IfModule>\nMaxRequestWorkers 6", 6),
            ("<IfModule mod_mpm_prefork.c>\nMaxRequestWorkers 6\n</IfModule>", 256),
            ("LoadModule wsgi_module m/mod_wsgi-py311.so\n<IfModule mod_wsgi.c>\nMaxRequestWorkers 6\n</IfModule>", 6),
        ] {
            assert_eq!(limit(&format!("{PREFORK}{text}\n")).map(|limit| limit.0), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_in_doubt_is_not_told() {
        for text in [
            "<IfVersion >= 2.4>\nMaxRequestWorkers 6\n</IfVersion>",
            "<IfVersion >= 2.4>\nInclude few.conf\n</IfVersion>",
            "<Macro Few>\nMaxRequestWorkers 6\n</Macro>",
            "MaxRequestWorkers ${UNKNOWN}",
            "MaxRequestWorkers many",
            "Include /etc/nowhere.conf",
        ] {
            let files = [("apache2.conf", &format!("{PREFORK}{text}\n")[..]), ("few.conf", "MaxRequestWorkers 6\n")];
            let found = configured(&files, &["apache2"]);
            assert!(found.limit.is_none() && !found.doubts.is_empty(), "{text}: {found:?}");
        }
        let without_mpm = configured(&[("apache2.conf", "MaxRequestWorkers 5\n")], &["apache2"]);
        assert_eq!((without_mpm.limit, without_mpm.doubts.len()), (None, 1));
    }

    #[test]
    fn files_in_their_order() {
        let files = [
            ("apache2.conf", "Include mods/*.load\nInclude */none.conf\nInclude sites\nInclude mods/[^a]pm.conf\n"),
            ("mods/mpm.load", PREFORK),
            ("mods/.mpm.load", "Nonsense"),
            ("mods/mpm.conf", "\n\n<IfModule mpm_prefork_module>\nMaxRequestWorkers 9\n</IfModule>\n"),
            ("sites/b", "<VirtualHost *>\nWSGIDaemonProcess two processes=2\n</VirtualHost>\n"),
            ("sites/a", "WSGIDaemonProcess one\nMaxRequestWorkers 8\n"),
            ("sites/c", "<IfModule mod_ssl.c>\nWSGIDaemonProcess never\n</IfModule>\nWSGIDaemonProcess \\\n  three\n"),
        ];
        let found = configured(&files, &["apache2"]);
        assert_eq!(found.doubts, [] as [String; 0]);
        assert_eq!(found.groups, Some(vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]));
        let limit = found.limit.unwrap();
        assert_eq!((limit.requests, limit.at.as_deref()), (9, Some("/etc/apache2/mods/mpm.conf:4")));
        assert!(found.changed.is_some());
    }

    #[test]
    fn files_that_include_each_other() {
        let text = format!("{PREFORK}Include apache2.conf\n");
        let found = configured(&[("apache2.conf", &text)], &["apache2"]);
        assert!(found.doubts.iter().any(|doubt| doubt.contains("too deeply")), "{:?}", found.doubts);
        let twice = configured(&[("apache2.conf", &format!("{text}Include *.conf\n"))], &["apache2"]);
        assert!(twice.groups.is_none() && (1..=MOST_DOUBTS + 1).contains(&twice.doubts.len()));
    }

    #[test]
    fn values_that_contain_themselves() {
        let doubling = "Define A ${A}${A}\n".repeat(100);
        let found = configured(&[("apache2.conf", &format!("{PREFORK}Define A x\n{doubling}"))], &["apache2"]);
        assert_eq!(found.limit.map(|limit| limit.requests), Some(256));
    }

    #[test]
    fn directives_on_the_command_line() {
        let text = format!("{PREFORK}MaxRequestWorkers 5\n");
        let found =
            configured(&[("apache2.conf", &text)], &["apache2", "-c", "MaxRequestWorkers 4", "-C", "ServerLimit 3"]);
        assert_eq!(found.limit.map(|limit| (limit.requests, limit.at)), Some((3, Some("-c:1".to_owned()))));
    }

    #[test]
    fn what_is_no_file_does_not_stop_it() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe.conf");
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let root = Root::at(std::path::Path::new("/")).unwrap();
        let arguments = vec![&b"apache2"[..], b"-f", pipe.as_os_str().as_bytes()];
        let refused = read(&root, &Started { exe: b"/usr/sbin/apache2", arguments, environment: vec![] }).unwrap_err();
        assert!(refused.contains("neither a file nor a directory"), "{refused}");
    }
}
