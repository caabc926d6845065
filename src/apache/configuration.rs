//! The configuration of an Apache, as far as it concerns processes: the MPM, the largest number of
//! workers, and the WSGI daemon process groups in the order that numbers them.
//!
//! Nothing is run for this and nothing is guessed: what is uncertain becomes a doubt, in words.

mod arguments;
mod condition;
mod directives;
mod doubt;
mod executable;
mod limit;
mod macros;
mod reader;
mod source;
mod version;

pub use doubt::{Doubt, Error};
pub use limit::WorkerLimit;
pub use reader::read;
pub use source::{Owner, ReadBudget, Source};

/// The result of reading a configuration.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The file that the configuration begins with.
    pub path: Vec<u8>,
    /// The module that makes the workers.
    pub mpm: Option<Mpm>,
    /// The largest number of workers; `None` where it is in doubt.
    pub limit: Option<WorkerLimit>,
    /// The names of the WSGI daemon process groups, in order; `None` where one of them is in doubt.
    pub groups: Option<Vec<Vec<u8>>>,
    /// The latest change of its files, in seconds since the epoch.
    pub changed: Option<i64>,
    /// The facts that are uncertain, and why.
    pub doubts: Vec<Doubt>,
}

/// A multi-processing module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// A worker is a process.
    Prefork,
    /// Workers are threads of processes.
    Worker,
    /// Workers are threads of processes, without a thread for each idle connection.
    Event,
}

/// The server process whose configuration is read.
pub struct ServerProcess<'s> {
    /// The path of the executable.
    pub exe: &'s [u8],
    /// Whether its file was removed or replaced since the start.
    pub exe_is_deleted: bool,
    /// Its arguments.
    pub arguments: Vec<&'s [u8]>,
    /// Its environment, NAME=value, as far as we may read it.
    pub environment: Vec<&'s [u8]>,
}

impl Mpm {
    const ALL: [Mpm; 3] = [Mpm::Prefork, Mpm::Worker, Mpm::Event];

    /// Returns its name, as in `mpm_prefork_module`.
    pub fn name(self) -> &'static str {
        match self {
            Mpm::Prefork => "prefork",
            Mpm::Worker => "worker",
            Mpm::Event => "event",
        }
    }

    /// Returns the MPM of a module, or of the end of an executable's name.
    pub(super) fn find(wanted: impl Fn(&str) -> bool) -> Option<Mpm> {
        Mpm::ALL.into_iter().find(|mpm| wanted(mpm.name()))
    }
}

/// Returns a path or a part of one as text. It is not escaped: only `output` writes to a terminal.
fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::process::Root;

    const EXECUTABLE: &str = " -D HTTPD_ROOT=\"/etc/apache2\"\0 \
        -D SERVER_CONFIG_FILE=\"apache2.conf\"\0Apache/2.4.71 (Debian)\0so_module\0core_module\0";

    /// Returns the configuration in these files below /etc/apache2.
    fn configured(files: &[(&str, &str)], arguments: &[&str]) -> Configuration {
        configured_for(EXECUTABLE, files, arguments)
    }

    fn configured_for(
        executable: &str,
        files: &[(&str, &str)],
        arguments: &[&str],
    ) -> Configuration {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("usr/sbin")).unwrap();
        fs::write(directory.path().join("usr/sbin/apache2"), executable).unwrap();
        for (name, text) in files {
            let path = directory.path().join("etc/apache2").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let budget = ReadBudget::default();
        let root =
            Source::new(Root::at(directory.path()).unwrap(), Owner::default(), &budget).unwrap();
        let arguments = arguments.iter().map(|word| word.as_bytes()).collect();
        let environment = vec![&b"MANY=77"[..], b"APACHE_CONFDIR=/etc/apache2"];
        read(
            &root,
            &ServerProcess {
                exe: b"/usr/sbin/apache2",
                exe_is_deleted: false,
                arguments,
                environment,
            },
        )
        .unwrap()
    }

    fn limit(text: &str) -> Option<(u64, u64, u64)> {
        let found = configured(&[("apache2.conf", text)], &["apache2", "-D", "GIVEN"]);
        found.limit.map(|limit| (limit.requests, limit.processes, limit.threads))
    }

    const PREFORK: &str = "LoadModule mpm_prefork_module m/mod_mpm_prefork.so\n";
    const EVENT: &str = "LoadModule mpm_event_module m/mod_mpm_event.so\n";

    /// Whoever calls a process apache2 chooses its configuration.
    #[test]
    fn more_than_any_server_has_is_given_up() {
        let definitions: String =
            (0..10_000).map(|number| format!("Define N{number} ${{A}}\n")).collect();
        let groups: String =
            (0..2000).map(|number| format!("WSGIDaemonProcess {number}\n")).collect();
        let long = "x\n".repeat(300_000);
        for text in [
            format!("Define A {}\n{definitions}", "a".repeat(4000)),
            groups,
            format!("<Macro M>\n{long}</Macro>\n{}", "Use M\n".repeat(20_000)),
            format!("<Macro M $x>\n{long}</Macro>\n{}", "Use M\n".repeat(200_000)),
            format!("<Macro M $x>\n{}</Macro>\nUse M {}", "$x\n".repeat(9000), "y".repeat(4000)),
            "<IfFile /nowhere>\n</IfFile>\n".repeat(20_000),
        ] {
            let text = format!("{PREFORK}MaxRequestWorkers 7\n{text}");
            let found = configured(&[("apache2.conf", &text)], &["apache2"]);
            let doubts: Vec<String> = found.doubts.iter().map(Doubt::to_string).collect();
            let is_told = |doubt: &String| {
                ["more of it", "a macro that is not known"].iter().any(|word| doubt.contains(word))
            };
            assert!(doubts.iter().any(is_told), "{doubts:?} {}", &text[..200]);
            assert_eq!(found.groups, None);
        }
    }

    #[test]
    fn the_arithmetic_of_workers() {
        for (mpm, text, expected) in [
            (PREFORK, "", (256, 256, 1)),
            (PREFORK, "MaxRequestWorkers 5", (5, 5, 1)),
            (PREFORK, "maxclients 7", (7, 7, 1)),
            (PREFORK, "MaxRequestWorkers 500", (256, 256, 1)),
            (PREFORK, "ServerLimit 1000\nMaxRequestWorkers 500", (500, 500, 1)),
            (PREFORK, "ServerLimit 3", (3, 3, 1)),
            (PREFORK, "MaxRequestWorkers 0", (1, 1, 1)),
            (PREFORK, "MaxRequestWorkers ${MANY}", (77, 77, 1)),
            (PREFORK, "Define N 12\nMaxRequestWorkers \"${N}3\"", (123, 123, 1)),
            (EVENT, "", (400, 16, 25)),
            (EVENT, "ThreadsPerChild 5\nServerLimit 4\nMaxRequestWorkers 20", (20, 4, 5)),
            (EVENT, "ThreadsPerChild 5\nMaxRequestWorkers 23", (20, 4, 5)),
            (EVENT, "ThreadsPerChild 5\nMaxRequestWorkers 200", (80, 16, 5)),
            (EVENT, "ThreadsPerChild 100\nMaxRequestWorkers 128", (128, 2, 64)),
            (EVENT, "ThreadsPerChild 10\nServerLimit 32", (320, 32, 10)),
            (EVENT, "ThreadsPerChild 64", (384, 6, 64)),
            (PREFORK, "MaxRequestWorkers -5", (1, 1, 1)),
            (EVENT, "MaxRequestWorkers 3", (25, 1, 25)),
            (PREFORK, "MaxRequestWorkers 7abc", (7, 7, 1)),
            (PREFORK, "MaxRequestWorkers 0x7", (1, 1, 1)),
            (PREFORK, "MaxRequestWorkers +8", (8, 8, 1)),
            (PREFORK, "<Macro Few $n>\nMaxRequestWorkers $n\n</Macro>\nUse FEW 9", (9, 9, 1)),
            (PREFORK, "<Macro Few>\nMaxRequestWorkers 6\n</Macro> # end", (256, 256, 1)),
        ] {
            assert_eq!(limit(&format!("{mpm}{text}\n")), Some(expected), "{text}");
        }
    }

    #[test]
    fn sections_that_are_in_force() {
        for (text, expected) in [
            ("<IfModule mpm_prefork_module>\nMaxRequestWorkers 6\n</IfModule>", 6),
            ("<IfModule prefork.c>\nMaxRequestWorkers 6\n</IfModule>", 6),
            ("<IfModule !mpm_prefork_module>\nMaxRequestWorkers 6\n</IfModule>", 256),
            (
                "<IfModule mod_ssl.c>\n<IfModule core.c>\nMaxRequestWorkers \
                6\n</IfModule>\n</IfModule>",
                256,
            ),
            ("<IfModule prefork.c> # x\nMaxRequestWorkers 6\n</IfModule> # y", 6),
            ("<IfModule a.c>\n</IfModule> # end\nMaxRequestWorkers 6", 6),
            ("<IfModule ! a.c>\nMaxRequestWorkers 6\n</IfModule>", 6),
            ("<IfDefine GIVEN>\nMaxRequestWorkers 6\n</IfDefine>", 6),
            ("<IfDefine !GIVEN>\nMaxRequestWorkers 6\n</IfDefine>", 256),
            ("UnDefine GIVEN\n<IfDefine GIVEN>\nMaxRequestWorkers 6\n</IfDefine>", 256),
            ("<IfFile apache2.conf>\nMaxRequestWorkers 6\n</IfFile>", 6),
            (
                "LoadModule ldap_module m\n<IfModule util_ldap.c>\nMaxRequestWorkers 6\n</IfModule>",
                6,
            ),
            ("<IfModule a.c>\n</IfModule>\nMaxRequestWorkers 6", 6),
            ("<IfModule mod_mpm_prefork.c>\nMaxRequestWorkers 6\n</IfModule>", 256),
            (
                "LoadModule wsgi_module m/mod_wsgi-py311.so\n<IfModule \
                mod_wsgi.c>\nMaxRequestWorkers 6\n</IfModule>",
                6,
            ),
        ] {
            assert_eq!(
                limit(&format!("{PREFORK}{text}\n")).map(|limit| limit.0),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_in_doubt_is_not_told() {
        for text in [
            "<IfDirective Listen>\nMaxRequestWorkers 6\n</IfDirective>",
            "<IfVersion ~ (?=2)>\nInclude few.conf\n</IfVersion>",
            "Use Unknown",
            "MaxRequestWorkers ${UNKNOWN}",
            "Define N \"\"\nMaxRequestWorkers ${N}7",
            "MaxRequestWorkers 99999999999",
            "${MANY} 5",
            "Include /etc/nowhere.conf",
        ] {
            let files = [
                ("apache2.conf", &format!("{PREFORK}{text}\n")[..]),
                ("few.conf", "MaxRequestWorkers 6\n"),
            ];
            let found = configured(&files, &["apache2"]);
            assert!(found.limit.is_none() && !found.doubts.is_empty(), "{text}: {found:?}");
        }
        let without_mpm = configured(&[("apache2.conf", "MaxRequestWorkers 5\n")], &["apache2"]);
        assert_eq!((without_mpm.limit, without_mpm.doubts.len()), (None, 1));
    }

    #[test]
    fn an_executable_that_tells_nothing_leaves_doubts() {
        let version = "<IfVersion >= 2.4>\nMaxRequestWorkers 6\n</IfVersion>\n";
        let files = [("apache2.conf", &format!("{PREFORK}{version}")[..])];
        let told = configured(&files, &["apache2"]);
        assert_eq!((told.limit.map(|limit| limit.requests), told.doubts), (Some(6), vec![]));
        let untold = configured_for("", &files, &["apache2"]);
        assert_eq!((untold.limit, untold.doubts.len()), (None, 2));
        assert_eq!(untold.doubts[0], Doubt::UsualFile);
    }

    #[test]
    fn an_mpm_is_loaded_where_it_is_not_built_in() {
        let files = [(
            "apache2.conf",
            &format!(
                "<IfModule !event.c>\n<IfModule !prefork.c>\n{PREFORK}</IfModule>\n</IfModule>\n\
                 <IfModule prefork.c>\nMaxRequestWorkers 6\n</IfModule>\n"
            )[..],
        )];
        let loaded = configured(&files, &["apache2"]);
        assert_eq!(
            (loaded.mpm, loaded.limit.map(|limit| limit.requests)),
            (Some(Mpm::Prefork), Some(6))
        );
        let built_in =
            configured_for(&format!("{EXECUTABLE}mpm_event_module\0"), &files, &["apache2"]);
        assert_eq!(
            (built_in.mpm, built_in.limit.map(|limit| limit.requests)),
            (Some(Mpm::Event), Some(400))
        );
    }

    #[test]
    fn files_in_their_order() {
        let files = [
            (
                "apache2.conf",
                "Include mods/*.load\nInclude */none.conf\nInclude sites\nInclude \
                mods/[^a]pm.conf\n",
            ),
            ("mods/mpm.load", PREFORK),
            ("mods/.mpm.load", "Nonsense"),
            (
                "mods/mpm.conf",
                "\n\n<IfModule mpm_prefork_module>\nMaxRequestWorkers 9\n</IfModule>\n",
            ),
            ("sites/b", "<VirtualHost *>\nWSGIDaemonProcess two processes=2\n</VirtualHost>\n"),
            ("sites/a", "WSGIDaemonProcess one\nMaxRequestWorkers 8\n"),
            (
                "sites/c",
                "<IfModule mod_ssl.c>\nWSGIDaemonProcess never\n</IfModule>\nWSGIDaemonProcess \
                \\\n  three\n",
            ),
        ];
        let found = configured(&files, &["apache2"]);
        assert_eq!(found.doubts, []);
        assert_eq!(found.groups, Some(vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]));
        let limit = found.limit.unwrap();
        assert_eq!(
            (limit.requests, limit.at.as_deref()),
            (9, Some("/etc/apache2/mods/mpm.conf:4"))
        );
        assert!(found.changed.is_some());
    }

    #[test]
    fn files_that_include_each_other() {
        let text = format!("{PREFORK}Include apache2.conf\n");
        let found = configured(&[("apache2.conf", &text)], &["apache2"]);
        assert!(
            found.doubts.iter().any(|doubt| matches!(doubt, Doubt::TooDeep(_))),
            "{:?}",
            found.doubts
        );
        let twice =
            configured(&[("apache2.conf", &format!("{text}Include *.conf\n"))], &["apache2"]);
        assert!(twice.groups.is_none() && (1..=11).contains(&twice.doubts.len()));
    }

    #[test]
    fn values_that_contain_themselves() {
        let doubling = "Define A ${A}${A}\n".repeat(100);
        let found = configured(
            &[("apache2.conf", &format!("{PREFORK}Define A x\n{doubling}"))],
            &["apache2"],
        );
        assert_eq!(found.limit.map(|limit| limit.requests), Some(256));
    }

    #[test]
    fn directives_on_the_command_line() {
        let text = format!("{PREFORK}MaxRequestWorkers 5\n");
        let found = configured(
            &[("apache2.conf", &text)],
            &["apache2", "-c", "MaxRequestWorkers 4", "-C", "ServerLimit 3"],
        );
        assert_eq!(
            found.limit.map(|limit| (limit.requests, limit.at)),
            Some((3, Some("-c:1".to_owned())))
        );
    }

    #[test]
    fn what_is_no_file_does_not_stop_it() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe.conf");
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let budget = ReadBudget::default();
        let root =
            Source::new(Root::at(std::path::Path::new("/")).unwrap(), Owner::default(), &budget)
                .unwrap();
        let arguments = vec![&b"apache2"[..], b"-f", pipe.as_os_str().as_bytes()];
        let refused = read(
            &root,
            &ServerProcess {
                exe: b"/usr/sbin/apache2",
                exe_is_deleted: false,
                arguments,
                environment: vec![],
            },
        )
        .unwrap_err();
        assert!(refused.to_string().contains("neither a file nor a directory"), "{refused}");
    }
}
