//! Ratios, and how sure one can be of them.

use std::{fmt, time::Duration};

use crate::Dice;

const RESAMPLES: usize = 4000;

/// A median with the interval that holds 95 of 100 medians of resampled samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Estimate {
    /// Of at least one sample. The same samples give the same interval.
    pub fn of(samples: &[f64]) -> Self {
        let mut dice = Dice::new(0);
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| median(samples.iter().map(|_| *dice.choose(samples)).collect()))
            .collect();
        medians.sort_unstable_by(f64::total_cmp);
        Self {
            median: median(samples.to_vec()),
            low: medians[RESAMPLES / 40],
            high: medians[RESAMPLES - 1 - RESAMPLES / 40],
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        write!(formatter, "{median:.3} (95 %: {low:.3} to {high:.3})")
    }
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    let middle = samples.len() / 2;
    if samples.len() % 2 == 1 {
        samples[middle]
    } else {
        f64::midpoint(samples[middle - 1], samples[middle])
    }
}

/// The median of durations, in seconds.
pub fn median_seconds(samples: &[Duration]) -> f64 {
    median(samples.iter().map(Duration::as_secs_f64).collect())
}

/// What 95 of 100 durations do not exceed, in seconds. Of at least one.
pub fn p95_seconds(samples: &[Duration]) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples[(samples.len() * 95).div_ceil(100) - 1].as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_samples() {
        let samples = |count: u32| -> Vec<f64> {
            let mut dice = Dice::new(1);
            (0..count).map(|_| 1.0 + f64::from(dice.byte()) / 256.0).collect()
        };
        let (few, many) = (Estimate::of(&samples(10)), Estimate::of(&samples(1000)));
        for estimate in [few, many] {
            assert!(estimate.low <= estimate.median && estimate.median <= estimate.high);
        }
        assert!(many.high - many.low < few.high - few.low);
        assert!((1.45..1.55).contains(&many.median), "{many}");
    }

    #[test]
    fn one_in_twenty_is_above_the_95th_percentile() {
        let seconds = |count: u64| (1..=count).rev().map(Duration::from_secs).collect::<Vec<_>>();
        for (count, expected) in [(1, 1.0), (10, 10.0), (20, 19.0), (100, 95.0), (200, 190.0)] {
            assert!((p95_seconds(&seconds(count)) - expected).abs() < f64::EPSILON, "of {count}");
        }
    }

    #[test]
    fn one_sample_is_its_own_median() {
        assert_eq!(Estimate::of(&[2.0]), Estimate { median: 2.0, low: 2.0, high: 2.0 });
        assert!((median(vec![3.0, 1.0]) - 2.0).abs() < f64::EPSILON);
    }
}
