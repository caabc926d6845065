//! Titles of processes: those of mod_wsgi's daemons, and of the pools of other programs.

use crate::process::{items, title};

/// The name of a WSGI daemon process group in the title of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WsgiName<'a> {
    /// The name as far as there was room.
    pub text: &'a [u8],
    /// Whether its end is missing: mod_wsgi writes over the first argument, and not beyond.
    pub is_cut: bool,
}

/// The beginning of the title for `display-name=%{GROUP}`.
const WSGI: &[u8] = b"(wsgi:";

/// Returns the name from a title such as `(wsgi:shop)` or, where there was less room, `(wsgi:sh` or
/// `(wsgi`.
pub fn wsgi(arguments: &[u8]) -> Option<WsgiName<'_>> {
    let title = items(arguments).next()?.trim_ascii_end();
    let Some(name) = title.strip_prefix(WSGI) else {
        // A shorter text, such as a parenthesis alone, means nothing.
        let is_begin = title.len() >= 3 && WSGI.starts_with(title);
        return is_begin.then_some(WsgiName { text: b"", is_cut: true });
    };
    Some(match name.strip_suffix(b")") {
        Some(whole) => WsgiName { text: whole, is_cut: false },
        None => WsgiName { text: name, is_cut: true },
    })
}

/// Returns the pool from a title such as `php-fpm: pool www` (www) or `nginx: worker process`
/// (worker process). Numbers, as in `uWSGI worker 3`, `worker[0]` or `ForkPoolWorker-1`, distinguish
/// members of one pool, and so does the text after a client's address (`[local] idle`,
/// `10.0.0.1(40926) SELECT`).
pub fn pool(arguments: &[u8]) -> Option<Vec<u8>> {
    let text = unbracketed(title(arguments)?.trim_ascii());
    let name = match text.windows(2).position(|pair| pair == b": ") {
        Some(colon) => &text[colon + 2..],
        None => text,
    };
    let is_named = name.starts_with(b"pool ");
    let name = name.strip_prefix(b"pool ").unwrap_or(name);
    let words = name.split(u8::is_ascii_whitespace).take_while(|word| !is_client(word));
    // What php-fpm calls a pool is its name, and no number in it is that of a member.
    let words = words.map(|word| if is_named { word } else { without_number(word) });
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty() && !is_number(word)).collect();
    (!words.is_empty()).then(|| words.join(&b' '))
}

/// Helpers of servers, by the beginning of their group's name: they answer no requests, and there is
/// one of each. Those of nginx (ngx_process_cycle.c) and of postgres (miscinit.c).
const HELPERS: [&[u8]; 21] = [
    // After USR2, the new master is a child of the old one until that ends.
    b"master process",
    b"cache manager process",
    b"cache loader process",
    b"privileged agent process",
    b"checkpointer",
    b"background writer",
    b"walwriter",
    b"walreceiver",
    b"walsender",
    b"wal sender process",
    b"autovacuum launcher",
    b"autovacuum worker",
    b"stats collector",
    b"logger",
    b"archiver",
    b"startup",
    b"logical replication",
    b"slotsync worker",
    // Since PostgreSQL 17 and 18.
    b"walsummarizer",
    b"io worker",
    b"parallel worker for PID",
];

/// Reports whether a group of this name is one of helpers. postgres may write the name of the
/// cluster first (`15/main: checkpointer`).
pub fn is_helper(name: &[u8]) -> bool {
    let own = match name.windows(2).position(|pair| pair == b": ") {
        Some(colon) => &name[colon + 2..],
        None => name,
    };
    HELPERS.iter().any(|helper| own.starts_with(helper))
}

/// Returns the program that a title names first: `nginx` of `nginx: worker process`, `celeryd` of
/// `[celeryd: celery@host:MainProcess]`.
pub fn program(title: &[u8]) -> &[u8] {
    let text = unbracketed(title);
    let is_end = |byte: &u8| matches!(byte, b':' | b' ');
    &text[..text.iter().position(is_end).unwrap_or(text.len())]
}

/// Returns what stands in the brackets that a title begins with, as those of celery do; else all of
/// it.
fn unbracketed(title: &[u8]) -> &[u8] {
    let Some(inner) = title.strip_prefix(b"[") else { return title };
    let end = inner.iter().position(|&byte| byte == b']').unwrap_or(inner.len());
    &inner[..end]
}

/// Pairs of brackets that a number may stand in.
const BRACKETS: [(u8, u8); 4] = [(b'[', b']'), (b'(', b')'), (b'<', b'>'), (b'{', b'}')];

/// Words that a member is called by in front of a hyphen and its number. Other names, as `site-1`,
/// are names of their own.
const MEMBERS: [&[u8]; 4] = [b"worker", b"process", b"thread", b"child"];

/// Returns a word without the number at its end: in brackets, or behind a colon or a `#`, or behind
/// `worker-` and the like.
fn without_number(word: &[u8]) -> &[u8] {
    let in_brackets = BRACKETS.iter().find_map(|&(begin, end)| {
        let inner = word.strip_suffix(&[end])?;
        let at = inner.iter().rposition(|&byte| byte == begin)?;
        is_digits(&inner[at + 1..]).then_some(&word[..at])
    });
    if let Some(rest) = in_brackets {
        return rest;
    }
    let digits = word.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, number) = word.split_at(word.len() - digits);
    match rest.split_last() {
        Some((b':' | b'#', rest)) if !number.is_empty() => rest,
        Some((b'-', rest)) if !number.is_empty() && is_member(rest) => rest,
        _ => word,
    }
}

fn is_member(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    MEMBERS.iter().any(|member| word.ends_with(member))
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Recognises `3`, `0:` and similar words.
fn is_number(word: &[u8]) -> bool {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(word[digits..], [] | [b':' | b','])
}

/// Recognises `[local]` and `host(port)`. Clients have ports from 1024, and members of a pool have
/// smaller numbers.
fn is_client(word: &[u8]) -> bool {
    let port = || {
        let inner = word.strip_suffix(b")")?;
        let at = inner.iter().rposition(|&byte| byte == b'(')?;
        std::str::from_utf8(&inner[at + 1..]).ok()?.parse::<u16>().ok()
    };
    word == b"[local]" || port().is_some_and(|port| port >= 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wsgi_groups() {
        for (arguments, name) in [
            (&b"(wsgi:alpha)     \0-k\0start\0"[..], Some((&b"alpha"[..], false))),
            (b"(wsgi:a-really-lo\0-k\0start\0", Some((b"a-really-lo", true))),
            (b"(wsgi:\0", Some((b"", true))),
            (b"(wsgi\0-k\0", Some((b"", true))),
            (b"(wsgi:a)b)", Some((b"a)b", false))),
            (b"/usr/sbin/apache2\0-k\0start\0", None),
            (b"my-site          \0", None),
            (b"(", None),
            (b"", None),
        ] {
            let found = wsgi(arguments).map(|name| (name.text, name.is_cut));
            assert_eq!(found, name, "{}", String::from_utf8_lossy(arguments));
        }
    }

    #[test]
    fn pools() {
        for (arguments, name) in [
            (&b"php-fpm: pool www\0\0\0\0"[..], Some("www")),
            (b"php-fpm: pool www2\0", Some("www2")),
            (b"nginx: worker process\0", Some("worker process")),
            (b"nginx: cache manager process", Some("cache manager process")),
            (b"gunicorn: worker [app]\0", Some("worker [app]")),
            (b"uWSGI worker 12\0", Some("uWSGI worker")),
            (b"uWSGI 3", Some("uWSGI")),
            (b"12 34", None),
            (b"puma: cluster worker 0: 473 [app]", Some("cluster worker [app]")),
            (b"postgres: 15/main: web shop 127.0.0.1(40926) SELECT", Some("15/main: web shop")),
            (b"postgres: 15/main: web shop [local] idle", Some("15/main: web shop")),
            (b"postgres: 15/main: web shop ::1(40926) idle", Some("15/main: web shop")),
            (b"postgres: 15/main: web shop client(40926) idle", Some("15/main: web shop")),
            (b"app: worker[0]", Some("worker")),
            (b"app: worker(12) idle", Some("worker idle")),
            (b"app: queue <3> {4}", Some("queue")),
            (b"app: worker:7 x#8", Some("worker x")),
            (b"app: site-1 busy", Some("site-1 busy")),
            (b"php-fpm: pool site:1", Some("site:1")),
            (b"[celeryd: celery@h:ForkPoolWorker-12]", Some("celery@h:ForkPoolWorker")),
            (b"[celeryd: celery@h:MainProcess] -active- (worker)", Some("celery@h:MainProcess")),
            (b"/usr/bin/python3\0/usr/bin/gunicorn\0", None),
            (b"", None),
        ] {
            let found = pool(arguments).map(|name| String::from_utf8_lossy(&name).into_owned());
            assert_eq!(found.as_deref(), name, "{}", String::from_utf8_lossy(arguments));
        }
    }

    #[test]
    fn helpers() {
        for name in [
            &b"cache manager process"[..],
            b"master process /usr/sbin/nginx",
            b"15/main: checkpointer",
            b"walwriter",
        ] {
            assert!(is_helper(name), "{}", String::from_utf8_lossy(name));
        }
        for name in [&b"worker process"[..], b"15/main: web shop", b"www", b""] {
            assert!(!is_helper(name), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 3] = [
            b"(wsgi:shop)    -k\0start\0",
            b"php-fpm: pool www\0\0\0",
            b"[nginx: worker[3] process]\0postgres: 13/main: a b 1.2.3.4(5) idle\0",
        ];
        crate::fuzz::survives(&samples, |text| {
            _ = (wsgi(text), pool(text), program(text).len(), is_helper(text))
        });
    }
}
