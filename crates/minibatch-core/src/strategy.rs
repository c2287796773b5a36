//! A recipe for window strategies: a consumer needs a fresh one each time it starts.

use std::sync::Arc;

use crate::{
    Error, WindowEmitter,
    driver::{Driver, WindowDriver},
    storage::Position,
};

/// Makes a window strategy afresh, each time a consumer starts.
///
/// A function that makes a [`WindowEmitter`] is one, so a strategy of one's own needs nothing more:
///
/// ```
/// use minibatch_core::{storage::Position, Buffer, Readiness, Strategy, Timestamp, WindowEmitter, window::{Reason, Selection}};
/// # struct Pairs;
/// # impl WindowEmitter for Pairs {
/// #     fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
/// #         if buffer.len() >= 2 { Readiness::Ready } else { Readiness::wait() }
/// #     }
/// #     fn query(&mut self, _buffer: &Buffer) -> Selection { Selection::first(2, Reason::Count) }
/// # }
///
/// let strategy = || Pairs;
/// let driver = strategy.driver(Position::START)?;
/// assert_eq!(driver.fingerprint().as_str(), "custom/1()");
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when a window is ready",
    note = "choose with `.size(…)`, `.max_wait(…)`, `.bytes(…)` or `.interval(…)`, or give a strategy: `.window(|| MyEmitter::new())`"
)]
pub trait Strategy: Send + Sync + 'static {
    /// A fresh emitter, with nothing seen yet.
    ///
    /// # Errors
    /// [`InvalidWindow`](crate::Cause::InvalidWindow) when its parameters make no sense.
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error>;

    /// A driver of a fresh emitter at `position`.
    ///
    /// A strategy that makes it of an emitter whose type is known spares itself a dynamic call or two a message.
    ///
    /// # Errors
    /// As [`Strategy::emitter`].
    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self.emitter()?, position)))
    }
}

impl<F, E> Strategy for F
where
    F: Fn() -> E + Send + Sync + 'static,
    E: WindowEmitter + 'static,
{
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        Ok(Box::new(self()))
    }

    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self(), position)))
    }
}

/// A strategy whose windows hold one value in place of their messages: what these were folded into, one by one, so that a
/// window of any length needs no more memory than that value.
///
/// A consumer takes one in `aggregate` instead of `window`, and its function gets windows of the output.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fold messages into a value",
    note = "choose windows and what to make of them: `TimeWindow::tumbling(…).aggregate(Aggregate::new(…))`"
)]
pub trait Aggregation {
    /// What the stream holds.
    type Message;
    /// What a window holds.
    type Output;

    /// The strategy that folds: its emitter answers [`Observed::Fold`](crate::Observed::Fold), and its windows are
    /// [`Selection::folded`](crate::window::Selection::folded).
    fn into_strategy(self) -> impl Strategy;
}

/// A strategy that is shared, or chosen at run time.
impl<S: Strategy + ?Sized> Strategy for Arc<S> {
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        (**self).emitter()
    }

    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        (**self).driver(position)
    }
}
