//! Lines of /proc/PID/maps (proc_pid_maps(5)): the files that a process has mapped.

use std::borrow::Cow;

use super::inode::Inode;
use super::number;
use super::program::{DELETED, MEMFD};

/// Beginnings of paths that are no files: memory without a name (memfd_create(2)), memory that
/// processes share by System V's means, and memory of devices.
const NO_FILES: [&[u8]; 3] = [MEMFD, b"/SYSV", b"/dev/"];

/// A part of a memory map that a file is mapped to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapping<'m> {
    /// Its addresses, as the directory map_files names it.
    pub range: String,
    /// Its permissions, such as `r-xp`.
    permissions: &'m [u8],
    /// The inode, with the device of its superblock. With btrfs this is not the device that stat(2)
    /// tells.
    pub inode: Inode,
    /// The path as the kernel writes it here: see [`Mapping::path`].
    text: &'m [u8],
}

impl<'m> Mapping<'m> {
    /// Parses a line such as `7f0a8000-7f0a9000 r-xp 00001000 fe:00 1234      /lib/libc.so.6`.
    /// `None` for memory without a file.
    pub fn parse(line: &'m [u8]) -> Option<Mapping<'m>> {
        let mut rest = line;
        let mut field = || {
            let start = rest.iter().position(|&byte| byte != b' ')?;
            let length = rest[start..].iter().position(|&byte| byte == b' ');
            let end = length.map_or(rest.len(), |length| start + length);
            let field = &rest[start..end];
            rest = &rest[end..];
            Some(field)
        };
        let (range, permissions, _, device) = (field()?, field()?, field()?, field()?);
        let number = number::parse(field()?).filter(|&number| number != 0)?;
        let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
        let mut device = std::str::from_utf8(device).ok()?.split(':');
        let mut part = || u32::from_str_radix(device.next()?, 16).ok();
        Some(Mapping {
            range: range_name(range)?,
            permissions,
            inode: Inode { device: (part()?, part()?), number },
            text: &rest[blanks..],
        })
    }

    /// Returns the path. The kernel writes a newline in it as `\012`, and nothing else differently.
    pub fn path(&self) -> Cow<'m, [u8]> {
        const NEWLINE: &[u8] = b"\\012";
        if !self.text.windows(NEWLINE.len()).any(|window| window == NEWLINE) {
            return Cow::Borrowed(self.text);
        }
        let mut path = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some((&first, behind)) = rest.split_first() {
            let is_newline = rest.starts_with(NEWLINE);
            path.push(if is_newline { b'\n' } else { first });
            rest = if is_newline { &rest[NEWLINE.len()..] } else { behind };
        }
        Cow::Owned(path)
    }

    /// Returns the path of a program file that was removed or replaced after it was mapped.
    ///
    /// Only private mappings that can be executed count: shared ones are memory that processes
    /// share, or code that a program has made itself in a temporary file (libffi, orc).
    pub fn deleted_program(&self) -> Option<Vec<u8>> {
        let is_program = self.permissions.get(2..4) == Some(b"xp")
            && self.text.starts_with(b"/")
            && !NO_FILES.iter().any(|prefix| self.text.starts_with(prefix));
        let path = self.path();
        path.strip_suffix(DELETED).filter(|_| is_program).map(<[u8]>::to_vec)
    }
}

/// Returns a range of addresses without the zeros that stand before short ones.
fn range_name(range: &[u8]) -> Option<String> {
    let mut addresses = std::str::from_utf8(range).ok()?.split('-');
    let mut next = || u64::from_str_radix(addresses.next()?, 16).ok();
    Some(format!("{:x}-{:x}", next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        b"00400000-00452000 r-xp 00001000 fe:10 173521      /usr/bin/a b\\012c (deleted)";

    #[test]
    fn lines_with_a_file() {
        let mapping = Mapping::parse(LINE).unwrap();
        assert_eq!(mapping.range, "400000-452000");
        assert_eq!(mapping.inode, Inode { device: (0xfe, 0x10), number: 173_521 });
        assert_eq!(&*mapping.path(), b"/usr/bin/a b\nc (deleted)");
        assert_eq!(mapping.deleted_program().as_deref(), Some(&b"/usr/bin/a b\nc"[..]));
    }

    #[test]
    fn memory_without_a_file_has_no_mapping() {
        for line in [
            &b"7ffd0000-7ffd1000 rw-p 00000000 00:00 0                          [stack]"[..],
            b"7f0000-7f1000 rw-p 00000000 00:00 0",
            b"7f0000-7f1000 rw-p",
            b"",
        ] {
            assert_eq!(Mapping::parse(line), None);
        }
    }

    #[test]
    fn only_program_files_count_as_deleted() {
        for (rest, is_deleted) in [
            ("r-xp 0 fe:0 1 /usr/lib/libx.so (deleted)", true),
            ("r-xp 0 fe:0 1 /usr/lib/libx.so", false),
            ("r--p 0 fe:0 1 /usr/lib/libx.so (deleted)", false),
            ("rwxs 0 fe:0 1 /tmp/orcexec.x (deleted)", false),
            ("r-xp 0 0:1 1 /memfd:program (deleted)", false),
            ("rwxp 0 0:1 1 /dev/shm/x (deleted)", false),
            ("rwxp 0 0:1 1 /SYSV00000000 (deleted)", false),
        ] {
            let line = format!("1000-2000 {rest}");
            let mapping = Mapping::parse(line.as_bytes()).unwrap();
            assert_eq!(mapping.deleted_program().is_some(), is_deleted, "{rest}");
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[LINE], |line| {
            let mapping = Mapping::parse(line);
            _ = mapping.map(|mapping| (mapping.path(), mapping.deleted_program()));
        });
    }
}
