//! Decimal numbers in bytes: what /proc and its directory names are made of.

/// The number that these bytes spell. `None` unless they are digits only and fit.
pub(super) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_whole_decimal_numbers_that_fit() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"x", b"18446744073709551616"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
