//! What a window's messages are folded into, one by one.

mod accumulated;
mod aggregated;
mod distinct;
mod moments;
mod numbers;
mod quantiles;
mod top;

use std::{any::type_name, fmt, sync::Arc};

pub(crate) use accumulated::Accumulated;
pub use aggregated::Aggregated;
pub use distinct::Distinct;
use minibatch_core::Message;
pub use moments::Moments;
pub use quantiles::Quantiles;
use serde::{Serialize, de::DeserializeOwned};
pub use top::Top;

/// What the messages of a window are folded into, one by one, instead of being kept: so a day of 100 million messages
/// needs the memory of one value.
///
/// Of three functions: `init` makes a value for no messages, `fold` adds a message to one, `merge` adds one value to
/// another. They must do the same each time, in every process, and it must not matter whether messages were folded into
/// one value or into two that were merged. The value is snapshotted with the group, so it is serialized and
/// deserialized as it is.
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_emitters::{Aggregate, TimeWindow};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Quake {
///     mag: f64,
///     place: String,
/// }
///
/// #[derive(Clone, Default, Serialize, Deserialize)]
/// struct Strongest(f64);
///
/// let strongest = Aggregate::new(
///     Strongest::default,
///     |strongest: &mut Strongest, quake: &Quake| strongest.0 = strongest.0.max(quake.mag),
///     |strongest, other| strongest.0 = strongest.0.max(other.0),
/// );
/// let places = Aggregate::distinct(|quake: &Quake| quake.place.clone());
/// let daily = TimeWindow::tumbling(Duration::from_hours(24)).aggregate(strongest.named("strongest").and(places));
/// # let _ = daily;
/// ```
///
/// The ready ones: [`count`](Self::count), [`sum`](Self::sum), [`min`](Self::min), [`max`](Self::max),
/// [`moments`](Self::moments) (mean, variance), [`top`](Self::top), [`distinct`](Self::distinct),
/// [`quantiles`](Self::quantiles), and any two of them at once by [`and`](Self::and).
#[must_use = "an aggregate does nothing before a strategy has it"]
pub struct Aggregate<T, A> {
    name: String,
    init: Arc<dyn Fn() -> A + Send + Sync>,
    fold: Folds<T, A>,
    merge: Merges<A>,
}

type Folds<T, A> = Arc<dyn Fn(&mut A, &T) + Send + Sync>;
type Merges<A> = Arc<dyn Fn(&mut A, A) + Send + Sync>;

/// What a value must be able to do: to be stored with a group, and to be shown more than once.
pub trait Accumulator: Clone + Serialize + DeserializeOwned + Send + 'static {}

impl<A: Clone + Serialize + DeserializeOwned + Send + 'static> Accumulator for A {}

impl<T: 'static, A: 'static> Aggregate<T, A> {
    /// By three functions.
    pub fn new(
        init: impl Fn() -> A + Send + Sync + 'static,
        fold: impl Fn(&mut A, &T) + Send + Sync + 'static,
        merge: impl Fn(&mut A, A) + Send + Sync + 'static,
    ) -> Self {
        Self { name: "custom".to_owned(), init: Arc::new(init), fold: Arc::new(fold), merge: Arc::new(merge) }
    }

    /// Its name in the fingerprint: give another one when the functions change, so that a group notices.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// This one and another, of the same messages.
    pub fn and<B: 'static>(self, other: Aggregate<T, B>) -> Aggregate<T, (A, B)> {
        let name = format!("{},{}", self.name, other.name);
        let (init, other_init) = (self.init, other.init);
        let (fold, other_fold) = (self.fold, other.fold);
        let (merge, other_merge) = (self.merge, other.merge);
        let both = Aggregate::new(
            move || (init(), other_init()),
            move |both: &mut (A, B), value: &T| {
                fold(&mut both.0, value);
                other_fold(&mut both.1, value);
            },
            move |both: &mut (A, B), more: (A, B)| {
                merge(&mut both.0, more.0);
                other_merge(&mut both.1, more.1);
            },
        );
        both.named(name)
    }
}

impl<T, A> Clone for Aggregate<T, A> {
    fn clone(&self) -> Self {
        let (init, fold, merge) = (Arc::clone(&self.init), Arc::clone(&self.fold), Arc::clone(&self.merge));
        Self { name: self.name.clone(), init, fold, merge }
    }
}

impl<T, A> fmt::Debug for Aggregate<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregate").field("name", &self.name).field("value", &type_name::<A>()).finish_non_exhaustive()
    }
}

/// An [`Aggregate`] of whatever messages.
pub(crate) trait Fold<A>: fmt::Debug + Send + Sync {
    /// Folds a message in; `false` where it is not of the type.
    fn fold(&self, value: &mut Option<A>, message: &Message<'_>) -> bool;

    /// Folds in what others were folded into.
    fn merge(&self, value: &mut Option<A>, other: A);

    /// Its name in a fingerprint.
    fn name(&self) -> &str;
}

impl<T: DeserializeOwned + 'static, A: 'static> Fold<A> for Aggregate<T, A> {
    fn fold(&self, value: &mut Option<A>, message: &Message<'_>) -> bool {
        let Ok(decoded) = message.decode() else { return false };
        (self.fold)(value.get_or_insert_with(|| (self.init)()), &decoded);
        true
    }

    fn merge(&self, value: &mut Option<A>, other: A) {
        match value {
            Some(value) => (self.merge)(value, other),
            None => *value = Some(other),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}
