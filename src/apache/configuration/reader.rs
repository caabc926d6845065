//! Reading the files of a configuration, in the order of Apache.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::rc::Rc;

use crate::apache::pattern::{NamePattern, has_wildcard};
use crate::escape::expanded;
use crate::path::base_name;
use crate::process::RootEntry;

use super::arguments::Arguments;
use super::condition::{Definitions, Truth};
use super::directives::{DirectiveLine, lines};
use super::doubt::{Doubt, Error};
use super::executable::Build;
use super::limit::{Numbers, numeric};
use super::macros::Macro;
use super::source::Source;
use super::version::is_version;
use super::{Configuration, Mpm, ServerProcess, lossy};

/// Deepest nesting of included files, as in Apache (AP_MAX_INCLUDE_DEPTH).
const DEEPEST: usize = 20;

/// More files, directories and bytes than any server has. Whoever can call a process apache2 chooses
/// what is in them, and a file may include itself twice. A question about a file, and a use of a
/// macro, count as a file; what is kept of definitions and macros counts as bytes.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// More WSGI groups than any server has.
const MOST_GROUPS: usize = 1000;

/// Most doubts that are kept.
const MOST_DOUBTS: usize = 10;

/// Longer than any value (MAX_STRING_LEN). A definition may contain itself twice.
const LONGEST_VALUE: usize = 8 * 1024;

/// Directives that matter here, besides those that set a number.
const DIRECTIVES: [&[u8]; 9] = [
    b"include",
    b"includeoptional",
    b"define",
    b"undefine",
    b"serverroot",
    b"loadmodule",
    b"wsgidaemonprocess",
    b"use",
    b"undefmacro",
];

/// Reads the configuration of a server. Errors: the reason why this is impossible.
pub fn read(root: &Source<'_>, started: &ServerProcess<'_>) -> Result<Configuration, Error> {
    let arguments = Arguments::parse(&started.arguments)?;
    let build = build(root, started);
    let told = build.as_ref().and_then(|build| build.main_file.as_ref());
    let (server_root, path) = arguments.main_file(started.exe, told, |path| root.has(path))?;
    let is_usual = told.is_none() && !arguments.names_file();
    let mut reader = ConfigurationReader::new(root, started, server_root, build);
    if is_usual {
        reader.doubt(Doubt::UsualFile);
    }
    if root.is_guess {
        reader.doubt(Doubt::OwnFiles);
    }
    arguments.defines.iter().for_each(|name| reader.define(name, None));
    reader.directives(&arguments.before, b"-C", Truth::Yes, 0);
    match reader.load(&path) {
        Ok(RootEntry::File(text, _)) => reader.directives(&text, &path, Truth::Yes, 0),
        Ok(RootEntry::Directory(_)) => return Err(Error::Directory(path)),
        Err(error) => return Err(Error::File { path, error }),
    }
    reader.directives(&arguments.after, b"-c", Truth::Yes, 0);
    Ok(reader.conclude(path))
}

/// Returns how the server was built, as its executable tells; `None` where it does not. An
/// executable that was replaced since the start has another version.
fn build(root: &Source<'_>, started: &ServerProcess<'_>) -> Option<Build> {
    let Ok(RootEntry::File(bytes, _)) = root.read(started.exe) else { return None };
    let mut build = Build::from_executable(&bytes)?;
    build.version = build.version.filter(|_| !started.exe_is_deleted);
    Some(build)
}

/// The state of reading.
struct ConfigurationReader<'r> {
    root: &'r Source<'r>,
    environment: BTreeMap<&'r [u8], &'r [u8]>,
    server_root: Vec<u8>,
    mpm: Option<Mpm>,
    words: Definitions,
    /// The macros, by name in lower case.
    macros: BTreeMap<Vec<u8>, Rc<Macro>>,
    numbers: Numbers,
    groups: Vec<Vec<u8>>,
    groups_are_certain: bool,
    /// Whether a file is missing from what was read.
    is_incomplete: bool,
    files: usize,
    bytes: usize,
    has_given_up: bool,
    changed: Option<i64>,
    doubts: Vec<Doubt>,
}

impl<'r> ConfigurationReader<'r> {
    fn new(
        root: &'r Source<'r>,
        started: &ServerProcess<'r>,
        server_root: Vec<u8>,
        build: Option<Build>,
    ) -> ConfigurationReader<'r> {
        let name = base_name(started.exe);
        // The MPM is built in where the executable is named after it (httpd.worker of old Red Hats,
        // httpd-prefork of SUSE).
        let mpm = Mpm::find(|mpm| {
            name.ends_with(format!(".{mpm}").as_bytes())
                || name.ends_with(format!("-{mpm}").as_bytes())
        });
        let mpm = mpm.or(build.as_ref().and_then(Build::mpm));
        let variables = started.environment.iter().filter_map(|variable| {
            let equals = variable.iter().position(|&byte| byte == b'=')?;
            Some((&variable[..equals], &variable[equals + 1..]))
        });
        ConfigurationReader {
            root,
            environment: variables.collect(),
            server_root,
            mpm,
            words: Definitions { defines: BTreeMap::new(), modules: BTreeSet::new(), build },
            macros: BTreeMap::new(),
            numbers: Numbers::default(),
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
        self.bytes += name.len() + value.map_or(0, <[u8]>::len);
        if self.is_too_much() {
            return self.missing(Doubt::TooMuch(format!("Define {}", lossy(name))));
        }
        self.words.defines.insert(name.to_vec(), value.map(<[u8]>::to_vec));
    }

    /// Reports whether more was read than any server has.
    fn is_too_much(&self) -> bool {
        self.files > MOST_FILES || self.bytes > MOST_BYTES
    }

    /// Reads a path, unless too much was read already.
    fn load(&mut self, path: &[u8]) -> io::Result<RootEntry> {
        self.files += 1;
        if self.is_too_much() {
            return Err(io::Error::new(
                ErrorKind::QuotaExceeded,
                "there are too many files, or too large ones",
            ));
        }
        let entry = self.root.read(path)?;
        if let RootEntry::File(text, changed) = &entry {
            self.bytes += text.len();
            self.changed = self.changed.max(Some(*changed));
        }
        Ok(entry)
    }

    /// Processes the directives of a file. `outside` says whether the file is certainly in force.
    fn directives(&mut self, text: &[u8], path: &[u8], outside: Truth, depth: usize) {
        self.lines(&mut lines(text), path, outside, depth);
    }

    /// Processes lines of a file.
    fn lines(
        &mut self,
        lines: &mut dyn Iterator<Item = DirectiveLine<'_>>,
        path: &[u8],
        outside: Truth,
        depth: usize,
    ) {
        // Each open section, with the truth of it and all sections around it.
        let mut sections: Vec<(Vec<u8>, Truth)> = Vec::new();
        while let Some(line) = lines.next() {
            let truth = sections.last().map_or(outside, |(_, truth)| *truth);
            if let Some(name) = line.section_end() {
                // Apache would not have started with an end tag of another section.
                sections.pop_if(|(open, _)| *open == name);
            } else if let Some((name, words)) = line.section_begin() {
                if name == b"macro" && truth != Truth::No {
                    self.take_macro(&words, lines, path, truth);
                    continue;
                }
                let own =
                    if truth == Truth::No { Truth::No } else { self.condition(&name, &words) };
                sections.push((name, own.min(truth)));
            } else if truth != Truth::No {
                self.directive(&line, path, truth, depth);
            }
        }
    }

    /// Keeps the lines up to the end of a macro.
    fn take_macro(
        &mut self,
        words: &[Vec<u8>],
        lines: &mut dyn Iterator<Item = DirectiveLine<'_>>,
        path: &[u8],
        truth: Truth,
    ) {
        // Macros may be defined within macros, and Apache counts their ends.
        let mut depth = 1;
        let is_inside = |line: &DirectiveLine<'_>| {
            if line.section_end().as_deref() == Some(b"macro") {
                depth -= 1;
            } else if line.section_begin().is_some_and(|(name, _)| name == b"macro") {
                depth += 1;
            }
            depth > 0
        };
        let mut body = Vec::new();
        for line in lines.take_while(is_inside) {
            self.bytes += line.cost();
            if !self.is_too_much() {
                body.push(line.into_owned());
            }
        }
        if self.is_too_much() {
            return self.missing(Doubt::TooMuch(lossy(path)));
        }
        if let Some((name, parameters)) = words.split_first() {
            let defined = Rc::new(Macro::new(parameters, body, path, truth));
            self.macros.insert(name.to_ascii_lowercase(), defined);
        }
    }

    /// Processes the lines of a macro. Errors are doubts.
    fn use_macro(&mut self, words: &[Vec<u8>], at: String, truth: Truth, depth: usize) {
        let Some((name, values)) = words.split_first() else { return };
        let found = self.macros.get(&name.to_ascii_lowercase()).cloned();
        let Some(found) = found.filter(|found| found.takes(values.len())) else {
            return self.missing(Doubt::Macro(at));
        };
        self.files += 1;
        if depth >= DEEPEST {
            return self.missing(Doubt::TooDeep(at));
        }
        let left = if self.is_too_much() { 0 } else { MOST_BYTES - self.bytes };
        let Some(body) = found.with(values, left) else {
            // No other use is tried: each would come as far.
            self.bytes = self.bytes.max(MOST_BYTES + 1);
            return self.missing(Doubt::TooMuch(at));
        };
        self.bytes += body.iter().map(DirectiveLine::cost).sum::<usize>();
        self.lines(&mut body.into_iter(), &found.path, found.truth.min(truth), depth + 1);
    }

    fn condition(&mut self, name: &[u8], words: &[Vec<u8>]) -> Truth {
        let words: Vec<Vec<u8>> = words.iter().map(|word| self.expanded(word)).collect();
        let first = words.first().map(Vec::as_slice).unwrap_or_default();
        // The name may stand apart from the negation.
        let (wanted, condition) = match (first.strip_prefix(b"!"), words.get(1)) {
            (Some(b""), Some(second)) => (Truth::No, &second[..]),
            (Some(rest), _) => (Truth::No, rest),
            (None, _) => (Truth::Yes, first),
        };
        let truth = match name {
            b"ifmodule" => self.words.has_module(condition, self.mpm),
            b"ifdefine" => Truth::from_bool(self.words.defines.contains_key(condition)),
            b"iffile" if self.files >= MOST_FILES => {
                self.missing(Doubt::TooMuch(lossy(first)));
                Truth::Unknown
            }
            b"iffile" => {
                self.files += 1;
                self.root.has(&self.absolute(condition)).map_or(Truth::Unknown, Truth::from_bool)
            }
            b"ifversion" => {
                let version = self.words.build.as_ref().and_then(|build| build.version);
                return is_version(&words, version);
            }
            // These depend on knowledge that only Apache has.
            b"ifdirective" | b"ifsection" | b"perl" => return Truth::Unknown,
            // This is no condition, but a place such as a virtual host.
            _ => return Truth::Yes,
        };
        if wanted == Truth::Yes { truth } else { truth.opposite() }
    }

    fn directive(&mut self, line: &DirectiveLine<'_>, path: &[u8], truth: Truth, depth: usize) {
        let words = line.words();
        let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        let at = || format!("{}:{}", lossy(path), line.number);
        if name.contains(&b'$') {
            return self.missing(Doubt::NamedByVariable(at()));
        }
        // Other directives are skipped before they are expanded: a file may hold a million of them,
        // each of which expands to a page.
        if !DIRECTIVES.contains(&&name[..]) && numeric(&name).is_none() {
            return;
        }
        let word = |at: usize| words.get(at).map(|word| self.expanded(word));
        let (first, second) = (word(1).unwrap_or_default(), word(2));
        if truth == Truth::Unknown
            && matches!(
                &name[..],
                b"define" | b"undefine" | b"undefmacro" | b"serverroot" | b"loadmodule"
            )
        {
            return self.missing(Doubt::Conditional(at()));
        }
        match &name[..] {
            b"include" => self.include(&first, false, truth, depth),
            b"includeoptional" => self.include(&first, true, truth, depth),
            b"define" => self.define(&first, second.as_deref()),
            b"undefine" => drop(self.words.defines.remove(&first)),
            b"serverroot" => self.server_root = first,
            b"loadmodule" => self.module(&first),
            b"use" => {
                let values: Vec<Vec<u8>> =
                    words[1..].iter().map(|word| self.expanded(word)).collect();
                self.use_macro(&values, at(), truth, depth);
            }
            b"undefmacro" => drop(self.macros.remove(&first.to_ascii_lowercase())),
            b"wsgidaemonprocess" if self.groups.len() == MOST_GROUPS => {
                self.groups_are_certain = false;
                self.doubt(Doubt::TooMuch(lossy(path)));
            }
            b"wsgidaemonprocess" => {
                self.groups.push(first);
                if truth == Truth::Unknown {
                    self.groups_are_certain = false;
                    self.doubt(Doubt::ConditionalGroup(at()));
                }
            }
            _ => self.numbers.take(&name, &first, truth == Truth::Yes, at),
        }
    }

    /// Notes a loaded module, by its identifier (`wsgi_module`) and by the file of its source
    /// (`mod_wsgi.c`), which may differ from the name of the loaded file.
    fn module(&mut self, identifier: &[u8]) {
        let of_mpm = |mpm: &str| identifier == format!("mpm_{mpm}_module").as_bytes();
        self.mpm = Mpm::find(of_mpm).or(self.mpm);
        self.words.modules.insert(identifier.to_vec());
        self.words.modules.extend(source_of(identifier));
    }

    /// Continues in other files: one file, all files in a directory, or all that match a pattern,
    /// in the order of their names.
    fn include(&mut self, pattern: &[u8], is_optional: bool, truth: Truth, depth: usize) {
        let pattern = self.absolute(pattern);
        if !has_wildcard(&pattern) {
            return self.include_path(&pattern, is_optional, truth, depth);
        }
        let parts: Vec<&[u8]> =
            pattern.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect();
        if pattern.contains(&b'\\') || parts.len() > DEEPEST {
            return self.missing(Doubt::Pattern(lossy(&pattern)));
        }
        self.include_matching(Vec::new(), &parts, truth, depth);
    }

    /// Includes everything below a directory whose path matches, part by part. Each part may have
    /// wildcards.
    fn include_matching(
        &mut self,
        directory: Vec<u8>,
        parts: &[&[u8]],
        truth: Truth,
        depth: usize,
    ) {
        let Some((part, rest)) = parts.split_first() else {
            return self.include_path(&directory, true, truth, depth);
        };
        let join = |name: &[u8]| [&directory, &b"/"[..], name].concat();
        if !has_wildcard(part) {
            return self.include_matching(join(part), rest, truth, depth);
        }
        let Some(pattern) = NamePattern::new(part) else {
            return self.missing(Doubt::Pattern(lossy(part)));
        };
        match self.load(if directory.is_empty() { b"/" } else { &directory }) {
            Ok(RootEntry::Directory(names)) => {
                for name in names.iter().filter(|name| pattern.matches(name)) {
                    self.include_matching(join(name), rest, truth, depth);
                }
            }
            Ok(RootEntry::File(..)) => {}
            Err(error) => self.unread(&directory, true, &error),
        }
    }

    fn include_path(&mut self, path: &[u8], is_optional: bool, truth: Truth, depth: usize) {
        if depth >= DEEPEST {
            return self.missing(Doubt::TooDeep(lossy(path)));
        }
        match self.load(path) {
            Ok(RootEntry::File(text, _)) => self.directives(&text, path, truth, depth + 1),
            Ok(RootEntry::Directory(names)) => {
                for name in names {
                    self.include_path(
                        &[path, b"/", &name[..]].concat(),
                        is_optional,
                        truth,
                        depth + 1,
                    );
                }
            }
            Err(error) => self.unread(path, is_optional, &error),
        }
    }

    fn unread(&mut self, path: &[u8], is_optional: bool, error: &io::Error) {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if is_optional => {}
            // This was reported once already.
            ErrorKind::QuotaExceeded if self.has_given_up => {}
            _ => self.missing(Doubt::Unread { path: lossy(path), reason: error.to_string() }),
        }
    }

    /// Notes a doubt about a file that could not be read. The groups in it are not counted.
    fn missing(&mut self, doubt: Doubt) {
        self.has_given_up |= self.is_too_much();
        self.is_incomplete = true;
        self.groups_are_certain = false;
        self.doubt(doubt);
    }

    /// Notes a doubt, up to a number of them.
    fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < MOST_DOUBTS && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        if path.starts_with(b"/") {
            path.to_vec()
        } else {
            [&self.server_root, &b"/"[..], path].concat()
        }
    }

    /// Returns the value of `${NAME}`: that of a definition, else that of an environment variable.
    /// Apache does not replace a variable by an empty value (ap_resolve_env).
    fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let value = match self.words.defines.get(name) {
            Some(defined) => defined.as_deref(),
            None => self.environment.get(name).copied(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// Returns the text with each `${NAME}` replaced.
    fn expanded(&self, text: &[u8]) -> Vec<u8> {
        expanded(text, LONGEST_VALUE, |name| self.value(name))
    }

    fn conclude(mut self, path: Vec<u8>) -> Configuration {
        let limit = self
            .numbers
            .limit(self.mpm, self.is_incomplete)
            .map_err(|doubt| self.doubts.push(doubt))
            .ok();
        let groups = self.groups_are_certain.then_some(self.groups);
        Configuration {
            path,
            mpm: self.mpm,
            limit,
            groups,
            changed: self.changed,
            doubts: self.doubts,
        }
    }
}

/// Modules whose source file is not called after their identifier.
const SOURCES: [(&str, &str); 3] = [
    ("ldap_module", "util_ldap.c"),
    ("mpm_itk_module", "mpm_itk.c"),
    ("apreq_module", "mod_apreq2.c"),
];

/// Returns the source file of a module, such as `mod_wsgi.c` for `wsgi_module`. Those of the MPMs
/// are known to [`Definitions::has_module`].
fn source_of(identifier: &[u8]) -> Option<Vec<u8>> {
    match SOURCES.iter().find(|(name, _)| name.as_bytes() == identifier) {
        Some((_, source)) => Some(source.as_bytes().to_vec()),
        None => {
            let stem = identifier.strip_suffix(b"_module")?;
            (!stem.starts_with(b"mpm_")).then(|| [b"mod_", stem, b".c"].concat())
        }
    }
}
