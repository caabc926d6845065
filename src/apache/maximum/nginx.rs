//! The workers of nginx: `worker_processes` in the main context.

use super::files::ServerFiles;
use super::options::{ValueOption, WHOLE, last, parse};
use super::{COMMAND_LINE, DEFAULT, GroupMaximum, KnownProgram, Maxima, Started, number_at};
use crate::apache::pattern::has_wildcard;

/// Deepest nesting of included files. nginx itself has no limit.
const DEEPEST: usize = 20;

const OPTIONS: [ValueOption; 5] = [
    ValueOption { letter: Some(b'c'), names: &[], least: WHOLE },
    ValueOption { letter: Some(b'p'), names: &[], least: WHOLE },
    ValueOption { letter: Some(b'g'), names: &[], least: WHOLE },
    ValueOption { letter: Some(b'e'), names: &[], least: WHOLE },
    ValueOption { letter: Some(b's'), names: &[], least: WHOLE },
];

/// Letters of options without a value.
const FLAGS: &[u8] = b"?hvVtTq";

/// What a title begins with, in front of the command line.
const TITLE: &[u8] = b"nginx: master process ";

/// The directive that sets the number.
const NAME: &[u8] = b"worker_processes";

/// Files that it begins with where the executable does not tell.
const USUAL: [&[u8]; 2] = [b"/etc/nginx/nginx.conf", b"/usr/local/nginx/conf/nginx.conf"];

/// The options that matter.
#[derive(Debug, Default, PartialEq, Eq)]
struct Given {
    file: Option<Vec<u8>>,
    prefix: Option<Vec<u8>>,
    directives: Vec<u8>,
}

/// A directive, and whether it stands in no block.
#[derive(Debug, PartialEq, Eq)]
struct Directive {
    line: usize,
    is_main: bool,
    words: Vec<Vec<u8>>,
}

/// Reads the number of workers.
pub fn read(started: &Started<'_>, files: &mut ServerFiles<'_>) -> Result<Maxima, String> {
    let given = Given::find(started)?;
    for directive in directives(&given.directives).0 {
        if let Some(value) = directive.value(NAME) {
            return Ok(GroupMaximum::of_workers(workers(value, COMMAND_LINE)?, COMMAND_LINE).into());
        }
    }
    let (path, is_usual) = given.main_file(started.exe, files)?;
    let directory = path.iter().rposition(|&byte| byte == b'/').map_or(&b""[..], |at| &path[..at]);
    let mut search = Search { directory: directory.to_vec(), doubt: None };
    let found = search.file(&path, files, 0)?;
    let found = match (found, search.doubt) {
        (Some(found), _) => found,
        (None, Some(doubt)) => return Err(doubt),
        (None, None) => GroupMaximum::of_workers(1, DEFAULT),
    };
    let mut maxima = Maxima::from(found);
    if is_usual {
        maxima.doubts.push(
            "the executable does not tell which file it reads: this is one at a usual place"
                .to_owned(),
        );
    }
    Ok(maxima)
}

impl Given {
    fn find(started: &Started<'_>) -> Result<Given, String> {
        let Some(title) = started.title() else {
            return Ok(Given::from_words(started.options(KnownProgram::Nginx)?));
        };
        let line = title.strip_prefix(TITLE).ok_or("its title does not show its command line")?;
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').skip(1).collect();
        // nginx reads the last -g only.
        if words.iter().filter(|word| word.starts_with(b"-g")).count() > 1 {
            return Err("its title does not tell which words are the directives of -g".to_owned());
        }
        // Blanks in the directives of -g cannot be told from those between words: all words up to
        // the next option belong to them.
        let Some(at) = words.iter().position(|word| word.starts_with(b"-g")) else {
            return Ok(Given::from_words(&words));
        };
        let is_option = |word: &&[u8]| word.starts_with(b"-");
        let end =
            words[at + 1..].iter().position(is_option).map_or(words.len(), |end| at + 1 + end);
        let mut given = Given::from_words(&[&words[..at], &words[end..]].concat());
        given.directives = words[at..end].join(&b' ')[2..].to_vec();
        if words[end..].iter().any(|word| memchr::memmem::find(word, NAME).is_some()) {
            return Err("its title does not tell where the directives of -g end".to_owned());
        }
        Ok(given)
    }

    fn from_words(words: &[&[u8]]) -> Given {
        let words = parse(words, &OPTIONS, FLAGS);
        let value = |wanted| last(&words, wanted).map(<[u8]>::to_vec);
        Given { file: value(0), prefix: value(1), directives: value(2).unwrap_or_default() }
    }

    /// Returns the path of the main file, and whether it is only the usual one.
    fn main_file(
        &self,
        exe: &[u8],
        files: &mut ServerFiles<'_>,
    ) -> Result<(Vec<u8>, bool), String> {
        if let Some(file) = self.file.as_ref().filter(|file| file.starts_with(b"/")) {
            return Ok((file.clone(), false));
        }
        let told = files.executable(exe).and_then(|bytes| built_in(&bytes));
        if let Some((built_in_prefix, built_in_file)) = told {
            let prefix = self.prefix.clone().unwrap_or(built_in_prefix);
            let file = self.file.as_ref().unwrap_or(&built_in_file);
            let path = if file.starts_with(b"/") {
                file.clone()
            } else {
                [&prefix[..], b"/", file].concat()
            };
            return Ok((files.absolute(&path)?, false));
        }
        if self.file.is_none() && self.prefix.is_none() {
            for path in USUAL {
                if files.has(path)? {
                    return Ok((path.to_vec(), true));
                }
            }
        }
        Err("where its configuration is, is not known".to_owned())
    }
}

/// Returns the prefix and the main file that the executable was configured with.
fn built_in(executable: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let begin = b"configure arguments:";
    let rest = &executable[memchr::memmem::find(executable, begin)? + begin.len()..];
    let arguments = &rest[..rest.iter().position(|&byte| byte == 0)?];
    let value = |name: &[u8]| {
        let rest = &arguments[memchr::memmem::find(arguments, name)? + name.len()..];
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\'')).unwrap_or(rest.len());
        Some(rest[..end].to_vec())
    };
    let prefix = value(b"--prefix=").unwrap_or_else(|| b"/usr/local/nginx".to_vec());
    Some((prefix, value(b"--conf-path=").unwrap_or_else(|| b"conf/nginx.conf".to_vec())))
}

/// The search for the directive. nginx takes it only once, so that the first one is it.
struct Search {
    /// The directory of the main file, which included files are relative to.
    directory: Vec<u8>,
    /// Why the directive may stand in something that was not read.
    doubt: Option<String>,
}

impl Search {
    fn file(
        &mut self,
        path: &[u8],
        files: &mut ServerFiles<'_>,
        depth: usize,
    ) -> Result<Option<GroupMaximum>, String> {
        let text = files.text(path)?;
        let shown = String::from_utf8_lossy(path);
        let (directives, is_whole) = directives(&text);
        for directive in directives {
            let at = format!("{shown}:{}", directive.line);
            if let Some(value) = directive.value(NAME) {
                return Ok(Some(GroupMaximum::of_workers(workers(value, &at)?, at)));
            }
            if let Some(pattern) = directive.value(b"include") {
                match self.include(pattern, files, depth) {
                    Ok(None) => {}
                    Ok(found) => return Ok(found),
                    Err(why) => self.doubt = Some(why),
                }
            }
        }
        if !is_whole {
            self.doubt = Some(format!("{shown}: it is not understood to its end"));
        }
        Ok(None)
    }

    fn include(
        &mut self,
        pattern: &[u8],
        files: &mut ServerFiles<'_>,
        depth: usize,
    ) -> Result<Option<GroupMaximum>, String> {
        let path = match pattern {
            [b'/', ..] => pattern.to_vec(),
            _ => [&self.directory[..], b"/", pattern].concat(),
        };
        if depth + 1 >= DEEPEST {
            return Err(format!(
                "{}: files are included too deeply",
                String::from_utf8_lossy(&path)
            ));
        }
        let paths = if has_wildcard(&path) { files.matching(&path)? } else { vec![path] };
        for path in paths {
            if let Some(found) = self.file(&path, files, depth + 1)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Directive {
    /// Returns the value of a directive of this name, if it is in no block.
    fn value(&self, name: &[u8]) -> Option<&[u8]> {
        match &self.words[..] {
            [first, value] if self.is_main && first == name => Some(value),
            _ => None,
        }
    }
}

fn workers(value: &[u8], at: &str) -> Result<u64, String> {
    match value {
        b"auto" => Err(format!("{at}: 'auto' depends on the processors that it may use")),
        _ => number_at(value, at),
    }
}

/// Returns the directives of a text, and whether it was understood to its end: the code in blocks
/// of Lua follows other rules.
fn directives(text: &[u8]) -> (Vec<Directive>, bool) {
    let (mut found, mut words): (Vec<Directive>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
    let (mut depth, mut line, mut at) = (0usize, 1, 0);
    while let Some(&byte) = text.get(at) {
        let begin = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'#' => {
                let end = memchr::memchr(b'\n', &text[at..]);
                at = end.map_or(text.len(), |end| at + end);
            }
            b';' | b'{' => {
                let words = std::mem::take(&mut words);
                let is_foreign = words.first().is_some_and(|name| name.ends_with(b"_by_lua_block"));
                if byte == b'{' && is_foreign {
                    return (found, false);
                }
                found.push(Directive { line, is_main: depth == 0, words });
                depth += usize::from(byte == b'{');
            }
            b'}' if depth > 0 && words.is_empty() => depth -= 1,
            b'}' => return (found, false),
            _ => {
                let Some((word, end)) = word(text, begin) else { return (found, false) };
                words.push(word);
                at = end;
            }
        }
        line += memchr::memchr_iter(b'\n', &text[begin..at]).count();
    }
    (found, depth == 0 && words.is_empty())
}

/// Reads the word at a place. Returns it with the place behind it; `None` if its quotes do not end.
fn word(text: &[u8], begin: usize) -> Option<(Vec<u8>, usize)> {
    let quote = text.get(begin).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let mut at = begin + usize::from(quote.is_some());
    let mut word = Vec::new();
    while let Some(&byte) = text.get(at) {
        match byte {
            _ if Some(byte) == quote => return Some((word, at + 1)),
            b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' if quote.is_none() => break,
            // What they stand for does not matter here, but that they end no word.
            b'\\' | b'$' if byte == b'\\' || text.get(at + 1) == Some(&b'{') => {
                let end = (at + 2).min(text.len());
                word.extend_from_slice(&text[at..end]);
                at = end;
            }
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    quote.is_none().then_some((word, at))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{configured, only, started};
    use super::*;

    const ARGUMENTS: &[&[u8]] = &[b"nginx: master process nginx -c /n/nginx.conf", b""];

    #[test]
    fn the_directive_in_the_main_context() {
        for (text, processes, at) in [
            ("# worker_processes 9;\nuser a;\nworker_processes 4; # x", 4, "/n/nginx.conf:3"),
            (
                "events { worker_processes 3; }\n\n'worker_processes'\n \"12\";",
                12,
                "/n/nginx.conf:4",
            ),
            ("user ${x}y \\; 'a\nb'; worker_processes 7;", 7, "/n/nginx.conf:2"),
            ("events {}\ninclude m/*.conf;", 6, "/n/m/a.conf:1"),
            ("include none/*; http { include m/a.conf; }", 1, "the default"),
            ("worker_processes 2; a_by_lua_block { \" }", 2, "/n/nginx.conf:1"),
        ] {
            let files = [("n/nginx.conf", text.as_bytes()), ("n/m/a.conf", b"worker_processes 6;")];
            let found = only(KnownProgram::Nginx, &files, ARGUMENTS, &[]);
            assert_eq!(found, Ok((processes, at.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_unknown() {
        for text in [
            "worker_processes auto;",
            "worker_processes ${N};",
            "worker_processes -1;",
            "worker_processes 4",
            "http { a_by_lua_block { \" }\n}\nworker_processes 4;",
            "include none.conf;",
            "include nginx.conf;",
            "} worker_processes 4;",
            "user 'x; worker_processes 4;",
        ] {
            let found =
                only(KnownProgram::Nginx, &[("n/nginx.conf", text.as_bytes())], ARGUMENTS, &[]);
            assert!(found.is_err(), "{text}: {found:?}");
        }
        assert!(
            only(KnownProgram::Nginx, &[], &[b"nginx: master process nginx -c n.conf"], &[])
                .is_err()
        );
        assert!(
            only(KnownProgram::Nginx, &[], &[b"nginx: master process nginx -p p -c n.conf"], &[])
                .is_err()
        );
        assert!(only(KnownProgram::Nginx, &[], &[b"nginx: worker process"], &[]).is_err());
        let unclear: [&[u8]; 2] = [
            b"nginx: master process nginx -g env -x; worker_processes 3; -c /n/nginx.conf",
            b"nginx: master process nginx -g worker_processes 3; -g env x; -c /n/nginx.conf",
        ];
        for line in unclear {
            assert!(
                only(KnownProgram::Nginx, &[("n/nginx.conf", b"events {}")], &[line], &[]).is_err()
            );
        }
    }

    #[test]
    fn the_command_line() {
        let line = b"nginx: master process nginx -g daemon off; worker_processes 3; -c /n/n.conf";
        assert_eq!(
            only(KnownProgram::Nginx, &[], &[line], &[]),
            Ok((3, "the command line".to_owned()))
        );
        let words: [&[u8]; 4] = [b"/usr/sbin/nginx", b"-qg", b"worker_processes 5;", b"-c/n"];
        assert_eq!(
            only(KnownProgram::Nginx, &[], &words, &[]),
            Ok((5, "the command line".to_owned()))
        );
        let files: [(&str, &[u8]); 1] = [("n", b"worker_processes 8;")];
        let line = b"nginx: master process nginx -c /n -g daemon on; master_process on;";
        assert_eq!(only(KnownProgram::Nginx, &files, &[line], &[]), Ok((8, "/n:1".to_owned())));
    }

    #[test]
    fn the_file_that_the_executable_tells() {
        let arguments: &[&[u8]] = &[b"nginx: master process /usr/sbin/nginx"];
        let files: [(&str, &[u8]); 3] = [
            ("etc/nginx/nginx.conf", b"worker_processes 8;"),
            ("p/a.conf", b"worker_processes 9;"),
            ("exe", b"\0configure arguments: --prefix=/p --conf-path=a.conf --x='y z'\0"),
        ];
        assert_eq!(
            only(KnownProgram::Nginx, &files, arguments, &[]),
            Ok((9, "/p/a.conf:1".to_owned()))
        );
        let usual = configured(KnownProgram::Nginx, &files[..1], &started(arguments)).unwrap();
        assert_eq!((usual.groups[0].processes, usual.doubts.len()), (8, 1));
        let bare = Some((b"/usr/local/nginx".to_vec(), b"conf/nginx.conf".to_vec()));
        assert_eq!(built_in(b"configure arguments:\0"), bare);
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 3] = [
            b"user a; # x\nworker_processes 4;\nhttp { server { a 'b\\'c' \"d\"; } }\n",
            b"nginx: master process nginx -g daemon off; -c /n/n.conf",
            b"configure arguments: --prefix=/p --conf-path=a.conf\0",
        ];
        crate::fuzz::survives(&samples, |text| {
            _ = (directives(text), built_in(text), Given::find(&started(&[text])));
        });
    }
}
