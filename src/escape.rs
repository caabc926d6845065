//! Texts in which some characters stand for others: bytes written as digits, and variables.

/// Restores each byte that is written as a mark and digits of this base: `%0a`, `\040`.
pub fn unescaped(text: &[u8], mark: u8, digits: usize, base: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let written = behind
            .get(..digits)
            .filter(|_| first == mark)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match written.and_then(|digits| u8::from_str_radix(digits, base).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[digits..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

/// Replaces each `${NAME}` by its value; an unknown name stays as it is. A replacement that would
/// make the text longer than `most` is left out, because values may contain each other.
pub fn expanded<V: AsRef<[u8]>>(
    text: &[u8],
    most: usize,
    value: impl Fn(&[u8]) -> Option<V>,
) -> Vec<u8> {
    let mut done = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = memchr::memmem::find(rest, b"${") {
        let Some(length) = memchr::memchr(b'}', &rest[start..]) else { break };
        done.extend_from_slice(&rest[..start]);
        match value(&rest[start + 2..start + length]) {
            Some(value) if done.len() + value.as_ref().len() <= most => {
                done.extend_from_slice(value.as_ref())
            }
            _ => done.extend_from_slice(&rest[start..=start + length]),
        }
        rest = &rest[start + length + 1..];
    }
    done.extend_from_slice(rest);
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_as_digits() {
        assert_eq!(unescaped(b"a%25b%0ac%", b'%', 2, 16), b"a%b\nc%");
        assert_eq!(unescaped(b"/a\\040b\\134\\9", b'\\', 3, 8), b"/a b\\\\9");
    }

    #[test]
    fn variables() {
        let value = |name: &[u8]| (name == b"HOME").then_some("/h");
        assert_eq!(expanded(b"${HOME}/S${NONE}${", 100, value), b"/h/S${NONE}${");
        assert_eq!(expanded(b"${HOME}${HOME}", 3, value), b"/h${HOME}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (unescaped(&text, b'%', 2, 16), unescaped(&text, b'\\', 3, 8));
            prop_assert_eq!(expanded(&text, 100, |_| None::<&str>), text);
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[b"a%2fb%20", b"a\\040b\\\\", b"${HOME}/$USER:x${"], |text| {
            let _ = (unescaped(text, b'%', 2, 16), unescaped(text, b'\\', 3, 8));
            let _ = expanded(text, 1000, |name| (name == b"HOME").then_some(b"/root"));
        });
    }
}
