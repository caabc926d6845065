//! Small bars: one character for each process, or one bar for each line.

use crate::output::{Charset, Terminal};

const UNICODE: [&str; 8] = [
    "\u{2581}", "\u{2582}", "\u{2583}", "\u{2584}", "\u{2585}", "\u{2586}", "\u{2587}", "\u{2588}",
];
const ASCII: [&str; 8] = [".", ":", "-", "=", "+", "*", "#", "@"];

/// Returns one character for each value, the largest first, in at most `room` columns. If there are
/// more values, a character stands for the largest of several.
pub(super) fn columns(mut values: Vec<u64>, room: usize, terminal: &Terminal) -> String {
    values.sort_unstable_by(|one, other| other.cmp(one));
    let Some(&largest) = values.first().filter(|_| room > 0) else { return String::new() };
    let levels = match terminal.lines {
        Charset::Unicode => UNICODE,
        Charset::Ascii => ASCII,
    };
    let each = values.len().div_ceil(room);
    values.chunks(each).map(|chunk| levels[level(chunk[0], largest, levels.len())]).collect()
}

/// Returns a bar for a value. The largest value fills `room` columns.
pub(super) fn bar(value: u64, largest: u64, room: usize, terminal: &Terminal) -> String {
    let mark = match terminal.lines {
        Charset::Unicode => UNICODE[7],
        Charset::Ascii => "#",
    };
    if value == 0 || room == 0 {
        String::new()
    } else {
        mark.repeat(1 + level(value, largest, room))
    }
}

/// Returns a level from 0 to `count` - 1, in equal steps.
fn level(value: u64, largest: u64, count: usize) -> usize {
    let level = u128::from(value) * count as u128 / u128::from(largest.max(1));
    (level as usize).min(count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(charset: Charset) -> Terminal {
        Terminal { is_terminal: false, width: None, colour: false, charset, lines: charset }
    }

    #[test]
    fn one_look_shows_the_outlier() {
        let ascii = terminal(Charset::Ascii);
        assert_eq!(columns(vec![10, 11, 80, 0], 10, &ascii), "@::.");
        assert_eq!(columns(vec![5, 5], 10, &terminal(Charset::Unicode)), "\u{2588}\u{2588}");
        assert_eq!(columns(vec![0, 0], 10, &ascii), "..");
        assert_eq!(columns(vec![], 10, &ascii), "");
    }

    #[test]
    fn many_share_a_character() {
        let ascii = terminal(Charset::Ascii);
        assert_eq!(columns((1..=100).collect(), 10, &ascii).len(), 10);
        assert_eq!(columns(vec![7; 3], 1, &ascii), "@");
        assert_eq!(
            (columns(vec![7; 3], 0, &ascii), bar(7, 7, 0, &ascii)),
            (String::new(), String::new())
        );
    }

    #[test]
    fn bars_as_long_as_their_values() {
        let ascii = terminal(Charset::Ascii);
        let lengths = [0, 1, 50, 100].map(|value| bar(value, 100, 10, &ascii).len());
        assert_eq!(lengths, [0, 1, 6, 10]);
    }
}
