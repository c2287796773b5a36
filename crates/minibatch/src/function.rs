//! A function of windows together with its state.

use minibatch_core::Error;
use minibatch_runtime::{Client, Summary};

/// A function that `#[streaming]` was written on, and the state that it gets a clone of with every window.
///
/// Its `with` makes it:
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use minibatch::prelude::*;
///
/// #[streaming("numbers", size = 2)]
/// async fn collect(window: Window<u32>, sums: Arc<Mutex<Vec<u32>>>) {
///     sums.lock().unwrap().push(window.data.iter().sum());
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch::Result<()> {
/// let mb = Minibatch::connect("memory:").await?;
/// mb.stream("numbers").await?.append_many(&[1, 2, 3]).await?;
///
/// let sums = Arc::default();
/// collect.with(Arc::clone(&sums)).drain(&mb).await?;
/// assert_eq!(*sums.lock().unwrap(), [3, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a function does nothing before run or drain"]
pub struct With<F, S> {
    function: F,
    state: S,
}

impl<F: Stateful<S>, S> With<F, S> {
    #[doc(hidden)]
    pub fn new(function: F, state: S) -> Self {
        Self { function, state }
    }

    /// Runs the function on every window until Ctrl-C, as [`Streaming::run`](crate::Streaming::run) does.
    ///
    /// # Errors
    /// As [`Client::stream`], [`Streaming::open`](crate::Streaming::open), and whatever ends the consumer.
    ///
    /// # Cancel safety
    /// Dropped, it stops at once: the window at hand comes again at the next start.
    pub async fn run(self, client: &Client) -> Result<Summary, Error> {
        self.function.run_with(client, self.state).await
    }

    /// Runs the function on every window up to the end of the stream as it is now, as
    /// [`Streaming::drain`](crate::Streaming::drain) does.
    ///
    /// # Errors
    /// As [`With::run`].
    ///
    /// # Cancel safety
    /// As [`With::run`].
    pub async fn drain(self, client: &Client) -> Result<Summary, Error> {
        self.function.drain_with(client, self.state).await
    }
}

/// What `#[streaming]` writes for a function with state, for [`With`]. Not to be implemented by hand.
#[doc(hidden)]
pub trait Stateful<S> {
    fn run_with(self, client: &Client, state: S) -> impl Future<Output = Result<Summary, Error>> + Send;

    fn drain_with(self, client: &Client, state: S) -> impl Future<Output = Result<Summary, Error>> + Send;
}
