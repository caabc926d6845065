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
/// (worker process). Numbers, as in `uWSGI worker 3`, distinguish members of one pool, and so does
/// the text after a client's address (`[local] idle`, `10.0.0.1(40926) SELECT`).
pub fn pool(arguments: &[u8]) -> Option<Vec<u8>> {
    let text = title(arguments)?.trim_ascii();
    let name = match text.windows(2).position(|pair| pair == b": ") {
        Some(colon) => &text[colon + 2..],
        None => text,
    };
    let name = name.strip_prefix(b"pool ").unwrap_or(name);
    let words = name.split(u8::is_ascii_whitespace).take_while(|word| !is_client(word));
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty() && !is_number(word)).collect();
    (!words.is_empty()).then(|| words.join(&b' '))
}

/// Recognises `3`, `0:` and similar words.
fn is_number(word: &[u8]) -> bool {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && matches!(word[digits..], [] | [b':' | b','])
}

/// Recognises `[local]` and `host(port)`.
fn is_client(word: &[u8]) -> bool {
    let port = word.strip_suffix(b")").and_then(|word| word.rsplit(|&byte| byte == b'(').next());
    word == b"[local]" || word.contains(&b'(') && port.is_some_and(is_number)
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
            (b"/usr/bin/python3\0/usr/bin/gunicorn\0", None),
            (b"", None),
        ] {
            let found = pool(arguments).map(|name| String::from_utf8_lossy(&name).into_owned());
            assert_eq!(found.as_deref(), name, "{}", String::from_utf8_lossy(arguments));
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 3] = [
            b"(wsgi:shop)    -k\0start\0",
            b"php-fpm: pool www\0\0\0",
            b"nginx: worker process\0postgres: 13/main: a b 1.2.3.4(5) idle\0",
        ];
        crate::fuzz::survives(&samples, |text| _ = (wsgi(text), pool(text)));
    }
}
