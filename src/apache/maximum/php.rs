//! The pools of php-fpm: `pm.max_children` of each.

use super::files::ServerFiles;
use super::options::{ValueOption, WHOLE, last, parse};
use super::{GroupMaximum, KnownProgram, Maxima, Started, number};

/// Deepest nesting of included files, as in php-fpm.
const DEEPEST: usize = 5;

/// More pools than any server has. Whoever can call a process php-fpm chooses its configuration.
const MOST_POOLS: usize = 1000;

const OPTIONS: [ValueOption; 2] = [
    ValueOption { letter: Some(b'y'), names: &[b"fpm-config"], least: WHOLE },
    ValueOption { letter: Some(b'p'), names: &[b"prefix"], least: WHOLE },
];

/// Letters of options without a value.
const FLAGS: &[u8] = b"nehimvtDFOR";

/// A line of a configuration.
#[derive(Debug, PartialEq, Eq)]
enum IniLine<'l> {
    Section(Vec<u8>),
    /// A name and its value, as far as it is plain.
    Entry(&'l [u8], Option<&'l [u8]>),
    Nothing,
}

/// A number and its place; errors: why it is unknown.
type Setting = Result<(u64, String), String>;

/// The state of reading.
#[derive(Default)]
struct Pools {
    /// The pools in their order, with their numbers.
    pools: Vec<(Vec<u8>, Option<Setting>)>,
    /// The pool whose section is open.
    current: Option<usize>,
    /// The limit of all pools together.
    most: Option<Setting>,
    /// What relative paths are relative to, once it is known.
    prefix: Option<Vec<u8>>,
    exe: Vec<u8>,
}

/// Reads the maximum of each pool.
pub fn read(started: &Started<'_>, files: &mut ServerFiles<'_>) -> Result<Maxima, String> {
    let (path, prefix) = main_file(started)?;
    let path = files.absolute(&path)?;
    let mut pools = Pools { prefix, exe: started.exe.to_vec(), ..Pools::default() };
    pools.file(&path, files, 0)?;
    pools.conclude()
}

/// Returns the path of the main file, and the prefix of relative paths where it was given.
fn main_file(started: &Started<'_>) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    if let Some(title) = started.title() {
        let path = path_in_title(title).ok_or("its title does not name its configuration")?;
        return Ok((path.to_vec(), None));
    }
    let words = parse(started.options(KnownProgram::Php)?, &OPTIONS, FLAGS);
    let prefix = last(&words, 1);
    let path = match (last(&words, 0), prefix) {
        (Some(path), _) => path.to_vec(),
        (None, Some(prefix)) => [prefix, b"/etc/php-fpm.conf"].concat(),
        (None, None) => return Err("its command line does not name its configuration".to_owned()),
    };
    Ok((path, prefix.map(<[u8]>::to_vec)))
}

/// Returns the path in the title of a master: `php-fpm: master process (PATH)`. A title may be cut.
fn path_in_title(title: &[u8]) -> Option<&[u8]> {
    let begin = b"master process (";
    let at = memchr::memmem::find(title, begin)?;
    title[at + begin.len()..].strip_suffix(b")")
}

/// Returns the prefix of relative paths: the one that the executable was configured with, or the
/// directory above the `sbin` that it is installed in.
fn built_in_prefix(exe: &[u8], files: &ServerFiles<'_>) -> Option<Vec<u8>> {
    let told = files.executable(exe).and_then(|bytes| prefix_in(&bytes).map(<[u8]>::to_vec));
    told.or_else(|| {
        let at = memchr::memmem::rfind(exe, b"/sbin/")?;
        (!exe[at + 6..].contains(&b'/') && at > 0).then(|| exe[..at].to_vec())
    })
}

/// Returns the value of `--prefix` in the configure command that PHP keeps.
fn prefix_in(executable: &[u8]) -> Option<&[u8]> {
    let begin = b"'--prefix=";
    let at = memchr::memmem::find(executable, begin)? + begin.len();
    let value = executable.get(at..)?;
    let end = value.iter().take(4096).position(|&byte| byte == b'\'')?;
    let prefix = &value[..end];
    (prefix.starts_with(b"/") && !prefix.contains(&0)).then_some(prefix)
}

impl Pools {
    /// Reads a file and those that it includes. php-fpm reads line by line, and a section goes on
    /// after an included file.
    fn file(
        &mut self,
        path: &[u8],
        files: &mut ServerFiles<'_>,
        depth: usize,
    ) -> Result<(), String> {
        if depth >= DEEPEST {
            let path = String::from_utf8_lossy(path);
            return Err(format!("{path}: files are included too deeply"));
        }
        let text = files.text(path)?;
        for (number, line) in super::lines(&text) {
            let at = || format!("{}:{number}", String::from_utf8_lossy(path));
            match ini_line(line) {
                IniLine::Section(name) => {
                    self.open(&name);
                    if self.pools.len() > MOST_POOLS {
                        return Err(format!("{}: there are more pools than any server has", at()));
                    }
                }
                IniLine::Entry(name, value) if name.eq_ignore_ascii_case(b"include") => {
                    let pattern = value.filter(|value| !value.iter().any(is_operator));
                    let pattern =
                        pattern.ok_or_else(|| format!("{}: {}", at(), super::COMPUTED))?;
                    for path in files.matching(&self.absolute(pattern, files)?)? {
                        self.file(&path, files, depth + 1)?;
                    }
                }
                IniLine::Entry(name, value) => self.set(name, value, at),
                IniLine::Nothing => {}
            }
        }
        Ok(())
    }

    fn absolute(&mut self, path: &[u8], files: &ServerFiles<'_>) -> Result<Vec<u8>, String> {
        if path.starts_with(b"/") {
            return Ok(path.to_vec());
        }
        if self.prefix.is_none() {
            self.prefix = built_in_prefix(&self.exe, files);
        }
        match &self.prefix {
            Some(prefix) if prefix.starts_with(b"/") => Ok([&prefix[..], b"/", path].concat()),
            _ => {
                let path = String::from_utf8_lossy(path);
                Err(format!("{path} is relative to a prefix that is not known"))
            }
        }
    }

    /// Opens a section, which may have been open before.
    fn open(&mut self, name: &[u8]) {
        self.current = None;
        if !name.eq_ignore_ascii_case(b"global") {
            let at = self.pools.iter().position(|(known, _)| known == name);
            self.current = at.or(Some(self.pools.len()));
            if at.is_none() {
                self.pools.push((name.to_vec(), None));
            }
        }
    }

    fn set(&mut self, name: &[u8], value: Option<&[u8]>, at: impl Fn() -> String) {
        let setting = || match value.and_then(number) {
            Some(number) => Ok((number, at())),
            None => {
                Err(format!("{}: {} is not a plain number", at(), String::from_utf8_lossy(name)))
            }
        };
        match (
            &name.to_ascii_lowercase()[..],
            self.current.and_then(|current| self.pools.get_mut(current)),
        ) {
            (b"pm.max_children", Some((_, found))) => *found = Some(setting()),
            (b"process.max", None) => self.most = Some(setting()),
            _ => {}
        }
    }

    /// Returns the numbers. None of the pools can have more than all of them together.
    fn conclude(self) -> Result<Maxima, String> {
        let most = self.most.transpose()?.filter(|&(most, _)| most > 0);
        if self.pools.is_empty() {
            return Err("no pool is in what could be read".to_owned());
        }
        let mut maxima = Maxima::default();
        for (name, found) in self.pools {
            maxima.pools.push(in_title(&name));
            let pool = || format!("of pool {}", String::from_utf8_lossy(&name));
            match found {
                Some(Ok(_)) if memchr::memmem::find(&name, b"${").is_some() => {
                    maxima.doubts.push(doubt(&pool(), "a variable names it"));
                }
                Some(Ok(found)) => {
                    let limit = most.clone().filter(|(most, _)| *most < found.0);
                    let (processes, at) = limit.unwrap_or(found);
                    let group = Some(in_title(&name));
                    maxima.groups.push(GroupMaximum { group, processes, at });
                }
                Some(Err(why)) => maxima.doubts.push(doubt(&pool(), &why)),
                None => maxima.doubts.push(doubt(&pool(), "pm.max_children is not set")),
            }
        }
        Ok(maxima)
    }
}

/// Returns a name as it is taken from titles: with single blanks between words.
fn in_title(name: &[u8]) -> Vec<u8> {
    let words = name.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

fn doubt(pool: &str, why: &str) -> String {
    format!("the configured maximum {pool} is not known: {why}")
}

/// Parses a line as PHP parses those of an ini file.
fn ini_line(line: &[u8]) -> IniLine<'_> {
    let line = line.trim_ascii();
    if let Some(section) = line.strip_prefix(b"[") {
        let end = section.iter().position(|&byte| byte == b']');
        let name = |end: usize| {
            let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
            section[..end].iter().copied().filter(|byte| !is_quote(byte)).collect()
        };
        return end.map_or(IniLine::Nothing, |end| IniLine::Section(name(end)));
    }
    let Some(equals) = line.iter().position(|&byte| byte == b'=') else { return IniLine::Nothing };
    let name = line[..equals].trim_ascii();
    if name.is_empty() || name.starts_with(b";") {
        return IniLine::Nothing;
    }
    IniLine::Entry(name, plain_value(line[equals + 1..].trim_ascii()))
}

/// Returns a value without quotes and comment; `None` if it has a variable or joined parts.
fn plain_value(value: &[u8]) -> Option<&[u8]> {
    let (found, rest) = match value.first() {
        Some(&quote @ (b'"' | b'\'')) => {
            let end = value[1..].iter().position(|&byte| byte == quote)?;
            (&value[1..=end], value[end + 2..].trim_ascii())
        }
        _ => {
            let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
            (value[..end].trim_ascii(), &value[end..])
        }
    };
    let is_plain = !found.iter().any(|byte| matches!(byte, b'$' | b'"' | b'\'' | b'\\'));
    (is_plain && matches!(rest.first(), None | Some(b';'))).then_some(found)
}

/// Reports whether PHP would compute with this character outside quotes.
fn is_operator(byte: &u8) -> bool {
    matches!(byte, b'|' | b'&' | b'^' | b'~' | b'!' | b'(' | b')' | b'{' | b'}')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{configured, started};
    use super::*;

    fn read_php(files: &[(&str, &[u8])], arguments: &[&[u8]]) -> Result<Maxima, String> {
        configured(KnownProgram::Php, files, &started(arguments))
    }

    fn pool(name: &[u8], processes: u64, at: &str) -> GroupMaximum {
        GroupMaximum { group: Some(name.to_vec()), processes, at: at.to_owned() }
    }

    #[test]
    fn pools_of_included_files() {
        let files: [(&str, &[u8]); 4] = [
            ("etc/f.conf", b"; x\n[global]\nprocess.max = 40\ninclude=/etc/pool.d/*.conf\n"),
            ("etc/pool.d/b.conf", b"[b]\r\npm = static\r\npm.max_children = \"7\" ; few\r\n"),
            ("etc/pool.d/a.conf", b"[a\xff]\n;pm.max_children = 3\npm.max_children=50\n"),
            ("etc/pool.d/.c.conf", b"[c]\npm.max_children = 1\n"),
        ];
        let found = read_php(&files, &[b"php-fpm: master process (/etc/f.conf)", b"", b""]);
        let expected = [pool(b"a\xff", 40, "/etc/f.conf:3"), pool(b"b", 7, "/etc/pool.d/b.conf:3")];
        let found = found.unwrap();
        assert_eq!((&found.groups[..], found.doubts.len()), (&expected[..], 0));
        assert!(found.changed.is_some());
    }

    #[test]
    fn a_section_goes_on_after_an_included_file() {
        let files: [(&str, &[u8]); 2] = [
            ("opt/etc/php-fpm.conf", b"include = etc/d/*\npm.max_children = 5\n"),
            ("opt/etc/d/a", b"[www]\npm.max_children = 4\n[www]\n"),
        ];
        let found = read_php(&files, &[b"/usr/sbin/php-fpm8.2", b"-Fp", b"/opt"]).unwrap();
        assert_eq!(found.groups, [pool(b"www", 5, "/opt/etc/php-fpm.conf:2")]);
    }

    #[test]
    fn relative_paths_begin_at_the_prefix() {
        let files: [(&str, &[u8]); 2] = [
            ("usr/local/etc/php-fpm.conf", b"include=etc/d/*.conf"),
            ("usr/local/etc/d/www.conf", b"[www]\npm.max_children = 4"),
        ];
        let arguments: &[&[u8]] = &[b"php-fpm: master process (/usr/local/etc/php-fpm.conf)"];
        let unknown = started(arguments);
        assert!(configured(KnownProgram::Php, &files, &unknown).is_err());
        let installed = Started { exe: b"/usr/local/sbin/php-fpm", ..unknown };
        let found = configured(KnownProgram::Php, &files, &installed).unwrap();
        assert_eq!(found.groups, [pool(b"www", 4, "/usr/local/etc/d/www.conf:2")]);
    }

    #[test]
    fn names_as_php_takes_them() {
        let text = b"[ w  w ]\nPM.Max_Children = 4\n['x']\npm.max_children=3\n[x] ; c\n[Global]\n\
            Process.Max=9\n[x]\npm.max_children = '5'";
        let found = read_php(&[("f", text)], &[b"php-fpm", b"-y/f"]).unwrap();
        assert_eq!(found.groups, [pool(b"w w", 4, "/f:2"), pool(b"x", 5, "/f:9")]);
    }

    #[test]
    fn what_is_computed_is_unknown() {
        for value in ["${MANY}", "4|8", "\"4\"5", "many", "", "-1", "99999999999999999999", "0x5"] {
            let text = format!("[www]\npm.max_children = {value}\n[b]\npm.max_children = 2\n");
            let found = read_php(&[("f", text.as_bytes())], &[b"php-fpm", b"-y/f"]).unwrap();
            assert_eq!(found.groups, [pool(b"b", 2, "/f:4")], "{value}");
            assert!(found.doubts[0].contains("of pool www is not known: /f:2"), "{found:?}");
        }
        for text in ["include=${X}/*", "include=/f", "include=/\\*", "[a]\ninclude=(/x)"] {
            let found = read_php(&[("f", text.as_bytes())], &[b"php-fpm", b"--fpm-config=/f"]);
            assert!(found.is_err(), "{text}: {found:?}");
        }
        let named =
            read_php(&[("f", b"[${A}]\npm.max_children=4")], &[b"php-fpm", b"-y/f"]).unwrap();
        assert!(named.groups.is_empty() && named.doubts[0].contains("a variable"));
        let missing = read_php(&[("f", b"[a]\n")], &[b"php-fpm", b"-y", b"/f"]).unwrap();
        assert!(missing.groups.is_empty() && missing.doubts.len() == 1);
    }

    #[test]
    fn where_the_configuration_is_not_named() {
        for arguments in [
            &[&b"php-fpm: master process (/etc/f.co"[..]][..],
            &[b"php-fpm"],
            &[b"php-fpm", b"-y", b"relative.conf"],
            &[b"php-fpm", b"-y", b"/none"],
            &[],
        ] {
            assert!(read_php(&[], arguments).is_err());
        }
    }

    #[test]
    fn the_prefix_that_an_executable_tells() {
        let told = |text: &'static [u8]| prefix_in(text);
        assert_eq!(told(b"\0 '--x' '--prefix=/usr/local' '--y'\0"), Some(&b"/usr/local"[..]));
        for none in [&b"'--prefix="[..], b"'--prefix=/usr", b"'--prefix=usr'", b""] {
            assert_eq!(told(none), None);
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 3] = [
            b"[www] ; x\npm.max_children = \"5\" ; y\ninclude=/etc/*.conf\n",
            b"php-fpm: master process (/etc/f.conf)",
            b"[ 'a b' ]\nx='y'z\npm.max_children=${A}\n\xff=\xff",
        ];
        crate::fuzz::survives(&samples, |text| {
            let mut pools = Pools::default();
            for (_, line) in super::super::lines(text) {
                match ini_line(line) {
                    IniLine::Section(name) => pools.open(&name),
                    IniLine::Entry(name, value) => pools.set(name, value, String::new),
                    IniLine::Nothing => {}
                }
            }
            _ = (pools.conclude(), path_in_title(text), prefix_in(text));
        });
    }
}
