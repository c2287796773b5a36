//! A strategy whose windows hold one value in place of their messages.

use std::{fmt, marker::PhantomData, sync::Arc};

use minibatch_core::{Aggregation, Error, Strategy, WindowEmitter, window::Panes};
use serde::de::DeserializeOwned;

use super::{Accumulator, Aggregate, Fold};
use crate::{ByKey, Early, Every};

/// A strategy whose windows hold one `A` in place of messages that are `T`s: see [`Aggregate`].
///
/// Give it to a consumer's `aggregate`, in place of `window`.
///
/// # Behaviour
/// - exactly the windows that the strategy forms without: the value is that of their messages, folded in the order of the log
///   within a [pane](crate::TimeWindow), pane after pane. A stretch of time without messages has no window
/// - a message that is not a `T` is not folded: it is in the window behind the value, as a message that does not decode. A
///   window of such messages alone has no value
/// - late messages are messages, in windows of their own
/// - remembers the value of each open window: it is in the checkpoint, with the group's progress
#[must_use = "a strategy does nothing before a consumer has it"]
pub struct Aggregated<T, A> {
    strategy: Arc<dyn Strategy>,
    types: PhantomData<fn(T) -> A>,
}

impl<T, A> Aggregated<T, A> {
    pub(crate) fn new(
        aggregate: Aggregate<T, A>,
        make: impl Fn(Arc<dyn Fold<A>>) -> Result<Box<dyn WindowEmitter>, Error> + Send + Sync + 'static,
    ) -> Self
    where
        T: DeserializeOwned + 'static,
        A: Accumulator,
    {
        let fold: Arc<dyn Fold<A>> = Arc::new(aggregate);
        Self::of(Made(move || make(Arc::clone(&fold))))
    }

    fn of(strategy: impl Strategy) -> Self {
        Self { strategy: Arc::new(strategy), types: PhantomData }
    }

    /// Shows the values that there are before the windows are over, every so often; each takes the place of the one before: see
    /// [`Early`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use minibatch_core::Aggregation;
    /// use minibatch_emitters::{Aggregate, Every, TimeWindow};
    /// use minibatch_testkit::emitter::check;
    ///
    /// let so_far = TimeWindow::tumbling(Duration::from_secs(10)).aggregate(Aggregate::<String, u64>::count());
    /// check(so_far.early(Every::messages(2)).into_strategy(), "a@1 b@2 c@5 d@12", &["2 early@2", "3 boundary@10"]);
    /// ```
    pub fn early(self, every: Every) -> Self {
        Self::of(Early::new(self.strategy, every, Panes::Accumulating))
    }

    /// The messages of each key apart, each with a value of its own: see [`ByKey`].
    pub fn by_key(self) -> Self {
        self.by_key_with(|by_key| by_key)
    }

    /// The same, with the key told otherwise.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use minibatch_emitters::{Aggregate, TimeWindow};
    ///
    /// let words = TimeWindow::tumbling(Duration::from_mins(1))
    ///     .aggregate(Aggregate::<String, _>::count())
    ///     .by_key_with(|by_key| by_key.key(|word: &String| word.clone()));
    /// # let _ = words;
    /// ```
    pub fn by_key_with(self, change: impl FnOnce(ByKey) -> ByKey) -> Self {
        Self::of(change(ByKey::new(self.strategy)))
    }
}

impl<T, A> Aggregation for Aggregated<T, A> {
    type Message = T;
    type Output = A;

    fn into_strategy(self) -> impl Strategy {
        self.strategy
    }
}

impl<T, A> Clone for Aggregated<T, A> {
    fn clone(&self) -> Self {
        Self { strategy: Arc::clone(&self.strategy), types: PhantomData }
    }
}

impl<T, A> fmt::Debug for Aggregated<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strategy = self.strategy.emitter().map(|emitter| emitter.fingerprint());
        f.debug_struct("Aggregated").field("strategy", &strategy).finish()
    }
}

/// A strategy by the function that makes its emitter.
struct Made<F>(F);

impl<F> Strategy for Made<F>
where
    F: Fn() -> Result<Box<dyn WindowEmitter>, Error> + Send + Sync + 'static,
{
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        (self.0)()
    }
}
