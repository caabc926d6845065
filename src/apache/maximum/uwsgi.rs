//! The workers of uWSGI. Its settings come from the environment, then from the command line and the
//! files that it names, in the order of the words; the last one counts.

use super::files::ServerFiles;
use super::options::{ValueOption, WHOLE, Word, parse};
use super::{COMMAND_LINE, COMPUTED, DEFAULT, GroupMaximum, KnownProgram, Started, number};

/// Deepest nesting of files.
const DEEPEST: usize = 10;

const OPTIONS: [ValueOption; 4] = [
    ValueOption { letter: Some(b'p'), names: &[b"processes", b"workers"], least: 1 },
    ValueOption { letter: None, names: &[b"ini"], least: WHOLE },
    ValueOption { letter: Some(b'S'), names: &[b"set"], least: WHOLE },
    // Its value may look like options.
    ValueOption { letter: None, names: &[b"pyargv"], least: WHOLE },
];

/// Letters of options without a value.
const FLAGS: &[u8] = b"MmiLTE";

/// Options that read settings in other forms, or add to them later.
const OTHERS: [&[u8]; 14] = [
    b"xml",
    b"yaml",
    b"yml",
    b"json",
    b"js",
    b"config",
    b"inherit",
    b"include",
    b"ini-paste",
    b"ini-paste-logged",
    b"sqlite3",
    b"ldap",
    b"lua",
    b"emperor",
];

/// The latest setting: a number and its place; errors: why it is unknown.
struct Settings {
    latest: Option<Result<(u64, String), String>>,
    /// Why nothing is known, whatever is set later.
    refusal: Option<String>,
}

/// Reads the number of workers.
pub fn read(started: &Started<'_>, files: &mut ServerFiles<'_>) -> Result<GroupMaximum, String> {
    let words = started.options(KnownProgram::Uwsgi)?;
    let mut settings = Settings { latest: None, refusal: None };
    for variable in &started.environment {
        let Some(rest) = variable.strip_prefix(b"UWSGI_") else { continue };
        let Some(equals) = rest.iter().position(|&byte| byte == b'=') else { continue };
        let (name, value) = (&rest[..equals], &rest[equals + 1..]);
        let at = format!("UWSGI_{}", String::from_utf8_lossy(name));
        let name = name.to_ascii_lowercase();
        let name: Vec<u8> =
            name.into_iter().map(|byte| if byte == b'_' { b'-' } else { byte }).collect();
        settings.set(&name, value, &at, false, files, 0);
    }
    let (mut operands, parsed) = (Vec::new(), parse(words, &OPTIONS, FLAGS));
    let mut is_behind_option = false;
    for word in parsed {
        match word {
            Word::Value(0, value) => {
                settings.set(b"processes", value, COMMAND_LINE, false, files, 0)
            }
            Word::Value(1, value) => settings.set(b"ini", value, COMMAND_LINE, false, files, 0),
            Word::Value(2, value) => settings.set(b"set", value, COMMAND_LINE, false, files, 0),
            Word::Value(..) => {}
            Word::Other(word) => {
                let name = word.strip_prefix(b"--").unwrap_or_default();
                let name = name.split(|&byte| byte == b'=').next().unwrap_or_default();
                // getopt_long(3) takes the beginning of a name for the whole.
                let is_begin = |whole: &&&[u8]| !name.is_empty() && whole.starts_with(name);
                let name = OTHERS.iter().find(is_begin).copied().unwrap_or(name);
                settings.set(name, b"", COMMAND_LINE, false, files, 0);
            }
            Word::Operand(word) if is_behind_option && !is_configuration(word) => {}
            Word::Operand(word) => operands.push(word),
        }
        is_behind_option = matches!(word, Word::Other(_));
    }
    // Files without an option are read after all options.
    for word in operands {
        let is_ini =
            word.split(|&byte| byte == b':').next().is_some_and(|path| path.ends_with(b".ini"));
        let name: &[u8] = if is_ini { b"ini" } else { b"config" };
        settings.set(name, word, COMMAND_LINE, false, files, 0);
    }
    // Without an environment at hand, a variable may set it.
    if settings.latest.is_none() && started.environment.is_empty() {
        settings.refuse("its environment is not known".to_owned());
    }
    settings.conclude()
}

/// Reports whether a word names a file that uWSGI takes its settings from.
fn is_configuration(word: &[u8]) -> bool {
    let path = word.split(|&byte| byte == b':').next().unwrap_or_default();
    [&b".ini"[..], b".xml", b".yml", b".yaml", b".json", b".js"]
        .iter()
        .any(|end| path.ends_with(end))
}

impl Settings {
    /// Takes a setting from anywhere. `is_conditional`: whether it may not be in force.
    fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        at: &str,
        is_conditional: bool,
        files: &mut ServerFiles<'_>,
        depth: usize,
    ) {
        match name {
            b"processes" | b"workers" => {
                // uWSGI takes what follows the digits for nothing: people write comments there.
                let digits = value.iter().position(|byte| matches!(byte, b';' | b'#'));
                let digits = value[..digits.unwrap_or(value.len())].trim_ascii();
                let number = number(digits).filter(|_| !is_conditional);
                let found = number.map(|number| (number, at.to_owned()));
                self.latest = Some(found.ok_or_else(|| format!("{at}: {COMPUTED}")));
            }
            b"ini" if is_conditional => self.refuse(format!("{at}: a file is read conditionally")),
            b"ini" => {
                if let Err(why) = self.file(value, files, depth) {
                    self.refuse(why);
                }
            }
            // It holds another setting.
            b"set" if depth < DEEPEST => {
                let equals = value.iter().position(|&byte| byte == b'=').unwrap_or(value.len());
                let (name, value) = value.split_at(equals);
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                self.set(name.trim_ascii(), value, at, is_conditional, files, depth + 1);
            }
            b"emperor" => self.refuse("it is an emperor, whose vassals have their own".to_owned()),
            _ if OTHERS.contains(&name) => {
                let name = String::from_utf8_lossy(name);
                self.refuse(format!("{at}: settings by '{name}' are not understood"));
            }
            _ => {}
        }
    }

    fn refuse(&mut self, why: String) {
        self.refusal.get_or_insert(why);
    }

    /// Reads the section of a file, which is `uwsgi` unless it is named behind a colon.
    fn file(
        &mut self,
        named: &[u8],
        files: &mut ServerFiles<'_>,
        depth: usize,
    ) -> Result<(), String> {
        let shown = String::from_utf8_lossy(named);
        if depth >= DEEPEST {
            return Err(format!("{shown}: files are included too deeply"));
        }
        if named.iter().any(|byte| matches!(byte, b'%' | b'$' | b'@')) || named.contains(&b'\0') {
            return Err(format!("{shown}: {COMPUTED}"));
        }
        if memchr::memmem::find(named, b"://").is_some() || named == b"-" {
            return Err(format!("{shown}: it is no file"));
        }
        let colon = named.iter().rposition(|&byte| byte == b':');
        let (path, section) = match colon {
            Some(at) => (&named[..at], &named[at + 1..]),
            None => (named, &b"uwsgi"[..]),
        };
        let path = files.absolute(path)?;
        let text = files.text(&path)?;
        for entry in entries(&text, section) {
            let at = format!("{}:{}", String::from_utf8_lossy(&path), entry.line);
            self.set(entry.name, entry.value, &at, entry.is_conditional, files, depth + 1);
        }
        Ok(())
    }

    fn conclude(self) -> Result<GroupMaximum, String> {
        if let Some(why) = self.refusal {
            return Err(why);
        }
        match self.latest.transpose()? {
            Some((processes, at)) => Ok(GroupMaximum::of_workers(processes, at)),
            None => Ok(GroupMaximum::of_workers(1, DEFAULT)),
        }
    }
}

/// An entry of a section.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'l> {
    line: usize,
    name: &'l [u8],
    value: &'l [u8],
    /// Whether it stands behind a condition or in a loop.
    is_conditional: bool,
}

/// Returns the entries of a section.
fn entries<'t>(text: &'t [u8], wanted: &[u8]) -> Vec<Entry<'t>> {
    let (mut found, mut is_inside, mut is_conditional) = (Vec::new(), false, false);
    for (line, content) in super::lines(text) {
        let content = content.trim_ascii();
        if let Some(section) = content.strip_prefix(b"[") {
            let name = section.split(|&byte| byte == b']').next().unwrap_or_default();
            (is_inside, is_conditional) = (name == wanted, false);
            continue;
        }
        if !is_inside || matches!(content.first(), None | Some(b';' | b'#')) {
            continue;
        }
        let equals = content.iter().position(|&byte| byte == b'=').unwrap_or(content.len());
        let (name, value) = content.split_at(equals);
        let (name, value) = (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii());
        let is_logic = |word: &[u8]| {
            name.strip_prefix(word).is_some_and(|rest| matches!(rest.first(), None | Some(b'-')))
        };
        if is_logic(b"if") || is_logic(b"for") {
            is_conditional = true;
        } else if matches!(name, b"endif" | b"endfor" | b"end-if" | b"end-for") {
            is_conditional = false;
        } else {
            found.push(Entry { line, name, value, is_conditional });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::*;

    const FILES: [(&str, &[u8]); 4] = [
        ("set.ini", b"[uwsgi]\nset = processes=6\n"),
        ("default.ini", b"[uwsgi]\nmaster = true\nworkers = 2\n"),
        ("a.ini", b"; x\n[other]\nprocesses = 9\n[uwsgi]\r\nprocesses = 8\r\ncheaper = 3\r\n"),
        ("srv/b.ini", b"[uwsgi]\nini = /a.ini\n[web]\nworkers=4 ; x"),
    ];

    #[test]
    fn the_last_setting_counts() {
        let uwsgi: &[u8] = b"/usr/bin/uwsgi";
        for (words, environment, processes, at) in [
            (&[uwsgi, b"-p", b"4"][..], &[&b"UWSGI_PROCESSES=7"[..]][..], 4, "the command line"),
            (&[uwsgi, b"-Mp4", b"--workers=5"], &[], 5, "the command line"),
            (&[uwsgi, b"--ini", b"/default.ini", b"--ini", b"/a.ini"], &[], 8, "/a.ini:5"),
            (&[uwsgi, b"--ini=/a.ini", b"--process", b"3"], &[], 3, "the command line"),
            (&[uwsgi, b"/a.ini", b"-p", b"3"], &[], 8, "/a.ini:5"),
            (&[uwsgi, b"--ini", b"b.ini"], &[], 8, "/a.ini:5"),
            (&[uwsgi, b"--ini", b"b.ini:web"], &[], 4, "/srv/b.ini:4"),
            (&[uwsgi, b"-s", b":3031"], &[b"UWSGI_WORKERS=7"], 7, "UWSGI_WORKERS"),
            (&[uwsgi, b"-s", b":3031", b"-w", b"app"], &[b"X=1"], 1, "the default"),
            (&[uwsgi, b"-p", b"2", b"--set", b"processes=4"], &[], 4, "the command line"),
            (&[uwsgi, b"-S", b"workers = 3"], &[], 3, "the command line"),
            (&[uwsgi, b"--ini", b"/set.ini"], &[], 6, "/set.ini:2"),
            (&[uwsgi, b"-s", b":3031"], &[b"UWSGI_SET=processes=5"], 5, "UWSGI_SET"),
            (&[uwsgi, b"--processes", b"2", b"--pyargv", b"-p 9"], &[], 2, "the command line"),
        ] {
            let found = only(KnownProgram::Uwsgi, &FILES, words, environment);
            assert_eq!(
                found,
                Ok((processes, at.to_owned())),
                "{}",
                words.join(&b' ').escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_unknown() {
        let uwsgi: &[u8] = b"uwsgi";
        for (text, words) in [
            (&b"[uwsgi]\nprocesses = %k"[..], &[uwsgi, b"--ini", b"/x.ini"][..]),
            (b"[uwsgi]\nprocesses = $(N)", &[uwsgi, b"/x.ini"]),
            (b"[uwsgi]\nif-env = A\nworkers = 4\nendif =\n", &[uwsgi, b"/x.ini"]),
            (b"[uwsgi]\nworkers = 4\ninherit = /y\n", &[uwsgi, b"/x.ini"]),
            (b"[uwsgi]\nini = /x.ini\n", &[uwsgi, b"/x.ini"]),
            (b"[uwsgi]\nini = %d/x.ini\n", &[uwsgi, b"/x.ini"]),
            (b"[uwsgi]\nemperor = /etc\n", &[uwsgi, b"/x.ini"]),
            (b"", &[uwsgi, b"--emperor=/etc"]),
            (b"", &[uwsgi, b"--yam", b"/x.yml"]),
            (b"", &[uwsgi, b"--emper", b"/x"]),
            (b"", &[uwsgi, b"-s", b":1", b"/x.yml"]),
            (b"", &[uwsgi, b"--ini", b"http://x/y.ini"]),
            (b"", &[uwsgi, b"/none.ini"]),
            (b"", &[uwsgi, b"-p", b"many"]),
            (b"", &[b"uWSGI master"]),
        ] {
            let found = only(KnownProgram::Uwsgi, &[("x.ini", text)], words, &[]);
            assert!(found.is_err(), "{} {words:?}: {found:?}", text.escape_ascii());
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 2] =
            [b"[uwsgi]\nprocesses = 4\nif-env = A\nini=/x\nendif=\n", b"[a]\n\xff\n=\n[uwsgi"];
        crate::fuzz::survives(&samples, |text| _ = entries(text, b"uwsgi"));
    }
}
