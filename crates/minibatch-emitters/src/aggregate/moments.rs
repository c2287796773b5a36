//! Mean and variance, in one pass.

use serde::{Deserialize, Serialize};

/// Count, mean, variance and extremes of numbers: see [`Aggregate::moments`](super::Aggregate::moments).
///
/// By the recurrence of Welford ("Note on a method for calculating corrected sums of squares and products", 1962), merged
/// as by Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for computing sample variances", 1979): no
/// digits are lost where the mean is large against the deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
    min: f64,
    max: f64,
}

impl Moments {
    /// Adds a number, unless it is not finite.
    pub fn add(&mut self, number: f64) {
        if number.is_finite() {
            self.merge(&Self { count: 1, mean: number, squares: 0.0, min: number, max: number });
        }
    }

    /// Adds all numbers of another one.
    pub fn merge(&mut self, other: &Self) {
        if self.count == 0 || other.count == 0 {
            *self = if self.count == 0 { *other } else { *self };
            return;
        }
        let (ours, theirs) = (as_number(self.count), as_number(other.count));
        let distance = other.mean - self.mean;
        self.count += other.count;
        let all = as_number(self.count);
        self.mean += distance * theirs / all;
        self.squares += other.squares + distance * distance * ours * theirs / all;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many numbers there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; `None` of no numbers.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The mean squared distance from the mean, as of a whole population; `None` of no numbers.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.count > 0).then(|| self.squares / as_number(self.count))
    }

    /// The same, as estimated from a sample: divided by one less; `None` of fewer than two numbers.
    #[must_use]
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / as_number(self.count - 1))
    }

    /// The least number; `None` of no numbers.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest number; `None` of no numbers.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 messages")]
fn as_number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn of(numbers: &[f64]) -> Moments {
        let mut moments = Moments::default();
        numbers.iter().for_each(|number| moments.add(*number));
        moments
    }

    fn is_near(one: f64, other: f64, scale: f64) -> bool {
        (one - other).abs() <= 1e-9 * scale.abs().max(1.0)
    }

    proptest! {
        /// As by the definition, in two passes, however they are merged.
        #[test]
        fn they_are_those_of_the_definition(numbers in vec(-1e3f64..1e3, 1..50), at in 0usize..50, far in 0f64..1e9) {
            let numbers: Vec<f64> = numbers.into_iter().map(|number| number + far).collect();
            let (left, right) = numbers.split_at(at.min(numbers.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / numbers.len() as f64;
            for moments in [of(&numbers), merged] {
                prop_assert_eq!(moments.count(), numbers.len() as u64);
                prop_assert!(is_near(moments.mean().unwrap(), mean, far));
                prop_assert!(is_near(moments.variance().unwrap(), variance, 1e9), "{:?} {}", moments, variance);
                prop_assert_eq!(moments.min(), numbers.iter().copied().reduce(f64::min));
                prop_assert_eq!(moments.max(), numbers.iter().copied().reduce(f64::max));
            }
        }
    }

    #[test]
    fn of_nothing_there_is_nothing() {
        let nothing = of(&[f64::NAN, f64::INFINITY]);
        assert_eq!((nothing.count(), nothing.mean(), nothing.variance()), (0, None, None));
        assert_eq!((of(&[2.0]).variance(), of(&[2.0]).sample_variance()), (Some(0.0), None));
        assert_eq!(of(&[1.0, 3.0]).sample_variance(), Some(2.0));
    }
}
