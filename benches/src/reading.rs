//! The message of all figures: 87 bytes as BSON.

use serde::{Deserialize, Serialize};

/// A sensor's reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    s: i32,
    t: i64,
    v: f64,
    n: String,
}

/// The batch in which producers append.
pub(crate) const BATCH: usize = 1_000;

/// A batch of readings.
pub(crate) fn batch() -> Vec<Reading> {
    (0..BATCH)
        .zip(0_i32..)
        .map(|(_, s)| Reading { s, t: i64::from(s) * 1_000, v: f64::from(s) / 7.0, n: "x".repeat(45) })
        .collect()
}
