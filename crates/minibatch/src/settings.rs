//! Choosing windows by what users say of them: so many, so much, so long.

use std::time::Duration;

use minibatch_emitters::{BatchWindow, FixedTimeWindow, RelaxedTimeWindow};
use minibatch_runtime::Streaming;

/// When a window is ready, said in the builder: `stream.streaming().size(50).max_wait(…)`.
///
/// `size`, `bytes` and `max_wait` add up, whichever comes first: see [`BatchWindow`] for what exactly happens, and for
/// more. Windows by time alone are `interval` and `fixed_interval`. Every other strategy goes in with
/// [`window`](Streaming::window).
///
/// ```
/// use std::time::Duration;
///
/// use minibatch::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch::Result<()> {
/// # let mb = Minibatch::connect("memory:").await?;
/// let numbers = mb.stream::<u32>("numbers").await?;
/// numbers.append_many(&[1, 2, 3, 4, 5]).await?;
///
/// let sum = |window: Window<u32>| async move { println!("{}", window.data.iter().sum::<u32>()) };
/// let done = numbers.streaming().size(2).max_wait(Duration::from_secs(1)).drain(sum).await?;
/// assert_eq!((done.messages, done.windows), (5, 3));
///
/// let hour = Duration::from_secs(3600);
/// let done = numbers.streaming().group("by_the_hour").fixed_interval(hour).drain(sum).await?;
/// assert_eq!(done.messages, 5);
/// # Ok(())
/// # }
/// ```
pub trait WindowSettings<T, W>: private::Sealed + Sized {
    /// Windows of at most so many messages, one at least.
    fn size(self, messages: usize) -> Streaming<T, BatchWindow>
    where
        W: private::Batch;

    /// Windows of at most so many bytes of messages, as they are in the log, unless a single message has more.
    fn bytes(self, bytes: usize) -> Streaming<T, BatchWindow>
    where
        W: private::Batch;

    /// Windows that wait at most so long after their first message, in whole milliseconds.
    fn max_wait(self, max_wait: Duration) -> Streaming<T, BatchWindow>
    where
        W: private::Batch;

    /// Every so often whatever has gathered, counted from a window's first message: a [`RelaxedTimeWindow`], as
    /// `interval=` in Python.
    fn interval(self, every: Duration) -> Streaming<T, RelaxedTimeWindow>
    where
        W: private::Open;

    /// The messages of each interval of that length by the clock: a [`FixedTimeWindow`], as `interval=, relaxed=False` in
    /// Python.
    fn fixed_interval(self, length: Duration) -> Streaming<T, FixedTimeWindow>
    where
        W: private::Open;
}

impl<T, W> WindowSettings<T, W> for Streaming<T, W> {
    fn size(self, messages: usize) -> Streaming<T, BatchWindow>
    where
        W: private::Batch,
    {
        self.map_window(|window| window.into_batch().size(messages))
    }

    fn bytes(self, bytes: usize) -> Streaming<T, BatchWindow>
    where
        W: private::Batch,
    {
        self.map_window(|window| window.into_batch().bytes(bytes))
    }

    fn max_wait(self, max_wait: Duration) -> Streaming<T, BatchWindow>
    where
        W: private::Batch,
    {
        self.map_window(|window| window.into_batch().max_wait(max_wait))
    }

    fn interval(self, every: Duration) -> Streaming<T, RelaxedTimeWindow>
    where
        W: private::Open,
    {
        self.window(RelaxedTimeWindow::new(every))
    }

    fn fixed_interval(self, length: Duration) -> Streaming<T, FixedTimeWindow>
    where
        W: private::Open,
    {
        self.window(FixedTimeWindow::new(length))
    }
}

mod private {
    use minibatch_emitters::BatchWindow;
    use minibatch_runtime::{NoWindow, Streaming};

    pub trait Sealed {}

    impl<T, W> Sealed for Streaming<T, W> {}

    /// What the limits of a batch can be added to.
    #[diagnostic::on_unimplemented(
        message = "the windows are chosen already, as `{Self}`, which takes no size, bytes or max_wait",
        note = "`.size(…)`, `.bytes(…)` and `.max_wait(…)` go together, other windows stand alone"
    )]
    pub trait Batch {
        fn into_batch(self) -> BatchWindow;
    }

    impl Batch for NoWindow {
        fn into_batch(self) -> BatchWindow {
            BatchWindow::new()
        }
    }

    impl Batch for BatchWindow {
        fn into_batch(self) -> BatchWindow {
            self
        }
    }

    /// No window chosen yet.
    #[diagnostic::on_unimplemented(
        message = "the windows are chosen already, as `{Self}`, which takes no interval",
        note = "an interval stands alone; `.max_wait(…)` goes with `.size(…)` and `.bytes(…)`"
    )]
    pub trait Open {}

    impl Open for NoWindow {}
}
