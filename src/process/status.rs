//! /proc/PID/status: lines of "Name:\tvalue" (proc_pid_status(5)).

use memchr::memchr;

/// The text of /proc/PID/status. A field is searched for when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a>(pub &'a [u8]);

impl<'a> Status<'a> {
    /// Returns all fields by name and value.
    pub fn fields(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.lines().map(|(name, value)| (name, value.trim_ascii()))
    }

    fn lines(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let colon = memchr(b':', rest)?;
            let (name, value) = rest.split_at(colon);
            let end = memchr(b'\n', value).unwrap_or(value.len());
            rest = value.get(end + 1..).unwrap_or_default();
            Some((name, &value[1..end]))
        })
    }

    /// Returns the value of a field; `None` where this kernel or this process has no such line.
    pub fn field(self, name: &str) -> Option<&'a [u8]> {
        self.lines()
            .find(|(found, _)| *found == name.as_bytes())
            .map(|(_, value)| value.trim_ascii())
    }

    /// Returns a field that holds one number, such as `Threads`.
    pub fn number(self, name: &str) -> Option<u64> {
        super::number::parse(self.field(name)?)
    }

    /// Returns a field in kB, such as `VmSwap`, as bytes.
    pub fn size(self, name: &str) -> Option<u64> {
        super::number::parse(self.field(name)?.strip_suffix(b" kB")?)?.checked_mul(1024)
    }

    /// Returns a field that holds several numbers, such as `NSpid`.
    pub fn numbers(self, name: &str) -> Option<impl Iterator<Item = u64> + 'a> {
        Some(self.field(name)?.split(u8::is_ascii_whitespace).filter_map(super::number::parse))
    }

    /// Returns `Uid` or `Gid`: the real, effective, saved and file system id.
    pub fn ids(self, name: &str) -> Option<[u32; 4]> {
        let mut ids = [0; 4];
        let mut numbers = self.numbers(name)?;
        for id in &mut ids {
            *id = numbers.next()?.try_into().ok()?;
        }
        Some(ids)
    }

    /// Returns a mask such as `CapEff`.
    pub fn mask(self, name: &str) -> Option<u64> {
        u64::from_str_radix(std::str::from_utf8(self.field(name)?).ok()?, 16).ok()
    }

    /// Returns the name of the process. Here, unlike in stat, the kernel escapes newlines and
    /// backslashes (proc_task_name in fs/proc/array.c); this undoes it.
    pub fn comm(self) -> Option<Vec<u8>> {
        // field() would cut the blanks at the ends of a name, which belong to it.
        let line = self.0.split(|&byte| byte == b'\n').next()?;
        let escaped = line.strip_prefix(b"Name:\t")?;
        let mut comm = Vec::with_capacity(escaped.len());
        let mut bytes = escaped.iter();
        while let Some(&byte) = bytes.next() {
            comm.push(match byte {
                b'\\' => match bytes.next()? {
                    b'n' => b'\n',
                    &other => other,
                },
                _ => byte,
            });
        }
        Some(comm)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Status;

    const TEXT: &[u8] = b"Name:\ta\\nb\\\\c \nUmask:\t0022\nState:\tS \
    (sleeping)\nUid:\t0\t1\t2\t3\nNSpid:\t77\t3\nVmSwap:\t      12 kB\nCapEff:\t000001ffffffffff\n";

    #[test]
    fn fields_are_found_and_typed() {
        let status = Status(TEXT);
        assert_eq!(status.comm().unwrap(), b"a\nb\\c ");
        assert_eq!(status.field("State"), Some(&b"S (sleeping)"[..]));
        assert_eq!(status.ids("Uid"), Some([0, 1, 2, 3]));
        assert_eq!(status.numbers("NSpid").unwrap().collect::<Vec<_>>(), [77, 3]);
        assert_eq!(status.size("VmSwap"), Some(12 * 1024));
        assert_eq!(status.mask("CapEff"), Some(0x1ff_ffff_ffff));
        assert_eq!(status.number("Umask"), Some(22));
    }

    #[test]
    fn a_missing_or_odd_field_is_none() {
        let status = Status(TEXT);
        assert_eq!(status.field("Nam"), None);
        assert_eq!(status.ids("NSpid"), None);
        assert_eq!(status.size("Umask"), None);
        assert_eq!(Status(b"").comm(), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let status = Status(&bytes);
            let _ = (status.comm(), status.ids("Uid"), status.fields().count());
        }
    }

    #[test]
    fn a_summary_of_the_memory_has_such_lines_too_whatever_is_in_them() {
        let size = |text: &str| Status(text.as_bytes()).size("MemAvailable");
        assert_eq!(
            size("MemTotal:  9 kB\nMemAvailable:   24 kB\nHugePages_Total:  0\n"),
            Some(24 * 1024)
        );
        assert_eq!(size("Sw\u{202e}:\u{202e} 1 kB\nMemAvailable: 1 kB\n"), Some(1024));
        for text in [
            "Sw\u{202e}",
            "MemAvailable:\n",
            "MemAvailable: -1 kB\n",
            "MemAvailable: 18446744073709551615 kB\n",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn any_change_is_survived() {
        let text = b"Name:\ta\\nb\\\\c\nUmask:\t0022\nState:\tS \
        (sleeping)\nUid:\t0\t0\t0\t0\nGroups:\t1 2 3 \nVmRSS:\t    1234 \
        kB\nNSpid:\t5\t1\nSigPnd:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        crate::fuzz::survives(&[text], |text| {
            let status = Status(text);
            let _ = (
                status.comm(),
                status.ids("Uid"),
                status.mask("CapEff"),
                status.size("VmRSS"),
                status.number("Umask"),
            );
            let _ = (status.numbers("NSpid").map(Iterator::count), status.fields().count());
        });
    }
}
