//! What every strategy can be turned into.

use minibatch_core::Strategy;

use crate::ByKey;

/// What every strategy can be turned into.
///
/// ```
/// use minibatch_emitters::{CountWindow, StrategyExt};
///
/// let tens_of_each_key = CountWindow::new(10).by_key();
/// # tens_of_each_key.build().unwrap();
/// ```
pub trait StrategyExt: Strategy + Sized {
    /// The strategy run on the messages of each key apart: [`ByKey`].
    fn by_key(self) -> ByKey {
        ByKey::new(self)
    }
}

impl<S: Strategy> StrategyExt for S {}
