//! `<IfVersion>`: comparing the version of a server, as mod_version does.

use regex::bytes::Regex;

use super::condition::Truth;

/// Evaluates the words of a condition such as `>= 2.4`. Without a version of the server, or where
/// the condition is not understood, the answer is unknown.
pub(super) fn is_version(words: &[Vec<u8>], version: Option<[u32; 3]>) -> Truth {
    let Some(version) = version else { return Truth::Unknown };
    let (operator, wanted) = match words {
        [wanted] => (&b"="[..], &wanted[..]),
        [operator, wanted] => (&operator[..], &wanted[..]),
        [negation, operator, wanted] if negation == b"!" => {
            return compare(operator, wanted, version).opposite();
        }
        _ => return Truth::Unknown,
    };
    match operator.strip_prefix(b"!") {
        Some(operator) => compare(operator, wanted, version).opposite(),
        None => compare(operator, wanted, version),
    }
}

fn compare(operator: &[u8], wanted: &[u8], version: [u32; 3]) -> Truth {
    let pattern = wanted.strip_prefix(b"/").and_then(|wanted| wanted.strip_suffix(b"/"));
    match (operator, pattern) {
        (b"=" | b"==", Some(pattern)) => return matches(pattern, version),
        (b"~", _) => return matches(pattern.unwrap_or(wanted), version),
        _ => {}
    }
    let Some(wanted) = numbers(wanted) else { return Truth::Unknown };
    Truth::from_bool(match operator {
        b"=" | b"==" => version == wanted,
        b">" => version > wanted,
        b">=" => version >= wanted,
        b"<" => version < wanted,
        b"<=" => version <= wanted,
        _ => return Truth::Unknown,
    })
}

/// Matches a pattern, which Apache gives to PCRE. What only PCRE understands is unknown.
fn matches(pattern: &[u8], [major, minor, patch]: [u32; 3]) -> Truth {
    let pattern = std::str::from_utf8(pattern).ok().and_then(|text| Regex::new(text).ok());
    let version = format!("{major}.{minor}.{patch}");
    pattern.map_or(Truth::Unknown, |pattern| Truth::from_bool(pattern.is_match(version.as_bytes())))
}

/// Parses a version. Parts that are missing are 0.
fn numbers(text: &[u8]) -> Option<[u32; 3]> {
    let mut version = [0; 3];
    let parts: Vec<&str> = std::str::from_utf8(text).ok()?.split('.').collect();
    if parts.len() > version.len() {
        return None;
    }
    for (number, part) in version.iter_mut().zip(parts) {
        *number = part.parse().ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let truth = |condition: &str| {
            let words: Vec<Vec<u8>> =
                condition.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            is_version(&words, Some([2, 4, 71]))
        };
        for yes in [
            ">= 2.4",
            "2.4.71",
            "= 2.4.71",
            "== 2.4.71",
            "!< 2.4.71",
            "> 2.4.9",
            ">= 2",
            "~ ^2\\.4",
            "= /^2.4/",
            "! = 2.4",
            "!~ ^2.2",
        ] {
            assert_eq!(truth(yes), Truth::Yes, "{yes}");
        }
        for no in ["2.4", "<= 2.4", "< 2.4.71", "!>= 2.4", "~ ^3"] {
            assert_eq!(truth(no), Truth::No, "{no}");
        }
        for unknown in [">=2.4", "2.4.71.1", "~ (?<=x)y(", "% 2", "= x", "a b c d"] {
            assert_eq!(truth(unknown), Truth::Unknown, "{unknown}");
        }
        assert_eq!(is_version(&[b"2.4".to_vec()], None), Truth::Unknown);
    }
}
