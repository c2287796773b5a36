//! A recipe for window strategies: a consumer needs a fresh one each time it starts.

use crate::{
    Error, WindowEmitter,
    driver::{Driver, WindowDriver},
    storage::Position,
};

/// Makes the driver of a window strategy, each time a consumer starts.
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
    /// A driver of a fresh strategy at `position`.
    ///
    /// # Errors
    /// [`InvalidWindow`](crate::Cause::InvalidWindow) when its parameters make no sense.
    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error>;
}

impl<F, E> Strategy for F
where
    F: Fn() -> E + Send + Sync + 'static,
    E: WindowEmitter + 'static,
{
    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self(), position)))
    }
}
