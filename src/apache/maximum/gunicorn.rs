//! The workers of gunicorn. Its settings come from the environment, from a file of Python, from
//! GUNICORN_CMD_ARGS and from the command line, the last one first in rank.

use super::files::ServerFiles;
use super::options::{ValueOption, WHOLE, Word, last, parse};
use super::{
    COMMAND_LINE, COMPUTED, DEFAULT, GroupMaximum, KnownProgram, Started, has_word, number,
    number_at,
};

const OPTIONS: [ValueOption; 2] = [
    ValueOption { letter: Some(b'w'), names: &[b"workers"], least: WHOLE },
    // argparse takes beginnings of names that are unique.
    ValueOption { letter: Some(b'c'), names: &[b"config"], least: 2 },
];

/// Letters of options without a value.
const FLAGS: &[u8] = b"DR";

/// The file that is read where none is named, if it exists.
const USUAL: &[u8] = b"gunicorn.conf.py";

/// Words with which code can set a variable without naming it in an assignment.
const HIDDEN: [&[u8]; 11] = [
    b"exec",
    b"eval",
    b"globals",
    b"locals",
    b"vars",
    b"__dict__",
    b"num_workers",
    b"setattr",
    b"__setattr__",
    b"modules",
    b"__import__",
];

/// Reads the number of workers.
pub fn read(started: &Started<'_>, files: &mut ServerFiles<'_>) -> Result<GroupMaximum, String> {
    let words = parse(started.options(KnownProgram::Gunicorn)?, &OPTIONS, FLAGS);
    if let Some(found) = given(&words, COMMAND_LINE)? {
        return Ok(found);
    }
    let variable = started.variable(b"GUNICORN_CMD_ARGS").unwrap_or_default();
    // gunicorn splits it as a shell does.
    let split = std::str::from_utf8(variable).ok().and_then(shlex::split);
    let split = split.ok_or("GUNICORN_CMD_ARGS is not understood")?;
    let in_variable: Vec<&[u8]> = split.iter().map(|word| word.as_bytes()).collect();
    let more = parse(&in_variable, &OPTIONS, FLAGS);
    if let Some(found) = given(&more, "GUNICORN_CMD_ARGS")? {
        return Ok(found);
    }
    if let Some(path) = file(last(&words, 1).or(last(&more, 1)), files)? {
        let text = files.text(&path)?;
        let at = |line| format!("{}:{line}", String::from_utf8_lossy(&path));
        match workers(&text) {
            Some(Ok((line, processes))) => {
                return Ok(GroupMaximum::of_workers(processes, at(line)));
            }
            Some(Err(line)) => return Err(format!("{}: {COMPUTED}", at(line))),
            None => {}
        }
    }
    if let Some(found) = super::web_concurrency(started) {
        return found;
    }
    match started.environment.is_empty() {
        // Without an environment at hand, the variable may be set.
        true => Err("its environment is not known".to_owned()),
        false => Ok(GroupMaximum::of_workers(1, DEFAULT)),
    }
}

fn given(words: &[Word<'_>], at: &str) -> Result<Option<GroupMaximum>, String> {
    let Some(value) = last(words, 0) else { return Ok(None) };
    Ok(Some(GroupMaximum::of_workers(number_at(value, at)?, at)))
}

/// Returns the path of the file of settings; `None` if there is none.
fn file(named: Option<&[u8]>, files: &ServerFiles<'_>) -> Result<Option<Vec<u8>>, String> {
    let Some(named) = named else {
        return Ok(if files.has(USUAL)? { Some(files.absolute(USUAL)?) } else { None });
    };
    if named.starts_with(b"python:") {
        return Err(format!("its settings are a module: {}", String::from_utf8_lossy(named)));
    }
    files.absolute(named.strip_prefix(b"file:").unwrap_or(named)).map(Some)
}

/// Returns the line and the number of the last plain assignment in a file of Python; errors: the
/// line that may set another number.
fn workers(text: &[u8]) -> Option<Result<(usize, u64), usize>> {
    let mut found = None;
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    for (line, code) in statements(text) {
        if let Some(number) = assigned(&code) {
            found = Some((line, number));
        // Python takes some letters beyond ASCII for others.
        } else if !code.is_ascii()
            || has_word(&code, b"workers")
            || HIDDEN.iter().any(|word| has_word(&code, word))
            || imports_all(&code)
        {
            return Some(Err(line));
        }
    }
    found.map(Ok)
}

/// Reports whether a statement takes all names of a module: `from NAME import *`.
fn imports_all(code: &[u8]) -> bool {
    let star = code.trim_ascii_end().strip_suffix(b"*").map(<[u8]>::trim_ascii_end);
    star.is_some_and(|code| has_word(code, b"from") && code.ends_with(b"import"))
        // Further statements may follow in the line.
        || has_word(code, b"from") && code.contains(&b'*') && code.contains(&b';')
}

/// Returns the number of `workers = NUMBER` at the beginning of a line.
fn assigned(code: &[u8]) -> Option<u64> {
    let value = code.strip_prefix(b"workers")?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    // Python refuses other numbers that begin with a zero.
    number(value).filter(|_| value == b"0" || !value.starts_with(b"0"))
}

/// Returns the statements of a text in Python with the lines that they begin at, without comments
/// and with an empty string for each string. What stands in brackets, or after a line that ends in
/// a backslash, belongs to one statement.
fn statements(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let (mut found, mut code): (Vec<(usize, Vec<u8>)>, Vec<u8>) = (Vec::new(), Vec::new());
    let (mut depth, mut line, mut begin, mut at) = (0usize, 1, 1, 0);
    while let Some(&byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'#' => {
                at = memchr::memchr2(b'\n', b'\r', &text[at..]).map_or(text.len(), |end| at + end)
            }
            b'"' | b'\'' => {
                at = string_end(text, start);
                code.extend_from_slice(b"\"\"");
            }
            b'\\' if text.get(at) == Some(&b'\n') => at += 1,
            b'\n' if depth == 0 => {
                found.push((begin, std::mem::take(&mut code)));
                begin = line + 1;
            }
            b'\n' => code.push(b' '),
            _ => {
                match byte {
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                code.push(byte);
            }
        }
        line += memchr::memchr_iter(b'\n', &text[start..at]).count();
    }
    found.push((begin, code));
    found
}

/// Returns the place behind the string that begins at a quote.
fn string_end(text: &[u8], begin: usize) -> usize {
    let quote = &text[begin..=begin];
    let is_long = text[begin..].starts_with(&quote.repeat(3));
    let end = quote.repeat(if is_long { 3 } else { 1 });
    let mut at = begin + end.len();
    while at < text.len() && !text[at..].starts_with(&end) {
        if text[at] == b'\n' && !is_long {
            return at;
        }
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + end.len()).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::*;

    #[test]
    fn each_source_in_its_rank() {
        let web: &[u8] = b"WEB_CONCURRENCY=7";
        let arguments: &[u8] = b"GUNICORN_CMD_ARGS='-w' 6 -c /other.py";
        let (script, home): (&[u8], &[u8]) = (b"/usr/bin/gunicorn", b"PWD=/srv");
        let files: [(&str, &[u8]); 2] =
            [("srv/gunicorn.conf.py", b"bind = 'x'\nworkers = 5\n"), ("c.py", b"workers=4 # x")];
        for (files, words, environment, processes, at) in [
            (&files[..], &[script, b"-w3"][..], &[web, arguments][..], 3, "the command line"),
            (&files, &[b"python3", script, b"--workers", b"3"], &[], 3, "the command line"),
            (&files, &[b"python3", b"-m", b"gunicorn", b"-Dw3"], &[], 3, "the command line"),
            (&files, &[script, b"a:b"], &[web, arguments], 6, "GUNICORN_CMD_ARGS"),
            (&files, &[script], &[web], 5, "/srv/gunicorn.conf.py:2"),
            (&files, &[script, b"-c", b"/c.py"], &[web], 4, "/c.py:1"),
            (&files[1..], &[script, b"a:b"], &[web, home], 7, "WEB_CONCURRENCY"),
            (&files[1..], &[script, b"a:b"], &[home], 1, "the default"),
        ] {
            let found = only(KnownProgram::Gunicorn, files, words, environment);
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
        let script: &[u8] = b"gunicorn";
        for (words, environment) in [
            (&[&b"gunicorn: master [app]"[..]][..], &[][..]),
            (&[b"python3", b"manage.py"], &[]),
            (&[script, b"-w", b"many"], &[]),
            (&[script, b"-w"], &[]),
            (&[script, b"-c", b"python:a.b"], &[]),
            (&[script, b"-c", b"/none.py"], &[]),
            (&[script], &[&b"X=1"[..]]),
            (&[script], &[b"PWD=/elsewhere"]),
            (&[script], &[b"PWD=/srv", b"WEB_CONCURRENCY=x"]),
            (&[script], &[b"PWD=/srv", b"GUNICORN_CMD_ARGS='"]),
        ] {
            assert!(
                only(KnownProgram::Gunicorn, &[], words, environment).is_err(),
                "{words:?} {environment:?}"
            );
        }
    }

    #[test]
    fn plain_assignments_only() {
        for (text, expected) in [
            (&b"workers = 4"[..], Some(Ok((1, 4)))),
            (b"x = '''\nworkers = 9\n'''\nworkers = 4\r\n", Some(Ok((4, 4)))),
            (b"f(\nworkers = 9\n)\nworkers = 4", Some(Err(1))),
            (b"workers = 4\nworkers=5 # = 6", Some(Ok((2, 5)))),
            (b"worker_class = 'x'\n# workers = 4\n", None),
            (b"# workers = 4\nx = '#'; workers = 5", Some(Err(2))),
            (b"workers = 2 * 4", Some(Err(1))),
            (b"workers = \\\n 4", Some(Ok((1, 4)))),
            (b"workers = 4\nworkers += 1", Some(Err(2))),
            (b"workers = 4\nif x:\n    workers = 5", Some(Err(3))),
            (b"workers: int = 4", Some(Err(1))),
            ("\u{feff}workers = 4".as_bytes(), Some(Ok((1, 4)))),
            ("x = 1\n\u{ff57}orkers = 4".as_bytes(), Some(Err(2))),
            (b"# x\rworkers = 4", Some(Err(1))),
            (b"workers = 010", Some(Err(1))),
            (b"workers = 4\nfrom x import *", Some(Err(2))),
            (b"workers = 4\nfrom x import*", Some(Err(2))),
            (b"workers = 4\nfrom x  import  *  # all", Some(Err(2))),
            (b"workers = 4\nfrom x import *; y = 1", Some(Err(2))),
            (b"workers = 4\nfrom x import y", Some(Ok((1, 4)))),
            (b"workers = 4\nimport sys\nsetattr(sys, 'a', 1)", Some(Err(3))),
            (b"workers = 4\nsys.modules[__name__].x = 9", Some(Err(2))),
            (b"globals()['workers'] = 4", Some(Err(1))),
            (b"print('workers \\' = 4')\nraw_env = ['\xff']", None),
        ] {
            assert_eq!(workers(text), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 2] =
            [b"x = '''\na\\'''\nworkers = 4 # x\n", b"f(\"a\\\"\", [1,\n2])\\\nworkers=5"];
        crate::fuzz::survives(&samples, |text| _ = workers(text));
    }
}
