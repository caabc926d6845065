//! Names of files with wildcards, as configurations have them.

use glob::{MatchOptions, Pattern};

/// A pattern for the names in one directory.
pub struct NamePattern(Pattern);

impl NamePattern {
    /// Parses one part of a path, such as `*.conf`; `None` where it is not understood. Several stars
    /// count as one, as in fnmatch(3), and `[^` begins the same as `[!`.
    pub fn new(part: &[u8]) -> Option<NamePattern> {
        let mut text = String::from_utf8_lossy(part).replace("[^", "[!");
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        Pattern::new(&text).ok().map(NamePattern)
    }

    /// Reports whether a name matches. One that begins with a dot matches only a pattern with a dot,
    /// as with FNM_PERIOD.
    pub fn matches(&self, name: &[u8]) -> bool {
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        self.0.matches_with(&String::from_utf8_lossy(name), options)
    }
}

/// Reports whether a path, or a part of one, is a pattern.
pub fn has_wildcard(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_match() {
        let matches = |part: &str, name: &str| {
            NamePattern::new(part.as_bytes()).unwrap().matches(name.as_bytes())
        };
        assert!(matches("*.conf", "a.conf") && matches("**.conf", "a.conf"));
        assert!(matches("[^a]?", "bc") && !matches("[^a]?", "ac"));
        assert!(!matches("*", ".a") && matches(".*", ".a"));
        assert!(NamePattern::new(b"[a").is_none());
        assert!(has_wildcard(b"/a/*") && !has_wildcard(b"/a/b"));
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[b"[^a-z]**?.conf"], |part| {
            _ = NamePattern::new(part).map(|pattern| pattern.matches(part));
        });
    }
}
