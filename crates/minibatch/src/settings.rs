//! Choosing windows by what users say of them: so many, so much, so long.

use std::time::Duration;

use minibatch_emitters::{BatchWindow, FixedTimeWindow, RelaxedTimeWindow};
use minibatch_runtime::{NoWindow, Streaming};

/// When a window is ready: as soon as it has so many messages, so many bytes, or has waited so long.
///
/// Several together: whichever comes first. See [`BatchWindow`] for what exactly happens, and for more.
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
/// let summary = numbers.streaming().size(2).max_wait(Duration::from_secs(1)).drain(sum).await?;
/// assert_eq!((summary.messages, summary.windows), (5, 3));
/// # Ok(())
/// # }
/// ```
pub trait BatchSettings<T>: private::Sealed + Sized {
    /// Windows of at most so many messages, one at least.
    fn size(self, messages: usize) -> Streaming<T, BatchWindow>;

    /// Windows of at most so many bytes of messages, as they are in the log, unless a single message has more.
    fn bytes(self, bytes: usize) -> Streaming<T, BatchWindow>;

    /// Windows that wait at most so long after their first message, in whole milliseconds.
    fn max_wait(self, max_wait: Duration) -> Streaming<T, BatchWindow>;
}

/// Windows by time alone.
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
/// let minute = Duration::from_secs(60);
/// let by_minute = numbers.streaming().group("by_minute").fixed_interval(minute);
/// let now_and_then = numbers.streaming().group("now_and_then").interval(minute);
/// # Ok(())
/// # }
/// ```
pub trait TimeSettings<T>: private::Sealed + Sized {
    /// Every so often whatever has gathered, counted from a window's first message: a [`RelaxedTimeWindow`], as
    /// `interval=` in Python.
    fn interval(self, every: Duration) -> Streaming<T, RelaxedTimeWindow>;

    /// The messages of each interval of that length by the clock: a [`FixedTimeWindow`], as `interval=, relaxed=False` in
    /// Python.
    fn fixed_interval(self, length: Duration) -> Streaming<T, FixedTimeWindow>;
}

impl<T, W: private::Batch> BatchSettings<T> for Streaming<T, W> {
    fn size(self, messages: usize) -> Streaming<T, BatchWindow> {
        self.map_window(|window| window.into_batch().size(messages))
    }

    fn bytes(self, bytes: usize) -> Streaming<T, BatchWindow> {
        self.map_window(|window| window.into_batch().bytes(bytes))
    }

    fn max_wait(self, max_wait: Duration) -> Streaming<T, BatchWindow> {
        self.map_window(|window| window.into_batch().max_wait(max_wait))
    }
}

impl<T> TimeSettings<T> for Streaming<T, NoWindow> {
    fn interval(self, every: Duration) -> Streaming<T, RelaxedTimeWindow> {
        self.window(RelaxedTimeWindow::new(every))
    }

    fn fixed_interval(self, length: Duration) -> Streaming<T, FixedTimeWindow> {
        self.window(FixedTimeWindow::new(length))
    }
}

mod private {
    use minibatch_emitters::BatchWindow;
    use minibatch_runtime::{NoWindow, Streaming};

    pub trait Sealed {}

    impl<T, W> Sealed for Streaming<T, W> {}

    /// What the settings of a batch can be added to.
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
}
