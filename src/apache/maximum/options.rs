//! Options on a command line, as far as they matter.

/// An option that takes a value.
pub struct ValueOption {
    /// Its letter, if it has one.
    pub letter: Option<u8>,
    /// Its long names, without hyphens.
    pub names: &'static [&'static [u8]],
    /// The length of the shortest beginning of a long name that the program takes for it.
    pub least: usize,
}

/// The length for programs that take whole names only.
pub const WHOLE: usize = usize::MAX;

/// A word of a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Word<'w> {
    /// The value of an option, by its place in the list of them.
    Value(usize, &'w [u8]),
    /// Another option.
    Other(&'w [u8]),
    /// An operand, or the value of another option.
    Operand(&'w [u8]),
}

/// Returns the words of a command line in their order, up to `--`. Letters in `flags` may stand
/// before that of an option in the same word.
pub fn parse<'w>(words: &[&'w [u8]], wanted: &[ValueOption], flags: &[u8]) -> Vec<Word<'w>> {
    let mut found = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let hit = match word {
            b"--" => break,
            [b'-', b'-', long @ ..] => by_name(long, wanted),
            [b'-', letters @ ..] if !letters.is_empty() => by_letter(letters, wanted, flags),
            _ => {
                found.push(Word::Operand(word));
                continue;
            }
        };
        found.push(match hit {
            Some((at, Some(value))) => Word::Value(at, value),
            Some((at, None)) => Word::Value(at, words.next().unwrap_or_default()),
            None => Word::Other(word),
        });
    }
    found
}

/// Returns the last value of an option.
pub fn last<'w>(words: &[Word<'w>], wanted: usize) -> Option<&'w [u8]> {
    words.iter().rev().find_map(|word| match word {
        Word::Value(at, value) if *at == wanted => Some(*value),
        _ => None,
    })
}

fn by_name<'w>(long: &'w [u8], wanted: &[ValueOption]) -> Option<(usize, Option<&'w [u8]>)> {
    let equals = long.iter().position(|&byte| byte == b'=');
    let name = &long[..equals.unwrap_or(long.len())];
    let is_it = |option: &ValueOption| {
        let is_begin = |whole: &&[u8]| name.len() >= option.least && whole.starts_with(name);
        option.names.contains(&name) || option.names.iter().any(is_begin)
    };
    let at = wanted.iter().position(is_it)?;
    Some((at, equals.map(|equals| &long[equals + 1..])))
}

fn by_letter<'w>(
    letters: &'w [u8],
    wanted: &[ValueOption],
    flags: &[u8],
) -> Option<(usize, Option<&'w [u8]>)> {
    let first = letters.iter().position(|letter| !flags.contains(letter))?;
    let at = wanted.iter().position(|option| option.letter == Some(letters[first]))?;
    let value = &letters[first + 1..];
    Some((at, (!value.is_empty()).then_some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_joined_or_not() {
        let wanted = [
            ValueOption { letter: Some(b'w'), names: &[b"workers"], least: 4 },
            ValueOption { letter: None, names: &[b"ini"], least: WHOLE },
        ];
        let words: [&[u8]; 11] = [
            b"--work",
            b"--in=x",
            b"-Dw3",
            b"--workers=4",
            b"x",
            b"--ini",
            b"\xff",
            b"-z",
            b"-w",
            b"--",
            b"--",
        ];
        let parsed = parse(&words, &wanted, b"D");
        let expected = [
            Word::Value(0, b"--in=x"),
            Word::Value(0, b"3"),
            Word::Value(0, b"4"),
            Word::Operand(b"x"),
            Word::Value(1, b"\xff"),
            Word::Other(b"-z"),
            Word::Value(0, b"--"),
        ];
        assert_eq!(parsed, expected);
        assert_eq!(parse(&[b"--in=x"], &wanted, b""), [Word::Other(b"--in=x")]);
        assert_eq!(last(&parsed, 1), Some(&b"\xff"[..]));
    }
}
