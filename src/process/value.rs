//! The values that a property can have. `crate::output` turns them into text and JSON.

use std::borrow::Cow;
use std::rc::Rc;

use super::login::Login;

/// The value of a property.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A count or an id.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// Bytes of memory.
    Size(u64),
    /// A duration in seconds.
    Seconds(f64),
    /// Hundredths of one processor.
    Percent(f64),
    /// Seconds since the epoch.
    Time(f64),
    /// Yes or no.
    Flag(bool),
    /// Text that the process or the kernel chose; any bytes.
    Bytes(Cow<'a, [u8]>),
    /// A name that is certainly text.
    Name(Rc<str>),
    /// Arguments, each ended by a zero byte.
    Items(&'a [u8]),
    /// NAME=value, each ended by a zero byte.
    Environment(&'a [u8]),
    /// Several numbers.
    Numbers(Vec<u64>),
    /// Several names.
    Names(Vec<Cow<'static, str>>),
    /// Several paths, any bytes.
    Paths(Vec<Vec<u8>>),
    /// Real, effective, saved and file system id.
    Ids([u32; 4]),
    /// The text of /proc/PID/status: named fields.
    Fields(&'a [u8]),
    /// The login that the process comes from.
    Login(Login),
    /// Several things of one kind, each with the same named values in the same order.
    Records(Vec<Vec<(&'static str, Value<'a>)>>),
}

/// Returns the items of [`Value::Items`] and [`Value::Environment`]. Empty items count too.
pub fn items(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    // The last zero byte ends the last item. A process that overwrote its arguments may lack it.
    let (text, skip) = match text {
        [] => (text, 1),
        _ => (text.strip_suffix(b"\0").unwrap_or(text), 0),
    };
    text.split(|&byte| byte == 0).skip(skip)
}

/// Returns the title of a process that overwrote its arguments (setproctitle): one item that
/// contains blanks, followed only by the zero bytes that fill the rest of the space.
pub fn title(arguments: &[u8]) -> Option<&[u8]> {
    let mut items = items(arguments);
    items.next().filter(|first| first.contains(&b' ') && items.all(<[u8]>::is_empty))
}

#[cfg(test)]
mod tests {
    use super::{items, title};

    #[test]
    fn titles_are_one_item_and_filling() {
        assert_eq!(title(b"postgres: checkpointer\0\0\0\0"), Some(&b"postgres: checkpointer"[..]));
        assert_eq!(title(b"nginx: worker process"), Some(&b"nginx: worker process"[..]));
        for none in [&b""[..], b"sleep\0", b"sleep\x005\0", b"my program\0-x\0"] {
            assert_eq!(title(none), None);
        }
    }

    #[test]
    fn empty_items_are_kept() {
        let split = |text: &'static [u8]| items(text).collect::<Vec<_>>();
        assert_eq!(split(b""), Vec::<&[u8]>::new());
        assert_eq!(split(b"\0"), [b""]);
        assert_eq!(split(b"a\0\0b\0\0"), [&b"a"[..], b"", b"b", b""]);
        assert_eq!(split(b"title without an end"), [b"title without an end"]);
    }
}
