//! Minimum, maximum, average and median of some numbers.

/// The statistics of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    pub min: u64,
    pub max: u64,
    pub average: f64,
    /// The middle number, or the average of the two in the middle.
    pub median: f64,
}

impl Statistics {
    /// Computes the statistics; `None` without numbers.
    pub fn from_numbers(numbers: impl Iterator<Item = u64>) -> Option<Statistics> {
        let mut sorted: Vec<u64> = numbers.collect();
        sorted.sort_unstable();
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let count = sorted.len();
        let sum = sorted.iter().map(|&number| u128::from(number)).sum::<u128>();
        let (low, high) = (sorted[(count - 1) / 2], sorted[count / 2]);
        let median = (u128::from(low) + u128::from(high)) as f64 / 2.0;
        Some(Statistics { min, max, average: sum as f64 / count as f64, median })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Option<(u64, u64, f64, f64)> {
        let statistics = Statistics::from_numbers(numbers.iter().copied())?;
        Some((statistics.min, statistics.max, statistics.average, statistics.median))
    }

    #[test]
    fn odd_and_even_and_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), Some((7, 7, 7.0, 7.0)));
        assert_eq!(of(&[9, 1, 2]), Some((1, 9, 4.0, 2.0)));
        assert_eq!(of(&[4, 1, 2, 10]), Some((1, 10, 4.25, 3.0)));
        assert_eq!(of(&[u64::MAX, u64::MAX]).unwrap().1, u64::MAX);
    }
}
