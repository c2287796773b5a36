//! What your own functions and strategies are tested with: windows from literals, redelivery, a clock that is moved by hand.
//!
//! For `[dev-dependencies]`: `minibatch = { version = "…", features = ["testing"] }`.
//!
//! A function in five lines, without a storage ([`window`] says what else can be written of one):
//!
//! ```
//! use minibatch::{prelude::*, testing::window};
//!
//! #[streaming("words", size = 2)]
//! async fn short_words(window: Window<String>) -> Result<()> {
//!     let long = window.data.iter().position(|word| word.len() > 3);
//!     long.map_or(Ok(()), |index| window.reject(index, "too long"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let settled = window(["one", "three"])?.run(|window| short_words.call(window)).await;
//! assert_eq!(settled.outcome, Ok(()));
//! assert_eq!(settled.rejected, [(1, "too long".to_owned())]);
//! # Ok(())
//! # }
//! ```
//!
//! Whether it may be called again with the same window, which happens after every crash: [`assert_idempotent`].
//!
//! A strategy in one line: [`emitter::check`]; against the laws that all strategies keep: [`emitter::Suite`]. Both come
//! from the crate `minibatch-testkit`, which has the conformance suite for storages, too.

use std::fmt;

use minibatch_runtime::{Outcome, Window};
use minibatch_testkit::cancel::dropped_after;
use serde::de::DeserializeOwned;

#[doc(inline)]
pub use minibatch_runtime::testing::{Settled, WindowLiteral, window};
#[doc(inline)]
pub use minibatch_testkit::{clock::ManualClock, emitter};

/// Asserts that a function may be called with the same window more than once, as any function of a consumer is after a
/// crash: that what it does elsewhere is the same then as after one call.
///
/// `world` makes what it does that to, afresh each time; `effects` looks at it. The window is delivered
///
/// - once, by which all else is measured;
/// - three times, as where each time the process ended before the window was committed;
/// - after a delivery that was cut short: before the function began, at its first `await`, at its second, and so on.
///
/// ```
/// use std::{collections::BTreeMap, sync::Mutex};
///
/// use minibatch::{prelude::*, testing::{assert_idempotent, window}};
///
/// /// Sums by window: one that comes again replaces what it wrote.
/// type Sums = Mutex<BTreeMap<u64, i64>>;
///
/// async fn sum(sums: &Sums, window: Window<i64>) {
///     sums.lock().unwrap().insert(window.ordinal, window.data.iter().sum());
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// assert_idempotent(&window([1, 2, 3])?, async || Sums::default(), sum, async |sums| sums.lock().unwrap().clone()).await;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// When the effects differ, with both; and when the function fails where it is not cut short.
#[expect(clippy::panic, reason = "a failed assertion is a failed test")]
pub async fn assert_idempotent<T, W, R, E>(
    window: &WindowLiteral,
    world: impl AsyncFn() -> W,
    function: impl AsyncFn(&W, Window<T>) -> R,
    effects: impl AsyncFn(&W) -> E,
) where
    T: DeserializeOwned,
    R: Outcome,
    E: PartialEq + fmt::Debug,
{
    let deliver = async |world: &W, attempt: u32| {
        let delivered = window.clone().attempt(attempt);
        if let Err(failure) = delivered.run(|window| function(world, window)).await.outcome {
            panic!("the function failed at attempt {attempt}: {failure}");
        }
    };
    let once = world().await;
    deliver(&once, 1).await;
    let once = effects(&once).await;

    let again = world().await;
    for attempt in 1..=3 {
        deliver(&again, attempt).await;
    }
    assert_eq!(effects(&again).await, once, "the effects of three deliveries, and of one");

    for polls in 0.. {
        let cut = world().await;
        let whole = dropped_after(polls, deliver(&cut, 1)).await.is_some();
        if whole {
            break;
        }
        deliver(&cut, 2).await;
        assert_eq!(effects(&cut).await, once, "the effects after one delivery was dropped at poll {polls}, and of one");
    }
}
