//! Lines that join the rows of a tree on a screen. `tree` and the jobs of cron are drawn with them.

use super::{Charset, put};

/// The lines of a tree, drawn row by row from the top.
pub struct Branches {
    glyphs: &'static Glyphs,
    /// Number of levels that are drawn. Deeper ones show only their number: the lines of a chain of
    /// 100,000 processes would be 15 GB.
    deepest: usize,
    /// `true` for each level above the current row that goes on below it.
    continues: Vec<bool>,
}

struct Glyphs {
    branch: &'static str,
    last: &'static str,
    through: &'static str,
    blank: &'static str,
}

const ASCII: Glyphs = Glyphs { branch: "|- ", last: "`- ", through: "|  ", blank: "   " };

const UNICODE: Glyphs = Glyphs {
    branch: "\u{251c}\u{2500} ",
    last: "\u{2514}\u{2500} ",
    through: "\u{2502}  ",
    blank: "   ",
};

/// Columns of a level.
const STEP: usize = 3;

/// Number of levels that are drawn at most, also without a width.
const DEEPEST: usize = 64;

impl Branches {
    /// Returns lines in these characters. They leave at least half of the width to the rows.
    pub fn new(charset: Charset, width: Option<usize>) -> Branches {
        let glyphs = match charset {
            Charset::Ascii => &ASCII,
            Charset::Unicode => &UNICODE,
        };
        let fits = width.map_or(DEEPEST, |columns| columns / 2 / STEP);
        Branches { glyphs, deepest: fits.clamp(1, DEEPEST), continues: Vec::new() }
    }

    /// Appends the lines before a row at this depth (0 is a root). Rows come parents first.
    pub fn draw(&mut self, line: &mut Vec<u8>, depth: u32, is_last: bool) {
        let depth = depth as usize;
        self.continues.truncate(depth.saturating_sub(1));
        if depth == 0 {
            return;
        }
        if depth > self.deepest {
            put(line, format_args!("({depth}) "));
        } else {
            for &continues in &self.continues {
                line.extend_from_slice(
                    if continues { self.glyphs.through } else { self.glyphs.blank }.as_bytes(),
                );
            }
        }
        line.extend_from_slice(
            if is_last { self.glyphs.last } else { self.glyphs.branch }.as_bytes(),
        );
        self.continues.push(!is_last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(charset: Charset, width: Option<usize>, rows: &[(u32, bool)]) -> Vec<String> {
        let mut branches = Branches::new(charset, width);
        rows.iter()
            .map(|&(depth, is_last)| {
                let mut line = Vec::new();
                branches.draw(&mut line, depth, is_last);
                String::from_utf8(line).unwrap()
            })
            .collect()
    }

    #[test]
    fn rows_hang_on_their_parents() {
        let rows = [
            (0, true),
            (1, false),
            (2, true),
            (3, true),
            (1, true),
            (2, true),
            (0, true),
            (1, true),
        ];
        let lines = ["", "|- ", "|  `- ", "|     `- ", "`- ", "   `- ", "", "`- "];
        assert_eq!(drawn(Charset::Ascii, None, &rows), lines);
    }

    #[test]
    fn great_depth_is_a_number() {
        let rows: Vec<_> = (0..5).map(|depth| (depth, true)).collect();
        assert_eq!(
            drawn(Charset::Ascii, Some(12), &rows),
            ["", "`- ", "   `- ", "(3) `- ", "(4) `- "]
        );
    }
}
