//! /proc/PID/limits: what a process may use at most (proc_pid_limits(5)).

use super::number;

/// Kernel's titles, with the names that limits.conf(5) and prlimit(1) have for them.
const NAMES: [(&str, &str); 16] = [
    ("Max cpu time", "cpu"),
    ("Max file size", "fsize"),
    ("Max data size", "data"),
    ("Max stack size", "stack"),
    ("Max core file size", "core"),
    ("Max resident set", "rss"),
    ("Max processes", "nproc"),
    ("Max open files", "nofile"),
    ("Max locked memory", "memlock"),
    ("Max address space", "as"),
    ("Max file locks", "locks"),
    ("Max pending signals", "sigpending"),
    ("Max msgqueue size", "msgqueue"),
    ("Max nice priority", "nice"),
    ("Max realtime priority", "rtprio"),
    ("Max realtime timeout", "rttime"),
];

/// One limit of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name in limits.conf(5), such as `nofile`.
    pub name: &'static str,
    /// The limit that holds; `None` for no limit. In seconds, bytes, microseconds or a count.
    pub soft: Option<u64>,
    /// The limit up to which the process may raise the other one; `None` for no limit.
    pub hard: Option<u64>,
}

/// Parses the text of the file. Limits that a later kernel adds are left out.
pub fn limits(text: &[u8]) -> Vec<Limit> {
    text.split(|&byte| byte == b'\n').filter_map(limit).collect()
}

/// Parses a line such as `Max open files            1024                 524288               files`.
fn limit(line: &[u8]) -> Option<Limit> {
    let (title, name) =
        NAMES.iter().find(|(title, _)| line.starts_with(format!("{title} ").as_bytes()))?;
    let mut words = line[title.len()..]
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| (word != b"unlimited").then(|| number::parse(word)));
    let mut next = || Some(words.next()?.map_or(Some(None), |number| number.map(Some)))?;
    Some(Limit { name, soft: next()?, hard: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
Max nice priority         0                    0
Max novelties             1                    2                    pieces
";

    #[test]
    fn limits_have_the_names_of_their_configuration() {
        assert_eq!(
            limits(TEXT),
            [
                Limit { name: "cpu", soft: None, hard: None },
                Limit { name: "nofile", soft: Some(1024), hard: Some(524_288) },
                Limit { name: "nice", soft: Some(0), hard: Some(0) },
            ]
        );
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[TEXT], |text| _ = limits(text));
    }
}
