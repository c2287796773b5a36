//! What is measured beside the counts: by name, a number for each time.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use serde::Serialize;

/// Figures of a run, or of several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    /// Notes a figure, rounded to thousandths.
    pub(crate) fn note(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push((value * 1_000.0).round() / 1_000.0);
    }

    /// Notes a figure that must be no greater.
    pub(crate) fn at_most(&mut self, most: f64, name: &str, value: f64) -> Result<()> {
        self.note(name, value);
        ensure!(value <= most, "{name} is {value:.3}, and may be {most:.3} at most");
        Ok(())
    }

    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, values) in &other.0 {
            self.0.entry(name.clone()).or_default().extend(values);
        }
    }
}

/// The value that so many thousandths are not above; `None` of none.
pub(crate) fn quantile<T: Copy>(sorted: &[T], thousandths: usize) -> Option<T> {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * thousandths / 1_000).copied()
}

/// The same of microseconds, in milliseconds; 0 of none.
pub(crate) fn quantile_ms(sorted: &[u64], thousandths: usize) -> f64 {
    Duration::from_micros(quantile(sorted, thousandths).unwrap_or(0)).as_secs_f64() * 1_000.0
}

/// Jain's index of fairness: 1 where all have the same, 1/n where one of n has everything.
///
/// Jain, Chiu, Hawe: A Quantitative Measure of Fairness and Discrimination for Resource Allocation in Shared Computer
/// Systems, DEC-TR-301, 1984.
pub(crate) fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    if squares == 0.0 { 0.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness() {
        for (shares, index) in [(&[5, 5, 5, 5][..], 1.0), (&[7, 0, 0, 0], 0.25), (&[3, 1], 0.8), (&[0, 0], 0.0)] {
            assert!((jain(shares) - index).abs() < 1e-9, "{shares:?}");
        }
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let sorted: Vec<u64> = (1..=101).map(|number| number * 1_000).collect();
        let at = |thousandths| quantile_ms(&sorted, thousandths);
        assert_eq!([at(0), at(500), at(990), at(1_000)].map(f64::round), [1.0, 51.0, 100.0, 101.0]);
        assert_eq!(quantile_ms(&[], 500).to_string(), "0");
        assert_eq!((quantile(&['a', 'b', 'c'], 500), quantile::<char>(&[], 500)), (Some('b'), None));
    }

    #[test]
    fn one_too_great_is_noted_and_an_error() {
        let mut figures = Figures::default();
        figures.at_most(2.0, "left", 1.0).unwrap();
        figures.at_most(2.0, "left", 2.5).unwrap_err();
        let mut sum = figures.clone();
        sum.add(&figures);
        assert_eq!(serde_json::to_string(&sum).unwrap(), r#"{"left":[1.0,2.5,1.0,2.5]}"#);
    }
}
