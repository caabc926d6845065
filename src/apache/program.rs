//! The program that is searched for, and the processes that run it.

use crate::path::base_name;
use crate::process::{self, File, Files, Process, ReadResult, if_available, items};

use super::configuration::Mpm;
use super::title;

/// A program that serves with a pool of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerProgram {
    /// Apache, under the names that distributions give it.
    Apache,
    /// Any program of this name.
    Named(Vec<u8>),
}

const APACHE: [&[u8]; 2] = [b"apache2", b"httpd"];

/// Programs that run a script. The script stands after options, or after -m.
const INTERPRETERS: [&[u8]; 6] = [b"python", b"pypy", b"ruby", b"perl", b"node", b"php"];

impl ServerProgram {
    /// Returns the files that recognising a process reads in any case.
    pub fn files(&self) -> Files {
        Files::new(&[File::Stat, File::Exe])
    }

    /// Returns the usual name of its processes.
    pub fn name(&self) -> &[u8] {
        match self {
            ServerProgram::Apache => b"apache2",
            ServerProgram::Named(name) => name,
        }
    }

    /// Returns the name that is the same on all machines.
    pub fn label(&self) -> &[u8] {
        match self {
            ServerProgram::Apache => b"apache",
            // Chosen by name, it is no other program.
            ServerProgram::Named(name) if APACHE.contains(&&name[..]) => b"apache",
            ServerProgram::Named(name) => name,
        }
    }

    /// Returns the message that none of it runs.
    pub fn nothing(&self) -> String {
        match self {
            ServerProgram::Apache => "no Apache (apache2 or httpd)".to_owned(),
            ServerProgram::Named(name) => format!("no {}", String::from_utf8_lossy(name)),
        }
    }

    /// Reports whether a process runs it. Where its executable is unavailable, its name and its
    /// first argument decide.
    pub fn is_run_by(&self, process: &Process<'_>) -> ReadResult<bool> {
        if process.stat()?.is_zombie() || process.is_kernel_thread()? {
            return Ok(false);
        }
        if self.is_called(&process.exe_name()?) {
            return Ok(true);
        }
        let is_script = matches!(self, ServerProgram::Named(_));
        if process.exe().is_ok() && !is_script {
            return Ok(false);
        }
        // A script runs in the executable of its interpreter, but the kernel names the process
        // after the script.
        Ok(self.is_called(&process.name()?) || is_script && self.is_script_of(process)?)
    }

    fn is_called(&self, name: &[u8]) -> bool {
        match self {
            ServerProgram::Apache => APACHE
                .into_iter()
                .any(|apache| name.strip_prefix(apache).is_some_and(is_mpm_suffix)),
            ServerProgram::Named(wanted) => name.strip_prefix(&wanted[..]).is_some_and(is_version),
        }
    }

    /// Reports whether the arguments are those of a script of this name, or a title that begins
    /// with it.
    fn is_script_of(&self, process: &Process<'_>) -> ReadResult<bool> {
        let arguments = process.cmdline()?;
        if let Some(title) = process::title(arguments) {
            return Ok(self.is_titled(title));
        }
        let exe = process.exe_name()?;
        if !INTERPRETERS.into_iter().any(|name| exe.strip_prefix(name).is_some_and(is_version)) {
            return Ok(false);
        }
        let script = items(arguments)
            .skip(1)
            .find(|argument| !argument.starts_with(b"-"))
            .unwrap_or_default();
        Ok(self.is_called(base_name(script)))
    }

    /// Reports whether a title begins with its name. In the brackets that celery writes, the name is
    /// that of the daemon: `[celeryd: celery@host:MainProcess]`. The bracket may be part of the name
    /// that the user typed.
    fn is_titled(&self, title: &[u8]) -> bool {
        let program = title::program(title);
        let is_bracketed = title.starts_with(b"[");
        let daemon = program.strip_suffix(b"d").filter(|_| is_bracketed);
        self.is_called(program)
            || daemon.is_some_and(|name| self.is_called(name))
            || is_bracketed && self.is_called(&[b"[", program].concat())
    }

    /// Reports whether a process of this program is an Apache, whatever its name is: only Apache
    /// maps its modules.
    pub fn is_apache(&self, process: &Process<'_>) -> ReadResult<bool> {
        if ServerProgram::Apache.is_called(&process.exe_name()?) {
            return Ok(true);
        }
        Ok(if_available(process.maps_any(names_module))?.unwrap_or(false))
    }
}

/// Reports whether a line of a memory map names a module that every Apache has.
fn names_module(line: &[u8]) -> bool {
    [&b"/mod_mpm_"[..], b"/mod_authz_core.so"]
        .iter()
        .any(|part| memchr::memmem::find(line, part).is_some())
}

/// Reports whether this is empty, or the MPM that some distributions append.
fn is_mpm_suffix(suffix: &[u8]) -> bool {
    match suffix {
        [] => true,
        [b'.' | b'-', mpm @ ..] => Mpm::find(|name| name.as_bytes() == mpm).is_some(),
        _ => false,
    }
}

/// Reports whether this is empty, or a version as in `php-fpm8.2`, `gunicorn-3`.
fn is_version(suffix: &[u8]) -> bool {
    let version = suffix.strip_prefix(b"-").unwrap_or(suffix);
    suffix.is_empty()
        || version.first().is_some_and(u8::is_ascii_digit)
            && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_apache() {
        for (name, is_apache) in [
            ("apache2", true),
            ("httpd", true),
            ("httpd.worker", true),
            ("httpd-prefork", true),
            ("apache2.event", true),
            ("apache2ctl", false),
            ("httpd.sh", false),
            ("lighttpd", false),
            ("", false),
        ] {
            assert_eq!(ServerProgram::Apache.is_called(name.as_bytes()), is_apache, "{name}");
        }
    }

    #[test]
    fn names_in_titles() {
        for (name, is_titled) in
            [("celery", true), ("celeryd", true), ("[celeryd", true), ("celer", false)]
        {
            let program = ServerProgram::Named(name.as_bytes().to_vec());
            let title = b"[celeryd: celery@h:ForkPoolWorker-1]";
            assert_eq!(program.is_titled(title), is_titled, "{name}");
        }
        let program = ServerProgram::Named(b"ngin".to_vec());
        assert!(!program.is_titled(b"nginxd: x"));
    }

    #[test]
    fn names_with_versions() {
        let php = ServerProgram::Named(b"php-fpm".to_vec());
        for (name, is_called) in [
            ("php-fpm", true),
            ("php-fpm8.2", true),
            ("php-fpm-8", true),
            ("php-fpmx", false),
            ("php-fpm-", false),
            ("php", false),
        ] {
            assert_eq!(php.is_called(name.as_bytes()), is_called, "{name}");
        }
    }
}
