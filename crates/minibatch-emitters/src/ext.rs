//! What every strategy can be made into.

use std::hash::Hash;

use minibatch_core::{Strategy, window::Panes};
use serde::de::DeserializeOwned;

use crate::{ByKey, Early, Every, Keep, Refined, Sample, SortedBy, UniqueBy};

/// Every strategy made into another one, one around the other.
///
/// ```
/// use minibatch_emitters::{CountWindow, Keep, StrategyExt};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Quake {
///     id: String,
///     time: i64,
/// }
///
/// // of each quake its newest report, in the order in which they happened
/// let newest = CountWindow::new(100)
///     .sorted_by(|quake: &Quake| quake.time)
///     .unique_by(|quake: &Quake| quake.id.clone(), Keep::Last);
/// newest.build()?;
/// # Ok::<(), minibatch_core::Error>(())
/// ```
pub trait StrategyExt: Strategy + Sized {
    /// The strategy run on the messages of each key apart: see [`ByKey`].
    fn by_key(self) -> ByKey {
        ByKey::new(self)
    }

    /// Its open windows shown before they are over: see [`Early`].
    fn early(self, every: Every, panes: Panes) -> Early<Self> {
        Early::new(self, every, panes)
    }

    /// Each window with one message of each key: see [`UniqueBy`] and [`Refined`].
    fn unique_by<T: DeserializeOwned, K: Hash + Eq>(
        self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
        keep: Keep,
    ) -> Refined<Self, UniqueBy> {
        Refined::new(self, UniqueBy::value(key, keep))
    }

    /// Each window in the order of a key: see [`SortedBy`] and [`Refined`].
    fn sorted_by<T: DeserializeOwned, K: Ord>(
        self,
        key: impl Fn(&T) -> K + Send + Sync + 'static,
    ) -> Refined<Self, SortedBy> {
        Refined::new(self, SortedBy::value(key))
    }

    /// Each window with some of its messages: see [`Sample`] and [`Refined`].
    fn sampled(self, sample: Sample) -> Refined<Self, Sample> {
        Refined::new(self, sample)
    }
}

impl<S: Strategy> StrategyExt for S {}
