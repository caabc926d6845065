//! The part of Apache's command line that concerns its configuration (httpd(8)).

use std::io;

use super::doubt::Error;

/// The options that matter for the configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// `-d`: ServerRoot.
    server_root: Option<Vec<u8>>,
    /// `-f`: the file.
    file: Option<Vec<u8>>,
    /// `-D`: names for `<IfDefine>`.
    pub defines: Vec<Vec<u8>>,
    /// `-C`: directives before the file, one in each line.
    pub before: Vec<u8>,
    /// `-c`: directives after it.
    pub after: Vec<u8>,
}

/// Options that take a value.
const WITH_VALUE: &[u8] = b"CcDdEefkR";

/// Pairs of ServerRoot and the file below it that distributions build in.
const BUILT_IN: [(&str, &str); 4] = [
    ("/etc/apache2", "apache2.conf"),
    ("/etc/httpd", "conf/httpd.conf"),
    ("/etc/apache2", "httpd.conf"),
    ("/etc/httpd", "httpd.conf"),
];

impl Arguments {
    /// Parses arguments without the program's name. Errors: where paths are not absolute, because
    /// the directory that they were relative to is unknown.
    pub fn parse(arguments: &[&[u8]]) -> Result<Arguments, Error> {
        let mut parsed = Arguments::default();
        let mut arguments = arguments.iter().skip(1);
        while let Some(argument) = arguments.next() {
            let Some(letters) = argument.strip_prefix(b"-") else { continue };
            let Some(at) = letters.iter().position(|letter| WITH_VALUE.contains(letter)) else {
                continue;
            };
            let rest = &letters[at + 1..];
            let value =
                if rest.is_empty() { arguments.next().copied().unwrap_or_default() } else { rest };
            parsed.take(letters[at], value);
        }
        match &parsed.server_root {
            Some(root) if !root.starts_with(b"/") => Err(Error::RelativeRoot(root.clone())),
            _ => Ok(parsed),
        }
    }

    /// Reports whether the file is named, so that nothing built in matters.
    pub fn names_file(&self) -> bool {
        let is_absolute = |file: &Vec<u8>| file.starts_with(b"/") || self.server_root.is_some();
        self.file.as_ref().is_some_and(is_absolute)
    }

    fn take(&mut self, letter: u8, value: &[u8]) {
        match letter {
            b'd' => self.server_root = Some(value.to_vec()),
            b'f' => self.file = Some(value.to_vec()),
            b'D' => self.defines.push(value.to_vec()),
            b'C' => self.before.extend([value, b"\n"].concat()),
            b'c' => self.after.extend([value, b"\n"].concat()),
            _ => {}
        }
    }

    /// Returns ServerRoot and the path of the file that the configuration begins with. `told` are
    /// ServerRoot and the file as the executable tells them, if it does.
    pub fn main_file(
        &self,
        exe: &[u8],
        told: Option<&(Vec<u8>, Vec<u8>)>,
        exists: impl Fn(&[u8]) -> io::Result<bool>,
    ) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let built_in = told.map_or_else(|| built_in(exe), |told| vec![told.clone()]);
        let join = |root: &[u8], file: &[u8]| match file {
            [b'/', ..] => file.to_vec(),
            _ => [root, b"/", file].concat(),
        };
        let candidates = built_in.iter().map(|(root, file)| {
            let root = self.server_root.as_deref().unwrap_or(root);
            (root.to_vec(), join(root, self.file.as_deref().unwrap_or(file)))
        });
        let mut candidates = candidates.collect::<Vec<_>>();
        for (at, (_, path)) in candidates.iter().enumerate() {
            if exists(path).map_err(|error| Error::File { path: path.clone(), error })? {
                return Ok(candidates.swap_remove(at));
            }
        }
        match (&self.file, told) {
            // Reading it will give the reason why it is missing.
            (Some(_), _) | (_, Some(_)) => Ok(candidates.swap_remove(0)),
            (None, None) => Err(Error::NoFile),
        }
    }
}

/// Returns the likely places for an executable, the likeliest first.
fn built_in(exe: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut parts = exe.rsplitn(3, |&byte| byte == b'/');
    let (name, directory, prefix) = (parts.next(), parts.next(), parts.next());
    let mut places: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    // Apache's own layout has everything below one prefix, such as /usr/local/apache2 in the
    // official container.
    if let (Some(b"bin" | b"sbin"), Some(prefix)) = (directory, prefix)
        && !matches!(prefix, b"" | b"/usr")
    {
        places.push((prefix.to_vec(), b"conf/httpd.conf".to_vec()));
    }
    let usual =
        BUILT_IN.iter().map(|(root, file)| (root.as_bytes().to_vec(), file.as_bytes().to_vec()));
    places.extend(usual);
    if name.is_some_and(|name| name.starts_with(b"httpd")) {
        // Debian's file comes last on a machine with remains of both layouts.
        places.sort_by_key(|(_, file)| file == b"apache2.conf");
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Arguments {
        Arguments::parse(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()).unwrap()
    }

    fn main_file(exe: &str, words: &[&str], existing: &[&str]) -> Option<String> {
        let exists = |path: &[u8]| Ok(existing.iter().any(|found| found.as_bytes() == path));
        parse(words)
            .main_file(exe.as_bytes(), None, exists)
            .ok()
            .map(|(_, path)| String::from_utf8(path).unwrap())
    }

    #[test]
    fn options_with_their_values_joined_or_not() {
        let parsed = parse(&[
            "httpd",
            "-DFOREGROUND",
            "-Xd",
            "/srv",
            "-c",
            "A 1",
            "-cB 2",
            "-k",
            "start",
            "-D",
            "X",
        ]);
        assert_eq!(parsed.server_root.as_deref(), Some(&b"/srv"[..]));
        assert_eq!(parsed.defines, [b"FOREGROUND".to_vec(), b"X".to_vec()]);
        assert_eq!(parsed.after, b"A 1\nB 2\n");
        assert!(Arguments::parse(&[b"httpd", b"-d", b"srv"]).is_err());
    }

    #[test]
    fn the_file_that_it_begins_with() {
        let debian = "/etc/apache2/apache2.conf";
        let container = "/usr/local/apache2/conf/httpd.conf";
        let red_hat = "/etc/httpd/conf/httpd.conf";
        assert_eq!(
            main_file("/usr/sbin/apache2", &["apache2"], &[debian, red_hat]).as_deref(),
            Some(debian)
        );
        assert_eq!(
            main_file("/usr/sbin/httpd", &["httpd"], &[debian, red_hat]).as_deref(),
            Some(red_hat)
        );
        let in_container =
            main_file("/usr/local/apache2/bin/httpd", &["httpd"], &[debian, container]);
        assert_eq!(in_container.as_deref(), Some(container));
        assert_eq!(main_file("/usr/sbin/apache2", &["apache2"], &[]), None);
        let named = main_file("/usr/sbin/apache2", &["apache2", "-d", "/srv", "-f", "a.conf"], &[]);
        assert_eq!(named.as_deref(), Some("/srv/a.conf"));
        let below = main_file(
            "/usr/sbin/apache2",
            &["apache2", "-d", "/etc/apache2-b"],
            &["/etc/apache2-b/apache2.conf"],
        );
        assert_eq!(below.as_deref(), Some("/etc/apache2-b/apache2.conf"));
        let told = (b"/opt/lampp".to_vec(), b"etc/httpd.conf".to_vec());
        for (words, expected) in [
            (&["httpd"][..], "/opt/lampp/etc/httpd.conf"),
            (&["httpd", "-d", "/srv"], "/srv/etc/httpd.conf"),
            (&["httpd", "-f", "x.conf"], "/opt/lampp/x.conf"),
        ] {
            let (_, path) =
                parse(words).main_file(b"/usr/sbin/apache2", Some(&told), |_| Ok(false)).unwrap();
            assert_eq!(path, expected.as_bytes());
        }
    }
}
