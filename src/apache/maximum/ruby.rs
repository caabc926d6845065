//! The workers of unicorn and of puma, whose configuration is a file of Ruby.

use super::files::ServerFiles;
use super::options::{ValueOption, Word, last, parse};
use super::{
    COMMAND_LINE, COMPUTED, DEFAULT, GroupMaximum, KnownProgram, Started, has_word, number,
    number_at,
};

const UNICORN: [ValueOption; 1] =
    [ValueOption { letter: Some(b'c'), names: &[b"config-file"], least: 1 }];

const PUMA: [ValueOption; 2] = [
    ValueOption { letter: Some(b'w'), names: &[b"workers"], least: 1 },
    ValueOption { letter: Some(b'C'), names: &[b"config"], least: 4 },
];

/// Letters of options without a value.
const UNICORN_FLAGS: &[u8] = b"DdvN";
const PUMA_FLAGS: &[u8] = b"dqSvV";

/// Words that begin a block at the beginning of a line.
const BLOCKS: [&[u8]; 11] = [
    b"if", b"unless", b"case", b"while", b"until", b"for", b"begin", b"def", b"class", b"module",
    b"BEGIN",
];

/// Words with which code can set a value without naming it.
const HIDDEN: [&[u8]; 8] =
    [b"eval", b"instance_eval", b"send", b"public_send", b"__send__", b"load", b"plugin", b"exit"];

/// Reads the number of workers of unicorn.
pub fn unicorn(started: &Started<'_>, files: &mut ServerFiles<'_>) -> Result<GroupMaximum, String> {
    // Its title is its command line, with the word `master` behind the name.
    let title: Vec<&[u8]> =
        started.title().unwrap_or_default().split(|&byte| byte == b' ').collect();
    let words = match &title[..] {
        [_, b"master", words @ ..] => words,
        _ => started.options(KnownProgram::Unicorn)?,
    };
    let words = parse(words, &UNICORN, UNICORN_FLAGS);
    let Some(path) = last(&words, 0) else {
        return Err("its command line names no configuration".to_owned());
    };
    let path = files.absolute(path)?;
    let found = in_file(&path, b"worker_processes", files)?;
    Ok(found.unwrap_or_else(|| GroupMaximum::of_workers(1, DEFAULT)))
}

/// Reads the number of workers of puma.
pub fn puma(started: &Started<'_>, files: &mut ServerFiles<'_>) -> Result<GroupMaximum, String> {
    let words = parse(started.options(KnownProgram::Puma)?, &PUMA, PUMA_FLAGS);
    if let Some(value) = last(&words, 0) {
        return Ok(GroupMaximum::of_workers(number_at(value, COMMAND_LINE)?, COMMAND_LINE));
    }
    if let Some(path) = puma_file(&words, files)?
        && let Some(found) = in_file(&path, b"workers", files)?
    {
        return Ok(found);
    }
    super::web_concurrency(started)
        .unwrap_or_else(|| Err("neither its command line nor its configuration says it".to_owned()))
}

/// Returns the path of the configuration of puma; `None` if there is none.
fn puma_file(words: &[Word<'_>], files: &ServerFiles<'_>) -> Result<Option<Vec<u8>>, String> {
    let named = words.iter().filter(|word| matches!(word, Word::Value(1, _))).count();
    match last(words, 1) {
        _ if named > 1 => Err("it has several configurations".to_owned()),
        Some(b"-") => Ok(None),
        Some(path) => files.absolute(path).map(Some),
        None if files.has(b"config/puma")? => {
            Err("config/puma may have a configuration for its environment".to_owned())
        }
        None if files.has(b"config/puma.rb")? => files.absolute(b"config/puma.rb").map(Some),
        None => Ok(None),
    }
}

/// Returns the number that a file sets; `None` if it sets none.
fn in_file(
    path: &[u8],
    name: &[u8],
    files: &mut ServerFiles<'_>,
) -> Result<Option<GroupMaximum>, String> {
    let text = files.text(path)?;
    let at = |line| format!("{}:{line}", String::from_utf8_lossy(path));
    match called(&text, name) {
        Some(Ok((line, processes))) => Ok(Some(GroupMaximum::of_workers(processes, at(line)))),
        Some(Err(line)) => Err(format!("{}: {COMPUTED}", at(line))),
        None => Ok(None),
    }
}

/// Returns the line and the number of the last plain call `NAME NUMBER` in a text of Ruby, outside
/// all blocks; errors: the line that may set another number.
fn called(text: &[u8], name: &[u8]) -> Option<Result<(usize, u64), usize>> {
    let (mut found, mut depth) = (None, 0i64);
    for (line, content) in super::lines(text) {
        if content == b"__END__" {
            break;
        }
        let code = without_comment(content);
        // Texts over several lines are not understood.
        let is_text = content.starts_with(b"=begin") || begins_text(code);
        if is_text || HIDDEN.iter().any(|word| has_word(code, word)) {
            return Some(Err(line));
        }
        if has_word(code, name) {
            match plain_call(code, name) {
                Some(number) if depth == 0 => found = Some((line, number)),
                _ => return Some(Err(line)),
            }
        }
        depth += blocks(code);
    }
    found.map(Ok)
}

/// Returns the number of `NAME NUMBER` or `NAME(NUMBER)` at the beginning of a line.
fn plain_call(code: &[u8], name: &[u8]) -> Option<u64> {
    let rest = code.strip_prefix(name)?;
    let value = match rest.strip_prefix(b"(") {
        Some(inner) => inner.trim_ascii().strip_suffix(b")")?,
        None => rest.strip_prefix(b" ").or(rest.strip_prefix(b"\t"))?,
    };
    let value = value.trim_ascii();
    // A number that begins with a zero is octal.
    number(value).filter(|_| value == b"0" || !value.starts_with(b"0"))
}

/// Returns a line up to its comment. A `#` in quotes may be part of a text: it ends nothing.
fn without_comment(line: &[u8]) -> &[u8] {
    if line.trim_ascii_start().starts_with(b"#") {
        return b"";
    }
    let Some(at) = memchr::memchr(b'#', line) else { return line };
    let is_quoted = line[..at].iter().any(|byte| matches!(byte, b'"' | b'\'' | b'`' | b'/' | b'%'));
    if is_quoted { line } else { &line[..at] }
}

/// Reports whether a text over the next lines begins here: `<<~END`.
fn begins_text(code: &[u8]) -> bool {
    memchr::memmem::find_iter(code, b"<<").any(|at| match code.get(at + 2) {
        Some(byte) => byte.is_ascii_alphabetic() || b"~-_'\"`".contains(byte),
        None => false,
    })
}

/// Returns how many more blocks are open after a line than before it. A mistake leaves a depth that
/// is not 0, and so an unknown number.
fn blocks(code: &[u8]) -> i64 {
    let code = code.trim_ascii();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let first = &code[..code.iter().position(|byte| !is_word(byte)).unwrap_or(code.len())];
    let last = &code[code.iter().rposition(|byte| !is_word(byte)).map_or(0, |at| at + 1)..];
    let opens = BLOCKS.contains(&first) || has_word(code, b"do");
    let closes = first == b"end" || (last == b"end" && first != last);
    let braces = code.iter().map(|byte| match byte {
        b'{' | b'(' | b'[' => 1,
        b'}' | b')' | b']' => -1,
        _ => 0,
    });
    i64::from(opens) - i64::from(closes) + braces.sum::<i64>()
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::*;

    #[test]
    fn unicorn_is_told_by_its_file() {
        let files: [(&str, &[u8]); 2] = [
            ("srv/config/u.rb", b"listen 80\nworker_processes 4\n"),
            ("none.rb", b"# worker_processes 4\ntimeout 30\n"),
        ];
        for (arguments, processes, at) in [
            (&[&b"unicorn master -c config/u.rb -D"[..], b""][..], 4, "/srv/config/u.rb:2"),
            (&[b"ruby", b"/bin/unicorn_rails", b"-Dc", b"config/u.rb"], 4, "/srv/config/u.rb:2"),
            (&[b"unicorn", b"--config-file=/none.rb"], 1, "the default"),
        ] {
            let found = only(KnownProgram::Unicorn, &files, arguments, &[]);
            assert_eq!(found, Ok((processes, at.to_owned())));
        }
        for arguments in [&[&b"unicorn"[..]][..], &[b"unicorn", b"-c", b"/x"], &[b"unicorn worker"]]
        {
            assert!(only(KnownProgram::Unicorn, &files, arguments, &[]).is_err());
        }
    }

    #[test]
    fn puma_is_told_in_its_rank() {
        let web: &[u8] = b"WEB_CONCURRENCY=7";
        let (puma, home): (&[u8], &[u8]) = (b"/usr/bin/puma", b"PWD=/srv");
        let files: [(&str, &[u8]); 2] =
            [("srv/config/puma.rb", b"threads 1, 5\nworkers(4) # few\n"), ("p.rb", b"workers 3")];
        for (files, words, environment, processes, at) in [
            (&files[..], &[puma, b"-w", b"2"][..], &[web][..], 2, "the command line"),
            (&files, &[puma], &[web, home], 4, "/srv/config/puma.rb:2"),
            (&files, &[puma, b"-C", b"/p.rb"], &[web], 3, "/p.rb:1"),
            (&files, &[puma, b"-C-"], &[web], 7, "WEB_CONCURRENCY"),
            (&[], &[puma], &[web, home], 7, "WEB_CONCURRENCY"),
        ] {
            let found = only(KnownProgram::Puma, files, words, environment);
            assert_eq!(found, Ok((processes, at.to_owned())));
        }
        let title: &[&[u8]] = &[b"puma 6.4.0 (tcp://0.0.0.0:80) [app]"];
        assert!(only(KnownProgram::Puma, &files, title, &[web]).is_err());
        assert!(only(KnownProgram::Puma, &[], &[puma], &[web]).is_err());
        let several: &[&[u8]] = &[puma, b"-C/p.rb", b"-C/p.rb"];
        assert!(only(KnownProgram::Puma, &files, several, &[web]).is_err());
        let of_environment: [(&str, &[u8]); 1] = [("srv/config/puma/production.rb", b"workers 9")];
        assert!(only(KnownProgram::Puma, &of_environment, &[puma], &[web, home]).is_err());
    }

    #[test]
    fn plain_calls_only() {
        for (text, expected) in [
            (&b"workers 4"[..], Some(Ok((1, 4)))),
            (b"workers 4\r\nworkers\t( 5 )", Some(Err(2))),
            (b"on_boot do\n  x\nend\nworkers 5\nworkers 6", Some(Ok((5, 6)))),
            (b"x { |y| z }\nworkers 5", Some(Ok((1 + 1, 5)))),
            (b"if x\nworkers 5\nend", Some(Err(2))),
            (b"foo(\nworkers 5\n)", Some(Err(2))),
            (b"workers ENV.fetch('N') { 2 }", Some(Err(1))),
            (b"workers 5 if x", Some(Err(1))),
            (b"x; workers 5", Some(Err(1))),
            (b"workers 010", Some(Err(1))),
            (b"eval 'x'\nworkers 5", Some(Err(1))),
            (b"x = <<~END\nworkers 4\nEND\n", Some(Err(1))),
            (b"=begin\nworkers 4\n=end\n", Some(Err(1))),
            (b"# workers 4\nworkers_x 5\nx << y # \xff", None),
            (b"__END__\nworkers 4", None),
        ] {
            assert_eq!(called(text, b"workers"), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 2] =
            [b"on_boot do |x|\n y { '#' } # z\nend\nworkers 4\n", b"if x\nworkers(4)\nend\n<<~A"];
        crate::fuzz::survives(&samples, |text| _ = called(text, b"workers"));
    }
}
