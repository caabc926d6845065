//! The known name that a misspelt one is nearest to.

/// Returns the name that was probably meant, if one is similar enough.
pub fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = typed.chars().count().div_ceil(3);
    let near = names.map(|name| (distance(typed, name), name));
    near.filter(|&(distance, _)| distance <= most)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// Returns the hint at the name that was probably meant; empty if there is none.
pub fn hint<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> String {
    nearest(typed, names).map_or_else(String::new, |name| format!(": did you mean '{name}'?"))
}

/// Returns the number of characters to insert, to delete or to replace (Levenshtein's distance).
fn distance(from: &str, to: &str) -> usize {
    // A name is short. What is longer is no name, and would only take time.
    const LONGEST: usize = 40;
    let from: Vec<char> = from.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (above, wanted) in to.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, found) in from.iter().enumerate() {
            let replaced = diagonal + usize::from(*found != wanted);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_found_and_others_are_not() {
        let names = ["rss", "pss", "runtime", "user", "exe_name"];
        for (typed, expected) in [
            ("rs", Some("rss")),
            ("rsss", Some("rss")),
            ("exename", Some("exe_name")),
            ("runtme", Some("runtime")),
            ("memory", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names.into_iter()), expected, "{typed}");
        }
        assert_eq!((distance("kitten", "sitting"), distance("", "abc")), (3, 3));
        assert_eq!(hint("usr", names.into_iter()), ": did you mean 'user'?");
    }
}
