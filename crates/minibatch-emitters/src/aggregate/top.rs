//! The most frequent values.

use std::fmt;

use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Aggregate;
use crate::bytes;

/// So many places for values, of which three quarters are used. Above it the sketch would look at some of them only when it
/// makes room, and which ones would depend on restarts.
const PLACES: usize = 1_024;

/// The most frequent values, as text: see [`Aggregate::top`].
///
/// A sketch of frequent items (Anderson et al., "A High-Performance Algorithm for Identifying Frequent Items in Data
/// Streams", IMC 2017) of Apache DataSketches: exact while there are no more than 768 different values. Beyond, a count is
/// too high by at most 3.5 messages of 1,024, and no value is missing that is more frequent than that.
#[derive(Clone)]
pub struct Top(FrequentItemsSketch<String>);

impl Default for Top {
    fn default() -> Self {
        Self(empty())
    }
}

#[expect(clippy::expect_used, reason = "the sketch takes powers of two from 8 on")]
fn empty() -> FrequentItemsSketch<String> {
    FrequentItemsSketch::new(PLACES).expect("as many places as a sketch may have")
}

impl Top {
    /// Adds a value.
    pub fn add(&mut self, value: impl fmt::Display) {
        self.0.update(value.to_string());
    }

    /// Adds all values of another one.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// The `k` most frequent values and about how often each came, the most frequent first; of equals the one that is less
    /// as text.
    #[must_use]
    pub fn first(&self, k: usize) -> Vec<(String, u64)> {
        let rows = self.0.frequent_items(ErrorType::NoFalseNegatives);
        let mut items: Vec<_> = rows.into_iter().map(|row| (row.item().clone(), row.estimate())).collect();
        items.sort_unstable_by(|(one, often), (other, seldom)| seldom.cmp(often).then_with(|| one.cmp(other)));
        items.truncate(k);
        items
    }

    /// How many messages a count may be too high by.
    #[must_use]
    pub fn error(&self) -> u64 {
        self.0.maximum_error()
    }
}

impl<T: 'static> Aggregate<T, Top> {
    /// The most frequent of the values that the messages have.
    pub fn top<K: fmt::Display>(of: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        let merge = |top: &mut Top, other: Top| top.merge(&other);
        Self::new(Top::default, move |top, value| top.add(of(value)), merge).named("top")
    }
}

impl Serialize for Top {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.serialize())
    }
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sketch = bytes::deserialize(deserializer)?;
        let items = FrequentItemsSketch::deserialize(&sketch).map(Self);
        items.map_err(|_| D::Error::custom("not a sketch of frequent values"))
    }
}

impl fmt::Debug for Top {
    /// Never a value: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Top").field("values", &self.0.num_active_items()).finish_non_exhaustive()
    }
}
