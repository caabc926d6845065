//! /proc/PID/attr/current: the label that a security module has for a process (proc_pid_attr(5)).

use rustix::io::Errno;

use super::Process;
use super::error::{ReadError, ReadResult, Unavailable};
use super::file::File;

impl Process<'_> {
    /// Returns the label, such as `unconfined` or `system_u:system_r:crond_t:s0`. Errors: absent where
    /// no module labels processes.
    pub fn label(&self) -> ReadResult<&[u8]> {
        let absent = ReadError::absent(File::Label.absent());
        let text = match self.file(File::Label) {
            // The kernel has modules, but none that labels processes (security_getprocattr).
            Err(ReadError::Unavailable(Unavailable::Broken { errno: Errno::INVAL, .. })) => {
                return Err(absent);
            }
            text => text?,
        };
        match trimmed(text) {
            b"" => Err(absent),
            label => Ok(label),
        }
    }
}

/// Cuts what modules append: a newline (AppArmor) or a zero byte (SELinux).
fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !b"\n\0".contains(byte)).map_or(0, |last| last + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::trimmed;

    #[test]
    fn the_label_ends_where_the_module_ends_it() {
        for (text, label) in [
            (&b"unconfined\n"[..], &b"unconfined"[..]),
            (b"/usr/sbin/cups (enforce)\n", b"/usr/sbin/cups (enforce)"),
            (
                b"system_u:system_r:crond_t:s0-s0:c0.c1023\0",
                b"system_u:system_r:crond_t:s0-s0:c0.c1023",
            ),
            (b"kernel", b"kernel"),
            (b"\0", b""),
            (b"", b""),
        ] {
            assert_eq!(trimmed(text), label);
        }
    }
}
