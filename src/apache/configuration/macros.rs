//! Macros of mod_macro: `<Macro NAME $parameter…>` keeps lines, and `Use NAME value…` inserts
//! them.

use super::condition::Truth;
use super::directives::DirectiveLine;

/// The lines between `<Macro>` and `</Macro>`.
#[derive(Debug)]
pub(super) struct Macro {
    parameters: Vec<Vec<u8>>,
    lines: Vec<DirectiveLine<'static>>,
    /// The file that it stands in.
    pub path: Vec<u8>,
    /// Whether its definition is certainly in force.
    pub truth: Truth,
}

impl Macro {
    /// Makes a macro. A parameter is a text that is replaced wherever it stands.
    pub fn new(
        parameters: &[Vec<u8>],
        lines: Vec<DirectiveLine<'static>>,
        path: &[u8],
        truth: Truth,
    ) -> Macro {
        let parameters =
            parameters.iter().filter(|parameter| !parameter.is_empty()).cloned().collect();
        Macro { parameters, lines, path: path.to_vec(), truth }
    }

    /// Reports whether it takes this number of values.
    pub fn takes(&self, values: usize) -> bool {
        values == self.parameters.len()
    }

    /// Returns its lines with these values in place of the parameters; `None` where they have more
    /// bytes than `most`.
    pub fn with(&self, values: &[Vec<u8>], most: usize) -> Option<Vec<DirectiveLine<'static>>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        for line in &self.lines {
            let line = line.changed(|text| self.replaced(text, values));
            bytes += line.cost();
            if bytes > most {
                return None;
            }
            lines.push(line);
        }
        Some(lines)
    }

    /// Replaces each parameter. Where several begin at one place, the longest counts.
    fn replaced(&self, text: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
        let mut done = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let pairs = self.parameters.iter().zip(values);
            let found = pairs
                .filter(|(parameter, _)| rest.starts_with(parameter))
                .max_by_key(|(parameter, _)| parameter.len());
            let length = match found {
                Some((parameter, value)) => {
                    done.extend_from_slice(value);
                    parameter.len()
                }
                None => {
                    done.push(first);
                    1
                }
            };
            rest = &rest[length..];
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::super::directives::lines;
    use super::*;

    #[test]
    fn parameters_and_values() {
        let body = lines(b"A $n $nn\n\nB${n}@x\n").map(DirectiveLine::into_owned).collect();
        let names = [b"$n".to_vec(), b"$nn".to_vec(), b"@x".to_vec()];
        let few = Macro::new(&names, body, b"/f", Truth::Yes);
        let used = few.with(&[b"1".to_vec(), b"2".to_vec(), b"$n".to_vec()], 10_000).unwrap();
        assert_eq!(used[0].words(), [b"A".to_vec(), b"1".to_vec(), b"2".to_vec()]);
        assert_eq!((used[1].words(), used[1].number), (vec![b"B${n}$n".to_vec()], 3));
        assert!(!few.takes(0) && few.takes(3));
        assert!(few.with(&[b"1".to_vec(), b"2".to_vec(), b"x".repeat(999)], 500).is_none());
    }
}
