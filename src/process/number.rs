//! Decimal numbers in bytes, as they stand in /proc and in the names of its directories.

/// Parses a whole decimal number. `None` unless all bytes are digits and the number fits.
pub(super) fn parse(digits: &[u8]) -> Option<u64> {
    match leading(digits)? {
        (number, []) => Some(number),
        _ => None,
    }
}

/// Parses the number at the beginning, and returns it with the rest.
pub(super) fn leading(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    let mut length = 0;
    while let Some(&byte) = text.get(length) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
        length += 1;
    }
    (length > 0).then(|| (number, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::{leading, parse};

    #[test]
    fn only_whole_decimal_numbers_that_fit() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"x", b"18446744073709551616"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_number_and_what_is_behind_it() {
        assert_eq!(leading(b"42 x"), Some((42, &b" x"[..])));
        assert_eq!(leading(b"x"), None);
    }
}
