//! An approximate count of different values.

use std::{fmt, hash::Hash};

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Aggregate;
use crate::bytes;

/// 4,096 registers: a standard error of 1.6 per cent in 4 KiB.
const LOG_REGISTERS: u8 = 12;

/// About how many different values there were: see [`Aggregate::distinct`].
///
/// A HyperLogLog sketch (Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm",
/// 2007) of Apache DataSketches; below some hundred values it is nearly exact. The order of the values does not matter.
#[derive(Clone)]
pub struct Distinct(HllSketch);

impl Default for Distinct {
    fn default() -> Self {
        Self(empty())
    }
}

#[expect(clippy::expect_used, reason = "the sketch takes from 4 to 21")]
fn empty() -> HllSketch {
    HllSketch::new(LOG_REGISTERS, HllType::Hll8).expect("as many registers as a sketch may have")
}

impl Distinct {
    /// Adds a value. Values are the same if they hash to the same.
    pub fn add(&mut self, value: impl Hash) {
        self.0.update(value);
    }

    /// Adds all values of another one.
    #[expect(clippy::expect_used, reason = "the union takes from 4 to 21")]
    pub fn merge(&mut self, other: &Self) {
        let mut both = HllUnion::new(LOG_REGISTERS).expect("as many registers as a union may have");
        both.update(&self.0);
        both.update(&other.0);
        self.0 = both.to_sketch(HllType::Hll8);
    }

    /// About how many different values there were.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, rounded")]
    pub fn estimate(&self) -> u64 {
        // by the registers alone, so that it does not matter in which order they were filled
        self.0.composite_estimate().round() as u64
    }
}

impl<T: 'static> Aggregate<T, Distinct> {
    /// About how many different values the messages have.
    pub fn distinct<K: Hash>(of: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        let merge = |distinct: &mut Distinct, other: Distinct| distinct.merge(&other);
        Self::new(Distinct::default, move |distinct, value| distinct.add(of(value)), merge).named("distinct")
    }
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.serialize())
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sketch = bytes::deserialize(deserializer)?;
        HllSketch::deserialize(&sketch).map(Self).map_err(|_| D::Error::custom("not a sketch of different values"))
    }
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Distinct").field("estimate", &self.estimate()).finish_non_exhaustive()
    }
}
