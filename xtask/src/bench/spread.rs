//! Repeated values as minimum, median and maximum; and percentiles of many.

use std::fmt;

use serde::Serialize;

/// What repeated measurements of one thing gave
#[derive(Clone, Copy, Serialize)]
pub struct Spread {
    /// Smallest
    pub min: f64,
    /// Middle one; with an even count, the mean of the middle two
    pub median: f64,
    /// Largest
    pub max: f64,
}

impl Spread {
    /// None of no values
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { min, median, max })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        [self.min, self.median, self.max]
            .into_iter()
            .try_for_each(|value| {
                // About four digits that mean something, whatever the size.
                let digits = match value.abs() {
                    large if large >= 1000.0 => 0,
                    medium if medium >= 100.0 => 1,
                    small if small >= 10.0 => 2,
                    _ => 3,
                };
                write!(f, "{value:>11.digits$}")
            })
    }
}

/// The value below which a share of the sorted values lie (nearest rank)
pub fn percentile(sorted: &[u64], share: f64) -> u64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Spread, percentile};

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!(Spread::of(&[]).is_none());
        let odd = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.min, odd.median, odd.max), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 0.5), 50);
        assert_eq!(percentile(&hundred, 0.99), 99);
        assert_eq!(percentile(&[7], 0.99), 7);
        assert_eq!(percentile(&[], 0.5), 0);
    }
}
