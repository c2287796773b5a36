//! Approximate quantiles.

use std::fmt;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use super::Aggregate;

/// Quantiles of numbers within one per cent of the number: see [`Aggregate::quantiles`].
///
/// A DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
/// VLDB 2019) of at most 2,048 counters, which cover 17 powers of ten; of numbers that lie further apart the least ones
/// are told less exactly. The order of the numbers does not matter.
#[derive(Clone, Serialize, Deserialize)]
pub struct Quantiles(DDSketch);

impl Default for Quantiles {
    fn default() -> Self {
        Self(DDSketch::new(Config::defaults()))
    }
}

impl Quantiles {
    /// Adds a number, unless it is not finite.
    pub fn add(&mut self, number: f64) {
        if number.is_finite() {
            self.0.add(number);
        }
    }

    /// Adds all numbers of another one.
    pub fn merge(&mut self, other: &Self) {
        // both have the one configuration there is
        let merged = self.0.merge(&other.0);
        debug_assert!(merged.is_ok(), "sketches of different configurations");
    }

    /// How many numbers there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The number that this share of all numbers lies below: `at(0.5)` is the median. `None` of no numbers, and for a
    /// share that is not from 0 to 1.
    #[must_use]
    pub fn at(&self, share: f64) -> Option<f64> {
        self.0.quantile(share).ok().flatten()
    }
}

impl<T: 'static> Aggregate<T, Quantiles> {
    /// Quantiles of a number of each message; numbers that are not finite are left out.
    pub fn quantiles(of: impl Fn(&T) -> f64 + Send + Sync + 'static) -> Self {
        let merge = |quantiles: &mut Quantiles, other: Quantiles| quantiles.merge(&other);
        Self::new(Quantiles::default, move |quantiles, value| quantiles.add(of(value)), merge).named("quantiles")
    }
}

impl fmt::Debug for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quantiles").field("count", &self.count()).field("median", &self.at(0.5)).finish_non_exhaustive()
    }
}
